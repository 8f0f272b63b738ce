//! Values that are sent as they are and are hardly meant: words for a missing value, and addresses that reach nobody.
//!
//! Nothing of them is changed or refused: `Null` is a surname, and a domain may be registered tomorrow. A person is told.

use std::collections::BTreeMap;

use super::findings::{Finding, PreviewPlace};
use crate::pipeline::mapping::Mapping;
use crate::profile::column::ProfileColumn;
use crate::run::report::{count, grouped};

/// Words for a missing value that programs write and that may be meant, in lower case. The job may name them as null words.
const NULL_WORDS: [&str; 14] = [
    "null",
    "none",
    "nan",
    "n/a",
    "na",
    "nil",
    "nat",
    "undefined",
    "(null)",
    "<null>",
    "<na>",
    "(none)",
    "(blank)",
    "(not set)",
];

/// The longest of them.
const MAX_WORD_BYTES: usize = 9;

/// A column is told of when so many percent of its rows have such a word.
const LEAST_PERCENT: u64 = 1;

/// And when so many rows have it.
const LEAST_ROWS: u64 = 2;

/// The ends of domains that nobody can register (RFC 6761; `con`, `cmo` and `comm` are no top-level domains).
const DEAD_ENDS: [&str; 9] = [
    ".invalid",
    ".localhost",
    ".local",
    ".test",
    ".con",
    ".cmo",
    ".comm",
    ".ocm",
    ".vom",
];

/// Misspelt domains of large providers.
const MISSPELT: [&str; 12] = [
    "gmial.com",
    "gmai.com",
    "gmal.com",
    "gamil.com",
    "gnail.com",
    "gmail.co",
    "gmail.om",
    "hotmial.com",
    "hotmai.com",
    "yaho.com",
    "yahooo.com",
    "outlok.com",
];

/// Local parts of addresses that people type to get past a form, where the domain begins with the same word.
const FILLERS: [&str; 10] = [
    "none", "no", "noemail", "nomail", "na", "test", "asdf", "abc", "xxx", "unknown",
];

/// The doubts about the rows that were looked at.
#[derive(Default)]
pub(super) struct Doubts {
    words: BTreeMap<(usize, &'static str), Finding>,
    dead: Finding,
}

impl Doubts {
    /// Looks at the value that is sent in column `index`.
    pub(super) fn look(
        &mut self,
        index: usize,
        target: &ProfileColumn,
        value: &str,
        place: impl FnOnce() -> PreviewPlace,
    ) {
        if *target == ProfileColumn::Email {
            if is_dead(value) {
                self.dead.note(place);
            }
        } else if let Some(word) = null_word(value)
            && !(word == "na" && (value != "NA" || *target == ProfileColumn::Country))
        {
            self.words.entry((index, word)).or_default().note(place);
        }
    }

    /// A note for each column with many words for a missing value, of so many rows.
    pub(super) fn null_notes(
        &self,
        rows: u64,
        mapping: &Mapping,
        places: impl Fn(&Finding) -> String,
    ) -> Vec<String> {
        let mut notes = Vec::new();
        for ((index, word), finding) in &self.words {
            let many = finding.count >= LEAST_ROWS && finding.count * 100 >= rows * LEAST_PERCENT;
            if let Some(column) = mapping.columns.get(*index)
                && many
            {
                notes.push(format!(
                    "`{}` is {word} in {} of {}, and this is sent as a text; if it means that there is no value, add the word to null-values under [normalize] ({})",
                    column.source,
                    grouped(finding.count),
                    count(rows, "row"),
                    places(finding)
                ));
            }
        }
        notes
    }

    /// A note about addresses that reach nobody.
    pub(super) fn dead_note(&self, places: impl Fn(&Finding) -> String) -> Option<String> {
        (self.dead.count > 0).then(|| {
            let addresses = match self.dead.count {
                1 => "1 e-mail address looks".to_owned(),
                several => format!("{} e-mail addresses look", grouped(several)),
            };
            format!(
                "{addresses} like nobody's (gmail.con, none@none.com, a domain in .invalid), and {} sent: correct {} in the source ({})",
                if self.dead.count == 1 { "is" } else { "are" },
                if self.dead.count == 1 { "it" } else { "them" },
                places(&self.dead)
            )
        })
    }
}

/// The word for a missing value that the text is.
fn null_word(value: &str) -> Option<&'static str> {
    if value.len() > MAX_WORD_BYTES {
        return None;
    }
    let mut words = NULL_WORDS.iter().copied();
    words.find(|word| word.eq_ignore_ascii_case(value))
}

/// Whether a valid address hardly belongs to anybody.
fn is_dead(address: &str) -> bool {
    let Some((local, domain)) = address.rsplit_once('@') else {
        return false;
    };
    let name = domain.split('.').next().unwrap_or_default();
    DEAD_ENDS.iter().any(|end| domain.ends_with(end))
        || MISSPELT.contains(&domain)
        || (name == local && FILLERS.contains(&local))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_reach_nobody_are_seen() {
        for address in [
            "ann@gmail.con",
            "ann@gmial.com",
            "ann@shop.invalid",
            "none@none.com",
            "test@test.de",
            "a@b.local",
        ] {
            assert!(is_dead(address), "{address}");
        }
        for address in [
            "",
            "ann@gmail.com",
            "none@example.com",
            "test@shop.example",
            "con@con.com",
            "ann@mail.co",
        ] {
            assert!(!is_dead(address), "{address}");
        }
    }

    #[test]
    fn words_for_a_missing_value_are_whole_cells() {
        for (value, word) in [
            ("NULL", Some("null")),
            ("nan", Some("nan")),
            ("(Not set)", Some("(not set)")),
            ("NULLs", None),
            ("", None),
            ("Nina", None),
        ] {
            assert_eq!(null_word(value), word, "{value}");
        }
        assert_eq!(
            NULL_WORDS.iter().map(|it| it.len()).max(),
            Some(MAX_WORD_BYTES)
        );
    }
}
