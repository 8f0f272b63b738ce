//! Queries by ADBC: a driver, which is a shared library, is loaded at run time and gives Arrow columns.
//!
//! A driver runs in this process, so it comes from where its administrator or this user put it, never from the working
//! directory. It works on a thread of its own: what it does cannot be interrupted from outside, only cancelled.

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
mod work;

use std::sync::Arc;

use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_schema::{DataType, SchemaRef};

use super::{Access, Query, QueryColumn, QueryError, Rows, Surroundings};
pub use error::{AdbcError, Doubt, Refusal, Step};
use exact::Marks;
use session::{Plan, Session};
pub use settings::AdbcSettings;
use statement::Verdict;
use work::Work;

/// The messages of a query's thread.
enum Told {
    Schema(SchemaRef),
    Batch(RecordBatch),
    /// All rows came. Without it, a thread that broke off would look like the end.
    End,
}

/// The doubts about a query that a run executes all the same; none for one that only reads.
pub(super) fn doubt(settings: &AdbcSettings, query: &Query) -> Option<Doubt> {
    match statement::judge(&query.text, &settings.driver) {
        Verdict::Reads | Verdict::Several => None,
        Verdict::Writes(word) => Some(Doubt::Word(word)),
        Verdict::Unclear => Some(Doubt::Unclear),
    }
}

/// Refuses what is more than one statement, and what may write where only reading is allowed.
fn check(settings: &AdbcSettings, query: &Query, access: Access) -> Result<(), AdbcError> {
    let what = match statement::judge(&query.text, &settings.driver) {
        Verdict::Several => {
            return Err(AdbcError::SeveralStatements {
                name: settings.name(),
            });
        }
        Verdict::Writes(word) if access == Access::ReadOnly => Doubt::Word(word),
        Verdict::Unclear if access == Access::ReadOnly => Doubt::Unclear,
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
    surroundings: Surroundings<'_>,
) -> Result<(), QueryError> {
    let plan = Plan::new(settings, Access::Whole, surroundings.environment)?;
    let statements = statements.to_vec();
    Work::start(surroundings.interrupt, &plan.name(), move |guard, tell| {
        let result =
            Session::open(plan, guard).and_then(|session| session.execute(&statements, guard));
        tell(result);
    })?
    .only()
}

pub(super) fn open(
    settings: &AdbcSettings,
    before: &[String],
    query: &Query,
    access: Access,
    surroundings: Surroundings<'_>,
) -> Result<Rows, QueryError> {
    check(settings, query, access)?;
    let plan = Plan::new(settings, access, surroundings.environment)?;
    let (before, query) = (before.to_vec(), query.clone());
    let mut work = Work::start(surroundings.interrupt, &plan.name(), move |guard, tell| {
        let streamed = Session::open(plan, guard).and_then(|session| {
            session.execute(&before, guard)?;
            session.stream(&query, guard, |told| tell(Ok(told)))
        });
        tell(streamed.map(|()| Told::End));
    })?;
    let schema = match work.next_told()? {
        Told::Schema(schema) => schema,
        Told::Batch(_) | Told::End => return Err(work.broken_off()),
    };
    Ok(Rows::Columns(
        schema,
        Box::new(Batches { work: Some(work) }),
    ))
}

pub(super) fn describe(
    settings: &AdbcSettings,
    query: &Query,
    surroundings: Surroundings<'_>,
) -> Result<Vec<QueryColumn>, QueryError> {
    check(settings, query, Access::ReadOnly)?;
    let plan = Plan::new(settings, Access::ReadOnly, surroundings.environment)?;
    let query = query.clone();
    let schema = Work::start(surroundings.interrupt, &plan.name(), move |guard, tell| {
        tell(Session::open(plan, guard).and_then(|session| session.schema(&query, guard)));
    })?
    .only()?;
    let column = |field: &Arc<arrow_schema::Field>| QueryColumn {
        name: field.name().clone(),
        type_name: types::of(field),
    };
    Ok(schema.fields().iter().map(column).collect())
}

pub(super) fn count(
    settings: &AdbcSettings,
    query: &Query,
    surroundings: Surroundings<'_>,
) -> Result<u64, QueryError> {
    check(settings, query, Access::ReadOnly)?;
    let plan = Plan::new(settings, Access::ReadOnly, surroundings.environment)?;
    let name = plan.name();
    let counting = Query {
        text: counting(&query.text),
        parameters: query.parameters.clone(),
    };
    let batch = Work::start(surroundings.interrupt, &name, move |guard, tell| {
        let mut first = None;
        let streamed = Session::open(plan, guard).and_then(|session| {
            session.rows(&counting, &Marks::none(), guard, |told| {
                if let Told::Batch(batch) = told
                    && batch.num_rows() > 0
                {
                    first.get_or_insert(batch);
                }
                true
            })
        });
        tell(streamed.map(|()| first));
    })?
    .only()?;
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
struct Batches {
    /// None when nothing more comes.
    work: Option<Work<Told>>,
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, QueryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let work = self.work.as_mut()?;
        let told = match work.next_told() {
            Ok(Told::Batch(batch)) => return Some(Ok(batch)),
            Ok(Told::End) => None,
            Ok(Told::Schema(_)) => Some(Err(work.broken_off())),
            Err(error) => Some(Err(error)),
        };
        self.work = None;
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
