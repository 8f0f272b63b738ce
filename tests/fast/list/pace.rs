//! The documented limits: the program keeps to them, and does not waste what they allow.

use std::time::{Duration, Instant};

use klaviyo_export_sandbox::api::{ApiFault, ApiFaults, ApiSettings};
use serde_json::Value;

use super::stage::{FILE, JobText, Stage, people};

/// A sandbox whose clock is a real one, and which imports no file meanwhile: that would be its own time.
fn in_real_time(job_delay: Duration) -> Stage {
    let stage = Stage::measuring(ApiSettings {
        job_delay,
        import_delay: Duration::from_hours(1),
        ..ApiSettings::default()
    });
    stage.api().add_list("VIP");
    stage
}

#[test]
fn twenty_five_jobs_in_a_row_meet_no_limit() {
    let stage = in_real_time(Duration::ZERO);
    stage.job(&JobText::list("").parts("max-rows = 10"));
    stage.audience(people(1..=250));
    stage.run().exits(0);
    stage.assert_members(people(1..=250));
    assert_eq!(stage.count("bulk_import_profiles"), 25);
    let refused = stage.calls().into_iter().filter(|call| call.status == 429);
    let refused: Vec<_> = refused.map(|call| call.operation).collect();
    // Windows that begin between two calls may refuse one.
    assert!(refused.len() <= 2, "{refused:?}");
}

#[test]
fn a_limit_that_holds_calls_back_is_told() {
    let stage = in_real_time(Duration::ZERO);
    stage.job(&JobText::list(""));
    stage.audience(people(1..=10));
    let limit = ApiFault::TooManyRequests {
        retry_after_seconds: 3,
    };
    stage
        .api()
        .set_faults(ApiFaults::none().once(limit).only("bulk_import_profiles"));
    let outcome = stage.execute(&["run", FILE, "--progress", "json", "-q"]);
    let outcome = outcome.exits(0);
    let waits: Vec<Value> = outcome
        .stderr
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["wait"].take())
        .filter(|wait| !wait.is_null())
        .collect();
    assert!(!waits.is_empty(), "{}", outcome.stderr);
    for wait in waits {
        assert_eq!(wait["reason"], "rate-limit");
        assert!(wait["until"].is_string(), "{wait}");
    }
}

/// 25 jobs at 10 a second, and what the last one takes.
#[test]
#[ignore = "a minute; says how near to the limits it is: tests/run --all"]
fn a_quarter_of_a_million_attach_as_fast_as_the_limits_allow() {
    let job_delay = Duration::from_secs(1);
    let stage = in_real_time(job_delay);
    stage.job(&JobText::list(""));
    stage.audience(people(1..=250_000));
    let begun = Instant::now();
    let report = stage.run().exits(0).report();
    let took = report["seconds"]["list"].as_f64().unwrap();
    stage.assert_members(people(1..=250_000));
    let allowed = (25.0 - 1.0) / 10.0 + job_delay.as_secs_f64();
    let calls = stage.calls();
    let jobs = calls
        .iter()
        .filter(|call| call.operation == "bulk_import_profiles");
    let jobs: Vec<Instant> = jobs.map(|call| call.at).collect();
    let handed_over = jobs[jobs.len() - 1].duration_since(jobs[0]).as_secs_f64();
    println!(
        "list {took:.2} s of {:.2} s; the limits allow {allowed:.2} s: {:.2} times; {} jobs handed over in {handed_over:.2} s; {} calls answered 429",
        begun.elapsed().as_secs_f64(),
        took / allowed,
        jobs.len(),
        calls.iter().filter(|call| call.status == 429).count()
    );
    assert_eq!(jobs.len(), 25);
}
