//! The server as one of two libraries speaks with it. Below this, nothing is shared but the byte stream; above it, nothing
//! differs.
//!
//! An enum, so that the path of each byte has no dynamic dispatch. The outcome of a proof of identity is told in russh's words.

mod keyboard_interactive;

use std::sync::Arc;

use russh::AgentAuthError;
use russh::client::{self, AuthResult, Handle};
use russh::keys::{Certificate, HashAlg, PrivateKey, PrivateKeyWithHashAlg};

use super::agent::{Agent, Identity};
use super::heard::{BannerStream, Transcript};
#[cfg(feature = "ssh2")]
use super::libssh2::Libssh2;
use super::way::Stream;
use super::{AgentIdentities, SshError, algorithms};
use crate::base::secret::Secret;

/// The library that speaks SSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// russh, with the cryptography of ring.
    #[default]
    Russh,
    /// libssh2, with the cryptography of OpenSSL.
    #[cfg(feature = "ssh2")]
    Ssh2,
}

/// How often a server may ask in one keyboard-interactive login.
pub(super) const MOST_QUESTIONS: usize = 4;

/// A server whose key exchange is done.
pub(super) enum Peer {
    /// Spoken with by russh.
    Russh(Handle<Transcript>),
    /// Spoken with by libssh2.
    #[cfg(feature = "ssh2")]
    Libssh2(Arc<Libssh2>),
}

/// The reason for which an identity of an agent got no answer from the server.
pub(super) enum AgentFault {
    /// The agent does not sign, and why.
    Unsigned(String),
    /// The connection failed.
    Ssh(SshError),
}

impl Peer {
    /// Banners and key exchange, asking for a host key of a type that `is_known`.
    pub(super) async fn greet(
        transport: Transport,
        stream: Stream,
        heard: Transcript,
        is_known: impl Fn(&str) -> bool,
    ) -> Result<Self, SshError> {
        match transport {
            Transport::Russh => {
                // Larger groups take seconds of computing, in which no signal and no limit is looked at.
                let groups = client::GexParams::new(3072, 3072, 4096);
                let config = client::Config {
                    gex: groups.unwrap_or_default(),
                    preferred: algorithms::preferred(is_known),
                    ..client::Config::default()
                };
                let stream = BannerStream::new(stream, heard.clone());
                let greeted = client::connect_stream(Arc::new(config), stream, heard).await;
                Ok(Self::Russh(greeted?))
            }
            #[cfg(feature = "ssh2")]
            Transport::Ssh2 => {
                let greeted = Libssh2::greet(stream, &heard, is_known).await?;
                Ok(Self::Libssh2(Arc::new(greeted)))
            }
        }
    }

    /// The session with a server that is only a station of the way.
    #[cfg_attr(
        not(feature = "ssh2"),
        expect(clippy::unnecessary_wraps, reason = "libssh2 has none")
    )]
    pub(super) fn station(&self) -> Option<&Handle<Transcript>> {
        match self {
            Self::Russh(handle) => Some(handle),
            #[cfg(feature = "ssh2")]
            Self::Libssh2(_) => None,
        }
    }

    /// Whether the library knows of the end of the connection.
    pub(super) fn is_closed(&self) -> bool {
        match self {
            Self::Russh(handle) => handle.is_closed(),
            #[cfg(feature = "ssh2")]
            Self::Libssh2(session) => session.has_ended(),
        }
    }

    /// Asks how to log in; a server that wants no proof accepts the login at this question.
    pub(super) async fn give_nothing(&mut self, username: &str) -> Result<AuthResult, SshError> {
        match self {
            Self::Russh(handle) => Ok(handle.authenticate_none(username).await?),
            #[cfg(feature = "ssh2")]
            Self::Libssh2(session) => session.ask_methods(username).await,
        }
    }

    /// Gives the password.
    pub(super) async fn give_password(
        &mut self,
        username: &str,
        password: &Secret,
    ) -> Result<AuthResult, SshError> {
        match self {
            Self::Russh(handle) => {
                let asked = handle.authenticate_password(username, password.reveal());
                Ok(asked.await?)
            }
            #[cfg(feature = "ssh2")]
            Self::Libssh2(session) => session.give_password(username, password).await,
        }
    }

    /// Gives the password as the answer to the server's questions (RFC 4256): to each that is not shown as it is typed. A server
    /// that asks anything else, such as a code, is not answered.
    pub(super) async fn answer_questions(
        &mut self,
        username: &str,
        password: &Secret,
    ) -> Result<AuthResult, SshError> {
        match self {
            Self::Russh(handle) => {
                Ok(keyboard_interactive::answer(handle, username, password).await?)
            }
            #[cfg(feature = "ssh2")]
            Self::Libssh2(session) => session.answer_questions(username, password).await,
        }
    }

    /// Offers a key, and signs with it if the server would take it.
    pub(super) async fn give_key(
        &mut self,
        username: &str,
        key: &Arc<PrivateKey>,
    ) -> Result<AuthResult, SshError> {
        match self {
            Self::Russh(handle) => {
                let hash = hash(handle, key.algorithm().is_rsa()).await?;
                let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
                Ok(handle.authenticate_publickey(username, key).await?)
            }
            #[cfg(feature = "ssh2")]
            Self::Libssh2(session) => session.give_key(username, key).await,
        }
    }

    /// Offers the certificate that an authority has made of the key.
    pub(super) async fn give_certificate(
        &mut self,
        username: &str,
        certificate: &Certificate,
        key: &Arc<PrivateKey>,
    ) -> Result<AuthResult, SshError> {
        match self {
            Self::Russh(handle) => {
                let (key, certificate) = (Arc::clone(key), certificate.clone());
                let asked = handle.authenticate_openssh_cert(username, key, certificate);
                Ok(asked.await?)
            }
            #[cfg(feature = "ssh2")]
            Self::Libssh2(session) => session.give_certificate(username, certificate, key).await,
        }
    }

    /// Offers an identity of an agent, and lets the agent sign if the server would take it.
    #[cfg_attr(
        not(feature = "ssh2"),
        expect(unused_variables, reason = "libssh2 asks the agent itself")
    )]
    pub(super) async fn give_identity(
        &mut self,
        username: &str,
        identity: &Identity,
        agent: &mut Agent,
        agent_of: &AgentIdentities,
    ) -> Result<AuthResult, AgentFault> {
        match self {
            Self::Russh(handle) => {
                let hash = hash(handle, identity.is_rsa).await;
                let hash = hash.map_err(|error| AgentFault::Ssh(error.into()))?;
                let proof = identity.prove(handle, agent, username, hash).await;
                proof.map_err(|error| match error {
                    AgentAuthError::Key(error) => AgentFault::Unsigned(error.to_string()),
                    AgentAuthError::Send(_) => AgentFault::Ssh(SshError::Closed),
                })
            }
            #[cfg(feature = "ssh2")]
            Self::Libssh2(session) => {
                let socket = agent_of.socket.as_deref();
                let asked = &mut agent.asked;
                session
                    .give_identity(username, &identity.blob, socket, asked)
                    .await
            }
        }
    }
}

/// How an RSA key signs: as the server says that it can, or else in the way that every server of today can.
async fn hash(handle: &Handle<Transcript>, is_rsa: bool) -> Result<Option<HashAlg>, russh::Error> {
    if !is_rsa {
        return Ok(None);
    }
    // The library waits a second for a server that says nothing of it.
    let known = handle.best_supported_rsa_hash().await?.flatten();
    Ok(known.or(Some(HashAlg::Sha512)))
}
