//! What stands for Parquet in a build without it.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::Source;
use super::columns::Batches;
use super::error::{AudienceError, Unreadable};

/// Refuses the file.
pub(super) fn header(_: &Path, name: &str) -> Result<Vec<String>, AudienceError> {
    Err(AudienceError::Unreadable {
        name: name.to_owned(),
        kind: Unreadable::Parquet,
    })
}

/// Refuses the file.
pub(super) fn open(
    _: &Path,
    source: &Source,
    _: &Arc<AtomicU64>,
) -> Result<Batches, AudienceError> {
    header(Path::new(""), &source.name).map(|_| -> Batches { Box::new(std::iter::empty()) })
}
