//! What is kept of finished runs: `keep-runs` of them, and their rejects and repairs for `keep-rejects`; so long too who was
//! in a shard that is not on the list yet.

use std::path::Path;
use std::time::SystemTime;

use crate::job::Retention;
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::manifest::{RunStatus, StateError, read_manifest};

/// Removes what is older than `retention` allows, but never the run `current` and never the job's latest run.
pub fn tidy(state: &JobDirectory, retention: Retention, current: &str) -> Result<(), StateError> {
    let ids = state.run_ids()?;
    let keep = retention.runs.max(1);
    let (old, kept) = ids.split_at(ids.len().saturating_sub(keep));
    for id in old.iter().filter(|id| *id != current) {
        let path = state.run(id).path().to_owned();
        std::fs::remove_dir_all(&path).map_err(|source| StateError::Storage {
            path,
            action: "remove it",
            source,
        })?;
    }
    for id in kept.iter().filter(|id| *id != current) {
        for name in [
            "rejects.csv",
            "repairs.csv",
            "conflicts.csv",
            "attach-rejects.csv",
        ] {
            let path = state.run(id).path().join(name);
            if is_older(&path, retention.rejects) {
                std::fs::remove_file(&path).map_err(|source| StateError::Storage {
                    path,
                    action: "remove it",
                    source,
                })?;
            }
        }
        remove_unlisted(&state.run(id), retention)?;
    }
    Ok(())
}

/// Removes who was in a shard that nobody has put on the list for so long: it is personal data too.
fn remove_unlisted(run: &RunDirectory, retention: Retention) -> Result<(), StateError> {
    let entries = std::fs::read_dir(run.parts())
        .into_iter()
        .flatten()
        .flatten();
    let old: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "ids"))
        .filter(|path| is_older(path, retention.rejects))
        .collect();
    // Of any other run they are there for a reason: it may go on.
    let is_done_shard = || {
        read_manifest(&run.manifest())
            .is_ok_and(|manifest| manifest.status == RunStatus::Done && manifest.is_shard())
    };
    if old.is_empty() || !is_done_shard() {
        return Ok(());
    }
    for path in old {
        std::fs::remove_file(&path).map_err(|source| StateError::Storage {
            path,
            action: "remove it",
            source,
        })?;
    }
    Ok(())
}

fn is_older(path: &Path, limit: std::time::Duration) -> bool {
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    modified.is_ok_and(|time| {
        SystemTime::now()
            .duration_since(time)
            .is_ok_and(|age| age > limit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_newest_runs_stay_and_old_rejects_go() {
        let directory = tempfile::tempdir().unwrap();
        let state = JobDirectory::new(directory.path(), "vip");
        for id in ["1", "2", "3", "4"] {
            state.run(id).create().unwrap();
            for name in ["rejects.csv", "conflicts.csv"] {
                std::fs::write(state.run(id).path().join(name), "x").unwrap();
            }
        }
        let day = Duration::from_hours(24);
        tidy(
            &state,
            Retention {
                runs: 3,
                rejects: day,
            },
            "4",
        )
        .unwrap();
        assert_eq!(state.run_ids().unwrap(), ["2", "3", "4"]);
        assert!(
            state.run("2").path().join("rejects.csv").exists(),
            "it is not a day old"
        );
        tidy(
            &state,
            Retention {
                runs: 3,
                rejects: Duration::ZERO,
            },
            "4",
        )
        .unwrap();
        for name in ["rejects.csv", "conflicts.csv"] {
            assert!(!state.run("3").path().join(name).exists(), "{name}");
        }
        assert!(
            state.run("4").path().join("rejects.csv").exists(),
            "the current run keeps its own"
        );
    }

    #[test]
    fn who_was_in_a_shard_is_not_known_for_longer_than_rejects() {
        let directory = tempfile::tempdir().unwrap();
        let state = JobDirectory::new(directory.path(), "vip");
        let manifest = |number: &str, status: &str| {
            format!(
                r#"{{"version": 1, "run_id": "1", "job": "vip", "dry_run": false, "program": "0",
                "job_fingerprint": "f", "sources": null, "limit": null,
                "started_at": "2026-11-23T02:00:00Z", "finished_at": null, "status": "{status}",
                "formatted": true, "counts": null, "parts": [],
                "shard": {{"number": {number}, "of": 4, "run_group": "g", "files": "0"}}}}"#
            )
        };
        for (id, number, status) in [
            ("1", "3", "done"),
            ("2", "3", "failed"),
            ("3", "null", "done"),
            ("4", "3", "done"),
        ] {
            let run = state.run(id);
            run.create().unwrap();
            std::fs::write(run.manifest(), manifest(number, status)).unwrap();
            std::fs::write(run.parts().join("a.ids"), "Email\n").unwrap();
        }
        let retention = |rejects| Retention { runs: 9, rejects };
        let left = || {
            let ids = ["1", "2", "3", "4"].into_iter();
            ids.filter(|id| state.run(id).parts().join("a.ids").exists())
                .collect::<Vec<_>>()
        };
        tidy(&state, retention(Duration::from_hours(1)), "4").unwrap();
        assert_eq!(left(), ["1", "2", "3", "4"]);
        tidy(&state, retention(Duration::ZERO), "4").unwrap();
        assert_eq!(left(), ["2", "3", "4"]);
    }
}
