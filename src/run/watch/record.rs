//! The record of a notice in the report: what was told to whom, and how that went. No URL is in it, and no host: the name of a
//! host alone can be the secret of a webhook.

use serde::{Deserialize, Serialize};

/// Somebody who is told how a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeKind {
    /// A service that misses a run which does not come.
    Heartbeat,
    /// A URL that takes JSON.
    Webhook,
    /// A program.
    Command,
    /// A collector of OpenTelemetry.
    Otlp,
}

impl NoticeKind {
    /// The word in reports and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Webhook => "webhook",
            Self::Command => "command",
            Self::Otlp => "otlp",
        }
    }
}

/// The event that a notice tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeEvent {
    /// The run begins.
    Start,
    /// It was good, as the one before.
    Success,
    /// It failed.
    Failure,
    /// It was good, and the one before failed.
    Recovery,
    /// A person tries the notices.
    Test,
}

impl NoticeEvent {
    /// The word in reports and messages.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Recovery => "recovery",
            Self::Test => "test",
        }
    }
}

/// How a notice ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NoticeOutcome {
    /// It was taken.
    Delivered,
    /// It was refused, or nobody was there.
    Failed,
    /// There was no answer in time.
    TimedOut,
    /// It could not be sent: the URL is missing, or must not be used.
    NotSent,
}

/// One notice. Field names do not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeRecord {
    /// The one who was told.
    pub kind: NoticeKind,
    /// The event that was told.
    pub event: NoticeEvent,
    /// How that ended.
    pub outcome: NoticeOutcome,
    /// The status of the HTTP answer, or the exit code of the program; `null` without one.
    pub status: Option<i32>,
    /// How long it took.
    pub milliseconds: u64,
    /// The fault; `null` where there was none.
    pub problem: Option<String>,
}

impl NoticeRecord {
    /// `webhook: failure, answered 200`.
    pub fn words(&self) -> String {
        let (kind, event) = (self.kind.word(), self.event.word());
        match (&self.problem, self.status) {
            (Some(problem), _) => format!("{kind}: {event}, not delivered: {problem}"),
            (None, Some(status)) if self.kind != NoticeKind::Command => {
                format!("{kind}: {event}, answered {status}")
            }
            (None, _) => format!("{kind}: {event}"),
        }
    }
}
