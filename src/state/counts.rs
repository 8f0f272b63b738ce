//! The counts of a run. Nothing goes uncounted: `rows_read = rows_written + rows_rejected + duplicates + rows_unchanged`, and
//! blank records, which are no rows, have a count of their own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::state::codes::{RejectionReason, RepairCode};
use crate::state::row_note::RowNotes;

/// The counts of a comparison with the snapshot of the last run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaCounts {
    /// Rows of the snapshot.
    pub rows_before: u64,
    /// Rows whose key is not in the snapshot.
    pub rows_new: u64,
    /// Written rows that the snapshot has as they are: all are sent, or a run that was not done may have sent something else.
    #[serde(default)]
    pub rows_again: u64,
    /// Rows of the snapshot whose key is not in the audience.
    pub rows_left: u64,
}

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
    /// Rows that Klaviyo has already: they are as the last run sent them.
    #[serde(default)]
    pub rows_unchanged: u64,
    /// The comparison with the rows of the last run; `None` where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared: Option<DeltaCounts>,
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
    /// Blank cells by the header of their column, in the rows that the rules let through, duplicates included.
    #[serde(default)]
    pub blank_cells: BTreeMap<String, u64>,
    /// Written rows that have neither e-mail nor phone number.
    pub external_id_only: u64,
    /// Remarks on rows, for the report's warnings.
    #[serde(default, skip_serializing_if = "RowNotes::is_empty")]
    pub notes: RowNotes,
}

impl Counts {
    /// Formatting ended early: rows that were read with others in a block and not looked at any more are not counted.
    pub fn end_early(&mut self) {
        self.rows_read = self.accounted_for();
    }

    /// Rows whose fate is decided.
    fn accounted_for(&self) -> u64 {
        self.rows_written + self.rows_rejected + self.duplicates + self.rows_unchanged
    }

    /// Rows of the audience that stand the rules: those that are written, and those that Klaviyo has already.
    pub fn rows_good(&self) -> u64 {
        self.rows_written + self.rows_unchanged
    }

    /// The rows whose blank cells are counted: those that were not rejected by themselves.
    pub fn rows_with_cells(&self) -> u64 {
        // An identifier that another row has is found when the cells are counted already.
        let shared = self.rejections.get(&RejectionReason::SharedIdentifier);
        let by_themselves = self.rows_rejected - shared.copied().unwrap_or(0);
        self.rows_read.saturating_sub(by_themselves)
    }

    /// Rows that were sent before and are another now, and rows that are sent again for another reason.
    pub fn rows_changed(&self) -> Option<u64> {
        let compared = self.compared?;
        Some(self.rows_written.saturating_sub(compared.rows_new))
    }

    /// Adds what another process counted of other rows.
    pub fn add(&mut self, other: &Self) {
        self.rows_read += other.rows_read;
        self.rows_blank += other.rows_blank;
        self.rows_written += other.rows_written;
        self.rows_unchanged += other.rows_unchanged;
        if let Some(other) = other.compared {
            let own = self.compared.get_or_insert_default();
            own.rows_before += other.rows_before;
            own.rows_new += other.rows_new;
            own.rows_again += other.rows_again;
            own.rows_left += other.rows_left;
        }
        self.rows_rejected += other.rows_rejected;
        self.duplicates += other.duplicates;
        self.external_id_only += other.external_id_only;
        for (reason, rows) in &other.rejections {
            *self.rejections.entry(*reason).or_default() += rows;
        }
        for (code, cells) in &other.repairs {
            *self.repairs.entry(*code).or_default() += cells;
        }
        for (header, cells) in &other.blank_cells {
            *self.blank_cells.entry(header.clone()).or_default() += cells;
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

    /// Whether every row that was read is written, rejected, a duplicate, or unchanged.
    pub fn add_up(&self) -> bool {
        self.rows_read == self.accounted_for()
            && self.rows_rejected == self.rejections.values().sum::<u64>()
    }
}
