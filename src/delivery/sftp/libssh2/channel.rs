//! The channel of a session by libssh2.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::sync::Arc;

use ssh2::{Channel, ErrorCode, ExtendedData};

use super::{Libssh2, code, code_of, of};
use crate::delivery::sftp::SshError;
use crate::delivery::sftp::subsystem::{ChannelStep, Packets};

/// How much is read at once.
const CHUNK_BYTES: usize = 64 * 1024;

/// An open channel whose subsystem was accepted.
pub(in crate::delivery::sftp) struct Libssh2Channel {
    channel: Channel,
    session: Arc<Libssh2>,
    /// The request that the session is taking, and how much of it was taken. What libssh2 has half sent, it must be given again.
    request: Vec<u8>,
    taken: usize,
    /// Whether libssh2 could not go on with it: then it has to read first.
    is_stuck: bool,
    chunk: Box<[u8]>,
}

impl Libssh2Channel {
    /// Opens the channel and the subsystem on it.
    pub(in crate::delivery::sftp) async fn open(session: &Arc<Libssh2>) -> Result<Self, SshError> {
        let opened = session.ask(ssh2::Session::channel_session).await;
        let channel = opened.map_err(|error| no_channel(&error))?;
        let mut this = Self {
            channel,
            session: Arc::clone(session),
            request: Vec::new(),
            taken: 0,
            is_stuck: false,
            chunk: vec![0; CHUNK_BYTES].into_boxed_slice(),
        };
        // What the server writes to stderr is not kept.
        let channel = &mut this.channel;
        let asked = session.ask(|_| channel.handle_extended_data(ExtendedData::Ignore));
        asked.await.map_err(|error| of(&error))?;
        let started = session.ask(|_| channel.subsystem("sftp")).await;
        started.map_err(|error| match code_of(&error) {
            code::CHANNEL_REQUEST_DENIED => SshError::NotOffered("SFTP"),
            _ => of(&error),
        })?;
        Ok(this)
    }

    /// Whether a request is being taken.
    pub(in crate::delivery::sftp) fn is_sending(&self) -> bool {
        self.taken < self.request.len()
    }

    /// Begins to send.
    pub(in crate::delivery::sftp) fn send(&mut self, request: Vec<u8>) {
        self.request = request;
        self.taken = 0;
    }

    /// Waits until the request was taken or bytes have come. Nothing is lost where that is given up.
    pub(in crate::delivery::sftp) async fn turn(
        &mut self,
        packets: &mut Packets,
    ) -> Result<ChannelStep, SshError> {
        loop {
            // Before it writes, libssh2 takes in what has come, so that a write tells of answers without a look at the socket.
            let is_to_read =
                !self.is_sending() || self.is_stuck || self.channel.read_window().available > 0;
            if is_to_read && self.hear(packets)? {
                return Ok(ChannelStep::Heard);
            }
            if self.is_sending() {
                let taken = self.give()?;
                self.is_stuck = taken == 0;
                self.taken += taken;
                if !self.is_sending() {
                    return Ok(ChannelStep::Sent);
                }
                if taken > 0 {
                    continue;
                }
            }
            self.session.ready().await;
        }
    }

    /// Puts bytes that have come to the others; whether there were any.
    fn hear(&mut self, packets: &mut Packets) -> Result<bool, SshError> {
        match self.channel.read(&mut self.chunk) {
            Ok(0) if self.channel.eof() => Err(SshError::Closed),
            Ok(0) => Ok(false),
            Ok(read) => {
                packets.add(&self.chunk[..read]);
                Ok(true)
            }
            Err(error) => self.or_later(&error).map(|()| false),
        }
    }

    /// How much of the rest of the request was taken.
    fn give(&mut self) -> Result<usize, SshError> {
        match self.channel.write(&self.request[self.taken..]) {
            Ok(taken) => Ok(taken),
            Err(error) => self.or_later(&error).map(|()| 0),
        }
    }

    /// An error, unless it says to ask again.
    fn or_later(&self, error: &io::Error) -> Result<(), SshError> {
        if error.kind() == ErrorKind::WouldBlock {
            return Ok(());
        }
        // The number of the error is not in the one that a stream gives.
        Err(
            match ssh2::Error::last_session_error(&self.session.session) {
                Some(last) if last.code() != ErrorCode::Session(code::EAGAIN) => of(&last),
                _ => SshError::Closed,
            },
        )
    }
}

impl Drop for Libssh2Channel {
    /// Before libssh2 could say anything more: the end of the channel would commit a file that was cut.
    fn drop(&mut self) {
        self.session.shut_down();
    }
}

/// The reason for which a server opened no channel.
fn no_channel(error: &ssh2::Error) -> SshError {
    if code_of(error) != code::CHANNEL_FAILURE {
        return of(error);
    }
    let known = [
        "administratively prohibited",
        "connect failed",
        "unknown channel type",
        "resource shortage",
    ];
    let told = known
        .into_iter()
        .find(|reason| error.message().contains(reason));
    SshError::NoChannel(told.unwrap_or("it gave no known reason"))
}
