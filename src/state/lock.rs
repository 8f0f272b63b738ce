//! One run per job at a time.
//!
//! An advisory lock on a file in the job's state folder; the kernel frees it when the process dies, however it dies.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::base::interrupt::Interrupt;
use crate::state::manifest::StateError;
use crate::state::storage::storage;

/// The flag of open() that refuses a symbolic link.
#[expect(clippy::cast_possible_wrap, reason = "a bit far below the sign")]
const NO_FOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits() as i32;

/// The reason for which a job's lock could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another run has it.
    #[error("another run of this job is under way ({holder}); lock file {}", path.display())]
    Held {
        /// The holder, in words.
        holder: String,
        /// The lock file.
        path: PathBuf,
    },
    /// The lock file cannot be opened.
    #[error(transparent)]
    State(#[from] StateError),
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
        let failed = storage(&path, "lock it");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            // What a link leads to would be emptied.
            .custom_flags(NO_FOLLOW)
            .open(&path)
            .map_err(failed)?;
        if !lock_soon(&file).map_err(failed)? {
            return Err(LockError::Held {
                holder: holder_of(file),
                path,
            });
        }
        let line = format!(
            "process {} since {}\n",
            std::process::id(),
            seconds(Timestamp::now())
        );
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(line.as_bytes()))
            .map_err(failed)?;
        Ok(Self { _file: file })
    }
}

/// The holder of the lock of the job whose state is in `directory`, in words; `None` when it is free.
pub fn holder(directory: &Path) -> Option<String> {
    let file = File::open(directory.join("lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => Some(holder_of(file)),
        Ok(()) | Err(TryLockError::Error(_)) => None,
    }
}

/// Tries for a moment: somebody may only be looking who has the lock.
fn lock_soon(file: &File) -> std::io::Result<bool> {
    for _ in 0..10 {
        match file.try_lock() {
            Ok(()) => return Ok(true),
            Err(TryLockError::WouldBlock) => Interrupt::new().sleep(Duration::from_millis(20)),
            Err(TryLockError::Error(source)) => return Err(source),
        };
    }
    Ok(false)
}

fn holder_of(file: File) -> String {
    let mut holder = String::new();
    // The holder writes its line right after locking: it may not be there yet.
    let _ = file.take(200).read_to_string(&mut holder);
    match holder.trim() {
        "" => "just started".to_owned(),
        holder => holder.to_owned(),
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
        assert!(holder(directory.path()).is_some_and(|holder| error.contains(&holder)));
        drop(first);
        assert_eq!(holder(directory.path()), None);
        JobLock::take(directory.path()).unwrap();
    }
}
