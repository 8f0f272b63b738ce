//! Keys for which there is no memory: on disk, in as many partitions as there are sub-tables.
//!
//! Equal keys are in one partition, in the order of their rows, so that each partition can be looked through by itself
//! when the audience has ended. The files have no name: they are gone however the program ends.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::table::{Key, Slot, Table, key_of};
use super::{SUB_TABLES, entry, place_of, sub_table};

/// Buffer of each partition; 64 of them take 2 MB.
const BUFFER_BYTES: usize = 1 << 15;
/// A key's 96 bits and the place of its row.
const ENTRY_BYTES: usize = 20;

/// The storage under the index refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot {action} what does not fit in `dedupe-memory`", path.display())]
pub struct SpillError {
    /// The folder of the files.
    pub path: PathBuf,
    /// What was tried.
    pub action: &'static str,
    /// What the system said.
    pub source: std::io::Error,
}

/// Keys on disk, each with the place of its row.
pub struct SpilledKeys {
    partitions: Vec<BufWriter<File>>,
    directory: PathBuf,
}

impl SpilledKeys {
    /// No keys yet. The files are made in `directory`.
    pub fn create(directory: &Path) -> Result<Self, SpillError> {
        let files = (0..SUB_TABLES).map(|_| tempfile::tempfile_in(directory));
        let partitions = files
            .map(|file| Ok(BufWriter::with_capacity(BUFFER_BYTES, file?)))
            .collect::<Result<_, _>>()
            .map_err(failed(directory, "make files for"))?;
        Ok(Self {
            partitions,
            directory: directory.to_owned(),
        })
    }

    /// Adds a key, in the order of rows. A place is whatever number the caller gives to a row.
    pub fn push(&mut self, fingerprint: u128, place: u64) -> Result<(), SpillError> {
        let mut bytes = [0; ENTRY_BYTES];
        let entry = entry(Key::of(fingerprint), place);
        for (bytes, word) in bytes.chunks_exact_mut(4).zip(entry) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        self.partitions[sub_table(fingerprint)]
            .write_all(&bytes)
            .map_err(failed(&self.directory, "write"))
    }

    /// Calls `again` for each row whose key an earlier one has, with the place of the last such row and its own.
    pub fn each_repeat(&mut self, mut again: impl FnMut(u64, u64)) -> Result<(), SpillError> {
        for partition in &mut self.partitions {
            let failed = || failed(&self.directory, "read back");
            partition.rewind().map_err(failed())?;
            let mut file = BufReader::with_capacity(BUFFER_BYTES, partition.get_mut());
            // A 64th of the keys: this grows as it must.
            let mut table = Table::new(u64::MAX);
            let mut bytes = [0; ENTRY_BYTES];
            while !file.fill_buf().map_err(failed())?.is_empty() {
                file.read_exact(&mut bytes).map_err(failed())?;
                let mut entry = [0; 5];
                for (word, bytes) in entry.iter_mut().zip(bytes.as_chunks().0) {
                    *word = u32::from_le_bytes(*bytes);
                }
                note(&mut table, entry, &mut again);
            }
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

fn failed(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> SpillError {
    let path = path.to_owned();
    move |source| SpillError {
        path,
        action,
        source,
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
