//! The records of a block of columns: typed values as cells.
//!
//! The rules for typed values (docs/columns-and-values.md): booleans are `True` and `False`, numbers plain digits, dates
//! and times `YYYY-MM-DD HH:MM:SS` in UTC, lists JSON arrays; what is no number, and a time without an end, is blank.

mod column;
#[cfg(test)]
mod tests;
mod value;

use arrow_array::RecordBatch;

use super::utf8;
use crate::source::record::{Cell, MAX_RECORD_BYTES, Record, RecordFault, RecordVisitor};
use column::Column;

/// One row of a batch.
struct Row<'a> {
    columns: &'a [Column],
    index: usize,
}

impl Record for Row<'_> {
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
}

/// A row with bytes that are no UTF-8: these are shown as U+FFFD, and kept with a mark.
struct Mended<'a>(Row<'a>);

impl Record for Mended<'_> {
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        let mended = match self.0.cell(column, scratch) {
            Cell::Text(text) | Cell::Nested(text) => String::from_utf8_lossy(text).into_owned(),
        };
        *scratch = mended.into_bytes();
        Cell::Text(scratch)
    }

    fn kept_cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        let mut kept = Vec::new();
        let (Cell::Text(text) | Cell::Nested(text)) = self.0.cell(column, scratch);
        utf8::push_marked(text, false, &mut kept);
        *scratch = kept;
        Cell::Text(scratch)
    }
}

/// A record that is too long: nothing of it is shown, and of each cell the beginning is kept.
struct Long<'a> {
    row: Row<'a>,
    bytes: usize,
}

impl Record for Long<'_> {
    fn cell<'a>(&'a self, _: usize, _: &'a mut Vec<u8>) -> Cell<'a> {
        Cell::Text(b"")
    }

    fn kept_cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        let mut kept = Vec::new();
        let (Cell::Text(text) | Cell::Nested(text)) = self.row.cell(column, scratch);
        utf8::push_marked(utf8::beginning(text), false, &mut kept);
        *scratch = kept;
        Cell::Text(scratch)
    }

    fn whole_bytes(&self) -> Option<u64> {
        Some(self.bytes as u64)
    }
}

/// Visits the records of a batch and tells how many there were.
pub(super) fn visit(batch: &RecordBatch, visitor: &mut impl RecordVisitor) -> u64 {
    let schema = batch.schema();
    let columns: Vec<Column> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, array)| Column::new(field, array))
        .collect();
    let text_bytes: usize = columns.iter().map(Column::text_bytes).sum();
    let may_be_long = text_bytes > MAX_RECORD_BYTES;
    let is_doubtful = columns.iter().any(|column| !column.is_clean());
    let mut scratch = Vec::new();
    for index in 0..batch.num_rows() {
        let row = Row {
            columns: &columns,
            index,
        };
        let bytes = if may_be_long {
            record_bytes(&columns, index, &mut scratch)
        } else {
            0
        };
        if bytes > MAX_RECORD_BYTES {
            visitor.fault(RecordFault::TooLong, &Long { row, bytes });
        } else if let Some(fault) = is_doubtful.then(|| fault_of(&columns, index)).flatten() {
            visitor.fault(fault, &Mended(row));
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
    let mut fault = None;
    for text in columns.iter().filter_map(|column| column.bytes(index)) {
        if simdutf8::basic::from_utf8(text).is_err() {
            return Some(RecordFault::InvalidEncoding);
        }
        if memchr::memchr(0, text).is_some() {
            fault = Some(RecordFault::Nul);
        }
    }
    fault
}
