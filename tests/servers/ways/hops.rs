//! More of OpenSSH's ways: several jump hosts, IPv6, an agent that the configuration names.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use klaviyo_export::base::interrupt::Interrupt;

use super::{TwoHops, ssh_config};
use crate::support::sshd::{SshdBuilder, current_user};

#[test]
fn several_jump_hosts_are_gone_through_in_their_order() {
    let two = TwoHops::new();
    let public = two.server.user_key().with_extension("pub");
    let first = SshdBuilder::default().authorize(&public).start();
    two.know(&[&first, &two.bastion, &two.server]);
    let config = ssh_config(&two, "ProxyJump first,bastion");
    let common = config.rsplit_once("Host bastion").unwrap().1;
    let (_, common) = common.trim_start().split_once('\n').unwrap();
    let config = format!("{config}\nHost first\nPort {}\n{common}", first.port);
    two.workspace.write("ssh_config", config);
    two.job_to("host = \"klaviyo\"\n", "ssh-config = \"ssh_config\"\n");
    let outcome = two.check(0);
    let place = |port: u16| {
        outcome.stdout.find(&format!(
            "by way of jump {}@127.0.0.1:{port}",
            current_user()
        ))
    };
    let (one, other) = (place(first.port), place(two.bastion.port));
    assert!(one.is_some() && one < other, "{}", outcome.stdout);
    two.assert_delivered();
    assert!(first.log_count("Accepted publickey") > 0);
    assert!(two.bastion.log_count("Accepted publickey") > 0);
    // Nobody on the way may be unknown.
    two.know(&[&two.bastion, &two.server]);
    let outcome = two.check(13);
    assert!(outcome.stdout.contains("is unknown"), "{}", outcome.stdout);
}

#[test]
fn a_server_with_an_address_of_ipv6_is_reached() {
    let two = TwoHops::new();
    let server = SshdBuilder::default().config("ListenAddress ::1").start();
    let known = format!("[::1]:{} {}\n", server.port, server.host_key("ed25519"));
    two.workspace.write("known_hosts", known);
    two.job_to(
        &format!(
            "host = \"::1\"\nport = {}\nusername = \"{}\"\nprivate-key = \"{}\"\nknown-hosts = [\"known_hosts\"]\n",
            server.port,
            current_user(),
            server.user_key().display()
        ),
        "",
    );
    let outcome = two.check(0);
    let place = format!("[::1]:{} answered in", server.port);
    assert!(outcome.stdout.contains(&place), "{}", outcome.stdout);
}

/// An ssh-agent, killed on drop.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_agent_that_the_configuration_names_is_asked() {
    let two = TwoHops::new();
    let socket = two.workspace.path("agent.sock");
    let agent = Command::new("ssh-agent")
        .arg("-D")
        .arg("-a")
        .arg(&socket)
        .stdout(Stdio::null())
        .spawn();
    let _agent = Agent(agent.unwrap());
    while !socket.exists() {
        Interrupt::new().sleep(Duration::from_millis(20));
    }
    let added = Command::new("ssh-add")
        .arg("-q")
        .arg(two.server.user_key())
        .env("SSH_AUTH_SOCK", &socket)
        .status()
        .unwrap();
    assert!(added.success());
    let config = ssh_config(&two, "");
    let config: Vec<&str> = config
        .lines()
        .filter(|line| !line.starts_with("IdentityFile"))
        .collect();
    let agent = format!("IdentityAgent {}", socket.display());
    let config = config.join("\n").replace("IdentityAgent none", &agent);
    two.workspace.write("ssh_config", config);
    two.job_to("host = \"klaviyo\"\n", "ssh-config = \"ssh_config\"\n");
    let outcome = two.check(0);
    let told = "from ssh-config: IdentityAgent ";
    assert!(outcome.stdout.contains(told), "{}", outcome.stdout);
    two.assert_delivered();
}
