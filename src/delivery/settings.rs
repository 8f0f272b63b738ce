//! Settings of a delivery: where parts go, how to log in, how long to try.

use super::sftp::SftpSettings;
use crate::base::retry::RetryPolicy;

/// The server's side of a job.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// How to connect.
    pub sftp: SftpSettings,
    /// Remote folder, without a slash at its end.
    pub directory: String,
    /// Parallel sessions.
    pub sessions: usize,
    /// How long to try again.
    pub retry: RetryPolicy,
    /// Where its secrets are.
    pub secrets: SecretVariables,
}

/// The environment variables that a job names for its secrets. They are looked at by `Job::read_secrets` alone, for
/// what touches no server needs none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretVariables {
    /// The passphrase of the key file.
    pub passphrase: Option<String>,
    /// The password.
    pub password: Option<String>,
}
