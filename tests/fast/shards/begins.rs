//! How a shard begins, goes on, and is refused.

use klaviyo_export_sandbox::{Fault, Faults};
use serde_json::json;

use super::night::{GROUP, Night};
use super::stage::{FILE, JobText};
use super::workspace::LIMIT;

fn night() -> Night {
    Night::new(&JobText::list("").parts("max-rows = 10"))
}

/// The server takes no byte until the faults go.
fn stall(night: &Night) {
    night
        .server
        .0
        .set_faults(Faults::none().always(Fault::StallAfter {
            bytes: 0,
            time: None,
        }));
}

#[test]
fn each_takes_every_nth_file_under_names_of_its_own() {
    let night = night();
    let all = night.files(5, 15);
    let report = night.shard("2/3").exits(0).report();
    assert_eq!(report["rows_written"], 30, "{report:#}");
    let shard = &report["shard"];
    assert_eq!(
        (&shard["number"], &shard["of"], &shard["run_group"]),
        (&json!(2), &json!(3), &json!(GROUP))
    );
    let warnings = report["warnings"].to_string();
    assert!(warnings.contains("the list waits"), "{warnings}");
    let run = report["run_id"].as_str().unwrap();
    assert_eq!(night.runs("02of03"), [run]);
    assert!(night.runs("").is_empty());
    let names: Vec<String> = (1..=3)
        .map(|part| format!("vip-{run}-s02of03-{part:04}.csv"))
        .collect();
    assert_eq!(night.received_names(), names);
    night.assert_received(&[&all[15..30], &all[60..75]].concat());
    assert!(
        night
            .workspace
            .path("state/vip/shards/02of03/lock")
            .exists()
    );
    // Nobody was put on the list, and the API was not asked for anything.
    assert!(night.calls().is_empty());
    assert_eq!(night.identifiers().len(), 3);
}

#[test]
fn a_done_shard_says_what_comes_next_and_does_nothing_again() {
    let night = night();
    let all = night.files(2, 5);
    let first = night.shard("1/2").exits(0);
    assert_eq!(
        first.next(),
        format!("klaviyo-export list {FILE} --run-group {GROUP}")
    );
    let again = night.shard("1/2").exits(0);
    assert_eq!(again.report()["run_id"], first.report()["run_id"]);
    assert!(again.stdout.contains("done before"), "{}", again.stdout);
    night.assert_received(&all[..5]);
    night.shard_of("1/2", GROUP, &["--fresh"]).exits(0);
    assert_eq!(night.runs("01of02").len(), 2);
    let status = night.execute(&["status", FILE, "--shard", "1/2"]).exits(0);
    assert!(
        status.stdout.contains("1/2 of run group") && status.next().contains(" list "),
        "{}",
        status.stdout
    );
    let runs = night.execute(&["runs", FILE, "--shard", "1/2", "--json"]);
    let runs: serde_json::Value = serde_json::from_str(&runs.exits(0).stdout).unwrap();
    assert_eq!(runs.as_array().unwrap().len(), 2);
    let runs = night.execute(&["runs", FILE]).exits(0);
    assert!(runs.stdout.contains("no run yet"), "{}", runs.stdout);
}

#[test]
fn a_shard_without_a_file_is_done() {
    let night = night();
    let all = night.files(2, 5);
    night.all_shards(5);
    let report = night.shard("5/5").exits(0).report();
    assert_eq!(report["rows_read"], 0);
    assert_eq!(report["status"], "done");
    night.assert_received(&all);
    night.list().exits(0);
    night.assert_members(&all);
}

#[test]
fn files_that_change_between_shards_are_refused() {
    let night = night();
    night.files(4, 5);
    night.shard("1/4").exits(0);
    night.file("part-003", ["new@example.com"]);
    let refused = night.shard("2/4").exits(12);
    assert_eq!(
        refused.error(),
        format!(
            "the files changed since shard 1/4 of run group {GROUP} began; use a new --run-group"
        )
    );
    assert!(night.runs("02of04").is_empty());
    night.file("part-004", ["more@example.com"]);
    night.shard("2/4").exits(12);
    // Even the shard that has begun would send others now.
    night.shard("1/4").exits(12);
    let other = night.shard("1/5").exits(12);
    assert!(
        other.error().contains("shard 1/4 of run group") && other.error().contains("1/5"),
        "{}",
        other.error()
    );
    night.shard_of("1/5", "another", &[]).exits(0);
    night.edit_job("max-rows = 10", "max-rows = 11");
    let changed = night.shard_of("2/5", "another", &[]).exits(12);
    assert!(changed.error().contains("the job changed since shard 1/5"));
}

#[test]
fn two_shards_run_at_once_and_one_shard_does_not() {
    let night = night();
    let all = night.files(4, 5);
    stall(&night);
    let line = ["run", FILE, "--json", "--run-group", GROUP, "--shard"];
    let mut first = night.start(&[&line[..], &["1/2"]].concat());
    let opened = |number: usize| {
        let seen = night.server.0.wait_for(LIMIT, |events| {
            format!("{events:?}").matches("Opened").count() >= number
        });
        assert!(seen, "{}", night.server.events());
    };
    opened(1);
    let mut second = night.start(&[&line[..], &["2/2"]].concat());
    opened(2);
    let twice = night.shard("1/2").exits(11);
    assert!(twice.error().contains(&first.id().to_string()));
    // A list waits for both, and so do statements that would write the files anew.
    let list = night.list().exits(17);
    assert!(
        list.error()
            .contains("shard 1/2 is under way, shard 2/2 is under way"),
        "{}",
        list.error()
    );
    for child in [&mut first, &mut second] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let status = night.execute(&["status", FILE, "--shard", "2/2"]).exits(0);
    assert_eq!(
        status.next(),
        format!("klaviyo-export run {FILE} --shard 2/2 --run-group {GROUP}")
    );
    let list = night.list().exits(17);
    assert!(list.error().contains("shard 1/2 was killed"));
    night.server.0.set_faults(Faults::none());
    // What was killed goes on: the same run, and nothing twice.
    let runs = [night.runs("01of02"), night.runs("02of02")];
    for (number, runs) in (1..).zip(runs) {
        let report = night.shard(&format!("{number}/2")).exits(0).report();
        assert_eq!(runs, [report["run_id"].as_str().unwrap()]);
        let warnings = report["warnings"].to_string();
        assert!(warnings.contains("continued this unfinished run"));
    }
    night.assert_received(&all);
    night.list().exits(0);
    night.assert_members(&all);
}

#[test]
fn another_run_group_takes_the_place_of_an_unfinished_shard() {
    let night = night();
    let all = night.files(2, 5);
    night
        .server
        .0
        .set_faults(Faults::none().always(Fault::RefuseLogin));
    night.shard("1/2").exits(13);
    night.server.0.set_faults(Faults::none());
    let report = night.shard_of("1/2", "later", &[]).exits(0).report();
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("replaces the unfinished run")
            && warnings.contains("because --run-group has changed"),
        "{warnings}"
    );
    night.assert_received(&all[..5]);
    night.shard("2/2").exits(0);
    let refused = night.list().exits(17);
    assert!(
        refused
            .error()
            .contains("shard 1/2 was superseded by another run group"),
        "{}",
        refused.error()
    );
}

#[test]
fn what_cannot_be_dealt_out_is_refused() {
    let night = night();
    night.files(2, 5);
    night.write_job(&JobText::list(""), "-");
    let stdin = night.shard("1/2").exits(10);
    assert!(stdin.error().contains("cannot be divided among shards"));
    night.write_job(&JobText::list("").klaviyo("deliver = \"api\""), "in/*.csv");
    let api = night.shard("1/2").exits(10);
    assert!(api.error().contains("`klaviyo.deliver`"), "{}", api.error());
    night.list().exits(10);
    night.write_job(&JobText::list(""), "in/*.csv");
    night.edit_job(
        "files = [\"in/*.csv\"]",
        "query = \"SELECT 1\"\npostgres = \"postgresql://127.0.0.1:1/x\"",
    );
    let query = night.shard("1/2").exits(10);
    assert!(
        query.error().contains("`audience.query`") && query.error().contains("before"),
        "{}",
        query.error()
    );
    assert!(night.runs("01of02").is_empty());
    let group = ["--run-group", GROUP];
    for flags in [
        &["--shard", "1/2"][..],
        &group,
        &["--shard", "0/2", "--run-group", GROUP],
        &["--shard", "3/2", "--run-group", GROUP],
        &["--shard", "1/2", "--run-group", "a b"],
        &["--shard", "1/2", "--run-group", GROUP, "--limit", "5"],
        &["--shard", "1/2", "--run-group", GROUP, "--before-only"],
        &[
            "--shard",
            "1/2",
            "--run-group",
            GROUP,
            "--approve-removals",
            "R",
        ],
        &["--before-only", "--dry-run"],
        &["--before-only", "--fresh"],
        &["--before-only", "--limit", "1"],
    ] {
        night.execute(&[&["run", FILE], flags].concat()).exits(2);
    }
}

#[test]
fn a_dry_run_of_a_shard_sends_nothing_and_is_no_shard_of_the_night() {
    let night = night();
    let all = night.files(2, 5);
    let dry = night.shard_of("2/2", GROUP, &["--dry-run"]).exits(0);
    assert_eq!(dry.report()["rows_written"], 5);
    assert_eq!(
        dry.next(),
        format!("klaviyo-export run {FILE} --shard 2/2 --run-group {GROUP}")
    );
    night.shard("1/2").exits(0);
    assert!(
        night
            .list()
            .exits(17)
            .error()
            .contains("shard 2/2 was not run")
    );
    night.assert_received(&all[..5]);
}

#[test]
fn before_statements_are_run_by_before_only_alone() {
    let night = night();
    night.files(2, 5);
    let none = night.execute(&["run", FILE, "--before-only"]).exits(2);
    assert!(none.error().contains("no before statements"));
    // Nothing listens there: whoever runs the statements fails.
    night.edit_job(
        "files = [\"in/*.csv\"]",
        "files = [\"in/*.csv\"]\npostgres = \"postgresql://127.0.0.1:1/x\"\nbefore = [\"SELECT 1\"]",
    );
    night.execute(&["run", FILE, "--before-only"]).exits(12);
    night.execute(&["run", FILE]).exits(12);
    night.all_shards(2);
    // They would write anew what a shard reads.
    night.file("part-000", ["x@example.com"]);
    stall(&night);
    let line = ["run", FILE, "--run-group", "next", "--shard", "1/2"];
    let mut shard = night.start(&line);
    let lock = night.workspace.path("state/vip/shards/01of02/lock");
    let holder = format!("process {} ", shard.id());
    let begun = std::time::Instant::now();
    while !std::fs::read_to_string(&lock).unwrap().contains(&holder) {
        assert!(begun.elapsed() < LIMIT);
        std::thread::park_timeout(std::time::Duration::from_millis(5));
    }
    let held = night.execute(&["run", FILE, "--before-only"]).exits(11);
    assert!(
        held.error().contains("shard 1/2, process"),
        "{}",
        held.error()
    );
    shard.kill().unwrap();
    shard.wait().unwrap();
}
