//! The first commands of a newcomer: `demo`, and `sandbox` with a job that is pointed at it.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Child;

use serde_json::json;
use workspace::{Outcome, Workspace};

const CUSTOMERS: &str = include_str!("../../fixtures/audiences/customers.csv");
const DEMO: &str = include_str!("../../fixtures/jobs/demo.toml");
const GOLDEN: &str = include_str!("../../fixtures/golden/customers.csv");

#[test]
fn the_demo_leaves_the_golden_bytes_where_it_says() {
    let workspace = Workspace::new();
    let outcome = workspace
        .run(&["demo", "--directory", "demo", "--json"])
        .exits(0);
    let arrived = outcome
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("arrived:  "))
        .unwrap();
    assert!(arrived.starts_with(workspace.path("demo").to_str().unwrap()));
    assert_eq!(std::fs::read_to_string(Path::new(arrived)).unwrap(), GOLDEN);
    for line in [
        "imported: 11 profiles out of that file",
        "list:     \"VIP\" has 11 members",
    ] {
        assert!(outcome.stderr.contains(line), "{}", outcome.stderr);
    }
    let list = outcome.report()["list"].clone();
    assert_eq!(list["name"], "VIP");
    assert_eq!(
        (&list["created"], &list["attached"]),
        (&json!(true), &json!(11))
    );
    outcome.reports(&[("job", json!("demo")), ("status", json!("done"))]);
}

#[test]
fn a_second_demo_in_the_same_folder_works_like_the_first() {
    let workspace = Workspace::new();
    for _ in 0..2 {
        let outcome = workspace.run(&["demo", "--directory", "demo", "--json"]);
        let list = outcome.exits(0).report()["list"].clone();
        assert_eq!(
            (&list["created"], &list["attached"]),
            (&json!(true), &json!(11))
        );
    }
}

/// A sandbox that runs as a process of its own, and the lines of the sections that it prints.
fn sandbox(workspace: &Workspace) -> (Child, Vec<String>) {
    let mut sandbox = workspace
        .command(&["sandbox", "--directory", "box", "--port", "0"])
        .spawn()
        .unwrap();
    let printed = BufReader::new(sandbox.stdout.take().unwrap());
    let lines = printed.lines().take(9).map(Result::unwrap).collect();
    (sandbox, lines)
}

/// A sandbox, and the command that it says to type next.
fn sandbox_with_next(workspace: &Workspace) -> (Child, String) {
    let mut sandbox = workspace
        .command(&["sandbox", "--directory", "box", "--port", "0"])
        .spawn()
        .unwrap();
    let mut told = BufReader::new(sandbox.stderr.take().unwrap()).lines();
    let next = told
        .find_map(|line| line.unwrap().strip_prefix("next: ").map(str::to_owned))
        .unwrap();
    (sandbox, next)
}

/// The output up to the time when it was told to end.
fn end(sandbox: Child) -> Outcome {
    let pid = rustix::process::Pid::from_child(&sandbox);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    Outcome::of(sandbox).exits(0)
}

#[test]
fn a_job_with_the_sections_that_the_sandbox_prints_reaches_both_halves() {
    let workspace = Workspace::with(&[("customers.csv", CUSTOMERS)]);
    let (sandbox, section) = sandbox(&workspace);
    assert_eq!((&*section[0], &*section[6]), ("[sftp]", "[klaviyo]"));
    workspace.write("demo.toml", format!("{DEMO}{}\n", section.join("\n")));
    let ran = workspace.run(&["run", "demo.toml", "--json"]);
    let outcome = end(sandbox);
    let list = ran.exits(0).report()["list"].clone();
    assert_eq!(
        (&list["name"], &list["attached"]),
        (&json!("VIP"), &json!(11))
    );
    for line in [
        "received /profiles/demo-",
        "answered POST /api/lists with 201",
    ] {
        assert!(outcome.stderr.contains(line), "{}", outcome.stderr);
    }
}

#[test]
fn the_next_command_of_the_sandbox_can_be_typed() {
    let workspace = Workspace::with(&[("FILE", CUSTOMERS)]);
    let (sandbox, next) = sandbox_with_next(&workspace);
    let words: Vec<&str> = next.split(' ').skip(1).collect();
    let sent = workspace.run(&[words.as_slice(), &["--json"]].concat());
    end(sandbox);
    let list = sent.exits(0).report()["list"].clone();
    assert_eq!(
        (&list["name"], &list["created"]),
        (&json!("VIP"), &json!(true))
    );
}

#[test]
fn the_flags_of_the_send_that_the_sandbox_prints_make_a_job_file_that_runs() {
    let workspace = Workspace::with(&[("FILE", CUSTOMERS)]);
    let (sandbox, next) = sandbox_with_next(&workspace);
    let flags: Vec<&str> = next.split(' ').skip(3).collect();
    let init = [
        &["init", "FILE", "-o", "vip.toml", "--name", "vip"],
        &*flags,
    ]
    .concat();
    workspace.run(&init).exits(0);
    let ran = workspace.run(&["run", "vip.toml", "--json"]);
    end(sandbox);
    let list = ran.exits(0).report()["list"].clone();
    assert_eq!(
        (&list["name"], &list["created"], &list["attached"]),
        (&json!("VIP"), &json!(true), &json!(11))
    );
}
