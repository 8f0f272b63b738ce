//! Reasons for which a server's host key is not accepted, with the advice for each.

use std::path::PathBuf;

use super::HostKeyPin;

/// The server may not be who it should be; nothing secret was sent.
#[derive(Debug, thiserror::Error)]
#[error("the host key of {server} {reason}: {key_type} {fingerprint}")]
pub struct HostKeyError {
    /// `host:port`.
    pub server: String,
    /// Type of the key that the server showed.
    pub key_type: String,
    /// The key that the server showed.
    pub fingerprint: HostKeyPin,
    /// The fault of the key.
    pub reason: HostKeyReason,
}

/// The fault of a host key.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyReason {
    /// No known_hosts file names the host.
    #[error("is unknown")]
    Unknown {
        /// The line to add to a known_hosts file.
        line: String,
        /// Where to add it.
        file: Option<PathBuf>,
        /// Lines of the files that could not be read.
        skipped_lines: usize,
        /// `@cert-authority` lines for this host, which are ignored.
        certificate_authorities: usize,
    },
    /// The host is known by another key.
    #[error("has CHANGED from {known_type} {known} ({file}:{line}) to")]
    Changed {
        /// Type of the known key.
        known_type: String,
        /// The known key.
        known: HostKeyPin,
        /// Where it stands.
        file: PathBuf,
        /// Its line.
        line: usize,
    },
    /// A `@revoked` line has this key.
    #[error("is REVOKED by {file}:{line}")]
    Revoked {
        /// Where the line stands.
        file: PathBuf,
        /// Its number.
        line: usize,
    },
    /// There are pins and none is this key.
    #[error("is not one of the pinned keys")]
    NotPinned,
}

impl HostKeyError {
    /// Advice; for an unknown key the line to add and the file.
    pub fn hint(&self) -> Option<String> {
        let fingerprint = self.fingerprint;
        match &self.reason {
            HostKeyReason::Unknown {
                line,
                file,
                skipped_lines,
                certificate_authorities,
            } => {
                let place = file.as_ref().map_or_else(
                    || format!("pin it (host-key = [\"{fingerprint}\"]) or add this line"),
                    |file| {
                        format!(
                            "run once with --accept-new-host-key, or add this line to {}",
                            file.display()
                        )
                    },
                );
                let skipped = match skipped_lines {
                    0 => String::new(),
                    1 => "; 1 line of the known hosts files could not be read".to_owned(),
                    count => format!("; {count} lines of the known hosts files could not be read"),
                };
                let ignored = match certificate_authorities {
                    0 => "",
                    _ => {
                        "; @cert-authority lines are ignored (host certificates are not supported)"
                    }
                };
                Some(format!(
                    "compare {fingerprint} with what the provider publishes; \
                     if it is the same, {place}: {line}{skipped}{ignored}"
                ))
            }
            HostKeyReason::Changed { file, line, .. } => Some(format!(
                "somebody may intercept the connection; ask the provider whether the key was changed, \
                 and only then remove line {line} of {}",
                file.display()
            )),
            HostKeyReason::NotPinned => Some(
                "a server has one key of each type, and a pin for another type does not match; \
                 ask the provider"
                    .into(),
            ),
            HostKeyReason::Revoked { .. } => Some(
                "do not connect: that line says that the key is no longer trusted; \
                 ask the provider for the new key"
                    .into(),
            ),
        }
    }
}
