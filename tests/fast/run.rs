//! `run`: from a job file and an audience to the bytes that the server receives.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    reason = "the helpers of tests may panic as well; audiences are made of text, and tables of cases are long"
)]

use crate::support::workspace;
use std::io::Write;

use serde_json::json;
use workspace::{Workspace, column, join, rows};

/// The audience of the demo, its job and what must arrive.
const CUSTOMERS: &str = include_str!("../../fixtures/audiences/customers.csv");
const DEMO: &str = include_str!("../../fixtures/jobs/demo.toml");
const GOLDEN: &str = include_str!("../../fixtures/golden/customers.csv");

/// Two columns and one identifier, of whatever file.
fn small_job(files: &str, more: &str) -> String {
    format!(
        "[audience]\nfiles = [{files}]\n{more}\n[columns]\nemail = \"Email\"\nname = \"FirstName\"\n"
    )
}

/// `count` rows `n1@example.com,Name 1`, below a header.
fn people(count: usize) -> String {
    let rows = (1..=count).map(|n| format!("n{n}@example.com,Name {n}\n"));
    std::iter::once("email,name\n".to_owned())
        .chain(rows)
        .collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).unwrap();
    gz.finish().unwrap()
}

#[test]
fn the_server_receives_the_golden_bytes() {
    let workspace = Workspace::with(&[("customers.csv", CUSTOMERS)]);
    let server = workspace.server();
    let sections = [server.section(), server.api_section()].concat();
    workspace.write("demo.toml", format!("{DEMO}{sections}"));
    workspace
        .run(&["run", "demo.toml", "--json"])
        .exits(0)
        .reports(&[
            ("status", json!("done")),
            ("rows_read", json!(12)),
            ("rows_written", json!(11)),
            ("rows_rejected", json!(0)),
            ("duplicates", json!(1)),
            ("repairs", json!({"invalid-email": 1, "invalid-phone": 1})),
            ("bytes", json!(GOLDEN.len())),
            ("leftovers", json!([])),
        ]);
    assert_eq!(server.received(), [GOLDEN]);
}

fn walk(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

#[test]
fn every_format_and_compression_gives_the_same_part() {
    let csv = "email,name\nana@example.com,\"Silva, Ana\"\nbob@example.com,\"Bob \"\"B\"\" J\"\n";
    let ndjson = "{\"email\":\"ana@example.com\",\"name\":\"Silva, Ana\"}\n{\"name\":\"Bob \\\"B\\\" J\",\"email\":\"bob@example.com\"}\n";
    let expected = "Email,FirstName\n\"ana@example.com\",\"Silva, Ana\"\n\"bob@example.com\",\"Bob \"\"B\"\" J\"\n";
    let utf16: Vec<u8> = format!("\u{feff}{csv}")
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let files: [(&str, Vec<u8>); 8] = [
        ("a.csv", csv.into()),
        ("crlf.csv", csv.replace('\n', "\r\n").into()),
        ("bom.csv", format!("\u{feff}{csv}").into()),
        ("utf16.csv", utf16),
        (
            "a.tsv",
            csv.replace(',', "\t").replace("Silva\t", "Silva,").into(),
        ),
        ("a.ndjson", ndjson.into()),
        ("a.csv.gz", gzip(csv)),
        (
            "a.ndjson.zst",
            zstd::encode_all(ndjson.as_bytes(), 1).unwrap(),
        ),
    ];
    for (name, bytes) in files {
        let workspace = Workspace::new();
        workspace.write(name, bytes);
        let job = workspace.job("vip", &small_job(&format!("{name:?}"), ""), None);
        workspace.run(&["run", &job, "--dry-run"]).exits(0);
        assert_eq!(workspace.parts("vip"), [expected], "{name}");
    }
}

#[test]
fn what_the_job_says_about_a_file_wins_over_its_name() {
    let workspace = Workspace::new();
    workspace.write(
        "export.txt",
        b"email;name\nana@example.com;Andr\xe9\n".as_slice(),
    );
    let body = small_job(
        "\"export.txt\"",
        "format = \"csv\"\ndelimiter = \";\"\nencoding = \"latin1\"",
    );
    let job = workspace.job("vip", &body, None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    assert_eq!(
        workspace.parts("vip"),
        ["Email,FirstName\n\"ana@example.com\",André\n"]
    );
}

#[test]
fn files_of_a_glob_are_read_in_order_whatever_the_order_of_their_columns() {
    let workspace = Workspace::with(&[
        ("in/b.csv", "name,more,email\nBob,x,bob@example.com\n"),
        ("in/a.csv", "email,name\nana@example.com,Ana\n"),
        (
            "in/c.ndjson",
            "{\"email\":\"cy@example.com\"}\n{\"name\":\"Dee\",\"email\":\"dee@example.com\"}\n",
        ),
    ]);
    let job = workspace.job("vip", &small_job("\"in/*\"", ""), None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let part = &workspace.parts("vip")[0];
    assert_eq!(
        column(part, "Email"),
        [
            "ana@example.com",
            "bob@example.com",
            "cy@example.com",
            "dee@example.com"
        ]
    );
    assert_eq!(column(part, "FirstName"), ["Ana", "Bob", "", "Dee"]);
}

#[test]
fn typed_values_of_ndjson_are_written_as_they_stand() {
    let line = "{\"email\":\"ana@example.com\",\"n\":12345678901234567890,\"f\":1.50,\"t\":true,\"z\":null,\"l\":[\"a\",\"b\"],\"u\":\"\\u00e9\\ud83d\\ude00\"}\n";
    let workspace = Workspace::with(&[("a.ndjson", line)]);
    let columns = "[columns]\nemail = \"Email\"\nn = \"N\"\nf = \"F\"\nt = \"T\"\nz = \"Z\"\nu = \"U\"\nl = \"L\"\n";
    let job = workspace.job(
        "vip",
        &format!("[audience]\nfiles = [\"a.ndjson\"]\n{columns}"),
        None,
    );
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let row = &rows(&workspace.parts("vip")[0])[0];
    let cells: Vec<&str> = ["N", "F", "T", "Z", "U", "L"]
        .iter()
        .map(|name| row[*name].as_str())
        .collect();
    assert_eq!(
        cells,
        [
            "12345678901234567890",
            "1.50",
            "True",
            "",
            "é😀",
            "[\"a\",\"b\"]"
        ]
    );
}

#[test]
fn a_key_that_no_first_row_of_ndjson_has_is_noted_and_an_identifier_must_be_there() {
    let workspace = Workspace::with(&[("a.ndjson", "{\"email\":\"zoe@example.com\"}\n")]);
    let job = workspace.job("vip", &small_job("\"a.ndjson\"", ""), None);
    workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0)
        .reports(&[(
            "warnings",
            json!(["a.ndjson: none of its first rows has `name`; check the name"]),
        )]);
    workspace.write("a.ndjson", "{\"mail\":\"zoe@example.com\"}\n");
    let outcome = workspace.run(&["run", &job, "--dry-run"]).exits(12);
    assert_eq!(
        outcome.error(),
        "a.ndjson: has no column `email`; did you mean `mail`?"
    );
}

#[test]
fn an_encoding_that_fits_better_is_noted() {
    let workspace = Workspace::new();
    let rows = b"a@example.com,Ren\xe9e\nb@example.com,J\xfcrgen\nc@example.com,Zo\xeb\nd@example.com,Dee\n";
    workspace.write("a.csv", [b"email,name\n".as_slice(), rows].concat());
    let job = workspace.job("vip", &small_job("\"a.csv\"", ""), None);
    workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0)
        .reports(&[
            ("rejections", json!({"invalid-encoding": 3})),
            (
                "warnings",
                json!(["a.csv: many bytes are not UTF-8; it is likely windows-1252 (its letters then read …né… and …Jü…): write encoding = \"windows-1252\" under [audience], or --encoding windows-1252"]),
            ),
        ]);
}

#[test]
fn the_same_audience_gives_the_same_bytes_every_time_and_over_every_thread() {
    let workspace = Workspace::new();
    // More than two blocks of a mebibyte, with every third row a duplicate.
    let rows = (0..60_000).map(|n| format!("n{}@example.com,\"Name, {n}\"\n", n / 3 * 2 + n % 2));
    let text: String = std::iter::once("email,name\n".to_owned())
        .chain(rows)
        .collect();
    assert!(text.len() > 1_500_000);
    workspace.write("a.csv", &text);
    // The same rows behind a longer header: every block is cut elsewhere.
    workspace.write(
        "b.csv",
        text.replacen(
            "email,name",
            &format!("email,name{}", " ".repeat(77_777)),
            1,
        ),
    );
    let mut seen = Vec::new();
    for (name, file) in [
        ("one", "\"a.csv\""),
        ("two", "\"a.csv\""),
        ("three", "\"b.csv\""),
    ] {
        let job = workspace.job(name, &small_job(file, ""), None);
        workspace.run(&["run", &job, "--dry-run"]).exits(0);
        seen.push(workspace.parts(name));
    }
    assert!(seen[0] == seen[1] && seen[0] == seen[2], "the bytes differ");
    assert_eq!(seen[0].len(), 1);
}

#[test]
fn parts_end_where_the_job_says_and_hold_every_row_in_order() {
    let workspace = Workspace::with(&[("a.csv", &people(25))]);
    let server = workspace.server();
    let body = format!("{}[parts]\nmax-rows = 10\n", small_job("\"a.csv\"", ""));
    let job = workspace.job("vip", &body, Some(&server));
    let outcome = workspace.run(&["run", &job, "--json"]).exits(0);
    let received = server.received();
    let sizes: Vec<usize> = received.iter().map(|part| rows(part).len()).collect();
    assert_eq!(sizes, [10, 10, 5]);
    assert!(
        received
            .iter()
            .all(|part| part.starts_with("Email,FirstName\n"))
    );
    let all: String = received
        .iter()
        .flat_map(|part| part.split_inclusive('\n').skip(1))
        .collect();
    let expected: String = (1..=25)
        .map(|n| format!("\"n{n}@example.com\",Name {n}\n"))
        .collect();
    assert_eq!(all, expected);

    let report = outcome.report();
    for (index, part) in report["parts"].as_array().unwrap().iter().enumerate() {
        assert_eq!(part["number"], json!(index + 1));
        assert_eq!(part["verification"], json!("verified"));
        assert_eq!(part["attempts"], json!(1));
        assert_eq!(part["bytes"], json!(received[index].len()));
        assert_eq!(part["sha256"], json!(sha256(&received[index])));
        let path = part["remote_path"].as_str().unwrap();
        let run = report["run_id"].as_str().unwrap();
        assert_eq!(path, format!("/profiles/vip-{run}-{:04}.csv", index + 1));
    }
}

fn sha256(text: &str) -> String {
    use sha2::Digest;
    klaviyo_export::state::part::hex(&sha2::Sha256::digest(text.as_bytes()))
}

#[test]
fn a_part_is_never_longer_than_its_bytes() {
    let filler = "x".repeat(5_000);
    let rows = (0..500).map(|n| format!("n{n}@example.com,{filler}\n"));
    let text: String = std::iter::once("email,name\n".to_owned())
        .chain(rows)
        .collect();
    let workspace = Workspace::with(&[("a.csv", &text)]);
    let body = format!(
        "{}[parts]\nmax-bytes = \"1MB\"\n",
        small_job("\"a.csv\"", "")
    );
    let job = workspace.job("vip", &body, None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let parts = workspace.parts("vip");
    assert_eq!(parts.len(), 3);
    assert!(parts.iter().all(|part| part.len() <= 1_000_000));
    assert!(parts[0].len() > 990_000, "the first is filled up");
}

#[test]
fn parts_are_removed_when_they_are_delivered_unless_they_are_to_be_kept() {
    for (keep, left) in [("false", 0), ("true", 2)] {
        let workspace = Workspace::with(&[("a.csv", &people(4))]);
        let server = workspace.server();
        let body = format!(
            "{}[parts]\nmax-rows = 2\nkeep-parts = {keep}\n",
            small_job("\"a.csv\"", "")
        );
        let job = workspace.job("vip", &body, Some(&server));
        workspace.run(&["run", &job]).exits(0);
        let parts = workspace.last_run("vip").join("parts");
        let files: Vec<_> = std::fs::read_dir(parts)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(files.len(), left, "{files:?}");
        assert_eq!(server.received().len(), 2);
        if left > 0 {
            assert_eq!(workspace.parts("vip"), server.received());
        }
    }
}

#[test]
fn identifiers_stand_beside_each_part_and_are_those_of_its_rows() {
    // The job has a list.
    let workspace = Workspace::with(&[("customers.csv", CUSTOMERS), ("demo.toml", DEMO)]);
    workspace.run(&["run", "demo.toml", "--dry-run"]).exits(0);
    let parts = workspace.last_run("demo").join("parts");
    let path = std::fs::read_dir(parts)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|end| end == "ids"))
        .unwrap();
    let identifiers = std::fs::read_to_string(path).unwrap();
    for name in ["Email", "PhoneNumber", "ExternalID"] {
        assert_eq!(column(&identifiers, name), column(GOLDEN, name), "{name}");
    }
}

#[test]
fn what_a_run_leaves_can_be_read_by_its_user_alone() {
    use std::os::unix::fs::PermissionsExt;
    let audience = format!("{CUSTOMERS},,,,,,,,,nobody\n");
    let workspace = Workspace::with(&[("customers.csv", &audience), ("demo.toml", DEMO)]);
    workspace.run(&["run", "demo.toml", "--dry-run"]).exits(0);
    for path in walk(&workspace.path("state/demo")) {
        let mode = path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{}", path.display());
        let folder = path
            .parent()
            .unwrap()
            .metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o777;
        assert_eq!(folder, 0o700, "{}", path.display());
    }
    let names: Vec<_> = walk(&workspace.last_run("demo"))
        .iter()
        .filter_map(|path| path.file_name()?.to_str().map(str::to_owned))
        .collect();
    for name in ["manifest.json", "report.json", "rejects.csv", "repairs.csv"] {
        assert!(names.iter().any(|own| own == name), "{names:?}");
    }
}

#[test]
fn the_report_on_stdout_is_the_one_on_disk() {
    let workspace = Workspace::with(&[("a.csv", &people(3))]);
    let job = workspace.job("vip", &small_job("\"a.csv\"", ""), None);
    let outcome = workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0);
    assert_eq!(outcome.stdout, workspace.of_last_run("vip", "report.json"));
}

#[test]
fn a_dry_run_needs_no_server_and_touches_none() {
    let workspace = Workspace::with(&[("a.csv", &people(3))]);
    let server = workspace.server();
    let without = workspace.job("without", &small_job("\"a.csv\"", ""), None);
    let with = workspace.job("with", &small_job("\"a.csv\"", ""), Some(&server));
    for (name, job) in [("without", without), ("with", with)] {
        workspace
            .run(&["run", &job, "--dry-run", "--json"])
            .exits(0)
            .reports(&[("status", json!("dry-run")), ("rows_written", json!(3))]);
        assert_eq!(workspace.parts(name).len(), 1);
    }
    assert_eq!(server.events(), "[]");
}

#[test]
fn a_limit_reads_so_many_rows_and_no_more() {
    let workspace = Workspace::with(&[("a.csv", &people(25))]);
    let server = workspace.server();
    let body = format!("{}[parts]\nmax-rows = 4\n", small_job("\"a.csv\"", ""));
    let job = workspace.job("vip", &body, Some(&server));
    workspace
        .run(&["run", &job, "--limit", "10", "--json"])
        .exits(0)
        .reports(&[("rows_read", json!(10)), ("rows_written", json!(10))]);
    assert_eq!(server.received().len(), 3);
}

#[test]
fn unlisted_columns_go_under_their_own_names_when_they_are_to_be_kept() {
    let workspace = Workspace::with(&[(
        "a.csv",
        "_id,City,email,name,Loyalty Tier\n1,Porto,ana@example.com,Ana,gold\n",
    )]);
    let job = workspace.job("vip", &small_job("\"a.csv\"", "unlisted = \"keep\""), None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    assert_eq!(
        workspace.parts("vip"),
        ["Email,FirstName,City,Loyalty Tier\n\"ana@example.com\",Ana,Porto,gold\n"]
    );
}

#[test]
fn one_source_column_may_go_under_several_headers() {
    let workspace = Workspace::with(&[("a.csv", "email\nana@example.com\n")]);
    let body = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = [\"ExternalID\", \"Email\", \"Contact Mail\"]\n";
    let job = workspace.job("vip", body, None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    assert_eq!(
        workspace.parts("vip"),
        [
            "Email,ExternalID,Contact Mail\n\"ana@example.com\",\"ana@example.com\",ana@example.com\n"
        ]
    );
}

#[test]
fn the_state_directory_is_that_of_the_flag_then_of_the_variable_then_of_the_job() {
    let workspace = Workspace::with(&[("a.csv", &people(1))]);
    let state = format!("[state]\ndirectory = {:?}\n", workspace.path("of-job"));
    let job = workspace.job(
        "vip",
        &format!("{}{state}", small_job("\"a.csv\"", "")),
        None,
    );
    let dry = ["run", job.as_str(), "--dry-run"];
    let exists = |name: &str| workspace.path(name).join("vip/runs").is_dir();
    let flag = [
        "--state-dir".to_owned(),
        workspace.path("of-flag").display().to_string(),
    ];
    workspace.run(&join(&dry, &flag)).exits(0);
    assert!(exists("of-flag") && !exists("state") && !exists("of-job"));
    let of_variable = workspace.path("of-variable").display().to_string();
    let variable = [("KLAVIYO_EXPORT_STATE_DIR", of_variable.as_str())];
    workspace.run_with_env(&dry, &variable).exits(0);
    assert!(exists("of-variable") && !exists("of-job"));
    workspace.run(&dry).exits(0);
    assert!(exists("of-job") && !exists("state"));
}

#[test]
fn a_row_with_external_id_alone_is_kept_with_one_note() {
    let workspace = Workspace::with(&[("a.csv", "id,email\n1,\n2,\n3,ana@example.com\n")]);
    let body =
        "[audience]\nfiles = [\"a.csv\"]\n[columns]\nid = \"ExternalID\"\nemail = \"Email\"\n";
    let job = workspace.job("vip", body, None);
    workspace.run(&["run", &job, "--dry-run", "--json"]).exits(0).reports(&[
        ("rows_written", json!(3)),
        ("warnings", json!(["ExternalID is the only identifier of 2 rows; Klaviyo does not merge profiles by it"])),
    ]);
}

#[test]
fn lines_before_the_header_and_blank_lines_are_no_rows() {
    let workspace = Workspace::with(&[(
        "a.csv",
        "\n\r\nemail,name\n\nana@example.com,Ana\n\r\n\nbob@example.com,Bob",
    )]);
    let job = workspace.job("vip", &small_job("\"a.csv\"", ""), None);
    workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0)
        .reports(&[("rows_read", json!(2)), ("rows_written", json!(2))]);
}

#[test]
fn standard_input_can_be_the_audience_of_a_job() {
    let workspace = Workspace::new();
    let job = workspace.job("vip", &small_job("\"-\"", "format = \"ndjson\""), None);
    workspace
        .run_with_stdin(
            &["run", &job, "--dry-run"],
            b"{\"email\":\"ana@example.com\",\"name\":\"Ana\"}",
        )
        .exits(0);
    assert_eq!(
        workspace.parts("vip"),
        ["Email,FirstName\n\"ana@example.com\",Ana\n"]
    );
}

#[test]
fn quotes_commas_and_breaks_read_back_the_same_in_another_reader() {
    let cells = [
        "a,b",
        "say \"hi\"",
        "\"",
        ",",
        "'",
        "=1+1",
        "naïve 日本",
        "a;b|c\\d",
    ];
    let lines = cells
        .iter()
        .enumerate()
        .map(|(n, cell)| format!("n{n}@example.com,\"{}\"\n", cell.replace('"', "\"\"")));
    let text: String = std::iter::once("email,name\n".to_owned())
        .chain(lines)
        .collect();
    let workspace = Workspace::with(&[("a.csv", &text)]);
    let job = workspace.job("vip", &small_job("\"a.csv\"", ""), None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    assert_eq!(column(&workspace.parts("vip")[0], "FirstName"), cells);
}

#[test]
fn what_was_sent_comes_out_the_same_when_it_is_an_audience_again() {
    let workspace = Workspace::with(&[("golden.csv", GOLDEN)]);
    let headers = GOLDEN.lines().next().unwrap().split(',');
    let columns: String = headers
        .map(|name| format!("{name:?} = {name:?}\n"))
        .collect();
    let body = format!("[audience]\nfiles = [\"golden.csv\"]\n[columns]\n{columns}");
    let job = workspace.job("again", &body, None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    assert_eq!(workspace.parts("again"), [GOLDEN]);
}
