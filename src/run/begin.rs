//! How a run begins: with an unfinished one that goes on, or with a new folder and a new manifest.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::RunOptions;
use crate::delivery::upload::Task;
use crate::job::Job;
use crate::job::file::OnSourceChange;
use crate::run::error::Error;
use crate::run::report::count;
use crate::run::resume::{self, Beginning, Obstacle, PROGRAM, RunIdentity};
use crate::source::audience::Audience;
use crate::state::directory::{JobDirectory, RunDirectory, new_run_id};
use crate::state::manifest::{MANIFEST_VERSION, ManifestFile, RunManifest, RunStatus};
use crate::state::shard::ShardRecord;

/// A run that has a folder and a manifest.
pub(super) struct OpenRun {
    /// The run's folder.
    pub(super) directory: RunDirectory,
    /// Its memory.
    pub(super) manifest: Arc<ManifestFile>,
    /// The beginning of its file names.
    pub(super) prefix: String,
    /// The parts that are all that is left to do; `None` when the audience is to be formatted.
    pub(super) rest: Option<Vec<Task>>,
    /// Remote files of an earlier run's broken attempts, to be removed at the end.
    pub(super) leftovers: Vec<String>,
    /// Warnings for a person.
    pub(super) warnings: Vec<String>,
}

/// The facts that must be the same for a run to go on.
pub(super) fn identity(
    job: &Job,
    audience: &Audience,
    options: RunOptions,
    shard: Option<ShardRecord>,
) -> Result<RunIdentity, Error> {
    Ok(RunIdentity {
        job_fingerprint: job.fingerprint.clone(),
        sources: audience.fingerprints()?,
        is_query: job.audience.is_query(),
        limit: options.limit,
        is_full: options.full,
        shard,
    })
}

/// Begins a run of `job`, whose lock is held.
pub(super) fn begin(
    job: &Job,
    audience: &Audience,
    options: RunOptions,
    state: &JobDirectory,
    shard: Option<ShardRecord>,
) -> Result<OpenRun, Error> {
    let identity = identity(job, audience, options, shard)?;
    if options.dry_run {
        return new_run(job, identity, options, state);
    }
    refuse_trial(state, options)?;
    let mut begun = begin_or_go_on(job, identity, options, state)?;
    let ahead = ahead_of_clock(state, &begun);
    begun.warnings.extend(ahead);
    Ok(begun)
}

/// Refuses a trial that would take the place of an unfinished run: the rest of that run would never be sent, and the
/// trial would look as if all was done. A run that ended before its audience was read, and closed no part, has nothing that could
/// be lost.
pub(super) fn refuse_trial(state: &JobDirectory, options: RunOptions) -> Result<(), Error> {
    let Some(limit) = options.limit.filter(|_| !options.fresh && !options.dry_run) else {
        return Ok(());
    };
    match resume::last_run(state)? {
        Some(last)
            if last.status.is_unfinished()
                && last.limit.is_none()
                && (last.formatted || !last.parts.is_empty()) =>
        {
            Err(Error::TrialOverUnfinished {
                limit,
                delivered: last.delivered(),
                run_id: last.run_id,
            })
        }
        _ => Ok(()),
    }
}

/// The warning about this run or the one before it, if it began in the future: this machine's clock was ahead then, or is
/// behind now.
fn ahead_of_clock(state: &JobDirectory, begun: &OpenRun) -> Option<String> {
    let current = begun.manifest.snapshot();
    let earlier = |run: &RunManifest| run.run_id != current.run_id;
    // A manifest that cannot be read is told where it matters.
    let last = resume::last_run_where(state, earlier).unwrap_or_default();
    let ahead = last.iter().chain([&current]).find(|run| is_in_future(run));
    ahead.map(future_warning)
}

/// Clocks of one network may differ by so much.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// Whether the run began in the future, by this machine's clock.
pub(crate) fn is_in_future(run: &RunManifest) -> bool {
    run.started_at.duration_since(Timestamp::now()) > CLOCK_TOLERANCE
}

/// The warning about a run that began in the future.
pub(crate) fn future_warning(run: &RunManifest) -> String {
    format!(
        "run {} began at {}, which is in the future: a clock was wrong then, or the clock of this machine is wrong now; runs are ordered by their creation",
        run.run_id,
        crate::state::lock::seconds(run.started_at)
    )
}

fn begin_or_go_on(
    job: &Job,
    identity: RunIdentity,
    options: RunOptions,
    state: &JobDirectory,
) -> Result<OpenRun, Error> {
    if options.fresh {
        // What cannot be read cannot go on either: starting over is the way out.
        let last = resume::last_run(state).ok().flatten();
        let unfinished = last.filter(|last| last.status.is_unfinished());
        let mut begun = new_run(job, identity, options, state)?;
        if let Some(last) = unfinished {
            begun.replace(last, "--fresh was given", state)?;
        }
        return Ok(begun);
    }
    match resume::beginning(state, &identity)? {
        Beginning::New(last) => {
            let mut begun = new_run(job, identity, options, state)?;
            begun.leftovers = last.map(|last| last.leftovers()).unwrap_or_default();
            Ok(begun)
        }
        Beginning::Instead { of, because } => {
            if because == Obstacle::SourcesChanged && job.on_source_change == OnSourceChange::Refuse
            {
                return Err(Error::SourceChanged { run_id: of.run_id });
            }
            let mut begun = new_run(job, identity, options, state)?;
            begun.replace(*of, because.words(), state)?;
            Ok(begun)
        }
        Beginning::Send(last) => {
            let rest = resume::missing_parts(&state.run(&last.run_id), &last)?;
            go_on(job, *last, Some(rest), state)
        }
        Beginning::Format(last) => go_on(job, *last, None, state),
    }
}

/// Begins the run that does for all shards of a run group what comes after the parts; or goes on with it.
pub(super) fn begin_for_all(
    job: &Job,
    shard: ShardRecord,
    state: &JobDirectory,
) -> Result<OpenRun, Error> {
    let last = resume::last_run(state)?;
    let unfinished = last.filter(|last| last.status.is_unfinished());
    if let Some(last) = &unfinished
        && last.shard.as_ref() == Some(&shard)
    {
        return go_on(job, last.clone(), Some(Vec::new()), state);
    }
    let identity = RunIdentity {
        job_fingerprint: job.fingerprint.clone(),
        shard: Some(shard),
        ..RunIdentity::default()
    };
    let mut begun = new_run(job, identity, RunOptions::default(), state)?;
    if let Some(last) = unfinished {
        begun.replace(last, Obstacle::RunGroupChanged.words(), state)?;
        // No session to the server is opened that could remove them.
        let left = std::mem::take(&mut begun.leftovers);
        begun
            .warnings
            .extend(left.iter().map(|path| still_there(path)));
    }
    Ok(begun)
}

/// The warning about a remote file that could not be removed.
pub(super) fn still_there(path: &str) -> String {
    format!("{path} of an earlier run is still on the server, and is incomplete")
}

/// The beginning of the names of a run's files.
fn prefix(manifest: &RunManifest) -> String {
    let RunManifest { job, run_id, .. } = manifest;
    match manifest.shard.as_ref().and_then(ShardRecord::shard) {
        Some(shard) => format!("{job}-{run_id}-s{}", shard.name()),
        None => format!("{job}-{run_id}"),
    }
}

pub(super) fn new_run(
    job: &Job,
    identity: RunIdentity,
    options: RunOptions,
    state: &JobDirectory,
) -> Result<OpenRun, Error> {
    let started_at = Timestamp::now();
    let run_id = new_run_id(started_at)?;
    let directory = state.begin_run(&run_id)?;
    let RunIdentity {
        job_fingerprint,
        sources,
        limit,
        shard,
        is_query: _,
        is_full: _,
    } = identity;
    let manifest = RunManifest {
        version: MANIFEST_VERSION,
        run_id: run_id.clone(),
        job: job.name.clone(),
        dry_run: options.dry_run,
        program: PROGRAM.to_owned(),
        job_fingerprint,
        sources,
        limit,
        started_at,
        finished_at: None,
        status: RunStatus::Running,
        error: None,
        formatted: false,
        counts: None,
        parts: Vec::new(),
        list: None,
        sentinel: None,
        shard,
        undone: None,
        delta: None,
        drift: None,
        applies: None,
    };
    let prefix = prefix(&manifest);
    let manifest = ManifestFile::create(directory.manifest(), manifest)?;
    tracing::info!(job = job.name, run = run_id, "run begun");
    Ok(OpenRun {
        directory,
        manifest: Arc::new(manifest),
        prefix,
        rest: None,
        leftovers: Vec::new(),
        warnings: Vec::new(),
    })
}

/// How the warning of a run begins that several processes have had a part in.
pub(crate) const WENT_ON: &str = "continued this unfinished run";

pub(super) fn go_on(
    job: &Job,
    mut last: RunManifest,
    rest: Option<Vec<Task>>,
    state: &JobDirectory,
) -> Result<OpenRun, Error> {
    let delivered = last.delivered();
    let what = match &rest {
        Some(rest) => format!("{} to send", count(rest.len() as u64, "part")),
        None => "the audience is formatted again".to_owned(),
    };
    let warning = format!(
        "{WENT_ON}: {} delivered before, {what}",
        count(delivered, "part")
    );
    tracing::info!(
        job = job.name,
        run = last.run_id,
        delivered,
        "run continues"
    );
    last.status = RunStatus::Running;
    last.finished_at = None;
    last.error = None;
    let directory = state.run(&last.run_id);
    directory.create()?;
    let prefix = prefix(&last);
    let manifest = ManifestFile::reopen(directory.manifest(), last);
    manifest.update(|_| {})?;
    Ok(OpenRun {
        directory,
        manifest: Arc::new(manifest),
        prefix,
        rest,
        leftovers: Vec::new(),
        warnings: vec![warning],
    })
}

impl OpenRun {
    /// Takes the place of the unfinished run `of`.
    pub(super) fn replace(
        &mut self,
        of: RunManifest,
        because: &str,
        state: &JobDirectory,
    ) -> Result<(), Error> {
        let delivered = of.delivered();
        self.warnings.push(format!(
            "replaces the unfinished run {}, because {because}; {} of it had been delivered",
            of.run_id,
            count(delivered, "part")
        ));
        self.leftovers = of.leftovers();
        Ok(resume::supersede(state, of)?)
    }
}
