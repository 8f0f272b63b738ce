//! `kill -9` at any moment: the same command, typed again, finishes the delivery. Every row is on the server once, and no
//! part that the program knew to be there is sent again.
//!
//! Ten kills, or as many as `KLAVIYO_EXPORT_TEST_SEEDS` says.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may end by a panic, and says where its kills came"
)]

use crate::support::delivery;
use crate::support::scene;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use delivery::{JobOptions, Outcome, random, seeds, wait_until};
use klaviyo_export::state::manifest::{PartRecord, RunManifest};
use klaviyo_export_sandbox::{Event, Faults};
use rustix::process::Signal;
use scene::Scene;

/// Where a kill found the run, by its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    BeforeTheManifest,
    Formatting,
    Sending,
    TheEnd,
}

/// Parts of two hundred rows; formatting and sending take about the same time.
fn scene() -> Scene {
    let options = JobOptions {
        sessions: 2,
        max_rows: 200,
        ..JobOptions::default()
    };
    Scene::new(4_000, &options, Faults::none().bytes_per_second(12_000_000))
}

/// How often each remote file was opened so far.
fn openings(scene: &Scene) -> BTreeMap<String, usize> {
    let mut openings = BTreeMap::new();
    for event in scene.sandbox.journal() {
        if let Event::Opened { path } = event {
            *openings.entry(path).or_default() += 1;
        }
    }
    openings
}

/// Kills the run after `time`; the outcome when it had ended before.
fn killed_after(scene: &Scene, time: Duration) -> Option<Outcome> {
    let mut running = scene.workspace.start();
    let until = Instant::now() + time;
    wait_until("the moment of the kill", || {
        Instant::now() >= until || running.has_ended()
    });
    if running.has_ended() {
        return Some(running.wait());
    }
    running.signal(Signal::KILL);
    let outcome = running.wait();
    // Between the last look and the signal it may have come to its end.
    outcome.code.is_some().then_some(outcome)
}

fn moment(manifest: Option<&RunManifest>) -> Moment {
    match manifest {
        None => Moment::BeforeTheManifest,
        Some(manifest) if !manifest.formatted => Moment::Formatting,
        Some(manifest) if manifest.finished_at.is_none() => Moment::Sending,
        Some(_) => Moment::TheEnd,
    }
}

fn empty_the_server(scene: &Scene) {
    for name in scene.received().into_keys() {
        std::fs::remove_file(scene.sandbox.profiles().join(name)).unwrap();
    }
}

/// The files of a run that was killed between its last change of state and its exit: all is there, the report too.
fn assert_done(scene: &Scene, run: &RunManifest) {
    let outcome = scene.outcome_of_done(run).expect("a run that is done");
    assert!(run.parts.iter().all(PartRecord::is_delivered));
    scene.assert_delivered(&outcome);
}

/// Kills a run at random until it gets through, and looks at what the server has; says where the kills came.
fn one_seed(scene: &Scene, seed: u64, usual: Duration) -> Vec<Moment> {
    let mut numbers = random(seed + 1);
    let mut next = |below: u64| (numbers.next().unwrap() >> 16) % below;
    let mut moments = Vec::new();
    // The run that was the last one when this began, or ended meanwhile.
    let mut before = scene.last_run().map(|run| run.run_id);
    let mut delivered: BTreeMap<String, usize> = BTreeMap::new();
    let outcome = loop {
        // Once, and one time in three once more.
        if !moments.is_empty() && next(3) > 0 {
            break scene.workspace.run();
        }
        let micros = u64::try_from(usual.as_micros()).unwrap();
        if let Some(outcome) = killed_after(scene, Duration::from_micros(next(micros))) {
            break outcome;
        }
        let manifest = scene.last_run();
        let manifest = manifest.filter(|run| Some(&run.run_id) != before.as_ref());
        moments.push(moment(manifest.as_ref()));
        if let Some(done) = manifest.as_ref().filter(|run| run.finished_at.is_some()) {
            assert_done(scene, done);
            // The next run is another one, which delivers the audience afresh.
            empty_the_server(scene);
            delivered.clear();
            before = Some(done.run_id.clone());
            continue;
        }
        let opened = openings(scene);
        for part in manifest.iter().flat_map(|manifest| &manifest.parts) {
            if part.is_delivered() {
                let path = &part.attempts.last().unwrap().remote_path;
                delivered.insert(path.clone(), opened[path]);
            }
        }
    };
    let report = scene.assert_delivered(&outcome);
    assert_eq!((report.rows_written, report.rows_read), (4_000, 4_000));
    let opened = openings(scene);
    for (path, before) in delivered {
        assert_eq!(opened[&path], before, "seed {seed}: {path} was sent again");
    }
    moments
}

/// One in four of the seeds, so that the four tests share the work among processors.
fn quarter(which: u64) {
    let scene = scene();
    let usual = scene.run();
    scene.assert_delivered(&usual);
    let mut found: BTreeMap<Moment, usize> = BTreeMap::new();
    for seed in (0..seeds(10)).filter(|seed| seed % 4 == which) {
        empty_the_server(&scene);
        for moment in one_seed(&scene, seed, usual.took) {
            *found.entry(moment).or_default() += 1;
        }
    }
    println!("kills by what they found: {found:?}");
}

#[test]
fn a_run_that_is_killed_at_random_is_finished_by_the_next_1() {
    quarter(0);
}

#[test]
fn a_run_that_is_killed_at_random_is_finished_by_the_next_2() {
    quarter(1);
}

#[test]
fn a_run_that_is_killed_at_random_is_finished_by_the_next_3() {
    quarter(2);
}

#[test]
fn a_run_that_is_killed_at_random_is_finished_by_the_next_4() {
    quarter(3);
}
