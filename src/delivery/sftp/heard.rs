//! Facts that the server sends outside of any answer: its banner, host key, cipher and last message.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use russh::Channel;
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::SshError;
use super::error::printable;
use super::way::Stream;

/// A line before the banner may be so long at most (RFC 4253, section 4.2, has 255 for the banner).
const LONGEST_LINE: usize = 1024;

/// Shared by the connection and those who listen on it.
#[derive(Debug, Clone, Default)]
pub(super) struct Heard(Arc<Mutex<Facts>>);

/// The facts so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    /// Such as `SSH-2.0-AWS_SFTP_1.1`, control characters escaped.
    pub(super) banner: String,
    /// In SSH's wire format; it has signed the key exchange, but who it belongs to is not judged yet.
    pub(super) host_key: Vec<u8>,
    /// The cipher of the direction to the server.
    pub(super) cipher: String,
    /// The server's reason for the end of the connection, if it gave one.
    pub(super) goodbye: Option<Box<str>>,
    /// The error that ended it on our side.
    pub(super) failure: Option<Box<str>>,
}

impl Facts {
    /// Whether the connection has ended, be the socket closed yet or not.
    pub(super) fn has_ended(&self) -> bool {
        self.goodbye.is_some() || self.failure.is_some()
    }

    /// The reason for its end.
    pub(super) fn end(self) -> SshError {
        let failure = self.failure.map_or(SshError::Closed, SshError::Other);
        self.goodbye.map_or(failure, SshError::Goodbye)
    }
}

impl Heard {
    /// The facts so far.
    pub(super) fn facts(&self) -> Facts {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Heard {
    type Error = russh::Error;

    /// Only keeps the key: it is judged after the key exchange, and before anything secret is sent.
    async fn check_server_key(
        &mut self,
        key: &PublicKeyOrCertificate,
    ) -> Result<bool, Self::Error> {
        let PublicKeyOrCertificate::PublicKey { key, .. } = key else {
            return Ok(false); // none was asked for
        };
        self.lock().host_key = key.to_bytes()?;
        Ok(true)
    }

    // What a server opens towards us, nobody here would read: RFC 4254, section 6.1, has a client refuse it, which is what
    // dropping the answer does. The library would accept.
    async fn server_channel_open_session(
        &mut self,
        _channel: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_agent_forward(
        &mut self,
        _channel: Channel<Msg>,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _to: &str,
        _to_port: u32,
        _from: &str,
        _from_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_forwarded_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _path: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_tcpip(
        &mut self,
        _channel: Channel<Msg>,
        _to: &str,
        _to_port: u32,
        _from: &str,
        _from_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_direct_streamlocal(
        &mut self,
        _channel: Channel<Msg>,
        _path: &str,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn server_channel_open_x11(
        &mut self,
        _channel: Channel<Msg>,
        _from: &str,
        _from_port: u32,
        _reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        Ok(())
    }

    async fn kex_done(
        &mut self,
        _shared_secret: Option<&[u8]>,
        names: &russh::Names,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.lock().cipher = printable(names.cipher.as_ref());
        Ok(())
    }

    async fn disconnected(
        &mut self,
        reason: DisconnectReason<Self::Error>,
    ) -> Result<(), Self::Error> {
        match reason {
            DisconnectReason::ReceivedDisconnect(said) => {
                self.lock().goodbye = Some(printable(&said.message).into());
                Ok(())
            }
            // So the library ends a refusal that leaves no method to try.
            DisconnectReason::Error(error @ russh::Error::NoAuthMethod) => Err(error),
            DisconnectReason::Error(error) => {
                let failed = SshError::from(&error);
                if let SshError::Other(words) = failed {
                    self.lock().failure = Some(words);
                }
                Err(error)
            }
        }
    }
}

/// The stream, listened to until the banner has passed: the library does not tell it.
pub(super) struct Listened {
    stream: Stream,
    heard: Heard,
    /// The beginning of a line. None once the banner was found.
    line: Option<Vec<u8>>,
}

impl Listened {
    pub(super) fn new(stream: Stream, heard: Heard) -> Self {
        Self {
            stream,
            heard,
            line: Some(Vec::new()),
        }
    }

    fn listen(&mut self, bytes: &[u8]) {
        let Some(line) = &mut self.line else {
            return;
        };
        for &byte in bytes {
            if byte != b'\n' {
                if line.len() < LONGEST_LINE {
                    line.push(byte);
                }
                continue;
            }
            if line.starts_with(b"SSH-") {
                let banner = String::from_utf8_lossy(line);
                self.heard.lock().banner = printable(banner.trim_end_matches('\r'));
                self.line = None;
                return;
            }
            line.clear();
        }
    }
}

impl AsyncRead for Listened {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let outcome = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
        self.listen(&buffer.filled()[before..]);
        Poll::Ready(outcome)
    }
}

impl AsyncWrite for Listened {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
