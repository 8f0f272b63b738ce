//! `rejects.csv`, `repairs.csv` and `conflicts.csv`: what was refused, what was mended, and which rows share an identifier,
//! for the person who must look at it.
//!
//! The first two hold personal data, and all are 0600. Rejected rows stand in the order of the source, with the source's own
//! columns first, so that the file can be mended and given back as an audience
//! ([`crate::source::audience::RejectColumns`] reads it). All are safe to open in a spreadsheet. A file is made with its first
//! line.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::base::csv::{WrittenCells, push_guarded_cell, push_unquoted};
use crate::pipeline::batch::{Batch, Rejection, Repair};
use crate::pipeline::mapping::Mapping;
use crate::profile::target::RESERVED_HEADERS;
use crate::source::audience::numbered;
use crate::source::audience::reject_cell::{self, RowDigest};
use crate::state::codes::{RejectionReason, RepairCode};
use crate::state::manifest::StateError;
use crate::state::storage::{create_private, storage};

/// The place of a row in the audience.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowPlace<'a> {
    /// The source's name.
    pub source: &'a str,
    /// The record, from 1.
    pub record: u64,
}

impl std::fmt::Display for RowPlace<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} record {}", self.source, self.record)
    }
}

/// The three files of a run.
pub struct RejectsFiles {
    rejects: LazyFile,
    repairs: LazyFile,
    conflicts: LazyFile,
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
            conflicts: LazyFile::new(
                run_directory.join("conflicts.csv"),
                [
                    "_source",
                    "_record",
                    "first_source",
                    "first_record",
                    "column",
                    "code",
                ]
                .into_iter(),
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

    /// Writes that a row has an identifier of an earlier one: both places, no value.
    pub fn conflict(
        &mut self,
        place: RowPlace<'_>,
        first: RowPlace<'_>,
        column: &str,
        code: RepairCode,
    ) -> Result<(), StateError> {
        let (record, first_record) = (place.record.to_string(), first.record.to_string());
        let cells = [place.source, &record, first.source, &first_record, column];
        self.line.clear();
        for cell in cells {
            push_safe(&mut self.line, cell.as_bytes());
            self.line.push(b',');
        }
        push_safe(&mut self.line, code.code().as_bytes());
        self.line.push(b'\n');
        self.conflicts.write(&self.line)
    }

    /// Writes a cell of a finished row that is blanked. `cell` is as the row has it, quotes included.
    pub fn repair_written(
        &mut self,
        place: RowPlace<'_>,
        column: &str,
        code: RepairCode,
        cell: &[u8],
    ) -> Result<(), StateError> {
        let record = place.record.to_string();
        self.line.clear();
        for cell in [place.source, &record, column, code.code()] {
            push_safe(&mut self.line, cell.as_bytes());
            self.line.push(b',');
        }
        let mut value = Vec::new();
        push_unquoted(&mut value, cell);
        push_safe(&mut self.line, &value);
        // The code says all: there is no detail.
        self.line.extend_from_slice(b",\n");
        self.repairs.write(&self.line)
    }

    /// Writes a finished row that is rejected after all, for a shared identifier. Its source's cells are gone: it has the
    /// values that would have been sent, under the names of their columns; columns that are not sent are blank.
    pub fn reject_written(
        &mut self,
        row: &[u8],
        mapping: &Mapping,
        place: RowPlace<'_>,
        detail: &str,
    ) -> Result<(), StateError> {
        let cells: Vec<&[u8]> = WrittenCells::new(row).collect();
        let mut digest = RowDigest::default();
        let (mut value, mut escaped) = (Vec::new(), Vec::new());
        self.line.clear();
        for (index, name) in mapping.rejects_header.iter().enumerate() {
            let before = mapping.rejects_header[..index].iter();
            let number = 1 + before.filter(|other| *other == name).count();
            let is_meant = |source: &str| {
                number == 1 && source == name || numbered(source) == Some((name.as_str(), number))
            };
            let mut columns = mapping.columns.iter();
            let column = columns.position(|column| is_meant(&column.source));
            value.clear();
            escaped.clear();
            if let Some(cell) = column.and_then(|column| cells.get(column)) {
                push_unquoted(&mut value, cell);
                reject_cell::push_escaped(&value, &mut escaped);
            }
            digest.cell(&escaped);
            push_safe(&mut self.line, &escaped);
            self.line.push(b',');
        }
        let code = RejectionReason::SharedIdentifier.code();
        for cell in [code, detail, place.source] {
            push_safe(&mut self.line, cell.as_bytes());
            self.line.push(b',');
        }
        let digest = reject_cell::digest_text(self.names, Some(digest.finish()));
        let end = format!("{},{digest}\n", place.record);
        self.line.extend_from_slice(end.as_bytes());
        self.rejects.write(&self.line)
    }

    /// Writes out what is buffered.
    pub fn finish(&mut self) -> Result<(), StateError> {
        self.rejects.finish()?;
        self.repairs.finish()?;
        self.conflicts.finish()
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
        let failed = storage(&self.path, "write to it");
        let file = if let Some(file) = &mut self.file {
            file
        } else {
            let file = create_private(&self.path).map_err(failed)?;
            let file = self.file.insert(BufWriter::new(file));
            file.write_all(&self.header).map_err(failed)?;
            file
        };
        file.write_all(line).map_err(failed)
    }

    fn finish(&mut self) -> Result<(), StateError> {
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        let done = file.flush().and_then(|()| file.get_ref().sync_all());
        done.map_err(storage(&self.path, "write to it"))
    }
}
