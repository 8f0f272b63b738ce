//! The way to a server, below SSH: a TCP connection, a program, a proxy, or a session with another server.
//!
//! [`open`] takes the settings and gives a [`Carrier`]: a byte stream whose end is noticed, and that is cut at once, in the
//! same manner for all of them. The host key, the login and the cipher of the server do not depend on the way.

mod jump;
mod program;
mod proxy;
mod stream;

use std::net::SocketAddr;
use std::sync::Arc;

use socket2::Socket;
use tokio::runtime::{self, Runtime};

use super::wire::{SshConnection, TimeLimit};
use super::{SftpError, SftpSettings, dial};
use crate::base::interrupt::Interrupt;
use crate::base::secret::Secret;

pub(super) use program::Program;
pub use program::{ProgramError, expand as expand_program};
pub use proxy::ProxyError;
pub(super) use stream::Stream;

/// The way to a server.
#[derive(Debug, Clone, Default)]
pub enum Way {
    /// A TCP connection.
    #[default]
    Direct,
    /// The standard input and output of a program: its path or name, and its arguments.
    Program(Vec<String>),
    /// A proxy.
    Proxy(Proxy),
    /// A connection that another SSH server opens, which may have a way of its own.
    Jump(Box<SftpSettings>),
}

/// A proxy that opens the TCP connection.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// The protocol that it speaks.
    pub protocol: ProxyProtocol,
    /// Host name or address, without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The account, where it wants one.
    pub username: Option<String>,
    /// The account's password.
    pub password: Option<Secret>,
}

/// The protocol of a proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// SOCKS version 5 (RFC 1928).
    Socks5,
    /// CONNECT of HTTP (RFC 9110, section 9.3.6).
    Http,
}

impl Proxy {
    /// The proxy as a job file writes it, without its account.
    pub fn address(&self) -> String {
        let scheme = match self.protocol {
            ProxyProtocol::Socks5 => "socks5",
            ProxyProtocol::Http => "http",
        };
        format!("{scheme}://{}", super::host_and_port(&self.host, self.port))
    }
}

/// An open way.
pub(super) struct Carrier {
    /// The bytes from and to the server.
    pub(super) stream: Stream,
    /// A second handle of the socket that the bytes go through on this machine.
    pub(super) socket: Socket,
    /// Drives the stream.
    pub(super) runtime: Arc<Runtime>,
    /// Holds what the stream needs.
    pub(super) keeper: Keeper,
    /// The stations of the way, the first one first, in words for `check`.
    pub(super) hops: Vec<String>,
}

/// The holder of what a stream needs.
pub(super) enum Keeper {
    /// Nothing but the socket.
    Socket,
    /// A running program.
    Program(Program),
    /// A session with another server.
    Jump(#[expect(dead_code, reason = "kept for its drop")] Box<SshConnection>),
}

/// The addresses of the first station, in the order in which they are tried; none where a program goes the way.
pub(super) fn resolve(settings: &SftpSettings) -> Result<Vec<SocketAddr>, SftpError> {
    let look = |host: &str, port| dial::resolve(host, port, settings.loopback_only);
    if matches!(settings.way, Way::Direct) {
        return look(&settings.host, settings.port);
    }
    // The last station finds the address of the server, which this machine may not know; under this rule it must.
    if settings.loopback_only {
        look(&settings.host, settings.port)?;
    }
    match &settings.way {
        Way::Direct | Way::Program(_) => Ok(Vec::new()),
        Way::Proxy(proxy) => look(&proxy.host, proxy.port),
        Way::Jump(jump) => resolve(jump),
    }
}

/// Goes the way; `addresses` are those of its first station.
pub(super) fn open(
    settings: &SftpSettings,
    addresses: &[SocketAddr],
    limit: TimeLimit,
    interrupt: &Interrupt,
) -> Result<Carrier, SftpError> {
    match &settings.way {
        Way::Direct => {
            let (socket, address) =
                dial::dial(addresses, limit.until, settings.stall_timeout, interrupt)
                    .map_err(|failed| failed.into_error(settings.server()))?;
            let mut carrier = Carrier::of_tcp(socket).map_err(|source| SftpError::Connect {
                server: settings.server(),
                source,
            })?;
            carrier.hops = vec![address.to_string()];
            Ok(carrier)
        }
        Way::Program(command) => program::open(command, settings),
        Way::Proxy(proxy) => proxy::open(proxy, settings, addresses, limit, interrupt),
        Way::Jump(jump) => jump::open(jump, settings, addresses, limit, interrupt),
    }
}

impl Carrier {
    /// A connected TCP socket.
    fn of_tcp(socket: std::net::TcpStream) -> std::io::Result<Self> {
        let runtime = new_runtime()?;
        let second = socket.try_clone()?;
        let stream = {
            let _entered = runtime.enter();
            tokio::net::TcpStream::from_std(socket)?
        };
        Ok(Self {
            stream: Stream::Tcp(stream),
            socket: second.into(),
            runtime,
            keeper: Keeper::Socket,
            hops: Vec::new(),
        })
    }
}

fn new_runtime() -> std::io::Result<Arc<Runtime>> {
    runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map(Arc::new)
}

impl Keeper {
    /// The words of a program that has ended, if it was one.
    pub(super) fn last_words(&self) -> Option<String> {
        match self {
            Self::Program(program) => program.last_words(),
            Self::Socket | Self::Jump(_) => None,
        }
    }
}
