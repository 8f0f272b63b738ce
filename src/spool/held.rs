//! Rows held back on disk until the whole audience was seen, for `duplicates = "last"`.
//!
//! Each row is written with two lengths before it; [`HeldRows::replay`] gives them back in their order.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::SpoolError;

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
    pub fn push(&mut self, row: &[u8], identifier_bytes: u32) -> Result<(), SpoolError> {
        let length = u32::try_from(row.len()).unwrap_or(u32::MAX);
        let written = self
            .writer
            .write_all(&length.to_le_bytes())
            .and_then(|()| self.writer.write_all(&identifier_bytes.to_le_bytes()))
            .and_then(|()| self.writer.write_all(row));
        self.rows += 1;
        written.map_err(|source| storage(&self.directory, "hold rows in it", source))
    }

    /// Calls `take` with each row's number (from 0), its bytes and how many of them are identifiers.
    pub fn replay(
        self,
        mut take: impl FnMut(u64, &[u8], usize) -> Result<(), SpoolError>,
    ) -> Result<(), SpoolError> {
        let failed = |source| storage(&self.directory, "read held rows from it", source);
        let mut file = self
            .writer
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.rewind().map_err(failed)?;
        let mut reader = BufReader::with_capacity(1 << 20, file);
        let mut lengths = [[0; 4]; 2];
        let mut row = Vec::new();
        for number in 0..self.rows {
            for length in &mut lengths {
                reader.read_exact(length).map_err(failed)?;
            }
            row.resize(u32::from_le_bytes(lengths[0]) as usize, 0);
            reader.read_exact(&mut row).map_err(failed)?;
            take(number, &row, u32::from_le_bytes(lengths[1]) as usize)?;
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
        held.push(b"\"a\",1\n", 3).unwrap();
        held.push(b"\"bb\",\n", 4).unwrap();
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            0,
            "the file has no name"
        );
        let mut rows = Vec::new();
        held.replay(|number, row, identifiers| {
            rows.push((number, row.to_vec(), identifiers));
            Ok(())
        })
        .unwrap();
        assert_eq!(
            rows,
            [(0, b"\"a\",1\n".to_vec(), 3), (1, b"\"bb\",\n".to_vec(), 4)]
        );
    }
}
