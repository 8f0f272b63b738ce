//! Errors of an SSH connection itself, in words for a person.

use std::io::ErrorKind;

use russh::{AlgorithmKind, ChannelOpenFailure};

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
    #[error("no {kind} in common; it offers {}, and here are {}", lists.offered, lists.ours)]
    NothingInCommon {
        /// Such as `key exchange`.
        kind: &'static str,
        /// The algorithms of both sides.
        lists: Box<AlgorithmLists>,
    },
    /// The server opens no channel.
    #[error("it opened no session: {0}")]
    NoChannel(&'static str),
    /// The first line is not that of an SSH server.
    #[error("it is no SSH server; its first line is {0:?}")]
    NoSsh(Box<str>),
    /// An SSH server refuses the connection before its own first line: it has too many.
    #[error("it takes no more connections at the moment: {0:?}")]
    Busy(Box<str>),
    /// The server took the password and wants a new one.
    #[error("it asks for a new password")]
    PasswordExpired,
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

/// The algorithms of one kind, in each side's order.
#[derive(Debug)]
pub struct AlgorithmLists {
    /// Those of the server.
    pub offered: String,
    /// Those of this program.
    pub ours: String,
}

/// The words of OpenSSH's server that drops a connection before it greets (sshd.c, `drop_connection`): for `MaxStartups`, and
/// for `PerSourceMaxStartups` and `PerSourcePenalties`.
const BUSY: [&str; 2] = ["Exceeded MaxStartups", "Not allowed at this time"];

impl SshError {
    /// The error of a server whose first line is not that of SSH.
    pub(super) fn of_first_line(line: Box<str>) -> Self {
        if BUSY.contains(&line.trim()) {
            Self::Busy(line)
        } else {
            Self::NoSsh(line)
        }
    }

    /// Whether the server will give the same answer again: it does not do what is asked of it.
    pub(super) fn is_final(&self) -> bool {
        matches!(
            self,
            Self::NotOffered(_) | Self::NoSftp | Self::NoChannel(_) | Self::NoSsh(_)
        )
    }

    /// Advice, where there is any.
    pub(super) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::NothingInCommon { lists, .. } => {
                let is_old = |name: &str| {
                    ["sha1", "ssh-rsa", "ssh-dss", "3des", "arcfour", "cbc", "md5"]
                        .iter()
                        .any(|old| name.contains(old))
                };
                if lists.offered.split(", ").all(is_old) {
                    "SHA-1, DSA, CBC and 3DES are not supported: the server is too old".into()
                } else {
                    "the server offers nothing old, but this program does not have it: ask the provider to allow one of the others".into()
                }
            }
            Self::NoChannel(_) => {
                "the server lets this user in, but opens no session for it (OpenSSH: MaxSessions 0); ask the provider".into()
            }
            Self::NotOffered(_) => {
                "the server has no SFTP for this user (OpenSSH: Subsystem sftp); ask the provider".into()
            }
            Self::Busy(_) => {
                "the server limits connections (OpenSSH: MaxStartups, PerSourcePenalties): lower sessions in [sftp], or ask the provider".into()
            }
            Self::NoSsh(_) => {
                "another kind of server answers on this port: check host and port, and the way to it".into()
            }
            _ => return None,
        })
    }
}

/// Names of extensions are left out: they share the list with the algorithms.
pub(super) fn algorithms(names: &[String]) -> Vec<&str> {
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
            russh::Error::ChannelOpenFailure(reason) => Self::NoChannel(match reason {
                ChannelOpenFailure::AdministrativelyProhibited => "administratively prohibited",
                ChannelOpenFailure::ConnectFailed => "connect failed",
                ChannelOpenFailure::UnknownChannelType => "unknown channel type",
                ChannelOpenFailure::ResourceShortage => "resource shortage",
                ChannelOpenFailure::Other { .. } => "it gave no known reason",
            }),
            russh::Error::NoCommonAlgo { kind, ours, theirs } => Self::NothingInCommon {
                kind: match kind {
                    AlgorithmKind::Kex => "key exchange",
                    AlgorithmKind::Key => "host key type",
                    AlgorithmKind::Cipher => "cipher",
                    AlgorithmKind::Compression => "compression",
                    AlgorithmKind::Mac => "MAC",
                },
                lists: Box::new(AlgorithmLists {
                    offered: printable(&algorithms(theirs).join(", ")),
                    ours: algorithms(ours).join(", "),
                }),
            },
            other => Self::Other(printable(&other.to_string()).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_has_too_many_connections_is_asked_again() {
        for (line, is_final) in [
            ("Exceeded MaxStartups", false),
            ("Exceeded MaxStartups\r\n", false),
            ("Not allowed at this time", false),
            ("HTTP/1.1 400 Bad Request", true),
            ("220 files.example.com FTP server ready", true),
            ("", true),
        ] {
            let error = SshError::of_first_line(line.into());
            assert_eq!(error.is_final(), is_final, "{line:?}");
        }
    }
}
