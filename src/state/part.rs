//! Parts: the CSV files of a run, with a type for each thing that is known of them.
//!
//! A [`Part`] is closed and durable on this machine; an [`UploadedPart`] was closed by the server too; a
//! [`VerifiedPart`] was looked at there afterwards. Each is made of the one before it, so a wrong order does not compile.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A part's place in its run, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PartNumber(pub u32);

impl PartNumber {
    /// The sentinel's, which is none of the audience's parts.
    pub const SENTINEL: Self = Self(0);
}

impl std::fmt::Display for PartNumber {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{:04}", self.0)
    }
}

/// A closed, fsynced part file that never changes any more.
#[derive(Debug, Clone)]
pub struct Part {
    /// Its place in the run.
    pub number: PartNumber,
    /// The file.
    pub path: PathBuf,
    /// Rows without the header.
    pub rows: u64,
    /// Bytes with the header.
    pub bytes: u64,
    /// SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

impl Part {
    /// The file beside it with its rows' identifiers, where these are kept.
    pub fn identifiers(&self) -> PathBuf {
        self.path.with_extension("ids")
    }
}

/// A part whose CLOSE the server answered with success.
#[derive(Debug, Clone)]
pub struct UploadedPart {
    /// The part that was sent.
    pub part: Part,
    /// Where to.
    pub remote_path: String,
    /// Which attempt this was, from 1.
    pub attempt: u32,
}

/// The result of the look at an uploaded part on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verification {
    /// It has the right size.
    Verified,
    /// It is gone already: the server collected it.
    Collected,
    /// The server does not let us look.
    Unverified,
    /// It is shorter or longer than what was sent.
    Failed,
}

impl Verification {
    /// The word as reports write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verified => "verified",
            Self::Collected => "collected",
            Self::Unverified => "unverified",
            Self::Failed => "failed",
        }
    }
}

/// A delivered part: verified, collected, or unverified; never failed.
#[derive(Debug, Clone)]
pub struct VerifiedPart {
    /// The part that was sent, and its remote path.
    pub uploaded: UploadedPart,
    /// The result of the look.
    pub verification: Verification,
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}
