//! How far a run is, shown on stderr: a bar on a terminal, else a line every ten seconds; JSON for programs.
//!
//! The stages only advance the [`Meter`]; a thread of this file looks at it and draws. Nothing goes to stdout.

mod bar;
mod json;
mod lines;
mod waits;

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};

use crate::base::meter::Meter;
use crate::base::text::{count, grouped, megabytes};
use crate::cli::console::Console;
use waits::Wait;

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ProgressStyle {
    /// A bar, for terminals.
    Bar,
    /// A line every ten seconds, for logs.
    #[default]
    Lines,
    /// One JSON object a line, every second and when the stage changes; for programs.
    Json,
    /// Nothing.
    None,
}

/// A running display; dropping it clears the bar.
pub struct Progress {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Draws what the meter says.
trait Display: Send {
    fn interval(&self) -> Duration;
    /// Before the first interval has passed.
    fn begin(&mut self, _: &Meter) {}
    fn draw(&mut self, meter: &Meter, elapsed: Duration);
    fn end(&mut self, meter: &Meter, elapsed: Duration);
}

impl Progress {
    /// Begins to show `meter`. `sends` is false for a run that only formats.
    pub fn start(style: ProgressStyle, console: &Console, meter: Arc<Meter>, sends: bool) -> Self {
        let mut display: Box<dyn Display> = match style {
            ProgressStyle::None => {
                return Self {
                    stop: None,
                    thread: None,
                };
            }
            ProgressStyle::Bar => Box::new(bar::Bars::new(console.clone(), sends)),
            ProgressStyle::Lines => Box::new(lines::Lines::new(sends)),
            ProgressStyle::Json => Box::new(json::ProgressObjects::new(console.clone(), sends)),
        };
        let (stop, stopped) = bounded::<()>(0);
        let thread = std::thread::spawn(move || {
            let begun = Instant::now();
            display.begin(&meter);
            while stopped.recv_timeout(display.interval()) == Err(RecvTimeoutError::Timeout) {
                display.draw(&meter, begun.elapsed());
            }
            display.end(&meter, begun.elapsed());
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A display that panicked has nothing left to clear.
            let _ = thread.join();
        }
    }
}

/// The JSON Schema of a line of `--progress json`, for whoever reads it by program.
pub const SCHEMA: &str = include_str!("progress/schema.json");

/// The line of the list stage: `12,000 of 250,000 profiles handed over in import jobs, about 3:10 left`; or the reason for which
/// it waits. What does not fit into `columns` is left out, the time left last.
fn list_summary(meter: &Meter, columns: usize) -> Option<String> {
    let fits = |text: &String| text.len() <= columns;
    let wait = Wait::of_list(meter);
    let wait_words = |wait: Wait| {
        Some(wait.words(false))
            .filter(fits)
            .unwrap_or(wait.words(true))
    };
    let Some((step, _)) = meter.list.step() else {
        return wait.map(wait_words);
    };
    let (done, total) = (meter.list.done.now(), meter.list.total.now());
    let of = if total >= done && total > 0 {
        format!(" of {}", count(total, "profile"))
    } else {
        " profiles".to_owned()
    };
    let done = format!("{}{of}", grouped(done));
    if let Some(wait) = wait {
        let whole = format!("{done}; {}", wait.words(false));
        return Some(whole).filter(fits).or(Some(wait_words(wait)));
    }
    let words = step.words();
    let left = list_left(meter).map(bar::clock);
    let Some(left) = left else {
        let whole = format!("{done} {words}");
        return Some(whole).filter(fits).or(Some(done));
    };
    let texts = [
        format!("{done} {words}, about {left} left"),
        format!("{done}, {left} left"),
        format!(
            "{} of {}, {left} left",
            grouped(meter.list.done.now()),
            grouped(total)
        ),
    ];
    texts
        .into_iter()
        .find(fits)
        .or(Some(format!("{left} left")))
}

/// The time left of what the list stage does now.
fn list_left(meter: &Meter) -> Option<Duration> {
    let (_, since) = meter.list.step()?;
    list_time_left(
        meter.list.done.now(),
        meter.list.total.now(),
        since.elapsed(),
    )
}

/// The time left of a step of the list stage; `None` as long as it is a guess.
fn list_time_left(done: u64, total: u64, elapsed: Duration) -> Option<Duration> {
    let seconds = elapsed.as_secs_f64();
    (seconds >= 2.0 && done > 0 && total > done)
        .then(|| Duration::from_secs_f64(seconds * (total - done) as f64 / done as f64))
}

/// `1,234,567 rows, 12.3 MB written, 4.5 MB sent`, as both displays say it.
fn summary(meter: &Meter, sends: bool) -> String {
    let rows = grouped(meter.rows_read.now());
    let written = megabytes(meter.bytes_spooled.now());
    let parts = meter.parts_closed.now();
    if sends {
        let sent = megabytes(meter.bytes_acknowledged.now());
        let delivered = meter.parts_delivered.now();
        format!(
            "{rows} rows read, {written} written, {sent} sent, {delivered} of {parts} parts delivered"
        )
    } else {
        format!("{rows} rows read, {written} written in {parts} parts")
    }
}

/// The time left, judged by what is slower: reading what is left of the audience, or sending what is not sent yet.
/// `None` as long as it is a guess.
fn time_left(meter: &Meter, elapsed: Duration, sends: bool) -> Option<Duration> {
    let seconds = elapsed.as_secs_f64();
    let total = *meter.source_bytes.get()? as f64;
    let read = meter.source_bytes_read.now() as f64;
    if seconds < 2.0 || read <= 0.0 || total <= 0.0 {
        return None;
    }
    let share = (read / total).min(1.0);
    let reading = if meter.is_formatted() {
        0.0
    } else {
        seconds * (1.0 - share) / share
    };
    let sending = if sends {
        let sent = meter.bytes_acknowledged.now() as f64;
        if sent <= 0.0 {
            return None;
        }
        let expected = meter.bytes_spooled.now() as f64 / share;
        seconds * (expected - sent).max(0.0) / sent
    } else {
        0.0
    };
    Some(Duration::from_secs_f64(reading.max(sending)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::meter::ListStep;

    #[test]
    fn the_list_stage_tells_what_it_does() {
        let meter = Meter::default();
        assert_eq!(list_summary(&meter, 120), None);
        meter.list.begin(ListStep::ReadingList, 1_000_000);
        meter.list.done.add(1_500);
        let told = list_summary(&meter, 120).unwrap();
        assert_eq!(told, "1,500 of 1,000,000 profiles of the list read");
        let narrow = list_summary(&meter, 33).unwrap();
        assert_eq!(narrow, "1,500 of 1,000,000 profiles");
        let left = list_time_left(250, 1_000, Duration::from_secs(10));
        assert_eq!(left, Some(Duration::from_secs(30)));
    }

    #[test]
    fn the_slower_stage_gives_the_time_left() {
        let meter = Meter::default();
        let ten = Duration::from_secs(10);
        assert_eq!(
            time_left(&meter, ten, true),
            None,
            "nothing is known of a stream"
        );
        meter.source_bytes.set(1_000).unwrap();
        meter.source_bytes_read.add(500);
        meter.bytes_spooled.add(400);
        assert_eq!(time_left(&meter, ten, false), Some(ten));
        meter.bytes_acknowledged.add(100);
        assert_eq!(time_left(&meter, ten, true), Some(Duration::from_secs(70)));
    }
}
