//! One logged-in SFTP session, for one thread.

use std::io::Read;
use std::time::Duration;

use super::host_key::HostKeyCheck;
use super::login::Credentials;
use super::packet::{self, ReplyBody};
use super::steps::{self, ReachedServer};
use super::subsystem::Subsystem;
use super::wire::{Fault, SshConnection};
use super::{HostKeyPin, SftpError, SftpSettings, SftpStatus, SshError, put};
use crate::base::interrupt::Interrupt;

/// A connection that is logged in. Dropping it ends the connection at once.
pub struct SftpSession {
    /// None after an error that leaves nothing to go on with.
    live: Option<LiveSession>,
    facts: ServerFacts,
    server: String,
    window_bytes: usize,
    stall_timeout: Duration,
    commit_timeout: Duration,
}

/// The parts of an open session.
struct LiveSession {
    subsystem: Subsystem,
    connection: SshConnection,
}

/// Facts of the server, for `check`.
#[derive(Debug, Clone)]
pub struct ServerFacts {
    /// The greeting, such as `SSH-2.0-AWS_SFTP_1.1`, control characters escaped.
    pub banner: String,
    /// The key that was accepted.
    pub host_key: HostKeyPin,
    /// The cipher of the direction to the server.
    pub cipher: String,
}

/// The server's answer to the question for a file's size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteSize {
    /// The file is there with so many bytes.
    Bytes(u64),
    /// No such file: never there, or collected already.
    Gone,
    /// The server does not tell, and why.
    Unreadable(String),
}

/// The outcome of removing a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// The server has removed it.
    Removed,
    /// There is no such file: never was, was collected, or is not visible yet.
    NotThere,
}

/// The server's answer to the question for a directory.
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
        ReachedServer::dial(settings, &steps::resolve(settings)?, interrupt)?
            .greet(&host_key)?
            .trust(&host_key)?
            .log_in(&credentials)
    }

    /// A session whose SFTP subsystem is open.
    pub(super) fn new(
        settings: &SftpSettings,
        connection: SshConnection,
        subsystem: Subsystem,
        facts: ServerFacts,
    ) -> Self {
        Self {
            facts,
            server: connection.wire.server.clone(),
            live: Some(LiveSession {
                subsystem,
                connection,
            }),
            window_bytes: settings.window_bytes,
            stall_timeout: settings.stall_timeout,
            commit_timeout: settings.commit_timeout,
        }
    }

    /// True after an error, and when the server has ended the connection; the network is not asked.
    pub fn is_lost(&self) -> bool {
        self.live
            .as_ref()
            .is_none_or(|live| live.connection.is_lost())
    }

    /// Facts of the server.
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
        let mut live = self.live.take().ok_or_else(|| self.ended())?;
        let task = put::PutTask {
            remote_path,
            size,
            window_bytes: self.window_bytes,
            stall_timeout: self.stall_timeout,
            commit_timeout: self.commit_timeout,
        };
        put::put(
            &live.connection.wire,
            &mut live.subsystem,
            &task,
            source,
            acknowledged,
        )?;
        self.live = Some(live);
        Ok(())
    }

    /// Asks for the size of a file. Err only when the session died.
    pub fn size_of(&mut self, remote_path: &str) -> Result<RemoteSize, SftpError> {
        let answer = self.ask("stat", remote_path, |id| packet::stat(id, remote_path))?;
        Ok(match answer {
            ReplyBody::Attributes(found) => found.size.map_or_else(
                || RemoteSize::Unreadable("the server does not tell the size".into()),
                RemoteSize::Bytes,
            ),
            ReplyBody::Status(status) if is_gone(status) => RemoteSize::Gone,
            other => RemoteSize::Unreadable(status_of(&other).to_string()),
        })
    }

    /// Removes a file, and tells whether there was one.
    pub fn remove(&mut self, remote_path: &str) -> Result<Removal, SftpError> {
        match self.ask("remove", remote_path, |id| packet::remove(id, remote_path))? {
            ReplyBody::Status(0) => Ok(Removal::Removed),
            ReplyBody::Status(status) if is_gone(status) => Ok(Removal::NotThere),
            other => Err(SftpError::Refused {
                server: self.server.clone(),
                doing: format!("remove {remote_path}"),
                status: status_of(&other),
                free_bytes: None,
            }),
        }
    }

    /// Best effort look at a directory: a server on S3 may not stat it as one, so opendir is asked too.
    /// Err only when the session died.
    pub fn directory(&mut self, remote_path: &str) -> Result<RemoteDirectory, SftpError> {
        let stat = self.ask("stat", remote_path, |id| packet::stat(id, remote_path))?;
        if matches!(&stat, ReplyBody::Attributes(found) if found.is_directory) {
            return Ok(RemoteDirectory::There);
        }
        let opened = self.ask("open directory", remote_path, |id| {
            packet::open_directory(id, remote_path)
        })?;
        match (opened, stat) {
            (ReplyBody::Handle(handle), _) => {
                self.ask("close directory", remote_path, |id| {
                    packet::close(id, &handle)
                })?;
                Ok(RemoteDirectory::There)
            }
            (ReplyBody::Status(opened), ReplyBody::Status(stat))
                if is_gone(opened) && is_gone(stat) =>
            {
                Ok(RemoteDirectory::Missing)
            }
            (other, _) => Ok(RemoteDirectory::Unclear(status_of(&other).to_string())),
        }
    }

    /// One request and its answer; Err only when the session died.
    pub(super) fn ask(
        &mut self,
        verb: &str,
        remote_path: &str,
        request: impl FnOnce(u32) -> Vec<u8>,
    ) -> Result<ReplyBody, SftpError> {
        let mut live = self.live.take().ok_or_else(|| self.ended())?;
        let wire = &live.connection.wire;
        let answer = wire
            .drive(self.stall_timeout, live.subsystem.ask(request))
            .and_then(|answer| match answer {
                ReplyBody::Version(_) | ReplyBody::Extended(_) => Err(Fault::Ssh(SshError::NoSftp)),
                answer => Ok(answer),
            })
            .map_err(|fault| fault.into_error(wire, format!("{verb} {remote_path}")))?;
        self.live = Some(live);
        Ok(answer)
    }

    fn ended(&self) -> SftpError {
        SftpError::Ended {
            server: self.server.clone(),
        }
    }
}

fn is_gone(status: u32) -> bool {
    matches!(
        SftpStatus(status),
        SftpStatus::NO_SUCH_FILE | SftpStatus::NO_SUCH_PATH
    )
}

/// The status of an answer that is not the one that was asked for.
pub(super) fn status_of(answer: &ReplyBody) -> SftpStatus {
    match answer {
        ReplyBody::Status(status) => SftpStatus(*status),
        _ => SftpStatus::BAD_MESSAGE,
    }
}
