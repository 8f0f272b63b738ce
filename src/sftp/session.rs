//! One logged-in SFTP session, for one thread.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use libssh2_sys as raw;
use ssh2::{ErrorCode, FileStat, OpenFlags, OpenType, Sftp};

use super::host_key::HostKeyCheck;
use super::login::Credentials;
use super::steps::{self, Reached};
use super::wire::{Fault, Wire};
use super::{HostKeyPin, SftpError, SftpSettings, SftpStatus, put};
use crate::interrupt::Interrupt;

/// A connection that is logged in. Dropping it ends the connection at once.
pub struct SftpSession {
    /// None after an error that leaves nothing to go on with.
    live: Option<Live>,
    facts: ServerFacts,
    server: String,
    window_bytes: usize,
    stall_timeout: Duration,
    buffer: Vec<u8>,
}

/// Field order is drop order; [`Live::drop`] has ended the connection before.
struct Live {
    sftp: Sftp,
    wire: Wire,
}

/// Who answered, for `check`.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    /// The greeting, such as `SSH-2.0-AWS_SFTP_1.1`, control characters escaped.
    pub banner: String,
    /// The key that was accepted.
    pub host_key: HostKeyPin,
    /// What encrypts the way to the server.
    pub cipher: String,
}

/// What the server says about the size of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteSize {
    /// The file is there with so many bytes.
    Bytes(u64),
    /// No such file: never there, or collected already.
    Gone,
    /// The server does not tell, and why.
    Unreadable(String),
}

/// What the server says about a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteDirectory {
    /// It is there.
    There,
    /// There is nothing of that name.
    Missing,
    /// Neither stat nor opendir says that it is one, which on S3 need not mean that it is not.
    Unclear(String),
}

impl SftpSession {
    /// Connects, checks the host key, logs in and opens the SFTP subsystem. Local files are read before the network is used.
    /// `interrupt` holds for every later call too: all end soon after [`Interrupt::must_stop_now`].
    pub fn connect(settings: &SftpSettings, interrupt: &Interrupt) -> Result<Self, SftpError> {
        let credentials = Credentials::load(settings)?;
        let host_key = HostKeyCheck::load(settings)?;
        Reached::dial(settings, &steps::resolve(settings)?, interrupt)?
            .greet(&host_key)?
            .trust(&host_key)?
            .log_in(&credentials)
    }

    /// A session whose SFTP subsystem is open.
    pub(super) fn new(settings: &SftpSettings, wire: Wire, sftp: Sftp, facts: ServerFacts) -> Self {
        Self {
            facts,
            server: wire.server.clone(),
            live: Some(Live { sftp, wire }),
            window_bytes: settings.window_bytes,
            stall_timeout: settings.stall_timeout,
            buffer: Vec::new(),
        }
    }

    /// True after an error, and when the server has ended the connection; the network is not asked.
    pub fn is_lost(&self) -> bool {
        self.live.as_ref().is_none_or(|live| live.wire.is_lost())
    }

    /// Who answered.
    pub fn server(&self) -> &ServerFacts {
        &self.facts
    }

    /// Creates `remote_path` with the `size` bytes of `source`; Ok means that the server confirmed its CLOSE.
    /// `acknowledged` is told of bytes as the server confirms them. After an error the session is dead and the file was not
    /// closed by us; what is left of it may still be there.
    pub fn put(
        &mut self,
        remote_path: &str,
        source: &mut impl Read,
        size: u64,
        acknowledged: &mut dyn FnMut(u64),
    ) -> Result<(), SftpError> {
        let live = self.live.take().ok_or_else(|| self.ended())?;
        let task = put::Task {
            remote_path,
            size,
            window_bytes: self.window_bytes,
            stall_timeout: self.stall_timeout,
        };
        put::put(
            &live.wire,
            &live.sftp,
            &task,
            &mut self.buffer,
            source,
            acknowledged,
        )?;
        self.live = Some(live);
        Ok(())
    }

    /// Asks for the size of a file. Err only when the session died.
    pub fn size_of(&mut self, remote_path: &str) -> Result<RemoteSize, SftpError> {
        let path = Path::new(remote_path);
        let answer = self.ask("stat", remote_path, |sftp| sftp.stat(path))?;
        Ok(match answer {
            Ok(FileStat {
                size: Some(size), ..
            }) => RemoteSize::Bytes(size),
            Ok(_) => RemoteSize::Unreadable("the server does not tell the size".into()),
            Err(status) if is_gone(status) => RemoteSize::Gone,
            Err(status) => RemoteSize::Unreadable(status.to_string()),
        })
    }

    /// Removes a file; one that is not there counts as removed.
    pub fn remove(&mut self, remote_path: &str) -> Result<(), SftpError> {
        let path = Path::new(remote_path);
        match self.ask("remove", remote_path, |sftp| sftp.unlink(path))? {
            Ok(()) => Ok(()),
            Err(status) if is_gone(status) => Ok(()),
            Err(status) => Err(SftpError::Refused {
                server: self.server.clone(),
                doing: format!("remove {remote_path}"),
                status,
                free_bytes: None,
            }),
        }
    }

    /// Best effort look at a directory: a server on S3 may not stat it as one, so opendir is asked too.
    /// Err only when the session died.
    pub fn directory(&mut self, remote_path: &str) -> Result<RemoteDirectory, SftpError> {
        let path = Path::new(remote_path);
        let stat = self.ask("stat", remote_path, |sftp| sftp.stat(path))?;
        if stat.as_ref().is_ok_and(FileStat::is_dir) {
            return Ok(RemoteDirectory::There);
        }
        let opened = self.ask("open directory", remote_path, |sftp| {
            sftp.open_mode(path, OpenFlags::READ, 0, OpenType::Dir)
        })?;
        match (opened, stat) {
            (Ok(mut handle), _) => {
                self.ask("close directory", remote_path, |_| handle.close())?
                    .ok();
                Ok(RemoteDirectory::There)
            }
            (Err(opened), Err(stat)) if is_gone(opened) && is_gone(stat) => {
                Ok(RemoteDirectory::Missing)
            }
            (Err(status), _) => Ok(RemoteDirectory::Unclear(status.to_string())),
        }
    }

    /// One request; the inner result is the server's answer, the outer one whether the session lives on.
    fn ask<T>(
        &mut self,
        verb: &str,
        remote_path: &str,
        mut request: impl FnMut(&Sftp) -> Result<T, ssh2::Error>,
    ) -> Result<Result<T, SftpStatus>, SftpError> {
        let live = self.live.take().ok_or_else(|| self.ended())?;
        match live.wire.drive(self.stall_timeout, || request(&live.sftp)) {
            Err(Fault::Ssh(error)) if let ErrorCode::SFTP(status) = error.code() => {
                self.live = Some(live);
                Ok(Err(SftpStatus(status)))
            }
            Err(fault) => Err(fault.into_error(&live.wire, format!("{verb} {remote_path}"))),
            Ok(answer) => {
                self.live = Some(live);
                Ok(Ok(answer))
            }
        }
    }

    fn ended(&self) -> SftpError {
        SftpError::Ended {
            server: self.server.clone(),
        }
    }
}

fn is_gone(status: SftpStatus) -> bool {
    matches!(
        status.0,
        raw::LIBSSH2_FX_NO_SUCH_FILE | raw::LIBSSH2_FX_NO_SUCH_PATH
    )
}

impl Drop for Live {
    fn drop(&mut self) {
        // Ends the connection before `sftp` and the session are dropped: they would wait for the server's goodbye.
        self.wire.shut_down();
    }
}
