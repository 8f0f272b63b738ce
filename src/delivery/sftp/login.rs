//! Proves to the server who we are: agent or key file, then password.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use russh::client::AuthResult;
use russh::keys::{Certificate, PrivateKey};
use russh::{MethodKind, MethodSet};

use super::key_file::{self, KeyFile};
use super::peer::AgentFault;
use super::wire::{Fault, SshConnection, TimeLimit, Wire};
use super::{AgentIdentities, HostKeyPin, SftpError, SftpSettings, SshError};
use crate::base::secret::Secret;

/// Servers cut the connection after some refused keys (OpenSSH: six).
const MAX_IDENTITIES: usize = 5;
/// How many proofs a server may want, one after another.
const MOST_ROUNDS: usize = 4;

/// The proofs that will be tried, read before the connection so that a bad file is found without a server.
pub struct Credentials<'a> {
    username: &'a str,
    key: Option<(KeyFile, Arc<PrivateKey>)>,
    agent: Option<&'a AgentIdentities>,
    /// The one identity of the agent to use, and the file that names it.
    identity: Option<(Vec<u8>, PathBuf)>,
    password: Option<&'a Secret>,
    /// The certificate beside the key file.
    certificate: Option<Certificate>,
}

/// Authentication methods that the server rejected, and those it still accepts.
struct Refusals {
    tried: Vec<String>,
    offered: Option<String>,
    /// Those that it still accepts, once it has told.
    remaining: Option<MethodSet>,
    /// Whether it took a proof of this round, and wants another one.
    took_one: bool,
    /// The identities of the agent that were not offered.
    passed_over: usize,
    /// For all that is tried.
    limit: TimeLimit,
}

impl Refusals {
    /// Whether a proof of this kind is still of use.
    fn may_try(&self, connection: &SshConnection, kind: MethodKind) -> bool {
        let remaining = self.remaining.as_ref();
        !connection.entered && remaining.is_none_or(|remaining| remaining.contains(&kind))
    }
}

impl<'a> Credentials<'a> {
    /// Reads the key file, or with an agent its public half. No error but those of exit code 13.
    pub fn load(settings: &'a SftpSettings) -> Result<Self, SftpError> {
        let given = &settings.authentication;
        let mut credentials = Self {
            username: &settings.username,
            key: None,
            agent: given.agent.as_ref(),
            identity: None,
            password: given.password.as_ref(),
            certificate: None,
        };
        match (&given.private_key, credentials.agent) {
            (Some(path), Some(_)) => {
                credentials.identity = Some((key_file::read_public(path)?, path.clone()));
            }
            (Some(path), None) => {
                let file = KeyFile::read(path)?;
                let key = given.opened.of(&file, given.passphrase.as_ref())?;
                credentials.certificate = key_file::certificate_of(path, &key);
                credentials.key = Some((file, key));
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
    pub(super) fn log_in(
        &self,
        connection: &mut SshConnection,
        limit: TimeLimit,
    ) -> Result<(), SftpError> {
        let mut refusals = Refusals {
            tried: Vec::new(),
            offered: None,
            remaining: None,
            took_one: false,
            passed_over: 0,
            limit,
        };
        // A server may want several proofs, one after another: each that it takes leaves others to give.
        for _ in 0..MOST_ROUNDS {
            refusals.took_one = false;
            self.round(connection, &mut refusals)?;
            if connection.entered {
                return Ok(());
            }
            if !refusals.took_one {
                break;
            }
        }
        Err(self.unauthorised(&connection.wire, &refusals))
    }

    /// Tries each proof that there is, and that the server may want.
    fn round(
        &self,
        connection: &mut SshConnection,
        refusals: &mut Refusals,
    ) -> Result<(), SftpError> {
        if let Some(agent) = self.agent
            && refusals.may_try(connection, MethodKind::PublicKey)
        {
            self.try_agent(connection, agent, refusals)?;
        }
        if let Some((file, key)) = &self.key {
            if let Some(certificate) = &self.certificate
                && refusals.may_try(connection, MethodKind::PublicKey)
            {
                self.try_certificate(connection, certificate, key, refusals)?;
            }
            if refusals.may_try(connection, MethodKind::PublicKey) {
                self.try_key(connection, file, key, refusals)?;
            }
        }
        let Some(password) = self.password else {
            return Ok(());
        };
        if refusals.may_try(connection, MethodKind::Password) {
            let before = connection.wire.heard.reads();
            let asked = connection.peer.give_password(self.username, password);
            let outcome = match connection.wire.drive(refusals.limit, asked) {
                // russh takes no notice of the one other answer that there is (RFC 4252, section 8).
                Err(Fault::TimedOut(_)) if connection.wire.heard.reads() > before => {
                    Err(Fault::Ssh(SshError::PasswordExpired))
                }
                outcome => outcome,
            };
            self.note(connection, outcome, refusals, || "the password".into())?;
        }
        if refusals.may_try(connection, MethodKind::KeyboardInteractive) && !refusals.took_one {
            let limit = refusals.limit;
            let asked = connection.peer.answer_questions(self.username, password);
            let outcome = connection.wire.drive(limit, asked);
            self.note(connection, outcome, refusals, || {
                "the password (keyboard-interactive)".into()
            })?;
        }
        Ok(())
    }

    /// Offers the certificate that an authority has made of the key.
    fn try_certificate(
        &self,
        connection: &mut SshConnection,
        certificate: &Certificate,
        key: &Arc<PrivateKey>,
        refusals: &mut Refusals,
    ) -> Result<(), SftpError> {
        let peer = &mut connection.peer;
        let asked = peer.give_certificate(self.username, certificate, key);
        let outcome = connection.wire.drive(refusals.limit, asked);
        self.note(connection, outcome, refusals, || {
            format!("certificate {:?}", certificate.key_id())
        })
    }

    fn try_key(
        &self,
        connection: &mut SshConnection,
        file: &KeyFile,
        key: &Arc<PrivateKey>,
        refusals: &mut Refusals,
    ) -> Result<(), SftpError> {
        let asked = connection.peer.give_key(self.username, key);
        let outcome = connection.wire.drive(refusals.limit, asked);
        self.note(connection, outcome, refusals, || {
            let name = file.path.display();
            file.fingerprint.map_or_else(
                || format!("key file {name}"),
                |pin| format!("key file {name} ({pin})"),
            )
        })
    }

    fn try_agent(
        &self,
        connection: &mut SshConnection,
        choice: &AgentIdentities,
        refusals: &mut Refusals,
    ) -> Result<(), SftpError> {
        let limit = refusals.limit;
        let begun = Instant::now();
        let asked = connection.wire.wait_for(limit, choice.ask());
        let (mut agent, mut identities) = asked
            .map_err(|fault| match fault {
                Fault::TimedOut(whole) if is_to_blame(begun, whole) => silent_agent(),
                fault => fault.into_error(&connection.wire, "ask the ssh-agent".into()),
            })?
            .map_err(|source| SftpError::Agent {
                source: Box::new(source),
            })?;
        if let Some((wanted, _)) = &self.identity {
            identities.retain(|identity| identity.is_of(wanted));
        }
        if identities.is_empty() {
            let wanted = self.identity.as_ref().map(|(_, path)| path.clone());
            return Err(SftpError::NoIdentity { wanted });
        }
        refusals.passed_over = identities.len().saturating_sub(MAX_IDENTITIES);
        for identity in identities.iter().take(MAX_IDENTITIES) {
            let peer = &mut connection.peer;
            let proof = peer.give_identity(self.username, identity, &mut agent, choice);
            let outcome = match connection.wire.wait_for(limit, proof) {
                Ok(Ok(answer)) => Ok(answer),
                // An agent that does not sign is as good as a server that refuses.
                Ok(Err(AgentFault::Unsigned(error))) => {
                    tracing::debug!(error, "the ssh-agent does not sign");
                    refusals.tried.push(name_of(&identity.blob));
                    continue;
                }
                Ok(Err(AgentFault::Ssh(error))) => Err(Fault::Ssh(error)),
                Err(Fault::TimedOut(whole))
                    if agent.asked.is_some_and(|asked| is_to_blame(asked, whole)) =>
                {
                    return Err(silent_agent());
                }
                Err(fault) => Err(fault),
            };
            self.note(connection, outcome, refusals, || name_of(&identity.blob))?;
            if connection.entered {
                choice.remember(identity);
                return Ok(());
            }
        }
        Ok(())
    }

    /// Notes a refusal. Other errors end the login; a connection that is cut after a refusal was one refusal too many.
    fn note(
        &self,
        connection: &mut SshConnection,
        outcome: Result<AuthResult, Fault>,
        refusals: &mut Refusals,
        name: impl FnOnce() -> String,
    ) -> Result<(), SftpError> {
        let fault = match outcome {
            Ok(AuthResult::Success) => {
                connection.entered = true;
                return Ok(());
            }
            Ok(AuthResult::Failure {
                remaining_methods,
                partial_success,
            }) if !is_cut(&remaining_methods, &connection.wire) => {
                if partial_success {
                    refusals.took_one = true;
                } else {
                    refusals.tried.push(name());
                }
                refusals.offered = Some(listed(&remaining_methods));
                refusals.remaining = Some(remaining_methods.clone());
                if !remaining_methods.is_empty() {
                    return Ok(());
                }
                return Err(self.unauthorised(&connection.wire, refusals));
            }
            Ok(AuthResult::Failure { .. }) => Fault::Ssh(SshError::Closed),
            Err(fault) => fault,
        };
        if matches!(fault, Fault::Ssh(SshError::PasswordExpired)) {
            return Err(SftpError::PasswordExpired {
                server: connection.wire.server.clone(),
                username: self.username.to_owned(),
            });
        }
        if matches!(fault, Fault::Ssh(_)) && !refusals.tried.is_empty() {
            refusals.offered = None;
            return Err(self.unauthorised(&connection.wire, refusals));
        }
        Err(fault.into_error(&connection.wire, "log in".into()))
    }

    fn unauthorised(&self, wire: &Wire, refusals: &Refusals) -> SftpError {
        let mut tried = refusals.tried.join(", ");
        if refusals.passed_over > 0 {
            let rest = format!(
                "; {} more identities of the agent were not tried: name the right one with private-key or --identity",
                refusals.passed_over
            );
            tried.push_str(&rest);
        }
        SftpError::Unauthorised {
            server: wire.server.clone(),
            username: self.username.to_owned(),
            tried,
            methods: refusals
                .offered
                .clone()
                .unwrap_or_else(|| "it closed the connection".into()),
        }
    }
}

/// Whether an agent that was asked at this time took most of the whole limit, and not the server before it.
fn is_to_blame(asked: Instant, whole: Duration) -> bool {
    asked.elapsed() >= whole / 2
}

/// Not the server's silence, and no reason to try again.
fn silent_agent() -> SftpError {
    SftpError::Agent {
        source: Box::new(io::Error::from(io::ErrorKind::TimedOut).into()),
    }
}

/// Authentication methods that the server offers, such as `publickey,password`. A server that wants none accepts the login at this question.
pub(super) fn offered(
    connection: &mut SshConnection,
    username: &str,
    limit: TimeLimit,
) -> Result<String, SftpError> {
    let asked = connection.peer.give_nothing(username);
    let wire = &connection.wire;
    let fault = match wire.drive(limit, asked) {
        Ok(AuthResult::Success) => {
            connection.entered = true;
            return Ok("entry without a proof".into());
        }
        Ok(AuthResult::Failure {
            remaining_methods, ..
        }) if !is_cut(&remaining_methods, wire) => return Ok(listed(&remaining_methods)),
        Ok(AuthResult::Failure { .. }) => Fault::Ssh(SshError::Closed),
        Err(fault) => fault,
    };
    Err(fault.into_error(wire, "ask how to log in".into()))
}

/// Whether a refusal stands for the end of the connection, as it does in the library.
fn is_cut(remaining: &MethodSet, wire: &Wire) -> bool {
    remaining.is_empty() && (wire.heard.facts().has_ended() || wire.is_lost())
}

fn listed(methods: &MethodSet) -> String {
    if methods.is_empty() {
        return "nothing that is known here".into();
    }
    let names: Vec<&str> = methods.iter().map(Into::into).collect();
    names.join(",")
}

fn name_of(identity: &[u8]) -> String {
    format!("agent identity {}", HostKeyPin::of(identity))
}
