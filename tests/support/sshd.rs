//! A real OpenSSH server on a free loopback port, with throw-away keys, killed on drop.
//!
//! Needs Debian's `openssh-server` and `openssh-client`; a test that finds them missing fails and says so.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test target uses a part of it, as a module of its own"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use klaviyo_export::delivery::sftp::{Authentication, SftpSettings, Way};
use rustix::process::{Pid, Signal, kill_process};

const SSHD: &str = "/usr/sbin/sshd";
/// The SFTP server as a program of its own, for scripts that wrap it.
pub const SFTP_SERVER: &str = "/usr/lib/openssh/sftp-server";

/// The settings of a server.
pub struct SshdBuilder {
    config: String,
    subsystem: String,
    script: Option<String>,
    host_key_types: Vec<String>,
    authorized: Vec<String>,
}

/// A running server. Paths of [`Sshd::files`] are the remote paths.
pub struct Sshd {
    pub port: u16,
    pub directory: tempfile::TempDir,
    builder: SshdBuilder,
    child: Option<Child>,
    log: Log,
}

#[derive(Clone, Default)]
struct Log(Arc<(Mutex<String>, Condvar)>);

impl Default for SshdBuilder {
    fn default() -> Self {
        Self {
            config: String::new(),
            subsystem: "internal-sftp".into(),
            script: None,
            host_key_types: vec!["ed25519".into()],
            authorized: Vec::new(),
        }
    }
}

impl SshdBuilder {
    /// Adds a line to sshd_config.
    pub fn config(mut self, line: &str) -> Self {
        writeln!(self.config, "{line}").unwrap();
        self
    }

    /// Replaces `internal-sftp`, for instance by `internal-sftp -R`.
    pub fn subsystem(mut self, command: &str) -> Self {
        command.clone_into(&mut self.subsystem);
        self
    }

    /// Replaces `internal-sftp` by a shell script; `$FILES` is the directory of the fixture.
    pub fn script(mut self, script: &str) -> Self {
        self.script = Some(script.to_owned());
        self
    }

    /// Replaces ed25519: `ecdsa`, `rsa`, ...
    pub fn host_keys(mut self, types: &[&str]) -> Self {
        self.host_key_types = types.iter().map(ToString::to_string).collect();
        self
    }

    /// Lets the owner of this public key file in, besides the fixture's own key.
    pub fn authorize(mut self, public: &Path) -> Self {
        self.authorized.push(fs::read_to_string(public).unwrap());
        self
    }

    /// Makes the keys and starts the server.
    pub fn start(self) -> Sshd {
        assert!(
            Path::new(SSHD).exists(),
            "{SSHD} is missing: install the Debian packages openssh-server and openssh-client"
        );
        if current_user() == "root" {
            fs::create_dir_all("/run/sshd").unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        let files = directory.path().join("files");
        fs::create_dir(&files).unwrap();
        for kind in &self.host_key_types {
            keygen(
                &directory.path().join(format!("host_{kind}")),
                &["-t", kind],
            );
        }
        let user = directory.path().join("user");
        keygen(&user, &["-t", "ed25519"]);
        let mut authorized = fs::read_to_string(user.with_extension("pub")).unwrap();
        for key in &self.authorized {
            writeln!(authorized, "{key}").unwrap();
        }
        fs::write(directory.path().join("authorized_keys"), authorized).unwrap();
        if let Some(script) = &self.script {
            let path = directory.path().join("subsystem.sh");
            let files = files.display();
            fs::write(&path, format!("FILES={files}\n{script}\n")).unwrap();
        }
        let mut sshd = Sshd {
            port: 0,
            directory,
            builder: self,
            child: None,
            log: Log::default(),
        };
        sshd.run();
        sshd
    }
}

impl Sshd {
    /// A server with one ed25519 host key and one user.
    pub fn start() -> Self {
        SshdBuilder::default().start()
    }

    /// Where uploads go.
    pub fn files(&self) -> PathBuf {
        self.directory.path().join("files")
    }

    /// The remote path of a file in [`Sshd::files`].
    pub fn remote(&self, name: &str) -> String {
        self.files().join(name).display().to_string()
    }

    /// The private key that is let in.
    pub fn user_key(&self) -> PathBuf {
        self.directory.path().join("user")
    }

    /// `type base64` of the host key of this type.
    pub fn host_key(&self, kind: &str) -> String {
        let path = self.directory.path().join(format!("host_{kind}.pub"));
        public_key(&path)
    }

    /// The name of this server in known_hosts files.
    pub fn host_name(&self) -> String {
        format!("[127.0.0.1]:{}", self.port)
    }

    /// Writes the fixture's known_hosts file.
    pub fn write_known_hosts(&self, text: &str) -> PathBuf {
        let path = self.directory.path().join("known_hosts");
        fs::write(&path, text).unwrap();
        path
    }

    /// Settings that work: the user's key, every host key known, short limits.
    pub fn settings(&self) -> SftpSettings {
        let mut known = String::new();
        for kind in &self.builder.host_key_types {
            writeln!(known, "{} {}", self.host_name(), self.host_key(kind)).unwrap();
        }
        SftpSettings {
            host: "127.0.0.1".into(),
            port: self.port,
            way: Way::Direct,
            transport: super::transport::transport(),
            username: current_user(),
            authentication: Authentication {
                private_key: Some(self.user_key()),
                ..Authentication::default()
            },
            known_hosts: vec![self.write_known_hosts(&known)],
            host_keys: Vec::new(),
            accept_new_host_key: false,
            window_bytes: 4 << 20,
            connect_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(10),
            commit_timeout: Duration::from_secs(10),
            loopback_only: true,
        }
    }

    /// Makes a new host key of this type; the running server keeps the old one until [`Sshd::restart`].
    pub fn change_host_key(&self, kind: &str) {
        let path = self.directory.path().join(format!("host_{kind}"));
        fs::remove_file(&path).unwrap();
        keygen(&path, &["-t", kind]);
    }

    /// Ends the server and every session, without a goodbye.
    pub fn stop(&mut self) {
        for pid in self.session_pids() {
            let _ = kill_process(pid, Signal::KILL);
        }
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts again on the same port if it is still free.
    pub fn restart(&mut self) {
        self.stop();
        self.run();
    }

    /// The processes that serve connections: children of the listener, found by its id.
    pub fn session_pids(&self) -> Vec<Pid> {
        let Some(child) = &self.child else {
            return Vec::new();
        };
        let output = Command::new("pgrep")
            .args(["-P", &child.id().to_string()])
            .output()
            .expect("pgrep (Debian package procps)");
        String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .filter_map(|line| Pid::from_raw(line.trim().parse().ok()?))
            .collect()
    }

    /// Sends a signal to every session; there must be one.
    pub fn signal_sessions(&self, signal: Signal) {
        let pids = self.session_pids();
        assert!(!pids.is_empty(), "no session to signal");
        for pid in pids {
            kill_process(pid, signal).unwrap();
        }
    }

    /// Waits until the server has logged this text.
    pub fn wait_for_log(&self, text: &str) {
        let (log, grown) = &*self.log.0;
        let until = Instant::now() + Duration::from_secs(10);
        let mut log = log.lock().unwrap();
        while !log.contains(text) {
            let left = until.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "no {text:?} in the log of sshd:\n{log}");
            log = grown.wait_timeout(log, left).unwrap().0;
        }
    }

    /// How many lines of the log have this text.
    pub fn log_count(&self, text: &str) -> usize {
        let log = self.log.0.0.lock().unwrap();
        log.lines().filter(|line| line.contains(text)).count()
    }

    fn run(&mut self) {
        for _ in 0..20 {
            if self.port == 0 {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                self.port = listener.local_addr().unwrap().port();
            }
            if self.try_run() {
                return;
            }
            self.stop();
            self.port = 0; // somebody else took it meanwhile
        }
        panic!("sshd does not start:\n{}", self.log.0.0.lock().unwrap());
    }

    fn try_run(&mut self) -> bool {
        let config = self.directory.path().join("sshd_config");
        fs::write(&config, self.config()).unwrap();
        let mut child = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let listening = self.log.follow(child.stderr.take().unwrap());
        self.child = Some(child);
        listening.recv_timeout(Duration::from_secs(10)).is_ok()
    }

    fn config(&self) -> String {
        let directory = self.directory.path().display();
        let mut text = format!(
            "Port {}\nListenAddress 127.0.0.1\nPidFile none\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100:30:200\n\
             AuthorizedKeysFile {directory}/authorized_keys\n",
            self.port
        );
        for kind in &self.builder.host_key_types {
            writeln!(text, "HostKey {directory}/host_{kind}").unwrap();
        }
        let subsystem = match &self.builder.script {
            Some(_) => format!("/bin/sh {directory}/subsystem.sh"),
            None => self.builder.subsystem.clone(),
        };
        writeln!(text, "Subsystem sftp {subsystem}\n{}", self.builder.config).unwrap();
        text
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Log {
    /// Collects lines until the pipe ends; the channel tells that the server listens.
    fn follow(&self, pipe: std::process::ChildStderr) -> Receiver<()> {
        let (tell, told) = channel();
        let shared = self.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                let (log, grown) = &*shared.0;
                writeln!(log.lock().unwrap(), "{line}").unwrap();
                grown.notify_all();
                if line.starts_with("Server listening") {
                    let _ = tell.send(());
                }
            }
        });
        told
    }
}

/// The account that runs the tests.
pub fn current_user() -> String {
    let output = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// `ssh-keygen` with these arguments, no passphrase unless `-N` is among them.
pub fn keygen(path: &Path, arguments: &[&str]) {
    let mut command = Command::new("ssh-keygen");
    command.args(["-q", "-f"]).arg(path).args(arguments);
    if !arguments.contains(&"-N") {
        command.args(["-N", ""]);
    }
    let output = command
        .output()
        .expect("ssh-keygen (Debian package openssh-client)");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
}

/// `type base64` of a public key file.
pub fn public_key(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let mut fields = text.split(' ');
    format!("{} {}", fields.next().unwrap(), fields.next().unwrap())
}
