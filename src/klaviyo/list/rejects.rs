//! `attach-rejects.csv`: whom Klaviyo did not take. It holds personal data and is 0600; given back as an audience, its
//! columns are known.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::rows::{Person, each_person, unwritable};
use crate::base::csv::push_cell;
use crate::state::manifest::StateError;

/// The file's name in a run's folder.
pub(super) const FILE_NAME: &str = "attach-rejects.csv";
const HEADER: &str = "Email,PhoneNumber,ExternalID,_reason,_detail,_source,_record\n";

/// The file; made with its first line.
#[derive(Debug)]
pub(super) struct AttachRejects {
    path: PathBuf,
    file: Option<File>,
    bytes: u64,
}

/// Calls `each` with the e-mail address, the phone number and the external id of everybody in the file of a run's folder.
pub fn rejected_people(
    run_directory: &Path,
    mut each: impl FnMut([&str; 3]),
) -> Result<(), StateError> {
    let path = run_directory.join(FILE_NAME);
    if !path.exists() {
        return Ok(());
    }
    each_person(&[path], |_, person| {
        each([&person.email, &person.phone_number, &person.external_id]);
        Ok(true)
    })
}

/// One who was not taken.
pub(super) struct Reject<'a> {
    pub(super) person: &'a Person,
    /// A code: Klaviyo's, or one of ours.
    pub(super) reason: &'a str,
    /// Where in the request; never a value.
    pub(super) detail: &'a str,
    pub(super) part: u32,
    /// The row in the part, from 1; 0 where that is not known.
    pub(super) row: u64,
}

impl AttachRejects {
    /// The file of a run, cut back to `bytes`: what is behind them was written by a process that did not live to note it.
    pub(super) fn open(run_directory: &Path, bytes: u64) -> Result<Self, StateError> {
        let path = run_directory.join(FILE_NAME);
        let mut rejects = Self {
            path,
            file: None,
            bytes,
        };
        let there = std::fs::metadata(&rejects.path).map_or(0, |file| file.len());
        // It may have been removed with old files: what is added then begins a new one.
        rejects.bytes = bytes.min(there);
        if rejects.bytes > 0 {
            rejects.file = Some(rejects.create()?);
        } else if rejects.path.exists() {
            std::fs::remove_file(&rejects.path).map_err(unwritable(&rejects.path))?;
        }
        Ok(rejects)
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds lines; durable when this returns.
    pub(super) fn write<'a>(
        &mut self,
        rejects: impl IntoIterator<Item = Reject<'a>>,
    ) -> Result<(), StateError> {
        let mut lines = Vec::new();
        for Reject {
            person,
            reason,
            detail,
            part,
            row,
        } in rejects
        {
            let row = row.to_string();
            let source = format!("part {part:04}");
            let cells =
                [&person.email, &person.phone_number, &person.external_id].map(String::as_str);
            for (index, cell) in cells
                .into_iter()
                .chain([reason, detail, &source, &row])
                .enumerate()
            {
                if index > 0 {
                    lines.push(b',');
                }
                push_cell(&mut lines, cell.as_bytes());
            }
            lines.push(b'\n');
        }
        if lines.is_empty() {
            return Ok(());
        }
        if self.file.is_none() {
            lines.splice(0..0, HEADER.bytes());
            self.file = Some(self.create()?);
        }
        if let Some(file) = &mut self.file {
            let written = file.write_all(&lines).and_then(|()| file.sync_data());
            written.map_err(unwritable(&self.path))?;
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    fn create(&self) -> Result<File, StateError> {
        let opened = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&self.path);
        let opened = opened.and_then(|mut file| {
            file.set_len(self.bytes)?;
            file.seek(SeekFrom::Start(self.bytes))?;
            Ok(file)
        });
        opened.map_err(unwritable(&self.path))
    }
}
