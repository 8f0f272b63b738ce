//! Adbc.

use super::{Query, QueryColumn, QueryError, Rows, Surroundings};

/// How the engine is reached.
#[derive(Debug, Clone, Default)]
pub struct AdbcSettings {
    /// A shared library's absolute path, or a driver's name on the system's and user's driver paths.
    pub driver: String,
    /// The library's entry point, where its name does not tell.
    pub entrypoint: Option<String>,
    /// Where the database is.
    pub uri: Option<String>,
    /// Options of the database, in the driver's words.
    pub options: Vec<(String, String)>,
    /// Options whose values are secrets, with the variables that hold them.
    pub option_env: Vec<(String, String)>,
}

impl AdbcSettings {
    /// The key of the job file that is wrong, and what is wrong with it, in words; no value of it.
    pub fn check(&self) -> Result<(), (&'static str, String)> {
        Ok(())
    }

    /// For people.
    pub fn name(&self) -> String {
        String::new()
    }
}

pub(super) fn execute(
    _: &AdbcSettings,
    _: &[String],
    _: Surroundings<'_>,
) -> Result<(), QueryError> {
    Err(QueryError::Interrupted)
}

pub(super) fn open(
    _: &AdbcSettings,
    _: &[String],
    _: &Query,
    _: Surroundings<'_>,
) -> Result<Rows, QueryError> {
    Err(QueryError::Interrupted)
}

pub(super) fn describe(
    _: &AdbcSettings,
    _: &Query,
    _: Surroundings<'_>,
) -> Result<Vec<QueryColumn>, QueryError> {
    Err(QueryError::Interrupted)
}

pub(super) fn count(_: &AdbcSettings, _: &Query, _: Surroundings<'_>) -> Result<u64, QueryError> {
    Err(QueryError::Interrupted)
}
