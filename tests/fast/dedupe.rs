//! The memory for duplicates decides how a run works, never what it makes.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::random;
use crate::support::workspace;
use std::fmt::Write as _;
use std::io::Read as _;

use klaviyo_export_sandbox::Faults;
use random::Random;
use serde_json::{Value, json};
use workspace::Workspace;

/// The least memory has room for about 3,700 keys, so most of these go to disk.
const ROWS: usize = 20_000;
const TINY: &str = "dedupe-memory = \"1B\"\n";

/// Rows of which every eighth or so has the e-mail of another, and some none.
fn audience() -> String {
    let mut random = Random::new(11);
    let mut text = String::from("email,id,name\n");
    for row in 0..ROWS {
        match random.below(20) {
            0 => writeln!(text, ",only{row},Row {row}"),
            1 => writeln!(text, ",,Row {row}"),
            2..=4 => writeln!(text, "P{}@Example.com,,Row {row}", random.below(ROWS)),
            _ => writeln!(text, "p{row}@example.com,,Row {row}"),
        }
        .unwrap();
    }
    text
}

fn body(which: &str, memory: &str) -> String {
    format!(
        "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\nid = \"ExternalID\"\nname = \"FirstName\"\n\
         [normalize]\nduplicates = \"{which}\"\nmax-rejected = {{ percent = 100, rows = 1000000 }}\n{memory}\
         [parts]\nmax-rows = 1000\n"
    )
}

/// The results that must not depend on the memory.
fn outcome(report: &Value) -> Vec<Value> {
    let keys = [
        "rows_read",
        "rows_written",
        "rows_rejected",
        "duplicates",
        "repairs",
        "bytes",
        "warnings",
    ];
    let parts = report["parts"].as_array().unwrap().iter();
    let digests = parts.map(|part| part["sha256"].clone()).collect();
    keys.into_iter()
        .map(|key| report[key].clone())
        .chain([digests])
        .collect()
}

fn dry_run(workspace: &Workspace, which: &str, memory: &str) -> Vec<Value> {
    let job = workspace.job("vip", &body(which, memory), None);
    let ran = workspace.run(&["run", &job, "--dry-run", "--json"]);
    outcome(&ran.exits(0).report())
}

#[test]
fn the_same_rows_are_kept_with_hardly_any_memory() {
    let workspace = Workspace::with(&[("a.csv", &audience())]);
    let mut kept = Vec::new();
    for which in ["first", "last"] {
        let plenty = dry_run(&workspace, which, "");
        assert_eq!(dry_run(&workspace, which, TINY), plenty, "{which}");
        // Nothing of the index is left on disk.
        let parts = workspace.last_run("vip").join("parts");
        for entry in std::fs::read_dir(parts).unwrap() {
            let path = entry.unwrap().path();
            let ending = path.extension().and_then(|ending| ending.to_str());
            assert!(matches!(ending, Some("csv" | "ids")), "{}", path.display());
        }
        kept.push(plenty);
    }
    assert_eq!(kept[0][..4], kept[1][..4]);
    assert_ne!(kept[0][7], kept[1][7]);
    assert!(kept[0][3].as_u64().unwrap() > 1_000);
}

#[test]
fn the_same_pair_is_named_with_hardly_any_memory() {
    let mut random = Random::new(5);
    for _ in 0..4 {
        let mut text = String::from("email,id,name\n");
        let twice = [random.below(ROWS), random.below(ROWS), random.below(ROWS)];
        for row in 0..ROWS {
            writeln!(text, "p{row}@example.com,,x").unwrap();
            if twice.contains(&row) {
                writeln!(text, "p{}@example.com,,x", random.below(row + 1)).unwrap();
            }
        }
        let workspace = Workspace::with(&[("a.csv", &text)]);
        let server = workspace.server();
        let errors = ["", TINY].map(|memory| {
            let job = workspace.job("vip", &body("fail", memory), Some(&server));
            let ran = workspace.run(&["run", &job]).exits(17);
            ran.error().to_owned()
        });
        assert!(errors[0].contains("have the same key"), "{}", errors[0]);
        assert_eq!(errors[0], errors[1]);
        assert!(server.received().is_empty());
    }
}

#[test]
fn a_run_without_repeats_is_no_failure_with_hardly_any_memory() {
    let rows = (0..ROWS).map(|row| format!("p{row}@example.com,,x\n"));
    let text: String = std::iter::once("email,id,name\n".to_owned())
        .chain(rows)
        .collect();
    let workspace = Workspace::with(&[("a.csv", &text)]);
    let plenty = dry_run(&workspace, "fail", "");
    assert_eq!(dry_run(&workspace, "fail", TINY), plenty);
    assert_eq!(plenty[1], json!(ROWS));
}

#[test]
fn a_killed_run_goes_on_to_the_same_parts() {
    let workspace = Workspace::with(&[("a.csv", &audience())]);
    let plenty = dry_run(&workspace, "first", "");
    // The first part is sent before the memory is used up, and takes seconds.
    let server = workspace.server_with(Faults::none().bytes_per_second(20_000));
    let body = body("first", TINY).replace("[parts]\n", "[parts]\nmax-waiting = 1\n");
    let job = workspace.job("night", &body, Some(&server));
    let mut child = workspace.command(&["run", &job]).spawn().unwrap();
    while !server.events().contains("Opened") {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it sent anything"
        );
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    server.0.set_faults(Faults::none());
    let ran = workspace.run(&["run", &job, "--json"]).exits(0);
    let report = ran.report();
    let on = "continued this unfinished run";
    assert!(
        report["warnings"].to_string().contains(on),
        "{said}\n{report:#}"
    );
    let (on, plenty) = (outcome(&report), &plenty);
    assert_eq!((&on[..6], &on[7]), (&plenty[..6], &plenty[7]));
}
