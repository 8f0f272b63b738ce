//! The state on disk: runs, their manifests and parts, locks, and the counts that are kept.

pub mod attempt;
pub mod codes;
pub mod counts;
pub mod directory;
pub mod drift;
mod error;
pub mod fingerprint;
pub mod lock;
pub mod manifest;
pub mod no_email;
pub mod outcome;
pub mod owner;
pub mod part;
mod part_record;
pub mod row_note;
pub mod sealed;
pub mod shard;
pub mod snapshot;
pub mod storage;
