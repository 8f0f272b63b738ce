//! The second stage: a record becomes a profile row or a rejection.

pub mod cell;
pub mod country;
pub mod email;
pub mod phone;
