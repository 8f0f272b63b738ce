//! SFTP servers that others wrote, each on a free loopback port with throw-away keys, killed on drop.
//!
//! `tests/run --all` installs the packages of Debian that some of them are, and `tests/engines` fetches the rest.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests may panic as well"
)]

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use klaviyo_export::base::interrupt::Interrupt;
use rustix::process::{Pid, Signal, kill_process_group};

use super::engines;
use super::sshd::{current_user, keygen, public_key};

/// An SFTP server of another project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Software {
    Asyncssh,
    Conch,
    Dropbear,
    /// By asyncssh.
    ExpiredPassword,
    Paramiko,
    ProFtpd,
    Rclone,
    Ssh2,
}

/// A running server.
pub(crate) struct ForeignServer {
    software: Software,
    port: u16,
    directory: tempfile::TempDir,
    child: Child,
}

impl ForeignServer {
    /// Makes the keys and the folder `profiles`, and starts the server.
    pub(crate) fn start(software: Software) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("files/profiles")).unwrap();
        for name in ["host", "user"] {
            keygen(&at(name), &["-t", "ed25519"]);
        }
        fs::copy(at("user.pub"), at("authorized_keys")).unwrap();
        let port = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap().port()
        };
        let log = File::create(at("log")).unwrap();
        let child = command(software, port, directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|error| panic!("{software:?} does not start: {error}"));
        let mut server = Self {
            software,
            port,
            directory,
            child,
        };
        server.wait();
        server
    }

    /// The folder that holds what was received.
    pub(crate) fn received(&self) -> PathBuf {
        self.directory.path().join("files/profiles")
    }

    /// The section of a job file that delivers to it.
    pub(crate) fn section(&self) -> String {
        let at = |name: &str| self.directory.path().join(name);
        let host = public_key(&at("host.pub"));
        let known_hosts = at("known_hosts");
        fs::write(&known_hosts, format!("[127.0.0.1]:{} {host}\n", self.port)).unwrap();
        let user = match self.software {
            Software::ProFtpd => "ana".to_owned(),
            _ => current_user(),
        };
        // It shows all files of the machine.
        let folder = match self.software {
            Software::Dropbear => self.received().display().to_string(),
            _ => "/profiles".to_owned(),
        };
        format!(
            "[sftp]\nhost = \"127.0.0.1\"\nport = {}\nusername = \"{user}\"\nprivate-key = \"{}\"\n\
             known-hosts = [\"{}\"]\ndirectory = \"{folder}\"\n",
            self.port,
            at("user").display(),
            known_hosts.display(),
        )
    }

    fn wait(&mut self) {
        let until = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            let ended = self.child.try_wait().unwrap();
            if ended.is_some() || Instant::now() > until {
                let log = fs::read_to_string(self.directory.path().join("log")).unwrap();
                panic!("{:?} does not listen ({ended:?}):\n{log}", self.software);
            }
            Interrupt::new().sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for ForeignServer {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.child);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.child.wait();
    }
}

fn command(software: Software, port: u16, directory: &Path) -> Command {
    let at = |name: &str| directory.join(name);
    let arguments = [at("host"), at("authorized_keys"), at("files")];
    let script = |program: PathBuf, name: &str| {
        let mut command = Command::new(program);
        let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/foreign");
        command
            .arg(scripts.join(name))
            .arg(port.to_string())
            .args(&arguments);
        command
    };
    match software {
        Software::Asyncssh => script(engines::sftp_python(), "asyncssh_server.py"),
        Software::ExpiredPassword => script(engines::sftp_python(), "expired_password.py"),
        Software::Conch => script(engines::sftp_python(), "conch_server.py"),
        Software::Paramiko => script(engines::sftp_python(), "paramiko_server.py"),
        Software::Ssh2 => {
            let mut command = script("node".into(), "ssh2_server.mjs");
            command.env("NODE_PATH", engines::ssh2());
            command
        }
        Software::Rclone => {
            let mut command = Command::new("rclone");
            let addr = format!("127.0.0.1:{port}");
            command.args(["serve", "sftp", "--addr", &addr, "--config", ""]);
            command.arg("--key").arg(at("host"));
            command.arg("--authorized-keys").arg(at("authorized_keys"));
            command.arg(at("files"));
            command
        }
        Software::ProFtpd => proftpd(port, directory),
        Software::Dropbear => dropbear(port, directory),
    }
}

/// ProFTPD with `mod_sftp`, for a user of its own file of passwords, who has the id of this process.
fn proftpd(port: u16, directory: &Path) -> Command {
    let at = |name: &str| directory.join(name);
    let public = Command::new("ssh-keygen")
        .args(["-e", "-m", "RFC4716", "-f"])
        .arg(at("user.pub"))
        .output()
        .unwrap();
    fs::write(at("user.rfc4716"), public.stdout).unwrap();
    let id = |flag: &str| {
        let output = Command::new("id").arg(flag).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let (uid, gid) = (id("-u"), id("-g"));
    let files = at("files").display().to_string();
    // Nobody can log in with this password: it is no hash.
    fs::write(
        at("passwd"),
        format!("ana:*:{uid}:{gid}::{files}:/bin/sh\n"),
    )
    .unwrap();
    fs::set_permissions(at("passwd"), fs::Permissions::from_mode(0o600)).unwrap();
    let folder = directory.display();
    let (user, group) = (id("-un"), id("-gn"));
    let config = format!(
        "ModulePath /usr/lib/proftpd\nLoadModule mod_sftp.c\nServerType standalone\n\
         DefaultAddress 127.0.0.1\nUseIPv6 off\nPort {port}\nUser {user}\nGroup {group}\nRootLogin on\n\
         PidFile {folder}/pid\nScoreboardFile {folder}/scoreboard\nWtmpLog off\nDelayEngine off\n\
         AuthUserFile {folder}/passwd\nAuthOrder mod_auth_file.c\nRequireValidShell off\nDefaultRoot ~\n\
         <Global>\nAllowOverwrite on\n</Global>\n\
         SFTPEngine on\nSFTPHostKey {folder}/host\nSFTPAuthMethods publickey\n\
         SFTPAuthorizedUserKeys file:{folder}/user.rfc4716\n"
    );
    fs::write(at("proftpd.conf"), config).unwrap();
    let mut command = Command::new("/usr/sbin/proftpd");
    command.args(["-n", "-q", "-c"]).arg(at("proftpd.conf"));
    command
}

/// Dropbear with OpenSSH's sftp-server. It reads the keys of its user from the home folder only, so that the server gets one
/// of its own, which nobody else sees. That needs root.
fn dropbear(port: u16, directory: &Path) -> Command {
    let at = |name: &str| directory.join(name);
    let converted = Command::new("dropbearconvert")
        .args(["openssh", "dropbear"])
        .args([at("host"), at("host.dropbear")])
        .output()
        .expect("dropbearconvert (Debian package dropbear-bin)");
    assert!(converted.status.success(), "{converted:?}");
    fs::create_dir_all(at("home/.ssh")).unwrap();
    fs::copy(at("authorized_keys"), at("home/.ssh/authorized_keys")).unwrap();
    for name in ["home", "home/.ssh"] {
        fs::set_permissions(at(name), fs::Permissions::from_mode(0o700)).unwrap();
    }
    let script = "mount --bind \"$1\" \"$(getent passwd \"$(id -u)\" | cut -d: -f6)\"\n\
                  exec dropbear -F -E -p \"127.0.0.1:$2\" -r \"$3\"";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-euc", script, "sh"]);
    command.arg(at("home")).arg(port.to_string());
    command.arg(at("host.dropbear"));
    command
}
