//! Cells of PostgreSQL's `COPY` that are not the text of their value: bytes as hexadecimal digits, and the server's words
//! for values that no text stands for.
//!
//! They become what the same value is by a driver or from a Parquet file: bytes are text or a fault of the record, and what
//! cannot be told is left out and counted.

use super::utf8;
use super::value_text::{push_hex, push_json_text, split_list};
use crate::source::query::CellForm;
use crate::source::record::{Cell, Record, RecordFault, RecordVisitor};

/// Visits the records of `COPY` for another visitor.
pub(super) struct CopyVisitor<'a, V> {
    pub(super) forms: &'a [CellForm],
    pub(super) visitor: &'a mut V,
}

impl<V: RecordVisitor> RecordVisitor for CopyVisitor<'_, V> {
    fn row(&mut self, row: &impl Record) {
        let row = CopyRow {
            forms: self.forms,
            row,
        };
        match row.fault() {
            Some(fault) => self.visitor.fault(fault, &utf8::MendedRecord(row)),
            None => self.visitor.row(&row),
        }
    }

    fn fault(&mut self, fault: RecordFault, row: &impl Record) {
        self.visitor.fault(fault, row);
    }

    fn swallowed(&mut self) {
        self.visitor.swallowed();
    }
}

struct CopyRow<'a, R> {
    forms: &'a [CellForm],
    row: &'a R,
}

impl<R: Record> CopyRow<'_, R> {
    fn form(&self, column: usize) -> CellForm {
        self.forms.get(column).copied().unwrap_or(CellForm::Text)
    }

    /// The worst fault of its bytes. JSON has a form for a NUL.
    fn fault(&self) -> Option<RecordFault> {
        let mut worst = None;
        for (column, form) in self.forms.iter().enumerate() {
            if !matches!(form, CellForm::Bytes | CellForm::ByteList) {
                continue;
            }
            let mut scratch = Vec::new();
            match utf8::fault_of(self.cell(column, &mut scratch).text()) {
                Some(RecordFault::InvalidEncoding) => return Some(RecordFault::InvalidEncoding),
                fault => worst = worst.or(fault),
            }
        }
        worst
    }
}

impl<R: Record> Record for CopyRow<'_, R> {
    #[inline]
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        match self.form(column) {
            CellForm::Text => self.row.cell(column, scratch),
            form @ (CellForm::Number | CellForm::Time) => {
                let value = self.row.cell(column, scratch).text();
                if is_told(form, value) {
                    return Cell::Text(value);
                }
                Cell::Unrepresentable { text: b"", value }
            }
            CellForm::List => match split_list(self.row.cell(column, scratch).text()) {
                (text, b"") => Cell::Text(text),
                (text, value) => Cell::Unrepresentable { text, value },
            },
            CellForm::Bytes => {
                let mut unescaped = Vec::new();
                let digits = self.row.cell(column, &mut unescaped).text();
                scratch.clear();
                push_bytes(digits, scratch);
                Cell::Text(scratch)
            }
            CellForm::ByteList => {
                let mut unescaped = Vec::new();
                let list = self.row.cell(column, &mut unescaped).text();
                scratch.clear();
                push_byte_list(list, scratch);
                Cell::Text(scratch)
            }
        }
    }

    #[inline]
    fn bare_cell(&self, column: usize) -> Option<&[u8]> {
        let form = self.form(column);
        let text = match form {
            CellForm::Text | CellForm::Number | CellForm::Time => self.row.bare_cell(column)?,
            CellForm::List | CellForm::Bytes | CellForm::ByteList => return None,
        };
        is_told(form, text).then_some(text)
    }

    fn bare_cells(&self, columns: std::ops::Range<usize>) -> Option<&[u8]> {
        self.row.bare_cells(columns)
    }

    fn has_only(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        self.row.has_only(holds)
    }
}

/// Whether a cell of this form is the text of its value. Other texts for times have another length: `infinity`,
/// `10000-01-01`, `0044-03-15 BC`.
fn is_told(form: CellForm, text: &[u8]) -> bool {
    const TIME_BYTES: usize = "YYYY-MM-DD HH:MM:SS".len();
    match form {
        CellForm::Number => !text.ends_with(b"Infinity"),
        CellForm::Time => text.is_empty() || text.len() == TIME_BYTES,
        _ => true,
    }
}

/// Appends the bytes of `\x616263`; another text as it is.
fn push_bytes(digits: &[u8], out: &mut Vec<u8>) {
    let Some(digits) = digits.strip_prefix(b"\\x") else {
        out.extend_from_slice(digits);
        return;
    };
    push_hex(digits, out);
}

/// Appends the JSON array `["\\x616263",null]` with the bytes as texts. Bytes that are no text stay: the row is a fault.
fn push_byte_list(list: &[u8], out: &mut Vec<u8>) {
    let mut bytes = Vec::new();
    for (index, piece) in list.split(|&byte| byte == b'"').enumerate() {
        // Hexadecimal digits hold no quote: each second piece is an item.
        if index % 2 == 0 {
            out.extend_from_slice(piece);
            continue;
        }
        bytes.clear();
        push_bytes(piece.strip_prefix(b"\\").unwrap_or(piece), &mut bytes);
        push_json_text(out, &bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A record of one cell.
    struct One(&'static str);

    impl Record for One {
        fn cell<'a>(&'a self, _: usize, _: &'a mut Vec<u8>) -> Cell<'a> {
            Cell::Text(self.0.as_bytes())
        }

        fn has_only(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
            holds(self.0.as_bytes())
        }
    }

    #[derive(Default)]
    struct Seen(Vec<String>);

    impl RecordVisitor for Seen {
        fn row(&mut self, row: &impl Record) {
            self.0.push(match row.cell(0, &mut Vec::new()) {
                Cell::Unrepresentable { text, value } => {
                    let [text, value] = [text, value].map(String::from_utf8_lossy);
                    format!("{text} without {value}")
                }
                cell => String::from_utf8(cell.text().to_vec()).unwrap(),
            });
        }

        fn fault(&mut self, fault: RecordFault, row: &impl Record) {
            let mut scratch = Vec::new();
            let text = String::from_utf8_lossy(row.cell(0, &mut scratch).text()).into_owned();
            self.0.push(format!("{fault:?} {text}"));
        }
    }

    #[test]
    fn cells_are_texts_or_told_apart() {
        use CellForm::{ByteList, Bytes, List, Number, Text, Time};
        for (form, cell, expected) in [
            (Text, "Infinity", "Infinity"),
            (Number, "1.50", "1.50"),
            (Number, "", ""),
            (Number, "-Infinity", " without -Infinity"),
            (Time, "2026-11-28 12:00:00", "2026-11-28 12:00:00"),
            (Time, "", ""),
            (Time, "infinity", " without infinity"),
            (Time, "10000-01-01", " without 10000-01-01"),
            (Time, "0044-03-15 BC", " without 0044-03-15 BC"),
            (
                Time,
                "10000-01-01 00:00:00+00",
                " without 10000-01-01 00:00:00+00",
            ),
            (List, "[1.5,null]", "[1.5,null]"),
            (
                List,
                "[[1],[null]] Infinity",
                "[[1],[null]] without Infinity",
            ),
            (
                List,
                "[null,null] infinity, -infinity",
                "[null,null] without infinity, -infinity",
            ),
            (Bytes, "\\x616263", "abc"),
            (Bytes, "\\x", ""),
            (Bytes, "", ""),
            (Bytes, "\\xc3a9F0", "InvalidEncoding é\u{fffd}"),
            (Bytes, "\\x6100", "Nul a\0"),
            (
                ByteList,
                "[\"\\\\x6122\",null,\"\\\\x\"]",
                "[\"a\\\"\",null,\"\"]",
            ),
            (ByteList, "[\"\\\\x00\"]", "[\"\\u0000\"]"),
            (ByteList, "[\"\\\\xff\"]", "InvalidEncoding [\"\u{fffd}\"]"),
        ] {
            let mut seen = Seen::default();
            let mut copied = CopyVisitor {
                forms: &[form],
                visitor: &mut seen,
            };
            copied.row(&One(cell));
            assert_eq!(seen.0, [expected], "{form:?} {cell}");
        }
    }
}
