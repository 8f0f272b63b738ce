//! One SSH session on one socket, driven without blocking: every request waits here, in slices that notice a signal.
//!
//! The socket is shut down before the session is dropped, whatever happened: libssh2 would otherwise wait for answers that
//! never come (measured: three more timeouts), and closing a handle of a cut file would commit it.

use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use libssh2_sys::LIBSSH2_ERROR_EAGAIN;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use ssh2::{BlockDirections, ErrorCode, Session};

use super::{SftpError, SftpStatus};
use crate::interrupt::Interrupt;

/// The longest wait that does not look at the interrupt.
const SLICE: Duration = Duration::from_millis(250);
/// The wait of a session that says it waits, but not for what (libssh2 PR 1945).
const PAUSE: Duration = Duration::from_millis(10);
/// What a call that blocks after all, in a destructor, may take.
const LAST_RESORT_MS: u32 = 1_000;

/// The session and a second handle of its socket.
pub(super) struct Wire {
    pub(super) session: Session,
    pub(super) interrupt: Interrupt,
    /// `host:port`, for errors.
    pub(super) server: String,
    socket: TcpStream,
}

/// Why a request got no good answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// libssh2 or the server says so.
    Ssh(ssh2::Error),
    /// No answer within this time.
    TimedOut(Duration),
    /// The run is to end at once.
    Interrupted,
}

impl Wire {
    /// Puts a session on a connected socket; nothing is sent yet.
    pub(super) fn new(
        socket: TcpStream,
        server: String,
        interrupt: Interrupt,
    ) -> Result<Self, SftpError> {
        let clone = socket.try_clone().map_err(|source| SftpError::Connect {
            server: server.clone(),
            source,
        })?;
        let mut session = Session::new().map_err(|source| SftpError::Handshake {
            server: server.clone(),
            source,
        })?;
        session.set_tcp_stream(clone);
        session.set_blocking(false);
        session.set_timeout(LAST_RESORT_MS);
        Ok(Self {
            session,
            interrupt,
            server,
            socket,
        })
    }

    /// Repeats `request` until it is answered, for at most `limit`.
    pub(super) fn drive<T>(
        &self,
        limit: Duration,
        mut request: impl FnMut() -> Result<T, ssh2::Error>,
    ) -> Result<T, Fault> {
        let until = Instant::now() + limit;
        loop {
            match request() {
                Err(error) if error.code() == ErrorCode::Session(LIBSSH2_ERROR_EAGAIN) => {}
                Err(error) => return Err(Fault::Ssh(error)),
                Ok(answer) => return Ok(answer),
            }
            if self.interrupt.must_stop_now() {
                return Err(Fault::Interrupted);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Fault::TimedOut(limit));
            }
            self.wait(left);
        }
    }

    /// Waits until the session can go on, for one slice at most. While a packet is half sent, libssh2 names both
    /// directions but does not read: waiting for input too would spin at 100 % CPU (measured).
    pub(super) fn wait(&self, at_most: Duration) {
        match self.session.block_directions() {
            BlockDirections::Inbound => self.poll(PollFlags::IN, at_most.min(SLICE)),
            BlockDirections::Outbound | BlockDirections::Both => {
                self.poll(PollFlags::OUT, at_most.min(SLICE));
            }
            BlockDirections::None => self.pause(),
        }
    }

    /// Waits a moment, or until the server says something.
    pub(super) fn pause(&self) {
        self.poll(PollFlags::IN, PAUSE);
    }

    fn poll(&self, flags: PollFlags, at_most: Duration) {
        let timeout = Timespec::try_from(at_most).ok();
        // An error of poll (a signal) only means to look again; a broken socket shows in the next call of the session.
        let _ = poll(&mut [PollFd::new(&self.socket, flags)], timeout.as_ref());
    }

    /// Whether the connection has ended from the other side, be there unread bytes or not: libssh2 gives the same error
    /// for a server that went away in the middle of the greeting or the login and for one that refused.
    pub(super) fn is_lost(&self) -> bool {
        #[cfg(target_os = "linux")]
        let ended = PollFlags::RDHUP;
        #[cfg(not(target_os = "linux"))]
        let ended = PollFlags::empty();
        let mut sockets = [PollFd::new(&self.socket, ended)];
        let at_once = Timespec::default();
        // The kernel tells of a reset without being asked; an orderly end shows to `peek` where there is no RDHUP.
        let told = poll(&mut sockets, Some(&at_once)).is_ok_and(|sockets| sockets > 0);
        told || matches!(self.socket.peek(&mut [0]), Ok(0))
    }

    /// Ends the connection under the session: from here on nothing can be sent, in particular no CLOSE of a cut file.
    pub(super) fn shut_down(&self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Fault {
    /// The error of an established session; `doing` says what was asked.
    pub(super) fn into_error(self, wire: &Wire, doing: String) -> SftpError {
        let server = wire.server.clone();
        match self {
            Self::Ssh(error) if let ErrorCode::SFTP(status) = error.code() => SftpError::Refused {
                server,
                doing,
                status: SftpStatus(status),
                free_bytes: None,
            },
            Self::Ssh(source) => SftpError::Lost {
                server,
                doing,
                source,
            },
            Self::TimedOut(limit) => SftpError::TimedOut {
                server,
                doing,
                limit,
            },
            Self::Interrupted => SftpError::Interrupted { server, doing },
        }
    }
}
