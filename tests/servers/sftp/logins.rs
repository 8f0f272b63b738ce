//! Logins by several proofs, keyboard-interactive and certificates; and answers that no second try can better.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use klaviyo_export::base::secret::Secret;
use klaviyo_export::delivery::sftp::{Authentication, Retry, SftpError, SftpSettings, Transport};
use russh::keys::{Algorithm, PrivateKey};
use russh::server::{Auth, Handler, Response, VerifiedPublicKey};
use russh::{MethodKind, MethodSet};

use super::sshd::{Sshd, SshdBuilder, keygen};
use super::{chain, connect, connect_error};
use crate::support::transport::{self, over_both};

over_both! {
    several_proofs_are_given_one_after_another;
    a_certificate_beside_the_key_lets_in;
    what_no_second_try_can_better_is_worth_one;
    another_kind_of_server_is_named_by_its_first_line;
    algorithms_that_are_missing_are_named_on_both_sides;
    the_library_is_the_one_that_the_settings_name;
}

/// The proofs that the server wants, one after another.
type Wanted = &'static [MethodKind];

/// A server that wants proofs in an order, the password `sesame`, and opens no session. Each connection is one of these.
struct Gate {
    wanted: Wanted,
    given: usize,
}

impl Gate {
    /// Judges a proof of this kind.
    fn judge(&mut self, kind: MethodKind, is_right: bool) -> Auth {
        if is_right && self.wanted[self.given] == kind {
            self.given += 1;
            if self.given == self.wanted.len() {
                return Auth::Accept;
            }
            return Auth::Reject {
                proceed_with_methods: Some(MethodSet::from(&[self.wanted[self.given]][..])),
                partial_success: true,
            };
        }
        Auth::Reject {
            proceed_with_methods: Some(MethodSet::from(&[self.wanted[self.given]][..])),
            partial_success: false,
        }
    }
}

impl Handler for Gate {
    type Error = russh::Error;

    async fn auth_password(&mut self, _: &str, password: &str) -> Result<Auth, Self::Error> {
        Ok(self.judge(MethodKind::Password, password == "sesame"))
    }

    async fn auth_publickey(
        &mut self,
        _: &str,
        _: VerifiedPublicKey<'_>,
    ) -> Result<Auth, Self::Error> {
        Ok(self.judge(MethodKind::PublicKey, true))
    }

    async fn auth_keyboard_interactive<'a>(
        &'a mut self,
        _: &str,
        _: &str,
        response: Option<Response<'a>>,
    ) -> Result<Auth, Self::Error> {
        let Some(response) = response else {
            return Ok(Auth::Partial {
                name: "".into(),
                instructions: "".into(),
                prompts: vec![("Password: ".into(), false)].into(),
            });
        };
        let answers: Vec<Vec<u8>> = response.map(|answer| answer.to_vec()).collect();
        Ok(self.judge(MethodKind::KeyboardInteractive, answers == [b"sesame"]))
    }
}

/// Starts such a server for one connection, and gives its port.
fn serve(wanted: Wanted) -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            socket.set_nonblocking(true).unwrap();
            let socket = tokio::net::TcpStream::from_std(socket).unwrap();
            let key = PrivateKey::random(&mut russh::keys::key::safe_rng(), Algorithm::Ed25519);
            let config = russh::server::Config {
                keys: vec![key.unwrap()],
                auth_rejection_time: Duration::ZERO,
                methods: MethodSet::from(&wanted[..1]),
                ..russh::server::Config::default()
            };
            let gate = Gate { wanted, given: 0 };
            if let Ok(session) = russh::server::run_stream(Arc::new(config), socket, gate).await {
                let _ = session.await;
            }
        });
    });
    port
}

fn settings(sshd: &Sshd, port: u16, password: &str) -> SftpSettings {
    let mut settings = sshd.settings();
    settings.port = port;
    settings.accept_new_host_key = true;
    settings.authentication.password = Some(Secret::new(password.into()));
    settings
}

fn several_proofs_are_given_one_after_another() {
    use MethodKind::{KeyboardInteractive, Password, PublicKey};
    let sshd = Sshd::start();
    for wanted in [
        &[Password][..],
        &[KeyboardInteractive],
        &[Password, PublicKey],
        &[PublicKey, Password],
        &[PublicKey, KeyboardInteractive],
        &[Password, PublicKey, KeyboardInteractive],
    ] {
        // Whoever is let in comes as far as the session, which is refused.
        let error = connect_error(&settings(&sshd, serve(wanted), "sesame"));
        assert!(
            chain(&error).contains("it opened no session"),
            "{wanted:?}: {}",
            chain(&error)
        );
        assert_eq!(error.retry(), Retry::Once);
        let error = connect_error(&settings(&sshd, serve(wanted), "hunter2"));
        assert!(
            matches!(error, SftpError::Unauthorised { .. }),
            "{wanted:?}: {}",
            chain(&error)
        );
        assert!(!chain(&error).contains("hunter2"));
    }
}

fn a_certificate_beside_the_key_lets_in() {
    let home = tempfile::tempdir().unwrap();
    let authority = home.path().join("authority");
    keygen(&authority, &["-t", "ed25519"]);
    let trusted = authority.with_extension("pub");
    let sshd = SshdBuilder::default()
        .config(&format!("TrustedUserCAKeys {}", trusted.display()))
        .start();
    let key = home.path().join("id");
    keygen(&key, &["-t", "ed25519"]);
    let user = super::sshd::current_user();
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-I", "nightly", "-n", &user, "-s"])
        .arg(&authority)
        .arg(key.with_extension("pub"))
        .status();
    assert!(signed.unwrap().success());
    let mut settings = sshd.settings();
    settings.authentication = Authentication {
        private_key: Some(key),
        ..Authentication::default()
    };
    connect(&settings).unwrap_or_else(|error| panic!("{}", chain(&error)));
    fs::remove_file(home.path().join("id-cert.pub")).unwrap();
    assert!(matches!(
        connect_error(&settings),
        SftpError::Unauthorised { .. }
    ));
}

fn what_no_second_try_can_better_is_worth_one() {
    for (builder, words) in [
        (
            SshdBuilder::default().config("MaxSessions 0"),
            "it opened no session",
        ),
        (
            SshdBuilder::default().script("echo Welcome to the shell"),
            "not an SFTP packet",
        ),
        (
            SshdBuilder::default()
                .script(r"printf '\000\000\000\005\002\000\000\000\002'; sleep 5"),
            "not an SFTP packet",
        ),
        (
            SshdBuilder::default().script(r"printf '\377\377\377\377\002'; sleep 5"),
            "not an SFTP packet",
        ),
    ] {
        let sshd = builder.start();
        let error = connect_error(&sshd.settings());
        assert!(chain(&error).contains(words), "{}", chain(&error));
        assert_eq!(error.retry(), Retry::Once, "{}", chain(&error));
    }
}

fn another_kind_of_server_is_named_by_its_first_line() {
    use std::io::{Read as _, Write as _};
    for answer in [
        "HTTP/1.1 400 Bad Request\r\nServer: \x1b[31m\r\n\r\n",
        "220 mail.example.com ESMTP\r\n",
    ] {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let sshd = Sshd::start();
        let mut settings = sshd.settings();
        settings.port = listener.local_addr().unwrap().port();
        settings.connect_timeout = Duration::from_secs(2);
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            socket.write_all(answer.as_bytes()).unwrap();
            let _ = socket.read_to_end(&mut Vec::new());
        });
        let begun = Instant::now();
        let error = connect_error(&settings);
        let told = answer.lines().next().unwrap();
        assert!(chain(&error).contains(told), "{}", chain(&error));
        assert_eq!(error.retry(), Retry::Once);
        assert!(begun.elapsed() < Duration::from_secs(6));
    }
}

fn the_library_is_the_one_that_the_settings_name() {
    let sshd = SshdBuilder::default().config("LogLevel DEBUG1").start();
    connect(&sshd.settings()).unwrap_or_else(|error| panic!("{}", chain(&error)));
    sshd.wait_for_log(match transport::transport() {
        Transport::Russh => "remote software version russh_",
        #[cfg(feature = "ssh2")]
        Transport::Ssh2 => "remote software version libssh2_",
    });
}

fn algorithms_that_are_missing_are_named_on_both_sides() {
    let sshd = SshdBuilder::default().config("Ciphers aes256-cbc").start();
    let error = connect_error(&sshd.settings());
    let text = chain(&error);
    assert!(
        text.contains("it offers aes256-cbc, and here are ") && text.contains("aes128-gcm"),
        "{text}"
    );
    let sshd = SshdBuilder::default()
        .config("KexAlgorithms sntrup761x25519-sha512@openssh.com")
        .start();
    let error = connect_error(&sshd.settings());
    assert!(chain(&error).contains("sntrup761"), "{}", chain(&error));
    assert!(
        !error.hint().unwrap().contains("too old"),
        "{:?}",
        error.hint()
    );
}
