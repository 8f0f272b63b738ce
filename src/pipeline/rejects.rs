//! `rejects.csv` and `repairs.csv`: what was refused and what was mended, for the person who must look at it.
//!
//! Both hold personal data and are 0600. Rejected rows stand in the order of the source, with the source's own columns
//! first, so that the file can be mended and given back as an audience ([`crate::source::audience::GivenBack`] reads it). Both are
//! safe to open in a spreadsheet. A file is made with its first line.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::base::csv::push_guarded_cell;
use crate::pipeline::batch::{Batch, Rejection, Repair};
use crate::pipeline::mapping::Mapping;
use crate::profile::target::RESERVED_HEADERS;
use crate::source::audience::reject_cell;
use crate::state::manifest::StateError;

/// The two files of a run.
pub struct RejectsFiles {
    rejects: LazyFile,
    repairs: LazyFile,
    line: Vec<u8>,
    /// The digest of the names of the columns.
    names: u32,
}

impl RejectsFiles {
    /// Files in the run's folder, with the columns of `mapping`.
    pub fn new(run_directory: &Path, mapping: &Mapping) -> Self {
        let own = mapping.rejects_header.iter().map(String::as_str);
        Self {
            rejects: LazyFile::new(
                run_directory.join("rejects.csv"),
                own.clone().chain(RESERVED_HEADERS),
            ),
            repairs: LazyFile::new(
                run_directory.join("repairs.csv"),
                ["_source", "_record", "column", "code", "value", "detail"].into_iter(),
            ),
            line: Vec::new(),
            names: reject_cell::names_digest(own),
        }
    }

    /// Writes the rejection at `index` of `batch`, which is of `source`.
    pub fn reject(&mut self, batch: &Batch, index: usize, source: &str) -> Result<(), StateError> {
        let Some(rejection) = batch.rejections.get(index) else {
            return Ok(());
        };
        let Rejection {
            record,
            reason,
            detail,
            digest,
            end,
        } = rejection;
        let start = index
            .checked_sub(1)
            .and_then(|before| batch.rejections.get(before))
            .map_or(0, |before| before.end);
        self.line.clear();
        self.line
            .extend_from_slice(&batch.reject_bytes[start..*end]);
        let record = (batch.first_record + u64::from(*record)).to_string();
        let digest = reject_cell::digest_text(self.names, *digest);
        for cell in [reason.code(), detail.as_str(), source, &record, &digest] {
            self.line.push(b',');
            push_safe(&mut self.line, cell.as_bytes());
        }
        self.line.push(b'\n');
        self.rejects.write(&self.line)
    }

    /// Writes the repair at `index` of `batch`.
    pub fn repair(
        &mut self,
        batch: &Batch,
        index: usize,
        mapping: &Mapping,
        source: &str,
    ) -> Result<(), StateError> {
        let Some(Repair {
            record,
            column,
            code,
            detail,
            end,
        }) = batch.repairs.get(index).copied()
        else {
            return Ok(());
        };
        let start = index
            .checked_sub(1)
            .and_then(|before| batch.repairs.get(before))
            .map_or(0, |before| before.end);
        let column = mapping
            .columns
            .get(column)
            .map_or("", |column| column.source.as_str());
        let record = (batch.first_record + u64::from(record)).to_string();
        self.line.clear();
        for cell in [source, &record, column, code.code()] {
            push_safe(&mut self.line, cell.as_bytes());
            self.line.push(b',');
        }
        push_safe(&mut self.line, &batch.repair_bytes[start..end]);
        self.line.push(b',');
        push_safe(&mut self.line, detail.as_bytes());
        self.line.push(b'\n');
        self.repairs.write(&self.line)
    }

    /// Writes out what is buffered. The paths of the files that were made: rejects, repairs.
    pub fn finish(self) -> Result<(Option<PathBuf>, Option<PathBuf>), StateError> {
        Ok((self.rejects.finish()?, self.repairs.finish()?))
    }
}

/// Appends `cell` as a CSV cell that no spreadsheet takes for a formula.
fn push_safe(line: &mut Vec<u8>, cell: &[u8]) {
    push_guarded_cell(line, reject_cell::guard(cell), cell);
}

/// A file that is made when its first line is written.
struct LazyFile {
    path: PathBuf,
    header: Vec<u8>,
    file: Option<BufWriter<File>>,
}

impl LazyFile {
    fn new<'a>(path: PathBuf, columns: impl Iterator<Item = &'a str>) -> Self {
        let mut header = Vec::new();
        for (index, column) in columns.enumerate() {
            if index > 0 {
                header.push(b',');
            }
            let mut name = Vec::new();
            reject_cell::push_escaped(column.as_bytes(), &mut name);
            push_safe(&mut header, &name);
        }
        header.push(b'\n');
        Self {
            path,
            header,
            file: None,
        }
    }

    fn write(&mut self, line: &[u8]) -> Result<(), StateError> {
        let failed = |source| StateError::Storage {
            path: self.path.clone(),
            action: "write to it",
            source,
        };
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&self.path);
            let file = self.file.insert(BufWriter::new(file.map_err(failed)?));
            file.write_all(&self.header).map_err(failed)?;
            file
        };
        file.write_all(line).map_err(failed)
    }

    fn finish(self) -> Result<Option<PathBuf>, StateError> {
        let Some(file) = self.file else {
            return Ok(None);
        };
        let failed = |source| StateError::Storage {
            path: self.path.clone(),
            action: "write to it",
            source,
        };
        let file = file
            .into_inner()
            .map_err(|error| failed(error.into_error()))?;
        file.sync_all().map_err(failed)?;
        Ok(Some(self.path))
    }
}
