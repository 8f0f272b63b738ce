//! The end of a comparison: the rows of this run and of the snapshot, merged in the order of their keys.

use fixedbitset::FixedBitSet;

use super::last_rows::{LastRows, UnsettledKeys};
use super::{DeltaFiles, pair};
use crate::pipeline::dedupe::{DigestSet, Partitions, SUB_TABLES};
use crate::state::counts::DeltaCounts;
use crate::state::manifest::StateError;
use crate::state::sealed::SealFault;
use crate::state::snapshot::{
    KEYS, KeysWriter, SNAPSHOT, SnapshotReader, SnapshotRow, SnapshotWriter,
};
use crate::state::storage::storage;

/// The entry as words of a partition, with the number of its row.
pub(super) fn words(SnapshotRow { key, row }: SnapshotRow, number: u64) -> [u32; 8] {
    let [k0, k1, k2, k3] = words_of(key);
    let [_, _, r0, r1] = words_of(row.into());
    let [_, _, n0, n1] = words_of(number.into());
    [k0, k1, k2, k3, r0, r1, n0, n1]
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the four words of the number"
)]
fn words_of(number: u128) -> [u32; 4] {
    [96, 64, 32, 0].map(|shift| (number >> shift) as u32)
}

/// A row of this run; the order is that of a snapshot. With a [`SnapshotRow`] in it, it would take 48 bytes and not 32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct NewRow {
    key: u128,
    row: u64,
    number: u64,
}

impl NewRow {
    fn of_words([k0, k1, k2, k3, r0, r1, n0, n1]: [u32; 8]) -> Self {
        let joined = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
        Self {
            key: u128::from(joined(k0, k1)) << 64 | u128::from(joined(k2, k3)),
            row: joined(r0, r1),
            number: joined(n0, n1),
        }
    }

    fn entry(self) -> SnapshotRow {
        SnapshotRow {
            key: self.key,
            row: self.row,
        }
    }
}

/// The earlier rows, from a snapshot, of which the next can be looked at.
struct EarlierRows {
    snapshot: Option<SnapshotReader>,
    unsettled: UnsettledKeys,
    next: Option<SnapshotRow>,
}

impl EarlierRows {
    fn new(
        mut snapshot: Option<SnapshotReader>,
        mut unsettled: UnsettledKeys,
    ) -> Result<Self, SealFault> {
        // Whoever read them before may have stopped anywhere.
        unsettled.begin()?;
        if let Some(snapshot) = &mut snapshot {
            snapshot.rewind()?;
        }
        let mut earlier = Self {
            snapshot,
            unsettled,
            next: None,
        };
        earlier.step()?;
        Ok(earlier)
    }

    fn step(&mut self) -> Result<(), SealFault> {
        self.next = match &mut self.snapshot {
            Some(snapshot) => snapshot.next()?.map(SnapshotRow::of_bytes),
            None => None,
        };
        Ok(())
    }

    /// Takes the rows up to `key`: the row that has it, if there is one. Calls `passed` with those before.
    fn row_of<E: From<SealFault>>(
        &mut self,
        key: u128,
        mut passed: impl FnMut(SnapshotRow) -> Result<(), E>,
    ) -> Result<Option<SnapshotRow>, E> {
        while let Some(next) = self.next.filter(|next| next.key <= key) {
            self.step()?;
            if next.key == key {
                return Ok(Some(next));
            }
            passed(next)?;
        }
        Ok(None)
    }

    /// Whether the row that is known means that Klaviyo has `entry`.
    fn is_unchanged(
        &mut self,
        known: Option<SnapshotRow>,
        entry: SnapshotRow,
    ) -> Result<bool, SealFault> {
        Ok(known == Some(entry) && !self.unsettled.has(entry.key)?)
    }

    /// Calls `passed` with the rows that are left.
    fn rest<E: From<SealFault>>(
        &mut self,
        mut passed: impl FnMut(SnapshotRow) -> Result<(), E>,
    ) -> Result<(), E> {
        while let Some(next) = self.next {
            self.step()?;
            passed(next)?;
        }
        Ok(())
    }
}

/// The outcome of a merge.
pub(super) struct MergeOutcome {
    pub(super) compared: DeltaCounts,
    /// The numbers of the rows that Klaviyo has as they are.
    pub(super) unchanged: FixedBitSet,
    /// The keys of those who left, in order, if they are wanted.
    pub(super) left: Option<Vec<u128>>,
}

/// The files that a merge writes, and what it has found so far.
struct Merge {
    merged: MergeOutcome,
    writer: Option<SnapshotWriter>,
    /// The keys of rows that are sent and of those who left; `None` where there was no snapshot.
    sent: Option<KeysWriter>,
    /// The rows of the snapshot, of which those that came again are marked.
    pairs: Option<DigestSet>,
    /// Every row is written.
    is_full: bool,
}

impl Merge {
    fn sent(&mut self, key: u128) -> Result<(), MergeError> {
        match &mut self.sent {
            Some(sent) => Ok(sent.push(key.to_be_bytes())?),
            None => Ok(()),
        }
    }

    /// A row of the snapshot whose key no other row of this run has.
    fn passed(&mut self, old: SnapshotRow) -> Result<(), MergeError> {
        // Of a part of the audience nobody knows who left.
        let Some(writer) = &mut self.writer else {
            return Ok(());
        };
        let is_back = |pairs: &DigestSet| pairs.is_marked(pair(old));
        if self.pairs.as_ref().is_some_and(is_back) {
            return Ok(writer.push(old.to_bytes())?);
        }
        self.merged.compared.rows_left += 1;
        if let Some(left) = &mut self.merged.left {
            left.push(old.key);
        }
        self.sent(old.key)
    }

    fn row(&mut self, row: NewRow, earlier: &mut EarlierRows) -> Result<(), MergeError> {
        let entry = row.entry();
        let known = earlier.row_of(entry.key, |old| self.passed(old))?;
        self.merged.compared.rows_new += u64::from(known.is_none());
        let is_unchanged = earlier.is_unchanged(known, entry)?;
        if is_unchanged {
            let number = usize::try_from(row.number).unwrap_or(usize::MAX);
            self.merged.unchanged.grow_and_insert(number);
        } else {
            self.sent(entry.key)?;
        }
        let is_again = known == Some(entry) && (self.is_full || !is_unchanged);
        self.merged.compared.rows_again += u64::from(is_again);
        match &mut self.writer {
            Some(writer) => Ok(writer.push(entry.to_bytes())?),
            None => Ok(()),
        }
    }
}

/// The reason for which a merge failed.
enum MergeError {
    Snapshot(SealFault),
    State(StateError),
}

impl From<SealFault> for MergeError {
    fn from(error: SealFault) -> Self {
        Self::Snapshot(error)
    }
}

impl From<StateError> for MergeError {
    fn from(error: StateError) -> Self {
        Self::State(error)
    }
}

/// Counts new rows and those who left, and writes the next snapshot and the keys of what is sent. `is_full`: every row is written.
pub(super) fn merge(
    rows: Partitions<8>,
    before: Option<LastRows>,
    is_full: bool,
    files: &DeltaFiles,
) -> Result<MergeOutcome, StateError> {
    merge_rows(rows, before, is_full, files).map_err(|failed| match failed {
        MergeError::State(error) => error,
        MergeError::Snapshot(error) => {
            storage(&files.scratch, "read the snapshot again")(std::io::Error::other(error))
        }
    })
}

fn merge_rows(
    mut rows: Partitions<8>,
    before: Option<LastRows>,
    is_full: bool,
    files: &DeltaFiles,
) -> Result<MergeOutcome, MergeError> {
    let (snapshot, unsettled, pairs) = match before {
        Some(before) => (Some(before.snapshot), before.unsettled, before.pairs),
        None => (None, UnsettledKeys::new(None), None),
    };
    let sent = snapshot.is_some().then_some(&files.unsettled);
    let writer = files.next.as_ref();
    let mut merging = Merge {
        merged: MergeOutcome {
            compared: DeltaCounts {
                rows_before: snapshot.as_ref().map_or(0, SnapshotReader::records),
                ..DeltaCounts::default()
            },
            unchanged: FixedBitSet::new(),
            left: files.wants_left.then(Vec::new),
        },
        writer: writer
            .map(|(path, _)| SnapshotWriter::create(path, SNAPSHOT))
            .transpose()?,
        sent: sent
            .map(|path| KeysWriter::create(path, KEYS))
            .transpose()?,
        pairs,
        is_full,
    };
    let mut earlier = EarlierRows::new(snapshot, unsettled)?;
    let mut of_partition = Vec::new();
    for partition in 0..SUB_TABLES {
        of_partition.clear();
        let read = rows.read(partition, |words| {
            of_partition.push(NewRow::of_words(words));
            Ok(())
        });
        read.map_err(|error| storage(&error.path, "read the rows for the snapshot")(error.source))?;
        of_partition.sort_unstable();
        for row in &of_partition {
            merging.row(*row, &mut earlier)?;
        }
    }
    earlier.rest(|old| merging.passed(old))?;
    let Merge {
        merged,
        writer,
        sent,
        ..
    } = merging;
    if let Some(sent) = sent {
        sent.finish(&())?;
    }
    if let (Some(writer), Some((_, head))) = (writer, &files.next) {
        writer.finish(head)?;
    }
    Ok(merged)
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
) -> Result<(), SealFault> {
    let mut earlier = EarlierRows::new(Some(before), UnsettledKeys::new(None))?;
    while let Some(entry) = after.next()?.map(SnapshotRow::of_bytes) {
        let known = earlier.row_of(entry.key, |old| {
            each(Difference::Left(old.key));
            Ok::<_, SealFault>(())
        })?;
        if known.is_none() {
            each(Difference::New(entry.key));
        }
    }
    earlier.rest(|old| {
        each(Difference::Left(old.key));
        Ok(())
    })
}
