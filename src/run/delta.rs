//! A run that sends changed rows only: the snapshot it is compared with, the guards before anything is sent, and the
//! snapshot that takes the other's place when the run is done.

use std::path::Path;

use jiff::Timestamp;

use super::begin::Begun;
use super::stages::{header_line, identifiers_line};
use super::{RunOptions, resume};
use crate::job::{DeltaSettings, Job};
use crate::klaviyo::list::rejected_people;
use crate::pipeline::delta::{Before, Delta, DeltaFiles, RowHasher, note_difference};
use crate::pipeline::mapping::Mapping;
use crate::run::error::Error;
use crate::run::report::count;
use crate::state::counts::{Compared, Counts};
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::manifest::{DeltaRecord, RunManifest, RunStatus, StateError, read_manifest};
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
    let found = base(state, (&job.name, &key), &context);
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
        program: resume::PROGRAM.to_owned(),
        context,
    };
    let is_whole = options.limit.is_none();
    let keeps_identifiers = job.keeps_all_identifiers() && !record.is_full();
    let files = DeltaFiles {
        scratch: begun.directory.parts(),
        next: is_whole.then(|| (begun.directory.next_snapshot(), head)),
        unsettled: (!options.dry_run).then(|| state.unsettled()),
        identifiers: keeps_identifiers
            .then(|| (unchanged(&begun.directory), identifiers_line(mapping))),
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

/// Notes the rows that the next snapshot of a run has otherwise than the job's, before any of them is sent.
pub(super) fn unsettle(state: &JobDirectory, directory: &RunDirectory) -> Result<(), StateError> {
    let open = |path: &Path| SnapshotReader::open(path, SNAPSHOT).ok().flatten();
    let Some(next) = open(&directory.next_snapshot()) else {
        return Ok(());
    };
    let known = read_keys(&state.unsettled()).ok().flatten();
    let unsettled = state.unsettled();
    note_difference(
        open(&state.snapshot()),
        next,
        (&unsettled, known.unwrap_or_default()),
    )
}

/// The file with the identifiers of the rows of a run that are not sent.
pub(super) fn unchanged(directory: &RunDirectory) -> std::path::PathBuf {
    directory.parts().join(UNCHANGED)
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
            "the audience has {} and had {rows_before} in the last run: {fewer} fewer, and max-shrink allows less than {} %",
            count(rows, "row"),
            settings.max_shrink.percent
        ));
    }
    let sent = counts.rows_written;
    let limits = settings.max_changed;
    if !record.is_full() && (reaches(sent, rows, limits.percent) || sent >= limits.rows) {
        return Some(format!(
            "{sent} of {} are new or changed ({rows_new} new), and max-changed allows less than {} % and less than {}",
            count(rows, "row"),
            limits.percent,
            count(limits.rows, "row")
        ));
    }
    None
}

/// Puts the snapshot of a run that is done in the place of the job's. `directory` is the run's folder.
pub(super) fn promote(
    job: &Job,
    (state, directory): (&JobDirectory, &RunDirectory),
    manifest: &RunManifest,
) -> Result<(), StateError> {
    let next = directory.next_snapshot();
    if job.delta.is_none() || manifest.status != RunStatus::Done || manifest.is_trial() {
        return Ok(());
    }
    if !next.exists() {
        return Ok(());
    }
    let again = unresolved(job, state, directory)?;
    let known = read_keys(&state.unsettled()).ok().flatten();
    let mut all = known.unwrap_or_default();
    all.extend(&again);
    // In between, more rows than necessary are unsettled: they are sent once more.
    write_keys(&state.unsettled(), &all)?;
    std::fs::rename(&next, state.snapshot())
        .and_then(|()| std::fs::File::open(state.path())?.sync_all())
        .map_err(|source| StateError::Storage {
            path: state.snapshot(),
            action: "replace it",
            source,
        })?;
    write_keys(&state.unsettled(), &again)
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
