//! Logins: every kind of key file, passphrases, agents; and what is said about those who are not.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use klaviyo_export::base::secret::Secret;
use klaviyo_export::delivery::sftp::{AgentIdentities, Authentication, SftpError, Transport};

use super::host_keys::ssh_keygen_fingerprint;
use super::sshd::{Sshd, SshdBuilder, current_user, keygen};

use super::{chain, connect, connect_error, put};
use crate::support::transport::{self, over_both};

over_both! {
    every_kind_of_key_file_works_and_a_wrong_passphrase_is_named;
    a_key_that_is_not_let_in_is_named_with_what_the_server_offers;
    a_key_behind_the_parameters_of_its_curve_is_read;
    keys_of_putty_are_read_in_both_versions;
    a_passphrase_is_computed_once_for_all_sessions;
    an_agent_is_asked_for_each_identity_and_the_one_let_in_comes_first_next_time;
    a_connection_that_the_server_ends_during_login_is_no_refusal;
    an_agent_that_hangs_is_named_and_not_asked_again;
    a_login_has_one_limit_and_an_agent_that_does_not_sign_in_time_is_named;
    a_comment_that_is_no_text_hides_no_identity;
    a_certificate_that_the_agent_holds_lets_in;
    an_agent_that_is_not_there_is_named;
    too_many_refused_identities_are_a_refusal;
}

struct Kind {
    name: String,
    path: PathBuf,
    passphrase: bool,
}

/// ed25519, ecdsa and rsa in every format that ssh-keygen writes, with and without passphrase. PKCS8 and PEM hold no ed25519, and
/// PEM is encrypted with MD5, which is refused.
fn every_kind(directory: &Path) -> Vec<Kind> {
    let mut kinds = Vec::new();
    for (algorithm, formats) in [
        (&["ed25519"][..], &["RFC4716"][..]),
        (&["ecdsa", "-b", "256"], &["RFC4716", "PEM", "PKCS8"]),
        (&["ecdsa", "-b", "521"], &["RFC4716", "PKCS8"]),
        (&["rsa", "-b", "2048"], &["RFC4716", "PEM", "PKCS8"]),
    ] {
        for format in formats {
            for passphrase in [false, true] {
                if *format == "PEM" && passphrase {
                    continue;
                }
                let name = format!("{}-{format}-{passphrase}", algorithm.join(""));
                let path = directory.join(&name);
                let secret = if passphrase { "secret" } else { "" };
                let mut arguments = vec!["-N", secret, "-a", "1", "-m", format, "-t"];
                arguments.extend(algorithm);
                keygen(&path, &arguments);
                kinds.push(Kind {
                    name,
                    path,
                    passphrase,
                });
            }
        }
    }
    kinds
}

fn with_key(path: &Path, passphrase: Option<&str>) -> Authentication {
    Authentication {
        private_key: Some(path.to_path_buf()),
        passphrase: passphrase.map(|text| Secret::new(text.into())),
        ..Authentication::default()
    }
}

fn with_agent(socket: impl Into<PathBuf>) -> Authentication {
    Authentication {
        agent: Some(AgentIdentities::new(Some(socket.into()))),
        ..Authentication::default()
    }
}

fn every_kind_of_key_file_works_and_a_wrong_passphrase_is_named() {
    let home = tempfile::tempdir().unwrap();
    let kinds = every_kind(home.path());
    let mut builder = SshdBuilder::default();
    for kind in &kinds {
        builder = builder.authorize(&kind.path.with_extension("pub"));
    }
    let sshd = builder.start();
    let mut settings = sshd.settings();
    for Kind {
        name,
        path,
        passphrase,
    } in &kinds
    {
        fs::remove_file(path.with_extension("pub")).unwrap();
        settings.authentication = with_key(path, Some("secret"));
        let mut session =
            connect(&settings).unwrap_or_else(|error| panic!("{name}: {}", chain(&error)));
        put(&mut session, &sshd.remote(name), b"x").unwrap();
        if *passphrase {
            settings.authentication = with_key(path, Some("wrong"));
            let error = connect_error(&settings);
            assert!(
                matches!(error, SftpError::PassphraseWrong { .. }),
                "{name}: {}",
                chain(&error)
            );
            for missing in [None, Some("")] {
                settings.authentication = with_key(path, missing);
                let error = connect_error(&settings);
                assert!(
                    matches!(error, SftpError::PassphraseMissing { .. }),
                    "{name}: {error}"
                );
                assert!(
                    error.is_authentication() && error.to_string().contains(name),
                    "{error}"
                );
            }
        }
    }
}

fn a_key_that_is_not_let_in_is_named_with_what_the_server_offers() {
    let sshd = Sshd::start();
    let other = sshd.directory.path().join("other");
    for arguments in [
        &["-t", "ed25519"][..],
        &["-t", "rsa", "-b", "2048", "-m", "PEM"],
        &["-t", "ecdsa", "-N", "secret"],
    ] {
        keygen(&other, arguments);
        let mut settings = sshd.settings();
        settings.authentication = with_key(&other, Some("secret"));
        let error = connect_error(&settings);
        let SftpError::Unauthorised { tried, methods, .. } = &error else {
            panic!("{}", chain(&error));
        };
        assert!(tried.contains("other"), "{error}");
        assert_eq!(methods, "publickey", "{error}");
        assert!(error.is_authentication() && !error.is_transient());
        assert!(!format!("{settings:?} {error:?} {error}").contains("secret"));
        fs::remove_file(&other).unwrap();
    }
}

#[test]
fn key_files_that_cannot_work_are_refused_before_the_network() {
    let sshd = Sshd::start();
    let mut settings = sshd.settings();
    settings.port = 1; // nothing listens
    let mut refused = |path: &Path| {
        settings.authentication = with_key(path, None);
        connect_error(&settings)
    };
    let key = sshd.user_key();
    assert!(matches!(refused(&key), SftpError::Connect { .. }));
    assert!(matches!(
        refused(Path::new("/none")),
        SftpError::KeyFile { .. }
    ));
    let private =
        |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    private(&key, 0o644);
    let error = refused(&key);
    assert!(error.to_string().contains("0644") && error.hint().unwrap().contains("chmod 600"));
    let public = key.with_extension("pub");
    private(&public, 0o600);
    let error = refused(&public);
    assert!(
        error.to_string().contains("public half of the key; give "),
        "{error}"
    );
    settings.authentication = Authentication::default();
    assert!(matches!(
        connect_error(&settings),
        SftpError::NoCredentials { .. }
    ));
}

#[test]
fn a_key_file_with_a_damaged_body_is_called_unusable() {
    let sshd = Sshd::start();
    let damaged = sshd.directory.path().join("damaged");
    keygen(&damaged, &["-t", "rsa", "-b", "2048", "-m", "PEM"]);
    let text = fs::read_to_string(&damaged).unwrap();
    let middle = text.len() / 2;
    fs::write(
        &damaged,
        format!("{}{}", &text[..middle - 200], &text[middle..]),
    )
    .unwrap();
    let mut settings = sshd.settings();
    settings.authentication = with_key(&damaged, None);
    let error = connect_error(&settings);
    assert!(
        matches!(error, SftpError::KeyUnsupported { .. }),
        "{}",
        chain(&error)
    );
}

#[test]
fn a_key_in_an_old_encryption_is_named_with_the_command_that_converts_it() {
    let home = tempfile::tempdir().unwrap();
    let plain = home.path().join("plain");
    keygen(&plain, &["-t", "rsa", "-b", "2048", "-m", "PEM"]);
    let sshd = SshdBuilder::default()
        .authorize(&plain.with_extension("pub"))
        .start();
    let mut settings = sshd.settings();
    let ways = [
        &["-v1", "PBE-SHA1-3DES"][..],
        &["-v2", "des3"],
        &["-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA1"],
    ];
    for way in ways {
        let old = home.path().join(way.join(""));
        let made = Command::new("openssl")
            .args(["pkcs8", "-topk8", "-passout", "pass:secret", "-in"])
            .arg(&plain)
            .arg("-out")
            .arg(&old)
            .args(way)
            .status();
        assert!(made.unwrap().success());
        fs::set_permissions(&old, fs::Permissions::from_mode(0o600)).unwrap();
        settings.authentication = with_key(&old, Some("secret"));
        let error = connect_error(&settings);
        assert!(
            matches!(&error, SftpError::KeyUnsupported { reason, .. } if reason.contains("ssh-keygen -p -f")),
            "{way:?}: {}",
            chain(&error)
        );
        let converted = Command::new("ssh-keygen")
            .args(["-q", "-p", "-P", "secret", "-N", "secret", "-f"])
            .arg(&old)
            .stdout(Stdio::null())
            .status();
        assert!(converted.unwrap().success());
        put(&mut connect(&settings).unwrap(), &sshd.remote("a"), b"x").unwrap();
    }
}

#[test]
fn an_encrypted_key_that_is_damaged_is_no_wrong_passphrase() {
    let sshd = Sshd::start();
    let pkcs8 = sshd.directory.path().join("pkcs8");
    keygen(
        &pkcs8,
        &["-t", "rsa", "-b", "2048", "-m", "PKCS8", "-N", "secret"],
    );
    let whole = fs::read_to_string(&pkcs8).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let cut = [&lines[..5], &lines[7..]].concat().join("\n");
    let mut settings = sshd.settings();
    settings.authentication = with_key(&pkcs8, Some("secret"));
    for text in [cut, whole.replacen(lines[3], &lines[3][1..], 1)] {
        fs::write(&pkcs8, &text).unwrap();
        let error = connect_error(&settings);
        assert!(
            matches!(&error, SftpError::KeyUnsupported { reason, .. } if reason.contains("damaged")),
            "{text}{}",
            chain(&error)
        );
    }
}

#[test]
fn pem_encrypted_with_md5_and_openssh_keys_in_3des_are_refused_with_the_command_that_converts_them()
{
    let sshd = Sshd::start();
    let mut settings = sshd.settings();
    for arguments in [&["-m", "PEM"][..], &["-Z", "3des-cbc"]] {
        let key = sshd.directory.path().join(arguments.join(""));
        let all = [&["-t", "rsa", "-b", "2048", "-N", "secret"], arguments].concat();
        keygen(&key, &all);
        for passphrase in [Some("secret"), Some("wrong"), None] {
            settings.authentication = with_key(&key, passphrase);
            let error = connect_error(&settings);
            assert!(
                matches!(&error, SftpError::KeyUnsupported { reason, .. } if reason.contains("ssh-keygen -p -f")),
                "{arguments:?}: {}",
                chain(&error)
            );
        }
    }
}

fn a_key_behind_the_parameters_of_its_curve_is_read() {
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("key");
    let made = Command::new("openssl")
        .args(["ecparam", "-name", "prime256v1", "-genkey", "-out"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    assert!(fs::read_to_string(&key).unwrap().contains("EC PARAMETERS"));
    let public = Command::new("ssh-keygen")
        .arg("-yf")
        .arg(&key)
        .output()
        .unwrap();
    let public_file = home.path().join("key.pub");
    fs::write(&public_file, public.stdout).unwrap();
    let sshd = SshdBuilder::default().authorize(&public_file).start();
    let mut settings = sshd.settings();
    settings.authentication = with_key(&key, None);
    put(&mut connect(&settings).unwrap(), &sshd.remote("a"), b"x").unwrap();
}

fn keys_of_putty_are_read_in_both_versions() {
    let sshd = Sshd::start();
    let home = tempfile::tempdir().unwrap();
    let secret = home.path().join("secret");
    for (version, passphrase) in [("2", ""), ("2", "secret"), ("3", ""), ("3", "secret")] {
        let key = home.path().join(format!("{version}{passphrase}.ppk"));
        fs::write(&secret, passphrase).unwrap();
        let made = Command::new("puttygen")
            .arg(sshd.user_key())
            .args([
                "-O",
                "private",
                "--ppk-param",
                &format!("version={version}"),
                "-o",
            ])
            .arg(&key)
            .arg("--new-passphrase")
            .arg(&secret)
            .status()
            .expect("puttygen (Debian package putty-tools)");
        assert!(made.success());
        let mut settings = sshd.settings();
        settings.authentication = with_key(&key, Some(passphrase));
        let session = connect(&settings).unwrap_or_else(|error| panic!("{}", chain(&error)));
        drop(session);
        if !passphrase.is_empty() {
            settings.authentication = with_key(&key, Some("wrong"));
            let error = connect_error(&settings);
            assert!(
                matches!(error, SftpError::PassphraseWrong { .. }),
                "{}",
                chain(&error)
            );
            settings.authentication = with_key(&key, None);
            let error = connect_error(&settings);
            assert!(
                matches!(error, SftpError::PassphraseMissing { .. }),
                "{error}"
            );
        }
    }
}

#[test]
fn a_pipe_as_key_or_known_hosts_file_is_refused_at_once() {
    let sshd = Sshd::start();
    let pipe = sshd.directory.path().join("pipe");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let begun = std::time::Instant::now();
    let mut settings = sshd.settings();
    settings.authentication = with_key(&pipe, None);
    assert!(chain(&connect_error(&settings)).contains("it is a pipe"));
    let mut settings = sshd.settings();
    settings.known_hosts.push(pipe);
    let error = connect_error(&settings);
    assert!(
        matches!(error, SftpError::KnownHosts { .. }),
        "{}",
        chain(&error)
    );
    assert!(begun.elapsed() < Duration::from_secs(5));
}

fn a_passphrase_is_computed_once_for_all_sessions() {
    let home = tempfile::tempdir().unwrap();
    let key = home.path().join("key");
    keygen(&key, &["-t", "ed25519", "-N", "secret", "-a", "64"]);
    let sshd = SshdBuilder::default()
        .authorize(&key.with_extension("pub"))
        .start();
    let mut settings = sshd.settings();
    settings.authentication = with_key(&key, Some("secret"));
    let time = |settings| {
        let begun = std::time::Instant::now();
        drop(connect(settings).unwrap());
        begun.elapsed()
    };
    let first = time(&settings);
    let second = time(&settings.clone());
    assert!(second * 2 < first, "{first:?}, then {second:?}");
}

struct Agent {
    child: Child,
    socket: PathBuf,
}

impl Agent {
    fn start(directory: &Path) -> Self {
        let socket = directory.join("agent");
        let mut child = Command::new("ssh-agent")
            .args(["-D", "-a"])
            .arg(&socket)
            .stdout(Stdio::piped())
            .spawn()
            .expect("ssh-agent (Debian package openssh-client)");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        assert!(line.contains("SSH_AUTH_SOCK"), "{line}");
        Self { child, socket }
    }

    fn add(&self, key: &Path) {
        let mut command = Command::new("ssh-add");
        command
            .env("SSH_AUTH_SOCK", &self.socket)
            .arg("-q")
            .arg(key);
        assert!(command.status().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn an_agent_is_asked_for_each_identity_and_the_one_let_in_comes_first_next_time() {
    let home = tempfile::tempdir().unwrap();
    let agent = Agent::start(home.path());
    let key = |name: &str| home.path().join(name);
    for (name, kind) in [("first", "ecdsa"), ("second", "rsa"), ("third", "ed25519")] {
        keygen(&key(name), &["-t", kind]);
    }
    let sshd = SshdBuilder::default()
        .authorize(&key("second.pub"))
        .config("LogLevel VERBOSE")
        .start();
    let mut settings = sshd.settings();
    settings.authentication = with_agent(&agent.socket);
    assert!(matches!(
        connect_error(&settings),
        SftpError::NoIdentity { wanted: None }
    ));
    for name in ["first", "second", "third"] {
        agent.add(&key(name));
    }
    put(&mut connect(&settings).unwrap(), &sshd.remote("a"), b"x").unwrap();
    assert_eq!(sshd.log_count("Failed publickey"), 1);
    put(
        &mut connect(&settings.clone()).unwrap(),
        &sshd.remote("b"),
        b"x",
    )
    .unwrap();
    assert_eq!(sshd.log_count("Failed publickey"), 1);

    settings.authentication.agent = Some(AgentIdentities::new(Some(agent.socket.clone())));
    settings.authentication.private_key = Some(key("second"));
    connect(&settings).unwrap();
    assert_eq!(sshd.log_count("Failed publickey"), 1);
    settings.authentication.private_key = Some(key("first.pub"));
    let error = connect_error(&settings);
    assert!(
        matches!(error, SftpError::Unauthorised { .. }),
        "{}",
        chain(&error)
    );
    settings.authentication.private_key = Some(sshd.user_key());
    assert!(matches!(
        connect_error(&settings),
        SftpError::NoIdentity { wanted: Some(_) }
    ));
}

/// Passes on what comes either way, and leaves the client's end open for a while when the server has closed its own.
fn lingering(port: u16) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (near, _) = listener.accept().unwrap();
        let far = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut up, mut down) = (near.try_clone().unwrap(), near.try_clone().unwrap());
        let (mut to, mut from) = (far.try_clone().unwrap(), far);
        std::thread::spawn(move || {
            let _ = std::io::copy(&mut up, &mut to);
        });
        let _ = std::io::copy(&mut from, &mut down);
        // `near` goes with this thread.
        std::thread::park_timeout(Duration::from_secs(2));
        drop(near);
    });
    address.port()
}

fn a_connection_that_the_server_ends_during_login_is_no_refusal() {
    // The first key that it does not take is one too many: it says goodbye without an answer.
    let sshd = SshdBuilder::default().config("MaxAuthTries 1").start();
    let home = tempfile::tempdir().unwrap();
    let stranger = home.path().join("stranger");
    keygen(&stranger, &["-t", "ed25519"]);
    let mut settings = sshd.settings();
    settings.authentication = with_key(&stranger, None);
    settings.host_keys = vec![ssh_keygen_fingerprint(&sshd).parse().unwrap()];
    settings.port = lingering(sshd.port);
    let error = connect_error(&settings);
    assert!(
        matches!(error, SftpError::Lost { .. }) && error.is_transient(),
        "{}",
        chain(&error)
    );
    // libssh2 does not tell the server's words.
    let words = match transport::transport() {
        Transport::Russh => "it ended the connection: Too many authentication failures",
        #[cfg(feature = "ssh2")]
        Transport::Ssh2 => "the connection was closed",
    };
    assert!(chain(&error).contains(words), "{}", chain(&error));
}

fn an_agent_that_hangs_is_named_and_not_asked_again() {
    let sshd = Sshd::start();
    let home = tempfile::tempdir().unwrap();
    let silent = home.path().join("silent");
    let _listener = UnixListener::bind(&silent).unwrap();
    let mut settings = sshd.settings();
    settings.connect_timeout = Duration::from_secs(1);
    settings.authentication = with_agent(silent);
    let error = connect_error(&settings);
    assert!(
        matches!(error, SftpError::Agent { .. }) && !error.is_transient(),
        "{}",
        chain(&error)
    );
}

/// An agent that lists the identities of another one, and refuses to sign, `after` some time.
fn refusing_agent(directory: &Path, other: &Path, after: Duration) -> PathBuf {
    const SIGN_REQUEST: u8 = 13;
    const FAILURE: [u8; 5] = [0, 0, 0, 1, 5];
    let socket = directory.join("refusing");
    let listener = UnixListener::bind(&socket).unwrap();
    let other = other.to_owned();
    let serve = move |mut client: UnixStream| {
        let mut behind = UnixStream::connect(&other).unwrap();
        while let Some(request) = agent_frame(&mut client) {
            let answer = if request[4] == SIGN_REQUEST {
                std::thread::park_timeout(after);
                FAILURE.to_vec()
            } else {
                behind.write_all(&request).unwrap();
                agent_frame(&mut behind).unwrap()
            };
            if client.write_all(&answer).is_err() {
                return;
            }
        }
    };
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(client.unwrap()));
        }
    });
    socket
}

/// One message of an agent's protocol with its length; None at the end.
fn agent_frame(stream: &mut UnixStream) -> Option<Vec<u8>> {
    let mut frame = vec![0; 4];
    stream.read_exact(&mut frame).ok()?;
    let length = u32::from_be_bytes(frame[..4].try_into().unwrap());
    stream.take(length.into()).read_to_end(&mut frame).unwrap();
    Some(frame)
}

fn a_login_has_one_limit_and_an_agent_that_does_not_sign_in_time_is_named() {
    let home = tempfile::tempdir().unwrap();
    let agent = Agent::start(home.path());
    let mut builder = SshdBuilder::default();
    for number in 0..4 {
        let key = home.path().join(number.to_string());
        keygen(&key, &["-t", "ed25519"]);
        agent.add(&key);
        builder = builder.authorize(&key.with_extension("pub"));
    }
    let sshd = builder.start();
    let mut settings = sshd.settings();
    let refusing = |name: &str, after| {
        let directory = home.path().join(name);
        fs::create_dir(&directory).unwrap();
        with_agent(refusing_agent(&directory, &agent.socket, after))
    };
    settings.authentication = refusing("quick", Duration::ZERO);
    let error = connect_error(&settings);
    assert!(
        matches!(&error, SftpError::Unauthorised { tried, .. } if tried.matches("SHA256").count() == 4),
        "{}",
        chain(&error)
    );
    // Each refusal is within the limit; all four are not, and none of them alone is to blame.
    settings.connect_timeout = Duration::from_secs(2);
    settings.authentication = refusing("slow", Duration::from_millis(700));
    let error = connect_error(&settings);
    assert!(
        matches!(error, SftpError::TimedOut { limit, .. } if limit == settings.connect_timeout),
        "{}",
        chain(&error)
    );
    settings.authentication = refusing("hanging", Duration::from_mins(1));
    let error = connect_error(&settings);
    assert!(
        matches!(error, SftpError::Agent { .. }) && !error.is_transient(),
        "{}",
        chain(&error)
    );
}

fn a_comment_that_is_no_text_hides_no_identity() {
    let home = tempfile::tempdir().unwrap();
    let agent = Agent::start(home.path());
    for (name, comment) in [("latin", &b"J\xf6rg"[..]), ("plain", b"me")] {
        let status = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-C"])
            .arg(OsStr::from_bytes(comment))
            .arg("-f")
            .arg(home.path().join(name))
            .status();
        assert!(status.unwrap().success());
        agent.add(&home.path().join(name));
    }
    for name in ["latin.pub", "plain.pub"] {
        let public = home.path().join(name);
        let text = String::from_utf8_lossy(&fs::read(&public).unwrap()).into_owned();
        fs::write(&public, text).unwrap();
        let sshd = SshdBuilder::default().authorize(&public).start();
        let mut settings = sshd.settings();
        settings.authentication = with_agent(&agent.socket);
        put(&mut connect(&settings).unwrap(), &sshd.remote("a"), b"x").unwrap();
    }
}

fn a_certificate_that_the_agent_holds_lets_in() {
    let home = tempfile::tempdir().unwrap();
    let agent = Agent::start(home.path());
    let (authority, mine) = (home.path().join("authority"), home.path().join("mine"));
    for key in [&authority, &mine] {
        keygen(key, &["-t", "ed25519"]);
    }
    let signed = Command::new("ssh-keygen")
        .args(["-q", "-I", "me", "-n", &current_user(), "-s"])
        .arg(&authority)
        .arg(mine.with_extension("pub"))
        .status();
    assert!(signed.unwrap().success());
    agent.add(&mine);
    let trusted = authority.with_extension("pub");
    let sshd = SshdBuilder::default()
        .config(&format!("TrustedUserCAKeys {}", trusted.display()))
        .start();
    let mut settings = sshd.settings();
    settings.authentication = with_agent(&agent.socket);
    put(&mut connect(&settings).unwrap(), &sshd.remote("a"), b"x").unwrap();
}

fn an_agent_that_is_not_there_is_named() {
    let sshd = Sshd::start();
    let mut settings = sshd.settings();
    settings.authentication = with_agent("/none");
    let error = connect_error(&settings);
    assert!(
        matches!(error, SftpError::Agent { .. }) && error.is_authentication(),
        "{}",
        chain(&error)
    );
}

fn too_many_refused_identities_are_a_refusal() {
    let home = tempfile::tempdir().unwrap();
    let agent = Agent::start(home.path());
    for number in 0..7 {
        let key = home.path().join(number.to_string());
        keygen(&key, &["-t", "ed25519"]);
        agent.add(&key);
    }
    for limit in [2, 6] {
        let sshd = SshdBuilder::default()
            .config(&format!("MaxAuthTries {limit}"))
            .start();
        let mut settings = sshd.settings();
        settings.authentication = Authentication {
            agent: Some(AgentIdentities::new(Some(agent.socket.clone()))),
            ..Authentication::default()
        };
        let error = connect_error(&settings);
        let SftpError::Unauthorised { tried, .. } = &error else {
            panic!("{}", chain(&error));
        };
        assert!(tried.matches("SHA256").count() <= 5, "{error}");
        assert!(!error.is_transient());
    }
}
