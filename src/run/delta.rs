//! A run that sends changed rows only: the snapshot it is compared with, the guards before anything is sent, and the
//! snapshot that takes the other's place when the run is done.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::begin::Begun;
use super::list::{remove_row_files, row_files};
use super::stages::{header_line, identifiers_line};
use super::{RunOptions, resume};
use crate::job::{DeltaSettings, Job};
use crate::klaviyo::list::rejected_people;
use crate::pipeline::delta::{Before, Delta, DeltaFiles, Difference, RowHasher, each_difference};
use crate::pipeline::mapping::Mapping;
use crate::run::error::Error;
use crate::run::report::{count, grouped};
use crate::state::counts::{Compared, Counts};
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::manifest::{DeltaRecord, RunManifest, RunStatus, StateError, read_manifest};
use crate::state::shard::{Shard, ShardRecord};
use crate::state::snapshot::{
    Context, HashKey, SNAPSHOT, SnapshotHead, SnapshotReader, read_keys, write_keys,
};

/// The identifiers of rows that are not sent, beside the parts.
const UNCHANGED: &str = "unchanged.ids";

/// Decides what the run `begun` is compared with, and notes it in the manifest. `None` where every row is sent each time.
/// `list_id` is the list that the API has found.
pub(super) fn prepare(
    (job, mapping): (&Job, &Mapping),
    (state, begun): (&JobDirectory, &Begun),
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
    let found = base(state, (&job.name, &key), &context);
    let found = found.and_then(|base| match other_night(state, base.head(), shard) {
        None => Ok(base),
        Some(because) => Err(because),
    });
    let base_list = found
        .as_ref()
        .ok()
        .and_then(|base| list_of(state, base.head()));
    let full_because = match (&manifest.delta, &found) {
        // Another process of this run has decided.
        (Some(record), _) => record.full_because.clone(),
        (None, _) if options.full => Some("--full was given".to_owned()),
        (None, Ok(base)) => full_is_due(settings, base.head(), manifest.started_at),
        (None, Err(because)) => Some(because.clone()),
    };
    let seen = base_run(state);
    let base = found.ok();
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
    let header = header_line(mapping);
    let hasher = RowHasher::new(key, &header, mapping, job.rules.primary_key);
    Ok(Some(Delta::new(hasher, base, record.is_full(), files)?))
}

fn context(settings: &DeltaSettings, list_id: Option<&str>) -> Context {
    let job = settings.context.clone();
    Context {
        columns: job.columns,
        rules: job.rules,
        destination: job.destination,
        list: job.list,
        list_id: list_id.map(str::to_owned),
    }
}

/// The job's snapshot, or the reason for which rows cannot be compared with it.
fn base(
    state: &JobDirectory,
    (job, key): (&str, &HashKey),
    context: &Context,
) -> Result<Before, String> {
    let path = state.snapshot();
    let name = path.display();
    let useless = |error: &dyn std::fmt::Display| format!("{name} is of no use: {error}");
    let reader = SnapshotReader::open(&path, SNAPSHOT).map_err(|error| useless(&error))?;
    let Some(reader) = reader else {
        return Err("no earlier run has left a snapshot".to_owned());
    };
    let head = reader.head();
    if head.job != job {
        return Err(format!("{name} belongs to another job"));
    }
    if head.key_id != key.id() {
        return Err(format!(
            "{name} was made with another key than the one beside it"
        ));
    }
    let then = Context {
        list_id: list_of(state, head),
        ..head.context.clone()
    };
    if let Some(what) = differs(&then, context) {
        return Err(format!("{what} since the last run"));
    }
    let unsettled = read_keys(&state.unsettled())
        .map_err(|error| format!("{} is of no use: {error}", state.unsettled().display()))?;
    Before::read(reader, unsettled.unwrap_or_default()).map_err(|error| useless(&error))
}

/// The reason for which the snapshot of a shard is not the state after the last night: another shard may have sent its rows
/// since.
fn other_night(
    state: &JobDirectory,
    head: &SnapshotHead,
    shard: Option<&ShardRecord>,
) -> Option<String> {
    let now = shard?.run_group.to_string();
    let whole = state.whole();
    let others = whole.known_shards().ok()?;
    let others = others
        .into_iter()
        .filter(|other| other.of() == shard.map_or(0, |it| it.of));
    let absent = others.into_iter().find(|other| {
        let snapshot = SnapshotReader::open(&whole.shard(*other).snapshot(), SNAPSHOT);
        let group = snapshot
            .ok()
            .flatten()
            .and_then(|it| it.head().run_group.clone());
        group
            .as_ref()
            .is_none_or(|group| *group != now && Some(group) != head.run_group.as_ref())
    });
    absent.map(|other| format!("shard {other} was not part of the last night of this one"))
}

/// Removes the snapshots of other numbers of shards: this run sends rows that they do not know of.
fn forget_others(state: &JobDirectory, shard: Option<&ShardRecord>) -> Result<(), StateError> {
    let whole = state.whole();
    for other in whole.known_shards()? {
        if shard.is_none_or(|shard| shard.of != other.of()) {
            forget(&whole.shard(other))?;
        }
    }
    if shard.is_some() {
        forget(&whole)?;
    }
    Ok(())
}

/// The list on which the people of a snapshot are, as far as it is known.
fn list_of(state: &JobDirectory, head: &SnapshotHead) -> Option<String> {
    let known = head.context.list_id.clone();
    // A run that made the list knew its id at its end only.
    known.or_else(|| {
        let run = read_manifest(&state.run(&head.run_id).manifest()).ok()?;
        run.list.map(|list| list.id)
    })
}

/// The difference between two contexts, in words.
fn differs(then: &Context, now: &Context) -> Option<&'static str> {
    let lists = (&then.list_id, &now.list_id);
    let another_list = matches!(lists, (Some(then), Some(now)) if then != now);
    if then.columns != now.columns {
        Some("the columns or their headers have changed")
    } else if then.rules != now.rules {
        Some("the rules in [normalize] have changed")
    } else if then.destination != now.destination {
        Some("the server or the account has changed")
    } else if then.list != now.list || another_list {
        Some("the list has changed")
    } else {
        None
    }
}

/// The reason for which every row is sent, although the snapshot is of use.
fn full_is_due(settings: &DeltaSettings, head: &SnapshotHead, now: Timestamp) -> Option<String> {
    let every = settings.full_every?;
    let age = now.duration_since(head.full_at).unsigned_abs();
    (age >= every).then(|| {
        let days = age.as_secs() / 86_400;
        let date = head.full_at.strftime("%Y-%m-%d");
        format!(
            "the last run that sent every row was on {date}, {} ago (full-every)",
            count(days, "day")
        )
    })
}

/// The files with the identifiers of everybody whom the last run that is done had in its audience.
pub(super) fn people(state: &JobDirectory) -> Vec<PathBuf> {
    let Some(run_id) = base_run(state) else {
        return Vec::new();
    };
    let directory = state.run(&run_id);
    let Ok(manifest) = read_manifest(&directory.manifest()) else {
        return Vec::new();
    };
    let sent = row_files(&directory, &manifest, false);
    let sent = sent.into_iter().map(|file| file.path);
    let all = sent.chain(all_unchanged(&directory));
    all.filter(|path| path.exists()).collect()
}

/// Removes the snapshot: rows are sent that it does not know of.
pub(super) fn forget(state: &JobDirectory) -> Result<(), StateError> {
    remove(&state.snapshot())?;
    remove(&state.unsettled())
}

fn remove(path: &Path) -> Result<(), StateError> {
    match std::fs::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(StateError::Storage {
            path: path.to_owned(),
            action: "remove it",
            source,
        }),
        _ => Ok(()),
    }
}

/// The run whose snapshot the job has; none where it has none of use.
pub(super) fn base_run(state: &JobDirectory) -> Option<String> {
    let reader = SnapshotReader::open(&state.snapshot(), SNAPSHOT).ok()??;
    Some(reader.head().run_id.clone())
}

/// Notes the keys of what a run sends, before any of it is: until a run is done, the rows of the snapshot mean nothing for them.
pub(super) fn unsettle(state: &JobDirectory, directory: &RunDirectory) -> Result<(), StateError> {
    let next = directory.next_unsettled();
    let Some(more) = read_keys(&next).ok().flatten() else {
        return Ok(());
    };
    let unsettled = state.unsettled();
    let mut keys = read_keys(&unsettled).ok().flatten().unwrap_or_default();
    keys.extend(more);
    keys.sort_unstable();
    keys.dedup();
    write_keys(&unsettled, &keys)?;
    remove(&next)
}

/// How many rows have moved from one shard to another: they are new in the one, have left the other, and are neither.
pub(super) fn moved<'a>(
    runs: impl Iterator<Item = (JobDirectory, &'a str)>,
) -> Result<u64, StateError> {
    let (mut new, mut left) = (HashSet::new(), HashSet::new());
    for (state, run_id) in runs {
        let open = |path: &Path| SnapshotReader::open(path, SNAPSHOT).ok().flatten();
        let (before, after) = (
            open(&state.snapshot()),
            open(&state.run(run_id).next_snapshot()),
        );
        if let (Some(before), Some(after)) = (before, after) {
            each_difference(Some(before), after, &state.snapshot(), |difference| {
                match difference {
                    Difference::New(key) => new.insert(key),
                    Difference::Left(key) => left.insert(key),
                    Difference::Changed(_) => false,
                };
            })?;
        }
    }
    Ok(new.intersection(&left).count() as u64)
}

/// The file with the identifiers of the rows of a run that are not sent.
pub(super) fn unchanged(directory: &RunDirectory) -> PathBuf {
    directory.parts().join(UNCHANGED)
}

/// The same of one shard, in the folder of the run for all of them.
pub(super) fn unchanged_of_shard(directory: &RunDirectory, shard: Shard) -> PathBuf {
    let name = format!("{}-{UNCHANGED}", shard.name());
    directory.parts().join(name)
}

/// All such files in the folder of a run.
pub(super) fn all_unchanged(directory: &RunDirectory) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory.parts());
    let names = entries.into_iter().flatten().flatten();
    let mut paths: Vec<_> = names
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(UNCHANGED))
        .collect();
    paths.sort();
    paths
}

/// The next snapshot could not be written: the old one says nothing of the rows that are sent now.
pub(super) fn give_up(state: &JobDirectory, failure: &StateError) -> Result<String, StateError> {
    remove(&state.snapshot())?;
    let mut why = failure.to_string();
    if let Some(source) = std::error::Error::source(failure) {
        why = format!("{why}: {source}");
    }
    Ok(format!(
        "no snapshot of this run was kept ({why}): the next run sends every row"
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

/// Refuses a list that is not the one with which the rows were compared: those that are not sent would not be put on it.
pub(super) fn check_list(manifest: &RunManifest, list_id: &str) -> Result<(), Error> {
    let record = manifest.delta.as_ref().filter(|record| !record.is_full());
    match record.and_then(|record| record.list_id.as_deref()) {
        Some(known) if known != list_id => Err(Error::OtherList {
            run_id: manifest.run_id.clone(),
        }),
        _ => Ok(()),
    }
}

/// The guards on what was compared: an error where nothing may be sent.
pub(super) fn guard(job: &Job, manifest: &RunManifest) -> Result<(), Error> {
    let (Some(settings), Some(record), Some(counts)) =
        (&job.delta, &manifest.delta, &manifest.counts)
    else {
        return Ok(());
    };
    match verdict(settings, record, counts) {
        Some(verdict) if !record.approved && manifest.limit.is_none() => Err(Error::Guarded {
            run_id: manifest.run_id.clone(),
            verdict,
        }),
        _ => Ok(()),
    }
}

/// The guard that a comparison strikes, in words.
pub(super) fn verdict(
    settings: &DeltaSettings,
    record: &DeltaRecord,
    counts: &Counts,
) -> Option<String> {
    let Compared {
        rows_before,
        rows_new,
        ..
    } = counts.compared?;
    let rows = counts.rows_good();
    let fewer = rows_before.saturating_sub(rows);
    // A hundred percent is no limit.
    let reaches = |part: u64, whole: u64, percent: f64| {
        part > 0 && percent < 100.0 && part as f64 * 100.0 >= whole as f64 * percent
    };
    if reaches(fewer, rows_before, settings.max_shrink.percent) {
        return Some(format!(
            "the audience has {} and had {} in the last run: {} fewer, and max-shrink allows less than {} %",
            count(rows, "row"),
            grouped(rows_before),
            grouped(fewer),
            settings.max_shrink.percent
        ));
    }
    let sent = counts.rows_written;
    let limits = settings.max_changed;
    if !record.is_full() && (reaches(sent, rows, limits.percent) || sent >= limits.rows) {
        return Some(format!(
            "{} of {} are new or changed ({} new), and max-changed allows less than {} % and less than {}",
            grouped(sent),
            count(rows, "row"),
            grouped(rows_new),
            limits.percent,
            count(limits.rows, "row")
        ));
    }
    None
}

/// Puts the snapshot of a run that is done in the place of the job's; of the run for all shards, those of the shards.
pub(super) fn promote(
    job: &Job,
    (state, directory): (&JobDirectory, &RunDirectory),
    manifest: &RunManifest,
) -> Result<(), StateError> {
    if job.delta.is_none() || manifest.status != RunStatus::Done || manifest.is_trial() {
        return Ok(());
    }
    let shards = manifest.shard.as_ref();
    if super::shard::waits(job, shards).is_some() {
        // Its profiles are not on the list yet.
        return Ok(());
    }
    let again = unresolved(job, state, directory)?;
    let Some(shards) = shards.filter(|shards| shards.number.is_none()) else {
        return replace(state, directory, &again);
    };
    for (number, run_id) in (1..).zip(&shards.runs) {
        if let Some(shard) = Shard::new(number, shards.of) {
            let state = state.shard(shard);
            replace(&state, &state.run(run_id), &again)?;
        }
    }
    Ok(())
}

/// Puts the next snapshot of a run in the place of the one in `state`. The keys `again` mean nothing in it.
fn replace(
    state: &JobDirectory,
    directory: &RunDirectory,
    again: &[u128],
) -> Result<(), StateError> {
    let next = directory.next_snapshot();
    if !next.exists() {
        return Ok(());
    }
    let known = read_keys(&state.unsettled()).ok().flatten();
    let mut all = known.unwrap_or_default();
    all.extend(again);
    // In between, more rows than necessary are unsettled: they are sent once more.
    write_keys(&state.unsettled(), &all)?;
    std::fs::rename(&next, state.snapshot())
        .and_then(|()| std::fs::File::open(state.path())?.sync_all())
        .map_err(|source| StateError::Storage {
            path: state.snapshot(),
            action: "replace it",
            source,
        })?;
    write_keys(&state.unsettled(), again)?;
    // Plans that were made before cannot be applied any more, and nobody asks for earlier people.
    for run in state.run_ids()? {
        let run = state.run(&run);
        let _ = std::fs::remove_file(run.next_snapshot());
        if run.path() != directory.path()
            && let Ok(manifest) = read_manifest(&run.manifest())
            && manifest.status == RunStatus::Done
        {
            remove_row_files(&row_files(&run, &manifest, false));
            for path in all_unchanged(&run) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
    Ok(())
}

/// The keys of those whom Klaviyo refused or does not know: they are sent again.
fn unresolved(
    job: &Job,
    state: &JobDirectory,
    directory: &RunDirectory,
) -> Result<Vec<u128>, StateError> {
    let Some(key) = HashKey::read(&state.snapshot_key()) else {
        return Ok(Vec::new());
    };
    let hasher = RowHasher::of_people(key, job.rules.primary_key);
    let mut keys = Vec::new();
    rejected_people(directory.path(), |identifiers| {
        keys.push(hasher.key_of_values(identifiers));
    })?;
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}
