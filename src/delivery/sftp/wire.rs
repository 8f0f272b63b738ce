//! One SSH connection on one socket, driven without a thread of its own: every request waits here, in slices that notice
//! a signal, and nothing is sent or read between two requests.
//!
//! The socket is shut down before the rest is dropped, whatever happened: closing a handle of a cut file would commit it.

use std::future::Future;
use std::net::{Shutdown, TcpStream};
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::client::{self, Handle};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::runtime::{self, Runtime};
use tokio::time::{Interval, MissedTickBehavior, interval, sleep_until};

use super::heard::{Heard, Listened};
use super::{SftpError, SshError};
use crate::base::interrupt::Interrupt;

/// The longest wait that does not look at the interrupt.
const SLICE: Duration = Duration::from_millis(250);

/// A socket and what drives it.
pub(super) struct Wire {
    pub(super) interrupt: Interrupt,
    /// `host:port`, for errors.
    pub(super) server: String,
    pub(super) heard: Heard,
    /// A second handle of the socket.
    socket: TcpStream,
    runtime: Runtime,
}

/// A connection whose key exchange is done.
pub(super) struct Connection {
    pub(super) wire: Wire,
    pub(super) handle: Handle<Heard>,
    /// Whether the server has let us in.
    pub(super) entered: bool,
}

/// How long something may take, be it one wait or several.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit {
    whole: Duration,
    pub(super) until: Instant,
}

impl From<Duration> for Limit {
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
    /// Makes a connected socket ready; nothing is sent yet.
    pub(super) fn new(
        socket: TcpStream,
        server: String,
        interrupt: Interrupt,
    ) -> Result<Self, SftpError> {
        let runtime = runtime::Builder::new_current_thread()
            .enable_io()
            .enable_time()
            .build()
            .map_err(|source| SftpError::Connect {
                server: server.clone(),
                source,
            })?;
        Ok(Self {
            interrupt,
            server,
            heard: Heard::default(),
            socket,
            runtime,
        })
    }

    /// Greets the server: banners and key exchange. The inner error is about these.
    pub(super) fn greet(
        self,
        config: client::Config,
        limit: Limit,
    ) -> Result<Result<Connection, SshError>, SftpError> {
        let heard = self.heard.clone();
        let greeting = async {
            let socket = self.socket.try_clone()?;
            let socket = tokio::net::TcpStream::from_std(socket)?;
            let stream = Listened::new(socket, heard.clone());
            client::connect_stream(Arc::new(config), stream, heard).await
        };
        match self.wait_for(limit, greeting) {
            Ok(Ok(handle)) => Ok(Ok(Connection {
                wire: self,
                handle,
                entered: false,
            })),
            Ok(Err(error)) => Ok(Err(self.in_its_words(error.into()))),
            Err(fault) => Err(fault.into_error(&self, "greet the SSH server".into())),
        }
    }

    /// Waits for the answer to a request, for at most `limit`.
    pub(super) fn drive<T, E: Into<SshError>>(
        &self,
        limit: impl Into<Limit>,
        request: impl Future<Output = Result<T, E>>,
    ) -> Result<T, Fault> {
        self.wait_for(limit, request)?
            .map_err(|error| Fault::Ssh(error.into()))
    }

    /// Waits for anything, for at most `limit`.
    pub(super) fn wait_for<T>(
        &self,
        limit: impl Into<Limit>,
        future: impl Future<Output = T>,
    ) -> Result<T, Fault> {
        self.run(self.within(limit.into(), future))
    }

    /// As [`Wire::wait_for`], from within [`Wire::run`].
    pub(super) async fn within<T>(
        &self,
        Limit { whole, until }: Limit,
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
            if self.interrupt.must_stop_now() {
                return Err(Fault::Interrupted);
            }
        }
    }

    /// Runs what looks at the interrupt itself, as [`slices`] allow it to.
    pub(super) fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }

    /// Whether the connection has ended from the other side, be there unread bytes or not.
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

    /// The error with the server's own reason to go, if it gave one.
    fn in_its_words(&self, error: SshError) -> SshError {
        match error {
            SshError::Closed => self.heard.facts().end(),
            other => other,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

impl Connection {
    /// Whether nothing more can be asked.
    pub(super) fn is_lost(&self) -> bool {
        self.handle.is_closed() || self.wire.is_lost()
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
