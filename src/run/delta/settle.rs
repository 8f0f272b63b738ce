//! The memory of rows that were sent: the snapshot after a run that is done, and the keys that are unsettled
//! until then.

use std::path::Path;

use super::people::remove_unchanged;
use crate::base::durable::sync_directory;
use crate::job::Job;
use crate::klaviyo::list::rejected_people;
use crate::pipeline::delta::RowHasher;
use crate::run::list::{remove_row_files, row_files};
use crate::run::shard::waits;
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::manifest::{RunManifest, RunStatus, StateError, read_manifest};
use crate::state::shard::{Shard, ShardRecord};
use crate::state::snapshot::{HashKey, add_keys, keys, open_keys, write_keys};
use crate::state::storage::{discard, storage};

/// Removes the snapshots of other numbers of shards: this run sends rows that they do not know of.
pub(super) fn forget_others(
    state: &JobDirectory,
    shard: Option<&ShardRecord>,
) -> Result<(), StateError> {
    for other in state.other_shards(shard.map(|shard| shard.of))? {
        forget(&other)?;
    }
    if shard.is_some() {
        forget(&state.whole())?;
    }
    Ok(())
}

/// Removes the snapshot: rows are sent that it does not know of.
pub(in crate::run) fn forget(state: &JobDirectory) -> Result<(), StateError> {
    remove(&state.snapshot())?;
    remove(&state.unsettled())
}

fn remove(path: &Path) -> Result<(), StateError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(storage(path, "remove it")(error))
        }
        _ => Ok(()),
    }
}

/// Notes the keys of what a run sends, before any of it is: until a run is done, the rows of the snapshot mean nothing for them.
/// Where nobody knows these keys, the snapshot goes; the result says so.
pub(in crate::run) fn unsettle(
    state: &JobDirectory,
    directory: &RunDirectory,
) -> Result<Option<String>, StateError> {
    let next = directory.next_unsettled();
    match open_keys(&next) {
        // It was read before, or nothing was compared.
        Ok(None) => Ok(None),
        Ok(Some(more)) => {
            add_keys(&state.unsettled(), keys(more))?;
            remove(&next).map(|()| None)
        }
        Err(fault) => {
            forget(state)?;
            remove(&next)?;
            let name = next.display();
            Ok(Some(format!(
                "{name} is of no use: {fault}; unless this run is done, the next run sends every row"
            )))
        }
    }
}

/// The next snapshot could not be written: the old one says nothing of the rows that are sent now.
pub(in crate::run) fn give_up(
    state: &JobDirectory,
    failure: &StateError,
) -> Result<String, StateError> {
    remove(&state.snapshot())?;
    let mut why = failure.to_string();
    if let Some(source) = std::error::Error::source(failure) {
        why = format!("{why}: {source}");
    }
    Ok(format!(
        "no snapshot of this run was kept ({why}): the next run sends every row"
    ))
}

/// Puts the snapshot of a run that is done in the place of the job's; of the run for all shards, those of the shards.
pub(in crate::run) fn promote(
    job: &Job,
    state: &JobDirectory,
    directory: &RunDirectory,
    manifest: &RunManifest,
) -> Result<(), StateError> {
    if job.delta.is_none() || manifest.status != RunStatus::Done || manifest.is_trial() {
        return Ok(());
    }
    let shards = manifest.shard.as_ref();
    if waits(job, shards).is_some() {
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
    // In between, more rows than necessary are unsettled: they are sent once more.
    add_keys(&state.unsettled(), again.iter().map(|key| Ok(*key)))?;
    std::fs::rename(&next, state.snapshot())
        .and_then(|()| sync_directory(state.path()))
        .map_err(storage(&state.snapshot(), "replace it"))?;
    write_keys(&state.unsettled(), again)?;
    // Plans that were made before cannot be applied any more, and nobody asks for earlier people.
    for run in state.run_ids()? {
        let run = state.run(&run);
        discard(&run.next_snapshot());
        if run.path() != directory.path()
            && let Ok(manifest) = read_manifest(&run.manifest())
            && manifest.status == RunStatus::Done
        {
            remove_row_files(&row_files(&run, &manifest, false));
            remove_unchanged(&run);
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
    let path = state.snapshot_key();
    let no_key = || storage(&path, "read it")(std::io::ErrorKind::InvalidData.into());
    let key = HashKey::read(&path).ok_or_else(no_key)?;
    let hasher = RowHasher::of_people(key, job.rules.primary_key);
    let mut keys = Vec::new();
    rejected_people(directory.path(), |identifiers| {
        keys.push(hasher.key_of_values(identifiers));
    })?;
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}
