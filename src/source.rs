//! Sources of rows: files, object stores and the results of queries.

pub mod audience;
pub mod query;
pub mod record;
