//! Keys of NDJSON that the first mebibyte does not have: their values have no column, and are counted so that a run tells.

use std::sync::{Arc, Mutex, PoisonError};

use crate::base::text::{count, grouped};

/// Names that are told.
const NAMES: usize = 5;

/// The late keys that were seen, shared by all workers.
#[derive(Debug, Clone, Default)]
pub(super) struct LateKeys(Arc<Mutex<LateKeySet>>);

#[derive(Debug, Default)]
struct LateKeySet {
    values: u64,
    /// The first record that has one.
    first: Option<u64>,
    names: Vec<String>,
}

impl LateKeys {
    /// Counts a value under this key, in the record of this number.
    #[cold]
    pub(super) fn note(&self, key: &str, record: u64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.values += 1;
        seen.first = Some(seen.first.map_or(record, |first| first.min(record)));
        if seen.names.len() < NAMES && !seen.names.iter().any(|name| name == key) {
            seen.names.push(key.to_owned());
        }
    }

    /// The warning about the file of this name, if there is something to warn about.
    pub(super) fn warning(&self, file: &str) -> Option<String> {
        let seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.first?;
        let mut names = seen.names.clone();
        names.sort();
        Some(format!(
            "{file}: {} not read, the first in record {}: the first mebibyte has no key `{}`; name the key under [columns], or give the first record all keys, with null where there is no value",
            count(seen.values, "value"),
            grouped(first),
            names.join("`, `")
        ))
    }
}
