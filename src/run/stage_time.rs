//! When the stages of a run were.

use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

/// When a stage of a run was.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StageTime {
    /// `format`, `upload` or `list`.
    pub name: &'static str,
    /// When it began.
    pub started_at: Timestamp,
    /// How long it took.
    pub seconds: f64,
}

/// The clock of a stage that is under way.
pub(super) struct StageClock {
    started_at: Timestamp,
    clock: Instant,
}

impl StageClock {
    /// A clock that runs from now on.
    pub(super) fn start() -> Self {
        Self {
            started_at: Timestamp::now(),
            clock: Instant::now(),
        }
    }

    /// The time of the stage `name`, which ends now.
    pub(super) fn stop(&self, name: &'static str) -> StageTime {
        StageTime {
            name,
            started_at: self.started_at,
            seconds: self.clock.elapsed().as_secs_f64(),
        }
    }
}

impl StageTime {
    /// When it ended.
    pub fn ended_at(&self) -> Timestamp {
        let took = SignedDuration::try_from_secs_f64(self.seconds).unwrap_or_default();
        self.started_at
            .saturating_add(took)
            .unwrap_or(self.started_at)
    }
}
