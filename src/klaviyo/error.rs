//! Errors of the API.

use std::time::Duration;

use serde::Deserialize;

use super::{Operation, REVISION};

/// The status of a call that a rate limit refuses.
const TOO_MANY_REQUESTS: u16 = 429;

/// The server's error for a request, reduced to what cannot hold personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// The server's word for it; letters, digits, `_` and `-` of it alone.
    pub code: String,
    /// Where in the request's body, as a JSON pointer, or which parameter.
    pub pointer: String,
    /// Every pointer of the answer's errors.
    pub pointers: Vec<String>,
    /// The scope that the answer names, of those that the operation needs.
    pub scope: Option<&'static str>,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "status {}", self.status)?;
        if !self.code.is_empty() {
            write!(out, ", {}", self.code)?;
        }
        if !self.pointer.is_empty() {
            write!(out, " at {}", self.pointer)?;
        }
        Ok(())
    }
}

/// Advice where no connection is made.
const PROXY: &str =
    "if this machine needs a proxy, check the variable HTTPS_PROXY=http://HOST:PORT";

/// The reason for which the API did not carry out a request.
#[derive(Debug, thiserror::Error)]
pub enum KlaviyoError {
    /// No answer came.
    #[error("{host}: no answer")]
    Unreachable {
        /// The API's host.
        host: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The host's name has no address, this time.
    #[error("find the address of {host}")]
    Unresolved {
        /// The API's host.
        host: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The host's name had no address from the first try on.
    #[error("{host} has no address; it was looked up for {}", humantime::format_duration(*after))]
    UnknownHost {
        /// The API's host.
        host: String,
        /// How long it was tried.
        after: Duration,
        /// The cause.
        source: std::io::Error,
    },
    /// Somebody answers who cannot show to be Klaviyo.
    #[error("{host}: its certificate is not trusted; the API key was not sent")]
    Untrusted {
        /// The API's host.
        host: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The server asks to come back later, or failed.
    #[error("Klaviyo did not {}: {problem}", operation.facts().does)]
    Busy {
        /// The request.
        operation: Operation,
        /// The answer.
        problem: Problem,
        /// How long to wait before the next try, if it said so.
        retry_after: Option<Duration>,
    },
    /// It was tried again and again.
    #[error("no success after {} of attempts", humantime::format_duration(*after))]
    GaveUp {
        /// How long it was tried.
        after: Duration,
        /// The last failure.
        source: Box<KlaviyoError>,
    },
    /// A limit that does not open again in a while.
    #[error(
        "Klaviyo did not {}: a limit is used up; it resets in {}",
        operation.facts().does,
        humantime::format_duration(*wait)
    )]
    UsedUp {
        /// The request.
        operation: Operation,
        /// How long from now.
        wait: Duration,
    },
    /// Answers that came too slowly for what they are worth.
    #[error("Klaviyo's answers took longer than {}", humantime::format_duration(*after))]
    Slow {
        /// How long they may take together.
        after: Duration,
    },
    /// The key is none of Klaviyo's.
    #[error("Klaviyo does not accept the API key ({problem})")]
    Key {
        /// The answer.
        problem: Problem,
    },
    /// The key may not do this.
    #[error("the API key may not {}: it lacks {}", operation.facts().does, lacking(*operation, problem.scope))]
    Scope {
        /// The request.
        operation: Operation,
        /// The answer.
        problem: Problem,
    },
    /// The requested object does not exist.
    #[error("Klaviyo did not {}: it does not exist ({problem})", operation.facts().does)]
    NotFound {
        /// The request.
        operation: Operation,
        /// The answer.
        problem: Problem,
    },
    /// The revision is not answered any more.
    #[error(
        "Klaviyo has retired revision {revision} of its API, which `klaviyo.revision` names (status 410)"
    )]
    Retired {
        /// The revision.
        revision: String,
    },
    /// Anything else that it refuses.
    #[error("Klaviyo refuses to {}: {problem}", operation.facts().does)]
    Refused {
        /// The request.
        operation: Operation,
        /// The answer.
        problem: Problem,
    },
    /// An answer that cannot be read.
    #[error("the answer to \"{}\" cannot be understood", operation.facts().does)]
    Unclear {
        /// The request.
        operation: Operation,
    },
    /// An answer in HTML, with a status of success.
    #[error("the answer to \"{}\" is a web page and not Klaviyo's API", operation.facts().does)]
    WebPage {
        /// The request.
        operation: Operation,
    },
    /// The next page is one that was read already: they would go on for ever.
    #[error("the answer to \"{}\" names a page that was read already as the next one", operation.facts().does)]
    CircularLink {
        /// The request.
        operation: Operation,
    },
    /// The next page is said to be on another host, which does not get the key.
    #[error("the answer to \"{}\" names another host for the next page; the API key is not sent there", operation.facts().does)]
    ForeignLink {
        /// The request.
        operation: Operation,
    },
    /// A signal came.
    #[error("interrupted during a call of Klaviyo's API")]
    Interrupted,
}

fn lacking(operation: Operation, scope: Option<&'static str>) -> String {
    match scope {
        Some(scope) => format!("the scope {scope}"),
        None if operation.scopes().len() == 1 => format!("the scope {}", operation.scopes()[0]),
        None => format!("one of the scopes {}", operation.scopes().join(" and ")),
    }
}

impl KlaviyoError {
    /// Whether the same request may succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. } | Self::Unresolved { .. } | Self::Busy { .. }
        )
    }

    /// Whether a rate limit refused the call.
    pub fn is_rate_limit(&self) -> bool {
        matches!(self, Self::Busy { problem, .. } if problem.status == TOO_MANY_REQUESTS)
    }

    /// Whether trying again was given up, or would take too long: the network's or the server's fault.
    pub fn is_of_the_moment(&self) -> bool {
        matches!(self, Self::GaveUp { .. } | Self::UsedUp { .. }) || self.is_transient()
    }

    /// The server's errors for the request's body, when it refused that.
    pub fn refusal(&self) -> Option<&Problem> {
        match self {
            Self::Refused { problem, .. } | Self::NotFound { problem, .. } => Some(problem),
            _ => None,
        }
    }

    /// Advice on the error.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Untrusted { .. } => {
                "if a proxy opens the connection, name a file with the certificates to trust in the variable SSL_CERT_FILE (instead of the system's); else update the system's (Debian: apt-get install ca-certificates)"
            }
            Self::Unreachable { .. } | Self::Unresolved { .. } => PROXY,
            Self::GaveUp { source, .. }
                if matches!(**source, Self::Unreachable { .. } | Self::Unresolved { .. }) =>
            {
                return Some(format!(
                    "nothing is lost: run the same command again; {PROXY}"
                ));
            }
            Self::Key { .. } => {
                "make a private key in Klaviyo under Settings, API keys, and put it where the job says it is"
            }
            Self::Scope { .. } => {
                "a key's scopes cannot be changed: make a new private key in Klaviyo under Settings, API keys, with accounts:read, lists:read, lists:write, profiles:read and profiles:write"
            }
            Self::UnknownHost { host, .. } => {
                return Some(format!(
                    "check base-url in [klaviyo] and the network of this machine: getent hosts {host}; {PROXY}"
                ));
            }
            Self::Retired { revision } if revision != REVISION => {
                return Some(format!(
                    "remove revision from [klaviyo], or write revision = \"{REVISION}\"; then run the same command again"
                ));
            }
            Self::Retired { .. } => {
                "install a newer klaviyo-export; until then, write a newer revision in [klaviyo] of the job file (developers.klaviyo.com lists them), and try it with check first"
            }
            Self::WebPage { .. } => {
                "a proxy, or the login page of a network, answers in its place: check base-url and the proxy, and see what comes: curl -sSI https://a.klaviyo.com"
            }
            Self::UsedUp {
                operation: Operation::CreateList,
                ..
            } => "Klaviyo allows 150 new lists a day; create the list by hand, or run again later",
            Self::Refused {
                operation: Operation::CreateList,
                ..
            } => {
                "an account has room for 1,000 lists and segments: remove one that nobody needs, or name a list that exists"
            }
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// The body of a refusal (OpenAPI, `ClientError`).
#[derive(Debug, Default, Deserialize)]
struct Refusal {
    #[serde(default)]
    errors: Vec<ErrorObject>,
}

#[derive(Debug, Default, Deserialize)]
struct ErrorObject {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    detail: Option<String>,
    #[serde(default)]
    source: Option<ErrorSource>,
}

#[derive(Debug, Default, Deserialize)]
struct ErrorSource {
    #[serde(default)]
    pointer: Option<String>,
    #[serde(default)]
    parameter: Option<String>,
}

impl Problem {
    /// The content of a refusal's body; empty where it cannot be read.
    pub(super) fn read(status: u16, operation: Operation, body: &[u8]) -> Self {
        let refusal: Refusal = serde_json::from_slice(body).unwrap_or_default();
        let pointers: Vec<String> = refusal
            .errors
            .iter()
            .filter_map(|error| error.source.as_ref())
            .filter_map(|source| source.pointer.as_ref().or(source.parameter.as_ref()))
            .map(|pointer| plain(pointer, "/[]_-."))
            .collect();
        let details = refusal
            .errors
            .iter()
            .filter_map(|error| error.detail.as_deref());
        let named = |scope: &&&'static str| details.clone().any(|detail| detail.contains(**scope));
        Self {
            status,
            code: refusal
                .errors
                .first()
                .and_then(|error| error.code.as_deref())
                .map(|code| plain(code, "_-"))
                .unwrap_or_default(),
            pointer: pointers.first().cloned().unwrap_or_default(),
            pointers,
            scope: operation.scopes().iter().find(named).copied(),
        }
    }

    /// The error that it is.
    pub(super) fn into_error(
        self,
        operation: Operation,
        retry_after: Option<Duration>,
    ) -> KlaviyoError {
        let problem = self;
        match problem.status {
            401 => KlaviyoError::Key { problem },
            403 => KlaviyoError::Scope { operation, problem },
            404 => KlaviyoError::NotFound { operation, problem },
            408 | 425 | TOO_MANY_REQUESTS | 500..=599 => KlaviyoError::Busy {
                operation,
                problem,
                retry_after,
            },
            _ => KlaviyoError::Refused { operation, problem },
        }
    }
}

/// The harmless characters of a text: ASCII letters, digits and some marks; at most 120.
fn plain(text: &str, marks: &str) -> String {
    let harmless = |c: &char| c.is_ascii_alphanumeric() || marks.contains(*c);
    text.chars().filter(harmless).take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_keeps_the_code_and_the_pointer_and_no_value() {
        let body =
            br#"{"errors":[{"id":"1","code":"invalid","title":"t","detail":"ana@x.example is bad",
            "source":{"pointer":"/data/attributes/profiles/data/7/attributes/email"}}]}"#;
        let problem = Problem::read(400, Operation::BulkImportProfiles, body);
        let text = problem.to_string();
        assert_eq!(
            text,
            "status 400, invalid at /data/attributes/profiles/data/7/attributes/email"
        );
        let error = problem.into_error(Operation::BulkImportProfiles, None);
        assert!(!error.to_string().contains("ana"), "{error}");
    }

    #[test]
    fn a_missing_scope_is_named() {
        let body = br#"{"errors":[{"code":"permission_denied","detail":"needs profiles:write"}]}"#;
        let told = Problem::read(403, Operation::AddProfilesToList, body);
        let error = told
            .into_error(Operation::AddProfilesToList, None)
            .to_string();
        assert_eq!(
            error,
            "the API key may not add to the list: it lacks the scope profiles:write"
        );
        let untold = Problem::read(403, Operation::AddProfilesToList, b"<html>");
        let error = untold
            .into_error(Operation::AddProfilesToList, None)
            .to_string();
        assert!(
            error.ends_with("one of the scopes lists:write and profiles:write"),
            "{error}"
        );
    }
}
