//! Calls: paced, tried again, and read.

use std::time::Duration;

use crossbeam_channel::{RecvTimeoutError, bounded};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use ureq::Agent;

use super::error::Problem;
use super::pace::Pace;
use super::request::{Page, Request, Resource};
use super::transport::{Answer, agent, exchange};
use super::{KlaviyoError, Operation};
use crate::base::interrupt::Interrupt;
use crate::base::retry::{Backoff, Trouble};
use crate::base::secret::Secret;
use crate::klaviyo::settings::KlaviyoSettings;

/// The media type of bodies (facts B1).
const JSON_API: &str = "application/vnd.api+json";
/// How often an exchange looks whether a signal came.
const LOOK: Duration = Duration::from_millis(50);

/// A client of the API, shared by threads.
#[derive(Debug)]
pub struct Klaviyo {
    settings: KlaviyoSettings,
    agent: Agent,
    pace: Pace,
    trouble: Trouble,
    interrupt: Interrupt,
}

/// What is told of an account.
#[derive(Debug, Deserialize)]
struct AccountAttributes {}

impl Klaviyo {
    /// A client; nothing is sent yet. A signal ends waits at once, and an exchange after its grace.
    pub fn new(settings: KlaviyoSettings, interrupt: Interrupt) -> Self {
        Self {
            agent: agent(&settings),
            pace: Pace::new(settings.speed),
            trouble: Trouble::default(),
            settings,
            interrupt,
        }
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
        loop {
            let page: Page<T> = self.read(&request)?;
            let next = page.links.next.filter(|next| !next.is_empty());
            let goes_on = take(page.data);
            match next {
                Some(next) if goes_on => {
                    let target = self.own(request.operation, &next)?;
                    if target == request.target {
                        return Err(KlaviyoError::Unclear {
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
        let lasted = self.trouble.note();
        let limit = self.settings.retry.give_up_after;
        let asked = match &error {
            KlaviyoError::Busy { retry_after, .. } => *retry_after,
            _ => None,
        };
        if lasted >= limit {
            return Err(KlaviyoError::GaveUp {
                after: limit,
                source: Box::new(error),
            });
        }
        if let (Some(wait), KlaviyoError::Busy { operation, .. }) = (asked, &error)
            && wait > limit.max(Duration::from_mins(1))
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
        let cause = std::error::Error::source(&error)
            .map_or_else(String::new, |cause| format!(": {cause}"));
        tracing::debug!(
            "{error}{cause}; trying again in {:.1} s",
            wait.as_secs_f64()
        );
        if self.interrupt.sleep(wait) {
            Ok(())
        } else {
            Err(KlaviyoError::Interrupted)
        }
    }

    /// One call.
    pub(super) fn send_once(&self, request: &Request) -> Result<Answer, KlaviyoError> {
        let operation = request.operation;
        if !self.pace.wait(operation, &self.interrupt) {
            return Err(KlaviyoError::Interrupted);
        }
        let answer = self.exchange(request)?;
        tracing::trace!(?operation, status = answer.status, "answer");
        if (200..300).contains(&answer.status) {
            self.trouble.end();
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
        if let Some(time) = retry_after.filter(|time| *time <= Duration::from_mins(1)) {
            self.pace.close(operation, time);
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
        loop {
            match receiver.recv_timeout(LOOK) {
                Ok(answer) => {
                    return answer.map_err(|source| {
                        let host = self.host().to_owned();
                        // As rustls begins all that is wrong with a certificate.
                        if source.to_string().contains("invalid peer certificate") {
                            KlaviyoError::Untrusted { host, source }
                        } else {
                            KlaviyoError::Unreachable { host, source }
                        }
                    });
                }
                Err(RecvTimeoutError::Timeout) if self.interrupt.must_stop_now() => {
                    return Err(KlaviyoError::Interrupted);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => {
                    return Err(KlaviyoError::Unclear {
                        operation: request.operation,
                    });
                }
            }
        }
    }
}

/// What the answer says.
pub(super) fn understood<T: DeserializeOwned>(
    operation: Operation,
    answer: &Answer,
) -> Result<T, KlaviyoError> {
    serde_json::from_slice(&answer.body).map_err(|_| KlaviyoError::Unclear { operation })
}
