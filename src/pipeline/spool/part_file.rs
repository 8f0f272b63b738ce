//! One part being written: the file, its identifiers file and its digest.

use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{SpoolError, SpoolLayout};
use crate::base::durable::sync_directory;
use crate::base::page_cache::let_go;
use crate::state::manifest::StateError;
use crate::state::part::{Part, PartNumber, hex};
use crate::state::storage::{PartialFile, storage};

/// A part that is not closed yet. Dropped before that, it removes its files.
pub(super) struct PartFile {
    number: PartNumber,
    rows: PartialFile,
    identifiers: Option<PartialFile>,
    digest: Sha256,
    bytes: u64,
}

impl PartFile {
    pub(super) fn create(layout: &SpoolLayout, number: PartNumber) -> Result<Self, SpoolError> {
        let path = layout.part_path(number);
        let header = layout.identifiers_header.as_deref();
        let mut part = Self {
            number,
            identifiers: match header {
                Some(_) => Some(PartialFile::create(
                    path.with_extension("ids"),
                    "create it",
                )?),
                None => None,
            },
            rows: PartialFile::create(path, "create it")?,
            digest: Sha256::new(),
            bytes: 0,
        };
        part.write(
            std::iter::once(&layout.header[..]),
            header.unwrap_or_default(),
        )?;
        Ok(part)
    }

    pub(super) fn write<'a>(
        &mut self,
        rows: impl Iterator<Item = &'a [u8]>,
        identifiers: &[u8],
    ) -> Result<(), SpoolError> {
        let mut slices: Vec<IoSlice<'_>> = rows.map(IoSlice::new).collect();
        for slice in &slices {
            self.digest.update(&**slice);
            self.bytes += slice.len() as u64;
        }
        let written = write_slices(&mut self.rows, &mut slices);
        written.map_err(storage(self.rows.path(), "write to it"))?;
        if let Some(file) = &mut self.identifiers {
            let written = file.write_all(identifiers);
            written.map_err(storage(file.path(), "write to it"))?;
        }
        Ok(())
    }

    /// Bytes of rows so far, the header's among them.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Makes both files durable under their final names. The rows stay in memory where `they_stay`.
    pub(super) fn close(self, rows: u64, they_stay: bool) -> Result<Part, SpoolError> {
        if let Some(identifiers) = self.identifiers {
            close(identifiers, true)?;
        }
        let path = close(self.rows, they_stay)?;
        let directory = path.parent().unwrap_or(Path::new("."));
        sync_directory(directory).map_err(storage(directory, "make its entries durable"))?;
        let sha256 = hex(&self.digest.finalize());
        Ok(Part {
            number: self.number,
            path,
            rows,
            bytes: self.bytes,
            sha256,
        })
    }
}

/// Writes all of `slices`.
fn write_slices(file: &mut PartialFile, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0); // leaves empty ones out
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Makes a file durable under its own name. Its bytes stay in memory where `they_stay`.
fn close(mut file: PartialFile, they_stay: bool) -> Result<PathBuf, StateError> {
    let path = file.path().to_owned();
    let synced = file.file().sync_all();
    synced.map_err(storage(&path, "make it durable"))?;
    if !they_stay {
        let_go(file.file(), 0, None);
    }
    file.rename().map_err(storage(&path, "rename it"))?;
    Ok(path)
}
