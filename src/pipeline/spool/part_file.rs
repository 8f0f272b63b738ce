//! One part being written: the file, its identifiers file and its digest.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{SpoolError, SpoolLayout, sync_directory};
use crate::base::page_cache::let_go;
use crate::state::part::{Part, PartNumber, hex};

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
                Some(_) => Some(PartialFile::create(path.with_extension("ids"))?),
                None => None,
            },
            rows: PartialFile::create(path)?,
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
        self.rows.write(&mut slices)?;
        if let Some(file) = &mut self.identifiers {
            file.write(&mut [IoSlice::new(identifiers)])?;
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
            identifiers.close(true)?;
        }
        let path = self.rows.close(they_stay)?;
        sync_directory(path.parent().unwrap_or(Path::new(".")))?;
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

/// A file under its `.partial` name.
struct PartialFile {
    file: File,
    path: PathBuf,
    partial: Option<PathBuf>,
}

impl PartialFile {
    fn create(path: PathBuf) -> Result<Self, SpoolError> {
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&partial);
        let file = file.map_err(storage(&partial, "create it"))?;
        Ok(Self {
            file,
            path,
            partial: Some(partial),
        })
    }

    fn write(&mut self, mut slices: &mut [IoSlice<'_>]) -> Result<(), SpoolError> {
        let failed = |source| storage(&self.path, "write to it")(source);
        IoSlice::advance_slices(&mut slices, 0); // leaves empty ones out
        while !slices.is_empty() {
            match self.file.write_vectored(slices) {
                Ok(0) => return Err(failed(io::ErrorKind::WriteZero.into())),
                Ok(written) => IoSlice::advance_slices(&mut slices, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Ok(())
    }

    fn close(mut self, stays: bool) -> Result<PathBuf, SpoolError> {
        self.file
            .sync_all()
            .map_err(storage(&self.path, "make it durable"))?;
        if !stays {
            let_go(&self.file, 0, None);
        }
        if let Some(partial) = &self.partial {
            std::fs::rename(partial, &self.path).map_err(storage(&self.path, "rename it"))?;
        }
        self.partial = None;
        Ok(self.path.clone())
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // Best effort: the next run's folder is another one.
            let _ = std::fs::remove_file(partial);
        }
    }
}

fn storage(path: &Path, action: &'static str) -> impl FnOnce(std::io::Error) -> SpoolError {
    let path = path.to_owned();
    move |source| SpoolError::Storage {
        path,
        action,
        source,
    }
}
