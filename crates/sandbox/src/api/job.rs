//! Bulk import jobs: queued, processing, complete, as time goes by. What a job imports is imported when it completes.
//!
//! Rows of a job are done one after another; a row that cannot be imported becomes an import error and the others go on.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::account::{Account, ProfileIndex};
use super::id::stamp;
use super::profile::{self, Nulls};
use super::refusal::Refusal;

/// How long the data of a job lives (Klaviyo, "Bulk Profile Import API"). The sandbox says so and keeps it.
const LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Where the profiles of a job stand in its request.
pub(super) const PROFILES: &str = "/data/attributes/profiles/data";

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum JobStatus {
    /// Nothing was looked at.
    Queued,
    /// Nothing is imported yet.
    Processing,
    /// Everything is imported, or among the errors.
    Complete,
}

impl JobStatus {
    /// The API's word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Processing => "processing",
            Self::Complete => "complete",
        }
    }
}

/// A bulk import job.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) id: String,
    /// The ids of the lists that imported profiles are added to.
    pub(super) lists: Vec<String>,
    pub(super) status: JobStatus,
    /// Profiles that were created or updated, each once.
    pub(super) imported: Vec<ProfileIndex>,
    /// Import errors, as the API shows them.
    pub(super) errors: Vec<Value>,
    /// Attributes that wait to be imported.
    waiting: Vec<Value>,
    total: usize,
    begun: Instant,
    created: Timestamp,
    started: Option<Timestamp>,
    completed: Option<Timestamp>,
}

impl Job {
    /// A job for profiles that have been checked.
    pub(super) fn new(id: String, profiles: Vec<Value>, lists: Vec<String>) -> Self {
        Self {
            id,
            lists,
            status: JobStatus::Queued,
            imported: Vec::new(),
            errors: Vec::new(),
            total: profiles.len(),
            waiting: profiles,
            begun: Instant::now(),
            created: Timestamp::now(),
            started: None,
            completed: None,
        }
    }

    /// The API's answer about it.
    pub(super) fn attributes(&self) -> Value {
        let done = self.status == JobStatus::Complete;
        let failed = self.errors.len();
        json!({
            "status": self.status.word(),
            "created_at": stamp(self.created),
            "total_count": self.total,
            "completed_count": if done { self.total - failed } else { 0 },
            "failed_count": failed,
            "started_at": self.started.map(stamp),
            "completed_at": self.completed.map(stamp),
            "expires_at": self.created.checked_add(LIFE).ok().map(stamp),
        })
    }
}

/// Brings every job to where it is at `now` when each takes `delay`: queued for the first half, processing in the second.
pub(super) fn settle(account: &mut Account, now: Instant, delay: Duration) {
    let mut jobs = std::mem::take(&mut account.jobs);
    for job in &mut jobs {
        let age = now.saturating_duration_since(job.begun);
        if job.status == JobStatus::Queued && age >= delay / 2 {
            job.status = JobStatus::Processing;
            job.started = Some(Timestamp::now());
        }
        if job.status == JobStatus::Processing && age >= delay {
            complete(account, job);
            job.status = JobStatus::Complete;
            job.completed = Some(Timestamp::now());
        }
    }
    account.jobs = jobs;
}

fn complete(account: &mut Account, job: &mut Job) {
    let mut seen = std::collections::HashSet::new();
    for (at, item) in std::mem::take(&mut job.waiting).into_iter().enumerate() {
        match import(account, &item) {
            Ok(index) => {
                for list in &job.lists {
                    if let Some(list) = account.list_mut(list) {
                        list.add(index);
                    }
                }
                if seen.insert(index) {
                    job.imported.push(index);
                }
            }
            Err(refusal) => {
                let id = account.ids.uuid();
                let pointer = format!("{PROFILES}/{at}");
                let payload = item.get("attributes").cloned().unwrap_or_default();
                job.errors
                    .push(refusal.import_error(&id, &pointer, &payload));
            }
        }
    }
}

/// Imports one profile of a job. A bad phone number beside another identifier was let through until here.
fn import(account: &mut Account, item: &Value) -> Result<ProfileIndex, Refusal> {
    let none = Map::new();
    let attributes = item
        .get("attributes")
        .and_then(Value::as_object)
        .unwrap_or(&none);
    profile::check_identifiers(attributes, "")?;
    let attributes: Map<String, Value> = without_nulls(attributes);
    let conflict = |account: &Account, index: ProfileIndex| {
        let id = account
            .profiles
            .get(index)
            .map(|profile| profile.id.as_str());
        Refusal::duplicate(id.unwrap_or_default())
    };
    let index = if let Some(id) = item.get("id").and_then(Value::as_str) {
        let index = account.profile(id);
        let index = index.ok_or_else(|| Refusal::not_found("profile"))?;
        let updated = account.update(index, &attributes);
        updated.map_err(|at| conflict(account, at.0))?;
        index
    } else {
        let upserted = account.upsert(&attributes, Nulls::Skip);
        upserted.map_err(|at| conflict(account, at.0))?.0
    };
    if let Some(patch) = item.pointer("/meta/patch_properties") {
        account.change(index, |profile| profile.patch(patch));
    }
    Ok(index)
}

/// The attributes without nulls on any level that is merged: they mean nothing in a bulk import.
fn without_nulls(attributes: &Map<String, Value>) -> Map<String, Value> {
    let kept = attributes.iter().filter(|(_, value)| !value.is_null());
    kept.map(|(key, value)| match value {
        Value::Object(inner) => {
            let inner = inner.iter().filter(|(_, value)| !value.is_null());
            let inner = inner.map(|(key, value)| (key.clone(), value.clone()));
            (key.clone(), Value::Object(inner.collect()))
        }
        other => (key.clone(), other.clone()),
    })
    .collect()
}
