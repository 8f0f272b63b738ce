//! The list: who was added, removed and kept.

use maud::{Markup, html};

use super::super::RunReport;
use super::document::{shown, time};
use crate::base::text::{grouped, rounded};
use crate::state::no_email::NoEmail;

/// The section about the list, where the job has one, and about the sentinel.
pub(super) fn section(report: &RunReport) -> Markup {
    let Some(list) = &report.list else {
        return html! {
            @if report.sentinel.is_some() {
                section aria-labelledby="list" { h2 id="list" { "Klaviyo" } (sentinel(report)) }
            }
        };
    };
    let added = match list.attached {
        Some(rows) => grouped(rows),
        None => "not known".to_owned(),
    };
    let lines = [
        ("Added", added, "rows whose profiles were put on the list"),
        (
            "Removed",
            grouped(list.removed),
            "members who left the audience",
        ),
        (
            "Kept",
            grouped(list.kept_unreadable),
            "members whose phone number cannot be read",
        ),
        (
            "Pending",
            grouped(list.unresolved),
            "rows that have no profile yet",
        ),
        (
            "Refused",
            grouped(list.rejected),
            "rows that Klaviyo refused",
        ),
        no_email(list.no_email.as_ref()),
    ];
    html! {
        section aria-labelledby="list" {
            h2 id="list" { "List" }
            table.plain {
                caption {
                    @if list.name.is_empty() { "List " } @else { (shown(&list.name)) " " }
                    span.quiet { "(" (shown(&list.id)) ")" }
                    @if list.created { ", made by this run" }
                }
                tbody {
                    @for (name, number, about) in &lines {
                        tr { th scope="row" { (name) } td.number { (number) } td { (about) } }
                    }
                }
            }
            (sentinel(report))
        }
    }
}

/// The line about those who get no e-mail.
fn no_email(found: Option<&NoEmail>) -> (&'static str, String, &'static str) {
    let (number, about) = match found {
        Some(found) if found.is_estimate => (
            format!("about {}", grouped(rounded(found.all()))),
            "of the audience get no e-mail, reckoned from a part of it",
        ),
        Some(found) if found.only_sent => (
            grouped(found.all()),
            "of the rows that were sent get no e-mail: unsubscribed or suppressed",
        ),
        Some(found) => (
            grouped(found.all()),
            "of the audience get no e-mail: unsubscribed or suppressed",
        ),
        None => (
            "not known".to_owned(),
            "of the audience get no e-mail: unsubscribed or suppressed",
        ),
    };
    ("No e-mail", number, about)
}

fn sentinel(report: &RunReport) -> Markup {
    html! {
        @if let Some(sentinel) = &report.sentinel {
            p.note {
                @match sentinel.seen_at {
                    Some(at) => { "Klaviyo showed the sentinel at " (time(at)) "." }
                    None => { "The sentinel was sent, and was not seen at Klaviyo yet." }
                }
            }
        }
    }
}
