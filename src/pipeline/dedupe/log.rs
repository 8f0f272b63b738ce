//! The identifiers of rows in one file, in the order of the rows, to be gone through once when the audience has ended.
//!
//! It is written and read from front to back and takes no memory, which costs much less than an index where few of the
//! identifiers will be asked for. The file has no name: it is gone however the program ends.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::partitions::{SpillError, failed};
use super::table::Key;
use crate::pipeline::settings::PrimaryKey;

const BUFFER_BYTES: usize = 1 << 18;
/// An entry: the three words of a [`Key`], and a word that has the identifier's kind, whether it is a key, and how far the
/// number of its row is from that of the entry before. Three zeros, which no key has, go on with a distance that is longer.
type Entry = [u32; 4];
const ENTRY_BYTES: usize = size_of::<Entry>();
const DISTANCE_BITS: u32 = 29;
const MOST_DISTANCE: u32 = (1 << DISTANCE_BITS) - 1;
const IS_KEY: u32 = 1 << 31;

/// An identifier of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedIdentifier {
    /// Fingerprint of its value. The log keeps 96 bits of it, and repeats some of them in place of the highest: of fingerprints
    /// that it gives back, those of one value are equal.
    pub fingerprint: u128,
    /// Its column.
    pub kind: PrimaryKey,
    /// Whether it is the key of the row.
    pub is_key: bool,
    /// The number of the row.
    pub number: u64,
}

/// Identifiers on disk.
pub struct IdentifierLog {
    writer: BufWriter<File>,
    directory: PathBuf,
    entries: u64,
    /// The number of the row of the last entry.
    last: u64,
}

impl IdentifierLog {
    /// None yet. The file is made in `directory`.
    pub fn create(directory: &Path) -> Result<Self, SpillError> {
        let file =
            tempfile::tempfile_in(directory).map_err(failed(directory, "make a file for"))?;
        Ok(Self {
            writer: BufWriter::with_capacity(BUFFER_BYTES, file),
            directory: directory.to_owned(),
            entries: 0,
            last: 0,
        })
    }

    /// Adds an identifier. The numbers of rows never fall.
    pub fn push(&mut self, identifier: LoggedIdentifier) -> Result<(), SpillError> {
        let LoggedIdentifier {
            fingerprint,
            kind,
            is_key,
            number,
        } = identifier;
        let mut distance = number - self.last;
        self.last = number;
        while distance > u64::from(MOST_DISTANCE) {
            self.write([0, 0, 0, MOST_DISTANCE])?;
            distance -= u64::from(MOST_DISTANCE);
        }
        let [a, b, c] = Key::of(fingerprint).words();
        let kind = (kind as u32) << DISTANCE_BITS;
        let key = if is_key { IS_KEY } else { 0 };
        let distance = u32::try_from(distance).unwrap_or(MOST_DISTANCE);
        self.write([a, b, c, key | kind | distance])
    }

    fn write(&mut self, entry: Entry) -> Result<(), SpillError> {
        self.entries += 1;
        self.writer
            .write_all(entry.map(u32::to_le_bytes).as_flattened())
            .map_err(failed(&self.directory, "write"))
    }

    /// Calls `take` with each identifier, in the order in which they came.
    pub fn replay(
        self,
        mut take: impl FnMut(LoggedIdentifier) -> Result<(), SpillError>,
    ) -> Result<(), SpillError> {
        let failed = || failed(&self.directory, "read back");
        let file = self.writer.into_inner();
        let mut file = file.map_err(|error| failed()(error.into_error()))?;
        file.rewind().map_err(failed())?;
        let mut reader = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut bytes = [[0; 4]; ENTRY_BYTES / 4];
        let mut number = 0;
        for _ in 0..self.entries {
            reader
                .read_exact(bytes.as_flattened_mut())
                .map_err(failed())?;
            let [a, b, c, rest] = bytes.map(u32::from_le_bytes);
            number += u64::from(rest & MOST_DISTANCE);
            if [a, b, c] == [0; 3] {
                continue;
            }
            let fingerprint = [b, c, b, a]
                .into_iter()
                .fold(0, |all, word| all << 32 | u128::from(word));
            take(LoggedIdentifier {
                fingerprint,
                kind: kind_of(rest),
                is_key: rest & IS_KEY != 0,
                number,
            })?;
        }
        Ok(())
    }
}

/// The kind in the last word of an entry.
fn kind_of(word: u32) -> PrimaryKey {
    let kind = (word & !IS_KEY) >> DISTANCE_BITS;
    let kind = PrimaryKey::BEST_FIRST.get(kind as usize);
    kind.copied().unwrap_or(PrimaryKey::Email)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn identifiers_come_back_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = IdentifierLog::create(directory.path()).unwrap();
        let identifiers: Vec<_> = (0..20_000_u64)
            .map(|number| LoggedIdentifier {
                fingerprint: xxh3_128(&(number % 15_000).to_le_bytes()),
                kind: PrimaryKey::BEST_FIRST[(number % 3) as usize],
                is_key: number % 2 == 0,
                // Some are farther apart than an entry can tell.
                number: number / 3 + ((number / 1_000) << 31),
            })
            .collect();
        for identifier in &identifiers {
            log.push(*identifier).unwrap();
        }
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
        let mut all = identifiers.iter();
        let mut values = HashMap::new();
        log.replay(|identifier| {
            let before = all.next().unwrap();
            let fingerprint = before.fingerprint;
            assert_eq!(
                identifier,
                LoggedIdentifier {
                    fingerprint: identifier.fingerprint,
                    ..*before
                }
            );
            let value = values.entry(identifier.fingerprint).or_insert(fingerprint);
            assert_eq!(*value, fingerprint);
            Ok(())
        })
        .unwrap();
        assert_eq!((all.len(), values.len()), (0, 15_000));
    }
}
