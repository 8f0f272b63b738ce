//! Records of CSV whose quotes are escaped with a character, and the judgement whether a file needs one.

use memchr::memmem;

/// The character that tools escape with.
pub(super) const BACKSLASH: u8 = b'\\';

/// A record as it was found.
#[derive(Debug, Default)]
pub(super) struct EscapedRecord {
    /// Where the next record begins; none when the text ends inside quotes.
    pub(super) end: Option<usize>,
    pub(super) cells: usize,
    /// A quote is where no writer puts one: before the end of a quoted cell, or within a cell that is not quoted.
    has_stray_quote: bool,
    /// A quote is escaped.
    has_escaped_quote: bool,
    /// The line is empty.
    pub(super) is_blank: bool,
}

/// Reads the record at the front of `text` and appends it to `out` as RFC 4180 writes it.
pub(super) fn record(
    text: &[u8],
    delimiter: u8,
    escape: Option<u8>,
    out: &mut Vec<u8>,
) -> EscapedRecord {
    let mut cursor = Cursor {
        text,
        delimiter,
        escape,
        at: 0,
        cell: Vec::new(),
        found: EscapedRecord::default(),
    };
    while cursor.take_cell(out) {}
    cursor.found
}

/// A place in a text whose records are read.
struct Cursor<'a> {
    text: &'a [u8],
    delimiter: u8,
    escape: Option<u8>,
    at: usize,
    cell: Vec<u8>,
    found: EscapedRecord,
}

impl Cursor<'_> {
    /// Reads a cell and what ends it; false after the last one of the record.
    fn take_cell(&mut self, out: &mut Vec<u8>) -> bool {
        self.cell.clear();
        let begin = self.at;
        let is_quoted = self.text.get(self.at) == Some(&b'"');
        self.found.cells += 1;
        if is_quoted {
            out.push(b'"');
            if !self.take_quoted() {
                push_doubled(&self.cell, out);
                return false;
            }
        }
        let closed = self.at;
        self.take_bare();
        self.found.has_stray_quote |= is_quoted && self.at > closed;
        if is_quoted {
            push_doubled(&self.cell, out);
            out.push(b'"');
        } else {
            push_cell(&self.cell, self.delimiter, out);
        }
        let next = self.text.get(self.at).copied();
        let length = match next {
            None => 0,
            Some(b'\r') if self.text.get(self.at + 1) == Some(&b'\n') => 2,
            Some(_) => 1,
        };
        out.extend_from_slice(&self.text[self.at..self.at + length]);
        self.at += length;
        if next == Some(self.delimiter) {
            return true;
        }
        self.found.is_blank = self.found.cells == 1 && self.at - length == begin;
        self.found.end = Some(self.at);
        false
    }

    /// Reads up to the closing quote; false when there is none.
    fn take_quoted(&mut self) -> bool {
        self.at += 1;
        while let Some(&byte) = self.text.get(self.at) {
            if self.take_escaped() {
                continue;
            }
            self.at += 1;
            if byte == b'"' {
                if self.text.get(self.at) != Some(&b'"') {
                    return true;
                }
                self.at += 1;
            }
            self.cell.push(byte);
        }
        false
    }

    /// Reads up to the delimiter or the line end.
    fn take_bare(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            if byte == self.delimiter || matches!(byte, b'\n' | b'\r') {
                break;
            }
            if self.take_escaped() {
                continue;
            }
            self.found.has_stray_quote |= byte == b'"';
            self.cell.push(byte);
            self.at += 1;
        }
    }

    /// Reads an escape and what follows it, if there is one.
    fn take_escaped(&mut self) -> bool {
        let (Some(escape), Some(&next)) = (self.escape, self.text.get(self.at + 1)) else {
            return false;
        };
        if self.text[self.at] != escape {
            return false;
        }
        self.found.has_escaped_quote |= next == b'"';
        push_escaped(escape, next, self.delimiter, &mut self.cell);
        self.at += 2;
        true
    }
}

/// An escaped character: itself, where it has a meaning without the escape. Between tabs, letters are those of COPY,
/// MySQL and Hive.
fn push_escaped(escape: u8, next: u8, delimiter: u8, cell: &mut Vec<u8>) {
    match next {
        b't' if delimiter == b'\t' => cell.push(b'\t'),
        b'n' if delimiter == b'\t' => cell.push(b'\n'),
        b'r' if delimiter == b'\t' => cell.push(b'\r'),
        b'"' | b'\n' | b'\r' => cell.push(next),
        next if next == escape || next == delimiter => cell.push(next),
        next => cell.extend_from_slice(&[escape, next]),
    }
}

/// Appends a cell, in quotes where it needs them.
pub(super) fn push_cell(cell: &[u8], delimiter: u8, out: &mut Vec<u8>) {
    let needs_quotes = |byte: &u8| *byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    if cell.iter().any(needs_quotes) {
        out.push(b'"');
        push_doubled(cell, out);
        out.push(b'"');
    } else {
        out.extend_from_slice(cell);
    }
}

fn push_doubled(cell: &[u8], out: &mut Vec<u8>) {
    for &byte in cell {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
}

/// How well a text reads.
#[derive(Debug, Default)]
struct EscapeReading {
    flaws: usize,
    /// Flaws of records that hold an escaped quote.
    escaped_flaws: usize,
    escaped: usize,
}

impl EscapeReading {
    fn of(text: &[u8], is_all: bool, delimiter: u8, escape: Option<u8>) -> Self {
        let mut reading = Self::default();
        let mut columns = None;
        let (mut rest, mut out) = (text, Vec::new());
        while !rest.is_empty() {
            out.clear();
            let found = record(rest, delimiter, escape, &mut out);
            let end = found.end.unwrap_or(rest.len());
            rest = &rest[end..];
            // The last record of a part may go on.
            if rest.is_empty() && !is_all {
                break;
            }
            if found.is_blank {
                continue;
            }
            let expected = *columns.get_or_insert(found.cells);
            let is_flawed = found.end.is_none() || found.cells != expected || found.has_stray_quote;
            reading.flaws += usize::from(is_flawed);
            reading.escaped += usize::from(found.has_escaped_quote);
            reading.escaped_flaws += usize::from(is_flawed && found.has_escaped_quote);
        }
        reading
    }
}

/// True for text that reads well only when a backslash escapes quotes.
pub(super) fn needs_backslash(text: &[u8], is_all: bool, delimiter: u8) -> bool {
    if memmem::find(text, b"\\\"").is_none() {
        return false;
    }
    let plain = EscapeReading::of(text, is_all, delimiter, None);
    if plain.flaws == 0 {
        return false;
    }
    let escaped = EscapeReading::of(text, is_all, delimiter, Some(BACKSLASH));
    escaped.escaped > 0 && escaped.escaped_flaws == 0 && escaped.flaws < plain.flaws
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(text: &str, delimiter: u8) -> String {
        let mut out = Vec::new();
        let mut rest = text.as_bytes();
        while !rest.is_empty() {
            let found = record(rest, delimiter, Some(BACKSLASH), &mut out);
            rest = &rest[found.end.unwrap_or(rest.len())..];
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn escapes_become_doubled_quotes() {
        for (text, delimiter, expected) in [
            ("\"a \\\"b\\\" c\",d\n", b',', "\"a \"\"b\"\" c\",d\n"),
            ("\"a\\\"\",b\nc,d\n", b',', "\"a\"\"\",b\nc,d\n"),
            ("\"a\\\\\",b\r\n", b',', "\"a\\\",b\r\n"),
            ("a\\,b,c\n", b',', "\"a,b\",c\n"),
            ("a\\\nb,c\n", b',', "\"a\nb\",c\n"),
            ("\"a\"\"b\",c", b',', "\"a\"\"b\",c"),
            ("\\N,a\\new\n\n", b',', "\\N,a\\new\n\n"),
            ("a\\tb\tc\\nd\n", b'\t', "\"a\tb\"\t\"c\nd\"\n"),
            ("5\\\" pipe,x\n", b',', "\"5\"\" pipe\",x\n"),
            ("\"open,b\n", b',', "\"open,b\n"),
        ] {
            assert_eq!(rewritten(text, delimiter), expected, "{text:?}");
        }
    }

    #[test]
    fn only_text_that_reads_well_with_a_backslash_alone_needs_it() {
        for (text, expected) in [
            ("a,b\n\"x \\\"y\\\" z\",1\n", true),
            ("a,b\n\"x \\\"\",1\n\"y\",2\n", true),
            ("a,b\n\"C:\\dir\\\",1\n\"D:\\\",2\n", false),
            ("a,b\n\"x \"\"y\"\" z\",1\n", false),
            ("a,b\n\"C:\\\",1\n5\" pipe,2\n", false),
            ("a,b\nx,1\n", false),
        ] {
            let needs = needs_backslash(text.as_bytes(), true, b',');
            assert_eq!(needs, expected, "{text:?}");
        }
    }
}
