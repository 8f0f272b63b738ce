//! The ways to a server: another server, a program, a proxy, OpenSSH's configuration. Each ends at a real sshd on loopback, and the
//! host keys are judged here on each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "the helpers of tests may panic as well"
)]

mod faults;
mod hops;

use std::fmt::Write as _;

use crate::support::proxy::{Manner, Proxy};
use crate::support::sshd::{Sshd, SshdBuilder, current_user};
use crate::support::transport::{self, over_both};
use crate::support::workspace::{Outcome, Workspace};

over_both! {
    a_jump_host_is_gone_through_with_both_host_keys_judged;
    ssh_w_is_a_way_to_the_server;
}

/// Rows that make a part of some hundred kilobytes.
const ROWS: usize = 20_000;

/// A server, another one on the way to it that lets the same key in, and a job.
struct TwoHops {
    server: Sshd,
    bastion: Sshd,
    workspace: Workspace,
}

impl TwoHops {
    fn new() -> Self {
        Self::with(SshdBuilder::default())
    }

    fn with(bastion: SshdBuilder) -> Self {
        let server = Sshd::start();
        let public = server.user_key().with_extension("pub");
        let bastion = bastion.authorize(&public).start();
        let mut rows = "email\n".to_owned();
        for row in 0..ROWS {
            writeln!(rows, "user{row}@example.com").unwrap();
        }
        let workspace = Workspace::with(&[("a.csv", &rows)]);
        let two = Self {
            server,
            bastion,
            workspace,
        };
        two.know(&[&two.server, &two.bastion]);
        two
    }

    /// Writes the known_hosts file.
    fn know(&self, servers: &[&Sshd]) {
        let mut known = String::new();
        for server in servers {
            writeln!(
                known,
                "{} {}",
                server.host_name(),
                server.host_key("ed25519")
            )
            .unwrap();
        }
        self.workspace.write("known_hosts", known);
    }

    /// The job with these lines in `[sftp]`.
    fn job(&self, lines: &str) -> &Workspace {
        self.job_to(
            &format!(
                "host = \"127.0.0.1\"\nport = {}\nusername = \"{}\"\nprivate-key = \"{}\"\n\
                 known-hosts = [\"known_hosts\"]\n",
                self.server.port,
                current_user(),
                self.server.user_key().display(),
            ),
            lines,
        )
    }

    fn job_to(&self, server: &str, lines: &str) -> &Workspace {
        let directory = self.server.remote("");
        let text = format!(
            "name = \"vip\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n\
             [retry]\nfirst = \"100ms\"\ngive-up-after = \"2s\"\n\
             [sftp]\ndirectory = \"{directory}\"\nconnect-timeout = \"5s\"\nsessions = 2\n{}{server}{lines}",
            transport::line()
        );
        self.workspace.write("vip.toml", text);
        self.workspace.set_mode("vip.toml", 0o600);
        &self.workspace
    }

    fn jump(&self) -> String {
        format!(
            "jump = \"{}@127.0.0.1:{}\"\n",
            current_user(),
            self.bastion.port
        )
    }

    /// Runs the job, and compares what has arrived.
    #[track_caller]
    fn assert_delivered(&self) {
        self.workspace.run(&["run", "vip.toml"]).exits(0);
        let mut rows = 0;
        for entry in std::fs::read_dir(self.server.files()).unwrap() {
            let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
            rows += text.lines().count() - 1;
        }
        assert_eq!(rows, ROWS);
    }

    #[track_caller]
    fn check(&self, code: i32) -> Outcome {
        self.workspace.run(&["check", "vip.toml"]).exits(code)
    }
}

/// The ssh_config of a test: `klaviyo` through `bastion`.
fn ssh_config(two: &TwoHops, way: &str) -> String {
    let known = two.workspace.path("known_hosts");
    let known = known.display();
    let key = two.server.user_key();
    let key = key.display();
    let common = format!(
        "HostName 127.0.0.1\nUser {}\nIdentityFile {key}\nUserKnownHostsFile {known}\n\
         GlobalKnownHostsFile none\nIdentityAgent none\nBatchMode yes\n",
        current_user()
    );
    format!(
        "Host klaviyo\nPort {}\n{way}\n{common}\nHost bastion\nPort {}\n{common}",
        two.server.port, two.bastion.port
    )
}

fn a_jump_host_is_gone_through_with_both_host_keys_judged() {
    let two = TwoHops::new();
    two.job(&two.jump());
    let outcome = two.check(0);
    let place = format!(
        "by way of jump {}@127.0.0.1:{}",
        current_user(),
        two.bastion.port
    );
    assert!(outcome.stdout.contains(&place), "{}", outcome.stdout);
    two.assert_delivered();
    assert!(two.bastion.log_count("Accepted publickey") > 0);
    // Neither of the two may be unknown.
    for (known, unknown) in [(&two.bastion, &two.server), (&two.server, &two.bastion)] {
        two.know(&[known]);
        let outcome = two.check(13);
        assert!(outcome.stdout.contains("is unknown"), "{}", outcome.stdout);
        assert!(outcome.stdout.contains(&unknown.host_key("ed25519")));
    }
    let outcome = two
        .workspace
        .run(&["check", "vip.toml", "--accept-new-host-key"]);
    outcome.exits(0);
    two.check(0);
}

#[test]
fn pins_of_the_server_do_not_vouch_for_the_jump_host() {
    let two = TwoHops::new();
    let pin = |server: &Sshd| {
        let path = server.directory.path().join("host_ed25519.pub");
        let mut command = std::process::Command::new("ssh-keygen");
        let output = command.arg("-lf").arg(path).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        text.split(' ').nth(1).unwrap().to_owned()
    };
    let (server, bastion) = (pin(&two.server), pin(&two.bastion));
    two.know(&[]);
    let keys = |of_server: &str, of_jump: &str| {
        format!(
            "{}host-key = [{of_server:?}]\njump-host-key = [{of_jump:?}]\n",
            two.jump()
        )
    };
    two.job(&keys(&server, &bastion));
    two.check(0);
    two.job(&keys(&bastion, &server));
    two.check(13);
    two.job(&format!(
        "{}host-key = [{server:?}, {bastion:?}]\n",
        two.jump()
    ));
    two.check(13);
}

#[test]
fn a_jump_host_that_forwards_nothing_and_one_that_finds_no_server_are_told() {
    let two = TwoHops::with(SshdBuilder::default().config("AllowTcpForwarding no"));
    two.job(&two.jump());
    let outcome = two.check(14);
    assert!(
        outcome.stdout.contains("does not allow connections to"),
        "{}",
        outcome.stdout
    );
    assert!(
        outcome.stdout.contains("AllowTcpForwarding yes"),
        "{}",
        outcome.stdout
    );
    let mut two = TwoHops::new();
    two.job(&two.jump());
    two.server.stop();
    let outcome = two.check(14);
    assert!(
        outcome.stdout.contains("could not connect to"),
        "{}",
        outcome.stdout
    );
    let stranger = two.server.directory.path().join("stranger");
    crate::support::sshd::keygen(&stranger, &["-t", "ed25519"]);
    let lines = format!("private-key = \"{}\"\n{}", stranger.display(), two.jump());
    two.job_to(
        &format!(
            "host = \"127.0.0.1\"\nport = {}\nusername = \"{}\"\nknown-hosts = [\"known_hosts\"]\n",
            two.server.port,
            current_user()
        ),
        &lines,
    );
    let outcome = two.check(13);
    let jump = format!("127.0.0.1:{} rejected the login", two.bastion.port);
    assert!(outcome.stdout.contains(&jump), "{}", outcome.stdout);
}

fn ssh_w_is_a_way_to_the_server() {
    let two = TwoHops::new();
    two.workspace.write("ssh_config", ssh_config(&two, ""));
    let config = two.workspace.path("ssh_config");
    two.job(&format!(
        "proxy-command = [\"ssh\", \"-F\", \"{}\", \"-W\", \"%h:%p\", \"bastion\"]\n",
        config.display()
    ));
    let outcome = two.check(0);
    assert!(
        outcome.stdout.contains("by way of program ssh -F"),
        "{}",
        outcome.stdout
    );
    two.assert_delivered();
    assert!(two.bastion.log_count("Accepted publickey") > 0);
    // The server's key is judged here, whatever the program did.
    two.know(&[&two.bastion]);
    let outcome = two.check(13);
    assert!(outcome.stdout.contains("is unknown"), "{}", outcome.stdout);
}

#[test]
fn an_alias_with_a_jump_host_is_resolved_by_ssh_itself() {
    let two = TwoHops::new();
    two.workspace
        .write("ssh_config", ssh_config(&two, "ProxyJump bastion"));
    two.job_to("host = \"klaviyo\"\n", "ssh-config = \"ssh_config\"\n");
    let outcome = two.check(0);
    for told in [
        "from ssh-config: HostName 127.0.0.1",
        &format!("from ssh-config: Port {}", two.server.port),
        "from ssh-config: User ",
        "from ssh-config: ProxyJump bastion",
        "from ssh-config: IdentityFile ",
        "by way of jump ",
    ] {
        assert!(outcome.stdout.contains(told), "{told}: {}", outcome.stdout);
    }
    two.assert_delivered();
    assert!(two.bastion.log_count("Accepted publickey") > 0);
    // The job's own key wins.
    two.job_to(
        "host = \"klaviyo\"\nport = 1\n",
        "ssh-config = \"ssh_config\"\n",
    );
    let outcome = two.check(14);
    assert!(
        outcome.stdout.contains("could not connect to 127.0.0.1:1"),
        "{}",
        outcome.stdout
    );
}

#[test]
fn a_proxy_command_of_ssh_config_is_run_without_a_shell() {
    let two = TwoHops::new();
    let path = two.workspace.path("ssh_config");
    let way = format!("ProxyCommand ssh -F {} -W %h:%p bastion", path.display());
    two.workspace.write("ssh_config", ssh_config(&two, &way));
    two.job_to("host = \"klaviyo\"\n", "ssh-config = \"ssh_config\"\n");
    two.check(0);
    two.workspace.write(
        "ssh_config",
        ssh_config(&two, "ProxyCommand nc %h %p 2>/dev/null"),
    );
    let outcome = two.check(10);
    assert!(
        outcome.stderr.contains("needs a shell"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn proxies_of_both_kinds_are_gone_through_and_find_the_server_themselves() {
    let two = TwoHops::new();
    for scheme in ["socks5", "http"] {
        let proxy = Proxy::start(Manner::Forward);
        two.job(&format!("proxy = \"{}\"\n", proxy.url(scheme)));
        let outcome = two.check(0);
        assert!(
            outcome
                .stdout
                .contains(&format!("by way of proxy {scheme}://"))
        );
        let server = format!("127.0.0.1:{}", two.server.port);
        assert_eq!(proxy.asked(), [server.as_str()]);
        // By name: it is the proxy's to find.
        let known = format!(
            "[localhost]:{} {}\n",
            two.server.port,
            two.server.host_key("ed25519")
        );
        two.workspace.write("known_hosts", known);
        two.workspace.write(
            "vip.toml",
            std::fs::read_to_string(two.workspace.path("vip.toml"))
                .unwrap()
                .replace("host = \"127.0.0.1\"", "host = \"localhost\""),
        );
        two.check(0);
        assert_eq!(proxy.asked()[1], format!("localhost:{}", two.server.port));
        two.know(&[&two.server, &two.bastion]);
        two.job(&format!("proxy = \"{}\"\n", proxy.url(scheme)));
        two.assert_delivered();
        for entry in std::fs::read_dir(two.server.files()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
    }
}

#[test]
fn a_proxy_that_wants_an_account_gets_it_from_its_variable_or_file() {
    let two = TwoHops::new();
    for scheme in ["socks5", "http"] {
        let proxy = Proxy::start(Manner::Account);
        let url = format!("{scheme}://ana@127.0.0.1:{}", proxy.port());
        let run = |password: &str, code: i32| {
            let outcome = two
                .workspace
                .run_with_env(&["check", "vip.toml"], &[("P", password)])
                .exits(code);
            assert!(!outcome.stdout.contains(password), "{}", outcome.stdout);
            outcome
        };
        two.job(&format!("proxy = \"{url}\"\nproxy-password-env = \"P\"\n"));
        run("sesame", 0);
        let outcome = run("hunter2", 13);
        assert!(
            outcome
                .stdout
                .contains("rejected the user name or password"),
            "{}",
            outcome.stdout
        );
        two.job(&format!("proxy = \"{url}\"\nproxy-password-file = \"p\"\n"));
        two.workspace.write("p", "sesame\n");
        two.workspace.set_mode("p", 0o600);
        two.check(0);
    }
}

#[test]
fn send_goes_through_a_jump_host_and_a_proxy() {
    let two = TwoHops::new();
    let proxy = Proxy::start(Manner::Forward);
    let to = format!(
        "sftp://{}@127.0.0.1:{}{}",
        current_user(),
        two.server.port,
        two.server.remote("")
    );
    let key = two.server.user_key().display().to_string();
    let jump = format!("{}@127.0.0.1:{}", current_user(), two.bastion.port);
    for way in [["--jump", &jump], ["--proxy", &proxy.url("socks5")]] {
        let flags = ["send", "a.csv", "--to", &to, "--identity", &key];
        let flags = [&flags[..], &["--known-hosts", "known_hosts"], &way].concat();
        two.workspace.run(&flags).exits(0);
    }
    assert!(two.bastion.log_count("Accepted publickey") > 0 && !proxy.asked().is_empty());
}
