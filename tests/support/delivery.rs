//! A folder with an audience, a job file and the program's state, and what a run in it came to.
//!
//! The program is the built binary, with an environment of its own: no home, no variables of whoever runs the tests.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test target uses a part of it, as a module of its own"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::transport;
use klaviyo_export::run::report::RunReport;
use klaviyo_export::state::part::hex;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

/// The job's name in every workspace.
pub const JOB: &str = "weather";

/// Where a job delivers to.
#[derive(Debug, Clone)]
pub struct Target {
    pub port: u16,
    pub username: String,
    pub private_key: PathBuf,
    /// `known-hosts = […]` or `host-key = […]`.
    pub trust: String,
    pub directory: String,
}

/// The lines that a test adds to its job's sections; retries are fast in all of them.
#[derive(Debug, Clone)]
pub struct JobOptions {
    pub file: &'static str,
    pub columns: &'static str,
    pub sessions: usize,
    pub max_rows: u64,
    pub give_up_after: &'static str,
    pub first: &'static str,
    pub stall_timeout: &'static str,
    pub commit_timeout: &'static str,
    /// More lines of `[sftp]`.
    pub sftp: String,
    /// More lines of `[parts]`.
    pub parts: String,
}

impl Default for JobOptions {
    fn default() -> Self {
        Self {
            file: "audience.csv",
            columns: "mail = \"Email\"\nid = \"ExternalID\"\nname = \"FirstName\"\nnote = \"Note\"",
            sessions: 1,
            max_rows: 1_000_000,
            give_up_after: "20s",
            first: "10ms",
            stall_timeout: "2s",
            commit_timeout: "2s",
            sftp: String::new(),
            parts: "keep-parts = true".into(),
        }
    }
}

/// A folder with everything that a run needs and leaves.
pub struct Workspace {
    pub directory: TempDir,
}

/// A program that has ended.
#[derive(Debug)]
pub struct Outcome {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

/// A program that runs.
pub struct Running {
    child: Child,
    stdout: Pipe,
    stderr: Pipe,
    begun: Instant,
}

impl Workspace {
    pub fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Writes `audience.csv` with so many rows of about `row_bytes` each.
    pub fn audience(&self, rows: usize, row_bytes: usize) {
        let mut text = String::from("id,mail,name,note\n");
        for row in 1..=rows {
            let note: String = noise(row as u64)
                .take(row_bytes.saturating_sub(60))
                .collect();
            writeln!(text, "{row},row{row}@example.com,\"Row, {row}\",{note}").unwrap();
        }
        self.write("audience.csv", text);
    }

    /// Writes `job.toml`.
    pub fn job(&self, target: &Target, options: &JobOptions) {
        let text = format!(
            "name = \"{JOB}\"\n[audience]\nfiles = [\"{}\"]\n[columns]\n{}\n\
             [parts]\nmax-rows = {}\n{}\n\
             [sftp]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"{}\"\nprivate-key = \"{}\"\n{}\n\
             directory = \"{}\"\nsessions = {}\nstall-timeout = \"{}\"\ncommit-timeout = \"{}\"\n{}{}\n\
             [retry]\nfirst = \"{}\"\nmax = \"300ms\"\ngive-up-after = \"{}\"\n",
            options.file,
            options.columns,
            options.max_rows,
            options.parts,
            target.port,
            target.username,
            target.private_key.display(),
            target.trust,
            target.directory,
            options.sessions,
            options.stall_timeout,
            options.commit_timeout,
            transport::line(),
            options.sftp,
            options.first,
            options.give_up_after,
        );
        self.write("job.toml", text);
    }

    /// The program with these arguments, in this folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_klaviyo-export"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .env("KLAVIYO_EXPORT_STATE_DIR", self.path("state"))
            .env("KLAVIYO_EXPORT_LOOPBACK_ONLY", "1")
            .stdin(Stdio::null());
        command
    }

    /// Runs the job to its end.
    pub fn run(&self) -> Outcome {
        self.start().wait()
    }

    /// Begins to run the job.
    pub fn start(&self) -> Running {
        Running::start(&mut self.command(&["run", "job.toml", "--json"]))
    }

    /// Runs the program with these arguments to its end.
    pub fn call(&self, arguments: &[&str]) -> Outcome {
        Running::start(&mut self.command(arguments)).wait()
    }

    /// The spooled parts of the last run of `job`, by file name.
    pub fn spooled(&self, job: &str, run_id: &str) -> BTreeMap<String, Vec<u8>> {
        let runs = self.path("state").join(job).join("runs");
        csv_files(&runs.join(run_id).join("parts"))
    }
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = Pipe::collect(child.stdout.take().unwrap());
        let stderr = Pipe::collect(child.stderr.take().unwrap());
        Self {
            child,
            stdout,
            stderr,
            begun: Instant::now(),
        }
    }

    /// Sends a signal to the program.
    pub fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// The processor time that the program has used so far, by all its threads, in seconds.
    pub fn cpu(&self) -> f64 {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        // The name of the program, in brackets, may hold blanks.
        let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        ticks as f64 * 0.01
    }

    /// The most memory that the program has had so far, in bytes.
    pub fn peak_memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmHWM:"))
            .unwrap();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
            * 1024
    }

    /// Waits until the program has said this.
    pub fn wait_for_stderr(&self, text: &str) {
        wait_until(text, || self.stderr.text.lock().unwrap().contains(text));
    }

    /// The other end of the program's standard input, which must be a pipe.
    pub fn source(&mut self) -> ChildStdin {
        self.child.stdin.take().unwrap()
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for the end, which must come within two minutes.
    pub fn wait(self) -> Outcome {
        self.wait_at_most(Duration::from_mins(2))
    }

    /// Waits for the end, which must come within `limit`.
    pub fn wait_at_most(mut self, limit: Duration) -> Outcome {
        let status = self.status(limit);
        Outcome {
            code: status.code(),
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
            took: self.begun.elapsed(),
        }
    }

    fn status(&mut self, limit: Duration) -> ExitStatus {
        let until = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            if Instant::now() >= until {
                self.child.kill().unwrap();
                panic!("the program does not end");
            }
            pause();
        }
    }
}

impl Outcome {
    /// The report that `--json` printed.
    pub fn report(&self) -> RunReport {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self:#?}"))
    }

    /// Fails unless the program ended with this code.
    pub fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Fails unless stderr has all of these.
    pub fn assert_says(&self, texts: &[&str]) -> &Self {
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in {self:#?}");
        }
        self
    }
}

/// The end of the remote path of a file of this name.
pub fn base_name(remote_path: &str) -> String {
    Path::new(remote_path)
        .file_name()
        .unwrap()
        .to_string_lossy()
        .into_owned()
}

/// Every `.csv` of a folder with its bytes.
pub fn csv_files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries =
        fs::read_dir(directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "csv"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(&path).unwrap())
        })
        .collect()
}

/// Fails unless every part of the report stands in `received` byte for byte as it was spooled, with the report's SHA-256.
pub fn assert_bytes(
    report: &RunReport,
    spooled: &BTreeMap<String, Vec<u8>>,
    received: &BTreeMap<String, Vec<u8>>,
) {
    assert_eq!(report.parts.len(), spooled.len());
    for (part, (name, bytes)) in report.parts.iter().zip(spooled) {
        let remote = base_name(part.remote_path.as_deref().unwrap());
        let stem = name.strip_suffix(".csv").unwrap();
        assert!(remote.starts_with(stem), "{remote} is not of {name}");
        let there = received
            .get(&remote)
            .unwrap_or_else(|| panic!("{remote} was not received: {:?}", received.keys()));
        assert!(there == bytes, "{remote} has other bytes than {name}");
        assert_eq!(part.sha256, hex(&Sha256::digest(there)), "{remote}");
        assert_eq!(part.bytes, there.len() as u64, "{remote}");
    }
}

/// The records of CSV files without their headers, in no order.
pub fn records<'a>(files: impl Iterator<Item = &'a Vec<u8>>) -> Vec<Vec<String>> {
    let mut records: Vec<Vec<String>> = files
        .flat_map(|bytes| {
            csv::Reader::from_reader(&bytes[..])
                .into_records()
                .map(|record| record.unwrap().iter().map(str::to_owned).collect())
                .collect::<Vec<_>>()
        })
        .collect();
    records.sort();
    records
}

/// The part that `audience.csv` of [`Workspace::audience`] must become.
pub fn audience_records(workspace: &Workspace) -> Vec<Vec<String>> {
    let bytes = fs::read(workspace.path("audience.csv")).unwrap();
    let mut records = records(std::iter::once(&bytes));
    for record in &mut records {
        record.swap(0, 1);
    }
    records.sort();
    records
}

/// Looks again and again until `condition` holds, for at most twenty seconds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        pause();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the tests look at another process, which cannot wake them"
)]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// Numbers without a pattern from a seed.
pub fn random(seed: u64) -> impl Iterator<Item = u64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    })
}

/// Letters without a pattern.
fn noise(seed: u64) -> impl Iterator<Item = char> {
    random(seed).map(|number| char::from(b'a' + u8::try_from(number >> 32 & 15).unwrap()))
}

/// How many seeds a random test tries: so many, or more in proportion when `KLAVIYO_EXPORT_TEST_SEEDS` is not ten.
pub fn seeds(usual: u64) -> u64 {
    let asked: u64 = match std::env::var("KLAVIYO_EXPORT_TEST_SEEDS") {
        Ok(text) => text.parse().expect("KLAVIYO_EXPORT_TEST_SEEDS is a number"),
        Err(_) => 10,
    };
    (usual * asked).div_ceil(10)
}

/// The lines that come out of a pipe.
struct Pipe {
    text: Arc<Mutex<String>>,
    thread: JoinHandle<()>,
}

impl Pipe {
    fn collect(pipe: impl std::io::Read + Send + 'static) -> Self {
        let text = Arc::new(Mutex::new(String::new()));
        let shared = Arc::clone(&text);
        let thread = std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let mut text = shared.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self { text, thread }
    }

    fn whole(self) -> String {
        self.thread.join().unwrap();
        self.text.lock().unwrap().clone()
    }
}
