//! A dry run is a plan, and is applied once.

use std::collections::BTreeSet;

use super::{BODY, DELTA, Job, counts, lines, people};

fn plan(job: &Job) -> String {
    let dry = job.run(&["--dry-run"]).exits(0);
    dry.report()["run_id"].as_str().unwrap().to_owned()
}

#[test]
fn a_plan_is_applied_once_and_exactly() {
    let job = Job::new();
    let mut rows = people(60);
    job.night(&rows, &[]);
    rows.insert(5, "Rome");
    rows.insert(80, "Rome");
    rows.remove(&6);
    job.audience(&rows);
    let before = job.received();
    let dry = job.run(&["--dry-run"]).exits(0);
    counts(&dry, [58, 1, 1, 1]);
    assert_eq!(job.rows_since(&before), [""; 0]);
    let run = dry.report()["run_id"].as_str().unwrap().to_owned();
    assert_eq!(
        dry.next(),
        format!("klaviyo-export run vip.toml --apply {run}")
    );
    let applied = job.run(&["--apply", &run]).exits(0);
    counts(&applied, [58, 1, 1, 1]);
    assert_eq!(job.rows_since(&before), lines(&[(5, "Rome"), (80, "Rome")]));
    let again = job
        .workspace
        .run(&["run", "vip.toml", "--apply", &run])
        .exits(12);
    assert!(
        again.error().contains("has applied it; nothing was sent"),
        "{}",
        again.error()
    );
    assert_eq!(job.night(&rows, &[]).1.len(), 0);
}

#[test]
fn the_first_plan_of_a_job_and_one_of_a_job_that_sends_all_are_applied_too() {
    for delta in [DELTA, ""] {
        let job = Job::with(BODY, delta);
        job.audience(&people(60));
        let run = plan(&job);
        job.run(&["--apply", &run]).exits(0);
        assert_eq!(job.rows_since(&BTreeSet::new()).len(), 60);
        job.workspace
            .run(&["run", "vip.toml", "--apply", &run])
            .exits(12);
        assert_eq!(job.rows_since(&BTreeSet::new()).len(), 60);
    }
}

#[test]
fn a_plan_is_refused_once_anything_has_moved() {
    let job = Job::new();
    let mut rows = people(60);
    job.night(&rows, &[]);
    rows.insert(5, "Rome");
    job.audience(&rows);
    let run = plan(&job);
    let refused = |because: &str| {
        let before = job.received();
        let refused = job
            .workspace
            .run(&["run", "vip.toml", "--apply", &run])
            .exits(12);
        assert!(refused.error().contains(because), "{}", refused.error());
        assert_eq!(refused.next(), "klaviyo-export run vip.toml --dry-run");
        assert_eq!(job.received(), before);
    };
    rows.insert(6, "Rome");
    job.audience(&rows);
    refused("the audience has changed since");
    job.says(&BODY.replace("\"City\"", "\"Town\""), DELTA);
    refused("the job file has changed since");
    job.says(BODY, DELTA);
    rows.remove(&6);
    rows.insert(6, "Oslo");
    job.night(&rows, &[]);
    let error = job
        .workspace
        .run(&["run", "vip.toml", "--apply", &run])
        .exits(12);
    assert!(error.error().contains("since"), "{}", error.error());
    let error = job
        .workspace
        .run(&["run", "vip.toml", "--apply", "20260101T000000Z-00000000"])
        .exits(2);
    assert!(
        error.error().contains("the job has no such run"),
        "{}",
        error.error()
    );
}
