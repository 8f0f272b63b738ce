//! `kill -9` at any moment: the same command, typed again, ends with exactly the right members, knows whom it has removed,
//! and can put these back.
//!
//! Ten kills, or as many as `KLAVIYO_EXPORT_TEST_SEEDS` says.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use klaviyo_export_sandbox::api::{ApiFaults, ApiSettings};

use super::random::Random;
use super::stage::{FILE, JOB, JobText, Stage, bad_weather, people, quick, seeds};
use super::workspace::Outcome;

/// The audience; as many others are on the list before.
const ROWS: usize = 1_500;
const OTHERS: usize = 2_500;

/// The last note when a kill came.
fn moment(stage: &Stage) -> String {
    let runs = stage.workspace.path("state").join(JOB).join("runs");
    let last = std::fs::read_dir(runs).into_iter().flatten().flatten();
    let Some(last) = last.map(|entry| entry.path()).max() else {
        return "nothing".to_owned();
    };
    let Ok(text) = std::fs::read_to_string(last.join("list.journal")) else {
        return "no list yet".to_owned();
    };
    let entry = text.lines().last().unwrap_or_default();
    let word = entry.split('"').nth(1);
    word.unwrap_or("an empty journal").to_owned()
}

/// Runs for `time`, or until `more` calls of one operation came and a little longer, and then no more; the outcome when it
/// had ended before.
fn killed_after(stage: &Stage, time: Duration, more: Option<(&str, usize)>) -> Option<Outcome> {
    let before = more.map_or(0, |(operation, _)| stage.count(operation));
    let mut child = stage.start(&["run", FILE, "--json"]);
    let mut until = Instant::now() + time;
    let mut waits = more;
    while waits.is_some() || Instant::now() < until {
        if child.try_wait().unwrap().is_some() {
            return Some(Outcome::of(child));
        }
        if let Some((operation, calls)) = waits
            && stage.count(operation) >= before + calls
        {
            waits = None;
            until = Instant::now() + time / 200;
        }
        std::thread::park_timeout(Duration::from_micros(200));
    }
    child.kill().unwrap();
    let outcome = Outcome::of(child);
    // It may have ended between the last look and the signal.
    (outcome.code >= 0).then_some(outcome)
}

fn prepared(attach: &str) -> (Stage, Vec<String>) {
    let stage = Stage::with(ApiSettings {
        job_delay: Duration::from_millis(10),
        ..quick()
    });
    let list = stage.api().add_list("VIP");
    let others: Vec<String> = (0..OTHERS).map(|n| format!("old{n}@example.com")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    let ids = stage.join_list(&list, &others);
    stage.join_list(&list, &["n1@example.com", "n2@example.com"]);
    let lines = format!(
        "attach = \"{attach}\"\nmirror = \"exact\"\nmax-removals = {{ percent = 100, members = 1000000 }}"
    );
    stage.job(
        &JobText::list(&lines)
            .klaviyo("wait-for-import = \"20s\"")
            .parts("max-rows = 300"),
    );
    stage.audience(people(1..=ROWS));
    (stage, ids)
}

fn one_seed(seed: u64, usual: Duration, moments: &mut BTreeMap<String, usize>) {
    let mut random = Random::new(seed + 1);
    let attach = random.one_of(&["import-job", "members"]);
    let attaching = match attach {
        "members" => "add_profiles_to_list",
        _ => "bulk_import_profiles",
    };
    let (stage, mut others) = prepared(attach);
    if random.below(3) == 0 {
        stage.api().set_faults(bad_weather(seed));
    }
    let mut kills = 0;
    loop {
        // Once, and two times in three once more.
        if kills > 0 && random.below(3) == 0 {
            stage.run().exits(0);
            break;
        }
        let micros = random.below(usize::try_from(usual.as_micros()).unwrap());
        let calls = 1 + random.below(4);
        let more = random.one_of(&[
            None,
            Some((attaching, calls)),
            Some(("remove_profiles_from_list", calls.min(3))),
        ]);
        if let Some(outcome) = killed_after(&stage, Duration::from_micros(micros as u64), more) {
            outcome.exits(0);
            break;
        }
        kills += 1;
        *moments.entry(moment(&stage)).or_default() += 1;
    }
    stage.api().set_faults(ApiFaults::none());
    stage.assert_members(people(1..=ROWS));
    let runs = stage.workspace.path("state").join(JOB).join("runs");
    let runs = std::fs::read_dir(runs).unwrap().map(|run| run.unwrap());
    let runs: BTreeSet<String> = runs
        .map(|run| run.file_name().into_string().unwrap())
        .collect();
    let mut removed: Vec<String> = Vec::new();
    for run in &runs {
        removed.extend(stage.ids_in(run, "removed.csv"));
    }
    removed.sort();
    others.sort();
    assert!(
        removed == others,
        "seed {seed}: {} removed ids",
        removed.len()
    );
    for run in runs
        .iter()
        .filter(|run| !stage.ids_in(run, "removed.csv").is_empty())
    {
        stage.execute(&["undo", FILE, run]).exits(0);
    }
    let back = (0..OTHERS).map(|n| format!("old{n}@example.com"));
    stage.assert_members(people(1..=ROWS).into_iter().chain(back));
}

/// One in so many of the seeds, so that tests share the work among processors.
fn share(which: u64, of: u64) {
    let (stage, _) = prepared("import-job");
    let begun = Instant::now();
    stage.run().exits(0);
    let usual = begun.elapsed();
    let mut moments = BTreeMap::new();
    for seed in (0..seeds(10)).filter(|seed| seed % of == which) {
        one_seed(seed, usual, &mut moments);
    }
    println!("kills by what was noted last: {moments:?}");
}

#[test]
fn a_run_that_is_killed_at_random_is_finished_by_the_next_1() {
    share(0, 2);
}

#[test]
fn a_run_that_is_killed_at_random_is_finished_by_the_next_2() {
    share(1, 2);
}
