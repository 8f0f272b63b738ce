//! Who of some is among others, by any identifier.
//!
//! Both sides are files that may be larger than memory: fingerprints of one side's identifiers are held a slice at a time,
//! and both are read once for each slice. With 256 MB ten million people take two passes.

use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::rows::{Person, each_person};
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

/// For each row of `asked`, whether it has an identifier that a row of `present` has too. Addresses are compared in lower
/// case, and by 128-bit fingerprints.
pub(super) fn among(asked: &[PathBuf], present: &[PathBuf]) -> Result<Flags, StateError> {
    among_by(asked, present, (usize::MAX, HELD))
}

/// The same by the best identifier of each row of `asked` alone: the e-mail address where it has one.
pub(super) fn among_by_best(asked: &[PathBuf], present: &[PathBuf]) -> Result<Flags, StateError> {
    among_by(asked, present, (1, HELD))
}

/// By the first `best` identifiers of each row, with so many fingerprints `held` at once.
fn among_by(
    asked: &[PathBuf],
    present: &[PathBuf],
    (best, held): (usize, usize),
) -> Result<Flags, StateError> {
    let mut count = 0;
    each_person(present, |_, person| {
        count += fingerprints(person).count();
        Ok(true)
    })?;
    let slices = (count / held.max(1) + 1) as u128;
    let mut flags = Flags::default();
    for slice in 0..slices {
        let mut known = Vec::with_capacity(count / slices as usize + count / 64);
        each_person(present, |_, person| {
            known.extend(fingerprints(person).filter(|it| it % slices == slice));
            Ok(true)
        })?;
        known.sort_unstable();
        each_person(asked, |row, person| {
            let mut own = fingerprints(person)
                .take(best)
                .filter(|it| it % slices == slice);
            if own.any(|it| known.binary_search(&it).is_ok()) {
                flags.set(row);
            }
            flags.rows = flags.rows.max(row + 1);
            Ok(true)
        })?;
    }
    Ok(flags)
}

fn fingerprints(person: &Person) -> impl Iterator<Item = u128> {
    let email = person.email.to_lowercase();
    let values = [
        (0, email.as_str()),
        (1, &person.phone_number),
        (2, &person.external_id),
    ];
    values
        .map(|(kind, value)| {
            (!value.is_empty()).then(|| xxh3_128_with_seed(value.as_bytes(), kind))
        })
        .into_iter()
        .flatten()
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
    use super::*;

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
            "id,Email,PhoneNumber,ExternalID\n1,ANA@x.example,,\n2,b@x.example,+1500,\n3,,,77\n4,,,+1500\n5,,,\n",
        );
        let present = file(
            &directory,
            "present.csv",
            "Email,PhoneNumber,ExternalID\nana@x.example,,\nc@x.example,+1500,77\n",
        );
        for held in [1, 2, 1_000] {
            let flags = among_by(&asked, &present, (usize::MAX, held)).unwrap();
            let told: Vec<bool> = (0..5).map(|row| flags.get(row)).collect();
            assert_eq!(told, [true, true, true, false, false], "{held}");
            assert_eq!((flags.rows(), flags.unset()), (5, 2));
            let mut ids = Vec::new();
            without_flag(&asked, &flags, |person| {
                ids.push(person.id.clone());
                Ok(())
            })
            .unwrap();
            assert_eq!(ids, ["4", "5"]);
            let flags = among_by(&asked, &present, (1, held)).unwrap();
            let told: Vec<bool> = (0..5).map(|row| flags.get(row)).collect();
            assert_eq!(told, [true, false, true, false, false], "{held}");
        }
    }
}
