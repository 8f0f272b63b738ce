//! `run --approve-removals RUN`: removes from the list exactly the members that this run has stored; reads no audience.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::list::{interrupted, note_list, remove_row_files, row_files};
use super::page::PageContext;
use super::stages::strict;
use super::{RunOptions, RunOutcome, delta, destination_name, gather, number};
use crate::base::meter::Meter;
use crate::cli::progress::Progress;
use crate::job::Job;
use crate::job::file::{Deliver, Mirror};
use crate::klaviyo::Klaviyo;
use crate::klaviyo::list::{self, Desk, Guard, Ledger, ListError, TrackedFile};
use crate::pipeline::normalize::identity::StoredIdentifiers;
use crate::run::error::Error;
use crate::run::report::{Circumstances, RunReport, Seconds, count};
use crate::run::resume::last_run;
use crate::run::retention;
use crate::run::surroundings::Surroundings;
use crate::state::directory::RunDirectory;
use crate::state::lock::JobLock;
use crate::state::manifest::{ManifestFile, RunManifest, RunStatus};
use crate::state::storage::replace_json;

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
    let removed = remove(job, &directory, &run_id, options, surroundings);
    note_list(&manifest, &directory)?;
    let (removed, list_id, planned_by) =
        removed.map_err(|error| interrupted(error, surroundings))?;
    let files = row_files(
        &directory,
        &manifest.snapshot(),
        job.deliver == Deliver::Api,
    );
    if planned_by == Mirror::Tracked {
        let mut paths: Vec<_> = files.iter().map(|file| file.path.clone()).collect();
        paths.extend(delta::all_unchanged(&directory));
        TrackedFile::of(state.path(), &list_id).replace(&paths)?;
    }
    let promoted = RunManifest {
        status: RunStatus::Done,
        ..manifest.snapshot()
    };
    delta::promote(job, &state, &directory, &promoted)?;
    let page = PageContext {
        job,
        state: &state,
        directory: &directory,
        surroundings,
    };
    let mut finished = conclude(&page, &manifest, removed, clock)?;
    if !job.keep_parts {
        remove_row_files(&files);
    }
    gather::forget(job, &state, manifest.snapshot().shard.as_ref());
    if let Err(error) = retention::tidy(&state, job.retention, &run_id) {
        // The members are removed: that is told all the same.
        finished.error = finished.error.or_else(|| Some(error.into()));
        finished.report.exit_code = number(finished.error.as_ref());
        finished.report.error = finished.error.as_ref().map(Error::chain);
    }
    Ok(finished)
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

/// The run is done, and its report says so.
fn conclude(
    page: &PageContext<'_>,
    manifest: &ManifestFile,
    removed: u64,
    clock: Instant,
) -> Result<RunOutcome, Error> {
    manifest.update(|manifest| {
        manifest.status = RunStatus::Done;
        manifest.finished_at = Some(Timestamp::now());
        manifest.error = None;
    })?;
    let PageContext { job, directory, .. } = *page;
    let manifest = manifest.snapshot();
    let counts = manifest.counts.as_ref();
    let error = counts.and_then(|counts| strict(job, counts));
    let seconds = clock.elapsed().as_secs_f64();
    let circumstances = Circumstances {
        exit_code: error.as_ref().map_or(0, |error| error.exit_code().number()),
        warnings: vec![format!(
            "approved: {} removed from the list",
            count(removed, "member")
        )],
        seconds: Seconds {
            list: seconds,
            total: seconds,
            ..Seconds::default()
        },
    };
    let mut report = RunReport::new(&manifest, circumstances);
    let unwritten = page.write(&manifest, &report, error.as_ref(), None);
    report.warnings.extend(unwritten);
    replace_json(&directory.report(), &report)?;
    Ok(RunOutcome {
        report,
        directory: directory.clone(),
        server: Some(destination_name(job)),
        error,
        next: None,
        stages: Vec::new(),
    })
}
