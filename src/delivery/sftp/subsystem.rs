//! The SFTP subsystem on one SSH channel: requests go out one after another, replies come as the server sends them.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use russh::client::{Handle, Msg};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};

use super::SshError;
use super::heard::Heard;
use super::packet::{self, Reply, ReplyBody};

/// The longest packet that a server may send (OpenSSH's own limit).
const LONGEST_PACKET: usize = 256 * 1024;

type Sending = Pin<Box<dyn Future<Output = Result<(), russh::Error>> + Send>>;

/// An open subsystem.
pub(super) struct Subsystem {
    outgoing: Arc<ChannelWriteHalf<Msg>>,
    incoming: Incoming,
    /// The request that the connection is taking. It is never dropped half taken while the session lives.
    sending: Option<Sending>,
    next_id: u32,
}

/// The outcome of [`Subsystem::turn`].
pub(super) enum Turn {
    /// The connection has taken the request.
    Sent,
    /// The server has answered one.
    Replied(Reply),
}

impl Subsystem {
    /// Opens the channel and the subsystem on it.
    pub(super) async fn open(handle: &Handle<Heard>) -> Result<Self, SshError> {
        let mut channel = handle.channel_open_session().await?;
        channel.request_subsystem(true, "sftp").await?;
        loop {
            match channel.wait().await {
                Some(ChannelMsg::Success) => break,
                Some(ChannelMsg::Failure) => return Err(SshError::NotOffered("SFTP")),
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Err(SshError::Closed),
                Some(_) => {}
            }
        }
        let (incoming, outgoing) = channel.split();
        let mut subsystem = Self {
            outgoing: Arc::new(outgoing),
            incoming: Incoming {
                half: incoming,
                packets: Packets::default(),
            },
            sending: None,
            next_id: 0,
        };
        subsystem.send(packet::init());
        loop {
            if let Turn::Replied(reply) = subsystem.turn().await? {
                return match reply.body {
                    ReplyBody::Version(3..) => Ok(subsystem),
                    _ => Err(SshError::NoSftp),
                };
            }
        }
    }

    /// An id that no request had, until four billion later.
    pub(super) fn id(&mut self) -> u32 {
        self.next_id = self.next_id.wrapping_add(1);
        self.next_id
    }

    /// Whether the connection is still taking a request; another may only be sent afterwards.
    pub(super) fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// Begins to send; [`Subsystem::turn`] goes on with it.
    pub(super) fn send(&mut self, request: Vec<u8>) {
        let outgoing = Arc::clone(&self.outgoing);
        self.sending = Some(Box::pin(async move { outgoing.data_bytes(request).await }));
    }

    /// Waits until the request was taken or one was answered. May be dropped before it is done: nothing is lost by that.
    pub(super) async fn turn(&mut self) -> Result<Turn, SshError> {
        let sending = self.sending.as_mut();
        let sent = async {
            match sending {
                Some(sending) => sending.await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            reply = self.incoming.reply() => return Ok(Turn::Replied(reply?)),
            outcome = sent => outcome?,
        }
        self.sending = None;
        Ok(Turn::Sent)
    }

    /// Sends a request and waits for its reply, whatever is on the way.
    pub(super) async fn ask(
        &mut self,
        request: impl FnOnce(u32) -> Vec<u8>,
    ) -> Result<ReplyBody, SshError> {
        while self.is_sending() {
            self.turn().await?;
        }
        let id = self.id();
        self.send(request(id));
        loop {
            match self.turn().await? {
                Turn::Replied(reply) if reply.id == id => return Ok(reply.body),
                Turn::Replied(_) | Turn::Sent => {}
            }
        }
    }
}

/// The bytes from the server, put together to packets.
struct Incoming {
    half: ChannelReadHalf,
    packets: Packets,
}

impl Incoming {
    async fn reply(&mut self) -> Result<Reply, SshError> {
        loop {
            if let Some(packet) = self.packets.next()? {
                return packet::reply(packet).ok_or(SshError::NoSftp);
            }
            match self.half.wait().await {
                Some(ChannelMsg::Data { data }) => self.packets.add(&data),
                Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Err(SshError::Closed),
                // What the server writes to stderr, among others.
                Some(_) => {}
            }
        }
    }
}

/// Bytes as they come in, cut into packets.
#[derive(Default)]
pub(super) struct Packets {
    bytes: Vec<u8>,
    /// Where the first packet that was not taken begins.
    start: usize,
}

impl Packets {
    /// Adds bytes that have come.
    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.start);
        self.start = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// The next whole packet without its length; none while it has not come yet. An error where no server may send one so
    /// long.
    pub(super) fn next(&mut self) -> Result<Option<&[u8]>, SshError> {
        let rest = &self.bytes[self.start..];
        let Some((length, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let length = usize::try_from(u32::from_be_bytes(*length)).unwrap_or(usize::MAX);
        if length > LONGEST_PACKET {
            return Err(SshError::NoSftp);
        }
        if rest.len() < length {
            return Ok(None);
        }
        let begin = self.start + 4;
        self.start = begin + length;
        Ok(Some(&self.bytes[begin..self.start]))
    }
}
