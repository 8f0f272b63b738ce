//! The parts of a run: a line of time for each or for groups of them, and a table. Both stay small however many parts there are.

use std::ops::Range;

use jiff::Timestamp;
use maud::{Markup, html};

use super::document::{clock, coordinate, scrolled};
use super::timeline::Timeline;
use crate::base::text::{count, grouped, megabytes};
use crate::state::manifest::{AttemptState, PartRecord, RunManifest};
use crate::state::part::Verification;

/// The most lines of time that are drawn; more parts share one.
const LANES: usize = 24;
/// The table of so many parts is open.
const OPEN: usize = 12;
/// The most parts that are listed one by one.
const LISTED: usize = 100;

/// The section about parts.
pub(super) fn section(manifest: &RunManifest) -> Markup {
    let parts = &manifest.parts;
    html! {
        section aria-labelledby="parts" {
            h2 id="parts" { "Parts" }
            @if parts.is_empty() {
                p { "The run has no part." }
            } @else {
                (lanes(manifest))
                @if parts.len() > OPEN {
                    details {
                        summary { "The parts as a table" }
                        (table(parts))
                    }
                } @else {
                    (table(parts))
                }
            }
        }
    }
}

/// The state of a part on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PartFate {
    /// It has it, after one attempt.
    AtOnce,
    /// It has it, after several attempts.
    Later,
    /// It does not have it.
    Open,
}

fn fate(part: &PartRecord) -> PartFate {
    match (part.is_delivered(), part.attempts.len()) {
        (true, 0 | 1) => PartFate::AtOnce,
        (true, _) => PartFate::Later,
        (false, _) => PartFate::Open,
    }
}

fn table(parts: &[PartRecord]) -> Markup {
    let is_listed = |part: &&PartRecord| parts.len() <= LISTED || fate(part) != PartFate::AtOnce;
    let listed: Vec<&PartRecord> = parts.iter().filter(is_listed).take(LISTED).collect();
    let others = parts.len() - listed.len();
    let caption = match others {
        0 => count(parts.len() as u64, "part"),
        _ => format!(
            "{}: {} listed, and {} summed up below",
            count(parts.len() as u64, "part"),
            grouped(listed.len() as u64),
            count(others as u64, "other")
        ),
    };
    let table = html! {
        table.parts {
            caption { (caption) }
            thead {
                tr {
                    th.number scope="col" { "Part" }
                    th.number scope="col" { "Rows" }
                    th.number scope="col" { "Size" }
                    th.number scope="col" { "Attempts" }
                    th scope="col" { "Result" }
                    th scope="col" { "Written" }
                    th scope="col" { "Delivered" }
                    th.number scope="col" { "MB/s" }
                }
            }
            tbody {
                @for part in &listed { (line(part)) }
                @if others > 0 { (sums(parts, &listed)) }
            }
        }
    };
    scrolled("Table of parts", &table)
}

fn line(part: &PartRecord) -> Markup {
    html! {
        tr {
            th.number scope="row" { (part.number.0) }
            td.number { (grouped(part.rows)) }
            td.number { (megabytes(part.bytes)) }
            td.number { (part.attempts.len()) }
            td { (result(part)) @if part.is_of_leavers { ", of rows that left" } }
            td { (at(part.written_at)) }
            td { (at(part.delivered_at)) }
            td.number { (speed(part)) }
        }
    }
}

/// A line for each kind of part that is not listed.
fn sums(parts: &[PartRecord], listed: &[&PartRecord]) -> Markup {
    let is_other = |part: &&PartRecord| !listed.iter().any(|known| known.number == part.number);
    let others: Vec<&PartRecord> = parts.iter().filter(is_other).collect();
    let kinds = [
        (PartFate::AtOnce, "delivered at once"),
        (PartFate::Later, "delivered after several attempts"),
        (PartFate::Open, "not delivered"),
    ];
    html! {
        @for (kind, words) in kinds {
            @let some: Vec<_> = others.iter().filter(|part| fate(part) == kind).collect();
            @if !some.is_empty() {
                tr.sum {
                    th.number scope="row" { (count(some.len() as u64, "other")) }
                    td.number { (grouped(some.iter().fold(0, |sum: u64, part| sum.saturating_add(part.rows)))) }
                    td.number { (megabytes(some.iter().fold(0, |sum: u64, part| sum.saturating_add(part.bytes)))) }
                    td.number { (grouped(some.iter().map(|part| part.attempts.len() as u64).sum())) }
                    td colspan="4" { (words) }
                }
            }
        }
    }
}

fn result(part: &PartRecord) -> &'static str {
    match part.verification {
        Some(Verification::Verified) => "verified",
        Some(Verification::Collected) => "collected by the server",
        Some(Verification::Unverified) => "delivered, size not shown",
        Some(Verification::Failed) => "wrong size",
        None if part.attempts.is_empty() => "not sent",
        None => "not delivered",
    }
}

fn at(time: Option<Timestamp>) -> Markup {
    html! { @if let Some(time) = time { (clock(time)) } @else { "–" } }
}

/// Megabytes a second of the attempt that the server closed.
fn speed(part: &PartRecord) -> String {
    let closed = part.attempts.iter().rev();
    let times = closed
        .filter(|attempt| attempt.state == AttemptState::Closed)
        .find_map(|attempt| Some((attempt.started_at?, attempt.ended_at?)));
    let seconds = times.map(|(start, end)| end.duration_since(start).as_secs_f64());
    match seconds.filter(|seconds| *seconds >= 0.01 && part.bytes >= 10_000) {
        Some(seconds) => format!("{:.1}", part.bytes as f64 / 1e6 / seconds),
        None => "–".to_owned(),
    }
}

/// The line of time of some parts, in shares of the run.
struct ReportLane {
    label: String,
    /// From the first file that was written to the first attempt.
    waiting: Option<Range<f64>>,
    /// The attempts that the server closed.
    sending: Vec<Range<f64>>,
    /// The attempts that broke.
    broken: Vec<Range<f64>>,
}

/// The times of parts as a drawing.
fn lanes(manifest: &RunManifest) -> Markup {
    let Some(timeline) = Timeline::of(manifest) else {
        return html! {};
    };
    let parts = &manifest.parts;
    let group = parts.len().div_ceil(LANES).max(1);
    let lanes: Vec<ReportLane> = parts
        .chunks(group)
        .map(|some| lane(some, &timeline))
        .collect();
    if lanes
        .iter()
        .all(|lane| lane.sending.is_empty() && lane.broken.is_empty())
    {
        return html! {};
    }
    let of = match group {
        1 => "one line for each part".to_owned(),
        group => format!("one line for each {}", count(group as u64, "part")),
    };
    let broken = lanes.iter().any(|lane| !lane.broken.is_empty());
    html! {
        figure {
            figcaption { strong { "Parts over time" } span.quiet { (of) } }
            svg.lanes role="img" aria-labelledby="lanes-title lanes-desc" preserveAspectRatio="none"
                viewBox=(format!("0 0 1000 {}", lanes.len() * 10)) style=(format!("height:{}rem", coordinate(lanes.len() as f64 * 0.55))) {
                title id="lanes-title" { "Parts over the time of the run" }
                desc id="lanes-desc" { "From left to right: when the parts waited and when they were sent, " (of) ". The table below has the times." }
                @for (index, lane) in lanes.iter().enumerate() { (lane.draw(index)) }
            }
            p.axis aria-hidden="true" { (clock(timeline.start)) (clock(timeline.end)) }
            p.legend {
                span.key.waiting {} "waiting " span.key.sending {} "sent"
                @if broken { " " span.key.broken {} "broken attempt" }
            }
        }
    }
}

fn lane(parts: &[PartRecord], timeline: &Timeline) -> ReportLane {
    let first = parts.first().map_or(0, |part| part.number.0);
    let last = parts.last().map_or(0, |part| part.number.0);
    let label = if first == last {
        format!("part {first}")
    } else {
        format!("parts {first} to {last}")
    };
    let span = |is_wanted: &dyn Fn(AttemptState) -> bool| -> Vec<Range<f64>> {
        let attempts = parts.iter().flat_map(|part| &part.attempts);
        let spans = attempts
            .filter(|attempt| is_wanted(attempt.state))
            .filter_map(|attempt| timeline.span(attempt.started_at, attempt.ended_at));
        joined(spans.collect())
    };
    let sending = span(&|state| state == AttemptState::Closed);
    let broken = span(&|state| state != AttemptState::Closed);
    let written = parts
        .iter()
        .filter_map(|part| timeline.place(part.written_at?));
    let written = written.fold(f64::INFINITY, f64::min);
    let begun = sending.iter().chain(&broken).map(|span| span.start);
    let begun = begun.fold(f64::INFINITY, f64::min);
    let waiting =
        (written.is_finite() && begun.is_finite() && begun > written).then_some(written..begun);
    ReportLane {
        label,
        waiting,
        sending,
        broken,
    }
}

/// Spans that touch, joined: of many parts at most fifty are left.
fn joined(mut spans: Vec<Range<f64>>) -> Vec<Range<f64>> {
    /// Gaps that nobody would see.
    const GAP: f64 = 0.02;
    spans.sort_by(|a, b| a.start.total_cmp(&b.start));
    let mut joined: Vec<Range<f64>> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.start <= last.end + GAP => last.end = last.end.max(span.end),
            _ => joined.push(span),
        }
    }
    joined
}

impl ReportLane {
    fn draw(&self, index: usize) -> Markup {
        let top = index as f64 * 10.0 + 1.5;
        let rect = |span: &Range<f64>, class: &str| {
            let from = span.start * 1000.0;
            let width = (span.end * 1000.0 - from).max(2.0);
            html! {
                rect class=(class) x=(coordinate(from.min(998.0))) y=(coordinate(top)) width=(coordinate(width)) height="7" {}
            }
        };
        html! {
            g {
                title { (self.label) }
                @if let Some(waiting) = &self.waiting { (rect(waiting, "waiting")) }
                @for span in &self.sending { (rect(span, "sending")) }
                @for span in &self.broken { (rect(span, "broken")) }
            }
        }
    }
}
