//! `send`: files, flags and no job file.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::too_many_lines,
    reason = "the helpers of tests may panic as well; audiences are made of text, and tables of cases are long"
)]

use crate::support::workspace;
use serde_json::json;
use workspace::{Workspace, column, join};

const CRM: &str = "Customer ID,E-Mail,Mobile No,First Name,Tier,SMS Opt-In\n7,Zoe@Example.com,(650) 253-0000,Zoe,gold,yes\n8,yan@example.com,,Yan,silver,no\n";

#[test]
fn columns_are_guessed_told_and_sent() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let server = workspace.server();
    let flags = server.flags();
    let outcome = workspace
        .run(&join(
            &["send", "crm.csv", "--default-region", "US"],
            &flags,
        ))
        .exits(0);
    assert_eq!(
        server.received(),
        [
            "Email,PhoneNumber,ExternalID,FirstName\n\"zoe@example.com\",\"+16502530000\",\"7\",Zoe\n\"yan@example.com\",\"\",\"8\",Yan\n"
        ]
    );
    let told: Vec<&str> = outcome.stderr.lines().take(6).collect();
    assert_eq!(
        told,
        [
            "columns (change one with --map SRC=HEADER):",
            "  Customer ID  ->  ExternalID",
            "  E-Mail       ->  Email",
            "  Mobile No    ->  PhoneNumber",
            "  First Name   ->  FirstName",
            "  not sent: Tier, SMS Opt-In",
        ]
    );
}

#[test]
fn quiet_says_nothing_but_the_report() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let outcome = workspace
        .run(&["send", "crm.csv", "--dry-run", "-q"])
        .exits(0);
    assert_eq!(outcome.stderr, "");
    assert!(outcome.stdout.starts_with("crm: dry run in "));
    let outcome = workspace
        .run(&["send", "none.csv", "--dry-run", "-q"])
        .exits(12);
    assert_eq!(outcome.stderr, "error: none.csv: no such file\n");
}

#[test]
fn map_wins_over_what_was_guessed() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let maps = [
        "--map",
        "Tier=Loyalty Tier",
        "--map",
        "First Name=",
        "--map",
        "Mobile No=",
    ];
    workspace
        .run(&[&["send", "crm.csv", "--dry-run"], &maps[..]].concat())
        .exits(0);
    assert_eq!(
        workspace.parts("crm")[0].lines().next().unwrap(),
        "Email,ExternalID,Loyalty Tier"
    );
}

#[test]
fn one_column_can_be_mapped_to_several_headers() {
    let workspace = Workspace::with(&[("crm.csv", "e-mail\nzoe@example.com\n")]);
    let maps = ["--map", "e-mail=Email", "--map", "e-mail=ExternalID"];
    workspace
        .run(&[&["send", "crm.csv", "--dry-run"], &maps[..]].concat())
        .exits(0);
    assert_eq!(
        workspace.parts("crm"),
        ["Email,ExternalID\n\"zoe@example.com\",\"zoe@example.com\"\n"]
    );
}

#[test]
fn other_columns_go_along_when_asked_and_consent_only_by_name() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let keep = ["send", "crm.csv", "--dry-run", "--keep-unlisted"];
    let outcome = workspace.run(&keep).exits(10);
    assert_eq!(
        outcome.error(),
        "column `SMS Opt-In`: header \"SMS Opt-In\" looks like consent: to send it anyway, name it in allow-consent or --allow-consent"
    );
    workspace
        .run(&[&keep[..], &["--allow-consent", "SMS Opt-In"]].concat())
        .exits(0);
    assert_eq!(
        workspace.parts("crm")[0].lines().next().unwrap(),
        "Email,PhoneNumber,ExternalID,FirstName,Tier,SMS Opt-In"
    );
}

#[test]
fn a_dry_run_leaves_the_parts_and_touches_no_server() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let server = workspace.server();
    let flags = server.flags();
    let outcome = workspace
        .run(&join(&["send", "crm.csv", "--dry-run", "--json"], &flags))
        .exits(0)
        .reports(&[("status", json!("dry-run")), ("rows_written", json!(2))]);
    assert_eq!(outcome.report()["parts"][0]["remote_path"], json!(null));
    assert_eq!(server.events(), "[]");
    assert_eq!(workspace.parts("crm").len(), 1);
}

#[test]
fn standard_input_is_sent_under_the_name_that_is_given() {
    let workspace = Workspace::new();
    let server = workspace.server();
    let flags = server.flags();
    let arguments = join(
        &["send", "-", "--format", "ndjson", "--name", "crm", "--json"],
        &flags,
    );
    let outcome = workspace
        .run_with_stdin(
            &arguments,
            b"{\"mail\":\"zoe@example.com\"}\n{\"mail\":\"yan@example.com\"}\n",
        )
        .exits(0);
    outcome.reports(&[("job", json!("crm")), ("rows_written", json!(2))]);
    assert_eq!(
        server.received(),
        ["Email\n\"zoe@example.com\"\n\"yan@example.com\"\n"]
    );
}

#[test]
fn standard_input_without_a_name_is_csv_and_called_send() {
    let workspace = Workspace::new();
    workspace
        .run_with_stdin(
            &["send", "-", "--dry-run", "--json"],
            b"email\nzoe@example.com\n",
        )
        .exits(0)
        .reports(&[("job", json!("send"))]);
}

#[test]
fn globs_compressed_files_and_several_names_are_one_audience() {
    let workspace = Workspace::with(&[
        ("x/b.csv", "email,first_name\nb@example.com,B\n"),
        ("x/a.csv", "first_name,email\nA,a@example.com\n"),
        ("c.tsv", "email\tfirst_name\nc@example.com\tC\n"),
    ]);
    workspace
        .run(&[
            "send",
            "x/*.csv",
            "c.tsv",
            "x/a.csv",
            "--dry-run",
            "--name",
            "all",
        ])
        .exits(0);
    assert_eq!(
        column(&workspace.parts("all")[0], "FirstName"),
        ["A", "B", "C"]
    );
}

#[test]
fn a_limit_sends_the_first_rows_only() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let server = workspace.server();
    let flags = server.flags();
    workspace
        .run(&join(
            &["send", "crm.csv", "--limit", "1", "--json"],
            &flags,
        ))
        .exits(0)
        .reports(&[("rows_read", json!(1)), ("rows_written", json!(1))]);
    assert_eq!(column(&server.received()[0], "FirstName"), ["Zoe"]);
}

#[test]
fn flags_reach_the_run() {
    let workspace = Workspace::new();
    workspace.write(
        "crm.txt",
        b"mail;land;tel\nzo@example.com;Germany;0151 23456789\nzo@example.com;Germany;\nx;;\n"
            .as_slice(),
    );
    let flags = [
        "--delimiter",
        ";",
        "--format",
        "csv",
        "--encoding",
        "latin1",
        "--country-column",
        "land",
        "--duplicates",
        "last",
        "--primary-key",
        "email",
        "--strict",
        "--json",
        "--dry-run",
        "--map",
        "tel=PhoneNumber",
    ];
    workspace
        .run(&[&["send", "crm.txt"], &flags[..]].concat())
        .exits(3)
        .reports(&[
            ("duplicates", json!(1)),
            ("rows_rejected", json!(1)),
            ("exit_code", json!(3)),
        ]);
    assert_eq!(
        workspace.parts("crm"),
        ["Email,PhoneNumber,Country\n\"zo@example.com\",\"\",Germany\n"]
    );
}

#[test]
fn kept_parts_are_those_that_were_sent() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let server = workspace.server();
    let flags = server.flags();
    workspace
        .run(&join(&["send", "crm.csv", "--keep-parts"], &flags))
        .exits(0);
    assert_eq!(workspace.parts("crm"), server.received());
}

#[test]
fn what_cannot_be_is_told_by_the_flag() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let to = "sftp://ana@127.0.0.1:1/profiles";
    for (flags, code, error) in [
        (
            &["--to", "127.0.0.1"][..],
            2,
            "--to: must begin with sftp://; write it like sftp://USER@HOST/profiles",
        ),
        (
            &["--to", "sftp://127.0.0.1/profiles"],
            2,
            "--to: has no user name; write it like sftp://USER@HOST/profiles",
        ),
        (
            &["--to", "sftp://a@127.0.0.1:ssh/"],
            2,
            "--to: its port is not a number; write it like sftp://USER@HOST/profiles",
        ),
        (
            &["--to", "sftp://a:hunter2@127.0.0.1/"],
            2,
            "--to: a password in the address would be seen by every user of this machine; use --password-env VARIABLE",
        ),
        (
            &["--to", to],
            2,
            "--identity: no key is named; add --identity ~/.ssh/klaviyo_ed25519 (or --agent)",
        ),
        (
            &["--to", to, "--identity", "k", "--sessions", "9"],
            2,
            "--sessions must be 1 to 8: servers refuse more connections at once",
        ),
        (
            &["--to", to, "--identity", "k", "--host-key", "x"],
            2,
            "--host-key must look like \"SHA256:…\", as ssh-keygen -l prints it",
        ),
        (
            &["--to", to, "--identity", "k", "--passphrase-env", "NOT_SET"],
            2,
            "--passphrase-env: the environment variable NOT_SET is not set",
        ),
        (
            &["--to", to, "--password-env", "NOT_SET"],
            2,
            "--password-env: the environment variable NOT_SET is not set",
        ),
        (
            &["--dry-run", "--default-region", "XX"],
            2,
            "--default-region must be an ISO 3166 alpha-2 code, such as \"US\"",
        ),
        (
            &["--dry-run", "--name", "a b"],
            2,
            "--name must be 1 to 100 of A-Z a-z 0-9 . _ - and not begin with a dot",
        ),
        (
            &["--dry-run", "--delimiter", "||"],
            2,
            "--delimiter must be one ASCII character, such as \";\" or \"\\t\"",
        ),
        (
            &["--dry-run", "--encoding", "klingon"],
            2,
            "--encoding is not the name of an encoding; \"utf-8\", \"windows-1252\" and \"utf-16le\" are some",
        ),
        (
            &["--dry-run", "--map", "Tier"],
            2,
            "--map Tier: write it like SRC=HEADER",
        ),
        (
            &["--dry-run", "--map", "Tire=Loyalty Tier"],
            12,
            "crm.csv: has no column `Tire`; did you mean `Tier`?",
        ),
        (
            &["--dry-run", "--map", "Tier=email"],
            10,
            "column `Tier`: header \"email\" is not how Klaviyo spells it: write \"Email\"",
        ),
        (
            &["--dry-run", "--country-column", "Land"],
            12,
            "crm.csv: has no column `Land`; it has `Customer ID`, `E-Mail`, `Mobile No`, `First Name`, `Tier`, `SMS Opt-In`",
        ),
    ] {
        let outcome = workspace.run(&[&["send", "crm.csv", "-q"], flags].concat());
        assert_eq!((outcome.code, outcome.error()), (code, error), "{flags:?}");
        assert_eq!(outcome.stdout, "");
    }
    // No run; an attempt that was not a dry run leaves its record.
    for job in std::fs::read_dir(workspace.path("state")).unwrap() {
        let runs = job.unwrap().path().join("runs");
        assert_eq!(std::fs::read_dir(runs).unwrap().count(), 0);
    }
}

#[test]
fn files_that_cannot_be_are_told_by_name() {
    let workspace = Workspace::with(&[
        ("empty.csv", ""),
        ("people.csv", "email\nzoe@example.com\n"),
        ("row.csv", "zoe@example.com,Zoe\nyan@example.com,Yan\n"),
        ("city.csv", "city,tier\nLyon,gold\n"),
        ("semi.csv", "email;city\nzoe@example.com;Lyon\n"),
        ("latin.csv", "email\n"),
        (
            "twice.csv",
            "email,email\nzoe@example.com,yan@example.com\n",
        ),
        ("book.xlsx", "PK\u{3}\u{4}"),
        ("folder/x.csv", "email\n"),
        ("cut.csv.gz", "\u{1f}"),
    ]);
    workspace.write("latin.csv", b"email,pr\xe9nom\n".as_slice());
    for (files, error) in [
        (&["empty.csv"][..], "empty.csv: has no header line"),
        (
            &["poeple.csv"],
            "poeple.csv: no such file; did you mean people.csv?",
        ),
        (&["x/*.csv"], "x/*.csv: no file matches"),
        (
            &["folder"],
            "folder: is a folder; name its files, for example folder/*.csv",
        ),
        (&["-", "-"], "standard input (-) is named twice"),
        (
            &["row.csv"],
            "row.csv: the first line looks like a row, not a header: cell 1 holds an e-mail address or a phone number; put a line with the names of the columns before it",
        ),
        (
            &["semi.csv"],
            "semi.csv: the header is one column with ; in it: write delimiter = \";\" under [audience], or --delimiter ';'",
        ),
        (
            &["latin.csv"],
            "latin.csv: the header is not valid UTF-8; if the file is windows-1252 (its letters then read …ré…), write encoding = \"windows-1252\" under [audience], or --encoding windows-1252",
        ),
        (
            &["book.xlsx"],
            "book.xlsx: a workbook is not read; save it as CSV",
        ),
        (
            &["people.csv", "city.csv"],
            "city.csv: has no column `email`; it has `city`, `tier`",
        ),
        (
            &["twice.csv"],
            "twice.csv: 2 columns are named `email`; write `email#1` for the first of them, `email#2` for the second",
        ),
    ] {
        let outcome = workspace.run(&[&["send", "-q", "--dry-run"], files].concat());
        assert_eq!((outcome.code, outcome.error()), (12, error));
    }
    let outcome = workspace
        .run(&["send", "-q", "--dry-run", "city.csv"])
        .exits(10);
    assert_eq!(
        outcome.error(),
        "city.csv: no column looks like Email, PhoneNumber or ExternalID; name one with --map SRC=Email"
    );
}

#[test]
fn names_of_columns_stay_on_one_line_and_tell_a_terminal_nothing() {
    let workspace = Workspace::with(&[(
        "a.csv",
        "email,\"first\nname\",\u{1b}[31mred\nzoe@example.com,Zoe,x\n",
    )]);
    let shown = workspace.run(&["send", "a.csv", "--dry-run"]).exits(0);
    assert!(!shown.stderr.contains('\u{1b}'), "{}", shown.stderr);
    assert!(
        shown.stderr.contains("not sent: \\u{1b}[31mred\n")
            && shown.stderr.contains("  first\\nname  ->  FirstName\n"),
        "{}",
        shown.stderr
    );
    let refused = workspace.run(&["send", "a.csv", "--dry-run", "-q", "--map", "zip=Zip"]);
    assert_eq!(
        refused.exits(12).stderr,
        "error: a.csv: has no column `zip`; it has `email`, `first\\nname`, `\\u{1b}[31mred`\n"
    );
}

#[test]
fn a_broken_archive_is_told_by_its_record() {
    use std::io::Write;
    let rows: String = (0..200_000_u32)
        .map(|n| format!("n{}@example.com\n", n.wrapping_mul(2_654_435_761)))
        .collect();
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(format!("email\n{rows}").as_bytes()).unwrap();
    let whole = gz.finish().unwrap();
    let workspace = Workspace::new();
    workspace.write("cut.csv.gz", &whole[..whole.len() / 2]);
    let server = workspace.server();
    let flags = server.flags();
    let outcome = workspace
        .run(&join(&["send", "cut.csv.gz"], &flags))
        .exits(12);
    let error = outcome.error();
    assert!(
        error.starts_with("cut.csv.gz: record ")
            && error.contains("the compressed data are broken or cut short"),
        "{error}"
    );
    assert!(server.received().is_empty());
}

#[test]
fn a_file_that_may_not_be_read_is_told_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let workspace = Workspace::with(&[("secret.csv", "email\nzoe@example.com\n")]);
    let path = workspace.path("secret.csv");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o000)).unwrap();
    if std::fs::read(&path).is_ok() {
        return; // root may read everything
    }
    let outcome = workspace
        .run(&["send", "secret.csv", "--dry-run"])
        .exits(12);
    assert_eq!(
        outcome.error(),
        "open secret.csv: Permission denied (os error 13)"
    );
}
