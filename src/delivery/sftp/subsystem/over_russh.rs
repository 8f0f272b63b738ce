//! The channel of a session by russh.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use russh::client::{Handle, Msg};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};

use super::{ChannelStep, Packets};
use crate::delivery::sftp::SshError;
use crate::delivery::sftp::heard::Transcript;

type SendFuture = Pin<Box<dyn Future<Output = Result<(), russh::Error>> + Send>>;

/// An open channel whose subsystem was accepted.
pub(super) struct RusshChannel {
    outgoing: Arc<ChannelWriteHalf<Msg>>,
    incoming: ChannelReadHalf,
    /// The request that the connection is taking. It is never dropped half taken while the session lives.
    sending: Option<SendFuture>,
}

impl RusshChannel {
    /// Opens the channel and the subsystem on it.
    pub(super) async fn open(handle: &Handle<Transcript>) -> Result<Self, SshError> {
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
        Ok(Self {
            outgoing: Arc::new(outgoing),
            incoming,
            sending: None,
        })
    }

    /// Whether a request is being taken.
    pub(super) fn is_sending(&self) -> bool {
        self.sending.is_some()
    }

    /// Begins to send.
    pub(super) fn send(&mut self, request: Vec<u8>) {
        let outgoing = Arc::clone(&self.outgoing);
        self.sending = Some(Box::pin(async move { outgoing.data_bytes(request).await }));
    }

    /// Waits until the request was taken or bytes have come.
    pub(super) async fn turn(&mut self, packets: &mut Packets) -> Result<ChannelStep, SshError> {
        let sending = self.sending.as_mut();
        let sent = async {
            match sending {
                Some(sending) => sending.await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            came = hear(&mut self.incoming, packets) => return came.map(|()| ChannelStep::Heard),
            outcome = sent => outcome?,
        }
        self.sending = None;
        Ok(ChannelStep::Sent)
    }
}

/// Waits for bytes, and puts them to the others.
async fn hear(incoming: &mut ChannelReadHalf, packets: &mut Packets) -> Result<(), SshError> {
    loop {
        match incoming.wait().await {
            Some(ChannelMsg::Data { data }) => {
                packets.add(&data);
                return Ok(());
            }
            Some(ChannelMsg::Eof | ChannelMsg::Close) | None => return Err(SshError::Closed),
            // What the server writes to stderr, among others.
            Some(_) => {}
        }
    }
}
