//! The way to a session, step by step: the address, the connection, the greeting, the host key, the login.
//!
//! Each step takes what the one before gave, so that nothing secret can be sent before the host key was judged.
//! All of them but the first together may take the connect timeout. [`SftpSession::connect`] goes all of it; `check` stops after
//! each step to say what it came to.

use std::net::SocketAddr;

use super::host_key::{HostKeyCheck, HostKeyFacts};
use super::login::{self, Credentials};
use super::session::ServerFacts;
use super::subsystem::Subsystem;
use super::wire::{SshConnection, TimeLimit, Wire};
use super::{SftpError, SftpSession, SftpSettings, SshError, Transport, way};
use crate::base::interrupt::Interrupt;

/// The addresses of the first station on the way to the host, in the order in which they are tried: the host itself, a proxy or
/// another SSH server. None where a program goes the way.
pub fn resolve(settings: &SftpSettings) -> Result<Vec<SocketAddr>, SftpError> {
    way::resolve(settings)
}

/// A server to which a way is open, and to which nothing was said.
pub struct ReachedServer<'a> {
    settings: &'a SftpSettings,
    wire: Wire,
    limit: TimeLimit,
    /// The stations of the way in words: the address that accepted the connection, a proxy, another SSH server.
    pub hops: Vec<String>,
}

/// A server that speaks SSH; who it is, is not known yet.
pub struct GreetedServer<'a> {
    settings: &'a SftpSettings,
    connection: SshConnection,
    limit: TimeLimit,
    /// The greeting, such as `SSH-2.0-AWS_SFTP_1.1`, control characters escaped.
    pub banner: String,
    /// The cipher of the direction to the server.
    pub cipher: String,
}

/// A server whose host key was accepted.
pub struct TrustedServer<'a> {
    greeted: GreetedServer<'a>,
    /// The key, and why it was accepted.
    pub host_key: HostKeyFacts,
}

impl<'a> ReachedServer<'a> {
    /// Goes the way to the server; `addresses` are those of its first station. All steps together may take the connect timeout.
    pub fn dial(
        settings: &'a SftpSettings,
        addresses: &[SocketAddr],
        interrupt: &Interrupt,
    ) -> Result<Self, SftpError> {
        let limit = TimeLimit::from(settings.connect_timeout);
        Self::within(settings, addresses, limit, interrupt)
    }

    /// As [`ReachedServer::dial`], within a limit that has begun.
    pub(super) fn within(
        settings: &'a SftpSettings,
        addresses: &[SocketAddr],
        limit: TimeLimit,
        interrupt: &Interrupt,
    ) -> Result<Self, SftpError> {
        let mut carrier = way::open(settings, addresses, limit, interrupt)?;
        let hops = std::mem::take(&mut carrier.hops);
        Ok(Self {
            settings,
            wire: Wire::new(carrier, settings.server(), interrupt.clone()),
            limit,
            hops,
        })
    }

    /// Agrees on keys and ciphers, asking for a host key of a type that `host_key` knows.
    pub fn greet(self, host_key: &HostKeyCheck<'_>) -> Result<GreetedServer<'a>, SftpError> {
        let transport = self.settings.transport;
        self.greet_by(transport, host_key)
    }

    /// As [`ReachedServer::greet`], by a library of the caller's choice.
    pub(super) fn greet_by(
        self,
        transport: Transport,
        host_key: &HostKeyCheck<'_>,
    ) -> Result<GreetedServer<'a>, SftpError> {
        let server = self.wire.server.clone();
        let connection = self
            .wire
            .greet(transport, |key_type| host_key.knows(key_type), self.limit)?
            .map_err(|source| match source {
                SshError::NothingInCommon { .. } => SftpError::NothingInCommon { server, source },
                source => SftpError::Handshake { server, source },
            })?;
        let heard = connection.wire.heard.facts();
        Ok(GreetedServer {
            settings: self.settings,
            connection,
            limit: self.limit,
            banner: heard.banner,
            cipher: heard.cipher,
        })
    }
}

impl<'a> GreetedServer<'a> {
    /// Judges the key that the server showed.
    pub fn trust(self, host_key: &HostKeyCheck<'_>) -> Result<TrustedServer<'a>, SftpError> {
        let wire = &self.connection.wire;
        let host_key = host_key.judge(&wire.server, &wire.heard.facts().host_key)?;
        Ok(TrustedServer {
            greeted: self,
            host_key,
        })
    }
}

impl TrustedServer<'_> {
    /// Authentication methods that the server offers, such as `publickey,password`. A server that wants none accepts the login at this question.
    pub fn methods(&mut self) -> Result<String, SftpError> {
        let GreetedServer {
            settings,
            connection,
            limit,
            ..
        } = &mut self.greeted;
        login::offered(connection, &settings.username, *limit)
    }

    /// Logs in to a server that is only a station of the way.
    pub(super) fn enter(self, credentials: &Credentials<'_>) -> Result<SshConnection, SftpError> {
        let GreetedServer {
            mut connection,
            limit,
            ..
        } = self.greeted;
        credentials.log_in(&mut connection, limit)?;
        Ok(connection)
    }

    /// Logs in and opens the SFTP subsystem.
    pub fn log_in(self, credentials: &Credentials<'_>) -> Result<SftpSession, SftpError> {
        let GreetedServer {
            settings,
            mut connection,
            limit,
            banner,
            cipher,
        } = self.greeted;
        credentials.log_in(&mut connection, limit)?;
        let wire = &connection.wire;
        let subsystem = wire
            .drive(limit, Subsystem::open(&connection.peer))
            .map_err(|fault| fault.into_error(wire, "start the SFTP subsystem".into()))?;
        tracing::debug!(server = wire.server, banner, cipher, "logged in");
        let facts = ServerFacts {
            banner,
            host_key: self.host_key.fingerprint,
            cipher,
        };
        Ok(SftpSession::new(settings, connection, subsystem, facts))
    }
}
