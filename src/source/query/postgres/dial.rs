//! Connects: one server after the other, one address after the other, with TLS and without as `sslmode` says.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, ToSocketAddrs as _};
use std::time::Duration;

use postgres::config::SslMode;
use postgres::{Client, Config};

use super::PostgresError;
use super::cancel::PgWorker;
use super::target::{PgHost, PgTarget, TlsMode};
use super::tls::{self, Tls};
use crate::source::query::QueryError;

/// A quiet connection is probed: a query may run for an hour before its first row, and a server that is gone must be noticed.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);
const KEEPALIVE_TRIES: u32 = 6;
/// A server that takes longer to begin a session than this after the dialling itself is given up.
const LOGIN: Duration = Duration::from_secs(5);

/// A connection, and the server for people.
pub(super) struct PgConnection {
    pub(super) client: Client,
    pub(super) server: String,
}

/// The first server that answers.
pub(super) fn connect<T>(
    target: &PgTarget,
    tls: &Tls,
    worker: &PgWorker<T>,
) -> Result<PgConnection, QueryError> {
    let mut last = None;
    for place in &target.places {
        let addresses = match addresses(place, target.loopback_only) {
            Ok(addresses) => addresses,
            Err(error @ PostgresError::NotLoopback { .. }) => return Err(error.into()),
            Err(error) => {
                last = Some(error);
                continue;
            }
        };
        for address in addresses {
            worker.link.go_on()?;
            let attempt = PgDial {
                target,
                place,
                address,
                tls,
            };
            match attempt.run(worker) {
                Ok(client) => {
                    worker.no_limit();
                    let cancel = &worker.link.cancel;
                    cancel.connected(client.cancel_token(), tls.clone());
                    let server = place.server();
                    return Ok(PgConnection { client, server });
                }
                Err(error @ PostgresError::Connect { .. }) => last = Some(error),
                Err(error) => return Err(error.into()),
            }
        }
    }
    let nobody = || PostgresError::Connect {
        server: String::new(),
        cause: ErrorKind::NotFound,
    };
    Err(last.unwrap_or_else(nobody).into())
}

/// The addresses of a place; one that is none for a socket.
fn addresses(place: &PgHost, loopback_only: bool) -> Result<Vec<Option<IpAddr>>, PostgresError> {
    if place.is_socket() {
        return Ok(vec![None]);
    }
    let host = || place.host.clone();
    let addresses: Vec<IpAddr> = match place.address {
        Some(address) => vec![address],
        None => (place.host.as_str(), place.port)
            .to_socket_addrs()
            .map_err(|_| PostgresError::Resolve { host: host() })?
            .map(|address| address.ip())
            .collect(),
    };
    let is_elsewhere = |ip: &IpAddr| !ip.to_canonical().is_loopback();
    if loopback_only && addresses.iter().any(is_elsewhere) {
        return Err(PostgresError::NotLoopback { host: host() });
    }
    Ok(addresses.into_iter().map(Some).collect())
}

/// One address.
struct PgDial<'a> {
    target: &'a PgTarget,
    place: &'a PgHost,
    address: Option<IpAddr>,
    tls: &'a Tls,
}

impl PgDial<'_> {
    fn run<T>(&self, worker: &PgWorker<T>) -> Result<Client, PostgresError> {
        let modes: &[SslMode] = match self.target.tls {
            // libpq has no TLS on sockets either.
            _ if self.address.is_none() => &[SslMode::Disable],
            TlsMode::Disable => &[SslMode::Disable],
            TlsMode::Allow => &[SslMode::Disable, SslMode::Require],
            TlsMode::Prefer => &[SslMode::Prefer, SslMode::Disable],
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => &[SslMode::Require],
        };
        let mut result = self.once(modes[0], worker);
        if let (Some(other), Err(error)) = (modes.get(1), &result) {
            // The server may admit one with TLS alone, or without it.
            if matches!(
                error,
                PostgresError::NotAdmitted { .. }
                    | PostgresError::Handshake { .. }
                    | PostgresError::Certificate { .. }
            ) {
                let first = result;
                result = self.once(*other, worker);
                if matches!(result, Err(PostgresError::NoTls { .. })) {
                    result = first;
                }
            }
        }
        result
    }

    fn once<T>(&self, mode: SslMode, worker: &PgWorker<T>) -> Result<Client, PostgresError> {
        let (target, place) = (self.target, self.place);
        let late = PostgresError::Connect {
            server: place.server(),
            cause: ErrorKind::TimedOut,
        };
        worker.limit(target.timeout + LOGIN, late.into());
        let mut config = Config::new();
        config
            .host(&place.host)
            .port(place.port)
            .user(&target.user)
            .dbname(&target.database)
            // The server then says that it wants one.
            .password(place.password.as_ref().map_or("", |secret| secret.reveal()))
            .application_name(&target.application)
            .connect_timeout(target.timeout)
            .keepalives_idle(KEEPALIVE_AFTER)
            .keepalives_interval(KEEPALIVE_EVERY)
            .keepalives_retries(KEEPALIVE_TRIES)
            .target_session_attrs(target.session)
            .ssl_mode(mode)
            // A notice is a text of the server.
            .notice_callback(|_| {});
        if let Some(address) = self.address {
            config.hostaddr(address);
        }
        if let Some(options) = &target.options {
            config.options(options);
        }
        self.tls.was_begun();
        config
            .connect(self.tls.clone())
            .map_err(|error| self.failure(&error, mode))
    }

    fn failure(&self, error: &postgres::Error, mode: SslMode) -> PostgresError {
        let server = self.place.server();
        if let Some(code) = error.code() {
            let code = code.code().to_owned();
            return match &*code {
                "28P01" if self.place.password.is_none() => PostgresError::NoPassword { server },
                "28P01" => PostgresError::Login { server, code },
                "28000" => PostgresError::NotAdmitted { server, code },
                "3D000" => PostgresError::NoDatabase {
                    server,
                    database: self.target.database.clone(),
                },
                _ => PostgresError::Refused { server, code },
            };
        }
        let cause = std::error::Error::source(error);
        match cause.and_then(|cause| cause.downcast_ref::<io::Error>()) {
            Some(cause) => tls::failure(cause, server.clone()).unwrap_or(PostgresError::Connect {
                server,
                cause: cause.kind(),
            }),
            None if error.is_closed() => PostgresError::Connect {
                server,
                cause: ErrorKind::ConnectionAborted,
            },
            None if mode == SslMode::Require && !self.tls.was_begun() => {
                PostgresError::NoTls { server }
            }
            None => PostgresError::NotUnderstood { server },
        }
    }
}
