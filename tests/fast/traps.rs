//! Traps on this machine: links in the state folder, names that lead elsewhere, files without an end. A run refuses them soon,
//! and writes nothing outside of its folder.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::support::workspace::{Outcome, Workspace};

const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n";

fn prepared() -> Workspace {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    workspace.job("vip", JOB, None);
    workspace
}

/// A dry run, which writes the state as any run does.
fn dry_run(workspace: &Workspace) -> Outcome {
    workspace.run(&["run", "vip.toml", "--dry-run"])
}

#[test]
fn a_link_in_place_of_the_lock_is_not_followed() {
    let workspace = prepared();
    let victim = workspace.path("victim");
    fs::write(&victim, "precious").unwrap();
    let state = workspace.path("state/vip");
    fs::create_dir_all(&state).unwrap();
    symlink(&victim, state.join("lock")).unwrap();
    let outcome = dry_run(&workspace).exits(18);
    assert!(
        outcome.stderr.contains("cannot lock it"),
        "{}",
        outcome.stderr
    );
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn links_in_place_of_other_files_are_replaced_and_not_written_through() {
    let workspace = prepared();
    let victim = workspace.path("victim");
    fs::write(&victim, "precious").unwrap();
    let state = workspace.path("state/vip");
    fs::create_dir_all(&state).unwrap();
    for name in [
        "last-attempt.json",
        "attempt-report.json",
        "outcome.json",
        "job.json",
    ] {
        symlink(&victim, state.join(name)).unwrap();
    }
    dry_run(&workspace).exits(0);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn the_state_of_another_user_is_refused() {
    let workspace = prepared();
    let state = workspace.path("state");
    fs::create_dir_all(&state).unwrap();
    if rustix::process::geteuid().is_root() {
        fs::create_dir(state.join("vip")).unwrap();
        std::os::unix::fs::chown(state.join("vip"), Some(12_345), None).unwrap();
        let outcome = dry_run(&workspace).exits(18);
        let told = "the folder belongs to another user (id 12345)";
        assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
        assert!(
            outcome.stderr.contains("chown -R USER"),
            "{}",
            outcome.stderr
        );
    } else {
        // A folder of root's that everybody may write.
        symlink("/tmp", state.join("vip")).unwrap();
        let outcome = dry_run(&workspace).exits(18);
        let told = "the folder belongs to another user (id 0)";
        assert!(outcome.stderr.contains(told), "{}", outcome.stderr);
    }
}

#[test]
fn the_id_of_a_run_is_no_path() {
    let workspace = prepared();
    let server = workspace.server();
    workspace.job("vip", JOB, Some(&server));
    dry_run(&workspace).exits(0);
    let runs = workspace.path("state/vip/runs");
    let run = fs::read_dir(&runs).unwrap().next().unwrap().unwrap();
    let elsewhere = workspace.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let manifest = fs::read(run.path().join("manifest.json")).unwrap();
    fs::write(elsewhere.join("manifest.json"), &manifest).unwrap();
    for id in ["../../../elsewhere", "..", ""] {
        let outcome = workspace.run(&["run", "vip.toml", "--apply", id]);
        assert_ne!(outcome.code, 0, "{id}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains("no such run"),
            "{id}: {}",
            outcome.stderr
        );
    }
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
    for name in ["../vip", ".vip", "a/b", ""] {
        workspace.write("vip.toml", format!("name = \"{name}\"\n{JOB}"));
        let outcome = dry_run(&workspace).exits(10);
        assert!(
            outcome.stderr.contains("name"),
            "{name}: {}",
            outcome.stderr
        );
    }
}

/// Makes a pipe that nobody writes to.
fn pipe(path: &Path) {
    let (kind, mode) = (
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
    );
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, mode, 0).unwrap();
}

#[test]
fn files_without_an_end_are_refused_soon() {
    let workspace = prepared();
    pipe(&workspace.path("pipe.toml"));
    symlink("/dev/zero", workspace.path("zero.toml")).unwrap();
    symlink("/dev/zero", workspace.path("zero.sql")).unwrap();
    symlink("/dev/zero", workspace.path("zero.csv")).unwrap();
    symlink("/dev/zero", workspace.path("zero.key")).unwrap();
    workspace.write(
        "query.toml",
        "name = \"vip\"\n[audience]\nquery-file = \"zero.sql\"\npostgres = \"postgresql://ana@127.0.0.1:1/shop\"\n[columns]\nemail = \"Email\"\n",
    );
    for (arguments, code, told) in [
        (&["run", "pipe.toml"][..], 10, "it is a pipe"),
        (&["run", "zero.toml"], 10, "it has more than 4194304 bytes"),
        (&["run", "query.toml"], 10, "it has more than 4194304 bytes"),
        (
            &["preview", "zero.csv", "--map=email=Email"],
            12,
            "zero.csv",
        ),
        (
            &[
                "send",
                "a.csv",
                "--to",
                "sftp://ana@127.0.0.1:1/",
                "--identity",
                "zero.key",
                "--state-dir",
                "state",
            ],
            13,
            "zero.key",
        ),
    ] {
        let begun = Instant::now();
        let outcome = workspace.run(arguments);
        assert_eq!(outcome.code, code, "{arguments:?}: {}", outcome.stderr);
        assert!(
            outcome.stderr.contains(told),
            "{arguments:?}: {}",
            outcome.stderr
        );
        assert!(begun.elapsed() < Duration::from_secs(20), "{arguments:?}");
    }
}
