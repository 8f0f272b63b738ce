//! Takes the key out of the text of a key file, with its passphrase if it has one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use russh::keys::{self, PrivateKey, decode_secret_key, ssh_key};

use super::KeyEnvelope;

/// The next command to type for a key that is encrypted in a way which is not known here.
const CONVERT: &str = "convert it: ssh-keygen -p -f KEY";

/// The reason for which no key could be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum KeyFault {
    /// The passphrase is another.
    Passphrase,
    /// No passphrase would help.
    Unusable(String),
}

/// The key in `text`, whose format is known to be one that can be read; `passphrase` if and only if it is encrypted.
pub(super) fn open(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, KeyFault> {
    let damaged = || KeyFault::Unusable("the key in it is damaged".into());
    decode_secret_key(text, passphrase).map_err(|error| match error {
        keys::Error::UnsupportedKeyType { .. }
        | keys::Error::UnknownAlgorithm(_)
        | keys::Error::SshKey(
            ssh_key::Error::AlgorithmUnknown | ssh_key::Error::AlgorithmUnsupported { .. },
        ) => KeyFault::Unusable(format!("its kind is not supported ({error})")),
        _ if passphrase.is_none() => damaged(),
        keys::Error::Decode(_) => damaged(),
        keys::Error::Pkcs8(pkcs8::Error::EncryptedPrivateKey(error))
            if error != pkcs8::pkcs5::Error::DecryptFailed =>
        {
            old()
        }
        keys::Error::Der(_) | keys::Error::Pkcs8(pkcs8::Error::Asn1(_)) => {
            let body = body(text.trim_start().lines().skip(1));
            match body.map(|body| SecretDocument::try_from(&body[..])) {
                Some(Ok(whole)) => match whole.decode_msg::<EncryptedPrivateKeyInfoRef<'_>>() {
                    Ok(_) => KeyFault::Passphrase,
                    Err(_) => old(),
                },
                _ => damaged(),
            }
        }
        _ => KeyFault::Passphrase,
    })
}

/// A PKCS#8 file is encrypted in a way that the library does not know, whatever the passphrase: PBES1, or PBES2 with 3DES or
/// SHA-1.
fn old() -> KeyFault {
    KeyFault::Unusable(too_old())
}

/// A file that is encrypted in a way which is not known here, as its outside tells: with 3DES, or with MD5.
pub(super) fn of_old_encryption() -> KeyEnvelope {
    KeyEnvelope::Unusable(too_old())
}

fn too_old() -> String {
    format!("its encryption is too old; {CONVERT}")
}

/// The bytes that stand in a PEM file from the first of these lines to the one that ends it.
fn body<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<u8>> {
    let text: String = lines
        .map(str::trim)
        .take_while(|line| !line.starts_with('-'))
        .collect();
    STANDARD.decode(text).ok()
}
