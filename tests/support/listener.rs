//! A plain HTTP server on loopback that behaves as the test chooses, and remembers what it was sent.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "shared by tests that use a part of it each; a panic is the failure"
)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The server's answer to each request.
#[derive(Debug, Clone)]
pub(crate) enum Answers {
    /// Answers with this status.
    Status(u16),
    /// This often with the first status, then with the second.
    First(usize, u16, u16),
    /// Reads the request, and never answers.
    Never,
    /// Sends a byte of its head a second, for as long as anybody reads.
    Drip,
    /// Leads to this URL.
    Redirect(String),
    /// Ends the connection without an answer.
    HangUp,
}

/// A request.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
}

impl Received {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// `GET /ping/start`.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// A server that runs until it is dropped.
pub(crate) struct Listener {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Listener {
    pub(crate) fn start(answers: Answers) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            over: Arc::default(),
            received: Arc::default(),
        };
        let (over, received) = (Arc::clone(&server.over), Arc::clone(&server.received));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let Ok(client) = client else { continue };
                let (answers, received) = (answers.clone(), Arc::clone(&received));
                std::thread::spawn(move || serve(client, &answers, &received));
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The requests so far.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The request lines of it.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.received().iter().map(Received::line).collect()
    }

    /// The bodies of what was posted.
    pub(crate) fn bodies(&self) -> Vec<Value> {
        let received = self.received();
        let posted = received.iter().filter(|it| it.method == "POST");
        posted.map(Received::json).collect()
    }

    /// Waits until it was sent something.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        while Instant::now() < until {
            if !self.received().is_empty() {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
        false
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        let _ = TcpStream::connect(self.address);
    }
}

/// A URL of this machine at which nobody listens.
pub(crate) fn nobody(path: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}{path}", listener.local_addr().unwrap())
}

/// Errors of a connection end it.
fn serve(mut client: TcpStream, answers: &Answers, received: &Mutex<Vec<Received>>) -> Option<()> {
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .ok()?;
    let request = read(&mut client)?;
    let before = {
        let mut received = received.lock().unwrap();
        received.push(request);
        received.len() - 1
    };
    let status = match answers {
        Answers::Status(status) => *status,
        Answers::First(times, first, then) => {
            if before < *times {
                *first
            } else {
                *then
            }
        }
        Answers::HangUp => return None,
        Answers::Never => {
            let _ = client.read_to_end(&mut Vec::new());
            return None;
        }
        Answers::Drip => {
            for byte in b"HTTP/1.1 200 OK\r\nx-drip: ".iter().chain(&[b'x'; 60]) {
                client.write_all(&[*byte]).ok()?;
                std::thread::park_timeout(Duration::from_secs(1));
            }
            return None;
        }
        Answers::Redirect(url) => {
            let answer = format!(
                "HTTP/1.1 302 Found\r\nlocation: {url}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            );
            return client.write_all(answer.as_bytes()).ok();
        }
    };
    let answer = format!(
        "HTTP/1.1 {status} As Asked\r\ncontent-type: text/plain\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok"
    );
    client.write_all(answer.as_bytes()).ok()
}

fn read(client: &mut TcpStream) -> Option<Received> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let (line, headers) = head.split_once("\r\n")?;
    let headers = headers.to_lowercase();
    let length = headers
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .and_then(|length| length.trim().parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    client.read_exact(&mut body).ok()?;
    let mut words = line.split(' ');
    Some(Received {
        method: words.next()?.to_owned(),
        path: words.next()?.to_owned(),
        headers,
        body,
    })
}
