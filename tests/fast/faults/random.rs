//! Connections that are cut anywhere: in the greeting, the login, a packet, a reply. Ten seeds, or as many as
//! `KLAVIYO_EXPORT_TEST_SEEDS` says.

use klaviyo_export_sandbox::Faults;

use super::cut_proxy::{Cut, CutProxy};
use super::delivery::{JobOptions, random, seeds};
use super::{ROW, Scene};
use crate::support::transport::over_both;

over_both! {
    connections_cut_at_random_lose_and_double_nothing_1;
    connections_cut_at_random_lose_and_double_nothing_2;
    connections_cut_at_random_lose_and_double_nothing_3;
    connections_cut_at_random_lose_and_double_nothing_4;
}

/// Connections of one run that may be cut; after these all is well.
const CUTS: usize = 12;

/// Cuts after a number of bytes that is as likely to be in the thousands as in the hundred thousands.
fn plan(seed: u64, part_bytes: u64) -> impl FnMut() -> Cut + Send {
    let mut numbers = random(seed);
    let mut planned = 0;
    move || {
        let mut next = || numbers.next().unwrap_or_default() >> 16;
        planned += 1;
        if planned > CUTS {
            return Cut::Never;
        }
        let limit = match next() % 4 {
            0 => 6_000, // greeting and login
            1 => 60_000,
            2 => part_bytes,
            _ => part_bytes * 3,
        };
        let bytes = next() % limit;
        if next() % 3 == 0 {
            Cut::Close(bytes)
        } else {
            Cut::Reset(bytes)
        }
    }
}

fn one_seed(seed: u64) {
    let mut numbers = random(seed ^ 0x5eed);
    let mut next = |below: u64| {
        usize::try_from(numbers.next().unwrap() >> 16).unwrap() % usize::try_from(below).unwrap()
    };
    let rows = 200 + next(1_300);
    let options = JobOptions {
        sessions: 1 + next(4),
        max_rows: 50 + next(700) as u64,
        give_up_after: "60s",
        stall_timeout: "5s",
        ..JobOptions::default()
    };
    let scene = Scene::new(rows, &options, Faults::none());
    let part_bytes = options.max_rows * ROW as u64;
    let proxy = CutProxy::start(scene.sandbox.address(), plan(seed, part_bytes));
    let mut target = scene.target();
    target.port = proxy.port();
    scene.workspace.job(&target, &options);
    let outcome = scene.run();
    assert_eq!(
        outcome.code,
        Some(0),
        "seed {seed}, {} cuts, {options:?}: {outcome:#?}",
        proxy.cuts()
    );
    scene.assert_delivered(&outcome);
}

/// One in four of the seeds, so that the four tests share the work among processors.
fn quarter(which: u64) {
    for seed in (0..seeds(10)).filter(|seed| seed % 4 == which) {
        one_seed(seed);
    }
}

fn connections_cut_at_random_lose_and_double_nothing_1() {
    quarter(0);
}

fn connections_cut_at_random_lose_and_double_nothing_2() {
    quarter(1);
}

fn connections_cut_at_random_lose_and_double_nothing_3() {
    quarter(2);
}

fn connections_cut_at_random_lose_and_double_nothing_4() {
    quarter(3);
}
