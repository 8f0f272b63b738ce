//! The journal of what Klaviyo has accepted: one JSON object on each line, only ever appended to. A manifest that is rewritten for every batch
//! would take quadratic time.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::klaviyo::settings::Mirror;
use crate::state::manifest::StateError;
use crate::state::storage::{AppendLog, storage, whole_lines};

/// The file's name in a run's folder.
pub const FILE_NAME: &str = "list.journal";

/// One thing that happened. Rows are counted from 1 in their part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum JournalEntry {
    /// The following entries are about this list; without an id, about none.
    List {
        /// Its id.
        id: Option<String>,
        /// Whether this run made it.
        created: bool,
    },
    /// Klaviyo took an import job.
    Accepted(ImportBatch),
    /// An import job is complete.
    Settled {
        /// Its id.
        job: String,
        /// Profiles that it could not import.
        failed: u64,
        /// How long `attach-rejects.csv` is now.
        rejects_bytes: u64,
    },
    /// Rows were looked up, and those that have a profile were added by its id.
    Added {
        /// The part.
        part: u32,
        /// The first row.
        first: u64,
        /// How many rows.
        rows: u64,
        /// How many of them have a profile.
        found: u64,
    },
    /// All of the audience was put on the list, but for those who have no profile.
    Attached {
        /// How many were.
        attached: u64,
        /// How many have none.
        unresolved: u64,
        /// How long `attach-rejects.csv` is now.
        rejects_bytes: u64,
    },
    /// How many members the list had before anybody was put on it.
    Before {
        /// How many.
        members: u64,
    },
    /// The members to remove are in `removals.csv`.
    Planned {
        /// By which rule.
        mode: Mirror,
        /// How many.
        removals: u64,
        /// Of how many.
        of: u64,
        /// How many stay because their phone numbers cannot be read.
        #[serde(default)]
        unreadable: u64,
    },
    /// The plan is withdrawn: it was made by another rule.
    Discarded {
        /// How long `removed.csv` is: who is in it stays on record.
        removed_bytes: u64,
    },
    /// A person has approved of the removals.
    Approved,
    /// Klaviyo removed some.
    Removed {
        /// How many of `removals.csv` are done.
        done: u64,
        /// How long `removed.csv` is now.
        removed_bytes: u64,
    },
    /// Everybody who was to be removed is.
    Mirrored {
        /// How many.
        removed: u64,
    },
}

impl JournalEntry {
    /// Whether it plans to remove those alone whom the job has put on the list.
    pub fn is_tracked(&self) -> bool {
        matches!(
            self,
            Self::Planned {
                mode: Mirror::Tracked,
                ..
            }
        )
    }

    /// How long `attach-rejects.csv` was then, if it tells.
    pub(super) fn rejects_bytes(&self) -> Option<u64> {
        match self {
            Self::Accepted(ImportBatch { rejects_bytes, .. })
            | Self::Settled { rejects_bytes, .. }
            | Self::Attached { rejects_bytes, .. } => Some(*rejects_bytes),
            _ => None,
        }
    }
}

/// An import job that Klaviyo took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportBatch {
    /// The part that its rows are of.
    pub part: u32,
    /// The first row.
    pub first: u64,
    /// How many rows, those that were dropped among them.
    pub rows: u64,
    /// Rows that were left out.
    pub dropped: Vec<u64>,
    /// The job's id.
    pub job: String,
    /// How long `attach-rejects.csv` is now.
    pub rejects_bytes: u64,
}

/// The open journal of a run.
#[derive(Debug)]
pub struct Journal(AppendLog);

impl Journal {
    /// Opens the journal in a run's folder, and reads what is in it. A last line that was cut by a crash is dropped.
    pub fn open(run_directory: &Path) -> Result<(Self, Vec<JournalEntry>), StateError> {
        let (log, entries) = AppendLog::open(run_directory.join(FILE_NAME), entries)?;
        Ok((Self(log), entries))
    }

    /// Appends `entry`; durable when this returns.
    pub fn append(&mut self, entry: &JournalEntry) -> Result<(), StateError> {
        let line = serde_json::to_vec(entry);
        let mut line = line.map_err(|error| storage(self.0.path(), "write it")(error.into()))?;
        line.push(b'\n');
        self.0.append(&line)
    }

    /// Forgets everything.
    pub fn clear(&mut self) -> Result<(), StateError> {
        self.0.cut(0)
    }
}

/// The content of a run's journal, without opening it for writing.
pub fn read(run_directory: &Path) -> Result<Vec<JournalEntry>, StateError> {
    let path = run_directory.join(FILE_NAME);
    match std::fs::read(&path) {
        Ok(bytes) => entries(&path, &bytes[..whole_lines(&bytes)]),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(storage(&path, "read it")(error)),
    }
}

/// The entries of lines.
fn entries(path: &Path, lines: &[u8]) -> Result<Vec<JournalEntry>, StateError> {
    let lines = lines.split(|byte| *byte == b'\n').enumerate();
    lines
        .filter(|(_, line)| !line.is_empty())
        .map(|(number, line)| {
            serde_json::from_slice(line).map_err(|_| StateError::Damaged {
                path: path.to_owned(),
                line: number + 1,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_line_is_dropped_and_a_damaged_one_told() {
        let directory = tempfile::tempdir().unwrap();
        let entry = JournalEntry::Planned {
            mode: Mirror::Exact,
            removals: 3,
            of: 10,
            unreadable: 0,
        };
        let (mut journal, entries) = Journal::open(directory.path()).unwrap();
        assert!(entries.is_empty());
        journal.append(&entry).unwrap();
        journal
            .append(&JournalEntry::Mirrored { removed: 3 })
            .unwrap();
        let path = directory.path().join(FILE_NAME);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, &text[..text.len() - 5]).unwrap();
        let (mut journal, entries) = Journal::open(directory.path()).unwrap();
        assert_eq!(entries, std::slice::from_ref(&entry));
        journal.append(&entry).unwrap();
        assert_eq!(read(directory.path()).unwrap(), [entry.clone(), entry]);
        let damaged = "{\"planned\":1}\n{\"mirrored\":{\"rem";
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(
            Journal::open(directory.path()),
            Err(StateError::Damaged { line: 1, .. })
        ));
        let left = std::fs::read_to_string(&path).unwrap();
        assert_eq!(left, damaged, "what is there can still be looked at");
    }
}
