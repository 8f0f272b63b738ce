//! One fault after another, with what must follow from each.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::time::{Duration, Instant};

use klaviyo_export_sandbox::{Event, Fault, Faults};

use super::delivery::{JobOptions, Running, wait_until};
use super::{ROW, Scene, attempts, words};
use crate::support::transport::over_both;

over_both! {
    a_cut_part_is_sent_again_whole_and_its_broken_attempt_is_removed;
    a_part_cut_at_its_last_byte_is_sent_again_or_adopted_but_never_twice_there;
    a_part_whose_close_was_not_answered_is_adopted;
    a_part_whose_close_was_not_answered_is_sent_again_when_nobody_may_look;
    a_close_that_is_slower_than_the_stall_limit_is_waited_for;
    a_file_that_appears_after_its_close_was_given_up_is_adopted;
    a_server_that_never_confirms_gets_three_copies_and_each_is_named;
    a_server_that_stalls_is_left_after_the_limit;
    a_stall_below_the_limit_is_waited_for;
    refused_connections_are_tried_again_by_one_session_at_a_time;
    a_server_that_refuses_for_good_ends_the_run_after_give_up_after;
    a_run_that_a_guard_stops_does_not_wait_for_a_server_that_is_down;
    a_part_that_is_cut_each_time_does_not_go_on_for_ever;
    a_refused_login_is_not_tried_again;
    a_login_that_is_refused_after_a_cut_is_not_tried_again_to_tidy_up;
    time_without_a_part_to_send_is_no_trouble;
    a_full_server_is_tried_once_more_and_then_named;
    a_server_with_room_again_takes_the_part;
    a_denied_open_ends_the_run_at_once_and_leaves_nothing_to_tell;
    a_denied_close_ends_the_run_at_once;
    a_file_that_is_collected_at_once_counts_as_delivered;
    a_file_that_nobody_may_look_at_counts_as_delivered;
    a_file_of_the_wrong_size_is_sent_three_times_and_the_other_parts_arrive;
    a_file_of_the_wrong_size_is_sent_again_and_may_be_right_then;
    a_broken_attempt_that_may_not_be_removed_is_told;
    the_text_report_names_what_is_left_over;
    a_broken_attempt_is_removed_at_last_when_the_server_relents;
    a_cut_in_each_of_several_sessions_costs_one_attempt_each;
    a_server_with_a_tiny_channel_window_gets_every_byte;
    faults_of_all_kinds_at_once_lose_nothing;
    a_part_file_that_was_cut_on_this_machine_is_a_matter_of_local_storage;
}

/// Rows of an audience that is one part of about 600 kB.
const ROWS: usize = 600;

fn one_part(faults: Faults) -> Scene {
    Scene::new(ROWS, &JobOptions::default(), faults)
}

/// Parts of 100 rows, about 100 kB each.
fn parts(count: usize, sessions: usize, faults: Faults) -> Scene {
    let options = JobOptions {
        sessions,
        max_rows: 100,
        ..JobOptions::default()
    };
    Scene::new(count * 100, &options, faults)
}

fn a_cut_part_is_sent_again_whole_and_its_broken_attempt_is_removed() {
    for bytes in [0, 1, 29_999, 30_000, 300_000] {
        let scene = one_part(Faults::none().once(Fault::CutAfter { bytes }));
        let report = scene.assert_delivered(&scene.run());
        assert_eq!(attempts(&report), [2], "cut after {bytes}");
        assert_eq!(report.leftovers, [""; 0]);
        let second = report.parts[0].remote_path.clone().unwrap();
        let first = second.replace("-a2.csv", ".csv");
        assert_ne!(first, second);
        let journal = scene.sandbox.journal();
        let place = |wanted: &Event| journal.iter().position(|event| event == wanted);
        let path = first.clone();
        let cut = place(&Event::PartialStored { path, bytes }).unwrap();
        let removed = place(&Event::Removed { path: first }).unwrap();
        let path = second;
        let again = place(&Event::Opened { path }).unwrap();
        assert!(cut < removed && removed < again, "{journal:#?}");
    }
}

fn a_part_cut_at_its_last_byte_is_sent_again_or_adopted_but_never_twice_there() {
    let whole = one_part(Faults::none());
    let size = whole.assert_delivered(&whole.run()).parts[0].bytes;
    for bytes in [size - 1, size] {
        let scene = one_part(Faults::none().once(Fault::CutAfter { bytes }));
        scene.assert_delivered(&scene.run());
    }
}

fn a_part_whose_close_was_not_answered_is_adopted() {
    let scene = one_part(Faults::none().once(Fault::CutAtClose));
    let report = scene.assert_delivered(&scene.run());
    assert_eq!(
        (attempts(&report), words(&report)),
        (vec![1], vec!["verified"])
    );
    assert_eq!(scene.opened(), 1, "it was sent twice");
}

fn a_part_whose_close_was_not_answered_is_sent_again_when_nobody_may_look() {
    let faults = Faults::none()
        .once(Fault::CutAtClose)
        .always(Fault::DenyStat);
    let scene = one_part(faults);
    let report = scene.assert_delivered(&scene.run());
    assert_eq!(
        (attempts(&report), words(&report)),
        (vec![2], vec!["unverified"])
    );
}

/// A CLOSE that takes `seconds`, and the limit for its answer.
fn slow_close(seconds: u64, times: u32, commit_timeout: &'static str) -> Scene {
    let options = JobOptions {
        commit_timeout,
        stall_timeout: "1s",
        ..JobOptions::default()
    };
    let slow = Fault::SlowClose {
        time: Duration::from_secs(seconds),
    };
    Scene::new(ROWS, &options, Faults::none().times(slow, times))
}

fn a_close_that_is_slower_than_the_stall_limit_is_waited_for() {
    let scene = slow_close(3, 1, "20s");
    let report = scene.assert_delivered(&scene.run());
    assert_eq!(
        (attempts(&report), words(&report)),
        (vec![1], vec!["verified"])
    );
    assert_eq!(scene.opened(), 1, "it was sent twice");
}

fn a_file_that_appears_after_its_close_was_given_up_is_adopted() {
    let scene = slow_close(4, 1, "3s");
    let report = scene.assert_delivered(&scene.run());
    assert_eq!(
        (attempts(&report), words(&report)),
        (vec![1], vec!["verified"])
    );
    assert_eq!(scene.opened(), 1, "it was sent twice");
    assert!(report.leftovers.is_empty(), "{:?}", report.leftovers);
}

fn a_server_that_never_confirms_gets_three_copies_and_each_is_named() {
    let scene = slow_close(60, u32::MAX, "1s");
    let outcome = scene.run();
    outcome.assert_code(14);
    outcome.assert_says(&[
        "part 0001 was sent 3 times, and the server never confirmed it",
        "raise commit-timeout",
    ]);
    assert_eq!(scene.opened(), 3);
    let left = outcome.report().leftovers;
    assert_eq!(left.len(), 3, "{left:?}");
}

fn a_server_that_stalls_is_left_after_the_limit() {
    let stall = Fault::StallAfter {
        bytes: 300_000,
        time: None,
    };
    let scene = one_part(Faults::none().once(stall));
    let outcome = scene.run();
    let report = scene.assert_delivered(&outcome);
    assert_eq!(attempts(&report), [2]);
    outcome.assert_says(&["acknowledged nothing for 2 s"]);
    assert!(outcome.took < Duration::from_secs(8), "{:?}", outcome.took);
}

fn a_stall_below_the_limit_is_waited_for() {
    let stall = Fault::StallAfter {
        bytes: 300_000,
        time: Some(Duration::from_millis(700)),
    };
    let scene = one_part(Faults::none().once(stall));
    let report = scene.assert_delivered(&scene.run());
    assert_eq!(attempts(&report), [1]);
}

fn refused_connections_are_tried_again_by_one_session_at_a_time() {
    let refused = Faults::none().times(Fault::RefuseConnection, 4);
    let scene = parts(4, 4, refused);
    let outcome = scene.run();
    let report = scene.assert_delivered(&outcome);
    assert_eq!(attempts(&report), [1; 4]);
    outcome.assert_says(&["trying again in"]);
    let journal = scene.sandbox.journal();
    let first = journal
        .iter()
        .position(|event| *event == Event::Authenticated)
        .unwrap();
    let connected = |event: &&Event| **event == Event::Connected;
    assert_eq!(journal[..first].iter().filter(connected).count(), 5);
}

fn a_server_that_refuses_for_good_ends_the_run_after_give_up_after() {
    let options = JobOptions {
        sessions: 4,
        give_up_after: "500ms",
        ..JobOptions::default()
    };
    let scene = Scene::new(10, &options, Faults::none().always(Fault::RefuseConnection));
    let outcome = scene.run();
    outcome
        .assert_code(14)
        .assert_says(&["gave up after 500ms", "hint: nothing is lost"]);
    assert_eq!(words(&outcome.report()), ["not sent"]);
    assert!(outcome.took < Duration::from_secs(5), "{:?}", outcome.took);
}

fn a_run_that_a_guard_stops_does_not_wait_for_a_server_that_is_down() {
    let options = JobOptions {
        give_up_after: "1h",
        ..JobOptions::default()
    };
    let scene = Scene::new(1, &options, Faults::none().always(Fault::RefuseConnection));
    let bad = ",bad,,\n".repeat(2_000);
    scene
        .workspace
        .write("audience.csv", format!("id,mail,name,note\n{bad}"));
    let outcome = scene.run();
    outcome.assert_code(17).assert_says(&["max-rejected"]);
    let status = scene.workspace.call(&["status", "job.toml"]);
    assert!(
        status.stdout.contains(
            "\n  error      2,000 of 2,000 rows are rejected, most of them as no-identifier, and "
        ),
        "{}",
        status.stdout
    );
}

fn a_part_that_is_cut_each_time_does_not_go_on_for_ever() {
    let options = JobOptions {
        give_up_after: "1h",
        ..JobOptions::default()
    };
    let cut = Fault::CutAfter { bytes: 300_000 };
    let scene = Scene::new(ROWS, &options, Faults::none().always(cut));
    let outcome = scene.run();
    outcome.assert_code(14).assert_says(&[
        "part 0001 (587.1 kB) broke 20 times during the upload",
        "use a smaller max-bytes",
    ]);
    let report = outcome.report();
    assert_eq!(report.leftovers, [""; 0]);
    assert!(scene.received().is_empty());
}

fn a_refused_login_is_not_tried_again() {
    let scene = parts(8, 4, Faults::none().always(Fault::RefuseLogin));
    let outcome = scene.run();
    outcome.assert_code(13).assert_says(&[
        "rejected the login of SandBx_Usr001 with key file",
        "publickey",
    ]);
    assert_eq!(
        scene.count(|event| *event == Event::Connected),
        1,
        "{:#?}",
        scene.sandbox.journal()
    );
}

fn a_login_that_is_refused_after_a_cut_is_not_tried_again_to_tidy_up() {
    let faults = Faults::none()
        .once(Fault::CutAfter { bytes: 50_000 })
        .nth(Fault::RefuseLogin, 2);
    let scene = one_part(faults);
    let outcome = scene.run();
    outcome.assert_code(13);
    assert_eq!(scene.count(|event| *event == Event::Connected), 2);
    let report = outcome.report();
    let cut = report.parts[0].remote_path.clone().unwrap();
    assert_eq!(report.leftovers, [cut]);
}

fn time_without_a_part_to_send_is_no_trouble() {
    let options = JobOptions {
        file: "-",
        give_up_after: "500ms",
        ..JobOptions::default()
    };
    let faults = Faults::none()
        .once(Fault::RefuseConnection)
        .once(Fault::CutAfter { bytes: 0 });
    // The beginning of a stream is looked at before anything is connected.
    let scene = Scene::new(3_000, &options, faults);
    let mut command = scene.workspace.command(&["run", "job.toml", "--json"]);
    let mut running = Running::start(command.stdin(std::process::Stdio::piped()));
    let audience = std::fs::read(scene.workspace.path("audience.csv")).unwrap();
    let (first, rest) = audience.split_at(audience.len() * 2 / 3);
    let mut source = running.source();
    source.write_all(first).unwrap();
    scene.wait_for("the login", |event| *event == Event::Authenticated);
    let until = Instant::now() + Duration::from_millis(700);
    wait_until("longer than give-up-after", || Instant::now() >= until);
    source.write_all(rest).unwrap();
    drop(source);
    let report = scene.assert_delivered(&running.wait());
    assert_eq!(attempts(&report), [2]);
}

fn a_full_server_is_tried_once_more_and_then_named() {
    let scene = one_part(Faults::none().always(Fault::NoSpaceAfter { bytes: 100_000 }));
    let outcome = scene.run();
    outcome.assert_code(14).assert_says(&[
        "part 0001",
        "refused to write /profiles/",
        "its disk is full",
    ]);
    let report = outcome.report();
    assert_eq!(
        (attempts(&report), words(&report)),
        (vec![2], vec!["not sent"])
    );
    assert_eq!(report.leftovers, [""; 0]);
    assert!(scene.received().is_empty(), "{:?}", scene.received().keys());
}

fn a_server_with_room_again_takes_the_part() {
    let scene = one_part(Faults::none().once(Fault::NoSpaceAfter { bytes: 100_000 }));
    let report = scene.assert_delivered(&scene.run());
    assert_eq!(attempts(&report), [2]);
}

fn a_denied_open_ends_the_run_at_once_and_leaves_nothing_to_tell() {
    let faults = Faults::none()
        .always(Fault::RefuseOpen)
        .always(Fault::DenyRemove);
    let scene = one_part(faults);
    let outcome = scene.run();
    outcome.assert_code(14).assert_says(&[
        "part 0001",
        "refused to open /profiles/",
        "permission denied",
    ]);
    let report = outcome.report();
    assert_eq!(attempts(&report), [1]);
    assert_eq!(report.leftovers, [""; 0], "nothing was created");
}

fn a_denied_close_ends_the_run_at_once() {
    let scene = one_part(Faults::none().always(Fault::RefuseClose));
    let outcome = scene.run();
    outcome.assert_code(14).assert_says(&[
        "part 0001",
        "refused to close /profiles/",
        "permission denied",
    ]);
    assert_eq!(scene.opened(), 1);
    assert!(scene.received().is_empty());
}

fn a_file_that_is_collected_at_once_counts_as_delivered() {
    let scene = parts(3, 2, Faults::none().always(Fault::Collect));
    let report = scene.assert_delivered(&scene.run());
    assert_eq!(words(&report), ["collected"; 3]);
    assert_eq!(attempts(&report), [1; 3]);
}

fn a_file_that_nobody_may_look_at_counts_as_delivered() {
    let scene = parts(3, 2, Faults::none().always(Fault::DenyStat));
    let report = scene.assert_delivered(&scene.run());
    assert_eq!(words(&report), ["unverified"; 3]);
    assert_eq!(attempts(&report), [1; 3]);
}

fn a_file_of_the_wrong_size_is_sent_three_times_and_the_other_parts_arrive() {
    let wrong = Faults::none().times(Fault::WrongSize { missing: 1 }, 3);
    let scene = parts(3, 1, wrong);
    let outcome = scene.run();
    outcome
        .assert_code(15)
        .assert_says(&["1 part: the size on the server differs", "another size"]);
    let report = outcome.report();
    assert_eq!(words(&report), ["failed", "verified", "verified"]);
    assert_eq!(attempts(&report), [3, 1, 1]);
    assert_eq!(scene.received().len(), 2, "{:?}", scene.received().keys());
}

fn a_file_of_the_wrong_size_is_sent_again_and_may_be_right_then() {
    let scene = parts(3, 2, Faults::none().nth(Fault::WrongSize { missing: 1 }, 2));
    let report = scene.assert_delivered(&scene.run());
    assert_eq!(words(&report), ["verified"; 3]);
    assert_eq!(attempts(&report).iter().sum::<u32>(), 4);
}

fn a_broken_attempt_that_may_not_be_removed_is_told() {
    let faults = Faults::none()
        .once(Fault::CutAfter { bytes: 50_000 })
        .always(Fault::DenyRemove);
    let scene = one_part(faults);
    let report = scene.assert_delivered(&scene.run());
    let delivered = report.parts[0].remote_path.clone().unwrap();
    assert_eq!(report.leftovers, [delivered.replace("-a2.csv", ".csv")]);
}

fn the_text_report_names_what_is_left_over() {
    let faults = Faults::none()
        .once(Fault::CutAfter { bytes: 50_000 })
        .always(Fault::DenyRemove);
    let scene = one_part(faults);
    let outcome = scene.workspace.call(&["run", "job.toml"]);
    outcome.assert_code(0);
    assert!(
        outcome.stdout.contains("left over  /profiles/weather-")
            && outcome.stdout.contains("attempt 2"),
        "{outcome:#?}"
    );
}

fn a_broken_attempt_is_removed_at_last_when_the_server_relents() {
    let faults = Faults::none()
        .once(Fault::CutAfter { bytes: 50_000 })
        .once(Fault::DenyRemove);
    let scene = one_part(faults);
    let report = scene.assert_delivered(&scene.run());
    assert_eq!(report.leftovers, [""; 0]);
}

fn a_cut_in_each_of_several_sessions_costs_one_attempt_each() {
    let cut = Fault::CutAfter { bytes: 40_000 };
    let scene = parts(8, 4, Faults::none().times(cut, 4));
    let report = scene.assert_delivered(&scene.run());
    assert_eq!(attempts(&report).iter().sum::<u32>(), 12);
}

fn a_server_with_a_tiny_channel_window_gets_every_byte() {
    for window in [1_000, 30_000, 35_000, 100_001] {
        let scene = one_part(Faults::none().channel_window(window));
        let report = scene.assert_delivered(&scene.run());
        assert_eq!(attempts(&report), [1], "window of {window}");
    }
}

fn faults_of_all_kinds_at_once_lose_nothing() {
    let faults = Faults::none()
        .nth(Fault::RefuseConnection, 2)
        .nth(Fault::RefuseConnection, 5)
        .nth(Fault::CutAfter { bytes: 0 }, 3)
        .nth(Fault::CutAfter { bytes: 70_000 }, 4)
        .nth(Fault::CutAtClose, 2)
        .nth(Fault::CutAtClose, 5)
        .nth(Fault::WrongSize { missing: 7 }, 4)
        .nth(Fault::DenyStat, 3)
        .nth(Fault::Collect, 6)
        .nth(Fault::DenyRemove, 2);
    let scene = parts(12, 4, faults);
    scene.assert_delivered(&scene.run());
}

fn a_part_file_that_was_cut_on_this_machine_is_a_matter_of_local_storage() {
    let options = JobOptions {
        first: "300ms",
        ..JobOptions::default()
    };
    let refused = Faults::none().times(Fault::RefuseConnection, 5);
    let scene = Scene::new(ROWS, &options, refused);
    let running = scene.workspace.start();
    let runs = scene.workspace.path("state/weather/runs");
    let part = || {
        let run = std::fs::read_dir(&runs).ok()?.next()?.ok()?.path();
        let mut files = std::fs::read_dir(run.join("parts")).ok()?;
        files.find_map(|file| {
            let path = file.ok()?.path();
            path.extension()?.eq("csv").then_some(path)
        })
    };
    wait_until("a closed part", || part().is_some());
    let file = OpenOptions::new()
        .write(true)
        .open(part().unwrap())
        .unwrap();
    file.set_len(100 * ROW as u64).unwrap();
    let outcome = running.wait();
    outcome.assert_code(18).assert_says(&["part 0001"]);
    assert!(scene.received().is_empty(), "a cut part was committed");
}
