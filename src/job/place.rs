//! Where a job is at home: its name, its folder of state, and the place that its profiles go to.

use std::path::{Path, PathBuf};

use super::file::{JobFile, SftpSection};
use super::written::{self, JobSource};
use super::{JobError, check_name};
use crate::base::environment::Environment;
use crate::klaviyo::settings::Deliver;
use crate::state::directory::JobDirectory;
use crate::state::owner::JobOwner;

/// The name and the state directory of a job. None of the job's secrets is needed for them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlace {
    /// `[A-Za-z0-9._-]+`.
    pub name: String,
    /// Where state lives; `None` where nothing tells. See [`JobPlace::state`].
    pub state_directory: Option<PathBuf>,
    /// The job as its state remembers it.
    pub owner: JobOwner,
}

impl JobPlace {
    /// Reads the job file of `source`.
    pub fn load(source: JobSource<'_>, environment: &Environment) -> Result<Self, JobError> {
        written::read(source, environment, |file, base| {
            Self::at(source.path, file, base, environment)
        })
    }

    /// As [`JobPlace::load`], for those who watch the job: a variable may be missing where it says nothing of the state.
    pub fn load_to_watch(
        source: JobSource<'_>,
        environment: &Environment,
    ) -> Result<Self, JobError> {
        let needed = |section: &str| section == "state";
        written::read_sections(source, environment, needed, |file, base| {
            Self::at(source.path, file, base, environment)
        })
    }

    /// The place of the job of `file`, which is at `path`.
    fn at(
        path: &Path,
        file: JobFile,
        base: &Path,
        environment: &Environment,
    ) -> Result<Self, JobError> {
        check_name(&file.name)?;
        let directory = file.state.directory.as_deref();
        Ok(Self {
            state_directory: environment.state_directory(directory, base),
            owner: JobOwner::new(Some(path), server_name(&file)),
            name: file.name,
        })
    }

    /// The job that `send` makes of its flags.
    pub fn of(file: &JobFile, environment: &Environment) -> Result<Self, JobError> {
        check_name(&file.name)?;
        Ok(Self {
            state_directory: environment.state_directory(None, Path::new("")),
            owner: JobOwner::new(None, server_name(file)),
            name: file.name.clone(),
        })
    }

    /// The job's folder of state, in the place that the command line has `asked` for, if it has.
    pub fn state(&self, asked: Option<&Path>) -> Result<JobDirectory, JobError> {
        folder_of(asked.or(self.state_directory.as_deref()), &self.name)
    }
}

pub(super) fn folder_of(
    state_directory: Option<&Path>,
    name: &str,
) -> Result<JobDirectory, JobError> {
    let directory = state_directory.ok_or(JobError::NoStateDirectory)?;
    Ok(JobDirectory::new(directory, name))
}

/// Where the profiles of a job go, as its state remembers it.
pub(super) fn server_name(file: &JobFile) -> String {
    if file.klaviyo.deliver == Deliver::Api {
        return file.klaviyo.base_url.clone();
    }
    let sftp = &file.sftp;
    let username = sftp.username.as_deref().unwrap_or_default();
    format!(
        "sftp://{username}@{}:{}{}",
        sftp.host,
        sftp.port.unwrap_or(SftpSection::PORT),
        sftp.directory
    )
}
