//! Cells as `rejects.csv` has them: safe to open in a spreadsheet, nothing lost, and read back as they were.
//!
//! - A byte that is no text is `\xHH`. Text that looks like one, `\x41`, is `\x5Cx41`.
//! - A cell that a spreadsheet reads as a formula gets an apostrophe in front, also if it already has one.
//! - The digest of a row shows whether a person changed it. It does not depend on changes that a spreadsheet makes by
//!   itself: numbers, dates, line breaks, letters in another encoding.

use xxhash_rust::xxh3::Xxh3;

use crate::source::record::{mark, marked};

/// The version of the digest's rules: digests of other rules are not compared.
const VERSION: &str = "v1";

/// The text in place of a digest for a row whose cells tell nothing.
const NO_DIGEST: &str = "none";

/// Appends `cell` to `out` with `\xHH` for each marked byte.
pub fn push_escaped(cell: &[u8], out: &mut Vec<u8>) {
    let mut rest = cell;
    while let Some(at) = memchr::memchr2(b'\\', mark(0)[0], rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let taken = match (marked(rest), escaped(rest)) {
            // In small letters, for in capitals it is a backslash.
            (Some(byte @ b'\\'), _) => {
                out.extend_from_slice(b"\\x5c");
                mark(byte).len()
            }
            (Some(byte), _) => {
                out.extend_from_slice(format!("\\x{byte:02X}").as_bytes());
                mark(byte).len()
            }
            (None, Some(_)) => {
                out.extend_from_slice(BACKSLASH);
                1
            }
            (None, None) => {
                out.push(rest[0]);
                1
            }
        };
        rest = &rest[taken..];
    }
    out.extend_from_slice(rest);
}

/// Appends the cell that [`push_escaped`] wrote.
pub fn push_unescaped(escaped_cell: &[u8], out: &mut Vec<u8>) {
    let mut rest = escaped_cell;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        match escaped(rest) {
            Some(_) if rest.starts_with(BACKSLASH) => out.push(b'\\'),
            Some(byte) => out.extend_from_slice(&mark(byte)),
            None => out.push(b'\\'),
        }
        rest = &rest[escaped(rest).map_or(1, |_| ESCAPE_BYTES)..];
    }
    out.extend_from_slice(rest);
}

/// A backslash that would be taken for the beginning of an escape.
const BACKSLASH: &[u8] = b"\\x5C";
const ESCAPE_BYTES: usize = BACKSLASH.len();

/// The byte of a `\xHH` at the beginning of `text`.
fn escaped(text: &[u8]) -> Option<u8> {
    let digits = text.strip_prefix(b"\\x")?.get(..2)?;
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Whether a spreadsheet reads the cell as a formula, apostrophes at its start aside.
fn is_formula(cell: &[u8]) -> bool {
    // Of nearly every cell the first byte tells.
    if cell.first().is_none_or(u8::is_ascii_alphanumeric) {
        return false;
    }
    let text = cell.utf8_chunks().next().map_or("", |text| text.valid());
    let sign = text
        .trim_start_matches('\'')
        .trim_start_matches(|sign: char| sign.is_whitespace() || sign.is_control())
        .chars()
        .next();
    matches!(
        sign,
        Some('=' | '+' | '-' | '@' | '\u{ff1d}' | '\u{ff0b}' | '\u{ff0d}' | '\u{ff20}')
    )
}

/// The apostrophe in front of a cell that a spreadsheet reads as a formula (OWASP, "CSV Injection", read 2026-11).
pub fn guard(cell: &[u8]) -> &'static [u8] {
    if is_formula(cell) { b"'" } else { b"" }
}

/// The cell without its [`guard`].
pub fn unguarded(cell: &[u8]) -> &[u8] {
    match cell {
        [b'\'', rest @ ..] if is_formula(cell) => rest,
        _ => cell,
    }
}

/// The name of a column as its source has it.
pub(super) fn read_name(written: &str) -> String {
    let mut name = Vec::new();
    push_unescaped(unguarded(written.as_bytes()), &mut name);
    String::from_utf8_lossy(&name).trim().to_owned()
}

/// The digest of the names of a file's own columns: rows are compared where these are the same.
pub fn names_digest<'a>(names: impl Iterator<Item = &'a str>) -> u32 {
    let mut all = RowDigest::default();
    for name in names {
        all.cell(name.trim().as_bytes());
    }
    let [.., a, b, c, d] = all.finish().to_be_bytes();
    u32::from_be_bytes([a, b, c, d])
}

/// The digest of a row's own cells as they are escaped, while they come one by one.
///
/// It has no key and needs none, because the cells are in the same file. It finds changes, and proves nothing.
#[derive(Clone, Default)]
pub struct RowDigest {
    state: Xxh3,
    form: Vec<u8>,
}

impl RowDigest {
    /// Begins anew, in the same room.
    pub fn clear(&mut self) {
        self.state.reset();
    }

    /// Adds the next cell.
    pub fn cell(&mut self, escaped_cell: &[u8]) {
        self.form.clear();
        push_form(escaped_cell, &mut self.form);
        self.state.update(&self.form);
        // No form has such a byte.
        self.state.update(&[0xFF]);
    }

    /// The digest of all cells.
    pub fn finish(&self) -> u64 {
        self.state.digest()
    }
}

/// The text of `_digest` for a row; `row` is none if the cells tell nothing.
pub fn digest_text(names: u32, row: Option<u64>) -> String {
    match row {
        Some(row) => format!("{VERSION}-{names:08x}-{row:016x}"),
        None => format!("{VERSION}-{names:08x}-{NO_DIGEST}"),
    }
}

/// The digest of the row that [`digest_text`] wrote in a file with these names.
pub fn digest_of(text: &str, names: u32) -> Option<u64> {
    let mut pieces = text.trim().splitn(3, '-');
    let (version, of_names, row) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let is_comparable = version == VERSION && of_names == format!("{names:08x}");
    is_comparable.then(|| u64::from_str_radix(row, 16).ok())?
}

/// The beginnings of month names, as spreadsheets write them into dates: in the larger European languages, without letters
/// beyond ASCII.
const MONTHS: [&str; 40] = [
    "jan", "jn", "ene", "gen", "sty", "feb", "fev", "fv", "lut", "mar", "mrz", "mr", "mrt", "maa",
    "apr", "avr", "abr", "kwi", "may", "mai", "maj", "mag", "mei", "jun", "jui", "giu", "jul",
    "lug", "aug", "ago", "ao", "sep", "set", "okt", "oct", "ott", "out", "nov", "dec", "dez",
];
const MORE_MONTHS: [&str; 4] = ["dic", "dc", "des", "gru"];
/// Other words in a number, a date or a time.
const SIGNS: [&str; 6] = ["e", "am", "pm", "t", "z", "h"];

/// Appends the form of a cell: the part that no spreadsheet changes by itself.
fn push_form(cell: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let stays = |byte: &u8| byte.is_ascii_graphic() && *byte != b'?';
    if cell.iter().all(stays) {
        out.extend_from_slice(cell);
    } else {
        push_plain(cell, out);
    }
    let text = &out[start..];
    if is_formula(text) {
        return;
    }
    if is_number_or_date(text) {
        out.truncate(start);
        out.push(b'#');
    } else if text.eq_ignore_ascii_case(b"true") || text.eq_ignore_ascii_case(b"false") {
        out[start..].make_ascii_lowercase();
    }
}

/// Appends the cell without what a spreadsheet may change in any text: white space, and letters beyond ASCII.
fn push_plain(cell: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    // Letters beyond ASCII are others after they were read in another encoding, or `?`.
    for &byte in cell.iter().filter(|byte| byte.is_ascii() && **byte != b'?') {
        if !byte.is_ascii_whitespace() {
            out.push(byte);
        } else if out.len() > start && !out.ends_with(b" ") {
            out.push(b' ');
        }
    }
    if out.len() > start && out.ends_with(b" ") {
        out.pop();
    }
}

fn is_number_or_date(text: &[u8]) -> bool {
    text.iter().any(u8::is_ascii_digit)
        && text
            .split(|byte| !byte.is_ascii_alphabetic())
            .filter(|word| !word.is_empty())
            .all(|word| {
                let begins_with = |month: &&str| {
                    let begin = word.get(..month.len());
                    begin.is_some_and(|begin| begin.eq_ignore_ascii_case(month.as_bytes()))
                };
                let is_word = |sign: &&str| word.eq_ignore_ascii_case(sign.as_bytes());
                SIGNS.iter().any(is_word) || MONTHS.iter().chain(&MORE_MONTHS).any(begins_with)
            })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn escaped_text(cell: &[u8]) -> String {
        let mut out = Vec::new();
        push_escaped(cell, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn form(cell: &str) -> String {
        let mut out = Vec::new();
        push_form(cell.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn bytes_that_are_no_text_are_written_in_hex() {
        let marked = [b"M", &mark(0xFC)[..], b"ller"].concat();
        assert_eq!(escaped_text(&marked), "M\\xFCller");
        assert_eq!(escaped_text(&mark(0)), "\\x00");
        assert_eq!(escaped_text(b"C:\\xfer\\x41"), "C:\\x5Cxfer\\x5Cx41");
        assert_eq!(escaped_text(b"a\\b\\"), "a\\b\\");
    }

    #[test]
    fn a_formula_is_guarded_and_nothing_else_is() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("+16502530000", "'+16502530000"),
            ("-5", "'-5"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            (" \u{a0}+1", "' \u{a0}+1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("'=1", "''=1"),
            ("''-", "'''-"),
            ("'tis", "'tis"),
            ("'", "'"),
            ("02139", "02139"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            let guarded = [guard(cell.as_bytes()), cell.as_bytes()].concat();
            assert_eq!(guarded, written.as_bytes(), "{cell}");
            assert_eq!(unguarded(&guarded), cell.as_bytes(), "{cell}");
        }
        // A person types it without an apostrophe.
        assert_eq!(unguarded(b"+16502530000"), b"+16502530000");
    }

    #[test]
    fn what_a_spreadsheet_does_by_itself_is_no_change() {
        for (before, after) in [
            ("02139", "2139"),
            ("4915123456789", "4.91512E+12"),
            ("2026-11-23", "23.11.2026"),
            ("2026-11-23 10:00:00", "11/23/26 10:00 AM"),
            ("3-4", "03. Apr"),
            ("MAR1", "01. M\u{e4}rz"),
            ("1,002", "1002"),
            ("5.0", "5"),
            ("true", "TRUE"),
            ("two\r\nlines ", "two\nlines"),
            ("Zo\u{eb}", "Zo\u{c3}\u{ab}"),
            ("\u{141}\u{f3}d\u{17a}", "?\u{f3}d?"),
        ] {
            assert_eq!(form(before), form(after), "{before}");
        }
        for (before, after) in [
            ("", "Cy"),
            ("1002", "Cy"),
            ("", "1002"),
            ("A1002", "A1003"),
            ("ana1@example.com", "ana2@example.com"),
            ("+14155550101", "+14155550102"),
            ("Lima", "Lima, Peru"),
        ] {
            assert_ne!(form(before), form(after), "{before}");
        }
    }

    #[test]
    fn a_digest_is_compared_under_the_same_names_and_rules_alone() {
        let names = names_digest(["email", "name"].into_iter());
        let text = digest_text(names, Some(7));
        assert_eq!(digest_of(&text, names), Some(7));
        for (text, names) in [
            (text.as_str(), names_digest(["name", "email"].into_iter())),
            (&text.replace("v1", "v2"), names),
            (&digest_text(names, None), names),
            ("", names),
            ("v1", names),
        ] {
            assert_eq!(digest_of(text, names), None, "{text}");
        }
    }

    /// Files that were written with it are given back to later versions: another value needs another [`VERSION`].
    #[test]
    fn the_digest_is_the_same_in_every_build_of_these_rules() {
        let mut row = RowDigest::default();
        row.cell(b"cy@example.com");
        row.cell(b"1002");
        assert_eq!(format!("{:016x}", row.finish()), "076e63701b66eea0");
    }

    proptest! {
        #[test]
        fn a_cell_is_read_back_as_it_was(
            pieces in prop::collection::vec(prop_oneof!["[a'=+@x0-9A-F\\\\ \t-]{0,5}", "\\PC{0,4}", "\\\\x[0-9a-f]{2}"], 0..5),
            bytes in prop::collection::vec(any::<u8>(), 0..4),
        ) {
            let mut cell = pieces.concat().into_bytes();
            cell.extend(bytes.iter().flat_map(|&byte| mark(byte)));
            let escaped = escaped_text(&cell);
            let written = [guard(escaped.as_bytes()), escaped.as_bytes()].concat();
            let mut read = Vec::new();
            push_unescaped(unguarded(&written), &mut read);
            prop_assert_eq!(read, cell);
        }
    }
}
