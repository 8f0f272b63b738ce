//! The requests on one connection.

use std::fmt::Write as _;
use std::io::{self, BufRead as _};
use std::time::Duration;

use postgres::CopyOutReader;
use postgres::error::ErrorPosition;
use postgres::types::Type;

use super::cancel::PgWorker;
use super::dial::{self, PgConnection};
use super::target::PgTarget;
use super::tls::Tls;
use super::{CopyItem, PostgresError, Statement, cast, text, words};
use crate::source::day_time::DayTime;
use crate::source::query::QueryError;

/// Rows are handed over in chunks of about this size.
const CHUNK_BYTES: usize = 1 << 17;

/// A connection that is ready for statements.
pub(super) struct PgSession {
    connected: PgConnection,
    limit: Option<Duration>,
}

impl PgSession {
    /// Connects, and sets what the casts rely on: digits that are enough, and dates as they are written everywhere.
    pub(super) fn begin<T>(
        target: &PgTarget,
        tls: &Tls,
        limit: Option<Duration>,
        worker: &PgWorker<T>,
    ) -> Result<Self, QueryError> {
        let connected = dial::connect(target, tls, worker)?;
        let mut session = Self { connected, limit };
        let mut settings =
            "SET extra_float_digits = 1; SET datestyle = ISO; SET intervalstyle = iso_8601; SET bytea_output = hex"
                .to_owned();
        if let Some(limit) = limit {
            // The server counts milliseconds in 31 bits; 0 would be no limit.
            let milliseconds = limit.as_millis().clamp(1, i32::MAX as u128);
            let _ = write!(settings, "; SET statement_timeout = {milliseconds}");
        }
        let set = session.connected.client.batch_execute(&settings);
        set.map_err(|error| session.failure(&error, Statement::Query, None))?;
        Ok(session)
    }

    /// Runs `statements` one after the other, each in a transaction of its own.
    pub(super) fn execute<T>(
        &mut self,
        statements: &[String],
        worker: &PgWorker<T>,
    ) -> Result<(), QueryError> {
        for (index, statement) in statements.iter().enumerate() {
            worker.link.go_on()?;
            let name = Statement::Before(index + 1, statements.len());
            let result = self.connected.client.batch_execute(statement);
            result.map_err(|error| self.failure(&error, name, Some(statement)))?;
        }
        Ok(())
    }

    /// The query as the server understands it: here places in it are those of the user's own text.
    pub(super) fn prepare(&mut self, query: &str) -> Result<postgres::Statement, PostgresError> {
        let result = self.connected.client.prepare(query);
        let statement =
            result.map_err(|error| self.failure(&error, Statement::Query, Some(query)))?;
        if !statement.params().is_empty() {
            return Err(PostgresError::Parameters);
        }
        if statement.columns().is_empty() {
            return Err(PostgresError::NoColumns);
        }
        Ok(statement)
    }

    /// How many rows the query gives.
    pub(super) fn count<T>(
        &mut self,
        query: &str,
        worker: &PgWorker<T>,
    ) -> Result<u64, QueryError> {
        self.begin_reading()?;
        self.prepare(query)?;
        worker.link.go_on()?;
        let count = format!("SELECT count(*) FROM ({}\n) AS q", text::bare(query));
        let row = self.connected.client.query_one(&count, &[]);
        let row = row.map_err(|error| self.wrapped_failure(&error))?;
        Ok(u64::try_from(row.get::<_, i64>(0)).unwrap_or(0))
    }

    /// Hands over the query's rows as CSV with a header, then an empty chunk. Dates get this time of day.
    pub(super) fn copy(
        &mut self,
        query: &str,
        day_time: DayTime,
        worker: &PgWorker<CopyItem>,
    ) -> Result<(), QueryError> {
        self.begin_reading()?;
        let statement = self.prepare(query)?;
        let columns = statement.columns();
        let types: Vec<Type> = columns.iter().map(|it| it.type_().clone()).collect();
        let forms = types.iter().map(cast::form).collect();
        worker.give(CopyItem::Forms(forms))?;
        let mut chunk = cast::header(columns.iter().map(postgres::Column::name));
        worker.link.go_on()?;
        let copy = cast::copy(text::bare(query), &types, day_time);
        let result = self.stream(&copy, &mut chunk, worker);
        if !chunk.is_empty() {
            // Rows that came before an error are counted by who reads them.
            worker.give(CopyItem::Chunk(chunk))?;
        }
        result?;
        worker.give(CopyItem::Chunk(Vec::new()))
    }

    fn stream(
        &mut self,
        copy: &str,
        chunk: &mut Vec<u8>,
        worker: &PgWorker<CopyItem>,
    ) -> Result<(), QueryError> {
        let opened = self.connected.client.copy_out(copy).map_err(CopyEnd::Now);
        let result = opened.and_then(|reader| hand_over(reader, chunk, worker));
        match result {
            Ok(()) => Ok(()),
            Err(CopyEnd::Over) => Err(QueryError::Interrupted),
            Err(CopyEnd::Now(error)) => {
                chunk.clear();
                Err(self.wrapped_failure(&error).into())
            }
            Err(CopyEnd::Later(error)) => {
                let error = error.into_inner();
                Err(
                    match error.as_ref().and_then(|error| error.downcast_ref()) {
                        Some(error) => self.wrapped_failure(error).into(),
                        None => self.lost(Statement::Query).into(),
                    },
                )
            }
        }
    }

    fn begin_reading(&mut self) -> Result<(), PostgresError> {
        let result = self.connected.client.batch_execute("BEGIN READ ONLY");
        result.map_err(|error| self.failure(&error, Statement::Query, None))
    }

    /// An error of the query inside ours: it was understood by itself, so what does not parse now is what cannot be read
    /// from. Places would be those of our text.
    fn wrapped_failure(&self, error: &postgres::Error) -> PostgresError {
        match error.code().map(postgres::error::SqlState::code) {
            Some("42601" | "0A000") => PostgresError::NotReadable,
            _ => self.failure(error, Statement::Query, None),
        }
    }

    fn failure(
        &self,
        error: &postgres::Error,
        statement: Statement,
        text: Option<&str>,
    ) -> PostgresError {
        let Some(error) = error.as_db_error() else {
            return self.lost(statement);
        };
        let code = error.code().code();
        match (code, self.limit) {
            ("57014", Some(limit)) => PostgresError::Timeout { statement, limit },
            (code, _) if words::ends_connection(code) => self.lost(statement),
            (code, _) => PostgresError::Statement {
                statement,
                code: code.to_owned(),
                position: match (error.position(), text) {
                    (Some(ErrorPosition::Original(at)), Some(text)) => Some(text::place(text, *at)),
                    _ => None,
                },
            },
        }
    }

    fn lost(&self, statement: Statement) -> PostgresError {
        PostgresError::Lost {
            statement,
            server: self.connected.server.clone(),
        }
    }
}

/// The reason for which the rows ended too early.
enum CopyEnd {
    /// Nobody waits for them.
    Over,
    /// The server, before the first row.
    Now(postgres::Error),
    /// The server, or the connection.
    Later(io::Error),
}

/// Hands rows over in chunks; the last of them stay in `chunk`, which is empty when there was none.
fn hand_over(
    mut reader: CopyOutReader<'_>,
    chunk: &mut Vec<u8>,
    worker: &PgWorker<CopyItem>,
) -> Result<(), CopyEnd> {
    let mut has_rows = false;
    loop {
        let row = match reader.fill_buf() {
            Ok(row) => row,
            Err(error) => {
                if !has_rows {
                    chunk.clear();
                }
                return Err(CopyEnd::Later(error));
            }
        };
        if row.is_empty() {
            return Ok(());
        }
        has_rows = true;
        let bytes = row.len();
        chunk.extend_from_slice(row);
        reader.consume(bytes);
        if chunk.len() >= CHUNK_BYTES {
            let full = std::mem::replace(chunk, Vec::with_capacity(CHUNK_BYTES + bytes));
            worker
                .give(CopyItem::Chunk(full))
                .map_err(|_| CopyEnd::Over)?;
        }
    }
}
