//! The errors of a job file.

use std::path::PathBuf;

use super::VariableFault;

/// Errors of a job file.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The file cannot be read.
    #[error("job file {}: cannot be read", path.display())]
    Unreadable {
        /// The job file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file of the query cannot be read.
    #[error("query file {}: cannot be read", path.display())]
    QueryFile {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file of rows where a job file is wanted.
    #[error("{}: is a file of rows, not a job file", path.display())]
    IsAudience {
        /// The file.
        path: PathBuf,
    },
    /// The cause is in this file.
    #[error("job file {}", path.display())]
    InFile {
        /// The job file.
        path: PathBuf,
        /// The fault.
        source: Box<JobError>,
    },
    /// It is no TOML, or has keys or types that a job has not.
    #[error("{}{message}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Syntax {
        /// 1-based.
        line: Option<usize>,
        /// Names the key, never a value.
        message: String,
    },
    /// A key has a value that cannot be.
    #[error("`{key}` {problem}")]
    Value {
        /// The key with its section.
        key: &'static str,
        /// The fault, and the text to write instead.
        problem: String,
    },
    /// There is no folder where state could be.
    #[error(
        "no folder for the state is known: HOME is not set and the user has no home directory; name one with --state-dir, or with directory in [state]"
    )]
    NoStateDirectory,
    /// A job that has no state.
    #[error(
        "no job named `{name}` has a run in {}{}",
        directory.display(),
        listed(known)
    )]
    UnknownName {
        /// The name.
        name: String,
        /// The state directory.
        directory: PathBuf,
        /// The jobs that have state there.
        known: Vec<String>,
    },
    /// A key that the command line gives.
    #[error("--set {key}: {problem}")]
    Set {
        /// The key as it is typed.
        key: String,
        /// The fault, which shows no value.
        problem: String,
    },
    /// A variable in a value that cannot be filled in.
    #[error("`{key}`: {fault}")]
    Variable {
        /// The key with its section.
        key: String,
        /// The fault, which shows no value.
        fault: VariableFault,
    },
    /// A variable that the job names for a secret is not set.
    #[error("`{key}`: the environment variable {variable} is not set")]
    Unset {
        /// The key with its section.
        key: &'static str,
        /// The variable's name.
        variable: String,
    },
}

/// `; jobs with runs there: a, b`.
fn listed(known: &[String]) -> String {
    match known {
        [] => String::new(),
        known => format!("; jobs with runs there: {}", known.join(", ")),
    }
}
