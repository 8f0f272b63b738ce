//! Calls and their answers, whole, for whoever wants to look at every one of them.

use std::sync::Arc;

use hyper::HeaderMap;
use serde_json::Value;

use super::fault::ApiFault;

/// One call with its answer. Both may have personal data.
#[derive(Debug, Clone, Copy)]
pub struct Exchange<'a> {
    /// `GET` and so on.
    pub method: &'a str,
    /// Path and query, as they came.
    pub target: &'a str,
    /// The body as it came; of one that is too large only the beginning.
    pub body: &'a [u8],
    /// The operation's id in Klaviyo's contract.
    pub operation: Option<&'static str>,
    /// The answer's status; it was not sent when a fault took it away.
    pub status: u16,
    /// The answer's document, except with 204.
    pub answer: Option<&'a Value>,
    /// The fault that struck.
    pub fault: Option<ApiFault>,
    pub(super) headers: &'a HeaderMap,
}

impl<'a> Exchange<'a> {
    /// A header of the call, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// Sees every call, before its answer is sent.
#[derive(Clone)]
pub struct Observer(Arc<dyn Fn(&Exchange<'_>) + Send + Sync>);

impl Observer {
    /// Calls `look` with every call, of several connections at once.
    pub fn new(look: impl Fn(&Exchange<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    pub(super) fn see(&self, exchange: &Exchange<'_>) {
        (self.0)(exchange);
    }
}

impl std::fmt::Debug for Observer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Observer")
    }
}
