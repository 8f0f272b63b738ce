//! An e-mail, a phone or an external id that rows of two keys have: Klaviyo allows it on one profile only.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::random;
use crate::support::workspace;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use klaviyo_export_sandbox::Faults;
use random::Random;
use serde_json::{Value, json};
use workspace::Workspace;

/// Two people with one phone, then that phone alone; in another file one external id for a second person, in other letters an
/// e-mail that is a key already.
const FIRST: &str = "email,phone,id,name,note\na@x.co,+14155550101,1,Ana,n1\nb@x.co,(415) 555-0101,2,Ben,n2\n,+14155550101,,Cy,n3\nd@x.co,,4,Di,n4\n";
const SECOND: &str = "email,phone,id,name,note\ne@x.co,+14155550105,4,Eve,n5\nA@X.co,+14155550109,9,Twice,n6\n,,2,Fay,n7\n";

fn body(more: &str) -> String {
    format!(
        "[audience]\nfiles = [\"1.csv\", \"2.csv\"]\n[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\nid = \"ExternalID\"\nname = \"FirstName\"\n\
         [normalize]\ndefault-region = \"US\"\nmax-rejected = {{ percent = 100, rows = 1000000 }}\n{more}"
    )
}

fn workspace() -> Workspace {
    Workspace::with(&[("1.csv", FIRST), ("2.csv", SECOND)])
}

/// The rows of the parts of a dry run in this mode, and its report.
fn dry_run(workspace: &Workspace, mode: &str) -> (Vec<String>, Value) {
    let rule = format!("shared-identifiers = \"{mode}\"\n");
    let job = workspace.job("vip", &body(&rule), None);
    let ran = workspace.run(&["run", &job, "--dry-run", "--json"]);
    let report = ran.exits(0).report();
    let rows = |name: &str| report[name].as_u64().unwrap();
    let decided = rows("rows_written") + rows("rows_rejected") + rows("duplicates");
    assert_eq!(rows("rows_read"), decided);
    let parts = workspace.parts("vip");
    let lines = parts.iter().flat_map(|text| text.lines().skip(1));
    (lines.map(str::to_owned).collect(), report)
}

const CONFLICTS: &str = "_source,_record,first_source,first_record,column,code\n\
     1.csv,2,1.csv,1,phone,shared-phone\n\
     1.csv,3,1.csv,1,phone,shared-phone\n\
     2.csv,1,1.csv,4,id,shared-external-id\n\
     2.csv,3,1.csv,2,id,shared-external-id\n";

#[test]
fn the_first_row_keeps_a_shared_identifier_and_later_ones_lose_it() {
    let workspace = workspace();
    let (rows, report) = dry_run(&workspace, "blank");
    assert_eq!(
        rows,
        [
            "\"a@x.co\",\"+14155550101\",\"1\",Ana",
            "\"b@x.co\",\"\",\"2\",Ben",
            "\"d@x.co\",\"\",\"4\",Di",
            "\"e@x.co\",\"+14155550105\",\"\",Eve",
        ]
    );
    assert_eq!(workspace.of_last_run("vip", "conflicts.csv"), CONFLICTS);
    let shared = json!({"shared-phone": 2, "shared-external-id": 2});
    assert_eq!(report["shared_identifiers"], shared);
    assert_eq!(
        report["repairs"],
        json!({"shared-phone": 1, "shared-external-id": 1})
    );
    assert_eq!(report["rejections"], json!({"shared-identifier": 2}));
    assert_eq!(report["duplicates"], json!(1));
    assert_eq!(
        workspace.of_last_run("vip", "repairs.csv"),
        "_source,_record,column,code,value,detail\n\
         1.csv,2,phone,shared-phone,'+14155550101,\n\
         2.csv,1,id,shared-external-id,4,\n"
    );
    let rejects = workspace.of_last_run("vip", "rejects.csv");
    let lines = rejects.lines().map(|line| line.rsplit_once(',').unwrap().0);
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [
            "email,phone,id,name,note,_reason,_detail,_source,_record",
            ",'+14155550101,,Cy,,shared-identifier,no identifier is left: shared-phone,1.csv,3",
            ",,2,Fay,,shared-identifier,no identifier is left: shared-external-id,2.csv,3",
        ]
    );
    let path = workspace.last_run("vip").join("conflicts.csv");
    let mode = std::fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn blank_is_what_a_job_does_that_says_nothing() {
    let workspace = workspace();
    let (rows, _) = dry_run(&workspace, "blank");
    let job = workspace.job("plain", &body(""), None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let parts = workspace.parts("plain");
    let lines = parts.iter().flat_map(|text| text.lines().skip(1));
    assert_eq!(lines.collect::<Vec<_>>(), rows);
}

#[test]
fn shared_identifiers_are_sent_and_counted_where_the_job_says_report() {
    let workspace = workspace();
    let (rows, report) = dry_run(&workspace, "report");
    assert_eq!(rows.len(), 6);
    assert_eq!(rows[1], "\"b@x.co\",\"+14155550101\",\"2\",Ben");
    assert_eq!(workspace.of_last_run("vip", "conflicts.csv"), CONFLICTS);
    assert_eq!(
        report["shared_identifiers"],
        json!({"shared-phone": 2, "shared-external-id": 2})
    );
    assert_eq!(
        (&report["repairs"], &report["rejections"]),
        (&json!({}), &json!({}))
    );
    let text = workspace.run(&["run", "vip.toml", "--dry-run"]).exits(0);
    let said = text.stdout.clone();
    assert!(
        said.contains("shared     4 cells  shared-phone 2, shared-external-id 2"),
        "{said}"
    );
    assert!(said.contains("conflicts.csv"), "{said}");
}

#[test]
fn a_rejected_row_keeps_no_identifier_from_later_ones() {
    let workspace = workspace();
    let (rows, report) = dry_run(&workspace, "reject");
    // Ben is rejected for his phone, so the external id 2 is Fay's.
    assert_eq!(
        rows,
        [
            "\"a@x.co\",\"+14155550101\",\"1\",Ana",
            "\"d@x.co\",\"\",\"4\",Di",
            "\"\",\"\",\"2\",Fay",
        ]
    );
    assert_eq!(report["rejections"], json!({"shared-identifier": 3}));
    assert_eq!(report["repairs"], json!({}));
    let rejects = workspace.of_last_run("vip", "rejects.csv");
    assert!(
        rejects.contains("an earlier row of another key has it: shared-phone,1.csv,2"),
        "{rejects}"
    );
}

#[test]
fn a_forbidden_shared_identifier_stops_the_run_before_anything_is_sent() {
    for memory in ["", "dedupe-memory = \"1B\"\n"] {
        let workspace = Workspace::new();
        // Enough rows for parts, and for keys that find no room.
        let mut text = String::from("email,phone,id,name,note\n");
        for row in 0..6_000 {
            writeln!(text, "p{row}@x.co,+1415556{row:04},,N,").unwrap();
        }
        workspace.write("1.csv", &text);
        workspace.write("2.csv", SECOND.replace("+14155550105", "+14155560003"));
        let server = workspace.server();
        let more = format!("shared-identifiers = \"fail\"\n{memory}[parts]\nmax-rows = 500\n");
        let job = workspace.job("vip", &body(&more), Some(&server));
        let ran = workspace.run(&["run", &job]).exits(17);
        assert_eq!(
            ran.error(),
            "1.csv record 4 and 2.csv record 1 have different keys and the same PhoneNumber, and the job says shared-identifiers = \"fail\"; nothing was sent"
        );
        assert!(ran.hint().contains("shared-identifiers = \"blank\""));
        assert!(server.received().is_empty());
    }
}

#[test]
fn forbidden_duplicates_are_told_by_the_rows_of_one_key() {
    let workspace = Workspace::new();
    // The phone that is the key of records 2 and 3 stands in record 1 too, under another key.
    let rows =
        "email,phone,id,name,note\na@x.co,+14155550101,,,\n,+14155550101,7,,\n,+14155550101,8,,\n";
    workspace.write("1.csv", rows);
    workspace.write("2.csv", "email,phone,id,name,note\n");
    let job = workspace.job("vip", &body("duplicates = \"fail\"\n"), None);
    let ran = workspace.run(&["run", &job, "--dry-run"]).exits(17);
    assert!(
        ran.error()
            .starts_with("1.csv record 2 and 1.csv record 3 have the same key"),
        "{}",
        ran.error()
    );
    let rows = rows.rsplit_once(",+14155550101,8").unwrap().0;
    workspace.write("1.csv", rows);
    let ran = workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0);
    assert_eq!(ran.report()["repairs"], json!({"shared-phone": 1}));
}

#[test]
fn rejects_that_nobody_changed_are_rejected_again() {
    let workspace = workspace();
    dry_run(&workspace, "blank");
    let rejects = workspace.of_last_run("vip", "rejects.csv");
    workspace.write("back.csv", &rejects);
    let back = body("").replace("\"1.csv\", \"2.csv\"", "\"back.csv\"");
    let job = workspace.job("back", &format!("on-empty = \"skip\"\n{back}"), None);
    let text = std::fs::read_to_string(workspace.path(&job)).unwrap();
    let text = text.replace(
        "on-empty = \"skip\"\n[audience]",
        "[audience]\non-empty = \"skip\"",
    );
    workspace.write(&job, text);
    let ran = workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0);
    let reasons = json!({"shared-identifier": 2});
    assert_eq!(ran.report()["rejections"], reasons);
    let again = workspace.of_last_run("back", "rejects.csv");
    assert_eq!(again.lines().count(), rejects.lines().count());
    // Fay gets an e-mail address of her own.
    workspace.write(
        "back.csv",
        rejects.replace("\n,,2,Fay", "\nfay@x.co,,2,Fay"),
    );
    let ran = workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0);
    assert_eq!(ran.report()["rows_written"], json!(1));
}

#[test]
fn a_job_with_one_identifier_has_nothing_to_share() {
    let workspace = workspace();
    let body = "[audience]\nfiles = [\"1.csv\"]\n[columns]\nphone = \"PhoneNumber\"\nname = \"FirstName\"\n[normalize]\ndefault-region = \"US\"\n";
    let job = workspace.job("vip", body, None);
    let ran = workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0);
    let report = ran.report();
    assert_eq!(report["duplicates"], json!(2));
    assert_eq!(report["shared_identifiers"], json!({}));
    assert!(!workspace.last_run("vip").join("conflicts.csv").exists());
}

#[test]
fn send_has_a_flag_for_shared_identifiers() {
    let workspace = workspace();
    for (what, rejected) in [("blank", 2), ("report", 0), ("reject", 3)] {
        let flags = ["--dry-run", "--json", "--default-region", "US"];
        let own = ["send", "1.csv", "2.csv", "--shared-identifiers", what];
        let ran = workspace.run(&[&own[..], &flags].concat()).exits(0);
        assert_eq!(ran.report()["rows_rejected"], json!(rejected), "{what}");
    }
}

#[test]
fn status_tells_how_many_identifiers_were_shared() {
    let workspace = workspace();
    let server = workspace.server();
    let job = workspace.job("vip", &body(""), Some(&server));
    workspace.run(&["run", &job]).exits(0);
    let status = workspace.run(&["status", &job]).exits(0);
    let line = "shared     4 cells that an earlier row of another key has";
    assert!(status.stdout.contains(line), "{}", status.stdout);
}

#[test]
fn preview_counts_what_a_run_counts_and_shows_what_it_would_send() {
    let workspace = workspace();
    for mode in ["blank", "report", "reject", "fail"] {
        for duplicates in ["first", "last"] {
            let rules = format!("shared-identifiers = \"{mode}\"\nduplicates = \"{duplicates}\"\n");
            let job = workspace.job("vip", &body(&rules), None);
            let arguments = ["preview", &job, "--json", "--show-values"];
            let preview: Value =
                serde_json::from_str(&workspace.run(&arguments).exits(0).stdout).unwrap();
            let found = preview["shared_identifiers"].as_array().unwrap();
            let counts: serde_json::Map<String, Value> = found
                .iter()
                .map(|it| (it["code"].as_str().unwrap().to_owned(), it["count"].clone()))
                .collect();
            if mode == "fail" {
                workspace.run(&["run", &job, "--dry-run"]).exits(17);
                assert!(
                    preview["notes"]
                        .to_string()
                        .contains("a run would send nothing")
                );
                continue;
            }
            let run = workspace
                .run(&["run", &job, "--dry-run", "--json"])
                .exits(0);
            let report = run.report();
            let pair = format!("{mode} {duplicates}");
            assert_eq!(
                Value::Object(counts),
                report["shared_identifiers"],
                "{pair}"
            );
            assert_eq!(preview["rows_to_send"], report["rows_written"], "{pair}");
            assert_eq!(preview["rows_rejected"], report["rows_rejected"], "{pair}");
            let repaired = preview["repairs"].as_array().unwrap().len();
            assert_eq!(repaired, report["repairs"].as_object().unwrap().len());
            let shown: Vec<String> = preview["rows"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| {
                    let cell = |name: &str| row["cells"][name].as_str().unwrap().to_owned();
                    let identifiers = ["Email", "PhoneNumber", "ExternalID"].map(cell);
                    format!("\"{}\",{}", identifiers.join("\",\""), cell("FirstName"))
                })
                .collect();
            let parts = workspace.parts("vip");
            let sent: Vec<&str> = parts
                .iter()
                .flat_map(|text| text.lines().skip(1))
                .take(5)
                .collect();
            assert_eq!(shown, sent, "{pair}");
        }
    }
}

/// Thousands of rows of which many share, for an index in memory and on disk.
fn large() -> String {
    const ROWS: usize = 20_000;
    let mut random = Random::new(23);
    let mut text = String::from("email,phone,id,name,note\n");
    for row in 0..ROWS {
        let mut phone = || match random.below(3) {
            0 => String::new(),
            _ => format!("+1415{:07}", 5_550_000 + random.below(9_000)),
        };
        let phone = phone();
        let id = random.below(ROWS);
        let email = if random.below(6) == 0 {
            String::new()
        } else {
            format!("p{}@x.co", random.below(ROWS))
        };
        writeln!(text, "{email},{phone},{id},N{row},").unwrap();
    }
    text
}

/// The part of a report that depends on nothing but the audience and the rules.
fn digests(report: &Value) -> Vec<Value> {
    let parts = report["parts"].as_array().unwrap().iter();
    let names = [
        "rows_read",
        "rows_rejected",
        "repairs",
        "shared_identifiers",
    ];
    names
        .into_iter()
        .map(|name| report[name].clone())
        .chain(parts.map(|part| part["sha256"].clone()))
        .collect()
}

#[test]
fn neither_memory_nor_processors_change_what_is_made() {
    let workspace = Workspace::with(&[("1.csv", &large()), ("2.csv", SECOND)]);
    for mode in ["blank", "reject"] {
        for duplicates in ["first", "last"] {
            let made = |memory: &str, processors: &str| {
                let rules = format!(
                    "shared-identifiers = \"{mode}\"\nduplicates = \"{duplicates}\"\n{memory}[parts]\nmax-rows = 1000\n"
                );
                let job = workspace.job("vip", &body(&rules), None);
                let mut command = std::process::Command::new("taskset");
                command.args(["-c", processors, env!("CARGO_BIN_EXE_klaviyo-export")]);
                let own = workspace.command(&["run", &job, "--dry-run", "--json"]);
                command
                    .args(own.get_args())
                    .current_dir(own.get_current_dir().unwrap());
                command.env_clear().stdin(Stdio::null());
                for (name, value) in own.get_envs() {
                    command.env(name, value.unwrap());
                }
                let output = command.output().unwrap();
                assert!(output.status.success());
                let report: Value = serde_json::from_slice(&output.stdout).unwrap();
                let conflicts = workspace.of_last_run("vip", "conflicts.csv");
                (digests(&report), conflicts)
            };
            let plenty = made("", "0");
            assert!(plenty.1.lines().count() > 1_000);
            assert!(made("", "0-127") == plenty, "{mode} {duplicates}");
            let tiny = made("dedupe-memory = \"1B\"\n", "0-127");
            assert!(tiny == plenty, "{mode} {duplicates}");
        }
    }
}

#[test]
fn a_killed_run_goes_on_to_the_same_rows() {
    let workspace = Workspace::with(&[("1.csv", &large()), ("2.csv", SECOND)]);
    let parts = "[parts]\nmax-rows = 1000\nmax-waiting = 1\n";
    let job = workspace.job("vip", &body(parts), None);
    let whole = workspace
        .run(&["run", &job, "--dry-run", "--json"])
        .exits(0);
    let (whole, conflicts) = (
        digests(&whole.report()),
        workspace.of_last_run("vip", "conflicts.csv"),
    );
    let server = workspace.server_with(Faults::none().bytes_per_second(20_000));
    let job = workspace.job("night", &body(parts), Some(&server));
    let mut child = workspace.command(&["run", &job]).spawn().unwrap();
    while !server.events().contains("Opened") {
        assert!(child.try_wait().unwrap().is_none(), "it sent nothing");
        std::thread::yield_now();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    server.0.set_faults(Faults::none());
    let ran = workspace.run(&["run", &job, "--json"]).exits(0);
    let report = ran.report();
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("continued this unfinished run"),
        "{warnings}"
    );
    assert_eq!(digests(&report), whole);
    assert!(workspace.of_last_run("night", "conflicts.csv") == conflicts);
}

#[test]
fn messages_and_reports_name_no_value() {
    let workspace = workspace();
    let job = workspace.job("vip", &body(""), None);
    let ran = workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let conflicts = workspace.of_last_run("vip", "conflicts.csv");
    let report = workspace.of_last_run("vip", "report.json");
    for text in [&ran.stdout, &conflicts, &report] {
        assert!(!text.contains('@') && !text.contains("5550101"), "{text}");
    }
}
