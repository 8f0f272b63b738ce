//! The first words of a server, which libssh2 reads without telling them: they are looked at in the socket before it does.

use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use ssh2::ErrorCode;
use tokio::io::Interest;
use tokio::time::Instant;

use super::agreement::{HandshakeFailure, Offer};
use super::{Libssh2, SLICE, code, of};
use crate::delivery::sftp::SshError;
use crate::delivery::sftp::heard::{BANNER, LONGEST_LINE, MOST_LINES, Transcript};

/// How long the rest of the server's offer is waited for, once its beginning has come.
const REST_OF_OFFER: Duration = Duration::from_millis(250);
/// The longest offer that is looked at; those of today's servers have less than 2,000 bytes.
const LONGEST_OFFER: usize = 32 * 1024;

impl Libssh2 {
    /// Takes away what the server sends before its banner, and keeps the banner. Ours is sent first, if the server has said
    /// nothing yet: a server of another kind answers only then. The answer is whether it was sent.
    pub(super) async fn listen(&self, heard: &Transcript) -> Result<bool, SshError> {
        let mut has_spoken = false;
        let mut lines = 0;
        loop {
            // Asked first: what has come before the end is seen after it.
            let is_last = self.has_ended();
            let seen = self.peek(LONGEST_LINE)?;
            if let Some(end) = seen.iter().position(|&byte| byte == b'\n') {
                if heard.note_line(&seen[..end]) {
                    return Ok(has_spoken);
                }
                self.take(end + 1)?;
                lines += 1;
                if lines >= MOST_LINES {
                    return Err(SshError::Other("too many lines before the banner".into()));
                }
                continue;
            }
            heard.note_first_line(&seen);
            if seen.len() >= LONGEST_LINE {
                return Err(SshError::Other("its first line has no end".into()));
            }
            if is_last {
                return Err(SshError::Closed);
            }
            if seen.is_empty() && !has_spoken {
                has_spoken = true;
                match self.session.clone().handshake() {
                    Err(error) if error.code() == ErrorCode::Session(code::EAGAIN) => {}
                    Err(error) => return Err(of(&error)),
                    Ok(()) => {}
                }
                // The server may have spoken in just this moment.
                if let Some(banner) = self.session.banner_bytes() {
                    heard.note_line(banner);
                    return Ok(has_spoken);
                }
            }
            self.socket.wait_for(Interest::READABLE, SLICE).await;
        }
    }

    /// The key exchange. Where it fails, what the server offered is told, if it was seen.
    ///
    /// A server that `has_our_banner` sends its offer next, which libssh2 may read and take in with the banner in one call. So it is
    /// waited for, which costs no time: nothing but our own offer could be sent before it has come.
    pub(super) async fn shake_hands(&self, has_our_banner: bool) -> Result<(), HandshakeFailure> {
        let mut offer = None;
        if has_our_banner {
            offer = self.offer(true).await;
        }
        loop {
            match self.session.clone().handshake() {
                Ok(()) => return Ok(()),
                Err(error) if error.code() == ErrorCode::Session(code::EAGAIN) => {}
                Err(error) => return Err(HandshakeFailure { error, offer }),
            }
            self.ready().await;
            if offer.is_none() {
                offer = self.offer(false).await;
            }
        }
    }

    /// The offer of the server, if that is what comes next or after its banner. The rest of a part is waited for, and the whole if it
    /// `is_due`, but not for long.
    async fn offer(&self, is_due: bool) -> Option<Offer> {
        let until = Instant::now() + REST_OF_OFFER;
        loop {
            let is_last = self.has_ended();
            let seen = self.peek(LONGEST_OFFER).ok()?;
            match Offer::read(after_banner(&seen)) {
                Ok(offer) => return Some(offer),
                Err(has_begun) if (has_begun || is_due) && !is_last && Instant::now() < until => {
                    self.socket
                        .wait_for(Interest::READABLE, REST_OF_OFFER)
                        .await;
                }
                Err(_) => return None,
            }
        }
    }

    /// The bytes that have come and were not read; none where there are none. They stay there.
    fn peek(&self, most: usize) -> Result<Vec<u8>, SshError> {
        self.receive(most, RecvFlags::PEEK)
    }

    /// Takes bytes away that have come.
    fn take(&self, many: usize) -> Result<(), SshError> {
        self.receive(many, RecvFlags::empty()).map(drop)
    }

    fn receive(&self, most: usize, flags: RecvFlags) -> Result<Vec<u8>, SshError> {
        let mut bytes = vec![0; most];
        match recv(&self.socket, &mut bytes[..], flags) {
            Ok((_, 0)) => Err(SshError::Closed),
            Ok((_, read)) => {
                bytes.truncate(read);
                Ok(bytes)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(Vec::new()),
            Err(_) => Err(SshError::Closed),
        }
    }
}

/// The bytes behind the line of a banner that they begin with.
fn after_banner(bytes: &[u8]) -> &[u8] {
    if !bytes.starts_with(BANNER.as_bytes()) {
        return bytes;
    }
    let end = bytes.iter().position(|&byte| byte == b'\n');
    end.map_or(&[], |end| &bytes[end + 1..])
}
