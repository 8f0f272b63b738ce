//! Exit codes of the program. The numbers are a promise: schedulers read them.

/// The exit codes, in the order of the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitCode {
    /// All is delivered.
    Done,
    /// A bug.
    Bug,
    /// The command line.
    Usage,
    /// All is delivered but for rejected rows, and the job is strict.
    RowsRejected,
    /// The job file.
    Job,
    /// Another run has the lock.
    Locked,
    /// The audience.
    Audience,
    /// Host key or authentication.
    Authentication,
    /// The transfer; running again goes on.
    Transfer,
    /// A file on the server is not what was sent.
    Verification,
    /// Klaviyo's API, or the list.
    Klaviyo,
    /// A guard: too many rejections, changes or removals, or a duplicate or shared identifier where none may be.
    Guard,
    /// Local storage.
    Storage,
    /// SIGINT.
    Interrupted,
    /// SIGTERM.
    Terminated,
}

impl ExitCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 15] = [
        Self::Done,
        Self::Bug,
        Self::Usage,
        Self::RowsRejected,
        Self::Job,
        Self::Locked,
        Self::Audience,
        Self::Authentication,
        Self::Transfer,
        Self::Verification,
        Self::Klaviyo,
        Self::Guard,
        Self::Storage,
        Self::Interrupted,
        Self::Terminated,
    ];

    /// The number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Bug => 1,
            Self::Usage => 2,
            Self::RowsRejected => 3,
            Self::Job => 10,
            Self::Locked => 11,
            Self::Audience => 12,
            Self::Authentication => 13,
            Self::Transfer => 14,
            Self::Verification => 15,
            Self::Klaviyo => 16,
            Self::Guard => 17,
            Self::Storage => 18,
            Self::Interrupted => 130,
            Self::Terminated => 143,
        }
    }

    /// The meaning, as `--help` and the documentation say it.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Bug => "a bug in klaviyo-export",
            Self::Usage => "the command line is not valid, or does not fit the runs of the job",
            Self::RowsRejected => "done, but rows were rejected and the job is strict",
            Self::Job => "the job file, or the mapping of columns, cannot be used",
            Self::Locked => "another run of the job is under way",
            Self::Audience => "the audience cannot be read, lacks a column, or is empty",
            Self::Authentication => "the host key was not accepted, or the login failed",
            Self::Transfer => "the transfer failed; the next run continues",
            Self::Verification => "a file on the server differs from the file that was sent",
            Self::Klaviyo => "Klaviyo refused, or the list is not as the job says",
            Self::Guard => {
                "a guard stopped it: rejects, changes, drift, removals, a forbidden duplicate or shared id"
            }
            Self::Storage => {
                "local storage: disk full, state unreadable or of a newer version, a part file changed"
            }
            Self::Interrupted => "interrupted by SIGINT; the next run continues",
            Self::Terminated => "interrupted by SIGTERM; the next run continues",
        }
    }
}
