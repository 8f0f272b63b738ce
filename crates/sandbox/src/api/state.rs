//! The state that all connections share, and the way of a call: path, key, revision, scope, rate, fault, body, operation.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use hyper::http::request::Parts;
use serde_json::Value;

use super::account::Account;
use super::document::{Reply, Request};
use super::fault::{ApiFault, ApiFaultState};
use super::import::{self, Imported};
use super::limit::{Allowance, Limits};
use super::observer::{Exchange, Observer};
use super::operation::{self, Operation};
use super::query::Query;
use super::refusal::Refusal;
use super::server::MAX_BODY_BYTES;
use super::view::ApiCall;
use super::{ApiSettings, OLDEST_REVISION, job};
use crate::journal::Journal;

/// A call with this header and `1` is not answered by another revision than it names (api-evangelist/klaviyo, lifecycle.yml).
const NO_FALL_FORWARD: &str = "x-klaviyo-revision-fall-forward-opt-out";

/// The most files of which it is remembered what became of them.
const MAX_IMPORTS: usize = 10_000;

/// The reply.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    pub(super) allowance: Option<Allowance>,
    pub(super) retry_after: Option<u64>,
    pub(super) location: Option<String>,
}

/// An object that waits to be imported.
#[derive(Debug)]
struct Arrival {
    name: String,
    at: Instant,
}

/// The API, as its connections and the SFTP half see it.
#[derive(Debug)]
pub(crate) struct ApiState {
    /// `http://127.0.0.1:PORT`
    pub(super) origin: String,
    pub(super) journal: Journal<ApiCall>,
    pub(super) faults: ApiFaultState,
    key: String,
    scopes: Vec<String>,
    limits: Limits,
    job_delay: Duration,
    import_delay: Duration,
    /// Where objects of `/profiles` lie: there, or where they were collected to.
    folders: [PathBuf; 2],
    arrivals: Mutex<VecDeque<Arrival>>,
    imports: Mutex<VecDeque<Imported>>,
    account: Mutex<Account>,
    observer: Option<Observer>,
}

impl ApiState {
    /// An empty account, behind this key.
    pub(crate) fn new(
        settings: ApiSettings,
        origin: String,
        key: String,
        folders: [PathBuf; 2],
    ) -> Self {
        Self {
            origin,
            journal: Journal::default(),
            faults: ApiFaultState::new(settings.faults),
            key,
            scopes: settings.scopes,
            limits: Limits::new(settings.speed),
            job_delay: settings.job_delay,
            import_delay: settings.import_delay,
            folders,
            arrivals: Mutex::default(),
            imports: Mutex::default(),
            account: Mutex::default(),
            observer: settings.observer,
        }
    }

    /// An object of `/profiles` is there, whole or cut.
    pub(crate) fn arrived(&self, name: &str) {
        let name = name.to_owned();
        let at = Instant::now();
        locked(&self.arrivals).push_back(Arrival { name, at });
    }

    /// The account as it is now: what is due is imported first.
    pub(super) fn account(&self) -> MutexGuard<'_, Account> {
        let mut account = locked(&self.account);
        let now = Instant::now();
        loop {
            let mut arrivals = locked(&self.arrivals);
            let due = |it: &Arrival| now.saturating_duration_since(it.at) >= self.import_delay;
            if !arrivals.front().is_some_and(due) {
                break;
            }
            let arrival = arrivals.pop_front();
            // An import takes its time, and uploads must not wait for it.
            drop(arrivals);
            let Some(arrival) = arrival else { break };
            let mut paths = self.folders.iter().map(|folder| folder.join(&arrival.name));
            // An object that was removed meanwhile is not imported.
            let imported = paths
                .find_map(|path| import::import(&mut account, &path, arrival.name.clone()).ok());
            let mut imports = locked(&self.imports);
            imports.extend(imported);
            if imports.len() > MAX_IMPORTS {
                imports.pop_front();
            }
        }
        job::settle(&mut account, now, self.job_delay);
        account
    }

    /// The outcomes of the files, in the order of their import.
    pub(super) fn imports(&self) -> Vec<Imported> {
        drop(self.account());
        locked(&self.imports).iter().cloned().collect()
    }

    /// Answers a call and notes it; `None` when a fault takes the answer away.
    pub(super) fn answer(&self, parts: &Parts, body: &[u8]) -> Option<Answer> {
        let mut call = ApiCall {
            method: parts.method.to_string(),
            path: parts.uri.path().to_owned(),
            operation: None,
            status: None,
            fault: None,
        };
        let mut allowance = None;
        let result = self.handle(parts, body, &mut call, &mut allowance);
        let is_lost = matches!(call.fault, Some(ApiFault::Drop | ApiFault::LoseReply));
        let mut answer = match result {
            Ok(Reply { status, body }) => Answer {
                status,
                body,
                allowance,
                retry_after: None,
                location: None,
            },
            Err(refusal) => {
                let id = locked(&self.account).ids.uuid();
                Answer {
                    status: refusal.status,
                    body: Some(refusal.to_json(&id)),
                    // Not on a 429 (Klaviyo, "Rate limits, status codes, and errors").
                    allowance: allowance.filter(|_| refusal.status != 429),
                    retry_after: refusal.retry_after,
                    location: None,
                }
            }
        };
        mislead(&mut answer, call.fault, parts);
        if let Some(observer) = &self.observer {
            observer.see(&Exchange {
                method: parts.method.as_str(),
                target: parts
                    .uri
                    .path_and_query()
                    .map_or("", |target| target.as_str()),
                body,
                operation: call.operation,
                status: answer.status,
                answer: answer.body.as_ref(),
                fault: call.fault,
                headers: &parts.headers,
            });
        }
        call.status = (!is_lost).then_some(answer.status);
        self.journal.note(call);
        (!is_lost).then_some(answer)
    }

    fn handle(
        &self,
        parts: &Parts,
        body: &[u8],
        call: &mut ApiCall,
        allowance: &mut Option<Allowance>,
    ) -> Result<Reply, Refusal> {
        let path = parts.uri.path();
        let (operation, id) = operation::route(&parts.method, path)?;
        call.operation = Some(operation.id);
        let query = Query::parse(parts.uri.query().unwrap_or_default());
        self.admit(operation, &parts.headers)?;
        let rate = operation.rate(&query);
        let counted = self.limits.count(operation.id, rate);
        *allowance = Some(counted.map_err(Refusal::throttled)?);
        call.fault = self.faults.strike(operation.id);
        match call.fault {
            None
            | Some(ApiFault::LoseReply | ApiFault::ForeignNext { .. } | ApiFault::CircularNext) => {
            }
            Some(ApiFault::Redirect { .. }) => return Ok(Reply::empty()),
            Some(ApiFault::TooManyRequests {
                retry_after_seconds,
            }) => return Err(Refusal::throttled(retry_after_seconds)),
            Some(ApiFault::ServerError | ApiFault::Drop) => return Err(Refusal::broken(500)),
            Some(ApiFault::Unavailable) => return Err(Refusal::broken(503)),
        }
        query.allow(operation.parameters)?;
        let document = read_body(operation, &parts.headers, body)?;
        let request = Request {
            origin: self.origin.clone(),
            path: path.to_owned(),
            id,
            query,
            body: document,
            body_bytes: body.len(),
        };
        (operation.answer)(&mut self.account(), &request)
    }

    /// Refuses a call without the key, the revision or a scope.
    fn admit(&self, operation: &Operation, headers: &HeaderMap) -> Result<(), Refusal> {
        let key = headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let key = key.and_then(|value| value.strip_prefix("Klaviyo-API-Key "));
        if key != Some(&self.key) {
            return Err(Refusal::unauthorized());
        }
        let revision = headers
            .get("revision")
            .and_then(|value| value.to_str().ok());
        let Some(revision) = revision.and_then(revision_date) else {
            return Err(Refusal::parameter(
                "revision",
                "the header revision is required, as YYYY-MM-DD",
            ));
        };
        // Without the header a retired revision is answered as a newer one, without a word.
        let opts_out = headers
            .get(NO_FALL_FORWARD)
            .is_some_and(|value| value == "1");
        if opts_out && revision_date(OLDEST_REVISION).is_some_and(|oldest| revision < oldest) {
            return Err(Refusal::retired());
        }
        let since = operation.since.and_then(revision_date);
        if since.is_some_and(|since| revision < since) {
            return Err(Refusal::not_found("path"));
        }
        let lacks = |scope: &&&str| !self.scopes.iter().any(|it| it == **scope);
        match operation.scopes.iter().find(lacks) {
            Some(scope) => Err(Refusal::forbidden(scope)),
            None => Ok(()),
        }
    }
}

/// Points an answer at another port or another page, where a fault says so.
fn mislead(answer: &mut Answer, fault: Option<ApiFault>, parts: &Parts) {
    let path = parts.uri.path();
    let links = answer.body.as_mut().and_then(|body| body.get_mut("links"));
    let next = links.and_then(|links| links.get_mut("next"));
    match fault {
        Some(ApiFault::ForeignNext { port }) => {
            if let Some(next) = next {
                *next = Value::String(format!("http://127.0.0.1:{port}{path}"));
            }
        }
        Some(ApiFault::CircularNext) => {
            if let Some(Value::String(next)) = next
                && let Some((page, query)) = next.split_once('?')
            {
                let kept = query.split('&').filter(|it| !it.contains("cursor"));
                *next = format!("{page}?{}", kept.collect::<Vec<_>>().join("&"));
            }
        }
        Some(ApiFault::Redirect { port }) => {
            answer.status = 307;
            answer.location = Some(format!("http://127.0.0.1:{port}{path}"));
        }
        _ => {}
    }
}

/// The date that a revision is; a beta has it too.
fn revision_date(text: &str) -> Option<jiff::civil::Date> {
    let date = text.strip_suffix(".pre").unwrap_or(text);
    date.parse().ok()
}

/// The document in a body; null where the operation takes none.
fn read_body(operation: &Operation, headers: &HeaderMap, body: &[u8]) -> Result<Value, Refusal> {
    if !operation.has_body() {
        return Ok(Value::Null);
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let kind = text(CONTENT_TYPE).and_then(|kind| kind.split(';').next());
    let plain = text(CONTENT_ENCODING).is_none_or(|encoding| encoding == "identity");
    // Klaviyo's own examples send either.
    let json = matches!(
        kind.map(str::trim),
        Some("application/vnd.api+json" | "application/json")
    );
    if !json || !plain {
        return Err(Refusal::media_type());
    }
    if body.len() > MAX_BODY_BYTES {
        return Err(Refusal::too_large(MAX_BODY_BYTES));
    }
    serde_json::from_slice(body).map_err(|_| Refusal::body("/data", "the body is not JSON"))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
