//! The way through a SOCKS5 or an HTTP proxy. The proxy finds the address of the server.

use std::io;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_socks::tcp::Socks5Stream;

use super::{Carrier, Proxy, ProxyProtocol, SftpError, SftpSettings, Stream, dial};
use crate::base::interrupt::Interrupt;
use crate::base::secret::Secret;
use crate::delivery::sftp::error::printable;
use crate::delivery::sftp::host_and_port;
use crate::delivery::sftp::wire::{Fault, TimeLimit};

/// The longest head of an answer to CONNECT; `curl` and browsers take more, no proxy sends it.
const LONGEST_HEAD: usize = 16 * 1024;
/// The most header fields of it.
const MOST_FIELDS: usize = 64;

/// A fault of a proxy.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    /// It cannot be reached.
    #[error("the proxy cannot be reached")]
    Connect(#[source] io::Error),
    /// It has ended the connection, or the connection broke.
    #[error("the proxy closed the connection without an answer")]
    Closed,
    /// It did not answer in time.
    #[error("the proxy did not answer within {} s", .0.as_secs_f32())]
    Silent(std::time::Duration),
    /// It wants an account, or another one.
    #[error("the proxy rejected the user name or password ({0})")]
    Login(Box<str>),
    /// Its rules do not allow this connection.
    #[error("the proxy does not allow this connection ({0})")]
    Forbidden(Box<str>),
    /// It could not connect.
    #[error("the proxy could not connect ({0})")]
    Unreachable(Box<str>),
    /// It speaks another protocol.
    #[error("it is no {0} proxy; its answer begins with {1:?}")]
    OtherProtocol(&'static str, Box<str>),
}

impl ProxyError {
    /// Whether another attempt may end differently.
    pub(in crate::delivery::sftp) fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Connect(_) | Self::Closed | Self::Silent(_) | Self::Unreachable(_)
        )
    }
}

/// Connects to the proxy, and through it to the server.
pub(super) fn open(
    proxy: &Proxy,
    settings: &SftpSettings,
    addresses: &[SocketAddr],
    limit: TimeLimit,
    interrupt: &Interrupt,
) -> Result<Carrier, SftpError> {
    let server = settings.server();
    let failed = |source| SftpError::Proxy {
        proxy: proxy.address(),
        server: server.clone(),
        source: Box::new(source),
    };
    let dialled = dial::dial(addresses, limit.until, settings.stall_timeout, interrupt);
    let (socket, address) = match dialled {
        Ok(dialled) => dialled,
        Err(dial::DialError::Interrupted) => return Err(interrupted(server)),
        Err(dial::DialError::Failed(source)) => return Err(failed(ProxyError::Connect(source))),
    };
    let carrier = Carrier::of_tcp(socket).map_err(|source| failed(ProxyError::Connect(source)))?;
    let Stream::Tcp(stream) = carrier.stream else {
        return Err(failed(ProxyError::Closed));
    };
    let asked = async {
        match proxy.protocol {
            ProxyProtocol::Socks5 => socks5(stream, proxy, settings).await,
            ProxyProtocol::Http => connect(stream, proxy, settings).await,
        }
    };
    let answer = carrier
        .runtime
        .block_on(super::super::wire::within(limit, interrupt, asked));
    match answer {
        Ok(Ok(stream)) => Ok(Carrier {
            stream: Stream::Tcp(stream),
            hops: vec![format!("proxy {} ({address})", proxy.address())],
            ..carrier
        }),
        Ok(Err(source)) => Err(failed(source)),
        Err(Fault::TimedOut(whole)) => Err(failed(ProxyError::Silent(whole))),
        Err(Fault::Interrupted | Fault::Ssh(_)) => Err(interrupted(server)),
    }
}

fn interrupted(server: String) -> SftpError {
    SftpError::Interrupted {
        server,
        doing: "connect".into(),
    }
}

async fn socks5(
    stream: TcpStream,
    proxy: &Proxy,
    settings: &SftpSettings,
) -> Result<TcpStream, ProxyError> {
    let target = (settings.host.as_str(), settings.port);
    let asked = match &proxy.username {
        None => Socks5Stream::connect_with_socket(stream, target).await,
        Some(username) => {
            let password = proxy.password.as_ref().map_or("", Secret::reveal);
            Socks5Stream::connect_with_password_and_socket(stream, target, username, password).await
        }
    };
    asked
        .map(Socks5Stream::into_inner)
        .map_err(|error| of_socks(&error))
}

fn of_socks(error: &tokio_socks::Error) -> ProxyError {
    use tokio_socks::Error;
    let words = || printable(&error.to_string()).into();
    match error {
        Error::Io(_) => ProxyError::Closed,
        Error::PasswordAuthFailure(_)
        | Error::NoAcceptableAuthMethods
        | Error::AuthorizationRequired
        | Error::UnknownAuthMethod
        | Error::InvalidAuthValues(_) => ProxyError::Login(words()),
        Error::ConnectionNotAllowedByRuleset
        | Error::CommandNotSupported
        | Error::AddressTypeNotSupported
        | Error::InvalidTargetAddress(_) => ProxyError::Forbidden(words()),
        Error::InvalidResponseVersion | Error::InvalidReservedByte | Error::UnknownAddressType => {
            ProxyError::OtherProtocol("SOCKS5", words())
        }
        _ => ProxyError::Unreachable(words()),
    }
}

async fn connect(
    mut stream: TcpStream,
    proxy: &Proxy,
    settings: &SftpSettings,
) -> Result<TcpStream, ProxyError> {
    let closed = |_| ProxyError::Closed;
    let target = host_and_port(&settings.host, settings.port);
    let login = proxy.username.as_ref().map(|username| {
        let password = proxy.password.as_ref().map_or("", Secret::reveal);
        let token = STANDARD.encode(format!("{username}:{password}"));
        Secret::new(format!("Proxy-Authorization: Basic {token}\r\n"))
    });
    let login = login.as_ref().map_or("", Secret::reveal);
    let request = Secret::new(format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n"
    ));
    stream
        .write_all(request.reveal().as_bytes())
        .await
        .map_err(closed)?;
    // Byte by byte: what follows the head is the server's.
    let mut head = Vec::new();
    loop {
        let byte = stream.read_u8().await.map_err(|_| {
            if head.is_empty() {
                ProxyError::Closed
            } else {
                no_http(&head)
            }
        })?;
        head.push(byte);
        if head.ends_with(b"\r\n\r\n") || head.ends_with(b"\n\n") {
            return judge(&head).map(|()| stream);
        }
        let is_http = head.starts_with(&b"HTTP/"[..head.len().min(5)]);
        if head.len() > LONGEST_HEAD || (!is_http && head.len() > 80) {
            return Err(no_http(&head));
        }
    }
}

fn no_http(head: &[u8]) -> ProxyError {
    let first = String::from_utf8_lossy(head);
    let first: String = first
        .lines()
        .next()
        .unwrap_or_default()
        .chars()
        .take(80)
        .collect();
    ProxyError::OtherProtocol("HTTP", printable(&first).into())
}

/// Whether the head of an answer opens the way.
fn judge(head: &[u8]) -> Result<(), ProxyError> {
    let mut fields = [httparse::EMPTY_HEADER; MOST_FIELDS];
    let mut response = httparse::Response::new(&mut fields);
    let (Ok(_), Some(code)) = (response.parse(head), response.code) else {
        return Err(no_http(head));
    };
    let words = format!("{code} {}", response.reason.unwrap_or_default());
    let words = printable(words.trim()).into();
    match code {
        200..=299 => Ok(()),
        401 | 407 => Err(ProxyError::Login(words)),
        500..=599 | 408 | 429 => Err(ProxyError::Unreachable(words)),
        _ => Err(ProxyError::Forbidden(words)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_to_connect_are_told_apart() {
        for (head, word) in [
            ("HTTP/1.1 200 Connection established\r\n\r\n", "Ok"),
            ("HTTP/1.0 200 OK\r\nVia: 1.1 squid\r\n\r\n", "Ok"),
            (
                "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
                "Login",
            ),
            ("HTTP/1.1 403 Forbidden\r\n\r\n", "Forbidden"),
            (
                "HTTP/1.1 302 Found\r\nLocation: http://portal/\r\n\r\n",
                "Forbidden",
            ),
            ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "Unreachable"),
            ("SSH-2.0-OpenSSH_9.9\r\n\r\n", "OtherProtocol"),
        ] {
            let judged = format!("{:?}", judge(head.as_bytes()));
            assert!(judged.contains(word), "{head}: {judged}");
        }
    }
}
