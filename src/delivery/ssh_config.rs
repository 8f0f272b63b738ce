//! OpenSSH's configuration of a host, as `ssh -G` tells it: the same files, patterns and defaults as `ssh` itself.

use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

/// The settings of one host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SshAlias {
    /// HostName.
    pub host: String,
    /// Port.
    pub port: u16,
    /// User.
    pub user: String,
    /// IdentityFile, each; they need not be there.
    pub identity_files: Vec<String>,
    /// IdentitiesOnly.
    pub identities_only: bool,
    /// IdentityAgent: a socket, `$VARIABLE`, `SSH_AUTH_SOCK` or `none`.
    pub identity_agent: Option<String>,
    /// UserKnownHostsFile and GlobalKnownHostsFile.
    pub known_hosts: Vec<String>,
    /// ProxyJump.
    pub jump: Option<String>,
    /// ProxyCommand.
    pub command: Option<String>,
}

/// The reason for which there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SshConfigError {
    /// OpenSSH's client is not there.
    #[error("needs OpenSSH's client: `ssh` cannot be run ({0}); install openssh-client")]
    Start(io::Error),
    /// It does not accept its configuration.
    #[error("`ssh -G` failed; see what it says: ssh -G {0}")]
    Failed(String),
}

impl SshAlias {
    /// Asks `ssh -G` about `host`, by the user's and the system's files or by `file` alone.
    pub fn ask(host: &str, file: Option<&Path>) -> Result<Self, SshConfigError> {
        let mut command = Command::new("ssh");
        if let Some(file) = file {
            command.arg("-F").arg(file);
        }
        let output = command
            .args(["-G", "--", host])
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .map_err(SshConfigError::Start)?;
        if !output.status.success() {
            let shown = file.map_or_else(
                || host.to_owned(),
                |file| format!("-F {} {host}", file.display()),
            );
            return Err(SshConfigError::Failed(shown));
        }
        Ok(Self::of(&String::from_utf8_lossy(&output.stdout)))
    }

    /// Reads what `ssh -G` prints: a keyword in small letters and its value on each line.
    fn of(text: &str) -> Self {
        let mut alias = Self {
            port: 22,
            ..Self::default()
        };
        for (keyword, value) in text.lines().filter_map(|line| line.split_once(' ')) {
            let value = value.trim();
            match keyword {
                "hostname" => value.clone_into(&mut alias.host),
                "port" => alias.port = value.parse().unwrap_or(alias.port),
                "user" => value.clone_into(&mut alias.user),
                "identityfile" => alias.identity_files.push(value.to_owned()),
                "identitiesonly" => alias.identities_only = value == "yes",
                "identityagent" => alias.identity_agent = Some(value.to_owned()),
                "userknownhostsfile" | "globalknownhostsfile" => {
                    let files = value.split_whitespace().filter(|file| *file != "none");
                    alias.known_hosts.extend(files.map(str::to_owned));
                }
                "proxyjump" if value != "none" => alias.jump = Some(value.to_owned()),
                "proxycommand" if value != "none" => alias.command = Some(value.to_owned()),
                _ => {}
            }
        }
        alias
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ssh_prints_is_read() {
        let alias = SshAlias::of(
            "host klaviyo\nuser ana\nhostname sftp.example.com\nport 2222\nidentitiesonly yes\n\
             identityfile ~/.ssh/a\nidentityfile ~/.ssh/b\nproxyjump none\n\
             userknownhostsfile /h/known_hosts /h/known_hosts2\nglobalknownhostsfile none\n\
             proxycommand nc %h %p\nidentityagent /run/agent\n",
        );
        assert_eq!(
            (alias.host.as_str(), alias.port),
            ("sftp.example.com", 2222)
        );
        assert_eq!(alias.identity_files, ["~/.ssh/a", "~/.ssh/b"]);
        assert_eq!(alias.known_hosts, ["/h/known_hosts", "/h/known_hosts2"]);
        assert_eq!(
            (alias.jump, alias.command.as_deref()),
            (None, Some("nc %h %p"))
        );
        assert!(alias.identities_only && alias.identity_agent.is_some());
    }
}
