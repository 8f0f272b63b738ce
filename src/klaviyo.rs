//! Klaviyo's API, as far as the list and the import of profiles need it.
//!
//! [`Klaviyo`] keeps the documented limits, obeys what the server says of them, tries again what may be tried again, and
//! hands the key to no other host. It never calls what changes consent, merges or deletes profiles. Errors say a status, a
//! code and a pointer; the texts of the server stay out of them, for they may quote a profile.

mod billing;
mod client;
mod error;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod import_jobs;
pub mod list;
mod lists;
mod operation;
mod pace;
mod profiles;
mod request;
pub mod settings;
mod standing;
mod transport;

/// The revision of the API that this version is made for: the newest stable one (Klaviyo's changelog, read 2026-11-28).
///
/// The operations that are called are those of 2026-07-15, whose OpenAPI document was read whole, with the same limits.
pub const REVISION: &str = "2026-10-15";

pub use billing::ProfilePlan;
pub use client::Klaviyo;
pub use error::{KlaviyoError, Problem};
pub use import_jobs::{
    ImportError, ImportJob, JobStatus, MAX_BODY_BYTES, MAX_JOB_PROFILES, PROFILES_POINTER,
};
pub use lists::{List, MAX_CHANGES, Member};
pub use operation::{Operation, Rate};
pub use profiles::{Identifier, MAX_VALUES, in_calls};
pub use standing::EmailStanding;
