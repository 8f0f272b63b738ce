//! Guards: what stops a run although it could go on, and what is no reason to: too many rejections in an audience of any size,
//! and blank records, which are no rows.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "the helpers of tests may panic as well; audiences are made of text"
)]

use serde_json::json;

use crate::support::workspace::{Workspace, rows};

/// A job over `file` with three columns; `more` are keys below `[columns]`.
fn job(file: &str, more: &str) -> String {
    format!(
        "[audience]\nfiles = [\"{file}\"]\n[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\nname = \"FirstName\"\n{more}\n"
    )
}

/// `rejected` bad rows among `read`, the bad ones last, so that only the end of the audience tells.
fn audience(read: usize, rejected: usize) -> String {
    let good = (0..read - rejected).map(|n| format!("n{n}@example.com,,Name {n}\n"));
    let bad = (0..rejected).map(|n| format!("nobody,,Name {n}\n"));
    let head = std::iter::once("email,phone,name\n".to_owned());
    head.chain(good).chain(bad).collect()
}

#[test]
fn too_many_rejections_stop_a_run_at_the_end_of_an_audience_of_any_size() {
    for (read, rejected, limits, code) in [
        (502, 501, "percent = 5", 17),
        (999, 500, "percent = 5", 17),
        (200, 10, "percent = 5", 17),
        (201, 10, "percent = 5", 0),
        (10, 10, "percent = 5", 17),
        // One bad row of a few is no disaster, nor are nine.
        (2, 1, "percent = 5", 0),
        (18, 9, "percent = 5", 0),
        (20, 10, "percent = 100", 0),
        (20, 10, "percent = 100, rows = 10", 17),
        (20, 10, "percent = 100, rows = 11", 0),
    ] {
        let workspace = Workspace::with(&[("a.csv", &audience(read, rejected))]);
        for memory in ["", "duplicates = \"last\"", "dedupe-memory = \"1B\""] {
            let rules = format!("[normalize]\nmax-rejected = {{ {limits} }}\n{memory}\n");
            let job = workspace.job("vip", &job("a.csv", &rules), None);
            let outcome = workspace.run(&["run", &job, "--dry-run", "--json"]);
            let case = format!(
                "{rejected} of {read}, {limits} {memory}: {}",
                outcome.stderr
            );
            assert_eq!(outcome.code, code, "{case}");
            let said = format!("{rejected} of {read} rows are rejected");
            assert_eq!(outcome.stderr.contains(&said), code != 0, "{case}");
            let report = outcome.report();
            assert_eq!(report["rows_rejected"], rejected, "{case}");
            if code == 0 {
                assert_eq!(report["rows_read"], read, "{case}");
            }
            let status = if code == 0 { "dry-run" } else { "failed" };
            assert_eq!(report["status"], status, "{case}");
        }
    }
}

#[test]
fn nothing_of_a_small_audience_that_is_mostly_refused_is_sent() {
    let workspace = Workspace::with(&[("a.csv", &audience(502, 501))]);
    let server = workspace.server();
    let job = workspace.job("vip", &job("a.csv", ""), Some(&server));
    let outcome = workspace.run(&["run", &job]).exits(17);
    assert_eq!(
        outcome.error(),
        "501 of 502 rows are rejected, most of them as no-identifier, and `max-rejected` allows 5 % or 100,000 rows; the current part was not sent"
    );
    for words in [
        "Email, PhoneNumber and ExternalID",
        "rejects.csv",
        "max-rejected",
    ] {
        assert!(outcome.hint().contains(words), "{}", outcome.hint());
    }
    assert!(server.received().is_empty(), "{}", server.events());
}

#[test]
fn send_and_limited_runs_are_judged_like_any_other() {
    let workspace = Workspace::with(&[("a.csv", &audience(502, 501))]);
    let sent = workspace.run(&["send", "a.csv", "--dry-run"]).exits(17);
    assert!(sent.hint().contains("rejects.csv"), "{}", sent.stderr);
    let job = workspace.job("vip", &job("a.csv", ""), None);
    for (limit, code) in [("10", 0), ("11", 17), ("501", 17)] {
        let outcome = workspace.run(&["run", &job, "--dry-run", "--limit", limit]);
        // One good row and nine bad ones are few; a tenth bad one is not.
        assert_eq!(outcome.code, code, "{limit}: {}", outcome.stderr);
    }
}

#[test]
fn a_shard_is_judged_by_its_own_rows() {
    let workspace = Workspace::with(&[
        ("in/1.csv", &audience(30, 0)),
        ("in/2.csv", &audience(30, 29)),
    ]);
    let job = workspace.job("vip", &job("in/*.csv", ""), None);
    for (shard, code) in [("1/2", 0), ("2/2", 17)] {
        let arguments = [
            "run",
            &job,
            "--dry-run",
            "--shard",
            shard,
            "--run-group",
            "g",
        ];
        let outcome = workspace.run(&arguments);
        assert_eq!(outcome.code, code, "{shard}: {}", outcome.stderr);
    }
}

/// Rows in the order of the source: good ones, blank ones in every dress, and one without an identifier.
const WITH_BLANKS: [(&str, &str); 3] = [
    (
        "a.csv",
        "email,phone,name\n,,\na@example.com,,Ana\n , \u{a0},\"\t\"\n,,,,,\n\"\",\"\",\"\"\n,\nb@example.com,,Bo\n,,Cy\n  \n,,\n",
    ),
    (
        "a.tsv",
        "email\tphone\tname\n\t\t\na@example.com\t\tAna\n \t\u{a0}\t\" \"\n\t\t\t\t\t\n\"\"\t\"\"\t\"\"\n\t\nb@example.com\t\tBo\n\t\tCy\n \t\n\t\t\n",
    ),
    (
        "a.ndjson",
        "{}\n{\"email\":\"a@example.com\",\"name\":\"Ana\"}\n{\"email\":\" \",\"phone\":\"\\u00a0\",\"name\":\"\\t\"}\n{\"email\":null}\n{\"other\":null}\n{\"name\":\"\"}\n{\"email\":\"b@example.com\",\"name\":\"Bo\",\"phone\":null}\n{\"name\":\"Cy\"}\n{\"email\":\"\",\"other\":\"\"}\n{\"email\":null,\"phone\":null,\"name\":null}\n",
    ),
];

#[test]
fn blank_records_are_no_rows_and_keep_their_numbers() {
    for (file, text) in WITH_BLANKS {
        let workspace = Workspace::with(&[(file, text)]);
        let job = workspace.job("vip", &job(file, ""), None);
        let outcome = workspace
            .run(&["run", &job, "--dry-run", "--json"])
            .exits(0);
        outcome.reports(&[
            ("rows_read", json!(3)),
            ("rows_blank", json!(7)),
            ("rows_written", json!(2)),
            ("rows_rejected", json!(1)),
            ("duplicates", json!(0)),
            ("repairs", json!({})),
        ]);
        let rejects = rows(&workspace.of_last_run("vip", "rejects.csv"));
        assert_eq!(rejects.len(), 1, "{file}");
        assert_eq!(rejects[0]["_record"], "8", "{file}");
        assert_eq!(rows(&workspace.parts("vip")[0]).len(), 2, "{file}");
        let shown = workspace.run(&["status", &job]).exits(0);
        assert!(
            shown.stdout.contains("; and 7 blank records"),
            "{}",
            shown.stdout
        );
        let runs = workspace.run(&["runs", &job, "--json"]).exits(0).report();
        assert_eq!(runs[0]["rows_blank"], 7, "{runs}");
        let preview = workspace
            .run(&["preview", &job, "--json"])
            .exits(0)
            .report();
        assert_eq!(preview["rows_read"], 3, "{file}");
        assert_eq!(preview["rows_blank"]["count"], 7, "{file}");
        assert_eq!(preview["rows_blank"]["examples"][1]["record"], 3, "{file}");
        assert_eq!(preview["whole"], true, "{file}");
        let preview = workspace.run(&["preview", &job]).exits(0);
        assert!(preview.stdout.contains("blank"), "{}", preview.stdout);
    }
}

#[test]
fn a_record_with_anything_in_it_is_a_row() {
    for (file, text) in [
        ("a.csv", "email,phone,name,other\n,,,x\n"),
        ("a.csv", "email,phone,name\n,,,x\n"),
        ("a.csv", "email,phone,name\n,,\u{1}\n"),
        ("a.csv", "email,phone,name\n,,0\n"),
        (
            "a.ndjson",
            "{\"email\":null,\"name\":null,\"phone\":null}\n{\"email\":null,\"unmapped\":1}\n",
        ),
        ("a.ndjson", "{\"email\":null,\"name\":[],\"phone\":null}\n"),
        ("a.ndjson", "{\"email\":null,\"name\":{},\"phone\":null}\n"),
        (
            "a.ndjson",
            "{\"email\":null,\"name\":false,\"phone\":null}\n",
        ),
    ] {
        let workspace = Workspace::with(&[(file, text)]);
        let job = workspace.job("vip", &job(file, ""), None);
        let report = workspace
            .run(&["run", &job, "--dry-run", "--json"])
            .report();
        assert_eq!(report["rows_rejected"], 1, "{text}");
        assert_eq!(report["rows_read"], 1, "{text}");
    }
}

#[test]
fn blank_records_are_no_reason_for_a_guard() {
    let good: String = (0..2_000)
        .map(|n| format!("n{n}@example.com,,x\n"))
        .collect();
    let text = format!("email,phone,name\n{good}{}", ",,\n".repeat(300));
    let workspace = Workspace::with(&[("a.csv", &text)]);
    let job = workspace.job("vip", &job("a.csv", ""), None);
    let outcome = workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let line = outcome.stdout.lines().find(|line| line.contains("blank"));
    assert_eq!(
        line,
        Some("  blank      300 records  no rows: every cell is empty")
    );
    // A limit counts rows.
    let text = format!("email,phone,name\n{}{good}", ",,\n".repeat(300));
    workspace.write("a.csv", text);
    let limited = ["run", &job, "--dry-run", "--json", "--limit", "5"];
    workspace.run(&limited).exits(0).reports(&[
        ("rows_read", json!(5)),
        ("rows_blank", json!(300)),
        ("rows_written", json!(5)),
    ]);
}

#[test]
fn an_audience_of_blank_records_alone_is_empty() {
    let workspace = Workspace::with(&[("a.csv", "email,phone,name\n,,\n,,\n")]);
    let job = workspace.job("vip", &job("a.csv", ""), None);
    let outcome = workspace.run(&["run", &job, "--dry-run"]).exits(12);
    assert_eq!(
        outcome.error(),
        "the audience has no row to write (0 read, 0 rejected, and 2 blank records); on-empty = \"skip\" would make that a success"
    );
}
