//! The passphrase of a key, asked for at a real pseudo-terminal and used against a real OpenSSH server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of tests may panic as well"
)]

use crate::support::sshd;
use crate::support::workspace;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;
use sshd::{Sshd, SshdBuilder, current_user, keygen};
use workspace::Workspace;

const PASSPHRASE: &str = "correct horse";
const PROMPT: &str = "Passphrase of ";

/// The text on the screen, and the state of the terminal.
#[derive(Debug, Deserialize)]
struct Screen {
    code: i32,
    text: String,
    /// At each step, and at the end.
    echo: Vec<bool>,
}

/// A server, and a job that delivers to it by an encrypted key of this format.
fn started(format: &str, more: &str) -> (Sshd, Workspace) {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\nana@example.com\n")]);
    let key = workspace.path("key");
    keygen(
        &key,
        &["-t", "ecdsa", "-m", format, "-a", "1", "-N", PASSPHRASE],
    );
    let sshd = SshdBuilder::default()
        .authorize(&key.with_extension("pub"))
        .start();
    write_job(&workspace, &sshd, &key, more);
    (sshd, workspace)
}

fn write_job(workspace: &Workspace, sshd: &Sshd, key: &Path, more: &str) {
    workspace.write(
        "vip.toml",
        format!(
            "name = \"vip\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n\
             [parts]\nmax-rows = 1\n\
             [sftp]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"{}\"\nprivate-key = \"{}\"\n\
             known-hosts = [\"{}\"]\ndirectory = \"{}\"\nsessions = 2\n{more}",
            sshd.port,
            current_user(),
            key.display(),
            sshd.settings().known_hosts[0].display(),
            sshd.remote(""),
        ),
    );
}

/// Runs the program at a terminal: when the first of a pair is on the screen, the second is typed.
fn at_terminal(workspace: &Workspace, arguments: &[&str], steps: &[(&str, &str)]) -> Screen {
    let program = workspace.command(arguments);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/at_terminal.py");
    let mut command = Command::new("python3");
    command
        .arg(script)
        .arg(serde_json::to_string(steps).unwrap())
        .arg(program.get_program())
        .args(program.get_args())
        .current_dir(program.get_current_dir().unwrap())
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("TERM", "xterm");
    let set = program.get_envs();
    command.envs(set.filter_map(|(name, value): (_, Option<&OsStr>)| Some((name, value?))));
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn arrived(sshd: &Sshd) -> usize {
    std::fs::read_dir(sshd.files()).unwrap().count()
}

/// The folders of the job's runs.
fn runs(workspace: &Workspace) -> Vec<PathBuf> {
    let runs = workspace.path("state").join("vip/runs");
    let entries = std::fs::read_dir(runs).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn it_is_asked_once_without_echo_before_anything_else_for_all_sessions() {
    for format in ["RFC4716", "PKCS8"] {
        let (sshd, workspace) = started(format, "");
        let steps = [(PROMPT, "correct horse\n")];
        let seen = at_terminal(
            &workspace,
            &["run", "vip.toml", "--progress", "bar"],
            &steps,
        );
        assert_eq!(seen.code, 0, "{format}: {}", seen.text);
        assert_eq!(seen.echo, [false, true]);
        assert_eq!(seen.text.matches(PROMPT).count(), 1, "{}", seen.text);
        assert!(seen.text.starts_with(PROMPT), "{}", seen.text);
        assert!(!seen.text.contains(PASSPHRASE), "{}", seen.text);
        assert_eq!(arrived(&sshd), 2);
    }
}

#[test]
fn it_may_be_mistyped_twice_but_not_three_times() {
    let (sshd, workspace) = started("RFC4716", "");
    let again = "That does not open it. Passphrase of ";
    let steps = [
        (PROMPT, "wrong\n"),
        (again, "\n"),
        (again, "correct horse\n"),
    ];
    let seen = at_terminal(&workspace, &["run", "vip.toml"], &steps);
    assert_eq!((seen.code, arrived(&sshd)), (0, 2), "{}", seen.text);

    let (sshd, workspace) = started("PKCS8", "");
    let steps = [(PROMPT, "wrong\n"), (again, "wrong\n"), (again, "wrong\n")];
    let seen = at_terminal(&workspace, &["run", "vip.toml"], &steps);
    assert_eq!((seen.code, arrived(&sshd)), (13, 0), "{}", seen.text);
    assert!(seen.text.contains("the passphrase does not open key file"));
    assert!(runs(&workspace).is_empty(), "nothing was formatted");
}

#[test]
fn ctrl_c_at_the_prompt_is_an_interruption_and_the_terminal_echoes_again() {
    let (_sshd, workspace) = started("RFC4716", "");
    for command in ["run", "check"] {
        let seen = at_terminal(&workspace, &[command, "vip.toml"], &[(PROMPT, "half\u{3}")]);
        assert_eq!(seen.code, 130, "{}", seen.text);
        assert_eq!(seen.echo, [false, true]);
        assert!(!seen.text.contains("half"), "{}", seen.text);
    }
    assert!(runs(&workspace).is_empty());
    // Ctrl-D: nobody answers.
    let seen = at_terminal(&workspace, &["run", "vip.toml"], &[(PROMPT, "\u{4}")]);
    assert_eq!(seen.code, 13, "{}", seen.text);
    assert!(seen.text.contains("no passphrase is set"), "{}", seen.text);
}

#[test]
fn check_asks_and_uses_it() {
    let (_sshd, workspace) = started("RFC4716", "");
    let seen = at_terminal(
        &workspace,
        &["check", "vip.toml"],
        &[(PROMPT, "correct horse\n")],
    );
    assert_eq!(seen.code, 0, "{}", seen.text);
    assert!(seen.text.contains("the passphrase is right"));
    assert!(seen.text.contains("\u{1b}[32mok"), "{}", seen.text);
}

#[test]
fn nobody_is_asked_where_nobody_is_and_nothing_is_formatted() {
    let (_sshd, workspace) = started("RFC4716", "");
    let outcome = workspace.run(&["run", "vip.toml"]).exits(13);
    assert!(
        outcome
            .error()
            .contains("is encrypted and no passphrase is set")
    );
    assert!(outcome.hint().contains("passphrase-env"));
    assert!(runs(&workspace).is_empty());
}

#[test]
fn a_variable_is_not_asked_for_and_a_wrong_one_ends_the_run_before_it_formats() {
    for format in ["RFC4716", "PKCS8"] {
        let (sshd, workspace) = started(format, "passphrase-env = \"KEY_PASSPHRASE\"");
        let with = |passphrase| {
            workspace.run_with_env(&["run", "vip.toml"], &[("KEY_PASSPHRASE", passphrase)])
        };
        let outcome = with("wrong").exits(13);
        assert!(outcome.error().contains("does not open key file"));
        assert!(runs(&workspace).is_empty());
        with(PASSPHRASE).exits(0);
        assert_eq!(arrived(&sshd), 2);
    }
}

#[test]
fn a_dry_run_wants_no_secret() {
    let (_sshd, workspace) = started(
        "RFC4716",
        "passphrase-env = \"KEY_PASSPHRASE\"\npassword-env = \"SFTP_PASSWORD\"",
    );
    let outcome = workspace.run(&["run", "vip.toml"]).exits(10);
    assert!(outcome.error().contains("KEY_PASSPHRASE is not set"));
    let seen = at_terminal(&workspace, &["run", "vip.toml", "--dry-run"], &[]);
    assert_eq!(seen.code, 0, "{}", seen.text);
    assert!(!seen.text.contains(PROMPT));
    std::fs::remove_file(workspace.path("key")).unwrap();
    workspace.run(&["run", "vip.toml", "--dry-run"]).exits(0);
    let flags = [
        "--to",
        "sftp://a@127.0.0.1/x",
        "--identity",
        "key",
        "--passphrase-env",
        "NONE",
    ];
    let arguments = [&["send", "a.csv", "--dry-run"], &flags[..]].concat();
    workspace.run(&arguments).exits(0);
}
