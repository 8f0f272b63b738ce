//! The byte stream to a server: a socket, or a channel of a session with another server.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use russh::ChannelStream;
use russh::client::Msg;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

/// A byte stream. An enum, so that the path of each byte has no dynamic dispatch.
pub(in crate::delivery::sftp) enum Stream {
    /// The server itself, or a proxy that has connected to it.
    Tcp(TcpStream),
    /// Standard input and output of a program.
    Program(UnixStream),
    /// A connection that another SSH server has opened.
    Channel(ChannelStream<Msg>),
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Program(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Channel(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Program(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Channel(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Program(stream) => Pin::new(stream).poll_flush(context),
            Self::Channel(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Program(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Channel(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
