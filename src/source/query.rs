//! Queries: the connection to the engine that holds the data, and the rows that come back.
//!
//! PostgreSQL gives CSV text (`COPY`), every other engine columns (Arrow, by an ADBC driver). The audience makes records of
//! both. Texts of servers and drivers may hold rows: a [`QueryError`] has codes, names and places, never such a text.

#[cfg(feature = "adbc")]
pub mod adbc;
mod error;
pub mod postgres;
mod task;

use std::io::Read;

#[cfg(feature = "adbc")]
use arrow_array::RecordBatch;
#[cfg(feature = "adbc")]
use arrow_schema::SchemaRef;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::environment::Environment;
use crate::base::interrupt::Interrupt;

#[cfg(feature = "adbc")]
pub use adbc::AdbcSettings;
pub use error::QueryError;
pub use postgres::PostgresSettings;

/// Where a query runs.
#[derive(Debug, Clone)]
pub enum QueryConnection {
    /// A PostgreSQL server, by its own protocol.
    Postgres(PostgresSettings),
    /// An engine that has an ADBC driver.
    #[cfg(feature = "adbc")]
    Adbc(AdbcSettings),
}

/// A query and the values that are bound to it.
#[derive(Debug, Clone, Default)]
pub struct Query {
    /// One statement in the engine's SQL.
    pub text: String,
    /// Bound by the driver, by name and in this order.
    pub parameters: Vec<(String, Parameter)>,
}

/// A value of `parameters`, of the type it has in the job file.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "a parameter must be a text, a number, true or false"
)]
pub enum Parameter {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number.
    Float(f64),
    /// A text; a date or time is one too.
    Text(String),
}

impl std::fmt::Display for Parameter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(out),
            Self::Integer(value) => value.fmt(out),
            Self::Float(value) => value.fmt(out),
            Self::Text(value) => out.write_str(value),
        }
    }
}

/// One column of a query's result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueryColumn {
    /// Its name.
    pub name: String,
    /// Its type, in the engine's words.
    pub type_name: String,
}

/// The rows of a query, read as they come.
pub enum Rows {
    /// CSV in UTF-8 with a header line, and the form of each column's cells. An error of the reader that is no error of the system holds a [`QueryError`].
    Text(Box<dyn Read + Send>, Vec<CellForm>),
    /// Batches of columns.
    #[cfg(feature = "adbc")]
    Columns(SchemaRef, ColumnBatches),
}

/// The form of the cells of a text column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CellForm {
    /// The text itself.
    Text,
    /// A number, or the server's word for an infinite one.
    Number,
    /// A time of `YYYY-MM-DD HH:MM:SS`, or the server's own text for one that has no such form.
    Time,
    /// A JSON array, and behind it the values that it leaves out.
    List,
    /// Bytes in hexadecimal digits, after `\x`.
    Bytes,
    /// A JSON array of such texts.
    ByteList,
}

/// Batches of columns in the order of the rows; nothing comes after an error.
#[cfg(feature = "adbc")]
pub type ColumnBatches = Box<dyn Iterator<Item = Result<RecordBatch, QueryError>> + Send>;

/// The access that a query may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Read: for whoever looks at an audience without sending it.
    ReadOnly,
    /// Whatever the engine allows: for a run.
    Whole,
}

/// The surroundings that a connection needs.
#[derive(Debug, Clone, Copy)]
pub struct QuerySurroundings<'a> {
    /// Holds the secrets, and what `libpq` users expect to be looked at.
    pub environment: &'a Environment,
    /// Ends a query that is running.
    pub interrupt: &'a Interrupt,
}

impl QueryConnection {
    /// Runs `statements` one after the other on one connection.
    pub fn execute(
        &self,
        statements: &[String],
        surroundings: QuerySurroundings<'_>,
    ) -> Result<(), QueryError> {
        match self {
            Self::Postgres(settings) => postgres::execute(settings, statements, surroundings),
            #[cfg(feature = "adbc")]
            Self::Adbc(settings) => adbc::execute(settings, statements, surroundings),
        }
    }

    /// Runs `before`, then begins `query` on the same connection. Dropping the rows ends the query. PostgreSQL's own
    /// protocol reads in a read-only transaction whatever the access.
    #[cfg_attr(
        not(feature = "adbc"),
        expect(
            unused_variables,
            reason = "PostgreSQL has a protocol of its own for it"
        )
    )]
    pub fn open(
        &self,
        before: &[String],
        query: &Query,
        access: Access,
        surroundings: QuerySurroundings<'_>,
    ) -> Result<Rows, QueryError> {
        match self {
            Self::Postgres(settings) => postgres::open(settings, before, query, surroundings),
            #[cfg(feature = "adbc")]
            Self::Adbc(settings) => adbc::open(settings, before, query, access, surroundings),
        }
    }

    /// The warning about a query that a run executes although it may write.
    #[cfg_attr(
        not(feature = "adbc"),
        expect(
            unused_variables,
            reason = "PostgreSQL has a protocol of its own for it"
        )
    )]
    pub fn warning(&self, query: &Query) -> Option<String> {
        match self {
            Self::Postgres(_) => None,
            #[cfg(feature = "adbc")]
            Self::Adbc(settings) => {
                let doubt = adbc::doubt(settings, query)?;
                Some(format!(
                    "the query: {doubt}; each run executes it, while preview, check, estimate and a dry run refuse it"
                ))
            }
        }
    }

    /// The columns of the query's result; no row of it is asked for where the engine can tell them without.
    pub fn describe(
        &self,
        query: &Query,
        surroundings: QuerySurroundings<'_>,
    ) -> Result<Vec<QueryColumn>, QueryError> {
        match self {
            Self::Postgres(settings) => postgres::describe(settings, query, surroundings),
            #[cfg(feature = "adbc")]
            Self::Adbc(settings) => adbc::describe(settings, query, surroundings),
        }
    }

    /// How many rows the query gives, counted by the engine.
    pub fn count(
        &self,
        query: &Query,
        surroundings: QuerySurroundings<'_>,
    ) -> Result<u64, QueryError> {
        match self {
            Self::Postgres(settings) => postgres::count(settings, query, surroundings),
            #[cfg(feature = "adbc")]
            Self::Adbc(settings) => adbc::count(settings, query, surroundings),
        }
    }

    /// The engine and where it is, for people: no user, no password.
    pub fn name(&self) -> String {
        match self {
            Self::Postgres(settings) => settings.name(),
            #[cfg(feature = "adbc")]
            Self::Adbc(settings) => settings.name(),
        }
    }
}
