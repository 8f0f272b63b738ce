//! `preview`: what it shows is what a run sends, no value is shown unless it is asked for, and nothing is left behind.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "the helpers of tests may panic as well; audiences are made of text"
)]

use crate::support::workspace;
use std::collections::BTreeMap;

use serde_json::{Value, json};
use workspace::{Outcome, Workspace, rows};

/// Each repair, a rejection, a duplicate, and values that Klaviyo may misread.
const CRM: &str = "Customer ID,E-Mail,Mobile No,First Name,Code,Joined,Tags,SMS Opt-In\n\
    4711,Zoe.Quux@Example.com,(650) 253-0017,Xyzzy,00123,23.11.2026,\"[\"\"a\"\",1]\",yes\n\
    4712,grault@,+1 650 253 0018,Waldo,12,2026-11-23,\"[\"\"b\"\"]\",no\n\
    4713,yan.plugh@example.com,650,\"Fred\nville\",1234567890123456,11/23/2026,,no\n\
    4714,zoe.quux@example.com,,Thudly,x,x,garply,no\n\
    ,,,Corgewell,,,,\n";

const FLAGS: [&str; 8] = [
    "--default-region",
    "US",
    "--map",
    "Code=Code",
    "--map",
    "Joined=Joined",
    "--map",
    "Tags=Tags",
];

/// Pieces of the values above, in the forms in which they are read and written.
const VALUES: [&str; 13] = [
    "oe.quux",
    "oe.Quux",
    "grault",
    "plugh",
    "6502530017",
    "650-253",
    "253-0017",
    "Xyzzy",
    "Waldo",
    "ville",
    "Thudly",
    "garply",
    "4711",
];

fn json_of(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.stdout).unwrap()
}

/// Fails if anything was written beside what was there.
#[track_caller]
fn assert_nothing_left(workspace: &Workspace) {
    for folder in ["state", "home"] {
        let left = std::fs::read_dir(workspace.path(folder)).unwrap().count();
        assert_eq!(left, 0, "{folder}");
    }
}

#[test]
fn the_whole_page_is_as_it_was() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let outcome = workspace
        .run(&[&["preview", "crm.csv"], &FLAGS[..]].concat())
        .exits(0);
    assert_eq!(outcome.stderr, "");
    insta::assert_snapshot!("preview", outcome.stdout);
    assert_nothing_left(&workspace);
}

#[test]
fn no_value_is_shown_unless_it_is_asked_for() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    for more in [
        &[][..],
        &["--json"],
        &["-vv"],
        &["--rows", "1000", "--json"],
    ] {
        let outcome = workspace
            .run(&[&["preview", "crm.csv"], &FLAGS[..], more].concat())
            .exits(0);
        for value in VALUES {
            let said = format!("{}{}", outcome.stdout, outcome.stderr);
            assert!(!said.contains(value), "{value} is shown:\n{said}");
        }
    }
    let shown = workspace
        .run(&[&["preview", "crm.csv", "--show-values"], &FLAGS[..]].concat())
        .exits(0)
        .stdout;
    assert!(
        shown.contains("zoe.quux@example.com") && shown.contains("+16502530017"),
        "{shown}"
    );
}

#[test]
fn rows_are_shown_as_a_run_writes_them() {
    for duplicates in ["first", "last"] {
        let workspace = Workspace::with(&[("crm.csv", CRM)]);
        let own = [&FLAGS[..], &["--duplicates", duplicates]].concat();
        let preview = json_of(
            &workspace
                .run(&[&["preview", "crm.csv", "--show-values", "--json"], &own[..]].concat())
                .exits(0),
        );
        assert_nothing_left(&workspace);
        let run = workspace
            .run(&[&["send", "crm.csv", "--dry-run", "--json"], &own[..]].concat())
            .exits(0)
            .report();
        let sent = rows(&workspace.parts("crm")[0]);
        let cells = preview["rows"].as_array().unwrap().iter().map(|row| {
            let cells: BTreeMap<String, String> =
                serde_json::from_value(row["cells"].clone()).unwrap();
            cells
        });
        assert_eq!(cells.collect::<Vec<_>>(), sent, "{duplicates}");
        assert_eq!(preview["rows_read"], run["rows_read"]);
        assert_eq!(preview["rows_to_send"], run["rows_written"]);
        assert_eq!(preview["rows_rejected"], run["rows_rejected"]);
        assert_eq!(preview["duplicates"]["count"], run["duplicates"]);
        for repair in preview["repairs"].as_array().unwrap() {
            let code = repair["code"].as_str().unwrap();
            assert_eq!(repair["count"], run["repairs"][code], "{code}");
        }
    }
}

#[test]
fn what_klaviyo_may_misread_is_told_by_column_and_record() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let preview = json_of(
        &workspace
            .run(&[&["preview", "crm.csv", "--json"], &FLAGS[..]].concat())
            .exits(0),
    );
    let warnings: Vec<String> = preview["warnings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|warning| {
            let records = warning["examples"].as_array().unwrap().iter();
            let records: Vec<_> = records.map(|place| place["record"].to_string()).collect();
            format!(
                "{} {} {} {}",
                warning["header"].as_str().unwrap(),
                warning["code"].as_str().unwrap(),
                warning["count"],
                records.join(",")
            )
        })
        .collect();
    assert_eq!(
        warnings,
        [
            "Code leading-zeros 1 1",
            "Code long-number 1 3",
            "Joined date-form 1 1",
            "Tags mixed-list 1 1",
            "Tags lone-value 1 4",
        ]
    );
}

#[test]
fn only_the_first_rows_of_a_long_file_are_looked_at() {
    let rows: String = (1..=25_000)
        .map(|n| format!("n{n}@example.com\n"))
        .collect();
    let workspace = Workspace::with(&[("a.csv", &format!("email\n{rows}"))]);
    for (limit, read, whole) in [
        (&[][..], 10_000, false),
        (&["--limit", "7"], 7, false),
        (&["--limit", "25000"], 25_000, true),
        (&["--limit", "all"], 25_000, true),
    ] {
        let outcome = workspace
            .run(&[&["preview", "a.csv", "--json"], limit].concat())
            .exits(0);
        let preview = json_of(&outcome);
        assert_eq!(
            (&preview["rows_read"], &preview["whole"]),
            (&json!(read), &json!(whole))
        );
        assert_eq!(preview["rows"].as_array().unwrap().len(), 5);
    }
    let text = workspace.run(&["preview", "a.csv"]).exits(0).stdout;
    assert!(
        text.contains("looked at the first 10,000 rows (--limit all looks at every row):"),
        "{text}"
    );
    for (limit, word) in [
        ("0", "write 1 or more"),
        ("some", "a whole number of rows, such as 10, or all"),
    ] {
        let outcome = workspace
            .run(&["preview", "a.csv", "--limit", limit])
            .exits(2);
        assert!(outcome.stderr.contains(word), "{}", outcome.stderr);
    }
}

#[test]
fn a_job_is_previewed_without_its_secrets_its_server_or_its_lock() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let job = workspace.job(
        "vip",
        "[audience]\nfiles = [\"crm.csv\"]\nunlisted = \"drop\"\n[columns]\n\"E-Mail\" = \"Email\"\nTags = [\"Tags\", \"Labels\"]\n\
         [sftp]\nusername = \"x\"\npassphrase-env = \"NOT_SET\"\nprivate-key = \"none\"\n",
        None,
    );
    let outcome = workspace.run(&["preview", &job, "--rows", "0"]).exits(0);
    assert!(
        outcome
            .stdout
            .contains("\nnext: klaviyo-export run vip.toml --limit 10\n"),
        "{}",
        outcome.stdout
    );
    let columns: Vec<&str> = outcome.stdout.lines().skip(3).take(3).collect();
    assert_eq!(
        columns,
        [
            "  E-Mail  ->  Email   identifier",
            "  Tags    ->  Tags    custom property",
            "  Tags    ->  Labels  custom property",
        ]
    );
    assert_nothing_left(&workspace);
    let refused = workspace
        .run(&["preview", &job, "--keep-unlisted"])
        .exits(2);
    assert!(
        refused
            .error()
            .starts_with("vip.toml is a job file and has its own columns"),
        "{}",
        refused.error()
    );
}

#[test]
fn what_a_run_refuses_a_preview_refuses_too() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    for (columns, code, error) in [
        (
            "\"E-Mail\" = \"email\"",
            10,
            "column `E-Mail`: header \"email\" is not how Klaviyo spells it: write \"Email\"",
        ),
        (
            "\"SMS Opt-In\" = \"SMS Opt-In\"",
            10,
            "column `SMS Opt-In`: header \"SMS Opt-In\" looks like consent: to send it anyway, name it in allow-consent or --allow-consent",
        ),
        (
            "Mail = \"Email\"",
            12,
            "crm.csv: has no column `Mail`; did you mean `E-Mail`?",
        ),
    ] {
        let job = workspace.job(
            "vip",
            &format!("[audience]\nfiles = [\"crm.csv\"]\n[columns]\n{columns}\n"),
            None,
        );
        for command in [&["preview", &job][..], &["run", &job, "--dry-run"]] {
            let outcome = workspace.run(command).exits(code);
            assert_eq!(outcome.error(), error);
        }
    }
}

#[test]
fn a_consent_column_among_kept_ones_can_be_left_out_as_the_message_says() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let refused = workspace
        .run(&["preview", "crm.csv", "--keep-unlisted"])
        .exits(10);
    assert_eq!(
        refused.next(),
        "klaviyo-export preview crm.csv --keep-unlisted --map 'SMS Opt-In='"
    );
    let shown = workspace
        .run(&[
            "preview",
            "crm.csv",
            "--keep-unlisted",
            "--map",
            "SMS Opt-In=",
        ])
        .exits(0)
        .stdout;
    assert!(
        shown.contains("not sent:\n  SMS Opt-In  left out by --map\n"),
        "{shown}"
    );
    workspace
        .run(&[
            "send",
            "crm.csv",
            "--dry-run",
            "--keep-unlisted",
            "--map",
            "SMS Opt-In=",
        ])
        .exits(0);
    let header = workspace.parts("crm")[0].lines().next().unwrap().to_owned();
    assert_eq!(
        header,
        "Email,PhoneNumber,ExternalID,FirstName,Code,Joined,Tags"
    );
}

#[test]
fn control_characters_of_headers_and_values_are_escaped() {
    let workspace = Workspace::with(&[(
        "a.csv",
        "email,\"first\nname\",\u{1b}[31mred,\u{202e}turned\nzoe@example.com,\u{202e}Zoe,x,y\n",
    )]);
    for more in [
        &[][..],
        &["--json"],
        &["--show-values"],
        &["--show-values", "--json"],
    ] {
        let shown = workspace
            .run(&[&["preview", "a.csv"], more].concat())
            .exits(0)
            .stdout;
        assert!(!shown.contains('\u{1b}'), "{shown}");
        assert!(
            more.contains(&"--json") || !shown.contains('\u{202e}'),
            "{shown}"
        );
    }
}

#[test]
fn several_files_are_told_by_name() {
    let workspace = Workspace::with(&[
        ("a.csv", "email,name\na@example.com,A\nbad,B\n"),
        ("b.tsv", "name\temail\nC\ta@example.com\nD\t\nE\n"),
    ]);
    let shown = workspace
        .run(&["preview", "a.csv", "b.tsv"])
        .exits(0)
        .stdout;
    assert!(
        shown.starts_with("a.csv: CSV, UTF-8, 2 columns\nb.tsv: TSV, UTF-8, 2 columns\n"),
        "{shown}"
    );
    for line in [
        "rejected   2  no-identifier               a.csv record 2; b.tsv record 2",
        "rejected   1  ragged-row                  b.tsv record 3",
        "duplicate  1                              b.tsv record 1",
    ] {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(
            shown.lines().any(|shown| words(shown) == words(line)),
            "{line}\n{shown}"
        );
    }
}

#[test]
fn standard_input_can_be_previewed() {
    let workspace = Workspace::new();
    let outcome = workspace
        .run_with_stdin(
            &["preview", "-", "--format", "ndjson"],
            b"{\"mail\":\"zoe@example.com\",\"tags\":[\"a\"]}\n",
        )
        .exits(0);
    assert!(
        outcome
            .stdout
            .starts_with("stdin: NDJSON, UTF-8, 2 columns\n"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_row_fits_a_terminal_of_eighty_columns() {
    let columns = (0..14)
        .map(|n| format!("A rather long column name {n}"))
        .collect::<Vec<_>>();
    let cells = vec!["a value that is much longer than what anybody would read"; 14].join(",");
    let text = format!(
        "email,{}\n{}",
        columns.join(","),
        format!("zoe@example.com,{cells}\n").repeat(3)
    );
    let workspace = Workspace::with(&[("a.csv", &text)]);
    let shown = workspace
        .run(&[
            "preview",
            "a.csv",
            "--keep-unlisted",
            "--map",
            "email=ExternalID",
            "--duplicates",
            "last",
        ])
        .exits(0)
        .stdout;
    let rows = shown
        .split("as sent")
        .nth(1)
        .unwrap()
        .split("looked at")
        .next()
        .unwrap();
    assert!(
        rows.lines().skip(1).all(|line| line.chars().count() <= 80),
        "{shown}"
    );
}

/// Types what is printed.
#[track_caller]
fn types_next(workspace: &Workspace, outcome: &Outcome) -> Outcome {
    let words = shlex::split(outcome.next()).unwrap();
    let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    workspace.run(&words)
}

#[test]
fn a_header_of_consent_that_a_flag_gives_is_left_out_by_what_the_message_says() {
    let workspace = Workspace::with(&[("vip.csv", "email,tier\nzoe@example.com,gold\n")]);
    let flags = ["preview", "vip.csv", "--map", "tier=Newsletter"];
    let refused = workspace.run(&flags);
    assert_ne!(refused.code, 0, "{}", refused.stdout);
    assert_eq!(
        refused.next(),
        "klaviyo-export preview vip.csv --map 'tier='"
    );
    types_next(&workspace, &refused).exits(0);
}

#[test]
fn a_type_that_is_mistyped_becomes_no_property() {
    let rows = "email,Umsatz,Kanal\nzoe@example.com,\"1,5\",web\n";
    let workspace = Workspace::with(&[("a.csv", rows)]);
    for (map, told) in [
        (
            "Umsatz=Spent:decimal",
            "unknown type `decimal`; did you mean `decimal-comma`?",
        ),
        (
            "Umsatz=Spent:Decimal-Comma",
            "unknown type `Decimal-Comma`; did you mean `decimal-comma`?",
        ),
        (
            "Umsatz=Day:%d.%m.%Y",
            "unknown type `%d.%m.%Y`; did you mean `date:%d.%m.%Y`?",
        ),
    ] {
        for command in [&["preview"][..], &["init"], &["send", "--dry-run"]] {
            let words = [command, &["a.csv", "--map", map]].concat();
            let refused = workspace.run(&words).exits(2);
            assert_eq!(refused.error(), format!("--map {map}: {told}"));
        }
    }
    let fine = [
        "preview",
        "a.csv",
        "--map",
        "Kanal=UTM:source",
        "--map",
        "Umsatz=Spent:decimal-comma",
    ];
    let shown = workspace.run(&fine).exits(0);
    assert!(shown.stdout.contains("UTM:source"), "{}", shown.stdout);
}

#[test]
fn a_run_that_a_rule_would_stop_is_told_and_not_proposed() {
    let bad = |rows: usize| (0..rows).map(|_| ",gold\n").collect::<String>();
    let good = |rows: usize| {
        (0..rows)
            .map(|n| format!("p{n}@example.com,gold\n"))
            .collect::<String>()
    };
    let workspace = Workspace::with(&[
        ("bad.csv", &format!("email,tier\n{}{}", good(100), bad(10))),
        ("few.csv", &format!("email,tier\n{}{}", good(100), bad(9))),
        ("twice.csv", &format!("email,tier\n{}{}", good(5), good(1))),
    ]);
    let note = "max-rejected: a run would send nothing";
    let notes = |outcome: &Outcome| outcome.stdout.replace("\n      ", " ");
    let told = workspace.run(&["preview", "bad.csv"]).exits(0);
    assert!(notes(&told).contains(note), "{}", told.stdout);
    assert!(!told.stdout.contains("\nnext: "), "{}", told.stdout);
    workspace.run(&["send", "bad.csv", "--dry-run"]).exits(17);
    // A run looks at the end, and not after the first rows.
    for arguments in [&["few.csv"][..], &["bad.csv", "--limit", "105"]] {
        let plain = workspace.run(&[&["preview"], arguments].concat()).exits(0);
        assert!(!notes(&plain).contains(note), "{}", plain.stdout);
        assert!(plain.next().starts_with("klaviyo-export send"));
    }
    workspace.run(&["send", "few.csv", "--dry-run"]).exits(0);
    let strict = ["preview", "twice.csv", "--duplicates", "fail"];
    let told = workspace.run(&strict).exits(0);
    assert!(notes(&told).contains("a run would send nothing"));
    assert_eq!(told.next(), "klaviyo-export preview twice.csv");
    let plain = types_next(&workspace, &told).exits(0);
    assert!(plain.next().starts_with("klaviyo-export send"));
}
