//! The SFTP server's side of a job: where parts go, how to log in, how long to try.

use std::path::{Path, PathBuf};

use super::file::JobFile;
use super::{JobError, PLACEHOLDER, value};
use crate::base::environment::Environment;
use crate::base::retry::RetryPolicy;
use crate::delivery::settings::{Delivery, SecretVariables};
use crate::delivery::sftp::{AgentIdentities, Authentication, HostKeyPin, SftpSettings, Way};

/// The server's side, or `None` if no user name is given: then only a dry run is possible.
pub(super) fn delivery(
    file: &JobFile,
    base: &Path,
    environment: &Environment,
) -> Result<Option<Delivery>, JobError> {
    let section = &file.sftp;
    let Some(username) = section.username.clone().filter(|name| name != PLACEHOLDER) else {
        return Ok(None);
    };
    if !(1..=8).contains(&section.sessions) {
        return Err(value(
            "sftp.sessions",
            "must be 1 to 8: servers refuse more connections at once",
        ));
    }
    if !(32_768..=64_000_000).contains(&section.window.0) {
        return Err(value("sftp.window", "must be between 32768 bytes and 64MB"));
    }
    if section.host.is_empty() || section.host.contains(['/', '@', ' ']) {
        return Err(value(
            "sftp.host",
            "must be only a host name or an address, such as \"sftp.klaviyo.com\"",
        ));
    }
    if !section.directory.starts_with('/') {
        return Err(value(
            "sftp.directory",
            "must begin with a slash, such as \"/profiles\"",
        ));
    }
    let host_keys = section.host_key.iter().map(|pin| {
        pin.parse::<HostKeyPin>().map_err(|_| {
            value(
                "sftp.host-key",
                "must look like \"SHA256:…\", as ssh-keygen -l prints it",
            )
        })
    });
    let sftp = SftpSettings {
        host: section.host.clone(),
        port: section.port,
        way: Way::Direct,
        username,
        authentication: authentication(file, base, environment)?,
        known_hosts: section
            .known_hosts
            .iter()
            .map(|path| base.join(environment.expand(path)))
            .collect(),
        host_keys: host_keys.collect::<Result<_, _>>()?,
        accept_new_host_key: false,
        window_bytes: usize::try_from(section.window.0).unwrap_or(usize::MAX),
        connect_timeout: section.connect_timeout.0,
        stall_timeout: section.stall_timeout.0,
        commit_timeout: section.commit_timeout.0,
        loopback_only: environment.loopback_only(),
    };
    let retry = retry_policy(file);
    let directory = section.directory.trim_end_matches('/').to_owned();
    Ok(Some(Delivery {
        sftp,
        directory,
        sessions: section.sessions,
        retry,
        secrets: SecretVariables {
            passphrase: section.passphrase_env.clone(),
            password: section.password_env.clone(),
        },
    }))
}

fn authentication(
    file: &JobFile,
    base: &Path,
    environment: &Environment,
) -> Result<Authentication, JobError> {
    let section = &file.sftp;
    let authentication = Authentication {
        private_key: section
            .private_key
            .as_deref()
            .map(|path| base.join(environment.expand(path))),
        passphrase: None,
        agent: section
            .agent
            .then(|| AgentIdentities::new(environment.get("SSH_AUTH_SOCK").map(PathBuf::from))),
        password: None,
    };
    if authentication.private_key.is_none()
        && authentication.agent.is_none()
        && section.password_env.is_none()
    {
        return Err(value(
            "sftp.private-key",
            "is missing; write private-key = \"~/.ssh/klaviyo_ed25519\" (or agent = true)",
        ));
    }
    Ok(authentication)
}

/// How long to try again, by `[retry]`.
pub(super) fn retry_policy(file: &JobFile) -> RetryPolicy {
    RetryPolicy {
        first: file.retry.first.0,
        max: file.retry.max.0.max(file.retry.first.0),
        give_up_after: file.retry.give_up_after.0,
    }
}
