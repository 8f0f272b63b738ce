//! HTTP: one exchange, by ureq. No redirects, the system's trust store, and under `KLAVIYO_EXPORT_LOOPBACK_ONLY` no address
//! but this machine's own.

use std::io;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::{HeaderMap, Method, Uri};
use ureq::tls::TlsConfig;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body};

use crate::klaviyo::settings::KlaviyoSettings;

/// An answer is not read beyond this: a page of 100 profiles of 100 kB.
const MAX_ANSWER_BYTES: u64 = 20_000_000;

/// The least time for one answer, however soon all attempts end.
const SHORTEST_LIMIT: Duration = Duration::from_secs(5);

/// An answer, whatever its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
    headers: HeaderMap,
}

impl Answer {
    /// A header's whole number, its first one where there are several.
    pub(super) fn number(&self, name: &str) -> Option<u64> {
        let text = self.headers.get(name)?.to_str().ok()?;
        let digits = text.trim().split(|c: char| !c.is_ascii_digit()).next()?;
        digits.parse().ok()
    }
}

/// The connections.
pub(super) fn agent(settings: &KlaviyoSettings) -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(settings.network.roots())
        .build();
    // One answer may not take longer than all attempts together, be it a byte a second.
    let within = |limit: Duration| {
        let all = settings.retry.give_up_after.max(SHORTEST_LIMIT);
        Some(limit.min(all))
    };
    let mut config = Config::builder()
        .tls_config(tls)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .https_only(!settings.is_loopback)
        .allow_non_standard_methods(true)
        .user_agent(concat!("klaviyo-export/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(Duration::from_secs(15)))
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_send_request(Some(Duration::from_mins(1)))
        // 5 MB at 256 kbit/s.
        .timeout_send_body(Some(Duration::from_mins(3)))
        .timeout_recv_response(within(Duration::from_mins(2)))
        .timeout_recv_body(within(Duration::from_mins(2)));
    // Otherwise ALL_PROXY, HTTPS_PROXY or HTTP_PROXY is used, and NO_PROXY. The resolver is asked for the proxy's address too.
    if let Some(proxy) = settings.network.proxy() {
        config = config.proxy(Some(proxy.clone()));
    } else if settings.is_loopback {
        config = config.proxy(None);
    }
    let resolver = Addresses {
        loopback_only: settings.loopback_only,
        usual: DefaultResolver::default(),
    };
    Agent::with_parts(config.build(), DefaultConnector::default(), resolver)
}

/// The host and the port of the proxy through which `base_url` is called.
pub(super) fn proxy_of(agent: &Agent, base_url: &str) -> Option<(String, u16)> {
    let uri: Uri = base_url.parse().ok()?;
    let proxy = agent.config().proxy()?;
    (!proxy.is_no_proxy(&uri)).then(|| (proxy.host().to_owned(), proxy.port()))
}

/// One request and its answer.
pub(super) fn exchange(
    agent: &Agent,
    method: &'static str,
    uri: &str,
    headers: &[(&'static str, String)],
    body: Option<&[u8]>,
) -> io::Result<Answer> {
    let mut request = ureq::http::Request::builder()
        .method(Method::from_bytes(method.as_bytes()).map_err(io::Error::other)?)
        .uri(uri);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let response = match body {
        Some(body) => request
            .body(body)
            .map_err(io::Error::other)
            .map(|request| agent.run(request)),
        None => request
            .body(())
            .map_err(io::Error::other)
            .map(|request| agent.run(request)),
    };
    let (parts, body) = response?.map_err(ureq::Error::into_io)?.into_parts();
    Ok(Answer {
        status: parts.status.as_u16(),
        body: read(body)?,
        headers: parts.headers,
    })
}

fn read(mut body: Body) -> io::Result<Vec<u8>> {
    body.with_config()
        .limit(MAX_ANSWER_BYTES)
        .read_to_vec()
        .map_err(ureq::Error::into_io)
}

/// The error of a host whose address is not found: [`is_unresolved`] tells it from all others.
fn unresolved(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ureq::Error {
    ureq::Error::Io(io::Error::new(io::ErrorKind::NotFound, why))
}

/// Whether an exchange failed before there was an address to connect to.
pub(super) fn is_unresolved(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
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
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
        let address = host.parse::<std::net::IpAddr>();
        // Not even a name is asked for elsewhere.
        let is_own = host == "localhost" || address.is_ok_and(|address| address.is_loopback());
        if self.loopback_only && !is_own {
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
