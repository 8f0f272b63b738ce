//! The substitute for Parquet in a build without it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::Source;
use super::columns::Batches;
use super::error::{AudienceError, UnreadableFormat};
use super::stream::ByteOrigin;

/// Refuses the file.
pub(super) fn header(_: &ByteOrigin, name: &str) -> Result<(Vec<String>, u64), AudienceError> {
    Err(AudienceError::Unreadable {
        name: name.to_owned(),
        kind: UnreadableFormat::Parquet,
    })
}

/// Refuses the file.
pub(super) fn open(
    origin: &ByteOrigin,
    source: &Source,
    _: &Arc<AtomicU64>,
) -> Result<Batches, AudienceError> {
    header(origin, &source.name).map(|_| -> Batches { Box::new(std::iter::empty()) })
}
