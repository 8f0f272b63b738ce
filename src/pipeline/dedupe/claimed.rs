//! The identifiers of rows that wait, in memory: a later row that has one of them waits too.
//!
//! Most questions are about identifiers that no such row has. A filter with one bit for each identifier, which stays in the
//! cache of the processor, answers them without a look at the tables.

use fixedbitset::FixedBitSet;

use super::table::{Key, Slot, Table};
use super::{sub_table, tables};

/// The bits of the filter: 2 MB. A million identifiers set a 16th of them.
const FILTER_BITS: usize = 1 << 24;

/// A set of identifiers.
pub struct ClaimedIdentifiers {
    filter: FixedBitSet,
    tables: Vec<Table<3>>,
    is_full: bool,
}

impl ClaimedIdentifiers {
    /// None yet, and room for so many bytes of them.
    pub fn new(most_bytes: u64) -> Self {
        Self {
            filter: FixedBitSet::with_capacity(FILTER_BITS),
            tables: tables(most_bytes),
            is_full: false,
        }
    }

    /// Adds an identifier.
    pub fn add(&mut self, fingerprint: u128) {
        self.filter.insert(bit(fingerprint));
        let key = Key::of(fingerprint);
        let table = &mut self.tables[sub_table(fingerprint)];
        if let Slot::Free(at) = table.find(key) {
            self.is_full |= !table.insert(at, key.words());
        }
    }

    /// Whether the identifier may be among them. Once the memory is used up, every one may be.
    pub fn may_have(&self, fingerprint: u128) -> bool {
        self.is_full || self.is_likely(fingerprint) && self.is_in_table(fingerprint)
    }

    /// Whether the identifier may be among them, by the filter alone. With a million in it, one in 16 others seems to be among
    /// them.
    pub fn is_likely(&self, fingerprint: u128) -> bool {
        self.filter.contains(bit(fingerprint))
    }

    fn is_in_table(&self, fingerprint: u128) -> bool {
        let table = &self.tables[sub_table(fingerprint)];
        matches!(table.find(Key::of(fingerprint)), Slot::Taken(_))
    }
}

/// The bit of an identifier.
#[expect(clippy::cast_possible_truncation, reason = "the low bits")]
fn bit(fingerprint: u128) -> usize {
    (fingerprint >> 64) as usize & (FILTER_BITS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    fn fingerprint(number: u32) -> u128 {
        xxh3_128(&number.to_le_bytes())
    }

    #[test]
    fn what_was_added_is_found_and_nothing_else() {
        let mut claimed = ClaimedIdentifiers::new(u64::MAX);
        for number in 0..100_000 {
            assert!(!claimed.may_have(fingerprint(number)));
            claimed.add(fingerprint(number));
        }
        assert!((0..100_000).all(|number| claimed.may_have(fingerprint(number))));
        assert!((100_000..200_000).all(|number| !claimed.may_have(fingerprint(number))));
        // Some are likely that were never added: the tables decide.
        assert!((100_000..200_000).any(|number| claimed.is_likely(fingerprint(number))));
    }

    #[test]
    fn without_memory_every_identifier_may_be_there_and_the_filter_still_tells() {
        let mut claimed = ClaimedIdentifiers::new(0);
        for number in 0..10_000 {
            claimed.add(fingerprint(number));
        }
        assert!(claimed.may_have(fingerprint(10_001)));
        assert!((0..10_000).all(|number| claimed.is_likely(fingerprint(number))));
        assert!(!(10_000..20_000).all(|number| claimed.is_likely(fingerprint(number))));
    }
}
