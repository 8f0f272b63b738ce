//! The index of all identifiers: it knows which are keys of rows, and the first row that has each.
//!
//! Keys and other identifiers are in one table: the same phone number may be the key of one row and stand beside the e-mail
//! of another. A fingerprint is made of the kind and the value, so kinds never mix. An entry is the 96 bits of [`Key`] and
//! one word: the number of the first row that has the identifier, and a bit that tells whether it is the key of a row. That
//! word is a third more memory than a bare set of fingerprints; for it, `conflicts.csv` can name both rows.

use super::table::{Key, Slot, Table};
use super::{GROUP, Sighting, make_room, sub_table, tables, touch};
use crate::pipeline::batch::{Batch, Row, RowIdentifier};
use crate::pipeline::settings::PrimaryKey;
use crate::pipeline::settings::SharedIdentifiers;

/// The bit of an entry's fourth word that marks the key of a row.
const IS_KEY: u32 = 1 << 31;
/// Replaces the number of a row where no row that is sent has the identifier, as far as is known.
const UNCLAIMED: u32 = IS_KEY - 1;

/// An identifier of a row that an earlier row of another key has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SharedIdentifier {
    /// The later row, in its batch.
    pub row: u32,
    /// The identifier's column.
    pub kind: PrimaryKey,
    /// The number of the earlier row.
    pub first: u64,
}

/// Results of a look-up of the rows of a batch.
#[derive(Debug, Default)]
pub struct BatchLookup {
    /// The key of each row: new, seen before, or unknown.
    pub sightings: Vec<Sighting>,
    /// Shared identifiers by row and column. Those of a row with an unknown key count if the row is kept.
    pub shared: Vec<SharedIdentifier>,
    /// Identifiers that found no room: those on disk decide whether an earlier row has them. By row and column; there are
    /// none until the memory is used up.
    pub unknown: Vec<RowIdentifier>,
}

impl BatchLookup {
    /// Notes that the row of number `first` has the identifier too, or that it is unknown whether one has.
    fn note(&mut self, identifier: RowIdentifier, first: Option<u64>) {
        let RowIdentifier { row, kind, .. } = identifier;
        match first {
            Some(first) => self.shared.push(SharedIdentifier { row, kind, first }),
            None => self.unknown.push(identifier),
        }
    }
}

/// The identifiers of all rows that were kept so far.
pub struct IdentifierIndex {
    tables: Vec<Table<4>>,
    is_full: bool,
    /// A row with a shared identifier is rejected, and keeps none of its others from later rows.
    is_rejecting: bool,
    findings: BatchLookup,
}

impl IdentifierIndex {
    /// No identifiers yet, and room for so many bytes of them.
    pub fn new(most_bytes: u64, shared: SharedIdentifiers) -> Self {
        Self {
            tables: tables(most_bytes),
            is_full: false,
            is_rejecting: shared == SharedIdentifiers::Reject,
            findings: BatchLookup::default(),
        }
    }

    /// Makes room for about so many identifiers, or for as many as the memory allows: then the index need not grow.
    pub fn make_room(&mut self, identifiers: u64) {
        make_room(&mut self.tables, identifiers);
    }

    /// True once the memory is used up: from then on no identifier is remembered.
    pub fn is_full(&self) -> bool {
        self.is_full
    }

    /// The results of the last look-up.
    pub fn findings(&self) -> &BatchLookup {
        &self.findings
    }

    /// Looks up the keys and the other identifiers of the rows of `batch`, and remembers them. `first` is the number of the
    /// batch's first record in the audience; numbers never fall.
    pub fn look_up(&mut self, batch: &Batch, first: u64) {
        // A number beyond that does not fit in an entry.
        self.is_full |= first + u64::from(batch.records) >= u64::from(UNCLAIMED);
        self.findings.shared.clear();
        self.findings.unknown.clear();
        self.findings.sightings.clear();
        let mut others = batch.other_identifiers.as_slice();
        let mut index = 0;
        for rows in batch.rows.chunks(GROUP) {
            let end = index + to_u32(rows.len());
            let (own, rest) = others.split_at(others.partition_point(|other| other.row < end));
            others = rest;
            let keys = rows.iter().map(|row| row.key);
            let fingerprints = own.iter().map(|other| other.fingerprint);
            touch(&self.tables, keys.chain(fingerprints));
            self.look_up_group(index, rows, own, first);
            index = end;
        }
        self.findings.shared.sort_unstable();
        self.findings.unknown.sort_unstable();
    }

    /// Looks up a few rows of a batch, whose first has the index `index`, and their other identifiers.
    fn look_up_group(&mut self, index: u32, rows: &[Row], others: &[RowIdentifier], first: u64) {
        let mut others = others;
        for (index, row) in (index..).zip(rows) {
            let number = first + u64::from(row.record);
            let own = others.iter().take_while(|other| other.row == index);
            let (own, rest) = others.split_at(own.count());
            others = rest;
            let key = key_of(index, row);
            let (sighting, holder) = self.look_up_key(row.key, number);
            self.findings.sightings.push(sighting);
            match sighting {
                Sighting::Seen => {}
                _ if self.is_rejecting => self.claim_all(key, own, number),
                _ => {
                    if sighting == Sighting::Unknown || holder.is_some() {
                        self.findings.note(key, holder);
                    }
                    for identifier in own {
                        self.claim(*identifier, number);
                    }
                }
            }
        }
    }

    /// Tells a new key from one that an earlier row has; and the earlier row that has a new one as another identifier.
    fn look_up_key(&mut self, fingerprint: u128, number: u64) -> (Sighting, Option<u64>) {
        let key = Key::of(fingerprint);
        let table = &mut self.tables[sub_table(fingerprint)];
        match table.find(key) {
            Slot::Taken(at) => {
                let word = table.entry(at)[3];
                if word & IS_KEY != 0 {
                    return (Sighting::Seen, None);
                }
                table.replace(at, entry(key, IS_KEY | word));
                (Sighting::New, holder(word))
            }
            Slot::Free(at) => {
                let holder = if self.is_rejecting {
                    UNCLAIMED
                } else {
                    short(number)
                };
                let is_in = !self.is_full && table.insert(at, entry(key, IS_KEY | holder));
                self.is_full |= !is_in;
                let sighting = if is_in {
                    Sighting::New
                } else {
                    Sighting::Unknown
                };
                (sighting, None)
            }
        }
    }

    /// Claims an identifier for the row of this number, unless an earlier row has it.
    fn claim(&mut self, identifier: RowIdentifier, number: u64) {
        let key = Key::of(identifier.fingerprint);
        let table = &mut self.tables[sub_table(identifier.fingerprint)];
        let known = match table.find(key) {
            Slot::Free(at) => {
                let is_in = !self.is_full && table.insert(at, entry(key, short(number)));
                self.is_full |= !is_in;
                if is_in {
                    return;
                }
                None
            }
            Slot::Taken(at) => holder(table.entry(at)[3]),
        };
        self.findings.note(identifier, known);
    }

    /// Claims all identifiers of one row, or none.
    fn claim_all(&mut self, key: RowIdentifier, others: &[RowIdentifier], number: u64) {
        let identifiers = || std::iter::once(&key).chain(others);
        let found = |index: &Self, identifier: &RowIdentifier| {
            let found = index.find(identifier.fingerprint);
            found.and_then(|(_, word)| holder(word))
        };
        if identifiers().any(|it| found(self, it).is_some()) {
            for identifier in identifiers() {
                let first = found(self, identifier);
                // Of those that no row in memory has, a row on disk may have some.
                if first.is_some() || self.is_full {
                    self.findings.note(*identifier, first);
                }
            }
            return;
        }
        let is_kept = self.findings.sightings.last() == Some(&Sighting::New);
        let mut fingerprints = identifiers().map(|identifier| identifier.fingerprint);
        if is_kept && !self.is_full && fingerprints.all(|it| self.take(it, number)) {
            return;
        }
        self.is_full = true;
        for identifier in identifiers() {
            self.give_up(identifier.fingerprint, number);
            self.findings.note(*identifier, None);
        }
    }

    /// The slot of the identifier, and its word.
    fn find(&self, fingerprint: u128) -> Option<(usize, u32)> {
        let table = &self.tables[sub_table(fingerprint)];
        match table.find(Key::of(fingerprint)) {
            Slot::Taken(at) => Some((at, table.entry(at)[3])),
            Slot::Free(_) => None,
        }
    }

    /// Gives an identifier that no row has claimed to the row of this number. False when the memory is used up.
    fn take(&mut self, fingerprint: u128, number: u64) -> bool {
        let key = Key::of(fingerprint);
        let table = &mut self.tables[sub_table(fingerprint)];
        match table.find(key) {
            Slot::Taken(at) => {
                let word = table.entry(at)[3];
                table.replace(at, entry(key, word & IS_KEY | short(number)));
                true
            }
            Slot::Free(at) => table.insert(at, entry(key, short(number))),
        }
    }

    /// Takes back what [`Self::take`] gave to the row of this number.
    fn give_up(&mut self, fingerprint: u128, number: u64) {
        if let Some((at, word)) = self.find(fingerprint)
            && holder(word) == Some(number)
        {
            let entry = entry(Key::of(fingerprint), word & IS_KEY | UNCLAIMED);
            self.tables[sub_table(fingerprint)].replace(at, entry);
        }
    }
}

/// The key of a row as one of its identifiers.
fn key_of(index: u32, row: &Row) -> RowIdentifier {
    RowIdentifier {
        row: index,
        kind: row.key_kind,
        fingerprint: row.key,
    }
}

fn entry(key: Key, word: u32) -> [u32; 4] {
    let [a, b, c] = key.words();
    [a, b, c, word]
}

/// The number of the row that an entry's word names.
fn holder(word: u32) -> Option<u64> {
    let number = word & !IS_KEY;
    (number != UNCLAIMED).then_some(u64::from(number))
}

/// A row's number in an entry. An index is full before a number does not fit.
fn short(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(UNCLAIMED)
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
