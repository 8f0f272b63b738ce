//! The memory of one part: where it stands, and every attempt to send it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::part::{Part, PartNumber, Verification};

/// Where a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartState {
    /// Closed and durable here.
    Written,
    /// An attempt was begun.
    Uploading,
    /// The server closed it.
    Uploaded,
    /// It was looked at there; see `verification`.
    Verified,
}

/// The fate of an attempt's remote file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttemptState {
    /// Begun; not known to have ended.
    Begun,
    /// The server closed it.
    Closed,
    /// It broke, and its file may still be there.
    Broken,
    /// It broke, and its file is not there any more.
    Removed,
    /// Every byte was sent, and CLOSE was never answered: the file may be whole, or appear later.
    Unconfirmed,
}

impl AttemptState {
    /// Whether a file that is not wanted may be left of the attempt.
    pub fn may_be_there(self) -> bool {
        match self {
            Self::Begun | Self::Broken | Self::Unconfirmed => true,
            Self::Closed | Self::Removed => false,
        }
    }
}

/// One attempt to send a part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Attempt {
    /// From 1.
    pub number: u32,
    /// Where to.
    pub remote_path: String,
    /// Its fate.
    pub state: AttemptState,
    /// When it began; `None` in manifests of versions that did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// When the last byte was acknowledged and the file closed, or when it broke; `None` also of one that was killed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
}

/// One part.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartRecord {
    /// Its place in the run.
    pub number: PartNumber,
    /// The file's name in the parts folder.
    pub file_name: String,
    /// Rows without the header.
    pub rows: u64,
    /// Bytes with the header.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// Whether its rows are of people who left the audience.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_of_leavers: bool,
    /// Where it stands.
    pub state: PartState,
    /// When its file was complete here; `None` in manifests of versions that did not note it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
    /// When it was known that the server has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// Every attempt to send it, in order.
    pub attempts: Vec<Attempt>,
    /// The result of the look at the server.
    pub verification: Option<Verification>,
}

impl PartRecord {
    /// The attempt that the server has closed, or else the last one.
    pub fn decisive_attempt(&self) -> Option<&Attempt> {
        let closed = |attempt: &&Attempt| attempt.state == AttemptState::Closed;
        let last_closed = self.attempts.iter().rev().find(closed);
        last_closed.or(self.attempts.last())
    }

    /// The record of a part that was just closed.
    pub fn written(part: &Part) -> Self {
        let file_name = part
            .path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        Self {
            number: part.number,
            file_name,
            rows: part.rows,
            bytes: part.bytes,
            sha256: part.sha256.clone(),
            is_of_leavers: false,
            state: PartState::Written,
            written_at: Some(Timestamp::now()),
            delivered_at: None,
            attempts: Vec::new(),
            verification: None,
        }
    }

    /// True when the server has it: verified, collected or unverified.
    pub fn is_delivered(&self) -> bool {
        self.verification
            .is_some_and(|verification| verification != Verification::Failed)
    }
}
