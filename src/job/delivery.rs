//! The SFTP server's side of a job: where parts go, the way there, how to log in, how long to try.

mod authentication;
mod way;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::file::{JobFile, SftpSection, SshConfigChoice, TransportChoice};
use super::secrets::{PASSPHRASE, PASSWORD, PROXY_PASSWORD, WrittenSource};
use super::{JobError, PLACEHOLDER, value};
use crate::base::environment::Environment;
use crate::base::retry::RetryPolicy;
use crate::delivery::settings::{Delivery, SecretPlaces};
use crate::delivery::sftp::{AgentIdentities, HostKeyPin, SftpSettings, Transport, Way};
use crate::delivery::ssh_config::SshAlias;

/// The job file and where it is read.
#[derive(Debug, Clone, Copy)]
struct FileContext<'a> {
    file: &'a JobFile,
    /// The folder that relative paths count from.
    base: &'a Path,
    environment: &'a Environment,
}

/// The server's side, or `None` if no user name is given: then only a dry run is possible.
pub(super) fn delivery(
    file: &JobFile,
    base: &Path,
    environment: &Environment,
) -> Result<Option<Delivery>, JobError> {
    let section = &file.sftp;
    let surroundings = FileContext {
        file,
        base,
        environment,
    };
    let named = section.username.clone().filter(|name| name != PLACEHOLDER);
    if named.is_none() && section.ssh_config == SshConfigChoice::Usual(false) {
        return Ok(None);
    }
    check(section)?;
    let mut told = Vec::new();
    let alias = surroundings.alias(&section.host)?;
    if let Some(alias) = &alias {
        told.push(format!("HostName {}", alias.host));
        if section.port.is_none() {
            told.push(format!("Port {}", alias.port));
        }
        if named.is_none() {
            told.push(format!("User {}", alias.user));
        }
    }
    let of_alias = alias.as_ref();
    let secrets = secrets(&surroundings)?;
    let mut sftp = SftpSettings {
        host: of_alias.map_or_else(|| section.host.clone(), |alias| alias.host.clone()),
        port: section
            .port
            .or(of_alias.map(|alias| alias.port))
            .unwrap_or(SftpSection::PORT),
        way: Way::Direct,
        transport: transport(section.transport)?,
        username: named
            .or(of_alias.map(|alias| alias.user.clone()))
            .unwrap_or_default(),
        authentication: authentication::authentication(
            &surroundings,
            &secrets,
            of_alias,
            &mut told,
        )?,
        known_hosts: surroundings.known_hosts(of_alias),
        host_keys: pins(&section.host_key, "sftp.host-key")?,
        accept_new_host_key: false,
        window_bytes: usize::try_from(section.window.0).unwrap_or(usize::MAX),
        connect_timeout: section.connect_timeout.0,
        stall_timeout: section.stall_timeout.0,
        commit_timeout: section.commit_timeout.0,
        loopback_only: environment.loopback_only(),
    };
    sftp.way = way::way(&surroundings, &sftp, of_alias, &mut told)?;
    if secrets.proxy_password.is_some()
        && !matches!(&sftp.way, Way::Proxy(proxy) if proxy.username.is_some())
    {
        return Err(value(
            "sftp.proxy-password-env",
            "needs a proxy with a user name: proxy = \"socks5://USER@HOST:PORT\"",
        ));
    }
    Ok(Some(Delivery {
        sftp,
        directory: section.directory.trim_end_matches('/').to_owned(),
        sessions: section.sessions,
        stop_timeout: section.stop_timeout.0,
        retry: retry_policy(file),
        secrets,
        from_ssh_config: told,
    }))
}

/// The library, if it is in this build.
fn transport(choice: TransportChoice) -> Result<Transport, JobError> {
    let transport = match choice {
        TransportChoice::Russh => Some(Transport::Russh),
        #[cfg(feature = "ssh2")]
        TransportChoice::Ssh2 => Some(Transport::Ssh2),
        #[cfg(not(feature = "ssh2"))]
        TransportChoice::Ssh2 => None,
    };
    transport.ok_or_else(|| {
        value(
            "sftp.transport",
            "needs a build with libssh2: cargo install --features ssh2; or remove the key",
        )
    })
}

fn check(section: &SftpSection) -> Result<(), JobError> {
    if !(1..=8).contains(&section.sessions) {
        return Err(value(
            "sftp.sessions",
            "must be 1 to 8: servers refuse more connections at once",
        ));
    }
    if !(32_768..=64_000_000).contains(&section.window.0) {
        return Err(value("sftp.window", "must be between 32768 bytes and 64MB"));
    }
    if !is_host(&section.host) {
        return Err(value(
            "sftp.host",
            "must be only a host name or an address, such as \"sftp.klaviyo.com\"",
        ));
    }
    if !(Duration::from_secs(1)..=Duration::from_hours(1)).contains(&section.stop_timeout.0) {
        return Err(value("sftp.stop-timeout", "must be between 1s and 1h"));
    }
    if !section.directory.starts_with('/') {
        return Err(value(
            "sftp.directory",
            "must begin with a slash, such as \"/profiles\"",
        ));
    }
    Ok(())
}

/// Whether a text can be a host name or an address. One that begins with a hyphen would be an option of a program.
fn is_host(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('-') && !text.contains(['/', '@', ' '])
}

fn pins(texts: &[String], key: &'static str) -> Result<Vec<HostKeyPin>, JobError> {
    let pins = texts.iter().map(|pin| {
        pin.parse::<HostKeyPin>().map_err(|_| {
            value(
                key,
                "must look like \"SHA256:…\", as ssh-keygen -l prints it",
            )
        })
    });
    pins.collect()
}

fn secrets(surroundings: &FileContext<'_>) -> Result<SecretPlaces, JobError> {
    let section = &surroundings.file.sftp;
    let (base, environment) = (surroundings.base, surroundings.environment);
    let passphrase = WrittenSource {
        variable: section.passphrase_env.as_ref(),
        file: section.passphrase_file.as_ref(),
        command: &section.passphrase_command,
    };
    let password = WrittenSource {
        variable: section.password_env.as_ref(),
        file: section.password_file.as_ref(),
        command: &section.password_command,
    };
    let proxy_password = WrittenSource {
        variable: section.proxy_password_env.as_ref(),
        file: section.proxy_password_file.as_ref(),
        command: &section.proxy_password_command,
    };
    Ok(SecretPlaces {
        passphrase: PASSPHRASE.place(passphrase, base, environment)?,
        password: PASSWORD.place(password, base, environment)?,
        proxy_password: if section.proxy.is_some() || proxy_password.is_given() {
            PROXY_PASSWORD.place(proxy_password, base, environment)?
        } else {
            None
        },
    })
}

impl FileContext<'_> {
    /// OpenSSH's settings of a host, where the job asks for them.
    fn alias(&self, host: &str) -> Result<Option<SshAlias>, JobError> {
        let file = match &self.file.sftp.ssh_config {
            SshConfigChoice::Usual(false) => return Ok(None),
            SshConfigChoice::Usual(true) => None,
            SshConfigChoice::File(path) => Some(self.base.join(self.environment.expand(path))),
        };
        SshAlias::ask(host, file.as_deref())
            .map(Some)
            .map_err(|error| value("sftp.ssh-config", error.to_string()))
    }

    /// The files of known host keys: those that the job names, else those of OpenSSH's configuration.
    fn known_hosts(&self, alias: Option<&SshAlias>) -> Vec<PathBuf> {
        let named = &self.file.sftp.known_hosts;
        let files = match alias {
            Some(alias) if *named == SftpSection::default().known_hosts => &alias.known_hosts,
            _ => named,
        };
        let files = files.iter();
        files
            .map(|path| self.base.join(self.environment.expand(path)))
            .collect()
    }

    /// The agent of the environment.
    fn agent(&self) -> AgentIdentities {
        AgentIdentities::new(self.environment.get("SSH_AUTH_SOCK").map(PathBuf::from))
    }
}

/// How long to try again, by `[retry]`.
pub(super) fn retry_policy(file: &JobFile) -> RetryPolicy {
    RetryPolicy {
        first: file.retry.first.0,
        max: file.retry.max.0.max(file.retry.first.0),
        give_up_after: file.retry.give_up_after.0,
    }
}
