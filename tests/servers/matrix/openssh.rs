//! Settings of OpenSSH's server: each algorithm that is offered, alone; new keys in mid-transfer; host keys of several types.

use std::fs;
use std::process::Command;
use std::time::Duration;

use klaviyo_export::base::interrupt::Interrupt;
use klaviyo_export::delivery::sftp::{RemoteSize, SftpSession};

use crate::support::sshd::{Sshd, SshdBuilder};
use crate::support::transport::over_both;

over_both! {
    each_algorithm_that_is_offered_works_alone;
    new_keys_by_bytes_and_by_time_and_packed_packets_change_nothing;
    the_type_of_host_key_that_is_known_is_asked_for;
}

/// More than the window, so that some is on the way whenever something changes.
const BYTES: usize = 6_000_000;

fn content() -> Vec<u8> {
    let line = |row: usize| format!("user{row:07}@example.com,{}\n", row * 7_919);
    (0..)
        .flat_map(|row| line(row).into_bytes())
        .take(BYTES)
        .collect()
}

#[track_caller]
fn put(session: &mut SftpSession, sshd: &Sshd, name: &str, content: &[u8], setting: &str) {
    let remote = sshd.remote(name);
    let sent = session.put(
        &remote,
        &mut &content[..],
        content.len() as u64,
        &mut |_| {},
    );
    sent.unwrap_or_else(|error| panic!("{setting}: {error}"));
    assert!(fs::read(&remote).unwrap() == content, "{setting} differs");
}

#[track_caller]
fn connect(sshd: &Sshd, setting: &str) -> SftpSession {
    SftpSession::connect(&sshd.settings(), &Interrupt::new())
        .unwrap_or_else(|error| panic!("{setting}: {error}"))
}

/// The algorithms of a kind that OpenSSH has here.
fn known(kind: &str) -> Vec<String> {
    let output = Command::new("ssh").args(["-Q", kind]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn each_algorithm_that_is_offered_works_alone() {
    let kinds = [
        (
            "KexAlgorithms",
            "kex",
            &[
                "mlkem768x25519-sha256",
                "curve25519-sha256",
                "curve25519-sha256@libssh.org",
                "ecdh-sha2-nistp256",
                "ecdh-sha2-nistp384",
                "ecdh-sha2-nistp521",
                "diffie-hellman-group14-sha256",
                "diffie-hellman-group16-sha512",
                "diffie-hellman-group18-sha512",
                "diffie-hellman-group-exchange-sha256",
            ][..],
        ),
        (
            "Ciphers",
            "cipher",
            &[
                "aes128-gcm@openssh.com",
                "aes256-gcm@openssh.com",
                "chacha20-poly1305@openssh.com",
                "aes128-ctr",
                "aes192-ctr",
                "aes256-ctr",
            ],
        ),
        (
            "Ciphers aes128-ctr\nMACs",
            "mac",
            &[
                "hmac-sha2-256-etm@openssh.com",
                "hmac-sha2-512-etm@openssh.com",
                "hmac-sha2-256",
                "hmac-sha2-512",
            ],
        ),
    ];
    let content = content();
    for (keyword, kind, algorithms) in kinds {
        let known = known(kind);
        for algorithm in algorithms {
            if !known.iter().any(|it| it == algorithm) {
                // Only the newest exchange may be missing in an older OpenSSH.
                assert_eq!(*algorithm, "mlkem768x25519-sha256");
                continue;
            }
            let setting = format!("{keyword} {algorithm}");
            let sshd = SshdBuilder::default().config(&setting).start();
            put(
                &mut connect(&sshd, &setting),
                &sshd,
                "a.csv",
                &content,
                &setting,
            );
        }
    }
}

fn new_keys_by_bytes_and_by_time_and_packed_packets_change_nothing() {
    let content = content();
    for setting in ["RekeyLimit 1M", "RekeyLimit default 1", "Compression yes"] {
        let sshd = SshdBuilder::default().config(setting).start();
        let mut session = connect(&sshd, setting);
        put(&mut session, &sshd, "a.csv", &content, setting);
        // The server asks for new keys in this time, with nothing on the way.
        Interrupt::new().sleep(Duration::from_millis(2_500));
        let size = session.size_of(&sshd.remote("a.csv")).unwrap();
        assert_eq!(size, RemoteSize::Bytes(BYTES as u64), "{setting}");
        put(&mut session, &sshd, "b.csv", &content, setting);
    }
}

fn the_type_of_host_key_that_is_known_is_asked_for() {
    let content = content();
    let types = ["ed25519", "ecdsa", "rsa"];
    let sshd = SshdBuilder::default().host_keys(&types).start();
    for known in types {
        let mut settings = sshd.settings();
        let line = format!("{} {}\n", sshd.host_name(), sshd.host_key(known));
        settings.known_hosts = vec![sshd.write_known_hosts(&line)];
        let session = SftpSession::connect(&settings, &Interrupt::new());
        let mut session = session.unwrap_or_else(|error| panic!("{known}: {error}"));
        put(&mut session, &sshd, known, &content, known);
    }
}
