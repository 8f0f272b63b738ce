//! Entries of a few words on disk, in as many partitions as an index has sub-tables.
//!
//! Each partition keeps the order in which entries came. The files have no name: they are gone however the program ends.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use super::SUB_TABLES;

/// Buffer of each partition; 64 of them take 2 MB.
const BUFFER_BYTES: usize = 1 << 15;
/// The storage under the index refused.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot {action} the keys and identifiers that are kept on disk", path.display())]
pub struct SpillError {
    /// The folder of the files.
    pub path: PathBuf,
    /// The action that failed.
    pub action: &'static str,
    /// The system's error.
    pub source: std::io::Error,
}

/// The files, one for each partition, with entries of so many words.
pub(in crate::pipeline) struct Partitions<const WORDS: usize = 5> {
    files: Vec<BufWriter<File>>,
    directory: PathBuf,
}

impl<const WORDS: usize> Partitions<WORDS> {
    /// No entries yet. The files are made in `directory`.
    pub(in crate::pipeline) fn create(directory: &Path) -> Result<Self, SpillError> {
        let files = (0..SUB_TABLES).map(|_| tempfile::tempfile_in(directory));
        let files = files
            .map(|file| Ok(BufWriter::with_capacity(BUFFER_BYTES, file?)))
            .collect::<Result<_, _>>()
            .map_err(failed(directory, "make files for"))?;
        Ok(Self {
            files,
            directory: directory.to_owned(),
        })
    }

    /// Adds an entry to a partition.
    pub(in crate::pipeline) fn push(
        &mut self,
        partition: usize,
        entry: [u32; WORDS],
    ) -> Result<(), SpillError> {
        let bytes = entry.map(u32::to_le_bytes);
        self.files[partition]
            .write_all(bytes.as_flattened())
            .map_err(failed(&self.directory, "write"))
    }

    /// Calls `take` with each entry of a partition, in the order in which they came.
    pub(in crate::pipeline) fn read(
        &mut self,
        partition: usize,
        mut take: impl FnMut([u32; WORDS]) -> Result<(), SpillError>,
    ) -> Result<(), SpillError> {
        let failed = || failed(&self.directory, "read back");
        let written = &mut self.files[partition];
        written.rewind().map_err(failed())?;
        let mut file = BufReader::with_capacity(BUFFER_BYTES, written.get_mut());
        let mut bytes = [[0; 4]; WORDS];
        while !file.fill_buf().map_err(failed())?.is_empty() {
            file.read_exact(bytes.as_flattened_mut())
                .map_err(failed())?;
            take(bytes.map(u32::from_le_bytes))?;
        }
        Ok(())
    }
}

/// The error of an action on the files in this folder. Nothing is copied before there is one.
pub(super) fn failed(
    path: &Path,
    action: &'static str,
) -> impl FnOnce(std::io::Error) -> SpillError {
    move |source| SpillError {
        path: path.to_owned(),
        action,
        source,
    }
}
