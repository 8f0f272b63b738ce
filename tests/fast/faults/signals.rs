//! Signals and kills in the middle of an upload.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use klaviyo_export_sandbox::{Event, Fault, Faults};
use rustix::process::Signal;

use crate::support::workspace::{self, Workspace};

use super::cut_proxy::CutProxy;
use super::delivery::Outcome;
use super::delivery::{JobOptions, Running, random, seeds, wait_until};
use super::{Scene, words};

/// One part of about a megabyte in each 1,000 rows.
fn slow(parts: usize, bytes_per_second: u64) -> Scene {
    let options = JobOptions {
        max_rows: 1_000,
        ..JobOptions::default()
    };
    Scene::new(
        parts * 1_000,
        &options,
        Faults::none().bytes_per_second(bytes_per_second),
    )
}

fn start_and_wait_for_upload(scene: &Scene) -> Running {
    let running = scene.workspace.start();
    scene.wait_for("an upload", |event| matches!(event, Event::Opened { .. }));
    running
}

#[test]
fn sigterm_lets_the_part_in_hand_finish_and_begins_no_other() {
    let scene = slow(3, 500_000);
    let running = start_and_wait_for_upload(&scene);
    running.signal(Signal::TERM);
    let outcome = running.wait();
    outcome
        .assert_code(143)
        .assert_says(&["interrupted by SIGTERM", "hint: run the same command again"]);
    let report = outcome.report();
    assert_eq!(words(&report)[0], "verified");
    assert!(words(&report)[1..].iter().all(|word| *word == "not sent"));
    assert_eq!(scene.opened(), 1);
    assert!(outcome.took < Duration::from_secs(9), "{:?}", outcome.took);

    // The same command goes on with what is missing.
    scene.sandbox.set_faults(Faults::none());
    let second = scene.assert_delivered(&scene.run());
    assert_eq!(second.run_id, report.run_id);
    assert_eq!(scene.opened(), 3, "a part was sent twice");
}

#[test]
fn sigterm_ends_a_long_part_within_stop_timeout_and_removes_what_it_left() {
    let scene = slow(1, 20_000);
    let running = start_and_wait_for_upload(&scene);
    let signalled = Instant::now();
    running.signal(Signal::TERM);
    let outcome = running.wait();
    let took = signalled.elapsed();
    outcome.assert_code(143);
    assert!(
        took > Duration::from_secs(6) && took < Duration::from_secs(11),
        "{took:?}"
    );
    let report = outcome.report();
    assert_eq!(words(&report), ["not sent"]);
    assert_eq!(
        scene.count(|event| matches!(event, Event::Closed { .. })),
        0,
        "a cut part was committed"
    );
    let received = scene.received();
    assert_eq!(
        received.len(),
        report.leftovers.len(),
        "{:?}\n{outcome:#?}\n{:#?}",
        received.keys(),
        scene.sandbox.journal()
    );
    assert_eq!(report.leftovers, [""; 0]);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let scene = slow(2, 20_000);
        let running = start_and_wait_for_upload(&scene);
        running.signal(signal);
        wait_a_little();
        running.signal(signal);
        let signalled = Instant::now();
        let outcome = running.wait();
        outcome.assert_code(code);
        let took = signalled.elapsed();
        assert!(took < Duration::from_secs(3), "{took:?}");
        let closed = scene.count(|event| matches!(event, Event::Closed { .. }));
        assert_eq!(closed, 0, "a cut part was committed");
    }
}

#[test]
fn a_signal_between_two_attempts_removes_what_the_first_left() {
    let options = JobOptions {
        first: "200ms",
        ..JobOptions::default()
    };
    let cut = Fault::CutAfter { bytes: 100_000 };
    let scene = Scene::new(600, &options, Faults::none().always(cut));
    // The second wait is longer than it takes to see the second cut and to send a signal.
    let running = scene.workspace.start();
    scene.wait_for("a cut", |event| {
        matches!(event, Event::PartialStored { .. })
    });
    wait_a_little();
    running.signal(Signal::TERM);
    let outcome = running.wait();
    outcome.assert_code(143);
    assert_eq!(outcome.report().leftovers, [""; 0], "{outcome:#?}");
    assert!(scene.received().is_empty(), "{:?}", scene.received().keys());
}

#[test]
fn a_signal_while_connecting_is_an_interruption_and_the_second_ends_it() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let scene = Scene::new(10, &JobOptions::default(), Faults::none());
    let mut target = scene.target();
    target.port = silent.local_addr().unwrap().port();
    scene.workspace.job(&target, &JobOptions::default());
    let running = scene.workspace.start();
    let (_connection, _) = silent.accept().unwrap();
    running.signal(Signal::TERM);
    wait_a_little();
    running.signal(Signal::TERM);
    let signalled = Instant::now();
    running.wait().assert_code(143);
    assert!(signalled.elapsed() < Duration::from_secs(3));
}

#[test]
fn stop_timeout_counts_before_the_delivery_too() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let workspace = Workspace::with(&[
        ("a.csv", "email\nzoe@example.com\n"),
        ("key", "pk_0123456789"),
    ]);
    workspace.set_mode("key", 0o600);
    let server = workspace.server();
    let body = format!(
        "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[list]\nname = \"VIP\"\n\
         [klaviyo]\nbase-url = \"http://127.0.0.1:{}\"\napi-key-file = \"key\"\n",
        silent.local_addr().unwrap().port()
    );
    let section = format!("{}\nstop-timeout = \"2s\"\n", server.section());
    workspace.write("vip.toml", format!("name = \"vip\"\n{body}\n{section}"));
    let running = workspace.command(&["run", "vip.toml"]).spawn().unwrap();
    let (_connection, _) = silent.accept().unwrap();
    let signalled = Instant::now();
    rustix::process::kill_process(rustix::process::Pid::from_child(&running), Signal::TERM)
        .unwrap();
    let outcome = workspace::Outcome::of(running);
    assert_eq!(outcome.code, 143, "{}", outcome.stderr);
    // By the default it is 7 s until what is under way ends.
    assert!(
        signalled.elapsed() < Duration::from_secs(5),
        "{}",
        outcome.stderr
    );
}

#[test]
fn a_second_signal_ends_even_the_tidying_up() {
    // After the stall no connection is answered: removing the broken attempt would wait for the connect timeout.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let stall = Fault::StallAfter {
        bytes: 100_000,
        time: None,
    };
    let scene = Scene::new(600, &JobOptions::default(), Faults::none().once(stall));
    let proxy = CutProxy::start_then(scene.sandbox.address(), silent.local_addr().unwrap());
    let mut target = scene.target();
    target.port = proxy.port();
    scene.workspace.job(&target, &JobOptions::default());
    let running = start_and_wait_for_upload(&scene);
    running.signal(Signal::TERM);
    let (_connection, _) = silent.accept().unwrap();
    wait_a_little();
    running.signal(Signal::TERM);
    let signalled = Instant::now();
    running.wait().assert_code(143);
    let took = signalled.elapsed();
    assert!(took < Duration::from_secs(3), "{took:?}");
}

#[test]
fn a_killed_run_is_made_good_by_the_next() {
    for round in 0..seeds(3) {
        let scene = slow(3, 1_000_000);
        let mut numbers = random(round + 1);
        let outcome = (0..=round % 3)
            .find_map(|_| killed_after(&scene, (numbers.next().unwrap() >> 16) % 1_500))
            .unwrap_or_else(|| {
                scene.sandbox.set_faults(Faults::none());
                scene.run()
            });
        scene.assert_delivered(&outcome);
    }
}

/// Runs the job until so many milliseconds after an upload began, then kills it; `Some` when it had done all before.
fn killed_after(scene: &Scene, milliseconds: u64) -> Option<Outcome> {
    let before = scene.opened();
    let mut running = scene.workspace.start();
    wait_until("an upload", || {
        scene.opened() > before || running.has_ended()
    });
    let until = Instant::now() + Duration::from_millis(milliseconds);
    wait_until("the moment of the kill", || Instant::now() >= until);
    if !running.has_ended() {
        running.signal(Signal::KILL);
    }
    let outcome = running.wait();
    if outcome.code.is_some() {
        return Some(outcome);
    }
    // The kill may have come after the run's last note of itself: the same command would begin another run.
    scene.last_run().and_then(|run| scene.outcome_of_done(&run))
}

fn wait_a_little() {
    let until = Instant::now() + Duration::from_millis(300);
    wait_until("some time", || Instant::now() >= until);
}
