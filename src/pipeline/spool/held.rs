//! Rows held back on disk until the whole audience was seen, for `duplicates = "last"` and keys that find no memory.
//!
//! Each row is written with two lengths and a flag before it; [`HeldRows::replay`] gives them back in their order.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::SpoolError;

/// A finished CSV row, held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldRow<'a> {
    /// The row with its line feed.
    pub bytes: &'a [u8],
    /// How many of its bytes are the identifier cells.
    pub identifier_bytes: u32,
    /// True when it has neither e-mail nor phone number.
    pub external_id_only: bool,
}

/// Bytes before a row: its length, the length of its identifiers, the flag.
const HEAD_BYTES: usize = 9;

/// Rows in a file without a name in the run's parts folder: it is gone when this is dropped, however the program ends.
pub struct HeldRows {
    writer: BufWriter<File>,
    directory: PathBuf,
    rows: u64,
}

impl HeldRows {
    /// No rows yet.
    pub fn create(directory: &Path) -> Result<Self, SpoolError> {
        let file = tempfile::tempfile_in(directory).map_err(|source| SpoolError::Storage {
            path: directory.to_owned(),
            action: "create a file in it",
            source,
        })?;
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
        head[8] = u8::from(row.external_id_only);
        let written = self
            .writer
            .write_all(&head)
            .and_then(|()| self.writer.write_all(row.bytes));
        self.rows += 1;
        written.map_err(|source| storage(&self.directory, "hold rows in it", source))
    }

    /// Calls `take` with each row's number (from 0) and the row.
    pub fn replay<E: From<SpoolError>>(
        self,
        mut take: impl FnMut(u64, HeldRow<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let failed = |source| storage(&self.directory, "read held rows from it", source);
        let mut file = self
            .writer
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut head = [0; HEAD_BYTES];
        let mut bytes = Vec::new();
        for number in 0..self.rows {
            reader.read_exact(&mut head).map_err(failed)?;
            let word = |at: usize| {
                let bytes = head.iter().skip(at).take(4).rev();
                bytes.fold(0, |word, byte| word << 8 | u32::from(*byte))
            };
            bytes.resize(word(0) as usize, 0);
            reader.read_exact(&mut bytes).map_err(failed)?;
            let row = HeldRow {
                bytes: &bytes,
                identifier_bytes: word(4),
                external_id_only: head[8] != 0,
            };
            take(number, row)?;
        }
        Ok(())
    }
}

fn storage(path: &Path, action: &'static str, source: std::io::Error) -> SpoolError {
    SpoolError::Storage {
        path: path.to_owned(),
        action,
        source,
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
        };
        let pushed = [row(&b"\"a\",1\n"[..], 3, false), row(b"\"bb\",\n", 4, true)];
        for row in pushed {
            held.push(row).unwrap();
        }
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            0,
            "the file has no name"
        );
        let mut number = 0;
        held.replay(|at, row| {
            assert_eq!(
                (at, row),
                (number, pushed[usize::try_from(number).unwrap()])
            );
            number += 1;
            Ok::<_, SpoolError>(())
        })
        .unwrap();
        assert_eq!(number, 2);
    }
}
