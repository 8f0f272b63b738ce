//! The sandbox's two Ed25519 keys, the server's own and the user's, the `known_hosts` line that goes with them, and the
//! API key.
//!
//! Keys are made once below `root/keys` and kept, so that a client which pinned the host key still trusts a sandbox that
//! was started again.

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use russh::keys::PrivateKey;
use russh::keys::ssh_key::LineEnding;
use russh::keys::ssh_key::private::Ed25519Keypair;

use super::{SandboxError, store};

/// OpenSSH writes hosts at this port into `known_hosts` without the port.
const DEFAULT_SSH_PORT: u16 = 22;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// The keys, and the files that a client needs.
#[derive(Debug)]
pub(super) struct Keys {
    /// The server's key.
    pub(super) host: PrivateKey,
    /// The key whose public half may log in.
    pub(super) user: PrivateKey,
    /// Where the user's private key lies.
    pub(super) user_path: PathBuf,
    /// Where the line for this server lies.
    pub(super) known_hosts: PathBuf,
    /// The private API key.
    pub(super) api: String,
    /// Where the API key lies.
    pub(super) api_path: PathBuf,
}

impl Keys {
    /// Reads the keys below `root`, makes the missing ones, and writes `known_hosts` for `address`.
    pub(super) fn load_or_create(root: &Path, address: SocketAddr) -> Result<Self, SandboxError> {
        let folder = root.join("keys");
        store::create_folder(&folder)?;
        let host = load_or_create_key(&folder.join("host_ed25519"), "sandbox host key")?;
        let user_path = folder.join("id_ed25519");
        let user = load_or_create_key(&user_path, "sandbox user key")?;
        let known_hosts = root.join("known_hosts");
        let line = known_hosts_line(&host, address).map_err(key_error(&known_hosts))?;
        write_private(&known_hosts, &line).map_err(SandboxError::storage(&known_hosts))?;
        let api_path = folder.join("api_key");
        Ok(Self {
            host,
            user,
            user_path,
            known_hosts,
            api: load_or_create_api_key(&api_path)?,
            api_path,
        })
    }
}

/// A key of the form of Klaviyo's private ones: `pk_` and 34 hex digits.
fn load_or_create_api_key(path: &Path) -> Result<String, SandboxError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut random = [0_u8; 17];
            getrandom::fill(&mut random).map_err(SandboxError::Random)?;
            let hex = |byte: &u8| [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
            let digits: String = random.iter().flat_map(hex).map(char::from).collect();
            let key = format!("pk_{digits}");
            let line = format!("{key}\n");
            write_private(path, &line).map_err(SandboxError::storage(path))?;
            Ok(key)
        }
        Err(error) => Err(SandboxError::storage(path)(error)),
    }
}

fn load_or_create_key(path: &Path, comment: &str) -> Result<PrivateKey, SandboxError> {
    match fs::read_to_string(path) {
        Ok(text) => PrivateKey::from_openssh(text).map_err(key_error(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => create_key(path, comment),
        Err(error) => Err(SandboxError::storage(path)(error)),
    }
}

fn create_key(path: &Path, comment: &str) -> Result<PrivateKey, SandboxError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(SandboxError::Random)?;
    let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
    key.set_comment(comment);
    let text = key.to_openssh(LineEnding::LF).map_err(key_error(path))?;
    write_private(path, &text).map_err(SandboxError::storage(path))?;
    Ok(key)
}

fn key_error(path: &Path) -> impl FnOnce(russh::keys::ssh_key::Error) -> SandboxError {
    let path = path.to_owned();
    move |source| SandboxError::Key { path, source }
}

/// The line that makes OpenSSH and our own reader trust the server.
fn known_hosts_line(
    host: &PrivateKey,
    address: SocketAddr,
) -> Result<String, russh::keys::ssh_key::Error> {
    let mut key = host.public_key().clone();
    key.set_comment("");
    let name = if address.port() == DEFAULT_SSH_PORT {
        address.ip().to_string()
    } else {
        format!("[{}]:{}", address.ip(), address.port())
    };
    Ok(format!("{name} {}\n", key.to_openssh()?.trim_end()))
}

/// Replaces a file, 0600, so that no reader ever sees half of it.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(text.as_bytes())?;
    file.persist(path)?;
    Ok(())
}
