//! Which machines a driver would reach, as far as its settings tell.

use std::net::IpAddr;

/// The hosts of a URI, of `host=` pairs, or of a user@host; none of a file's path.
pub(super) fn of_uri(uri: &str) -> Vec<&str> {
    let mut hosts = Vec::new();
    let rest = match uri.split_once("://") {
        Some((_, rest)) => Some(rest),
        // `user@account/database`, as Snowflake's driver takes it.
        None => uri.split('/').next().filter(|start| start.contains('@')),
    };
    if let Some(rest) = rest {
        let authority = rest.split(['/', '?', '#', ';']).next().unwrap_or_default();
        let addresses = authority
            .rsplit_once('@')
            .map_or(authority, |(_, host)| host);
        hosts.extend(addresses.split(',').map(without_port));
    }
    for (name, value) in pairs(uri) {
        if ["host", "hostaddr", "server"].contains(&name.to_ascii_lowercase().as_str()) {
            hosts.extend(value.split(',').map(without_port));
        }
    }
    // A path, as PostgreSQL's sockets have it, is on this machine.
    hosts.retain(|host| !(host.is_empty() || host.starts_with('/') || host.starts_with("%2F")));
    hosts
}

/// The pairs `name=value` of a URI's parameters, or of a text that is nothing else.
pub(super) fn pairs(uri: &str) -> impl Iterator<Item = (&str, &str)> {
    uri.split(['?', '&', ';', ' ', '\t', '\n', '\r'])
        .filter_map(|pair| pair.split_once('='))
}

/// Whether the option of this name is the address of a machine.
pub(super) fn is_address(option: &str) -> bool {
    let last = option.rsplit('.').next().unwrap_or(option);
    ["host", "hostname", "server", "endpoint", "account"].contains(&last)
}

/// Whether `host` is this machine by its name or number; no resolver is asked.
pub(super) fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host
            .parse::<IpAddr>()
            .is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn without_port(address: &str) -> &str {
    match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => address.split(':').next().unwrap_or(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_found_in_every_form_of_uri() {
        for (uri, expected) in [
            ("sc://127.0.0.1:15002/;user_id=x", vec!["127.0.0.1"]),
            (
                "postgresql://ana@db.example.com:5432/shop",
                vec!["db.example.com"],
            ),
            ("postgresql://a,[::1]:2/db", vec!["a", "::1"]),
            (
                "postgresql:///db?host=db.example.com",
                vec!["db.example.com"],
            ),
            ("postgresql:///db?host=/run/postgresql", vec![]),
            ("host=10.0.0.1 dbname=x", vec!["10.0.0.1"]),
            ("ana@acme-1/db", vec!["acme-1"]),
            ("file:///var/shop.db", vec![]),
            ("/var/shop@home.db", vec![]),
            (":memory:", vec![]),
        ] {
            assert_eq!(of_uri(uri), expected, "{uri}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in [
            "localhost",
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "::ffff:127.0.0.1",
        ] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["10.0.0.1", "example.com", "localhost.example.com", ""] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
