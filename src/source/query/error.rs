//! The reason for which a query gives no rows, or not all of them.

use super::postgres::PostgresError;

/// Errors of a connection, a driver, a statement or a query. None of the texts is a server's or a driver's own.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueryError {
    /// A signal came.
    #[error("interrupted while the query ran")]
    Interrupted,
    /// PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A driver, its settings, or what it was asked.
    #[cfg(feature = "adbc")]
    #[error(transparent)]
    Adbc(#[from] super::adbc::AdbcError),
}
