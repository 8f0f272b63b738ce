//! A real PostgreSQL server on a free loopback port and a socket, with a throw-away cluster, ended on drop.
//!
//! Needs Debian's `postgresql`; a test that finds it missing fails and says so. The server refuses to run as root: the user
//! `postgres`, or `nobody`, is taken instead.

#![allow(
    clippy::disallowed_methods,
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "shared by test crates that use a part of it each; a panic is the failure"
)]

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// The superuser's password. The user of the tests is `ana`, the database `shop`.
pub const SUPERUSER_PASSWORD: &str = "pw-of-the-superuser";
pub const PASSWORD: &str = "geheim:x\\y";

/// Nothing that a test waits for takes so long.
const LIMIT: Duration = Duration::from_mins(1);

/// A running server.
pub struct Postgres {
    pub port: u16,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Postgres {
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// With a certificate for `localhost` by an authority of its own, [`Postgres::root_certificate`].
    pub fn start_with_tls() -> Self {
        Self::start_with("ssl = on\nssl_cert_file = 'server.crt'\nssl_key_file = 'server.key'\n")
    }

    fn start_with(config: &str) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("pg")
            .tempdir_in("/tmp")
            .unwrap();
        let owner = owner();
        if let Some((user, group)) = owner {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let mut server = Self {
            port: 0,
            folder,
            child: None,
        };
        server.init();
        if !config.is_empty() {
            server.make_certificates(owner);
        }
        for _ in 0..5 {
            if server.serve(config) {
                server.sql("CREATE ROLE ana LOGIN PASSWORD 'geheim:x\\y'; CREATE ROLE bob LOGIN PASSWORD 'other'");
                server.sql("CREATE DATABASE shop OWNER ana");
                return server;
            }
        }
        panic!("the server does not start: {}", server.log());
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn init(&self) {
        let secret = self.path("secret");
        fs::write(&secret, SUPERUSER_PASSWORD).unwrap();
        if let Some((user, group)) = owner() {
            chown(&secret, Some(user), Some(group)).unwrap();
        }
        let output = program("initdb")
            .arg("-D")
            .arg(self.path("data"))
            .arg(format!("--pwfile={}", secret.display()))
            .args(["-U", "postgres", "-E", "UTF8", "--locale=C", "--no-sync"])
            .arg("--auth=scram-sha-256")
            .output()
            .expect("initdb");
        assert!(output.status.success(), "{output:?}");
    }

    fn serve(&mut self, config: &str) -> bool {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        self.port = listener.local_addr().unwrap().port();
        drop(listener);
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {}\nunix_socket_directories = '{}'\nfsync = off\nsynchronous_commit = off\n\
             full_page_writes = off\nshared_buffers = 64MB\nmax_connections = 30\nautovacuum = off\ntimezone = 'Asia/Kolkata'\n{config}",
            self.port,
            self.folder.path().display(),
        );
        fs::write(self.path("data/postgresql.auto.conf"), settings).unwrap();
        let log = fs::File::create(self.path("log")).unwrap();
        let child = program("postgres")
            .arg("-D")
            .arg(self.path("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres");
        self.child = Some(child);
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            if self.psql("postgres", "SELECT 1").status.success() {
                return true;
            }
            if self.child.as_mut().unwrap().try_wait().unwrap().is_some() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the server does not answer: {}", self.log());
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn make_certificates(&self, owner: Option<(u32, u32)>) {
        let script = "set -e
            openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=tests \
                -addext basicConstraints=critical,CA:TRUE -addext keyUsage=keyCertSign
            openssl req -newkey rsa:2048 -nodes -keyout data/server.key -out server.csr -subj /CN=localhost
            printf 'subjectAltName=DNS:localhost\\nbasicConstraints=CA:FALSE\\n' > ext
            openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out data/server.crt";
        let output = Command::new("sh")
            .args(["-c", script])
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let key = self.path("data/server.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        if let Some((user, group)) = owner {
            chown(&key, Some(user), Some(group)).unwrap();
        }
    }

    pub fn root_certificate(&self) -> PathBuf {
        self.path("ca.crt")
    }

    /// The folder of the socket.
    pub fn socket(&self) -> &Path {
        self.folder.path()
    }

    /// The database of the tests, for its user.
    pub fn url(&self) -> String {
        format!("postgresql://ana@127.0.0.1:{}/shop", self.port)
    }

    /// The line of a `.pgpass` for the user of the tests.
    pub fn pass_line(&self) -> String {
        let password = PASSWORD.replace('\\', "\\\\").replace(':', "\\:");
        format!("127.0.0.1:{}:shop:ana:{password}\n", self.port)
    }

    /// Runs SQL as the superuser in the database `postgres`.
    pub fn sql(&self, sql: &str) -> String {
        self.sql_in("postgres", sql)
    }

    /// Runs SQL as the superuser in a database; gives what it prints, unaligned.
    pub fn sql_in(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database, sql);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs SQL in `shop` as its owner.
    pub fn shop(&self, sql: &str) -> String {
        self.sql_in("shop", &format!("SET ROLE ana; {sql}"))
    }

    fn psql(&self, database: &str, sql: &str) -> Output {
        Command::new(binaries().join("psql"))
            .args(["-h", "127.0.0.1", "-U", "postgres", "-X", "-q", "-At"])
            .args(["-v", "ON_ERROR_STOP=1", "-d", database, "-c", sql])
            .arg(format!("--port={}", self.port))
            .env("PGPASSWORD", SUPERUSER_PASSWORD)
            .output()
            .expect("psql")
    }

    /// Waits until a query whose text has `words` runs in `shop`; gives its process.
    pub fn wait_for_query(&self, words: &str) -> String {
        let begun = Instant::now();
        while begun.elapsed() < LIMIT {
            let found = self.running(words);
            if !found.is_empty() {
                return found;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("no query with {words} runs");
    }

    /// The processes of queries of `shop` that run and have `words` in them.
    pub fn running(&self, words: &str) -> String {
        let sql = format!(
            "SELECT pid FROM pg_stat_activity WHERE datname = 'shop' AND usename = 'ana' AND state = 'active' AND query LIKE '%{words}%'"
        );
        self.sql(&sql).trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                // At once: its children end with it.
                let _ = kill_process(pid, Signal::QUIT);
            }
            let _ = child.wait();
        }
    }
}

/// A program of the server, under a user that it accepts.
fn program(name: &str) -> Command {
    let mut command = Command::new(binaries().join(name));
    command.env_clear().current_dir("/").env("LC_ALL", "C");
    if let Some((user, group)) = owner() {
        command.uid(user).gid(group);
    }
    command
}

/// The newest of the versions that are installed.
fn binaries() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql");
    let mut found: Vec<PathBuf> = versions
        .map(|versions| versions.map(|it| it.unwrap().path().join("bin")).collect())
        .unwrap_or_default();
    found.retain(|path| path.join("initdb").exists());
    found.sort();
    found
        .pop()
        .expect("PostgreSQL is missing: apt-get install postgresql")
}

/// The user who runs the server, if the tests run as root.
fn owner() -> Option<(u32, u32)> {
    if !rustix::process::geteuid().is_root() {
        return None;
    }
    let id = |flag: &str, name: &str| {
        let output = Command::new("id").args([flag, name]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.trim().parse::<u32>().ok()
    };
    ["postgres", "nobody"]
        .iter()
        .find_map(|name| Some((id("-u", name)?, id("-g", name)?)))
}
