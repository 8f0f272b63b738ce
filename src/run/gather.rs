//! `list JOB.toml --run-group G`: what comes after the parts, once for all shards of a run group.
//!
//! It is a run of the job's own folder whose parts are those of the shards. Who is in them is linked into its folder, so that
//! it goes on, is approved of and is undone as any other run.

use std::path::Path;
use std::time::Instant;

use super::attempt::{self, AttemptArgs, Ending};
use super::begin::{self, OpenRun};
use super::list;
use super::shard::{last_of_group, refuse_api};
use super::watch::{self, Extent, GoodEnd};
use super::{RunContext, RunFailure, RunOptions, RunOutcome, Work, delta};
use crate::base::durable::{link_or_copy, sync_directory};
use crate::cli::ListArgs;
use crate::job::Job;
use crate::run::error::Error;
use crate::run::resume;
use crate::run::surroundings::{Surroundings, apply, unlock};
use crate::state::counts::Counts;
use crate::state::directory::JobDirectory;
use crate::state::lock::{self, JobLock};
use crate::state::manifest::{DeltaRecord, PartRecord, RunManifest, RunStatus, StateError};
use crate::state::part::PartNumber;
use crate::state::shard::{RunGroup, Shard, ShardError, ShardRecord};
use crate::state::storage::{discard, storage};

/// The outcome of `list`.
#[derive(Debug)]
pub enum GatherOutcome {
    /// A run with a report.
    Finished(Box<RunOutcome>),
    /// Nothing: this run has done it before.
    Before {
        /// The job's name.
        job: String,
        /// The run.
        run_id: String,
    },
}

impl GatherOutcome {
    fn ending(&self) -> Ending<'_> {
        match self {
            Self::Finished(finished) => finished.ending(),
            Self::Before { run_id, .. } => Ending {
                error: None,
                run_id: Some(run_id.clone()),
            },
        }
    }
}

/// The last run of a shard.
type ShardRun = (Shard, RunManifest);

/// Puts the shards of the run group of `args` on the list, and leaves a record of the attempt.
pub fn gather(
    args: &ListArgs,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<GatherOutcome, Box<RunFailure>> {
    let attempted = AttemptArgs {
        command: "list",
        job: (&args.job).into(),
        state: &args.state,
        shard: None,
        limit: None,
        is_dry: false,
    };
    watch::watched(
        &attempted,
        Extent::Whole,
        surroundings,
        |gathered| match gathered {
            GatherOutcome::Finished(finished) => GoodEnd::Run(finished),
            GatherOutcome::Before { .. } => GoodEnd::Nothing,
        },
        || {
            let act = || gather_shards(args, options, surroundings);
            let environment = &surroundings.environment;
            attempt::recorded(&attempted, environment, GatherOutcome::ending, act)
        },
    )
}

fn gather_shards(
    args: &ListArgs,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<GatherOutcome, Error> {
    let clock = Instant::now();
    let job = load(args, surroundings)?;
    // Only the sentinel is a file.
    let mut delivery = job.delivery.clone().filter(|_| job.sentinel.is_some());
    if let Some(delivery) = &mut delivery {
        unlock(&mut delivery.sftp, surroundings)?;
    }
    let state = job.state()?;
    state.create()?;
    let _lock = JobLock::take(state.path())?;
    let shards = done_shards(&state, &args.run_group);
    if let Some(run_id) = done_before(&job, &state, &args.run_group, shards.as_deref().ok())? {
        let job = job.name;
        return Ok(GatherOutcome::Before { job, run_id });
    }
    let shards = shards?;
    let looked = list::look_first(&job, options, surroundings)?;
    let mut begun = begin::begin_for_all(&job, record(&shards, &args.run_group), &state)?;
    let note = take_over(&job, &begun, &shards, &args.run_group, &state)?;
    begun.warnings.extend(note);
    begun.warnings.extend(looked.notes);
    let context = RunContext {
        job: &job,
        state: &state,
        delivery: delivery.as_ref(),
        options,
        surroundings,
        clock,
    };
    let finished = context.carry_out(&begun, Work::List);
    Ok(GatherOutcome::Finished(Box::new(finished)))
}

fn load(args: &ListArgs, surroundings: &Surroundings) -> Result<Job, Error> {
    let environment = &surroundings.environment;
    let mut job = Job::load((&args.job).into(), environment)?;
    apply(false, &args.state, &mut job);
    surroundings.stop_as_told(&job);
    if args.create_list {
        list::create_list(&mut job)?;
    }
    if job.list.is_none() && job.sentinel.is_none() {
        return Err(Error::Usage(
            "list: the job has neither [list] nor a sentinel; nothing is left to do after its shards"
                .to_owned(),
        ));
    }
    refuse_api(&job)?;
    if job.sentinel.is_some() {
        job.read_secrets(environment)?;
    } else if job.needs_api() {
        crate::job::read_api_key(&mut job.klaviyo, environment)?;
    }
    Ok(job)
}

/// The last runs of all shards of the group, each of which is done.
fn done_shards(state: &JobDirectory, run_group: &RunGroup) -> Result<Vec<ShardRun>, Error> {
    let mut found: Vec<ShardRun> = Vec::new();
    for shard in state.known_shards()? {
        let last = last_of_group(&state.shard(shard), run_group)?;
        found.extend(last.map(|last| (shard, last)));
    }
    let run_group = run_group.clone();
    let Some((begun, first)) = found.first() else {
        return Err(ShardError::NoShard { run_group }.into());
    };
    let begun = *begun;
    let files = |run: &RunManifest| run.shard.as_ref().map(|shard| shard.files.clone());
    for (shard, run) in &found {
        let shard = *shard;
        if shard.of() != begun.of() {
            return Err(ShardError::OtherNumber {
                begun,
                shard,
                run_group,
            }
            .into());
        }
        if files(run) != files(first) {
            return Err(ShardError::FilesChanged { begun, run_group }.into());
        }
    }
    let all = (1..=begun.of()).filter_map(|number| Shard::new(number, begun.of()));
    let waits_for: Vec<_> = all
        .filter_map(|shard| {
            let run = found.iter().find(|(known, _)| *known == shard);
            Some((shard, is_missing(state, shard, run.map(|(_, run)| run))?))
        })
        .collect();
    if waits_for.is_empty() {
        return Ok(found);
    }
    Err(ShardError::NotDone {
        run_group,
        waits_for,
    }
    .into())
}

/// The missing part of a shard, in words.
fn is_missing(
    state: &JobDirectory,
    shard: Shard,
    run: Option<&RunManifest>,
) -> Option<&'static str> {
    let Some(run) = run else {
        return Some("was not run");
    };
    match run.status {
        RunStatus::Done if run.parts.iter().all(PartRecord::is_delivered) => None,
        RunStatus::Running if lock::holder(state.shard(shard).path()).is_some() => {
            Some("is under way")
        }
        RunStatus::Running => Some("was killed"),
        RunStatus::Interrupted => Some("was interrupted"),
        RunStatus::Superseded => Some("was superseded by another run group"),
        RunStatus::Done | RunStatus::Failed | RunStatus::DryRun => Some("failed"),
    }
}

fn record(shards: &[ShardRun], run_group: &RunGroup) -> ShardRecord {
    let first = shards.first();
    let seen = first.and_then(|(_, run)| run.shard.as_ref());
    ShardRecord {
        number: None,
        of: first.map_or(0, |(shard, _)| shard.of()),
        run_group: run_group.clone(),
        files: seen.map(|shard| shard.files.clone()).unwrap_or_default(),
        runs: shards.iter().map(|(_, run)| run.run_id.clone()).collect(),
    }
}

/// The run that has put these shards on the list already.
fn done_before(
    job: &Job,
    state: &JobDirectory,
    run_group: &RunGroup,
    shards: Option<&[ShardRun]>,
) -> Result<Option<String>, Error> {
    let last = last_of_group(state, run_group)?;
    let Some(done) = last.filter(|last| last.status == RunStatus::Done) else {
        return Ok(None);
    };
    let runs = done.shard.as_ref().map(|shard| shard.runs.as_slice());
    let now = shards.map(|shards| record(shards, run_group).runs);
    // A shard that another night has taken over says nothing of what was done.
    if now.is_some_and(|now| Some(now.as_slice()) != runs) {
        return Ok(None);
    }
    forget(job, state, done.shard.as_ref());
    Ok(Some(done.run_id))
}

/// Takes the parts of all shards into the manifest of the run for all, and who is in them into its folder. The result is a
/// note on counts that are not exact.
fn take_over(
    job: &Job,
    begun: &OpenRun,
    shards: &[ShardRun],
    run_group: &RunGroup,
    state: &JobDirectory,
) -> Result<Option<String>, Error> {
    if begun.manifest.snapshot().formatted {
        return Ok(None);
    }
    let mut note = None;
    let mut counts = Counts::default();
    let mut parts: Vec<PartRecord> = Vec::new();
    for (shard, run) in shards {
        counts.add(run.counts.as_ref().unwrap_or(&Counts::default()));
        let directory = state.shard(*shard).run(&run.run_id);
        let unchanged = delta::unchanged_of_shard(&begun.directory, *shard);
        link(&delta::unchanged(&directory), &unchanged)?;
        let from = directory.parts();
        for part in &run.parts {
            let name = Path::new(&part.file_name).with_extension("ids");
            if job.keeps_identifiers() && !part.is_of_leavers {
                let linked = link(&from.join(&name), &begun.directory.parts().join(&name))?;
                if !linked {
                    return Err(ShardError::NoIdentifiers {
                        shard: *shard,
                        run_group: run_group.clone(),
                        run_id: run.run_id.clone(),
                    }
                    .into());
                }
            }
            parts.push(PartRecord {
                number: PartNumber(u32::try_from(parts.len() + 1).unwrap_or(u32::MAX)),
                ..part.clone()
            });
        }
    }
    sync_links(&begun.directory.parts())?;
    if let Some(compared) = &mut counts.compared {
        let runs = shards.iter();
        let runs = runs.map(|(shard, run)| (state.shard(*shard), run.run_id.as_str()));
        let moved = delta::moved(runs).unwrap_or_else(|because| {
            note = Some(format!(
                "a row that has moved to another shard counts as new, and as one that left: {because}"
            ));
            0
        });
        compared.rows_new = compared.rows_new.saturating_sub(moved);
        compared.rows_left = compared.rows_left.saturating_sub(moved);
    }
    let mut deltas = shards.iter().filter_map(|(_, run)| run.delta.as_ref());
    let delta = deltas.find(|delta| !delta.is_full()).cloned();
    let known = resume::last_run_where(state, |run| run.list.is_some())?;
    let known = known.and_then(|run| run.list).map(|list| list.id);
    begun.manifest.update(|manifest| {
        manifest.formatted = true;
        manifest.delta = delta.map(|delta| DeltaRecord {
            list_id: known,
            ..delta
        });
        manifest.counts = Some(counts);
        manifest.parts = parts;
    })?;
    Ok(note)
}

/// As [`link_or_copy`], with an error of the state.
pub(super) fn link(from: &Path, to: &Path) -> Result<bool, StateError> {
    link_or_copy(from, to).map_err(storage(to, "link it"))
}

/// Makes what [`link`] put in a folder durable there: the manifest says next that it is complete.
pub(super) fn sync_links(directory: &Path) -> Result<(), StateError> {
    sync_directory(directory).map_err(storage(directory, "make its entries durable"))
}

/// All are on the list: who was in the shards need not be known any more.
pub(super) fn forget(job: &Job, state: &JobDirectory, record: Option<&ShardRecord>) {
    // A property for those who left is sent to those who are in the last run, and no more: they stay known until the next.
    let is_over = !job.keep_parts && job.left_property().is_none();
    let Some(record) = record.filter(|record| is_over && record.number.is_none()) else {
        return;
    };
    for (number, run_id) in (1..).zip(&record.runs) {
        let Some(shard) = Shard::new(number, record.of) else {
            continue;
        };
        let parts = state.shard(shard).run(run_id).parts();
        for entry in std::fs::read_dir(parts).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|end| end == "ids") {
                discard(&path);
            }
        }
    }
}
