//! The way to a session, step by step: the address, the connection, the greeting, the host key, the login.
//!
//! Each step takes what the one before gave, so that nothing secret can be sent before the host key was judged.
//! [`SftpSession::connect`] goes all of it; `check` stops after each step to say what it came to.

use std::net::SocketAddr;
use std::time::Instant;

use libssh2_sys as raw;
use ssh2::{ErrorCode, MethodType};

use super::error::printable;
use super::host_key::{HostKeyCheck, HostKeyFacts};
use super::login::{self, Credentials};
use super::session::ServerFacts;
use super::wire::{Fault, Wire};
use super::{SftpError, SftpSession, SftpSettings, dial};
use crate::interrupt::Interrupt;

/// The addresses of the host, in the order in which they are tried.
pub fn resolve(settings: &SftpSettings) -> Result<Vec<SocketAddr>, SftpError> {
    dial::resolve(settings)
}

/// A TCP connection on which nothing was said.
pub struct Reached<'a> {
    settings: &'a SftpSettings,
    wire: Wire,
    until: Instant,
    /// Who took the connection.
    pub address: SocketAddr,
}

/// A server that speaks SSH; who it is, is not known yet.
pub struct Greeted<'a> {
    settings: &'a SftpSettings,
    wire: Wire,
    /// The greeting, such as `SSH-2.0-AWS_SFTP_1.1`, control characters escaped.
    pub banner: String,
    /// What encrypts the way to the server.
    pub cipher: String,
}

/// A server whose host key was accepted.
pub struct Trusted<'a> {
    greeted: Greeted<'a>,
    /// The key, and why it was accepted.
    pub host_key: HostKeyFacts,
}

impl<'a> Reached<'a> {
    /// Connects to the first of `addresses` that answers within the connect timeout.
    pub fn dial(
        settings: &'a SftpSettings,
        addresses: &[SocketAddr],
        interrupt: &Interrupt,
    ) -> Result<Self, SftpError> {
        let until = Instant::now() + settings.connect_timeout;
        let (socket, address) = dial::dial(settings, addresses, until, interrupt)?;
        Ok(Self {
            settings,
            wire: Wire::new(socket, settings.server(), interrupt.clone())?,
            until,
            address,
        })
    }

    /// Agrees on keys and ciphers, asking for a host key of a type that `host_key` knows.
    pub fn greet(mut self, host_key: &HostKeyCheck<'_>) -> Result<Greeted<'a>, SftpError> {
        greet(&mut self.wire, host_key, self.until)?;
        let session = &self.wire.session;
        Ok(Greeted {
            banner: printable(session.banner().unwrap_or_default()),
            cipher: printable(session.methods(MethodType::CryptCs).unwrap_or_default()),
            settings: self.settings,
            wire: self.wire,
        })
    }
}

impl<'a> Greeted<'a> {
    /// Judges the key that the server showed.
    pub fn trust(self, host_key: &HostKeyCheck<'_>) -> Result<Trusted<'a>, SftpError> {
        let host_key = host_key.judge(&self.wire)?;
        Ok(Trusted {
            greeted: self,
            host_key,
        })
    }
}

impl Trusted<'_> {
    /// What the server offers to log in with, such as `publickey,password`.
    pub fn methods(&self) -> Result<String, SftpError> {
        let Greeted { settings, wire, .. } = &self.greeted;
        match login::offered(wire, &settings.username, settings.connect_timeout) {
            Ok(methods) => Ok(methods),
            Err(_) if wire.session.authenticated() => Ok("entry without a proof".into()),
            Err(fault) => Err(fault.into_error(wire, "ask how to log in".into())),
        }
    }

    /// Logs in and opens the SFTP subsystem.
    pub fn log_in(self, credentials: &Credentials<'_>) -> Result<SftpSession, SftpError> {
        let Greeted {
            settings,
            wire,
            banner,
            cipher,
        } = self.greeted;
        credentials.log_in(&wire)?;
        let sftp = wire
            .drive(settings.connect_timeout, || wire.session.sftp())
            .map_err(|fault| fault.into_error(&wire, "start the SFTP subsystem".into()))?;
        tracing::debug!(server = wire.server, banner, cipher, "logged in");
        let facts = ServerFacts {
            banner,
            host_key: self.host_key.fingerprint,
            cipher,
        };
        Ok(SftpSession::new(settings, wire, sftp, facts))
    }
}

fn greet(wire: &mut Wire, host_key: &HostKeyCheck<'_>, until: Instant) -> Result<(), SftpError> {
    let failed = |wire: &Wire, source| SftpError::Handshake {
        server: wire.server.clone(),
        source,
    };
    host_key
        .prefer_known_types(&wire.session)
        .map_err(|source| failed(wire, source))?;
    let mut session = wire.session.clone();
    let limit = until.saturating_duration_since(Instant::now());
    match wire.drive(limit, || session.handshake()) {
        Ok(()) => Ok(()),
        Err(Fault::Ssh(source))
            if matches!(
                source.code(),
                ErrorCode::Session(
                    raw::LIBSSH2_ERROR_KEX_FAILURE | raw::LIBSSH2_ERROR_METHOD_NOT_SUPPORTED
                )
            ) && !wire.is_lost() =>
        {
            Err(SftpError::NothingInCommon {
                server: wire.server.clone(),
                source,
            })
        }
        Err(Fault::Ssh(source)) => Err(failed(wire, source)),
        Err(fault) => Err(fault.into_error(wire, "greet the SSH server".into())),
    }
}
