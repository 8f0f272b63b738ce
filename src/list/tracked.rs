//! Whom this job has put on a list and not taken off again: `tracked-<list id>.csv` in the job's folder.
//!
//! It holds identifiers, is 0600, and is replaced whole when a run's list stage ends.

use std::path::{Path, PathBuf};

use super::presence::{among, without_flag};
use super::rows::{PersonFile, RowFile, each_person};
use crate::manifest::StateError;

/// The file of one list.
#[derive(Debug, Clone)]
pub struct TrackedFile {
    path: PathBuf,
}

impl TrackedFile {
    /// The file for the list, in the folder of the job.
    pub fn of(job_directory: &Path, list_id: &str) -> Self {
        let harmless = |c: &char| c.is_ascii_alphanumeric() || *c == '_' || *c == '-';
        let id: String = list_id.chars().filter(harmless).collect();
        Self {
            path: job_directory.join(format!("tracked-{id}.csv")),
        }
    }

    /// The file as a source of rows; none when there is no file yet.
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        if self.path.exists() {
            vec![self.path.clone()]
        } else {
            Vec::new()
        }
    }

    /// From now on: the people of `files`, and nobody else.
    pub fn replace_by(&self, files: &[RowFile]) -> Result<(), StateError> {
        let paths: Vec<PathBuf> = files.iter().map(|file| file.path.clone()).collect();
        self.replace(&paths, true)
    }

    /// Remembers also the people of `files`, as far as these are there.
    pub fn add(&self, files: &[RowFile]) -> Result<(), StateError> {
        let paths = files.iter().map(|file| file.path.clone());
        let paths: Vec<PathBuf> = paths.filter(|path| path.exists()).collect();
        if paths.is_empty() {
            return Ok(());
        }
        self.replace(&paths, false)
    }

    /// From now on: the people of `audience`, and those of before who are not among them unless they were removed.
    pub(super) fn replace(&self, audience: &[PathBuf], removed: bool) -> Result<(), StateError> {
        let mut file = PersonFile::create(&self.path)?;
        each_person(audience, |_, person| {
            file.push(person)?;
            Ok(true)
        })?;
        let before = self.paths();
        if !removed && !before.is_empty() {
            without_flag(&before, &among(&before, audience)?, |person| {
                file.push(person)
            })?;
        }
        file.finish()
    }
}
