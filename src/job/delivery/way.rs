//! The way to the server, by the keys of `[sftp]` and by OpenSSH's configuration.

use super::authentication::authentication_of_alias;
use super::{FileContext, JobError, value};
use crate::delivery::sftp::{
    HostKeyPin, Proxy, ProxyProtocol, SftpSettings, Transport, Way, expand_program,
};
use crate::delivery::ssh_config::SshAlias;

/// Alias over alias: as many stations are a circle.
const MOST_STATIONS: usize = 8;

/// The way to `server`; the job's own keys override those of `alias`.
pub(super) fn way(
    surroundings: &FileContext<'_>,
    server: &SftpSettings,
    alias: Option<&SshAlias>,
    told: &mut Vec<String>,
) -> Result<Way, JobError> {
    let section = &surroundings.file.sftp;
    let given = [
        !section.proxy_command.is_empty(),
        section.proxy.is_some(),
        section.jump.is_some(),
    ];
    if given.iter().filter(|is_given| **is_given).count() > 1 {
        return Err(value(
            "sftp.jump",
            "proxy and proxy-command are different ways to the server; keep one of them",
        ));
    }
    if section.jump.is_none() && !section.jump_host_key.is_empty() {
        return Err(value("sftp.jump-host-key", "needs jump"));
    }
    if !section.proxy_command.is_empty() {
        return program(&section.proxy_command);
    }
    if let Some(address) = &section.proxy {
        return proxy(address).map(Way::Proxy);
    }
    let jump_host_keys = super::pins(&section.jump_host_key, "sftp.jump-host-key")?;
    if let Some(jump) = &section.jump {
        return station(surroundings, server, jump, jump_host_keys, 0).map(Way::Jump);
    }
    match alias {
        Some(SshAlias {
            jump: Some(stations),
            ..
        }) => {
            told.push(format!("ProxyJump {stations}"));
            chain(surroundings, server, stations, 0)
        }
        Some(SshAlias {
            command: Some(command),
            ..
        }) => {
            told.push(format!("ProxyCommand {command}"));
            of_shell(command)
        }
        _ => Ok(Way::Direct),
    }
}

/// The stations of a ProxyJump, such as `a,b`: the last one connects to the server.
fn chain(
    surroundings: &FileContext<'_>,
    server: &SftpSettings,
    stations: &str,
    depth: usize,
) -> Result<Way, JobError> {
    let mut way = None;
    for (place, name) in stations.split(',').enumerate() {
        let mut station = station(surroundings, server, name.trim(), Vec::new(), depth + place)?;
        if let Some(way) = way {
            station.way = way;
        }
        way = Some(Way::Jump(station));
    }
    Ok(way.unwrap_or_default())
}

/// The settings of another SSH server on the way: `[USER@]HOST[:PORT]`, an alias where OpenSSH's configuration is asked. Without
/// one, it is logged in to as `server` is; the server's password is not for it.
fn station(
    surroundings: &FileContext<'_>,
    server: &SftpSettings,
    text: &str,
    host_keys: Vec<HostKeyPin>,
    depth: usize,
) -> Result<Box<SftpSettings>, JobError> {
    let wrong = || {
        value(
            "sftp.jump",
            "must look like \"user@bastion.example.com:22\"",
        )
    };
    if depth >= MOST_STATIONS {
        return Err(value(
            "sftp.ssh-config",
            "leads through more than 8 servers; a ProxyJump may lead back to itself",
        ));
    }
    let text = text.strip_prefix("ssh://").unwrap_or(text);
    let (username, place) = match text.rsplit_once('@') {
        Some((username, place)) => (Some(username), place),
        None => (None, text),
    };
    let (host, port) = host_and_port(place).ok_or_else(wrong)?;
    if username.is_some_and(|name| name.is_empty() || name.contains(':')) || !super::is_host(&host)
    {
        return Err(wrong());
    }
    let mut station = Box::new(SftpSettings {
        username: username.map_or_else(|| server.username.clone(), str::to_owned),
        port: port.unwrap_or(22),
        host: host.clone(),
        host_keys,
        way: Way::Direct,
        transport: Transport::Russh,
        ..server.clone()
    });
    station.authentication.password = None;
    if let Some(alias) = surroundings.alias(&host)? {
        station.host.clone_from(&alias.host);
        station.port = port.unwrap_or(alias.port);
        if username.is_none() {
            station.username.clone_from(&alias.user);
        }
        station.known_hosts = surroundings.known_hosts(Some(&alias));
        if let Some(own) = authentication_of_alias(surroundings, &alias) {
            station.authentication = own;
        }
        station.way = match (&alias.jump, &alias.command) {
            (Some(stations), _) => chain(surroundings, server, stations, depth + 1)?,
            (None, Some(command)) => of_shell(command)?,
            (None, None) => Way::Direct,
        };
    }
    Ok(station)
}

fn program(command: &[String]) -> Result<Way, JobError> {
    let is_known = |argument: &String| expand_program(argument, "", 0, "").is_some();
    if !command.iter().all(is_known) || command[0].is_empty() {
        return Err(value(
            "sftp.proxy-command",
            "may have %h, %p, %r and %% alone, such as [\"ssh\", \"-W\", \"%h:%p\", \"bastion\"]",
        ));
    }
    Ok(Way::Program(command.to_vec()))
}

/// A ProxyCommand, which OpenSSH gives to a shell. Here it is split into words, and what needs a shell is refused.
fn of_shell(command: &str) -> Result<Way, JobError> {
    let words = Some(command)
        .filter(|command| {
            !command.contains(['|', '&', ';', '<', '>', '$', '`', '(', ')', '*', '~'])
        })
        .and_then(shlex::split);
    let mut words = words.filter(|words| !words.is_empty()).ok_or_else(|| {
        value(
            "sftp.ssh-config",
            "has a ProxyCommand that needs a shell; write it as proxy-command = [\"program\", \"argument\"]",
        )
    })?;
    if words.first().is_some_and(|word| word == "exec") {
        words.remove(0);
    }
    program(&words)
}

/// `socks5://[USER@]HOST[:PORT]` or `http://[USER@]HOST[:PORT]`.
fn proxy(address: &str) -> Result<Proxy, JobError> {
    let wrong = || {
        value(
            "sftp.proxy",
            "must look like \"socks5://proxy.example.com:1080\" or \"http://proxy.example.com:3128\"",
        )
    };
    let (scheme, rest) = address.split_once("://").ok_or_else(wrong)?;
    let (protocol, usual_port) = match scheme {
        // The proxy finds the address, which curl calls socks5h.
        "socks5" | "socks5h" => (ProxyProtocol::Socks5, 1080),
        "http" => (ProxyProtocol::Http, 3128),
        _ => return Err(wrong()),
    };
    let rest = rest.trim_end_matches('/');
    let (username, place) = match rest.rsplit_once('@') {
        Some((username, place)) => (Some(username), place),
        None => (None, rest),
    };
    if username.is_some_and(|username| username.contains(':')) {
        return Err(value(
            "sftp.proxy",
            "must not hold a password; write proxy-password-env = \"VARIABLE\" or proxy-password-file",
        ));
    }
    let (host, port) = host_and_port(place).ok_or_else(wrong)?;
    if !super::is_host(&host) {
        return Err(wrong());
    }
    Ok(Proxy {
        protocol,
        host,
        port: port.unwrap_or(usual_port),
        username: username.map(str::to_owned),
        password: None,
    })
}

/// `HOST`, `HOST:PORT`, `[ADDRESS]:PORT` or a bare IPv6 address.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return Some((text.to_owned(), None));
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, port)) => (host, Some(port.strip_prefix(':')?)),
        None => text
            .split_once(':')
            .map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map(str::parse).transpose().ok()?;
    Some((host.to_owned(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_and_passwords_refused() {
        for (text, expected) in [
            ("socks5://p.example.com", ("p.example.com", 1080, None)),
            ("socks5h://[::1]:9", ("::1", 9, None)),
            ("http://ana@p:8080/", ("p", 8080, Some("ana"))),
        ] {
            let proxy = proxy(text).unwrap();
            let username = proxy.username.as_deref();
            assert_eq!((proxy.host.as_str(), proxy.port, username), expected);
        }
        for text in [
            "p:1080",
            "https://p:1",
            "socks5://",
            "http://-x:1",
            "http://p:x",
        ] {
            assert!(proxy(text).is_err(), "{text}");
        }
        let error = proxy("http://ana:hunter2@p:1").unwrap_err().to_string();
        assert!(
            error.contains("password") && !error.contains("hunter2"),
            "{error}"
        );
    }

    #[test]
    fn a_proxy_command_of_ssh_config_is_split_without_a_shell() {
        let words = |text| match of_shell(text) {
            Ok(Way::Program(words)) => Some(words.join("|")),
            _ => None,
        };
        assert_eq!(
            words("exec nc -X 5 '%h' %p").as_deref(),
            Some("nc|-X|5|%h|%p")
        );
        for text in [
            "ssh gw 'nc %h %p' 2>/dev/null",
            "a | b",
            "nc $HOST",
            "nc %C",
            "'",
        ] {
            assert_eq!(words(text), None, "{text}");
        }
    }
}
