//! The record of a job's last attempt: a trace also of one that failed before it had a run.
//!
//! Written when the attempt begins and again when it ends. No personal data and no secret is in it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::directory::JobDirectory;
use crate::state::lock::seconds;
use crate::state::manifest::StateError;
use crate::state::storage::{discard, replace_json};

/// The version of the record's form.
const ATTEMPT_VERSION: u32 = 1;

/// One attempt to deliver. Field names do not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AttemptRecord {
    /// The version of the form, `ATTEMPT_VERSION`.
    pub version: u32,
    /// The command that was typed: `run`, `send`, `list` or `undo`.
    pub command: String,
    /// The limit of rows of a trial.
    pub limit: Option<u64>,
    /// Its begin.
    pub started_at: Timestamp,
    /// Its end; `None` of one that is under way or was killed.
    pub finished_at: Option<Timestamp>,
    /// The exit code that it ended with.
    pub exit_code: Option<u8>,
    /// The error that ended it, on one line.
    pub error: Option<String>,
    /// The run that it began or went on with, if it came so far.
    pub run_id: Option<String>,
}

impl AttemptRecord {
    /// An attempt that begins now.
    pub fn new(command: &str, limit: Option<u64>) -> Self {
        Self {
            version: ATTEMPT_VERSION,
            command: command.to_owned(),
            limit,
            started_at: seconds(Timestamp::now()),
            finished_at: None,
            exit_code: None,
            error: None,
            run_id: None,
        }
    }

    /// The same attempt, ended now with `exit_code`.
    #[must_use]
    pub fn ended(self, exit_code: u8, error: Option<String>) -> Self {
        Self {
            finished_at: Some(seconds(Timestamp::now())),
            exit_code: Some(exit_code),
            error,
            ..self
        }
    }

    /// The last attempt of the job in `state`; `None` where there was none, or its record cannot be read.
    pub fn read(state: &JobDirectory) -> Option<Self> {
        let bytes = std::fs::read(state.last_attempt()).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Makes it the last attempt of the job in `state`.
    pub fn write(&self, state: &JobDirectory) -> Result<(), StateError> {
        state.create()?;
        replace_json(&state.last_attempt(), self)
    }

    /// Removes the record of the job in `state`. One that cannot be removed stays.
    pub fn remove(state: &JobDirectory) {
        discard(&state.last_attempt());
    }
}
