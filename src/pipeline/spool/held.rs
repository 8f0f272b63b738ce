//! Rows held back on disk until the whole audience was seen, for `duplicates = "last"` and keys that find no memory.
//!
//! Each row is written with two lengths, its number and flags before it; [`HeldRows::replay`] gives them back in their order.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::SpoolError;
use crate::pipeline::settings::PrimaryKey;
use crate::state::storage::storage;

/// A finished CSV row, held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldRow<'a> {
    /// The row with its line feed.
    pub bytes: &'a [u8],
    /// How many of its bytes are the identifier cells.
    pub identifier_bytes: u32,
    /// True when it has neither e-mail nor phone number.
    pub external_id_only: bool,
    /// The number of its record in the audience.
    pub number: u64,
    /// For each kind of identifier, the number of an earlier row of another key that has the same value.
    pub shared: [Option<u64>; PrimaryKey::BEST_FIRST.len()],
}

/// Bytes before a row: its length, the length of its identifiers, its number, the flags. The numbers of earlier rows follow.
const HEAD_BYTES: usize = 17;
/// The flag of a row that has neither e-mail nor phone number; the lower ones are of kinds of identifiers.
const EXTERNAL_ID_ONLY: u8 = 1 << 7;

/// Rows in a file without a name in the run's parts folder: it is gone when this is dropped, however the program ends.
pub struct HeldRows {
    writer: BufWriter<File>,
    directory: PathBuf,
    rows: u64,
}

impl HeldRows {
    /// No rows yet.
    pub fn create(directory: &Path) -> Result<Self, SpoolError> {
        let file =
            tempfile::tempfile_in(directory).map_err(storage(directory, "create a file in it"))?;
        Ok(Self {
            writer: BufWriter::with_capacity(1 << 20, file),
            directory: directory.to_owned(),
            rows: 0,
        })
    }

    /// How many rows are held.
    pub fn len(&self) -> u64 {
        self.rows
    }

    /// True when no row is held.
    pub fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Holds one more row.
    pub fn push(&mut self, row: HeldRow<'_>) -> Result<(), SpoolError> {
        let length = u32::try_from(row.bytes.len()).unwrap_or(u32::MAX);
        let mut head = [0; HEAD_BYTES];
        head[..4].copy_from_slice(&length.to_le_bytes());
        head[4..8].copy_from_slice(&row.identifier_bytes.to_le_bytes());
        head[8..16].copy_from_slice(&row.number.to_le_bytes());
        head[16] = if row.external_id_only {
            EXTERNAL_ID_ONLY
        } else {
            0
        };
        for (kind, first) in row.shared.iter().enumerate() {
            head[16] |= u8::from(first.is_some()) << kind;
        }
        let written = self.writer.write_all(&head).and_then(|()| {
            for first in row.shared.iter().flatten() {
                self.writer.write_all(&first.to_le_bytes())?;
            }
            self.writer.write_all(row.bytes)
        });
        self.rows += 1;
        written.map_err(storage(&self.directory, "hold rows in it"))?;
        Ok(())
    }

    /// Calls `take` with each row.
    pub fn replay<E: From<SpoolError>>(
        self,
        mut take: impl FnMut(HeldRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let directory = self.directory;
        let failed = |error| SpoolError::from(storage(&directory, "read held rows from it")(error));
        let mut file = self
            .writer
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut head = [0; HEAD_BYTES];
        let mut bytes = Vec::new();
        for _ in 0..self.rows {
            reader.read_exact(&mut head).map_err(failed)?;
            let word = |at: usize| {
                let bytes = head.iter().skip(at).take(4).rev();
                bytes.fold(0, |word, byte| word << 8 | u32::from(*byte))
            };
            let mut shared = [None; 3];
            for (kind, first) in shared.iter_mut().enumerate() {
                if head[16] >> kind & 1 == 1 {
                    let mut number = [0; 8];
                    reader.read_exact(&mut number).map_err(failed)?;
                    *first = Some(u64::from_le_bytes(number));
                }
            }
            bytes.resize(word(0) as usize, 0);
            reader.read_exact(&mut bytes).map_err(failed)?;
            let row = HeldRow {
                bytes: &bytes,
                identifier_bytes: word(4),
                external_id_only: head[16] & EXTERNAL_ID_ONLY != 0,
                number: u64::from(word(12)) << 32 | u64::from(word(8)),
                shared,
            };
            take(row)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_rows_come_back_in_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let mut held = HeldRows::create(directory.path()).unwrap();
        let row = |bytes, identifier_bytes, external_id_only| HeldRow {
            bytes,
            identifier_bytes,
            external_id_only,
            number: 7,
            shared: [None; 3],
        };
        let pushed = [
            row(&b"\"a\",1\n"[..], 3, false),
            row(b"\"bb\",\n", 4, true),
            HeldRow {
                number: 1 << 40 | 9,
                shared: [Some(u64::MAX), None, Some(3)],
                ..row(b"\"c\",\n", 3, false)
            },
        ];
        for row in pushed {
            held.push(row).unwrap();
        }
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            0,
            "the file has no name"
        );
        let mut number = 0;
        held.replay(|row| {
            assert_eq!(row, pushed[number]);
            number += 1;
            Ok::<_, SpoolError>(())
        })
        .unwrap();
        assert_eq!(number, pushed.len());
    }
}
