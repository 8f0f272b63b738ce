//! What a newcomer types first: `demo`, and `sandbox` with a job that is pointed at it.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

#[path = "support/workspace.rs"]
mod workspace;

use std::io::{BufRead, BufReader};
use std::path::Path;

use serde_json::json;
use workspace::{Outcome, Workspace};

const CUSTOMERS: &str = include_str!("../fixtures/audiences/customers.csv");
const DEMO: &str = include_str!("../fixtures/jobs/demo.toml");
const GOLDEN: &str = include_str!("../fixtures/golden/customers.csv");

#[test]
fn the_demo_leaves_the_golden_bytes_where_it_says() {
    let workspace = Workspace::new();
    let outcome = workspace
        .run(&["demo", "--directory", "demo", "--json"])
        .exits(0);
    let arrived = outcome
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("arrived: "))
        .unwrap();
    assert!(arrived.starts_with(workspace.path("demo").to_str().unwrap()));
    assert_eq!(std::fs::read_to_string(Path::new(arrived)).unwrap(), GOLDEN);
    outcome.reports(&[("job", json!("demo")), ("status", json!("done"))]);
}

#[test]
fn a_job_with_the_section_that_the_sandbox_prints_reaches_it() {
    let workspace = Workspace::with(&[("customers.csv", CUSTOMERS)]);
    let mut sandbox = workspace
        .command(&["sandbox", "--directory", "box", "--port", "0"])
        .spawn()
        .unwrap();
    let printed = BufReader::new(sandbox.stdout.take().unwrap());
    // With the lines for the API, which job files take as comments.
    let section: Vec<String> = printed.lines().take(10).map(Result::unwrap).collect();
    let api = &section[7];
    assert!(api.starts_with("# base-url = \"http://127.0.0.1:"), "{api}");
    let key = section[8].strip_prefix("# api-key-file = \"").unwrap();
    let key = std::fs::read_to_string(key.trim_end_matches('"')).unwrap();
    assert!(key.starts_with("pk_"));
    workspace.write("demo.toml", format!("{DEMO}{}\n", section.join("\n")));
    let ran = workspace.run(&["run", "demo.toml"]);
    let pid = rustix::process::Pid::from_child(&sandbox);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let outcome = Outcome::of(sandbox).exits(0);
    ran.exits(0);
    assert!(
        outcome.stderr.contains("received /profiles/demo-"),
        "{}",
        outcome.stderr
    );
}
