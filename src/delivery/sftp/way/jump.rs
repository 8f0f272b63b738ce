//! The way through a session with another SSH server, which opens the connection (RFC 4254, section 7.2).

use std::net::SocketAddr;

use russh::ChannelOpenFailure;

use super::{Carrier, Keeper, SftpError, SftpSettings, Stream};
use crate::base::interrupt::Interrupt;
use crate::delivery::sftp::host_key::{HostKeyCheck, Trust};
use crate::delivery::sftp::login::Credentials;
use crate::delivery::sftp::peer::Transport;
use crate::delivery::sftp::ssh_error::SshError;
use crate::delivery::sftp::steps::ReachedServer;
use crate::delivery::sftp::wire::{Fault, TimeLimit};

/// Logs in to `jump`, and lets it connect to the server of `settings`.
pub(super) fn open(
    jump: &SftpSettings,
    settings: &SftpSettings,
    addresses: &[SocketAddr],
    limit: TimeLimit,
    interrupt: &Interrupt,
) -> Result<Carrier, SftpError> {
    let credentials = Credentials::load(jump)?;
    let host_key = HostKeyCheck::load(jump)?;
    let reached = ReachedServer::within(jump, addresses, limit, interrupt)?;
    let mut hops = reached.hops.clone();
    let trusted = reached
        .greet_by(Transport::Russh, &host_key)?
        .trust(&host_key)?;
    let shown = &trusted.host_key;
    let why = match &shown.trust {
        Trust::Known { file, line } => format!("known by {}:{line}", file.display()),
        Trust::Pinned => "pinned".to_owned(),
        Trust::Added { file } => format!("added to {}", file.display()),
    };
    hops.push(format!(
        "jump {}@{}, host key {} {}",
        jump.username,
        jump.server(),
        shown.fingerprint,
        why
    ));
    let connection = trusted.enter(&credentials)?;
    let wire = &connection.wire;
    let doing = format!("connect to {}", settings.server());
    let Some(station) = connection.peer.station() else {
        return Err(Fault::Ssh(SshError::Closed).into_error(wire, doing));
    };
    let asked =
        station.channel_open_direct_tcpip(&settings.host, u32::from(settings.port), "127.0.0.1", 0);
    let channel = match wire.wait_for(limit, asked) {
        Ok(Ok(channel)) => channel,
        Ok(Err(russh::Error::ChannelOpenFailure(reason))) => {
            return Err(SftpError::JumpRefused {
                jump: jump.server(),
                server: settings.server(),
                forbidden: reason == ChannelOpenFailure::AdministrativelyProhibited,
            });
        }
        Ok(Err(error)) => {
            let fault = Fault::Ssh(SshError::from(error));
            return Err(fault.into_error(wire, doing));
        }
        Err(fault) => return Err(fault.into_error(wire, doing)),
    };
    let socket = wire.second_handle().map_err(|source| SftpError::Connect {
        server: settings.server(),
        source,
    })?;
    Ok(Carrier {
        stream: Stream::Channel(channel.into_stream()),
        socket,
        runtime: wire.shared_runtime(),
        keeper: Keeper::Jump(Box::new(connection)),
        hops,
    })
}
