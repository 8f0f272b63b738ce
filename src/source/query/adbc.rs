//! Queries by ADBC: a driver, which is a shared library, is loaded at run time and gives Arrow columns.
//!
//! A driver runs in this process, so it comes from where its administrator or this user put it, never from the working
//! directory. It works on a thread of its own: what it does cannot be interrupted from outside, only cancelled.

mod cancel;
mod driver;
mod error;
mod exact;
mod hosts;
mod manifest;
mod parameters;
mod read_only;
mod session;
mod settings;
mod statement;
mod storage;
mod types;

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, SchemaRef};

use super::{Access, Query, QueryColumn, QueryError, QuerySurroundings, Rows};
use cancel::{DriverCancel, DriverTask};
pub use error::{AdbcError, Doubt, DriverRefusal, DriverStep};
use exact::Marks;
use session::{AdbcSession, ConnectionPlan};
pub use settings::AdbcSettings;
use statement::QueryEffect;

/// The messages of a query's thread.
enum DriverMessage {
    Schema(SchemaRef),
    Batch(RecordBatch),
    /// All rows came. Without it, a thread that broke off would look like the end.
    End,
}

/// The doubts about a query that a run executes all the same; none for one that only reads.
pub(super) fn doubt(settings: &AdbcSettings, query: &Query) -> Option<Doubt> {
    match statement::judge(&query.text, &settings.driver) {
        QueryEffect::Reads | QueryEffect::Several => None,
        QueryEffect::Writes(word) => Some(Doubt::Word(word)),
        QueryEffect::Unclear => Some(Doubt::Unclear),
    }
}

/// Refuses what is more than one statement, and what may write where only reading is allowed.
fn check(settings: &AdbcSettings, query: &Query, access: Access) -> Result<(), AdbcError> {
    let what = match statement::judge(&query.text, &settings.driver) {
        QueryEffect::Several => {
            return Err(AdbcError::SeveralStatements {
                name: settings.name(),
            });
        }
        QueryEffect::Writes(word) if access == Access::ReadOnly => Doubt::Word(word),
        QueryEffect::Unclear if access == Access::ReadOnly => Doubt::Unclear,
        _ => return Ok(()),
    };
    Err(AdbcError::MayWrite {
        name: settings.name(),
        what,
    })
}

pub(super) fn execute(
    settings: &AdbcSettings,
    statements: &[String],
    surroundings: QuerySurroundings<'_>,
) -> Result<(), QueryError> {
    let plan = ConnectionPlan::new(settings, Access::Whole, surroundings.environment)?;
    let statements = statements.to_vec();
    let cancel = DriverCancel::new(plan.name());
    let mut task = DriverTask::start(surroundings.interrupt, cancel, move |worker| {
        let guard = &worker.link;
        AdbcSession::open(plan, guard).and_then(|session| session.execute(&statements, guard))?;
        worker.give(())
    });
    task.wait()
}

pub(super) fn open(
    settings: &AdbcSettings,
    before: &[String],
    query: &Query,
    access: Access,
    surroundings: QuerySurroundings<'_>,
) -> Result<Rows, QueryError> {
    check(settings, query, access)?;
    let plan = ConnectionPlan::new(settings, access, surroundings.environment)?;
    let (before, query) = (before.to_vec(), query.clone());
    let cancel = DriverCancel::new(plan.name());
    let mut task = DriverTask::start(surroundings.interrupt, cancel, move |worker| {
        let guard = &worker.link;
        AdbcSession::open(plan, guard).and_then(|session| {
            session.execute(&before, guard)?;
            session.stream(&query, guard, |told| worker.give(told).is_ok())
        })?;
        worker.give(DriverMessage::End)
    });
    let schema = match task.wait()? {
        DriverMessage::Schema(schema) => schema,
        DriverMessage::Batch(_) | DriverMessage::End => return Err(task.broken_off()),
    };
    Ok(Rows::Columns(
        schema,
        Box::new(DriverBatches { task: Some(task) }),
    ))
}

pub(super) fn describe(
    settings: &AdbcSettings,
    query: &Query,
    surroundings: QuerySurroundings<'_>,
) -> Result<Vec<QueryColumn>, QueryError> {
    check(settings, query, Access::ReadOnly)?;
    let plan = ConnectionPlan::new(settings, Access::ReadOnly, surroundings.environment)?;
    let query = query.clone();
    let cancel = DriverCancel::new(plan.name());
    let mut task = DriverTask::start(surroundings.interrupt, cancel, move |worker| {
        let guard = &worker.link;
        let session = AdbcSession::open(plan, guard);
        worker.give(session.and_then(|session| session.schema(&query, guard))?)
    });
    let schema = task.wait()?;
    let column = |field: &Arc<arrow_schema::Field>| QueryColumn {
        name: field.name().clone(),
        type_name: types::of(field),
    };
    Ok(schema.fields().iter().map(column).collect())
}

pub(super) fn count(
    settings: &AdbcSettings,
    query: &Query,
    surroundings: QuerySurroundings<'_>,
) -> Result<u64, QueryError> {
    check(settings, query, Access::ReadOnly)?;
    let plan = ConnectionPlan::new(settings, Access::ReadOnly, surroundings.environment)?;
    let name = plan.name();
    let counting = Query {
        text: counting(&query.text),
        parameters: query.parameters.clone(),
    };
    let cancel = DriverCancel::new(name.clone());
    let mut task = DriverTask::start(surroundings.interrupt, cancel, move |worker| {
        let guard = &worker.link;
        let mut first = None;
        AdbcSession::open(plan, guard).and_then(|session| {
            session.rows(&counting, &Marks::none(), guard, |told| {
                if let DriverMessage::Batch(batch) = told
                    && batch.num_rows() > 0
                {
                    first.get_or_insert(batch);
                }
                true
            })
        })?;
        worker.give(first)
    });
    let batch = task.wait()?;
    let rows = batch.as_ref().and_then(number);
    rows.ok_or_else(|| AdbcError::NoCount { name }.into())
}

/// The query that counts the rows of `query`. Its last line may be a comment.
fn counting(query: &str) -> String {
    let query = query.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    format!("SELECT count(*) FROM ({query}\n) AS q")
}

fn number(batch: &RecordBatch) -> Option<u64> {
    let numbers = cast(batch.columns().first()?, &DataType::UInt64).ok()?;
    let numbers = numbers
        .as_any()
        .downcast_ref::<arrow_array::UInt64Array>()?;
    (!numbers.is_empty() && numbers.is_valid(0)).then(|| numbers.value(0))
}

/// The batches of a query that is running.
struct DriverBatches {
    /// None when nothing more comes.
    task: Option<DriverTask<DriverMessage>>,
}

impl Iterator for DriverBatches {
    type Item = Result<RecordBatch, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let task = self.task.as_mut()?;
        let told = match task.wait() {
            Ok(DriverMessage::Batch(batch)) => return Some(Ok(batch)),
            Ok(DriverMessage::End) => None,
            Ok(DriverMessage::Schema(_)) => Some(Err(task.broken_off())),
            Err(error) => Some(Err(error)),
        };
        self.task = None;
        told
    }
}

#[cfg(test)]
mod tests {
    use super::counting;

    #[test]
    fn query_to_count_may_end_in_semicolons_or_a_comment() {
        assert_eq!(
            counting("SELECT 1 ;\n; \n"),
            "SELECT count(*) FROM (SELECT 1\n) AS q"
        );
        assert_eq!(
            counting("SELECT 1 -- all;"),
            "SELECT count(*) FROM (SELECT 1 -- all\n) AS q"
        );
    }
}
