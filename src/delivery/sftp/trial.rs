//! Requests that no upload makes, for `check --deep`: how long one takes, and which of them the server accepts.

use std::fmt;
use std::time::{Duration, Instant};

use super::packet::{self, ReplyBody};
use super::session::status_of;
use super::{SftpError, SftpSession, SftpStatus};

/// A request that other SFTP clients make, and an upload of this program does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trial<'a> {
    /// SETSTAT with the permissions 0644.
    SetPermissions,
    /// SETSTAT with an access and a modification time.
    SetTimes,
    /// OPEN of the file to read it.
    Read,
    /// OPEN of the file to write at its end.
    Append,
    /// OPEN with CREAT and EXCL, of a file that is not there yet.
    CreateNew {
        /// The path of that file.
        path: &'a str,
    },
    /// RENAME of the file.
    Rename {
        /// The new path.
        to: &'a str,
    },
}

impl fmt::Display for Trial<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::SetPermissions => "set permissions",
            Self::SetTimes => "set times",
            Self::Read => "read",
            Self::Append => "append",
            Self::CreateNew { .. } => "create exclusively",
            Self::Rename { .. } => "rename",
        })
    }
}

impl SftpSession {
    /// The time of one request and its answer, STAT of `remote_path`. Err only when the session died.
    pub fn round_trip(&mut self, remote_path: &str) -> Result<Duration, SftpError> {
        let begun = Instant::now();
        self.size_of(remote_path)?;
        Ok(begun.elapsed())
    }

    /// The server's status for a request about the file at `remote_path`; 0 where it was accepted. A file that it opens is
    /// closed again. Err only when the session died.
    pub fn attempt(
        &mut self,
        trial: Trial<'_>,
        remote_path: &str,
    ) -> Result<SftpStatus, SftpError> {
        let path = remote_path;
        let doing = trial.to_string();
        let answer = self.ask(&doing, path, |id| match trial {
            Trial::SetPermissions => packet::set_permissions(id, path),
            Trial::SetTimes => packet::set_times(id, path, unix_time()),
            Trial::Read => packet::open_as(id, path, packet::READ),
            Trial::Append => packet::open_as(id, path, packet::APPEND),
            Trial::CreateNew { path } => packet::open_as(id, path, packet::CREATE_NEW),
            Trial::Rename { to } => packet::rename(id, path, to),
        })?;
        match answer {
            ReplyBody::Handle(handle) => {
                self.ask("close", path, |id| packet::close(id, &handle))?;
                Ok(SftpStatus::OK)
            }
            other => Ok(status_of(&other)),
        }
    }
}

/// The time in seconds since 1970, as SFTP version 3 has it: 32 bits.
fn unix_time() -> u32 {
    u32::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)
}
