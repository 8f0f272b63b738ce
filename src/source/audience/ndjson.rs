//! The records of an NDJSON block: one JSON object per line, its keys the columns.

use super::{Source, json, scan, utf8};
use crate::source::record::{Cell, Record, RecordFault, RecordVisitor};

/// A line that is an object: the raw value of each column.
struct Object<'a, 'b>(&'a [Option<&'b str>]);

impl Record for Object<'_, '_> {
    #[inline]
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        match self.0.get(column) {
            Some(Some(value)) => json::cell_of(value, scratch),
            _ => Cell::Text(b""),
        }
    }
}

/// A line that is none: all of it is the first column's cell.
struct Line<'a>(&'a str);

impl Record for Line<'_> {
    fn cell<'a>(&'a self, column: usize, _: &'a mut Vec<u8>) -> Cell<'a> {
        Cell::Text(if column == 0 { self.0.as_bytes() } else { b"" })
    }
}

/// Visits the records of a block and tells how many there were.
pub(super) fn visit(source: &Source, bytes: &[u8], visitor: &mut impl RecordVisitor) -> u64 {
    let mut visited = 0;
    let mut values = vec![None; source.header.len()];
    let whole = simdutf8::basic::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'));
    let mut rest = bytes;
    let mut offset = 0;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        if !scan::is_blank_line(line) {
            visited += 1;
            match whole.and_then(|text| text.get(offset..offset + end)) {
                Some(line) => visit_line(source, line, &mut values, visitor),
                None => visit_doubtful_line(source, line, visitor),
            }
        }
        let next = rest.len().min(end + 1);
        offset += next;
        rest = &rest[next..];
    }
    visited
}

/// Visits the one record of a block that holds nothing of a line that is too long.
pub(super) fn visit_too_long(visitor: &mut impl RecordVisitor) -> u64 {
    visitor.fault(RecordFault::TooLong, &Line(""));
    1
}

fn visit_line<'b>(
    source: &Source,
    line: &'b str,
    values: &mut [Option<&'b str>],
    visitor: &mut impl RecordVisitor,
) {
    if !read_values(source, line, values) {
        visitor.fault(RecordFault::NotAnObject, &Line(line));
        return;
    }
    match fault_in(line, values) {
        Some(RecordFault::NotAnObject) => visitor.fault(RecordFault::NotAnObject, &Line(line)),
        Some(fault) => visitor.fault(fault, &Object(values)),
        None => visitor.row(&Object(values)),
    }
}

/// Visits a line of a block in which some line is not valid.
fn visit_doubtful_line(source: &Source, line: &[u8], visitor: &mut impl RecordVisitor) {
    let text = String::from_utf8_lossy(line);
    let mut values = vec![None; source.header.len()];
    match utf8::fault_of(line) {
        None => visit_line(source, &text, &mut values, visitor),
        Some(fault) if read_values(source, &text, &mut values) => {
            visitor.fault(fault, &Object(&values));
        }
        Some(fault) => visitor.fault(fault, &Line(&text)),
    }
}

/// The raw value of each column, the last where a key comes twice. False when the line is no object.
fn read_values<'b>(source: &Source, line: &'b str, values: &mut [Option<&'b str>]) -> bool {
    values.fill(None);
    // Most lines have the same keys in the same order.
    let mut expected = 0;
    json::each_pair(line, |key, value| {
        let column = if source.header.get(expected).is_some_and(|name| name == key) {
            Some(expected)
        } else {
            source.column(key)
        };
        if let Some(column) = column {
            values[column] = Some(value);
            expected = column + 1;
        }
    })
}

/// The worst fault of the values.
fn fault_in(line: &str, values: &[Option<&str>]) -> Option<RecordFault> {
    memchr::memchr(b'\\', line.as_bytes())?;
    let faults = || {
        values
            .iter()
            .flatten()
            .filter_map(|value| json::fault_of(value))
    };
    let worst = |fault: &RecordFault| match fault {
        RecordFault::NotAnObject => 2,
        RecordFault::InvalidEncoding => 1,
        _ => 0,
    };
    faults().max_by_key(worst)
}
