//! `check` against a real OpenSSH server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of tests may panic as well"
)]

use crate::support::sshd;
use crate::support::workspace;
use std::fmt::Write as _;
use std::path::Path;

use crate::support::transport::{self, over_both};
use sshd::{Sshd, SshdBuilder, current_user, keygen};
use workspace::{Outcome, Workspace};

over_both! {
    all_is_well_with_and_without_probe;
    a_key_that_the_server_does_not_know_is_named_with_what_it_offers;
    unknown_and_changed_hosts_are_told_apart;
    a_folder_that_is_missing_and_one_that_takes_no_file_are_told_apart;
    a_server_that_is_down_is_no_reason_to_look_at_nothing_else;
    doctor_measures_the_server_and_leaves_nothing_there;
}

/// A workspace whose job delivers to `sshd` by `key`; every host key of it is known.
fn job(sshd: &Sshd, key: &Path, directory: &str) -> Workspace {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    let mut text =
        "name = \"vip\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n"
            .to_owned();
    writeln!(
        text,
        "[sftp]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"{}\"\nprivate-key = \"{}\"\n\
         known-hosts = [\"{}\"]\ndirectory = \"{directory}\"\nconnect-timeout = \"5s\"\n{}",
        sshd.port,
        current_user(),
        key.display(),
        sshd.settings().known_hosts[0].display(),
        transport::line(),
    )
    .unwrap();
    workspace.write("vip.toml", text);
    workspace
}

fn working(sshd: &Sshd) -> Workspace {
    job(sshd, &sshd.user_key(), &sshd.remote(""))
}

#[track_caller]
fn check(workspace: &Workspace, arguments: &[&str], code: i32) -> Outcome {
    let arguments = [&["check", "vip.toml"], arguments].concat();
    workspace.run(&arguments).exits(code)
}

/// The line of the check `name`.
#[track_caller]
fn line<'a>(outcome: &'a Outcome, name: &str) -> &'a str {
    let mut lines = outcome.stdout.lines();
    lines
        .find(|line| line.split_whitespace().nth(1) == Some(name))
        .unwrap_or_else(|| panic!("{name}: {}", outcome.stdout))
}

fn all_is_well_with_and_without_probe() {
    let sshd = Sshd::start();
    let workspace = working(&sshd);
    let outcome = check(&workspace, &[], 0);
    let greeting = line(&outcome, "greeting");
    assert!(greeting.contains("SSH-2.0-OpenSSH"), "{greeting}");
    let is_told = greeting.ends_with(", by libssh2");
    assert_eq!(is_told, !transport::line().is_empty(), "{greeting}");
    assert!(line(&outcome, "methods").contains("publickey"));
    let outcome = check(&workspace, &["--probe"], 0);
    assert!(line(&outcome, "probe").contains("put there and removed"));
    assert!(!outcome.stdout.contains("skipped"), "{}", outcome.stdout);
    assert_eq!(std::fs::read_dir(sshd.files()).unwrap().count(), 0);
}

fn a_key_that_the_server_does_not_know_is_named_with_what_it_offers() {
    let sshd = Sshd::start();
    let stranger = sshd.directory.path().join("stranger");
    keygen(&stranger, &["-t", "ed25519"]);
    let outcome = check(&job(&sshd, &stranger, "/"), &[], 13);
    let login = line(&outcome, "login");
    assert!(
        login.contains("FAILED") && login.contains("it offers: publickey"),
        "{login}"
    );
    assert!(login.contains("stranger (SHA256:"), "{login}");
    assert!(line(&outcome, "directory").contains("skipped"));
}

fn unknown_and_changed_hosts_are_told_apart() {
    let mut sshd = Sshd::start();
    let workspace = working(&sshd);
    sshd.change_host_key("ed25519");
    sshd.restart();
    let outcome = check(&workspace, &[], 13);
    assert!(line(&outcome, "host-key").contains("CHANGED"));
    sshd.write_known_hosts("");
    let outcome = check(&workspace, &[], 13);
    assert!(line(&outcome, "host-key").contains("is unknown"));
    assert!(
        outcome.stdout.contains(&sshd.host_key("ed25519")),
        "{}",
        outcome.stdout
    );
    check(&workspace, &["--accept-new-host-key"], 0);
    check(&workspace, &[], 0);
}

fn a_folder_that_is_missing_and_one_that_takes_no_file_are_told_apart() {
    let sshd = SshdBuilder::default().subsystem("internal-sftp -R").start();
    let missing = job(&sshd, &sshd.user_key(), &sshd.remote("none"));
    let outcome = check(&missing, &["--probe"], 14);
    assert!(line(&outcome, "directory").contains("FAILED"));
    let outcome = check(&working(&sshd), &["--probe"], 14);
    assert!(line(&outcome, "directory").contains("is there"));
    let probe = line(&outcome, "probe");
    assert!(
        probe.contains("FAILED") && probe.contains("permission denied"),
        "{probe}"
    );
    check(&working(&sshd), &[], 0);
}

fn a_server_that_is_down_is_no_reason_to_look_at_nothing_else() {
    let mut sshd = Sshd::start();
    let workspace = working(&sshd);
    sshd.stop();
    let outcome = check(&workspace, &[], 14);
    assert!(line(&outcome, "connection").contains("Connection refused"));
    for name in ["audience", "columns", "state", "key", "address"] {
        assert!(
            line(&outcome, name).starts_with("  ok"),
            "{}",
            outcome.stdout
        );
    }
}

fn doctor_measures_the_server_and_leaves_nothing_there() {
    let sshd = Sshd::start();
    let workspace = working(&sshd);
    let outcome = check(&workspace, &["--deep"], 0);
    for name in ["round-trip", "speed", "requests", "tonight"] {
        assert!(
            line(&outcome, name).starts_with("  ok "),
            "{}",
            outcome.stdout
        );
    }
    assert!(line(&outcome, "speed").contains("with the 4 of the job"));
    assert!(
        line(&outcome, "requests").contains(
            "accepted: set permissions, set times, read, append, create exclusively, rename; an"
        ),
        "{}",
        line(&outcome, "requests")
    );
    assert_eq!(std::fs::read_dir(sshd.files()).unwrap().count(), 0);
}
