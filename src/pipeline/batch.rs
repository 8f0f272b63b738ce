//! The result of a worker for one block: finished CSV rows, rejections and repairs, in the order of the records.
//!
//! Nothing in it is allocated per row: rows are byte ranges of one buffer. The committer takes batches in the order of
//! their blocks and gives records their absolute numbers.

use crate::base::csv::{BLANK, WrittenCells};
use crate::base::pool::Pool;
use crate::pipeline::settings::PrimaryKey;
use crate::source::audience::{Block, SourceId};
use crate::state::codes::{RejectionReason, RepairCode};
use crate::state::row_note::{RowNote, RowNotes};

/// One finished CSV row of [`Batch::row_bytes`].
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The record in its block, from 0.
    pub record: u32,
    /// Where the row ends in the buffer, line feed included; it begins where the one before ends.
    pub end: u32,
    /// How many of its bytes are the identifier cells, without the comma after them.
    pub identifier_bytes: u32,
    /// True when it has neither e-mail nor phone number.
    pub external_id_only: bool,
    /// The kind of the identifier that is the row's key.
    pub key_kind: PrimaryKey,
    /// Fingerprint of the row's key.
    pub key: u128,
}

/// An identifier of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RowIdentifier {
    /// The row in [`Batch::rows`].
    pub row: u32,
    /// Its column.
    pub kind: PrimaryKey,
    /// Fingerprint of its value, made as that of a key.
    pub fingerprint: u128,
}

/// One refused record.
#[derive(Debug, Clone)]
pub struct Rejection {
    /// The record in its block, from 0.
    pub record: u32,
    /// The cause.
    pub reason: RejectionReason,
    /// More of why, without a value of the row.
    pub detail: String,
    /// The digest of its cells, by which a person's change is seen when it is given back; none where they tell nothing.
    pub digest: Option<u64>,
    /// Where its cells end in [`Batch::reject_bytes`], as CSV in the order of the rejects header.
    pub end: usize,
}

/// One mended cell.
#[derive(Debug, Clone, Copy)]
pub struct Repair {
    /// The record in its block, from 0.
    pub record: u32,
    /// The column in the mapping.
    pub column: usize,
    /// The change.
    pub code: RepairCode,
    /// More of it, in one word; empty where the code says all.
    pub detail: &'static str,
    /// Where the cell's old value ends in [`Batch::repair_bytes`].
    pub end: usize,
}

/// A cell that held a null word, and is sent empty.
#[derive(Debug, Clone, Copy)]
pub struct NullCell {
    /// The record in its block, from 0.
    pub record: u32,
    /// The column in the mapping.
    pub column: u32,
}

/// A remark on one record.
#[derive(Debug, Clone, Copy)]
pub struct NotedRow {
    /// The record in its block, from 0.
    pub record: u32,
    /// The remark.
    pub note: RowNote,
}

/// All that a worker makes of one block.
#[derive(Debug)]
pub struct Batch {
    /// The block's source.
    pub source: SourceId,
    /// Number of its first record in its source, from 1.
    pub first_record: u64,
    /// Bytes on disk that had been read when the block was cut, over all sources.
    pub consumed_bytes: u64,
    /// Records in the block, blank ones included.
    pub records: u32,
    /// The records that are blank, in their order: they have a place in the source, and are no rows.
    pub blanks: Vec<u32>,
    /// Rows that stand the rules.
    pub rows: Vec<Row>,
    /// Their bytes.
    pub row_bytes: Vec<u8>,
    /// Their identifiers that are not their keys, in the order of the rows. There are none where only one column is an
    /// identifier.
    pub other_identifiers: Vec<RowIdentifier>,
    /// Records that do not.
    pub rejections: Vec<Rejection>,
    /// Their source cells as CSV.
    pub reject_bytes: Vec<u8>,
    /// Cells of rows (not of rejected records) that were mended.
    pub repairs: Vec<Repair>,
    /// Their old values.
    pub repair_bytes: Vec<u8>,
    /// Cells of rows that held null words. They are counted and not listed, for an export may be full of them.
    pub nulls: Vec<NullCell>,
    /// Remarks on rows and on rejected records.
    pub notes: Vec<NotedRow>,
    /// For each column of the mapping, how many of the rows have a blank cell in it.
    pub blank_cells: Vec<u32>,
}

/// Buffers of batches that are done with, to be filled again. Clones share them.
#[derive(Debug, Clone)]
pub struct Spares {
    rows: Pool<Row>,
    identifiers: Pool<RowIdentifier>,
    texts: Pool<u8>,
}

impl Spares {
    /// None yet, and room for so many of each kind; what is more is given back to the system.
    pub fn new(most: usize) -> Self {
        Self {
            rows: Pool::new(most),
            identifiers: Pool::new(most),
            texts: Pool::new(most),
        }
    }

    /// An empty buffer for rows.
    fn rows(&self) -> Vec<Row> {
        self.rows.take()
    }

    /// An empty buffer for the text of rows.
    pub fn text(&self) -> Vec<u8> {
        self.texts.take()
    }

    /// Takes back the rows of a batch.
    pub fn give_rows(&self, mut rows: Vec<Row>) {
        rows.clear();
        self.rows.give(rows);
    }

    /// Takes back the other identifiers of a batch.
    pub fn give_identifiers(&self, mut identifiers: Vec<RowIdentifier>) {
        identifiers.clear();
        self.identifiers.give(identifiers);
    }

    /// Takes back the text of rows.
    pub fn give_text(&self, mut text: Vec<u8>) {
        text.clear();
        self.texts.give(text);
    }
}

impl Default for Spares {
    /// For batches that are few: none are kept.
    fn default() -> Self {
        Self::new(0)
    }
}

impl Batch {
    /// An empty batch with room for the rows of `block`.
    pub fn new(block: &Block, spares: &Spares) -> Self {
        let (mut rows, mut row_bytes) = (spares.rows(), spares.text());
        rows.reserve(usize::try_from(block.records).unwrap_or(0));
        row_bytes.reserve(block.size_bytes() + block.size_bytes() / 8);
        Self {
            source: block.source,
            first_record: block.first_record,
            consumed_bytes: block.consumed_bytes,
            records: 0,
            blanks: Vec::new(),
            rows,
            row_bytes,
            other_identifiers: spares.identifiers.take(),
            rejections: Vec::new(),
            reject_bytes: Vec::new(),
            repairs: Vec::new(),
            repair_bytes: Vec::new(),
            nulls: Vec::new(),
            notes: Vec::new(),
            blank_cells: Vec::new(),
        }
    }

    /// Adds the remarks to those on the audience. `source` is the name of the batch's source.
    pub fn add_notes(&self, notes: &mut RowNotes, source: &str) {
        for noted in &self.notes {
            notes.add(
                noted.note,
                source,
                self.first_record + u64::from(noted.record),
            );
        }
        notes.extend_source(source, self.first_record + u64::from(self.records) - 1);
    }

    /// Records that are not blank.
    pub fn rows_read(&self) -> u64 {
        u64::from(self.records) - self.blanks.len() as u64
    }

    /// Records that are blank.
    pub fn rows_blank(&self) -> u64 {
        self.blanks.len() as u64
    }

    /// Drops what comes after the first `rows` records that are not blank. The bytes stay: rows say where they end.
    pub fn truncate(&mut self, rows: u64) {
        if self.rows_read() > rows {
            let records = self.records_with(u32::try_from(rows).unwrap_or(u32::MAX));
            self.rows.retain(|row| row.record < records);
            let rows = self.rows.len();
            self.other_identifiers
                .retain(|identifier| (identifier.row as usize) < rows);
            self.rejections
                .retain(|rejection| rejection.record < records);
            self.repairs.retain(|repair| repair.record < records);
            self.nulls.retain(|null| null.record < records);
            self.notes.retain(|noted| noted.record < records);
            self.blanks.retain(|blank| *blank < records);
            self.records = records;
            self.count_blank_cells();
        }
    }

    /// Counts the blank cells anew, from the text of the rows.
    fn count_blank_cells(&mut self) {
        self.blank_cells.fill(0);
        for index in 0..self.rows.len() {
            let row = self.row_bytes.get(row_range(&self.rows, index));
            let cells = WrittenCells::new(row.unwrap_or_default());
            for (cell, blank) in cells.zip(&mut self.blank_cells) {
                *blank += u32::from(cell.is_empty() || cell == BLANK);
            }
        }
    }

    /// How many records from the first on have so many that are not blank, and end with one of these.
    fn records_with(&self, rows: u32) -> u32 {
        let mut records = rows;
        for blank in &self.blanks {
            if *blank >= records {
                break;
            }
            records += 1;
        }
        if rows == 0 { 0 } else { records }
    }
}

/// The text of row `index`, with its line feed, in the text of all rows.
pub fn row_range(rows: &[Row], index: usize) -> std::ops::Range<usize> {
    let before = index.checked_sub(1).and_then(|before| rows.get(before));
    let begin = before.map_or(0, |row| row.end as usize);
    begin..rows.get(index).map_or(begin, |row| row.end as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::csv::{WrittenCells, push_cell, push_quoted, push_unquoted};
    use proptest::prelude::*;

    #[test]
    fn a_limit_counts_rows_and_not_blank_records() {
        for (blanks, rows, records, rows_blank) in [
            (vec![], 2, 2, 0),
            (vec![1], 2, 3, 1),
            (vec![0, 1], 1, 3, 2),
            (vec![2, 3], 2, 2, 0),
            (vec![0, 3], 3, 5, 2),
            (vec![0], 0, 0, 0),
            (vec![4], 4, 5, 1),
            (vec![1], 9, 5, 1),
        ] {
            let mut batch = Batch {
                source: SourceId(0),
                first_record: 1,
                consumed_bytes: 0,
                records: 5,
                blanks,
                notes: Vec::new(),
                rows: Vec::new(),
                row_bytes: Vec::new(),
                other_identifiers: Vec::new(),
                rejections: Vec::new(),
                reject_bytes: Vec::new(),
                repairs: Vec::new(),
                repair_bytes: Vec::new(),
                nulls: Vec::new(),
                blank_cells: Vec::new(),
            };
            batch.truncate(rows);
            let left = (batch.records, batch.rows_blank());
            assert_eq!(left, (records, rows_blank), "{rows}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(rows in prop::collection::vec(prop::collection::vec(".{0,12}|[,\"\n\r x]{0,6}", 2..5), 1..6)) {
            let mut text = Vec::new();
            for row in &rows {
                for (index, cell) in row.iter().enumerate() {
                    if index > 0 { text.push(b','); }
                    if index == 0 { push_quoted(&mut text, cell.as_bytes()) } else { push_cell(&mut text, cell.as_bytes()) }
                }
                text.push(b'\n');
            }
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_slice());
            let read: Vec<Vec<String>> = reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect();
            prop_assert_eq!(&read, &rows);
            let mut begin = 0;
            for row in &rows {
                let mut line = Vec::new();
                for (index, cell) in row.iter().enumerate() {
                    if index > 0 { line.push(b','); }
                    if index == 0 { push_quoted(&mut line, cell.as_bytes()) } else { push_cell(&mut line, cell.as_bytes()) }
                }
                let end = begin + line.len() + 1;
                let cells: Vec<&[u8]> = WrittenCells::new(&text[begin..end]).collect();
                prop_assert_eq!(cells.len(), row.len());
                prop_assert_eq!(cells.join(&b','), line);
                for (written, cell) in cells.into_iter().zip(row) {
                    let mut value = Vec::new();
                    push_unquoted(&mut value, written);
                    prop_assert_eq!(value, cell.as_bytes());
                }
                begin = end;
            }
        }
    }
}
