//! The identities of an ssh-agent, and what tells the server that one of them is ours.

use std::future::Future;
use std::sync::PoisonError;

use russh::AgentAuthError;
use russh::client::{AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{HashAlg, PublicKey};
use tokio::net::UnixStream;

use super::AgentIdentities;
use super::heard::Heard;

/// A connection to an agent.
pub(super) type Agent = AgentClient<UnixStream>;

/// A key that an agent holds the private half of, or a certificate of one.
pub(super) struct Identity {
    /// In SSH's wire format.
    pub(super) blob: Vec<u8>,
    pub(super) is_rsa: bool,
    held: AgentIdentity,
}

impl AgentIdentities {
    /// Connects to the agent and asks for its identities, the one that was accepted before at the head.
    pub(super) async fn ask(&self) -> Result<(Agent, Vec<Identity>), russh::keys::Error> {
        let mut agent = match &self.socket {
            Some(socket) => Agent::connect_uds(socket).await?,
            None => Agent::connect_env().await?,
        };
        let mut identities = Vec::new();
        for held in agent.request_identities().await? {
            identities.push(Identity::new(held)?);
        }
        let before = self.lock().clone();
        identities.sort_by_key(|identity| before.as_ref() != Some(&identity.blob));
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

impl Identity {
    fn new(held: AgentIdentity) -> Result<Self, russh::keys::Error> {
        let (blob, algorithm) = match &held {
            AgentIdentity::PublicKey { key, .. } => (key.to_bytes()?, key.algorithm()),
            AgentIdentity::Certificate { certificate, .. } => {
                (certificate.to_bytes()?, certificate.algorithm())
            }
        };
        Ok(Self {
            blob,
            is_rsa: algorithm.is_rsa(),
            held,
        })
    }

    /// Offers the identity to the server, and lets the agent sign if the server would take it.
    pub(super) fn prove<'a>(
        &self,
        handle: &'a mut Handle<Heard>,
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
