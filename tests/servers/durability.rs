//! The order in which things reach the disk: watched by `strace`, and killed by it at chosen system calls. And disks that fail.
//!
//! Needs Debian's `strace`; a test that finds it missing fails and says so.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may end by a panic"
)]

mod disks;

use crate::support::delivery;
use crate::support::scene;
use std::collections::HashMap;
use std::process::Command;

use delivery::{JobOptions, Outcome, Running, seeds};
use klaviyo_export_sandbox::Faults;
use scene::Scene;

const ROWS: usize = 500;

/// Five parts, which are kept here or not.
fn scene(parts: &str) -> Scene {
    let options = JobOptions {
        sessions: 2,
        max_rows: 100,
        parts: parts.to_owned(),
        ..JobOptions::default()
    };
    Scene::new(ROWS, &options, Faults::none())
}

/// `launcher`, which is to start `program`, in its folder and with its environment.
fn surrounded_as(program: &Command, launcher: &str) -> Command {
    let mut command = Command::new(launcher);
    command
        .current_dir(program.get_current_dir().unwrap())
        .env_clear()
        .envs(
            program
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(std::process::Stdio::null());
    command
}

/// `run` under strace with these flags.
fn traced(scene: &Scene, flags: &[&str]) -> Outcome {
    let program = scene.workspace.command(&["run", "job.toml", "--json"]);
    let mut command = surrounded_as(&program, "strace");
    command
        .args(["-f", "-o", "trace", "-s", "200"])
        .args(flags)
        .arg("--")
        .arg(program.get_program())
        .args(program.get_args());
    assert!(
        Command::new("strace").arg("-V").output().is_ok(),
        "strace is missing: install the Debian package strace"
    );
    Running::start(&mut command).wait()
}

/// A system call that ended well, in the order of the ends.
#[derive(Debug)]
struct Call {
    thread: String,
    text: String,
}

/// The calls of a trace; those that strace cut in two are put together where they ended.
fn calls(trace: &str) -> Vec<Call> {
    let mut begun: HashMap<&str, String> = HashMap::new();
    let mut calls = Vec::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else {
            continue;
        };
        let rest = rest.trim_start();
        if let Some(beginning) = rest.strip_suffix(" <unfinished ...>") {
            begun.insert(thread, beginning.to_owned());
            continue;
        }
        let text = match rest.strip_prefix("<... ") {
            Some(resumed) => {
                let end = resumed.split_once(" resumed>").unwrap().1;
                format!("{}{end}", begun.remove(thread).unwrap_or_default())
            }
            None => rest.to_owned(),
        };
        if !text.contains(" = -1 ") && text.contains(" = ") {
            calls.push(Call {
                thread: thread.to_owned(),
                text,
            });
        }
    }
    calls
}

/// The place of the first call from `from` on that is like this.
#[track_caller]
fn find(calls: &[Call], from: usize, what: &str, like: impl Fn(&Call) -> bool) -> usize {
    let found = calls[from..].iter().position(like);
    from + found.unwrap_or_else(|| panic!("no {what} from call {from} on:\n{calls:#?}"))
}

#[test]
fn a_part_is_durable_and_noted_before_its_upload_begins() {
    let scene = scene("keep-parts = true");
    let flags = ["-y", "-e", "trace=openat,read,write,writev,fsync,/^rename"];
    let outcome = traced(&scene, &flags);
    let report = scene.assert_delivered(&outcome);
    let trace = std::fs::read_to_string(scene.workspace.path("trace")).unwrap();
    let calls = calls(&trace);
    let run = format!("runs/{}", report.run_id);
    for number in 1..=5 {
        let name = format!(
            "{}-{number:04}.csv",
            format_args!("weather-{}", report.run_id)
        );
        let part = format!("/parts/{name}");
        let has = |call: &Call, function: &str, text: &str| {
            call.text.starts_with(function) && call.text.contains(text)
        };
        let manifest_noted = |from: usize, thread: &str| {
            let renamed = find(&calls, from, "rename to the manifest", |call| {
                call.thread == thread && has(call, "rename", "/manifest.json\"")
            });
            find(&calls, renamed, "fsync of the run's folder", |call| {
                call.thread == thread && has(call, "fsync(", &format!("{run}>)"))
            })
        };
        let synced = find(&calls, 0, "fsync of the part", |call| {
            has(call, "fsync(", &format!("{part}.partial>)"))
        });
        let written_last = calls
            .iter()
            .rposition(|call| has(call, "write", &format!("{part}.partial>")));
        assert!(written_last.unwrap() < synced, "written after its fsync");
        let named = find(&calls, synced, "rename of the part", |call| {
            has(call, "rename", &format!("{part}\""))
        });
        let folder = find(&calls, named, "fsync of the parts folder", |call| {
            has(call, "fsync(", &format!("{run}/parts>)"))
        });
        let noted = manifest_noted(folder, &calls[folder].thread);
        // The upload begins by opening the file to read it.
        let opened = find(&calls, 0, "opening of the part", |call| {
            has(call, "openat(", &format!("{part}\", O_RDONLY"))
        });
        assert!(
            noted < opened,
            "part {number}: opened at {opened}, noted at {noted}"
        );
        // The attempt is noted before the first byte is read, let alone sent.
        let sender = &calls[opened].thread;
        let attempt = manifest_noted(opened, sender);
        let read = find(&calls, opened, "reading of the part", |call| {
            call.thread == *sender && has(call, "read(", &part)
        });
        assert!(
            attempt < read,
            "part {number}: read at {read}, noted at {attempt}"
        );
    }
}

/// Killed by strace at the `at`-th call of these functions in any thread, then run again. False when there were too few
/// calls for that.
fn killed_at(functions: &str, at: u32) -> bool {
    let scene = scene("keep-parts = false");
    let kill = format!("inject={functions}:signal=KILL:when={at}");
    let trace = format!("trace={functions}");
    let outcome = traced(&scene, &["-e", &trace, "-e", &kill]);
    let killed = outcome.code.is_none();
    let finished = if killed { scene.run() } else { outcome };
    let report = scene.assert_rows(&finished);
    assert_eq!(report.rows_written, ROWS as u64, "{functions} {at}");
    killed
}

/// The first calls of each kind: every change of state on disk ends in one of these.
fn sweep(functions: &str) {
    let most = u32::try_from(seeds(3)).unwrap().min(30);
    let killed = (1..=most).filter(|at| killed_at(functions, *at)).count();
    assert!(killed >= 3, "{killed} of {most} were killed");
}

#[test]
fn a_kill_before_any_fsync_is_made_good_by_the_next_run() {
    sweep("fsync");
}

#[test]
fn a_kill_before_any_rename_is_made_good_by_the_next_run() {
    sweep("/^rename");
}

#[test]
fn a_kill_before_any_removal_is_made_good_by_the_next_run() {
    sweep("/^unlink");
}
