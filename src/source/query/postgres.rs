//! PostgreSQL by its own protocol: the query runs inside a `COPY` whose columns are cast by the rules for typed values, and
//! the CSV that comes out is the audience.
//!
//! Where the server is and who asks is found as libpq finds it. The query runs in a read-only transaction; statements that
//! come before it do not.

mod cancel;
pub(super) mod cast;
mod dial;
mod error;
mod pass_file;
mod session;
mod target;
pub(super) mod text;
mod tls;
mod url;
mod words;

use std::io::{self, Read};

use cancel::{PgCancel, PgTask};
use target::PgTarget;
use tls::Tls;
use url::Url;

use super::{CellForm, Query, QueryColumn, QueryError, QuerySurroundings, Rows};
use crate::source::day_time::DayTime;
use session::PgSession;

pub use error::{PostgresError, Statement};

/// How the engine is reached.
#[derive(Debug, Clone, Default)]
pub struct PostgresSettings {
    /// `postgresql://[user@]host[:port]/database[?…]` without a password, or empty: PG* variables say where it is.
    pub url: String,
    /// The variable that holds the password.
    pub password_env: Option<String>,
    /// The longest that a statement may run, the reading of its rows included; none without a limit of ours.
    pub statement_timeout: Option<std::time::Duration>,
    /// The time of day of dates.
    pub day_time: DayTime,
}

impl PostgresSettings {
    /// The fault of the settings, in words; no value of them.
    pub fn check(&self) -> Result<(), String> {
        Url::parse(&self.url).map(drop)
    }

    /// For people: host, port and database as far as the URL says them.
    pub fn name(&self) -> String {
        let url = Url::parse(&self.url).unwrap_or_default();
        let Some(host) = url.get("host").or_else(|| url.get("hostaddr")) else {
            return "postgresql:// by PG* variables".to_owned();
        };
        let port = url
            .get("port")
            .map_or_else(String::new, |port| format!(":{port}"));
        let database = url.get("dbname").unwrap_or_default();
        format!("postgresql://{host}{port}/{database}")
    }

    /// The settings that a thread needs to connect.
    fn dialler(
        &self,
        surroundings: QuerySurroundings<'_>,
    ) -> Result<(PgTarget, Tls), PostgresError> {
        let target = PgTarget::new(self, surroundings.environment)?;
        let tls = Tls::new(target.tls, &target.roots)?;
        Ok((target, tls))
    }
}

pub(super) fn execute(
    settings: &PostgresSettings,
    statements: &[String],
    surroundings: QuerySurroundings<'_>,
) -> Result<(), QueryError> {
    let (target, tls) = settings.dialler(surroundings)?;
    let (limit, statements) = (settings.statement_timeout, statements.to_vec());
    let cancel = PgCancel::default();
    let mut task = PgTask::start(surroundings.interrupt, cancel, move |worker| {
        let mut session = PgSession::begin(&target, &tls, limit, worker)?;
        session.execute(&statements, worker)?;
        worker.give(())
    });
    task.wait()
}

pub(super) fn open(
    settings: &PostgresSettings,
    before: &[String],
    query: &Query,
    surroundings: QuerySurroundings<'_>,
) -> Result<Rows, QueryError> {
    let (target, tls) = settings.dialler(surroundings)?;
    let (limit, day_time) = (settings.statement_timeout, settings.day_time);
    let (before, query) = (before.to_vec(), query.text.clone());
    let cancel = PgCancel::default();
    let mut task = PgTask::start(surroundings.interrupt, cancel, move |worker| {
        let mut session = PgSession::begin(&target, &tls, limit, worker)?;
        session.execute(&before, worker)?;
        session.copy(&query, day_time, worker)
    });
    // An error of the query shows here; an error of a later chunk goes through the reader.
    let (mut forms, mut chunk) = (Vec::new(), None);
    while chunk.is_none() {
        match task.wait()? {
            CopyItem::Forms(told) => forms = told,
            CopyItem::Chunk(first) => chunk = Some(first),
        }
    }
    let chunk = chunk.unwrap_or_default();
    let chunks = Chunks {
        task,
        is_over: chunk.is_empty(),
        chunk,
        at: 0,
    };
    Ok(Rows::Text(Box::new(chunks), forms))
}

pub(super) fn describe(
    settings: &PostgresSettings,
    query: &Query,
    surroundings: QuerySurroundings<'_>,
) -> Result<Vec<QueryColumn>, QueryError> {
    let (target, tls) = settings.dialler(surroundings)?;
    let (limit, query) = (settings.statement_timeout, query.text.clone());
    let cancel = PgCancel::default();
    let mut task = PgTask::start(surroundings.interrupt, cancel, move |worker| {
        let mut session = PgSession::begin(&target, &tls, limit, worker)?;
        let statement = session.prepare(&query)?;
        let columns = statement.columns().iter().map(|column| QueryColumn {
            name: column.name().to_owned(),
            type_name: type_name(column.type_()),
        });
        worker.give(columns.collect())
    });
    task.wait()
}

pub(super) fn count(
    settings: &PostgresSettings,
    query: &Query,
    surroundings: QuerySurroundings<'_>,
) -> Result<u64, QueryError> {
    let (target, tls) = settings.dialler(surroundings)?;
    let (limit, query) = (settings.statement_timeout, query.text.clone());
    let cancel = PgCancel::default();
    let mut task = PgTask::start(surroundings.interrupt, cancel, move |worker| {
        let mut session = PgSession::begin(&target, &tls, limit, worker)?;
        let count = session.count(&query, worker)?;
        worker.give(count)
    });
    task.wait()
}

/// An array's type is named after that of its elements.
fn type_name(data_type: &postgres::types::Type) -> String {
    match (data_type.kind(), data_type.name().strip_prefix('_')) {
        (postgres::types::Kind::Array(_), Some(element)) => format!("{element}[]"),
        _ => data_type.name().to_owned(),
    }
}

/// The items of a query's result.
enum CopyItem {
    /// The form of each column's cells; before the first chunk.
    Forms(Vec<CellForm>),
    /// CSV; an empty one is the end.
    Chunk(Vec<u8>),
}

/// Chunks of CSV as they come.
struct Chunks {
    task: PgTask<CopyItem>,
    chunk: Vec<u8>,
    at: usize,
    is_over: bool,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.at == self.chunk.len() && !self.is_over {
            let CopyItem::Chunk(chunk) = self.task.wait().map_err(io::Error::other)? else {
                continue;
            };
            self.chunk = chunk;
            self.at = 0;
            self.is_over = self.chunk.is_empty();
        }
        let count = buffer.len().min(self.chunk.len() - self.at);
        buffer[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_user() {
        let settings = PostgresSettings {
            url: "postgresql://ana@db:5433/shop?sslmode=require".to_owned(),
            ..PostgresSettings::default()
        };
        assert_eq!(settings.name(), "postgresql://db:5433/shop");
        assert!(settings.check().is_ok());
    }
}
