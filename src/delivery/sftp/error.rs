//! Errors between this machine and the server, and what follows from each.
//!
//! `Display` is one line and never repeats its source; [`SftpError::hint`] says what to do. Texts of the server stand in an
//! error only with control characters escaped.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{HostKeyError, ProgramError, ProxyError, SftpStatus, SshError};

/// An error of the SFTP client. `server` is `host:port`, `doing` a phrase such as `close profiles/x.csv`.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the messages say what the variants and fields are"
)]
pub enum SftpError {
    #[error("find the address of {host}")]
    Resolve { host: String, source: io::Error },
    #[error("{host} is {address}, and only loopback addresses are allowed")]
    NotLoopback { host: String, address: IpAddr },
    #[error("connect to {server}")]
    Connect { server: String, source: io::Error },
    #[error("reach {server} through the proxy {proxy}")]
    Proxy {
        proxy: String,
        server: String,
        source: Box<ProxyError>,
    },
    #[error("reach {server} through the program {program}")]
    ProxyCommand {
        program: String,
        server: String,
        source: ProgramError,
    },
    #[error("{jump} {} {server}", if *forbidden { "does not allow connections to" } else { "could not connect to" })]
    JumpRefused {
        jump: String,
        server: String,
        forbidden: bool,
    },
    #[error("open an SSH connection to {server}")]
    Handshake { server: String, source: SshError },
    #[error("negotiate key exchange, host key type and cipher with {server}")]
    NothingInCommon { server: String, source: SshError },

    #[error("read known hosts file {path}")]
    KnownHosts { path: PathBuf, source: io::Error },
    #[error("add the host key of {server} to {path}")]
    AddHostKey {
        server: String,
        path: PathBuf,
        source: io::Error,
    },
    #[error(transparent)]
    HostKey(#[from] Box<HostKeyError>),

    #[error("no private key, agent or password is set for {server}")]
    NoCredentials { server: String },
    #[error("read key file {path}")]
    KeyFile { path: PathBuf, source: io::Error },
    #[error("key file {path} can be read by others (mode {mode:04o})")]
    KeyFileExposed { path: PathBuf, mode: u32 },
    #[error("key file {path} cannot be used: {reason}")]
    KeyUnsupported { path: PathBuf, reason: String },
    #[error("key file {path} is encrypted and no passphrase is set")]
    PassphraseMissing { path: PathBuf },
    #[error("the passphrase does not open key file {path}")]
    PassphraseWrong { path: PathBuf },
    #[error("use the ssh-agent")]
    Agent { source: Box<russh::keys::Error> },
    #[error("the ssh-agent has no identity{}", wanted_text(wanted.as_ref()))]
    NoIdentity { wanted: Option<PathBuf> },
    #[error("{server} rejected the login of {username} with {tried} (it offers: {methods})")]
    Unauthorised {
        server: String,
        username: String,
        tried: String,
        methods: String,
    },
    #[error("the password of {username} at {server} has expired")]
    PasswordExpired { server: String, username: String },

    #[error("{server} refused to {doing}: {status}{}", free_text(*free_bytes))]
    Refused {
        server: String,
        doing: String,
        status: SftpStatus,
        /// Room on the server, when it was asked and says.
        free_bytes: Option<u64>,
    },
    /// Nothing was created.
    #[error("{server} refused to open {remote_path}: {status}")]
    OpenRefused {
        server: String,
        remote_path: String,
        status: SftpStatus,
    },
    #[error("the connection to {server} was lost: {doing}")]
    Lost {
        server: String,
        doing: String,
        source: SshError,
    },
    #[error("{server} did not answer within {} s: {doing}", limit.as_secs_f32())]
    TimedOut {
        server: String,
        doing: String,
        limit: Duration,
    },
    #[error("{server} acknowledged nothing for {} s: {doing}, after {acknowledged} bytes", limit.as_secs_f32())]
    Stalled {
        server: String,
        doing: String,
        acknowledged: u64,
        limit: Duration,
    },
    /// Every byte was acknowledged, but not the CLOSE: the file may stand there whole.
    #[error("{server} has every byte of {remote_path}, but did not confirm it")]
    CommitUnknown {
        server: String,
        remote_path: String,
        source: Box<SftpError>,
    },
    #[error("interrupted: {doing} on {server}")]
    Interrupted { server: String, doing: String },
    #[error("read the file to be sent as {remote_path}")]
    Source {
        remote_path: String,
        source: io::Error,
    },
    #[error("the file to be sent as {remote_path} does not have the expected {expected} bytes")]
    SourceSize { remote_path: String, expected: u64 },
    #[error("the session with {server} ended after an earlier error")]
    Ended { server: String },
}

/// Whether doing it again can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// The answer will be the same.
    Never,
    /// The server gave no reason; once more is worth it.
    Once,
    /// The connection failed, not the request.
    UntilGivenUp,
}

impl SftpError {
    /// Whether a new session may fare better.
    pub fn retry(&self) -> Retry {
        match self {
            Self::Handshake { source, .. } | Self::Lost { source, .. } if source.is_final() => {
                Retry::Once
            }
            Self::Resolve { .. }
            | Self::Connect { .. }
            | Self::Handshake { .. }
            | Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::Stalled { .. } => Retry::UntilGivenUp,
            Self::Proxy { source, .. } if source.is_transient() => Retry::UntilGivenUp,
            Self::JumpRefused { forbidden, .. } if !forbidden => Retry::UntilGivenUp,
            Self::CommitUnknown { source, .. } => source.retry(),
            Self::Refused { status, .. } | Self::OpenRefused { status, .. } => status.retry(),
            _ => Retry::Never,
        }
    }

    /// True when trying again is worth anything at all.
    pub fn is_transient(&self) -> bool {
        self.retry() != Retry::Never
    }

    /// True for what exit code 13 stands for: the server is not who it should be, or does not let us in.
    pub fn is_authentication(&self) -> bool {
        let is_of_proxy = |error: &ProxyError| matches!(error, ProxyError::Login(_));
        matches!(self, Self::Proxy { source, .. } if is_of_proxy(source))
            || matches!(
                self,
                Self::KnownHosts { .. }
                    | Self::AddHostKey { .. }
                    | Self::HostKey(_)
                    | Self::NoCredentials { .. }
                    | Self::KeyFile { .. }
                    | Self::KeyFileExposed { .. }
                    | Self::KeyUnsupported { .. }
                    | Self::PassphraseMissing { .. }
                    | Self::PassphraseWrong { .. }
                    | Self::Agent { .. }
                    | Self::NoIdentity { .. }
                    | Self::Unauthorised { .. }
                    | Self::PasswordExpired { .. }
            )
    }

    /// True when the run was told to end at once.
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Interrupted { .. } => true,
            Self::CommitUnknown { source, .. } => source.is_interrupted(),
            _ => false,
        }
    }

    /// Advice on the error, where there is any.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::HostKey(error) => return error.hint(),
            Self::KeyFileExposed { path, .. } => format!("chmod 600 {}", path.display()),
            Self::KeyFile { path, .. } => {
                format!("check the path: ls -l {}", path.display())
            }
            Self::PassphraseWrong { path } => {
                format!("test it by hand: ssh-keygen -y -f {}", path.display())
            }
            Self::Refused {
                status: SftpStatus::PERMISSION_DENIED,
                ..
            }
            | Self::OpenRefused {
                status: SftpStatus::PERMISSION_DENIED,
                ..
            } => "trying again does not help: ask the provider whether this user may write there, then run the same command again".into(),
            Self::PassphraseMissing { .. } => {
                "put it into an environment variable, and name the variable with passphrase-env or --passphrase-env; at a terminal the program asks for it".into()
            }
            Self::PasswordExpired { .. } => {
                "set a new password at the server, by the provider's page or by ssh, and store it where password-env or password-file names".into()
            }
            Self::Unauthorised { .. } => {
                "check that the public key was added to this account, and that the user name is right".into()
            }
            Self::Refused {
                status: SftpStatus::FAILURE,
                free_bytes: None,
                ..
            }
            | Self::OpenRefused {
                status: SftpStatus::FAILURE,
                ..
            } => "the server gives no reason; usually its disk is full, or a quota is used up".into(),
            Self::OpenRefused {
                status: SftpStatus::NO_SUCH_FILE,
                ..
            } => "check that the directory exists on the server; Klaviyo's is /profiles".into(),
            Self::NothingInCommon { source, .. } => return source.hint(),
            Self::Resolve { host, .. } => format!(
                "check the host name and the network of this machine: getent hosts {host}"
            ),
            Self::Proxy { proxy, source, .. } => match &**source {
                ProxyError::Login(_) => {
                    "check the user name in proxy, and the password that proxy-password-env or proxy-password-file names".into()
                }
                ProxyError::OtherProtocol(..) => {
                    "write proxy = \"socks5://HOST:PORT\" or \"http://HOST:PORT\", as the proxy is".into()
                }
                ProxyError::Forbidden(_) => {
                    "ask whoever runs the proxy to allow this host and port".into()
                }
                _ => format!("check that the proxy is up, and that it reaches the server: curl -v --proxy {proxy} telnet://HOST:PORT"),
            },
            Self::ProxyCommand { program, .. } => {
                format!("check that the program is installed: command -v {program}")
            }
            Self::Handshake { source, .. } | Self::Lost { source, .. } if source.hint().is_some() => {
                return source.hint();
            }
            Self::JumpRefused { jump, server, forbidden: true } => format!(
                "sshd of {jump} must allow it: AllowTcpForwarding yes, and PermitOpen {server} where that is set"
            ),
            Self::NotLoopback { .. } => "KLAVIYO_EXPORT_LOOPBACK_ONLY is set".into(),
            _ => return None,
        })
    }
}

fn wanted_text(wanted: Option<&PathBuf>) -> String {
    wanted.map_or_else(String::new, |path| format!(" that is {}", path.display()))
}

fn free_text(free_bytes: Option<u64>) -> String {
    free_bytes.map_or_else(String::new, |free| {
        format!(" ({free} bytes free on the server)")
    })
}

/// A text of the server as an error may show it: one line, no control characters, not too long.
pub(super) fn printable(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars().take(200) {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let refused = |status| SftpError::Refused {
            server: "h:22".into(),
            doing: "open x".into(),
            status,
            free_bytes: None,
        };
        for status in [
            SftpStatus::NO_SUCH_FILE,
            SftpStatus::PERMISSION_DENIED,
            SftpStatus::BAD_MESSAGE,
        ] {
            assert_eq!(refused(status).retry(), Retry::Never);
        }
        assert_eq!(refused(SftpStatus::FAILURE).retry(), Retry::Once);
        let interrupted = SftpError::Interrupted {
            server: "h:22".into(),
            doing: "close x".into(),
        };
        let unknown = SftpError::CommitUnknown {
            server: "h:22".into(),
            remote_path: "x".into(),
            source: Box::new(interrupted),
        };
        assert!(unknown.is_interrupted() && !unknown.is_transient());
    }

    #[test]
    fn server_texts_lose_their_control_characters() {
        assert_eq!(printable("a\x1b[31m\r\nb"), "a\\u{1b}[31m\\r\\nb");
    }
}
