//! The program's error: one variant per stage, each with the stage's own error inside.
//!
//! [`Error::exit_code`] says what the program ends with, [`Error::hint`] what to do next.

use crate::audience::AudienceError;
use crate::commit::CommitError;
use crate::exit_code::ExitCode;
use crate::job::JobError;
use crate::lock::LockError;
use crate::manifest::StateError;
use crate::mapping::MappingError;
use crate::resume::SpooledPartError;
use crate::sftp::SftpError;
use crate::spool::SpoolError;
use crate::upload::UploadError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag or an argument that cannot be.
    #[error("{0}")]
    Usage(String),
    /// The job file.
    #[error(transparent)]
    Job(#[from] JobError),
    /// Another run is under way.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The columns.
    #[error(transparent)]
    Mapping(#[from] MappingError),
    /// The audience.
    #[error(transparent)]
    Audience(#[from] AudienceError),
    /// The audience has no row to write.
    #[error(
        "the audience has no row to write ({read} read, {rejected} rejected); on-empty = \"skip\" would make that a success"
    )]
    Empty {
        /// Rows read.
        read: u64,
        /// Rows rejected.
        rejected: u64,
    },
    /// Committing rows.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The audience of an unfinished run has changed and the job says `on-source-change = "refuse"`.
    #[error(
        "the audience has changed since the unfinished run {run_id} began, and the job says on-source-change = \"refuse\"; start over with --fresh"
    )]
    SourceChanged {
        /// The unfinished run.
        run_id: String,
    },
    /// A spooled part of an unfinished run.
    #[error(transparent)]
    SpooledPart(#[from] SpooledPartError),
    /// State on disk.
    #[error(transparent)]
    State(#[from] StateError),
    /// Delivering parts.
    #[error("upload")]
    Upload {
        /// Why, and with which server.
        source: Box<UploadError>,
    },
    /// Remote files of the wrong size.
    #[error("{parts} of the parts have another size on the server than what was sent")]
    Misdelivered {
        /// How many.
        parts: u32,
    },
    /// A signal.
    #[error("interrupted by {}", if *signal == 2 { "SIGINT" } else { "SIGTERM" })]
    Interrupted {
        /// Its number.
        signal: i32,
    },
    /// `strict = true` and a row was rejected.
    #[error("{rejected} rows were rejected, and the job is strict; all other rows are delivered")]
    Strict {
        /// How many.
        rejected: u64,
    },
    /// The sandbox.
    #[cfg(feature = "sandbox")]
    #[error(transparent)]
    Sandbox(#[from] crate::sandbox::SandboxError),
    /// Nothing of this job was ever run.
    #[error("job {job} has no run in {}", directory.display())]
    NoRun {
        /// The job's name.
        job: String,
        /// Where runs would be.
        directory: std::path::PathBuf,
    },
    /// What cannot happen.
    #[error("this is a bug in klaviyo-export: {0}")]
    Bug(&'static str),
}

impl Error {
    /// What the program ends with.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) => ExitCode::Usage,
            Self::Job(_) | Self::NoRun { .. } => ExitCode::Job,
            Self::Mapping(error) if error.is_of_the_audience() => ExitCode::Audience,
            Self::Mapping(_) => ExitCode::Job,
            Self::Lock(LockError::Held { .. }) => ExitCode::Locked,
            Self::Lock(LockError::Storage { .. }) | Self::State(_) | Self::SpooledPart(_) => {
                ExitCode::Storage
            }
            Self::Audience(_) | Self::Empty { .. } | Self::SourceChanged { .. } => {
                ExitCode::Audience
            }
            Self::Commit(error) => commit_exit_code(error),
            Self::Upload { source, .. } => upload_exit_code(source),
            Self::Misdelivered { .. } => ExitCode::Verification,
            Self::Interrupted { signal: 2 } => ExitCode::Interrupted,
            Self::Interrupted { .. } => ExitCode::Terminated,
            Self::Strict { .. } => ExitCode::RowsRejected,
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) => ExitCode::Storage,
            Self::Bug(_) => ExitCode::Bug,
        }
    }

    /// What to do next, where the error itself does not say it.
    pub fn hint(&self) -> Option<String> {
        if let Self::Upload { source, .. } = self
            && let UploadError::Connect(error) | UploadError::Part { source: error, .. } = &**source
            && let Some(hint) = error.hint()
        {
            return Some(hint);
        }
        #[cfg(feature = "sandbox")]
        if let Self::Sandbox(_) = self {
            return None;
        }
        if let Self::Commit(CommitError::Duplicate { .. }) = self {
            return Some(
                "mend the source, or say which row to keep: duplicates = \"first\" or \"last\""
                    .to_owned(),
            );
        }
        if let Self::SpooledPart(_) = self {
            return Some("start over with --fresh".to_owned());
        }
        let hint = match self.exit_code() {
            ExitCode::Locked => {
                Some("wait for it to end, or end it; the lock goes with the process")
            }
            ExitCode::Transfer => Some("nothing is lost: run the same command again"),
            ExitCode::Storage => {
                Some("free or mend the storage named above, then run the same command again")
            }
            ExitCode::Interrupted | ExitCode::Terminated => {
                Some("run the same command again to go on")
            }
            ExitCode::Guard => Some(
                "look at rejects.csv of this run; mend the source, or change the limit in the job file",
            ),
            ExitCode::Verification => Some(
                "run the same command again; if it happens again, show the report to the server's operator",
            ),
            ExitCode::Bug => Some("please report it, with the command and the lines above"),
            _ => None,
        };
        hint.map(str::to_owned)
    }
}

fn commit_exit_code(error: &CommitError) -> ExitCode {
    match error {
        CommitError::Spool(SpoolError::Storage { .. } | SpoolError::State(_))
        | CommitError::Spill(_)
        | CommitError::State(_) => ExitCode::Storage,
        CommitError::Spool(SpoolError::Differs { .. }) => ExitCode::Audience,
        CommitError::Spool(SpoolError::Refused | SpoolError::Lost) => ExitCode::Bug,
        CommitError::TooManyRejected { .. } | CommitError::Duplicate { .. } => ExitCode::Guard,
    }
}

fn upload_exit_code(error: &UploadError) -> ExitCode {
    let of_sftp = |error: &SftpError| {
        if error.is_authentication() {
            ExitCode::Authentication
        } else {
            ExitCode::Transfer
        }
    };
    match error {
        UploadError::LocalPart { .. }
        | UploadError::State(_)
        | UploadError::Part {
            source: SftpError::Source { .. } | SftpError::SourceSize { .. },
            ..
        } => ExitCode::Storage,
        UploadError::Connect(error) | UploadError::Part { source: error, .. } => of_sftp(error),
        UploadError::GaveUp { .. } => ExitCode::Transfer,
    }
}
