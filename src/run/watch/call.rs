//! One call of a URL that is a secret: tried up to three times, within a deadline, without following redirects.

use std::time::{Duration, Instant};

use ureq::http::{Request, Uri};

use super::record::NoticeOutcome;
use crate::base::http::{Network, is_own_host, is_unresolved, is_untrusted};
use crate::base::secret::Secret;

/// One answer may not take longer.
const ONE_ANSWER: Duration = Duration::from_secs(4);
/// The waits between tries.
const WAITS: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(1)];

/// A URL that may be called.
pub(super) struct CallUrl {
    url: Secret,
    is_loopback: bool,
}

impl CallUrl {
    /// The URL in `text`, or what is wrong with it.
    pub(super) fn parse(text: &Secret) -> Result<Self, &'static str> {
        let url = Secret::new(text.reveal().trim().to_owned());
        let parsed = url.reveal().parse::<Uri>().ok();
        let host = parsed.as_ref().and_then(Uri::host);
        let scheme = parsed.as_ref().and_then(Uri::scheme_str);
        let (Some(host), Some(scheme)) = (host, scheme) else {
            return Err("it is not a URL: it must begin with https://");
        };
        let is_loopback = is_own_host(host);
        match scheme {
            "https" => {}
            "http" if is_loopback => {}
            "http" => {
                return Err(
                    "it begins with http://, which is used for this machine only: the URL is a secret",
                );
            }
            _ => return Err("it is not a URL: it must begin with https://"),
        }
        Ok(Self { url, is_loopback })
    }

    /// The address of a collector, which may be called without encryption.
    #[cfg(feature = "otlp")]
    pub(super) fn of_collector(url: &str) -> Self {
        let parsed = url.parse::<Uri>().ok();
        let host = parsed.as_ref().and_then(Uri::host).unwrap_or_default();
        Self {
            is_loopback: is_own_host(host),
            url: Secret::new(url.to_owned()),
        }
    }

    /// Whether it is of this machine.
    #[cfg(feature = "otlp")]
    pub(super) fn is_loopback(&self) -> bool {
        self.is_loopback
    }

    /// The same with `/tail` at the end of its path.
    pub(super) fn below(&self, tail: &str) -> Self {
        let url = self.url.reveal();
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, format!("?{query}")),
            None => (url, String::new()),
        };
        let path = path.trim_end_matches('/');
        Self {
            url: Secret::new(format!("{path}/{tail}{query}")),
            is_loopback: self.is_loopback,
        }
    }
}

/// The fate of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CallOutcome {
    pub(super) outcome: NoticeOutcome,
    pub(super) status: Option<u16>,
    pub(super) problem: Option<String>,
}

impl CallOutcome {
    /// A call that was not made.
    pub(super) fn not_sent(problem: impl Into<String>) -> Self {
        Self {
            outcome: NoticeOutcome::NotSent,
            status: None,
            problem: Some(problem.into()),
        }
    }

    /// A call that nobody waits for any more.
    pub(super) fn timed_out() -> Self {
        Self {
            outcome: NoticeOutcome::TimedOut,
            status: None,
            problem: Some("no answer in time".to_owned()),
        }
    }

    fn failed(status: Option<u16>, problem: impl Into<String>) -> Self {
        Self {
            outcome: NoticeOutcome::Failed,
            status,
            problem: Some(problem.into()),
        }
    }

    /// Whether another try may go better.
    fn is_of_the_moment(&self) -> bool {
        match self.status {
            Some(status) => status >= 500 || status == 429,
            None => self.outcome == NoticeOutcome::Failed,
        }
    }
}

/// Calls URLs the way that a job has.
#[derive(Clone)]
pub(super) struct Caller {
    pub(super) network: Network,
    pub(super) loopback_only: bool,
}

/// The content of a call.
pub(super) struct CallContent<'a> {
    /// JSON to post; nothing is asked for without one.
    pub(super) json: Option<&'a [u8]>,
    pub(super) headers: &'a [(String, String)],
}

impl Caller {
    /// Asks for the page.
    pub(super) fn get(&self, address: &CallUrl, deadline: Instant) -> CallOutcome {
        let content = CallContent {
            json: None,
            headers: &[],
        };
        self.call(address, &content, deadline)
    }

    /// Calls until it is taken, or has been refused three times, or the deadline has come.
    pub(super) fn call(
        &self,
        address: &CallUrl,
        content: &CallContent<'_>,
        deadline: Instant,
    ) -> CallOutcome {
        let mut waits = WAITS.into_iter();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return CallOutcome::timed_out();
            }
            let called = self.once(address, content, left.min(ONE_ANSWER));
            let wait = waits.next().filter(|_| called.is_of_the_moment());
            match wait {
                Some(wait) if Instant::now() + wait < deadline => {
                    let _ = crossbeam_channel::after(wait).recv();
                }
                _ => return called,
            }
        }
    }

    fn once(&self, address: &CallUrl, content: &CallContent<'_>, limit: Duration) -> CallOutcome {
        let agent = self
            .network
            .agent(address.is_loopback, self.loopback_only, |config| {
                config.timeout_global(Some(limit))
            });
        let method = if content.json.is_some() {
            "POST"
        } else {
            "GET"
        };
        let mut request = Request::builder().method(method).uri(address.url.reveal());
        for (name, value) in content.headers {
            request = request.header(name, value);
        }
        let answer = match content.json {
            Some(json) => {
                let request = request.header("content-type", "application/json");
                request.body(json).map(|request| agent.run(request))
            }
            None => request.body(()).map(|request| agent.run(request)),
        };
        match answer {
            // Only what a job or a variable names can be no request.
            Err(_) => CallOutcome::not_sent("a header is not valid"),
            Ok(Ok(answer)) => of_status(answer.status().as_u16()),
            Ok(Err(ureq::Error::Timeout(_))) => CallOutcome::timed_out(),
            Ok(Err(error)) => CallOutcome::failed(None, problem(&error.into_io())),
        }
    }
}

fn of_status(status: u16) -> CallOutcome {
    match status {
        200..300 => CallOutcome {
            outcome: NoticeOutcome::Delivered,
            status: Some(status),
            problem: None,
        },
        300..400 => CallOutcome::failed(
            Some(status),
            format!(
                "it answered {status}, and redirects are not followed: name the URL it leads to"
            ),
        ),
        _ => CallOutcome::failed(Some(status), format!("it answered {status}")),
    }
}

/// The fault in words that show neither the URL nor the host.
fn problem(error: &std::io::Error) -> &'static str {
    if is_unresolved(error) {
        "the name of its host has no address"
    } else if is_untrusted(error) {
        "its certificate is not trusted"
    } else {
        "the connection failed"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(url: &str) -> Result<CallUrl, &'static str> {
        CallUrl::parse(&Secret::new(url.to_owned()))
    }

    #[test]
    fn a_url_is_https_or_of_this_machine() {
        for url in [
            "https://hc-ping.com/x",
            "http://127.0.0.1:8000/x",
            " http://[::1]/x\n",
            "http://localhost/x",
        ] {
            assert!(parsed(url).is_ok(), "{url}");
        }
        for (url, problem) in [
            ("http://hc.example.com/x", "used for this machine only"),
            (
                "http://localhost.example.com/x",
                "used for this machine only",
            ),
            ("ftp://localhost/x", "must begin with https://"),
            ("/x", "must begin with https://"),
            ("hunter2", "must begin with https://"),
            ("", "must begin with https://"),
            ("https:// x", "must begin with https://"),
        ] {
            let Err(told) = parsed(url) else {
                panic!("{url}");
            };
            assert!(told.contains(problem), "{url}: {told}");
        }
    }

    #[test]
    fn the_tail_of_a_heartbeat_comes_before_the_query() {
        for (url, start) in [
            ("https://h/ping/1", "https://h/ping/1/start"),
            ("https://h/ping/1/", "https://h/ping/1/start"),
            (
                "https://h/k/slug?create=1",
                "https://h/k/slug/start?create=1",
            ),
            ("https://h", "https://h/start"),
        ] {
            assert_eq!(parsed(url).unwrap().below("start").url.reveal(), start);
        }
    }
}
