//! Decides whether the server is who it should be: `@revoked` lines first, then pins, then known_hosts.

use std::path::PathBuf;

use super::known_hosts::{self, HostNames, KeyVerdict, KnownHost, KnownHosts};
use super::{HostKeyError, HostKeyPin, HostKeyReason, SftpError, SftpSettings};

/// A host key that was accepted.
#[derive(Debug, Clone)]
pub struct HostKeyFacts {
    /// Its type, such as `ssh-ed25519`.
    pub key_type: String,
    /// Its fingerprint.
    pub fingerprint: HostKeyPin,
    /// The reason for its acceptance.
    pub trust: Trust,
}

/// The reason for which a host key was accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// It stands in a known_hosts file.
    Known {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// The job or a flag pins it.
    Pinned,
    /// It was unknown, and was added now.
    Added {
        /// The file that it was added to.
        file: PathBuf,
    },
}

/// The pins and known_hosts entries that were read before the connection, to judge the key that the server will show.
pub struct HostKeyCheck<'a> {
    settings: &'a SftpSettings,
    names: HostNames,
    known: KnownHosts,
}

impl<'a> HostKeyCheck<'a> {
    /// Reads the known_hosts files, which must be readable where they are there.
    pub fn load(settings: &'a SftpSettings) -> Result<Self, SftpError> {
        let names = HostNames::new(&settings.host, settings.port);
        let known = read(settings, &names)?;
        if known.skipped_lines > 0 || known.certificate_authorities > 0 {
            tracing::debug!(
                skipped_lines = known.skipped_lines,
                certificate_authorities = known.certificate_authorities,
                "known hosts: lines that are not used"
            );
        }
        Ok(Self {
            settings,
            names,
            known,
        })
    }

    /// Whether it is known which key the host has to show: by a pin, or by a known_hosts file.
    pub fn knows_host(&self) -> bool {
        !self.settings.host_keys.is_empty() || self.known.has_key()
    }

    /// Whether a key of this type is known for the host.
    pub(super) fn knows(&self, key_type: &str) -> bool {
        self.known.has_type(key_type)
    }

    /// Judges the key that a server showed; with `accept_new_host_key` an unknown one is added to the first known_hosts file.
    pub(super) fn judge(&self, server: &str, key: &[u8]) -> Result<HostKeyFacts, SftpError> {
        let shown = ShownKey::new(server, key);
        match self.known.verdict(key) {
            KeyVerdict::Revoked(entry) => Err(shown.refuse(revoked(entry))),
            _ if self.settings.host_keys.contains(&shown.fingerprint) => {
                Ok(shown.accepted(Trust::Pinned))
            }
            _ if !self.settings.host_keys.is_empty() => Err(shown.refuse(HostKeyReason::NotPinned)),
            KeyVerdict::Known(entry) => {
                let (file, line) = entry.place.clone();
                Ok(shown.accepted(Trust::Known { file, line }))
            }
            KeyVerdict::Changed(entry) => Err(shown.refuse(changed(entry))),
            KeyVerdict::Unknown => {
                if self.settings.accept_new_host_key
                    && let Some(file) = self.settings.known_hosts.first()
                {
                    self.accept(&shown, key, file)?;
                    let file = file.clone();
                    return Ok(shown.accepted(Trust::Added { file }));
                }
                Err(shown.refuse(self.unknown(key)))
            }
        }
    }

    fn accept(
        &self,
        shown: &ShownKey,
        key: &[u8],
        file: &std::path::Path,
    ) -> Result<(), SftpError> {
        let line = known_hosts::line_for(&self.names, key);
        let server = &shown.server;
        let outcome = known_hosts::append(file, &line, || {
            // Another session may have added a key since we read the file, even another key.
            match read(self.settings, &self.names)
                .map_err(AppendFault::Judged)?
                .verdict(key)
            {
                KeyVerdict::Unknown => Ok(true),
                KeyVerdict::Known(_) => Ok(false),
                KeyVerdict::Changed(entry) => {
                    Err(AppendFault::Judged(shown.refuse(changed(entry))))
                }
                KeyVerdict::Revoked(entry) => {
                    Err(AppendFault::Judged(shown.refuse(revoked(entry))))
                }
            }
        });
        match outcome {
            Ok(()) => {
                tracing::warn!(%server, key_type = shown.key_type, fingerprint = %shown.fingerprint, file = %file.display(), "new host key accepted");
                Ok(())
            }
            Err(AppendFault::Judged(error)) => Err(error),
            Err(AppendFault::Io(source)) => Err(SftpError::AddHostKey {
                server: server.clone(),
                path: file.to_path_buf(),
                source,
            }),
        }
    }

    fn unknown(&self, key: &[u8]) -> HostKeyReason {
        HostKeyReason::Unknown {
            line: known_hosts::line_for(&self.names, key),
            file: self.settings.known_hosts.first().cloned(),
            skipped_lines: self.known.skipped_lines,
            certificate_authorities: self.known.certificate_authorities,
        }
    }
}

enum AppendFault {
    Io(std::io::Error),
    Judged(SftpError),
}

impl From<std::io::Error> for AppendFault {
    fn from(error: std::io::Error) -> Self {
        Self::Io(error)
    }
}

fn read(settings: &SftpSettings, names: &HostNames) -> Result<KnownHosts, SftpError> {
    KnownHosts::read(&settings.known_hosts, names)
        .map_err(|(path, source)| SftpError::KnownHosts { path, source })
}

fn changed(entry: &KnownHost) -> HostKeyReason {
    HostKeyReason::Changed {
        known_type: entry.key_type.clone(),
        known: HostKeyPin::of(&entry.key),
        file: entry.place.0.clone(),
        line: entry.place.1,
    }
}

fn revoked(entry: &KnownHost) -> HostKeyReason {
    HostKeyReason::Revoked {
        file: entry.place.0.clone(),
        line: entry.place.1,
    }
}

/// The key that the server showed, as the errors tell it.
struct ShownKey {
    server: String,
    key_type: String,
    fingerprint: HostKeyPin,
}

impl ShownKey {
    fn new(server: &str, key: &[u8]) -> Self {
        Self {
            server: server.to_owned(),
            key_type: known_hosts::key_type_of(key).unwrap_or("unknown").into(),
            fingerprint: HostKeyPin::of(key),
        }
    }

    fn accepted(self, trust: Trust) -> HostKeyFacts {
        HostKeyFacts {
            key_type: self.key_type,
            fingerprint: self.fingerprint,
            trust,
        }
    }

    fn refuse(&self, reason: HostKeyReason) -> SftpError {
        SftpError::HostKey(Box::new(HostKeyError {
            server: self.server.clone(),
            key_type: self.key_type.clone(),
            fingerprint: self.fingerprint,
            reason,
        }))
    }
}
