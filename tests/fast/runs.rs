//! `runs`: the history of a job.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use klaviyo_export_sandbox::{Fault, Faults};
use serde_json::{Value, json};
use workspace::Workspace;

const JOB: &str =
    "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[parts]\nmax-rows = 2\n";
const AUDIENCE: &str =
    "email\nzoe@example.com\nbad\nyan@example.com\nxia@example.com\nzoe@example.com\n";

#[test]
fn a_job_that_never_ran_says_what_to_type() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let job = workspace.job("vip", JOB, None);
    let outcome = workspace.run(&["runs", &job]).exits(0);
    // The runs may be elsewhere: to run the job would send all rows again.
    let runs = workspace.path("state/vip/runs");
    assert_eq!(
        outcome.stdout,
        format!(
            "vip: no run yet in {}\nnext: klaviyo-export check vip.toml\n",
            runs.display()
        )
    );
    let outcome = workspace.run(&["runs", &job, "--state-dir", "my state"]);
    assert_eq!(
        outcome.exits(0).stdout,
        "vip: no run yet in my state/vip/runs\nnext: klaviyo-export check vip.toml --state-dir 'my state'\n"
    );
    assert_eq!(
        workspace.run(&["runs", &job, "--json"]).exits(0).stdout,
        "[]\n"
    );
    assert_eq!(
        std::fs::read_dir(workspace.path("state")).unwrap().count(),
        0
    );
}

#[test]
fn the_newest_run_comes_first_and_a_damaged_one_has_a_line() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server_with(Faults::none().always(Fault::RefuseLogin));
    let job = workspace.job("vip", JOB, Some(&server));
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    // Ids of one second are in no order.
    let first = workspace.last_run("vip");
    let oldest = first.with_file_name("20260101T000000Z-00000000");
    std::fs::rename(&first, &oldest).unwrap();
    workspace.run(&["run", &job]).exits(13);
    let failed = workspace.last_run("vip");
    let second = failed.with_file_name("20260102T000000Z-00000000");
    std::fs::rename(&failed, &second).unwrap();
    let id = failed.file_name().unwrap().to_str().unwrap();
    let manifest = std::fs::read_to_string(second.join("manifest.json")).unwrap();
    std::fs::write(
        second.join("manifest.json"),
        manifest.replace(id, "20260102T000000Z-00000000"),
    )
    .unwrap();
    server.0.set_faults(Faults::none());
    workspace.run(&["run", &job, "--fresh"]).exits(0);
    std::fs::write(oldest.join("manifest.json"), "{\"version\": 1,\n").unwrap();

    let text = workspace.run(&["runs", &job]).exits(0).stdout;
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[0],
        ["run", "rows", "rejected", "blanked", "parts", "outcome"]
    );
    assert_eq!(lines[1][1..5], ["5", "1", "0", "2/2"]);
    assert_eq!(lines[1].last(), Some(&"done"));
    assert!(lines[2].ends_with(&["superseded", "(13)"]), "{text}");
    assert_eq!(
        lines[3].join(" "),
        "20260101T000000Z-00000000 - - - - unreadable"
    );
    assert!(
        lines.iter().any(|line| {
            let line = line.join(" ");
            line.starts_with("20260101T000000Z-00000000: ") && line.contains("is damaged (line 2)")
        }),
        "{text}"
    );
    assert!(
        text.lines().take(4).all(|line| line.chars().count() <= 80),
        "{text}"
    );

    // A run of changed rows writes few of those that it has read: there is room for both where the outcome is a short one.
    std::fs::remove_dir_all(&second).unwrap();
    let text = workspace.run(&["runs", &job]).exits(0).stdout;
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines[0][..4], ["run", "rows", "written", "rejected"]);
    assert_eq!(lines[1][1..6], ["5", "3", "1", "0", "2/2"]);

    let runs: Value =
        serde_json::from_str(&workspace.run(&["runs", &job, "--json"]).exits(0).stdout).unwrap();
    let runs = runs.as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(
        (
            &runs[0]["status"],
            &runs[0]["rows_written"],
            &runs[0]["duplicates"],
            &runs[0]["exit_code"]
        ),
        (&json!("done"), &json!(3), &json!(1), &json!(0))
    );
    assert_eq!(runs[1]["status"], json!("unreadable"));
    assert!(runs[1]["error"].as_str().unwrap().contains("is damaged"));
}

#[test]
fn large_numbers_stand_under_each_other() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    let job = workspace.job("vip", JOB, Some(&server));
    workspace.run(&["run", &job]).exits(0);
    let run = workspace.last_run("vip");
    let copy = run.with_file_name("20260101T000000Z-00000000");
    std::fs::create_dir(&copy).unwrap();
    let manifest = std::fs::read_to_string(run.join("manifest.json")).unwrap();
    let large = manifest.replace("\"rows_read\": 5", "\"rows_read\": 123456789");
    assert_ne!(large, manifest);
    std::fs::write(copy.join("manifest.json"), large).unwrap();
    let text = workspace.run(&["runs", &job]).exits(0).stdout;
    let ends: Vec<usize> = ["rows", " 5 ", "123,456,789"]
        .iter()
        .zip(text.lines())
        .map(|(piece, line)| line.find(piece).unwrap() + piece.trim_end().len())
        .collect();
    assert!(ends.iter().all(|end| *end == ends[0]), "{text}");
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
}

#[test]
fn a_file_of_rows_is_no_job() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    for command in ["run", "runs", "status"] {
        let outcome = workspace.run(&[command, "a.csv"]).exits(10);
        assert_eq!(outcome.error(), "a.csv: is a file of rows, not a job file");
        assert!(
            outcome.hint().contains("`send`")
                && outcome
                    .hint()
                    .contains("klaviyo-export init a.csv -o NAME.toml")
        );
        assert_eq!(outcome.next(), "klaviyo-export preview a.csv");
    }
}
