//! The memory of a table: words that are zero at first, in huge pages where the system has them.
//!
//! Every look-up reads a place far from the one before. With pages of 4 KB most of them would wait for the page table too.
//! Measured with 28 million identifiers on Linux: 61 ns for a look-up in huge pages, 73 ns without. The system gives a huge page
//! only where one fits whole, so the words begin at the border of one. Without that, a table of 11 MB had small pages at both of
//! its ends, and 29 million look-ups took 100 ns each instead of 89.

use std::ops::{Deref, DerefMut, Range};

use memmap2::MmapMut;
use zerocopy::FromBytes;

/// The size from which on memory is mapped by itself: that of a huge page on x86-64 and on ARM with pages of 4 KB.
const HUGE_PAGE_BYTES: usize = 1 << 21;

/// A number of words of memory.
pub(super) enum TableMemory {
    Heap(Vec<u32>),
    Mapped {
        map: MmapMut,
        /// The bytes of the mapping that are the words: those before them are never touched.
        bytes: Range<usize>,
    },
}

impl TableMemory {
    /// Zeros, which take no real memory before they are written to.
    pub(super) fn zeroed(words: usize) -> Self {
        mapped(words).unwrap_or_else(|| Self::Heap(vec![0; words]))
    }
}

/// A mapping of so many words, unless they are few or the system has none to give.
fn mapped(words: usize) -> Option<TableMemory> {
    let bytes = words.checked_mul(size_of::<u32>())?;
    if bytes < HUGE_PAGE_BYTES {
        return None;
    }
    let map = MmapMut::map_anon(bytes.checked_add(HUGE_PAGE_BYTES)?).ok()?;
    let begin = map.as_ptr().align_offset(HUGE_PAGE_BYTES);
    #[cfg(target_os = "linux")]
    wish_huge_pages(&map, begin, bytes);
    Some(TableMemory::Mapped {
        map,
        bytes: begin..begin + bytes,
    })
}

/// Asks for huge pages where the words fill them. A last one that they fill in part would take memory that nobody uses: with 128
/// tables, that was 200 MB. A wish: memory in small pages does as well, and slower.
#[cfg(target_os = "linux")]
fn wish_huge_pages(map: &MmapMut, begin: usize, bytes: usize) {
    let huge = bytes / HUGE_PAGE_BYTES * HUGE_PAGE_BYTES;
    let _ = map.advise_range(memmap2::Advice::HugePage, begin, huge);
    let rest = map.len() - begin - huge;
    let _ = map.advise_range(memmap2::Advice::NoHugePage, begin + huge, rest);
}

impl Deref for TableMemory {
    type Target = [u32];

    #[inline]
    fn deref(&self) -> &[u32] {
        match self {
            Self::Heap(words) => words,
            // The bytes begin at a page, and are whole words: they are never refused.
            Self::Mapped { map, bytes } => {
                <[u32]>::ref_from_bytes(&map[bytes.clone()]).unwrap_or_default()
            }
        }
    }
}

impl DerefMut for TableMemory {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u32] {
        match self {
            Self::Heap(words) => words,
            Self::Mapped { map, bytes } => {
                <[u32]>::mut_from_bytes(&mut map[bytes.clone()]).unwrap_or_default()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_any_size_is_zero_and_keeps_what_is_written() {
        for words in [
            0,
            1,
            1_000,
            HUGE_PAGE_BYTES / 4 - 1,
            HUGE_PAGE_BYTES / 4 + 3,
        ] {
            let mut memory = TableMemory::zeroed(words);
            assert_eq!(memory.len(), words);
            assert!(memory.iter().all(|word| *word == 0));
            if words * 4 >= HUGE_PAGE_BYTES {
                assert_eq!(memory.as_ptr().align_offset(HUGE_PAGE_BYTES), 0);
            }
            for (value, word) in (7_u32..).zip(memory.iter_mut()) {
                *word = value;
            }
            assert!(
                (7_u32..)
                    .zip(memory.iter())
                    .all(|(value, word)| *word == value)
            );
        }
    }
}
