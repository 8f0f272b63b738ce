//! The way to the API, where the job names one: a proxy, and the authorities that sign the servers' certificates.

use std::sync::Arc;

use ureq::Proxy;
use ureq::tls::{Certificate, PemItem, RootCerts, parse_pem};

/// The way to the API. By default the environment's proxy and the system's authorities.
#[derive(Debug, Clone, Default)]
pub struct ApiNetwork {
    proxy: Option<Proxy>,
    authorities: Option<Arc<Vec<Certificate<'static>>>>,
}

impl ApiNetwork {
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

    pub(super) fn proxy(&self) -> Option<&Proxy> {
        self.proxy.as_ref()
    }

    pub(super) fn roots(&self) -> RootCerts {
        self.authorities
            .as_ref()
            .map_or(RootCerts::PlatformVerifier, |authorities| {
                RootCerts::Specific(Arc::clone(authorities))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_without_a_password_and_certificates_are_taken() {
        let mut network = ApiNetwork::default();
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
        assert!(network.proxy().is_none());
    }
}
