//! `run --shard I/N --run-group G`: one of N processes. It does everything up to the verified parts; the list waits for all.

use super::stages::strict;
use super::{RunOptions, RunOutcome, RunPlace, destination, destination_name, execute_at, number};
use crate::cli::command_line::CommandLine;
use crate::job::file::{Deliver, OnEmpty};
use crate::job::{Job, JobError};
use crate::run::error::Error;
use crate::run::report::{Circumstances, RunReport};
use crate::run::resume;
use crate::run::surroundings::Surroundings;
use crate::source::audience::{Audience, AudienceSettings};
use crate::state::directory::JobDirectory;
use crate::state::lock::{self, JobLock, LockError};
use crate::state::manifest::{RunManifest, RunStatus, StateError};
use crate::state::shard::{RunGroup, Shard, ShardError, ShardRecord};

/// Runs the shard of `job`. The `before` statements are not its own: they would be run once for each shard.
pub(super) fn run(
    job: Job,
    shard: Shard,
    run_group: RunGroup,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<RunOutcome, Error> {
    let AudienceSettings::Files(files) = &job.audience else {
        return Err(not_dealt_out(
            "audience.query",
            "cannot be divided among shards; let the engine write files with before, and name these in files",
        ));
    };
    refuse_api(&job)?;
    destination(&job, options)?;
    let whole = job.state()?;
    let state = whole.shard(shard);
    state.create()?;
    let lock = JobLock::take(state.path())?;
    let (audience, hash) = Audience::open_shard(files, shard)?;
    let record = ShardRecord {
        number: Some(shard.number()),
        of: shard.of(),
        run_group,
        files: hash,
        runs: Vec::new(),
    };
    guard(&whole, shard, &record, &job, options.fresh)?;
    if !options.fresh && !options.dry_run {
        let last = last_of_group(&state, &record.run_group)?;
        if let Some(done) = last.filter(|last| last.status == RunStatus::Done) {
            return Ok(done_before(&job, &state, &done, surroundings));
        }
    }
    let job = as_shard(job);
    let place = RunPlace {
        state,
        lock: Some(lock),
        shard: Some(record),
        met: None,
    };
    execute_at(&job, audience, place, options, surroundings)
}

/// The job as one of its shards runs it.
pub(super) fn as_shard(job: Job) -> Job {
    Job {
        // Whether there is anybody at all is seen where all shards are looked at.
        on_empty: OnEmpty::Skip,
        ..job
    }
}

/// Refuses a job that delivers by the API.
pub(super) fn refuse_api(job: &Job) -> Result<(), Error> {
    if job.deliver == Deliver::Sftp {
        return Ok(());
    }
    Err(not_dealt_out(
        "klaviyo.deliver",
        "is \"api\", whose import jobs also add to the list, but shards must not do so before all are done; write deliver = \"sftp\", or run the job without shards",
    ))
}

fn not_dealt_out(key: &'static str, problem: &str) -> Error {
    Error::Job(JobError::Value {
        key,
        problem: problem.to_owned(),
    })
}

/// Refuses to begin with other files, or another job, than another shard of the group has begun with.
fn guard(
    whole: &JobDirectory,
    shard: Shard,
    record: &ShardRecord,
    job: &Job,
    fresh: bool,
) -> Result<(), Error> {
    for begun in whole.known_shards()? {
        if begun == shard && fresh {
            continue;
        }
        // `list` looks at all of them again; one that cannot be read is told there.
        let Ok(Some(last)) = last_of_group(&whole.shard(begun), &record.run_group) else {
            continue;
        };
        let run_group = record.run_group.clone();
        if begun.of() != shard.of() {
            return Err(ShardError::OtherNumber {
                begun,
                shard,
                run_group,
            }
            .into());
        }
        if last.shard.is_some_and(|seen| seen.files != record.files) {
            return Err(ShardError::FilesChanged { begun, run_group }.into());
        }
        if last.job_fingerprint != job.fingerprint {
            return Err(ShardError::JobChanged { begun, run_group }.into());
        }
    }
    Ok(())
}

/// The last run of the group in a folder of runs that was meant to deliver.
pub(super) fn last_of_group(
    state: &JobDirectory,
    run_group: &RunGroup,
) -> Result<Option<RunManifest>, StateError> {
    resume::last_run_where(state, |run| {
        run.shard
            .as_ref()
            .is_some_and(|shard| shard.run_group == *run_group)
    })
}

/// The report of a shard that this group has done: a scheduler may start a process twice.
fn done_before(
    job: &Job,
    state: &JobDirectory,
    done: &RunManifest,
    surroundings: &Surroundings,
) -> RunOutcome {
    let directory = state.run(&done.run_id);
    let counts = done.counts.clone().unwrap_or_default();
    let error = strict(job, &counts);
    let mut report = RunReport::read(&directory)
        .unwrap_or_else(|| RunReport::new(done, Circumstances::default()));
    report.exit_code = number(error.as_ref());
    report.warnings = vec![
        "this shard of the run group was done before: nothing was sent; --fresh sends it again"
            .to_owned(),
    ];
    report.warnings.extend(waits(job, done.shard.as_ref()));
    RunOutcome {
        report,
        directory,
        server: Some(destination_name(job)),
        error,
        next: next(job, done, surroundings),
        stages: Vec::new(),
    }
}

/// The command for the time after all shards are done, if there is one.
pub(super) fn waits(job: &Job, shard: Option<&ShardRecord>) -> Option<String> {
    let shard = shard.filter(|shard| shard.number.is_some())?;
    if job.list.is_none() && job.sentinel.is_none() {
        return None;
    }
    Some(format!(
        "the list waits until all of the {} shards are done; then run `klaviyo-export list` with --run-group {}",
        shard.of, shard.run_group
    ))
}

/// The command for it.
pub(super) fn next(
    job: &Job,
    manifest: &RunManifest,
    surroundings: &Surroundings,
) -> Option<CommandLine> {
    waits(job, manifest.shard.as_ref()).filter(|_| manifest.status == RunStatus::Done)?;
    let line = surroundings.command_line.clone().command("list");
    let line = ["--accept-new-host-key", "--fresh", "--json"]
        .into_iter()
        .fold(line, CommandLine::without);
    Some(line.without_value("--shard"))
}

/// Refuses while a process of a shard is under way: the files that it reads are about to be written anew.
pub(super) fn refuse_while_one_runs(whole: &JobDirectory) -> Result<(), Error> {
    for shard in whole.known_shards()? {
        let folder = whole.shard(shard);
        if let Some(holder) = lock::holder(folder.path()) {
            return Err(LockError::Held {
                holder: format!("shard {shard}, {holder}"),
                path: folder.path().join("lock"),
            }
            .into());
        }
    }
    Ok(())
}
