//! The people of a run who are not sent, and those who left: the files with their identifiers.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::base::base_run;
use crate::pipeline::delta::{Difference, each_newcomer_and_leaver};
use crate::run::list::row_files;
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::manifest::{StateError, read_manifest};
use crate::state::shard::Shard;
use crate::state::snapshot::{SNAPSHOT, SnapshotReader};
use crate::state::storage::discard;

/// The identifiers of rows that are not sent, beside the parts.
const UNCHANGED: &str = "unchanged.ids";

/// The files with the identifiers of everybody whom the last run that is done had in its audience.
pub(in crate::run) fn people(state: &JobDirectory) -> Result<Vec<PathBuf>, StateError> {
    let Some(run_id) = base_run(state) else {
        return Ok(Vec::new());
    };
    let directory = state.run(&run_id);
    let manifest = read_manifest(&directory.manifest())?;
    let sent = row_files(&directory, &manifest, false);
    let sent = sent.into_iter().map(|file| file.path);
    Ok(sent.chain(all_unchanged(&directory)).collect())
}

/// How many rows have moved from one shard to another: they are new in the one, have left the other, and are neither. In
/// words, why nobody can tell.
pub(in crate::run) fn moved<'a>(
    runs: impl Iterator<Item = (JobDirectory, &'a str)>,
) -> Result<u64, String> {
    let (mut new, mut left) = (HashSet::new(), HashSet::new());
    for (state, run_id) in runs {
        let open = |path: &Path| {
            SnapshotReader::open(path, SNAPSHOT)
                .map_err(|error| format!("{} is of no use: {error}", path.display()))
        };
        let (before, after) = (
            open(&state.snapshot())?,
            open(&state.run(run_id).next_snapshot())?,
        );
        if let (Some(before), Some(after)) = (before, after) {
            let compared = each_newcomer_and_leaver(before, after, |difference| {
                match difference {
                    Difference::New(key) => new.insert(key),
                    Difference::Left(key) => left.insert(key),
                };
            });
            compared.map_err(|error| {
                let path = state.snapshot();
                format!("{} is of no use: {error}", path.display())
            })?;
        }
    }
    Ok(new.intersection(&left).count() as u64)
}

/// The file with the identifiers of the rows of a run that are not sent.
pub(in crate::run) fn unchanged(directory: &RunDirectory) -> PathBuf {
    directory.parts().join(UNCHANGED)
}

/// The same of one shard, in the folder of the run for all of them.
pub(in crate::run) fn unchanged_of_shard(directory: &RunDirectory, shard: Shard) -> PathBuf {
    let name = format!("{}-{UNCHANGED}", shard.name());
    directory.parts().join(name)
}

/// Removes all such files in the folder of a run: nobody needs them any more.
pub(in crate::run) fn remove_unchanged(directory: &RunDirectory) {
    for path in all_unchanged(directory) {
        discard(&path);
    }
}

/// All such files in the folder of a run.
pub(in crate::run) fn all_unchanged(directory: &RunDirectory) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory.parts());
    let names = entries.into_iter().flatten().flatten();
    let mut paths: Vec<_> = names
        .map(|entry| entry.path())
        .filter(|path| path.to_string_lossy().ends_with(UNCHANGED))
        .collect();
    paths.sort();
    paths
}
