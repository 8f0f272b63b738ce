//! Errors of a driver, in our words: a driver's own text may hold rows, so none of it is kept.

use std::fmt;
use std::path::PathBuf;

use adbc_core::error::Status;

/// The reason for which a driver gives no rows, or not all of them.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum AdbcError {
    /// No driver of that name.
    #[error("no ADBC driver named {driver} in {folders}; {advice}")]
    DriverNotFound {
        /// As the job names it.
        driver: String,
        /// Where it was looked for.
        folders: String,
        /// Which package brings it.
        advice: String,
    },
    /// No file at the path.
    #[error("{}: the ADBC driver cannot be read: {problem}; {advice}", .path.display())]
    DriverFile {
        /// The library.
        path: PathBuf,
        /// The system's error.
        problem: String,
        /// Which package brings it.
        advice: String,
    },
    /// A library, its manifest or their folder that others can change.
    #[error("{}: others can write it (mode {mode:03o}), and a driver runs with your rights; chmod go-w it", .path.display())]
    DriverUntrusted {
        /// The file or folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A manifest that says no library.
    #[error("driver manifest {}: {problem}", .path.display())]
    DriverManifest {
        /// The manifest.
        path: PathBuf,
        /// The fault.
        problem: String,
    },
    /// A library that is no driver for this machine.
    #[error("{}: cannot be loaded as an ADBC driver: {problem}", .path.display())]
    DriverLoad {
        /// The library.
        path: PathBuf,
        /// The error of the system's loader, or the status of the driver.
        problem: String,
    },
    /// A secret that is not there.
    #[error(
        "audience.adbc.option-env {option}: the variable {variable} is not set; export it before the run"
    )]
    SecretMissing {
        /// The option that it is for.
        option: String,
        /// The variable.
        variable: String,
    },
    /// A driver would reach another machine.
    #[error("{name}: {host} is not this machine, and KLAVIYO_EXPORT_LOOPBACK_ONLY is set")]
    NotLoopback {
        /// The driver.
        name: String,
        /// The address that it would reach.
        host: String,
    },
    /// Parameters of the query that are not those of the job.
    #[error(
        "{name}: the parameters of the query are {known}; audience.parameters must give each of them a value, and no other"
    )]
    ParametersDiffer {
        /// The driver, and the host that it reaches.
        name: String,
        /// The names in the query, in its order.
        known: String,
    },
    /// Names in the query of a driver that binds by place and cannot say which name has which.
    #[error(
        "{name}: this driver binds parameters by their places, and does not say where {parameter} is; write $1, $2 … or ? in the query, in the order of audience.parameters"
    )]
    ParameterPlaces {
        /// The driver, and the host that it reaches.
        name: String,
        /// One that the query names.
        parameter: String,
    },
    /// A column of bytes that nobody but the engine can read.
    #[error(
        "{name}: column {column} is {type_name}, which the driver returns in a form of its own; cast it in the query, such as CAST({column} AS VARCHAR)"
    )]
    Untold {
        /// The driver, and the host that it reaches.
        name: String,
        /// The column.
        column: String,
        /// Its type, in the engine's words.
        type_name: String,
    },
    /// More than one statement where there is room for one.
    #[error(
        "{name}: query: these are several statements, and a query is one; put those before the last one into audience.before, which a dry run leaves out"
    )]
    SeveralStatements {
        /// The driver, and the host that it reaches.
        name: String,
    },
    /// A query that may write, where nothing is to be changed.
    #[error(
        "{name}: query: {what}, and only a real `run` executes such a query; make it one SELECT, WITH, VALUES, FROM or TABLE statement that only reads, and put what writes into audience.before"
    )]
    MayWrite {
        /// The driver, and the host that it reaches.
        name: String,
        /// The facts about it.
        what: Doubt,
    },
    /// The driver or its engine refused.
    #[error("{name}: {step}: {refusal}")]
    Refused {
        /// The driver, and the host that it reaches.
        name: String,
        /// The request.
        step: DriverStep,
        /// How it refused.
        refusal: DriverRefusal,
    },
    /// An error after the first rows; Arrow's streams carry no codes.
    #[error("{name}: the rows broke off; the engine's own log says why; run again")]
    RowsBroken {
        /// The driver, and the host that it reaches.
        name: String,
    },
    /// Batches that are not alike.
    #[error(
        "{name}: the columns of the rows are not those that were announced; report it to the driver's makers"
    )]
    ColumnsChanged {
        /// The driver, and the host that it reaches.
        name: String,
    },
    /// An answer that is no number.
    #[error(
        "{name}: the engine cannot count this query; it must work as a subquery: FROM (…) AS q"
    )]
    NoCount {
        /// The driver, and the host that it reaches.
        name: String,
    },
    /// The driver's thread cannot be started, or ended without a word.
    #[error(
        "{name}: the driver's thread ended; run again, and if it ends again take another version of the driver"
    )]
    ThreadEnded {
        /// The driver, and the host that it reaches.
        name: String,
    },
}

/// The reason for which a query is not known to only read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Doubt {
    /// This word of it stands for a statement that writes, or for one that is no query.
    Word(String),
    /// Its text is not understood.
    Unclear,
}

impl fmt::Display for Doubt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(out, "it may write ({word})"),
            Self::Unclear => out.write_str("whether it only reads cannot be told from its text"),
        }
    }
}

/// The request to a driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriverStep {
    /// The database, with the options of the job.
    Database,
    /// A connection to it.
    Connect,
    /// A statement of `before`, counted from 1.
    Before(usize),
    /// The values of `parameters`.
    Parameters,
    /// The query.
    Query,
}

impl fmt::Display for DriverStep {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Database => out.write_str("uri and options"),
            Self::Connect => out.write_str("connect"),
            Self::Before(number) => write!(out, "before statement {number}"),
            Self::Parameters => out.write_str("parameters"),
            Self::Query => out.write_str("query"),
        }
    }
}

/// The codes of a driver's error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DriverRefusal {
    status: Status,
    sqlstate: Option<String>,
    vendor_code: i32,
}

impl DriverRefusal {
    /// The codes of `error`, without its text.
    pub(super) fn of(error: &adbc_core::error::Error) -> Self {
        let letters = error.sqlstate.map(|letter| letter.to_ne_bytes()[0]);
        let is_code = letters.iter().all(u8::is_ascii_alphanumeric) && letters != *b"00000";
        Self {
            status: error.status,
            sqlstate: is_code.then(|| letters.iter().copied().map(char::from).collect()),
            // The number by which drivers say that the rest is in `details`.
            vendor_code: match error.vendor_code {
                i32::MIN => 0,
                code => code,
            },
        }
    }
}

impl fmt::Display for DriverRefusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({:?}", words(self.status), self.status)?;
        if let Some(sqlstate) = &self.sqlstate {
            write!(out, ", SQLSTATE {sqlstate}")?;
        }
        if self.vendor_code != 0 {
            write!(out, ", code {}", self.vendor_code)?;
        }
        out.write_str(")")
    }
}

const fn words(status: Status) -> &'static str {
    match status {
        Status::Unauthenticated => {
            "the login was refused; look at the user and the variables of option-env"
        }
        Status::Unauthorized => "this user may not do that; ask for the right, or take another",
        Status::NotFound => {
            "there is no such table, column, file or database; try the statement in the engine's own shell"
        }
        Status::AlreadyExists => "it exists already; write CREATE OR REPLACE, or DROP it first",
        Status::IO => {
            "the engine or a file cannot be reached, or the login failed; look at uri, user and password, and whether it runs"
        }
        Status::Timeout => "the engine's time limit is over",
        Status::Cancelled => "the engine cancelled it",
        Status::InvalidArguments => {
            "not accepted; try the statement in the engine's own shell, and look at the names of the options"
        }
        Status::InvalidState => "not possible in this order, or an option is missing",
        Status::InvalidData => "a value cannot be converted; cast it in the query",
        Status::Integrity => "it would break a constraint of the database",
        Status::NotImplemented => "this driver cannot do that; look for a newer version",
        Status::Ok | Status::Unknown | Status::Internal => {
            "failed; try the statement in the engine's own shell, which shows the reason"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use adbc_core::error::Error;

    #[test]
    fn refusal_has_codes_and_none_of_the_drivers_text() {
        let mut error =
            Error::with_message_and_status("row ana@example.com", Status::Unauthenticated);
        error.sqlstate = b"28P01".map(|byte| i8::try_from(byte).unwrap() as _);
        error.vendor_code = 7;
        let text = DriverRefusal::of(&error).to_string();
        assert!(
            text.ends_with("(Unauthenticated, SQLSTATE 28P01, code 7)"),
            "{text}"
        );
        assert!(!text.contains("ana"), "{text}");
    }

    #[test]
    fn codes_that_say_nothing_are_left_out() {
        let mut error = Error::with_message_and_status("", Status::IO);
        error.vendor_code = i32::MIN;
        for sqlstate in [b"00000", b"\0\0\0\0\0", b"\x1b[2J!"] {
            error.sqlstate = sqlstate.map(|byte| i8::try_from(byte).unwrap() as _);
            let text = DriverRefusal::of(&error).to_string();
            assert!(text.ends_with("(IO)"), "{text}");
        }
    }
}
