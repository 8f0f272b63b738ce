//! The head of a page: how the run ended in one sentence, what to type next, and the numbers that matter most.

use maud::{Markup, html};

use super::super::RunReport;
use super::RunPage;
use super::document::{shown, time, took};
use crate::base::exit_code::ExitCode;
use crate::base::text::{count, grouped, megabytes};
use crate::state::manifest::RunStatus;

/// The meaning of a delivery, for who has not read the manual.
const DELIVERED_MEANS: &str = "Delivered means that the server has accepted the files, not that Klaviyo has imported them. Klaviyo \
     imports them in its own time and e-mails the result.";

/// The most notes that are listed, and the most incomplete files.
const NOTES: usize = 50;

/// The head of the page.
pub(super) fn header(page: &RunPage<'_>) -> Markup {
    let report = page.report;
    let code = ExitCode::ALL
        .into_iter()
        .find(|code| code.number() == report.exit_code);
    let meaning = code.map_or("", ExitCode::meaning);
    html! {
        p.kind { "klaviyo-export · report of a run" }
        h1 { (shown(&report.job)) }
        p.outcome.(class(report)) { span.badge { (badge(report)) } " " (sentence(report, page.server)) }
        @if let Some(error) = &report.error { p.error { strong { "Error: " } (shown(error)) } }
        @if let Some(hint) = &page.hint { p { strong { "Hint: " } (shown(hint)) } }
        p { "Exit code " (report.exit_code) @if !meaning.is_empty() { ": " (meaning) } "." }
        @if let Some(next) = &page.next { p.next { strong { "Next: " } code { (shown(next)) } } }
        (figures(report))
        (facts(page))
    }
}

const fn class(report: &RunReport) -> &'static str {
    match (report.status, report.exit_code) {
        (RunStatus::Done | RunStatus::DryRun, 0) => "good",
        (RunStatus::Done | RunStatus::DryRun, _) => "doubtful",
        _ => "bad",
    }
}

const fn badge(report: &RunReport) -> &'static str {
    match report.status {
        RunStatus::Done if report.limit.is_some() => "Trial done",
        RunStatus::Done => "Done",
        RunStatus::DryRun => "Dry run",
        RunStatus::Interrupted => "Interrupted",
        RunStatus::Running | RunStatus::Superseded | RunStatus::Failed => "Failed",
    }
}

/// How the run ended, in one sentence.
fn sentence(report: &RunReport, server: Option<&str>) -> String {
    let parts = report.parts.len() as u64;
    let delivered = report.delivered() as u64;
    let rows = delivered_rows(report);
    let to = server.map_or_else(String::new, |server| format!(" to {}", place(server)));
    let trial = report.limit.map_or_else(String::new, |limit| {
        format!(" in a trial of {} at most", count(limit, "row"))
    });
    match report.status {
        RunStatus::Done if report.rows_written == 0 && report.rows_unchanged > 0 => {
            "Nothing has changed since the last run, and no row was sent.".to_owned()
        }
        RunStatus::Done if report.rows_written == 0 => "There was no row to send.".to_owned(),
        RunStatus::Done => format!(
            "{} of {} {} in {}{}{trial}.",
            grouped(rows),
            count(report.rows_read, "row"),
            match (rows, report.rows_unchanged) {
                (1, 0) => "was delivered",
                (_, 0) => "were delivered",
                (1, _) => "was new or changed, and was delivered",
                _ => "were new or changed, and were delivered",
            },
            count(delivered, "part"),
            shown(&to),
        ),
        RunStatus::DryRun => format!(
            "{} of {} would be sent in {}{trial}; nothing was sent.",
            grouped(report.rows_written),
            count(report.rows_read, "row"),
            count(parts, "part"),
        ),
        _ => {
            let ended = match report.status {
                RunStatus::Interrupted => "was interrupted",
                _ => "failed",
            };
            let when = match (report.formatted, parts) {
                (false, 0) => "before a part was written".to_owned(),
                (false, _) => format!(
                    "before the whole audience was read; {} of the {} until then {} delivered",
                    grouped(delivered),
                    count(parts, "part"),
                    if delivered == 1 { "was" } else { "were" },
                ),
                (true, _) => format!(
                    "after {} of {} {} delivered{}",
                    grouped(delivered),
                    count(parts, "part"),
                    if delivered == 1 { "was" } else { "were" },
                    shown(&to),
                ),
            };
            format!("The run {ended}{trial} {when}.")
        }
    }
}

/// Where profiles went, without the scheme of an address.
fn place(server: &str) -> &str {
    server.split_once("://").map_or(server, |(_, place)| place)
}

fn delivered_rows(report: &RunReport) -> u64 {
    let delivered = report.parts.iter().filter(|part| part.is_delivered());
    delivered.fold(0, |sum, part| sum.saturating_add(part.rows))
}

/// The numbers that matter most.
fn figures(report: &RunReport) -> Markup {
    let sent = match report.status {
        RunStatus::DryRun => ("Rows ready", report.rows_written),
        _ => ("Rows delivered", delivered_rows(report)),
    };
    let figures = [
        ("Rows read", grouped(report.rows_read)),
        (sent.0, grouped(sent.1)),
        ("Rows rejected", grouped(report.rows_rejected)),
        ("Size", megabytes(report.bytes)),
        ("Took", took(report.seconds.total)),
    ];
    html! {
        dl.figures {
            @for (name, number) in &figures { div { dt { (name) } dd { (number) } } }
        }
    }
}

/// When and what the run was.
fn facts(page: &RunPage<'_>) -> Markup {
    let report = page.report;
    html! {
        dl.facts {
            div { dt { "Began" } dd { (time(report.started_at)) } }
            div { dt { "Ended" } dd { (time(report.finished_at)) } }
            div { dt { "Run" } dd { code { (shown(&report.run_id)) } } }
            @if let Some(shard) = &report.shard {
                div {
                    dt { "Shard" }
                    dd {
                        @match shard.number {
                            Some(number) => { (number) " of " (shard.of) }
                            None => { "all " (shard.of) }
                        }
                        ", run group " (shown(&shard.run_group.to_string()))
                    }
                }
            }
            @if let Some(applies) = &page.manifest.applies {
                div { dt { "Applies" } dd { "the dry run " code { (shown(applies)) } } }
            }
            @if let Some(base) = page.manifest.delta.as_ref().and_then(|delta| delta.base.as_ref()) {
                div { dt { "Compared with" } dd { "run " code { (shown(base)) } } }
            }
        }
    }
}

/// The section of notes, and the meaning of a delivery.
pub(super) fn notes(report: &RunReport) -> Markup {
    let by_sftp = report.parts.iter().any(|part| part.remote_path.is_some());
    let is_delivered = by_sftp && report.status == RunStatus::Done && report.delivered() > 0;
    let has_notes = !report.warnings.is_empty() || !report.leftovers.is_empty();
    html! {
        @if has_notes || is_delivered {
            section aria-labelledby="notes" {
                h2 id="notes" { "Notes" }
                @if has_notes {
                    ul {
                        @for warning in report.warnings.iter().take(NOTES) { li { (shown(warning)) } }
                        (more(report.warnings.len(), "note"))
                        @for path in report.leftovers.iter().take(NOTES) {
                            li {
                                code { (shown(path)) }
                                ": an incomplete file, which may still be on the server; the next run tries to remove it"
                            }
                        }
                        (more(report.leftovers.len(), "incomplete file"))
                    }
                }
                @if is_delivered { p.note { (DELIVERED_MEANS) } }
            }
        }
    }
}

/// The number of those that are not listed.
fn more(all: usize, noun: &str) -> Markup {
    let more = all.saturating_sub(NOTES) as u64;
    html! {
        @if more > 0 { li { (count(more, &format!("more {noun}"))) ", which report.json has" } }
    }
}
