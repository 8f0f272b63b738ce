//! `check --offline`: what can be checked without the network, and that nothing is asked of it.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::net::TcpListener;

use serde_json::Value;

use crate::support::workspace::Workspace;

const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n";

/// A server that nobody may knock at.
struct Silent(TcpListener);

impl Silent {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn port(&self) -> u16 {
        self.0.local_addr().unwrap().port()
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        assert!(self.0.accept().is_err(), "somebody has knocked");
    }
}

/// The name and the status of each check.
fn checks(findings: &Value) -> Vec<(&str, &str)> {
    let checks = findings["checks"].as_array().unwrap().iter();
    checks
        .map(|check| {
            (
                check["name"].as_str().unwrap(),
                check["status"].as_str().unwrap(),
            )
        })
        .collect()
}

#[test]
fn what_is_on_this_machine_is_checked_and_the_rest_named() {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    let key = {
        let server = workspace.server();
        server.section()
    };
    let silent = Silent::new();
    let port = silent.port();
    // The key of a sandbox that is gone; its port is that of the silent server.
    let lines = key.lines().map(|line| match line.split_once(" = ") {
        Some(("port", _)) => format!("port = {port}\n"),
        _ => format!("{line}\n"),
    });
    let section: String = lines.collect();
    workspace.write(
        "vip.toml",
        format!(
            "name = \"vip\"\n{JOB}{section}[list]\nname = \"VIP\"\n[klaviyo]\nbase-url = \"http://127.0.0.1:{port}\"\n[notify]\nwebhook-url-env = \"HOOK\"\n"
        ),
    );
    let hook = format!("http://127.0.0.1:{port}/");
    let variables = [("KLAVIYO_API_KEY", "pk_hunter2"), ("HOOK", &*hook)];
    let outcome = workspace
        .run_with_env(&["check", "vip.toml", "--offline", "--json"], &variables)
        .exits(0);
    assert_eq!(
        checks(&outcome.report()),
        [
            ("audience", "ok"),
            ("columns", "ok"),
            ("state", "ok"),
            ("secrets", "ok"),
            ("key", "ok"),
            ("address", "skipped"),
            ("connection", "skipped"),
            ("greeting", "skipped"),
            ("host-key", "skipped"),
            ("methods", "skipped"),
            ("login", "skipped"),
            ("directory", "skipped"),
            ("probe", "skipped"),
            ("api-key", "ok"),
            ("account", "skipped"),
            ("read-lists", "skipped"),
            ("read-profiles", "skipped"),
            ("list", "skipped"),
            ("write", "skipped"),
            ("plan", "skipped"),
            ("notify", "ok"),
        ]
    );
    let told = workspace
        .run_with_env(&["check", "vip.toml", "--offline"], &variables)
        .exits(0);
    assert!(
        told.stdout
            .contains("skipped  login          needs the network")
            && told.stdout.ends_with(
                "\nvip: no check failed; 14 checks not made\nnext: klaviyo-export check vip.toml\n"
            ),
        "{}",
        told.stdout
    );
    assert!(!told.stdout.contains("hunter2"));
}

#[test]
fn what_is_wrong_is_found_without_the_network() {
    let workspace = Workspace::with(&[("a.csv", "mail\nzoe@example.com\n")]);
    workspace.job("vip", JOB, None);
    let wrong = workspace.run(&["check", "vip.toml", "--offline"]).exits(12);
    assert!(
        wrong.stdout.contains("FAILED   columns")
            && wrong
                .stdout
                .ends_with("\nnext: klaviyo-export check vip.toml --offline\n"),
        "{}",
        wrong.stdout
    );
}

/// A database is not asked, and a program that gives a secret is not run.
#[test]
fn no_database_is_asked_and_no_program_is_run() {
    let workspace = Workspace::new();
    let silent = Silent::new();
    let program = "[\"touch\", \"ran\"]";
    workspace.write(
        "vip.toml",
        format!(
            "name = \"vip\"\n[audience]\npostgres = \"postgresql://ana@127.0.0.1:{}/crm\"\nquery = \"SELECT 1\"\n[columns]\nemail = \"Email\"\n[sftp]\nhost = \"127.0.0.1\"\nusername = \"ana\"\npassword-command = {program}\n[list]\nname = \"VIP\"\n[klaviyo]\napi-key-command = {program}\n[notify]\nheartbeat-url-command = {program}\n",
            silent.port()
        ),
    );
    workspace.set_mode("vip.toml", 0o644);
    let outcome = workspace
        .run(&["check", "vip.toml", "--offline", "--json"])
        .exits(0);
    let findings = outcome.report();
    let skipped = checks(&findings)
        .into_iter()
        .filter(|(name, _)| *name != "state");
    for (name, status) in skipped {
        assert_eq!(status, "skipped", "{name}");
    }
    assert!(!workspace.path("ran").exists());
}

#[test]
fn a_probe_needs_the_network() {
    let workspace = Workspace::new();
    workspace
        .run(&["check", "vip.toml", "--offline", "--probe"])
        .exits(2);
}
