//! HTTP clients, by ureq: the way to a server (a proxy, the authorities that sign certificates), and under
//! `KLAVIYO_EXPORT_LOOPBACK_ONLY` no address but this machine's own.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use ureq::config::{Config, ConfigBuilder};
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::typestate::AgentScope;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Proxy};

use super::tls;

/// The way to servers. By default the environment's proxy and the system's authorities.
#[derive(Debug, Clone, Default)]
pub struct Network {
    proxy: Option<Proxy>,
    authorities: Option<Arc<Vec<Certificate<'static>>>>,
}

impl Network {
    /// Goes through the proxy `http://HOST:PORT` or `https://HOST:PORT`; false where it is no such address, or holds a password.
    pub fn go_through(&mut self, proxy: &str) -> bool {
        let is_known = proxy.starts_with("http://") || proxy.starts_with("https://");
        let proxy = Proxy::new(proxy)
            .ok()
            .filter(|proxy| is_known && proxy.username().is_none() && proxy.password().is_none());
        self.proxy = proxy;
        self.proxy.is_some()
    }

    /// Trusts the authorities of a PEM text alone; false where it has no certificate.
    pub fn trust(&mut self, pem: &[u8]) -> bool {
        let certificates: Vec<_> = parse_pem(pem)
            .filter_map(|item| match item {
                Ok(PemItem::Certificate(certificate)) => Some(certificate),
                _ => None,
            })
            .collect();
        let has_one = !certificates.is_empty();
        self.authorities = has_one.then(|| Arc::new(certificates));
        has_one
    }

    fn roots(&self) -> RootCerts {
        self.authorities
            .as_ref()
            .map_or(RootCerts::PlatformVerifier, |authorities| {
                RootCerts::Specific(Arc::clone(authorities))
            })
    }

    /// A client that goes this way and follows no redirect; `more` sets the rest. `is_loopback`: what is called is on this
    /// machine. `loopback_only`: nothing else may be.
    pub fn agent(
        &self,
        is_loopback: bool,
        loopback_only: bool,
        more: impl FnOnce(ConfigBuilder<AgentScope>) -> ConfigBuilder<AgentScope>,
    ) -> Agent {
        let tls = TlsConfig::builder()
            .root_certs(self.roots())
            .unversioned_rustls_crypto_provider(tls::provider())
            .build();
        let mut config = more(Config::builder())
            .tls_config(tls)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("klaviyo-export/", env!("CARGO_PKG_VERSION")));
        // Otherwise ALL_PROXY, HTTPS_PROXY or HTTP_PROXY is used, and NO_PROXY. The resolver is asked for the proxy's address too.
        if let Some(proxy) = &self.proxy {
            config = config.proxy(Some(proxy.clone()));
        } else if is_loopback {
            config = config.proxy(None);
        }
        let resolver = Addresses {
            loopback_only,
            usual: DefaultResolver::default(),
        };
        Agent::with_parts(config.build(), DefaultConnector::default(), resolver)
    }
}

/// Whether a host of a URL, `[` and `]` aside, is this machine by its name or address.
pub fn is_own_host(host: &str) -> bool {
    let host = host.trim_matches(['[', ']']);
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

/// The error of a host whose address is not found: [`is_unresolved`] tells it from all others.
fn unresolved(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ureq::Error {
    ureq::Error::Io(io::Error::new(io::ErrorKind::NotFound, why))
}

/// Whether an exchange failed before there was an address to connect to.
pub fn is_unresolved(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

/// Whether an exchange failed because the certificate of the server is not trusted.
pub fn is_untrusted(error: &io::Error) -> bool {
    // As rustls begins all that is wrong with a certificate.
    error.to_string().contains("invalid peer certificate")
}

/// The usual resolver, which can be kept to this machine.
#[derive(Debug)]
struct Addresses {
    loopback_only: bool,
    usual: DefaultResolver,
}

impl Resolver for Addresses {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        // Not even a name is asked for elsewhere.
        if self.loopback_only && !is_own_host(uri.host().unwrap_or_default()) {
            return Err(unresolved(
                "KLAVIYO_EXPORT_LOOPBACK_ONLY is set: only this machine's own addresses may be reached",
            ));
        }
        let found = match self.usual.resolve(uri, config, timeout) {
            Err(ureq::Error::Io(error)) => return Err(unresolved(error)),
            Err(ureq::Error::HostNotFound) => return Err(unresolved("the name has no address")),
            found => found?,
        };
        if self.loopback_only && found.iter().any(|address| !address.ip().is_loopback()) {
            return Err(unresolved("only loopback addresses may be reached"));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_without_a_password_and_certificates_are_taken() {
        let mut network = Network::default();
        assert!(network.go_through("http://127.0.0.1:3128"));
        for wrong in [
            "http://ana:hunter2@127.0.0.1:3128",
            "socks5://h:1",
            "h:1",
            "http://",
        ] {
            assert!(!network.go_through(wrong), "{wrong}");
        }
        assert!(!network.trust(b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"));
        assert!(network.proxy.is_none());
    }
}
