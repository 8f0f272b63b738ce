//! The key of a key file, opened once for a run: its passphrase may cost seconds of computing.

use std::sync::{Arc, Mutex, PoisonError};

use russh::keys::PrivateKey;

use super::KeyFile;
use crate::base::secret::Secret;
use crate::delivery::sftp::SftpError;

/// The key that was opened last. Clones share it.
#[derive(Clone, Default)]
pub struct OpenedKey(Arc<Mutex<Option<ParsedKey>>>);

/// A private key that was read from its text.
struct ParsedKey {
    text: Secret,
    passphrase: Option<Secret>,
    key: Arc<PrivateKey>,
}

impl std::fmt::Debug for OpenedKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("***")
    }
}

impl OpenedKey {
    /// The key of `file`. The lock is held meanwhile, so that sessions that begin together do not all compute it.
    pub(in crate::delivery::sftp) fn of(
        &self,
        file: &KeyFile,
        passphrase: Option<&Secret>,
    ) -> Result<Arc<PrivateKey>, SftpError> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(opened) = &*last
            && opened.text == file.text
            && opened.passphrase.as_ref() == passphrase
        {
            return Ok(Arc::clone(&opened.key));
        }
        let key = Arc::new(file.open(passphrase)?);
        *last = Some(ParsedKey {
            text: file.text.clone(),
            passphrase: passphrase.cloned(),
            key: Arc::clone(&key),
        });
        Ok(key)
    }
}
