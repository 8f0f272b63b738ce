//! The bar for a terminal: one line for reading and formatting, one for sending.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::{Display, list_summary, time_left};
use crate::base::meter::Meter;
use crate::base::text::{count, grouped, megabytes};

/// Two lines at the foot of the terminal, and one for the list.
pub(super) struct Bars {
    format: ProgressBar,
    send: Option<ProgressBar>,
    /// Shown from when the list stage begins.
    list: Option<ProgressBar>,
    terminal: MultiProgress,
    last: Option<(Duration, u64)>,
    speed: f64,
}

impl Bars {
    pub(super) fn new(bars: &MultiProgress, sends: bool) -> Self {
        Self {
            format: bar(bars).with_prefix("format"),
            send: sends.then(|| bar(bars).with_prefix("send")),
            list: None,
            terminal: bars.clone(),
            last: None,
            speed: 0.0,
        }
    }

    fn draw_list(&mut self, meter: &Meter) {
        let Some(told) = list_summary(meter) else {
            return;
        };
        let list = self
            .list
            .get_or_insert_with(|| bar(&self.terminal).with_prefix("list"));
        list.set_length(meter.list.total.now().max(1));
        list.set_position(meter.list.done.now());
        list.set_message(told);
    }

    /// Megabytes a second over the last moments, smoothed.
    fn speed(&mut self, elapsed: Duration, bytes: u64) -> f64 {
        if let Some((then, before)) = self.last {
            let seconds = (elapsed.saturating_sub(then)).as_secs_f64().max(1e-3);
            let now = bytes.saturating_sub(before) as f64 / 1e6 / seconds;
            self.speed += (now - self.speed) * (seconds / 2.0).min(1.0);
        }
        self.last = Some((elapsed, bytes));
        self.speed
    }
}

impl Display for Bars {
    fn interval(&self) -> Duration {
        Duration::from_millis(100)
    }

    fn draw(&mut self, meter: &Meter, elapsed: Duration) {
        self.draw_list(meter);
        let left = |sends| match time_left(meter, elapsed, sends) {
            Some(left) => format!(", {} left", clock(left)),
            None => String::new(),
        };
        let rows = meter.rows_read.now();
        let rate = rows / elapsed.as_secs().max(1);
        let done = meter.is_formatted();
        self.format
            .set_length(meter.source_bytes.get().copied().unwrap_or(0));
        self.format.set_position(meter.source_bytes_read.now());
        let tail = if done {
            ", done".to_owned()
        } else {
            format!(", {}/s{}", grouped(rate), left(false))
        };
        self.format
            .set_message(format!("{}{tail}", count(rows, "row")));
        let sent = meter.bytes_acknowledged.now();
        let speed = self.speed(elapsed, sent);
        if let Some(bar) = &self.send {
            bar.set_length(expected_bytes(meter).max(1));
            bar.set_position(sent);
            let closed = meter.parts_closed.now();
            if closed == 0 {
                bar.set_message("the first part is being written");
                return;
            }
            let parts = format!(
                "{} of {}",
                meter.parts_delivered.now(),
                count(closed, "part")
            );
            // Of how many parts is known when the last one is closed.
            let so_far = if done { "" } else { " so far" };
            bar.set_message(format!(
                "{parts}{so_far}, {}, {speed:.1} MB/s{}",
                megabytes(sent),
                left(true)
            ));
        }
    }

    fn end(&mut self, _: &Meter, _: Duration) {
        self.format.finish_and_clear();
        for bar in self.send.iter().chain(&self.list) {
            bar.finish_and_clear();
        }
    }
}

/// One line at the foot of the terminal.
fn bar(bars: &MultiProgress) -> ProgressBar {
    // The template is a constant and the bar's default stands in if it ever were wrong.
    let style = ProgressStyle::with_template("{prefix:>6} [{bar:16}] {wide_msg}").map_or_else(
        |_| ProgressStyle::default_bar(),
        |style| style.progress_chars("=> "),
    );
    bars.add(ProgressBar::new(0).with_style(style))
}

/// The bytes of all parts, judged by what share of the audience is in the closed ones; never less than those.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an estimate for the length of a bar"
)]
fn expected_bytes(meter: &Meter) -> u64 {
    let spooled = meter.bytes_spooled.now();
    let total = meter.source_bytes.get().copied().unwrap_or(0) as f64;
    let read = meter.source_bytes_read.now() as f64;
    if meter.is_formatted() || read <= 0.0 || total <= read {
        return spooled;
    }
    (spooled as f64 * total / read) as u64
}

/// `1:02:03` or `2:03`.
pub(super) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 {
        format!("{hours}:{minutes:02}:{seconds:02}")
    } else {
        format!("{minutes}:{seconds:02}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_is_as_long_as_all_parts_will_be() {
        let meter = Meter::default();
        meter.bytes_spooled.add(50);
        assert_eq!(expected_bytes(&meter), 50, "nothing is known of a stream");
        meter.source_bytes.set(1_000).unwrap();
        meter.source_bytes_read.set(250);
        assert_eq!(expected_bytes(&meter), 200);
        meter.set_formatted();
        assert_eq!(expected_bytes(&meter), 50);
    }

    #[test]
    fn clocks_read_well() {
        assert_eq!(clock(Duration::from_secs(63)), "1:03");
        assert_eq!(clock(Duration::from_secs(3_723)), "1:02:03");
    }
}
