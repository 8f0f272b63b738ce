//! Calls: paced, tried again, and read.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossbeam_channel::bounded;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;

use super::error::Problem;
use super::pace::Pace;
use super::request::{Page, Request, Resource};
use super::transport::{Answer, agent, exchange, proxy_of};
use super::{KlaviyoError, Operation};
use crate::base::http::{is_unresolved, is_untrusted};
use crate::base::interrupt::{Interrupt, WaitEnd};
use crate::base::meter::{ApiWaits, Meter};
use crate::base::retry::{Backoff, UNKNOWN_NAME};
use crate::base::secret::Secret;
use crate::klaviyo::settings::KlaviyoSettings;

/// The status of a revision that is retired.
const GONE: u16 = 410;
/// The media type of bodies (facts B1).
const JSON_API: &str = "application/vnd.api+json";
/// Keeps a retired revision from being answered silently as a newer one: Klaviyo answers 410 instead (facts, part 00).
const NO_FALL_FORWARD: &str = "x-klaviyo-revision-fall-forward-opt-out";
/// The longest window of a limit (facts B2: 150 new lists a day).
const LONGEST_LIMIT: Duration = Duration::from_hours(24);
/// Trouble that lasts longer is told.
const QUIET: Duration = Duration::from_secs(5);

/// A client of the API, shared by threads.
#[derive(Debug)]
pub struct Klaviyo {
    settings: KlaviyoSettings,
    agent: Agent,
    pace: Arc<Pace>,
    /// A wait that the server asks for is not waited out if it is longer than this and than all trouble may last.
    longest_wait: Duration,
    waits: Arc<ApiWaits>,
    /// Whether there was an answer, good or bad.
    reached: AtomicBool,
    /// Whether the trouble of the moment was told.
    told: AtomicBool,
    interrupt: Interrupt,
}

/// The facts of an account.
#[derive(Debug, Deserialize)]
struct AccountAttributes {}

impl Klaviyo {
    /// A client; nothing is sent yet. A signal ends waits at once, and an exchange after its grace.
    pub fn new(settings: KlaviyoSettings, interrupt: Interrupt) -> Self {
        Self {
            agent: agent(&settings),
            pace: Arc::new(Pace::new(settings.speed)),
            longest_wait: Duration::from_mins(1),
            waits: Arc::default(),
            reached: AtomicBool::new(false),
            told: AtomicBool::new(false),
            settings,
            interrupt,
        }
    }

    /// A client for what is good to know and no more: trouble is given up after `patience`, and so are longer waits that the
    /// server asks for. It keeps the limits together with this one.
    #[must_use]
    pub fn hurried(&self, patience: Duration) -> Self {
        let mut settings = self.settings.clone();
        settings.retry.give_up_after = settings.retry.give_up_after.min(patience);
        Self {
            pace: Arc::clone(&self.pace),
            longest_wait: patience,
            // What is given up soon is nothing to warn of.
            reached: AtomicBool::new(true),
            ..Self::new(settings, self.interrupt.clone())
        }
    }

    /// Shows the client's waits in `meter`.
    pub fn shown_in(&self, meter: &Meter) {
        // A meter belongs to one client.
        let _ = meter.list.api.set(Arc::clone(&self.waits));
    }

    /// How the API is reached.
    pub fn settings(&self) -> &KlaviyoSettings {
        &self.settings
    }

    /// The host in the base URL.
    pub fn host(&self) -> &str {
        let url = &self.settings.base_url;
        url.split_once("://").map_or(url, |(_, host)| host)
    }

    /// The host in the base URL, and the proxy through which it is called.
    pub fn way(&self) -> String {
        match proxy_of(&self.agent, &self.settings.base_url) {
            Some((proxy, port)) => format!("{} through the proxy {proxy}:{port}", self.host()),
            None => self.host().to_owned(),
        }
    }

    /// The host whose address is looked up: the proxy's, where there is one.
    fn resolved_host(&self) -> String {
        proxy_of(&self.agent, &self.settings.base_url)
            .map_or_else(|| self.host().to_owned(), |(proxy, _)| proxy)
    }

    /// The id of the account that the key belongs to (`get_accounts`).
    pub fn account_id(&self) -> Result<String, KlaviyoError> {
        let request = Request::new(Operation::GetAccounts, "/api/accounts", "");
        let page: Page<Resource<AccountAttributes>> = self.read(&request)?;
        let mut accounts = page.data.into_iter();
        match (accounts.next(), accounts.next()) {
            (Some(account), None) => Ok(account.id),
            _ => Err(KlaviyoError::Unclear {
                operation: request.operation,
            }),
        }
    }

    /// Waits `time` of the server's clock. An error when a signal came.
    pub fn pause(&self, time: Duration) -> Result<(), KlaviyoError> {
        if self.interrupt.sleep(self.pace.ours(time)) {
            Ok(())
        } else {
            Err(KlaviyoError::Interrupted)
        }
    }

    /// Sends until it is answered well, refused for good, or given up; what the answer says.
    pub(super) fn read<T: DeserializeOwned>(&self, request: &Request) -> Result<T, KlaviyoError> {
        let answer = self.send(request)?;
        understood(request.operation, &answer)
    }

    /// As [`Klaviyo::read`], when the answer has nothing to say.
    pub(super) fn send(&self, request: &Request) -> Result<Answer, KlaviyoError> {
        let mut backoff = Backoff::new(self.settings.retry);
        loop {
            match self.send_once(request) {
                Err(error) if error.is_transient() => self.wait_after(error, &mut backoff)?,
                done => return done,
            }
        }
    }

    /// Every page of a collection in turn, until `take` says that it is enough.
    pub(super) fn pages<T: DeserializeOwned>(
        &self,
        first: Request,
        mut take: impl FnMut(Vec<T>) -> bool,
    ) -> Result<(), KlaviyoError> {
        let mut request = first;
        // A page that comes again would be followed by the same ones for ever.
        let mut read = HashSet::from([request.target.clone()]);
        loop {
            let page: Page<T> = self.read(&request)?;
            let next = page.links.next.filter(|next| !next.is_empty());
            let goes_on = take(page.data);
            match next {
                Some(next) if goes_on => {
                    let target = self.own(request.operation, &next)?;
                    if !read.insert(target.clone()) {
                        return Err(KlaviyoError::CircularLink {
                            operation: request.operation,
                        });
                    }
                    request.target = target;
                }
                _ => return Ok(()),
            }
        }
    }

    /// The address of a next page, if it is where the key may go.
    fn own(&self, operation: Operation, next: &str) -> Result<String, KlaviyoError> {
        let rest = next.strip_prefix(&self.settings.base_url);
        match rest.filter(|rest| rest.starts_with('/')) {
            Some(target) => Ok(target.to_owned()),
            None => Err(KlaviyoError::ForeignLink { operation }),
        }
    }

    /// Waits before another try. An error when there is none.
    pub(super) fn wait_after(
        &self,
        error: KlaviyoError,
        backoff: &mut Backoff,
    ) -> Result<(), KlaviyoError> {
        let lasted = self.waits.trouble.note();
        let was_reached = self.reached.load(Ordering::Relaxed);
        let limit = limit(self.settings.retry.give_up_after, &error, was_reached);
        let asked = match &error {
            KlaviyoError::Busy { retry_after, .. } => *retry_after,
            _ => None,
        };
        if lasted >= limit {
            return Err(match error {
                KlaviyoError::Unresolved { host, source } if !was_reached => {
                    KlaviyoError::UnknownHost {
                        host,
                        after: limit,
                        source,
                    }
                }
                error => KlaviyoError::GaveUp {
                    after: limit,
                    source: Box::new(error),
                },
            });
        }
        if let (Some(wait), KlaviyoError::Busy { operation, .. }) = (asked, &error)
            && wait > limit.max(self.longest_wait)
        {
            return Err(KlaviyoError::UsedUp {
                operation: *operation,
                wait,
            });
        }
        let own = backoff.next().unwrap_or(limit);
        let wait = asked.map_or(own, |asked| {
            self.pace.ours(asked).max(own.min(self.pace.ours(own)))
        });
        if error.is_rate_limit() {
            self.waits.note_limit(wait);
        } else {
            self.waits.trouble.will_try(backoff.tries(), wait);
        }
        self.tell(&error, wait, limit.saturating_sub(lasted));
        if self.interrupt.sleep(wait) {
            Ok(())
        } else {
            Err(KlaviyoError::Interrupted)
        }
    }

    /// Says what is tried again: at once where nothing was ever reached, for a person may be waiting for the first answer;
    /// else once it has lasted a while. What a limit closed for a moment is for the log alone.
    fn tell(&self, error: &KlaviyoError, wait: Duration, left: Duration) {
        let cause =
            std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
        let wait = wait.as_secs_f64();
        let is_news = !self.reached.load(Ordering::Relaxed) || self.waits.trouble.note() >= QUIET;
        if !error.is_rate_limit() && is_news && !self.told.swap(true, Ordering::Relaxed) {
            let until = Timestamp::now()
                .saturating_add(left)
                .unwrap_or(Timestamp::MAX);
            tracing::warn!(
                "{error}{cause}; trying again until {} at the latest",
                until.strftime("%H:%M:%S UTC")
            );
        } else {
            tracing::debug!("{error}{cause}; trying again in {wait:.1} s");
        }
    }

    /// One call.
    pub(super) fn send_once(&self, request: &Request) -> Result<Answer, KlaviyoError> {
        let operation = request.operation;
        if !self.pace.wait(operation, &self.waits, &self.interrupt) {
            return Err(KlaviyoError::Interrupted);
        }
        let answer = self.exchange(request)?;
        self.reached.store(true, Ordering::Relaxed);
        tracing::trace!(?operation, status = answer.status, "answer");
        if (200..300).contains(&answer.status) {
            self.waits.trouble.end();
            self.told.store(false, Ordering::Relaxed);
            if let (Some(0), Some(reset)) = (
                answer.number("ratelimit-remaining"),
                answer.number("ratelimit-reset"),
            ) {
                // A steady window is a minute.
                self.pace
                    .close(operation, Duration::from_secs(reset.min(60)));
            }
            return Ok(answer);
        }
        let retry_after = answer.number("retry-after").map(Duration::from_secs);
        // No limit of Klaviyo's is longer than a day: such a header says nothing.
        let retry_after = retry_after.filter(|time| *time <= LONGEST_LIMIT);
        if let Some(time) = retry_after.filter(|time| *time <= Duration::from_mins(1)) {
            self.pace.close(operation, time);
        }
        if answer.status == GONE {
            return Err(KlaviyoError::Retired {
                revision: self.settings.revision.clone(),
            });
        }
        let problem = Problem::read(answer.status, operation, &answer.body);
        Err(problem.into_error(operation, retry_after))
    }

    /// On a thread of its own, so that a signal need not wait for the server.
    fn exchange(&self, request: &Request) -> Result<Answer, KlaviyoError> {
        let method = request.operation.facts().method;
        let uri = format!("{}{}", self.settings.base_url, request.target);
        let key = self.settings.key.as_ref().map_or("", Secret::reveal);
        let mut headers = vec![
            ("authorization", format!("Klaviyo-API-Key {key}")),
            ("revision", self.settings.revision.clone()),
            (NO_FALL_FORWARD, "1".to_owned()),
            ("accept", JSON_API.to_owned()),
        ];
        if request.body.is_some() {
            headers.push(("content-type", JSON_API.to_owned()));
        }
        let (agent, body) = (self.agent.clone(), request.body.clone());
        let (sender, receiver) = bounded(1);
        std::thread::spawn(move || {
            // Nobody may be waiting any more.
            let _ = sender.send(exchange(&agent, method, &uri, &headers, body.as_deref()));
        });
        match self.interrupt.recv(&receiver, None) {
            Ok(answer) => answer.map_err(|source| {
                if is_untrusted(&source) {
                    let host = self.way();
                    KlaviyoError::Untrusted { host, source }
                } else if is_unresolved(&source) {
                    let host = self.resolved_host();
                    KlaviyoError::Unresolved { host, source }
                } else {
                    let host = self.way();
                    KlaviyoError::Unreachable { host, source }
                }
            }),
            Err(WaitEnd::Stop) => Err(KlaviyoError::Interrupted),
            Err(WaitEnd::Late | WaitEnd::Closed) => Err(KlaviyoError::Unclear {
                operation: request.operation,
            }),
        }
    }
}

/// How long an error is tried against: not long where the host's name was never known.
fn limit(give_up_after: Duration, error: &KlaviyoError, was_reached: bool) -> Duration {
    match error {
        KlaviyoError::Unresolved { .. } if !was_reached => give_up_after.min(UNKNOWN_NAME),
        _ => give_up_after,
    }
}

/// The content of the answer.
pub(super) fn understood<T: DeserializeOwned>(
    operation: Operation,
    answer: &Answer,
) -> Result<T, KlaviyoError> {
    serde_json::from_slice(&answer.body).map_err(|_| {
        if answer.body.trim_ascii_start().starts_with(b"<") {
            KlaviyoError::WebPage { operation }
        } else {
            KlaviyoError::Unclear { operation }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_was_never_known_is_not_tried_for_long() {
        let host = || "a.klaviyo.example".to_owned();
        let source = || std::io::Error::other("no");
        let unresolved = || KlaviyoError::Unresolved {
            host: host(),
            source: source(),
        };
        let unreachable = || KlaviyoError::Unreachable {
            host: host(),
            source: source(),
        };
        let (minutes, second) = (Duration::from_mins(10), Duration::from_secs(1));
        for (give_up_after, error, was_reached, expected) in [
            (minutes, unresolved(), false, UNKNOWN_NAME),
            (minutes, unresolved(), true, minutes),
            (minutes, unreachable(), false, minutes),
            (second, unresolved(), false, second),
        ] {
            assert_eq!(
                limit(give_up_after, &error, was_reached),
                expected,
                "{error}"
            );
        }
    }
}
