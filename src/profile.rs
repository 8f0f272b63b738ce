//! Klaviyo's profile: its headers and their kinds.
//!
//! Klaviyo's spelling of a header stands in [`mod@column`] and nowhere else.

pub mod attributes;
pub mod column;
pub mod consent;
pub mod limits;
pub mod target;
pub mod words;
