//! The bar for a terminal: one line for reading and formatting, one for sending.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use super::waits::{ServerSilence, Wait};
use super::{Display, list_summary, time_left};
use crate::base::meter::Meter;
use crate::base::text::{count, grouped, megabytes};
use crate::cli::console::Console;

/// Two lines at the foot of the terminal, and one for the list.
pub(super) struct Bars {
    format: ProgressBar,
    send: Option<ProgressBar>,
    /// Shown from when the list stage begins.
    list: Option<ProgressBar>,
    console: Console,
    /// The columns that the bars were drawn for.
    columns: usize,
    last: Option<(Duration, u64)>,
    speed: f64,
    silence: ServerSilence,
    /// Until then it is told that formatting waits for the delivery.
    full_until: Duration,
}

impl Bars {
    pub(super) fn new(console: Console, sends: bool) -> Self {
        let columns = console.bar_columns();
        let new = |prefix| bar(console.bars(), columns).with_prefix(prefix);
        Self {
            format: new("format"),
            send: sends.then(|| new("send")),
            list: None,
            columns,
            console,
            last: None,
            speed: 0.0,
            silence: ServerSilence::default(),
            full_until: Duration::ZERO,
        }
    }

    fn draw_list(&mut self, meter: &Meter) {
        let Some(told) = list_summary(meter, words_width(self.columns)) else {
            return;
        };
        let list = self
            .list
            .get_or_insert_with(|| bar(self.console.bars(), self.columns).with_prefix("list"));
        list.set_length(meter.list.total.now().max(1));
        list.set_position(meter.list.done.now());
        list.set_message(told);
    }

    /// Fits the bars to a terminal that has another width now.
    fn fit(&mut self) {
        let columns = self.console.bar_columns();
        if columns == self.columns {
            return;
        }
        self.columns = columns;
        for bar in [Some(&self.format), self.send.as_ref(), self.list.as_ref()]
            .into_iter()
            .flatten()
        {
            bar.set_style(style(columns));
        }
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
        self.fit();
        self.draw_list(meter);
        self.format
            .set_length(meter.source_bytes.get().copied().unwrap_or(0));
        self.format.set_position(meter.source_bytes_read.now());
        if meter.is_full() {
            self.full_until = elapsed + FULL;
        }
        self.format.set_message(if elapsed < self.full_until {
            full_words(meter, self.columns)
        } else {
            format_words(meter, elapsed, self.columns)
        });
        let sent = meter.bytes_acknowledged.now();
        let speed = self.speed(elapsed, sent);
        let wait = Wait::of_sending(meter, self.silence.look(meter, elapsed));
        if let Some(bar) = &self.send {
            bar.set_length(expected_bytes(meter).max(1));
            bar.set_position(sent);
            bar.set_message(match wait {
                Some(wait) => wait_words(meter, wait, self.columns),
                None => send_words(meter, elapsed, speed, self.columns),
            });
        }
    }

    fn end(&mut self, _: &Meter, _: Duration) {
        self.format.finish_and_clear();
        for bar in self.send.iter().chain(&self.list) {
            bar.finish_and_clear();
        }
    }
}

/// Waits in quick succession are told as one.
const FULL: Duration = Duration::from_secs(1);

/// Below this many columns only counts, rate and time left are told.
pub(super) const NARROW: usize = 60;

fn left(meter: &Meter, elapsed: Duration, sends: bool) -> String {
    match time_left(meter, elapsed, sends) {
        Some(left) => format!(", {} left", clock(left)),
        None => String::new(),
    }
}

/// The rows that were read.
fn rows_words(meter: &Meter, columns: usize) -> String {
    let rows = meter.rows_read.now();
    if columns < NARROW {
        grouped(rows)
    } else {
        count(rows, "row")
    }
}

/// The words of the line about formatting while as many parts wait as may wait.
fn full_words(meter: &Meter, columns: usize) -> String {
    let told = rows_words(meter, columns);
    let wait = if columns < NARROW {
        "waiting to send"
    } else {
        "waiting for parts to be sent"
    };
    format!("{told}; {wait}")
}

/// The words of the line about formatting.
fn format_words(meter: &Meter, elapsed: Duration, columns: usize) -> String {
    let rows = meter.rows_read.now();
    let told = rows_words(meter, columns);
    if meter.is_formatted() {
        return format!("{told}, done");
    }
    let rate = rows / elapsed.as_secs().max(1);
    let left = left(meter, elapsed, false);
    format!("{told}, {}/s{left}", grouped(rate))
}

/// The words of the line about sending.
fn send_words(meter: &Meter, elapsed: Duration, speed: f64, columns: usize) -> String {
    let closed = meter.parts_closed.now();
    if closed == 0 {
        return "the first part is being written".to_owned();
    }
    let sent = megabytes(meter.bytes_acknowledged.now());
    if meter.is_delivered() {
        return format!("{}, {sent}, done", count(closed, "part"));
    }
    let left = left(meter, elapsed, true);
    if columns < NARROW {
        return format!("{sent}, {speed:.1} MB/s{left}");
    }
    let delivered = meter.parts_delivered.now();
    let parts = count(closed, "part");
    // The number of all parts is known when the last one is closed.
    let so_far = if meter.is_formatted() { "" } else { " so far" };
    let told = format!("{delivered} of {parts}{so_far}, {sent}, {speed:.1} MB/s");
    let retries = match meter.retries.now() {
        0 => String::new(),
        1 => ", 1 retry".to_owned(),
        retries => format!(", {} retries", grouped(retries)),
    };
    // They go before the time left does.
    if told.len() + retries.len() + left.len() > words_width(columns) {
        return told + &left;
    }
    told + &retries + &left
}

/// The words of the line about sending while nothing is sent.
fn wait_words(meter: &Meter, wait: Wait, columns: usize) -> String {
    if columns < NARROW {
        return wait.words(true);
    }
    let delivered = meter.parts_delivered.now();
    let parts = count(meter.parts_closed.now(), "part");
    let told =
        [false, true].map(|is_short| format!("{delivered} of {parts}; {}", wait.words(is_short)));
    let [whole, short] = told;
    if whole.len() <= words_width(columns) {
        whole
    } else {
        short
    }
}

/// One line at the foot of the terminal.
fn bar(bars: &MultiProgress, columns: usize) -> ProgressBar {
    bars.add(ProgressBar::new(0).with_style(style(columns)))
}

/// The columns that the words of a line take at most: counts, rate and time left of a large audience.
const WORDS: usize = 64;

/// The width of the bar itself on a terminal of `columns`. The words tell more than the bar: it takes what they leave, and
/// goes before they are cut.
fn bar_width(columns: usize) -> usize {
    match columns {
        0..NARROW => 0,
        NARROW..80 => 8,
        80..100 => 16,
        _ => columns - WORDS - "format [] ".len(),
    }
}

/// The columns that are left for words.
fn words_width(columns: usize) -> usize {
    match bar_width(columns) {
        0 => columns.saturating_sub("format ".len()),
        width => columns.saturating_sub(width + "format [] ".len()),
    }
}

fn style(columns: usize) -> ProgressStyle {
    let template = match bar_width(columns) {
        0 => "{prefix:>6} {wide_msg}".to_owned(),
        width => format!("{{prefix:>6}} [{{bar:{width}}}] {{wide_msg}}"),
    };
    // The bar's default stands in if the template ever were wrong.
    ProgressStyle::with_template(&template).map_or_else(
        |_| ProgressStyle::default_bar(),
        |style| style.progress_chars("=> "),
    )
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
    fn the_bar_goes_before_the_words_and_takes_the_width_that_is_there() {
        for (columns, width) in [(40, 0), (60, 8), (80, 16), (100, 26), (120, 46)] {
            assert_eq!(bar_width(columns), width, "{columns}");
        }
    }

    #[test]
    fn a_narrow_terminal_shows_the_rate_and_the_time_left() {
        let meter = Meter::default();
        meter.rows_read.add(1_234_567);
        meter.source_bytes.set(1_000_000_000).unwrap();
        meter.source_bytes_read.set(500_000_000);
        meter.bytes_spooled.add(400_000_000);
        meter.bytes_acknowledged.add(100_000_000);
        meter.parts_closed.add(8);
        meter.parts_delivered.add(2);
        let ten = Duration::from_secs(10);
        let prefix = "format ".len();
        for (words, narrow) in [
            (
                format_words(&meter, ten, 40),
                "1,234,567, 123,456/s, 0:10 left",
            ),
            (
                send_words(&meter, ten, 12.3, 40),
                "100.0 MB, 12.3 MB/s, 1:10 left",
            ),
        ] {
            assert_eq!(words, narrow);
            assert!(prefix + words.len() <= 40, "{words}");
        }
        assert_eq!(
            format_words(&meter, ten, 80),
            "1,234,567 rows, 123,456/s, 0:10 left"
        );
        let words = send_words(&meter, ten, 12.3, 120);
        assert_eq!(words, "2 of 8 parts so far, 100.0 MB, 12.3 MB/s, 1:10 left");
        assert!(words.len() <= WORDS);
    }

    #[test]
    fn retries_are_told_where_there_is_room() {
        let meter = Meter::default();
        meter.parts_closed.add(8);
        meter.bytes_spooled.add(800_000_000);
        meter.retries.add(3);
        let words = |columns| send_words(&meter, Duration::from_secs(10), 12.3, columns);
        assert_eq!(
            words(120),
            "0 of 8 parts so far, 0 bytes, 12.3 MB/s, 3 retries"
        );
        assert_eq!(words(62), "0 of 8 parts so far, 0 bytes, 12.3 MB/s");
        meter.set_formatted();
        meter.parts_delivered.add(8);
        meter.bytes_acknowledged.add(800_000_000);
        assert_eq!(words(120), "8 parts, 800.0 MB, done");
    }

    #[test]
    fn a_wait_is_told_in_the_words_that_fit() {
        let meter = Meter::default();
        meter.parts_closed.add(12);
        assert_eq!(
            wait_words(&meter, Wait::Guard, 100),
            "0 of 12 parts; waiting: a guard counts all rows first"
        );
        assert_eq!(
            wait_words(&meter, Wait::Guard, 60),
            "0 of 12 parts; waiting for the guard"
        );
        assert_eq!(wait_words(&meter, Wait::Guard, 40), "waiting for the guard");
        meter.rows_read.add(1_234_567);
        assert!(full_words(&meter, 40).len() + "format ".len() <= 40);
    }

    #[test]
    fn clocks_read_well() {
        assert_eq!(clock(Duration::from_secs(63)), "1:03");
        assert_eq!(clock(Duration::from_secs(3_723)), "1:02:03");
    }
}
