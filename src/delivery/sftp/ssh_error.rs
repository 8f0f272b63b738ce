//! Errors of an SSH connection itself, in words for a person.

use std::io::ErrorKind;

use russh::AlgorithmKind;

use super::error::printable;

/// The reason for which an SSH connection ended or was never opened.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The server said goodbye in the protocol's own way.
    #[error("it ended the connection: {0}")]
    Goodbye(Box<str>),
    /// The connection ended without a word.
    #[error("the connection was closed")]
    Closed,
    /// The two sides have no algorithm of this kind in common.
    #[error("no {kind} in common; it offers {offered}")]
    NothingInCommon {
        /// Such as `key exchange`.
        kind: &'static str,
        /// The algorithms of the server.
        offered: Box<str>,
    },
    /// The server does not do what was asked for.
    #[error("it does not offer {0}")]
    NotOffered(&'static str),
    /// The server broke the rules of SFTP.
    #[error("it sent data that is not an SFTP packet of version 3")]
    NoSftp,
    /// The program that is the way to the server has ended.
    #[error("{0}")]
    Program(Box<str>),
    /// The rest, in the words of the SSH library, which may quote the server's.
    #[error("the SSH connection failed: {0}")]
    Other(Box<str>),
}

/// Names of extensions are left out: they share the list with the algorithms.
fn algorithms(names: &[String]) -> Vec<&str> {
    let is_extension =
        |name: &&str| name.starts_with("ext-info-") || name.starts_with("kex-strict-");
    let names = names.iter().map(String::as_str);
    names.filter(|name| !is_extension(name)).collect()
}

impl From<russh::Error> for SshError {
    fn from(error: russh::Error) -> Self {
        Self::from(&error)
    }
}

impl From<&russh::Error> for SshError {
    fn from(error: &russh::Error) -> Self {
        match error {
            // What the library says when its own task, or the connection under it, is gone.
            russh::Error::Disconnect
            | russh::Error::HUP
            | russh::Error::SendError
            | russh::Error::RecvError => Self::Closed,
            // Which of these it is depends on what was on the way when it ended.
            russh::Error::IO(error)
                if matches!(
                    error.kind(),
                    ErrorKind::ConnectionReset
                        | ErrorKind::ConnectionAborted
                        | ErrorKind::BrokenPipe
                        | ErrorKind::UnexpectedEof
                ) =>
            {
                Self::Closed
            }
            russh::Error::NoCommonAlgo { kind, theirs, .. } => Self::NothingInCommon {
                kind: match kind {
                    AlgorithmKind::Kex => "key exchange",
                    AlgorithmKind::Key => "host key type",
                    AlgorithmKind::Cipher => "cipher",
                    AlgorithmKind::Compression => "compression",
                    AlgorithmKind::Mac => "MAC",
                },
                offered: printable(&algorithms(theirs).join(", ")).into(),
            },
            other => Self::Other(printable(&other.to_string()).into()),
        }
    }
}
