//! `list`: once for all shards.

use std::time::Instant;

use super::night::{GROUP, Night};
use super::stage::{FILE, JobText};
use super::workspace::{LIMIT, Outcome};
use klaviyo_export_sandbox::api::EmailStanding;
use serde_json::json;

#[test]
fn it_refuses_while_a_shard_is_missing_and_says_what_to_type() {
    let night = Night::new(&JobText::list(""));
    let all = night.files(4, 5);
    let none = night.list().exits(2);
    assert_eq!(
        none.error(),
        format!("no shard of run group {GROUP} was run")
    );
    night.shard("1/4").exits(0);
    night.shard("3/4").exits(0);
    let refused = night.list().exits(17);
    assert_eq!(
        refused.error(),
        format!(
            "run group {GROUP} is not done: shard 2/4 was not run, shard 4/4 was not run; nothing was added to the list"
        )
    );
    let next = refused.next().to_owned();
    assert_eq!(
        next,
        format!("klaviyo-export run {FILE} --run-group {GROUP} --shard 2/4")
    );
    assert!(night.calls().is_empty());
    night.execute_line(&next).exits(0);
    let refused = night.list().exits(17);
    night.execute_line(refused.next()).exits(0);
    let report = night.list().exits(0).report();
    assert_eq!(report["rows_written"], 20, "{report:#}");
    assert_eq!(report["rows_read"], 20);
    assert_eq!(report["parts"].as_array().unwrap().len(), 4);
    assert_eq!(report["parts"][3]["number"], 4);
    assert_eq!(report["list"]["attached"], 20);
    assert!(report["shard"]["number"].is_null());
    assert_eq!(report["shard"]["of"], 4);
    night.assert_members(&all);
    night.assert_received(&all);
    assert!(night.identifiers().is_empty(), "{:?}", night.identifiers());
}

#[test]
fn those_of_all_shards_who_get_no_email_are_counted_once() {
    let night = Night::new(&JobText::list(""));
    let all = night.files(3, 60);
    for email in all.iter().take(7) {
        let standing = EmailStanding::Suppressed("USER_SUPPRESSED");
        night.api().set_email_standing(email, standing);
    }
    night.all_shards(3);
    let report = night.list().exits(0).report();
    assert_eq!(
        report["list"]["no_email"],
        json!({"of": 180, "looked_up": 180, "found": 7, "unsubscribed": 0, "suppressed": 7,
            "is_estimate": false, "only_sent": false})
    );
}

#[test]
fn a_second_time_does_nothing() {
    for attach in ["import-job", "members"] {
        let text = JobText::list(&format!("attach = \"{attach}\""));
        let night = Night::new(&text.klaviyo("wait-for-import = \"20s\""));
        let all = night.files(3, 5);
        night.all_shards(3);
        let run = night.list().exits(0).report()["run_id"].clone();
        let calls = night.calls().len();
        let again = night.list().exits(0);
        assert_eq!(again.stdout, "");
        assert!(
            again.stderr.contains(run.as_str().unwrap())
                && again.stderr.contains("earlier; nothing was done"),
            "{}",
            again.stderr
        );
        assert_eq!(night.calls().len(), calls);
        assert_eq!(night.runs("").len(), 1);
        night.assert_members(&all);
        // The next night has shards of its own; what was done stays done.
        night.shard_of("1/3", "next", &[]).exits(0);
        night.list().exits(0);
        assert_eq!(night.calls().len(), calls);
        // One shard that is sent anew cannot be put on the list alone.
        night.shard_of("2/3", GROUP, &["--fresh"]).exits(0);
        let gone = night.list().exits(17);
        assert!(
            gone.error().contains("identifiers of run"),
            "{}",
            gone.error()
        );
    }
}

#[test]
fn a_job_with_nothing_to_do_after_the_parts_is_told() {
    let night = Night::new(&JobText {
        list: String::new(),
        ..JobText::default()
    });
    night.files(2, 5);
    let shard = night.shard("1/2").exits(0);
    assert!(!shard.stderr.contains("next:"), "{}", shard.stderr);
    let told = night.list().exits(2);
    assert!(told.error().contains("neither [list] nor a sentinel"));
}

#[test]
fn the_sentinel_is_sent_once_after_all_shards() {
    let text = JobText {
        list: String::new(),
        ..JobText::default()
    };
    let night = Night::new(&text.klaviyo("sentinel = \"ops@example.com\""));
    night.files(2, 5);
    night.all_shards(2);
    let sentinels = || {
        let names = night.received_names().into_iter();
        names.filter(|name| name.contains("sentinel")).count()
    };
    assert_eq!(sentinels(), 0);
    night.list().exits(0);
    assert_eq!(sentinels(), 1);
    night.list().exits(0);
    assert_eq!(sentinels(), 1);
}

#[test]
fn an_empty_union_is_what_on_empty_says() {
    let night = Night::new(&JobText::list(""));
    night.file("a", Vec::<String>::new());
    night.edit_job("on-empty = \"skip\"", "on-empty = \"fail\"");
    night.all_shards(2);
    let empty = night
        .execute(&["list", FILE, "--run-group", GROUP, "--json"])
        .exits(12);
    assert!(empty.error().contains("no row to write"));
    // Its look at the audience is a stage, as any other list has one.
    let report = empty.report();
    assert_ne!(report["seconds"]["list"], json!(0.0), "{report:#}");
}

/// Everybody of the nights before but for the first `gone` of each file.
fn shrink(night: &Night, files: usize, each: usize, gone: usize) -> Vec<String> {
    let mut all = Vec::new();
    for file in 0..files {
        let people = (gone..each).map(|n| format!("f{file}n{n}@example.com"));
        let people: Vec<String> = people.collect();
        night.file(&format!("part-{file:03}"), &people);
        all.extend(people);
    }
    all
}

fn list_of(night: &Night, group: &str) -> Outcome {
    night.execute(&["list", FILE, "--run-group", group, "--json"])
}

#[test]
fn a_mirror_takes_off_once_and_is_undone() {
    for mirror in ["tracked", "exact"] {
        let lines = format!("mirror = \"{mirror}\"\nmax-removals = {{ percent = 50 }}");
        let night = Night::new(&JobText::list(&lines));
        let all = night.files(3, 20);
        night.all_shards(4);
        night.list().exits(0);
        night.assert_members(&all);
        let fewer = shrink(&night, 3, 20, 2);
        for number in 1..=4 {
            let shard = format!("{number}/4");
            night.shard_of(&shard, "next", &[]).exits(0);
            night.assert_members(&all);
        }
        let report = list_of(&night, "next").exits(0).report();
        assert_eq!(report["list"]["removed"], 6, "{mirror}: {report:#}");
        night.assert_members(&fewer);
        assert_eq!(night.count("remove_profiles_from_list"), 1);
        list_of(&night, "next").exits(0);
        assert_eq!(night.count("remove_profiles_from_list"), 1);
        let run = report["run_id"].as_str().unwrap();
        assert_eq!(night.ids_in(run, "removed.csv").len(), 6);
        night.execute(&["undo", FILE, run]).exits(0);
        night.assert_members(&all);
        assert!(night.identifiers().is_empty());
    }
}

#[test]
fn too_many_removals_wait_for_approval() {
    let night = Night::new(&JobText::list("mirror = \"tracked\""));
    let all = night.files(2, 20);
    night.all_shards(2);
    night.list().exits(0);
    let fewer = shrink(&night, 2, 20, 10);
    for shard in ["1/2", "2/2"] {
        night.shard_of(shard, "next", &[]).exits(0);
    }
    let refused = list_of(&night, "next").exits(17);
    let run = night.run_id();
    assert_eq!(
        refused.next(),
        format!("klaviyo-export run {FILE} --approve-removals {run}")
    );
    let status = night.execute(&["status", FILE]).exits(0);
    assert_eq!(status.next(), refused.next());
    night.assert_members(&all);
    list_of(&night, "next").exits(17);
    assert_eq!(night.run_id(), run);
    night.execute_line(refused.next()).exits(0);
    night.assert_members(&fewer);
    assert!(night.identifiers().is_empty(), "{:?}", night.identifiers());
    let done = list_of(&night, "next").exits(0);
    assert!(
        done.stderr.contains("earlier; nothing was done"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_list_that_is_killed_goes_on_and_takes_off_nobody_twice() {
    for (operation, calls) in [
        ("get_profiles_for_list", 1),
        ("remove_profiles_from_list", 1),
        ("remove_profiles_from_list", 2),
    ] {
        let lines = "mirror = \"exact\"\nmax-removals = { percent = 100, members = 1000000 }";
        let night = Night::new(&JobText::list(lines));
        let others: Vec<String> = (0..3_500).map(|n| format!("old{n}@example.com")).collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        let mut ids = night.join_list(&night.vip(), &others);
        let all = night.files(4, 100);
        night.all_shards(2);
        let mut child = night.start(&["list", FILE, "--run-group", GROUP]);
        let begun = Instant::now();
        while night.count(operation) < calls && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < LIMIT);
            std::thread::yield_now();
        }
        child.kill().unwrap();
        println!("{operation} {calls}: {:?}", child.wait().unwrap().code());
        let run = night.run_id();
        night.list().exits(0);
        assert_eq!(night.run_id(), run);
        night.assert_members(&all);
        let mut removed = night.ids_in(&run, "removed.csv");
        removed.sort();
        ids.sort();
        assert!(removed == ids, "{} removed ids", removed.len());
        assert!(night.identifiers().is_empty());
    }
}

#[test]
fn a_plain_run_takes_the_place_of_a_list_that_did_not_end() {
    let night = Night::new(&JobText::list("mirror = \"tracked\""));
    let all = night.files(2, 20);
    night.run().exits(0);
    night.assert_members(&all);
    let fewer = shrink(&night, 2, 20, 10);
    night.all_shards(2);
    night.list().exits(17);
    let list = night.run_id();
    let report = night.run().exits(17).report();
    assert_ne!(report["run_id"], list);
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("replaces the unfinished run"),
        "{warnings}"
    );
    // And the other way round: who was in the shards is still known.
    let report = night.list().exits(17).report();
    let warnings = report["warnings"].to_string();
    assert!(
        warnings.contains("replaces the unfinished run"),
        "{warnings}"
    );
    let next = format!("run {FILE} --approve-removals {}", night.run_id());
    night.execute(&next.split(' ').collect::<Vec<_>>()).exits(0);
    night.assert_members(&fewer);
}
