//! Keys of NDJSON that the first mebibyte does not have: their values have no column, and are counted so that a run tells.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::text::{count, grouped};

/// Names that are told.
const NAMES: usize = 5;

/// The late keys that were seen, shared by all workers.
#[derive(Debug, Clone, Default)]
pub(super) struct LateKeys(Arc<Seen>);

#[derive(Debug)]
struct Seen {
    values: AtomicU64,
    /// The first record that has one.
    first: AtomicU64,
    names: Mutex<Vec<String>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            values: AtomicU64::new(0),
            first: AtomicU64::new(u64::MAX),
            names: Mutex::default(),
        }
    }
}

impl LateKeys {
    /// Counts a value under this key, in the record of this number.
    #[cold]
    pub(super) fn note(&self, key: &str, record: u64) {
        self.0.values.fetch_add(1, Ordering::Relaxed);
        self.0.first.fetch_min(record, Ordering::Relaxed);
        let mut names = self.0.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() < NAMES && !names.iter().any(|name| name == key) {
            names.push(key.to_owned());
        }
    }

    /// The warning about the file of this name, if there is something to warn about.
    pub(super) fn warning(&self, file: &str) -> Option<String> {
        let values = self.0.values.load(Ordering::Relaxed);
        if values == 0 {
            return None;
        }
        let mut names = self
            .0
            .names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        names.sort();
        Some(format!(
            "{file}: {} not read, the first in record {}: the first mebibyte has no key `{}`; name the key under [columns], or give the first record all keys, with null where there is no value",
            count(values, "value"),
            grouped(self.0.first.load(Ordering::Relaxed)),
            names.join("`, `")
        ))
    }
}
