//! One connection: what is settled before the driver is loaded, and what is asked of it then.

use std::borrow::Cow;
use std::sync::Arc;

use adbc_core::error::{Error, Status};
use adbc_core::options::{OptionDatabase, OptionValue};
use adbc_core::{Connection as _, Database as _, Driver as _, Statement as _};
use adbc_driver_manager::{ManagedConnection, ManagedStatement};
use arrow_array::{RecordBatch, RecordBatchReader};
use arrow_schema::SchemaRef;

use super::cancel::DriverGuard;
use super::driver::{self, Library};
use super::error::{AdbcError, DriverRefusal, DriverStep};
use super::exact::Marks;
use super::statement::{self, QueryEffect};
use super::{AdbcSettings, DriverMessage, exact, hosts, parameters, read_only, storage};
use crate::base::environment::Environment;
use crate::source::day_time::DayTime;
use crate::source::query::{Access, Query, QueryError};

/// A connection that can be made: the library is found, the secrets are at hand. No `Debug`: it holds them.
pub(super) struct ConnectionPlan {
    name: String,
    library: Library,
    entrypoint: Option<String>,
    driver: String,
    options: Vec<(String, String)>,
    day_time: DayTime,
}

impl ConnectionPlan {
    pub(super) fn new(
        settings: &AdbcSettings,
        access: Access,
        environment: &Environment,
    ) -> Result<Self, AdbcError> {
        let uri = settings
            .uri
            .iter()
            .map(|uri| ("uri".to_owned(), uri.clone()));
        let mut options: Vec<_> = uri.chain(settings.options.iter().cloned()).collect();
        for (option, variable) in &settings.option_env {
            let value = environment
                .get(variable)
                .ok_or_else(|| AdbcError::SecretMissing {
                    option: option.clone(),
                    variable: variable.clone(),
                })?;
            options.push((option.clone(), value.to_owned()));
        }
        let name = settings.name();
        if environment.loopback_only() {
            refuse_other_machines(&name, &options)?;
        }
        if access == Access::ReadOnly {
            read_only::set(&settings.driver, &mut options);
        }
        Ok(Self {
            name,
            library: driver::find(&settings.driver, environment)?,
            entrypoint: settings.entrypoint.clone(),
            driver: settings.driver.clone(),
            options,
            day_time: settings.day_time,
        })
    }

    pub(super) fn name(&self) -> String {
        self.name.clone()
    }
}

/// A driver dials by itself, so what it is told to dial is looked at instead.
fn refuse_other_machines(name: &str, options: &[(String, String)]) -> Result<(), AdbcError> {
    for (option, value) in options {
        let hosts = match option.as_str() {
            "uri" => hosts::of_uri(value),
            option if hosts::is_address(option) => vec![value.as_str()],
            _ => continue,
        };
        if let Some(host) = hosts.into_iter().find(|host| !hosts::is_loopback(host)) {
            return Err(AdbcError::NotLoopback {
                name: name.to_owned(),
                host: host.chars().filter(|c| !c.is_control()).collect(),
            });
        }
    }
    Ok(())
}

/// An open connection. A statement keeps it, its database and the driver alive.
pub(super) struct AdbcSession {
    name: String,
    driver: String,
    connection: ManagedConnection,
    day_time: DayTime,
}

impl AdbcSession {
    pub(super) fn open(plan: ConnectionPlan, guard: &DriverGuard) -> Result<Self, QueryError> {
        let ConnectionPlan {
            name,
            library,
            entrypoint,
            driver: driver_name,
            options,
            day_time,
        } = plan;
        let mut driver = driver::load(&library, entrypoint.as_deref())?;
        guard.go_on()?;
        let options = options
            .into_iter()
            .map(|(name, value)| (OptionDatabase::Other(name), OptionValue::String(value)));
        let database = driver
            .new_database_with_opts(options)
            .map_err(|error| refused(&name, DriverStep::Database, &error))?;
        guard.go_on()?;
        let connection = database
            .new_connection()
            .map_err(|error| refused(&name, DriverStep::Connect, &error))?;
        guard.go_on()?;
        let session = Self {
            name,
            driver: driver_name,
            connection,
            day_time,
        };
        if let Some(setting) = exact::setting(&session.driver) {
            // An engine too old to have the setting has no such values either, or shows by its columns that it has.
            let _ = session.execute(&[setting.to_owned()], guard);
            guard.go_on()?;
        }
        Ok(session)
    }

    /// Runs the statements one after the other.
    pub(super) fn execute(
        &self,
        statements: &[String],
        guard: &DriverGuard,
    ) -> Result<(), QueryError> {
        for (index, text) in statements.iter().enumerate() {
            let step = DriverStep::Before(index + 1);
            let mut statement = self.statement(text, step, guard)?;
            let result = statement.execute_update();
            guard.go_on()?;
            match result {
                // Some drivers have one way only; the rows are of no interest.
                Err(error) if error.status == Status::NotImplemented => {
                    let rows = statement
                        .execute()
                        .map_err(|error| self.refused(step, &error))?;
                    for batch in rows {
                        batch.map_err(|_| self.rows_broken())?;
                        guard.go_on()?;
                    }
                }
                result => result
                    .map(|_| ())
                    .map_err(|error| self.refused(step, &error))?,
            }
        }
        Ok(())
    }

    /// Runs the query and tells the columns, then each batch, until `tell` is false.
    pub(super) fn stream(
        &self,
        query: &Query,
        guard: &DriverGuard,
        tell: impl FnMut(DriverMessage) -> bool,
    ) -> Result<(), QueryError> {
        let (query, marks) = self.exact(query, guard)?;
        self.rows(&query, &marks, guard, tell)
    }

    /// The same with the query as it is, and these marks on the columns.
    pub(super) fn rows(
        &self,
        query: &Query,
        marks: &Marks,
        guard: &DriverGuard,
        mut tell: impl FnMut(DriverMessage) -> bool,
    ) -> Result<(), QueryError> {
        let mut statement = self.query(query, guard)?;
        let rows = statement.execute();
        guard.go_on()?;
        let rows = rows.map_err(|error| self.refused(DriverStep::Query, &error))?;
        let schema = rows.schema();
        if let Some((column, type_name)) = exact::untold(&schema) {
            let name = self.name.clone();
            return Err(AdbcError::Untold {
                name,
                column,
                type_name,
            }
            .into());
        }
        let told = Arc::new(marks.on(&schema));
        if !tell(DriverMessage::Schema(Arc::clone(&told))) {
            return Err(QueryError::Interrupted);
        }
        for batch in rows {
            guard.go_on()?;
            let batch = batch.map_err(|_| self.rows_broken())?;
            if !are_alike(&schema, &batch) {
                let name = self.name.clone();
                return Err(AdbcError::ColumnsChanged { name }.into());
            }
            let batch = batch.with_schema(Arc::clone(&told));
            let batch = batch.map_err(|_| self.rows_broken())?;
            if !tell(DriverMessage::Batch(batch)) {
                return Err(QueryError::Interrupted);
            }
        }
        guard.cancel.rest();
        guard.go_on()
    }

    /// The columns of the query's result; the query is run by drivers that cannot tell them without.
    pub(super) fn schema(
        &self,
        query: &Query,
        guard: &DriverGuard,
    ) -> Result<SchemaRef, QueryError> {
        let mut statement = self.query(query, guard)?;
        let told = statement.execute_schema();
        guard.go_on()?;
        let schema = match told {
            Ok(schema) if !schema.fields().is_empty() => return Ok(Arc::new(schema)),
            Err(error) if error.status != Status::NotImplemented => Err(error),
            _ => self
                .query(query, guard)?
                .execute()
                .map(|rows| rows.schema()),
        };
        guard.go_on()?;
        Ok(schema.map_err(|error| self.refused(DriverStep::Query, &error))?)
    }

    /// The query so that the drivers of PostgreSQL and SQLite change no value, and how its columns are to be read.
    fn exact<'a>(
        &self,
        query: &'a Query,
        guard: &DriverGuard,
    ) -> Result<(Cow<'a, Query>, Marks), QueryError> {
        let as_it_is = || Ok((Cow::Borrowed(query), Marks::none()));
        if exact::is_of(&self.driver, "sqlite") {
            return match self.with_letters(query, guard)? {
                Some(query) => Ok((Cow::Owned(query), Marks::stored())),
                None => as_it_is(),
            };
        }
        if !exact::is_of(&self.driver, "postgres") {
            return as_it_is();
        }
        let schema = self.query(query, guard)?.execute_schema();
        guard.go_on()?;
        // An error of the query is told when it runs.
        let schema = schema.unwrap_or_else(|_| arrow_schema::Schema::empty());
        let Some(text) = exact::cast_by_server(&query.text, &schema, self.day_time) else {
            return as_it_is();
        };
        let parameters = query.parameters.clone();
        let query = Query { text, parameters };
        Ok((Cow::Owned(query), Marks::lists(&schema)))
    }

    /// The query that gives each value with its type; `None` of one that cannot stand inside another: it writes, or its
    /// error is told when it runs.
    fn with_letters(
        &self,
        query: &Query,
        guard: &DriverGuard,
    ) -> Result<Option<Query>, QueryError> {
        let inside = |text: String| Query {
            text,
            parameters: query.parameters.clone(),
        };
        if statement::judge(&query.text, &self.driver) != QueryEffect::Reads {
            return Ok(None);
        }
        let names_of = |query: &Query| -> Result<Option<SchemaRef>, QueryError> {
            let Ok(mut statement) = self.query(query, guard) else {
                return Ok(None);
            };
            let rows = statement.execute();
            guard.go_on()?;
            Ok(rows.ok().map(|rows| rows.schema()))
        };
        let mut schema = names_of(&inside(storage::probe(&query.text)))?;
        if schema
            .as_ref()
            .is_some_and(|it| !storage::has_names_of_its_own(it))
        {
            schema = names_of(query)?;
        }
        let text = schema.map(|schema| storage::with_letters(&query.text, &schema));
        Ok(text.map(inside))
    }

    fn query(&self, query: &Query, guard: &DriverGuard) -> Result<ManagedStatement, QueryError> {
        let mut statement = self.statement(&query.text, DriverStep::Query, guard)?;
        if !query.parameters.is_empty() {
            let refused = |error: Error| self.refused(DriverStep::Parameters, &error);
            // What is wrong with the query, `execute` tells.
            let known = statement
                .prepare()
                .and_then(|()| statement.get_parameter_schema());
            guard.go_on()?;
            let values = parameters::in_places(&self.name, query, known.ok().as_ref())?;
            let row = parameters::row(&values).map_err(|error| refused(error.into()))?;
            statement.bind(row).map_err(refused)?;
        }
        Ok(statement)
    }

    fn statement(
        &self,
        text: &str,
        step: DriverStep,
        guard: &DriverGuard,
    ) -> Result<ManagedStatement, QueryError> {
        guard.go_on()?;
        let refused = |error| self.refused(step, &error);
        let mut connection = self.connection.clone();
        let mut statement = connection.new_statement().map_err(refused)?;
        statement.set_sql_query(text).map_err(refused)?;
        guard.cancel.watch(
            statement.get_cancel_handle(),
            connection.get_cancel_handle(),
        );
        Ok(statement)
    }

    fn refused(&self, step: DriverStep, error: &Error) -> AdbcError {
        refused(&self.name, step, error)
    }

    fn rows_broken(&self) -> AdbcError {
        AdbcError::RowsBroken {
            name: self.name.clone(),
        }
    }
}

fn refused(name: &str, step: DriverStep, error: &Error) -> AdbcError {
    AdbcError::Refused {
        name: name.to_owned(),
        step,
        refusal: DriverRefusal::of(error),
    }
}

/// Whether a batch has the columns that were announced.
fn are_alike(schema: &SchemaRef, batch: &RecordBatch) -> bool {
    let columns = batch.columns();
    columns.len() == schema.fields().len()
        && schema
            .fields()
            .iter()
            .zip(columns)
            .all(|(field, column)| field.data_type() == column.data_type())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_driver_is_told_to_dial_another_machine() {
        let option = |name: &str, value: &str| [(name.to_owned(), value.to_owned())];
        for (name, value) in [
            ("uri", "sc://db.example.com:1"),
            ("adbc.snowflake.sql.account", "acme"),
            ("adbc.x.host", "10.0.0.1"),
        ] {
            assert!(refuse_other_machines("x", &option(name, value)).is_err());
        }
        for (name, value) in [("uri", "sc://127.0.0.1:1"), ("path", "10.0.0.1")] {
            refuse_other_machines("x", &option(name, value)).unwrap();
        }
    }
}
