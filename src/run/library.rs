//! The three entry points for programs that use this crate as a library. The documentation of the crate shows each of them.

use std::path::PathBuf;

use super::{RunOptions, RunOutcome, whole};
use crate::cli::progress::ProgressStyle;
use crate::job::file::Mirror;
use crate::job::{Job, JobError};
use crate::run::error::Error;
use crate::run::report::RunReport;
use crate::run::surroundings::Surroundings;
use crate::state::manifest::read_manifest;

/// Parts that were formatted, and that nobody was sent.
#[derive(Debug)]
pub struct LocalParts {
    /// The files, in order. They stay until a later run of the job is done.
    pub parts: Vec<PathBuf>,
    /// `rejects.csv`, if a row was rejected.
    pub rejects: Option<PathBuf>,
    /// The counts.
    pub report: RunReport,
}

/// Formats the audience of `job` into the CSV files that Klaviyo's SFTP import takes. It contacts no server.
///
/// The files are in the folder of the run, below the job's state directory.
pub fn format(job: &Job, surroundings: &Surroundings) -> Result<LocalParts, Error> {
    let options = RunOptions {
        dry_run: true,
        ..quiet()
    };
    let finished = good(whole(job, options, surroundings)?)?;
    let directory = &finished.directory;
    let manifest = read_manifest(&directory.manifest())?;
    let files = manifest.parts.iter().map(|part| &part.file_name);
    let rejects = directory.path().join("rejects.csv");
    Ok(LocalParts {
        parts: files.map(|name| directory.parts().join(name)).collect(),
        rejects: rejects.exists().then_some(rejects),
        report: finished.report,
    })
}

/// Formats the audience of `job` and delivers it as the job says: by SFTP or through Klaviyo's API, and with the steps of its
/// `[list]` section if there is one.
///
/// Parts are sent while later rows are formatted. If it fails, call it again: a run that was not finished continues, and no
/// part that was delivered is sent again. Only one run of a job at a time is allowed; a second one gets [`Error::Lock`].
pub fn deliver(job: &Job, surroundings: &Surroundings) -> Result<RunOutcome, Error> {
    let mut job = job.clone();
    job.read_secrets(&surroundings.environment)?;
    surroundings.stop_as_told(&job);
    good(whole(&job, quiet(), surroundings)?)
}

/// Delivers the audience of `job`, and makes its list equal to the audience: adds who is missing, and removes who left.
///
/// The job needs a `[list]` section with `mirror = "tracked"` or `mirror = "exact"`. Its `max-removals` limits how many members one
/// call may remove; if there are more, none is removed, and the error says how many they are.
pub fn reconcile(job: &Job, surroundings: &Surroundings) -> Result<RunOutcome, Error> {
    let list = job.list.as_ref();
    if list.is_none_or(|list| list.mirror == Mirror::Off) {
        return Err(Error::Job(JobError::Value {
            key: "list.mirror",
            problem: "must be \"tracked\" or \"exact\" to keep a list equal to the audience"
                .to_owned(),
        }));
    }
    deliver(job, surroundings)
}

fn quiet() -> RunOptions {
    RunOptions {
        progress: ProgressStyle::None,
        ..RunOptions::default()
    }
}

/// The run, if it had no error.
fn good(mut finished: RunOutcome) -> Result<RunOutcome, Error> {
    match finished.error.take() {
        Some(error) => Err(error),
        None => Ok(finished),
    }
}
