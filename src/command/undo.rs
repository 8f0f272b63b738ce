//! `undo`: puts the members that a run removed back on the list.

use std::sync::Arc;

use jiff::Timestamp;

use super::Surroundings;
use crate::base::meter::Meter;
use crate::cli::UndoArgs;
use crate::cli::progress::Progress;
use crate::job::Job;
use crate::klaviyo::Klaviyo;
use crate::klaviyo::list::{self, Desk, ListError};
use crate::pipeline::normalize::identity::StoredIdentifiers;
use crate::run::RunOptions;
use crate::run::attempt::{self, AttemptArgs, Ending};
use crate::run::error::Error;
use crate::run::list::interrupted;
use crate::run::report::count;
use crate::run::resume::last_run;
use crate::state::directory::RunDirectory;
use crate::state::lock::JobLock;
use crate::state::manifest::{UndoRecord, read_manifest};
use crate::state::storage::replace_json;

/// Undoes the removals of the run of `args`, and leaves a record of that. The result in words.
pub fn undo(
    args: &UndoArgs,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<String, Error> {
    let attempted = AttemptArgs {
        command: "undo",
        job: (&args.job).into(),
        state: &args.state,
        shard: None,
        limit: None,
        is_dry: false,
    };
    let undone = attempt::recorded(
        &attempted,
        &surroundings.environment,
        UndoOutcome::ending,
        || put_back(args, options, surroundings),
    )?;
    Ok(undone.text)
}

/// An `undo` that was done.
struct UndoOutcome {
    run_id: String,
    text: String,
}

impl UndoOutcome {
    fn ending(&self) -> Ending<'_> {
        Ending {
            error: None,
            run_id: Some(self.run_id.clone()),
        }
    }
}

fn put_back(
    args: &UndoArgs,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<UndoOutcome, Error> {
    let mut job = Job::load((&args.job).into(), &surroundings.environment)?;
    super::apply(false, &args.state, &mut job);
    surroundings.stop_as_told(&job);
    let state = job.state()?;
    let Some(directory) = state.known_run(&args.run) else {
        return Err(ListError::NoSuchRun {
            run_id: args.run.clone(),
        }
        .into());
    };
    crate::job::read_api_key(&mut job.klaviyo, &surroundings.environment)?;
    let _lock = JobLock::take(state.path())?;
    let last = last_run(&state)?.filter(|last| last.run_id == args.run);
    if last.is_some_and(|last| last.status.is_unfinished()) {
        return Err(ListError::NotFinished {
            run_id: args.run.clone(),
        }
        .into());
    }
    let klaviyo = Klaviyo::new(job.klaviyo, surroundings.interrupt.clone());
    let meter = Arc::new(Meter::default());
    klaviyo.shown_in(&meter);
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
        forms: &StoredIdentifiers::new(None),
    };
    let undone =
        list::check_account(&klaviyo).and_then(|()| list::undo(desk, directory.path(), &args.run));
    drop(progress);
    let (back, gone) = undone.map_err(|error| interrupted(error.into(), surroundings))?;
    note(&directory, back, gone)?;
    let mut text = format!(
        "{}: {} of run {} added to the list again",
        job.name,
        count(back, "member"),
        args.run
    );
    if gone > 0 {
        let gone = count(gone, "profile");
        text.extend(["; ", &gone, " deleted in Klaviyo since"]);
    }
    text.push('\n');
    Ok(UndoOutcome {
        run_id: args.run.clone(),
        text,
    })
}

/// Notes in the manifest of the run that its removals were undone.
fn note(run: &RunDirectory, members: u64, deleted: u64) -> Result<(), Error> {
    let mut manifest = read_manifest(&run.manifest())?;
    manifest.undone = Some(UndoRecord {
        at: Timestamp::now(),
        members,
        deleted,
    });
    Ok(replace_json(&run.manifest(), &manifest)?)
}
