//! `[delta]`: whether every row is sent each time, or only those that are not as the last run sent them.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::file::{Headers, JobFile};
use super::fingerprint::decisive_of_list;
use super::text::Span;
use super::{JobError, value};
use crate::klaviyo::settings::Deliver;
use crate::profile::column::ProfileColumn;
use crate::state::part::hex;

/// The rows that a run sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Send {
    /// Every row.
    #[default]
    All,
    /// New rows, and those that are not as the last run sent them.
    Changed,
}

/// How many rows may be new or changed: either limit reached stops the run.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MaxChanged {
    /// In percent of the rows that the audience has.
    pub percent: f64,
    /// In rows.
    pub rows: u64,
}

impl Default for MaxChanged {
    fn default() -> Self {
        Self {
            percent: 50.0,
            rows: 5_000_000,
        }
    }
}

/// How many rows fewer than last time there may be.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MaxShrink {
    /// In percent of the rows that the last run had.
    pub percent: f64,
}

impl Default for MaxShrink {
    fn default() -> Self {
        Self { percent: 20.0 }
    }
}

/// `[delta]`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct DeltaSection {
    /// The rows that a run sends.
    pub send: Send,
    /// How old the last full send may be, or `never`.
    pub full_every: String,
    /// How many rows may be new or changed.
    pub max_changed: MaxChanged,
    /// How many rows fewer there may be.
    pub max_shrink: MaxShrink,
    /// A custom property: `true` of everybody who is sent, `false` of those who left.
    pub left_property: String,
}

impl Default for DeltaSection {
    fn default() -> Self {
        Self {
            send: Send::default(),
            full_every: "30d".to_owned(),
            max_changed: MaxChanged::default(),
            max_shrink: MaxShrink::default(),
            left_property: String::new(),
        }
    }
}

/// The rules of a job that sends changed rows only.
#[derive(Debug, Clone)]
pub struct DeltaSettings {
    /// How old the last full send may be; `None`: as old as it is.
    pub full_every: Option<Duration>,
    /// How many rows may be new or changed.
    pub max_changed: MaxChanged,
    /// How many rows fewer there may be.
    pub max_shrink: MaxShrink,
    /// A custom property: `true` of everybody who is sent, `false` of those who left.
    pub left_property: Option<String>,
    /// Digests of what decides how rows are written, and where they go.
    pub context: JobContext,
}

/// Digests of a job's settings, by what they are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobContext {
    /// The columns and their types; the identifier that is the key.
    pub columns: String,
    /// The rules for values.
    pub rules: String,
    /// The place where profiles go.
    pub destination: String,
    /// The list, and how profiles are put on it.
    pub list: String,
}

/// The settings of a job that sends changed rows only; `None` where every row is sent each time.
pub(super) fn settings(file: &JobFile) -> Result<Option<DeltaSettings>, JobError> {
    let section = &file.delta;
    let percent = |key, percent: f64| {
        if (0.0..=100.0).contains(&percent) {
            Ok(())
        } else {
            Err(value(key, "percent must be between 0 and 100"))
        }
    };
    percent("delta.max-changed", section.max_changed.percent)?;
    percent("delta.max-shrink", section.max_shrink.percent)?;
    let full_every = match section.full_every.as_str() {
        "never" => None,
        text => Some(text.parse::<Span>().map_err(|()| {
            value(
                "delta.full-every",
                "must be a duration such as \"30d\", or \"never\"",
            )
        })?),
    };
    let settings = DeltaSettings {
        full_every: full_every.map(|span| span.0),
        max_changed: section.max_changed,
        max_shrink: section.max_shrink,
        left_property: left_property(file)?,
        context: context(file),
    };
    Ok((section.send == Send::Changed).then_some(settings))
}

/// The property for those who left, if the job has one.
fn left_property(file: &JobFile) -> Result<Option<String>, JobError> {
    let name = file.delta.left_property.as_str();
    if name.is_empty() {
        return Ok(None);
    }
    let refuse = |problem: &str| Err(value("delta.left-property", problem));
    if file.delta.send == Send::All {
        return refuse("needs send = \"changed\": without it nobody knows who left");
    }
    if file.klaviyo.deliver == Deliver::Api {
        return refuse("needs deliver = \"sftp\"");
    }
    if !file.klaviyo.update_contacts {
        return refuse("needs update-contacts = true: it is a property of profiles");
    }
    let headers = file.columns.values();
    let is_taken = headers
        .flat_map(Headers::names)
        .any(|header| header == name);
    if is_taken || ProfileColumn::known().any(|column| column.header() == name) {
        return refuse("must be the name of a custom property that no column is mapped to");
    }
    Ok(Some(name.to_owned()))
}

fn context(file: &JobFile) -> JobContext {
    let digest =
        |value: serde_json::Value| hex(&Sha256::digest(value.to_string()))[..32].to_owned();
    let normalize = &file.normalize;
    let destination = match file.klaviyo.deliver {
        Deliver::Api => serde_json::json!(["api", file.klaviyo.base_url, file.klaviyo.account_id]),
        Deliver::Sftp => serde_json::json!([
            "sftp",
            file.sftp.host,
            file.sftp.port,
            file.sftp.username,
            file.sftp.directory,
        ]),
    };
    let list = file.list.as_ref();
    JobContext {
        columns: digest(serde_json::json!([
            file.columns.iter().collect::<Vec<_>>(),
            file.audience.unlisted,
            file.audience.primary_key,
            file.delta.left_property,
        ])),
        rules: digest(serde_json::json!([
            normalize.default_region,
            normalize.country_column,
            normalize.invalid_email,
            normalize.invalid_phone,
            normalize.non_ascii_email,
            normalize.null_values,
            normalize.date_time,
            normalize.duplicates,
            normalize.shared_identifiers,
            file.klaviyo.update_contacts,
        ])),
        destination: digest(destination),
        list: digest(serde_json::json!([
            list.map(|list| (&list.name, &list.id, list.attach)),
            decisive_of_list(file),
        ])),
    }
}
