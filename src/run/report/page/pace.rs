//! How many rows a second were formatted, and how many megabytes a second were delivered, over the time of the run.

use std::ops::Range;

use maud::{Markup, html};

use super::bars::{Bar, BarChart, BarLook};
use super::document::clock;
use super::timeline::Timeline;
use crate::base::text::grouped_whole;
use crate::state::manifest::{AttemptState, RunManifest};

/// How many slices the time of a run is cut into.
const SLICES: usize = 60;
/// A shorter run shows how long answers take, and no pace.
const SHORTEST: f64 = 1.0;
/// Fewer parts would be a single block.
const FEWEST_PARTS: usize = 3;

/// The shortest share of a run that work takes.
const INSTANT: f64 = 1e-9;

/// One number a slice.
struct PaceChart {
    id: &'static str,
    name: &'static str,
    unit: &'static str,
    slices: Vec<f64>,
    /// Digits behind the point.
    decimals: usize,
}

/// The section about the pace, where the run was long enough to have one.
pub(super) fn section(manifest: &RunManifest) -> Markup {
    let timeline = Timeline::of(manifest).filter(|timeline| timeline.seconds() >= SHORTEST);
    let Some(timeline) = timeline.filter(|_| manifest.parts.len() >= FEWEST_PARTS) else {
        return html! {};
    };
    let paces = [
        formatted(&timeline, manifest),
        delivered(&timeline, manifest),
    ];
    let paces: Vec<PaceChart> = paces.into_iter().filter(PaceChart::is_known).collect();
    html! {
        section aria-labelledby="pace" {
            h2 id="pace" { "Pace" }
            div.side {
                @for pace in &paces { (pace.draw(&timeline)) }
            }
        }
    }
}

/// Adds `amount` to the slices of the span, to each as much of it a second as falls into it. A span is in shares of the run.
fn spread(timeline: &Timeline, slices: &mut [f64], span: Range<f64>, amount: f64) {
    let count = slices.len() as f64;
    let slice_seconds = timeline.seconds() / count;
    let from = span.start.min(1.0 - INSTANT);
    let to = span.end.max(from + INSTANT);
    for (index, slice) in slices.iter_mut().enumerate() {
        let (begin, end) = (index as f64 / count, (index + 1) as f64 / count);
        let overlap = (to.min(end) - from.max(begin)).max(0.0);
        *slice += amount * overlap / (to - from) / slice_seconds;
    }
}

/// Rows a second: those of a part were formatted between the part before it and its own end.
fn formatted(timeline: &Timeline, manifest: &RunManifest) -> PaceChart {
    let mut slices = vec![0.0; SLICES];
    let mut from = 0.0;
    for part in &manifest.parts {
        if let Some(to) = part.written_at.and_then(|at| timeline.place(at)) {
            let from = std::mem::replace(&mut from, to).min(to);
            spread(timeline, &mut slices, from..to, part.rows as f64);
        }
    }
    PaceChart {
        id: "formatted",
        name: "Rows formatted",
        unit: "rows/s",
        slices,
        decimals: 0,
    }
}

/// Megabytes a second of the attempts that the server has closed.
fn delivered(timeline: &Timeline, manifest: &RunManifest) -> PaceChart {
    let mut slices = vec![0.0; SLICES];
    for part in &manifest.parts {
        let closed = part.attempts.iter();
        for attempt in closed.filter(|attempt| attempt.state == AttemptState::Closed) {
            if let Some(span) = timeline.span(attempt.started_at, attempt.ended_at) {
                spread(timeline, &mut slices, span, part.bytes as f64 / 1e6);
            }
        }
    }
    PaceChart {
        id: "delivered",
        name: "Megabytes delivered",
        unit: "MB/s",
        slices,
        decimals: 1,
    }
}

impl PaceChart {
    fn is_known(&self) -> bool {
        self.slices.iter().any(|slice| *slice > 0.0)
    }

    fn told(&self, number: f64) -> String {
        match self.decimals {
            0 => format!("{} {}", grouped_whole(number), self.unit),
            decimals => format!("{number:.decimals$} {}", self.unit),
        }
    }

    fn draw(&self, timeline: &Timeline) -> Markup {
        let largest = self.slices.iter().copied().fold(0.0, f64::max);
        let middle = self.slices.iter().sum::<f64>() / self.slices.len() as f64;
        let words = format!(
            "{} at most, {} on average",
            self.told(largest),
            self.told(middle)
        );
        let bars = BarChart {
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
            look: BarLook::Plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::{SignedDuration, Timestamp};

    #[test]
    fn work_is_spread_over_its_time_and_nothing_of_it_is_lost() {
        let start = Timestamp::UNIX_EPOCH;
        let timeline = Timeline {
            start,
            end: start + SignedDuration::from_secs(10),
        };
        let mut slices = vec![0.0; 5];
        spread(&timeline, &mut slices, 0.0..0.4, 100.0);
        spread(&timeline, &mut slices, 0.9..0.9, 4.0);
        spread(&timeline, &mut slices, 1.0..1.0, 4.0);
        let rounded: Vec<f64> = slices.iter().map(|slice| slice.round()).collect();
        assert_eq!(rounded, [25.0, 25.0, 0.0, 0.0, 4.0]);
    }
}
