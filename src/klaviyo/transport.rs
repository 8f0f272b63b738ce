//! HTTP: one exchange with the API.

use std::io;
use std::time::Duration;

use ureq::http::{HeaderMap, Method, Uri};
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
    // One answer may not take longer than all attempts together, be it a byte a second.
    let within = |limit: Duration| {
        let all = settings.retry.give_up_after.max(SHORTEST_LIMIT);
        Some(limit.min(all))
    };
    let network = &settings.network;
    network.agent(settings.is_loopback, settings.loopback_only, |config| {
        config
            .https_only(!settings.is_loopback)
            .allow_non_standard_methods(true)
            .timeout_resolve(Some(Duration::from_secs(15)))
            .timeout_connect(Some(Duration::from_secs(15)))
            .timeout_send_request(Some(Duration::from_mins(1)))
            // 5 MB at 256 kbit/s.
            .timeout_send_body(Some(Duration::from_mins(3)))
            .timeout_recv_response(within(Duration::from_mins(2)))
            .timeout_recv_body(within(Duration::from_mins(2)))
    })
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
