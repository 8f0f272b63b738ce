//! The text on stderr while a run is under way: progress as JSON, log lines as text and as JSON, and whose word wins.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::schemas::assert_keeps;
use crate::support::workspace;
use std::collections::BTreeSet;
use std::fmt::Write as _;

use klaviyo_export::cli::progress::SCHEMA;
use klaviyo_export_sandbox::{Fault, Faults};
use serde_json::Value;
use workspace::{Server, Workspace};

/// Fails unless the line keeps the schema, and has no field that the schema does not name.
#[track_caller]
fn assert_valid(line: &Value) {
    let schema = assert_keeps(SCHEMA, line);
    let names = |value: &Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(names(line), names(&schema["properties"]));
    if line["wait"] != Value::Null {
        let known = &schema["$defs"]["wait"]["properties"];
        assert_eq!(names(&line["wait"]), names(known));
    }
}

/// A job over 3,000 good rows, one twice and one bad, in parts of 1,000 rows.
fn started(faults: Faults) -> (Workspace, Server) {
    let mut rows = "email\n".to_owned();
    for row in 0..3_000 {
        writeln!(rows, "row{row}@example.com").unwrap();
    }
    rows.push_str("row7@example.com\nbad\n");
    let workspace = Workspace::with(&[("a.csv", &rows)]);
    let server = workspace.server_with(faults);
    let job = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[parts]\nmax-rows = 1000\n[retry]\nfirst = \"1ms\"\nmax = \"5ms\"\ngive-up-after = \"200ms\"\n";
    workspace.job("vip", job, Some(&server));
    (workspace, server)
}

/// Every line as JSON.
fn lines(text: &str) -> Vec<Value> {
    let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    text.lines().map(parse).collect()
}

#[test]
fn progress_is_a_line_of_json_with_the_fields_that_are_promised() {
    let (workspace, _server) = started(Faults::none());
    let outcome = workspace.run(&["run", "vip.toml", "-q", "--progress", "json"]);
    let outcome = outcome.exits(0);
    let lines = lines(&outcome.stderr);
    for line in &lines {
        assert_valid(line);
        let stage = line["stage"].as_str().unwrap();
        assert!(["formatting", "sending", "ended"].contains(&stage));
    }
    assert!(lines.len() >= 2, "one at the begin, one at the end");
    let last = lines.last().unwrap();
    let number = |field: &str| last[field].as_u64().unwrap();
    assert_eq!(last["stage"], "ended");
    assert_eq!(
        (number("rows_read"), number("rows_written")),
        (3_002, 3_000)
    );
    assert_eq!((number("rows_rejected"), number("duplicates")), (1, 1));
    assert_eq!((number("parts_written"), number("parts_delivered")), (3, 3));
    assert_eq!(number("bytes_acknowledged"), number("bytes_formatted"));
    assert_eq!(number("source_bytes"), number("source_bytes_read"));
    assert!(number("bytes_per_second") > 0 && last["seconds"].as_f64().unwrap() > 0.0);
    let ended = lines.iter().filter(|line| line["stage"] == "ended");
    assert_eq!(ended.count(), 1);
}

#[test]
fn progress_goes_on_once_a_second_while_the_server_stands_still() {
    let stall = Fault::StallAfter {
        bytes: 0,
        time: Some(std::time::Duration::from_millis(2_500)),
    };
    let (workspace, _server) = started(Faults::none().always(stall));
    let outcome = workspace.run(&["run", "vip.toml", "-q", "--progress", "json"]);
    let outcome = outcome.exits(0);
    let lines = lines(&outcome.stderr);
    let stages: Vec<&str> = lines
        .iter()
        .map(|line| line["stage"].as_str().unwrap())
        .collect();
    assert!(stages.len() >= 4, "{stages:?}");
    assert!(
        stages.contains(&"sending") && stages.last() == Some(&"ended"),
        "{stages:?}"
    );
    let seconds: Vec<f64> = lines
        .iter()
        .map(|line| line["seconds"].as_f64().unwrap())
        .collect();
    assert!(seconds.is_sorted(), "{seconds:?}");
}

#[test]
fn a_delivery_that_is_tried_again_says_since_when_and_when_the_next_try_is() {
    let (workspace, server) = started(Faults::none().always(Fault::RefuseConnection));
    let body = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[retry]\nfirst = \"700ms\"\nmax = \"800ms\"\ngive-up-after = \"3s\"\n";
    let job = workspace.job("vip", body, Some(&server));
    let outcome = workspace.run(&["run", &job, "--progress", "json", "--log-format", "json"]);
    let outcome = outcome.exits(14);
    let lines = lines(&outcome.stderr);
    let progress = lines.iter().filter(|line| line["event"] == "progress");
    let waits: Vec<&Value> = progress
        .inspect(|line| assert_valid(line))
        .map(|line| &line["wait"])
        .filter(|wait| !wait.is_null())
        .collect();
    assert!(waits.len() >= 2, "{waits:?}");
    let numbers = |field: &str| -> Vec<u64> {
        let numbers = waits.iter().map(|wait| wait[field].as_u64().unwrap());
        numbers.collect()
    };
    assert!(waits.iter().all(|wait| wait["reason"] == "link-down"));
    let (tries, seconds) = (numbers("next_try"), numbers("seconds"));
    assert!(tries[0] >= 2 && tries.is_sorted() && tries[0] < *tries.last().unwrap());
    assert!(
        seconds.is_sorted() && *seconds.last().unwrap() >= 1,
        "{seconds:?}"
    );
    let last = lines
        .iter()
        .rfind(|line| line["event"] == "progress")
        .unwrap();
    assert!(
        last["wait"].is_null()
            && last["retries"].as_u64() >= tries.last().copied().map(|it| it - 1)
    );
}

#[test]
fn every_line_of_a_json_log_is_an_event_errors_and_notes_too() {
    let (workspace, server) = started(Faults::none());
    let outcome = workspace.run(&[
        "run",
        "vip.toml",
        "--log-format",
        "json",
        "--progress",
        "json",
    ]);
    let events = lines(&outcome.exits(0).stderr);
    let messages: Vec<&str> = events
        .iter()
        .filter_map(|event| event["message"].as_str())
        .collect();
    assert!(messages.contains(&"run begun"), "{messages:?}");
    for event in events.iter().filter(|event| event["event"] != "progress") {
        assert!(
            event["timestamp"].is_string() && event["level"].is_string(),
            "{event}"
        );
    }

    let port = server.0.address().port();
    drop(server);
    let outcome = workspace
        .run(&["--log-format", "json", "run", "vip.toml"])
        .exits(14);
    let events = lines(&outcome.stderr);
    let last = events.last().unwrap();
    assert_eq!(
        (&last["level"], &last["exit_code"]),
        (&"ERROR".into(), &14.into())
    );
    assert!(
        last["message"]
            .as_str()
            .unwrap()
            .contains(&format!("127.0.0.1:{port}"))
    );
    assert!(
        last["hint"]
            .as_str()
            .unwrap()
            .contains("run the same command again")
    );

    let arguments = [
        "send",
        "a.csv",
        "--dry-run",
        "--log-format",
        "json",
        "--progress",
        "none",
    ];
    let events = lines(&workspace.run(&arguments).exits(0).stderr);
    let told = events
        .iter()
        .any(|event| event["message"] == "email  ->  Email");
    assert!(told, "{events:?}");
}

#[test]
fn flags_win_over_rust_log_which_wins_over_the_default() {
    let (workspace, _server) = started(Faults::none());
    let said = |flags: &[&str], filter: &str| {
        let arguments = [&["run", "vip.toml", "--fresh"], flags].concat();
        let outcome = workspace.run_with_env(&arguments, &[("RUST_LOG", filter)]);
        outcome.exits(0).stderr
    };
    assert!(
        said(&[], "").contains("run begun"),
        "by default, one line a stage"
    );
    assert!(!said(&[], "warn").contains("run begun"));
    assert!(said(&[], "klaviyo_export=debug").contains("logged in"));
    assert!(said(&["-v"], "warn").contains("logged in"));
    assert_eq!(said(&["-q"], "trace"), "");
}

#[test]
fn log_lines_have_colours_only_where_they_are_wanted() {
    let (workspace, _server) = started(Faults::none());
    let colours = |variables: &[(&str, &str)]| {
        let arguments = ["run", "vip.toml", "--fresh"];
        let outcome = workspace.run_with_env(&arguments, variables);
        outcome.exits(0).stderr.contains('\u{1b}')
    };
    assert!(!colours(&[]), "no terminal");
    assert!(colours(&[("CLICOLOR_FORCE", "1")]));
    assert!(!colours(&[("CLICOLOR_FORCE", "1"), ("NO_COLOR", "1")]));
    assert!(!colours(&[("TERM", "dumb")]));
}
