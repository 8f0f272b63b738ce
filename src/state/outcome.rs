//! The memory of how a job's attempts ended: when one was good last, and what those who are told have heard.
//!
//! It outlives the runs, which are removed when they are old. Neither a URL nor personal data is in it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::directory::JobDirectory;
use crate::state::lock::seconds;
use crate::state::manifest::{RunStatus, StateError, read_manifest};
use crate::state::storage::replace_json;

/// The version of the record's form.
const OUTCOME_VERSION: u32 = 1;

/// How a job's attempts ended. Field names do not change.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutcomeRecord {
    /// The version of the form, `OUTCOME_VERSION`.
    pub version: u32,
    /// When an attempt was good last.
    pub last_success_at: Option<Timestamp>,
    /// When the first of the attempts ended that have failed since; `None` while all is well.
    #[serde(default)]
    pub failing_since: Option<Timestamp>,
    /// The exit code that each of those who are told has heard last; 0 after a recovery.
    #[serde(default)]
    pub heard: BTreeMap<String, u8>,
}

impl OutcomeRecord {
    /// The memory of the job in `state`. Without one, what its runs tell of the last good one.
    pub fn read(state: &JobDirectory) -> Self {
        let read = std::fs::read(state.outcome()).ok();
        let known = read.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        known.unwrap_or_else(|| Self {
            last_success_at: last_success(state),
            ..Self::default()
        })
    }

    /// The same after an attempt that ended now with `exit_code`.
    #[must_use]
    pub fn after(self, exit_code: u8, now: Timestamp) -> Self {
        let now = seconds(now);
        let is_good = exit_code == 0;
        Self {
            version: OUTCOME_VERSION,
            last_success_at: if is_good {
                Some(now)
            } else {
                self.last_success_at
            },
            failing_since: if is_good {
                None
            } else {
                self.failing_since.or(Some(now))
            },
            heard: self.heard,
        }
    }

    /// Makes it the memory of the job in `state`.
    pub fn write(&self, state: &JobDirectory) -> Result<(), StateError> {
        state.create()?;
        replace_json(&state.outcome(), self)
    }
}

/// When the last run of the job ended that delivered its whole audience.
fn last_success(state: &JobDirectory) -> Option<Timestamp> {
    let ids = state.run_ids().ok()?;
    let mut runs = ids.iter().rev();
    runs.find_map(|id| {
        let run = read_manifest(&state.run(id).manifest()).ok()?;
        let is_good = run.status == RunStatus::Done && !run.is_trial();
        run.finished_at.filter(|_| is_good).map(seconds)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_keeps_the_last_success_and_the_first_failure() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let good = OutcomeRecord::default().after(0, at(1));
        assert_eq!(
            (good.last_success_at, good.failing_since),
            (Some(at(1)), None)
        );
        let bad = good.after(14, at(2)).after(17, at(3));
        assert_eq!(
            (bad.last_success_at, bad.failing_since),
            (Some(at(1)), Some(at(2)))
        );
        let directory = tempfile::tempdir().unwrap();
        let state = JobDirectory::new(directory.path(), "vip");
        assert_eq!(OutcomeRecord::read(&state), OutcomeRecord::default());
        bad.write(&state).unwrap();
        assert_eq!(OutcomeRecord::read(&state), bad);
        let well = bad.after(0, at(4));
        assert_eq!(
            (well.last_success_at, well.failing_since),
            (Some(at(4)), None)
        );
    }
}
