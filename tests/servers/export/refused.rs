//! Servers that are not who they should be, do not let us in, or do not take our files: the exit code and the words.

use std::fs;

use super::delivery::{JobOptions, Outcome, Running, Workspace, csv_files};
use super::sshd::{Sshd, SshdBuilder, keygen};
use super::{destination, target};

/// `ssh-keygen -lf` of the server's key.
fn fingerprint(sshd: &Sshd) -> String {
    let output = std::process::Command::new("ssh-keygen")
        .arg("-lf")
        .arg(sshd.directory.path().join("host_ed25519.pub"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').nth(1).unwrap().to_owned()
}

/// `send` of a few rows with these flags besides the destination. The known_hosts file is `known_hosts` in the workspace.
fn send(workspace: &Workspace, sshd: &Sshd, more: &[&str]) -> Outcome {
    workspace.audience(10, 200);
    let mut flags = destination(sshd);
    let known = workspace.path("known_hosts");
    flags.push(format!("--known-hosts={}", known.display()));
    flags.push("--map=mail=Email".into());
    let mut arguments = vec!["send", "audience.csv"];
    arguments.extend(flags.iter().map(String::as_str));
    arguments.extend(more);
    Running::start(&mut workspace.command(&arguments)).wait()
}

fn assert_nothing_arrived(sshd: &Sshd) {
    assert!(csv_files(&sshd.files()).is_empty());
}

#[test]
fn an_unknown_server_is_refused_with_its_fingerprint_and_the_line_to_add() {
    let sshd = Sshd::start();
    let workspace = Workspace::new();
    let outcome = send(&workspace, &sshd, &[]);
    let line = format!("{} {}", sshd.host_name(), sshd.host_key("ed25519"));
    let known = workspace.path("known_hosts");
    outcome.assert_code(13).assert_says(&[
        "is unknown",
        &fingerprint(&sshd),
        &line,
        &format!("to {}", known.display()),
    ]);
    assert_eq!(sshd.log_count("Accepted publickey"), 0);
    assert_nothing_arrived(&sshd);
    assert!(!known.exists());

    // The line works as it was told.
    fs::write(known, line).unwrap();
    send(&workspace, &sshd, &[]).assert_code(0);
}

#[test]
fn a_new_host_key_is_accepted_when_that_was_asked_for_and_a_changed_one_never() {
    let mut sshd = Sshd::start();
    let workspace = Workspace::new();
    let accept = ["--accept-new-host-key"];
    send(&workspace, &sshd, &accept).assert_code(0);
    let known = fs::read_to_string(workspace.path("known_hosts")).unwrap();
    let line = format!("{} {}\n", sshd.host_name(), sshd.host_key("ed25519"));
    assert_eq!(known, line, "one line and no other");
    send(&workspace, &sshd, &[]).assert_code(0);

    let before = fingerprint(&sshd);
    let port = sshd.port;
    sshd.change_host_key("ed25519");
    sshd.restart();
    assert_eq!(sshd.port, port, "somebody else took the port");
    for flags in [&accept[..], &[]] {
        send(&workspace, &sshd, flags)
            .assert_code(13)
            .assert_says(&["CHANGED", &before, &fingerprint(&sshd)]);
    }
    let after = fs::read_to_string(workspace.path("known_hosts")).unwrap();
    assert_eq!(after, known);
}

#[test]
fn a_pinned_host_key_is_all_that_counts() {
    let sshd = Sshd::start();
    let workspace = Workspace::new();
    let pin = format!("--host-key={}", fingerprint(&sshd));
    send(&workspace, &sshd, &[&pin]).assert_code(0);
    let other = "--host-key=SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    send(&workspace, &sshd, &[other, "--accept-new-host-key"])
        .assert_code(13)
        .assert_says(&["is not one of the pinned keys", &fingerprint(&sshd)]);
    send(&workspace, &sshd, &[&pin, other]).assert_code(0);
}

#[test]
fn a_key_that_is_not_let_in_is_named_and_offered_once() {
    let sshd = SshdBuilder::default().config("LogLevel VERBOSE").start();
    let workspace = Workspace::new();
    let key = workspace.path("other");
    keygen(&key, &["-t", "ed25519"]);
    workspace.audience(400, 200);
    let mut target = target(&sshd);
    target.private_key.clone_from(&key);
    let options = JobOptions {
        sessions: 8,
        max_rows: 50,
        ..JobOptions::default()
    };
    workspace.job(&target, &options);
    let outcome = workspace.run();
    outcome.assert_code(13).assert_says(&[
        "rejected the login of",
        &key.display().to_string(),
        "publickey",
        "hint: check that the public key was added",
    ]);
    assert_eq!(
        sshd.log_count("Connection from"),
        1,
        "each login may count against us"
    );
    assert_nothing_arrived(&sshd);
}

#[test]
fn a_missing_remote_directory_is_named_and_not_tried_again() {
    let sshd = Sshd::start();
    let workspace = Workspace::new();
    workspace.audience(10, 200);
    let mut target = target(&sshd);
    target.directory = sshd.remote("no/such/place");
    workspace.job(&target, &JobOptions::default());
    let outcome = workspace.run();
    outcome.assert_code(14).assert_says(&[
        &sshd.remote("no/such/place/weather-"),
        "no such file",
        "check that the directory exists",
    ]);
    let report = outcome.report();
    assert_eq!(report.parts[0].attempts, 1);
    assert_eq!(report.leftovers, [""; 0]);
    assert_eq!(sshd.log_count("Accepted publickey"), 1);
}

#[test]
fn a_read_only_server_is_named_and_not_tried_again() {
    let sshd = SshdBuilder::default().subsystem("internal-sftp -R").start();
    let workspace = Workspace::new();
    workspace.audience(10, 200);
    workspace.job(&target(&sshd), &JobOptions::default());
    let outcome = workspace.run();
    outcome
        .assert_code(14)
        .assert_says(&[&sshd.remote("weather-"), "permission denied"]);
    let report = outcome.report();
    assert_eq!(report.parts[0].attempts, 1);
    assert_eq!(report.leftovers, [""; 0], "nothing was created");
    assert_eq!(sshd.log_count("Accepted publickey"), 1);
    assert_nothing_arrived(&sshd);
}

#[test]
fn a_directory_that_takes_no_files_is_named_and_not_tried_again() {
    let sshd = Sshd::start();
    let workspace = Workspace::new();
    workspace.audience(10, 200);
    let mut target = target(&sshd);
    // Where nobody can create a file, not even root, for whom a read-only mode is none.
    target.directory = "/proc".into();
    workspace.job(&target, &JobOptions::default());
    let outcome = workspace.run();
    outcome.assert_code(14).assert_says(&["/proc/weather-"]);
    let report = outcome.report();
    assert_eq!(report.parts[0].attempts, 1);
    assert_eq!(report.leftovers, [""; 0]);
}
