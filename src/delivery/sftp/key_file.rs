//! Reads a private key file and looks at its outside: format, encrypted or not, public half.

mod open;
mod opened;
mod public_half;
mod putty;

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use russh::keys::{Certificate, PrivateKey};
use zeroize::Zeroizing;

use self::open::KeyFault;
pub use self::opened::OpenedKey;
use self::public_half::{is_public, public_half_of};
pub(super) use self::public_half::{public_facts, read_public};
use super::known_hosts::key_type_of;
use super::{HostKeyPin, SftpError};
use crate::base::private_file::SmallFile;
use crate::base::secret::Secret;

const MAX_BYTES: u64 = 64 * 1024;
const OPENSSH_BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
/// The line of a PEM file that is encrypted as OpenSSL did before PKCS#8: with MD5.
const OLD_ENCRYPTION: &str = "Proc-Type: 4,ENCRYPTED";
const OPENSSH_MAGIC: &[u8] = b"openssh-key-v1\0";

/// The text of a private key, in a format that can be read.
#[derive(Debug)]
pub(super) struct KeyFile {
    pub(super) path: PathBuf,
    text: Secret,
    pub(super) encrypted: bool,
    /// Fingerprint of the public half, where the format tells it without the passphrase.
    pub(super) fingerprint: Option<HostKeyPin>,
    key_type: Option<String>,
}

/// The part of a key file that is read without the passphrase.
#[derive(Debug, PartialEq, Eq)]
enum KeyEnvelope {
    Usable {
        encrypted: bool,
        public: Option<Vec<u8>>,
    },
    Unusable(String),
}

impl KeyFile {
    /// Reads the file; one that others can read, or in a format that cannot work, is refused here.
    pub(super) fn read(path: &Path) -> Result<Self, SftpError> {
        let fail = |source| SftpError::KeyFile {
            path: path.to_path_buf(),
            source,
        };
        let file = SmallFile::read(path, MAX_BYTES).map_err(fail)?;
        Self::of_bytes(path, &file.bytes, file.exposed_mode())
    }

    /// The key in the bytes of a file. `exposed` is the mode of a file that others can read.
    pub(super) fn of_bytes(
        path: &Path,
        bytes: &[u8],
        exposed: Option<u32>,
    ) -> Result<Self, SftpError> {
        let unusable = |reason: String| SftpError::KeyUnsupported {
            path: path.to_path_buf(),
            reason,
        };
        // First: a public key may be read by all, and another mode would not mend it.
        if is_public(bytes) {
            return Err(unusable(public_half_of(path)));
        }
        let text = std::str::from_utf8(bytes)
            .map_err(|_| unusable("it is not a text file in PEM or OpenSSH format".into()))?
            .trim_start_matches('\u{feff}');
        let text = Zeroizing::new(text.replace("\r\n", "\n"));
        let text = Secret::new(without_parameters(&text).to_owned());
        // What is no key at all is not mended by another mode.
        let (encrypted, public) = match look_at(text.reveal()) {
            KeyEnvelope::Unusable(reason) => return Err(unusable(reason)),
            KeyEnvelope::Usable { encrypted, public } => (encrypted, public),
        };
        if let Some(mode) = exposed {
            return Err(SftpError::KeyFileExposed {
                path: path.to_path_buf(),
                mode,
            });
        }
        Ok(Self {
            path: path.to_path_buf(),
            text,
            encrypted,
            fingerprint: public.as_deref().map(HostKeyPin::of),
            key_type: public.as_deref().and_then(key_type_of).map(str::to_owned),
        })
    }

    /// The key in it, by `passphrase` if it is encrypted; an empty one is none.
    pub(super) fn open(&self, passphrase: Option<&Secret>) -> Result<PrivateKey, SftpError> {
        let path = || self.path.clone();
        let passphrase = passphrase
            .map(Secret::reveal)
            .filter(|passphrase| !passphrase.is_empty() && self.encrypted);
        if self.encrypted && passphrase.is_none() {
            return Err(SftpError::PassphraseMissing { path: path() });
        }
        open::open(self.text.reveal(), passphrase).map_err(|why| match why {
            KeyFault::Passphrase => SftpError::PassphraseWrong { path: path() },
            KeyFault::Unusable(reason) => SftpError::KeyUnsupported {
                path: path(),
                reason,
            },
        })
    }

    /// Its facts.
    pub(super) fn facts(&self) -> KeyFacts {
        KeyFacts {
            path: self.path.clone(),
            key_type: self.key_type.clone(),
            fingerprint: self.fingerprint,
            encrypted: self.encrypted,
        }
    }
}

/// The facts by which a person recognises a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFacts {
    /// The key file; with an agent the file of its public half.
    pub path: PathBuf,
    /// Such as `ssh-ed25519`, where the format tells it.
    pub key_type: Option<String>,
    /// As `ssh-keygen -lf` prints it, where the format tells it.
    pub fingerprint: Option<HostKeyPin>,
    /// Whether it needs a passphrase.
    pub encrypted: bool,
}

/// The certificate that stands beside the key file, as OpenSSH names it; one that is not of this key is left alone.
pub(super) fn certificate_of(path: &Path, key: &PrivateKey) -> Option<Certificate> {
    let mut path = path.to_path_buf();
    path.as_mut_os_string().push("-cert.pub");
    let file = SmallFile::read(&path, MAX_BYTES).ok()?;
    let certificate = Certificate::from_openssh(std::str::from_utf8(&file.bytes).ok()?.trim());
    let certificate = certificate.ok()?;
    let is_of_key = certificate.public_key() == key.public_key().key_data();
    is_of_key.then_some(certificate)
}

fn look_at(text: &str) -> KeyEnvelope {
    let text = text.trim_start();
    let first = text.lines().next().unwrap_or_default().trim_end();
    let plain = |encrypted| KeyEnvelope::Usable {
        encrypted,
        public: None,
    };
    match first {
        OPENSSH_BEGIN => look_at_openssh(text),
        "-----BEGIN ENCRYPTED PRIVATE KEY-----" => plain(true),
        "-----BEGIN PRIVATE KEY-----" => plain(false),
        "-----BEGIN RSA PRIVATE KEY-----" | "-----BEGIN EC PRIVATE KEY-----" => {
            if text.contains(OLD_ENCRYPTION) {
                return open::of_old_encryption();
            }
            plain(false)
        }
        "-----BEGIN DSA PRIVATE KEY-----" => {
            KeyEnvelope::Unusable("DSA keys are no longer supported".into())
        }
        _ if first.starts_with("PuTTY-User-Key-File-") => putty::look_at(text),
        _ => KeyEnvelope::Unusable("it is not a private key in PEM or OpenSSH format".into()),
    }
}

fn look_at_openssh(text: &str) -> KeyEnvelope {
    let damaged = || KeyEnvelope::Unusable("the OpenSSH key in it is damaged".into());
    let body: String = text
        .lines()
        .skip(1)
        .take_while(|line| !line.starts_with('-'))
        .flat_map(|line| line.trim().chars())
        .collect();
    let Some((cipher, public)) = STANDARD
        .decode(body)
        .ok()
        .and_then(|body| openssh_header(&body))
    else {
        return damaged();
    };
    match key_type_of(&public) {
        None => damaged(),
        Some(
            "ssh-ed25519"
            | "ssh-rsa"
            | "ecdsa-sha2-nistp256"
            | "ecdsa-sha2-nistp384"
            | "ecdsa-sha2-nistp521",
        ) => match cipher.as_slice() {
            b"3des-cbc" => open::of_old_encryption(),
            cipher => KeyEnvelope::Usable {
                encrypted: cipher != b"none",
                public: Some(public),
            },
        },
        Some(other) => {
            KeyEnvelope::Unusable(format!("keys of type {other} are not supported here"))
        }
    }
}

/// The text behind the curve's parameters, which `openssl ecparam -genkey` writes before a key.
fn without_parameters(text: &str) -> &str {
    const END: &str = "-----END EC PARAMETERS-----";
    let has_some = text
        .trim_start()
        .starts_with("-----BEGIN EC PARAMETERS-----");
    let key = text.split_once(END).filter(|_| has_some);
    key.map_or(text, |(_, key)| key.trim_start())
}

/// Cipher name and public key: both stand in the clear.
fn openssh_header(body: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let rest = body.strip_prefix(OPENSSH_MAGIC)?;
    let (cipher, rest) = string(rest)?;
    let (_kdf, rest) = string(rest)?;
    let (_kdf_options, rest) = string(rest)?;
    let (_count, rest) = rest.split_first_chunk::<4>()?;
    let (public, _) = string(rest)?;
    Some((cipher.to_vec(), public.to_vec()))
}

fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A made-up cleartext part of an OpenSSH key.
    fn openssh(cipher: &str, key_type: &str) -> String {
        let field = |bytes: &[u8]| {
            let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
            [&length, bytes].concat()
        };
        let mut body = OPENSSH_MAGIC.to_vec();
        for part in [cipher, "bcrypt", ""] {
            body.extend(field(part.as_bytes()));
        }
        body.extend(1_u32.to_be_bytes());
        body.extend(field(&field(key_type.as_bytes())));
        let body = STANDARD.encode(body);
        let (first, second) = body.split_at(40);
        format!(
            "-----BEGIN OPENSSH PRIVATE KEY-----
{first}
{second}
-----END OPENSSH PRIVATE KEY-----
"
        )
    }

    fn encrypted(text: &str) -> Option<bool> {
        match look_at(text) {
            KeyEnvelope::Usable { encrypted, .. } => Some(encrypted),
            KeyEnvelope::Unusable(_) => None,
        }
    }

    #[test]
    fn formats_are_told_apart() {
        let pem = |name: &str, head: &str| {
            format!("-----BEGIN {name}-----\n{head}\nAAAA\n-----END {name}-----\n")
        };
        let old = |name: &str, cipher: &str| {
            let head = format!(
                "Proc-Type: 4,ENCRYPTED\nDEK-Info: {cipher},00112233445566778899AABBCCDDEEFF\n"
            );
            pem(name, &head)
        };
        let cases = [
            (openssh("none", "ssh-ed25519"), Some(false)),
            (openssh("aes256-ctr", "ssh-rsa"), Some(true)),
            (openssh("3des-cbc", "ssh-rsa"), None),
            (openssh("none", "ssh-dss"), None),
            (openssh("none", "sk-ssh-ed25519@openssh.com"), None),
            (openssh("none", "ssh-ed25519").replace('A', "!"), None),
            (openssh("none", "ssh-ed25519")[..70].into(), None),
            (pem("RSA PRIVATE KEY", ""), Some(false)),
            (old("RSA PRIVATE KEY", "AES-128-CBC"), None),
            (old("EC PRIVATE KEY", "AES-256-CBC"), None),
            (old("RSA PRIVATE KEY", "DES-EDE3-CBC"), None),
            (pem("RSA PRIVATE KEY", "Proc-Type: 4,ENCRYPTED"), None),
            (pem("EC PRIVATE KEY", ""), Some(false)),
            (pem("PRIVATE KEY", ""), Some(false)),
            (pem("ENCRYPTED PRIVATE KEY", ""), Some(true)),
            (pem("DSA PRIVATE KEY", ""), None),
            (pem("PUBLIC KEY", ""), None),
            ("ssh-ed25519 AAAA me@here".into(), None),
            ("PuTTY-User-Key-File-3: ssh-ed25519\n".into(), None),
            (
                "PuTTY-User-Key-File-3: x\nEncryption: none\nPublic-Lines: 99999999999999999999\n"
                    .into(),
                None,
            ),
            (String::new(), None),
        ];
        for (text, expected) in cases {
            assert_eq!(encrypted(&text), expected, "{text}");
        }
    }

    #[test]
    fn a_key_that_others_can_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        let text = openssh("none", "ssh-ed25519").replace('\n', "\r\n");
        std::fs::write(&path, text).unwrap();
        let mode =
            |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        for exposed in [0o640, 0o604, 0o620] {
            mode(exposed);
            assert!(matches!(
                KeyFile::read(&path),
                Err(SftpError::KeyFileExposed { .. })
            ));
        }
        for owner_only in [0o600, 0o400] {
            mode(owner_only);
            let key = KeyFile::read(&path).unwrap();
            assert!(
                !key.encrypted && key.fingerprint.is_some() && !key.text.reveal().contains('\r')
            );
            assert!(!format!("{key:?}").contains("BEGIN"));
        }
        assert!(matches!(
            KeyFile::read(home.path()),
            Err(SftpError::KeyFile { .. })
        ));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}", bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100)) {
            look_at(&text);
            let mut body = OPENSSH_MAGIC.to_vec();
            body.extend(bytes);
            openssh_header(&body);
        }
    }
}
