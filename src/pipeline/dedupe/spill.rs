//! Keys for which there is no memory: on disk, in as many partitions as there are sub-tables.
//!
//! Equal keys are in one partition, in the order of their rows, so that each partition can be looked through by itself
//! when the audience has ended.

use std::path::Path;

use super::partitions::{Partitions, SpillError};
use super::table::{Key, Slot, Table, key_of};
use super::{SUB_TABLES, entry, place_of, sub_table};

/// Keys on disk, each with the place of its row.
pub struct SpilledKeys {
    partitions: Partitions,
}

impl SpilledKeys {
    /// No keys yet. The files are made in `directory`.
    pub fn create(directory: &Path) -> Result<Self, SpillError> {
        let partitions = Partitions::create(directory)?;
        Ok(Self { partitions })
    }

    /// Adds a key, in the order of rows. A place is whatever number the caller gives to a row.
    pub fn push(&mut self, fingerprint: u128, place: u64) -> Result<(), SpillError> {
        let entry = entry(Key::of(fingerprint), place);
        self.partitions.push(sub_table(fingerprint), entry)
    }

    /// Calls `again` for each row whose key an earlier one has, with the place of the last such row and its own.
    pub fn each_repeat(&mut self, mut again: impl FnMut(u64, u64)) -> Result<(), SpillError> {
        for partition in 0..SUB_TABLES {
            // A 64th of the keys: this grows as it must.
            let mut table = Table::new(u64::MAX);
            self.partitions.read(partition, |entry| {
                note(&mut table, entry, &mut again);
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn note(table: &mut Table<5>, entry: [u32; 5], again: &mut impl FnMut(u64, u64)) {
    match table.find(key_of(&entry)) {
        Slot::Free(at) => {
            table.insert(at, entry);
        }
        Slot::Taken(at) => again(place_of(table.replace(at, entry)), place_of(entry)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn repeats_are_told_with_the_row_before() {
        let directory = tempfile::tempdir().unwrap();
        let mut spilled = SpilledKeys::create(directory.path()).unwrap();
        let keys = [1, 2, 1, 3, 1, 2_u32];
        for (place, key) in (1 << 40..).zip(keys) {
            spilled.push(xxh3_128(&key.to_le_bytes()), place).unwrap();
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        let mut repeats = Vec::new();
        spilled
            .each_repeat(|before, place| repeats.push((before - (1 << 40), place - (1 << 40))))
            .unwrap();
        repeats.sort_unstable();
        assert_eq!(repeats, [(0, 2), (1, 5), (2, 4)]);
    }
}
