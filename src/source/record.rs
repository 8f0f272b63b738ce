//! Records, as a source gives them to the normaliser: one at a time, with cells by source column.
//!
//! The CSV reader and the NDJSON reader implement [`Record`]; the normaliser implements [`RecordVisitor`].
//! Nothing is allocated per record. Every text that a [`Record`] of [`RecordVisitor::row`] gives is valid UTF-8 without NUL.

use crate::state::codes::RejectionReason;

/// One cell of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cell<'a> {
    /// The cell as text, unescaped but not trimmed. A missing or null cell is empty.
    Text(&'a [u8]),
    /// A nested object (or a list that holds one) of a typed source, as JSON text: Klaviyo takes none.
    Nested(&'a [u8]),
    /// A value of a typed source that no text stands for, such as a date without an end.
    Unrepresentable {
        /// The text in its place: nothing, or a list without it.
        text: &'a [u8],
        /// The value as it is shown to a person.
        value: &'a [u8],
    },
}

impl<'a> Cell<'a> {
    /// The text that is written for it, of whatever kind it is.
    pub fn text(self) -> &'a [u8] {
        match self {
            Self::Text(text) | Self::Nested(text) | Self::Unrepresentable { text, .. } => text,
        }
    }
}

/// One record of a source.
pub trait Record {
    /// The cell of source column `column`, an index into the header of this record's source.
    /// `scratch` is room for unescaping; what it held is lost.
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a>;

    /// The cell's text where the reader knows, of the whole block, that it holds no quote, comma, line break or other
    /// control character: such a cell needs no second look. `None` says nothing of it.
    fn bare_cell(&self, _column: usize) -> Option<&[u8]> {
        None
    }

    /// Whether `holds` is true of every cell that the source has for this record, also of those that belong to no column.
    fn has_only(&self, holds: impl Fn(&[u8]) -> bool) -> bool;

    /// The cells of these columns and the commas between them, as they stand in the record. Only columns that each have a
    /// [`Self::bare_cell`] are asked for; `None` where they do not stand side by side.
    fn bare_cells(&self, _columns: std::ops::Range<usize>) -> Option<&[u8]> {
        None
    }

    /// The cell for `rejects.csv`: like [`Self::cell`], but nothing is lost of a record that is a fault. Each byte that is no
    /// text is a [`mark`].
    fn kept_cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        self.cell(column, scratch)
    }

    /// False if the cells may be under the wrong columns: the record has another number of cells than the header, or the line
    /// is no object.
    fn is_in_place(&self) -> bool {
        true
    }

    /// The length of a record of which only the beginning is there.
    fn whole_bytes(&self) -> Option<u64> {
        None
    }
}

/// The three bytes in place of `byte`, which is no text, in a [`Record::kept_cell`]. No UTF-8 has a byte 0xFF.
pub const fn mark(byte: u8) -> [u8; 3] {
    [0xFF, 0x80 | byte >> 4, 0x80 | byte & 0x0F]
}

/// The byte whose [`mark`] is at the beginning of `text`.
pub const fn marked(text: &[u8]) -> Option<u8> {
    match text {
        [0xFF, high @ 0x80..=0x8F, low @ 0x80..=0x8F, ..] => {
            Some((*high & 0x0F) << 4 | *low & 0x0F)
        }
        _ => None,
    }
}

/// The reason for which a record could not be read as a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordFault {
    /// It has another number of cells than the header.
    Ragged {
        /// Cells in the record.
        found: usize,
        /// Cells in the header.
        expected: usize,
    },
    /// A line of NDJSON that is no JSON object.
    NotAnObject,
    /// It holds bytes that are not valid in the file's encoding.
    InvalidEncoding,
    /// It holds a NUL character.
    Nul,
    /// It is longer than [`MAX_RECORD_BYTES`].
    TooLong,
}

/// The longest record that is read, so that one stray quote cannot swallow a file (design, "Rules that settle doubts").
pub const MAX_RECORD_BYTES: usize = 1_000_000;

impl RecordFault {
    /// The code under which the record is rejected.
    pub fn reason(self) -> RejectionReason {
        match self {
            Self::Ragged { .. } | Self::NotAnObject => RejectionReason::RaggedRow,
            Self::InvalidEncoding | Self::Nul => RejectionReason::InvalidEncoding,
            Self::TooLong => RejectionReason::RecordTooLong,
        }
    }
}

impl std::fmt::Display for RecordFault {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Ragged { found, expected } => {
                write!(out, "{found} cells, the header has {expected}")
            }
            Self::NotAnObject => out.write_str("the line is not a JSON object"),
            Self::InvalidEncoding => {
                out.write_str("bytes that are not valid in the file's encoding")
            }
            Self::Nul => out.write_str("a NUL character"),
            Self::TooLong => write!(out, "the record is longer than {MAX_RECORD_BYTES} bytes"),
        }
    }
}

/// Takes the records of a block in their order.
pub trait RecordVisitor {
    /// A record with as many cells as the header.
    fn row(&mut self, row: &impl Record);
    /// A record that cannot be a row. `row` gives what cells could be read: missing ones are empty, surplus ones are
    /// joined to the last column, invalid bytes are U+FFFD; of a record that is too long only the first line, if at all.
    fn fault(&mut self, fault: RecordFault, row: &impl Record);
    /// Tells that a cell of the next record holds a line break, the delimiter and an e-mail address. A quote that opens in one
    /// row and closes in a later one makes such a cell of the rows between.
    fn swallowed(&mut self) {}
}
