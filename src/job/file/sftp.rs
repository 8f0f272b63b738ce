//! `[sftp]` of a job file.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::text::{ByteCount, Span};

/// `[sftp]`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct SftpSection {
    /// Host name or address, or an alias of ssh_config.
    pub host: String,
    /// TCP port.
    pub port: Option<u16>,
    /// Remote folder.
    pub directory: String,
    /// Login.
    pub username: Option<String>,
    /// Path of the private key.
    pub private_key: Option<String>,
    /// Environment variable with the key's passphrase.
    pub passphrase_env: Option<String>,
    /// File with the key's passphrase.
    pub passphrase_file: Option<String>,
    /// Program that prints the key's passphrase, and its arguments.
    pub passphrase_command: Vec<String>,
    /// Offer the identities of the ssh-agent.
    pub agent: bool,
    /// Environment variable with the password, for servers that take one.
    pub password_env: Option<String>,
    /// File with the password.
    pub password_file: Option<String>,
    /// Program that prints the password, and its arguments.
    pub password_command: Vec<String>,
    /// Files with known host keys.
    pub known_hosts: Vec<String>,
    /// Fingerprints of accepted host keys.
    pub host_key: Vec<String>,
    /// Whether OpenSSH's configuration is asked for the host.
    pub ssh_config: SshConfigChoice,
    /// A program whose standard input and output are the way to the server, and its arguments.
    pub proxy_command: Vec<String>,
    /// A proxy: `socks5://HOST:PORT` or `http://HOST:PORT`.
    pub proxy: Option<String>,
    /// Environment variable with the proxy's password.
    pub proxy_password_env: Option<String>,
    /// File with the proxy's password.
    pub proxy_password_file: Option<String>,
    /// Program that prints the proxy's password, and its arguments.
    pub proxy_password_command: Vec<String>,
    /// Another SSH server to go through: `USER@HOST:PORT`.
    pub jump: Option<String>,
    /// Fingerprints of accepted host keys of that server.
    pub jump_host_key: Vec<String>,
    /// The library that speaks SSH.
    pub transport: TransportChoice,
    /// Parallel sessions.
    pub sessions: usize,
    /// Unacknowledged bytes per session.
    pub window: ByteCount,
    /// The longest that connecting may take.
    pub connect_timeout: Span,
    /// The longest time without an acknowledged byte.
    pub stall_timeout: Span,
    /// Limit for the answer to CLOSE.
    pub commit_timeout: Span,
    /// The time from the first signal to the end.
    pub stop_timeout: Span,
}

impl SftpSection {
    /// The TCP port of a server whose port nobody names.
    pub const PORT: u16 = 22;
}

impl Default for SftpSection {
    fn default() -> Self {
        Self {
            host: "sftp.klaviyo.com".to_owned(),
            port: None,
            directory: "/profiles".to_owned(),
            username: None,
            private_key: None,
            passphrase_env: None,
            passphrase_file: None,
            passphrase_command: Vec::new(),
            agent: false,
            password_env: None,
            password_file: None,
            password_command: Vec::new(),
            known_hosts: vec![
                "~/.ssh/known_hosts".to_owned(),
                "/etc/ssh/ssh_known_hosts".to_owned(),
            ],
            host_key: Vec::new(),
            ssh_config: SshConfigChoice::default(),
            proxy_command: Vec::new(),
            proxy: None,
            proxy_password_env: None,
            proxy_password_file: None,
            proxy_password_command: Vec::new(),
            jump: None,
            jump_host_key: Vec::new(),
            transport: TransportChoice::default(),
            sessions: 4,
            window: ByteCount(4_000_000),
            connect_timeout: Span::from_secs(15),
            stall_timeout: Span::from_secs(60),
            commit_timeout: Span::from_secs(300),
            stop_timeout: Span::from_secs(10),
        }
    }
}

/// Whether OpenSSH's configuration is asked for the host, and which file of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "the value must be true, false or the path of an ssh_config file"
)]
pub enum SshConfigChoice {
    /// The user's own and the system's, or none.
    Usual(bool),
    /// This file alone.
    File(String),
}

impl Default for SshConfigChoice {
    fn default() -> Self {
        Self::Usual(false)
    }
}

/// The library that speaks SSH with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TransportChoice {
    /// russh, with the cryptography of ring.
    #[default]
    Russh,
    /// libssh2, with the cryptography of OpenSSL, in builds that have it.
    Ssh2,
}
