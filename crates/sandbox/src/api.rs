//! A Klaviyo API beside the SFTP server: accounts, lists, profiles and bulk imports of revision 2026-10-15, on loopback.
//!
//! It keeps the documented limits, refuses what Klaviyo refuses, imports what lands in `/profiles`, and strikes with
//! [`ApiFault`]s that a test arms. All of it lives in memory and is gone with the sandbox, except for the API key. Time
//! passes when somebody looks: a job or a file is imported by the first call, of a client or a test, after its delay, so
//! that a sandbox whose API nobody uses reads no file.

mod account;
mod accounts;
mod billing;
mod document;
mod fault;
mod filter;
mod id;
mod import;
mod job;
mod jobs;
mod limit;
mod lists;
mod observer;
mod operation;
mod profile;
mod profiles;
mod query;
mod refusal;
pub(super) mod server;
mod standing;
mod state;
mod view;

use std::time::Duration;

pub use billing::PlanUsage;
pub use fault::{ApiFault, ApiFaults};
pub use import::Imported;
pub use observer::{Exchange, Observer};
pub use profile::Profile;
pub use standing::EmailStanding;
pub(super) use state::{Answer, ApiState};
pub use view::{Api, ApiCall, ListSummary};

/// The revision of the API that the sandbox speaks: the newest stable one (Klaviyo's changelog, read 2026-11-28).
pub const REVISION: &str = "2026-10-15";

/// The oldest revision that the sandbox answers: a revision is stable for a year, deprecated for a year, and then retired.
pub const OLDEST_REVISION: &str = "2024-10-15";

/// The scopes of a key that may do everything that the sandbox can.
pub const SCOPES: [&str; 6] = [
    "accounts:read",
    "lists:read",
    "lists:write",
    "profiles:read",
    "profiles:write",
    "usage:read",
];

/// The settings of a sandbox's API. By default: a free port, all scopes, real seconds, no faults.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Port on 127.0.0.1; 0 takes a free one.
    pub port: u16,
    /// The scopes of the key; without a scope that an operation needs it answers 403.
    pub scopes: Vec<String>,
    /// How many times as fast as a clock the windows of the limits pass: with 100 a minute lasts 600 ms. `Retry-After` and
    /// `RateLimit-Reset` count the seconds of this clock.
    pub speed: u32,
    /// How long a bulk import job takes: queued in the first half, processing in the second.
    pub job_delay: Duration,
    /// How long it takes from an object's CLOSE in `/profiles` to its import.
    pub import_delay: Duration,
    /// The faults from the start; [`Api::set_faults`] changes it later.
    pub faults: ApiFaults,
    /// Sees every call.
    pub observer: Option<Observer>,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            port: 0,
            scopes: SCOPES.map(str::to_owned).to_vec(),
            speed: 1,
            job_delay: Duration::from_secs(1),
            import_delay: Duration::from_secs(1),
            faults: ApiFaults::none(),
            observer: None,
        }
    }
}
