//! Indexes that find rows with one key, and rows of different keys that share another identifier.
//!
//! Keys are 128-bit fingerprints; the tables keep 96 bits of each besides six that choose the sub-table, so that among
//! 100 million keys the odds of one wrong drop are 1e-15 (64 bits: 1 in 3,700). Look-ups are begun in groups, so that
//! they do not wait for memory one after the other. An index has a limit of memory; keys beyond it are [`Sighting::Unknown`], and [`SpilledKeys`] are for them.

mod claimed;
mod identifiers;
mod log;
mod memory;
mod occurrences;
mod partitions;
mod set;
mod spill;
mod table;

pub use claimed::ClaimedIdentifiers;
pub use identifiers::{BatchLookup, IdentifierIndex, SharedIdentifier};
pub use log::{IdentifierLog, LoggedIdentifier};
pub use occurrences::{Contest, Contests, FirstOccurrence, Occurrences};
pub(super) use partitions::Partitions;
pub use partitions::SpillError;
pub(super) use set::{DigestPlace, DigestSet};
pub use spill::SpilledKeys;

use crate::pipeline::batch::Row;
use table::{Key, Slot, Table};

/// The number of sub-tables of an index, and of partitions on disk.
pub(super) const SUB_TABLES: usize = 64;
/// The number of rows whose look-ups are begun at a time.
pub(super) const GROUP: usize = 32;
/// The number of places that are read at a time: those of a group whose rows have three identifiers.
const TOUCHED: usize = 3 * GROUP;
const SUB_TABLE_BITS: u32 = SUB_TABLES.trailing_zeros();

/// The sub-table of a key: its highest bits, which [`Key`] does not hold.
pub(super) fn sub_table(fingerprint: u128) -> usize {
    (fingerprint >> (128 - SUB_TABLE_BITS)) as usize
}

/// The answer of an index for a row's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sighting {
    /// No row before has it.
    New,
    /// A row before has it.
    Seen,
    /// It is not in memory, and there is no room for it: an earlier row of those that found no room may have it.
    Unknown,
}

/// The keys that were seen: the first row of each is kept.
pub struct SeenKeys {
    tables: Vec<Table<3>>,
    is_full: bool,
}

impl SeenKeys {
    /// No keys yet, and room for so many bytes of them.
    pub fn new(most_bytes: u64) -> Self {
        Self {
            tables: tables(most_bytes),
            is_full: false,
        }
    }

    /// Makes room for about so many keys, or for as many as the memory allows: then the index need not grow.
    pub fn make_room(&mut self, keys: u64) {
        make_room(&mut self.tables, keys);
    }

    /// Writes to `sightings` what is known of the key of each of `rows`, and remembers it. True once the memory is used
    /// up: from then on no key is remembered.
    pub fn look_up(&mut self, rows: &[Row], sightings: &mut Vec<Sighting>) -> bool {
        sightings.clear();
        for group in rows.chunks(GROUP) {
            touch(&self.tables, group.iter().map(|row| row.key));
            for row in group {
                let key = Key::of(row.key);
                let table = &mut self.tables[sub_table(row.key)];
                sightings.push(match table.find(key) {
                    Slot::Taken(_) => Sighting::Seen,
                    Slot::Free(at) if !self.is_full && table.insert(at, key.words()) => {
                        Sighting::New
                    }
                    Slot::Free(_) => {
                        self.is_full = true;
                        Sighting::Unknown
                    }
                });
            }
        }
        self.is_full
    }
}

/// The last place at which each key was seen. A place is whatever number the caller gives to a row.
pub struct LastPlaces {
    tables: Vec<Table<5>>,
    is_full: bool,
}

impl LastPlaces {
    /// No keys yet, and room for so many bytes of them.
    pub fn new(most_bytes: u64) -> Self {
        Self {
            tables: tables(most_bytes),
            is_full: false,
        }
    }

    /// As [`SeenKeys::make_room`].
    pub fn make_room(&mut self, keys: u64) {
        make_room(&mut self.tables, keys);
    }

    /// Notes `place(index)` for the key of each row. Calls `earlier(index, Some(place))` where the key had one already,
    /// and `earlier(index, None)` where it is unknown.
    pub fn note(
        &mut self,
        rows: &[Row],
        place: impl Fn(usize) -> u64,
        mut earlier: impl FnMut(usize, Option<u64>),
    ) {
        for (group, rows) in rows.chunks(GROUP).enumerate() {
            touch(&self.tables, rows.iter().map(|row| row.key));
            for (index, row) in (group * GROUP..).zip(rows) {
                let key = Key::of(row.key);
                let table = &mut self.tables[sub_table(row.key)];
                let entry = entry(key, place(index));
                match table.find(key) {
                    Slot::Taken(at) => earlier(index, Some(place_of(table.replace(at, entry)))),
                    Slot::Free(at) => {
                        if self.is_full || !table.insert(at, entry) {
                            self.is_full = true;
                            earlier(index, None);
                        }
                    }
                }
            }
        }
    }
}

/// Fetches what the next look-ups will read. One by one they would wait for memory in turn.
///
/// The places are computed before the first is read: with arithmetic between two reads, fewer of them are on the way at a time.
fn touch<const WORDS: usize>(
    tables: &[Table<WORDS>],
    mut fingerprints: impl Iterator<Item = u128>,
) {
    let mut places = [&0; TOUCHED];
    loop {
        let mut count = 0;
        for (place, fingerprint) in places.iter_mut().zip(&mut fingerprints) {
            *place = tables[sub_table(fingerprint)].place(Key::of(fingerprint));
            count += 1;
        }
        let places = &places[..count];
        std::hint::black_box(places.iter().fold(0, |all, word| all ^ **word));
        if count < TOUCHED {
            return;
        }
    }
}

fn tables<const WORDS: usize>(most_bytes: u64) -> Vec<Table<WORDS>> {
    let most_bytes = most_bytes / SUB_TABLES as u64;
    (0..SUB_TABLES).map(|_| Table::new(most_bytes)).collect()
}

/// Makes room for about so many keys in all: sub-tables come out a little larger or smaller than one another.
fn make_room<const WORDS: usize>(tables: &mut [Table<WORDS>], keys: u64) {
    let keys = usize::try_from(keys).unwrap_or(usize::MAX) / SUB_TABLES;
    for table in tables {
        table.make_room(keys);
    }
}

/// A key with a place in two halves, so that an entry needs 20 bytes and not 24.
#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
fn entry(key: Key, place: u64) -> [u32; 5] {
    let [a, b, c] = key.words();
    [a, b, c, (place >> 32) as u32, place as u32]
}

fn place_of([.., high, low]: [u32; 5]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::settings::PrimaryKey;
    use xxhash_rust::xxh3::xxh3_128;

    fn rows(keys: &[u32]) -> Vec<Row> {
        let row = |key: &u32| Row {
            record: 0,
            end: 0,
            identifier_bytes: 0,
            external_id_only: false,
            key_kind: PrimaryKey::Email,
            key: xxh3_128(&key.to_le_bytes()),
        };
        keys.iter().map(row).collect()
    }

    use Sighting::{New, Seen, Unknown};

    const PLENTY: u64 = 1 << 30;

    #[test]
    fn the_first_row_of_a_key_is_kept_over_all_batches() {
        let mut seen = SeenKeys::new(PLENTY);
        let mut sightings = Vec::new();
        assert!(!seen.look_up(&rows(&[1, 2, 1, 3]), &mut sightings));
        assert_eq!(sightings, [New, New, Seen, New]);
        seen.look_up(&rows(&[3, 4, 4, 5]), &mut sightings);
        assert_eq!(sightings, [Seen, New, Seen, New]);
    }

    #[test]
    fn many_keys_are_told_apart() {
        let mut seen = SeenKeys::new(PLENTY);
        let mut sightings = Vec::new();
        for chunk in (0..200_000_u32).collect::<Vec<_>>().chunks(5_000) {
            assert!(!seen.look_up(&rows(chunk), &mut sightings));
            assert!(sightings.iter().all(|sighting| *sighting == New));
        }
        seen.look_up(&rows(&(0..200_000).collect::<Vec<_>>()), &mut sightings);
        assert!(sightings.iter().all(|sighting| *sighting == Seen));
    }

    #[test]
    fn an_index_with_room_for_too_few_or_too_many_knows_the_same() {
        let keys: Vec<u32> = (0..30_000).map(|number| number % 20_000).collect();
        let known = |expected: Option<u64>, memory| {
            let mut seen = SeenKeys::new(memory);
            if let Some(keys) = expected {
                seen.make_room(keys);
            }
            let mut all = Vec::new();
            for chunk in keys.chunks(4_000) {
                let mut sightings = Vec::new();
                seen.look_up(&rows(chunk), &mut sightings);
                all.extend(sightings);
            }
            all
        };
        let plain = known(None, PLENTY);
        assert_eq!(plain.iter().filter(|it| **it == New).count(), 20_000);
        for expected in [0, 100, 20_000, 1_000_000] {
            assert!(known(Some(expected), PLENTY) == plain);
        }
        // More than there is memory for.
        assert!(known(Some(u64::MAX), 1 << 16).contains(&Unknown));
    }

    #[test]
    fn an_index_without_memory_still_knows_what_it_has() {
        let mut seen = SeenKeys::new(0);
        let mut sightings = Vec::new();
        assert!(seen.look_up(&rows(&(0..10_000).collect::<Vec<_>>()), &mut sightings));
        let first = sightings.clone();
        assert!(first.contains(&New) && first.contains(&Unknown));
        assert!(seen.look_up(&rows(&(0..10_000).collect::<Vec<_>>()), &mut sightings));
        for (first, again) in first.into_iter().zip(sightings) {
            assert_eq!(again, if first == New { Seen } else { Unknown });
        }
    }

    #[test]
    fn last_places_tell_the_place_before() {
        let mut last = LastPlaces::new(PLENTY);
        let mut earlier = Vec::new();
        last.note(
            &rows(&[7, 8, 7]),
            |index| u64::MAX - index as u64,
            |index, place| earlier.push((index, place)),
        );
        assert_eq!(earlier, [(2, Some(u64::MAX))]);
        last.note(
            &rows(&[8]),
            |_| 9,
            |index, place| earlier.push((index, place)),
        );
        assert_eq!(earlier[1], (0, Some(u64::MAX - 1)));
    }
}
