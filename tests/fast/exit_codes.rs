//! Each documented exit code that can be brought about here, by the shortest way; the other ones are named with the reason.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use std::os::unix::fs::PermissionsExt;

use klaviyo_export::base::exit_code::ExitCode;
use klaviyo_export_sandbox::{Fault, Faults};
use workspace::{LIMIT, Outcome, Server, Workspace};

const JOB: &str = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n[retry]\nfirst = \"1ms\"\nmax = \"5ms\"\ngive-up-after = \"200ms\"\n";

/// A job over one good and one bad row, against a server with `faults`.
fn started(faults: Faults, more: &str) -> (Workspace, Server, String) {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\nbad\n")]);
    let server = workspace.server_with(faults);
    let job = workspace.job("vip", &format!("{more}{JOB}"), Some(&server));
    (workspace, server, job)
}

fn ended(faults: Faults, more: &str) -> Outcome {
    let (workspace, _server, job) = started(faults, more);
    workspace.run(&["run", &job])
}

/// A run that a signal ends while it waits for a server that takes no connection.
fn signalled(signal: rustix::process::Signal) -> Outcome {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    let server = workspace.server_with(Faults::none().always(Fault::RefuseConnection));
    let patient = JOB.split("[retry]").next().unwrap();
    let job = workspace.job("vip", patient, Some(&server));
    let child = workspace.command(&["run", &job]).spawn().unwrap();
    assert!(server.0.wait_for(LIMIT, |events| events.len() > 2));
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, signal).unwrap();
    Outcome::of(child)
}

#[test]
fn every_code_comes_from_what_it_stands_for() {
    for code in ExitCode::ALL {
        let outcome = match code {
            ExitCode::Done => ended(Faults::none(), ""),
            // There is no way to a bug on purpose.
            ExitCode::Bug => continue,
            ExitCode::Usage => Workspace::new().run(&["runn"]),
            ExitCode::RowsRejected => ended(Faults::none(), "strict = true\n"),
            ExitCode::Job => Workspace::new().run(&["run", "none.toml"]),
            ExitCode::Locked => locked(),
            ExitCode::Audience => Workspace::new().run(&["send", "none.csv", "--dry-run"]),
            ExitCode::Authentication => ended(Faults::none().always(Fault::RefuseLogin), ""),
            ExitCode::Transfer => ended(Faults::none().always(Fault::CutAfter { bytes: 3 }), ""),
            ExitCode::Verification => {
                ended(Faults::none().always(Fault::WrongSize { missing: 1 }), "")
            }
            ExitCode::Klaviyo => with_a_wrong_key(),
            ExitCode::Guard => guarded(),
            ExitCode::Storage => {
                let workspace =
                    Workspace::with(&[("a.csv", "email\nzoe@example.com\n"), ("file", "")]);
                workspace.run(&["send", "a.csv", "--dry-run", "--state-dir", "file"])
            }
            ExitCode::Interrupted => signalled(rustix::process::Signal::INT),
            ExitCode::Terminated => signalled(rustix::process::Signal::TERM),
        };
        assert_eq!(
            outcome.code,
            i32::from(code.number()),
            "{code:?}\n{}\n{}",
            outcome.stdout,
            outcome.stderr
        );
        if code != ExitCode::Done && code != ExitCode::Usage {
            assert!(outcome.error().len() > 10, "{code:?}");
        }
    }
}

fn with_a_wrong_key() -> Outcome {
    let workspace = Workspace::with(&[("a.csv", "email\nzoe@example.com\n")]);
    let server = workspace.server_with(Faults::none());
    let api = server.0.api().base_url();
    let body = format!("{JOB}[list]\nname = \"VIP\"\n[klaviyo]\nbase-url = \"{api}\"\n");
    let job = workspace.job("vip", &body, Some(&server));
    workspace.run_with_env(&["run", &job], &[("KLAVIYO_API_KEY", "pk_wrong")])
}

fn guarded() -> Outcome {
    let workspace = Workspace::with(&[(
        "a.csv",
        &format!("email\nzoe@example.com\n{}", "bad\n".repeat(1_000)),
    )]);
    let job = workspace.job("vip", JOB, None);
    workspace.run(&["run", &job, "--dry-run"])
}

fn locked() -> Outcome {
    let faults = Faults::none().always(Fault::StallAfter {
        bytes: 0,
        time: None,
    });
    let (workspace, server, job) = started(faults, "");
    let mut first = workspace.command(&["run", &job]).spawn().unwrap();
    assert!(
        server
            .0
            .wait_for(LIMIT, |events| format!("{events:?}").contains("Opened"))
    );
    let outcome = workspace.run(&["run", &job]);
    first.kill().unwrap();
    first.wait().unwrap();
    outcome
}

#[test]
fn the_help_lists_the_codes() {
    let help = Workspace::new().run(&["--help"]).exits(0).stdout;
    let listed = help.split("Exit codes:\n").nth(1).unwrap();
    for (line, code) in listed.lines().zip(ExitCode::ALL) {
        assert_eq!(line, format!("  {:>3}  {}", code.number(), code.meaning()));
    }
}

#[test]
fn an_unknown_host_key_is_thirteen_with_the_fingerprint_and_the_line_to_add() {
    let (workspace, server, job) = started(Faults::none(), "");
    let known = std::fs::read_to_string(server.0.known_hosts()).unwrap();
    let text = std::fs::read_to_string(workspace.path(&job)).unwrap();
    let mine = workspace
        .path("home/.ssh/known_hosts")
        .display()
        .to_string();
    workspace.write(
        &job,
        text.replace(&server.0.known_hosts().display().to_string(), &mine),
    );
    let outcome = workspace.run(&["run", &job]).exits(13);
    let fingerprint = server.0.host_key_fingerprint();
    assert!(outcome.error().contains("is unknown") && outcome.error().contains(&fingerprint));
    assert!(
        outcome.hint().contains(known.trim()),
        "{}\n{known}",
        outcome.hint()
    );
    assert!(outcome.hint().contains(&mine));
    assert!(server.received().is_empty());

    workspace.write("home/.ssh/known_hosts", &known);
    workspace.run(&["run", &job]).exits(0);
    std::fs::remove_file(workspace.path("home/.ssh/known_hosts")).unwrap();
    let trial = workspace.run(&["run", &job, "--accept-new-host-key", "--limit", "1"]);
    // From now on the key is known.
    let next = format!("next: klaviyo-export run {job}\n");
    assert!(trial.exits(0).stderr.ends_with(&next));
    workspace.run(&["run", &job]).exits(0);
}

#[test]
fn a_changed_host_key_is_thirteen_and_is_not_accepted_by_a_flag() {
    let (workspace, server, job) = started(Faults::none(), "");
    let other = Workspace::new();
    let stranger = other.server();
    let own = std::fs::read_to_string(server.0.known_hosts()).unwrap();
    let theirs = std::fs::read_to_string(stranger.0.known_hosts()).unwrap();
    let host = own.split(' ').next().unwrap();
    let key = theirs.split_once(' ').unwrap().1;
    std::fs::write(server.0.known_hosts(), format!("{host} {key}")).unwrap();
    let outcome = workspace
        .run(&["run", &job, "--accept-new-host-key"])
        .exits(13);
    assert!(
        outcome.error().contains("has CHANGED"),
        "{}",
        outcome.error()
    );
    assert!(server.received().is_empty());
}

#[test]
fn a_key_file_that_others_can_read_is_thirteen_with_the_command_that_mends_it() {
    let (workspace, server, job) = started(Faults::none(), "");
    let key = server.0.private_key();
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = workspace.run(&["run", &job]).exits(13);
    assert!(
        outcome
            .error()
            .contains("can be read by others (mode 0644)"),
        "{}",
        outcome.error()
    );
    assert_eq!(outcome.hint(), format!("chmod 600 {}", key.display()));
    std::fs::set_permissions(key, std::fs::Permissions::from_mode(0o600)).unwrap();
    workspace.run(&["run", &job]).exits(0);
}

#[test]
fn only_loopback_is_dialled_when_the_environment_says_so() {
    let (workspace, server, job) = started(Faults::none(), "");
    let text = std::fs::read_to_string(workspace.path(&job)).unwrap();
    workspace.write(
        &job,
        text.replace("host = \"127.0.0.1\"", "host = \"192.0.2.1\""),
    );
    let outcome = workspace.run(&["run", &job]).exits(14);
    assert!(
        outcome
            .error()
            .contains("only loopback addresses are allowed"),
        "{}",
        outcome.error()
    );
    assert_eq!(server.events(), "[]");
}

#[test]
fn a_run_that_failed_is_delivered_by_running_it_again() {
    let (workspace, server, job) = started(Faults::none().always(Fault::RefuseLogin), "");
    workspace.run(&["run", &job]).exits(13);
    server.0.set_faults(Faults::none());
    workspace.run(&["run", &job]).exits(0);
    assert_eq!(server.received(), ["Email\n\"zoe@example.com\"\n"]);
}
