//! Bad links: slow, silent, cut again and again, with room for few connections. The delivery ends complete or with a clear
//! word, and never spins.
//!
//! The tests that take minutes are ignored; `tests/run --all` runs them.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test may end by a panic, and says how bad the weather was"
)]

use crate::support::delivery;
use crate::support::scene;
use crate::support::weather;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use delivery::{JobOptions, Running, random, wait_until};
use klaviyo_export::base::interrupt::Interrupt;
use klaviyo_export_sandbox::Faults;
use scene::Scene;
use weather::Link;

/// A delivery of rows of a kilobyte over a link of limited bytes a second.
fn over_link(rows: usize, options: &JobOptions, rate: Option<u64>) -> (Scene, Link) {
    let scene = Scene::new(rows, options, Faults::none());
    let link = Link::start(scene.sandbox.address(), rate);
    let mut target = scene.target();
    target.port = link.port();
    scene.workspace.job(&target, options);
    (scene, link)
}

/// Calls `event` after each of these times, until the program has ended.
fn meanwhile(
    running: Running,
    mut wait: impl FnMut() -> Duration + Send,
    mut event: impl FnMut() + Send,
) -> delivery::Outcome {
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let clock = Interrupt::new();
            'events: loop {
                let until = Instant::now() + wait();
                while Instant::now() < until {
                    if over.load(Ordering::Acquire) {
                        break 'events;
                    }
                    clock.sleep(Duration::from_millis(20));
                }
                event();
            }
        });
        // Set also when the wait panics, so that the thread ends.
        let ended = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            running.wait_at_most(Duration::from_mins(15))
        }));
        over.store(true, Ordering::Release);
        ended.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// One part alone is through in time, four at once never are.
#[test]
fn a_link_that_is_cut_again_and_again_lets_one_part_at_a_time_through() {
    let options = JobOptions {
        sessions: 4,
        max_rows: 2_000,
        give_up_after: "60s",
        stall_timeout: "10s",
        ..JobOptions::default()
    };
    let (scene, link) = over_link(12_000, &options, Some(1_500_000));
    let outcome = meanwhile(
        scene.workspace.start(),
        || Duration::from_millis(3_500),
        || link.cut(),
    );
    let report = scene.assert_delivered(&outcome);
    assert_eq!(report.parts.len(), 6);
    assert!(link.connections() > 4, "it was never cut");
}

#[test]
#[ignore = "four minutes: tests/run --all"]
fn a_link_of_ten_megabits_that_is_cut_each_minute_lets_parts_of_the_default_size_through() {
    let options = JobOptions {
        sessions: 4,
        first: "1s",
        give_up_after: "10m",
        stall_timeout: "60s",
        ..JobOptions::default()
    };
    let (scene, link) = over_link(160_000, &options, Some(1_250_000));
    let outcome = meanwhile(
        scene.workspace.start(),
        || Duration::from_mins(1),
        || link.cut(),
    );
    let report = scene.assert_delivered(&outcome);
    assert_eq!(report.parts.len(), 4);
    assert!(report.parts[0].bytes > 49_000_000, "not the default size");
}

/// A cut, a stall or a restart, each at random.
fn bad_weather(rows: usize, part_rows: u64, rate: u64, least: u64, most: u64) {
    let options = JobOptions {
        sessions: 4,
        max_rows: part_rows,
        give_up_after: "2m",
        stall_timeout: "2s",
        ..JobOptions::default()
    };
    let (scene, link) = over_link(rows, &options, Some(rate));
    let mut numbers = random(rows as u64);
    let mut others = random(rows as u64 + 1);
    let clock = Interrupt::new();
    let mut events = 0;
    let outcome = meanwhile(
        scene.workspace.start(),
        || Duration::from_millis(least + (numbers.next().unwrap() >> 16) % (most - least)),
        || {
            events += 1;
            let number = others.next().unwrap() >> 16;
            match number % 4 {
                0 => {
                    // Below the stall timeout half of the time.
                    link.set_silent(true);
                    clock.sleep(Duration::from_millis(least + number % 2_000));
                    link.set_silent(false);
                }
                1 => {
                    link.set_down(true);
                    link.cut();
                    clock.sleep(Duration::from_millis(number % 1_000));
                    link.set_down(false);
                }
                _ => link.cut(),
            }
        },
    );
    let report = scene.assert_delivered(&outcome);
    let attempts: u32 = report.parts.iter().map(|part| part.attempts).sum();
    println!(
        "{} parts, {attempts} attempts, {events} events, {:?}",
        report.parts.len(),
        outcome.took
    );
    assert!(events > 3, "the weather was never bad");
}

#[test]
fn bad_weather_ends_in_a_complete_delivery() {
    bad_weather(30_000, 1_000, 3_000_000, 500, 1_500);
}

#[test]
#[ignore = "five minutes: tests/run --all"]
fn a_gigabyte_in_bad_weather_ends_in_a_complete_delivery() {
    bad_weather(1_000_000, 5_000, 12_000_000, 2_000, 5_000);
}

#[test]
fn working_sessions_take_the_parts_of_those_that_find_no_room() {
    let options = JobOptions {
        sessions: 6,
        max_rows: 500,
        ..JobOptions::default()
    };
    let (scene, link) = over_link(10_000, &options, Some(6_000_000));
    link.set_at_most(2);
    let outcome = scene.run();
    let report = scene.assert_delivered(&outcome);
    assert_eq!(report.parts.len(), 20);
    assert!(link.connections() > 2, "no session was turned away");
    assert!(report.parts.iter().all(|part| part.attempts == 1));
}

#[test]
fn a_link_that_goes_silent_ends_the_run_in_time_and_without_spinning() {
    let options = JobOptions {
        sessions: 4,
        max_rows: 1_000,
        give_up_after: "3s",
        stall_timeout: "2s",
        sftp: "connect-timeout = \"1s\"".into(),
        ..JobOptions::default()
    };
    let (scene, link) = over_link(20_000, &options, Some(3_000_000));
    let running = scene.workspace.start();
    wait_until("an upload", || link.passed() > 2_000_000);
    link.set_silent(true);
    let (begun, before) = (Instant::now(), running.cpu());
    Interrupt::new().sleep(Duration::from_secs(4));
    let share = (running.cpu() - before) / begun.elapsed().as_secs_f64();
    assert!(share < 0.2, "{share:.2} of a core on a dead link");
    let outcome = running.wait();
    let took = begun.elapsed();
    outcome
        .assert_code(14)
        .assert_says(&["acknowledged nothing for 2 s", "gave up after 3s"]);
    // The stall is noticed, then it is trouble for three seconds, then one last look may take as long as it takes to connect.
    assert!(took < Duration::from_secs(2 + 3 + 5), "{took:?}");

    link.set_silent(false);
    scene.assert_delivered(&scene.run());
}

#[test]
fn a_link_that_is_silent_for_a_while_costs_one_attempt_and_nothing_else() {
    let options = JobOptions {
        max_rows: 20_000,
        stall_timeout: "1s",
        ..JobOptions::default()
    };
    let (scene, link) = over_link(20_000, &options, Some(3_000_000));
    let running = scene.workspace.start();
    // Long before the end of the part, however busy the machine is.
    wait_until("an upload", || link.passed() > 2_000_000);
    link.set_silent(true);
    running.wait_for_stderr("acknowledged nothing for 1 s");
    link.set_silent(false);
    let report = scene.assert_delivered(&running.wait());
    assert_eq!(report.parts[0].attempts, 2);
}

#[test]
fn a_slow_link_is_waited_for_by_four_sessions_without_spinning() {
    let options = JobOptions {
        sessions: 4,
        max_rows: 1_000,
        stall_timeout: "20s",
        ..JobOptions::default()
    };
    // Ten megabits a second.
    let (scene, link) = over_link(10_000, &options, Some(1_250_000));
    let mut running = scene.workspace.start();
    wait_until("uploads", || link.passed() > 1_000_000);
    let (begun, before) = (Instant::now(), running.cpu());
    wait_until("more of them", || link.passed() > 6_000_000);
    let share = (running.cpu() - before) / begun.elapsed().as_secs_f64();
    assert!(
        !running.has_ended() && share < 0.2,
        "{share:.2} of a core on a slow link"
    );
    scene.assert_delivered(&running.wait());
}
