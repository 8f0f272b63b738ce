//! `report.html`: the report of a run as one page for people. It is a single file without scripts, and loads nothing.
//!
//! [`RunPage`] is what the page shows; each child draws one section of it. Text always passes through the escaping of `maud`.
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
                (codes::section(self.report))
                (lists::section(self.report))
                (stages::section(self.report, &self.runs))
                (pace::section(self.manifest))
                (parts::section(self.manifest))
                (multiples::section(&self.runs, &self.report.run_id))
            }
            footer { (document::footer(&self.manifest.program)) }
        }
    }
}
