//! Rows that are refused and cells that are mended: each code once, the files that tell of them, and the guards.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::too_many_lines,
    reason = "the helpers of tests may panic as well; audiences are made of text, and tables of cases are long"
)]

use crate::support::workspace;
use serde_json::json;
use workspace::{Workspace, column, rows};

const COLUMNS: &str =
    "[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\nname = \"FirstName\"\n";

/// A job over `a.csv` with three columns.
fn job(more: &str) -> String {
    format!("[audience]\nfiles = [\"a.csv\"]\n{COLUMNS}{more}\n")
}

/// `rejected` bad rows among `read`, the bad ones first.
fn audience(read: usize, rejected: usize) -> String {
    let row = |n| {
        if n < rejected {
            format!(",,Name {n}\n")
        } else {
            format!("n{n}@example.com,,Name {n}\n")
        }
    };
    std::iter::once("email,phone,name\n".to_owned())
        .chain((0..read).map(row))
        .collect()
}

/// Runs `job` dry over `text`; the reason, detail, source and record of each rejection.
fn rejections(text: &[u8], job: &str) -> Vec<[String; 4]> {
    let workspace = Workspace::new();
    workspace.write("a.csv", text);
    let job = workspace.job("vip", job, None);
    let outcome = workspace.run(&["run", &job, "--dry-run", "--json", "--limit", "100"]);
    assert!(matches!(outcome.code, 0 | 12), "{}", outcome.stderr);
    let rejects = rows(&workspace.of_last_run("vip", "rejects.csv"));
    let counted: u64 = outcome.report()["rejections"]
        .as_object()
        .unwrap()
        .values()
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(counted, rejects.len() as u64);
    rejects
        .into_iter()
        .map(|row| ["_reason", "_detail", "_source", "_record"].map(|name| row[name].clone()))
        .collect()
}

#[test]
fn each_reason_is_told_with_its_place_and_without_the_value() {
    let strict = "[normalize]\ninvalid-email = \"reject\"\ninvalid-phone = \"reject\"\n";
    let long = [
        b"email,phone,name\nx@example.com,,".as_slice(),
        &vec![b'x'; 1_000_001],
        b"\n",
    ]
    .concat();
    let large = [
        b"email,phone,name\nx@example.com,,".as_slice(),
        &vec![b'x'; 100_001],
        b"\n",
    ]
    .concat();
    for (bytes, more, reason, detail) in [
        (
            b"email,phone,name\n,,Zoe\n".as_slice(),
            "",
            "no-identifier",
            "every identifier is blank",
        ),
        (
            b"email,phone,name\nzoe@,12,Zoe\n",
            "",
            "no-identifier",
            "no identifier is left: invalid-email, invalid-phone",
        ),
        (
            b"email,phone,name\nzoe@,+16502530000,Zoe\n",
            strict,
            "invalid-email",
            "nothing after the @",
        ),
        (
            b"email,phone,name\nzoe@example.com,+1650,Zoe\n",
            strict,
            "invalid-phone",
            "too short",
        ),
        (
            b"email,phone,name\nzoe@example.com,\n",
            "",
            "ragged-row",
            "2 cells, the header has 3",
        ),
        (
            b"email,phone,name\nzoe@example.com,,Zoe,x\n",
            "",
            "ragged-row",
            "4 cells, the header has 3",
        ),
        (
            b"email,phone,name\nzoe@example.com,,Zo\xeb\n",
            "",
            "invalid-encoding",
            "bytes that are not valid in the file's encoding",
        ),
        (
            b"email,phone,name\nzoe@example.com,,Zo\0e\n",
            "",
            "invalid-encoding",
            "a NUL character",
        ),
        (
            &long,
            "",
            "record-too-long",
            "the record is longer than 1000000 bytes: it has 1000016, and its beginning is here",
        ),
        (
            &large,
            "",
            "profile-too-large",
            "100021 bytes; Klaviyo takes 100000 for a profile",
        ),
    ] {
        let place = ["a.csv".to_owned(), "1".to_owned()];
        let told = rejections(bytes, &job(more));
        assert_eq!(told.len(), 1, "{reason}");
        assert_eq!(told[0][..2], [reason, detail], "{reason}");
        assert_eq!(told[0][2..], place, "{reason}");
    }
}

#[test]
fn a_nested_value_and_a_line_that_is_no_object_are_refused() {
    let text = "{\"email\":\"a@example.com\",\"name\":{\"first\":\"Zoe\"}}\n[1]\n{\"email\":\"b@example.com\",\"other\":{\"x\":1}}\n";
    let workspace = Workspace::with(&[("a.ndjson", text)]);
    let body =
        "[audience]\nfiles = [\"a.ndjson\"]\n[columns]\nemail = \"Email\"\nname = \"FirstName\"\n";
    let job = workspace.job("vip", body, None);
    workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0)
        .reports(&[
            ("rejections", json!({"nested-value": 1, "ragged-row": 1})),
            ("rows_written", json!(1)),
        ]);
    let rejects = workspace.of_last_run("vip", "rejects.csv");
    assert_eq!(
        column(&rejects, "_detail"),
        [
            "column `name` holds a nested object",
            "the line is not a JSON object"
        ]
    );
    assert_eq!(column(&rejects, "_record"), ["1", "2"]);
    assert_eq!(column(&rejects, "name"), ["{\"first\":\"Zoe\"}", ""]);
}

#[test]
fn each_repair_is_counted_and_told_with_the_old_value() {
    let text = "email,phone,name\nzoe@@example.com,+16502530000,Zoe\nzoe@example.com,12,Zoe\nyan@example.com,,\"Yan\nTwo\"\nxia@example.com,,\"Xia\u{7}\"\nwim@example.com,,\"a\tb\r\nc\"\n";
    let workspace = Workspace::with(&[("a.csv", text)]);
    let job = workspace.job("vip", &job(""), None);
    workspace.run(&["run", &job, "--dry-run", "--json"]).exits(0).reports(&[
        ("rows_written", json!(5)),
        ("repairs", json!({"invalid-email": 1, "invalid-phone": 1, "line-break": 2, "control-character": 2})),
    ]);
    assert_eq!(
        workspace.of_last_run("vip", "repairs.csv"),
        "_source,_record,column,code,value,detail\na.csv,1,email,invalid-email,zoe@@example.com,several-at-signs\na.csv,2,phone,invalid-phone,12,no-country\na.csv,3,name,line-break,\"Yan\nTwo\",\na.csv,4,name,control-character,Xia\u{7},\na.csv,5,name,line-break,\"a\tb\r\nc\",\na.csv,5,name,control-character,\"a\tb\r\nc\",\n"
    );
    assert_eq!(
        column(&workspace.parts("vip")[0], "FirstName"),
        ["Zoe", "Zoe", "Yan Two", "Xia", "a b c"]
    );
}

#[test]
fn rejects_keep_the_columns_and_values_of_their_sources_in_order() {
    let workspace = Workspace::with(&[
        (
            "in/a.csv",
            "email,phone,name,\"note, old\"\n,,Zoe,\"say \"\"hi\"\"\"\nx@example.com,,Xia,\n, ,Yan,\"two\nlines\"\n",
        ),
        ("in/b.csv", "name,phone,email,extra\nWim,,,7\n"),
    ]);
    let body = format!("[audience]\nfiles = [\"in/*.csv\"]\n{COLUMNS}");
    let job = workspace.job("vip", &body, None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    assert_eq!(
        workspace.of_last_run("vip", "rejects.csv"),
        "email,phone,name,\"note, old\",extra,_reason,_detail,_source,_record,_digest\n\
         ,,Zoe,\"say \"\"hi\"\"\",,no-identifier,every identifier is blank,in/a.csv,1,v1-fb2e1505-e8828f1d3eeaa1de\n\
         , ,Yan,\"two\nlines\",,no-identifier,every identifier is blank,in/a.csv,3,v1-fb2e1505-c917941c5b76ccb4\n\
         ,,Wim,,7,no-identifier,every identifier is blank,in/b.csv,1,v1-fb2e1505-fd432599ba8c132a\n"
    );
}

#[test]
fn mended_rejects_are_an_audience_whatever_the_job_says_of_its_files() {
    let workspace = Workspace::new();
    workspace.write(
        "a.csv",
        b"email;phone;name\n;;Zo\xeb\nx@example.com;;Xia\n".as_slice(),
    );
    let body = format!(
        "[audience]\nfiles = [\"a.csv\"]\ndelimiter = \";\"\nencoding = \"windows-1252\"\n{COLUMNS}"
    );
    let job = workspace.job("vip", &body, None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let rejects = workspace.of_last_run("vip", "rejects.csv");
    assert!(
        rejects.starts_with("email,phone,name,_reason,"),
        "{rejects}"
    );
    workspace.write("a.csv", rejects.replace(",,Zoë", "zoe@example.com,,Zoë"));
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    assert_eq!(
        workspace.parts("vip"),
        ["Email,PhoneNumber,FirstName\n\"zoe@example.com\",\"\",Zoë\n"]
    );
}

#[test]
fn rejects_that_are_still_bad_give_the_same_rejects() {
    let workspace = Workspace::with(&[("a.csv", &audience(20, 5))]);
    let job = workspace.job("vip", &job(""), None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let first = workspace.of_last_run("vip", "rejects.csv");
    workspace.write("a.csv", &first);
    workspace.run(&["run", &job, "--dry-run"]).exits(12);
    let names = ["email", "phone", "name", "_reason", "_detail"];
    let second = workspace.of_last_run("vip", "rejects.csv");
    assert_eq!(first.lines().next(), second.lines().next());
    for name in names {
        assert_eq!(column(&first, name), column(&second, name), "{name}");
    }
}

#[test]
fn a_job_without_rejections_and_repairs_leaves_no_file_of_them() {
    let workspace = Workspace::with(&[("a.csv", &audience(3, 0))]);
    let job = workspace.job("vip", &job(""), None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    for name in ["rejects.csv", "repairs.csv"] {
        assert!(!workspace.last_run("vip").join(name).exists(), "{name}");
    }
}

#[test]
fn too_many_rejections_stop_the_run_before_the_part_is_sent() {
    let workspace = Workspace::with(&[("a.csv", &audience(1_000, 50))]);
    let server = workspace.server();
    let job = workspace.job("vip", &job(""), Some(&server));
    let outcome = workspace.run(&["run", &job, "--json"]).exits(17);
    assert_eq!(
        outcome.error(),
        "50 of 1,000 rows are rejected, most of them as no-identifier, and `max-rejected` allows 5 % or 100,000 rows; the current part was not sent"
    );
    assert!(outcome.hint().contains("rejects.csv"));
    outcome.reports(&[
        ("status", json!("failed")),
        ("exit_code", json!(17)),
        ("parts", json!([])),
    ]);
    assert!(server.received().is_empty(), "{}", server.events());
    assert_eq!(rows(&workspace.of_last_run("vip", "rejects.csv")).len(), 50);
}

#[test]
fn the_guard_counts_rows_as_well_as_percent_and_leaves_few_rejections_alone() {
    for (read, rejected, limits, code) in [
        (1_000, 49, "percent = 5", 0),
        (1_000, 50, "percent = 5", 17),
        (999, 9, "percent = 0", 0),
        (1_000, 9, "rows = 10", 0),
        (1_000, 10, "rows = 10", 17),
        (2_000, 1, "percent = 0", 17),
        (2_000, 0, "percent = 0", 0),
        (2_000, 1_999, "percent = 100", 0),
    ] {
        let workspace = Workspace::with(&[("a.csv", &audience(read, rejected))]);
        let limits = format!("[normalize]\nmax-rejected = {{ {limits} }}\n");
        let job = workspace.job("vip", &job(&limits), None);
        let outcome = workspace.run(&["run", &job, "--dry-run"]);
        assert_eq!(
            outcome.code, code,
            "{rejected} of {read}, {limits}: {}",
            outcome.stderr
        );
    }
}

#[test]
fn parts_before_the_guard_struck_were_sent_and_later_ones_were_not() {
    // 1,100 good rows fill a part; then come bad ones, enough for the guard within the second part.
    let good: String = (0..1_500)
        .map(|n| format!("n{n}@example.com,,x\n"))
        .collect();
    let bad = ",,x\n".repeat(200);
    let workspace = Workspace::with(&[("a.csv", &format!("email,phone,name\n{good}{bad}{good}"))]);
    let server = workspace.server();
    let job = workspace.job("vip", &job("[parts]\nmax-rows = 1100\n"), Some(&server));
    let outcome = workspace.run(&["run", &job, "--json"]).exits(17);
    let received: Vec<usize> = server
        .received()
        .iter()
        .map(|part| rows(part).len())
        .collect();
    assert!(matches!(received[..], [] | [1_100]), "{received:?}");
    assert!(outcome.report()["parts"].as_array().unwrap().len() <= 1);
}

#[test]
fn a_strict_job_delivers_and_then_ends_in_three() {
    let workspace = Workspace::with(&[("a.csv", &audience(10, 2))]);
    let server = workspace.server();
    let job = workspace.job("vip", &format!("strict = true\n{}", job("")), Some(&server));
    let outcome = workspace.run(&["run", &job, "--json"]).exits(3);
    assert_eq!(
        outcome.error(),
        "rejected: 2 rows, and the job is strict; all other rows are delivered"
    );
    outcome.reports(&[
        ("status", json!("done")),
        ("exit_code", json!(3)),
        ("rows_written", json!(8)),
    ]);
    assert_eq!(rows(&server.received()[0]).len(), 8);
}

#[test]
fn an_audience_without_a_row_to_write_fails_unless_the_job_skips_it() {
    for text in ["email,phone,name\n", "email,phone,name\n,,Zoe\n"] {
        let workspace = Workspace::with(&[("a.csv", text)]);
        let server = workspace.server();
        let fail = workspace.job("fails", &job(""), Some(&server));
        let outcome = workspace.run(&["run", &fail]).exits(12);
        let rejected = text.lines().count() - 1;
        assert_eq!(
            outcome.error(),
            format!(
                "the audience has no row to write ({rejected} read, {rejected} rejected); on-empty = \"skip\" would make that a success"
            )
        );
        let body = job("").replace("[columns]", "on-empty = \"skip\"\n[columns]");
        let skip = workspace.job("skips", &body, Some(&server));
        workspace
            .run(&["run", &skip, "--json"])
            .exits(0)
            .reports(&[("status", json!("done")), ("parts", json!([]))]);
        assert!(server.received().is_empty());
    }
}

#[test]
fn of_rows_with_one_key_the_first_the_last_or_none_is_kept() {
    let text = "email,phone,name\nzoe@example.com,,first\n,,bad\nyan@example.com,,only\nZOE@example.com ,,last\n";
    for (which, names) in [("first", ["first", "only"]), ("last", ["only", "last"])] {
        let workspace = Workspace::with(&[("a.csv", text)]);
        let job = workspace.job(
            "vip",
            &job(&format!("[normalize]\nduplicates = \"{which}\"\n")),
            None,
        );
        workspace
            .run(&["run", &job, "--dry-run", "--json"])
            .exits(0)
            .reports(&[
                ("rows_read", json!(4)),
                ("rows_written", json!(2)),
                ("rows_rejected", json!(1)),
                ("duplicates", json!(1)),
            ]);
        assert_eq!(column(&workspace.parts("vip")[0], "FirstName"), names);
    }
    let workspace = Workspace::with(&[("a.csv", text)]);
    let server = workspace.server();
    let job = workspace.job(
        "vip",
        &job("[normalize]\nduplicates = \"fail\"\n"),
        Some(&server),
    );
    let outcome = workspace.run(&["run", &job]).exits(17);
    assert_eq!(
        outcome.error(),
        "a.csv record 1 and a.csv record 4 have the same key, and the job says duplicates = \"fail\"; nothing was sent"
    );
    assert!(!outcome.hint().contains("rejects.csv"));
    assert!(server.received().is_empty());
}

#[test]
fn a_guard_of_duplicates_asks_before_anything_is_sent() {
    let rows: String = (0..50)
        .map(|n| format!("n{}@example.com,,x\n", n % 49))
        .collect();
    let workspace = Workspace::with(&[("a.csv", &format!("email,phone,name\n{rows}"))]);
    let server = workspace.server();
    let body = job("[normalize]\nduplicates = \"fail\"\n[parts]\nmax-rows = 5\n");
    let job = workspace.job("vip", &body, Some(&server));
    workspace.run(&["run", &job]).exits(17);
    assert!(server.received().is_empty(), "{}", server.events());
}

#[test]
fn a_key_is_the_primary_one_or_else_the_best_that_a_row_has() {
    // Rows 1 and 2 share a phone but not the primary key; rows 3 and 4 have a phone alone.
    let text = "email,phone,name\na@example.com,+16502530000,1\nb@example.com,+16502530000,2\n,+16502530001,3\n,+1 650-253-0001,4\n";
    for (key, names) in [
        ("email", vec!["1", "2", "3"]),
        ("phone_number", vec!["1", "3"]),
    ] {
        let workspace = Workspace::with(&[("a.csv", text)]);
        let body = job("").replace("[columns]", &format!("primary-key = \"{key}\"\n[columns]"));
        let job = workspace.job("vip", &body, None);
        workspace.run(&["run", &job, "--dry-run"]).exits(0);
        assert_eq!(column(&workspace.parts("vip")[0], "FirstName"), names);
    }
}

#[test]
fn a_file_that_ends_inside_quotes_or_is_cut_sends_nothing_of_the_unfinished_part() {
    let whole: String = (0..30).map(|n| format!("n{n}@example.com,,x\n")).collect();
    let open = format!("email,phone,name\n{whole}z@example.com,,\"open\n");
    let workspace = Workspace::with(&[("a.csv", &open)]);
    let server = workspace.server();
    let job = workspace.job("vip", &job(""), Some(&server));
    let outcome = workspace.run(&["run", &job, "--json"]).exits(12);
    assert_eq!(
        outcome.error(),
        "a.csv: record 31: the file ends inside a quoted cell"
    );
    outcome.reports(&[("status", json!("failed")), ("parts", json!([]))]);
    assert!(server.received().is_empty());
}
