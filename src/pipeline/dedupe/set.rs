//! A set of digests whose number is known before the first comes.

use fixedbitset::FixedBitSet;

use super::table::{Key, Slot, Table};
use super::{SUB_TABLE_BITS, SUB_TABLES, sub_table, touch};

/// Entries for each digest, in percent: as full as probing stays short.
const ENTRIES_PERCENT: u64 = 120;

/// The words of an entry: nothing beside the digest.
const WORDS: usize = 3;

/// Digests of 102 bits each.
pub(in crate::pipeline) struct DigestSet {
    tables: Vec<Table<WORDS>>,
    /// The entries of marked digests, of each table.
    marks: Vec<FixedBitSet>,
}

/// The place of a digest in a set, as long as none is added.
#[derive(Debug, Clone, Copy)]
pub(in crate::pipeline) struct DigestPlace {
    table: usize,
    entry: usize,
}

impl DigestSet {
    /// An empty set with room for so many.
    pub(in crate::pipeline) fn with_room_for(digests: u64) -> Self {
        let most = most_of_a_table(digests);
        let table = |_| {
            let mut table = Table::new(bytes_of_a_table(digests));
            table.make_room(usize::try_from(most).unwrap_or(usize::MAX));
            table
        };
        Self {
            tables: (0..SUB_TABLES).map(table).collect(),
            marks: vec![FixedBitSet::new(); SUB_TABLES],
        }
    }

    /// The memory of a set with room for so many, in bytes.
    pub(in crate::pipeline) fn bytes_for(digests: u64) -> u64 {
        bytes_of_a_table(digests) * SUB_TABLES as u64
    }

    /// A digest whose place in a set follows the order of `key`, as far as its first 38 bits go; the others are `more`.
    pub(in crate::pipeline) fn ordered(key: u128, more: u64) -> u128 {
        // A table looks at the lowest word first, and is chosen by the bits before.
        let table = key >> (128 - SUB_TABLE_BITS) << (128 - SUB_TABLE_BITS);
        let place = key << SUB_TABLE_BITS >> 96;
        table | u128::from(more) << 32 | place
    }

    /// Adds a digest. False where there is no room.
    pub(in crate::pipeline) fn insert(&mut self, digest: u128) -> bool {
        let key = Key::of(digest);
        let table = &mut self.tables[sub_table(digest)];
        match table.find(key) {
            Slot::Taken(_) => true,
            Slot::Free(at) => table.insert(at, key.words()),
        }
    }

    /// Fetches what the next questions need.
    pub(in crate::pipeline) fn touch(&self, digests: impl Iterator<Item = u128>) {
        touch(&self.tables, digests);
    }

    /// The place of a digest that is in the set.
    pub(in crate::pipeline) fn find(&self, digest: u128) -> Option<DigestPlace> {
        let table = sub_table(digest);
        match self.tables[table].find(Key::of(digest)) {
            Slot::Free(_) => None,
            Slot::Taken(at) => Some(DigestPlace {
                table,
                entry: at / WORDS,
            }),
        }
    }

    /// Marks the digest at this place.
    pub(in crate::pipeline) fn mark_at(&mut self, place: DigestPlace) {
        self.marks[place.table].grow_and_insert(place.entry);
    }

    /// Whether the digest at this place was marked.
    pub(in crate::pipeline) fn is_marked_at(&self, place: DigestPlace) -> bool {
        self.marks[place.table].contains(place.entry)
    }

    /// Marks the digest. False where it is not in the set.
    pub(in crate::pipeline) fn mark(&mut self, digest: u128) -> bool {
        let place = self.find(digest);
        if let Some(place) = place {
            self.mark_at(place);
        }
        place.is_some()
    }

    /// Whether the digest is in the set and was marked.
    pub(in crate::pipeline) fn is_marked(&self, digest: u128) -> bool {
        self.find(digest)
            .is_some_and(|place| self.is_marked_at(place))
    }

    /// Whether the digest is in the set.
    pub(in crate::pipeline) fn contains(&self, digest: u128) -> bool {
        self.find(digest).is_some()
    }
}

/// No sub-table gets many more than its share: six standard deviations.
fn most_of_a_table(digests: u64) -> u64 {
    let share = digests / SUB_TABLES as u64;
    share + 6 * share.isqrt() + 64
}

fn bytes_of_a_table(digests: u64) -> u64 {
    Table::<WORDS>::bytes_for(most_of_a_table(digests) * ENTRIES_PERCENT / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn a_set_has_room_for_what_it_was_made_for() {
        for digests in [0, 1, 1_000, 300_000_u64] {
            let mut set = DigestSet::with_room_for(digests);
            let digest = |number: u64| xxh3_128(&number.to_le_bytes());
            for number in 0..digests {
                assert!(!set.contains(digest(number)));
                assert!(set.insert(digest(number)));
            }
            set.touch((0..digests).map(digest));
            assert!((0..digests).all(|number| set.contains(digest(number))));
            for number in (0..digests + 9).step_by(3) {
                assert_eq!(set.mark(digest(number)), number < digests);
            }
            for number in 0..digests + 9 {
                let is_marked = number % 3 == 0 && number < digests;
                assert_eq!(set.is_marked(digest(number)), is_marked);
            }
            assert!((digests..digests + 1_000).all(|number| !set.contains(digest(number))));
        }
    }

    #[test]
    fn an_ordered_digest_keeps_the_order_and_all_that_is_added() {
        let digest = DigestSet::ordered(u128::MAX >> 1, 0);
        assert_eq!(sub_table(digest), 31);
        assert_eq!(digest & 0xffff_ffff, 0xffff_ffff);
        let key = xxh3_128(b"key");
        let later = key + (1 << 90);
        let place = |key| DigestSet::ordered(key, 7) & 0xffff_ffff;
        assert_eq!(place(later), place(key) + 1);
        assert_ne!(DigestSet::ordered(key, 7), DigestSet::ordered(key, 8));
        assert_ne!(DigestSet::ordered(key, 1 << 63), DigestSet::ordered(key, 0));
    }
}
