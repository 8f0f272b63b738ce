//! The built-in SFTP server that stands in for Klaviyo's, on loopback only, and a Klaviyo [`api`] beside it.
//!
//! It keeps the rules of AWS Transfer Family on S3 (`/profiles` and `/events` only, write-only and strictly sequential
//! uploads, an object that appears at CLOSE, no setstat, no append) and strikes with [`Fault`]s that a test arms. What
//! clients upload lies below [`SandboxSettings::root`]; what they did is in the journal.
//!
//! Where AWS's answer is not known, the sandbox gives the one that is hardest on the client: reading is denied, FSTAT of
//! an open handle says "no such file", and CLOSE after a refused write fails although a partial object was stored.

pub mod api;
mod connection;
mod fault;
mod journal;
mod keys;
mod place;
mod session;
mod store;
mod upload;

use std::fs::{File, TryLockError};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::keys::HashAlg;
use tokio::runtime::{Builder, Runtime};

use api::{Api, ApiSettings, ApiState};
use connection::Shared;
use fault::FaultState;
pub use fault::{Fault, Faults};
pub use journal::Event;
use journal::Journal;
use keys::Keys;
use store::Store;

/// The threads that serve all connections.
const WORKER_THREADS: usize = 2;

/// The settings of a sandbox.
#[derive(Debug, Clone)]
pub struct SandboxSettings {
    /// Folder for the keys and for what clients upload; made when missing. One sandbox at a time may use it.
    pub root: PathBuf,
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The only user name that may log in.
    pub username: String,
    /// The faults from the start; [`Sandbox::set_faults`] changes it later.
    pub faults: Faults,
    /// The Klaviyo API beside the SFTP server.
    pub api: ApiSettings,
}

/// The reason for which a sandbox could not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// A file or folder below the root could not be made or read.
    #[error("sandbox: {}", path.display())]
    Storage {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// Another sandbox runs on the same root.
    #[error("sandbox: {} is in use by another sandbox", root.display())]
    InUse {
        /// The root that both want.
        root: PathBuf,
    },
    /// A key file that was there already cannot be used, or a new one could not be encoded.
    #[error("sandbox: key {}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// The fault.
        source: russh::keys::ssh_key::Error,
    },
    /// The system gave no random bytes for a new key.
    #[error("sandbox: random bytes for a new key")]
    Random(#[source] getrandom::Error),
    /// The port could not be listened on.
    #[error("sandbox: listen on 127.0.0.1:{port}")]
    Listen {
        /// The port that was asked for.
        port: u16,
        /// The system's error.
        source: io::Error,
    },
    /// The server's threads could not be started.
    #[error("sandbox: start the server's threads")]
    Threads(#[source] io::Error),
}

impl SandboxError {
    /// Makes the error of a failed file operation on `path`.
    fn storage(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Storage { path, source }
    }
}

/// A running SFTP server on 127.0.0.1. Dropping it stops it: connections close, open uploads become partial objects.
#[derive(Debug)]
pub struct Sandbox {
    // Dropped first: its tasks write to the root until they have ended.
    _runtime: Runtime,
    shared: Arc<Shared>,
    api: Api,
    keys: Keys,
    address: SocketAddr,
    _lock: File,
}

impl Sandbox {
    /// Makes what is missing below the root and begins to listen. Keys that are there already are kept.
    pub fn start(settings: SandboxSettings) -> Result<Self, SandboxError> {
        let SandboxSettings {
            root,
            port,
            username,
            faults,
            api,
        } = settings;
        let store = Store::create(&root)?;
        let lock = lock(&root)?;
        store.clear_staging()?;
        let (listener, address) =
            listen(port).map_err(|source| SandboxError::Listen { port, source })?;
        let port = api.port;
        let (api_listener, api_address) =
            listen(port).map_err(|source| SandboxError::Listen { port, source })?;
        let keys = Keys::load_or_create(&root, address)?;
        let folders = [store.profiles(), store.collected_profiles()].map(Path::to_owned);
        let origin = format!("http://{api_address}");
        let api = Arc::new(ApiState::new(api, origin, keys.api.clone(), folders));
        let shared = Arc::new(Shared {
            store,
            username,
            user_key: keys.user.public_key().clone(),
            journal: Journal::default(),
            faults: FaultState::new(faults),
            api: Arc::clone(&api),
        });
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKER_THREADS)
            .thread_name("sandbox")
            .enable_all()
            .build()
            .map_err(SandboxError::Threads)?;
        let enter = |listener| {
            let _entered = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(SandboxError::Threads)
        };
        let (listener, api_listener) = (enter(listener)?, enter(api_listener)?);
        runtime.spawn(api::server::serve(api_listener, Arc::clone(&api)));
        let host_key = keys.host.clone();
        runtime.spawn(connection::serve(listener, host_key, Arc::clone(&shared)));
        Ok(Self {
            _runtime: runtime,
            shared,
            api: Api::new(api, keys.api.clone(), keys.api_path.clone()),
            keys,
            address,
            _lock: lock,
        })
    }

    /// Where the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The only user name that may log in.
    pub fn username(&self) -> &str {
        &self.shared.username
    }

    /// The user's private key: OpenSSH format, mode 0600, no passphrase.
    pub fn private_key(&self) -> &Path {
        &self.keys.user_path
    }

    /// A `known_hosts` file with the one line for this server. It is written anew at each start, since the port may change.
    pub fn known_hosts(&self) -> &Path {
        &self.keys.known_hosts
    }

    /// The host key's fingerprint as OpenSSH prints it (`SHA256:…`).
    pub fn host_key_fingerprint(&self) -> String {
        self.keys.host.fingerprint(HashAlg::Sha256).to_string()
    }

    /// The local folder where an object of `/profiles` appears at CLOSE.
    pub fn profiles(&self) -> &Path {
        self.shared.store.profiles()
    }

    /// The local folder to which [`Fault::Collect`] moves an object of `/profiles`, so that its bytes can still be compared.
    pub fn collected(&self) -> &Path {
        self.shared.store.collected_profiles()
    }

    /// The actions of clients, in order; of a long life only the last 10,000 events.
    pub fn journal(&self) -> Vec<Event> {
        self.shared.journal.events()
    }

    /// The events from number `from` on, counted from 0 over the server's whole life, and the number of the next one. Those
    /// that are more than 10,000 events old are forgotten.
    pub fn journal_since(&self, from: u64) -> (Vec<Event>, u64) {
        self.shared.journal.since(from)
    }

    /// Waits until `condition` holds for the journal, at most `limit`; true when it does.
    pub fn wait_for(&self, limit: Duration, condition: impl FnMut(&[Event]) -> bool) -> bool {
        self.shared.journal.wait_for(limit, condition)
    }

    /// The Klaviyo API beside the SFTP server.
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Replaces all faults, also for connections and uploads that are in hand. Counts start again.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.faults.replace(faults);
    }
}

/// Takes the root's lock, which the system gives back when the process ends.
fn lock(root: &Path) -> Result<File, SandboxError> {
    let path = root.join("lock");
    let file = File::create(&path).map_err(SandboxError::storage(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SandboxError::InUse {
            root: root.to_owned(),
        }),
        Err(TryLockError::Error(source)) => Err(SandboxError::Storage { path, source }),
    }
}

fn listen(port: u16) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
    listener.set_nonblocking(true)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}
