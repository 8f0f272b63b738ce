//! The statements of `before`, and a run whose audience is the result of a query.
//!
//! A passphrase is asked for, and the account and the list are looked at, before the engine works for an hour. The lock is taken
//! before it begins: nobody else may have it write the same files, or ask the same query, meanwhile.

use super::begin::{identity, refuse_trial};
use super::{RunOptions, RunOutcome, RunPlace, execute_at, shard};
use crate::job::{BeforeStatements, Job};
use crate::run::error::Error;
use crate::run::resume::{self, Beginning};
use crate::run::surroundings::{Surroundings, of_query, open_audience, open_audience_with};
use crate::source::audience::Audience;
use crate::source::query::Access;
use crate::state::directory::JobDirectory;
use crate::state::lock::JobLock;

/// Runs `job`: the statements, then the audience.
pub(super) fn run(
    job: &Job,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<RunOutcome, Error> {
    let met = super::meet(job, options, false, surroundings)?;
    let state = job.state()?;
    state.create()?;
    let lock = JobLock::take(state.path())?;
    refuse_trial(&state, options)?;
    let audience = match &job.before {
        _ if options.dry_run => open_audience(job, surroundings)?,
        None => open_audience_with(job, &[], Access::Whole, surroundings)?,
        Some(before) if job.audience.is_query() => {
            open_audience_with(job, &before.statements, Access::Whole, surroundings)?
        }
        Some(before) => {
            if let Some(audience) = going_on(job, options, &state)? {
                audience
            } else {
                execute(before, surroundings)?;
                open_audience(job, surroundings)?
            }
        }
    };
    let place = RunPlace {
        state,
        lock: Some(lock),
        shard: None,
        met: Some(met),
    };
    execute_at(job, audience, place, options, surroundings)
}

/// Runs the statements of `job` and stops.
pub(crate) fn alone(job: &Job, surroundings: &Surroundings) -> Result<usize, Error> {
    let Some(before) = &job.before else {
        return Err(Error::Usage(
            "--before-only: the job has no before statements".to_owned(),
        ));
    };
    let state = job.state()?;
    state.create()?;
    let _lock = JobLock::take(state.path())?;
    shard::refuse_while_one_runs(&state)?;
    execute(before, surroundings)?;
    Ok(before.statements.len())
}

fn execute(before: &BeforeStatements, surroundings: &Surroundings) -> Result<(), Error> {
    let connection = &before.connection;
    let result = connection.execute(&before.statements, surroundings.of_query());
    of_query(result, "before", surroundings)
}

/// The files that are there, if an unfinished run goes on with them: then they are not made anew.
fn going_on(
    job: &Job,
    options: RunOptions,
    state: &JobDirectory,
) -> Result<Option<Audience>, Error> {
    let Some(files) = job.audience.files().filter(|_| !options.fresh) else {
        return Ok(None);
    };
    // Files that are not there yet are for the statements to make.
    let Ok(audience) = Audience::open(files, Box::new(std::io::empty())) else {
        return Ok(None);
    };
    let beginning = resume::beginning(state, &identity(job, &audience, options, None)?)?;
    let goes_on = matches!(beginning, Beginning::Send(_) | Beginning::Format(_));
    Ok(goes_on.then_some(audience))
}
