//! The counters that the stages advance and that a progress display reads.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

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
    formatted: AtomicBool,
}

impl Meter {
    /// Notes that the last part is closed.
    pub fn set_formatted(&self) {
        self.formatted.store(true, Ordering::Relaxed);
    }

    /// Whether the last part is closed.
    pub fn is_formatted(&self) -> bool {
        self.formatted.load(Ordering::Relaxed)
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

    /// What it is now.
    pub fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
