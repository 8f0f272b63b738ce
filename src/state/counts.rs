//! The counts of a run. Nothing goes uncounted: `rows_read = rows_written + rows_rejected + duplicates`, and blank records,
//! which are no rows, have a count of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::state::codes::{RejectionReason, RepairCode};
use crate::state::row_note::RowNotes;

/// The counts of a run's formatting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records of the audience that are not blank; of a run that ended early, those whose fate was decided.
    pub rows_read: u64,
    /// Blank records: every cell is empty or white space.
    #[serde(default)]
    pub rows_blank: u64,
    /// Rows in parts.
    pub rows_written: u64,
    /// Rows in `rejects.csv`.
    pub rows_rejected: u64,
    /// Rejected rows by reason.
    pub rejections: BTreeMap<RejectionReason, u64>,
    /// Mended cells by code.
    pub repairs: BTreeMap<RepairCode, u64>,
    /// Rows whose key another row has.
    pub duplicates: u64,
    /// Identifiers of later rows that an earlier row of another key has, by code: the lines of `conflicts.csv`.
    #[serde(default)]
    pub shared_identifiers: BTreeMap<RepairCode, u64>,
    /// Written rows that have neither e-mail nor phone number.
    pub external_id_only: u64,
    /// Remarks on rows, for the report's warnings.
    #[serde(default, skip_serializing_if = "RowNotes::is_empty")]
    pub notes: RowNotes,
}

impl Counts {
    /// Formatting ended early: rows that were read with others in a block and not looked at any more are not counted.
    pub fn end_early(&mut self) {
        self.rows_read = self.rows_written + self.rows_rejected + self.duplicates;
    }

    /// Adds what another process counted of other rows.
    pub fn add(&mut self, other: &Self) {
        self.rows_read += other.rows_read;
        self.rows_blank += other.rows_blank;
        self.rows_written += other.rows_written;
        self.rows_rejected += other.rows_rejected;
        self.duplicates += other.duplicates;
        self.external_id_only += other.external_id_only;
        for (reason, rows) in &other.rejections {
            *self.rejections.entry(*reason).or_default() += rows;
        }
        for (code, cells) in &other.repairs {
            *self.repairs.entry(*code).or_default() += cells;
        }
        self.notes.merge(&other.notes);
        for (code, cells) in &other.shared_identifiers {
            *self.shared_identifiers.entry(*code).or_default() += cells;
        }
    }

    /// Cells whose value was removed.
    pub fn blanked(&self) -> u64 {
        let blanked = self.repairs.iter().filter(|(code, _)| code.blanks());
        blanked.map(|(_, cells)| cells).sum()
    }

    /// Whether every row that was read is written, rejected, or a duplicate.
    pub fn add_up(&self) -> bool {
        self.rows_read == self.rows_written + self.rows_rejected + self.duplicates
            && self.rows_rejected == self.rejections.values().sum::<u64>()
    }
}
