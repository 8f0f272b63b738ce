//! Cells of CSV as RFC 4180 quotes them.

/// Appends `cell`, which has no quote in it, as a quoted CSV cell.
#[inline]
pub fn push_between_quotes(out: &mut Vec<u8>, cell: &[u8]) {
    out.push(b'"');
    out.extend_from_slice(cell);
    out.push(b'"');
}

/// Appends `cell` as a quoted CSV cell.
pub fn push_quoted(out: &mut Vec<u8>, cell: &[u8]) {
    out.push(b'"');
    push_doubling_quotes(out, cell);
    out.push(b'"');
}

/// Appends `cell` as a CSV cell, quoted only when RFC 4180 needs it.
pub fn push_cell(out: &mut Vec<u8>, cell: &[u8]) {
    if needs_quotes(cell) {
        push_quoted(out, cell);
    } else {
        out.extend_from_slice(cell);
    }
}

/// Appends `guard` and `cell` as one CSV cell; `guard` is nothing that needs quotes.
pub fn push_guarded_cell(out: &mut Vec<u8>, guard: &[u8], cell: &[u8]) {
    if needs_quotes(cell) {
        out.push(b'"');
        out.extend_from_slice(guard);
        push_doubling_quotes(out, cell);
        out.push(b'"');
    } else {
        out.extend_from_slice(guard);
        out.extend_from_slice(cell);
    }
}

#[inline]
fn needs_quotes(cell: &[u8]) -> bool {
    // Short cells are the rule, and a plain loop beats a call of memchr on them.
    cell.iter()
        .any(|byte| matches!(byte, b',' | b'"' | b'\n' | b'\r'))
}

fn push_doubling_quotes(out: &mut Vec<u8>, cell: &[u8]) {
    let mut rest = cell;
    while let Some(at) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        out.push(b'"');
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// A quoted cell without a value, as rows are written.
pub const BLANK: &[u8] = b"\"\"";

/// The cells of one CSV row, as they are written, in their order.
#[derive(Debug, Clone)]
pub struct WrittenCells<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> WrittenCells<'a> {
    /// The cells of `row`, which may end in a line feed.
    pub fn new(row: &'a [u8]) -> Self {
        let row = row.strip_suffix(b"\n").unwrap_or(row);
        Self { rest: Some(row) }
    }
}

impl<'a> Iterator for WrittenCells<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let text = self.rest?;
        let end = if text.first() == Some(&b'"') {
            end_of_quoted(text)
        } else {
            memchr::memchr(b',', text).unwrap_or(text.len())
        };
        self.rest = text.get(end + 1..);
        Some(&text[..end])
    }
}

/// The end of a cell that begins with a quote.
fn end_of_quoted(text: &[u8]) -> usize {
    let mut at = 1;
    while let Some(quote) = memchr::memchr(b'"', text.get(at..).unwrap_or_default()) {
        at += quote + 1;
        if text.get(at) != Some(&b'"') {
            return at;
        }
        at += 1;
    }
    text.len()
}

/// Appends the value of a cell as it is written in a row.
pub fn push_unquoted(out: &mut Vec<u8>, written: &[u8]) {
    let Some([inside @ .., b'"']) = written.strip_prefix(b"\"") else {
        out.extend_from_slice(written);
        return;
    };
    let mut rest = inside;
    while let Some(at) = memchr::memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=at]);
        // The second of the two.
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}
