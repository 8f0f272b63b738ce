//! `status`: where the last run stands, and what to type next.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use klaviyo_export_sandbox::{Fault, Faults};
use serde_json::Value;
use workspace::Workspace;

const JOB: &str =
    "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[parts]\nmax-rows = 2\n";
const AUDIENCE: &str =
    "email\nzoe@example.com\nbad\nyan@example.com\nxia@example.com\nzoe@example.com\n";

#[test]
fn a_job_that_never_ran_says_so() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let job = workspace.job("vip", JOB, None);
    let outcome = workspace.run(&["status", &job]).exits(10);
    assert_eq!(
        outcome.error(),
        format!(
            "job vip has no run in {}",
            workspace.path("state/vip/runs").display()
        )
    );
    assert_eq!(
        std::fs::read_dir(workspace.path("state")).unwrap().count(),
        0
    );
}

#[test]
fn the_last_run_is_told_with_its_counts_and_what_to_type_next() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server_with(Faults::none().always(Fault::RefuseLogin));
    let job = workspace.job("vip", JOB, Some(&server));
    workspace.run(&["run", &job]).exits(13);
    let failed = workspace.run(&["status", &job]).exits(0).stdout;
    assert!(failed.starts_with("vip: failed, run "), "{failed}");
    assert!(
        failed.contains("\n  exit code  13: the host key was not accepted, or the login failed\n"),
        "{failed}"
    );
    // The next run would end in the same way.
    assert!(
        failed.ends_with("next: klaviyo-export check vip.toml\n"),
        "{failed}"
    );

    server.0.set_faults(Faults::none());
    workspace.run(&["run", &job]).exits(0);
    let done = workspace.run(&["status", &job]).exits(0).stdout;
    let lines: Vec<&str> = done.lines().map(str::trim).collect();
    assert!(lines[0].starts_with("vip: done, run "), "{done}");
    assert_eq!(lines[2], "formatted  3 of 5 rows, 1 rejected, 1 duplicate");
    assert_eq!(lines[3], "delivered  2 of 2 parts");
    assert_eq!(
        lines[4],
        format!("files      {}", workspace.last_run("vip").display())
    );

    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let dry = workspace.run(&["status", &job]).exits(0).stdout;
    assert!(dry.starts_with("vip: dry run, run "), "{dry}");

    std::fs::rename(workspace.path(&job), workspace.path("my vip.toml")).unwrap();
    let state = workspace.path("state");
    let state = state.to_str().unwrap();
    let elsewhere = workspace.run(&["status", "my vip.toml", "--state-dir", state]);
    let next = format!("next: klaviyo-export run 'my vip.toml' --state-dir {state}\n");
    let told = elsewhere.exits(0).stdout;
    assert!(told.ends_with(&next), "{told}");
}

#[test]
fn a_run_that_was_stopped_is_not_told_as_formatted_to_the_end() {
    let rows = format!("email\n{}", "bad\n".repeat(2_000));
    let workspace = Workspace::with(&[("a.csv", &rows)]);
    let server = workspace.server();
    let job = workspace.job("vip", JOB, Some(&server));
    workspace.run(&["run", &job]).exits(17);
    let told = workspace.run(&["status", &job]).exits(0).stdout;
    assert!(
        told.contains("\n  formatted  stopped before the end\n"),
        "{told}"
    );
    assert!(told.contains("\n  exit code  17: a guard"), "{told}");
}

#[test]
fn the_job_s_secrets_need_not_be_there() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    let job = workspace.job("vip", JOB, Some(&server));
    workspace.run(&["run", &job]).exits(0);
    let text = std::fs::read_to_string(workspace.path(&job)).unwrap();
    workspace.write(&job, format!("{text}passphrase-env = \"NOT_SET\"\n"));
    workspace.run(&["run", &job]).exits(10);
    workspace.run(&["status", &job]).exits(0);
}

#[test]
fn json_is_the_manifest_and_the_last_attempt() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    let job = workspace.job("vip", JOB, Some(&server));
    workspace.run(&["run", &job]).exits(0);
    let outcome = workspace.run(&["status", &job, "--json"]).exits(0);
    let mut manifest: Value = serde_json::from_str(&outcome.stdout).unwrap();
    let attempt = manifest.as_object_mut().unwrap().remove("last_attempt");
    let attempt = attempt.unwrap();
    assert_eq!(attempt["exit_code"], 0);
    assert_eq!(attempt["run_id"], manifest["run_id"]);
    let on_disk: Value =
        serde_json::from_str(&workspace.of_last_run("vip", "manifest.json")).unwrap();
    assert_eq!(manifest, on_disk);
    let states: Vec<&Value> = manifest["parts"]
        .as_array()
        .unwrap()
        .iter()
        .map(|part| &part["state"])
        .collect();
    assert_eq!(states, ["verified", "verified"]);
}

#[test]
fn a_damaged_and_a_newer_manifest_are_storage_errors_that_name_the_file() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let job = workspace.job("vip", JOB, None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let path = workspace.last_run("vip").join("manifest.json");
    for (text, word) in [
        ("{\"version\": 1,\n", "is damaged (line 2)"),
        ("{\"version\": 99}", "is of version 99"),
    ] {
        std::fs::write(&path, text).unwrap();
        let outcome = workspace.run(&["status", &job]).exits(18);
        assert!(
            outcome.error().contains(word) && outcome.error().contains(path.to_str().unwrap()),
            "{}",
            outcome.error()
        );
    }
}

#[test]
fn a_mistyped_id_is_no_attempt() {
    let workspace = Workspace::with(&[("a.csv", AUDIENCE)]);
    let server = workspace.server();
    let job = workspace.job("vip", JOB, Some(&server));
    for flags in [["--apply", "nonexist"], ["--approve-changes", "nonexist"]] {
        workspace
            .run(&[&["run", &*job], &flags[..]].concat())
            .exits(2);
        assert!(!workspace.path("state/vip/last-attempt.json").exists());
    }
    workspace.run(&["run", &job]).exits(0);
    let before = workspace.run(&["status", &job]).exits(0).stdout;
    for flags in [
        ["--apply", "nonexist"],
        ["--approve-changes", "nonexist"],
        ["--approve-drift", "nonexist"],
    ] {
        workspace
            .run(&[&["run", &*job], &flags[..]].concat())
            .exits(2);
        assert_eq!(workspace.run(&["status", &job]).exits(0).stdout, before);
    }
}
