//! The pipeline from blocks of rows to closed parts: mapping, normalize, commit (duplicates, rejects), spool.

pub mod batch;
pub mod column_type;
pub mod commit;
pub mod dedupe;
pub mod delta;
pub mod mapping;
pub mod normalize;
pub mod rejects;
pub mod settings;
pub mod spool;
