//! The records of a block of columns: typed values as cells.
//!
//! The rules for typed values (docs/columns-and-values.md): booleans are `True` and `False`, numbers plain digits,
//! dates and times `YYYY-MM-DD HH:MM:SS` in UTC, intervals and durations periods of ISO 8601, lists JSON arrays. What is
//! not a number is blank; a value that no text stands for, such as a time without an end, is left out and counted.

mod column;
mod foreign;
#[cfg(test)]
mod tests;
mod time;
mod value;

use arrow_array::{BooleanArray, RecordBatch};

use super::utf8;
use crate::source::day_time::DayTime;
use crate::source::record::{Cell, MAX_RECORD_BYTES, Record, RecordFault, RecordVisitor};
use column::Column;
#[cfg(feature = "parquet")]
pub(super) use column::{EXTENSION, PARQUET_INTERVAL};
#[cfg(feature = "adbc")]
pub(in crate::source) use column::{LIST_TEXT, STORED, foreign_type};

/// Rows of a source of columns.
#[derive(Debug, Clone)]
pub(super) struct Columns {
    /// The columns that are read.
    pub(super) batch: RecordBatch,
    /// Which rows have a value in a column that is not read; `None` where that is of no interest.
    pub(super) unread: Option<BooleanArray>,
}

impl Columns {
    /// Rows of which every column is read.
    #[cfg(feature = "adbc")]
    pub(super) fn whole(batch: RecordBatch) -> Self {
        Self {
            batch,
            unread: None,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.batch.num_rows()
    }

    /// How many cells they have.
    pub(super) fn cells(&self) -> usize {
        self.batch.num_rows() * self.batch.num_columns()
    }

    pub(super) fn slice(&self, start: usize, rows: usize) -> Self {
        let unread = self.unread.as_ref();
        Self {
            batch: self.batch.slice(start, rows),
            unread: unread.map(|unread| unread.slice(start, rows)),
        }
    }

    /// Whether the row has a value in a column that is not read.
    fn is_more(&self, row: usize) -> bool {
        self.unread.as_ref().is_some_and(|unread| unread.value(row))
    }
}

/// One row of a batch.
struct TypedRow<'a> {
    columns: &'a [Column],
    index: usize,
    /// It has a value in a column that is not read.
    is_more: bool,
}

impl Record for TypedRow<'_> {
    #[inline]
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        match self.columns.get(column) {
            Some(column) => column.cell(self.index, scratch),
            None => Cell::Text(b""),
        }
    }

    #[inline]
    fn bare_cell(&self, column: usize) -> Option<&[u8]> {
        self.columns.get(column)?.bare_cell(self.index)
    }

    fn has_only(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        let mut scratch = Vec::new();
        let mut cells = self.columns.iter();
        !self.is_more
            && cells.all(|column| match column.cell(self.index, &mut scratch) {
                Cell::Text(text) => holds(text),
                Cell::Nested(_) | Cell::Unrepresentable { .. } => false,
            })
    }
}

/// A record that is too long: nothing of it is shown, and of each cell the beginning is kept.
struct LongRecord<'a> {
    row: TypedRow<'a>,
    bytes: usize,
}

impl Record for LongRecord<'_> {
    fn cell<'a>(&'a self, _: usize, _: &'a mut Vec<u8>) -> Cell<'a> {
        Cell::Text(b"")
    }

    fn kept_cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        let mut kept = Vec::new();
        let text = self.row.cell(column, scratch).text();
        utf8::push_marked(utf8::beginning(text), false, &mut kept);
        *scratch = kept;
        Cell::Text(scratch)
    }

    fn whole_bytes(&self) -> Option<u64> {
        Some(self.bytes as u64)
    }

    /// A part that is not shown may be anything.
    fn has_only(&self, _: impl Fn(&[u8]) -> bool) -> bool {
        false
    }
}

/// Visits the records of a batch and tells how many there were. Dates get this time of day.
pub(super) fn visit(rows: &Columns, day_time: DayTime, visitor: &mut impl RecordVisitor) -> u64 {
    let batch = &rows.batch;
    let schema = batch.schema();
    let columns: Vec<Column> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| Column::new(field, array, day_time))
        .collect();
    let text_bytes: usize = columns.iter().map(Column::text_bytes).sum();
    let may_be_long = text_bytes > MAX_RECORD_BYTES;
    let is_doubtful = columns.iter().any(|column| !column.is_clean());
    let mut scratch = Vec::new();
    for index in 0..batch.num_rows() {
        let row = TypedRow {
            columns: &columns,
            index,
            is_more: rows.is_more(index),
        };
        let bytes = if may_be_long {
            record_bytes(&columns, index, &mut scratch)
        } else {
            0
        };
        if bytes > MAX_RECORD_BYTES {
            visitor.fault(RecordFault::TooLong, &LongRecord { row, bytes });
        } else if let Some(fault) = is_doubtful.then(|| fault_of(&columns, index)).flatten() {
            visitor.fault(fault, &utf8::MendedRecord(row));
        } else {
            visitor.row(&row);
        }
    }
    batch.num_rows() as u64
}

fn record_bytes(columns: &[Column], index: usize, scratch: &mut Vec<u8>) -> usize {
    let lengths = columns.iter().map(|column| column.length(index, scratch));
    lengths.sum()
}

/// The worst fault of a row's texts.
fn fault_of(columns: &[Column], index: usize) -> Option<RecordFault> {
    let mut faults = columns.iter().filter_map(|column| column.fault(index));
    let first = faults.next()?;
    let is_invalid = |fault| fault == RecordFault::InvalidEncoding;
    Some(if is_invalid(first) || faults.any(is_invalid) {
        RecordFault::InvalidEncoding
    } else {
        first
    })
}
