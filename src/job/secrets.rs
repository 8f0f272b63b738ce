//! The places of a job's secrets: for each one a variable, a file, a program, or a credential of the systemd unit.

use std::path::Path;

use super::{JobError, value};
use crate::base::environment::Environment;
use crate::base::secret::{Secret, SecretError, SecretSource};

/// The variable of the folder that systemd puts a unit's credentials into (systemd.exec(5), `LoadCredential=`).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The keys of one secret, with their section.
#[derive(Debug, Clone, Copy)]
pub(super) struct SecretKeys {
    pub(super) variable: &'static str,
    pub(super) file: &'static str,
    pub(super) command: &'static str,
    /// The name of its credential.
    pub(super) credential: &'static str,
}

/// The passphrase of the key file.
pub(super) const PASSPHRASE: SecretKeys = SecretKeys {
    variable: "sftp.passphrase-env",
    file: "sftp.passphrase-file",
    command: "sftp.passphrase-command",
    credential: "passphrase",
};
/// The password of the SFTP server.
pub(super) const PASSWORD: SecretKeys = SecretKeys {
    variable: "sftp.password-env",
    file: "sftp.password-file",
    command: "sftp.password-command",
    credential: "password",
};
/// The password of the proxy on the way to it.
pub(super) const PROXY_PASSWORD: SecretKeys = SecretKeys {
    variable: "sftp.proxy-password-env",
    file: "sftp.proxy-password-file",
    command: "sftp.proxy-password-command",
    credential: "proxy-password",
};
/// The private API key.
pub(super) const API_KEY: SecretKeys = SecretKeys {
    variable: "klaviyo.api-key-env",
    file: "klaviyo.api-key-file",
    command: "klaviyo.api-key-command",
    credential: "api-key",
};

/// The URL of the heartbeat.
pub(super) const HEARTBEAT_URL: SecretKeys = SecretKeys {
    variable: "notify.heartbeat-url-env",
    file: "notify.heartbeat-url-file",
    command: "notify.heartbeat-url-command",
    credential: "heartbeat-url",
};
/// The URL of the webhook.
pub(super) const WEBHOOK_URL: SecretKeys = SecretKeys {
    variable: "notify.webhook-url-env",
    file: "notify.webhook-url-file",
    command: "notify.webhook-url-command",
    credential: "webhook-url",
};

/// The values of the keys of one secret, as they are written.
#[derive(Debug, Clone, Copy)]
pub(super) struct WrittenSource<'a> {
    pub(super) variable: Option<&'a String>,
    pub(super) file: Option<&'a String>,
    pub(super) command: &'a [String],
}

impl WrittenSource<'_> {
    /// Whether the job names a place.
    pub(super) fn is_given(&self) -> bool {
        self.variable.is_some() || self.file.is_some() || !self.command.is_empty()
    }
}

impl SecretKeys {
    /// The place of the secret, if the job names one, or if the unit has a credential of its name.
    pub(super) fn place(
        self,
        written: WrittenSource<'_>,
        base: &Path,
        environment: &Environment,
    ) -> Result<Option<SecretSource>, JobError> {
        let short = |key: &'static str| key.rsplit_once('.').map_or(key, |(_, key)| key);
        match (written.variable, written.file, written.command) {
            (None, None, []) => Ok(self.credential(environment)),
            (Some(name), None, []) => Ok(Some(SecretSource::Variable(name.clone()))),
            (None, Some(path), []) => {
                let path = base.join(environment.expand(path));
                Ok(Some(SecretSource::File(path)))
            }
            (None, None, command) => Ok(Some(SecretSource::Command(command.to_vec()))),
            (Some(_), Some(_), _) => {
                let problem = format!(
                    "and {} are both given; keep one of them",
                    short(self.variable)
                );
                Err(value(self.file, problem))
            }
            _ => {
                let problem = format!(
                    "and {} or {} are both given; keep one of them",
                    short(self.variable),
                    short(self.file)
                );
                Err(value(self.command, problem))
            }
        }
    }

    fn credential(self, environment: &Environment) -> Option<SecretSource> {
        let folder = environment.get(CREDENTIALS)?;
        let path = Path::new(folder).join(self.credential);
        path.is_file().then_some(SecretSource::File(path))
    }

    /// The secret itself.
    pub(super) fn read(
        self,
        source: &SecretSource,
        environment: &Environment,
    ) -> Result<Secret, JobError> {
        source.read(environment).map_err(|error| {
            let key = match source {
                SecretSource::Variable(_) => self.variable,
                SecretSource::File(_) => self.file,
                SecretSource::Command(_) => self.command,
            };
            match error {
                SecretError::Unset(variable) => JobError::Unset { key, variable },
                error => value(key, error.to_string()),
            }
        })
    }
}
