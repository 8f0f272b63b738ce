//! Facts that the server sends outside of any answer: its banner, host key, cipher and last message.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use russh::Channel;
use russh::client::{ChannelOpenHandle, DisconnectReason, Handler, Msg, Session};
use russh::keys::PublicKeyOrCertificate;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::SshError;
use super::error::printable;
use super::way::Stream;

/// The longest line before the banner, and the most of them, as OpenSSH reads.
pub(super) const LONGEST_LINE: usize = 8192;
pub(super) const MOST_LINES: usize = 1024;
/// The beginning of a banner (RFC 4253, section 4.2).
pub(super) const BANNER: &str = "SSH-";

/// The words of the server so far. The connection and those who listen on it share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Transcript {
    facts: Arc<Mutex<ConnectionFacts>>,
    /// How often bytes of the server were read.
    reads: Arc<AtomicU64>,
}

/// The facts of a connection so far.
#[derive(Debug, Clone, Default)]
pub(super) struct ConnectionFacts {
    /// Such as `SSH-2.0-AWS_SFTP_1.1`, control characters escaped.
    pub(super) banner: String,
    /// The first line or its beginning, as long as there is no banner.
    pub(super) first_line: Option<Box<str>>,
    first_line_is_whole: bool,
    /// In SSH's wire format; it has signed the key exchange, but who it belongs to is not judged yet.
    pub(super) host_key: Vec<u8>,
    /// The cipher of the direction to the server.
    pub(super) cipher: String,
    /// The server's reason for the end of the connection, if it gave one.
    pub(super) goodbye: Option<Box<str>>,
    /// The error that ended it on our side.
    pub(super) failure: Option<Box<str>>,
}

impl ConnectionFacts {
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

impl Transcript {
    /// How often bytes of the server were read: whether it has said anything since.
    pub(super) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// The facts so far.
    pub(super) fn facts(&self) -> ConnectionFacts {
        self.lock().clone()
    }

    /// Keeps the first line, also where it has not ended: no SSH server may have sent it.
    pub(super) fn note_first_line(&self, line: &[u8]) {
        let mut facts = self.lock();
        if !line.is_empty() && !facts.first_line_is_whole {
            let text = String::from_utf8_lossy(line);
            facts.first_line = Some(printable(text.trim_end_matches('\r')).into());
        }
    }

    /// Keeps a whole line without its line feed. Whether it is the banner.
    pub(super) fn note_line(&self, line: &[u8]) -> bool {
        self.note_first_line(line);
        let mut facts = self.lock();
        let is_banner = line.starts_with(BANNER.as_bytes());
        if is_banner {
            let banner = String::from_utf8_lossy(line);
            facts.banner = printable(banner.trim_end_matches('\r'));
        } else {
            facts.first_line_is_whole = true;
        }
        is_banner
    }

    /// Keeps the outcome of a key exchange.
    #[cfg(feature = "ssh2")]
    pub(super) fn note_agreement(&self, host_key: Vec<u8>, cipher: &str) {
        let mut facts = self.lock();
        facts.host_key = host_key;
        facts.cipher = printable(cipher);
    }

    /// The first line, of a server that has greeted nobody as an SSH server does.
    pub(super) fn foreign_line(&self) -> Option<Box<str>> {
        let facts = self.lock();
        let line = facts.first_line.clone().filter(|_| facts.banner.is_empty());
        line.filter(|line| !line.starts_with(BANNER))
    }

    fn lock(&self) -> MutexGuard<'_, ConnectionFacts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Transcript {
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

/// The stream without what a server sends before its banner, which the library reads less of than OpenSSH does and does not tell.
pub(super) struct BannerStream {
    stream: Stream,
    heard: Transcript,
    /// None once the banner was found.
    before: Option<Preamble>,
    /// The banner and what came with it, until it is read.
    held: Vec<u8>,
}

/// The lines before the banner.
#[derive(Default)]
struct Preamble {
    line: Vec<u8>,
    lines: usize,
}

impl BannerStream {
    pub(super) fn new(stream: Stream, heard: Transcript) -> Self {
        Self {
            stream,
            heard,
            before: Some(Preamble::default()),
            held: Vec::new(),
        }
    }

    /// Looks for the banner in what was read. The bytes before it are dropped.
    fn listen(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(before) = &mut self.before else {
            return Ok(());
        };
        for (place, &byte) in bytes.iter().enumerate() {
            before.line.push(byte);
            if byte != b'\n' {
                if before.line.len() >= LONGEST_LINE {
                    self.heard.note_first_line(&before.line);
                    return Err(io::ErrorKind::InvalidData.into());
                }
                continue;
            }
            let line = std::mem::take(&mut before.line);
            if self.heard.note_line(&line[..line.len() - 1]) {
                self.before = None;
                self.held = line;
                self.held.extend_from_slice(&bytes[place + 1..]);
                return Ok(());
            }
            before.lines += 1;
            if before.lines >= MOST_LINES {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        self.heard.note_first_line(&before.line);
        Ok(())
    }
}

impl AsyncRead for BannerStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        while self.before.is_some() {
            let mut bytes = [0; 1024];
            let mut chunk = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut chunk))?;
            if chunk.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.listen(chunk.filled())?;
        }
        if self.held.is_empty() {
            let read = ready!(Pin::new(&mut self.stream).poll_read(context, buffer));
            self.heard.reads.fetch_add(1, Ordering::Relaxed);
            return Poll::Ready(read);
        }
        let taken = self.held.len().min(buffer.remaining());
        buffer.put_slice(&self.held[..taken]);
        self.held.drain(..taken);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for BannerStream {
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

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    /// The bytes that the library reads of what a server sends in pieces, the banner and the first line.
    fn read(pieces: &[&[u8]]) -> (io::Result<Vec<u8>>, String, Option<Box<str>>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (ours, mut theirs) = tokio::net::UnixStream::pair().unwrap();
            let heard = Transcript::default();
            let mut listened = BannerStream::new(Stream::Program(ours), heard.clone());
            let send = async {
                for piece in pieces {
                    theirs.write_all(piece).await.unwrap();
                    tokio::task::yield_now().await;
                }
                drop(theirs);
            };
            let mut bytes = Vec::new();
            let ((), read) = tokio::join!(send, listened.read_to_end(&mut bytes));
            let line = heard.foreign_line();
            (read.map(|_| bytes), heard.facts().banner, line)
        })
    }

    #[test]
    fn many_and_long_lines_before_the_banner_are_dropped() {
        let before = format!("{}{}\r\n", "hello\r\n".repeat(1000), "x".repeat(8000));
        let (bytes, banner, line) = read(&[before.as_bytes(), b"SSH-2.0-x", b"\r\nrest", b"more"]);
        assert_eq!(bytes.unwrap(), b"SSH-2.0-x\r\nrestmore");
        assert_eq!((banner.as_str(), line), ("SSH-2.0-x", None));
        for endless in ["x".repeat(9000), "x\n".repeat(2000)] {
            let (bytes, _, line) = read(&[endless.as_bytes()]);
            assert!(bytes.is_err() && line.unwrap().starts_with('x'));
        }
    }

    #[test]
    fn the_first_line_of_another_kind_of_server_is_kept_escaped() {
        for (pieces, told) in [
            (
                &[&b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n<html>"[..]][..],
                "HTTP/1.1 400 Bad Request",
            ),
            (
                &[b"220 mail\x1b[31m", b".example.com"],
                "220 mail\\u{1b}[31m.example.com",
            ),
        ] {
            let (_, banner, line) = read(pieces);
            assert_eq!((banner.as_str(), line.as_deref()), ("", Some(told)));
        }
    }
}
