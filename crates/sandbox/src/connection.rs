//! The SSH side: accepts connections, checks user and key, and hands each `sftp` channel to a [`Session`].

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use russh::keys::{PrivateKey, PublicKey};
use russh::server::{
    Auth, ChannelOpenHandle, Config, Handler, Msg, PublicKeyOffer, VerifiedPublicKey,
};
use russh::{Channel, ChannelId, MethodKind, MethodSet, Preferred, SshId, cipher, kex, mac};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::api::ApiState;
use super::fault::{Chance, Fault, FaultState};
use super::journal::{Event, Journal};
use super::place::{Folder, Object};
use super::session::Session;
use super::store::Store;

/// AWS Transfer's banner (phpseclib #2069).
const BANNER: &str = "SSH-2.0-AWS_SFTP_1.1";

/// AWS Transfer's idle limit (AWS Transfer quotas).
const IDLE: Duration = Duration::from_mins(30);

/// AWS Transfer's limit of multiplexed SFTP sessions per connection (AWS Transfer quotas).
const MAX_SESSIONS: usize = 10;

/// The bytes that a client may send ahead of our window adjustments.
const WINDOW_BYTES: u32 = 8 << 20;

/// As large as OpenSSH's.
const PACKET_BYTES: u32 = 32 << 10;

/// Packets that may wait for a slow session. A whole window of full packets has to fit: while keys are exchanged replies
/// cannot leave, and if packets had to wait then as well, the connection would stand still for ever.
const WAITING_PACKETS: usize = 512;

/// Replies that may wait likewise.
const WAITING_REPLIES: usize = 4096;

/// The key exchanges of AWS Transfer's policy 2024-01 that russh has.
const KEX: &[kex::Name] = &[
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::DH_G18_SHA512,
    kex::DH_G16_SHA512,
    kex::DH_GEX_SHA256,
    kex::EXTENSION_SUPPORT_AS_SERVER,
    kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER,
];

/// The ciphers of AWS Transfer's policy 2024-01: no chacha20.
const CIPHERS: &[cipher::Name] = &[
    cipher::AES_128_GCM,
    cipher::AES_256_GCM,
    cipher::AES_128_CTR,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
];

/// The MACs of AWS Transfer's policy 2024-01.
const MACS: &[mac::Name] = &[mac::HMAC_SHA256_ETM, mac::HMAC_SHA512_ETM];

/// The state that all connections of a sandbox share.
#[derive(Debug)]
pub(super) struct Shared {
    /// The objects.
    pub(super) store: Store,
    /// The actions of clients.
    pub(super) journal: Journal<Event>,
    /// The faults.
    pub(super) faults: FaultState,
    /// The API, which imports what lands in `/profiles`.
    pub(super) api: Arc<ApiState>,
    /// The only user.
    pub(super) username: String,
    /// The only key.
    pub(super) user_key: PublicKey,
}

impl Shared {
    /// The fault that strikes at this chance, noted in the journal.
    pub(super) fn strike(&self, chance: Chance) -> Option<Fault> {
        let fault = self.faults.strike(chance)?;
        self.journal.note(Event::Struck(fault));
        Some(fault)
    }

    /// Notes an object that is there now, and tells the API before anybody can know.
    pub(super) fn landed(&self, object: &Object, event: Event) {
        if object.folder == Folder::Profiles {
            self.api.arrived(&object.name);
        }
        self.journal.note(event);
    }
}

/// One client's connection, as its sessions see it.
#[derive(Debug)]
pub(super) struct Line {
    socket: TcpStream,
    cut: AtomicBool,
    gone: watch::Sender<bool>,
}

impl Line {
    /// Ends the connection at once. What the client has sent and no session has read is lost.
    pub(super) fn cut(&self) {
        self.cut.store(true, Ordering::Release);
        self.gone.send_replace(true);
        // It fails when the client was first, which is as good.
        let _ = self.socket.shutdown(Shutdown::Both);
    }

    /// True after [`Line::cut`].
    pub(super) fn is_cut(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    /// Waits for `time` (`None`: for ever), or until the connection ends. True when the time passed first.
    pub(super) async fn wait(&self, time: Option<Duration>) -> bool {
        let mut gone = self.gone.subscribe();
        let ended = async {
            // The sender lives as long as `self`.
            let _ = gone.wait_for(|gone| *gone).await;
        };
        let Some(time) = time else {
            ended.await;
            return false;
        };
        tokio::time::timeout(time, ended).await.is_err()
    }
}

/// The SSH settings of a server with this host key and this channel window.
fn ssh_config(host_key: PrivateKey, window_size: u32) -> Config {
    Config {
        server_id: SshId::Standard(BANNER.into()),
        methods: MethodSet::from([MethodKind::PublicKey].as_slice()),
        // Nothing here is worth guessing, and tests should not wait.
        auth_rejection_time: Duration::ZERO,
        keys: vec![host_key],
        window_size,
        maximum_packet_size: PACKET_BYTES,
        channel_buffer_size: WAITING_PACKETS,
        event_buffer_size: WAITING_REPLIES,
        preferred: Preferred {
            kex: KEX.into(),
            cipher: CIPHERS.into(),
            mac: MACS.into(),
            ..Preferred::DEFAULT
        },
        inactivity_timeout: Some(IDLE),
        nodelay: true,
        ..Config::default()
    }
}

/// Accepts connections until the runtime stops.
pub(super) async fn serve(listener: TcpListener, host_key: PrivateKey, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((socket, _)) => {
                shared.journal.note(Event::Connected);
                let strike = shared.strike(Chance::Connection);
                if strike.is_some() {
                    drop(socket);
                    shared.journal.note(Event::Disconnected);
                    continue;
                }
                let window = shared.faults.channel_window().unwrap_or(WINDOW_BYTES);
                let config = Arc::new(ssh_config(host_key.clone(), window));
                tokio::spawn(serve_connection(socket, config, Arc::clone(&shared)));
            }
            // Out of file descriptors, or the client was gone already: neither lasts.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn serve_connection(socket: tokio::net::TcpStream, config: Arc<Config>, shared: Arc<Shared>) {
    if let Ok((socket, line)) = split_line(socket) {
        let handler = Connection {
            shared: Arc::clone(&shared),
            line: Arc::clone(&line),
            login_refused: None,
            channels: Vec::new(),
        };
        if let Ok(running) = russh::server::run_stream(config, socket, handler).await {
            // How it ended is of no interest: every client may leave as it likes.
            let _ = running.await;
        }
        line.gone.send_replace(true);
    }
    shared.journal.note(Event::Disconnected);
}

/// A second handle of the socket, to cut it with while russh owns the first.
fn split_line(
    socket: tokio::net::TcpStream,
) -> std::io::Result<(tokio::net::TcpStream, Arc<Line>)> {
    socket.set_nodelay(true)?;
    let socket = socket.into_std()?;
    let line = Line {
        socket: socket.try_clone()?,
        cut: AtomicBool::new(false),
        gone: watch::channel(false).0,
    };
    Ok((tokio::net::TcpStream::from_std(socket)?, Arc::new(line)))
}

/// Answers the SSH requests of one client.
struct Connection {
    shared: Arc<Shared>,
    line: Arc<Line>,
    /// Whether [`Fault::RefuseLogin`] struck; `None` before the first key was offered.
    login_refused: Option<bool>,
    /// Opened, but not yet turned into an SFTP session.
    channels: Vec<Channel<Msg>>,
}

impl Connection {
    fn judge(&mut self, user: &str, key: &PublicKey) -> Auth {
        let struck = *self
            .login_refused
            .get_or_insert_with(|| self.shared.strike(Chance::Login).is_some());
        let reason = if struck {
            "a fault"
        } else if user != self.shared.username {
            "unknown user"
        } else if key.key_data() != self.shared.user_key.key_data() {
            "unknown key"
        } else {
            return Auth::Accept;
        };
        self.shared.journal.note(Event::Refused {
            request: "login",
            reason: reason.to_owned(),
        });
        Auth::reject()
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey_offered(
        &mut self,
        user: &str,
        offer: PublicKeyOffer<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(self.judge(user, offer.public_key))
    }

    async fn auth_publickey(
        &mut self,
        user: &str,
        key: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(self.judge(user, key.public_key))
    }

    async fn auth_succeeded(
        &mut self,
        _session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        self.shared.journal.note(Event::Authenticated);
        Ok(())
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        // Sessions hold the line, so they can be counted there; dropping `reply` refuses the channel.
        if Arc::strong_count(&self.line) - 1 + self.channels.len() <= MAX_SESSIONS {
            self.channels.push(channel);
            reply.accept().await;
        }
        Ok(())
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        name: &str,
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        let waiting = self.channels.iter().position(|channel| channel.id() == id);
        match waiting {
            Some(index) if name == "sftp" => {
                let channel = self.channels.swap_remove(index);
                session.channel_success(id)?;
                let sftp = Session::new(Arc::clone(&self.shared), Arc::clone(&self.line));
                russh_sftp::server::run(channel.into_stream(), sftp).await;
                Ok(())
            }
            _ => session.channel_failure(id),
        }
    }

    async fn exec_request(
        &mut self,
        id: ChannelId,
        _command: &[u8],
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn shell_request(
        &mut self,
        id: ChannelId,
        session: &mut russh::server::Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }
}
