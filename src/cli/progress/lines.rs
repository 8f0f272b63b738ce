//! A line every ten seconds, so that a cron mail stays short.

use std::time::Duration;

use super::{Display, list_summary, summary, time_left};
use crate::base::meter::Meter;

/// Writes log lines.
pub(super) struct Lines {
    pub(super) sends: bool,
}

impl Display for Lines {
    fn interval(&self) -> Duration {
        Duration::from_secs(10)
    }

    fn draw(&mut self, meter: &Meter, elapsed: Duration) {
        if let Some(list) = list_summary(meter) {
            tracing::info!(target: "progress", "{list}");
            return;
        }
        let left = match time_left(meter, elapsed, self.sends) {
            Some(left) => format!(", about {} s left", left.as_secs()),
            None => String::new(),
        };
        tracing::info!(target: "progress", "{}{left}", summary(meter, self.sends));
    }

    fn end(&mut self, _: &Meter, _: Duration) {}
}
