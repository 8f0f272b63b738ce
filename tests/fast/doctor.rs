//! `doctor` against the sandbox: what it measures, that the server holds nothing of it afterwards, and what becomes of it
//! where the server does not take files.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;

use klaviyo_export_sandbox::{Fault, Faults};
use serde_json::Value;
use workspace::{Server, Workspace};

const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n";

/// A workspace with an audience of 500 rows, and a job that delivers to a sandbox with `faults`.
fn started(faults: Faults) -> (Workspace, Server) {
    let rows: Vec<String> = (0..500).map(|row| format!("p{row}@example.com")).collect();
    let audience = format!("email\n{}\n", rows.join("\n"));
    let workspace = Workspace::with(&[("a.csv", &audience)]);
    let server = workspace.server_with(faults);
    workspace.job("vip", JOB, Some(&server));
    (workspace, server)
}

/// The names of all files that the server holds.
fn files(server: &Server) -> Vec<String> {
    let found = std::fs::read_dir(server.0.profiles()).unwrap();
    let names = found.map(|it| it.unwrap().file_name().into_string().unwrap());
    names.collect()
}

/// The findings of `doctor`, or of the command that is the same.
#[track_caller]
fn findings(workspace: &Workspace, arguments: &[&str], code: i32) -> Value {
    workspace.run(arguments).exits(code).report()
}

/// Name, status and detail of the checks that only `doctor` makes.
fn measured(findings: &Value) -> Vec<[&str; 3]> {
    let checks = findings["checks"].as_array().unwrap().iter();
    let all =
        checks.map(|check| ["name", "status", "detail"].map(|key| check[key].as_str().unwrap()));
    all.filter(|[name, ..]| ["round-trip", "speed", "requests", "tonight"].contains(name))
        .collect()
}

/// The numbers that stand before `unit` in a text.
fn numbers(text: &str, unit: &str) -> Vec<f64> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let pairs = words.windows(2).filter(|pair| pair[1].starts_with(unit));
    pairs.map(|pair| pair[0].parse().unwrap()).collect()
}

#[test]
fn the_server_is_measured_and_nothing_stays_there() {
    let (workspace, server) = started(Faults::none());
    for command in [
        &["doctor", "vip.toml", "--json"][..],
        &["check", "vip.toml", "--deep", "--json"],
    ] {
        let findings = findings(&workspace, command, 0);
        let measured = measured(&findings);
        let names: Vec<_> = measured
            .iter()
            .map(|[name, status, _]| (*name, *status))
            .collect();
        let expected = ["round-trip", "speed", "requests", "tonight"].map(|name| (name, "ok"));
        assert_eq!(names, expected, "{findings}");
        let [[.., round_trip], [.., speed], [.., requests], [.., tonight]] = measured[..] else {
            panic!("{measured:?}");
        };
        assert!(numbers(round_trip, "ms")[0] > 0.0, "{round_trip}");
        let speeds = numbers(speed, "MB/s");
        assert!(
            speeds.len() == 2 && speeds[0] > 0.0 && speeds[1] > 0.0,
            "{speed}"
        );
        assert_eq!(
            requests,
            "accepted: create exclusively, rename; refused with operation unsupported (SFTP status 8): \
             set permissions, set times; refused with permission denied (SFTP status 3): read, append; \
             an upload needs none of these"
        );
        assert!(tonight.starts_with("500 rows and "), "{tonight}");
        assert!(
            tonight.contains(" in 1 part, of 500 rows read: "),
            "{tonight}"
        );
        assert!(tonight.ends_with(" to the server"), "{tonight}");
        assert_eq!(files(&server), [""; 0]);
    }
    assert_eq!(
        std::fs::read_dir(workspace.path("state")).unwrap().count(),
        0
    );
}

#[test]
fn the_text_says_which_line_pins_the_key_and_what_comes_next() {
    let (workspace, server) = started(Faults::none());
    let outcome = workspace
        .run(&["doctor", "vip.toml", "--set", "sftp.sessions=1"])
        .exits(0);
    let pin = format!(
        "note: host-key = [\"{}\"] in [sftp] would pin it\n",
        server.0.host_key_fingerprint()
    );
    assert!(outcome.stdout.contains(&pin), "{}", outcome.stdout);
    assert!(
        outcome.stdout.contains(" MB/s with one session\n"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stdout.ends_with(
            "\nvip: all is well\nnext: klaviyo-export run vip.toml --set 'sftp.sessions=1' --limit 10\n"
        ),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_server_that_takes_no_files_is_not_measured() {
    let (workspace, server) = started(Faults::none().always(Fault::RefuseOpen));
    let findings = findings(&workspace, &["doctor", "vip.toml", "--json"], 14);
    let told = [
        ["round-trip", "skipped", "the server must take files first"],
        ["speed", "skipped", "the server must take files first"],
        ["requests", "skipped", "the server must take files first"],
        ["tonight", "skipped", "the speed must be measured first"],
    ];
    assert_eq!(measured(&findings), told);
    let outcome = workspace.run(&["check", "vip.toml", "--deep"]).exits(14);
    let next = "\nnext: klaviyo-export doctor vip.toml\n";
    assert!(outcome.stdout.ends_with(next), "{}", outcome.stdout);
    assert_eq!(files(&server), [""; 0]);
}

#[test]
fn files_that_cannot_be_removed_are_named() {
    let (workspace, server) = started(Faults::none().always(Fault::DenyRemove));
    let findings = findings(&workspace, &["doctor", "vip.toml", "--json"], 0);
    let notes: Vec<&str> = findings["checks"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|check| check["notes"].as_array().unwrap())
        .filter_map(Value::as_str)
        .collect();
    let left = files(&server);
    assert!(left.len() >= 5, "{left:?}");
    for path in &left {
        let named = notes
            .iter()
            .any(|note| note.contains(path.as_str()) && note.contains("stays there"));
        assert!(named, "{path}: {notes:?}");
    }
}

#[test]
fn a_job_without_a_server_has_nothing_to_measure_there() {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    workspace.job("vip", JOB, None);
    let findings = findings(&workspace, &["doctor", "vip.toml", "--json"], 10);
    let told = measured(&findings);
    let statuses: Vec<_> = told
        .iter()
        .map(|[name, status, _]| (*name, *status))
        .collect();
    let expected = ["round-trip", "speed", "requests", "tonight"].map(|name| (name, "skipped"));
    assert_eq!(statuses, expected);
}
