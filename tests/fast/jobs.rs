//! Every job of `fixtures/jobs`: the good ones run dry, each of the bad ones is refused with the message in its first line.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use std::path::{Path, PathBuf};

use workspace::Workspace;

pub(crate) fn fixtures(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures/jobs")
        .join(folder);
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "toml"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

#[test]
fn good_jobs_run_dry() {
    for path in fixtures("good") {
        let workspace = Workspace::new();
        let outcome = workspace.run(&["run", path.to_str().unwrap(), "--dry-run"]);
        assert!(
            matches!(outcome.code, 0 | 3),
            "{}: {}",
            path.display(),
            outcome.stderr
        );
    }
}

#[test]
fn bad_jobs_are_refused_with_the_message_that_they_name_and_leave_no_run() {
    let mut wrong = Vec::new();
    for path in fixtures("bad") {
        let workspace = Workspace::new();
        let text = std::fs::read_to_string(&path).unwrap();
        let expected = text
            .lines()
            .next()
            .unwrap()
            .strip_prefix("# error: ")
            .unwrap();
        // A dry run wants no secret.
        let flags = if text.contains("-env = ") {
            &[][..]
        } else {
            &["--dry-run"]
        };
        let arguments = [&["run", path.to_str().unwrap()], flags].concat();
        let outcome = workspace.run(&arguments);
        // A message of the job names it by its path, which differs from machine to machine.
        let own = format!("job file {}: ", path.display());
        let error = outcome.error();
        let (code, error) = match error.strip_prefix(&own) {
            Some(rest) => (10, rest),
            None => (outcome.code, error),
        };
        if error != expected || outcome.code != code || !matches!(code, 10 | 12) {
            wrong.push(format!("{}\n  {error} ({})", path.display(), outcome.code));
        }
        assert_eq!(outcome.stderr.lines().count(), 1, "{}", outcome.stderr);
        assert_eq!(outcome.stdout, "");
        // A dry run leaves nothing, and another attempt a record of itself.
        let job = std::fs::read_dir(workspace.path("state")).unwrap().next();
        let left = job.map(|job| job.unwrap().path());
        assert_eq!(left.is_some(), flags.is_empty() && outcome.code == 10);
        if let Some(left) = left {
            let record = std::fs::read_to_string(left.join("last-attempt.json")).unwrap();
            assert!(record.contains("\"exit_code\": 10"), "{record}");
            assert_eq!(std::fs::read_dir(left.join("runs")).unwrap().count(), 0);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
