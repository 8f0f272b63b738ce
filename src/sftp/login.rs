//! Proves to the server who we are: agent or key file, then password.
//!
//! libssh2 does not tell a wrong passphrase from a strange key file, nor who refused what; the errors here do.

use libssh2_sys as raw;
use ssh2::ErrorCode;
use std::path::PathBuf;
use std::sync::PoisonError;
use std::time::Duration;

use super::error::printable;
use super::key_file::{self, KeyFile};
use super::wire::{Fault, Wire};
use super::{AgentIdentities, HostKeyPin, SftpError, SftpSettings};
use crate::secret::Secret;

/// Servers cut the connection after some refused keys (OpenSSH: six).
const MAX_IDENTITIES: usize = 5;

/// What will be tried, read before the connection so that a bad file needs no server to be found.
pub struct Credentials<'a> {
    username: &'a str,
    key: Option<KeyFile>,
    passphrase: Option<&'a Secret>,
    agent: Option<&'a AgentIdentities>,
    /// The one identity of the agent to use, and the file that names it.
    identity: Option<(Vec<u8>, PathBuf)>,
    password: Option<&'a Secret>,
    limit: Duration,
}

impl<'a> Credentials<'a> {
    /// Reads the key file, or with an agent its public half. No error but those of exit code 13.
    pub fn load(settings: &'a SftpSettings) -> Result<Self, SftpError> {
        let given = &settings.authentication;
        let mut credentials = Self {
            username: &settings.username,
            key: None,
            passphrase: given
                .passphrase
                .as_ref()
                .filter(|passphrase| !passphrase.reveal().is_empty()),
            agent: given.agent.as_ref(),
            identity: None,
            password: given.password.as_ref(),
            limit: settings.connect_timeout,
        };
        match (&given.private_key, credentials.agent) {
            (Some(path), Some(_)) => {
                credentials.identity = Some((key_file::read_public(path)?, path.clone()));
            }
            (Some(path), None) => {
                let key = KeyFile::read(path)?;
                if key.encrypted && credentials.passphrase.is_none() {
                    return Err(SftpError::PassphraseMissing { path: path.clone() });
                }
                credentials.key = Some(key);
            }
            (None, None) if credentials.password.is_none() => {
                return Err(SftpError::NoCredentials {
                    server: settings.server(),
                });
            }
            (None, _) => {}
        }
        Ok(credentials)
    }

    /// Logs in, or says everything that was tried.
    pub(super) fn log_in(&self, wire: &Wire) -> Result<(), SftpError> {
        if wire.session.authenticated() {
            return Ok(());
        }
        let mut tried = Vec::new();
        if let Some(agent) = self.agent {
            self.try_agent(wire, agent, &mut tried)?;
        }
        if let Some(key) = &self.key {
            self.try_key(wire, key, &mut tried)?;
        }
        if let Some(password) = self.password
            && !wire.session.authenticated()
        {
            let outcome = wire.drive(self.limit, || {
                wire.session
                    .userauth_password(self.username, password.reveal())
            });
            self.note(wire, outcome, &mut tried, || "the password".into())?;
        }
        if wire.session.authenticated() {
            return Ok(());
        }
        let methods = offered(wire, self.username, self.limit);
        Err(self.unauthorised(wire, &tried, methods.ok()))
    }

    fn try_key(
        &self,
        wire: &Wire,
        key: &KeyFile,
        tried: &mut Vec<String>,
    ) -> Result<(), SftpError> {
        let passphrase = self.passphrase.filter(|_| key.encrypted);
        let outcome = wire.drive(self.limit, || {
            wire.session.userauth_pubkey_memory(
                self.username,
                None,
                key.text.reveal(),
                passphrase.map(Secret::reveal),
            )
        });
        if let Err(Fault::Ssh(error)) = &outcome
            && is_local(error)
        {
            let path = key.path.clone();
            return Err(if key.encrypted {
                SftpError::PassphraseWrong { path }
            } else {
                SftpError::KeyUnsupported {
                    path,
                    reason: error.message().to_owned(),
                }
            });
        }
        self.note(wire, outcome, tried, || {
            let name = key.path.display();
            key.fingerprint.map_or_else(
                || format!("key file {name}"),
                |pin| format!("key file {name} ({pin})"),
            )
        })
    }

    fn try_agent(
        &self,
        wire: &Wire,
        choice: &AgentIdentities,
        tried: &mut Vec<String>,
    ) -> Result<(), SftpError> {
        let fail = |source| SftpError::Agent { source };
        let mut agent = wire.session.agent().map_err(fail)?;
        if let Some(socket) = &choice.socket {
            agent.set_identity_path(socket).map_err(fail)?;
        }
        agent.connect().map_err(fail)?;
        agent.list_identities().map_err(fail)?;
        let mut identities = agent.identities().map_err(fail)?;
        if let Some((wanted, _)) = &self.identity {
            identities.retain(|identity| identity.blob() == wanted);
        }
        if identities.is_empty() {
            let wanted = self.identity.as_ref().map(|(_, path)| path.clone());
            return Err(SftpError::NoIdentity { wanted });
        }
        let accepted = || {
            choice
                .accepted
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let before = accepted().clone();
        identities.sort_by_key(|identity| before.as_deref() != Some(identity.blob()));
        for identity in identities.iter().take(MAX_IDENTITIES) {
            let outcome = wire.drive(self.limit, || agent.userauth(self.username, identity));
            let name = || format!("agent identity {}", HostKeyPin::of(identity.blob()));
            self.note(wire, outcome, tried, name)?;
            if wire.session.authenticated() {
                *accepted() = Some(identity.blob().to_vec());
                return Ok(());
            }
        }
        Ok(())
    }

    /// Notes a refusal. Other errors end the login; a connection that is cut after a refusal was one refusal too many.
    fn note(
        &self,
        wire: &Wire,
        outcome: Result<(), Fault>,
        tried: &mut Vec<String>,
        name: impl FnOnce() -> String,
    ) -> Result<(), SftpError> {
        match outcome {
            Ok(()) => Ok(()),
            Err(Fault::Ssh(error)) if is_refusal(&error) && !is_end(&error, wire) => {
                tried.push(name());
                Ok(())
            }
            Err(Fault::Ssh(_)) if !tried.is_empty() => Err(self.unauthorised(wire, tried, None)),
            Err(fault) => Err(fault.into_error(wire, "log in".into())),
        }
    }

    fn unauthorised(&self, wire: &Wire, tried: &[String], methods: Option<String>) -> SftpError {
        SftpError::Unauthorised {
            server: wire.server.clone(),
            username: self.username.to_owned(),
            tried: tried.join(", "),
            methods: methods
                .filter(|methods| !methods.is_empty())
                .unwrap_or_else(|| "it closed the connection".into()),
        }
    }
}

/// What the server offers to log in with, such as `publickey,password`. A server that wants nothing lets us in by that.
pub(super) fn offered(wire: &Wire, username: &str, limit: Duration) -> Result<String, Fault> {
    wire.drive(limit, || wire.session.auth_methods(username).map(printable))
}

/// A connection that ended before there was an answer, which libssh2 reports as it does a signature that was refused.
fn is_end(error: &ssh2::Error, wire: &Wire) -> bool {
    error.code() == ErrorCode::Session(raw::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED) && wire.is_lost()
}

fn is_refusal(error: &ssh2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::Session(
            raw::LIBSSH2_ERROR_AUTHENTICATION_FAILED
                | raw::LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED
                | raw::LIBSSH2_ERROR_PASSWORD_EXPIRED
                | raw::LIBSSH2_ERROR_AGENT_PROTOCOL
        )
    )
}

/// Errors that libssh2 gives before it sends anything: about the key file itself.
fn is_local(error: &ssh2::Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::Session(
            raw::LIBSSH2_ERROR_FILE
                | raw::LIBSSH2_ERROR_KEYFILE_AUTH_FAILED
                | raw::LIBSSH2_ERROR_DECRYPT
                | raw::LIBSSH2_ERROR_PROTO
                | raw::LIBSSH2_ERROR_METHOD_NONE
                | raw::LIBSSH2_ERROR_METHOD_NOT_SUPPORTED
                | raw::LIBSSH2_ERROR_ALGO_UNSUPPORTED
        )
    )
}
