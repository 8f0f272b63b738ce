//! Runs whose rows are in closed parts already: `--approve-changes`, `--approve-drift` and `--apply`. They read no audience.

use std::path::Path;
use std::time::Instant;

use super::begin::{self, OpenRun};
use super::{FirstAnswers, RunContext, RunOptions, RunOutcome, Work, delta, gather, meet, resume};
use crate::cli::RunArgs;
use crate::cli::command_line::CommandLine;
use crate::job::Job;
use crate::run::error::Error;
use crate::run::surroundings::Surroundings;
use crate::source::audience::Audience;
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::lock::JobLock;
use crate::state::manifest::{PartState, RunManifest, RunStatus, read_manifest};
use crate::state::shard::Shard;

/// The run whose finding a person approves of, and what that is.
#[derive(Clone, Copy)]
pub(super) enum Approval<'a> {
    /// The number of changes.
    Changes(&'a str),
    /// The drift of its counts.
    Drift(&'a str),
}

impl<'a> Approval<'a> {
    /// The approval that the command line gives, if it does.
    pub(super) fn of(args: &'a RunArgs) -> Option<Self> {
        let changes = args.approve_changes.as_deref().map(Self::Changes);
        changes.or_else(|| args.approve_drift.as_deref().map(Self::Drift))
    }

    fn run_id(self) -> &'a str {
        match self {
            Self::Changes(run_id) | Self::Drift(run_id) => run_id,
        }
    }

    /// The reason for which the run has not found it, if it has not.
    fn is_missing_in(self, run: &RunManifest) -> Option<&'static str> {
        match self {
            Self::Changes(_) if run.delta.is_none() || !run.formatted => {
                Some("it did not come so far as to compare its rows")
            }
            Self::Drift(_) if run.drift.as_ref().is_none_or(|it| it.found.is_empty()) => {
                Some("no drift was found in it")
            }
            _ => None,
        }
    }

    fn note_in(self, manifest: &mut RunManifest) {
        match self {
            Self::Changes(_) => approve_changes(manifest),
            Self::Drift(_) => approve_drift(manifest),
        }
    }
}

/// Sends what a run has formatted, and a guard has stopped. It has to be the last one of the job, or of its shard.
pub(super) fn approve(
    job: Job,
    approval: Approval<'_>,
    shard: Option<Shard>,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<RunOutcome, Error> {
    let run_id = approval.run_id();
    let nothing = |because| Error::NothingToApprove {
        run_id: run_id.to_owned(),
        because,
    };
    let whole = job.state()?;
    let (state, job) = match shard {
        None => (whole, job),
        Some(shard) => (whole.shard(shard), super::shard::as_shard(job)),
    };
    let (job, is_shard) = (&job, shard.is_some());
    deliver_stored(job, &state, is_shard, options, surroundings, |state| {
        let last = resume::last_run(state)?.ok_or_else(|| nothing("the job has no run"))?;
        if last.run_id != run_id {
            return Err(nothing("it is not the last run of the job"));
        }
        if !last.status.is_unfinished() {
            return Err(nothing("it is done"));
        }
        if let Some(because) = approval.is_missing_in(&last) {
            return Err(nothing(because));
        }
        if last.job_fingerprint != job.fingerprint {
            return Err(nothing("the job file has changed since"));
        }
        let begun = go_on(job, last, state)?;
        begun
            .manifest
            .update(|manifest| approval.note_in(manifest))?;
        Ok(begun)
    })
}

fn approve_changes(manifest: &mut RunManifest) {
    if let Some(record) = &mut manifest.delta {
        record.approved = true;
    }
}

fn approve_drift(manifest: &mut RunManifest) {
    if let Some(record) = &mut manifest.drift {
        record.approved = !record.found.is_empty();
    }
}

/// Sends exactly the parts of the dry run `run_id`, once.
pub(super) fn apply(
    job: &Job,
    run_id: &str,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<RunOutcome, Error> {
    let state = job.state()?;
    deliver_stored(job, &state, false, options, surroundings, |state| {
        let Some(directory) = state.known_run(run_id) else {
            return Err(Error::NoPlan {
                run_id: run_id.to_owned(),
            });
        };
        let plan = read_manifest(&directory.manifest())?;
        if let Some(begun) = applied_before(job, state, run_id)? {
            return Ok(begun);
        }
        check(job, state, &plan)?;
        take_over(job, state, &plan, &directory)
    })
}

/// The command that applies a plan, after a dry run that has compared its rows.
pub(super) fn next(manifest: &RunManifest, surroundings: &Surroundings) -> Option<CommandLine> {
    let line = surroundings.command_line.clone();
    let compared = manifest.counts.as_ref().and_then(|counts| counts.compared);
    if !manifest.dry_run || compared.is_none() || manifest.shard.is_some() || !line.is("run") {
        return None;
    }
    let line = line
        .without("--dry-run")
        .without("--json")
        .without("--full");
    Some(line.with_value("--apply", &manifest.run_id))
}

fn out_of_date(run_id: &str, because: impl Into<String>) -> Error {
    Error::PlanOutOfDate {
        run_id: run_id.to_owned(),
        because: because.into(),
    }
}

/// The unfinished run that applies the dry run `run_id`, if there is one; an error if it was applied.
fn applied_before(job: &Job, state: &JobDirectory, run_id: &str) -> Result<Option<OpenRun>, Error> {
    let applies = |run: &RunManifest| run.applies.as_deref() == Some(run_id);
    match resume::last_run_where(state, applies)? {
        Some(run) if run.status.is_unfinished() && run.formatted => {
            go_on(job, run, state).map(Some)
        }
        Some(run) if run.formatted => Err(out_of_date(
            run_id,
            format!("run {} has applied it", run.run_id),
        )),
        // None, or one that was killed before it had taken over the parts.
        _ => Ok(None),
    }
}

/// Refuses a plan that was not made of what is there now.
fn check(job: &Job, state: &JobDirectory, plan: &RunManifest) -> Result<(), Error> {
    let refuse = |because: &str| Err(out_of_date(&plan.run_id, because));
    if plan.status != RunStatus::DryRun || !plan.formatted || plan.limit.is_some() {
        return refuse("it is not a complete dry run");
    }
    if plan.job_fingerprint != job.fingerprint {
        return refuse("the job file has changed since");
    }
    if let Some(files) = job.audience.files() {
        let audience = Audience::open(files, Box::new(std::io::empty()))?;
        let now = audience.fingerprints()?;
        if plan.sources.is_none() || plan.sources != now {
            return refuse("the audience has changed since");
        }
    }
    let seen = plan.delta.as_ref().map(|delta| delta.seen.clone());
    if seen.is_some_and(|seen| seen != delta::base_run(state)) {
        return refuse("another run was done since");
    }
    let Some(last) = resume::last_run(state)? else {
        return Ok(());
    };
    if last.status.is_unfinished() {
        let because = format!("the run {} is unfinished: let it finish first", last.run_id);
        return Err(out_of_date(&plan.run_id, because));
    }
    // A trial leaves no snapshot, and has sent rows all the same.
    let runs = state.run_ids()?;
    let place = |id: &str| runs.iter().position(|run| run == id);
    if place(&last.run_id) > place(&plan.run_id) {
        return refuse("another run was done since");
    }
    Ok(())
}

/// A new run with the parts of the dry run.
fn take_over(
    job: &Job,
    state: &JobDirectory,
    plan: &RunManifest,
    from: &RunDirectory,
) -> Result<OpenRun, Error> {
    let identity = resume::RunIdentity {
        job_fingerprint: plan.job_fingerprint.clone(),
        sources: plan.sources.clone(),
        ..resume::RunIdentity::default()
    };
    let mut begun = begin::new_run(job, identity, RunOptions::default(), state)?;
    let names = plan.parts.iter().flat_map(|part| {
        let name = Path::new(&part.file_name);
        [name.to_owned(), name.with_extension("ids")]
    });
    for name in names {
        gather::link(
            &from.parts().join(&name),
            &begun.directory.parts().join(&name),
        )?;
    }
    gather::link(&delta::unchanged(from), &delta::unchanged(&begun.directory))?;
    gather::link(&from.next_snapshot(), &begun.directory.next_snapshot())?;
    gather::link(&from.next_unsettled(), &begun.directory.next_unsettled())?;
    gather::sync_links(&begun.directory.parts())?;
    gather::sync_links(begun.directory.path())?;
    if plan
        .delta
        .as_ref()
        .is_some_and(|record| record.base.is_none())
    {
        delta::forget(state)?;
    }
    begun.manifest.update(|manifest| {
        manifest.applies = Some(plan.run_id.clone());
        manifest.formatted = true;
        manifest.counts.clone_from(&plan.counts);
        manifest.delta.clone_from(&plan.delta);
        manifest.drift.clone_from(&plan.drift);
        manifest.parts.clone_from(&plan.parts);
        for part in &mut manifest.parts {
            part.state = PartState::Written;
        }
        approve_changes(manifest);
        approve_drift(manifest);
    })?;
    begun.rest = Some(resume::missing_parts(
        &begun.directory,
        &begun.manifest.snapshot(),
    )?);
    Ok(begun)
}

fn go_on(job: &Job, last: RunManifest, state: &JobDirectory) -> Result<OpenRun, Error> {
    let rest = resume::missing_parts(&state.run(&last.run_id), &last)?;
    begin::go_on(job, last, Some(rest), state)
}

/// Delivers the parts of the run that `choose` gives, under the lock of the job or of its shard.
fn deliver_stored(
    job: &Job,
    state: &JobDirectory,
    is_shard: bool,
    options: RunOptions,
    surroundings: &Surroundings,
    choose: impl FnOnce(&JobDirectory) -> Result<OpenRun, Error>,
) -> Result<RunOutcome, Error> {
    let clock = Instant::now();
    let FirstAnswers { delivery, looked } = meet(job, options, is_shard, surroundings)?;
    state.create()?;
    let _lock = JobLock::take(state.path())?;
    let mut begun = choose(state)?;
    begun.warnings.extend(looked.notes);
    let context = RunContext {
        job,
        state,
        delivery: delivery.as_ref(),
        options,
        surroundings,
        clock,
    };
    Ok(context.carry_out(&begun, Work::Send(None)))
}
