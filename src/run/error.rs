//! The program's error: one variant per stage, each with the stage's own error inside.
//!
//! [`Error::exit_code`] says what the program ends with; what may help stands in `advice`.

mod advice;
pub(crate) mod service;

use crate::base::exit_code::ExitCode;
use crate::delivery::sftp::SftpError;
use crate::delivery::upload::UploadError;
use crate::job::JobError;
use crate::klaviyo::list::ListError;
use crate::pipeline::commit::CommitError;
use crate::pipeline::mapping::MappingError;
use crate::pipeline::spool::SpoolError;
use crate::run::report::count;
use crate::run::resume::SpooledPartError;
use crate::source::audience::AudienceError;
use crate::state::lock::LockError;
use crate::state::manifest::StateError;
use crate::state::owner::JobOwner;
use crate::state::shard::ShardError;

/// The error of a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A flag or an argument that cannot be.
    #[error("{0}")]
    Usage(String),
    /// `send` without a server.
    #[error(
        "--to: no server is named; write --to sftp://USER@sftp.klaviyo.com/profiles with the user name that Klaviyo shows under Integrations, Manage sources, Import via SFTP"
    )]
    NoServer,
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
        "the audience has no row to write ({read} read, {rejected} rejected{}); on-empty = \"skip\" would make that a success",
        and_blank(*blank)
    )]
    Empty {
        /// Rows read.
        read: u64,
        /// Rows rejected.
        rejected: u64,
        /// Blank records.
        blank: u64,
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
    /// A trial while a run of the whole audience is unfinished.
    #[error(
        "--limit {limit} would replace the unfinished run {run_id}, of which {} delivered; nothing was sent",
        are(*delivered, "part")
    )]
    TrialOverUnfinished {
        /// The limit of the trial.
        limit: u64,
        /// The unfinished run.
        run_id: String,
        /// Its parts that the server has.
        delivered: u64,
    },
    /// The state of the job's name belongs to another job.
    #[error("two jobs are named {name}: its runs belong to {known}, and this is {own}")]
    OtherJob {
        /// The name.
        name: String,
        /// The job that the state belongs to.
        known: Box<JobOwner>,
        /// The job that was asked for.
        own: Box<JobOwner>,
        /// The file that says which job the state belongs to.
        record: std::path::PathBuf,
    },
    /// A spooled part of an unfinished run.
    #[error(transparent)]
    SpooledPart(#[from] SpooledPartError),
    /// Shards that do not belong together, or are not done.
    #[error(transparent)]
    Shard(#[from] ShardError),
    /// State on disk.
    #[error(transparent)]
    State(#[from] StateError),
    /// The server, or what proves to it who we are, before a run began.
    #[error(transparent)]
    Sftp(#[from] SftpError),
    /// The list, or Klaviyo's API.
    #[error(transparent)]
    List(#[from] ListError),
    /// Delivering parts.
    #[error("upload")]
    Upload {
        /// The cause, with the server.
        source: Box<UploadError>,
    },
    /// Remote files of the wrong size.
    #[error(
        "{}: the size on the server differs from the size that was sent, after every attempt",
        count(u64::from(*parts), "part")
    )]
    Misdelivered {
        /// How many.
        parts: u32,
    },
    /// The changes since the last run are more than the job allows.
    #[error("{verdict}; nothing was sent")]
    Guarded {
        /// The run that has found them.
        run_id: String,
        /// The guard, and the numbers.
        verdict: String,
    },
    /// The counts of the run are too far from those of the last runs.
    #[error("{verdict}; nothing was sent")]
    Drifted {
        /// The run.
        run_id: String,
        /// The counts, and the medians.
        verdict: String,
    },
    /// The list is not the one that the last run put people on, and only changed rows were sent.
    #[error(
        "the list is another one than when the rows of run {run_id} were compared; only changed rows were sent, and nobody was added to the list"
    )]
    OtherList {
        /// The run.
        run_id: String,
    },
    /// A dry run that cannot be applied any more.
    #[error("the dry run {run_id} cannot be applied: {because}; nothing was sent")]
    PlanOutOfDate {
        /// The dry run.
        run_id: String,
        /// The reason.
        because: String,
    },
    /// No dry run has the id.
    #[error("the dry run {run_id} cannot be applied: the job has no such run; nothing was sent")]
    NoPlan {
        /// The id.
        run_id: String,
    },
    /// There is nothing to approve of.
    #[error("run {run_id} has nothing that waits for approval: {because}; nothing was sent")]
    NothingToApprove {
        /// The run.
        run_id: String,
        /// The reason.
        because: &'static str,
    },
    /// A signal.
    #[error("interrupted by {}", if *signal == 2 { "SIGINT" } else { "SIGTERM" })]
    Interrupted {
        /// Its number.
        signal: i32,
    },
    /// `strict = true` and a row was rejected.
    #[error(
        "rejected: {}, and the job is strict; all other rows are delivered",
        count(*rejected, "row")
    )]
    Strict {
        /// How many.
        rejected: u64,
    },
    /// The sandbox.
    #[cfg(feature = "sandbox")]
    #[error(transparent)]
    Sandbox(Box<dyn std::error::Error + Send + Sync>),
    /// Nothing of this job was ever run.
    #[error("job {job} has no run in {}", directory.display())]
    NoRun {
        /// The job's name.
        job: String,
        /// The job file.
        job_file: std::path::PathBuf,
        /// Where runs would be.
        directory: std::path::PathBuf,
    },
    /// The last run has no page to look at.
    #[error("run {run_id} has no report.html in {}: {because}", directory.display())]
    NoPage {
        /// The run.
        run_id: String,
        /// Its folder.
        directory: std::path::PathBuf,
        /// The reason.
        because: &'static str,
    },
    /// A state that cannot be: a bug.
    #[error("this is a bug in klaviyo-export: {0}")]
    Bug(&'static str),
}

impl Error {
    /// The exit code.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Usage(_) | Self::NoServer | Self::TrialOverUnfinished { .. } => ExitCode::Usage,
            Self::Job(_) | Self::NoRun { .. } | Self::OtherJob { .. } => ExitCode::Job,
            Self::Mapping(error) if error.is_of_the_audience() => ExitCode::Audience,
            Self::Mapping(_) => ExitCode::Job,
            Self::Lock(LockError::Held { .. }) => ExitCode::Locked,
            Self::Lock(LockError::State(_)) | Self::State(_) | Self::SpooledPart(_) => {
                ExitCode::Storage
            }
            Self::Audience(AudienceError::StdinShard) => ExitCode::Job,
            Self::Audience(_) | Self::Empty { .. } | Self::SourceChanged { .. } => {
                ExitCode::Audience
            }
            Self::Shard(error) => shard_exit_code(error),
            Self::Commit(error) => commit_exit_code(error),
            Self::Sftp(error) => sftp_exit_code(error),
            Self::List(error) => list_exit_code(error),
            Self::Upload { source, .. } => upload_exit_code(source),
            Self::Misdelivered { .. } => ExitCode::Verification,
            Self::Interrupted { signal: 2 } => ExitCode::Interrupted,
            Self::Interrupted { .. } => ExitCode::Terminated,
            Self::Strict { .. } => ExitCode::RowsRejected,
            Self::Guarded { .. } | Self::Drifted { .. } => ExitCode::Guard,
            Self::PlanOutOfDate { .. } => ExitCode::Audience,
            Self::NothingToApprove { .. } | Self::NoPlan { .. } | Self::NoPage { .. } => {
                ExitCode::Usage
            }
            Self::OtherList { .. } => ExitCode::Klaviyo,
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) => ExitCode::Storage,
            Self::Bug(_) => ExitCode::Bug,
        }
    }

    /// The error and its causes on one line.
    pub fn chain(&self) -> String {
        let mut line = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(cause) = source {
            line.push_str(": ");
            line.push_str(&cause.to_string());
            source = cause.source();
        }
        line
    }
}

/// The end of a list of counts: nothing where there is no blank record.
fn and_blank(blank: u64) -> String {
    match blank {
        0 => String::new(),
        blank => format!(", and {}", count(blank, "blank record")),
    }
}

/// `1 part is`, `2 parts are`.
fn are(number: u64, noun: &str) -> String {
    let verb = if number == 1 { "is" } else { "are" };
    format!("{} {verb}", count(number, noun))
}

fn shard_exit_code(error: &ShardError) -> ExitCode {
    match error {
        ShardError::FilesChanged { .. }
        | ShardError::JobChanged { .. }
        | ShardError::OtherNumber { .. } => ExitCode::Audience,
        ShardError::NoShard { .. } => ExitCode::Usage,
        ShardError::NotDone { .. } | ShardError::NoIdentifiers { .. } => ExitCode::Guard,
    }
}

fn commit_exit_code(error: &CommitError) -> ExitCode {
    match error {
        CommitError::Spool(SpoolError::State(_))
        | CommitError::Spill(_)
        | CommitError::State(_) => ExitCode::Storage,
        CommitError::Spool(SpoolError::Differs { .. }) => ExitCode::Audience,
        CommitError::AfterError | CommitError::Spool(SpoolError::Refused | SpoolError::Lost) => {
            ExitCode::Bug
        }
        CommitError::TooManyRejected { .. }
        | CommitError::Duplicate { .. }
        | CommitError::SharedIdentifier { .. } => ExitCode::Guard,
    }
}

fn list_exit_code(error: &ListError) -> ExitCode {
    match error {
        ListError::State(_) => ExitCode::Storage,
        ListError::TooManyRemovals { .. } => ExitCode::Guard,
        ListError::NothingStored { .. }
        | ListError::OutOfDate { .. }
        | ListError::NotFinished { .. }
        | ListError::NothingRemoved { .. }
        | ListError::NoSuchRun { .. } => ExitCode::Usage,
        _ => ExitCode::Klaviyo,
    }
}

fn upload_exit_code(error: &UploadError) -> ExitCode {
    match error {
        UploadError::LocalPart { .. }
        | UploadError::State(_)
        | UploadError::Part {
            source: SftpError::Source { .. } | SftpError::SourceSize { .. },
            ..
        } => ExitCode::Storage,
        UploadError::Connect(error) | UploadError::Part { source: error, .. } => {
            sftp_exit_code(error)
        }
        UploadError::Broke { .. }
        | UploadError::Unconfirmed { .. }
        | UploadError::GaveUp { .. } => ExitCode::Transfer,
    }
}

fn sftp_exit_code(error: &SftpError) -> ExitCode {
    if error.is_authentication() {
        ExitCode::Authentication
    } else {
        ExitCode::Transfer
    }
}
