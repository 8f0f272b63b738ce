//! The end of a comparison: the rows of this run and of the snapshot, merged in the order of their keys.

use super::{Before, DeltaFiles};
use crate::pipeline::dedupe::{Partitions, SUB_TABLES};
use crate::state::counts::Compared;
use crate::state::manifest::StateError;
use crate::state::sealed::Unusable;
use crate::state::snapshot::{Entry, SNAPSHOT, SnapshotReader, SnapshotWriter, write_keys};

/// The entry as words of a partition.
#[expect(
    clippy::cast_possible_truncation,
    reason = "the words of the two numbers"
)]
pub(super) fn words(Entry { key, row }: Entry) -> [u32; 6] {
    [
        (key >> 96) as u32,
        (key >> 64) as u32,
        (key >> 32) as u32,
        key as u32,
        (row >> 32) as u32,
        row as u32,
    ]
}

fn entry(words: [u32; 6]) -> Entry {
    let (key, row) = words.split_at(4);
    let joined = |words: &[u32]| {
        words
            .iter()
            .fold(0, |all, word| all << 32 | u128::from(*word))
    };
    Entry {
        key: joined(key),
        row: u64::try_from(joined(row)).unwrap_or(0),
    }
}

/// The rows of a snapshot, of which the next can be looked at.
struct Earlier {
    snapshot: Option<SnapshotReader>,
    next: Option<Entry>,
}

impl Earlier {
    fn new(snapshot: Option<SnapshotReader>) -> Result<Self, Unusable> {
        let mut earlier = Self {
            snapshot,
            next: None,
        };
        earlier.step()?;
        Ok(earlier)
    }

    fn step(&mut self) -> Result<(), Unusable> {
        self.next = match &mut self.snapshot {
            Some(snapshot) => snapshot.next()?.map(Entry::of_bytes),
            None => None,
        };
        Ok(())
    }

    /// Takes the rows up to `key`: the row that has it, if there is one. Calls `passed` with those before.
    fn row_of(
        &mut self,
        key: u128,
        mut passed: impl FnMut(Entry),
    ) -> Result<Option<Entry>, Unusable> {
        while let Some(next) = self.next.filter(|next| next.key <= key) {
            self.step()?;
            if next.key == key {
                return Ok(Some(next));
            }
            passed(next);
        }
        Ok(None)
    }

    /// Calls `passed` with the rows that are left.
    fn rest(&mut self, mut passed: impl FnMut(Entry)) -> Result<(), Unusable> {
        while let Some(next) = self.next {
            self.step()?;
            passed(next);
        }
        Ok(())
    }
}

/// Counts new rows and those who left, and writes the next snapshot and the keys of what is sent.
pub(super) fn merge(
    mut rows: Partitions<6>,
    before: Option<Before>,
    files: &DeltaFiles,
) -> Result<(Compared, Option<Vec<u128>>), StateError> {
    let (snapshot, unsettled) = match before {
        Some(Before {
            snapshot,
            unsettled,
            // Nobody asks any more: that is the memory for the sorting.
            pairs: _,
        }) => (Some(snapshot), unsettled),
        None => (None, std::collections::HashSet::new()),
    };
    let is_compared = snapshot.is_some();
    let mut compared = Compared {
        rows_before: snapshot.as_ref().map_or(0, SnapshotReader::records),
        ..Compared::default()
    };
    let unreadable = |error: Unusable| StateError::Storage {
        path: files.scratch.clone(),
        action: "read the snapshot again",
        source: std::io::Error::other(error.to_string()),
    };
    let mut earlier = Earlier::new(snapshot).map_err(unreadable)?;
    let mut writer = match &files.next {
        Some((path, _)) => Some(SnapshotWriter::create(path, SNAPSHOT)?),
        None => None,
    };
    // What an unfinished run sent is unsettled until a run is done.
    let mut sent: Vec<u128> = unsettled.into_iter().collect();
    let mut leavers = Vec::new();
    let mut entries = Vec::new();
    for partition in 0..SUB_TABLES {
        entries.clear();
        let read = rows.read(partition, |words| {
            entries.push(entry(words));
            Ok(())
        });
        read.map_err(|error| StateError::Storage {
            path: error.path,
            action: "read the rows for the snapshot",
            source: error.source,
        })?;
        entries.sort_unstable();
        for entry in &entries {
            let known = earlier
                .row_of(entry.key, |old| leavers.push(old.key))
                .map_err(unreadable)?;
            compared.rows_new += u64::from(known.is_none());
            if is_compared && known != Some(*entry) {
                sent.push(entry.key);
            }
            if let Some(writer) = &mut writer {
                writer.push(entry.to_bytes())?;
            }
        }
    }
    earlier
        .rest(|old| leavers.push(old.key))
        .map_err(unreadable)?;
    // Of a part of the audience nobody knows who left.
    if files.next.is_none() {
        leavers.clear();
    }
    compared.rows_left = leavers.len() as u64;
    sent.extend(&leavers);
    if is_compared {
        write_keys(&files.unsettled, &sent)?;
    }
    if let (Some(writer), Some((_, head))) = (writer, &files.next) {
        writer.finish(head)?;
    }
    Ok((compared, files.wants_left.then_some(leavers)))
}

/// A key that only one of two snapshots has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The earlier one does not have it.
    New(u128),
    /// The later one does not have it.
    Left(u128),
}

/// Calls `each` with the keys that only one of two snapshots has, in their order.
pub fn each_newcomer_and_leaver(
    before: SnapshotReader,
    mut after: SnapshotReader,
    mut each: impl FnMut(Difference),
) -> Result<(), Unusable> {
    let mut earlier = Earlier::new(Some(before))?;
    while let Some(entry) = after.next()?.map(Entry::of_bytes) {
        let known = earlier.row_of(entry.key, |old| each(Difference::Left(old.key)))?;
        if known.is_none() {
            each(Difference::New(entry.key));
        }
    }
    earlier.rest(|old| each(Difference::Left(old.key)))
}
