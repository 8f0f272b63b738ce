//! The SFTP client: connect, check the host key, log in, send a file, look at it.
//!
//! Takes [`SftpSettings`] and an [`Interrupt`](crate::base::interrupt::Interrupt), gives a blocking [`SftpSession`] for one thread.
//! Always: the host key is checked before anything secret is sent; a file is closed only when every byte of it was
//! acknowledged; after an error of [`SftpSession::put`] the session is dead. Whether and when to try again is the caller's
//! business: [`SftpError::retry`] says if it makes sense.

mod agent;
mod algorithms;
mod dial;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod heard;
mod host_key;
mod host_key_error;
mod key_file;
mod known_hosts;
#[cfg(feature = "ssh2")]
mod libssh2;
mod login;
mod new_key;
mod packet;
mod peer;
mod pin;
mod put;
mod session;
mod ssh_error;
mod status;
mod steps;
mod subsystem;
mod trial;
mod unlock;
mod way;
mod window;
mod wire;

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::base::secret::Secret;

pub use error::{Retry, SftpError};
pub use host_key::{HostKeyCheck, HostKeyFacts, Trust};
pub use host_key_error::{HostKeyError, HostKeyReason};
pub use key_file::{KeyFacts, OpenedKey};
pub use login::Credentials;
pub use new_key::NewKey;
pub use peer::Transport;
pub use pin::{HostKeyPin, HostKeyPinError};
pub use session::{RemoteDirectory, RemoteSize, Removal, ServerFacts, SftpSession};
pub use ssh_error::{AlgorithmLists, SshError};
pub use status::SftpStatus;
pub use steps::{GreetedServer, ReachedServer, TrustedServer, resolve};
pub use trial::Trial;
pub use way::{ProgramError, Proxy, ProxyError, ProxyProtocol, Way, expand_program};

/// How to reach one server; shared by every session of a run.
#[derive(Debug, Clone)]
pub struct SftpSettings {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The way to it.
    pub way: Way,
    /// The library that speaks SSH with it; other servers on the way are always spoken with by russh.
    pub transport: Transport,
    /// The account.
    pub username: String,
    /// The proofs of identity.
    pub authentication: Authentication,
    /// All are read; the first is the one that new keys are added to. A missing file counts as empty.
    pub known_hosts: Vec<PathBuf>,
    /// When any is given, the server's key must be one of these, whatever the known_hosts files say (`@revoked` still wins).
    pub host_keys: Vec<HostKeyPin>,
    /// Adds the key of a host that no known_hosts file names; never accepts a changed one.
    pub accept_new_host_key: bool,
    /// Unacknowledged bytes in flight; at least one packet (32,000 bytes) is used.
    pub window_bytes: usize,
    /// Limit from the first attempt to connect, over all addresses, to the open subsystem. Looking the name up is not counted.
    pub connect_timeout: Duration,
    /// An upload without one acknowledged byte for this long, or a request without an answer, is given up.
    pub stall_timeout: Duration,
    /// Limit for the answer to CLOSE, which is the commit: a server on object storage may store the file only then.
    pub commit_timeout: Duration,
    /// Refuses to dial anything but this machine (tests).
    pub loopback_only: bool,
}

/// The proofs of identity, tried in this order: agent, or else key file; then password.
#[derive(Debug, Clone, Default)]
pub struct Authentication {
    /// Key file, readable by its owner only. With an agent, the `.pub` file beside it names the one identity to use.
    pub private_key: Option<PathBuf>,
    /// Opens the key file when it is encrypted.
    pub passphrase: Option<Secret>,
    /// Uses ssh-agent instead of reading the key file.
    pub agent: Option<AgentIdentities>,
    /// For servers that want one.
    pub password: Option<Secret>,
    /// The key of the key file, once it was opened.
    pub opened: OpenedKey,
}

/// The identities of an ssh-agent: each in turn, at most 5 per session. Clones share the memory of which one was accepted,
/// so that the next session begins with it.
#[derive(Debug, Clone, Default)]
pub struct AgentIdentities {
    /// The agent's socket; without one no agent can be asked.
    pub socket: Option<PathBuf>,
    accepted: Arc<Mutex<Option<Vec<u8>>>>,
}

impl AgentIdentities {
    /// The agent behind `socket`, which the caller takes from `SSH_AUTH_SOCK` of its own environment.
    pub fn new(socket: Option<PathBuf>) -> Self {
        Self {
            socket,
            accepted: Arc::default(),
        }
    }
}

impl SftpSettings {
    /// Whether unknown host keys are added to known_hosts instead of refused: that of the server, and those of servers on the way.
    pub fn accept_new_host_keys(&mut self, accept: bool) {
        self.accept_new_host_key = accept;
        if let Way::Jump(jump) = &mut self.way {
            jump.accept_new_host_keys(accept);
        }
    }

    /// `host:port`, as errors name the server.
    pub fn server(&self) -> String {
        host_and_port(&self.host, self.port)
    }
}

/// `host:port`, an IPv6 address in brackets.
fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}
