//! The sandbox keeps AWS Transfer's rules, and its faults do what they say: tried with `ssh2`, another
//! implementation than the sandbox's, which our own client shares.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use klaviyo_export_sandbox::api::ApiSettings;
use klaviyo_export_sandbox::{Event, Fault, Faults, Sandbox, SandboxError, SandboxSettings};
use ssh2::{ErrorCode, FileStat, OpenFlags, OpenType, RenameFlags, Session, Sftp};
use tempfile::TempDir;

const LIMIT: Duration = Duration::from_secs(20);
const NO_SUCH_FILE: ErrorCode = ErrorCode::SFTP(2);
const PERMISSION_DENIED: ErrorCode = ErrorCode::SFTP(3);
const FAILURE: ErrorCode = ErrorCode::SFTP(4);
const UNSUPPORTED: ErrorCode = ErrorCode::SFTP(8);

fn settings(root: &Path, faults: Faults) -> SandboxSettings {
    SandboxSettings {
        root: root.to_owned(),
        port: 0,
        username: "a1b2c3_d4e5f6".to_owned(),
        faults,
        api: ApiSettings::default(),
    }
}

/// A sandbox in a folder that goes when the test ends.
struct Fixture {
    sandbox: Sandbox,
    _root: TempDir,
}

impl std::ops::Deref for Fixture {
    type Target = Sandbox;
    fn deref(&self) -> &Sandbox {
        &self.sandbox
    }
}

fn sandbox(faults: Faults) -> Fixture {
    let root = tempfile::tempdir().unwrap();
    Fixture {
        sandbox: Sandbox::start(settings(root.path(), faults)).unwrap(),
        _root: root,
    }
}

impl Fixture {
    fn object(&self, name: &str) -> PathBuf {
        self.profiles().join(name)
    }

    fn has(&self, event: &Event) -> bool {
        self.wait_for(LIMIT, |events| events.contains(event))
    }

    fn refused(&self, request: &str) -> bool {
        self.journal()
            .iter()
            .any(|event| matches!(event, Event::Refused { request: it, .. } if *it == request))
    }

    fn connect(&self) -> Client {
        Client::connect(self, self.username(), self.private_key()).unwrap()
    }
}

struct Client {
    socket: TcpStream,
    session: Session,
    sftp: Option<Sftp>,
}

impl Client {
    fn connect(sandbox: &Sandbox, username: &str, key: &Path) -> Result<Self, ssh2::Error> {
        let socket = TcpStream::connect(sandbox.address()).unwrap();
        let mut session = Session::new()?;
        session.set_timeout(10_000);
        session.set_tcp_stream(socket.try_clone().unwrap());
        session.handshake()?;
        session.userauth_pubkey_file(username, None, key, None)?;
        let sftp = Some(session.sftp()?);
        Ok(Self {
            socket,
            session,
            sftp,
        })
    }

    fn sftp(&self) -> &Sftp {
        self.sftp.as_ref().unwrap()
    }

    fn put(&self, path: &str, bytes: &[u8]) -> Result<(), Failed> {
        let mut file = self.sftp().create(Path::new(path))?;
        file.write_all(bytes)?;
        file.close()?;
        Ok(())
    }

    fn size(&self, path: &str) -> Result<u64, ErrorCode> {
        match self.sftp().stat(Path::new(path)) {
            Ok(stat) => Ok(stat.size.unwrap()),
            Err(error) => Err(error.code()),
        }
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        // Otherwise each object waits for its own goodbye when the server has stalled.
        let _ = self.socket.shutdown(Shutdown::Both);
        self.sftp = None;
    }
}

/// How an upload failed: at a write, or at OPEN or CLOSE with a code.
#[derive(Debug)]
enum Failed {
    Write(std::io::Error),
    Request(ErrorCode),
}

impl From<std::io::Error> for Failed {
    fn from(error: std::io::Error) -> Self {
        Self::Write(error)
    }
}

impl From<ssh2::Error> for Failed {
    fn from(error: ssh2::Error) -> Self {
        Self::Request(error.code())
    }
}

/// Bytes in which any shift or gap shows.
fn sample(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

fn closed(path: &str, bytes: u64) -> Event {
    Event::Closed {
        path: path.to_owned(),
        bytes,
    }
}

fn partial(path: &str, bytes: u64) -> Event {
    Event::PartialStored {
        path: path.to_owned(),
        bytes,
    }
}

#[test]
fn uploads_arrive_byte_for_byte() {
    let sandbox = sandbox(Faults::none());
    let client = sandbox.connect();
    for length in [0, 1, 29_999, 30_000, 30_001, 10_000_000] {
        let bytes = sample(length);
        let path = format!("/profiles/{length}.csv");
        client.put(&path, &bytes).unwrap();
        assert!(fs::read(sandbox.object(&format!("{length}.csv"))).unwrap() == bytes);
        assert_eq!(client.size(&path), Ok(length as u64));
        assert!(sandbox.has(&closed(&path, length as u64)));
    }
    client.put("/profiles/1.csv", b"replaced").unwrap();
    assert_eq!(fs::read(sandbox.object("1.csv")).unwrap(), b"replaced");
    let mode = fs::metadata(sandbox.object("1.csv")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o600);
}

#[test]
fn banner_and_host_key_are_those_that_were_promised() {
    let sandbox = sandbox(Faults::none());
    let mut banner = [0; 22];
    let mut socket = TcpStream::connect(sandbox.address()).unwrap();
    socket.read_exact(&mut banner).unwrap();
    assert_eq!(&banner, b"SSH-2.0-AWS_SFTP_1.1\r\n");

    let client = sandbox.connect();
    let (blob, _) = client.session.host_key().unwrap();
    let mut known = client.session.known_hosts().unwrap();
    known
        .read_file(sandbox.known_hosts(), ssh2::KnownHostFileKind::OpenSSH)
        .unwrap();
    let verdict = known.check_port("127.0.0.1", sandbox.address().port(), blob);
    assert!(matches!(verdict, ssh2::CheckResult::Match));
    assert!(sandbox.host_key_fingerprint().starts_with("SHA256:"));
    for path in [sandbox.private_key(), sandbox.known_hosts()] {
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
}

#[test]
fn object_appears_at_close() {
    let sandbox = sandbox(Faults::none());
    let client = sandbox.connect();
    let path = Path::new("/profiles/a.csv");
    let mut file = client.sftp().create(path).unwrap();
    file.write_all(b"Email\n").unwrap();
    assert_eq!(client.size("/profiles/a.csv"), Err(NO_SUCH_FILE));
    assert_eq!(client.sftp().lstat(path).unwrap_err().code(), NO_SUCH_FILE);
    assert_eq!(file.stat().unwrap_err().code(), NO_SUCH_FILE);
    assert!(!sandbox.object("a.csv").exists());
    file.close().unwrap();
    assert_eq!(client.size("/profiles/a.csv"), Ok(6));
    assert_eq!(
        sandbox.journal()[..3],
        [
            Event::Connected,
            Event::Authenticated,
            Event::Opened {
                path: "/profiles/a.csv".to_owned()
            },
        ]
    );
}

#[test]
fn directories_are_the_two_mapped_ones() {
    let sandbox = sandbox(Faults::none());
    let client = sandbox.connect();
    let sftp = client.sftp();
    let names = |path: &str| -> Vec<String> {
        let mut names: Vec<_> = sftp
            .readdir(Path::new(path))
            .unwrap()
            .into_iter()
            .map(|(path, _)| path.to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names("/"), ["/events", "/profiles"]);
    for number in 0..250 {
        fs::write(sandbox.object(&format!("{number:03}.csv")), "x").unwrap();
    }
    assert_eq!(names("/profiles").len(), 250);
    assert!(sftp.stat(Path::new("/profiles")).unwrap().is_dir());
    assert_eq!(sftp.realpath(Path::new(".")).unwrap(), Path::new("/"));
    for path in [
        "/a.csv",
        "/other/a.csv",
        "/profiles/sub/a.csv",
        "/../../tmp/a.csv",
    ] {
        let error = sftp.create(Path::new(path)).err().unwrap();
        assert_eq!(error.code(), NO_SUCH_FILE, "{path}");
    }
    let path = Path::new("/profiles/new");
    assert_eq!(
        sftp.mkdir(path, 0o755).unwrap_err().code(),
        PERMISSION_DENIED
    );
}

#[test]
fn random_access_is_refused() {
    let sandbox = sandbox(Faults::none());
    let client = sandbox.connect();
    let mut file = client.sftp().create(Path::new("/profiles/a.csv")).unwrap();
    file.write_all(b"0123456789").unwrap();
    file.seek(SeekFrom::Start(5)).unwrap();
    file.write_all(b"x").unwrap_err();
    let said = |event: &Event| matches!(event, Event::Refused { reason, .. } if reason == "AWS Transfer does not support random access writes to S3 objects");
    assert!(sandbox.wait_for(LIMIT, |events| events.iter().any(said)));
    assert_eq!(file.close().unwrap_err().code(), FAILURE);
    assert!(sandbox.has(&partial("/profiles/a.csv", 10)));
}

#[test]
fn other_ways_to_open_are_refused() {
    let sandbox = sandbox(Faults::none());
    fs::write(sandbox.object("old.csv"), "old").unwrap();
    let client = sandbox.connect();
    let open = |flags, name: &str| {
        client
            .sftp()
            .open_mode(Path::new(name), flags, 0o600, OpenType::File)
            .map(drop)
            .map_err(|error| error.code())
    };
    let write = OpenFlags::WRITE | OpenFlags::TRUNCATE;
    assert_eq!(
        open(OpenFlags::READ | write, "/profiles/new.csv"),
        Err(PERMISSION_DENIED)
    );
    assert_eq!(
        open(
            OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::APPEND,
            "/profiles/old.csv"
        ),
        Err(PERMISSION_DENIED)
    );
    assert_eq!(
        open(OpenFlags::WRITE, "/profiles/old.csv"),
        Err(PERMISSION_DENIED)
    );
    assert_eq!(
        open(OpenFlags::WRITE | OpenFlags::CREATE, "/profiles/old.csv"),
        Err(PERMISSION_DENIED)
    );
    assert_eq!(
        open(OpenFlags::READ, "/profiles/old.csv"),
        Err(PERMISSION_DENIED)
    );
    let exclusive = OpenFlags::WRITE | OpenFlags::EXCLUSIVE;
    assert_eq!(open(exclusive, "/profiles/old.csv"), Err(FAILURE));
    assert_eq!(open(exclusive, "/profiles/new.csv"), Ok(()));
    assert_eq!(fs::read(sandbox.object("old.csv")).unwrap(), b"old");
}

#[test]
fn attributes_and_links_are_unsupported() {
    let sandbox = sandbox(Faults::none());
    let client = sandbox.connect();
    let path = Path::new("/profiles/a.csv");
    let mode = FileStat {
        size: None,
        uid: None,
        gid: None,
        perm: Some(0o600),
        atime: None,
        mtime: None,
    };
    let mut file = client.sftp().create(path).unwrap();
    assert_eq!(file.setstat(mode.clone()).unwrap_err().code(), UNSUPPORTED);
    file.close().unwrap();
    assert_eq!(
        client.sftp().setstat(path, mode).unwrap_err().code(),
        UNSUPPORTED
    );
    let link = client.sftp().symlink(path, Path::new("/profiles/b.csv"));
    assert_eq!(link.unwrap_err().code(), UNSUPPORTED);
    assert_eq!(
        client.sftp().readlink(path).unwrap_err().code(),
        UNSUPPORTED
    );
}

#[test]
fn rename_and_remove_work_on_files() {
    let sandbox = sandbox(Faults::none());
    let client = sandbox.connect();
    client.put("/profiles/a.csv", b"a").unwrap();
    client.put("/profiles/b.csv", b"b").unwrap();
    let (a, b, c) = ("/profiles/a.csv", "/profiles/b.csv", "/profiles/c.csv");
    let rename = |from: &str, to: &str| {
        client
            .sftp()
            .rename(Path::new(from), Path::new(to), Some(RenameFlags::all()))
            .map_err(|error| error.code())
    };
    assert_eq!(rename(a, b), Err(FAILURE));
    assert_eq!(rename(a, c), Ok(()));
    assert_eq!(rename(a, "/profiles/d.csv"), Err(NO_SUCH_FILE));
    assert_eq!(fs::read(sandbox.object("b.csv")).unwrap(), b"b");
    client.sftp().unlink(Path::new(c)).unwrap();
    assert_eq!(client.size(c), Err(NO_SUCH_FILE));
    let again = client.sftp().unlink(Path::new(c));
    assert_eq!(again.unwrap_err().code(), NO_SUCH_FILE);
    assert!(sandbox.has(&Event::Removed { path: c.to_owned() }));
}

#[test]
fn only_the_one_user_with_the_one_key_gets_in() {
    let sandbox = sandbox(Faults::none());
    let other = self::sandbox(Faults::none());
    let refused = [
        Client::connect(&sandbox, sandbox.username(), other.private_key()),
        Client::connect(&sandbox, "someone", sandbox.private_key()),
    ];
    for result in refused {
        assert_eq!(result.err().unwrap().code(), ErrorCode::Session(-18));
    }
    let socket = TcpStream::connect(sandbox.address()).unwrap();
    let mut session = Session::new().unwrap();
    session.set_tcp_stream(socket);
    session.handshake().unwrap();
    assert_eq!(
        session.auth_methods(sandbox.username()).unwrap(),
        "publickey"
    );
    session
        .userauth_password(sandbox.username(), "password")
        .unwrap_err();
    assert!(!sandbox.journal().contains(&Event::Authenticated));
}

#[test]
fn disconnect_stores_the_part_that_came() {
    let sandbox = sandbox(Faults::none());
    let client = sandbox.connect();
    let bytes = sample(1_000_000);
    let mut file = client.sftp().create(Path::new("/profiles/a.csv")).unwrap();
    file.write_all(&bytes).unwrap();
    client.socket.shutdown(Shutdown::Both).unwrap();
    assert!(sandbox.has(&partial("/profiles/a.csv", 1_000_000)));
    assert!(sandbox.has(&Event::Disconnected));
    assert!(fs::read(sandbox.object("a.csv")).unwrap() == bytes);
}

#[test]
fn stopping_the_sandbox_ends_connections_and_leaves_no_staged_file() {
    let root = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(settings(root.path(), Faults::none())).unwrap();
    let client = Client::connect(&sandbox, sandbox.username(), sandbox.private_key()).unwrap();
    let mut file = client.sftp().create(Path::new("/profiles/a.csv")).unwrap();
    file.write_all(b"part").unwrap();
    let address = sandbox.address();
    drop(sandbox);
    file.write_all(b"more").unwrap_err();
    TcpStream::connect(address).unwrap_err();
    assert_eq!(
        fs::read(root.path().join("profiles/a.csv")).unwrap(),
        b"part"
    );
    assert_eq!(
        fs::read_dir(root.path().join(".staging")).unwrap().count(),
        0
    );
}

#[test]
fn cuts_the_second_upload_after_so_many_bytes() {
    let cut = Fault::CutAfter { bytes: 123_456 };
    let sandbox = sandbox(Faults::none().nth(cut, 2));
    let bytes = sample(500_000);
    let client = sandbox.connect();
    client.put("/profiles/1.csv", &bytes).unwrap();
    assert!(matches!(
        client.put("/profiles/2.csv", &bytes),
        Err(Failed::Write(_))
    ));
    // The partial object is there before the client learns of the cut.
    assert_eq!(fs::read(sandbox.object("2.csv")).unwrap(), bytes[..123_456]);
    assert!(
        sandbox
            .journal()
            .contains(&partial("/profiles/2.csv", 123_456))
    );
    sandbox.connect().put("/profiles/3.csv", &bytes).unwrap();
    assert!(sandbox.has(&closed("/profiles/3.csv", 500_000)));
}

#[test]
fn cuts_right_after_open() {
    let sandbox = sandbox(Faults::none().once(Fault::CutAfter { bytes: 0 }));
    let client = sandbox.connect();
    let failed = client.put("/profiles/a.csv", b"x").unwrap_err();
    assert!(
        matches!(failed, Failed::Request(ErrorCode::Session(_))),
        "{failed:?}"
    );
    assert!(sandbox.has(&partial("/profiles/a.csv", 0)));
}

#[test]
fn cuts_at_close_after_the_object_was_stored() {
    let sandbox = sandbox(Faults::none().once(Fault::CutAtClose));
    let failed = sandbox
        .connect()
        .put("/profiles/a.csv", b"whole")
        .unwrap_err();
    assert!(
        matches!(failed, Failed::Request(ErrorCode::Session(_))),
        "{failed:?}"
    );
    assert_eq!(fs::read(sandbox.object("a.csv")).unwrap(), b"whole");
    assert!(sandbox.journal().contains(&closed("/profiles/a.csv", 5)));
}

#[test]
fn stalls_for_a_time_and_for_ever() {
    let stall = |time| Fault::StallAfter {
        bytes: 40_000,
        time,
    };
    let short = Duration::from_millis(300);
    let sandbox = sandbox(Faults::none().once(stall(Some(short))));
    let bytes = sample(200_000);
    let client = sandbox.connect();
    let begun = Instant::now();
    client.put("/profiles/a.csv", &bytes).unwrap();
    assert!(begun.elapsed() >= short);
    assert!(fs::read(sandbox.object("a.csv")).unwrap() == bytes);

    sandbox.set_faults(Faults::none().once(stall(None)));
    client.session.set_timeout(300);
    let failed = client.put("/profiles/b.csv", &bytes).unwrap_err();
    assert!(
        matches!(&failed, Failed::Write(error) if error.kind() == std::io::ErrorKind::TimedOut)
    );
    assert!(!sandbox.object("b.csv").exists());
    drop(client);
    assert!(sandbox.has(&partial("/profiles/b.csv", 40_000)));
}

#[test]
fn refuses_connections_and_logins_so_many_times() {
    let faults = Faults::none()
        .times(Fault::RefuseConnection, 2)
        .once(Fault::RefuseLogin);
    let sandbox = sandbox(faults);
    for _ in 0..2 {
        let mut socket = TcpStream::connect(sandbox.address()).unwrap();
        let mut banner = Vec::new();
        assert_eq!(socket.read_to_end(&mut banner).unwrap(), 0);
    }
    let login = Client::connect(&sandbox, sandbox.username(), sandbox.private_key());
    assert_eq!(login.err().unwrap().code(), ErrorCode::Session(-18));
    sandbox.connect().put("/profiles/a.csv", b"x").unwrap();
}

#[test]
fn runs_out_of_space() {
    let full = Fault::NoSpaceAfter { bytes: 100_000 };
    let sandbox = sandbox(Faults::none().once(full));
    let client = sandbox.connect();
    client.put("/profiles/1.csv", &sample(60_000)).unwrap();
    let mut file = client.sftp().create(Path::new("/profiles/2.csv")).unwrap();
    file.write_all(&sample(60_000)).unwrap_err();
    assert_eq!(file.close().unwrap_err().code(), FAILURE);
    assert!(sandbox.has(&partial("/profiles/2.csv", 30_000)));
    client.put("/profiles/3.csv", &sample(60_000)).unwrap();
}

#[test]
fn denies_single_requests() {
    let faults = Faults::none()
        .once(Fault::RefuseOpen)
        .once(Fault::RefuseClose)
        .once(Fault::DenyStat)
        .once(Fault::WrongSize { missing: 3 })
        .once(Fault::DenyRemove);
    let sandbox = sandbox(faults);
    let client = sandbox.connect();
    for _ in ["open", "close"] {
        let failed = client.put("/profiles/a.csv", b"12345").unwrap_err();
        assert!(
            matches!(failed, Failed::Request(PERMISSION_DENIED)),
            "{failed:?}"
        );
        assert!(!sandbox.object("a.csv").exists());
    }
    client.put("/profiles/a.csv", b"12345").unwrap();
    assert_eq!(client.size("/profiles/a.csv"), Err(PERMISSION_DENIED));
    assert_eq!(client.size("/profiles/a.csv"), Ok(2));
    assert_eq!(client.size("/profiles/a.csv"), Ok(5));
    let remove = || client.sftp().unlink(Path::new("/profiles/a.csv"));
    assert_eq!(remove().unwrap_err().code(), PERMISSION_DENIED);
    remove().unwrap();
    for request in ["open", "close", "stat", "remove"] {
        assert!(sandbox.refused(request), "{request}");
    }
}

#[test]
fn collects_the_object_at_close() {
    let sandbox = sandbox(Faults::none().once(Fault::Collect));
    let client = sandbox.connect();
    client.put("/profiles/a.csv", b"12345").unwrap();
    assert_eq!(client.size("/profiles/a.csv"), Err(NO_SUCH_FILE));
    assert_eq!(
        fs::read(sandbox.collected().join("a.csv")).unwrap(),
        b"12345"
    );
    assert!(sandbox.has(&Event::Collected {
        path: "/profiles/a.csv".to_owned()
    }));
}

#[test]
fn is_as_slow_as_told() {
    let sandbox = sandbox(Faults::none().bytes_per_second(1_000_000));
    let client = sandbox.connect();
    let begun = Instant::now();
    client.put("/profiles/a.csv", &sample(500_000)).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(450));

    sandbox.set_faults(Faults::none().write_latency(Duration::from_millis(50)));
    let begun = Instant::now();
    client.put("/profiles/b.csv", &sample(120_000)).unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(200));
}

#[test]
fn sessions_upload_side_by_side_on_two_sandboxes() {
    let sandboxes = [sandbox(Faults::none()), sandbox(Faults::none())];
    let bytes = sample(2_000_000);
    std::thread::scope(|scope| {
        for sandbox in &sandboxes {
            for number in 0..4 {
                let bytes = &bytes;
                scope.spawn(move || {
                    let path = format!("/profiles/{number}.csv");
                    sandbox.connect().put(&path, bytes).unwrap();
                });
            }
        }
    });
    for sandbox in &sandboxes {
        for number in 0..4 {
            let stored = fs::read(sandbox.object(&format!("{number}.csv"))).unwrap();
            assert!(stored == bytes);
        }
    }
}

#[test]
fn keys_survive_a_restart_on_the_same_root() {
    let root = tempfile::tempdir().unwrap();
    let start = || Sandbox::start(settings(root.path(), Faults::none()));
    let first = start().unwrap();
    let fingerprint = first.host_key_fingerprint();
    let key = fs::read(first.private_key()).unwrap();
    assert!(matches!(start(), Err(SandboxError::InUse { .. })));
    drop(first);
    let second = start().unwrap();
    assert_eq!(second.host_key_fingerprint(), fingerprint);
    assert_eq!(fs::read(second.private_key()).unwrap(), key);
    let line = fs::read_to_string(second.known_hosts()).unwrap();
    let host = format!("[127.0.0.1]:{} ssh-ed25519 ", second.address().port());
    assert!(
        line.starts_with(&host) && line.lines().count() == 1,
        "{line}"
    );
    Client::connect(&second, second.username(), second.private_key()).unwrap();
}
