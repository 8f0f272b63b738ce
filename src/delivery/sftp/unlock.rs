//! Makes sure, before anything else is done, that the key file can be used: format, mode, passphrase.
//!
//! A passphrase that no variable holds is asked for, by whoever calls; what was given is kept for every session to come.

use std::path::Path;

use super::key_file::{self, KeyFile, OpenedKey};
use super::{Authentication, KeyFacts, SftpError};
use crate::base::secret::Secret;

/// Number of passphrase prompts, as OpenSSH's `NumberOfPasswordPrompts`.
const TRIES: u32 = 3;

impl Authentication {
    /// Reads the key file and tries its passphrase; `None` when no file is named. `ask` is given the path and how many
    /// wrong answers there were; it gives `None` when nobody can be asked.
    pub fn unlock(
        &mut self,
        mut ask: impl FnMut(&Path, u32) -> Option<Secret>,
    ) -> Result<Option<KeyFacts>, SftpError> {
        let Some(path) = self.private_key.clone() else {
            return Ok(None);
        };
        if self.agent.is_some() {
            return key_file::public_facts(&path).map(Some);
        }
        let key = KeyFile::read(&path)?;
        match self.opened.of(&key, self.passphrase.as_ref()) {
            Ok(_) => {}
            Err(SftpError::PassphraseMissing { .. }) => {
                self.passphrase = Some(asked(&key, &self.opened, &mut ask)?);
            }
            Err(error) => return Err(error),
        }
        Ok(Some(key.facts()))
    }
}

fn asked(
    key: &KeyFile,
    opened: &OpenedKey,
    ask: &mut impl FnMut(&Path, u32) -> Option<Secret>,
) -> Result<Secret, SftpError> {
    let path = || key.path.clone();
    for wrong in 0..TRIES {
        let passphrase =
            ask(&key.path, wrong).ok_or_else(|| SftpError::PassphraseMissing { path: path() })?;
        match opened.of(key, Some(&passphrase)) {
            Ok(_) => return Ok(passphrase),
            // None at all is a wrong one too, when it was asked for.
            Err(SftpError::PassphraseWrong { .. } | SftpError::PassphraseMissing { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Err(SftpError::PassphraseWrong { path: path() })
}
