//! What an engine does before the audience is read, and a run whose audience is its answer.
//!
//! The lock is taken first: nobody else may have the engine write the same files, or ask the same query, meanwhile.

use super::{Finished, Place, RunOptions, execute_at, shard};
use crate::audience::{Audience, AudienceSettings};
use crate::command::{Surroundings, of_query, open_audience};
use crate::error::Error;
use crate::job::{Before, Job};
use crate::lock::JobLock;
use crate::resume::{self, Beginning, Identity};
use crate::state::JobDirectory;

/// Runs `job`: the statements, then the audience.
pub(super) fn run(
    job: &Job,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<Finished, Error> {
    // A server that is not there is told before an engine works for an hour.
    super::destination(job, options)?;
    let state = JobDirectory::new(&job.state_directory, &job.name);
    state.create()?;
    let lock = JobLock::take(state.path())?;
    let before = job.before.as_ref().filter(|_| !options.dry_run);
    let statements = match before {
        Some(before) if job.audience.is_query() => before.statements.clone(),
        Some(before) if !goes_on(job, options, &state)? => {
            execute(before, surroundings)?;
            Vec::new()
        }
        _ => Vec::new(),
    };
    let audience = open_audience(job, &statements, surroundings)?;
    let place = Place {
        state,
        lock: Some(lock),
        shard: None,
    };
    execute_at(job, audience, place, options, surroundings)
}

/// Runs the statements of `job` and stops.
pub(in crate::command) fn alone(job: &Job, surroundings: &Surroundings) -> Result<usize, Error> {
    let Some(before) = &job.before else {
        return Err(Error::Usage(
            "--before-only: the job has no before statements".to_owned(),
        ));
    };
    let state = JobDirectory::new(&job.state_directory, &job.name);
    state.create()?;
    let _lock = JobLock::take(state.path())?;
    shard::refuse_while_one_runs(&state)?;
    execute(before, surroundings)?;
    Ok(before.statements.len())
}

fn execute(before: &Before, surroundings: &Surroundings) -> Result<(), Error> {
    let connection = &before.connection;
    let result = connection.execute(&before.statements, surroundings.of_query());
    of_query(result, "before", surroundings)
}

/// Whether an unfinished run goes on with the files that are there: then they are not made anew.
fn goes_on(job: &Job, options: RunOptions, state: &JobDirectory) -> Result<bool, Error> {
    let AudienceSettings::Files(files) = &job.audience else {
        return Ok(false);
    };
    if options.fresh {
        return Ok(false);
    }
    // Files that are not there yet are for the statements to make.
    let Ok(audience) = Audience::open(files, Box::new(std::io::empty())) else {
        return Ok(false);
    };
    let identity = Identity {
        job_fingerprint: job.fingerprint.clone(),
        sources: audience.fingerprints()?,
        is_query: false,
        limit: options.limit,
        shard: None,
    };
    let beginning = resume::beginning(state, &identity)?;
    Ok(matches!(
        beginning,
        Beginning::Send(_) | Beginning::Format(_)
    ))
}
