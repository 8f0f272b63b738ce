//! The key is read from where only its owner may read, and stands nowhere else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use klaviyo_export_sandbox::api::{ApiFault, ApiFaults};

use super::stage::{FILE, JobText, Stage, people};
use super::workspace::{LIMIT, Outcome};

/// Fails when a file below `folder` has `secret`.
fn assert_nowhere(folder: &Path, secret: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            assert_nowhere(&path, secret);
        } else {
            let bytes = std::fs::read(&path).unwrap();
            let found = memchr::memmem::find(&bytes, secret.as_bytes());
            assert!(found.is_none(), "{}", path.display());
        }
    }
}

#[test]
fn a_key_that_others_may_read_is_refused() {
    let stage = Stage::new();
    stage.workspace.write("key", stage.api().key());
    let path = stage.workspace.path("key");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    stage.job(&JobText {
        key: Some("api-key-file = \"key\"".to_owned()),
        ..JobText::default()
    });
    stage.audience(people(1..=3));
    let refused = stage.run().exits(10);
    let error = refused.error();
    assert!(
        error.contains("other users can read it (mode 0644); run: chmod 600 "),
        "{error}"
    );
    assert_eq!(stage.calls().len(), 0);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    stage.run().exits(0);
    stage.assert_members(people(1..=3));
}

#[test]
fn the_key_stands_in_no_output_no_state_and_no_command_line() {
    let stage = Stage::new();
    let key = stage.api().key().to_owned();
    stage.audience(people(1..=50));
    stage.job(&JobText {
        key: Some("api-key-env = \"SECRET_KEY\"".to_owned()),
        parts: "keep-parts = true".to_owned(),
        ..JobText::list("mirror = \"exact\"")
    });
    let run = |watch: bool| {
        let mut command = stage.workspace.command(&["run", FILE, "-vv"]);
        command.env("SECRET_KEY", &key);
        command.env("KLAVIYO_EXPORT_API_SPEED", "10000");
        let child = command.spawn().unwrap();
        if watch {
            assert!(stage.api().wait_for(LIMIT, |calls| !calls.is_empty()));
            let line = std::fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
            assert!(memchr::memmem::find(&line, key.as_bytes()).is_none());
        }
        Outcome::of(child)
    };
    let good = run(true).exits(0);
    let weather = ApiFaults::none().every(ApiFault::ServerError, 2);
    stage.api().set_faults(weather);
    let busy = run(false).exits(0);
    let refuse = ApiFaults::none().always(ApiFault::Redirect { port: 9 });
    stage.api().set_faults(refuse);
    let bad = run(false).exits(16);
    for outcome in [good, busy, bad] {
        assert!(!outcome.stdout.contains(&key) && !outcome.stderr.contains(&key));
    }
    assert_nowhere(&stage.workspace.path("state"), &key);
}
