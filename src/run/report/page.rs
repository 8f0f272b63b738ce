//! `report.html`: the report of a run as one page for people. It is a single file without scripts, and loads nothing.
//!
//! `RunPage` is what the page shows; each child draws one section of it. Text always passes through the escaping of `maud`.
//! Only counts, codes, times and names of the run are shown: no value of a row is in the report or in the manifest.

pub mod bars;
mod codes;
mod document;
mod funnel;
mod lists;
mod multiples;
mod outcome;
mod pace;
mod parts;
mod runs;
mod stages;
mod timeline;
mod words;

use maud::{Markup, html};

use super::RunReport;
use super::examples::Examples;
use crate::run::drift::GuardBands;
use crate::run::history::RunLine;
use crate::state::manifest::RunManifest;
pub(crate) use runs::RunsPage;

/// How many runs a page shows.
pub(crate) const SHOWN_RUNS: usize = 30;

/// A run as its page shows it.
pub(crate) struct RunPage<'a> {
    /// The report of it.
    pub(crate) report: &'a RunReport,
    /// The memory of it.
    pub(crate) manifest: &'a RunManifest,
    /// Where profiles went; `None` of a dry run.
    pub(crate) server: Option<&'a str>,
    /// Advice on the error that ended it.
    pub(crate) hint: Option<String>,
    /// The command to type next.
    pub(crate) next: Option<String>,
    /// The newest runs of the job with this one, the oldest first.
    pub(crate) runs: Vec<RunLine>,
    /// The counts that are no drift.
    pub(crate) bands: GuardBands,
    /// The first records of each reason.
    pub(crate) examples: Examples,
}

impl RunPage<'_> {
    /// The page.
    pub(crate) fn to_html(&self) -> String {
        let title = format!("{}: report of run {}", self.report.job, self.report.run_id);
        document::document(&title, &self.body())
    }

    fn body(&self) -> Markup {
        html! {
            header { (outcome::header(self)) }
            main {
                (outcome::notes(self.report))
                (funnel::section(self.report, self.manifest))
                (codes::section(self.report, &self.examples))
                (lists::section(self.report))
                (stages::section(self.report, &self.runs))
                (pace::section(self.manifest))
                (parts::section(self.manifest))
                (multiples::section(&self.runs, &self.report.run_id, &self.bands))
            }
            footer { (document::footer(&self.manifest.program)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::history::of_manifest;
    use crate::run::report::Circumstances;
    use serde_json::{Value, json};

    /// A run of so many parts. One in `bad` broke once, and was sent again.
    fn manifest(parts: u64, bad: u64) -> RunManifest {
        let at = |milliseconds: u64| {
            let time = jiff::Timestamp::from_millisecond(1_795_399_200_000);
            let time = time.unwrap() + std::time::Duration::from_millis(milliseconds);
            time.to_string()
        };
        let attempt = |number: u64, state: &str, start: u64| {
            json!({"number": number, "remote_path": "/profiles/vip.csv", "state": state,
                "started_at": at(start), "ended_at": at(start + 40)})
        };
        let part = |number: u64| {
            let begun = number * 50;
            let mut attempts = vec![attempt(1, "closed", begun + 100)];
            if number.is_multiple_of(bad) {
                attempts = vec![
                    attempt(1, "broken", begun + 50),
                    attempt(2, "closed", begun + 100),
                ];
            }
            json!({"number": number, "file_name": "x.csv", "rows": 10, "bytes": 1_000_000, "sha256": "0",
                "state": "verified", "verification": "verified", "written_at": at(begun),
                "delivered_at": at(begun + 150), "attempts": attempts})
        };
        let parts: Vec<Value> = (1..=parts).map(part).collect();
        let counts = json!({"rows_read": parts.len() * 10, "rows_written": parts.len() * 10, "rows_rejected": 0,
            "rejections": {}, "repairs": {}, "duplicates": 0, "external_id_only": 0});
        let manifest = json!({"version": 1, "run_id": "20261123T020000Z-00000000", "job": "vip", "dry_run": false,
            "program": "0", "job_fingerprint": "f", "sources": null, "limit": null, "started_at": at(0),
            "finished_at": at(parts.len() as u64 * 60), "status": "done", "formatted": true, "counts": counts,
            "parts": parts});
        serde_json::from_value(manifest).unwrap()
    }

    fn page(manifest: &RunManifest) -> String {
        let report = RunReport::new(manifest, Circumstances::default());
        let runs = (0..SHOWN_RUNS).map(|_| of_manifest(manifest, Some(&report), false));
        let page = RunPage {
            report: &report,
            manifest,
            server: Some("sftp.example.com:22/profiles"),
            hint: None,
            next: None,
            runs: runs.collect(),
            bands: GuardBands::default(),
            examples: Examples::default(),
        };
        page.to_html()
    }

    #[test]
    fn a_page_stays_small_however_many_parts_there_are() {
        let few = page(&manifest(100, 7));
        assert!(few.contains("<caption>100 parts</caption>"), "{few}");
        assert_eq!(
            few.matches("<th class=\"number\" scope=\"row\">").count(),
            100
        );
        for (bad, listed, at_once, later) in [(1_000, 10, 9_990, 0), (2, 100, 5_000, 4_900)] {
            let many = page(&manifest(10_000, bad));
            let others = 10_000 - listed;
            let caption = format!(
                "10,000 parts: {listed} listed, and {} summed up below",
                super::super::count(others, "other")
            );
            assert!(many.contains(&caption), "{caption}");
            for (parts, words) in [
                (at_once, "delivered at once"),
                (later, "delivered after several attempts"),
            ] {
                let told = format!("{}</th>", super::super::count(parts, "other"));
                assert_eq!(
                    many.contains(&told) && many.contains(words),
                    parts > 0,
                    "{told}"
                );
            }
            assert!(many.contains("one line for each 417 parts"));
            let files = 10_000 / bad;
            let told = format!(
                "{} more incomplete files, which report.json has",
                super::super::grouped(files.saturating_sub(50))
            );
            assert_eq!(many.contains(&told), files > 50, "{told}");
            assert!(many.len() < 150_000, "{} bytes", many.len());
        }
    }

    #[test]
    fn the_pace_of_a_run_is_drawn_over_its_time() {
        let page = page(&manifest(200, 1_000));
        // 10 rows in 50 ms, and a megabyte in 50 ms.
        for words in [
            "Rows formatted",
            "Megabytes delivered",
            " rows/s on average",
            " MB/s on average",
        ] {
            assert!(page.contains(words), "{words} is not in {page}");
        }
    }
}
