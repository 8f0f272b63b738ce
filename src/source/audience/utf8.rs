//! Bytes that are not UTF-8: what a record holds of them, and what the file may be instead.

use crate::source::record::{Cell, Record, RecordFault, mark, marked};

/// How much is kept of a record that is too long. A spreadsheet cuts a cell after 32,767 characters.
const BEGINNING_BYTES: usize = 1_000;

/// The first byte of a [`mark`], and how long one is.
const MARK: u8 = mark(0)[0];
const MARK_BYTES: usize = mark(0).len();

/// A row with bytes that are no UTF-8: these are shown as U+FFFD, and kept with a mark.
pub(super) struct MendedRecord<R>(pub(super) R);

impl<R: Record> Record for MendedRecord<R> {
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        let mended = String::from_utf8_lossy(self.0.cell(column, scratch).text()).into_owned();
        *scratch = mended.into_bytes();
        Cell::Text(scratch)
    }

    fn kept_cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        let mut kept = Vec::new();
        push_marked(self.0.cell(column, scratch).text(), false, &mut kept);
        *scratch = kept;
        Cell::Text(scratch)
    }

    fn has_only(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        self.0.has_only(holds)
    }
}

/// True when the bytes are UTF-8 without NUL, so that nothing in them needs a second look.
pub(super) fn is_clean(bytes: &[u8]) -> bool {
    simdutf8::basic::from_utf8(bytes).is_ok() && memchr::memchr(0, bytes).is_none()
}

/// True when UTF-8 text has a control character (Unicode's class Cc) that is no line feed or carriage return.
pub(super) fn has_controls(bytes: &[u8]) -> bool {
    let is_control = |byte: u8| byte < 0x20 && byte != b'\n' && byte != b'\r' || byte == 0x7F;
    // Looks at all bytes of a piece so that it vectorises.
    let has_ascii = |piece: &[u8]| {
        piece
            .iter()
            .fold(false, |has, &byte| has | is_control(byte))
    };
    bytes.chunks(1 << 12).any(has_ascii)
        || memchr::memchr_iter(0xC2, bytes).any(|at| matches!(bytes.get(at + 1), Some(0x80..=0x9F)))
}

/// The first fault that keeps these bytes from being text.
pub(super) fn fault_of(bytes: &[u8]) -> Option<RecordFault> {
    if simdutf8::basic::from_utf8(bytes).is_err() {
        Some(RecordFault::InvalidEncoding)
    } else if memchr::memchr(0, bytes).is_some() {
        Some(RecordFault::Nul)
    } else {
        None
    }
}

/// Appends the bytes as text, with U+FFFD for what is invalid: one for marks that follow each other, and none for a NUL.
pub(super) fn push_lossy(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = memchr::memchr(MARK, rest) {
        push_lossy_chunks(&rest[..at], out);
        rest = &rest[at..];
        let marked: Vec<u8> = rest.chunks(MARK_BYTES).map_while(marked).collect();
        if !marked.is_empty() && marked.iter().all(|&byte| byte == 0) {
            out.extend_from_slice(&marked);
        } else {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
        rest = &rest[(marked.len() * MARK_BYTES).max(1)..];
    }
    push_lossy_chunks(rest, out);
}

fn push_lossy_chunks(bytes: &[u8], out: &mut Vec<u8>) {
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

/// Appends the bytes with a mark for each that is no text. Text that was decoded has such marks already: there only a NUL
/// gets one.
pub(super) fn push_marked(bytes: &[u8], is_decoded: bool, out: &mut Vec<u8>) {
    let push_text = |text: &[u8], out: &mut Vec<u8>| {
        for (index, piece) in text.split(|&byte| byte == 0).enumerate() {
            if index > 0 {
                out.extend_from_slice(&mark(0));
            }
            out.extend_from_slice(piece);
        }
    };
    if is_decoded {
        push_text(bytes, out);
        return;
    }
    for chunk in bytes.utf8_chunks() {
        push_text(chunk.valid().as_bytes(), out);
        out.extend(chunk.invalid().iter().flat_map(|&byte| mark(byte)));
    }
}

/// The beginning of a record that is too long, as much of it as `rejects.csv` keeps: whole characters.
pub(super) fn beginning(record: &[u8]) -> &[u8] {
    let Some(mut end) = Some(BEGINNING_BYTES).filter(|&end| end < record.len()) else {
        return record;
    };
    // A character has at most three bytes after its first, and a mark two.
    while end > BEGINNING_BYTES - 4 && (0x80..0xC0).contains(&record[end]) {
        end -= 1;
    }
    &record[..end]
}

/// True when the text has something that looks like an e-mail address.
pub(super) fn has_address(text: &[u8]) -> bool {
    memchr::memchr_iter(b'@', text).any(|at| {
        let is_before = at
            .checked_sub(1)
            .is_some_and(|before| text[before].is_ascii_alphanumeric());
        let domain = &text[at + 1..];
        let end = domain
            .iter()
            .position(|byte| !byte.is_ascii_alphanumeric() && !matches!(byte, b'.' | b'-'))
            .unwrap_or(domain.len());
        is_before && memchr::memchr(b'.', &domain[..end]).is_some_and(|dot| dot > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn controls_are_those_of_unicode_without_line_ends() {
        for character in '\0'..=char::MAX {
            let is_line_end = matches!(character, '\r' | '\n');
            let text = format!("a{character}b");
            let expected = character.is_control() && !is_line_end;
            assert_eq!(has_controls(text.as_bytes()), expected, "{character:?}");
        }
    }

    #[test]
    fn faults_and_lossy_text() {
        assert_eq!(fault_of(b"ok"), None);
        assert_eq!(fault_of(b"a\0b"), Some(RecordFault::Nul));
        assert_eq!(fault_of(b"a\xff\0"), Some(RecordFault::InvalidEncoding));
        let mut out = Vec::new();
        push_lossy(b"a\xffb\xc3", &mut out);
        assert_eq!(out, "a\u{fffd}b\u{fffd}".as_bytes());
    }

    #[test]
    fn each_byte_that_is_no_text_is_marked() {
        let mut out = Vec::new();
        push_marked(b"a\xe9\0b\xc3", false, &mut out);
        let expected = [b"a", &mark(0xe9)[..], &mark(0), b"b", &mark(0xc3)].concat();
        assert_eq!(out, expected);
        let mut again = Vec::new();
        push_marked(&out, true, &mut again);
        assert_eq!(again, expected);
        for byte in 0..=u8::MAX {
            assert_eq!(marked(&mark(byte)), Some(byte));
        }
    }

    #[test]
    fn addresses_are_seen_in_text() {
        for text in ["x,a@b.co\n", "\"ana@shop.example\"", "<a1@b-c.d>"] {
            assert!(has_address(text.as_bytes()), "{text}");
        }
        for text in ["", "@", "see us @ 5.30", "a@b", "a@.b", "@b.c", "a @b.c"] {
            assert!(!has_address(text.as_bytes()), "{text}");
        }
    }
}
