//! Files of public keys: one that is given by mistake, and one that names an identity of an agent.

use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{KeyFacts, MAX_BYTES, key_type_of};
use crate::base::private_file::SmallFile;
use crate::delivery::sftp::{HostKeyPin, SftpError};

/// Whether these are the bytes of a public key.
pub(super) fn is_public(bytes: &[u8]) -> bool {
    let first = bytes.trim_ascii_start().split(|&byte| byte == b'\n').next();
    let first = String::from_utf8_lossy(first.unwrap_or_default());
    first.contains("PUBLIC KEY") || first.starts_with("ssh-") || first.starts_with("ecdsa-")
}

/// The reason why the public key at `path` is of no use.
pub(super) fn public_half_of(path: &Path) -> String {
    let private = path.with_extension("");
    if path.extension().is_some_and(|extension| extension == "pub") && private.is_file() {
        format!(
            "it is the public half of the key; give {}",
            private.display()
        )
    } else {
        "it is the public half of a key; give the private one".to_owned()
    }
}

/// Reads the public key beside (or at) `path`, which names one identity of an agent.
pub(in crate::delivery::sftp) fn read_public(path: &Path) -> Result<Vec<u8>, SftpError> {
    Ok(read_public_file(path)?.1)
}

/// The facts of the public key at `path`, or at `path` with `.pub`.
pub(in crate::delivery::sftp) fn public_facts(path: &Path) -> Result<KeyFacts, SftpError> {
    let (path, key) = read_public_file(path)?;
    Ok(KeyFacts {
        path,
        key_type: key_type_of(&key).map(str::to_owned),
        fingerprint: Some(HostKeyPin::of(&key)),
        encrypted: false,
    })
}

fn read_public_file(path: &Path) -> Result<(PathBuf, Vec<u8>), SftpError> {
    let mut path = path.to_path_buf();
    if path.extension().is_none_or(|extension| extension != "pub") {
        path.as_mut_os_string().push(".pub");
    }
    let file = SmallFile::read(&path, MAX_BYTES).map_err(|source| SftpError::KeyFile {
        path: path.clone(),
        source,
    })?;
    let text = String::from_utf8_lossy(&file.bytes);
    let mut fields = text.split_ascii_whitespace();
    match (fields.next(), fields.next().map(|key| STANDARD.decode(key))) {
        (Some(key_type), Some(Ok(key))) if key_type_of(&key) == Some(key_type) => Ok((path, key)),
        _ => Err(SftpError::KeyUnsupported {
            path,
            reason: "it is not an OpenSSH public key".into(),
        }),
    }
}
