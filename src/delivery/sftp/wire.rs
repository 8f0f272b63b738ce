//! One SSH connection on one way to the server, driven without a thread of its own: every request waits here, in slices that notice
//! a signal, and nothing is sent or read between two requests.
//!
//! The socket is shut down before the rest is dropped, whatever happened: closing a handle of a cut file would commit it.

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::Socket;
use tokio::runtime::Runtime;
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};

use super::heard::Transcript;
use super::peer::{Peer, Transport};
use super::way::{Carrier, Keeper, Stream};
use super::{SftpError, SshError};
use crate::base::interrupt::Interrupt;

/// The longest wait that does not look at the interrupt.
const SLICE: Duration = Duration::from_millis(250);

/// An open way and what drives it.
pub(super) struct Wire {
    pub(super) interrupt: Interrupt,
    /// `host:port`, for errors.
    pub(super) server: String,
    pub(super) heard: Transcript,
    /// The bytes, until the server is greeted.
    stream: Option<Stream>,
    /// A second handle of the socket that they go through on this machine.
    socket: Socket,
    keeper: Keeper,
    /// Shared with the session that the way goes through, if it does.
    runtime: Arc<Runtime>,
}

/// A connection whose key exchange is done.
pub(super) struct SshConnection {
    pub(super) wire: Wire,
    pub(super) peer: Peer,
    /// Whether the server has let us in.
    pub(super) entered: bool,
}

/// How long something may take, be it one wait or several.
#[derive(Debug, Clone, Copy)]
pub(super) struct TimeLimit {
    whole: Duration,
    pub(super) until: Instant,
}

impl From<Duration> for TimeLimit {
    /// From now on.
    fn from(whole: Duration) -> Self {
        Self {
            whole,
            until: Instant::now() + whole,
        }
    }
}

/// The reason for which a request got no good answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// The connection failed.
    Ssh(SshError),
    /// No answer within this time.
    TimedOut(Duration),
    /// The run is to end at once.
    Interrupted,
}

impl Wire {
    /// Takes an open way; nothing is sent yet.
    pub(super) fn new(carrier: Carrier, server: String, interrupt: Interrupt) -> Self {
        Self {
            interrupt,
            server,
            heard: Transcript::default(),
            stream: Some(carrier.stream),
            socket: carrier.socket,
            keeper: carrier.keeper,
            runtime: carrier.runtime,
        }
    }

    /// Greets the server: banners and key exchange, asking for a host key of a type that `is_known`. The inner error is about
    /// these.
    pub(super) fn greet(
        mut self,
        transport: Transport,
        is_known: impl Fn(&str) -> bool,
        limit: TimeLimit,
    ) -> Result<Result<SshConnection, SshError>, SftpError> {
        let heard = self.heard.clone();
        let Some(stream) = self.stream.take() else {
            return Ok(Err(SshError::Closed));
        };
        let greeting = Peer::greet(transport, stream, heard, is_known);
        match self.wait_for(limit, greeting) {
            Ok(Ok(peer)) => Ok(Ok(SshConnection {
                wire: self,
                peer,
                entered: false,
            })),
            Ok(Err(error)) => {
                let error = self.in_its_words(error);
                Ok(Err(match self.heard.foreign_line() {
                    Some(line) if !matches!(error, SshError::Program(_)) => {
                        SshError::of_first_line(line)
                    }
                    _ => error,
                }))
            }
            // Another protocol waits for us to speak as it does.
            Err(Fault::TimedOut(_)) if let Some(line) = self.heard.foreign_line() => {
                Ok(Err(SshError::of_first_line(line)))
            }
            Err(fault) => Err(fault.into_error(&self, "greet the SSH server".into())),
        }
    }

    /// Waits for the answer to a request, for at most `limit`.
    pub(super) fn drive<T, E: Into<SshError>>(
        &self,
        limit: impl Into<TimeLimit>,
        request: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Fault> {
        self.wait_for(limit, request)?
            .map_err(|error| Fault::Ssh(error.into()))
    }

    /// Waits for anything, for at most `limit`.
    pub(super) fn wait_for<T>(
        &self,
        limit: impl Into<TimeLimit>,
        future: impl Future<Output = T>,
    ) -> Result<T, Fault> {
        self.run(self.within(limit.into(), future))
    }

    /// As [`Wire::wait_for`], from within [`Wire::run`].
    pub(super) async fn within<T>(
        &self,
        limit: TimeLimit,
        future: impl Future<Output = T>,
    ) -> Result<T, Fault> {
        within(limit, &self.interrupt, future).await
    }

    /// Runs what looks at the interrupt itself, as [`slices`] allow it to.
    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Whether the connection has ended from the other side, be there unread bytes or not.
    pub(super) fn is_lost(&self) -> bool {
        has_ended(&self.socket)
    }

    /// The error with the server's own reason to go, or that of the program that is the way to it, if one gave any.
    fn in_its_words(&self, error: SshError) -> SshError {
        let SshError::Closed = error else {
            return error;
        };
        match self.heard.facts().end() {
            SshError::Closed => self
                .keeper
                .last_words()
                .map_or(SshError::Closed, |words| SshError::Program(words.into())),
            told => told,
        }
    }

    /// Another handle of the socket, for a session that goes through this one.
    pub(super) fn second_handle(&self) -> io::Result<Socket> {
        self.socket.try_clone()
    }

    /// The runtime, for a session that goes through this one: both are driven together.
    pub(super) fn shared_runtime(&self) -> Arc<Runtime> {
        Arc::clone(&self.runtime)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl SshConnection {
    /// Whether nothing more can be asked.
    pub(super) fn is_lost(&self) -> bool {
        self.peer.is_closed() || self.wire.is_lost()
    }
}

/// Whether a connection has ended from the other side, be there unread bytes or not.
pub(super) fn has_ended(socket: &Socket) -> bool {
    #[cfg(target_os = "linux")]
    let ended = PollFlags::RDHUP;
    #[cfg(not(target_os = "linux"))]
    let ended = PollFlags::empty();
    let mut sockets = [PollFd::new(socket, ended)];
    let at_once = Timespec::default();
    // The kernel tells of a reset without being asked; an orderly end shows to `peek` where there is no RDHUP.
    let told = poll(&mut sockets, Some(&at_once)).is_ok_and(|sockets| sockets > 0);
    let mut byte = [std::mem::MaybeUninit::uninit()];
    told || matches!(socket.peek(&mut byte), Ok(0))
}

/// Waits for anything, for at most the limit, as the interrupt allows.
pub(super) async fn within<T>(
    TimeLimit { whole, until }: TimeLimit,
    interrupt: &Interrupt,
    future: impl Future<Output = T>,
) -> Result<T, Fault> {
    let mut future = pin!(future);
    let mut slices = slices();
    loop {
        tokio::select! {
            biased;
            answer = &mut future => return Ok(answer),
            () = sleep_until(until.into()) => return Err(Fault::TimedOut(whole)),
            _ = slices.tick() => {}
        }
        if interrupt.must_stop_now() {
            return Err(Fault::Interrupted);
        }
    }
}

/// Ticks at which a wait looks at the interrupt, the first at once.
pub(super) fn slices() -> Interval {
    let mut slices = interval(SLICE);
    slices.set_missed_tick_behavior(MissedTickBehavior::Delay);
    slices
}

impl Fault {
    /// The error of an established connection; `doing` says what was asked.
    pub(super) fn into_error(self, wire: &Wire, doing: String) -> SftpError {
        let server = wire.server.clone();
        match self {
            Self::Ssh(source) => SftpError::Lost {
                server,
                doing,
                source: wire.in_its_words(source),
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
