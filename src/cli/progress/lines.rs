//! A line every ten seconds, so that a cron mail stays short.

use std::time::Duration;

use super::waits::{ServerSilence, Wait};
use super::{Display, list_summary, summary, time_left};
use crate::base::meter::Meter;

/// Writes log lines.
pub(super) struct Lines {
    sends: bool,
    silence: ServerSilence,
}

impl Lines {
    pub(super) fn new(sends: bool) -> Self {
        Self {
            sends,
            silence: ServerSilence::default(),
        }
    }
}

impl Display for Lines {
    fn interval(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn draw(&mut self, meter: &Meter, elapsed: Duration) {
        if let Some(list) = list_summary(meter, usize::MAX) {
            tracing::info!(target: "progress", "{list}");
            return;
        }
        let silent = self.silence.look(meter, elapsed);
        let wait = Wait::now(meter, self.sends, silent);
        let left = match (wait, time_left(meter, elapsed, self.sends)) {
            (Some(wait), _) => format!("; {}", wait.words(false)),
            (None, Some(left)) => format!(", about {} s left", left.as_secs()),
            (None, None) => String::new(),
        };
        tracing::info!(target: "progress", "{}{left}", summary(meter, self.sends));
    }

    fn end(&mut self, _: &Meter, _: Duration) {}
}
