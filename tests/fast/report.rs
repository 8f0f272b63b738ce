//! The report: its JSON keeps the schema that is in the crate, however the run ended, and its text reads well.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "the helpers of tests may panic as well; audiences are made of text"
)]

use crate::support::schemas::assert_keeps;
use crate::support::workspace;
use std::collections::BTreeSet;

use klaviyo_export::run::report::SCHEMA;
use klaviyo_export::state::codes::{RejectionReason, RepairCode};
use klaviyo_export_sandbox::{Fault, Faults};
use serde_json::{Value, json};
use workspace::{Outcome, Workspace};

const AUDIENCE: &str = "email,phone,name\nzoe@example.com,+16502530000,Zoe\nyan@example.com,12,\"Yan\nTwo\"\nzoe@example.com,,Zoe\n,,Xia\nwim@example.com,,Wim\n";
const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\nname = \"FirstName\"\n[parts]\nmax-rows = 2\n[retry]\nfirst = \"1ms\"\ngive-up-after = \"200ms\"\n";

fn schema() -> Value {
    serde_json::from_str(SCHEMA).unwrap()
}

/// Fails unless the report keeps the schema and has no field that the schema does not name.
#[track_caller]
fn assert_valid(report: &Value) {
    let schema = assert_keeps(SCHEMA, report);
    let names = |value: &Value| {
        value
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(names(report), names(&schema["properties"]));
    assert_eq!(
        names(&report["seconds"]),
        names(&schema["properties"]["seconds"]["properties"])
    );
    for part in report["parts"].as_array().unwrap() {
        assert_eq!(names(part), names(&schema["$defs"]["part"]["properties"]));
    }
}

/// A run of the job above, against a server with `faults`.
fn run(faults: Faults, flags: &[&str]) -> (Workspace, Outcome) {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server_with(faults);
    let job = workspace.job("vip", JOB, Some(&server));
    let outcome = workspace.run(&[&["run", job.as_str()], flags].concat());
    (workspace, outcome)
}

#[test]
fn the_schema_is_a_schema_and_lists_every_code() {
    let schema = schema();
    assert!(jsonschema::meta::is_valid(&schema));
    let reasons = RejectionReason::ALL.map(RejectionReason::code);
    assert_eq!(
        schema["properties"]["rejections"]["propertyNames"]["enum"],
        json!(reasons)
    );
    let repairs = RepairCode::ALL.map(RepairCode::code);
    assert_eq!(
        schema["properties"]["repairs"]["propertyNames"]["enum"],
        json!(repairs)
    );
    assert_eq!(
        schema["required"].as_array().unwrap().len(),
        schema["properties"].as_object().unwrap().len()
    );
}

#[test]
fn every_end_of_a_run_keeps_the_schema() {
    for (faults, flags, code, status) in [
        (Faults::none(), &["--json"][..], 0, "done"),
        (Faults::none(), &["--json", "--dry-run"], 0, "dry-run"),
        (
            Faults::none(),
            &["--json", "--shard", "1/2", "--run-group", "g"],
            0,
            "done",
        ),
        (
            Faults::none().always(Fault::CutAfter { bytes: 10 }),
            &["--json"],
            14,
            "failed",
        ),
        (
            Faults::none().always(Fault::RefuseLogin),
            &["--json"],
            13,
            "failed",
        ),
        (
            Faults::none().always(Fault::WrongSize { missing: 1 }),
            &["--json"],
            15,
            "failed",
        ),
        (
            Faults::none().always(Fault::DenyStat),
            &["--json"],
            0,
            "done",
        ),
        (
            Faults::none().always(Fault::Collect),
            &["--json"],
            0,
            "done",
        ),
        (
            Faults::none()
                .times(Fault::CutAfter { bytes: 10 }, 1)
                .always(Fault::DenyRemove),
            &["--json"],
            0,
            "done",
        ),
    ] {
        let (workspace, outcome) = run(faults.clone(), flags);
        let report = outcome.report();
        assert_eq!(
            (outcome.code, &report["status"]),
            (code, &json!(status)),
            "{faults:?}: {}",
            outcome.stderr
        );
        assert_eq!(report["exit_code"], json!(code));
        assert_valid(&report);
        let runs = if report["shard"].is_null() {
            "vip"
        } else {
            "vip/shards/01of02"
        };
        assert_eq!(outcome.stdout, workspace.of_last_run(runs, "report.json"));
    }
}

#[test]
fn a_report_of_an_audience_that_broke_keeps_the_schema() {
    let workspace = Workspace::with(&[("a.csv", &format!("{AUDIENCE}v@example.com,,\"Vic\n"))]);
    let job = workspace.job("vip", JOB, None);
    let outcome = workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(12);
    assert_valid(&outcome.report());
    outcome.reports(&[("status", json!("failed"))]);
}

#[test]
fn a_report_of_a_run_that_has_drifted_keeps_the_schema() {
    let row = |n: usize| format!("n{n}@example.com,,Ana\n");
    let many: String = (0..60).map(row).collect();
    let workspace = Workspace::with(&[("a.csv", &format!("email,phone,name\n{many}"))]);
    let server = workspace.server();
    let body = format!("{}[guard]\n", JOB.replace("max-rows = 2", "max-rows = 200"));
    let job = workspace.job("vip", &body, Some(&server));
    for _ in 0..3 {
        workspace.run(&["run", &job]).exits(0);
    }
    let usual = workspace.run(&["run", &job, "--json"]).exits(0).report();
    assert_valid(&usual);
    assert_eq!(usual["drift"]["runs"], 4 - 1, "{usual:#}");
    workspace.write(
        "a.csv",
        many.replace(",,Ana", ",,")
            .replacen("n0", "email,phone,name\nn0", 1),
    );
    let drifted = workspace.run(&["run", &job, "--json"]).exits(17).report();
    assert_valid(&drifted);
    assert_eq!(drifted["drift"]["found"][0]["column"], "FirstName");
}

#[test]
fn what_the_server_said_is_told_part_by_part() {
    for (fault, word) in [
        (Fault::DenyStat, "unverified"),
        (Fault::Collect, "collected"),
    ] {
        let (_, outcome) = run(Faults::none().always(fault), &["--json"]);
        let report = outcome.exits(0).report();
        let words: Vec<&Value> = report["parts"]
            .as_array()
            .unwrap()
            .iter()
            .map(|part| &part["verification"])
            .collect();
        assert_eq!(words, [&json!(word), &json!(word)]);
    }
}

#[test]
fn a_part_that_broke_once_tells_its_attempts_and_its_leftover() {
    let faults = Faults::none()
        .once(Fault::CutAfter { bytes: 10 })
        .always(Fault::DenyRemove);
    let (_, outcome) = run(faults, &["--json"]);
    let report = outcome.exits(0).report();
    let attempts: u64 = report["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| part["attempts"].as_u64().unwrap())
        .sum();
    assert_eq!(attempts, 3, "{report:#}");
    assert_eq!(report["leftovers"].as_array().unwrap().len(), 1);
}

/// The text without the place of the workspace.
fn stable(workspace: &Workspace, text: &str) -> String {
    text.replace(workspace.path("").to_str().unwrap(), "WORKSPACE/")
}

macro_rules! assert_report {
    ($name:literal, $workspace:expr, $text:expr) => {
        let mut settings = insta::Settings::clone_current();
        settings.add_filter(r"\d{8}T\d{6}Z-[0-9a-f]{8}", "RUN");
        settings.add_filter(r"127\.0\.0\.1:\d+", "HOST:PORT");
        settings.add_filter(r"in \d+\.\d s", "in TIME");
        settings.add_filter(r"SHA256:[A-Za-z0-9+/]{43}", "FINGERPRINT");
        settings.bind(|| insta::assert_snapshot!($name, stable($workspace, $text)));
    };
}

#[test]
fn the_text_of_a_run_that_delivered() {
    let (workspace, outcome) = run(Faults::none(), &[]);
    assert_report!("delivered", &workspace, &outcome.exits(0).stdout);
}

#[test]
fn the_text_of_a_dry_run() {
    let (workspace, outcome) = run(Faults::none(), &["--dry-run"]);
    assert_report!("dry_run", &workspace, &outcome.exits(0).stdout);
}

#[test]
fn the_text_of_a_run_that_failed() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server_with(Faults::none().always(Fault::RefuseLogin));
    // One part: of several the later ones may not be closed when the login is refused.
    let job = workspace.job("vip", &JOB.replace("max-rows = 2", ""), Some(&server));
    let outcome = workspace.run(&["run", &job, "-q"]).exits(13);
    assert_report!(
        "failed",
        &workspace,
        &format!("{}{}", outcome.stdout, outcome.stderr)
    );
}

#[test]
fn a_run_that_a_guard_stopped_adds_up_and_tells_which_rows_are_in_parts() {
    let good = (0..1_200).map(|n| format!("n{n}@example.com,,"));
    let bad = std::iter::repeat_n(",,Nobody".to_owned(), 1_000);
    let header = std::iter::once("email,phone,name".to_owned());
    let audience = header.chain(good).chain(bad).collect::<Vec<_>>().join("\n");
    let workspace = Workspace::with(&[("a.csv", &audience)]);
    let job = workspace.job("vip", &JOB.replace("max-rows = 2", "max-rows = 1000"), None);
    let outcome = workspace.run(&["run", &job, "--dry-run", "-q"]).exits(17);
    // The guard looks before the first part is closed.
    assert!(
        outcome
            .stdout
            .contains("written    1,000 rows  none of them in a complete part\n"),
        "{}",
        outcome.stdout
    );
    let report: Value = serde_json::from_str(&workspace.of_last_run("vip", "report.json")).unwrap();
    assert_valid(&report);
    let rows = |key: &str| report[key].as_u64().unwrap();
    assert_eq!(
        rows("rows_read"),
        rows("rows_written") + rows("rows_rejected") + rows("duplicates")
    );
}
