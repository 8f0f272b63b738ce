//! Errors of PostgreSQL, in our words: of the server's error the SQLSTATE and the position are kept, never its
//! text, which may hold values of rows.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use super::words;

/// The reason for which PostgreSQL gave no rows, or not all of them.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// A `PG*` variable.
    #[error("the variable {variable} {problem}")]
    Variable {
        /// Its name.
        variable: &'static str,
        /// The fault.
        problem: &'static str,
    },
    /// The variable that `password-env` names.
    #[error("environment variable {variable} is not set; password-env names it")]
    NoVariable {
        /// Its name.
        variable: String,
    },
    /// Nobody knows who is asking.
    #[error(
        "no user is named, and the system does not know who runs this; write user@ into postgres, or set PGUSER"
    )]
    NoUser,
    /// The file of passwords is not private.
    #[error("{}: others can read the passwords in it (mode {mode:03o}); chmod 600 it", path.display())]
    OpenPassFile {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file of passwords cannot be read.
    #[error("{}: the passwords in it cannot be read: {cause}", path.display())]
    PassFile {
        /// The file.
        path: PathBuf,
        /// The system's error.
        cause: ErrorKind,
    },
    /// The file of root certificates.
    #[error("{}: no root certificate can be read from it", path.display())]
    RootCertificate {
        /// The file.
        path: PathBuf,
    },
    /// The system has no root certificate.
    #[error(
        "this system has no root certificates to check the server's with; name a file with sslrootcert"
    )]
    NoTrustStore,
    /// The name has no address.
    #[error("PostgreSQL's host {host} has no address that this machine can find")]
    Resolve {
        /// The host.
        host: String,
    },
    /// Not this machine, where only this machine is allowed.
    #[error(
        "PostgreSQL's host {host} is not on this machine, and KLAVIYO_EXPORT_LOOPBACK_ONLY allows nothing else"
    )]
    NotLoopback {
        /// The host.
        host: String,
    },
    /// Nothing answers.
    #[error("cannot connect to PostgreSQL at {server}: {cause}")]
    Connect {
        /// Host and port, or the socket.
        server: String,
        /// The system's error.
        cause: ErrorKind,
    },
    /// Wrong user or password.
    #[error(
        "PostgreSQL at {server} refused the user or the password (SQLSTATE {code}); look at ~/.pgpass, PGPASSWORD or password-env"
    )]
    Login {
        /// Host and port, or the socket.
        server: String,
        /// 28P01.
        code: String,
    },
    /// No password is known.
    #[error(
        "PostgreSQL at {server} requires a password, and none is set; write it into ~/.pgpass (chmod 600), or name a variable with password-env"
    )]
    NoPassword {
        /// Host and port, or the socket.
        server: String,
    },
    /// `pg_hba.conf`.
    #[error(
        "PostgreSQL at {server} does not accept this user from this machine (SQLSTATE {code}); check the role, sslmode and the server's pg_hba.conf"
    )]
    NotAdmitted {
        /// Host and port, or the socket.
        server: String,
        /// 28000.
        code: String,
    },
    /// TLS is wanted.
    #[error("PostgreSQL at {server} offers no TLS, and sslmode asks for it")]
    NoTls {
        /// Host and port.
        server: String,
    },
    /// The server's certificate.
    #[error("the certificate of PostgreSQL at {server} {problem}")]
    Certificate {
        /// Host and port.
        server: String,
        /// The fault.
        problem: &'static str,
    },
    /// TLS, otherwise.
    #[error("PostgreSQL at {server} and this program cannot agree on TLS")]
    Handshake {
        /// Host and port.
        server: String,
    },
    /// No such database.
    #[error("PostgreSQL at {server} has no database {database}")]
    NoDatabase {
        /// Host and port, or the socket.
        server: String,
        /// The name.
        database: String,
    },
    /// The server takes nobody now, or not us.
    #[error(
        "PostgreSQL at {server} takes no connection: {} (SQLSTATE {code})",
        words::of(code)
    )]
    Refused {
        /// Host and port, or the socket.
        server: String,
        /// The meaning, by PostgreSQL's own list of codes.
        code: String,
    },
    /// Another protocol, or a way to log in that is not known here.
    #[error(
        "PostgreSQL at {server} answered in a way that is not understood; is it PostgreSQL, with a password or a certificate of its own?"
    )]
    NotUnderstood {
        /// Host and port, or the socket.
        server: String,
    },
    /// A statement or the query is refused.
    #[error("{statement}{} (SQLSTATE {code}){}", words::of(code), place(*position))]
    Statement {
        /// Which.
        statement: Statement,
        /// The meaning, by PostgreSQL's own list of codes.
        code: String,
        /// Line and column in its text, from 1, where the server tells.
        position: Option<(usize, usize)>,
    },
    /// `statement-timeout`.
    #[error("{statement}stopped by statement-timeout after {}", humantime::format_duration(*limit))]
    Timeout {
        /// Which.
        statement: Statement,
        /// The limit.
        limit: Duration,
    },
    /// More than a query.
    #[error(
        "the query cannot be read from: it must be one SELECT, VALUES, TABLE or WITH that changes nothing; other statements go into before"
    )]
    NotReadable,
    /// `$1`.
    #[error("the query has parameters such as $1; write the values into it")]
    Parameters,
    /// `SELECT FROM t`.
    #[error("the query gives no columns")]
    NoColumns,
    /// Cut off.
    #[error(
        "{statement}the connection to PostgreSQL at {server} was lost; nothing of the unfinished part was sent, and the next run asks again"
    )]
    Lost {
        /// Which.
        statement: Statement,
        /// Host and port, or the socket.
        server: String,
    },
}

/// The statement that was running; for people, the beginning of a message, which for the query is told by who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statement {
    /// The audience's query.
    Query,
    /// One of the statements before it, from 1, of so many.
    Before(usize, usize),
}

impl std::fmt::Display for Statement {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Query => Ok(()),
            Self::Before(number, of) => write!(out, "before statement {number} of {of}: "),
        }
    }
}

fn place(position: Option<(usize, usize)>) -> String {
    position.map_or_else(String::new, |(line, column)| {
        format!(" at line {line}, column {column}")
    })
}
