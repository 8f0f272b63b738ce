//! The counters that the stages advance and that a progress display reads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::retry::Trouble;

/// How far a run is; shared by all its threads.
#[derive(Debug, Default)]
pub struct Meter {
    /// Bytes on disk of the whole audience, where that is known.
    pub source_bytes: OnceLock<u64>,
    /// How many of them were read.
    pub source_bytes_read: Counter,
    /// Records that were read.
    pub rows_read: Counter,
    /// Rows that were written to parts.
    pub rows_written: Counter,
    /// Rows that were rejected.
    pub rows_rejected: Counter,
    /// Rows that were dropped as duplicates.
    pub duplicates: Counter,
    /// Bytes in closed parts.
    pub bytes_spooled: Counter,
    /// Closed parts.
    pub parts_closed: Counter,
    /// Bytes that the server acknowledged.
    pub bytes_acknowledged: Counter,
    /// Delivered parts.
    pub parts_delivered: Counter,
    /// Failures of the delivery that were tried again.
    pub retries: Counter,
    /// The trouble of the delivery.
    pub trouble: Trouble,
    /// The list stage.
    pub list: ListMeter,
    formatted: AtomicBool,
    held: AtomicBool,
    full: AtomicBool,
}

impl Meter {
    /// Notes whether no further part is written until one is delivered.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::Relaxed);
    }

    /// Whether no further part is written until one is delivered.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// Notes whether parts wait until all rows are counted, because a guard may stop the run.
    pub fn set_held(&self, held: bool) {
        self.held.store(held, Ordering::Relaxed);
    }

    /// Whether parts wait until all rows are counted.
    pub fn is_held(&self) -> bool {
        self.held.load(Ordering::Relaxed)
    }

    /// Notes that the last part is closed.
    pub fn set_formatted(&self) {
        self.formatted.store(true, Ordering::Relaxed);
    }

    /// Whether every part is delivered, and there will be no more.
    pub fn is_delivered(&self) -> bool {
        self.is_formatted() && self.parts_delivered.now() >= self.parts_closed.now()
    }

    /// Whether the last part is closed.
    pub fn is_formatted(&self) -> bool {
        self.formatted.load(Ordering::Relaxed)
    }
}

/// The step of the list stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListStep {
    /// Rows are handed over in import jobs.
    Importing,
    /// Import jobs are under way at Klaviyo.
    WaitingForJobs,
    /// A sample of the profiles does not exist yet.
    WaitingForProfiles,
    /// Profiles are looked up and added.
    Adding,
    /// The list is read.
    ReadingList,
    /// Profiles are looked up.
    Resolving,
    /// Profiles are removed.
    Removing,
    /// Klaviyo does not show the last profile yet.
    WaitingForSentinel,
}

impl ListStep {
    /// For programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Importing => "importing",
            Self::WaitingForJobs => "waiting-for-jobs",
            Self::WaitingForProfiles => "waiting-for-profiles",
            Self::Adding => "adding",
            Self::ReadingList => "reading-list",
            Self::Resolving => "resolving",
            Self::Removing => "removing",
            Self::WaitingForSentinel => "waiting-for-sentinel",
        }
    }

    /// For people, with the profiles it is about.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Importing => "handed over in import jobs",
            Self::WaitingForJobs => "imported by Klaviyo",
            Self::WaitingForProfiles => "of a sample are imported",
            Self::Adding => "added to the list",
            Self::ReadingList => "of the list read",
            Self::Resolving => "looked up",
            Self::Removing => "removed from the list",
            Self::WaitingForSentinel => "sentinel seen",
        }
    }
}

/// How far the list stage is.
#[derive(Debug, Default)]
pub struct ListMeter {
    step: Mutex<Option<(ListStep, Instant)>>,
    /// Profiles that the step is about; 0 when that is not known.
    pub total: Counter,
    /// Those that are done.
    pub done: Counter,
    /// The waits of the client that the stage uses.
    pub api: OnceLock<Arc<ApiWaits>>,
}

/// The waits for Klaviyo's API, which its client notes.
#[derive(Debug, Default)]
pub struct ApiWaits {
    /// Calls that fail, and are made again.
    pub trouble: Trouble,
    limited_until: Mutex<Option<Timestamp>>,
}

impl ApiWaits {
    /// A shorter wait for a limit is nothing to tell.
    const SHORTEST: Duration = Duration::from_secs(2);

    /// No call is made for so long, because of a rate limit.
    pub fn note_limit(&self, wait: Duration) {
        let until = Timestamp::now().saturating_add(wait);
        if let Ok(until) = until
            && wait >= Self::SHORTEST
        {
            let mut known = self.lock();
            *known = Some(known.map_or(until, |known| known.max(until)));
        }
    }

    /// Until when a rate limit lets no call through; `None` where none holds one back.
    pub fn limited_until(&self) -> Option<Timestamp> {
        self.lock().filter(|until| *until > Timestamp::now())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Timestamp>> {
        self.limited_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl ListMeter {
    /// A step begins.
    pub fn begin(&self, step: ListStep, total: u64) {
        let mut now = self.step.lock().unwrap_or_else(PoisonError::into_inner);
        self.total.set(total);
        self.done.set(0);
        *now = Some((step, Instant::now()));
        tracing::debug!(?step, total, "list");
    }

    /// Sets the number of units that are done.
    pub fn go_on(&self, done: u64) {
        self.done.set(done);
    }

    /// The step that is under way, and its start.
    pub fn step(&self) -> Option<(ListStep, Instant)> {
        *self.step.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A number that only one kind of event changes.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds to it.
    pub fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    /// Takes back what turned out not to count.
    pub fn take_back(&self, amount: u64) {
        self.0.fetch_sub(amount, Ordering::Relaxed);
    }

    /// Sets it.
    pub fn set(&self, amount: u64) {
        self.0.store(amount, Ordering::Relaxed);
    }

    /// The present value.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
