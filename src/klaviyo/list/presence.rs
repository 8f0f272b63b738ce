//! Membership by any identifier: which people of one set are in another.
//!
//! Both sides are files that may be larger than memory: fingerprints of one side's identifiers are held a slice at a time,
//! and both are read once for each slice. With 256 MB ten million people take two passes.

use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::identity::{IdentifierForms, compared};
use super::rows::{Person, each_person};
use crate::klaviyo::Identifier;
use crate::state::manifest::StateError;

/// Fingerprints that are held at once: 256 MB of 16 bytes.
const HELD: usize = 16_000_000;

/// A flag for each row.
#[derive(Debug, Default)]
pub(super) struct Flags {
    words: Vec<u64>,
    rows: u64,
}

impl Flags {
    fn set(&mut self, row: u64) {
        let word = usize::try_from(row / 64).unwrap_or(usize::MAX);
        if word >= self.words.len() {
            self.words.resize(word + 1, 0);
        }
        if let Some(word) = self.words.get_mut(word) {
            *word |= 1 << (row % 64);
        }
    }

    pub(super) fn get(&self, row: u64) -> bool {
        let word = usize::try_from(row / 64)
            .ok()
            .and_then(|word| self.words.get(word));
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// How many rows there are, flagged or not.
    #[cfg(test)]
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// How many rows have no flag.
    pub(super) fn unset(&self) -> u64 {
        let set: u64 = self
            .words
            .iter()
            .map(|word| u64::from(word.count_ones()))
            .sum();
        self.rows - set.min(self.rows)
    }
}

/// For each row of `asked`, whether it has an identifier that a row of `present` has too. Identifiers are compared in the
/// form that `forms` gives them, and by 128-bit fingerprints.
pub(super) fn among(
    forms: &dyn IdentifierForms,
    asked: &[PathBuf],
    present: &[PathBuf],
) -> Result<Flags, StateError> {
    Comparison::new(forms).flags(asked, present)
}

/// The same by the best identifier of each row of `asked` alone: the e-mail address where it has one.
pub(super) fn among_by_best(
    forms: &dyn IdentifierForms,
    asked: &[PathBuf],
    present: &[PathBuf],
) -> Result<Flags, StateError> {
    Comparison {
        best: 1,
        ..Comparison::new(forms)
    }
    .flags(asked, present)
}

/// How two sides are compared.
struct Comparison<'a> {
    forms: &'a dyn IdentifierForms,
    /// How many identifiers of a row of the asked side count, the best ones first.
    best: usize,
    /// How many fingerprints are held at once.
    held: usize,
}

impl<'a> Comparison<'a> {
    fn new(forms: &'a dyn IdentifierForms) -> Self {
        Self {
            forms,
            best: usize::MAX,
            held: HELD,
        }
    }

    fn flags(&self, asked: &[PathBuf], present: &[PathBuf]) -> Result<Flags, StateError> {
        let mut count = 0;
        each_person(present, |_, person| {
            count += self.fingerprints(person).count();
            Ok(true)
        })?;
        let slices = (count / self.held.max(1) + 1) as u128;
        let mut flags = Flags::default();
        for slice in 0..slices {
            let mut known = Vec::with_capacity(count / slices as usize + count / 64);
            each_person(present, |_, person| {
                known.extend(self.fingerprints(person).filter(|it| it % slices == slice));
                Ok(true)
            })?;
            known.sort_unstable();
            each_person(asked, |row, person| {
                flags.rows = flags.rows.max(row + 1);
                if !flags.get(row) && self.is_known(person, &known) {
                    flags.set(row);
                }
                Ok(true)
            })?;
        }
        Ok(flags)
    }

    /// Whether one of the fingerprints `known` is of this person. A national phone number may be of any country: it is
    /// looked for in all of them, so that a wrong region takes nobody for a stranger.
    fn is_known(&self, person: &Person, known: &[u128]) -> bool {
        let has = |fingerprint: u128| known.binary_search(&fingerprint).is_ok();
        self.fingerprints(person).take(self.best).any(has)
            || self
                .forms
                .phones_anywhere(&person.phone_number)
                .iter()
                .any(|phone| has(fingerprint(Identifier::PhoneNumber, phone)))
    }

    /// The fingerprints of a person's identifiers, the best one first.
    fn fingerprints(&self, person: &Person) -> impl Iterator<Item = u128> {
        Identifier::BEST_FIRST
            .map(|identifier| {
                let value = compared(self.forms, identifier, person)?;
                Some(fingerprint(identifier, &value))
            })
            .into_iter()
            .flatten()
    }
}

fn fingerprint(identifier: Identifier, value: &str) -> u128 {
    xxh3_128_with_seed(value.as_bytes(), identifier as u64)
}

/// The rows of `paths` without a flag.
pub(super) fn without_flag(
    paths: &[PathBuf],
    flags: &Flags,
    mut each: impl FnMut(&Person) -> Result<(), StateError>,
) -> Result<(), StateError> {
    if flags.unset() == 0 {
        return Ok(());
    }
    each_person(paths, |row, person| {
        if !flags.get(row) {
            each(person)?;
        }
        Ok(true)
    })
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    /// Lower case for addresses; phones of seven digits are of country 1 or 2, and `?` is no number.
    struct Rules;

    impl IdentifierForms for Rules {
        fn read<'a>(&self, identifier: Identifier, text: &'a str) -> Option<Cow<'a, str>> {
            match identifier {
                Identifier::Email => Some(Cow::Owned(text.to_lowercase())),
                Identifier::PhoneNumber if text == "?" => None,
                _ => Some(Cow::Borrowed(text)),
            }
        }

        fn phones_anywhere(&self, text: &str) -> Vec<String> {
            match text.len() {
                7 => vec![format!("+1{text}"), format!("+2{text}")],
                _ => Vec::new(),
            }
        }

        fn stored_as(&self, _: Identifier, _: &str) -> Option<String> {
            None
        }
    }

    fn file(directory: &tempfile::TempDir, name: &str, text: &str) -> Vec<PathBuf> {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        vec![path]
    }

    #[test]
    fn any_identifier_makes_one_present_and_kinds_are_not_mixed() {
        let directory = tempfile::tempdir().unwrap();
        let asked = file(
            &directory,
            "asked.csv",
            "id,Email,PhoneNumber,ExternalID\n1,ANA@x.example,,\n2,b@x.example,+1500,\n3,,,77\n4,,,+1500\n5,,,\n6,,5550143,\n7,,?,\n",
        );
        let present = file(
            &directory,
            "present.csv",
            "Email,PhoneNumber,ExternalID\nana@x.example,,\nc@x.example,+1500,77\n,+25550143,\n,?,\n",
        );
        for held in [1, 2, 1_000] {
            let all = Comparison {
                held,
                ..Comparison::new(&Rules)
            };
            let flags = all.flags(&asked, &present).unwrap();
            let told: Vec<bool> = (0..7).map(|row| flags.get(row)).collect();
            let expected = [true, true, true, false, false, true, false];
            assert_eq!(told, expected, "{held}");
            assert_eq!((flags.rows(), flags.unset()), (7, 3));
            let mut ids = Vec::new();
            without_flag(&asked, &flags, |person| {
                ids.push(person.id.clone());
                Ok(())
            })
            .unwrap();
            assert_eq!(ids, ["4", "5", "7"]);
            let flags = Comparison { best: 1, ..all }.flags(&asked, &present);
            let flags = flags.unwrap();
            let told: Vec<bool> = (0..5).map(|row| flags.get(row)).collect();
            assert_eq!(told, [true, false, true, false, false], "{held}");
        }
    }
}
