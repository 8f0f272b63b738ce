//! The text of a notice: the program's own JSON, and a message of Slack.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::record::NoticeEvent;
use crate::base::exit_code::ExitCode;
use crate::job::watch::WebhookFormat;
use crate::run::report::{RunReport, count, grouped};
use crate::state::manifest::{RunStatus, to_json};

/// The JSON Schema of what a webhook is sent, for whoever reads it by program.
pub const SCHEMA: &str = include_str!("notice/schema.json");

/// The version of the form.
const NOTICE_VERSION: u32 = 1;
/// The most characters of a text that are sent to Slack, whose limit is 3,000.
const SLACK_TEXT: usize = 2_000;

/// The content of a notice. Field names do not change. Neither a value of a row nor a secret is in it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Notice {
    version: u32,
    pub(super) event: NoticeEvent,
    job: String,
    run_id: Option<String>,
    /// `3/16`.
    shard: Option<String>,
    run_group: Option<String>,
    /// The machine.
    machine: Option<String>,
    status: RunStatus,
    exit_code: u8,
    meaning: &'static str,
    error: Option<String>,
    /// The command to type next.
    next: Option<String>,
    /// When the first of the runs ended that have failed since; of a recovery, until now.
    failing_since: Option<Timestamp>,
    started_at: Timestamp,
    finished_at: Timestamp,
    seconds: f64,
    rows_read: u64,
    rows_written: u64,
    rows_unchanged: u64,
    rows_rejected: u64,
    duplicates: u64,
    bytes: u64,
    parts: u64,
    parts_delivered: u64,
    list_attached: Option<u64>,
    list_removed: Option<u64>,
    warnings: Vec<String>,
    /// The report of the run on that machine.
    report: Option<PathBuf>,
}

/// The content of a notice that is not in the report.
#[derive(Debug, Clone, Default)]
pub(super) struct NoticeContext {
    pub(super) shard: Option<String>,
    pub(super) next: Option<String>,
    pub(super) failing_since: Option<Timestamp>,
    pub(super) report_path: Option<PathBuf>,
}

impl Notice {
    /// A notice of what `report` says.
    pub(super) fn new(event: NoticeEvent, report: &RunReport, besides: NoticeContext) -> Self {
        let text = |text: &String| Some(text.clone()).filter(|text| !text.is_empty());
        let code = ExitCode::ALL
            .into_iter()
            .find(|code| code.number() == report.exit_code);
        let shard = report.shard.as_ref();
        let of_report = shard.and_then(|shard| Some(format!("{}/{}", shard.number?, shard.of)));
        Self {
            version: NOTICE_VERSION,
            event,
            job: report.job.clone(),
            run_id: text(&report.run_id),
            shard: of_report.or(besides.shard),
            run_group: shard.map(|shard| shard.run_group.to_string()),
            machine: whoami::hostname().ok(),
            status: report.status,
            exit_code: report.exit_code,
            meaning: code.map_or("", ExitCode::meaning),
            error: report.error.clone(),
            next: besides.next,
            failing_since: besides.failing_since,
            started_at: report.started_at,
            finished_at: report.finished_at,
            seconds: report.seconds.total,
            rows_read: report.rows_read,
            rows_written: report.rows_written,
            rows_unchanged: report.rows_unchanged,
            rows_rejected: report.rows_rejected,
            duplicates: report.duplicates,
            bytes: report.bytes,
            parts: report.parts.len() as u64,
            parts_delivered: report.delivered() as u64,
            list_attached: report.list.as_ref().and_then(|list| list.attached),
            list_removed: report.list.as_ref().map(|list| list.removed),
            warnings: report.warnings.clone(),
            report: besides.report_path,
        }
    }

    /// The bytes that a webhook is sent.
    pub(super) fn body(&self, format: WebhookFormat) -> Vec<u8> {
        match format {
            WebhookFormat::Json => to_json(self),
            WebhookFormat::Slack => to_json(&self.slack()),
        }
    }

    /// `vip failed: the transfer failed; the next run continues (exit code 14)`.
    fn headline(&self) -> String {
        let job = match &self.shard {
            Some(shard) => format!("{} (shard {shard})", self.job),
            None => self.job.clone(),
        };
        match self.event {
            NoticeEvent::Failure => {
                let code = self.exit_code;
                format!("{job} failed: {} (exit code {code})", self.meaning)
            }
            NoticeEvent::Recovery => format!("{job} is well again"),
            NoticeEvent::Start => format!("{job} has started"),
            NoticeEvent::Success => format!("{job} is done"),
            NoticeEvent::Test => format!("{job}: this is a test, nothing has happened"),
        }
    }

    /// A message of Slack: a text for notifications, and blocks.
    fn slack(&self) -> Value {
        let headline = self.headline();
        let sign = match self.event {
            NoticeEvent::Failure => ":red_circle:",
            _ => ":large_green_circle:",
        };
        let mut blocks = vec![section(&format!("{sign} *{}*", escaped(&headline)))];
        if let Some(error) = &self.error {
            blocks.push(section(&format!("```{}```", escaped(error))));
        }
        if let Some(next) = &self.next {
            blocks.push(section(&format!("Next: `{}`", escaped(next))));
        }
        let mut facts = Vec::new();
        if self.run_id.is_some() {
            facts.push(format!(
                "{} read, {} written, {} rejected",
                count(self.rows_read, "row"),
                grouped(self.rows_written),
                grouped(self.rows_rejected)
            ));
            facts.push(format!(
                "{} of {} delivered",
                grouped(self.parts_delivered),
                count(self.parts, "part")
            ));
        }
        facts.extend(self.run_id.as_ref().map(|run| format!("run {run}")));
        facts.extend(self.machine.as_ref().map(|name| format!("on {name}")));
        if let Some(since) = self.failing_since {
            let words = match self.event {
                NoticeEvent::Recovery => "had failed since",
                _ => "failing since",
            };
            facts.push(format!("{words} {since}"));
        }
        if !facts.is_empty() {
            let text = escaped(&facts.join(" · "));
            blocks.push(json!({
                "type": "context",
                "elements": [{"type": "mrkdwn", "text": text}],
            }));
        }
        json!({"text": escaped(&headline), "blocks": blocks})
    }
}

fn section(text: &str) -> Value {
    json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})
}

/// The text as Slack wants it: without characters that it reads as its own, and cut.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('`', "'")
        .chars()
        .take(SLACK_TEXT)
        .collect()
}
