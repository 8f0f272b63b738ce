//! `run --approve-removals RUN`: takes off the list exactly whom that run has stored, and reads no audience.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::list::{client, interrupted, note_list, remove_row_files, row_files};
use super::{Finished, RunOptions};
use crate::command::Surroundings;
use crate::error::Error;
use crate::job::Job;
use crate::job::file::{Deliver, Mirror};
use crate::list::{self, Desk, Guard, Ledger, ListError, TrackedFile};
use crate::lock::JobLock;
use crate::manifest::{ManifestFile, RunStatus, replace_file, to_json};
use crate::meter::Meter;
use crate::progress::Progress;
use crate::report::{Circumstances, RunReport, Seconds, count};
use crate::resume::last_run;
use crate::retention;
use crate::state::JobDirectory;

/// Removes whom the run `run_id` of `job` has stored. It has to be the job's last one: a later one may have put some of them
/// on the list again.
pub(super) fn approve(
    job: &Job,
    run_id: &str,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<Finished, Error> {
    let clock = Instant::now();
    let state = JobDirectory::new(&job.state_directory, &job.name);
    let nothing = || ListError::NothingStored {
        run_id: run_id.to_owned(),
    };
    if !state.run(run_id).manifest().exists() {
        return Err(ListError::NoSuchRun {
            run_id: run_id.to_owned(),
        }
        .into());
    }
    let _lock = JobLock::take(state.path())?;
    let Some(last) = last_run(&state)? else {
        return Err(nothing().into());
    };
    if last.run_id != run_id {
        let later = last.run_id;
        return Err(ListError::OutOfDate {
            run_id: run_id.to_owned(),
            later,
        }
        .into());
    }
    let Some(klaviyo) = client(job, surroundings) else {
        return Err(nothing().into());
    };
    list::check_account(&klaviyo)?;
    let directory = state.run(run_id);
    let manifest = ManifestFile::reopen(directory.manifest(), last);
    let meter = Arc::new(Meter::default());
    let progress = Progress::start(
        options.progress,
        &surroundings.console,
        Arc::clone(&meter),
        false,
    );
    let desk = Desk {
        klaviyo: &klaviyo,
        meter: &meter,
        interrupt: &surroundings.interrupt,
    };
    let mut ledger = Ledger::open(directory.path())?;
    let Some(list_id) = ledger.list().and_then(|(id, _)| id).map(str::to_owned) else {
        return Err(nothing().into());
    };
    if ledger.mirrored().is_some() {
        return Err(nothing().into());
    }
    let removed = list::remove_planned(desk, &list_id, (Guard::Approved, run_id), &mut ledger);
    let removed = removed.map_err(|error| interrupted(error.into(), surroundings));
    drop(ledger);
    note_list(&manifest, &directory)?;
    let removed = removed?;
    let files = row_files(
        &directory,
        &manifest.snapshot(),
        job.deliver == Deliver::Api,
    );
    if job
        .list
        .as_ref()
        .is_some_and(|list| list.mirror == Mirror::Tracked)
    {
        TrackedFile::of(state.path(), &list_id).replace_by(&files)?;
    }
    drop(progress);
    manifest.update(|manifest| {
        manifest.status = RunStatus::Done;
        manifest.finished_at = Some(Timestamp::now());
        manifest.error = None;
    })?;
    let rejected = manifest
        .snapshot()
        .counts
        .map_or(0, |counts| counts.rows_rejected);
    let error = (job.strict && rejected > 0).then_some(Error::Strict { rejected });
    let report = RunReport::new(
        &manifest.snapshot(),
        Circumstances {
            exit_code: error.as_ref().map_or(0, |error| error.exit_code().number()),
            warnings: vec![format!(
                "approved: {} removed from the list",
                count(removed, "member")
            )],
            seconds: Seconds {
                list: clock.elapsed().as_secs_f64(),
                total: clock.elapsed().as_secs_f64(),
                ..Seconds::default()
            },
        },
    );
    replace_file(&directory.report(), &to_json(&report))?;
    if !job.keep_parts {
        remove_row_files(&files);
    }
    retention::tidy(&state, job.retention, run_id)?;
    Ok(Finished {
        report,
        directory,
        server: Some(klaviyo.host().to_owned()),
        error,
    })
}
