//! Settings of a delivery: where parts go, how to log in, how long to try.

use std::time::Duration;

use super::sftp::SftpSettings;
use crate::base::retry::RetryPolicy;
use crate::base::secret::SecretSource;

/// The server's side of a job.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// How to connect.
    pub sftp: SftpSettings,
    /// Remote folder, without a slash at its end.
    pub directory: String,
    /// Parallel sessions.
    pub sessions: usize,
    /// The time from the first signal to the end, tidying up included.
    pub stop_timeout: Duration,
    /// How long to try again.
    pub retry: RetryPolicy,
    /// Where its secrets are.
    pub secrets: SecretPlaces,
    /// The settings that OpenSSH's configuration gave, in words; empty where it was not asked.
    pub from_ssh_config: Vec<String>,
}

/// The places that a job names for its secrets. They are looked at by `Job::read_secrets` alone, for what touches no server
/// needs none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretPlaces {
    /// The passphrase of the key file.
    pub passphrase: Option<SecretSource>,
    /// The password.
    pub password: Option<SecretSource>,
    /// The password of the proxy on the way.
    pub proxy_password: Option<SecretSource>,
}
