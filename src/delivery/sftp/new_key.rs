//! A new key pair: ed25519, as `ssh-keygen -t ed25519` makes it, without a passphrase.

use std::io;

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::{self, LineEnding};
use zeroize::Zeroizing;

use super::HostKeyPin;

/// A key pair that no file has yet.
pub struct NewKey {
    private: Zeroizing<String>,
    /// The line that a server takes: the type, the key and the comment.
    pub public: String,
    /// The fingerprint of the public half.
    pub fingerprint: HostKeyPin,
}

impl NewKey {
    /// Makes a key pair with this comment. An error is that of a system without random numbers.
    pub fn make(comment: &str) -> io::Result<Self> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(io::Error::other)?;
        let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
        key.set_comment(comment);
        Self::of(&key).map_err(io::Error::other)
    }

    fn of(key: &PrivateKey) -> Result<Self, ssh_key::Error> {
        Ok(Self {
            private: key.to_openssh(LineEnding::LF)?,
            public: key.public_key().to_openssh()?,
            fingerprint: HostKeyPin::of(&key.public_key().to_bytes()?),
        })
    }

    /// The text of the private key file.
    pub fn private(&self) -> &str {
        &self.private
    }
}
