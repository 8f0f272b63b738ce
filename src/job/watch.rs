//! `[notify]` and `[metrics]`: who is told how a run ended, and where its numbers go.

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::file::JobFile;
use super::secrets::{HEARTBEAT_URL, SecretKeys, WEBHOOK_URL, WrittenSource};
use super::{JobError, JobSource, check_name, klaviyo, value, written};
use crate::base::environment::Environment;
use crate::base::http::Network;
use crate::base::secret::SecretSource;

/// The form of what a webhook is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum WebhookFormat {
    /// The program's own JSON.
    #[default]
    Json,
    /// A message of Slack.
    Slack,
}

/// A change that is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "Change")]
pub enum StatusChange {
    /// A run failed, or fails in another way than the one before.
    Failure,
    /// The first good run after one that failed.
    Recovery,
}

/// After which runs somebody is told.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "the value must be \"always\", or a list of \"failure\" and \"recovery\""
)]
pub enum NotifyOn {
    /// After these changes.
    Changes(Vec<StatusChange>),
    /// After every run.
    Every(Always),
}

/// The word for every run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Always {
    /// Every run.
    Always,
}

impl NotifyOn {
    /// Whether this change is told.
    pub fn tells(&self, change: StatusChange) -> bool {
        match self {
            Self::Every(_) => true,
            Self::Changes(changes) => changes.contains(&change),
        }
    }

    /// Whether a run is told of that is like the one before it.
    pub fn tells_every_run(&self) -> bool {
        matches!(self, Self::Every(_))
    }
}

/// `[notify]`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct NotifySection {
    /// Environment variable with the URL of the heartbeat.
    pub heartbeat_url_env: Option<String>,
    /// File with it.
    pub heartbeat_url_file: Option<String>,
    /// Program that prints it, and its arguments.
    pub heartbeat_url_command: Vec<String>,
    /// Environment variable with the URL of the webhook.
    pub webhook_url_env: Option<String>,
    /// File with it.
    pub webhook_url_file: Option<String>,
    /// Program that prints it, and its arguments.
    pub webhook_url_command: Vec<String>,
    /// The form of what it is sent.
    pub webhook_format: WebhookFormat,
    /// A program to run, and its arguments.
    pub command: Vec<String>,
    /// After which runs the webhook and the program are told.
    pub on: NotifyOn,
}

impl Default for NotifySection {
    fn default() -> Self {
        Self {
            heartbeat_url_env: None,
            heartbeat_url_file: None,
            heartbeat_url_command: Vec::new(),
            webhook_url_env: None,
            webhook_url_file: None,
            webhook_url_command: Vec::new(),
            webhook_format: WebhookFormat::default(),
            command: Vec::new(),
            on: NotifyOn::Changes(vec![StatusChange::Failure, StatusChange::Recovery]),
        }
    }
}

/// `[metrics]`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MetricsSection {
    /// The text file for Prometheus.
    pub file: String,
    /// The address of a collector of OpenTelemetry.
    pub otlp_endpoint: String,
}

/// How a job is watched.
#[derive(Debug, Clone)]
pub struct WatchSettings {
    /// The job's name.
    pub name: String,
    /// Where the URL of the heartbeat is.
    pub heartbeat: Option<SecretSource>,
    /// Where the URL of the webhook is.
    pub webhook: Option<SecretSource>,
    /// The form of what it is sent.
    pub format: WebhookFormat,
    /// A program to run, and its arguments; none where there is none.
    pub command: Vec<String>,
    /// After which runs the webhook and the program are told.
    pub on: NotifyOn,
    /// The text file for Prometheus.
    pub metrics_file: Option<PathBuf>,
    /// The address of a collector of OpenTelemetry, without a slash at its end.
    pub otlp_endpoint: Option<String>,
    /// The way to all of them: the one to the API.
    pub network: Network,
    /// Refuse every address but this machine's own.
    pub loopback_only: bool,
    /// Whether a night of shards ends with `list`.
    pub ends_with_list: bool,
}

impl WatchSettings {
    /// Reads the job file of `source`, of which nothing else has to be right.
    pub fn load(source: JobSource<'_>, environment: &Environment) -> Result<Self, JobError> {
        let needed = |section: &str| ["notify", "metrics"].contains(&section);
        written::read_sections(source, environment, needed, |file, base| {
            check_name(&file.name)?;
            // What is wrong with the way to the API is told by the run itself.
            let network = klaviyo::network(&file, base, environment).unwrap_or_default();
            settings(&file, base, environment, network)
        })
    }

    /// Whether anybody is told, or any number is written.
    pub fn is_watched(&self) -> bool {
        self.notifies() || self.metrics_file.is_some() || self.otlp_endpoint.is_some()
    }

    /// Whether anybody is told.
    pub fn notifies(&self) -> bool {
        self.heartbeat.is_some() || self.webhook.is_some() || !self.command.is_empty()
    }
}

/// How the job of `file` is watched; `network` is its way to the API.
pub(super) fn settings(
    file: &JobFile,
    base: &Path,
    environment: &Environment,
    network: Network,
) -> Result<WatchSettings, JobError> {
    let NotifySection {
        heartbeat_url_env,
        heartbeat_url_file,
        heartbeat_url_command,
        webhook_url_env,
        webhook_url_file,
        webhook_url_command,
        webhook_format,
        command,
        on,
    } = &file.notify;
    let heartbeat = WrittenSource {
        variable: heartbeat_url_env.as_ref(),
        file: heartbeat_url_file.as_ref(),
        command: heartbeat_url_command,
    };
    let webhook = WrittenSource {
        variable: webhook_url_env.as_ref(),
        file: webhook_url_file.as_ref(),
        command: webhook_url_command,
    };
    let place = |keys: SecretKeys, written: WrittenSource<'_>| {
        if written.variable.is_some_and(|name| name.contains("://")) {
            return Err(value(
                keys.variable,
                "must be the name of a variable, and never the URL itself",
            ));
        }
        keys.place(written, base, environment)
    };
    let metrics_file = Some(file.metrics.file.as_str()).filter(|file| !file.is_empty());
    Ok(WatchSettings {
        name: file.name.clone(),
        heartbeat: place(HEARTBEAT_URL, heartbeat)?,
        webhook: place(WEBHOOK_URL, webhook)?,
        format: *webhook_format,
        command: command.clone(),
        on: on.clone(),
        metrics_file: metrics_file.map(|path| base.join(environment.expand(path))),
        otlp_endpoint: otlp_endpoint(file)?,
        network,
        loopback_only: environment.loopback_only(),
        ends_with_list: file.list.is_some() || file.klaviyo.sentinel.is_some(),
    })
}

/// The address of the collector, if the job names one and this build can send to it.
fn otlp_endpoint(file: &JobFile) -> Result<Option<String>, JobError> {
    let endpoint = file.metrics.otlp_endpoint.trim_end_matches('/');
    if endpoint.is_empty() {
        return Ok(None);
    }
    let wrong = |problem: &str| Err(value("metrics.otlp-endpoint", problem));
    if !cfg!(feature = "otlp") {
        return wrong(
            "needs a build with OpenTelemetry: cargo install --features otlp; or remove the key",
        );
    }
    let is_url = ["http://", "https://"].iter().any(|scheme| {
        let rest = endpoint.strip_prefix(scheme);
        rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
    });
    if !is_url || endpoint.contains(['?', '#', '@', ' ']) {
        return wrong(
            "must be the address of a collector, such as \"http://localhost:4318\"; headers with a token go into OTEL_EXPORTER_OTLP_HEADERS",
        );
    }
    Ok(Some(endpoint.to_owned()))
}
