//! What a run counts. Nothing goes uncounted: `rows_read = rows_written + rows_rejected + duplicates`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::state::codes::{RejectionReason, RepairCode};

/// The counts of a run's formatting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records of the audience; of a run that ended early, those whose fate was decided.
    pub rows_read: u64,
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
    /// Written rows that have neither e-mail nor phone number.
    pub external_id_only: u64,
    /// Records to look at, by what is doubtful.
    #[serde(default, skip_serializing_if = "Doubts::is_empty")]
    pub doubts: Doubts,
}

/// A reason to look at a record that is neither rejected nor mended for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DoubtKind {
    /// A cell may hold rows that a stray quote swallowed.
    Swallowed,
    /// A row of a `rejects.csv` is given back as it was.
    AsItWas,
}

impl DoubtKind {
    /// The warning of records, `places`, that are doubtful for this reason.
    fn warning(self, places: &str) -> String {
        match self {
            Self::Swallowed => format!(
                "a cell holds a line break, the delimiter and an e-mail address: {places}; if a quote is missing there, the cell has swallowed the next rows"
            ),
            Self::AsItWas => format!(
                "rejected again, because nobody changed it: {places}; change what is wrong in a row of rejects.csv, or empty its `_reason`"
            ),
        }
    }
}

/// How many records of a kind are named.
const NAMED_RECORDS: usize = 3;

/// Records to look at: how many, and the first of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Doubts(BTreeMap<DoubtKind, DoubtfulRecords>);

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct DoubtfulRecords {
    count: u64,
    first: Vec<String>,
}

impl Doubts {
    /// Adds a record of `source`.
    pub fn add(&mut self, kind: DoubtKind, source: &str, record: u64) {
        let records = self.0.entry(kind).or_default();
        records.count += 1;
        if records.first.len() < NAMED_RECORDS {
            records.first.push(format!("{source} record {record}"));
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A warning for each kind.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(kind, records)| {
            let places = records.first.join(", ");
            match records.count.saturating_sub(records.first.len() as u64) {
                0 => kind.warning(&places),
                more => kind.warning(&format!("{places} and {more} more")),
            }
        })
    }

    fn merge(&mut self, other: &Self) {
        for (kind, others) in &other.0 {
            let records = self.0.entry(*kind).or_default();
            records.count += others.count;
            let room = NAMED_RECORDS.saturating_sub(records.first.len());
            records
                .first
                .extend(others.first.iter().take(room).cloned());
        }
    }
}

impl Counts {
    /// Formatting ended early: rows that were read with others in a block and not looked at any more are not counted.
    pub fn end_early(&mut self) {
        self.rows_read = self.rows_written + self.rows_rejected + self.duplicates;
    }

    /// Adds what another process counted of other rows.
    pub fn add(&mut self, other: &Self) {
        self.rows_read += other.rows_read;
        self.rows_written += other.rows_written;
        self.rows_rejected += other.rows_rejected;
        self.duplicates += other.duplicates;
        self.external_id_only += other.external_id_only;
        self.doubts.merge(&other.doubts);
        for (reason, rows) in &other.rejections {
            *self.rejections.entry(*reason).or_default() += rows;
        }
        for (code, cells) in &other.repairs {
            *self.repairs.entry(*code).or_default() += cells;
        }
    }

    /// Whether every row that was read is written, rejected, or a duplicate.
    pub fn add_up(&self) -> bool {
        self.rows_read == self.rows_written + self.rows_rejected + self.duplicates
            && self.rows_rejected == self.rejections.values().sum::<u64>()
    }
}
