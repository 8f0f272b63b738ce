//! The rows of a run, from those that were read to those that were written. They add up.

use maud::{Markup, html};

use super::super::RunReport;
use super::bars::lying;
use super::document::percent;
use crate::base::text::{count, grouped};
use crate::state::manifest::RunManifest;

/// One line of the funnel.
struct FunnelStep {
    name: &'static str,
    about: &'static str,
    rows: u64,
    /// Where its bar begins among the rows that were read.
    from: u64,
    class: &'static str,
}

/// The section about rows.
pub(super) fn section(report: &RunReport, manifest: &RunManifest) -> Markup {
    let steps = steps(report, manifest.delta.is_some());
    let read = report.rows_read;
    html! {
        section aria-labelledby="rows" {
            h2 id="rows" { "Rows" }
            @if !report.formatted {
                p.note { "The run stopped before the whole audience was read: these are the rows that were decided until then." }
            }
            table.funnel {
                caption { (sum(&steps)) }
                thead {
                    tr {
                        th scope="col" { "Rows" }
                        th.number scope="col" { "Number" }
                        th.number scope="col" { "Share" }
                    }
                }
                tbody {
                    @for step in &steps {
                        tr {
                            th scope="row" {
                                (step.name) @if !step.about.is_empty() { " " small { (step.about) } }
                                (step.bar(read))
                            }
                            td.number { (grouped(step.rows)) }
                            td.number { (percent(step.rows, read)) }
                        }
                    }
                }
            }
            (compared(report))
            @if report.rows_blank > 0 {
                p.note { (count(report.rows_blank, "blank record")) " not counted as rows: every cell was empty." }
            }
        }
    }
}

impl FunnelStep {
    fn bar(&self, read: u64) -> Markup {
        if read == 0 {
            return lying(0.0, 0.0, self.class);
        }
        let share = |rows: u64| rows as f64 / read as f64;
        lying(
            share(self.from),
            share(self.from) + share(self.rows),
            self.class,
        )
    }
}

/// The lines: each bar ends where the bar above it began, and what is left is written.
fn steps(report: &RunReport, is_compared: bool) -> Vec<FunnelStep> {
    let step = |name, about, rows, class| FunnelStep {
        name,
        about,
        rows,
        from: 0,
        class,
    };
    let mut steps = vec![
        step("Read", "", report.rows_read, "fill read"),
        step(
            "Rejected",
            "see the reasons",
            report.rows_rejected,
            "fill rejected",
        ),
        step(
            "Duplicate",
            "of another row",
            report.duplicates,
            "fill duplicate",
        ),
        step(
            "Unchanged",
            "Klaviyo has them",
            report.rows_unchanged,
            "fill unchanged",
        ),
        step("Written", "in parts", report.rows_written, "fill written"),
    ];
    steps.retain(|step| step.name != "Unchanged" || is_compared || step.rows > 0);
    let mut left = report.rows_read;
    for step in steps.iter_mut().skip(1) {
        left = left.saturating_sub(step.rows);
        step.from = left;
    }
    steps
}

/// The sum in words.
fn sum(steps: &[FunnelStep]) -> String {
    let parts: Vec<String> = steps[1..]
        .iter()
        .map(|step| format!("{} {}", grouped(step.rows), step.name.to_lowercase()))
        .collect();
    format!("{} read = {}", grouped(steps[0].rows), parts.join(" + "))
}

/// The comparison with the last run.
fn compared(report: &RunReport) -> Markup {
    let (Some(new), Some(changed), Some(left)) =
        (report.rows_new, report.rows_changed, report.rows_left)
    else {
        return html! {};
    };
    let again = report.rows_again.unwrap_or(0);
    html! {
        table.plain {
            caption { "Compared with the last run" }
            tbody {
                tr { th scope="row" { "New" } td.number { (grouped(new)) } td { "written: the last run did not have them" } }
                tr { th scope="row" { "Changed" } td.number { (grouped(changed.saturating_sub(again))) } td { "written: they are not as they were sent" } }
                @if again > 0 {
                    tr { th scope="row" { "Again" } td.number { (grouped(again)) } td { "written once more: they are as they were sent" } }
                }
                tr { th scope="row" { "Left" } td.number { (grouped(left)) } td { "no longer in the audience" } }
            }
        }
    }
}
