//! Servers that die, stall or are none, and interrupts: an error soon, and never a CLOSE of a cut file.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use klaviyo_export::base::interrupt::Interrupt;
use klaviyo_export::delivery::sftp::{Retry, SftpError, SftpSession};
use rustix::process::Signal;

use super::sshd::{SFTP_SERVER, Sshd, SshdBuilder};
use super::{bytes, chain, connect, connect_error, put};
use crate::support::transport::over_both;

over_both! {
    a_session_killed_on_the_way_is_lost_at_once;
    a_stalled_server_is_given_up_within_the_limit;
    a_short_stall_is_no_error;
    an_interrupt_ends_an_upload_soon_and_does_not_close_the_file;
    the_first_signal_lets_the_upload_finish;
    a_panic_of_the_source_does_not_close_the_file;
    a_lost_answer_to_close_is_told_apart;
    a_session_that_died_while_idle_says_so;
    what_is_no_ssh_server_is_an_error_soon;
    refused_unknown_and_foreign_addresses_are_told_apart;
    an_interrupt_ends_waiting_for_a_silent_server;
    a_server_without_sftp_is_an_error_that_stays;
    a_server_with_nothing_in_common_is_not_tried_again;
}

const SIZE: u64 = 40_000_000;

/// Waits for the server's own record of how `remote` ended, which must be the end of the connection, not our CLOSE.
pub(crate) fn assert_was_cut(sshd: &Sshd, remote: &str) {
    let path = sshd.directory.path().join("sftp.log");
    let until = Instant::now() + Duration::from_secs(10);
    loop {
        let log = std::fs::read_to_string(&path).unwrap();
        assert!(
            !log.lines()
                .any(|line| line.starts_with(&format!("close \"{remote}\""))),
            "{log}"
        );
        if log.contains(&format!("forced close \"{remote}\"")) {
            return;
        }
        assert!(Instant::now() < until, "{log}");
        Interrupt::new().sleep(Duration::from_millis(10));
    }
}

/// A server that records in `sftp.log` how each file ended. Without SIGPIPE, which would end it before it wrote that down
/// when it has answers left for a client that is gone.
pub(crate) fn logging() -> SshdBuilder {
    SshdBuilder::default().script(&format!(
        "trap '' PIPE; exec {SFTP_SERVER} -e -l VERBOSE 2>>$FILES/../sftp.log"
    ))
}

/// Sends `SIZE` bytes, calls `act` once 10 MB are acknowledged, and drops the session. Gives the outcome and the time since `act`.
fn put_and_act(
    mut session: SftpSession,
    remote: &str,
    mut act: impl FnMut(),
) -> (Result<(), SftpError>, Duration) {
    let content = bytes(usize::try_from(SIZE).unwrap());
    let mut acknowledged = 0;
    let mut acted_at = None;
    let outcome = session.put(remote, &mut &content[..], SIZE, &mut |bytes| {
        acknowledged += bytes;
        if acknowledged > 10_000_000 && acted_at.is_none() {
            act();
            acted_at = Some(Instant::now());
        }
    });
    drop(session);
    (outcome, acted_at.unwrap().elapsed())
}

fn a_session_killed_on_the_way_is_lost_at_once() {
    let sshd = Sshd::start();
    for signal in [Signal::KILL, Signal::TERM] {
        let session = connect(&sshd.settings()).unwrap();
        let (outcome, time) = put_and_act(session, &sshd.remote("x.csv"), || {
            sshd.signal_sessions(signal);
        });
        let error = outcome.unwrap_err();
        assert!(matches!(error, SftpError::Lost { .. }), "{error}");
        assert_eq!(error.retry(), Retry::UntilGivenUp);
        assert!(time < Duration::from_secs(2), "{time:?}");
    }
}

fn a_stalled_server_is_given_up_within_the_limit() {
    let sshd = Sshd::start();
    let mut settings = sshd.settings();
    settings.stall_timeout = Duration::from_secs(2);
    let session = connect(&settings).unwrap();
    let (outcome, time) = put_and_act(session, &sshd.remote("x.csv"), || {
        sshd.signal_sessions(Signal::STOP);
    });
    let error = outcome.unwrap_err();
    assert!(
        matches!(error, SftpError::Stalled { acknowledged, .. } if acknowledged > 10_000_000),
        "{error}"
    );
    assert!(error.is_transient());
    assert!(
        time > Duration::from_secs(1) && time < Duration::from_secs(4),
        "{time:?}"
    );
}

fn a_short_stall_is_no_error() {
    let sshd = Sshd::start();
    let mut settings = sshd.settings();
    settings.stall_timeout = Duration::from_secs(3);
    let session = connect(&settings).unwrap();
    let remote = sshd.remote("x.csv");
    let pids = sshd.session_pids();
    std::thread::scope(|scope| {
        let (outcome, time) = put_and_act(session, &remote, || {
            sshd.signal_sessions(Signal::STOP);
            let pids = pids.clone();
            scope.spawn(move || {
                Interrupt::new().sleep(Duration::from_secs(1));
                for pid in pids {
                    rustix::process::kill_process(pid, Signal::CONT).unwrap();
                }
            });
        });
        outcome.unwrap();
        assert!(time > Duration::from_secs(1), "{time:?}");
    });
    assert!(std::fs::read(&remote).unwrap() == bytes(usize::try_from(SIZE).unwrap()));
}

fn an_interrupt_ends_an_upload_soon_and_does_not_close_the_file() {
    let sshd = logging().start();
    for server_stops in [false, true] {
        let interrupt = Interrupt::new();
        let session = SftpSession::connect(&sshd.settings(), &interrupt).unwrap();
        let remote = sshd.remote(&format!("{server_stops}.csv"));
        let (outcome, time) = put_and_act(session, &remote, || {
            if server_stops {
                sshd.signal_sessions(Signal::STOP);
            }
            interrupt.raise(15);
            interrupt.raise(15);
        });
        let error = outcome.unwrap_err();
        assert!(error.is_interrupted() && !error.is_transient(), "{error}");
        assert!(time < Duration::from_secs(1), "{time:?}");
        if server_stops {
            sshd.signal_sessions(Signal::CONT);
        }
        assert_was_cut(&sshd, &remote);
    }
}

fn the_first_signal_lets_the_upload_finish() {
    let sshd = Sshd::start();
    let interrupt = Interrupt::new();
    let session = SftpSession::connect(&sshd.settings(), &interrupt).unwrap();
    let (outcome, _) = put_and_act(session, &sshd.remote("x.csv"), || interrupt.raise(15));
    outcome.unwrap();
}

fn a_panic_of_the_source_does_not_close_the_file() {
    let sshd = logging().start();
    let mut session = connect(&sshd.settings()).unwrap();
    let remote = sshd.remote("x.csv");
    let mut acknowledged = 0;
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let mut source = std::io::repeat(b'x').take(SIZE);
        session.put(&remote, &mut source, SIZE, &mut |bytes| {
            acknowledged += bytes;
            assert!(acknowledged < 1_000_000, "stop here");
        })
    }));
    assert!(outcome.is_err());
    assert_was_cut(&sshd, &remote);
}

fn a_lost_answer_to_close_is_told_apart() {
    let sshd = Sshd::start();
    let mut settings = sshd.settings();
    settings.stall_timeout = Duration::from_secs(1);
    for signal in [Signal::KILL, Signal::STOP] {
        let mut session = connect(&settings).unwrap();
        let content = bytes(100_000);
        let mut acknowledged = 0;
        let error = session
            .put(
                &sshd.remote("x.csv"),
                &mut &content[..],
                100_000,
                &mut |bytes| {
                    acknowledged += bytes;
                    if acknowledged == 100_000 {
                        sshd.signal_sessions(signal);
                    }
                },
            )
            .unwrap_err();
        let SftpError::CommitUnknown { source, .. } = &error else {
            panic!("{error}");
        };
        match signal {
            Signal::KILL => assert!(matches!(**source, SftpError::Lost { .. }), "{source}"),
            _ => assert!(matches!(**source, SftpError::TimedOut { .. }), "{source}"),
        }
        assert!(error.is_transient());
        if signal == Signal::STOP {
            sshd.signal_sessions(Signal::KILL);
        }
    }
}

fn a_session_that_died_while_idle_says_so() {
    let sshd = Sshd::start();
    let mut session = connect(&sshd.settings()).unwrap();
    sshd.signal_sessions(Signal::KILL);
    let error = session.size_of("/x").unwrap_err();
    assert!(
        matches!(error, SftpError::Lost { .. }) && error.is_transient(),
        "{error}"
    );
    let error = put(&mut session, "/x", b"x").unwrap_err();
    assert!(matches!(error, SftpError::Ended { .. }), "{error}");
}

/// A listener that treats its first connection so, and what connecting to it gives.
fn connect_to(answer: impl FnOnce(TcpStream) + Send + 'static) -> (SftpError, Duration) {
    let sshd = Sshd::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = sshd.settings();
    settings.port = listener.local_addr().unwrap().port();
    settings.connect_timeout = Duration::from_secs(2);
    let server = std::thread::spawn(move || answer(listener.accept().unwrap().0));
    let began = Instant::now();
    let error = connect_error(&settings);
    let time = began.elapsed();
    server.join().unwrap();
    (error, time)
}

fn what_is_no_ssh_server_is_an_error_soon() {
    let (error, time) = connect_to(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new()); // says nothing
    });
    assert!(matches!(error, SftpError::TimedOut { .. }), "{error}");
    assert!(time < Duration::from_secs(4), "{time:?}");

    let (error, time) = connect_to(|mut stream| {
        stream
            .write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            .unwrap();
    });
    assert!(matches!(error, SftpError::Handshake { .. }), "{error}");
    assert!(time < Duration::from_secs(2), "{time:?}");

    let (error, time) = connect_to(drop);
    assert!(matches!(error, SftpError::Handshake { .. }), "{error}");
    assert!(
        error.is_transient() && time < Duration::from_secs(2),
        "{time:?}"
    );
}

fn refused_unknown_and_foreign_addresses_are_told_apart() {
    let sshd = Sshd::start();
    let mut settings = sshd.settings();
    settings.port = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let error = connect_error(&settings);
    assert!(matches!(error, SftpError::Connect { .. }) && error.is_transient());
    assert!(chain(&error).contains("refused"), "{}", chain(&error));

    settings.host = "192.0.2.1".into();
    let error = connect_error(&settings);
    assert!(matches!(error, SftpError::NotLoopback { .. }) && !error.is_transient());

    settings.host = "name.invalid".into();
    let error = connect_error(&settings);
    assert!(matches!(error, SftpError::Resolve { .. }), "{error}");
}

fn an_interrupt_ends_waiting_for_a_silent_server() {
    let sshd = Sshd::start();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = sshd.settings();
    settings.port = listener.local_addr().unwrap().port();
    let interrupt = Interrupt::new();
    interrupt.raise(2);
    interrupt.raise(2);
    let began = Instant::now();
    let error = SftpSession::connect(&settings, &interrupt).err().unwrap();
    assert!(error.is_interrupted(), "{error}");
    assert!(began.elapsed() < Duration::from_secs(1));
}

fn a_server_without_sftp_is_an_error_that_stays() {
    let sshd = SshdBuilder::default().subsystem("/bin/false").start();
    let error = connect_error(&sshd.settings());
    assert!(
        chain(&error).contains("SFTP subsystem"),
        "{}",
        chain(&error)
    );
}

fn a_server_with_nothing_in_common_is_not_tried_again() {
    let sshd = SshdBuilder::default()
        .config("KexAlgorithms sntrup761x25519-sha512@openssh.com")
        .start();
    let error = connect_error(&sshd.settings());
    assert!(
        matches!(error, SftpError::NothingInCommon { .. }) && !error.is_transient(),
        "{}",
        chain(&error)
    );
    assert!(
        chain(&error).contains(
            "no key exchange in common; it offers sntrup761x25519-sha512@openssh.com, and here are "
        ),
        "{}",
        chain(&error)
    );
}
