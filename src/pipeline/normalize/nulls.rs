//! Null words: texts that stand for a missing value, such as `\N` of a database or `#N/A` of a spreadsheet.
//!
//! A cell that is such a word as a whole, in the same letter case, is sent empty. Whether a cell may be one is told by its
//! first byte, in the same look that tells whether it can be copied as it is: other cells cost nothing more.

/// The words of a job that names none: those that nobody writes by hand. `NULL`, `None` and `nan` are not among them, for
/// they are people's names too.
pub const DEFAULT_NULL_WORDS: [&str; 6] = ["\\N", "#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!"];

use super::cell;

/// The bit of a byte with which a cell may begin that is copied as it is.
const PLAIN: u8 = 1;
/// The bit of a byte with which a null word begins.
const NULL: u8 = 2;

/// The null words of a job.
#[derive(Debug, Clone)]
pub struct NullWords {
    first: [u8; 256],
    words: Vec<Box<[u8]>>,
}

impl Default for NullWords {
    fn default() -> Self {
        Self::new(&DEFAULT_NULL_WORDS)
    }
}

impl NullWords {
    /// These words; blanks around them and empty ones mean nothing.
    pub fn new(words: &[impl AsRef<str>]) -> Self {
        let words = words.iter().map(|word| word.as_ref().trim());
        let words: Vec<Box<[u8]>> = words
            .filter(|word| !word.is_empty())
            .map(|word| word.as_bytes().into())
            .collect();
        let mut first = [0; 256];
        for byte in 0..=u8::MAX {
            first[usize::from(byte)] = if cell::is_plain(&[byte]) { PLAIN } else { 0 };
        }
        for byte in words.iter().filter_map(|word| word.first()) {
            first[usize::from(*byte)] = NULL;
        }
        Self { first, words }
    }

    /// Whether it is seen at once that a cell stays as it is: it has no blanks around it, no guard before it, and does not
    /// begin as a null word does.
    #[inline]
    pub fn is_plain(&self, cell: &[u8]) -> bool {
        match (cell.first(), cell.last()) {
            (Some(first), Some(last)) => {
                self.first[usize::from(*first)] == PLAIN && last.is_ascii_graphic()
            }
            _ => true,
        }
    }

    /// Whether a trimmed text is a null word.
    #[inline]
    pub fn holds(&self, text: &[u8]) -> bool {
        text.first()
            .is_some_and(|first| self.first[usize::from(*first)] == NULL)
            && self.words.iter().any(|word| **word == *text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_null_word_is_a_whole_cell_in_its_own_letter_case() {
        let words = NullWords::new(&["NULL", " nan ", "", "#N/A", "空"]);
        for text in ["NULL", "nan", "#N/A", "空"] {
            assert!(words.holds(text.as_bytes()), "{text}");
            assert!(!words.is_plain(text.as_bytes()), "{text}");
        }
        for text in ["", "null", "NULLS", "NUL", "#N/A!", "\\N", "空白", "Nan"] {
            assert!(!words.holds(text.as_bytes()), "{text}");
        }
        let none: [&str; 0] = [];
        assert!(!NullWords::new(&none).holds(b"\\N"));
        for word in DEFAULT_NULL_WORDS {
            assert!(NullWords::default().holds(word.as_bytes()), "{word}");
        }
    }

    proptest! {
        #[test]
        fn a_plain_cell_is_plain_to_the_cleaner_and_no_null_word(text in "[N#\\\\n'= a-cé]{0,3}|NULL|\\\\N") {
            let words = NullWords::new(&["NULL", "\\N"]);
            if words.is_plain(text.as_bytes()) {
                prop_assert!(cell::is_plain(text.as_bytes()));
                prop_assert!(!words.holds(text.as_bytes()));
            }
        }
    }
}
