//! Takes the key out of the text of a key file, with its passphrase if it has one.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cbc::Decryptor;
use pkcs8::{EncryptedPrivateKeyInfoRef, SecretDocument};
use russh::keys::{self, PrivateKey, decode_secret_key, ssh_key};

use crate::base::secret::Secret;

/// The line that says that a PEM file is encrypted in OpenSSL's old way.
const ENCRYPTED: &str = "Proc-Type: 4,ENCRYPTED";
/// The line that says how.
const CIPHER: &str = "DEK-Info: ";

/// The next command to type for a key that is encrypted in a way which is not known here.
pub(super) const CONVERT: &str = "convert it: ssh-keygen -p -f KEY";

/// The reason for which no key could be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// The passphrase is another.
    Passphrase,
    /// No passphrase would help.
    Unusable(String),
}

/// The key in `text`, whose format is known to be one that can be read; `passphrase` if and only if it is encrypted.
pub(super) fn open(text: &str, passphrase: Option<&str>) -> Result<PrivateKey, Unopened> {
    let damaged = || Unopened::Unusable("the key in it is damaged".into());
    let decoded = match passphrase {
        Some(passphrase) if is_old_pem(text) => {
            let body = old_body(text).ok_or_else(damaged)?;
            let clear = body.decrypt(passphrase).ok_or(Unopened::Passphrase)?;
            decode_secret_key(clear.reveal(), None)
        }
        passphrase => decode_secret_key(text, passphrase),
    };
    decoded.map_err(|error| match error {
        keys::Error::UnsupportedKeyType { .. }
        | keys::Error::UnknownAlgorithm(_)
        | keys::Error::SshKey(
            ssh_key::Error::AlgorithmUnknown | ssh_key::Error::AlgorithmUnsupported { .. },
        ) => Unopened::Unusable(format!("its kind is not supported ({error})")),
        _ if passphrase.is_none() => damaged(),
        keys::Error::Decode(_) => damaged(),
        keys::Error::Pkcs8(pkcs8::Error::EncryptedPrivateKey(error))
            if error != pkcs8::pkcs5::Error::DecryptFailed =>
        {
            of_old_encryption()
        }
        keys::Error::Der(_) | keys::Error::Pkcs8(pkcs8::Error::Asn1(_)) => {
            let body = body(text.trim_start().lines().skip(1));
            match body.map(|body| SecretDocument::try_from(&body[..])) {
                Some(Ok(whole)) => match whole.decode_msg::<EncryptedPrivateKeyInfoRef<'_>>() {
                    Ok(_) => Unopened::Passphrase,
                    Err(_) => of_old_encryption(),
                },
                _ => damaged(),
            }
        }
        _ => Unopened::Passphrase,
    })
}

/// A PKCS#8 file is encrypted in a way that the library does not know, whatever the passphrase: PBES1, or PBES2 with 3DES or
/// SHA-1.
fn of_old_encryption() -> Unopened {
    Unopened::Unusable(format!("its encryption is too old; {CONVERT}"))
}

/// The bytes that stand in a PEM file from the first of these lines to the one that ends it.
fn body<'a>(lines: impl Iterator<Item = &'a str>) -> Option<Vec<u8>> {
    let text: String = lines
        .map(str::trim)
        .take_while(|line| !line.starts_with('-'))
        .collect();
    STANDARD.decode(text).ok()
}

/// Whether the text is encrypted in the way that OpenSSL had before PKCS#8.
pub(super) fn is_old_pem(text: &str) -> bool {
    text.contains(ENCRYPTED)
}

/// The cipher of such a text, such as `AES-128-CBC`, if it can be decrypted here.
pub(super) fn old_cipher(text: &str) -> Result<OldCipher<'_>, &str> {
    let info = text.lines().find_map(|line| line.strip_prefix(CIPHER));
    let (name, iv) = info
        .and_then(|info| info.trim_end().split_once(','))
        .unwrap_or_default();
    let key_bytes = match name {
        "AES-128-CBC" => 16,
        "AES-192-CBC" => 24,
        "AES-256-CBC" => 32,
        _ => return Err(name),
    };
    Ok(OldCipher { key_bytes, iv })
}

/// See [`old_cipher`].
pub(super) struct OldCipher<'a> {
    key_bytes: usize,
    /// As hex digits.
    iv: &'a str,
}

/// The encrypted bytes of such a text.
struct OldBody<'a> {
    /// The line that begins the file.
    begin: &'a str,
    key_bytes: usize,
    iv: [u8; 16],
    bytes: Vec<u8>,
}

fn old_body(text: &str) -> Option<OldBody<'_>> {
    let OldCipher { key_bytes, iv } = old_cipher(text).ok()?;
    let iv: [u8; 16] = u128::from_str_radix(iv, 16).ok()?.to_be_bytes();
    let mut lines = text.trim_start().lines();
    let begin = lines.next()?;
    let bytes = body(lines.skip_while(|line| !line.trim().is_empty()))?;
    Some(OldBody {
        begin,
        key_bytes,
        iv,
        bytes,
    })
}

impl OldBody<'_> {
    /// The same PEM file in the clear ("PEM encryption format" in OpenSSL's manual page PEM_read_bio_PrivateKey(3)); None if
    /// the passphrase is another.
    fn decrypt(mut self, passphrase: &str) -> Option<Secret> {
        let (iv, bytes) = (&self.iv, &mut self.bytes);
        let key = old_key(passphrase.as_bytes(), &iv[..8], self.key_bytes);
        let clear = match self.key_bytes {
            16 => decrypt::<Decryptor<Aes128>>(&key, iv, bytes),
            24 => decrypt::<Decryptor<Aes192>>(&key, iv, bytes),
            _ => decrypt::<Decryptor<Aes256>>(&key, iv, bytes),
        }?;
        let clear = STANDARD.encode(clear);
        let begin = self.begin;
        let end = begin.replacen("BEGIN", "END", 1);
        Some(Secret::new(format!("{begin}\n{clear}\n{end}\n")))
    }
}

fn decrypt<'a, D: BlockModeDecrypt + KeyIvInit>(
    key: &[u8],
    iv: &[u8],
    bytes: &'a mut [u8],
) -> Option<&'a [u8]> {
    let cipher = D::new_from_slices(key, iv).ok()?;
    cipher.decrypt_padded::<Pkcs7>(bytes).ok()
}

/// EVP_BytesToKey(3) with MD5 and one round.
fn old_key(passphrase: &[u8], salt: &[u8], length: usize) -> Vec<u8> {
    let mut key = Vec::new();
    let mut last: Vec<u8> = Vec::new();
    while key.len() < length {
        last.extend(passphrase);
        last.extend(salt);
        last = md5::compute(&last).to_vec();
        key.extend(&last);
    }
    key.truncate(length);
    key
}
