//! The second transport: libssh2's handshake, login and channel under our own SFTP packets.
//!
//! The session never blocks. What it cannot do at once is asked again when the socket is ready, so that it is driven by the
//! same waits as russh is. The socket is shut down before anything of libssh2 is dropped: it would say goodbye, and wait.

mod agent;
mod agreement;
mod channel;
mod listen;
mod login;
mod socket;

use std::net::Shutdown;
use std::sync::Mutex;
use std::time::Duration;

use russh::MethodSet;
use socket2::SockRef;
use ssh2::{BlockDirections, ErrorCode, MethodType, Session};
use tokio::io::Interest;

pub(super) use self::channel::Libssh2Channel;
use self::socket::Socket;
use super::SshError;
use super::error::printable;
use super::heard::Transcript;
use super::way::Stream;
use super::wire::has_ended;

/// The longest wait for a socket that the kernel said nothing of: a net below libssh2's own account of what it waits for, which
/// its change request 1945 shows to be wrong at times.
const SLICE: Duration = Duration::from_millis(250);
/// The wait of a session that waits for neither direction.
const PAUSE: Duration = Duration::from_millis(10);

/// Error codes of libssh2 (libssh2.h).
mod code {
    pub(super) const SOCKET_SEND: i32 = -7;
    pub(super) const SOCKET_DISCONNECT: i32 = -13;
    pub(super) const PASSWORD_EXPIRED: i32 = -15;
    pub(super) const AUTHENTICATION_FAILED: i32 = -18;
    pub(super) const PUBLICKEY_UNVERIFIED: i32 = -19;
    pub(super) const CHANNEL_FAILURE: i32 = -21;
    pub(super) const CHANNEL_REQUEST_DENIED: i32 = -22;
    pub(super) const CHANNEL_CLOSED: i32 = -26;
    pub(super) const EAGAIN: i32 = -37;
    pub(super) const AGENT_PROTOCOL: i32 = -42;
    pub(super) const SOCKET_RECV: i32 = -43;
}

/// A session whose key exchange is done.
pub(super) struct Libssh2 {
    session: Session,
    /// A second handle of its socket.
    socket: Socket,
    /// The methods of login that the server still accepts, once it has told.
    methods: Mutex<Option<MethodSet>>,
}

impl Libssh2 {
    /// Banners and key exchange, asking for a host key of a type that `is_known`.
    pub(super) async fn greet(
        stream: Stream,
        heard: &Transcript,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<Self, SshError> {
        let this = Self::new(stream)?;
        let ours = agreement::prefer(&this.session, is_known).map_err(|error| of(&error))?;
        let has_our_banner = this.listen(heard).await?;
        let shaken = this.shake_hands(has_our_banner).await;
        shaken.map_err(|failed| match failed.told(&ours) {
            // libssh2 tells of an exchange that failed.
            SshError::Other(_) if this.has_ended() => SshError::Closed,
            told => told,
        })?;
        let host_key = this.session.host_key().map(|(key, _)| key.to_vec());
        let cipher = this.session.methods(MethodType::CryptCs);
        heard.note_agreement(host_key.unwrap_or_default(), cipher.unwrap_or_default());
        Ok(this)
    }

    /// A session on the socket of a stream; nothing is sent yet.
    fn new(stream: Stream) -> Result<Self, SshError> {
        fn local(error: impl std::fmt::Display) -> SshError {
            SshError::Other(error.to_string().into())
        }
        let socket = Socket::of(stream).map_err(local)?;
        let mut session = Session::new().map_err(|error| of(&error))?;
        session.set_tcp_stream(socket.second_handle().map_err(local)?);
        session.set_blocking(false);
        Ok(Self {
            session,
            socket,
            methods: Mutex::default(),
        })
    }

    /// Asks again until there is an answer.
    async fn ask<T>(
        &self,
        mut request: impl FnMut(&Session) -> Result<T, ssh2::Error>,
    ) -> Result<T, ssh2::Error> {
        loop {
            match request(&self.session) {
                Err(error) if error.code() == ErrorCode::Session(code::EAGAIN) => {}
                answer => return answer,
            }
            self.ready().await;
        }
    }

    /// Waits until the session can go on. While a packet is half sent, libssh2 names both directions but reads nothing: waiting
    /// for input too would spin.
    async fn ready(&self) {
        let (interest, at_most) = match self.session.block_directions() {
            BlockDirections::Inbound => (Interest::READABLE, SLICE),
            BlockDirections::Outbound | BlockDirections::Both => (Interest::WRITABLE, SLICE),
            BlockDirections::None => (Interest::READABLE | Interest::WRITABLE, PAUSE),
        };
        self.socket.wait_for(interest, at_most).await;
    }

    /// Whether the connection has ended from the other side.
    pub(super) fn has_ended(&self) -> bool {
        has_ended(&SockRef::from(&self.socket))
    }

    /// Ends the connection under the session: from here on nothing can be sent.
    fn shut_down(&self) {
        let _ = SockRef::from(&self.socket).shutdown(Shutdown::Both);
    }
}

impl Drop for Libssh2 {
    fn drop(&mut self) {
        self.shut_down();
    }
}

/// The code of an error of a session.
fn code_of(error: &ssh2::Error) -> i32 {
    match error.code() {
        ErrorCode::Session(code) | ErrorCode::SFTP(code) => code,
    }
}

/// An error in our words, where there are any for it.
fn of(error: &ssh2::Error) -> SshError {
    match code_of(error) {
        code::SOCKET_SEND | code::SOCKET_DISCONNECT | code::SOCKET_RECV | code::CHANNEL_CLOSED => {
            SshError::Closed
        }
        _ => SshError::Other(printable(error.message()).into()),
    }
}
