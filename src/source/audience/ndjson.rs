//! The records of an NDJSON block: one JSON object per line, its keys the columns.

use std::borrow::Cow;

use super::{Source, json, scan, utf8};
use crate::source::record::{Cell, Record, RecordFault, RecordVisitor};

/// A line that is an object, and the raw value of each column.
struct NdjsonObject<'a, 'b> {
    line: &'b str,
    values: &'a [Option<&'b str>],
}

impl Record for NdjsonObject<'_, '_> {
    #[inline]
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        match self.values.get(column) {
            Some(Some(value)) => json::cell_of(value, scratch),
            _ => Cell::Text(b""),
        }
    }

    /// Looks at keys that are no columns as well.
    fn has_only(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        let (mut scratch, mut has_only) = (Vec::new(), true);
        json::each_pair(self.line, |_, value| {
            has_only &= match json::cell_of(value, &mut scratch) {
                Cell::Text(text) => holds(text),
                Cell::Nested(_) | Cell::Unrepresentable { .. } => false,
            };
        }) && has_only
    }
}

/// A line that is none: all of it is the first column's cell.
struct NdjsonLine<'a> {
    /// The bytes in the file.
    bytes: &'a [u8],
    is_decoded: bool,
    /// How long the line is of which this is the beginning.
    whole_bytes: Option<u64>,
}

impl<'a> NdjsonLine<'a> {
    fn of(source: &Source, bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            is_decoded: is_decoded(source),
            whole_bytes: None,
        }
    }
}

impl Record for NdjsonLine<'_> {
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        scratch.clear();
        if column == 0 && self.whole_bytes.is_none() {
            utf8::push_lossy(self.bytes, scratch);
        }
        Cell::Text(scratch)
    }

    fn kept_cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        scratch.clear();
        if column == 0 {
            utf8::push_marked(self.bytes, self.is_decoded, scratch);
        }
        Cell::Text(scratch)
    }

    fn is_in_place(&self) -> bool {
        false
    }

    fn whole_bytes(&self) -> Option<u64> {
        self.whole_bytes
    }

    fn has_only(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        holds(self.bytes)
    }
}

/// An object in whose line some bytes are no text: they are disguised there, so that the line can be read.
struct DisguisedObject<'a, 'b>(NdjsonObject<'a, 'b>);

impl Record for DisguisedObject<'_, '_> {
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        revealed(
            self.0.cell(column, &mut Vec::new()),
            scratch,
            |text, out| {
                utf8::push_lossy(text, out);
            },
        )
    }

    fn kept_cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        revealed(
            self.0.cell(column, &mut Vec::new()),
            scratch,
            |text, out| {
                out.extend_from_slice(text);
            },
        )
    }

    fn has_only(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        self.0.has_only(holds)
    }
}

/// The cell with marks for disguised bytes, taken over by `push`.
fn revealed<'a>(
    cell: Cell<'_>,
    scratch: &'a mut Vec<u8>,
    push: impl Fn(&[u8], &mut Vec<u8>),
) -> Cell<'a> {
    scratch.clear();
    push(&disguise::revealed(cell.text()), scratch);
    match cell {
        Cell::Nested(_) => Cell::Nested(scratch),
        _ => Cell::Text(scratch),
    }
}

fn is_decoded(source: &Source) -> bool {
    source.encoding != encoding_rs::UTF_8
}

/// Private characters in place of bytes that are no text, so that the JSON around them can be read.
mod disguise {
    use crate::source::record::{mark, marked};

    /// The last plane of Unicode is for private use (The Unicode Standard, 23.5): no file means these by anything.
    const FIRST: u32 = 0x10_FE00;

    /// The line with a private character for each marked byte.
    pub(super) fn disguised(marked_line: &[u8]) -> String {
        let mut text = String::new();
        let mut rest = marked_line;
        while let Some(at) = memchr::memchr(mark(0)[0], rest) {
            text.push_str(&String::from_utf8_lossy(&rest[..at]));
            rest = &rest[at..];
            let byte = marked(rest);
            let sign = byte.and_then(|byte| char::from_u32(FIRST + u32::from(byte)));
            text.push(sign.unwrap_or(char::REPLACEMENT_CHARACTER));
            rest = &rest[byte.map_or(1, |byte| mark(byte).len())..];
        }
        text.push_str(&String::from_utf8_lossy(rest));
        text
    }

    /// The text with a mark for each private character.
    pub(super) fn revealed(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for chunk in text.utf8_chunks() {
            for sign in chunk.valid().chars() {
                match u8::try_from(u32::from(sign).wrapping_sub(FIRST)) {
                    Ok(byte) => out.extend_from_slice(&mark(byte)),
                    Err(_) => out.extend_from_slice(sign.encode_utf8(&mut [0; 4]).as_bytes()),
                }
            }
            out.extend_from_slice(chunk.invalid());
        }
        out
    }
}

/// Visits the records of a block, which begins with the record of this number, and tells how many there were.
pub(super) fn visit(
    source: &Source,
    bytes: &[u8],
    first_record: u64,
    visitor: &mut impl RecordVisitor,
) -> u64 {
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
            let place = NdjsonPlace {
                source,
                record: first_record + visited,
            };
            visited += 1;
            match whole.and_then(|text| text.get(offset..offset + end)) {
                Some(line) => visit_line(place, line, &mut values, visitor),
                None => visit_doubtful_line(place, line, visitor),
            }
        }
        let next = rest.len().min(end + 1);
        offset += next;
        rest = &rest[next..];
    }
    visited
}

/// Visits the one record of a block that holds the beginning of a line that is too long.
pub(super) fn visit_too_long(
    source: &Source,
    bytes: &[u8],
    whole_bytes: Option<u64>,
    visitor: &mut impl RecordVisitor,
) -> u64 {
    let beginning = NdjsonLine {
        whole_bytes,
        ..NdjsonLine::of(source, bytes)
    };
    visitor.fault(RecordFault::TooLong, &beginning);
    1
}

/// Where a line stands.
#[derive(Clone, Copy)]
struct NdjsonPlace<'a> {
    source: &'a Source,
    /// The number of its record.
    record: u64,
}

fn visit_line<'b>(
    place: NdjsonPlace<'_>,
    line: &'b str,
    values: &mut [Option<&'b str>],
    visitor: &mut impl RecordVisitor,
) {
    let no_object = || NdjsonLine::of(place.source, line.as_bytes());
    if !read_values(place, line, values) {
        visitor.fault(RecordFault::NotAnObject, &no_object());
        return;
    }
    match fault_in(line, values) {
        Some(RecordFault::NotAnObject) => visitor.fault(RecordFault::NotAnObject, &no_object()),
        Some(fault) => visitor.fault(fault, &DisguisedObject(NdjsonObject { line, values })),
        None => visitor.row(&NdjsonObject { line, values }),
    }
}

/// Visits a line of a block in which some line is not valid.
fn visit_doubtful_line(place: NdjsonPlace<'_>, line: &[u8], visitor: &mut impl RecordVisitor) {
    let source = place.source;
    let mut values = vec![None; source.header.len()];
    let Some(fault) = utf8::fault_of(line) else {
        let text = String::from_utf8_lossy(line);
        visit_line(place, &text, &mut values, visitor);
        return;
    };
    let mut marked = Vec::new();
    utf8::push_marked(line, is_decoded(source), &mut marked);
    // A NUL is no part of JSON, even inside quotes.
    let text = match fault {
        RecordFault::Nul => Cow::Borrowed(std::str::from_utf8(line).unwrap_or_default()),
        _ => Cow::Owned(disguise::disguised(&marked)),
    };
    if read_values(place, &text, &mut values) {
        visitor.fault(
            fault,
            &DisguisedObject(NdjsonObject {
                line: &text,
                values: &values,
            }),
        );
    } else {
        visitor.fault(fault, &NdjsonLine::of(source, line));
    }
}

/// The raw value of each column, the last where a key comes twice. False when the line is no object.
fn read_values<'b>(
    NdjsonPlace { source, record }: NdjsonPlace<'_>,
    line: &'b str,
    values: &mut [Option<&'b str>],
) -> bool {
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
        } else if value != "null" {
            source.late_keys.note(key, record);
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
