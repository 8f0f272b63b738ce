//! Servers that others wrote, and settings of OpenSSH's: each gets all that is sent. `docs/servers.md` has the table.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of tests may panic as well"
)]

mod openssh;

use std::fmt::Write as _;
use std::fs;

use crate::support::foreign::{ForeignServer, Software};
use crate::support::workspace::Workspace;

/// Rows that make some nine parts of a megabyte.
const ROWS: usize = 150_000;

/// The rows of the audience, as they arrive: identifiers are always in quotes.
fn rows() -> Vec<String> {
    let row =
        |row: usize| format!("\"user{row:06}@example.com\",First{row},\"Street {row}, Town\"");
    (0..ROWS).map(row).collect()
}

/// Checks the server with a probe, measures it, and delivers 150,000 rows in parts of a megabyte by four sessions.
#[track_caller]
fn takes_every_row(software: Software) {
    let rows = rows();
    let mut audience = "email,first,address\n".to_owned();
    for row in &rows {
        writeln!(audience, "{row}").unwrap();
    }
    let workspace = Workspace::with(&[("a.csv", &audience)]);
    let server = ForeignServer::start(software);
    workspace.write(
        "vip.toml",
        format!(
            "name = \"vip\"\n[audience]\nfiles = [\"a.csv\"]\n\
             [columns]\nemail = \"Email\"\nfirst = \"FirstName\"\naddress = \"Address1\"\n\
             [parts]\nmax-bytes = \"1MB\"\n{}sessions = 4\n",
            server.section()
        ),
    );
    let received = || {
        let entries = fs::read_dir(server.received()).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let checked = workspace.run(&["doctor", "vip.toml"]).exits(0);
    assert!(!checked.stdout.contains("warn"), "{}", checked.stdout);
    let requests = checked
        .stdout
        .lines()
        .find(|it| it.contains("  requests  "));
    println!("{software:?}: {}", requests.unwrap().trim());
    assert_eq!(received(), [""; 0].map(std::path::PathBuf::from));
    workspace.run(&["run", "vip.toml"]).exits(0);
    let paths = received();
    assert!(paths.len() >= 9, "{paths:?}");
    let mut found = Vec::new();
    for path in &paths {
        let text = fs::read_to_string(path).unwrap();
        assert!(
            text.len() <= 1_000_000 && text.ends_with('\n'),
            "{}",
            path.display()
        );
        let mut lines = text.lines();
        assert_eq!(lines.next(), Some("Email,FirstName,Address1"));
        found.extend(lines.map(str::to_owned));
    }
    found.sort();
    let differing = found.iter().zip(&rows).find(|(found, row)| found != row);
    assert_eq!(differing, None);
    assert_eq!(found.len(), ROWS);
}

#[test]
#[ignore = "slow lane: asyncssh, from PyPI"]
fn a_password_that_has_expired_is_told_and_not_tried_again() {
    let server = ForeignServer::start(Software::ExpiredPassword);
    let section = server.section();
    let lines = section.lines().filter(|it| !it.starts_with("private-key"));
    let section = lines.collect::<Vec<_>>().join("\n");
    for transport in ["russh", "ssh2"] {
        let workspace = Workspace::with(&[("a.csv", "email\nana@example.com\n"), ("pw", "old")]);
        workspace.set_mode("pw", 0o600);
        workspace.write(
            "vip.toml",
            format!(
                "name = \"vip\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n\
                 {section}\npassword-file = \"pw\"\nconnect-timeout = \"5s\"\ntransport = \"{transport}\"\n"
            ),
        );
        let refused = workspace.run(&["run", "vip.toml"]).exits(13);
        let error = refused.error();
        assert!(error.contains("has expired"), "{transport}: {error}");
        let hint = &refused.stderr;
        assert!(hint.contains("set a new password"), "{transport}: {hint}");
    }
}

#[test]
#[ignore = "slow lane: asyncssh, from PyPI"]
fn asyncssh_takes_every_row() {
    takes_every_row(Software::Asyncssh);
}

#[test]
#[ignore = "slow lane: Twisted Conch, from PyPI"]
fn conch_takes_every_row() {
    takes_every_row(Software::Conch);
}

#[test]
#[ignore = "slow lane: dropbear"]
fn dropbear_takes_every_row() {
    takes_every_row(Software::Dropbear);
}

#[test]
#[ignore = "slow lane: paramiko, from PyPI"]
fn paramiko_takes_every_row() {
    takes_every_row(Software::Paramiko);
}

#[test]
#[ignore = "slow lane: ProFTPD"]
fn proftpd_takes_every_row() {
    takes_every_row(Software::ProFtpd);
}

#[test]
#[ignore = "slow lane: rclone"]
fn rclone_takes_every_row() {
    takes_every_row(Software::Rclone);
}

#[test]
#[ignore = "slow lane: ssh2, from npm"]
fn ssh2_takes_every_row() {
    takes_every_row(Software::Ssh2);
}
