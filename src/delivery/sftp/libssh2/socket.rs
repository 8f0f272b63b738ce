//! The socket of a session: a second handle of it tells when it is ready.

use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{Interest, copy_bidirectional_with_sizes};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::coop::consume_budget;
use tokio::time::timeout;

use crate::delivery::sftp::way::Stream;

/// The most bytes on the way between a channel of another session and the socket of this one, in each direction.
const PUMP_BYTES: usize = 64 * 1024;

/// A socket whose bytes libssh2 reads and writes.
pub(super) enum Socket {
    /// The server itself, or a proxy that has connected to it.
    Tcp(TcpStream),
    /// A program, or what carries the bytes of another session.
    Local(UnixStream),
}

impl Socket {
    /// The socket that the bytes of a stream go through. Those of a channel of another session are carried to one while the
    /// runtime is driven.
    pub(super) fn of(stream: Stream) -> io::Result<Self> {
        match stream {
            Stream::Tcp(stream) => Ok(Self::Tcp(stream)),
            Stream::Program(stream) => Ok(Self::Local(stream)),
            Stream::Channel(mut channel) => {
                let (ours, mut theirs) = UnixStream::pair()?;
                tokio::spawn(async move {
                    let (there, here) = (&mut channel, &mut theirs);
                    // Its end shows on the socket, and its reason on the other session.
                    let _ =
                        copy_bidirectional_with_sizes(there, here, PUMP_BYTES, PUMP_BYTES).await;
                });
                Ok(Self::Local(ours))
            }
        }
    }

    /// Another handle of it.
    pub(super) fn second_handle(&self) -> io::Result<socket2::Socket> {
        SockRef::from(self).try_clone()
    }

    /// Waits until it is ready. An error of it shows in the next call of the session.
    pub(super) async fn wait_for(&self, interest: Interest, at_most: Duration) {
        // A socket that has ended is always ready: the limits and signals of whoever waits have their turn all the same.
        consume_budget().await;
        let ready = async {
            match self {
                Self::Tcp(stream) => stream.ready(interest).await,
                Self::Local(stream) => stream.ready(interest).await,
            }
        };
        if timeout(at_most, ready).await.is_ok() {
            // What comes from now on is told anew; what came before, the next call finds.
            for direction in [Interest::READABLE, Interest::WRITABLE] {
                let later = || Err::<(), _>(ErrorKind::WouldBlock.into());
                let _ = match self {
                    _ if !covers(interest, direction) => Ok(()),
                    Self::Tcp(stream) => stream.try_io(direction, later),
                    Self::Local(stream) => stream.try_io(direction, later),
                };
            }
        }
    }
}

/// Whether an interest has a direction.
fn covers(interest: Interest, direction: Interest) -> bool {
    interest.is_readable() && direction.is_readable()
        || interest.is_writable() && direction.is_writable()
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Local(stream) => stream.as_fd(),
        }
    }
}
