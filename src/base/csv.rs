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
