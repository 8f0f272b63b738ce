//! The first day with a file of one's own: a job file that is made and never overwritten, columns that share a name, titles
//! above the header, types of cells, and what is told of values that are not sent.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use klaviyo_export_sandbox::{Fault, Faults};
use serde_json::{Value, json};
use workspace::{Outcome, Workspace, column};

/// Types a line as a shell would read it.
fn types(workspace: &Workspace, line: &str) -> Outcome {
    let words = shlex::split(line).unwrap();
    assert_eq!(words[0], "klaviyo-export", "{line}");
    let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    workspace.run(&words)
}

/// The part that `line` sends.
fn sent(workspace: &Workspace, arguments: &[&str], job: &str) -> String {
    workspace.run(arguments).exits(0);
    workspace.parts(job).pop().unwrap()
}

const CRM: &str = "email,Vorname\nzoe@example.com,Zoe\n";

#[test]
fn the_job_file_that_is_named_next_exists() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let server = workspace.server();
    let flags = server.flags();
    let mut init = vec!["init", "crm.csv"];
    init.extend(flags.iter().map(String::as_str));
    let printed = workspace.run(&init).exits(0);
    assert!(!workspace.path("crm.toml").exists());
    // Nobody knows where the output went: the next command writes a file.
    let made = types(&workspace, printed.next()).exits(0);
    assert_eq!(made.stdout, "");
    assert!(made.stderr.contains("note: wrote the job file crm.toml\n"));
    assert_eq!(made.next(), "klaviyo-export preview crm.toml");
    let previewed = types(&workspace, made.next()).exits(0);
    assert_eq!(previewed.next(), "klaviyo-export run crm.toml --limit 10");
    types(&workspace, previewed.next()).exits(0);
    assert_eq!(server.received().len(), 1);
}

#[test]
fn a_job_file_is_not_overwritten() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let init = ["init", "crm.csv", "-o", "crm.toml"];
    workspace.run(&init).exits(0);
    workspace.write("crm.toml", "mine");
    let refused = workspace.run(&init).exits(2);
    assert_eq!(
        refused.error(),
        "-o crm.toml: the file exists, and init does not overwrite it; give another name"
    );
    assert_eq!(
        std::fs::read_to_string(workspace.path("crm.toml")).unwrap(),
        "mine"
    );
    let printed = workspace.run(&["init", "crm.csv"]).exits(0);
    assert_eq!(printed.next(), "klaviyo-export init crm.csv -o crm-2.toml");
    let made = types(&workspace, printed.next()).exits(0);
    assert_eq!(made.next(), "klaviyo-export preview crm-2.toml");
    types(&workspace, made.next()).exits(0);
}

#[test]
fn the_file_that_the_output_goes_into_is_named_next() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let into = std::fs::File::create(workspace.path("mine.toml")).unwrap();
    let mut command = workspace.command(&["init", "crm.csv"]);
    let made = Outcome::of(command.stdout(into).spawn().unwrap()).exits(0);
    assert_eq!(made.next(), "klaviyo-export preview mine.toml");
    let text = std::fs::read_to_string(workspace.path("mine.toml")).unwrap();
    assert!(
        text.contains("klaviyo-export run mine.toml --limit 10\n"),
        "{text}"
    );
    types(&workspace, made.next()).exits(0);
}

#[test]
fn a_job_file_in_another_folder_finds_its_audience() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    std::fs::create_dir(workspace.path("jobs")).unwrap();
    let made = workspace
        .run(&["init", "crm.csv", "-o", "jobs/crm.toml"])
        .exits(0);
    assert_eq!(made.next(), "klaviyo-export preview jobs/crm.toml");
    types(&workspace, made.next()).exits(0);
}

const TWICE: &str = "email,Vorname,Vorname,Stadt,Stadt\nzoe@example.com,Zoe,Z.,Bern,Bern\nana@example.com,Ana,A.,,\n";

#[test]
fn one_of_two_columns_with_a_name_is_chosen() {
    let workspace = Workspace::with(&[("crm.csv", TWICE)]);
    let refused = workspace.run(&["send", "crm.csv", "--dry-run"]).exits(12);
    assert_eq!(
        refused.error(),
        "crm.csv: 2 columns are named `Vorname`; write `Vorname#1` for the first of them, `Vorname#2` for the second"
    );
    assert_eq!(
        refused.next(),
        "klaviyo-export send crm.csv --dry-run --map 'Vorname#1=FirstName'"
    );
    types(&workspace, refused.next()).exits(0);
    let first = workspace.parts("crm").pop().unwrap();
    assert_eq!(column(&first, "FirstName"), ["Zoe", "Ana"]);
    // Both columns of the city say the same: the first is taken.
    assert_eq!(column(&first, "City"), ["Bern", ""]);
    let second = refused.next().replace("Vorname#1", "Vorname#2");
    types(&workspace, &second).exits(0);
    let second = workspace.parts("crm").pop().unwrap();
    assert_eq!(column(&second, "FirstName"), ["Z.", "A."]);
    let previewed = types(&workspace, &second_as_preview(&refused)).exits(0);
    assert!(
        previewed
            .stdout
            .contains("note: crm.csv: 2 columns are named `Stadt` and have the same"),
        "{}",
        previewed.stdout
    );
    assert!(
        previewed.stdout.contains("Vorname#2"),
        "{}",
        previewed.stdout
    );
}

fn second_as_preview(refused: &Outcome) -> String {
    let line = refused.next().replace(" --dry-run", "");
    line.replace("send", "preview")
}

#[test]
fn a_job_file_addresses_columns_that_share_a_name() {
    let workspace = Workspace::with(&[("crm.csv", TWICE)]);
    let made = workspace
        .run(&["init", "crm.csv", "-o", "crm.toml"])
        .exits(0);
    assert!(
        made.stderr.contains("note: `Vorname#1` is one of several columns with this name and is not sent; to send it: --map 'Vorname#1=HEADER'\n"),
        "{}",
        made.stderr
    );
    let text = std::fs::read_to_string(workspace.path("crm.toml")).unwrap();
    assert!(text.contains("# \"Vorname#1\" = "), "{text}");
    assert!(text.contains("# \"Stadt#2\" = "), "{text}");
    assert!(text.contains("\nStadt = \"City\"\n"), "{text}");
    let text = text.replace("[columns]\n", "[columns]\n\"Vorname#2\" = \"FirstName\"\n");
    workspace.write("crm.toml", text);
    let part = sent(&workspace, &["run", "crm.toml", "--dry-run"], "crm");
    assert_eq!(column(&part, "FirstName"), ["Z.", "A."]);
    let refused = workspace
        .run(&["preview", "crm.csv", "--map", "Vorname#3=FirstName"])
        .exits(12);
    assert!(
        refused.error().contains("has no column `Vorname#3`"),
        "{}",
        refused.error()
    );
}

#[test]
fn columns_that_are_kept_lose_none_of_several_with_a_name() {
    let workspace = Workspace::with(&[("crm.csv", TWICE)]);
    let arguments = [
        "send",
        "crm.csv",
        "--dry-run",
        "--keep-unlisted",
        "--map",
        "Vorname#1=FirstName",
    ];
    let part = sent(&workspace, &arguments, "crm");
    assert_eq!(part.lines().next().unwrap(), "Email,FirstName,City,Vorname");
    assert_eq!(column(&part, "Vorname"), ["Z.", "A."]);
}

/// Rows that are rejected have the cells of both columns, and come back to the right ones.
#[test]
fn rejects_with_columns_that_share_a_name_are_given_back() {
    let rows = format!("{TWICE}bad,Yan,Y.,Rom,Rom\n");
    let workspace = Workspace::with(&[("crm.csv", &rows)]);
    let map = ["--map", "Vorname#2=FirstName", "--dry-run"];
    workspace
        .run(&[&["send", "crm.csv"], &map[..]].concat())
        .exits(0);
    let rejects = workspace.of_last_run("crm", "rejects.csv");
    assert!(rejects.contains("bad,Yan,Y.,Rom,Rom,"), "{rejects}");
    workspace.write("again.csv", rejects.replace("bad,", "yan@example.com,"));
    let part = sent(
        &workspace,
        &[&["send", "again.csv"], &map[..]].concat(),
        "again",
    );
    assert_eq!(column(&part, "FirstName"), ["Y."]);
    assert_eq!(column(&part, "City"), ["Rom"]);
}

const TITLED: &str = "Kundenliste;;\nStand: 28.11.2026;;\n;;\nE-Mail;Vorname;Stadt\nzoe@example.com;Zoe;Bern\nana@example.com;Ana;Rom\n";

#[test]
fn rows_above_the_header_are_skipped() {
    let workspace = Workspace::with(&[("crm.csv", TITLED)]);
    let refused = workspace.run(&["preview", "crm.csv"]).exits(12);
    let next = shlex::split(refused.next()).unwrap();
    assert_eq!(
        next,
        ["klaviyo-export", "preview", "crm.csv", "--delimiter", ";"]
    );
    let refused = types(&workspace, refused.next()).exits(12);
    assert_eq!(
        refused.error(),
        "crm.csv: the first row looks like a title, and the names of the columns seem to be in row 4: write header-row = 4 under [audience], or --header-row 4"
    );
    let mut outcome = types(&workspace, refused.next()).exits(0);
    assert!(
        outcome.next().contains("--header-row 4"),
        "{}",
        outcome.next()
    );
    assert!(outcome.stdout.contains("to send  2"), "{}", outcome.stdout);
    outcome = workspace
        .run(&["init", "crm.csv", "-o", "crm.toml"])
        .exits(0);
    let text = std::fs::read_to_string(workspace.path("crm.toml")).unwrap();
    assert!(text.contains("\nheader-row = 4 "), "{text}");
    types(&workspace, outcome.next()).exits(0);
    let part = sent(&workspace, &["run", "crm.toml", "--dry-run"], "crm");
    assert_eq!(column(&part, "FirstName"), ["Zoe", "Ana"]);
}

#[test]
fn a_title_without_a_delimiter_tells_the_delimiter_too() {
    let rows = "Kundenliste\n\n\"E-Mail\";Vorname\nzoe@example.com;Zoe\nana@example.com;Ana\n";
    for rows in [rows.to_owned(), rows.replace('\n', "\r\n")] {
        let workspace = Workspace::with(&[("crm.csv", &rows)]);
        let refused = workspace.run(&["preview", "crm.csv"]).exits(12);
        assert!(
            refused
                .next()
                .ends_with(" crm.csv --delimiter ';' --header-row 3"),
            "{}",
            refused.next()
        );
        types(&workspace, refused.next()).exits(0);
    }
}

#[test]
fn a_row_of_the_header_that_is_not_there_is_refused() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let refused = workspace
        .run(&["preview", "crm.csv", "--header-row", "9"])
        .exits(12);
    assert_eq!(
        refused.error(),
        "crm.csv: header-row = 9, but the file has only 2 rows"
    );
    let refused = workspace
        .run(&["preview", "crm.csv", "--header-row", "0"])
        .exits(2);
    assert_eq!(
        refused.error(),
        "--header-row must be 1 or more: rows are counted from 1"
    );
    workspace
        .run(&["preview", "crm.csv", "--header-row", "1"])
        .exits(0);
}

const TYPED: &str = "email;geb;umsatz\nzoe@example.com;24.12.1985;1.234,56\nana@example.com;1985-12-24;12.50\nyan@example.com;;\n";

const TYPED_COLUMNS: &str = "geb = { to = \"Birthday\", type = \"date:%d.%m.%Y\" }\numsatz = { to = [\"Umsatz\", \"Spent\"], type = \"decimal-comma\" }\n";

#[test]
fn cells_of_a_type_are_sent_as_klaviyo_reads_them() {
    let workspace = Workspace::with(&[("crm.csv", TYPED)]);
    let body = format!(
        "[audience]\nfiles = [\"crm.csv\"]\ndelimiter = \";\"\n[columns]\nemail = \"Email\"\n{TYPED_COLUMNS}"
    );
    workspace.job("crm", &body, None);
    let ran = workspace.run(&["run", "crm.toml", "--dry-run"]).exits(0);
    let part = workspace.parts("crm").pop().unwrap();
    assert_eq!(column(&part, "Birthday"), ["1985-12-24", "", ""]);
    assert_eq!(column(&part, "Umsatz"), ["1234.56", "", ""]);
    assert_eq!(column(&part, "Spent"), ["1234.56", "", ""]);
    assert!(
        ran.stdout.contains("  blanked    3 cells  wrong-type 3\n"),
        "{}",
        ran.stdout
    );
    let repairs = workspace.of_last_run("crm", "repairs.csv");
    assert!(
        repairs.contains("crm.csv,2,geb,wrong-type,1985-12-24,not-a-date-in-this-form\n"),
        "{repairs}"
    );
    assert!(
        repairs.contains("crm.csv,2,umsatz,wrong-type,12.50,not-a-number-with-decimal-comma\n"),
        "{repairs}"
    );
    let previewed = workspace.run(&["preview", "crm.toml"]).exits(0).stdout;
    assert!(
        previewed.contains("wrong-type in geb: not-a-date-in-this-form, like dddd-dd-dd"),
        "{previewed}"
    );
}

/// Quoted cells, and cells of a source without a text for each record.
#[test]
fn cells_of_a_type_are_read_in_every_format() {
    let csv = "email,geb,umsatz\nzoe@example.com,\" 24.12.1985\",\"1.234,56\"\n";
    let json = "{\"email\":\"zoe@example.com\",\"geb\":\"24.12.1985 \",\"umsatz\":\"1.234,56\"}\n";
    let workspace = Workspace::with(&[("a.csv", csv), ("b.ndjson", json)]);
    for file in ["a.csv", "b.ndjson"] {
        let body = format!(
            "[audience]\nfiles = [\"{file}\"]\n[columns]\nemail = \"Email\"\n{TYPED_COLUMNS}"
        );
        workspace.job("crm", &body, None);
        let part = sent(&workspace, &["run", "crm.toml", "--dry-run"], "crm");
        assert_eq!(column(&part, "Birthday"), ["1985-12-24"], "{file}");
        assert_eq!(column(&part, "Spent"), ["1234.56"], "{file}");
    }
    let previewed = workspace.run(&["preview", "crm.toml"]).exits(0).stdout;
    assert!(
        previewed.contains("Birthday  custom property, date:%d.%m.%Y\n"),
        "{previewed}"
    );
}

#[test]
fn a_flag_names_a_type_and_init_writes_it_down() {
    let workspace = Workspace::with(&[("crm.csv", TYPED)]);
    let maps = [
        "--delimiter",
        ";",
        "--map",
        "geb=Birthday:date:%d.%m.%Y",
        "--map",
        "umsatz=Umsatz:decimal-comma",
    ];
    let part = sent(
        &workspace,
        &[&["send", "crm.csv", "--dry-run"], &maps[..]].concat(),
        "crm",
    );
    assert_eq!(column(&part, "Birthday"), ["1985-12-24", "", ""]);
    let init = [
        &["init", "crm.csv", "--name", "made", "-o", "made.toml"],
        &maps[..],
    ]
    .concat();
    let made = workspace.run(&init).exits(0);
    types(&workspace, made.next()).exits(0);
    assert_eq!(
        sent(&workspace, &["run", "made.toml", "--dry-run"], "made"),
        part
    );
    for (map, error) in [
        (
            "geb=Birthday:date:%d.%m",
            "--map `geb`: its type must have a day, a month and a year, such as \"date:%d.%m.%Y\" or \"date:%m/%d/%y %H:%M\"",
        ),
        (
            "email=Email:decimal-comma",
            "--map `email`: Email has rules of its own; remove its type",
        ),
    ] {
        let refused = workspace
            .run(&["preview", "crm.csv", "--delimiter", ";", "--map", map])
            .exits(2);
        assert_eq!(refused.error(), error);
    }
}

#[test]
fn a_type_that_is_none_is_refused_in_a_job_file() {
    let workspace = Workspace::with(&[("a.csv", CRM)]);
    for (value, error) in [
        (
            "{ to = \"X\", type = \"number\" }",
            "`columns` `Vorname`: its type must be \"date:\" and a form, such as \"date:%d.%m.%Y\", or \"decimal-comma\"",
        ),
        (
            "{ to = \"X\", typ = \"decimal-comma\" }",
            "line 5: `Vorname`: the value must be a header, a list of headers, or { to = \"Header\", type = \"date:%d.%m.%Y\" }",
        ),
    ] {
        let body = format!(
            "[audience]\nfiles = [\"a.csv\"]\n[columns]\nVorname = {value}\nemail = \"Email\"\n"
        );
        workspace.job("vip", &body, None);
        let refused = workspace.run(&["preview", "vip.toml"]).exits(10);
        assert_eq!(refused.error(), format!("job file vip.toml: {error}"));
    }
}

#[test]
fn the_cause_of_a_blanked_e_mail_or_phone_is_told() {
    let rows = "email,phone,id\nzoe.example.com,12,1\nana@example,+1 650 253 0000,2\nyan@example.com,06-07-1990,3\n";
    let workspace = Workspace::with(&[("crm.csv", rows)]);
    let previewed = workspace
        .run(&["preview", "crm.csv", "--default-region", "US"])
        .exits(0)
        .stdout;
    for line in [
        "blanked  1  invalid-email in email: no-at-sign, like a.a.a  record 1",
        "blanked  1  invalid-email in email: no-dot-in-domain, like a@a  record 2",
        "blanked  1  invalid-phone in phone: too-short, like dd  record 1",
        "blanked  1  invalid-phone in phone: date, like dd-dd-dddd  record 3",
    ] {
        let is_there = previewed.lines().any(|found| {
            let words: Vec<&str> = found.split_whitespace().collect();
            words == line.split_whitespace().collect::<Vec<_>>()
        });
        assert!(is_there, "{line}\n{previewed}");
    }
    workspace
        .run(&["send", "crm.csv", "--dry-run", "--default-region", "US"])
        .exits(0);
    let repairs = workspace.of_last_run("crm", "repairs.csv");
    for line in [
        "crm.csv,1,email,invalid-email,zoe.example.com,no-at-sign\n",
        "crm.csv,2,email,invalid-email,ana@example,no-dot-in-domain\n",
        "crm.csv,1,phone,invalid-phone,12,too-short\n",
    ] {
        assert!(repairs.contains(line), "{line}\n{repairs}");
    }
}

#[test]
fn runs_and_status_know_a_job_by_its_name() {
    let workspace = Workspace::with(&[("a.csv", CRM)]);
    let server = workspace.server();
    let body = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n";
    workspace.job("vip", body, Some(&server));
    let none = workspace.run(&["status"]).exits(0).stdout;
    assert!(none.starts_with("no job has a run in "), "{none}");
    workspace.run(&["run", "vip.toml", "--limit", "1"]).exits(0);
    std::fs::create_dir(workspace.path("elsewhere")).unwrap();
    let elsewhere = |arguments: &[&str]| {
        let mut command = workspace.command(arguments);
        command.current_dir(workspace.path("elsewhere"));
        Outcome::of(command.spawn().unwrap())
    };
    let jobs = elsewhere(&["status"]).exits(0);
    let line = jobs.stdout.lines().next().unwrap();
    assert!(line.starts_with("  vip  trial done  20"), "{line}");
    let job_file = workspace.path("vip.toml").display().to_string();
    assert!(line.ends_with(&job_file), "{line}");
    assert_eq!(jobs.next(), "klaviyo-export status vip");
    let told = elsewhere(&["status", "vip"]).exits(0);
    assert!(
        told.stdout.starts_with("vip: trial, done, run "),
        "{}",
        told.stdout
    );
    assert_eq!(told.next(), format!("klaviyo-export run {job_file}"));
    types(&workspace, told.next()).exits(0);
    let runs = elsewhere(&["runs", "vip"]).exits(0).stdout;
    assert_eq!(runs.lines().count(), 3, "{runs}");
    let json: Value =
        serde_json::from_str(&elsewhere(&["status", "--json"]).exits(0).stdout).unwrap();
    assert_eq!(json[0]["job"], json!("vip"));
    assert_eq!(json[0]["last"]["status"], json!("done"));
    assert_eq!(json[0]["job_file"], json!(job_file));

    let unknown = elsewhere(&["runs", "vpi"]).exits(10);
    assert!(
        unknown
            .error()
            .starts_with("no job named `vpi` has a run in "),
        "{}",
        unknown.error()
    );
    assert!(
        unknown.error().ends_with("; jobs with runs there: vip"),
        "{}",
        unknown.error()
    );
}

#[test]
fn a_job_of_dry_runs_alone_is_known_without_its_file() {
    let workspace = Workspace::with(&[("a.csv", CRM)]);
    let body = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n";
    workspace.job("vip", body, None);
    workspace.run(&["run", "vip.toml", "--dry-run"]).exits(0);
    let jobs = workspace.run(&["status"]).exits(0);
    assert!(!jobs.stdout.contains("made by send"), "{}", jobs.stdout);
    let told = types(&workspace, jobs.next()).exits(0);
    assert_eq!(told.next(), "klaviyo-export run JOB.toml");
}

#[test]
fn a_job_that_send_made_is_known_by_its_name_too() {
    let workspace = Workspace::with(&[("crm.csv", CRM)]);
    let server = workspace.server();
    let flags = server.flags();
    let mut send = vec!["send", "crm.csv"];
    send.extend(flags.iter().map(String::as_str));
    workspace.run(&send).exits(0);
    let told = workspace.run(&["status", "crm"]).exits(0);
    assert!(
        told.stdout.starts_with("crm: done, run "),
        "{}",
        told.stdout
    );
    assert!(told.next().starts_with("nothing; "), "{}", told.stdout);
    let jobs = workspace.run(&["status"]).exits(0).stdout;
    assert!(jobs.contains("made by send"), "{jobs}");
    server
        .0
        .set_faults(Faults::none().always(Fault::RefuseLogin));
    workspace.run(&send).exits(13);
    let told = workspace.run(&["status", "crm"]).exits(0);
    assert_eq!(
        told.next(),
        "the command `send` again as it was typed; it continues an unfinished run"
    );
}
