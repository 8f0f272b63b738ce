//! `attach-rejects.csv`: whom Klaviyo did not take. It holds personal data and is 0600; given back as an audience, its
//! columns are known.

use std::path::{Path, PathBuf};

use super::journal::{self, JournalEntry};
use super::rows::{Person, each_person};
use crate::base::csv::push_cell;
use crate::state::manifest::StateError;
use crate::state::storage::{AppendLog, storage};

/// The file's name in a run's folder.
pub(super) const FILE_NAME: &str = "attach-rejects.csv";
const HEADER: &str = "Email,PhoneNumber,ExternalID,_reason,_detail,_source,_record\n";

/// The file; made with its first line.
#[derive(Debug)]
pub(super) struct AttachRejects {
    path: PathBuf,
    log: Option<AppendLog>,
}

/// Calls `each` with the e-mail address, the phone number and the external id of everybody in the file of a run's folder. An
/// error where the file lacks somebody whom the journal knows of.
pub fn rejected_people(
    run_directory: &Path,
    mut each: impl FnMut([&str; 3]),
) -> Result<(), StateError> {
    let path = run_directory.join(FILE_NAME);
    let lengths = journal::read(run_directory)?;
    let lengths: Vec<u64> = lengths
        .iter()
        .filter_map(JournalEntry::rejects_bytes)
        .collect();
    let there = std::fs::metadata(&path).map_or(0, |file| file.len());
    // It only ever grows, unless it was removed in between.
    if !lengths.is_sorted() || lengths.last().is_some_and(|bytes| *bytes > there) {
        return Err(storage(&path, "find everybody in it")(
            std::io::ErrorKind::NotFound.into(),
        ));
    }
    if there == 0 {
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
        let there = std::fs::metadata(&path).map_or(0, |file| file.len());
        // It may have been removed with old files: what is added then begins a new one.
        let bytes = bytes.min(there);
        let mut log = None;
        if bytes > 0 {
            log = Some(AppendLog::open_at(path.clone(), bytes)?);
        } else if path.exists() {
            std::fs::remove_file(&path).map_err(storage(&path, "write it"))?;
        }
        Ok(Self { path, log })
    }

    /// How long it is.
    pub(super) fn bytes(&self) -> u64 {
        self.log.as_ref().map_or(0, AppendLog::bytes)
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
        let log = if let Some(log) = &mut self.log {
            log
        } else {
            lines.splice(0..0, HEADER.bytes());
            self.log.insert(AppendLog::open_at(self.path.clone(), 0)?)
        };
        log.append(&lines)
    }
}
