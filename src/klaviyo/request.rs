//! Requests and the bodies of answers.

use std::fmt::Write;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::Operation;

/// The characters that are escaped in a query or in a path's id: all but the unreserved ones of RFC 3986.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A request, as often as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) operation: Operation,
    /// Path and query, or the whole address of a next page.
    pub(super) target: String,
    pub(super) body: Option<Arc<[u8]>>,
}

impl Request {
    /// A request without a body. `{}` in `path` stands for `id`.
    pub(super) fn new(operation: Operation, path: &str, id: &str) -> Self {
        Self {
            operation,
            target: path.replace("{}", &escaped(id)),
            body: None,
        }
    }

    /// With one more parameter.
    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        let joint = if self.target.contains('?') { '&' } else { '?' };
        // Writing to a String cannot fail.
        let _ = write!(self.target, "{joint}{}={}", escaped(name), escaped(value));
        self
    }

    /// With a JSON body.
    pub(super) fn with_body(mut self, body: impl Into<Arc<[u8]>>) -> Self {
        self.body = Some(body.into());
        self
    }
}

/// A text as it stands in an address.
pub(super) fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// `equals(field,"value")`: strings are quoted as JSON has them (Klaviyo, "Filtering").
pub(super) fn equals(field: &str, value: &str) -> String {
    format!("equals({field},{})", quoted(value))
}

/// `any(field,["a","b"])`.
pub(super) fn any<'a>(field: &str, values: impl IntoIterator<Item = &'a str>) -> String {
    let values: Vec<String> = values.into_iter().map(quoted).collect();
    format!("any({field},[{}])", values.join(","))
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// A body with one resource.
#[derive(Debug, Deserialize)]
pub(super) struct ResourceDocument<T> {
    pub(super) data: T,
    /// The objects that `include` asked for.
    #[serde(default)]
    pub(super) included: Vec<Resource<serde_json::Value>>,
}

/// A body with a page of resources.
#[derive(Debug, Deserialize)]
pub(super) struct Page<T> {
    pub(super) data: Vec<T>,
    #[serde(default)]
    pub(super) links: Links,
}

/// Where the next page is: absent or null after the last one (facts B1).
#[derive(Debug, Default, Deserialize)]
pub(super) struct Links {
    #[serde(default)]
    pub(super) next: Option<String>,
}

/// A resource.
#[derive(Debug, Deserialize)]
pub(super) struct Resource<A> {
    #[serde(default, rename = "type")]
    pub(super) kind: String,
    pub(super) id: String,
    pub(super) attributes: A,
}

/// A body that names resources by their ids.
pub(super) fn ids_body(kind: &str, ids: &[String]) -> Vec<u8> {
    let data: Vec<_> = ids
        .iter()
        .map(|id| serde_json::json!({"type": kind, "id": id}))
        .collect();
    serde_json::json!({ "data": data }).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_are_escaped_and_quoted() {
        let filter = any("email", ["a+b@x.example", "q\"@x.example"]);
        assert_eq!(filter, r#"any(email,["a+b@x.example","q\"@x.example"])"#);
        let request = Request::new(Operation::GetList, "/api/lists/{}", "a/b")
            .with("filter", "equals(name,\"Ü & Co\")")
            .with("page[size]", "10");
        assert_eq!(
            request.target,
            "/api/lists/a%2Fb?filter=equals%28name%2C%22%C3%9C%20%26%20Co%22%29&page%5Bsize%5D=10"
        );
    }
}
