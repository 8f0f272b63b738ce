//! `[guard]`: how far the counts of a run may be from those of the last runs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::JobFile;
use super::{JobError, value};
use crate::state::drift::DriftLimit;

/// A run is not judged by fewer earlier runs: two say little of what is usual.
pub const LEAST_RUNS: usize = 3;

/// The fate of a run that has drifted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GuardAction {
    /// It stops before anything is sent.
    #[default]
    Fail,
    /// It delivers, and tells.
    Warn,
}

/// How far the counts of a run may be from the median of the last runs.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MaxDrift {
    /// Rows read, more or fewer.
    pub rows: DriftLimit,
    /// More rejected rows.
    pub rejected: DriftLimit,
    /// A larger share of blank cells in a column.
    pub blank: DriftLimit,
}

impl Default for MaxDrift {
    fn default() -> Self {
        Self {
            rows: DriftLimit::Percent(30.0),
            rejected: DriftLimit::Times(3.0),
            blank: DriftLimit::Times(3.0),
        }
    }
}

/// `[guard]`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct GuardSection {
    /// With how many of the last runs a run is compared.
    pub against_last: usize,
    /// How far it may be from them.
    pub max_drift: MaxDrift,
    /// The action beyond that.
    pub action: GuardAction,
}

impl GuardSection {
    /// Whether a run that has drifted stops before anything is sent.
    pub fn stops(&self) -> bool {
        self.action == GuardAction::Fail
    }
}

impl Default for GuardSection {
    fn default() -> Self {
        Self {
            against_last: 14,
            max_drift: MaxDrift::default(),
            action: GuardAction::default(),
        }
    }
}

/// The guard of a job; `None` where it has none.
pub(super) fn settings(file: &JobFile) -> Result<Option<GuardSection>, JobError> {
    let Some(section) = &file.guard else {
        return Ok(None);
    };
    let (runs, kept) = (section.against_last, file.state.keep_runs);
    if runs < LEAST_RUNS {
        return Err(value(
            "guard.against-last",
            format!("must be at least {LEAST_RUNS}: fewer runs say little of what is usual"),
        ));
    }
    if runs > kept {
        return Err(value(
            "guard.against-last",
            format!(
                "must not be more than the {kept} runs that are kept: write a smaller number, or a larger keep-runs in [state]"
            ),
        ));
    }
    Ok(Some(section.clone()))
}
