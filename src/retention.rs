//! What is kept of finished runs: `keep-runs` of them, and their rejects and repairs for `keep-rejects`.

use std::path::Path;
use std::time::SystemTime;

use crate::job::Retention;
use crate::manifest::StateError;
use crate::state::JobDirectory;

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
        for name in ["rejects.csv", "repairs.csv", "attach-rejects.csv"] {
            let path = state.run(id).path().join(name);
            if is_older(&path, retention.rejects) {
                std::fs::remove_file(&path).map_err(|source| StateError::Storage {
                    path,
                    action: "remove it",
                    source,
                })?;
            }
        }
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
            std::fs::write(state.run(id).path().join("rejects.csv"), "x").unwrap();
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
        assert!(!state.run("3").path().join("rejects.csv").exists());
        assert!(
            state.run("4").path().join("rejects.csv").exists(),
            "the current run keeps its own"
        );
    }
}
