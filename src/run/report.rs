//! The report of a run: what programs read as JSON and people as text.
//!
//! Built from the manifest, so that it says what was durable. Field names are fixed (design, "Report"). No personal
//! data, no secret.

pub(crate) mod examples;
pub mod page;
pub(crate) mod text;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::run::error::Error;
use crate::run::watch::record::NoticeRecord;
use crate::state::codes::{RejectionReason, RepairCode};
use crate::state::directory::RunDirectory;
use crate::state::drift::DriftRecord;
use crate::state::lock::seconds;
use crate::state::manifest::{ListRecord, RunManifest, RunStatus};
use crate::state::part::{PartNumber, Verification};
use crate::state::shard::RunGroup;

/// The JSON Schema of a report, for whoever reads reports by program.
pub const SCHEMA: &str = include_str!("report/schema.json");

/// The report of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunReport {
    /// `yyyymmddThhmmssZ-` and eight hexadecimal digits; blank (`null` in JSON) of an attempt that failed before it had a run.
    #[serde(serialize_with = "blank_as_null", deserialize_with = "null_as_blank")]
    pub run_id: String,
    /// The job's name; blank (`null` in JSON) where the job file could not be read.
    #[serde(serialize_with = "blank_as_null", deserialize_with = "null_as_blank")]
    pub job: String,
    /// How it ended.
    pub status: RunStatus,
    /// The exit code of the program.
    pub exit_code: u8,
    /// The error that ended it, on one line; `null` where there was none.
    #[serde(default)]
    pub error: Option<String>,
    /// The limit of rows of a trial; `null` of a run over the whole audience.
    #[serde(default)]
    pub limit: Option<u64>,
    /// Whether every row of the audience was formatted.
    #[serde(default)]
    pub formatted: bool,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Timestamp,
    /// Records of the audience that are not blank.
    pub rows_read: u64,
    /// Blank records, which are no rows.
    #[serde(default)]
    pub rows_blank: u64,
    /// Rows in parts.
    pub rows_written: u64,
    /// Rows that Klaviyo has already, as the last run sent them.
    #[serde(default)]
    pub rows_unchanged: u64,
    /// Written rows whose key the last run did not have; `null` where nothing was compared.
    #[serde(default)]
    pub rows_new: Option<u64>,
    /// Written rows that the last run had otherwise; `null` where nothing was compared.
    #[serde(default)]
    pub rows_changed: Option<u64>,
    /// Of the changed rows, those that are as the last run had them; `null` where nothing was compared.
    #[serde(default)]
    pub rows_again: Option<u64>,
    /// Rows of the last run whose key the audience does not have; `null` where nothing was compared.
    #[serde(default)]
    pub rows_left: Option<u64>,
    /// Rows in `rejects.csv`.
    pub rows_rejected: u64,
    /// Rejected rows by reason.
    pub rejections: BTreeMap<RejectionReason, u64>,
    /// Changed cells by code.
    pub repairs: BTreeMap<RepairCode, u64>,
    /// Identifiers of rows that an earlier row of another key has, by code: the lines of `conflicts.csv`.
    #[serde(default)]
    pub shared_identifiers: BTreeMap<RepairCode, u64>,
    /// Blank cells by the header of their column, in the rows that were not rejected by themselves, duplicates included.
    #[serde(default)]
    pub blank_cells: BTreeMap<String, u64>,
    /// Rows whose key another row has.
    pub duplicates: u64,
    /// Bytes in parts.
    pub bytes: u64,
    /// The parts in order.
    pub parts: Vec<PartReport>,
    /// The outcome of the list stage; `null` without a list.
    pub list: Option<ListRecord>,
    /// When Klaviyo showed the sentinel; `null` without one.
    pub sentinel: Option<SentinelReport>,
    /// Which shard of which run group; `null` of a run of its own.
    pub shard: Option<ShardReport>,
    /// How the counts compare with those of the last runs; `null` where they are not compared.
    #[serde(default)]
    pub drift: Option<DriftRecord>,
    /// Remote files of broken attempts that could not be removed.
    pub leftovers: Vec<String>,
    /// Warnings for a person.
    pub warnings: Vec<String>,
    /// The notices of how it ended, and how they went.
    #[serde(default)]
    pub notices: Vec<NoticeRecord>,
    /// How long it took.
    pub seconds: Seconds,
}

/// One part in a report.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartReport {
    /// Its place in the run.
    pub number: PartNumber,
    /// Where it is or was last sent; `null` when it never was.
    pub remote_path: Option<String>,
    /// Rows without the header.
    pub rows: u64,
    /// Bytes with the header.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// When its file was complete here; `null` where that was not noted.
    #[serde(default)]
    pub written_at: Option<Timestamp>,
    /// When the first attempt to send it began; `null` when there was none.
    #[serde(default)]
    pub started_at: Option<Timestamp>,
    /// When it was known that the server has it; `null` when it has not.
    #[serde(default)]
    pub delivered_at: Option<Timestamp>,
    /// How often it was sent.
    pub attempts: u32,
    /// The result of the look at the server; `null` when there was none.
    pub verification: Option<Verification>,
}

/// The sentinel in a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentinelReport {
    /// When it was seen at Klaviyo; `null` when it was not, or nobody looked.
    pub seen_at: Option<Timestamp>,
}

/// A run's part in a run group, in a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardReport {
    /// Which shard, from 1; `null` of the run that puts all of them on the list.
    pub number: Option<u32>,
    /// How many shards there are.
    pub of: u32,
    /// The run group.
    pub run_group: RunGroup,
    /// Hash over name, size and modification time of every file of all shards.
    pub files: String,
}

/// How long the stages took. They overlap: `total` is less than their sum.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Seconds {
    /// From the first record to the last closed part.
    pub format: f64,
    /// From the first connection to the last verified part.
    pub upload: f64,
    /// The list, and what is waited for at Klaviyo.
    pub list: f64,
    /// The whole run.
    pub total: f64,
}

/// The facts that a report needs in addition to the manifest.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// The exit code of the program.
    pub exit_code: u8,
    /// Warnings for a person.
    pub warnings: Vec<String>,
    /// How long it took.
    pub seconds: Seconds,
}

impl RunReport {
    /// The report that the last process of a run wrote. `None` of a run that was killed before it wrote one.
    pub fn read(run: &RunDirectory) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(run.report()).ok()?).ok()
    }

    /// The report of the run that `manifest` remembers.
    pub fn new(manifest: &RunManifest, circumstances: Circumstances) -> Self {
        let counts = manifest.counts.clone().unwrap_or_default();
        Self {
            run_id: manifest.run_id.clone(),
            job: manifest.job.clone(),
            status: manifest.status,
            exit_code: circumstances.exit_code,
            error: manifest.error.clone(),
            limit: manifest.limit,
            formatted: manifest.formatted,
            started_at: seconds(manifest.started_at),
            finished_at: seconds(manifest.finished_at.unwrap_or(manifest.started_at)),
            rows_read: counts.rows_read,
            rows_blank: counts.rows_blank,
            rows_written: counts.rows_written,
            rows_unchanged: counts.rows_unchanged,
            rows_new: counts.compared.map(|it| it.rows_new),
            rows_changed: counts.rows_changed(),
            rows_again: counts.compared.map(|it| it.rows_again),
            rows_left: counts.compared.map(|it| it.rows_left),
            rows_rejected: counts.rows_rejected,
            rejections: counts.rejections,
            repairs: counts.repairs,
            shared_identifiers: counts.shared_identifiers,
            blank_cells: counts.blank_cells,
            duplicates: counts.duplicates,
            bytes: manifest.parts.iter().map(|part| part.bytes).sum(),
            parts: parts(manifest),
            list: manifest.list.clone(),
            sentinel: manifest.sentinel.as_ref().map(|sentinel| SentinelReport {
                seen_at: sentinel.seen_at.map(seconds),
            }),
            shard: manifest.shard.as_ref().map(|shard| ShardReport {
                number: shard.number,
                of: shard.of,
                run_group: shard.run_group.clone(),
                files: shard.files.clone(),
            }),
            drift: manifest.drift.clone(),
            leftovers: manifest.leftovers(),
            warnings: circumstances.warnings,
            notices: Vec::new(),
            seconds: circumstances.seconds,
        }
    }

    /// The report of an attempt that failed with `error` before it had a run. `job` is blank where it is not known.
    pub fn of_failure(job: &str, error: &Error, started_at: Timestamp) -> Self {
        let status = match error {
            Error::Interrupted { .. } => RunStatus::Interrupted,
            _ => RunStatus::Failed,
        };
        Self {
            status,
            exit_code: error.exit_code().number(),
            error: Some(error.chain()),
            started_at: seconds(started_at),
            ..Self::of_test(job)
        }
    }

    /// The report of a run that has not been, for a test of those who read reports.
    pub fn of_test(job: &str) -> Self {
        let now = seconds(Timestamp::now());
        Self {
            run_id: String::new(),
            job: job.to_owned(),
            status: RunStatus::DryRun,
            exit_code: 0,
            error: None,
            limit: None,
            formatted: false,
            started_at: now,
            finished_at: now,
            rows_read: 0,
            rows_blank: 0,
            rows_written: 0,
            rows_unchanged: 0,
            rows_new: None,
            rows_changed: None,
            rows_again: None,
            rows_left: None,
            rows_rejected: 0,
            rejections: BTreeMap::new(),
            repairs: BTreeMap::new(),
            blank_cells: BTreeMap::new(),
            duplicates: 0,
            shared_identifiers: BTreeMap::new(),
            bytes: 0,
            parts: Vec::new(),
            list: None,
            sentinel: None,
            shard: None,
            drift: None,
            leftovers: Vec::new(),
            warnings: Vec::new(),
            notices: Vec::new(),
            seconds: Seconds::default(),
        }
    }

    /// Parts that the server has.
    pub fn delivered(&self) -> usize {
        self.parts.iter().filter(|part| part.is_delivered()).count()
    }
}

impl PartReport {
    /// Whether the server has it: verified, collected or unverified.
    pub fn is_delivered(&self) -> bool {
        self.verification
            .is_some_and(|word| word != Verification::Failed)
    }
}

/// A text, blank where it is `null`.
fn null_as_blank<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A blank text as `null`.
fn blank_as_null<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let text = Some(text).filter(|text| !text.is_empty());
    text.serialize(serializer)
}

/// A time stamp without what is finer than a millisecond.
fn milliseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_millisecond(time.as_millisecond()).unwrap_or(time)
}

fn parts(manifest: &RunManifest) -> Vec<PartReport> {
    let part = |part: &crate::state::manifest::PartRecord| PartReport {
        number: part.number,
        remote_path: part
            .decisive_attempt()
            .map(|attempt| attempt.remote_path.clone()),
        rows: part.rows,
        bytes: part.bytes,
        sha256: part.sha256.clone(),
        written_at: part.written_at.map(milliseconds),
        started_at: part
            .attempts
            .first()
            .and_then(|attempt| attempt.started_at)
            .map(milliseconds),
        delivered_at: part.delivered_at.map(milliseconds),
        attempts: part.attempts.last().map_or(0, |attempt| attempt.number),
        verification: part.verification,
    };
    manifest.parts.iter().map(part).collect()
}

pub use crate::base::text::{count, grouped, megabytes};
