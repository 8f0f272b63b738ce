//! One run per job at a time.
//!
//! An advisory lock on a file in the job's state folder; the kernel frees it when the process dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Why a job's lock is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error("another run of this job is under way ({holder}); lock file {}", path.display())]
    Held {
        /// Who has it, in words.
        holder: String,
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be opened.
    #[error("{}: cannot lock it", path.display())]
    Storage {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

/// A held lock; dropping it gives it back.
#[derive(Debug)]
pub struct JobLock {
    _file: File,
}

impl JobLock {
    /// Takes the lock of the job whose state is in `directory`, or says who has it.
    pub fn take(directory: &Path) -> Result<Self, LockError> {
        let path = directory.join("lock");
        let storage = |source| LockError::Storage {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(storage)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder writes its line right after locking: it may not be there yet.
                let _ = file.take(200).read_to_string(&mut holder);
                let holder = if holder.trim().is_empty() {
                    "just started".to_owned()
                } else {
                    holder.trim().to_owned()
                };
                return Err(LockError::Held { holder, path });
            }
            Err(TryLockError::Error(source)) => return Err(storage(source)),
        }
        let line = format!(
            "process {} since {}\n",
            std::process::id(),
            seconds(Timestamp::now())
        );
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(line.as_bytes()))
            .map_err(storage)?;
        Ok(Self { _file: file })
    }
}

/// A time stamp without fractions of a second.
pub fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_lock_names_the_first_and_is_free_after_it() {
        let directory = tempfile::tempdir().unwrap();
        let first = JobLock::take(directory.path()).unwrap();
        let error = JobLock::take(directory.path()).unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        drop(first);
        JobLock::take(directory.path()).unwrap();
    }
}
