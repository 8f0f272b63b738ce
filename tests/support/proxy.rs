//! A SOCKS5 and CONNECT proxy on loopback that behaves as the test chooses.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test target uses a part of it, as a module of its own"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The way in which the proxy treats a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Forwards, to whom it is asked to.
    Forward,
    /// Forwards for the account `ana` with the password `sesame`.
    Account,
    /// Reads, and never answers.
    Hang,
    /// Refuses by its rules.
    Refuse,
    /// Says that the server cannot be reached.
    Unreachable,
    /// Ends the connection after the first bytes.
    Die,
    /// Forwards, and ends the connection after so many bytes from the client.
    DieAfter(usize),
    /// Answers as no proxy does.
    Garbage,
}

/// A proxy that runs until it is dropped. It tells the protocols apart by the first byte.
pub struct Proxy {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            over: Arc::default(),
            asked: Arc::default(),
        };
        let (over, asked) = (Arc::clone(&proxy.over), Arc::clone(&proxy.asked));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let Ok(client) = client else { continue };
                let asked = Arc::clone(&asked);
                std::thread::spawn(move || serve(client, manner, &asked));
            }
        });
        proxy
    }

    pub fn url(&self, scheme: &str) -> String {
        format!("{scheme}://{}", self.address)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The servers that clients asked for, as `host:port`.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

/// Errors of a connection end it.
fn serve(mut client: TcpStream, manner: Manner, asked: &Mutex<Vec<String>>) -> Option<()> {
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    let mut first = [0];
    client.read_exact(&mut first).ok()?;
    match manner {
        Manner::Hang => {
            let _ = client.read_to_end(&mut Vec::new());
            return None;
        }
        Manner::Die => return None,
        Manner::Garbage => {
            let _ = client.write_all(b"\x1b[31mhello from a mail server\r\n\r\n");
            let _ = client.read_to_end(&mut Vec::new());
            return None;
        }
        _ => {}
    }
    let target = match first[0] {
        5 => socks(&mut client, manner)?,
        _ => connect(&mut client, manner)?,
    };
    asked.lock().unwrap().push(target.clone());
    let server = TcpStream::connect(target).ok()?;
    client.set_read_timeout(None).ok()?;
    forward(&client, &server, manner);
    Some(())
}

fn socks(client: &mut TcpStream, manner: Manner) -> Option<String> {
    let methods = some(client, 1)?[0];
    let methods = some(client, usize::from(methods))?;
    if manner == Manner::Account {
        if !methods.contains(&2) {
            client.write_all(&[5, 0xff]).ok()?;
            return None;
        }
        client.write_all(&[5, 2]).ok()?;
        let head = some(client, 2)?;
        let name = some(client, usize::from(head[1]))?;
        let length = some(client, 1)?[0];
        let password = some(client, usize::from(length))?;
        let is_right = name == b"ana" && password == b"sesame";
        client.write_all(&[1, u8::from(!is_right)]).ok()?;
        is_right.then_some(())?;
    } else {
        client.write_all(&[5, 0]).ok()?;
    }
    let head = some(client, 4)?;
    let host = match head[3] {
        1 => {
            let address: [u8; 4] = some(client, 4)?.try_into().ok()?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        3 => {
            let length = some(client, 1)?[0];
            String::from_utf8(some(client, usize::from(length))?).ok()?
        }
        _ => {
            let address: [u8; 16] = some(client, 16)?.try_into().ok()?;
            format!("[{}]", std::net::Ipv6Addr::from(address))
        }
    };
    let port: [u8; 2] = some(client, 2)?.try_into().ok()?;
    let code = match manner {
        Manner::Refuse => 2,
        Manner::Unreachable => 5,
        _ => 0,
    };
    client
        .write_all(&[5, code, 0, 1, 127, 0, 0, 1, 0, 0])
        .ok()?;
    (code == 0).then(|| format!("{host}:{}", u16::from_be_bytes(port)))
}

fn connect(client: &mut TcpStream, manner: Manner) -> Option<String> {
    let mut head = b"C".to_vec();
    while !head.ends_with(b"\r\n\r\n") {
        head.extend(some(client, 1)?);
    }
    let head = String::from_utf8(head).ok()?;
    let target = head.split(' ').nth(1)?.to_owned();
    // `ana:sesame`.
    let is_known = head.contains("Proxy-Authorization: Basic YW5hOnNlc2FtZQ==\r\n");
    let answer = match manner {
        Manner::Account if !is_known => "407 Proxy Authentication Required",
        Manner::Refuse => "403 Forbidden",
        Manner::Unreachable => "502 Bad Gateway",
        _ => "200 Connection established",
    };
    client
        .write_all(format!("HTTP/1.1 {answer}\r\nVia: 1.1 test\r\n\r\n").as_bytes())
        .ok()?;
    answer.starts_with("200").then_some(target)
}

fn some(client: &mut TcpStream, length: usize) -> Option<Vec<u8>> {
    let mut bytes = vec![0; length];
    client.read_exact(&mut bytes).ok()?;
    Some(bytes)
}

fn forward(client: &TcpStream, server: &TcpStream, manner: Manner) {
    let limit = match manner {
        Manner::DieAfter(bytes) => bytes,
        _ => usize::MAX,
    };
    std::thread::scope(|scope| {
        scope.spawn(|| pump(server, client, usize::MAX));
        pump(client, server, limit);
    });
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, mut left: usize) {
    let mut buffer = [0; 16 * 1024];
    while left > 0 {
        let read = from.read(&mut buffer).unwrap_or(0).min(left);
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
        left -= read;
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
