//! The frame of a page, and how numbers, times and texts stand in it.

use std::borrow::Cow;

use jiff::Timestamp;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::cli::console::printable;

/// The style of all pages. It is in the page itself: nothing is loaded.
const STYLE: &str = include_str!("page.css");

/// Forbids whatever a page might load or run, should a text ever escape its place.
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// A page with this title and content.
pub(super) fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="color-scheme" content="light dark";
                meta name="robots" content="noindex";
                title { (shown(title)) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// The last lines of a page.
pub(super) fn footer(program: &str) -> Markup {
    html! {
        p {
            "All times are in UTC. This page holds counts, codes and times, and no value of a row. It loads nothing and runs no \
             script. Made by " (shown(program)) "."
        }
    }
}

/// A text that comes from elsewhere, without characters that would turn or break the line.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    printable(text)
}

/// A time to the second.
pub(super) fn time(time: Timestamp) -> Markup {
    html! {
        time datetime=(time.strftime("%Y-%m-%dT%H:%M:%SZ")) { (time.strftime("%Y-%m-%d %H:%M:%S")) }
    }
}

/// The time of day.
pub(super) fn clock(time: Timestamp) -> Markup {
    html! {
        time datetime=(time.strftime("%Y-%m-%dT%H:%M:%SZ")) { (time.strftime("%H:%M:%S")) }
    }
}

/// How long something took.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time for people"
)]
pub(super) fn took(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        _ if seconds < 59.95 => format!("{seconds:.1} s"),
        0..3_600 => format!("{} min {:02} s", whole / 60, whole % 60),
        3_600..172_800 => format!("{} h {:02} min", whole / 3_600, whole % 3_600 / 60),
        _ => format!("{:.1} days", seconds / 86_400.0),
    }
}

/// A share of a whole. It is 0 or 100 percent of nothing but none and all.
pub(super) fn percent(part: u64, whole: u64) -> String {
    if part == 0 || whole == 0 {
        return "0 %".to_owned();
    }
    let share = part as f64 * 100.0 / whole as f64;
    match share {
        _ if part == whole => "100 %".to_owned(),
        _ if share < 0.05 => "< 0.1 %".to_owned(),
        _ if share > 99.9 => "> 99.9 %".to_owned(),
        _ => format!("{share:.1} %"),
    }
}

/// A number for a coordinate: short, and the same everywhere.
pub(super) fn coordinate(number: f64) -> String {
    let text = format!("{number:.2}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// A table that is wider than a small screen scrolls in a region of its own, which the keyboard reaches.
pub(super) fn scrolled(label: &str, table: &Markup) -> Markup {
    html! { div.scroll role="region" aria-label=(label) tabindex="0" { (table) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_shares_read_well() {
        let times = [0.04, 59.94, 59.96, 192.4, 3_599.6, 7_500.0, 400_000.0].map(took);
        let expected = [
            "0.0 s",
            "59.9 s",
            "1 min 00 s",
            "3 min 12 s",
            "1 h 00 min",
            "2 h 05 min",
            "4.6 days",
        ];
        assert_eq!(times, expected);
        let shares = [(0, 10), (10, 10), (1, 100_000), (99_999, 100_000), (1, 8)];
        let shares = shares.map(|(part, whole)| percent(part, whole));
        assert_eq!(shares, ["0 %", "100 %", "< 0.1 %", "> 99.9 %", "12.5 %"]);
        assert_eq!([0.0, 1.5, 33.333].map(coordinate), ["0", "1.5", "33.33"]);
    }

    #[test]
    fn a_text_that_looks_like_markup_stays_text() {
        let body = html! { p title=(shown("\"><img>")) { (shown("<script>\u{202e}</script>")) } };
        let page = document("</title><script>", &body);
        assert!(
            !page.contains("<script") && !page.contains("<img"),
            "{page}"
        );
        assert!(
            page.contains("&lt;script&gt;\\u{202e}&lt;/script&gt;"),
            "{page}"
        );
    }
}
