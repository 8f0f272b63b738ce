//! Variables of a job file: one file serves several environments, and a value that changes is an edit of the file.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use klaviyo_export::base::environment::Environment;
use klaviyo_export::job::{Job, JobSource};
use serde_json::json;

use crate::support::listener::{Answers, Listener};
use crate::support::workspace::Workspace;

const AUDIENCE: &str = "email\nzoe@example.com\n";
const JOB: &str = "[audience]\nfiles = [\"${DAY:-today}/*.csv\"]\n[columns]\nemail = \"Email\"\n";

#[test]
fn variables_name_the_files_and_the_server() {
    let workspace = Workspace::with(&[
        ("today/a.csv", AUDIENCE),
        ("monday/a.csv", "email\nyan@example.com\n"),
    ]);
    let server = workspace.server();
    let section = server.section().replace("127.0.0.1", "${SFTP_HOST}");
    assert!(section.contains("${SFTP_HOST}"), "{section}");
    workspace.write("vip.toml", format!("name = \"vip\"\n{JOB}{section}"));
    let host = ("SFTP_HOST", "127.0.0.1");
    workspace
        .run_with_env(&["run", "vip.toml"], &[host])
        .exits(0);
    workspace
        .run_with_env(&["run", "vip.toml"], &[host, ("DAY", "monday")])
        .exits(0);
    let received = server.received().concat();
    assert!(
        received.contains("zoe@example.com") && received.contains("yan@example.com"),
        "{received}"
    );
}

#[test]
fn a_variable_that_is_missing_is_told_with_its_key_by_every_command() {
    let workspace = Workspace::with(&[("today/a.csv", AUDIENCE)]);
    workspace.write(
        "vip.toml",
        format!("name = \"vip\"\n{JOB}[sftp]\nhost = \"${{SFTP_HOST}}\"\n"),
    );
    for command in ["run", "check", "preview", "estimate", "status", "runs"] {
        let refused = workspace.run(&[command, "vip.toml"]).exits(10);
        assert_eq!(
            refused.error(),
            "job file vip.toml: `sftp.host`: the environment variable SFTP_HOST is not set"
        );
        assert!(
            refused.hint().contains("export SFTP_HOST=VALUE")
                && refused.hint().contains("${SFTP_HOST:-VALUE}"),
            "{}",
            refused.hint()
        );
        assert_eq!(
            refused.next(),
            format!("klaviyo-export {command} vip.toml --set 'sftp.host=VALUE'")
        );
    }
}

/// The values of the environment are nobody's to see where they are not of the type that the key has.
#[test]
fn an_error_of_a_value_from_the_environment_shows_the_key_alone() {
    let workspace = Workspace::with(&[("today/a.csv", AUDIENCE)]);
    for (section, key) in [
        ("[retry]\nfirst = \"${X}\"\n", "first"),
        ("[sftp]\nport = \"${X}\"\n", "port"),
        ("[list]\nattach = \"${X}\"\n", "attach"),
        (
            "[sftp]\nusername = \"a\"\nagent = true\nproxy = \"http://a:${X}@h:1\"\n",
            "sftp.proxy",
        ),
    ] {
        workspace.write("vip.toml", format!("name = \"vip\"\n{JOB}{section}"));
        let refused = workspace
            .run_with_env(&["check", "vip.toml"], &[("X", "hunter2")])
            .exits(10);
        assert!(
            refused.error().contains(&format!("`{key}`")) && !refused.stderr.contains("hunter2"),
            "{}",
            refused.stderr
        );
    }
}

#[test]
fn a_value_that_changes_makes_another_job_of_the_file_and_the_same_value_the_same() {
    let workspace = Workspace::new();
    let load = |text: &str, day: &str| {
        workspace.write("vip.toml", format!("name = \"vip\"\n{text}"));
        let environment = Environment::from_pairs([("DAY", day), ("HOME", "/nobody")]);
        let path = workspace.path("vip.toml");
        let source = JobSource {
            path: &path,
            set: &[],
        };
        Job::load(source, &environment).unwrap()
    };
    let send = "[delta]\nsend = \"changed\"\n[sftp]\nusername = \"a\"\nagent = true\n";
    let with_variable = format!("{JOB}{send}host = \"${{DAY}}.example.com\"\n");
    let written = with_variable
        .replace("${DAY:-today}", "monday")
        .replace("${DAY}", "monday");
    let (monday, friday) = (
        load(&with_variable, "monday"),
        load(&with_variable, "friday"),
    );
    let plain = load(&written, "friday");
    assert_eq!(monday.fingerprint, plain.fingerprint);
    assert_ne!(monday.fingerprint, friday.fingerprint);
    assert_eq!(monday.owner, plain.owner);
    assert!(friday.owner.server.contains("friday.example.com"));
    let destination = |job: &Job| job.delta.clone().unwrap().context.destination;
    assert_eq!(destination(&monday), destination(&plain));
    assert_ne!(destination(&monday), destination(&friday));
}

/// A night that lacks a variable is a failure that somebody must hear of.
#[test]
fn a_missing_variable_is_told_to_those_who_watch_the_job() {
    let workspace = Workspace::with(&[("today/a.csv", AUDIENCE)]);
    let listener = Listener::start(Answers::Status(204));
    workspace.write(
        "vip.toml",
        format!(
            "name = \"vip\"\n{JOB}[sftp]\nhost = \"${{SFTP_HOST}}\"\n[notify]\nwebhook-url-env = \"HOOK\"\n"
        ),
    );
    workspace
        .run_with_env(&["run", "vip.toml"], &[("HOOK", &listener.url("/"))])
        .exits(10);
    let notices = listener.bodies();
    assert_eq!(notices.len(), 1);
    assert_eq!(notices[0]["exit_code"], json!(10), "{}", notices[0]);
}
