//! Opens the TCP connection: every address of the name in turn, within one limit, ended by a signal.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::{SftpError, SftpSettings};
use crate::base::interrupt::Interrupt;

const SLICE: Duration = Duration::from_millis(250);
/// A quiet connection is probed after this long (an idle one is cut by AWS after 30 minutes anyway).
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// Connects before `until`. The time left is shared among the addresses left, so that a dead first one does not use it up.
pub(super) fn dial(
    settings: &SftpSettings,
    addresses: &[SocketAddr],
    until: Instant,
    interrupt: &Interrupt,
) -> Result<(TcpStream, SocketAddr), SftpError> {
    let server = settings.server();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        match connect(*address, share, interrupt).and_then(|socket| {
            tune(&socket, settings.stall_timeout)?;
            Ok(socket)
        }) {
            Ok(socket) => return Ok((socket, *address)),
            Err(_) if interrupt.must_stop_now() => {
                return Err(SftpError::Interrupted {
                    server,
                    doing: "connect".into(),
                });
            }
            Err(error) => {
                tracing::debug!(%address, %error, "cannot connect");
                last = error;
            }
        }
    }
    Err(SftpError::Connect {
        server,
        source: last,
    })
}

/// The addresses of the host, in the order in which they are tried.
pub(super) fn resolve(settings: &SftpSettings) -> Result<Vec<SocketAddr>, SftpError> {
    let host = &settings.host;
    let addresses: Vec<SocketAddr> = (host.as_str(), settings.port)
        .to_socket_addrs()
        .map_err(|source| SftpError::Resolve {
            host: host.clone(),
            source,
        })?
        .collect();
    let is_elsewhere = |ip: &IpAddr| !ip.to_canonical().is_loopback();
    match addresses.iter().map(SocketAddr::ip).find(is_elsewhere) {
        Some(address) if settings.loopback_only => Err(SftpError::NotLoopback {
            host: host.clone(),
            address,
        }),
        _ => Ok(addresses),
    }
}

fn connect(address: SocketAddr, limit: Duration, interrupt: &Interrupt) -> io::Result<TcpStream> {
    let until = Instant::now() + limit;
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::from(address)) {
        Ok(()) => {}
        Err(error)
            if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        let slice = Timespec::try_from(left.min(SLICE)).map_err(io::Error::other)?;
        let ready = poll(&mut [PollFd::new(&socket, PollFlags::OUT)], Some(&slice));
        if interrupt.must_stop_now() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if ready == Ok(0) || ready == Err(rustix::io::Errno::INTR) {
            continue;
        }
        ready?;
        return match socket.take_error()? {
            Some(error) => Err(error),
            None => Ok(socket.into()),
        };
    }
}

/// Nagle's delay costs 27 % on loopback; SO_SNDBUF stays alone, since setting it turns the kernel's own tuning off.
fn tune(socket: &TcpStream, stall_timeout: Duration) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let socket = SockRef::from(socket);
    socket.set_tcp_keepalive(
        &TcpKeepalive::new()
            .with_time(KEEPALIVE_AFTER)
            .with_interval(KEEPALIVE_EVERY),
    )?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(stall_timeout))?;
    #[cfg(not(target_os = "linux"))]
    let _ = stall_timeout;
    Ok(())
}
