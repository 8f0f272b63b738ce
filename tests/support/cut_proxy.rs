//! A TCP proxy on loopback that ends each connection after a number of bytes which the test chooses.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test target uses a part of it, as a module of its own"
)]

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

/// How a connection ends.
#[derive(Debug, Clone, Copy)]
pub enum Cut {
    /// Never, but by its two ends.
    Never,
    /// With a reset on both sides, once so many bytes have passed both ways together.
    Reset(u64),
    /// With an orderly end on both sides, once so many bytes have passed.
    Close(u64),
}

/// A proxy that runs until it is dropped.
pub struct CutProxy {
    address: SocketAddr,
    over: Arc<AtomicBool>,
    cuts: Arc<AtomicUsize>,
}

impl CutProxy {
    /// Forwards to `server`; `plan` says for each connection how it ends.
    pub fn start(server: SocketAddr, mut plan: impl FnMut() -> Cut + Send + 'static) -> Self {
        Self::forward(move || (server, plan()))
    }

    /// Forwards the first connection to `first` and all others to `second`.
    pub fn start_then(first: SocketAddr, second: SocketAddr) -> Self {
        let mut first = Some(first);
        Self::forward(move || (first.take().unwrap_or(second), Cut::Never))
    }

    fn forward(mut route: impl FnMut() -> (SocketAddr, Cut) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            over: Arc::default(),
            cuts: Arc::default(),
        };
        let (over, cuts) = (Arc::clone(&proxy.over), Arc::clone(&proxy.cuts));
        std::thread::spawn(move || {
            for client in listener.incoming() {
                if over.load(Ordering::Acquire) {
                    return;
                }
                let Ok(client) = client else { continue };
                let (server, cut) = route();
                let cuts = Arc::clone(&cuts);
                std::thread::spawn(move || {
                    if let Ok(server) = TcpStream::connect(server) {
                        forward(&client, &server, cut, &cuts);
                    }
                });
            }
        });
        proxy
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections were cut.
    pub fn cuts(&self) -> usize {
        self.cuts.load(Ordering::Acquire)
    }
}

impl Drop for CutProxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
    }
}

/// The bytes that may still pass, both ways together.
struct Allowance {
    left: AtomicU64,
    cut: Cut,
}

impl Allowance {
    /// Takes up to `bytes`; less than that means that the connection ends there.
    fn take(&self, bytes: u64) -> u64 {
        if matches!(self.cut, Cut::Never) {
            return bytes;
        }
        let before = self
            .left
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| {
                Some(left.saturating_sub(bytes))
            })
            .unwrap();
        before.min(bytes)
    }
}

fn forward(client: &TcpStream, server: &TcpStream, cut: Cut, cuts: &AtomicUsize) {
    let _ = client.set_nodelay(true);
    let _ = server.set_nodelay(true);
    let left = match cut {
        Cut::Never => u64::MAX,
        Cut::Reset(bytes) | Cut::Close(bytes) => bytes,
    };
    let allowance = Allowance {
        left: AtomicU64::new(left),
        cut,
    };
    let struck = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| pump(client, server, &allowance, &struck));
        pump(server, client, &allowance, &struck);
    });
    if struck.load(Ordering::Acquire) {
        cuts.fetch_add(1, Ordering::AcqRel);
    }
}

fn pump(mut from: &TcpStream, mut to: &TcpStream, allowance: &Allowance, struck: &AtomicBool) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).unwrap_or(0);
        let taken = usize::try_from(allowance.take(read as u64)).unwrap();
        let sent = to.write_all(&buffer[..taken]).is_ok();
        if taken < read {
            struck.store(true, Ordering::Release);
        }
        if read == 0 || taken < read || !sent {
            break;
        }
    }
    if matches!(allowance.cut, Cut::Reset(_)) && struck.load(Ordering::Acquire) {
        for socket in [from, to] {
            // The kernel then sends a reset instead of the orderly end.
            let _ = socket2::SockRef::from(socket).set_linger(Some(std::time::Duration::ZERO));
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
