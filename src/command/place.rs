//! The job that `status` and `runs` are asked about: by its job file, or by its name in the state directory.

use std::path::{Path, PathBuf};

use super::Surroundings;
use crate::cli::StateArgs;
use crate::job::{JobError, JobPlace, JobSource, is_job_name};
use crate::run::error::Error;
use crate::state::directory::{JobDirectory, known_jobs};
use crate::state::owner::JobOwner;
use crate::state::shard::Shard;

/// A job's folder of state, as a command that only reads it wants it.
pub(super) struct JobState {
    /// The job's name.
    pub(super) name: String,
    /// Its folder, or that of one of its shards.
    pub(super) state: JobDirectory,
    /// Where the job is described.
    pub(super) origin: JobOrigin,
    /// A note, where the runs belong to another job of the same name.
    pub(super) belongs_to_another: Option<String>,
}

/// Where a job is described.
pub(super) enum JobOrigin {
    /// In this job file.
    File(PathBuf),
    /// In the flags of `send`.
    Send,
    /// Nothing tells: it had dry runs only, or runs of a version that did not remember it.
    Unknown,
}

impl JobOrigin {
    /// The origin that the state remembers.
    pub(super) fn of(state: &JobDirectory) -> Self {
        match JobOwner::read(state) {
            Some(owner) => owner.job_file.map_or(Self::Send, Self::File),
            None => Self::Unknown,
        }
    }

    /// The job file, where it is known.
    pub(super) fn file(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file),
            Self::Send | Self::Unknown => None,
        }
    }
}

/// The state of the job that `job` names, or of one of its shards.
pub(super) fn state_of(
    job: JobSource<'_>,
    shard: Option<Shard>,
    state: &StateArgs,
    surroundings: &Surroundings,
) -> Result<JobState, Error> {
    let mut found = match name_of(job.path) {
        Some(name) => {
            refuse_settings(job.set)?;
            by_name(name, state, surroundings)?
        }
        None => by_file(job, state, surroundings)?,
    };
    if let Some(shard) = shard {
        found.state = found.state.shard(shard);
    }
    Ok(found)
}

/// Refuses keys of a job file where none is named.
pub(super) fn refuse_settings(set: &[String]) -> Result<(), Error> {
    if set.is_empty() {
        return Ok(());
    }
    Err(Error::Usage(
        "--set changes a job file: name the file, and not the job".to_owned(),
    ))
}

/// The job's name, where the argument is one and no file.
fn name_of(job: &Path) -> Option<&str> {
    let name = job.to_str().filter(|name| is_job_name(name))?;
    let is_file = job.extension().is_some_and(|end| end == "toml") || job.is_file();
    (!is_file).then_some(name)
}

fn by_file(
    job: JobSource<'_>,
    state: &StateArgs,
    surroundings: &Surroundings,
) -> Result<JobState, Error> {
    let path = job.path;
    let job = JobPlace::load(job, &surroundings.environment)?;
    let state = job.state(state.state_dir.as_deref())?;
    let known = JobOwner::read(&state).filter(|known| job.owner.is_other_than(known));
    Ok(JobState {
        belongs_to_another: known
            .map(|known| format!("these runs belong to {known}, and this is {}", job.owner)),
        name: job.name,
        state,
        origin: JobOrigin::File(path.to_owned()),
    })
}

fn by_name(name: &str, state: &StateArgs, surroundings: &Surroundings) -> Result<JobState, Error> {
    let directory = directory(state, surroundings)?;
    let jobs = known_jobs(&directory)?;
    if !jobs.iter().any(|job| job == name) {
        return Err(JobError::UnknownName {
            name: name.to_owned(),
            directory,
            known: jobs,
        }
        .into());
    }
    let state = JobDirectory::new(&directory, name);
    Ok(JobState {
        name: name.to_owned(),
        origin: JobOrigin::of(&state),
        state,
        belongs_to_another: None,
    })
}

/// The state directory that is looked at where no job file names one.
pub(super) fn directory(state: &StateArgs, surroundings: &Surroundings) -> Result<PathBuf, Error> {
    let usual = || {
        surroundings
            .environment
            .state_directory(None, Path::new(""))
    };
    let directory = state.state_dir.clone().or_else(usual);
    Ok(directory.ok_or(JobError::NoStateDirectory)?)
}
