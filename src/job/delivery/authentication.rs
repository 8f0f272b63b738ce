//! The proofs of identity, by the keys of `[sftp]` and by OpenSSH's configuration.

use std::path::PathBuf;

use super::{FileContext, JobError, value};
use crate::delivery::settings::SecretPlaces;
use crate::delivery::sftp::{AgentIdentities, Authentication};
use crate::delivery::ssh_config::SshAlias;

/// The credential of a systemd unit that is the private key itself.
const KEY_CREDENTIAL: &str = "private-key";

/// The proofs that the job names, else those that OpenSSH's configuration names for the host.
pub(super) fn authentication(
    surroundings: &FileContext<'_>,
    secrets: &SecretPlaces,
    alias: Option<&SshAlias>,
    told: &mut Vec<String>,
) -> Result<Authentication, JobError> {
    let FileContext {
        file,
        base,
        environment,
    } = *surroundings;
    let section = &file.sftp;
    let mut authentication = Authentication {
        private_key: section
            .private_key
            .as_deref()
            .map(|path| base.join(environment.expand(path))),
        agent: section.agent.then(|| surroundings.agent()),
        ..Authentication::default()
    };
    if authentication.private_key.is_some()
        || authentication.agent.is_some()
        || secrets.password.is_some()
    {
        return Ok(authentication);
    }
    if let Some(folder) = environment.get("CREDENTIALS_DIRECTORY") {
        let key = PathBuf::from(folder).join(KEY_CREDENTIAL);
        if key.is_file() {
            authentication.private_key = Some(key);
            return Ok(authentication);
        }
    }
    if let Some(alias) = alias {
        let found = authentication_of_alias(surroundings, alias).ok_or_else(|| {
            value(
                "sftp.ssh-config",
                "names no identity file that is there, and no agent is running; write private-key or agent = true",
            )
        })?;
        if let Some(path) = &found.private_key {
            told.push(format!("IdentityFile {}", path.display()));
        }
        if let Some(socket) = found.agent.as_ref().and_then(|agent| agent.socket.as_ref()) {
            told.push(format!("IdentityAgent {}", socket.display()));
        }
        return Ok(found);
    }
    Err(value(
        "sftp.private-key",
        "is missing; write private-key = \"~/.ssh/klaviyo_ed25519\" (or agent = true)",
    ))
}

/// The agent that the configuration names, else its first identity file that is there, else the usual agent.
pub(super) fn authentication_of_alias(
    surroundings: &FileContext<'_>,
    alias: &SshAlias,
) -> Option<Authentication> {
    let environment = surroundings.environment;
    let files = alias.identity_files.iter();
    let private_key = files
        .map(|path| environment.expand(path))
        .find(|path| path.is_file());
    let agent = alias.identity_agent.as_deref();
    match (agent, private_key) {
        (Some(socket), private_key) if !matches!(socket, "none" | "SSH_AUTH_SOCK") => {
            let socket = match socket.strip_prefix('$') {
                Some(name) => environment.get(name).map(PathBuf::from),
                None => Some(environment.expand(socket)),
            };
            Some(Authentication {
                private_key: private_key.filter(|_| alias.identities_only),
                agent: Some(AgentIdentities::new(socket)),
                ..Authentication::default()
            })
        }
        (_, Some(path)) => Some(Authentication {
            private_key: Some(path),
            ..Authentication::default()
        }),
        (agent, None) => {
            let usual = surroundings.agent();
            let may = usual.socket.is_some() && agent != Some("none");
            may.then(|| Authentication {
                agent: Some(usual),
                ..Authentication::default()
            })
        }
    }
}
