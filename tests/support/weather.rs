//! A TCP proxy on loopback that is one link for all its connections: as slow as told, and cut, silent or down at the test's
//! word.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test target uses a part of it, as a module of its own"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

/// The most that one read takes: small, so that connections share the link fairly.
const CHUNK: usize = 8 * 1024;

/// A link that exists until it is dropped.
pub struct Link {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    /// Bytes a second, both ways and all connections together.
    rate: Option<u64>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    over: bool,
    /// Nothing passes, and nothing ends either.
    silent: bool,
    /// New connections are ended at once.
    down: bool,
    /// New connections beyond so many are ended at once.
    at_most: Option<usize>,
    /// When the link is free for the next chunk.
    free: Option<Instant>,
    open: Vec<(u64, [TcpStream; 2])>,
    connections: u64,
    passed: u64,
}

impl Link {
    /// Forwards to `server` so many bytes a second.
    pub fn start(server: SocketAddr, rate: Option<u64>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let link = Self {
            address: listener.local_addr().unwrap(),
            shared: Arc::new(Shared {
                rate,
                state: Mutex::default(),
                changed: Condvar::new(),
            }),
        };
        let shared = Arc::clone(&link.shared);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if shared.state.lock().unwrap().over {
                    return;
                }
                let Ok(client) = client else { continue };
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || shared.connect(&client, server));
            }
        });
        link
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Resets every connection.
    pub fn cut(&self) {
        for (_, sockets) in &self.shared.state.lock().unwrap().open {
            for socket in sockets {
                // The kernel then sends a reset instead of the orderly end.
                let _ = socket2::SockRef::from(socket).set_linger(Some(Duration::ZERO));
                let _ = socket.shutdown(Shutdown::Both);
            }
        }
    }

    /// From now on nothing passes and nothing ends, or it does again.
    pub fn set_silent(&self, silent: bool) {
        self.shared.state.lock().unwrap().silent = silent;
        self.shared.changed.notify_all();
    }

    /// From now on new connections are ended at once, or they are not.
    pub fn set_down(&self, down: bool) {
        self.shared.state.lock().unwrap().down = down;
    }

    /// New connections are ended at once while there are so many.
    pub fn set_at_most(&self, connections: usize) {
        self.shared.state.lock().unwrap().at_most = Some(connections);
    }

    /// How many connections were ever accepted, those that were ended at once among them.
    pub fn connections(&self) -> u64 {
        self.shared.state.lock().unwrap().connections
    }

    /// The bytes that have passed, both ways.
    pub fn passed(&self) -> u64 {
        self.shared.state.lock().unwrap().passed
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.state.lock().unwrap().over = true;
        self.shared.changed.notify_all();
        self.cut();
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn connect(&self, client: &TcpStream, server: SocketAddr) {
        let Ok(server) = TcpStream::connect(server) else {
            return;
        };
        let sockets = [client.try_clone().unwrap(), server.try_clone().unwrap()];
        let number = {
            let mut state = self.state.lock().unwrap();
            state.connections += 1;
            if state.down || state.at_most.is_some_and(|most| state.open.len() >= most) {
                return;
            }
            let number = state.connections;
            state.open.push((number, sockets));
            number
        };
        std::thread::scope(|scope| {
            scope.spawn(|| self.pump(client, &server));
            self.pump(&server, client);
        });
        let mut state = self.state.lock().unwrap();
        state.open.retain(|(open, _)| *open != number);
    }

    fn pump(&self, mut from: &TcpStream, mut to: &TcpStream) {
        let mut buffer = [0; CHUNK];
        loop {
            let read = from.read(&mut buffer).unwrap_or(0);
            if read == 0 || !self.pass(read as u64) || to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        let _ = from.shutdown(Shutdown::Both);
        let _ = to.shutdown(Shutdown::Both);
    }

    /// Waits until so many bytes are through. False when the link is gone.
    fn pass(&self, bytes: u64) -> bool {
        let mut state = self.state.lock().unwrap();
        if let Some(rate) = self.rate {
            let now = Instant::now();
            let begin = state.free.map_or(now, |free| free.max(now));
            let end = begin + Duration::from_secs_f64(bytes as f64 / rate as f64);
            state.free = Some(end);
            while Instant::now() < end && !state.over {
                let left = end.saturating_duration_since(Instant::now());
                state = self.changed.wait_timeout(state, left).unwrap().0;
            }
        }
        while state.silent && !state.over {
            state = self.changed.wait(state).unwrap();
        }
        state.passed += bytes;
        !state.over
    }
}
