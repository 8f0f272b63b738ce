//! One sub-table of an index: open addressing in one allocation, as full as probing allows.
//!
//! An entry is a key's three words and what the caller keeps beside it, often nothing. A key's home follows its first word through the
//! whole table, so that growing copies from front to back. A large one grows by a half, not to the double: the memory of a
//! hundred million keys follows their number, and each is moved one and a half times on its way there.

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

    /// A key by the words that [`Self::words`] gave.
    pub(super) fn from_words(words: [u32; 3]) -> Self {
        Self(words)
    }

    pub(super) fn words(self) -> [u32; 3] {
        self.0
    }
}

/// What stands in a slot without a key.
const FREE: Key = Key([0; 3]);

/// Where a key is, or would be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Taken(usize),
    Free(usize),
}

/// Keys, with a `B` beside each.
pub(super) struct Table<B> {
    slots: Vec<(Key, B)>,
    taken: usize,
    most_slots: usize,
}

const FIRST_SLOTS: usize = 64;

impl<B: Copy + Default> Table<B> {
    /// An empty table that takes at most about so many bytes.
    pub(super) fn new(most_bytes: u64) -> Self {
        let most = most_bytes / size_of::<(Key, B)>() as u64;
        let most_slots = usize::try_from(most).unwrap_or(usize::MAX).max(FIRST_SLOTS);
        Self {
            slots: vec![(FREE, B::default()); FIRST_SLOTS],
            taken: 0,
            most_slots,
        }
    }

    /// Reads where the key would be, so that it is near by when [`Self::find`] comes; reads do not wait for each other.
    pub(super) fn touch(&self, key: Key) {
        std::hint::black_box(self.slots[self.home(key)].0);
    }

    /// Looks for the key.
    pub(super) fn find(&self, key: Key) -> Slot {
        let mut at = self.home(key);
        loop {
            let found = self.slots[at].0;
            if found == key {
                return Slot::Taken(at);
            }
            if found == FREE {
                return Slot::Free(at);
            }
            at += 1;
            if at == self.slots.len() {
                at = 0;
            }
        }
    }

    /// Puts a key in the free slot that [`Self::find`] gave. False when the memory is used up: then it is not in.
    pub(super) fn insert(&mut self, free: usize, key: Key, beside: B) -> bool {
        // Beyond 29 of 32 probing gets slow. Until the limit is near it never comes to that.
        if self.slots.len() == self.most_slots && self.taken >= self.slots.len() / 32 * 29 {
            return false;
        }
        self.slots[free] = (key, beside);
        self.taken += 1;
        if self.taken > self.slots.len() / 16 * 11 && self.slots.len() < self.most_slots {
            self.grow();
        }
        true
    }

    /// Changes what is beside the key of a taken slot, and gives what was.
    pub(super) fn replace(&mut self, taken: usize, beside: B) -> B {
        std::mem::replace(&mut self.slots[taken].1, beside)
    }

    fn home(&self, key: Key) -> usize {
        ((u64::from(key.0[0]) * self.slots.len() as u64) >> 32) as usize
    }

    fn grow(&mut self) {
        let slots = self.slots.len();
        let more = if slots <= self.most_slots / 8 {
            slots * 2
        } else {
            (slots + slots / 2).min(self.most_slots)
        };
        let old = std::mem::replace(&mut self.slots, vec![(FREE, B::default()); more]);
        for (key, beside) in old.into_iter().filter(|(key, _)| *key != FREE) {
            if let Slot::Free(at) = self.find(key) {
                self.slots[at] = (key, beside);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn what_is_put_in_is_found_through_every_growth() {
        let mut table = Table::<[u32; 2]>::new(u64::MAX);
        let mut model = HashMap::new();
        for number in 0..50_000_u32 {
            let fingerprint = xxh3_128(&(number % 30_000).to_le_bytes());
            let key = Key::of(fingerprint);
            match table.find(key) {
                Slot::Taken(at) => {
                    let before = table.replace(at, [7, number]);
                    assert_eq!(model.insert(fingerprint, [7, number]), Some(before));
                }
                Slot::Free(at) => {
                    assert!(table.insert(at, key, [7, number]));
                    assert_eq!(model.insert(fingerprint, [7, number]), None);
                }
            }
        }
        assert_eq!(table.taken, 30_000);
    }

    #[test]
    fn a_full_table_takes_no_more_and_still_answers() {
        let mut table = Table::<()>::new(12_000);
        let mut refused = 0;
        for number in 0..2_000_u32 {
            let key = Key::of(xxh3_128(&number.to_le_bytes()));
            let Slot::Free(at) = table.find(key) else {
                panic!("{number} was never put in");
            };
            refused += u32::from(!table.insert(at, key, ()));
        }
        assert_eq!((table.slots.len(), refused), (1_000, 2_000 - 899));
        assert!(matches!(table.find(Key::of(0)), Slot::Free(_)));
    }
}
