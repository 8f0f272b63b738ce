//! Sources of rows: files, object stores and the results of queries.

pub mod audience;
pub mod day_time;
pub mod query;
pub mod record;
