//! The refusal of a request, in the form of JSON:API errors: `{"errors": [{id, status, code, title, detail, source, links, meta}]}`.
//!
//! Neither a detail nor a pointer quotes what the client sent: values may be personal data.

use serde_json::{Map, Value, json};

/// An error reply. Its texts are ours: a client should go by the status alone (facts B1).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Refusal {
    /// The HTTP status.
    pub(super) status: u16,
    /// Whole seconds of the sandbox's clock for `Retry-After`.
    pub(super) retry_after: Option<u64>,
    code: &'static str,
    detail: String,
    source: Map<String, Value>,
    meta: Map<String, Value>,
}

impl Refusal {
    fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            retry_after: None,
            code,
            detail: detail.into(),
            source: Map::new(),
            meta: Map::new(),
        }
    }

    /// 400: something in the body.
    pub(super) fn body(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(400, "invalid", detail).at("pointer", pointer)
    }

    /// 400: a query parameter or a header.
    pub(super) fn parameter(name: &str, detail: impl Into<String>) -> Self {
        Self::new(400, "invalid", detail).at("parameter", name)
    }

    /// 401: no key, or not the right one.
    pub(super) fn unauthorized() -> Self {
        Self::new(401, "not_authenticated", "missing or invalid private key")
    }

    /// 403: the key lacks a scope.
    pub(super) fn forbidden(scope: &str) -> Self {
        Self::new(
            403,
            "permission_denied",
            format!("the key lacks the scope {scope}"),
        )
    }

    /// 404: nothing has this path or id.
    pub(super) fn not_found(what: &str) -> Self {
        Self::new(404, "not_found", format!("no such {what}"))
    }

    /// 404: the body names something that does not exist.
    pub(super) fn not_found_at(what: &str, pointer: String) -> Self {
        Self::not_found(what).at("pointer", pointer)
    }

    /// 405: the path has no such method.
    pub(super) fn method() -> Self {
        Self::new(
            405,
            "method_not_allowed",
            "the path does not have this method",
        )
    }

    /// 409: another profile has one of the identifiers.
    pub(super) fn duplicate(profile_id: &str) -> Self {
        let mut refusal = Self::new(
            409,
            "duplicate_profile",
            "a profile with one of these identifiers exists",
        )
        .at("pointer", "/data/attributes");
        refusal
            .meta
            .insert("duplicate_profile_id".to_owned(), profile_id.into());
        refusal
    }

    /// 410: the revision is retired.
    pub(super) fn retired() -> Self {
        Self::new(410, "gone", "the revision is retired").at("parameter", "revision")
    }

    /// 413: more bytes than the operation takes.
    pub(super) fn too_large(max_bytes: usize) -> Self {
        Self::new(
            413,
            "request_entity_too_large",
            format!("the body is larger than {max_bytes} bytes"),
        )
    }

    /// 415: not a JSON body, or a compressed one.
    pub(super) fn media_type() -> Self {
        Self::new(
            415,
            "unsupported_media_type",
            "the body has to be application/vnd.api+json, not compressed",
        )
    }

    /// 429: a limit was reached, or a fault says so.
    pub(super) fn throttled(retry_after: u64) -> Self {
        let detail = format!("expected available in {retry_after} seconds");
        Self {
            retry_after: Some(retry_after),
            ..Self::new(429, "throttled", detail)
        }
    }

    /// 500 or 503: a fault.
    pub(super) fn broken(status: u16) -> Self {
        Self::new(status, "error", "a fault of the sandbox")
    }

    fn at(mut self, kind: &str, place: impl Into<String>) -> Self {
        self.source
            .insert(kind.to_owned(), Value::String(place.into()));
        self
    }

    /// The source and the words of an import error of a bulk job.
    pub(super) fn import_error(&self, id: &str, pointer: &str, payload: &Value) -> Value {
        json!({
            "type": "import-error",
            "id": id,
            "attributes": {
                "code": self.code,
                "title": title(self.status),
                "detail": self.detail,
                "source": { "pointer": pointer },
                "original_payload": payload,
            },
        })
    }

    /// The body of the reply; `id` names this one occurrence.
    pub(super) fn to_json(&self, id: &str) -> Value {
        json!({ "errors": [{
            "id": id,
            "status": self.status,
            "code": self.code,
            "title": title(self.status),
            "detail": self.detail,
            "source": self.source,
            "links": {},
            "meta": self.meta,
        }] })
    }
}

fn title(status: u16) -> &'static str {
    match status {
        400 => "Invalid input.",
        401 => "Authentication credentials were not provided.",
        403 => "You do not have permission to perform this action.",
        404 => "Not found.",
        405 => "Method not allowed.",
        409 => "Conflict.",
        410 => "Gone.",
        413 => "Payload too large.",
        415 => "Unsupported media type.",
        429 => "Request was throttled.",
        _ => "Server error.",
    }
}
