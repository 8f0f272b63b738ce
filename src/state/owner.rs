//! The job that a folder of state belongs to: two jobs of one name must not share it.
//!
//! A job file that was copied and kept its name would go on with the runs of the first one, or take their place.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::state::directory::JobDirectory;
use crate::state::manifest::StateError;
use crate::state::storage::replace_json;

/// The version of the record's form.
const OWNER_VERSION: u32 = 1;

/// A job as its state remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobOwner {
    /// The version of the form, `OWNER_VERSION`.
    pub version: u32,
    /// The job file, absolute; `None` of a job that `send` made of its flags.
    pub job_file: Option<PathBuf>,
    /// Where its profiles go.
    pub server: String,
}

impl JobOwner {
    /// The job in the file `job_file`, or one that `send` made, which delivers to `server`.
    pub fn new(job_file: Option<&Path>, server: String) -> Self {
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self {
            version: OWNER_VERSION,
            job_file: job_file.map(absolute),
            server,
        }
    }

    /// The job that `state` belongs to; `None` where no run of this version was there.
    pub fn read(state: &JobDirectory) -> Option<Self> {
        let bytes = std::fs::read(state.owner()).ok()?;
        serde_json::from_slice(&bytes).ok()
    }

    /// Remembers that `state` belongs to this job. A copy of the job file that says the same leaves the first one's name.
    pub fn write(&self, state: &JobDirectory) -> Result<(), StateError> {
        let known = Self::read(state);
        let is_copy = known.as_ref().is_some_and(|known| {
            known.server == self.server && known.job_file != self.job_file && self.is_copy_of(known)
        });
        if is_copy || known.as_ref() == Some(self) {
            return Ok(());
        }
        replace_json(&state.owner(), self)
    }

    /// Whether this is another job than `known`: another file while the known one is still there, or while the server is
    /// another one too. A file that was moved, an edit, and a copy that says the same are no other job.
    pub fn is_other_than(&self, known: &Self) -> bool {
        match (&known.job_file, &self.job_file) {
            (None, _) => false,
            (Some(then), None) => then.exists(),
            (Some(then), Some(now)) if is_same_file(then, now) => false,
            (Some(then), Some(_)) if then.exists() => {
                known.server != self.server || !self.is_copy_of(known)
            }
            (Some(_), Some(_)) => known.server != self.server,
        }
    }

    fn is_copy_of(&self, known: &Self) -> bool {
        let bytes = |owner: &Self| std::fs::read(owner.job_file.as_ref()?).ok();
        let now = bytes(self);
        now.is_some() && now == bytes(known)
    }
}

/// The job as a message names it.
impl std::fmt::Display for JobOwner {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.job_file {
            Some(path) => write!(out, "{}", path.display())?,
            None => write!(out, "`send`")?,
        }
        write!(out, " ({})", self.server)
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| {
        let file = std::fs::metadata(path).ok()?;
        Some((file.dev(), file.ino()))
    };
    one == other || identity(one).is_some_and(|found| Some(found) == identity(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_that_says_something_else_is_another_job() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for (name, text) in [("a.toml", "1"), ("same.toml", "1"), ("b.toml", "2")] {
            std::fs::write(path(name), text).unwrap();
        }
        std::os::unix::fs::symlink(path("a.toml"), path("link.toml")).unwrap();
        let job = |name: Option<&str>, server: &str| {
            let file = name.map(path);
            JobOwner::new(file.as_deref(), server.to_owned())
        };
        for (known, now, is_other) in [
            (job(Some("a.toml"), "s"), job(Some("a.toml"), "s"), false),
            // An edit in place.
            (job(Some("a.toml"), "s"), job(Some("a.toml"), "t"), false),
            (job(Some("a.toml"), "s"), job(Some("link.toml"), "s"), false),
            (job(Some("a.toml"), "s"), job(Some("same.toml"), "s"), false),
            // The same text, of which variables make another job.
            (job(Some("a.toml"), "s"), job(Some("same.toml"), "t"), true),
            (job(Some("a.toml"), "s"), job(Some("b.toml"), "s"), true),
            (job(Some("a.toml"), "s"), job(Some("b.toml"), "t"), true),
            // The file was moved; or it is out of sight and this is another one.
            (job(Some("gone.toml"), "s"), job(Some("b.toml"), "s"), false),
            (job(Some("gone.toml"), "s"), job(Some("b.toml"), "t"), true),
            (job(Some("a.toml"), "s"), job(None, "s"), true),
            (job(Some("gone.toml"), "s"), job(None, "s"), false),
            (job(None, "s"), job(Some("a.toml"), "t"), false),
            (job(None, "s"), job(None, "t"), false),
        ] {
            assert_eq!(now.is_other_than(&known), is_other, "{known} {now}");
        }
    }
}
