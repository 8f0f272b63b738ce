//! External ids that a program wrote as numbers with decimals.
//!
//! pandas makes floats of a column of whole numbers as soon as one is missing, and writes `123.0` into CSV. From Parquet the same
//! float is `123`, the fewest digits that give the number: by either way the person has one id.

use super::cell::takes_no_room;

/// The most digits of a whole number that a float holds for certain.
const MAX_DIGITS: usize = 15;

/// The whole number in `123.0`; `None` of every other text. Leading zeros are no number's.
#[inline]
pub(super) fn without_decimal_zero(text: &[u8]) -> Option<&[u8]> {
    let whole = text.strip_suffix(b".0")?;
    let is_number = matches!(whole, [b'0'] | [b'1'..=b'9', ..])
        && whole.len() <= MAX_DIGITS
        && whole.iter().all(u8::is_ascii_digit);
    is_number.then_some(whole)
}

/// The id without characters that nobody sees in it; `None` if it has none.
#[inline]
pub(super) fn without_invisible(text: &[u8]) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let is_unseen = |letter: char| takes_no_room(letter) || matches!(letter, '\u{a0}' | '\u{202f}');
    let text = std::str::from_utf8(text).ok()?;
    text.contains(is_unseen)
        .then(|| text.replace(is_unseen, ""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_that_nobody_sees_go_from_inside() {
        for (text, seen) in [
            ("a\u{200b}b", Some("ab")),
            ("12\u{a0}34\u{202f}5", Some("12345")),
            ("a\u{ad}\u{feff}é", Some("aé")),
            ("é b", None),
            ("plain", None),
        ] {
            let found = without_invisible(text.as_bytes());
            assert_eq!(found.as_deref(), seen, "{text:?}");
        }
    }

    #[test]
    fn only_a_whole_number_loses_its_decimal_zero() {
        for (text, whole) in [
            ("123.0", Some("123")),
            ("0.0", Some("0")),
            ("123456789012345.0", Some("123456789012345")),
            ("1234567890123456.0", None),
            ("012.0", None),
            ("-1.0", None),
            ("1.0.0", None),
            ("12.50", None),
            ("12.00", None),
            ("v1.0", None),
            (".0", None),
            ("123", None),
            ("", None),
        ] {
            let found = without_decimal_zero(text.as_bytes());
            assert_eq!(found, whole.map(str::as_bytes), "{text}");
        }
    }
}
