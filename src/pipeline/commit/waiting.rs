//! Rows that wait on disk until the whole audience was seen, because a later row, or one whose key or identifier found no
//! room in memory, decides whether they are kept and what they keep.

use std::path::{Path, PathBuf};

use fixedbitset::FixedBitSet;

use super::CommitError;
use crate::pipeline::dedupe::{Contests, Occurrences, SpillError, SpilledKeys};
use crate::pipeline::settings::PrimaryKey;
use crate::pipeline::spool::{HeldRow, HeldRows};

/// Which of two rows with one key is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loser {
    Earlier,
    Later,
}

/// Waiting rows, by the numbers of their records in the audience, and what is known of them so far.
pub(super) struct WaitingRows {
    rows: HeldRows,
    /// The numbers of rows that are not kept.
    lost: FixedBitSet,
    spilled: Option<SpilledKeys>,
    occurrences: Option<Occurrences>,
    directory: PathBuf,
}

impl WaitingRows {
    /// No rows yet. The files, which have no name, are made in `directory`.
    pub(super) fn create(directory: &Path) -> Result<Self, CommitError> {
        Ok(Self {
            rows: HeldRows::create(directory)?,
            lost: FixedBitSet::new(),
            spilled: None,
            occurrences: None,
            directory: directory.to_owned(),
        })
    }

    pub(super) fn push(&mut self, row: HeldRow<'_>) -> Result<(), CommitError> {
        Ok(self.rows.push(row)?)
    }

    /// A key of which it is unknown whether another row has it, of the row with this number.
    pub(super) fn add_key(&mut self, fingerprint: u128, number: u64) -> Result<(), SpillError> {
        add_key(&mut self.spilled, &self.directory, fingerprint, number)
    }

    /// A key for which there was no room, of the row with this number.
    pub(super) fn spill(&mut self, fingerprint: u128, number: u64) -> Result<(), CommitError> {
        Ok(spill(
            &mut self.spilled,
            &self.directory,
            fingerprint,
            number,
        )?)
    }

    /// An identifier of the row with this number, of which it is unknown whether an earlier row has it.
    pub(super) fn add_identifier(
        &mut self,
        kind: PrimaryKey,
        fingerprint: u128,
        number: u64,
    ) -> Result<(), SpillError> {
        let occurrences = match &mut self.occurrences {
            Some(occurrences) => occurrences,
            None => self
                .occurrences
                .insert(Occurrences::create(&self.directory)?),
        };
        occurrences.push(fingerprint, kind, number)
    }

    /// The row is not kept.
    pub(super) fn lose(&mut self, number: u64) {
        self.lost.grow_and_insert(position(number));
    }

    /// Settles the spilled keys. How many rows are lost by them.
    pub(super) fn settle(&mut self, loser: Loser) -> Result<u64, CommitError> {
        let Some(mut spilled) = self.spilled.take() else {
            return Ok(0);
        };
        let mut lost = 0;
        spilled.each_repeat(|earlier, later| {
            lost += 1;
            self.lose(match loser {
                Loser::Earlier => earlier,
                Loser::Later => later,
            });
        })?;
        Ok(lost)
    }

    fn is_lost(&self, number: u64) -> bool {
        self.lost.contains(position(number))
    }

    /// Settles the identifiers, once it is known which rows are kept: those that two of them have. All numbers are below
    /// `numbers`. `with_first`: the first row that has it is told too.
    pub(super) fn contests(
        &mut self,
        numbers: u64,
        with_first: bool,
    ) -> Result<Option<Contests>, CommitError> {
        let Some(occurrences) = self.occurrences.take() else {
            return Ok(None);
        };
        let is_kept = |number| !self.is_lost(number);
        Ok(Some(occurrences.settle(numbers, is_kept, with_first)?))
    }

    /// Calls `take` with each row that is kept, in order.
    pub(super) fn replay(
        mut self,
        mut take: impl FnMut(HeldRow<'_>) -> Result<(), CommitError>,
    ) -> Result<(), CommitError> {
        let empty = HeldRows::create(&self.directory)?;
        let rows = std::mem::replace(&mut self.rows, empty);
        rows.replay(|row| {
            if self.is_lost(row.number) {
                Ok(())
            } else {
                take(row)
            }
        })
    }
}

/// The place of a row among numbers. The file that holds the rows is smaller than what a machine can address.
fn position(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Adds a key to those on disk, which are made with the first.
pub(super) fn spill(
    spilled: &mut Option<SpilledKeys>,
    directory: &Path,
    fingerprint: u128,
    place: u64,
) -> Result<(), SpillError> {
    if spilled.is_none() {
        tracing::info!("more keys than `dedupe-memory` holds: the rest goes to disk");
    }
    add_key(spilled, directory, fingerprint, place)
}

fn add_key(
    spilled: &mut Option<SpilledKeys>,
    directory: &Path,
    fingerprint: u128,
    place: u64,
) -> Result<(), SpillError> {
    let spilled = match spilled {
        Some(spilled) => spilled,
        None => spilled.insert(SpilledKeys::create(directory)?),
    };
    spilled.push(fingerprint, place)
}
