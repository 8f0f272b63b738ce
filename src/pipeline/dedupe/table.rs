//! One sub-table of an index: open addressing in one allocation, as full as probing allows.
//!
//! An entry is a key's three words and what the caller keeps beside it, often nothing. Entries lie in lines of 64 bytes, which
//! is what a processor reads of memory at once; a look-up begins at the first entry of the key's line and goes on with the
//! next line only where that one is full. A free entry is all zeros, so that its memory is the system's own and is touched
//! when it is taken. A key's line follows its first word through the whole table, so that growing copies from front to back. A
//! large one grows by a half, not to the double: the memory of a hundred million keys follows their number. One that was made
//! for a tenth fewer keys than come, or more, does not grow at all.

use super::memory::TableMemory;

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
        // All zeros mark a free entry. That one key shares its entry with another is one chance in 2^96 more.
        Self(if words == [0; 3] { [0, 0, 1] } else { words })
    }

    pub(super) fn words(self) -> [u32; 3] {
        self.0
    }
}

/// The content of an entry without a key.
const FREE: Key = Key([0; 3]);

/// Where a key is, or would be: the place of its entry's first word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    Taken(usize),
    Free(usize),
}

/// Entries of so many words: a key's three, and those beside it.
pub(super) struct Table<const WORDS: usize> {
    words: TableMemory,
    lines: usize,
    taken: usize,
    most_lines: usize,
}

/// The words of a line.
const LINE_WORDS: usize = 16;
const LINE_BYTES: u64 = size_of::<[u32; LINE_WORDS]>() as u64;
const FIRST_LINES: usize = 16;
/// A table that knows its keys has sixteen entries for ten of them.
const ENTRIES_FOR_TEN: usize = 16;

/// The key of an entry.
pub(super) fn key_of<const WORDS: usize>(entry: &[u32; WORDS]) -> Key {
    Key([entry[0], entry[1], entry[2]])
}

impl<const WORDS: usize> Table<WORDS> {
    /// The entries of a line.
    const IN_LINE: usize = LINE_WORDS / WORDS;

    /// The memory of so many entries, in bytes.
    pub(super) fn bytes_for(entries: u64) -> u64 {
        entries.div_ceil(Self::IN_LINE as u64) * LINE_BYTES
    }

    /// An empty table that takes at most about so many bytes.
    pub(super) fn new(most_bytes: u64) -> Self {
        let most_lines = usize::try_from(most_bytes / LINE_BYTES).unwrap_or(usize::MAX);
        Self {
            words: TableMemory::zeroed(FIRST_LINES * LINE_WORDS),
            lines: FIRST_LINES,
            taken: 0,
            most_lines: most_lines.max(FIRST_LINES),
        }
    }

    /// Makes room for so many keys in all, or for as many as the memory allows.
    pub(super) fn make_room(&mut self, keys: usize) {
        let entries = keys.saturating_mul(ENTRIES_FOR_TEN) / 10;
        let lines = entries.div_ceil(Self::IN_LINE).min(self.most_lines);
        if lines > self.lines {
            self.grow(lines);
        }
    }

    /// Where the key would be, so that it can be read, and is near by when [`Self::find`] comes. What is read means nothing:
    /// the caller must only seem to use it.
    #[inline]
    pub(super) fn place(&self, key: Key) -> &u32 {
        &self.words[self.home(key) * LINE_WORDS]
    }

    /// Looks for the key.
    #[inline]
    pub(super) fn find(&self, key: Key) -> Slot {
        let mut line = self.home(key);
        loop {
            let begin = line * LINE_WORDS;
            let entries = self.words[begin..begin + LINE_WORDS].chunks_exact(WORDS);
            for (at, entry) in (begin..).step_by(WORDS).zip(entries) {
                let found = key_at(entry);
                if found == key {
                    return Slot::Taken(at);
                }
                if found == FREE {
                    return Slot::Free(at);
                }
            }
            line += 1;
            if line == self.lines {
                line = 0;
            }
        }
    }

    /// Puts a key's entry in the free place that [`Self::find`] gave. False when the memory is used up: then it is not in.
    pub(super) fn insert(&mut self, free: usize, entry: [u32; WORDS]) -> bool {
        let entries = self.lines * Self::IN_LINE;
        // Beyond 29 of 32 probing gets slow. Until the limit is near it never comes to that.
        if self.lines == self.most_lines && self.taken >= entries / 32 * 29 {
            return false;
        }
        self.put(free, entry);
        self.taken += 1;
        let lines = self.lines;
        if self.taken > entries / 16 * 11 && lines < self.most_lines {
            self.grow(if lines <= self.most_lines / 8 {
                lines * 2
            } else {
                (lines + lines / 2).min(self.most_lines)
            });
        }
        true
    }

    /// The entry at a taken place.
    pub(super) fn entry(&self, taken: usize) -> [u32; WORDS] {
        let mut entry = [0; WORDS];
        entry.copy_from_slice(&self.words[taken..][..WORDS]);
        entry
    }

    /// Changes the entry at a taken place, and gives the one that was there.
    pub(super) fn replace(&mut self, taken: usize, entry: [u32; WORDS]) -> [u32; WORDS] {
        let before = self.entry(taken);
        self.put(taken, entry);
        before
    }

    fn put(&mut self, at: usize, entry: [u32; WORDS]) {
        self.words[at..][..WORDS].copy_from_slice(&entry);
    }

    /// The key's line.
    #[inline]
    fn home(&self, key: Key) -> usize {
        ((u64::from(key.0[0]) * self.lines as u64) >> 32) as usize
    }

    fn grow(&mut self, lines: usize) {
        let old = std::mem::replace(&mut self.words, TableMemory::zeroed(lines * LINE_WORDS));
        self.lines = lines;
        for entry in old
            .chunks_exact(LINE_WORDS)
            .flat_map(|line| line.chunks_exact(WORDS))
        {
            let key = key_at(entry);
            if key != FREE
                && let Slot::Free(at) = self.find(key)
            {
                self.words[at..][..WORDS].copy_from_slice(entry);
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
                // Three entries of five words are in a line.
                assert_eq!(table.lines, 3_200_usize.div_ceil(3));
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
        // 187 lines of five entries.
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
        assert_eq!((table.lines, refused), (187, 2_000 - 841));
        assert!(matches!(table.find(Key::of(0)), Slot::Free(_)));
    }
}
