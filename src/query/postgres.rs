//! Postgres.

use super::{Query, QueryColumn, QueryError, Rows, Surroundings};

/// How the engine is reached.
#[derive(Debug, Clone, Default)]
pub struct PostgresSettings {
    /// `postgresql://[user@]host[:port]/database[?…]` without a password, or empty: PG* variables say where it is.
    pub url: String,
    /// The variable that holds the password.
    pub password_env: Option<String>,
    /// The longest that a statement may run, the reading of its rows included; none without a limit of ours.
    pub statement_timeout: Option<std::time::Duration>,
}

impl PostgresSettings {
    /// What is wrong with the settings, in words; no value of them.
    pub fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// For people.
    pub fn name(&self) -> String {
        String::new()
    }
}

pub(super) fn execute(
    _: &PostgresSettings,
    _: &[String],
    _: Surroundings<'_>,
) -> Result<(), QueryError> {
    Err(QueryError::Interrupted)
}

pub(super) fn open(
    _: &PostgresSettings,
    _: &[String],
    _: &Query,
    _: Surroundings<'_>,
) -> Result<Rows, QueryError> {
    Err(QueryError::Interrupted)
}

pub(super) fn describe(
    _: &PostgresSettings,
    _: &Query,
    _: Surroundings<'_>,
) -> Result<Vec<QueryColumn>, QueryError> {
    Err(QueryError::Interrupted)
}

pub(super) fn count(
    _: &PostgresSettings,
    _: &Query,
    _: Surroundings<'_>,
) -> Result<u64, QueryError> {
    Err(QueryError::Interrupted)
}
