//! Sends one file: OPEN, a sliding window of writes, CLOSE. The loop that `ssh2`'s `write_all` cannot be.
//!
//! Offering the whole unacknowledged window keeps the pipe full (`write_all` drains it at the end of every buffer: 0.13 of
//! the speed at 256 KiB and 80 ms). An [`Upload`] that is dropped before its CLOSE was answered shuts the socket first, so
//! that a cut file is never closed, not even when the source panics.

use std::io::{Read, Write as _};
use std::path::Path;
use std::time::{Duration, Instant};

use libssh2_sys::LIBSSH2_ERROR_SFTP_PROTOCOL;
use ssh2::{ErrorCode, File, OpenFlags, OpenType, Sftp};

use super::window::{self, SourceFault, Window};
use super::wire::{Fault, Wire};
use super::{SftpError, SftpStatus};

/// One packet of libssh2; a smaller window would only be slower.
const MIN_WINDOW_BYTES: usize = 30_000;
/// So many writes in a row may take nothing (a channel window split a packet) before we wait between them.
const EMPTY_WRITES: u32 = 100;
/// What asking for the free space may take: the upload has failed already.
const FREE_SPACE_LIMIT: Duration = Duration::from_secs(2);

/// What an upload is and how long it may stand still.
pub(super) struct Task<'a> {
    pub(super) remote_path: &'a str,
    pub(super) size: u64,
    pub(super) window_bytes: usize,
    pub(super) stall_timeout: Duration,
}

/// Sends `source` and commits it. `buffer` is kept from one upload to the next.
pub(super) fn put(
    wire: &Wire,
    sftp: &Sftp,
    task: &Task<'_>,
    buffer: &mut Vec<u8>,
    source: &mut impl Read,
    acknowledged: &mut dyn FnMut(u64),
) -> Result<(), SftpError> {
    let limit = task.window_bytes.max(MIN_WINDOW_BYTES);
    let mut window = Window::new(std::mem::take(buffer), limit, task.size);
    let mut upload = Upload::open(wire, sftp, task)?;
    upload.send(&mut window, source, acknowledged)?;
    upload.commit()?;
    *buffer = window.into_buffer();
    Ok(())
}

struct Upload<'a> {
    wire: &'a Wire,
    task: &'a Task<'a>,
    file: File,
    sent: u64,
    closed: bool,
}

impl<'a> Upload<'a> {
    /// Write-only, created and truncated: what a server on S3 takes.
    fn open(wire: &'a Wire, sftp: &Sftp, task: &'a Task<'a>) -> Result<Self, SftpError> {
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::TRUNCATE;
        let path = Path::new(task.remote_path);
        let file = wire
            .drive(task.stall_timeout, || {
                sftp.open_mode(path, flags, 0o644, OpenType::File)
            })
            .map_err(|fault| open_error(fault, wire, task.remote_path))?;
        Ok(Self {
            wire,
            task,
            file,
            sent: 0,
            closed: false,
        })
    }

    fn send(
        &mut self,
        window: &mut Window,
        source: &mut impl Read,
        acknowledged: &mut dyn FnMut(u64),
    ) -> Result<(), SftpError> {
        let mut empty_writes = 0_u32;
        let mut last_progress = Instant::now();
        if self.task.size == 0 {
            window::ensure_end(source).map_err(|fault| self.source_error(fault))?;
        }
        loop {
            let before = Instant::now();
            window
                .fill(source)
                .map_err(|fault| self.source_error(fault))?;
            last_progress += before.elapsed(); // a slow source is no stalled server
            if window.unacknowledged().is_empty() {
                return Ok(());
            }
            match self.file.write(window.unacknowledged()) {
                Ok(0) => {
                    empty_writes += 1;
                    if empty_writes > EMPTY_WRITES {
                        self.wire.pause();
                    }
                }
                Ok(bytes) => {
                    window.acknowledge(bytes);
                    self.sent += bytes as u64;
                    acknowledged(bytes as u64);
                    empty_writes = 0;
                    last_progress = Instant::now();
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    let still = last_progress.elapsed();
                    self.wire
                        .wait(self.task.stall_timeout.saturating_sub(still));
                }
                Err(error) => return Err(self.write_error(&error)),
            }
            self.check(last_progress)?;
        }
    }

    fn check(&self, last_progress: Instant) -> Result<(), SftpError> {
        if self.wire.interrupt.must_stop_now() {
            return Err(Fault::Interrupted.into_error(self.wire, self.doing("send")));
        }
        if last_progress.elapsed() >= self.task.stall_timeout {
            return Err(SftpError::Stalled {
                server: self.wire.server.clone(),
                doing: self.doing("send"),
                acknowledged: self.sent,
                limit: self.task.stall_timeout,
            });
        }
        Ok(())
    }

    /// CLOSE; its answer is the commit. Without an answer the file may be whole all the same.
    fn commit(mut self) -> Result<(), SftpError> {
        let outcome = self
            .wire
            .drive(self.task.stall_timeout, || self.file.close());
        let fault = match outcome {
            Ok(()) => {
                self.closed = true;
                return Ok(());
            }
            Err(fault) => fault,
        };
        match fault.into_error(self.wire, self.doing("close")) {
            refused @ SftpError::Refused { .. } => Err(refused),
            source => Err(SftpError::CommitUnknown {
                server: self.wire.server.clone(),
                remote_path: self.task.remote_path.to_owned(),
                source: Box::new(source),
            }),
        }
    }

    /// `File::write` loses the error's number; the session still knows whether the server refused or was lost.
    fn write_error(&self, error: &std::io::Error) -> SftpError {
        let doing = self.doing("write");
        let last = ssh2::Error::last_session_error(&self.wire.session)
            .unwrap_or_else(ssh2::Error::unknown);
        if last.code() != ErrorCode::Session(LIBSSH2_ERROR_SFTP_PROTOCOL) {
            return Fault::Ssh(last).into_error(self.wire, doing);
        }
        let status = SftpStatus::from_text(&error.to_string());
        SftpError::Refused {
            server: self.wire.server.clone(),
            doing,
            status,
            free_bytes: status
                .may_be_no_space()
                .then(|| self.free_bytes())
                .flatten(),
        }
    }

    /// Asks on a channel of its own: on this one a packet may be half sent, and another request would end up in the file.
    /// Best effort; if the half of a packet is stuck in libssh2 itself, nothing more can be asked.
    fn free_bytes(&self) -> Option<u64> {
        let limit = FREE_SPACE_LIMIT;
        let path = Path::new(self.task.remote_path);
        let other = self.wire.drive(limit, || self.wire.session.sftp()).ok()?;
        let mut file = self.wire.drive(limit, || other.open(path)).ok()?;
        let room = self.wire.drive(limit, || file.statvfs());
        self.wire.shut_down(); // so that dropping both does not wait
        let room = room.ok()?;
        room.f_bavail.checked_mul(room.f_frsize)
    }

    fn source_error(&self, fault: SourceFault) -> SftpError {
        let remote_path = self.task.remote_path.to_owned();
        match fault {
            SourceFault::Io(source) => SftpError::Source {
                remote_path,
                source,
            },
            SourceFault::Size => SftpError::SourceSize {
                remote_path,
                expected: self.task.size,
            },
        }
    }

    fn doing(&self, verb: &str) -> String {
        format!("{verb} {}", self.task.remote_path)
    }
}

/// Tells a server that refused, so that there is no file, from one that was lost.
fn open_error(fault: Fault, wire: &Wire, remote_path: &str) -> SftpError {
    match fault.into_error(wire, format!("open {remote_path}")) {
        SftpError::Refused { server, status, .. } => SftpError::OpenRefused {
            server,
            remote_path: remote_path.to_owned(),
            status,
        },
        other => other,
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        if !self.closed {
            self.wire.shut_down();
        }
    }
}
