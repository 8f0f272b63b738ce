//! The members that this job has added to a list and not removed again: `tracked-<list id>.csv` in the job's folder.
//!
//! It holds identifiers, is 0600, and is replaced whole when a run's list stage ends. Whom a run that has not come so far may
//! have put there stands beside it, in `tracked-<list id>-open.csv`: another run may take its place, and must know them.

use std::path::{Path, PathBuf};

use super::identity::VerbatimForms;
use super::presence::{among, without_flag};
use super::rows::{PersonFile, RowFile, each_person};
use crate::state::manifest::StateError;
use crate::state::storage::storage;

/// The file of one list.
#[derive(Debug, Clone)]
pub struct TrackedFile {
    settled: PathBuf,
    open: PathBuf,
}

impl TrackedFile {
    /// The file for the list, in the folder of the job.
    pub fn of(job_directory: &Path, list_id: &str) -> Self {
        let harmless = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '-';
        let id: String = list_id.chars().filter(harmless).collect();
        Self {
            settled: job_directory.join(format!("tracked-{id}.csv")),
            open: job_directory.join(format!("tracked-{id}-open.csv")),
        }
    }

    /// Those whom finished runs have put on the list.
    pub(super) fn settled(&self) -> Vec<PathBuf> {
        existing([&self.settled])
    }

    /// Whether any run of the job has ended that tracks whom it puts on the list, as far as the file tells.
    pub fn is_there(&self) -> bool {
        self.settled.exists()
    }

    /// The file of those whom finished runs have put on the list.
    pub fn path(&self) -> &Path {
        &self.settled
    }

    /// Those whom finished runs have put on the list, and those whom unfinished runs may have put there.
    pub(super) fn all(&self) -> Vec<PathBuf> {
        existing([&self.settled, &self.open])
    }

    /// A run is about to put the people of `audience` on the list.
    pub fn begin(&self, audience: &[RowFile]) -> Result<(), StateError> {
        write(&self.open, &paths(audience), &existing([&self.open]))
    }

    /// From now on: the people of `audience`, and nobody else.
    pub fn replace(&self, audience: &[PathBuf]) -> Result<(), StateError> {
        write(&self.settled, audience, &[])?;
        self.close()
    }

    /// As [`TrackedFile::replace`], when all of a run's rows are in `audience`.
    pub fn replace_by(&self, audience: &[RowFile]) -> Result<(), StateError> {
        self.replace(&paths(audience))
    }

    /// From now on: the people of `audience`, and those of before, who were not removed.
    pub(super) fn add(&self, audience: &[PathBuf]) -> Result<(), StateError> {
        write(&self.settled, audience, &self.all())?;
        self.close()
    }

    fn close(&self) -> Result<(), StateError> {
        match std::fs::remove_file(&self.open) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(storage(&self.open, "write it")(error))
            }
            _ => Ok(()),
        }
    }
}

fn paths(files: &[RowFile]) -> Vec<PathBuf> {
    files.iter().map(|file| file.path.clone()).collect()
}

fn existing<const N: usize>(paths: [&PathBuf; N]) -> Vec<PathBuf> {
    paths
        .into_iter()
        .filter(|path| path.exists())
        .cloned()
        .collect()
}

/// Writes the people of `audience`, and those of `before` who are not among them.
fn write(path: &Path, audience: &[PathBuf], before: &[PathBuf]) -> Result<(), StateError> {
    let mut file = PersonFile::create(path)?;
    each_person(audience, |_, person| {
        file.push(person)?;
        Ok(true)
    })?;
    if !before.is_empty() {
        without_flag(
            before,
            &among(&VerbatimForms, before, audience)?,
            |person| file.push(person),
        )?;
    }
    file.finish()
}
