//! A folder of its own for each test: files are written into it, the built program runs in it with a clean environment,
//! and what it left (parts, rejects, report) is read back. [`Server`] is the built-in sandbox, as the job's `[sftp]`.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by test crates that use a part of it each; a panic is the failure"
)]

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use klaviyo_export_sandbox::api::ApiSettings;
use klaviyo_export_sandbox::{Faults, Sandbox, SandboxSettings};
use serde_json::Value;
use tempfile::TempDir;

/// Where the program keeps its state in the folder: that is its default, by `XDG_STATE_HOME`, so that no command that it
/// prints has to name a state directory.
const STATE: &str = "state/klaviyo-export";

/// Nothing that a test waits for takes so long.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// A folder that goes when the test ends.
pub(crate) struct Workspace {
    folder: TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Self {
        let folder = folder();
        for name in ["home", STATE] {
            std::fs::create_dir_all(folder.path().join(name)).unwrap();
        }
        Self { folder }
    }

    /// A workspace with these files in it.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let workspace = Self::new();
        for (name, text) in files {
            workspace.write(name, text);
        }
        workspace
    }

    /// A path in the folder; `state` and what is below it are where the program keeps its state.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        match name.strip_prefix("state") {
            Some("") => self.folder.path().join(STATE),
            Some(rest) if rest.starts_with('/') => self.folder.path().join(STATE).join(&rest[1..]),
            _ => self.folder.path().join(name),
        }
    }

    pub(crate) fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }

    /// Sets who may read and write a file, whatever the umask: a job file that loads a driver is its owner's to write.
    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(self.path(name), mode).unwrap();
    }

    /// Writes `name.toml`: the job's name, `body`, and the section of `server` if there is one.
    pub(crate) fn job(&self, name: &str, body: &str, server: Option<&Server>) -> String {
        let file = format!("{name}.toml");
        let section = server.map_or_else(String::new, Server::section);
        self.write(&file, format!("name = \"{name}\"\n{body}\n{section}"));
        file
    }

    pub(crate) fn server(&self) -> Server {
        self.server_with(Faults::none())
    }

    pub(crate) fn server_with(&self, faults: Faults) -> Server {
        self.server_of(faults, ApiSettings::default())
    }

    pub(crate) fn server_of(&self, faults: Faults, api: ApiSettings) -> Server {
        let settings = SandboxSettings {
            root: self.path("server"),
            port: 0,
            username: "AbCdEf_GhIjKl".to_owned(),
            faults,
            api,
        };
        Server(Sandbox::start(settings).unwrap())
    }

    /// The program with these arguments, in this folder, with a clean environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_klaviyo-export"));
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.path("home"))
            .env("XDG_STATE_HOME", self.folder.path().join("state"))
            .env("KLAVIYO_EXPORT_LOOPBACK_ONLY", "1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Outcome {
        Outcome::of(self.command(arguments).spawn().unwrap())
    }

    /// Runs with variables of the environment more.
    pub(crate) fn run_with_env(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Outcome {
        let mut command = self.command(arguments);
        Outcome::of(command.envs(variables.iter().copied()).spawn().unwrap())
    }

    /// Runs with `input` on standard input.
    pub(crate) fn run_with_stdin(&self, arguments: &[&str], input: &[u8]) -> Outcome {
        let mut command = self.command(arguments);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        // A program that fails early closes its end.
        let _ = child.stdin.take().unwrap().write_all(input);
        Outcome::of(child)
    }

    /// The folder of the job's last run.
    pub(crate) fn last_run(&self, job: &str) -> PathBuf {
        let runs = self.path("state").join(job).join("runs");
        sorted(&runs)
            .pop()
            .unwrap_or_else(|| panic!("{job} has no run"))
    }

    /// A file of the job's last run.
    pub(crate) fn of_last_run(&self, job: &str, name: &str) -> String {
        std::fs::read_to_string(self.last_run(job).join(name)).unwrap()
    }

    /// The CSV parts that the job's last run left here, in order.
    pub(crate) fn parts(&self, job: &str) -> Vec<String> {
        csv_files(&self.last_run(job).join("parts"))
    }
}

/// A temporary folder, in memory where there is such a place: every state of a run is made durable, and waiting for a
/// disk that others use too is most of what a test would do.
pub(crate) fn folder() -> TempDir {
    tempfile::tempdir_in("/dev/shm").unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

/// How a run of the program ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(child: Child) -> Self {
        let output = child.wait_with_output().unwrap();
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Fails the test unless the program ended with `code`.
    #[track_caller]
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}\n{}", self.stdout, self.stderr);
        self
    }

    /// The report on stdout, of a run with `--json`.
    #[track_caller]
    pub(crate) fn report(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", self.stdout, self.stderr))
    }

    /// The line that begins with `error: `, without these words.
    #[track_caller]
    pub(crate) fn error(&self) -> &str {
        self.line("error: ")
    }

    /// The line that begins with `hint: `, without these words.
    #[track_caller]
    pub(crate) fn hint(&self) -> &str {
        self.line("hint: ")
    }

    /// The line that begins with `next: `, without these words: the command that the program says to type.
    #[track_caller]
    pub(crate) fn next(&self) -> &str {
        let lines = self.stderr.lines().chain(self.stdout.lines());
        lines
            .filter_map(|line| line.strip_prefix("next: "))
            .next_back()
            .unwrap_or_else(|| panic!("no next command\n{}\n{}", self.stdout, self.stderr))
    }

    #[track_caller]
    fn line(&self, beginning: &str) -> &str {
        let mut lines = self.stderr.lines();
        lines
            .find_map(|line| line.strip_prefix(beginning))
            .unwrap_or_else(|| panic!("no line `{beginning}`\n{}\n{}", self.stdout, self.stderr))
    }

    /// Fails the test unless `report[key]` is `expected`, for each pair.
    #[track_caller]
    pub(crate) fn reports(self, expected: &[(&str, Value)]) -> Self {
        let report = self.report();
        for (key, value) in expected {
            assert_eq!(&report[key], value, "{key} of {report:#}\n{}", self.stderr);
        }
        self
    }
}

/// The built-in sandbox, which stands in for Klaviyo's server.
pub(crate) struct Server(pub(crate) Sandbox);

impl Server {
    /// The job's `[sftp]`.
    pub(crate) fn section(&self) -> String {
        format!(
            "[sftp]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"{}\"\nprivate-key = \"{}\"\nknown-hosts = [\"{}\"]\nsessions = 2\n",
            self.0.address().port(),
            self.0.username(),
            self.0.private_key().display(),
            self.0.known_hosts().display(),
        )
    }

    /// The job's `[klaviyo]`.
    pub(crate) fn api_section(&self) -> String {
        format!(
            "[klaviyo]\nbase-url = \"{}\"\napi-key-file = \"{}\"\n",
            self.0.api().base_url(),
            self.0.api().key_file().display(),
        )
    }

    /// The flags of `send`.
    pub(crate) fn flags(&self) -> [String; 6] {
        [
            "--to".to_owned(),
            format!("sftp://{}@{}/profiles", self.0.username(), self.0.address()),
            "--identity".to_owned(),
            self.0.private_key().display().to_string(),
            "--known-hosts".to_owned(),
            self.0.known_hosts().display().to_string(),
        ]
    }

    /// The files that arrived, in the order of their names.
    pub(crate) fn received(&self) -> Vec<String> {
        csv_files(self.0.profiles())
    }

    /// The events on the server, as words.
    pub(crate) fn events(&self) -> String {
        format!("{:?}", self.0.journal())
    }
}

/// `arguments` and then `more`.
pub(crate) fn join<'a>(arguments: &[&'a str], more: &'a [String]) -> Vec<&'a str> {
    let more = more.iter().map(String::as_str);
    arguments.iter().copied().chain(more).collect()
}

/// The rows of a CSV text, the header first, as cells by name.
pub(crate) fn rows(text: &str) -> Vec<BTreeMap<String, String>> {
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    reader
        .deserialize()
        .collect::<Result<_, _>>()
        .unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The cells of one column of a CSV text.
pub(crate) fn column(text: &str, name: &str) -> Vec<String> {
    rows(text)
        .into_iter()
        .map(|mut row| row.remove(name).unwrap())
        .collect()
}

fn csv_files(folder: &Path) -> Vec<String> {
    sorted(folder)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths
}
