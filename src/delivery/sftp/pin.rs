//! Fingerprints of host keys, as OpenSSH prints them: `SHA256:` and 43 characters of base64.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use sha2::{Digest as _, Sha256};

/// The SHA-256 fingerprint of a host key: what a job pins, and what every message about host keys shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HostKeyPin([u8; 32]);

/// The reason for which a text is not a fingerprint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{text:?} is not a SHA-256 host key fingerprint (SHA256: and 43 characters, as `ssh-keygen -lf` prints it)"
)]
pub struct HostKeyPinError {
    text: String,
}

impl HostKeyPin {
    /// The fingerprint of a public key in SSH wire format.
    pub fn of(key: &[u8]) -> Self {
        Self(Sha256::digest(key).into())
    }
}

impl FromStr for HostKeyPin {
    type Err = HostKeyPinError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refuse = || HostKeyPinError {
            text: text.chars().take(80).collect(),
        };
        let digest = text.trim().strip_prefix("SHA256:").ok_or_else(refuse)?;
        let digest = STANDARD_NO_PAD
            .decode(digest.trim_end_matches('='))
            .map_err(|_| refuse())?;
        Ok(Self(digest.try_into().map_err(|_| refuse())?))
    }
}

impl fmt::Display for HostKeyPin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "SHA256:{}", STANDARD_NO_PAD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_refuses_the_rest() {
        let pin = HostKeyPin::of(b"key");
        assert_eq!(
            pin.to_string(),
            "SHA256:LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmtoM"
        );
        assert_eq!(pin.to_string().parse(), Ok(pin));
        assert_eq!(format!("{pin}=").parse(), Ok(pin));
        for wrong in [
            "",
            "SHA256:",
            "SHA256:abc",
            "MD5:00:11",
            "LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmtoM",
            "SHA256:LHDhK3oGRvkiefQnx7OOczTY5Tic/xZ6HcMOc/gmto!",
        ] {
            assert!(wrong.parse::<HostKeyPin>().is_err(), "{wrong}");
        }
    }
}
