//! The rule for every text cell: no line breaks, no control characters, no blanks around it, no spreadsheet's guard.
//!
//! Takes a cell as valid UTF-8 and gives it back trimmed; only a cell that holds a control character is copied.
//! A run of control characters inside the text becomes one space. The guard that keeps a spreadsheet from taking a text for
//! a number or a formula, `'0012` or `="0012"`, comes off. Cleaning twice changes nothing.

use crate::state::codes::RepairCode;

/// A cell that fits on one line, and what had to be mended for that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CleanCell<'a> {
    /// The cell, trimmed; a part of the input or of the scratch buffer.
    pub text: &'a [u8],
    /// A CR or LF inside the text became a space.
    pub line_break: bool,
    /// Another control character inside the text became a space, or one that is no white space was cut off its ends.
    pub control_character: bool,
    /// A spreadsheet's guard was taken off.
    pub apostrophe: bool,
}

impl CleanCell<'_> {
    /// The codes under which the cell is counted as repaired; none for a cell that was merely trimmed.
    pub fn codes(self) -> impl Iterator<Item = RepairCode> {
        let codes = [
            (self.line_break, RepairCode::LineBreak),
            (self.control_character, RepairCode::ControlCharacter),
            (self.apostrophe, RepairCode::Apostrophe),
        ];
        codes
            .into_iter()
            .filter_map(|(is_found, code)| is_found.then_some(code))
    }
}

/// Cleans one cell. `scratch` is room for the cells that change; what it held is lost.
///
/// Breaks and tabs at the ends are white space: taking them off is trimming, not a repair.
pub fn clean<'a>(cell: &'a [u8], scratch: &'a mut Vec<u8>) -> CleanCell<'a> {
    let (text, cut_control) = trim(cell);
    let (text, apostrophe) = without_guards(text);
    let cleaned = CleanCell {
        text,
        line_break: false,
        control_character: cut_control,
        apostrophe,
    };
    if may_hold_control(text) {
        replace_controls(cleaned, scratch)
    } else {
        cleaned
    }
}

/// Cleans a cell that is known to hold no control characters.
#[inline]
pub fn clean_bare(cell: &[u8]) -> CleanCell<'_> {
    let text = if is_plain(cell) { cell } else { trim(cell).0 };
    let (text, apostrophe) = without_guards(text);
    CleanCell {
        text,
        line_break: false,
        control_character: false,
        apostrophe,
    }
}

/// Whether a character takes no room on paper: zero-width characters, marks of direction, soft hyphens.
pub fn takes_no_room(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}'
            | '\u{2066}'..='\u{2069}' | '\u{feff}'
    )
}

/// Whether a cell is empty or holds white space alone.
pub fn is_blank(cell: &[u8]) -> bool {
    trim(cell) == (&[], false)
}

/// Whether it is seen at once that a cell stays as it is: it has no blanks around it, and no guard before it.
#[inline]
pub fn is_plain(cell: &[u8]) -> bool {
    match (cell.first(), cell.last()) {
        (Some(first), Some(last)) => {
            first.is_ascii_graphic() && last.is_ascii_graphic() && !matches!(first, b'\'' | b'=')
        }
        _ => true,
    }
}

/// The text without the guards of spreadsheets around it, and whether there were any.
#[inline]
fn without_guards(text: &[u8]) -> (&[u8], bool) {
    let mut inner = text;
    while let Some(unguarded) = without_guard(inner) {
        inner = trim(unguarded).0;
    }
    (inner, inner.len() < text.len())
}

/// The text that a guard protects: an apostrophe before a digit, `+` or `=`, or a formula that is a text alone.
#[inline]
fn without_guard(text: &[u8]) -> Option<&[u8]> {
    match text {
        [b'\'', rest @ ..] if matches!(rest, [b'0'..=b'9' | b'+' | b'=', ..]) => Some(rest),
        [b'=', b'"', inner @ .., b'"'] if !inner.contains(&b'"') => Some(inner),
        _ => None,
    }
}

/// Whether a byte occurs that is, or may start, a control character. Looks at all bytes so that it vectorises.
fn may_hold_control(text: &[u8]) -> bool {
    let suspicious = |byte: u8| byte < 0x20 || byte == 0x7F || byte == 0xC2;
    text.iter()
        .fold(0, |found, &byte| found | u8::from(suspicious(byte)))
        != 0
}

/// Copies the text with each run of control characters, of whatever kinds, as one space.
fn replace_controls<'a>(mut cleaned: CleanCell<'a>, scratch: &'a mut Vec<u8>) -> CleanCell<'a> {
    scratch.clear();
    let mut rest = cleaned.text;
    let mut in_run = false;
    while let [first, after @ ..] = rest {
        let control_bytes = control_at_start(rest);
        if control_bytes == 0 {
            scratch.push(*first);
            rest = after;
            in_run = false;
            continue;
        }
        if matches!(first, b'\r' | b'\n') {
            cleaned.line_break = true;
        } else {
            cleaned.control_character = true;
        }
        if !in_run {
            scratch.push(b' ');
        }
        in_run = true;
        rest = &rest[control_bytes..];
    }
    if cleaned.line_break || cleaned.control_character {
        cleaned.text = scratch;
    }
    cleaned
}

/// Bytes of the control character (Unicode's class Cc) that the text starts with, or 0.
fn control_at_start(text: &[u8]) -> usize {
    match text {
        [0x00..=0x1F | 0x7F, ..] => 1,
        [0xC2, 0x80..=0x9F, ..] => 2,
        _ => 0,
    }
}

/// Cuts white space and control characters off both ends; true if one of them was a control that is no white space.
fn trim(cell: &[u8]) -> (&[u8], bool) {
    let mut text = cell;
    let mut cut_control = false;
    while let Some((bytes, blank)) = blank_at_start(text) {
        cut_control |= blank == Blank::Control;
        text = &text[bytes..];
    }
    while let Some((start, blank)) = blank_at_end(text) {
        cut_control |= blank == Blank::Control;
        text = &text[..start];
    }
    (text, cut_control)
}

/// The first character if it is blank, and its length.
fn blank_at_start(text: &[u8]) -> Option<(usize, Blank)> {
    if text.first()?.is_ascii_graphic() {
        return None;
    }
    (1..=3).find_map(|length| Some((length, blank(text.get(..length)?)?)))
}

/// The last character if it is blank, and where it starts. In valid UTF-8 at most one of the lengths fits.
fn blank_at_end(text: &[u8]) -> Option<(usize, Blank)> {
    if text.last()?.is_ascii_graphic() {
        return None;
    }
    (1..=3).find_map(|length| {
        let start = text.len().checked_sub(length)?;
        Some((start, blank(&text[start..])?))
    })
}

/// The characters that trimming removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blank {
    /// Unicode's White_Space, and what takes no room on paper.
    Space,
    /// A control character that is not white space.
    Control,
}

/// Tells whether one whole character is blank. A test compares it with `char` over all of Unicode.
fn blank(character: &[u8]) -> Option<Blank> {
    match character {
        [0x09..=0x0D | 0x20]
        | [0xC2, 0x85 | 0xA0 | 0xAD]
        | [0xE1, 0x9A, 0x80]
        | [0xE2, 0x80, 0x80..=0x8F | 0xA8..=0xAF]
        | [0xE2, 0x81, 0x9F..=0xA4 | 0xA6..=0xA9]
        | [0xE3, 0x80, 0x80]
        | [0xEF, 0xBB, 0xBF] => Some(Blank::Space),
        [0x00..=0x1F | 0x7F] | [0xC2, 0x80..=0x9F] => Some(Blank::Control),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cleaned(cell: &str) -> (String, Vec<&'static str>) {
        let mut scratch = vec![b'?'];
        let cleaned = clean(cell.as_bytes(), &mut scratch);
        let codes = cleaned.codes().map(RepairCode::code).collect();
        (String::from_utf8(cleaned.text.to_vec()).unwrap(), codes)
    }

    #[test]
    fn breaks_and_controls_become_one_space() {
        let both = vec!["line-break", "control-character"];
        for (cell, text, codes) in [
            ("", "", vec![]),
            ("plain", "plain", vec![]),
            ("two  words", "two  words", vec![]),
            ("Straße 34", "Straße 34", vec![]),
            ("a\nb", "a b", vec!["line-break"]),
            ("a\r\n\r\nb", "a b", vec!["line-break"]),
            ("a\rb\nc", "a b c", vec!["line-break"]),
            ("a\tb", "a b", vec!["control-character"]),
            (
                "a\u{1}\u{7F}\u{85}\u{9F}b",
                "a b",
                vec!["control-character"],
            ),
            ("a\r\n\tb", "a b", both.clone()),
            ("a\nb\tc", "a b c", both),
            ("a \n b", "a   b", vec!["line-break"]),
            ("caf\u{e9}\u{a0}noir", "caf\u{e9}\u{a0}noir", vec![]),
        ] {
            assert_eq!(cleaned(cell), (text.to_owned(), codes), "{cell:?}");
        }
    }

    #[test]
    fn guards_of_spreadsheets_come_off() {
        for (cell, text) in [
            ("'0012", "0012"),
            ("'+14155550143", "+14155550143"),
            (" '=1+2 ", "=1+2"),
            ("=\"00123\"", "00123"),
            ("'=\"00123\"", "00123"),
            ("=\" 00123 \"", "00123"),
            ("=\"\"", ""),
        ] {
            assert_eq!(
                cleaned(cell),
                (text.to_owned(), vec!["apostrophe"]),
                "{cell:?}"
            );
            assert_eq!(
                clean_bare(cell.as_bytes()).text,
                text.as_bytes(),
                "{cell:?}"
            );
        }
        for cell in [
            "'",
            "'s-Gravenhage",
            "O'Neil",
            "''12",
            "'-12",
            "=12",
            "=A1&\"x\"",
            "=\"a\"&\"b\"",
            "12'",
        ] {
            assert_eq!(cleaned(cell), (cell.to_owned(), vec![]), "{cell:?}");
        }
    }

    #[test]
    fn blanks_at_the_ends_are_trimmed_and_only_strange_controls_count() {
        for (cell, text, codes) in [
            ("  x ", "x", vec![]),
            ("\r\n\tx\n", "x", vec![]),
            ("\u{a0}\u{3000}x\u{2028}\u{85}\u{202f}", "x", vec![]),
            ("\u{85}\u{b}\u{c} ", "", vec![]),
            ("\u{1}x", "x", vec!["control-character"]),
            (" x\u{9f} ", "x", vec!["control-character"]),
            ("\u{1}", "", vec!["control-character"]),
            ("\u{200b}x", "x", vec![]),
            ("\u{feff}x\u{200e}\u{ad}", "x", vec![]),
            ("x\u{200d}y", "x\u{200d}y", vec![]),
        ] {
            assert_eq!(cleaned(cell), (text.to_owned(), codes), "{cell:?}");
        }
    }

    #[test]
    fn blank_is_white_space_and_nothing_else() {
        for cell in ["", " ", "\t\r\n", "\u{a0}\u{3000}\u{2028}"] {
            assert!(is_blank(cell.as_bytes()), "{cell:?}");
        }
        for cell in ["x", " . ", "\u{1}", "\u{1a}", "0"] {
            assert!(!is_blank(cell.as_bytes()), "{cell:?}");
        }
    }

    #[test]
    fn a_cell_without_controls_is_not_copied() {
        let cell = " Ångström © ".as_bytes();
        let mut scratch = Vec::new();
        let text = clean(cell, &mut scratch).text;
        assert_eq!(text.as_ptr(), cell[1..].as_ptr());
    }

    #[test]
    fn blanks_are_those_of_unicode_and_what_takes_no_room() {
        for character in '\0'..=char::MAX {
            let expected = match character {
                space if space.is_whitespace() || takes_no_room(space) => Some(Blank::Space),
                control if control.is_control() => Some(Blank::Control),
                _ => None,
            };
            let found = blank(character.encode_utf8(&mut [0; 4]).as_bytes());
            assert_eq!(found, expected, "U+{:04X}", u32::from(character));
        }
    }

    proptest! {
        #[test]
        fn a_clean_cell_stays_as_it_is(cell in "['=\"]{0,3}(\\PC|[\\x00-\\x20\\x7f-\\xa0]|\\u{2028}){0,40}[\"]?") {
            let (once, _) = cleaned(&cell);
            prop_assert!(!once.contains(|character: char| character.is_control()));
            prop_assert_eq!(once.trim_matches(|it: char| it.is_whitespace() || takes_no_room(it)), &once);
            prop_assert_eq!(cleaned(&once), (once.clone(), vec![]));
        }

        #[test]
        fn a_bare_cell_is_cleaned_like_any_other(cell in "['=]{0,2}(\\PC|[ \u{a0}\u{3000}]){0,20}") {
            let is_bare = !cell.contains(|character: char| character.is_control());
            let bare = clean_bare(cell.as_bytes());
            prop_assert!(!is_bare || bare == clean(cell.as_bytes(), &mut Vec::new()));
            prop_assert!(!is_plain(cell.as_bytes()) || bare.text == cell.as_bytes());
        }

        #[test]
        fn only_trimming_is_no_repair(cell in "[a-z \\r\\n\\t\\x0b]{0,20}") {
            let (text, codes) = cleaned(&cell);
            prop_assert_eq!(codes.is_empty(), text == cell.trim());
        }
    }
}
