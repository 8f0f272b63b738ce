//! Settings of Klaviyo's API and of the list: where the API is, whose key it takes, which list is meant.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::http::Network;
use crate::base::retry::RetryPolicy;
use crate::base::secret::{Secret, SecretSource};

/// How profiles are put on a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Attach {
    /// By bulk import jobs that carry the identifiers and the list.
    #[default]
    ImportJob,
    /// By profile ids, once the profiles exist.
    Members,
    /// By a `List ID` column in every row; experimental: from one sample of Klaviyo Labs.
    Column,
}

/// The rule by which members are removed from a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Mirror {
    /// Nobody.
    #[default]
    Off,
    /// Those whom an earlier run of this job put there and who are not in the audience any more.
    Tracked,
    /// Everybody who is not in the audience.
    Exact,
}

/// How many removals are too many: either limit reached removes nobody.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MaxRemovals {
    /// In percent of the list (`exact`), or of those whom this job put there (`tracked`).
    pub percent: f64,
    /// In members.
    pub members: u64,
}

impl Default for MaxRemovals {
    fn default() -> Self {
        Self {
            percent: 5.0,
            members: 10_000,
        }
    }
}

/// Which way profiles go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Deliver {
    /// As CSV files.
    #[default]
    Sftp,
    /// By bulk import jobs of the API, for audiences too small for SFTP.
    Api,
}

/// Which list is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListChoice {
    /// The one with this id; it must have this name, if one is given.
    Id {
        /// Opaque.
        id: String,
        /// Its name.
        name: Option<String>,
    },
    /// The one list of exactly this name.
    Name(String),
    /// The one list of exactly this name, or else the one with this id: `send --list` takes either.
    Either(String),
}

impl ListChoice {
    /// The name by which the list is looked for; `None` where its id is given.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Id { .. } => None,
            Self::Name(name) | Self::Either(name) => Some(name),
        }
    }
}

/// When a list is made of which there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListCreation {
    /// Never.
    Never,
    /// The first time: unless an earlier run of the job knew a list of this name (`create = true`).
    First,
    /// Each time: a person has typed `--create-list`.
    Always,
}

/// The list of a job.
#[derive(Debug, Clone)]
pub struct ListSettings {
    /// Which list.
    pub choice: ListChoice,
    /// When it is made.
    pub create: ListCreation,
    /// How profiles are put on it.
    pub attach: Attach,
    /// The rule by which members are removed from it.
    pub mirror: Mirror,
    /// How many removals are too many.
    pub max_removals: MaxRemovals,
    /// How long `members` waits for profiles to exist.
    pub wait: Duration,
}

/// How to reach the API.
#[derive(Debug, Clone)]
pub struct KlaviyoSettings {
    /// `https://a.klaviyo.com`, without a slash at its end.
    pub base_url: String,
    /// The revision of the API.
    pub revision: String,
    /// Where the key is.
    pub key_source: SecretSource,
    /// The key, once it was read.
    pub key: Option<Secret>,
    /// The account that the key has to belong to.
    pub account_id: Option<String>,
    /// How long to try again.
    pub retry: RetryPolicy,
    /// True when the API is on this machine.
    pub is_loopback: bool,
    /// Refuse every address but this machine's own.
    pub loopback_only: bool,
    /// The way there, where the job names one.
    pub network: Network,
    /// How many times as fast as a clock the windows of limits pass; 1 but for an API on this machine.
    pub speed: u32,
}

/// The profile that is sent last of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentinelSettings {
    /// Its e-mail address, as profiles have it.
    pub email: String,
    /// How long to wait until Klaviyo shows it; zero: not at all.
    pub wait: Duration,
}
