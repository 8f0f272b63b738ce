//! `report.html`: written when a run has ended, where the job wants it. It fails no run.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::drift::DriftGuard;
use super::surroundings::Surroundings;
use super::{destination_name, next};
use crate::cli::command_line::CommandLine;
use crate::job::Job;
use crate::run::error::Error;
use crate::run::history::{self, RunLine};
use crate::run::report::RunReport;
use crate::run::report::examples::Examples;
use crate::run::report::page::{RunPage, SHOWN_RUNS};
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::manifest::RunManifest;
use crate::state::storage::replace_file;

/// The place of a run's page, and what it is made of besides the report.
pub(super) struct PageContext<'a> {
    pub(super) job: &'a Job,
    pub(super) state: &'a JobDirectory,
    pub(super) directory: &'a RunDirectory,
    pub(super) surroundings: &'a Surroundings,
}

impl PageContext<'_> {
    /// Writes the page of the run that ended with `error`, or leaves the command `left` to type. A warning where that failed.
    pub(super) fn write(
        &self,
        manifest: &RunManifest,
        report: &RunReport,
        error: Option<&Error>,
        left: Option<&CommandLine>,
    ) -> Option<String> {
        if !self.job.html_report {
            return None;
        }
        let next = next::next(error, left, &self.surroundings.command_line);
        let server = destination_name(self.job);
        let guard = DriftGuard::new(self.job, self.state, Some(&manifest.run_id));
        let page = RunPage {
            report,
            manifest,
            server: (!manifest.dry_run).then_some(&server),
            hint: error.and_then(Error::hint),
            next: next.map(|next| next.to_string()),
            runs: self.runs(manifest, report),
            bands: guard.as_ref().map(DriftGuard::bands).unwrap_or_default(),
            examples: Examples::read(self.directory.path()),
        };
        // A fault in a drawing must not cost the report of a run that has delivered.
        let because = match catch_unwind(AssertUnwindSafe(|| page.to_html())) {
            Ok(html) => {
                let written = replace_file(&self.directory.page(), html.as_bytes());
                Error::from(written.err()?).chain()
            }
            Err(_) => "drawing it failed, which is a bug in klaviyo-export".to_owned(),
        };
        let warning =
            format!("report.html was not written ({because}); report.json has all that it shows");
        tracing::warn!("{warning}");
        Some(warning)
    }

    /// The newest runs of the job, the oldest first. The run itself is as its report says: its manifest on disk is from before
    /// its end.
    fn runs(&self, manifest: &RunManifest, report: &RunReport) -> Vec<RunLine> {
        let own = history::of_manifest(manifest, Some(report), false);
        // That runs cannot be listed is told by the command that lists them.
        let mut runs = history::newest(self.state, SHOWN_RUNS).unwrap_or_default();
        runs.reverse();
        match runs.iter_mut().find(|run| run.run_id == own.run_id) {
            Some(run) => *run = own,
            None => runs.push(own),
        }
        runs
    }
}
