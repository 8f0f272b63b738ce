//! Opens a TCP connection to the first address of a name that answers, within one limit, ended by a signal.
//!
//! The addresses are tried at short distances, and those that are under way go on meanwhile (RFC 8305): a dead one costs a
//! quarter of a second.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, TcpKeepalive, Type};

use super::SftpError;
use crate::base::interrupt::Interrupt;

/// The distance between two addresses, RFC 8305's "connection attempt delay"; also the longest wait that does not look at the
/// interrupt.
const SLICE: Duration = Duration::from_millis(250);
/// A quiet connection is probed after this long (an idle one is cut by AWS after 30 minutes anyway).
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_EVERY: Duration = Duration::from_secs(10);

/// The reason for which no address has answered.
#[derive(Debug)]
pub(super) enum DialError {
    /// The run is to end at once.
    Interrupted,
    /// The error of the last address that failed.
    Failed(io::Error),
}

impl DialError {
    /// The error of a server that is reached without a proxy.
    pub(super) fn into_error(self, server: String) -> SftpError {
        match self {
            Self::Interrupted => SftpError::Interrupted {
                server,
                doing: "connect".into(),
            },
            Self::Failed(source) => SftpError::Connect { server, source },
        }
    }
}

/// A connection that is being opened.
struct SshDialAttempt {
    address: SocketAddr,
    socket: Socket,
}

/// Connects to one of the addresses before `until`.
pub(super) fn dial(
    addresses: &[SocketAddr],
    until: Instant,
    stall_timeout: Duration,
    interrupt: &Interrupt,
) -> Result<(TcpStream, SocketAddr), DialError> {
    let mut waiting = alternating(addresses).into_iter().peekable();
    let mut attempts: Vec<SshDialAttempt> = Vec::new();
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    let mut next_at = Instant::now();
    loop {
        let now = Instant::now();
        if (attempts.is_empty() || next_at <= now)
            && let Some(address) = waiting.next()
        {
            next_at = now + SLICE;
            match begin(address) {
                Ok(socket) => attempts.push(SshDialAttempt { address, socket }),
                Err(error) => last = failed(address, error),
            }
            continue;
        }
        if attempts.is_empty() {
            return Err(DialError::Failed(last));
        }
        let mut left = until.saturating_duration_since(now).min(SLICE);
        if left.is_zero() {
            return Err(DialError::Failed(io::ErrorKind::TimedOut.into()));
        }
        if waiting.peek().is_some() {
            left = left.min(next_at.saturating_duration_since(now));
        }
        let ready = ready(&attempts, left).map_err(DialError::Failed)?;
        if interrupt.must_stop_now() {
            return Err(DialError::Interrupted);
        }
        // From the end, so that the places before stay what they were.
        for place in ready.into_iter().rev() {
            let SshDialAttempt { address, socket } = attempts.remove(place);
            let connected = socket.take_error().and_then(|error| {
                let socket = error.map_or_else(|| Ok(TcpStream::from(socket)), Err)?;
                tune(&socket, stall_timeout)?;
                Ok(socket)
            });
            match connected {
                Ok(socket) => return Ok((socket, address)),
                Err(error) => last = failed(address, error),
            }
        }
    }
}

fn failed(address: SocketAddr, error: io::Error) -> io::Error {
    tracing::debug!(%address, %error, "cannot connect");
    error
}

/// The addresses in their order, those of IPv6 and IPv4 by turns.
fn alternating(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<_>, Vec<_>) = addresses
        .iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let longest = first.len().max(second.len());
    let turns = (0..longest).flat_map(|turn| [first.get(turn), second.get(turn)]);
    turns.flatten().copied().collect()
}

/// Begins to connect.
fn begin(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::from(address)) {
        Err(error)
            if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) =>
        {
            Err(error)
        }
        _ => Ok(socket),
    }
}

/// The places of the attempts that have succeeded or failed; waits for at most `limit` until there is one.
fn ready(attempts: &[SshDialAttempt], limit: Duration) -> io::Result<Vec<usize>> {
    let mut sockets: Vec<PollFd<'_>> = attempts
        .iter()
        .map(|attempt| PollFd::new(&attempt.socket, PollFlags::OUT))
        .collect();
    let limit = Timespec::try_from(limit).map_err(io::Error::other)?;
    match poll(&mut sockets, Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => {}
        Err(error) => return Err(error.into()),
    }
    let places = sockets.iter().enumerate();
    Ok(places
        .filter(|(_, socket)| !socket.revents().is_empty())
        .map(|(place, _)| place)
        .collect())
}

/// The addresses of a name, in the order in which they are tried.
pub(super) fn resolve(
    host: &str,
    port: u16,
    loopback_only: bool,
) -> Result<Vec<SocketAddr>, SftpError> {
    let addresses: Vec<SocketAddr> = (host, port)
        .to_socket_addrs()
        .map_err(|source| SftpError::Resolve {
            host: host.to_owned(),
            source,
        })?
        .collect();
    let is_elsewhere = |ip: &IpAddr| !ip.to_canonical().is_loopback();
    match addresses.iter().map(SocketAddr::ip).find(is_elsewhere) {
        Some(address) if loopback_only => Err(SftpError::NotLoopback {
            host: host.to_owned(),
            address,
        }),
        _ => Ok(addresses),
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

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    fn at(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn families_take_turns_and_the_order_stays() {
        let given = [
            "[::1]:1",
            "[::1]:2",
            "127.0.0.1:3",
            "[::1]:4",
            "127.0.0.1:5",
        ]
        .map(at);
        let expected = [
            "[::1]:1",
            "127.0.0.1:3",
            "[::1]:2",
            "127.0.0.1:5",
            "[::1]:4",
        ]
        .map(at);
        assert_eq!(alternating(&given), expected);
    }

    /// A port whose queue of connections is full: it neither accepts nor refuses, as a dead address.
    fn dead() -> (Socket, Vec<Socket>, SocketAddr) {
        let listener = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        listener.bind(&at("127.0.0.1:0").into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let queued = (0..4).map(|_| begin(address).unwrap()).collect();
        (listener, queued, address)
    }

    #[test]
    fn a_dead_address_costs_less_than_a_second() {
        let (_listener, _queued, dead) = dead();
        let good = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = good.local_addr().map(|address| (good, address)).unwrap();
        let refused = {
            let closed = TcpListener::bind("127.0.0.1:0").unwrap();
            closed.local_addr().unwrap()
        };
        let begun = Instant::now();
        let until = begun + Duration::from_secs(10);
        let addresses = [dead, refused, dead, good.1];
        let stall = Duration::from_secs(10);
        let (_, address) = dial(&addresses, until, stall, &Interrupt::new()).unwrap();
        assert_eq!(address, good.1);
        assert!(
            begun.elapsed() < Duration::from_secs(2),
            "{:?}",
            begun.elapsed()
        );
    }

    #[test]
    fn addresses_that_are_all_dead_end_at_the_limit() {
        let (_listener, _queued, dead) = dead();
        let begun = Instant::now();
        let until = begun + Duration::from_millis(600);
        let stall = Duration::from_secs(10);
        let error = dial(&[dead, dead], until, stall, &Interrupt::new()).unwrap_err();
        assert!(
            matches!(&error, DialError::Failed(error) if error.kind() == io::ErrorKind::TimedOut),
            "{error:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(2));
    }
}
