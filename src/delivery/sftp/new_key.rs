//! A new key pair: ed25519, as `ssh-keygen -t ed25519` makes it, without a passphrase.

use russh::keys::PrivateKey;
use russh::keys::ssh_key::private::Ed25519Keypair;
use russh::keys::ssh_key::{self, LineEnding};
use zeroize::Zeroizing;

use super::HostKeyPin;

/// The reason for which no key can be made.
#[derive(Debug, thiserror::Error)]
pub enum NewKeyError {
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    Random(#[source] getrandom::Error),
    /// The key cannot be written as a text.
    #[error("the key cannot be written as OpenSSH writes it")]
    Encode(#[from] ssh_key::Error),
}

/// A key pair that no file has yet.
pub struct NewKey {
    private: Zeroizing<String>,
    /// The line that a server takes: the type, the key and the comment.
    pub public: String,
    /// The fingerprint of the public half.
    pub fingerprint: HostKeyPin,
}

impl NewKey {
    /// Makes a key pair with this comment.
    pub fn make(comment: &str) -> Result<Self, NewKeyError> {
        let mut seed = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *seed).map_err(NewKeyError::Random)?;
        let mut key = PrivateKey::from(Ed25519Keypair::from_seed(&seed));
        key.set_comment(comment);
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
