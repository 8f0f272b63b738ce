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

    /// Takes the next row if its key comes before `key`, or is it.
    fn up_to(&mut self, key: u128) -> Result<Option<Entry>, Unusable> {
        let next = self.next.filter(|next| next.key <= key);
        if next.is_some() {
            self.step()?;
        }
        Ok(next)
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
    let mut left = files.wants_left.then(Vec::new);
    let mut leaves = |compared: &mut Compared, sent: &mut Vec<u128>, old: Entry| {
        // Of a part of the audience nobody knows who left.
        if files.next.is_some() {
            compared.rows_left += 1;
            sent.push(old.key);
            if let Some(left) = &mut left {
                left.push(old.key);
            }
        }
    };
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
            let mut known = None;
            while let Some(old) = earlier.up_to(entry.key).map_err(unreadable)? {
                if old.key == entry.key {
                    known = Some(old);
                    break;
                }
                leaves(&mut compared, &mut sent, old);
            }
            compared.rows_new += u64::from(known.is_none());
            if is_compared && known != Some(*entry) {
                sent.push(entry.key);
            }
            if let Some(writer) = &mut writer {
                writer.push(entry.to_bytes())?;
            }
        }
    }
    while let Some(old) = earlier.up_to(u128::MAX).map_err(unreadable)? {
        leaves(&mut compared, &mut sent, old);
    }
    if is_compared {
        write_keys(&files.unsettled, &sent)?;
    }
    if let (Some(writer), Some((_, head))) = (writer, &files.next) {
        writer.finish(head)?;
    }
    Ok((compared, left))
}

/// A key by which two snapshots differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difference {
    /// The earlier one does not have it.
    New(u128),
    /// They have other rows of it.
    Changed(u128),
    /// The later one does not have it.
    Left(u128),
}

/// Calls `each` with the keys by which two snapshots differ, in their order. `path` is named where one cannot be read.
pub fn each_difference(
    before: Option<SnapshotReader>,
    mut after: SnapshotReader,
    path: &std::path::Path,
    mut each: impl FnMut(Difference),
) -> Result<(), StateError> {
    let unreadable = |error: Unusable| StateError::Storage {
        path: path.to_owned(),
        action: "compare the snapshots",
        source: std::io::Error::other(error.to_string()),
    };
    let mut earlier = Earlier::new(before).map_err(unreadable)?;
    while let Some(entry) = after.next().map_err(unreadable)?.map(Entry::of_bytes) {
        let mut known = None;
        while let Some(old) = earlier.up_to(entry.key).map_err(unreadable)? {
            if old.key == entry.key {
                known = Some(old);
                break;
            }
            each(Difference::Left(old.key));
        }
        match known {
            None => each(Difference::New(entry.key)),
            Some(old) if old != entry => each(Difference::Changed(entry.key)),
            Some(_) => {}
        }
    }
    while let Some(old) = earlier.up_to(u128::MAX).map_err(unreadable)? {
        each(Difference::Left(old.key));
    }
    Ok(())
}
