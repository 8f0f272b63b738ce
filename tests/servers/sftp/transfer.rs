//! Transfers: what arrives is what was sent, and what the server says about it.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use klaviyo_export::base::interrupt::Interrupt;
use klaviyo_export::delivery::sftp::{RemoteDirectory, RemoteSize, Retry, SftpError, SftpStatus};
use socket2::SockRef;

use super::sshd::{SFTP_SERVER, Sshd, SshdBuilder};
use super::{bytes, connect, put};
use crate::support::transport::over_both;

over_both! {
    files_of_every_size_arrive_whole;
    a_large_file_arrives_whole_with_the_default_window_and_the_smallest;
    a_file_survives_new_keys_on_the_way;
    an_existing_file_is_replaced_and_a_source_of_another_size_is_not_committed;
    stat_remove_and_directory_tell_what_is_there;
    refusals_name_the_path_and_say_if_trying_again_helps;
    a_server_that_denies_stat_and_remove_leaves_the_session_alive;
    a_full_disk_is_reported_with_the_room_that_is_left;
    a_slow_link_is_waited_for_without_spinning;
}

fn files_of_every_size_arrive_whole() {
    let sshd = Sshd::start();
    let window = 256 << 10;
    let mut settings = sshd.settings();
    settings.window_bytes = window;
    let mut session = connect(&settings).unwrap();
    let sizes = [
        0,
        1,
        31_999,
        32_000,
        32_001,
        window - 1,
        window,
        window + 1,
        2 * window - 1,
        2 * window,
        2 * window + 1,
        3_000_000,
    ];
    for size in sizes {
        let content = bytes(size);
        let remote = sshd.remote(&format!("{size}.csv"));
        let mut acknowledged = 0;
        session
            .put(&remote, &mut &content[..], size as u64, &mut |bytes| {
                acknowledged += bytes;
            })
            .unwrap();
        assert!(fs::read(&remote).unwrap() == content, "{size} differs");
        assert_eq!(acknowledged, size as u64);
        assert_eq!(
            session.size_of(&remote).unwrap(),
            RemoteSize::Bytes(acknowledged)
        );
    }
}

fn a_large_file_arrives_whole_with_the_default_window_and_the_smallest() {
    let sshd = Sshd::start();
    let content = bytes(30_000_000);
    for window_bytes in [4 << 20, 1] {
        let mut settings = sshd.settings();
        settings.window_bytes = window_bytes;
        let remote = sshd.remote("large.csv");
        put(&mut connect(&settings).unwrap(), &remote, &content).unwrap();
        assert!(fs::read(&remote).unwrap() == content, "{window_bytes}");
    }
}

/// Compares what is read back block by block: it would fill the memory.
#[test]
#[ignore = "a minute, and 4.3 GB of disk: tests/run --all"]
fn a_file_beyond_four_gibibytes_arrives_whole() {
    let sshd = Sshd::start();
    let size = (4_u64 << 30) + 70_001;
    let block = bytes(1_000_003);
    let endless = || Repeated {
        block: &block,
        at: 0,
    };
    let remote = sshd.remote("huge.csv");
    let mut session = connect(&sshd.settings()).unwrap();
    let mut source = endless().take(size);
    session
        .put(&remote, &mut source, size, &mut |_| {})
        .unwrap();
    assert_eq!(session.size_of(&remote).unwrap(), RemoteSize::Bytes(size));
    let mut there = fs::File::open(&remote).unwrap();
    let mut expected = endless();
    let (mut got, mut want) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let mut left = size;
    while left > 0 {
        let length = usize::try_from(left.min(1 << 20)).unwrap();
        there.read_exact(&mut got[..length]).unwrap();
        expected.read_exact(&mut want[..length]).unwrap();
        assert!(
            got[..length] == want[..length],
            "{left} bytes before the end"
        );
        left -= length as u64;
    }
    assert_eq!(there.read(&mut got).unwrap(), 0);
}

/// A block again and again.
struct Repeated<'a> {
    block: &'a [u8],
    at: usize,
}

impl std::io::Read for Repeated<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let rest = &self.block[self.at..];
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.at = (self.at + length) % self.block.len();
        Ok(length)
    }
}

fn a_file_survives_new_keys_on_the_way() {
    let sshd = SshdBuilder::default().config("RekeyLimit 1M").start();
    let content = bytes(20_000_000);
    let remote = sshd.remote("rekey.csv");
    put(&mut connect(&sshd.settings()).unwrap(), &remote, &content).unwrap();
    assert!(fs::read(&remote).unwrap() == content);
}

fn an_existing_file_is_replaced_and_a_source_of_another_size_is_not_committed() {
    let sshd = super::faults::logging().start();
    let remote = sshd.remote("x.csv");
    fs::write(&remote, bytes(100)).unwrap();
    put(&mut connect(&sshd.settings()).unwrap(), &remote, b"short").unwrap();
    assert_eq!(fs::read(&remote).unwrap(), b"short");
    for size in [0, 4, 6] {
        let mut session = connect(&sshd.settings()).unwrap();
        let cut = sshd.remote(&format!("cut{size}.csv"));
        let error = session
            .put(&cut, &mut &b"short"[..], size, &mut |_| {})
            .unwrap_err();
        assert!(
            matches!(error, SftpError::SourceSize { .. }) && !error.is_transient(),
            "{error}"
        );
        assert!(matches!(
            put(&mut session, &cut, b""),
            Err(SftpError::Ended { .. })
        ));
        super::faults::assert_was_cut(&sshd, &cut);
    }
}

fn stat_remove_and_directory_tell_what_is_there() {
    let sshd = Sshd::start();
    let mut session = connect(&sshd.settings()).unwrap();
    let remote = sshd.remote("x.csv");
    assert_eq!(session.size_of(&remote).unwrap(), RemoteSize::Gone);
    session.remove(&remote).unwrap();
    put(&mut session, &remote, b"abc").unwrap();
    assert_eq!(session.size_of(&remote).unwrap(), RemoteSize::Bytes(3));
    session.remove(&remote).unwrap();
    assert!(!fs::exists(&remote).unwrap());

    assert_eq!(
        session.directory(&sshd.remote("")).unwrap(),
        RemoteDirectory::There
    );
    assert_eq!(
        session.directory(&sshd.remote("none")).unwrap(),
        RemoteDirectory::Missing
    );
    put(&mut session, &remote, b"abc").unwrap();
    let answer = session.directory(&remote).unwrap();
    assert!(matches!(answer, RemoteDirectory::Unclear(_)), "{answer:?}");
    let error = session.remove(&sshd.remote("")).unwrap_err();
    assert!(matches!(error, SftpError::Refused { .. }), "{error}");
    assert_eq!(session.size_of(&remote).unwrap(), RemoteSize::Bytes(3));
    assert!(session.server().banner.starts_with("SSH-2.0-OpenSSH"));
}

fn refusals_name_the_path_and_say_if_trying_again_helps() {
    let sshd = Sshd::start();
    fs::create_dir(sshd.remote("directory.csv")).unwrap();
    let long = "x".repeat(300);
    let cases = [
        ("none/x.csv", SftpStatus::NO_SUCH_FILE, Retry::Never),
        ("directory.csv", SftpStatus::FAILURE, Retry::Once),
        (long.as_str(), SftpStatus::BAD_MESSAGE, Retry::Never),
    ];
    for (name, expected, retry) in cases {
        let remote = sshd.remote(name);
        let error = put(&mut connect(&sshd.settings()).unwrap(), &remote, b"x").unwrap_err();
        assert!(error.to_string().contains(&remote), "{error}");
        assert_eq!(error.retry(), retry, "{error}");
        assert!(
            matches!(error, SftpError::OpenRefused { status, .. } if status == expected),
            "{error}"
        );
    }
    let read_only = SshdBuilder::default().subsystem("internal-sftp -R").start();
    let remote = read_only.remote("x.csv");
    let error = put(&mut connect(&read_only.settings()).unwrap(), &remote, b"x").unwrap_err();
    assert!(
        matches!(
            error,
            SftpError::OpenRefused {
                status: SftpStatus::PERMISSION_DENIED,
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.retry(), Retry::Never);
}

fn a_server_that_denies_stat_and_remove_leaves_the_session_alive() {
    let sshd = SshdBuilder::default()
        .subsystem("internal-sftp -P stat,lstat,fstat,remove,opendir,setstat,fsetstat,rename")
        .start();
    let mut session = connect(&sshd.settings()).unwrap();
    let remote = sshd.remote("x.csv");
    put(&mut session, &remote, b"abc").unwrap();
    let size = session.size_of(&remote).unwrap();
    assert!(matches!(&size, RemoteSize::Unreadable(why) if why.contains("permission denied")));
    let directory = session.directory(&sshd.remote("")).unwrap();
    assert!(matches!(directory, RemoteDirectory::Unclear(_)));
    assert!(session.remove(&remote).is_err());
    put(&mut session, &remote, b"abcd").unwrap();
    assert_eq!(fs::read(&remote).unwrap(), b"abcd");
}

fn a_full_disk_is_reported_with_the_room_that_is_left() {
    let sshd = SshdBuilder::default()
        .script(&format!("trap '' XFSZ; ulimit -f 2048; exec {SFTP_SERVER}"))
        .start();
    let remote = sshd.remote("x.csv");
    let error = put(
        &mut connect(&sshd.settings()).unwrap(),
        &remote,
        &bytes(8_000_000),
    )
    .unwrap_err();
    assert!(
        matches!(
            error,
            SftpError::Refused { status: SftpStatus::FAILURE, free_bytes: Some(free), .. } if free > 0
        ),
        "{error}"
    );
    assert!(error.to_string().contains("bytes free"), "{error}");
    assert_eq!(error.retry(), Retry::Once);
}

/// Passes one connection on to `port`, upwards at about 3 MB/s through a small buffer. Gives its own port.
fn slow_link(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    // What loopback would grant (64 KB segments, megabytes of buffer) takes a whole SSH window: no packet would be half sent.
    let socket = SockRef::from(&listener);
    socket.set_recv_buffer_size(32 << 10).unwrap();
    socket.set_tcp_mss(1_448).unwrap();
    std::thread::spawn(move || {
        let mut client = listener.accept().unwrap().0;
        let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        std::thread::spawn(move || std::io::copy(&mut from, &mut to));
        let mut buffer = vec![0; 30_000];
        while let Ok(taken @ 1..) = client.read(&mut buffer) {
            server.write_all(&buffer[..taken]).unwrap();
            Interrupt::new().sleep(Duration::from_millis(10));
        }
    });
    own
}

/// Ticks of 10 ms that this thread has used.
fn cpu_ticks() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/stat").unwrap();
    let fields: Vec<&str> = text
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// A bound, not a proof: the spin that the poll rule prevents was measured on a long link (36 s of CPU in 25 s); here the
/// wrong rule costs five times the CPU of the right one, and both stay small.
fn a_slow_link_is_waited_for_without_spinning() {
    let sshd = Sshd::start();
    let mut settings = sshd.settings();
    let port = slow_link(sshd.port);
    sshd.write_known_hosts(&format!(
        "[127.0.0.1]:{port} {}\n",
        sshd.host_key("ed25519")
    ));
    settings.port = port;
    let mut session = connect(&settings).unwrap();
    let content = bytes(4_000_000);
    let (ticks, began) = (cpu_ticks(), Instant::now());
    put(&mut session, &sshd.remote("x.csv"), &content).unwrap();
    let (ticks, time) = (cpu_ticks() - ticks, began.elapsed());
    assert!(fs::read(sshd.remote("x.csv")).unwrap() == content);
    assert!(
        time > Duration::from_secs(1),
        "{time:?}: the link was not slow"
    );
    let share = ticks as f64 * 0.01 / time.as_secs_f64();
    assert!(share < 0.2, "{share:.2} of a core");
}
