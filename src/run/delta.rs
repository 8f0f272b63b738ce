//! A run that sends changed rows only: the snapshot it is compared with, the guards before anything is sent, and the
//! snapshot that takes the other's place when the run is done.

mod base;
mod guards;
mod people;
mod settle;

use super::begin::OpenRun;
use super::stages::{header_line, identifiers_line};
use super::{RunOptions, resume};
use crate::job::Job;
use crate::pipeline::delta::{Delta, DeltaFiles, DeltaPreview, RowHasher};
use crate::pipeline::mapping::Mapping;
use crate::run::error::Error;
use crate::state::directory::JobDirectory;
use crate::state::manifest::{DeltaRecord, RunManifest, RunStatus};
use crate::state::snapshot::{Context, HashKey, SnapshotHead};
use base::{base, context, full_is_due, head, list_of, other_night};
pub(super) use base::{base_run, full_send_at};
use guards::verdict;
pub(super) use guards::{check_list, guard};
pub(super) use people::{
    all_unchanged, moved, people, remove_unchanged, unchanged, unchanged_of_shard,
};
use settle::forget_others;
pub(super) use settle::{forget, give_up, promote, unsettle};

/// A look at which rows a run of the job would not send; `None` where it would send all.
pub(crate) fn comparison(job: &Job, mapping: &Mapping) -> Option<DeltaPreview> {
    let settings = job.delta.as_ref()?;
    let state = job.state().ok()?;
    let key = HashKey::read(&state.snapshot_key())?;
    // The job may have been read without its server, of which a look at the rows needs nothing.
    let destination = head(&state)?.context.destination;
    let context = Context {
        destination,
        ..context(settings, None)
    };
    let before = base(&state, job, &key, &context, job.dedupe_memory).ok()?;
    DeltaPreview::new(hasher(job, key, mapping), before)
}

fn hasher(job: &Job, key: HashKey, mapping: &Mapping) -> RowHasher {
    let header = header_line(mapping);
    RowHasher::new(key, &header, mapping, job.rules.primary_key)
}

/// Decides what the run `begun` is compared with, and notes it in the manifest. `None` where every row is sent each time.
/// `list_id` is the list that the API has found.
pub(super) fn prepare(
    job: &Job,
    mapping: &Mapping,
    state: &JobDirectory,
    begun: &mut OpenRun,
    options: RunOptions,
    list_id: Option<&str>,
) -> Result<Option<Delta>, Error> {
    let Some(settings) = &job.delta else {
        return Ok(None);
    };
    let key = HashKey::read_or_create(&state.snapshot_key())?;
    let manifest = begun.manifest.snapshot();
    let context = context(settings, list_id);
    let shard = manifest.shard.as_ref();
    // The rest is for the keys of this run.
    let most_bytes = job.dedupe_memory / 2;
    let found = base(state, job, &key, &context, most_bytes);
    let found = found.and_then(|base| match other_night(state, base.head(), shard) {
        None => Ok(base),
        Some(because) => Err(because),
    });
    let base_list = found
        .as_ref()
        .ok()
        .and_then(|base| list_of(state, base.head()).ok().flatten());
    let full_because = match (&manifest.delta, &found) {
        // Another process of this run has decided.
        (Some(record), _) => record.full_because.clone(),
        (None, _) if options.full => Some("--full was given".to_owned()),
        (None, Ok(base)) => full_is_due(settings, base.head(), manifest.started_at),
        (None, Err(because)) => Some(because.clone()),
    };
    let seen = base_run(state);
    let base = found.ok();
    if base.is_none() {
        let note = unknown_leavers(job, state, &manifest.run_id);
        begun.warnings.extend(note);
    }
    if base.is_none() && !options.dry_run {
        // What it says of rows is not true any more once others are sent.
        forget(state)?;
    }
    if !options.dry_run {
        forget_others(state, shard)?;
    }
    let before_full = base.as_ref().map(|base| base.head().full_at);
    let record = DeltaRecord {
        base: base.as_ref().map(|base| base.head().run_id.clone()),
        seen,
        full_at: match (&full_because, before_full) {
            (None, Some(at)) => at,
            _ => manifest.started_at,
        },
        full_because,
        approved: false,
        list_id: base_list,
    };
    let record = manifest.delta.clone().unwrap_or(record);
    begun
        .manifest
        .update(|manifest| manifest.delta = Some(record.clone()))?;
    let head = SnapshotHead {
        job: job.name.clone(),
        key_id: key.id(),
        run_id: manifest.run_id,
        full_at: record.full_at,
        run_group: shard.map(|shard| shard.run_group.to_string()),
        program: resume::PROGRAM.to_owned(),
        context,
    };
    let is_whole = options.limit.is_none();
    let keeps_identifiers = job.keeps_all_identifiers() && !record.is_full();
    let files = DeltaFiles {
        scratch: begun.directory.parts(),
        next: is_whole.then(|| (begun.directory.next_snapshot(), head)),
        unsettled: begun.directory.next_unsettled(),
        identifiers: keeps_identifiers
            .then(|| (unchanged(&begun.directory), identifiers_line(mapping))),
        wants_left: job.left_property().is_some(),
    };
    let hasher = hasher(job, key, mapping);
    Ok(Some(Delta::new(hasher, base, record.is_full(), files)?))
}

/// The note of a run that cannot be compared with an earlier one, of a job that tells who left.
fn unknown_leavers(job: &Job, state: &JobDirectory, run_id: &str) -> Option<String> {
    job.left_property()?;
    let is_earlier = |run: &RunManifest| {
        run.run_id != run_id
            && run.delta.is_some()
            && run.status == RunStatus::Done
            && !run.is_trial()
    };
    let what = match resume::last_run_where(state, is_earlier) {
        Ok(earlier) => format!("after run {}", earlier?.run_id),
        Err(error) => format!("after the last run ({})", Error::from(error).chain()),
    };
    Some(format!(
        "left-property is not sent for rows that left the audience {what}: nobody knows them"
    ))
}

/// The reason for which every row is sent; and, of a dry run, the guard that would stop it.
pub(super) fn notes(job: &Job, manifest: &RunManifest) -> Vec<String> {
    let (Some(settings), Some(record)) = (&job.delta, &manifest.delta) else {
        return Vec::new();
    };
    let full = record.full_because.as_ref();
    let full = full.map(|because| format!("every row is sent: {because}"));
    let counts = manifest.counts.as_ref().filter(|_| manifest.dry_run);
    let verdict = counts.and_then(|counts| verdict(settings, record, counts));
    let verdict =
        verdict.map(|verdict| format!("a run would stop before anything is sent: {verdict}"));
    full.into_iter().chain(verdict).collect()
}
