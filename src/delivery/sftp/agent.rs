//! The identities of an ssh-agent, and what tells the server that one of them is ours.

use std::future::Future;
use std::io::ErrorKind;
use std::sync::PoisonError;
use std::time::Instant;

use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::key::parse_public_key;
use russh::keys::ssh_key::Certificate;
use russh::keys::{self, HashAlg, PublicKey};
use russh::{AgentAuthError, Signer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

use super::AgentIdentities;
use super::heard::Transcript;
use super::known_hosts::key_type_of;
use super::packet::{number, string};

/// `SSH_AGENTC_REQUEST_IDENTITIES` in a frame, and the first byte of its answer (draft-ietf-sshm-ssh-agent, section 3.5).
const REQUEST_IDENTITIES: [u8; 5] = [0, 0, 0, 1, 11];
const IDENTITIES_ANSWER: u8 = 12;
/// `SSH_AGENT_FAILURE`, as a locked agent answers.
const FAILURE: u8 = 5;
/// The longest answer (OpenSSH's own limit).
const LONGEST_ANSWER: usize = 256 * 1024;

/// A connection to an agent.
pub(super) struct Agent {
    client: AgentClient<UnixStream>,
    /// When it was asked for a signature that it has not given.
    pub(super) asked: Option<Instant>,
}

/// A key that an agent holds the private half of, or a certificate of one.
pub(super) struct Identity {
    /// In SSH's wire format.
    pub(super) blob: Vec<u8>,
    pub(super) is_rsa: bool,
    held: AgentIdentity,
}

impl AgentIdentities {
    /// Connects to the agent and asks for its identities, the one that was accepted before at the head. One that is of no
    /// kind that is known here is left out.
    pub(super) async fn ask(&self) -> Result<(Agent, Vec<Identity>), keys::Error> {
        let socket = self.socket.as_ref();
        let socket = socket.ok_or(keys::Error::EnvVar("SSH_AUTH_SOCK"))?;
        let connected = UnixStream::connect(socket).await;
        let mut stream = connected.map_err(|error| match error.kind() {
            ErrorKind::NotFound => keys::Error::BadAuthSock,
            _ => error.into(),
        })?;
        let mut identities = listed(&mut stream).await?;
        let before = self.lock().clone();
        identities.sort_by_key(|identity| before.as_ref() != Some(&identity.blob));
        let agent = Agent {
            client: AgentClient::connect(stream),
            asked: None,
        };
        Ok((agent, identities))
    }

    /// Keeps in mind which identity was let in.
    pub(super) fn remember(&self, identity: &Identity) {
        *self.lock() = Some(identity.blob.clone());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Vec<u8>>> {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The library gives none of them where one has a comment that is not UTF-8, or cannot be read.
async fn listed(stream: &mut UnixStream) -> Result<Vec<Identity>, keys::Error> {
    stream.write_all(&REQUEST_IDENTITIES).await?;
    let length = usize::try_from(stream.read_u32().await?).unwrap_or(usize::MAX);
    if length > LONGEST_ANSWER {
        return Err(keys::Error::AgentProtocolError);
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).await?;
    match answer.split_first() {
        Some((&IDENTITIES_ANSWER, rest)) => identities(rest).ok_or(keys::Error::AgentProtocolError),
        Some((&FAILURE, _)) => Err(keys::Error::AgentFailure),
        _ => Err(keys::Error::AgentProtocolError),
    }
}

/// The identities of an answer, those aside that the library cannot read; none where the answer breaks off.
fn identities(mut rest: &[u8]) -> Option<Vec<Identity>> {
    let mut identities = Vec::new();
    for _ in 0..number(&mut rest)? {
        let blob = string(&mut rest)?;
        let _comment = string(&mut rest)?;
        match Identity::new(blob) {
            Ok(identity) => identities.push(identity),
            Err(error) => tracing::debug!(%error, "an identity of the ssh-agent is left out"),
        }
    }
    Some(identities)
}

impl Identity {
    fn new(blob: &[u8]) -> Result<Self, keys::Error> {
        let key = parse_public_key(blob)?;
        let is_certificate =
            key_type_of(blob).is_some_and(|name| name.ends_with("-cert-v01@openssh.com"));
        let (algorithm, held) = if is_certificate {
            let certificate = Certificate::from_bytes(blob)?;
            (certificate.algorithm(), certificate.into())
        } else {
            (key.algorithm(), key.into())
        };
        Ok(Self {
            blob: blob.to_vec(),
            is_rsa: algorithm.is_rsa(),
            held,
        })
    }

    /// Whether it is this public key, or a certificate of it.
    pub(super) fn is_of(&self, public: &[u8]) -> bool {
        let of_certificate = match &self.held {
            AgentIdentity::Certificate { certificate, .. } => {
                PublicKey::from(certificate.public_key().clone())
                    .to_bytes()
                    .ok()
            }
            AgentIdentity::PublicKey { .. } => None,
        };
        self.blob == public || of_certificate.as_deref() == Some(public)
    }

    /// Offers the identity to the server, and lets the agent sign if the server would take it.
    pub(super) fn prove<'a>(
        &self,
        handle: &'a mut Handle<Transcript>,
        agent: &'a mut Agent,
        username: &'a str,
        hash: Option<HashAlg>,
    ) -> impl Future<Output = Result<AuthResult, AgentAuthError>> + 'a {
        let held = self.held.clone();
        async move {
            match held {
                AgentIdentity::PublicKey { key, .. } => {
                    let key: PublicKey = key;
                    handle
                        .authenticate_publickey_with(username, key, hash, agent)
                        .await
                }
                AgentIdentity::Certificate { certificate, .. } => {
                    handle
                        .authenticate_certificate_with(username, certificate, hash, agent)
                        .await
                }
            }
        }
    }
}

impl Signer for Agent {
    type Error = AgentAuthError;

    async fn auth_sign(
        &mut self,
        key: &AgentIdentity,
        hash: Option<HashAlg>,
        to_sign: Vec<u8>,
    ) -> Result<Vec<u8>, AgentAuthError> {
        self.asked = Some(Instant::now());
        let signed = self.client.auth_sign(key, hash, to_sign).await;
        self.asked = None;
        signed
    }
}
