//! One sub-table of an index: open addressing in one allocation, as full as probing allows.
//!
//! An entry is a key's three words and what the caller keeps beside it, often nothing. A free slot is all zeros, so that its
//! memory is the system's own and is touched when it is taken. A key's home follows its first word through the whole table, so that growing copies from front to back. A large one grows by a half, not to the double: the memory of a hundred
//! million keys follows their number. One that was made for a tenth fewer keys than come, or more, does not grow at all.

use super::memory::Words;

/// 96 bits of a fingerprint. Its highest six bits choose the sub-table and are not among them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key([u32; 3]);

impl Key {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the three words of the low 96 bits"
    )]
    pub(super) fn of(fingerprint: u128) -> Self {
        let words = [
            fingerprint as u32,
            (fingerprint >> 32) as u32,
            (fingerprint >> 64) as u32,
        ];
        // All zeros mark a free slot. That one key shares its entry with another is one chance in 2^96 more.
        Self(if words == [0; 3] { [0, 0, 1] } else { words })
    }

    pub(super) fn words(self) -> [u32; 3] {
        self.0
    }
}

/// The content of a slot without a key.
const FREE: Key = Key([0; 3]);

/// Where a key is, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Taken(usize),
    Free(usize),
}

/// Entries of so many words: a key's three, and those beside it.
pub(super) struct Table<const WORDS: usize> {
    words: Words,
    slots: usize,
    taken: usize,
    most_slots: usize,
}

const FIRST_SLOTS: usize = 64;
/// A table that knows its keys has sixteen slots for ten of them.
const SLOTS_FOR_TEN: usize = 16;

/// The key of an entry.
pub(super) fn key_of<const WORDS: usize>(entry: &[u32; WORDS]) -> Key {
    Key([entry[0], entry[1], entry[2]])
}

impl<const WORDS: usize> Table<WORDS> {
    /// An empty table that takes at most about so many bytes.
    pub(super) fn new(most_bytes: u64) -> Self {
        let most = most_bytes / size_of::<[u32; WORDS]>() as u64;
        let most_slots = usize::try_from(most).unwrap_or(usize::MAX).max(FIRST_SLOTS);
        Self {
            words: Words::zeroed(FIRST_SLOTS * WORDS),
            slots: FIRST_SLOTS,
            taken: 0,
            most_slots,
        }
    }

    /// Makes room for so many keys in all, or for as many as the memory allows.
    pub(super) fn make_room(&mut self, keys: usize) {
        let slots = (keys.saturating_mul(SLOTS_FOR_TEN) / 10).min(self.most_slots);
        if slots > self.slots {
            self.grow(slots);
        }
    }

    /// Reads where the key would be, so that it is near by when [`Self::find`] comes; reads do not wait for each other. What
    /// is read means nothing: the caller must only seem to use it.
    #[inline]
    pub(super) fn touch(&self, key: Key) -> u32 {
        self.words[self.home(key) * WORDS]
    }

    /// Looks for the key.
    #[inline]
    pub(super) fn find(&self, key: Key) -> Slot {
        let words: &[u32] = &self.words;
        let mut at = self.home(key);
        loop {
            let found = key_at(&words[at * WORDS..]);
            if found == key {
                return Slot::Taken(at);
            }
            if found == FREE {
                return Slot::Free(at);
            }
            at += 1;
            if at == self.slots {
                at = 0;
            }
        }
    }

    /// Puts a key's entry in the free slot that [`Self::find`] gave. False when the memory is used up: then it is not in.
    pub(super) fn insert(&mut self, free: usize, entry: [u32; WORDS]) -> bool {
        // Beyond 29 of 32 probing gets slow. Until the limit is near it never comes to that.
        if self.slots == self.most_slots && self.taken >= self.slots / 32 * 29 {
            return false;
        }
        self.put(free, entry);
        self.taken += 1;
        let slots = self.slots;
        if self.taken > slots / 16 * 11 && slots < self.most_slots {
            self.grow(if slots <= self.most_slots / 8 {
                slots * 2
            } else {
                (slots + slots / 2).min(self.most_slots)
            });
        }
        true
    }

    /// The entry in a taken slot.
    pub(super) fn entry(&self, taken: usize) -> [u32; WORDS] {
        let mut entry = [0; WORDS];
        entry.copy_from_slice(&self.words[taken * WORDS..][..WORDS]);
        entry
    }

    /// Changes the entry in a taken slot, and gives the one that was there.
    pub(super) fn replace(&mut self, taken: usize, entry: [u32; WORDS]) -> [u32; WORDS] {
        let before = self.entry(taken);
        self.put(taken, entry);
        before
    }

    fn put(&mut self, at: usize, entry: [u32; WORDS]) {
        self.words[at * WORDS..][..WORDS].copy_from_slice(&entry);
    }

    #[inline]
    fn home(&self, key: Key) -> usize {
        ((u64::from(key.0[0]) * self.slots as u64) >> 32) as usize
    }

    fn grow(&mut self, slots: usize) {
        let old = std::mem::replace(&mut self.words, Words::zeroed(slots * WORDS));
        self.slots = slots;
        for old in old.chunks_exact(WORDS) {
            let key = key_at(old);
            if key != FREE
                && let Slot::Free(at) = self.find(key)
            {
                self.words[at * WORDS..][..WORDS].copy_from_slice(old);
            }
        }
    }
}

/// The key of the entry that begins here.
#[inline]
fn key_at(words: &[u32]) -> Key {
    match words {
        [a, b, c, ..] => Key([*a, *b, *c]),
        _ => FREE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn what_is_put_in_is_found_through_every_growth() {
        let mut table = Table::<5>::new(u64::MAX);
        let mut model = HashMap::new();
        for number in 0..50_000_u32 {
            let fingerprint = xxh3_128(&(number % 30_000).to_le_bytes());
            if number == 500 {
                table.make_room(2_000);
                assert_eq!(table.slots, 3_200);
                table.make_room(100);
            }
            let key = Key::of(fingerprint);
            let [a, b, c] = key.words();
            let entry = [a, b, c, 7, number];
            match table.find(key) {
                Slot::Taken(at) => {
                    let before = table.replace(at, entry);
                    assert_eq!(model.insert(fingerprint, entry), Some(before));
                }
                Slot::Free(at) => {
                    assert!(table.insert(at, entry));
                    assert_eq!(model.insert(fingerprint, entry), None);
                }
            }
        }
        assert_eq!(table.taken, 30_000);
    }

    #[test]
    fn a_full_table_takes_no_more_and_still_answers() {
        let mut table = Table::<3>::new(12_000);
        table.make_room(usize::MAX);
        let mut refused = 0;
        for number in 0..2_000_u32 {
            let key = Key::of(xxh3_128(&number.to_le_bytes()));
            let Slot::Free(at) = table.find(key) else {
                panic!("{number} was never put in");
            };
            refused += u32::from(!table.insert(at, key.words()));
        }
        assert_eq!((table.slots, refused), (1_000, 2_000 - 899));
        assert!(matches!(table.find(Key::of(0)), Slot::Free(_)));
    }
}
