//! Retention: `keep-runs` runs are kept, and their rejects and repairs for `keep-rejects`. The identifiers of a shard that
//! is not on the list yet are kept as long as rejects.
//!
//! Trials (dry runs, runs with `--limit`) are counted apart: any number of them costs no run of the whole audience. The last
//! run that was meant to deliver is never removed: the next one may go on with it. Neither is the one with which the next is
//! compared.

use std::fs::File;
use std::io::ErrorKind;
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::job::Retention;
use crate::run::{delta, resume};
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::manifest::{RunStatus, StateError, read_manifest};
use crate::state::storage::storage;

/// Removes what is older than `retention` allows, but never the run `current` and never one that may go on. The run is one for `of`
/// shards, if it is for any.
pub fn tidy(
    state: &JobDirectory,
    retention: Retention,
    current: &str,
    of: Option<u32>,
) -> Result<(), StateError> {
    let ids = state.run_ids()?;
    let (trials, runs): (Vec<&String>, Vec<&String>) =
        ids.iter().partition(|id| is_trial(&state.run(id)));
    // A damaged manifest says nothing: its run is kept as long as any other.
    let unfinished = resume::last_run(state).ok().flatten();
    let unfinished = unfinished.map(|last| last.run_id);
    // Its identifiers tell who left, however many runs have failed since.
    let compared = delta::base_run(state);
    let needed = [Some(current), unfinished.as_deref(), compared.as_deref()];
    let is_needed = |id: &String| needed.contains(&Some(id.as_str()));
    let keep = retention.runs.max(1);
    for ids in [trials, runs] {
        let (old, kept) = ids.split_at(ids.len().saturating_sub(keep));
        for id in old.iter().filter(|id| !is_needed(id)) {
            remove_run(&state.run(id))?;
        }
        for id in kept.iter().filter(|id| id.as_str() != current) {
            remove_rejects(&state.run(id), retention)?;
            if compared.as_ref() != Some(id) {
                remove_unlisted(&state.run(id), retention)?;
            }
        }
    }
    for other in state.other_shards(of)? {
        let compared = delta::base_run(&other);
        for id in other.run_ids()? {
            if compared.as_ref() != Some(&id) {
                remove_unlisted(&other.run(&id), retention)?;
            }
        }
    }
    Ok(())
}

/// Whether it is a run of a trial, or one that was killed before it had done anything.
fn is_trial(run: &RunDirectory) -> bool {
    !run.manifest().exists()
        || read_manifest(&run.manifest()).is_ok_and(|manifest| manifest.is_trial())
}

fn remove_run(run: &RunDirectory) -> Result<(), StateError> {
    std::fs::remove_dir_all(run.path()).map_err(storage(run.path(), "remove it"))
}

fn remove_rejects(run: &RunDirectory, retention: Retention) -> Result<(), StateError> {
    for name in [
        "rejects.csv",
        "repairs.csv",
        "conflicts.csv",
        "attach-rejects.csv",
    ] {
        let path = run.path().join(name);
        if is_older(&path, retention.rejects) {
            std::fs::remove_file(&path).map_err(storage(&path, "remove it"))?;
        }
    }
    Ok(())
}

/// Removes the identifiers of a shard that nobody has put on the list for so long: they are personal data too.
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
        match std::fs::remove_file(&path) {
            // The run of another shard was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            removed => removed.map_err(storage(&path, "remove it"))?,
        }
    }
    Ok(())
}

/// Clocks of one network, and file systems, may differ by so much.
const CLOCK_TOLERANCE: Duration = Duration::from_hours(1);

/// Whether the file was written longer ago than `limit`. One that was written in the future, under a clock that was ahead,
/// counts as written now: it is personal data, and must not stay until that time has come.
fn is_older(path: &Path, limit: Duration) -> bool {
    let now = SystemTime::now();
    let modified = std::fs::metadata(path).and_then(|metadata| metadata.modified());
    let Ok(modified) = modified else {
        return false;
    };
    match now.duration_since(modified) {
        Ok(age) => age > limit,
        Err(ahead) => {
            if ahead.duration() > CLOCK_TOLERANCE
                && let Err(error) = File::options()
                    .write(true)
                    .open(path)
                    .and_then(|file| file.set_modified(now))
            {
                tracing::warn!("{}: its time is in the future: {error}", path.display());
            }
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::shard::Shard;

    /// A run with a manifest of this status; `more` are further keys, each with a comma behind it.
    fn run(state: &JobDirectory, id: &str, status: &str, more: &str) {
        let run = state.begin_run(id).unwrap();
        let dry = status == "dry-run";
        let manifest = format!(
            r#"{{"version": 1, "run_id": "{id}", "job": "vip", "dry_run": {dry}, "program": "0",
            "job_fingerprint": "f", "sources": null, "limit": null, {more}
            "started_at": "2026-11-23T02:00:00Z", "finished_at": null, "status": "{status}",
            "formatted": true, "counts": null, "parts": []}}"#
        );
        std::fs::write(run.manifest(), manifest).unwrap();
    }

    #[test]
    fn no_number_of_trials_removes_a_run_that_may_go_on() {
        let directory = tempfile::tempdir().unwrap();
        let state = JobDirectory::new(directory.path(), "vip");
        run(&state, "1", "done", "");
        run(&state, "2", "failed", "");
        for id in ["3", "4", "5"] {
            run(&state, id, "dry-run", "");
        }
        let retention = Retention {
            runs: 1,
            rejects: Duration::from_hours(1),
        };
        tidy(&state, retention, "5", None).unwrap();
        assert_eq!(state.run_ids().unwrap(), ["2", "5"]);
    }

    #[test]
    fn a_file_of_the_future_is_as_old_as_now() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rejects.csv");
        let file = File::create(&path).unwrap();
        let day = Duration::from_hours(24);
        file.set_modified(SystemTime::now() + 365 * day).unwrap();
        assert!(!is_older(&path, Duration::ZERO));
        assert!(file.metadata().unwrap().modified().unwrap() <= SystemTime::now());
        assert!(is_older(&path, Duration::ZERO), "it ages from now on");
    }

    #[test]
    fn the_newest_runs_stay_and_old_rejects_go() {
        let directory = tempfile::tempdir().unwrap();
        let state = JobDirectory::new(directory.path(), "vip");
        for id in ["1", "2", "3", "4"] {
            run(&state, id, "done", "");
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
            None,
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
            None,
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
        let whole = JobDirectory::new(directory.path(), "vip");
        let state = whole.shard(Shard::new(3, 4).unwrap());
        // As it was before the job had four shards.
        let earlier = whole.shard(Shard::new(1, 2).unwrap());
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
        let of_two = earlier.run("0");
        of_two.create().unwrap();
        std::fs::write(of_two.manifest(), manifest("1", "done")).unwrap();
        std::fs::write(of_two.parts().join("a.ids"), "Email\n").unwrap();
        let retention = |rejects| Retention { runs: 9, rejects };
        let left = || {
            let ids = ["1", "2", "3", "4"].into_iter();
            ids.filter(|id| state.run(id).parts().join("a.ids").exists())
                .collect::<Vec<_>>()
        };
        tidy(&state, retention(Duration::from_hours(1)), "4", Some(4)).unwrap();
        assert_eq!(left(), ["1", "2", "3", "4"]);
        assert!(of_two.parts().join("a.ids").exists());
        tidy(&state, retention(Duration::ZERO), "4", Some(4)).unwrap();
        assert_eq!(left(), ["2", "3", "4"]);
        assert!(!of_two.parts().join("a.ids").exists());
    }
}
