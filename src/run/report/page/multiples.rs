//! The last runs of the job as small drawings next to each other, and as a table.

use std::ops::Range;

use maud::{Markup, html};

use super::bars::{Band, Bar, BarChart, BarLook};
use super::document::{scrolled, shown, time, took};
use crate::base::text::{count, grouped, grouped_whole};
use crate::run::drift::GuardBands;
use crate::run::history::{RunLine, median};

/// One of the small drawings.
struct SmallMultiple<'a> {
    id: &'static str,
    name: &'static str,
    /// The number of a run; `None` where it is not known.
    number: fn(&RunLine) -> Option<f64>,
    /// The number in words.
    words: fn(f64) -> String,
    /// The range in which the number is usual, where it is known.
    band: Option<Band>,
    runs: &'a [RunLine],
    /// The run that the page is about.
    own: Option<&'a str>,
}

/// The section about the last runs, the oldest first; `own` is the run that the page is about.
pub(super) fn section(runs: &[RunLine], own: &str, bands: &GuardBands) -> Markup {
    html! {
        section aria-labelledby="runs" {
            h2 id="runs" { (heading(runs)) }
            @if runs.len() > 1 {
                (drawings(runs, Some(own), bands))
                details {
                    summary { "The runs as a table" }
                    (table(runs, Some(own)))
                }
            } @else {
                p { "There is no other run of this job yet." }
            }
        }
    }
}

fn heading(runs: &[RunLine]) -> String {
    match runs.len() {
        0 | 1 => "Last runs".to_owned(),
        runs => format!("Last {}", count(runs as u64, "run")),
    }
}

/// The drawings of these runs, the oldest first, with the `bands` of the guard behind them.
pub(super) fn drawings(runs: &[RunLine], own: Option<&str>, bands: &GuardBands) -> Markup {
    let multiple = |id, name, number, words| SmallMultiple {
        id,
        name,
        number,
        words,
        band: None,
        runs,
        own,
    };
    let rows = |run: &RunLine| run.rows_read.map(|rows| rows as f64);
    let rejected = |run: &RunLine| run.rows_rejected.map(|rows| rows as f64);
    let seconds = |run: &RunLine| run.seconds.map(|seconds| seconds.total);
    let multiples = [
        SmallMultiple {
            band: band(bands.rows.as_ref()),
            ..multiple("rows-read", "Rows read", rows, grouped_whole)
        },
        SmallMultiple {
            band: band(bands.rejected.as_ref()),
            ..multiple("rows-rejected", "Rows rejected", rejected, grouped_whole)
        },
        multiple("duration", "Duration", seconds, took),
    ];
    let first = runs.first().and_then(|run| run.started_at);
    let last = runs.last().and_then(|run| run.started_at);
    html! {
        div.multiples {
            @for multiple in &multiples { (multiple.draw()) }
            (outcomes(runs))
        }
        p.axis.quiet {
            @if let (Some(first), Some(last)) = (first, last) {
                span { "from " (time(first)) } span { "to " (time(last)) }
            }
        }
        p.legend {
            @if own.is_some() { span.key.own {} "this run " }
            span.key.plain {} "a run of the whole audience " span.key.trial {} "a trial or dry run "
            @if runs.iter().any(|run| !run.is_good()) { span.key.bad {} "did not end well " }
            @if *bands != GuardBands::default() { span.key.band {} "no drift for the guard" }
        }
    }
}

/// The range of a guard, as it is drawn.
fn band(range: Option<&Range<f64>>) -> Option<Band> {
    let Range { start, end } = range?.clone();
    let words = format!(
        "The guard takes from {} to {}.",
        grouped_whole(start.ceil()),
        grouped_whole(end.floor())
    );
    Some(Band {
        low: start,
        high: end,
        words,
    })
}

impl RunLine {
    /// Whether it is of the first rows only, or sent nothing.
    fn is_trial(&self) -> bool {
        self.limit.is_some() || self.status == "dry-run"
    }

    /// Whether it did what it was meant to do.
    pub(super) fn is_good(&self) -> bool {
        matches!(self.status, "done" | "dry-run")
    }

    /// Its start, in words.
    fn start(&self) -> String {
        let start = self
            .started_at
            .map(|at| at.strftime("%Y-%m-%d %H:%M").to_string());
        start.unwrap_or_else(|| "a run".to_owned())
    }
}

impl SmallMultiple<'_> {
    fn draw(&self) -> Markup {
        let last = self.runs.last().and_then(self.number);
        let last = last.map_or_else(|| "not known".to_owned(), self.words);
        let usual = median(self.usual());
        let usual = usual.map_or_else(|| "not known".to_owned(), self.words);
        let guarded = self.band.as_ref().map(|band| {
            let (low, high) = (band.low.ceil(), band.high.floor());
            format!("{} to {}", (self.words)(low), (self.words)(high))
        });
        let bars = BarChart {
            id: self.id.to_owned(),
            title: format!("{} of {}", self.name, count(self.runs.len() as u64, "run")),
            description: format!("The last run has {last}; the median of the runs is {usual}."),
            bars: self.runs.iter().map(|run| self.bar(run)).collect(),
            band: self.band.as_ref().map(|band| Band {
                words: band.words.clone(),
                ..*band
            }),
        };
        html! {
            figure {
                figcaption {
                    (self.name) strong { (last) }
                    span.quiet { "median " (usual) @if let Some(range) = guarded { ", guard " (range) } }
                }
                (bars.draw())
            }
        }
    }

    /// The numbers of the runs of the whole audience.
    fn usual(&self) -> Vec<f64> {
        let meant = self.runs.iter().filter(|run| !run.is_trial());
        meant.filter_map(self.number).collect()
    }

    fn bar(&self, run: &RunLine) -> Bar {
        let value = (self.number)(run);
        let words = value.map_or_else(|| "not known".to_owned(), self.words);
        Bar {
            value,
            label: format!("{}: {words}", run.start()),
            look: match run.run_id.as_deref() {
                own if own.is_some() && own == self.own => BarLook::Own,
                _ if run.is_trial() => BarLook::Trial,
                _ => BarLook::Plain,
            },
        }
    }
}

/// How the runs ended: a high bar is good, and a low one is bad, so that colours are not needed to tell them apart.
fn outcomes(runs: &[RunLine]) -> Markup {
    let good = runs.iter().filter(|run| run.is_good()).count();
    let last = runs.last().map_or_else(String::new, RunLine::outcome);
    let bar = |run: &RunLine| Bar {
        value: Some(if run.is_good() { 1.0 } else { 0.4 }),
        label: format!("{}: {}", run.start(), run.outcome()),
        look: match run.is_good() {
            false => BarLook::Bad,
            true if run.is_trial() => BarLook::Trial,
            true => BarLook::Plain,
        },
    };
    let words = format!(
        "{} of {} ended well",
        grouped(good as u64),
        count(runs.len() as u64, "run")
    );
    let bars = BarChart {
        id: "outcome".to_owned(),
        title: format!("Outcome of {}", count(runs.len() as u64, "run")),
        description: format!("{words}; the last one: {last}. A low bar did not end well."),
        bars: runs.iter().map(bar).collect(),
        band: None,
    };
    html! {
        figure {
            figcaption { "Outcome" strong { (last) } span.quiet { (words) } }
            (bars.draw())
        }
    }
}

/// The runs as a table, the newest first.
pub(super) fn table(runs: &[RunLine], own: Option<&str>) -> Markup {
    let number = |number: Option<u64>| number.map_or_else(|| "–".to_owned(), grouped);
    let table = html! {
        table.runs {
            caption { (count(runs.len() as u64, "run")) ", the newest first" }
            thead {
                tr {
                    th scope="col" { "Began" }
                    th scope="col" { "Outcome" }
                    th.number scope="col" { "Rows" }
                    th.number scope="col" { "Rejected" }
                    th.number scope="col" { "Duplicates" }
                    th.number scope="col" { "Parts" }
                    th.number scope="col" { "MB/s" }
                    th.number scope="col" { "Duration" }
                    th scope="col" { "Run" }
                }
            }
            tbody {
                @for run in runs.iter().rev() {
                    tr.own[own.is_some() && run.run_id.as_deref() == own] {
                        th scope="row" { @if let Some(at) = run.started_at { (time(at)) } @else { "–" } }
                        td { (outcome(run)) }
                        td.number { (number(run.rows_read)) }
                        td.number { (number(run.rows_rejected)) }
                        td.number { (number(run.duplicates)) }
                        td.number { (grouped(run.parts_delivered)) " / " (grouped(run.parts)) }
                        td.number { (run.megabytes_per_second.map_or_else(|| "–".to_owned(), |speed| format!("{speed:.1}"))) }
                        td.number { (run.seconds.map_or_else(|| "–".to_owned(), |seconds| took(seconds.total))) }
                        td { code { (shown(run.run_id.as_deref().unwrap_or("no run"))) } }
                    }
                }
            }
        }
    };
    scrolled("Table of runs", &table)
}

fn outcome(run: &RunLine) -> Markup {
    html! {
        span class=(if run.is_good() { "good" } else { "bad" }) { (run.outcome()) }
        @if run.undone_at.is_some() { " " span.quiet { "removals undone" } }
    }
}
