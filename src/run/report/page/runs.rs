//! `runs --html`: the last runs of a job as one page.

use maud::{Markup, html};

use super::{document, multiples};
use crate::base::text::{count, grouped};
use crate::cli::console::printable;
use crate::run::drift::GuardBands;
use crate::run::history::RunLine;
use crate::run::resume::PROGRAM;

/// The last runs of a job as their page shows them.
pub(crate) struct RunsPage<'a> {
    /// The job's name, and of a shard which one.
    pub(crate) name: &'a str,
    /// The runs, the oldest first.
    pub(crate) runs: &'a [RunLine],
    /// The counts that are no drift.
    pub(crate) bands: &'a GuardBands,
    /// How many runs the job has.
    pub(crate) of: usize,
}

impl RunsPage<'_> {
    /// The page.
    pub(crate) fn to_html(&self) -> String {
        document::document(&format!("{}: last runs", self.name), &self.body())
    }

    fn body(&self) -> Markup {
        html! {
            header {
                p.kind { "klaviyo-export · runs of a job" }
                h1 { (printable(self.name)) }
                p.outcome { (self.sentence()) }
            }
            main {
                section aria-labelledby="runs" {
                    h2 id="runs" { "Over time" }
                    (multiples::drawings(self.runs, None, self.bands))
                }
                section aria-labelledby="table" {
                    h2 id="table" { "Run by run" }
                    (multiples::table(self.runs, None))
                    (errors(self.runs))
                }
            }
            footer { (document::footer(PROGRAM)) }
        }
    }

    fn sentence(&self) -> String {
        let shown = self.runs.len();
        let good = self.runs.iter().filter(|run| run.is_good()).count();
        let of = match self.of {
            of if of > shown => format!("The last {shown} of {}", count(of as u64, "run")),
            of => count(of as u64, "run"),
        };
        let ended = format!(
            "{} ended well, and {} did not.",
            grouped(good as u64),
            grouped((shown - good) as u64)
        );
        format!("{of}: {ended}")
    }
}

/// The errors of the runs, the newest first.
fn errors(runs: &[RunLine]) -> Markup {
    let failed = || {
        runs.iter()
            .rev()
            .filter_map(|run| Some((run, run.error.as_ref()?)))
    };
    html! {
        @if failed().next().is_some() {
            h3 { "Errors" }
            ul {
                @for (run, error) in failed() {
                    li { code { (printable(run.run_id.as_deref().unwrap_or("no run"))) } ": " (printable(error)) }
                }
            }
        }
    }
}
