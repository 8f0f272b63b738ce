//! How many rows a second were formatted, and how many megabytes a second were delivered, over the time of the run.

use jiff::Timestamp;
use maud::{Markup, html};

use super::super::RunReport;
use super::bars::{Bar, Bars, Look};
use super::document::clock;
use crate::base::text::grouped;
use crate::state::manifest::{AttemptState, RunManifest};

/// How many slices the time of a run is cut into.
const SLICES: usize = 60;
/// A shorter run shows how long answers take, and no pace.
const SHORTEST: f64 = 2.0;
/// Fewer parts would be a single block.
const FEWEST_PARTS: usize = 3;

/// The time of a run, in slices.
struct Timeline {
    start: Timestamp,
    end: Timestamp,
}

/// The shortest share of a run that work takes.
const INSTANT: f64 = 1e-9;

/// One number a slice.
struct Pace {
    id: &'static str,
    name: &'static str,
    unit: &'static str,
    slices: Vec<f64>,
    /// Digits behind the point.
    decimals: usize,
}

/// The section about the pace, where the run was long enough to have one.
pub(super) fn section(report: &RunReport, manifest: &RunManifest) -> Markup {
    let timeline = Timeline {
        start: manifest.started_at,
        end: manifest.finished_at.unwrap_or(report.finished_at),
    };
    if timeline.seconds() < SHORTEST || manifest.parts.len() < FEWEST_PARTS {
        return html! {};
    }
    let paces = [
        formatted(&timeline, manifest),
        delivered(&timeline, manifest),
    ];
    let paces: Vec<Pace> = paces.into_iter().filter(Pace::is_known).collect();
    html! {
        @if !paces.is_empty() {
            section aria-labelledby="pace" {
                h2 id="pace" { "Pace" }
                div.side {
                    @for pace in &paces { (pace.draw(&timeline)) }
                }
            }
        }
    }
}

impl Timeline {
    fn seconds(&self) -> f64 {
        self.end.duration_since(self.start).as_secs_f64()
    }

    /// Where a time is in the run: 0 at its start, 1 at its end. `None` of a time that is not in it.
    fn place(&self, time: Timestamp) -> Option<f64> {
        let place = time.duration_since(self.start).as_secs_f64() / self.seconds();
        (0.0..=1.0).contains(&place).then_some(place)
    }

    /// Adds `amount` to the slices between two places, to each as much as of the time is in it, a second.
    fn spread(&self, slices: &mut [f64], from: f64, to: f64, amount: f64) {
        let count = slices.len() as f64;
        let slice_seconds = self.seconds() / count;
        // Work without a length of its own is in one slice.
        let from = from.min(1.0 - INSTANT);
        let to = to.max(from + INSTANT);
        for (index, slice) in slices.iter_mut().enumerate() {
            let (begin, end) = (index as f64 / count, (index + 1) as f64 / count);
            let overlap = (to.min(end) - from.max(begin)).max(0.0);
            *slice += amount * overlap / (to - from) / slice_seconds;
        }
    }
}

/// Rows a second: those of a part were formatted between the part before it and its own end.
fn formatted(timeline: &Timeline, manifest: &RunManifest) -> Pace {
    let mut slices = vec![0.0; SLICES];
    let mut from = 0.0;
    for part in &manifest.parts {
        if let Some(to) = part.written_at.and_then(|at| timeline.place(at)) {
            let from = std::mem::replace(&mut from, to).min(to);
            timeline.spread(&mut slices, from, to, part.rows as f64);
        }
    }
    Pace {
        id: "formatted",
        name: "Rows formatted",
        unit: "rows/s",
        slices,
        decimals: 0,
    }
}

/// Megabytes a second of the attempts that the server has closed.
fn delivered(timeline: &Timeline, manifest: &RunManifest) -> Pace {
    let mut slices = vec![0.0; SLICES];
    for part in &manifest.parts {
        let closed = part.attempts.iter();
        for attempt in closed.filter(|attempt| attempt.state == AttemptState::Closed) {
            let place = |time: Option<Timestamp>| timeline.place(time?);
            if let (Some(from), Some(to)) = (place(attempt.started_at), place(attempt.ended_at)) {
                timeline.spread(&mut slices, from, to, part.bytes as f64 / 1e6);
            }
        }
    }
    Pace {
        id: "delivered",
        name: "Megabytes delivered",
        unit: "MB/s",
        slices,
        decimals: 1,
    }
}

impl Pace {
    fn is_known(&self) -> bool {
        self.slices.iter().any(|slice| *slice > 0.0)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate for people"
    )]
    fn told(&self, number: f64) -> String {
        match self.decimals {
            0 => format!("{} {}", grouped(number.round() as u64), self.unit),
            decimals => format!("{number:.decimals$} {}", self.unit),
        }
    }

    fn draw(&self, timeline: &Timeline) -> Markup {
        let largest = self.slices.iter().copied().fold(0.0, f64::max);
        let middle = self.slices.iter().sum::<f64>() / self.slices.len() as f64;
        let words = format!(
            "{} at most, {} over the whole run",
            self.told(largest),
            self.told(middle)
        );
        let bars = Bars {
            id: format!("pace-{}", self.id),
            title: format!("{} over the time of the run", self.name),
            description: format!("{words}."),
            bars: self.slices.iter().map(|slice| self.bar(*slice)).collect(),
            band: None,
        };
        html! {
            figure {
                figcaption { strong { (self.name) } span.quiet { (words) } }
                (bars.draw())
                p.axis aria-hidden="true" { (clock(timeline.start)) (clock(timeline.end)) }
            }
        }
    }

    fn bar(&self, slice: f64) -> Bar {
        Bar {
            value: Some(slice),
            label: self.told(slice),
            look: Look::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_spread_over_its_time_and_nothing_of_it_is_lost() {
        let start = Timestamp::UNIX_EPOCH;
        let timeline = Timeline {
            start,
            end: start + jiff::SignedDuration::from_secs(10),
        };
        let mut slices = vec![0.0; 5];
        timeline.spread(&mut slices, 0.0, 0.4, 100.0);
        timeline.spread(&mut slices, 0.9, 0.9, 4.0);
        timeline.spread(&mut slices, 1.0, 1.0, 4.0);
        let rounded: Vec<f64> = slices
            .iter()
            .map(|slice| (slice * 1e6).round() / 1e6)
            .collect();
        assert_eq!(rounded, [25.0, 25.0, 0.0, 0.0, 4.0]);
        assert_eq!(
            timeline.place(start - jiff::SignedDuration::from_secs(1)),
            None
        );
        assert_eq!(timeline.place(timeline.end), Some(1.0));
    }
}
