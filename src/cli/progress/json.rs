//! A JSON object a line for the program that started this one: one at the begin, about one a second, one when the stage
//! changes, one at the end. Field names are a promise.

use std::time::Duration;

use serde::Serialize;

use super::waits::{ServerSilence, Wait};
use super::{Display, list_left, time_left};
use crate::base::meter::Meter;
use crate::cli::console::Console;

/// The longest time between two lines.
const EVERY: Duration = Duration::from_secs(1);

/// Writes the objects.
pub(super) struct ProgressObjects {
    console: Console,
    sends: bool,
    last: Option<(Stage, Duration, u64)>,
    silence: ServerSilence,
}

/// The activity of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Stage {
    /// Rows are read and parts written; those that are closed are being sent.
    Formatting,
    /// The last part is closed; what is left is sent.
    Sending,
    /// Profiles are imported by the API, or put on the list, or taken off it.
    Listing,
    /// The run is over, well or not: the report says which.
    Ended,
}

/// One line. Bytes are of CSV; `seconds` count from the begin of the stages.
#[derive(Debug, Serialize)]
struct ProgressLine {
    event: &'static str,
    time: jiff::Timestamp,
    stage: Stage,
    seconds: f64,
    seconds_left: Option<u64>,
    source_bytes: Option<u64>,
    source_bytes_read: u64,
    rows_read: u64,
    rows_written: u64,
    rows_rejected: u64,
    duplicates: u64,
    bytes_formatted: u64,
    parts_written: u64,
    parts_delivered: u64,
    bytes_acknowledged: u64,
    bytes_per_second: u64,
    list_step: Option<&'static str>,
    list_done: u64,
    list_total: u64,
    retries: u64,
    wait: Option<LineWait>,
}

/// The reason for which the stage waits.
#[derive(Debug, Serialize)]
struct LineWait {
    reason: &'static str,
    /// How long it has lasted.
    seconds: Option<u64>,
    /// The number of the next try.
    next_try: Option<u32>,
    /// When it goes on.
    until: Option<jiff::Timestamp>,
}

impl From<Wait> for LineWait {
    fn from(wait: Wait) -> Self {
        Self {
            reason: wait.reason(),
            seconds: wait.lasted().map(|lasted| lasted.as_secs()),
            next_try: wait.next_try(),
            until: wait.until(),
        }
    }
}

impl ProgressObjects {
    pub(super) fn new(console: Console, sends: bool) -> Self {
        Self {
            console,
            sends,
            last: None,
            silence: ServerSilence::default(),
        }
    }

    /// Of acknowledged bytes, or in a run that sends nothing of formatted ones: since the last line, at the end in all.
    fn bytes_per_second(&self, stage: Stage, elapsed: Duration, bytes: u64) -> u64 {
        let (since, before) = match self.last {
            Some((_, since, before)) if stage != Stage::Ended => (since, before),
            _ => (Duration::ZERO, 0),
        };
        let milliseconds = elapsed.saturating_sub(since).as_millis().max(1);
        let rate = u128::from(bytes.saturating_sub(before)) * 1000 / milliseconds;
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    fn write(&mut self, stage: Stage, meter: &Meter, elapsed: Duration) {
        let moved = if self.sends {
            meter.bytes_acknowledged.now()
        } else {
            meter.bytes_spooled.now()
        };
        let silent = self.silence.look(meter, elapsed);
        let wait = Wait::now(meter, self.sends, silent).filter(|_| stage != Stage::Ended);
        let line = ProgressLine {
            event: "progress",
            time: jiff::Timestamp::now(),
            stage,
            seconds: (elapsed.as_secs_f64() * 1e3).round() / 1e3,
            seconds_left: match stage {
                Stage::Ended => Some(0),
                Stage::Listing => list_left(meter).map(|left| left.as_secs()),
                _ => time_left(meter, elapsed, self.sends).map(|left| left.as_secs()),
            },
            source_bytes: meter.source_bytes.get().copied(),
            source_bytes_read: meter.source_bytes_read.now(),
            rows_read: meter.rows_read.now(),
            rows_written: meter.rows_written.now(),
            rows_rejected: meter.rows_rejected.now(),
            duplicates: meter.duplicates.now(),
            bytes_formatted: meter.bytes_spooled.now(),
            parts_written: meter.parts_closed.now(),
            parts_delivered: meter.parts_delivered.now(),
            bytes_acknowledged: meter.bytes_acknowledged.now(),
            bytes_per_second: self.bytes_per_second(stage, elapsed, moved),
            list_step: meter.list.step().map(|(step, _)| step.name()),
            list_done: meter.list.done.now(),
            list_total: meter.list.total.now(),
            retries: meter.retries.now(),
            wait: wait.map(LineWait::from),
        };
        self.last = Some((stage, elapsed, moved));
        // A struct of numbers is always JSON.
        if let Ok(line) = serde_json::to_string(&line) {
            self.console.line(&line);
        }
    }
}

impl Display for ProgressObjects {
    fn interval(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn begin(&mut self, meter: &Meter) {
        self.draw(meter, Duration::ZERO);
    }

    fn draw(&mut self, meter: &Meter, elapsed: Duration) {
        let stage = if meter.list.step().is_some() {
            Stage::Listing
        } else if meter.is_formatted() {
            Stage::Sending
        } else {
            Stage::Formatting
        };
        let due = self
            .last
            .is_none_or(|(last, since, _)| last != stage || elapsed.saturating_sub(since) >= EVERY);
        if due {
            self.write(stage, meter, elapsed);
        }
    }

    fn end(&mut self, meter: &Meter, elapsed: Duration) {
        self.write(Stage::Ended, meter, elapsed);
    }
}
