//! The SFTP subsystem on one SSH channel: requests go out one after another, replies come as the server sends them.

mod over_russh;

use self::over_russh::RusshChannel;
use super::SshError;
#[cfg(feature = "ssh2")]
use super::libssh2::Libssh2Channel;
use super::packet::{self, Reply, ReplyBody};
use super::peer::Peer;

/// The longest packet that a server may send (OpenSSH's own limit).
const LONGEST_PACKET: usize = 256 * 1024;

/// An open subsystem.
pub(super) struct Subsystem {
    channel: Channel,
    /// The bytes from the server.
    packets: Packets,
    next_id: u32,
}

/// The channel as the library has it.
enum Channel {
    Russh(RusshChannel),
    #[cfg(feature = "ssh2")]
    Libssh2(Box<Libssh2Channel>),
}

/// The outcome of [`Subsystem::turn`].
pub(super) enum SubsystemTurn {
    /// The connection has taken the request.
    Sent,
    /// The server has answered one.
    Replied(Reply),
}

/// A step of a channel.
pub(super) enum ChannelStep {
    /// The connection has taken the request.
    Sent,
    /// Bytes have come.
    Heard,
}

impl Subsystem {
    /// Opens the channel and the subsystem on it.
    pub(super) async fn open(peer: &Peer) -> Result<Self, SshError> {
        let mut subsystem = Self {
            channel: match peer {
                Peer::Russh(handle) => Channel::Russh(RusshChannel::open(handle).await?),
                #[cfg(feature = "ssh2")]
                Peer::Libssh2(session) => {
                    Channel::Libssh2(Box::new(Libssh2Channel::open(session).await?))
                }
            },
            packets: Packets::default(),
            next_id: 0,
        };
        subsystem.send(packet::init());
        loop {
            if let SubsystemTurn::Replied(reply) = subsystem.turn().await? {
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
        match &self.channel {
            Channel::Russh(channel) => channel.is_sending(),
            #[cfg(feature = "ssh2")]
            Channel::Libssh2(channel) => channel.is_sending(),
        }
    }

    /// Begins to send; [`Subsystem::turn`] goes on with it.
    pub(super) fn send(&mut self, request: Vec<u8>) {
        match &mut self.channel {
            Channel::Russh(channel) => channel.send(request),
            #[cfg(feature = "ssh2")]
            Channel::Libssh2(channel) => channel.send(request),
        }
    }

    /// Waits until the request was taken or one was answered. May be dropped before it is done: nothing is lost by that.
    pub(super) async fn turn(&mut self) -> Result<SubsystemTurn, SshError> {
        loop {
            if let Some(packet) = self.packets.next()? {
                let reply = packet::reply(packet).ok_or(SshError::NoSftp)?;
                return Ok(SubsystemTurn::Replied(reply));
            }
            let moved = match &mut self.channel {
                Channel::Russh(channel) => channel.turn(&mut self.packets).await?,
                #[cfg(feature = "ssh2")]
                Channel::Libssh2(channel) => channel.turn(&mut self.packets).await?,
            };
            if let ChannelStep::Sent = moved {
                return Ok(SubsystemTurn::Sent);
            }
        }
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
                SubsystemTurn::Replied(reply) if reply.id == id => return Ok(reply.body),
                SubsystemTurn::Replied(_) | SubsystemTurn::Sent => {}
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
