//! `run --approve-removals RUN`: removes from the list exactly the members that this run has stored; reads no audience.

use std::sync::Arc;
use std::time::Instant;

use super::list::{interrupted, note_list, row_files};
use super::stages::{Outcome, strict};
use super::{RunContext, RunOptions, RunOutcome, delta};
use crate::base::meter::Meter;
use crate::cli::progress::Progress;
use crate::job::Job;
use crate::job::file::{Deliver, Mirror};
use crate::klaviyo::Klaviyo;
use crate::klaviyo::list::{self, AudienceRows, Desk, Guard, Ledger, ListError, TrackedFile};
use crate::pipeline::normalize::identity::StoredIdentifiers;
use crate::run::error::Error;
use crate::run::report::{Seconds, count};
use crate::run::resume::last_run;
use crate::run::surroundings::Surroundings;
use crate::state::directory::RunDirectory;
use crate::state::lock::JobLock;
use crate::state::manifest::ManifestFile;

/// Removes whom the run `run_id` of `job` has stored. It has to be the job's last one: a later one may have put some of them
/// on the list again.
pub(super) fn approve(
    job: &Job,
    run_id: &str,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<RunOutcome, Error> {
    let clock = Instant::now();
    let state = job.state()?;
    let run_id = run_id.to_owned();
    let Some(directory) = state.known_run(&run_id) else {
        return Err(ListError::NoSuchRun { run_id }.into());
    };
    let _lock = JobLock::take(state.path())?;
    let Some(last) = last_run(&state)?.filter(|_| job.calls_for_list()) else {
        return Err(nothing(&run_id));
    };
    if last.run_id != run_id {
        let later = last.run_id;
        return Err(ListError::OutOfDate { run_id, later }.into());
    }
    if !last.status.is_unfinished() {
        return Err(nothing(&run_id));
    }
    let manifest = ManifestFile::reopen(directory.manifest(), last);
    let noted = manifest.snapshot();
    let files = row_files(&directory, &noted, job.deliver == Deliver::Api);
    let mut paths: Vec<_> = files.into_iter().map(|file| file.path).collect();
    paths.extend(delta::all_unchanged(&directory));
    let counts = noted.counts.clone().unwrap_or_default();
    let audience = AudienceRows {
        paths: &paths,
        rows: noted.rows_of_audience() + counts.rows_unchanged,
        lost: 0,
        cut: None,
    };
    if Ledger::open(directory.path())?.planned_by() == Some(Mirror::Tracked) {
        // Whom the files lack would never be removed by a later run.
        audience.check(directory.path())?;
    }
    let removed = remove(job, &directory, &run_id, options, surroundings);
    note_list(&manifest, &directory)?;
    let (removed, list_id, planned_by) =
        removed.map_err(|error| interrupted(error, surroundings))?;
    let noted = manifest.snapshot();
    if planned_by == Mirror::Tracked {
        TrackedFile::of(state.path(), &list_id).replace(&paths)?;
    }
    let outcome = Outcome {
        error: noted.counts.and_then(|counts| strict(job, &counts)),
        warnings: vec![format!(
            "approved: {} removed from the list",
            count(removed, "member")
        )],
        seconds: Seconds {
            list: clock.elapsed().as_secs_f64(),
            ..Seconds::default()
        },
        ..Outcome::default()
    };
    let context = RunContext {
        job,
        state: &state,
        delivery: None,
        options,
        surroundings,
        clock,
    };
    Ok(context.conclude(&directory, &manifest, outcome))
}

/// Takes them off the list. How many, which list that is, and by which rule it was planned.
fn remove(
    job: &Job,
    directory: &RunDirectory,
    run_id: &str,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<(u64, String, Mirror), Error> {
    let klaviyo = Klaviyo::new(job.klaviyo.clone(), surroundings.interrupt.clone());
    list::check_account(&klaviyo)?;
    let meter = Arc::new(Meter::default());
    klaviyo.shown_in(&meter);
    let console = &surroundings.console;
    let _progress = Progress::start(options.progress, console, Arc::clone(&meter), false);
    let desk = Desk {
        klaviyo: &klaviyo,
        meter: &meter,
        interrupt: &surroundings.interrupt,
        forms: &StoredIdentifiers::new(job.rules.default_region),
    };
    let mut ledger = Ledger::open(directory.path())?;
    let list_id = ledger.list().and_then(|(id, _)| id).map(str::to_owned);
    let (Some(list_id), Some(planned_by)) = (list_id, ledger.planned_by()) else {
        return Err(nothing(run_id));
    };
    let removed = list::remove_planned(desk, &list_id, Guard::Approved, run_id, &mut ledger)?;
    Ok((removed, list_id, planned_by))
}

fn nothing(run_id: &str) -> Error {
    let run_id = run_id.to_owned();
    ListError::NothingStored { run_id }.into()
}
