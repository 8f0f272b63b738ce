//! Whose key it is: the known_hosts contents of real life against real host keys.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use klaviyo_export::delivery::sftp::{HostKeyPin, HostKeyReason, SftpError};

use super::sshd::{Sshd, SshdBuilder, keygen};
use super::{connect, connect_error};
use crate::support::transport::over_both;

over_both! {
    known_hosts_files_are_read_as_openssh_reads_them;
    hashed_names_are_known;
    an_unknown_key_is_refused_with_the_line_to_add;
    a_new_key_is_added_once_and_a_changed_one_never;
    a_pin_decides_alone_but_revoked_wins;
}

fn three_keys() -> Sshd {
    SshdBuilder::default()
        .host_keys(&["ed25519", "ecdsa", "rsa"])
        .start()
}

/// How the client judges the server when the file has this text.
fn judge(sshd: &Sshd, text: &str) -> &'static str {
    let settings = sshd.settings();
    sshd.write_known_hosts(text);
    match connect(&settings) {
        Ok(_) => "known",
        Err(error) => reason(&error),
    }
}

fn reason(error: &SftpError) -> &'static str {
    let SftpError::HostKey(error) = error else {
        panic!("{error}");
    };
    match error.reason {
        HostKeyReason::Unknown { .. } => "unknown",
        HostKeyReason::Changed { .. } => "changed",
        HostKeyReason::Revoked { .. } => "revoked",
        HostKeyReason::NotPinned => "not pinned",
    }
}

fn known_hosts_files_are_read_as_openssh_reads_them() {
    let sshd = three_keys();
    let name = sshd.host_name();
    let port = sshd.port;
    let [ed, ecdsa, rsa] = ["ed25519", "ecdsa", "rsa"].map(|kind| sshd.host_key(kind));
    let other = sshd.directory.path().join("other");
    keygen(&other, &["-t", "ed25519"]);
    let wrong = super::sshd::public_key(&other.with_extension("pub"));
    let cases = [
        (format!("{name} {ed}\n"), "known"),
        (format!("{name} {ecdsa}\n"), "known"),
        (format!("{name} {rsa}\n"), "known"),
        (format!("{name} {rsa}\n{name} {ecdsa}\n"), "known"),
        (format!("{name} {wrong}\n"), "changed"),
        (format!("{name} {wrong}\n{name} {rsa}\n"), "changed"), // ed25519 is asked for first
        (format!("127.0.0.1 {ed}\n"), "known"),
        (format!("127.0.0.1 {ecdsa}\n"), "known"),
        (format!("127.0.0.1 {wrong}\n"), "unknown"),
        (format!("[127.0.0.*]:{port} {ed}\n"), "known"),
        (format!("a.example,{name} {ed}\n"), "known"),
        (
            format!("[127.0.0.*]:{port},!{name},!127.0.0.1 {ed}\n"),
            "unknown",
        ),
        (format!("{name} {ed}\r\n"), "known"),
        (
            format!("broken\n{name} ssh-ed25519 AAAA\n{name} {ed}\n"),
            "known",
        ),
        (format!("x {}\n{name} {ed}\n", "y".repeat(100_000)), "known"),
        (format!("@revoked * {ed}\n{name} {ed}\n"), "revoked"),
        (format!("@revoked {name} {wrong}\n{name} {ed}\n"), "known"),
        (format!("@cert-authority * {ed}\n"), "unknown"),
        (String::new(), "unknown"),
    ];
    for (text, expected) in cases {
        assert_eq!(
            judge(&sshd, &text),
            expected,
            "{}",
            &text[..text.len().min(300)]
        );
    }
}

fn hashed_names_are_known() {
    let sshd = Sshd::start();
    let settings = sshd.settings();
    let status = Command::new("ssh-keygen")
        .args(["-q", "-H", "-f"])
        .arg(&settings.known_hosts[0])
        .status()
        .unwrap();
    assert!(status.success());
    let text = fs::read_to_string(&settings.known_hosts[0]).unwrap();
    assert!(text.starts_with("|1|"), "{text}");
    connect(&settings).unwrap();
}

fn an_unknown_key_is_refused_with_the_line_to_add() {
    let sshd = Sshd::start();
    let mut settings = sshd.settings();
    settings.known_hosts.insert(0, "/none/known_hosts".into());
    sshd.write_known_hosts("");
    let error = connect_error(&settings);
    let fingerprint = ssh_keygen_fingerprint(&sshd);
    let text = error.to_string();
    assert!(
        text.contains(&fingerprint) && text.contains("ssh-ed25519"),
        "{text}"
    );
    assert!(text.contains(&format!("127.0.0.1:{}", sshd.port)), "{text}");
    let hint = error.hint().unwrap();
    let line = format!("{} {}", sshd.host_name(), sshd.host_key("ed25519"));
    assert!(
        hint.contains(&line) && hint.contains("/none/known_hosts"),
        "{hint}"
    );
    assert!(error.is_authentication() && !error.is_transient());
    sshd.write_known_hosts(&line);
    connect(&settings).unwrap();
}

pub(crate) fn ssh_keygen_fingerprint(sshd: &Sshd) -> String {
    let output = Command::new("ssh-keygen")
        .arg("-lf")
        .arg(sshd.directory.path().join("host_ed25519.pub"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split(' ').nth(1).unwrap().to_owned()
}

fn a_new_key_is_added_once_and_a_changed_one_never() {
    let mut sshd = Sshd::start();
    let mut settings = sshd.settings();
    let file = sshd.directory.path().join("new/known_hosts");
    settings.known_hosts = vec![file.clone(), settings.known_hosts[0].clone()];
    settings.accept_new_host_key = true;
    sshd.write_known_hosts("other.example ssh-ed25519 AAAA");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| connect(&settings).unwrap());
        }
    });
    let line = format!("{} {}\n", sshd.host_name(), sshd.host_key("ed25519"));
    assert_eq!(fs::read_to_string(&file).unwrap(), line);
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );

    let old = ssh_keygen_fingerprint(&sshd);
    let port = sshd.port;
    sshd.change_host_key("ed25519");
    sshd.restart();
    assert_eq!(sshd.port, port);
    let error = connect_error(&settings);
    assert_eq!(reason(&error), "changed");
    let text = error.to_string();
    let place = format!("{}:1", file.display());
    for part in [&old, &ssh_keygen_fingerprint(&sshd), &place] {
        assert!(text.contains(part.as_str()), "{text}");
    }
    assert!(error.is_authentication() && !error.is_transient());
    assert_eq!(fs::read_to_string(&file).unwrap(), line);
}

fn a_pin_decides_alone_but_revoked_wins() {
    let sshd = Sshd::start();
    let mut settings = sshd.settings();
    let right: HostKeyPin = ssh_keygen_fingerprint(&sshd).parse().unwrap();
    let wrong = HostKeyPin::of(b"other");
    settings.host_keys = vec![wrong];
    settings.accept_new_host_key = true;
    let error = connect_error(&settings);
    assert_eq!(reason(&error), "not pinned");
    assert!(error.is_authentication());
    settings.host_keys = vec![wrong, right];
    sshd.write_known_hosts("");
    assert_eq!(connect(&settings).unwrap().server().host_key, right);
    assert_eq!(fs::read_to_string(&settings.known_hosts[0]).unwrap(), "");
    sshd.write_known_hosts(&format!("@revoked * {}\n", sshd.host_key("ed25519")));
    let error = connect_error(&settings);
    assert_eq!(reason(&error), "revoked");
    assert!(error.to_string().contains("known_hosts:1"), "{error}");
}
