//! The manifest: the one memory of a run, on disk after every change of state.
//!
//! A [`ManifestFile`] is shared by the threads of a run. Each [`ManifestFile::update`] replaces the JSON file whole
//! (temporary file, fsync, rename, fsync of the folder), so that a crash leaves the old or the new one, never a mixture.
//! No personal data and no secret is in it.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use crate::state::error::{MANIFEST_VERSION, StateError};
pub use crate::state::part_record::{Attempt, AttemptState, PartRecord, PartState};

use crate::state::counts::Counts;
use crate::state::drift::DriftRecord;
use crate::state::fingerprint::SourceFingerprint;
use crate::state::no_email::NoEmail;
use crate::state::part::PartNumber;
use crate::state::shard::ShardRecord;
use crate::state::storage::{replace_json, storage};

/// How a run stands, in the word that reports use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// Under way, or killed.
    Running,
    /// Every part is delivered.
    Done,
    /// It ended with an error.
    Failed,
    /// A signal ended it.
    Interrupted,
    /// It formatted and sent nothing.
    DryRun,
    /// A later run took its place.
    Superseded,
}

impl RunStatus {
    /// The word of reports.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::DryRun => "dry-run",
            Self::Superseded => "superseded",
        }
    }

    /// True of a run that was meant to deliver and has more to do: a later one may go on with it.
    pub const fn is_unfinished(self) -> bool {
        matches!(self, Self::Running | Self::Failed | Self::Interrupted)
    }
}

/// The outcome of the list stage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListRecord {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Whether this run made it.
    pub created: bool,
    /// Rows that were put on it; `null` where nobody can tell.
    pub attached: Option<u64>,
    /// Rows for which there is no profile.
    pub unresolved: u64,
    /// Members that were taken off it.
    pub removed: u64,
    /// Members that stay on it because their phone numbers cannot be read.
    #[serde(default)]
    pub kept_unreadable: u64,
    /// Rows that Klaviyo refused.
    pub rejected: u64,
    /// Those of the audience who get no e-mail; `None` where Klaviyo was not asked, or did not tell.
    #[serde(default)]
    pub no_email: Option<NoEmail>,
}

/// The outcome of the sentinel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SentinelRecord {
    /// Its file, where it goes by SFTP.
    pub part: Option<PartRecord>,
    /// Whether Klaviyo or the server has it.
    pub sent: bool,
    /// When Klaviyo showed it.
    pub seen_at: Option<Timestamp>,
}

/// The last `undo` of a run's removals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoRecord {
    /// When it ended.
    pub at: Timestamp,
    /// Members that were added to the list again.
    pub members: u64,
    /// Profiles that had been deleted in Klaviyo.
    pub deleted: u64,
}

/// The comparison of a run with the snapshot of the last one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeltaRecord {
    /// The run whose snapshot was compared; `None` where there was no snapshot of use.
    pub base: Option<String>,
    /// The run whose snapshot was there, of use or not.
    #[serde(default)]
    pub seen: Option<String>,
    /// The reason for which every row is sent; `None` where only changed ones are.
    pub full_because: Option<String>,
    /// When the last run began that sent every row: this one, or an earlier one.
    pub full_at: Timestamp,
    /// A person has approved of the number of changes.
    #[serde(default)]
    pub approved: bool,
    /// The list on which the people of the snapshot are, where its id is known.
    #[serde(default)]
    pub list_id: Option<String>,
}

impl DeltaRecord {
    /// Whether every row is sent.
    pub fn is_full(&self) -> bool {
        self.full_because.is_some()
    }
}

/// All that is remembered of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RunManifest {
    /// [`MANIFEST_VERSION`].
    pub version: u32,
    /// `yyyymmddThhmmssZ-` and eight hexadecimal digits.
    pub run_id: String,
    /// The job's name.
    pub job: String,
    /// True for a run that only formats.
    pub dry_run: bool,
    /// The version of the program; another one may format otherwise.
    pub program: String,
    /// Fingerprint of all in the job that decides what is sent where.
    pub job_fingerprint: String,
    /// The fingerprints of the source files; `None` of a stream, which cannot be read again.
    pub sources: Option<Vec<SourceFingerprint>>,
    /// The limit of rows that the run was given.
    pub limit: Option<u64>,
    /// When the run began.
    pub started_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// How it stands.
    pub status: RunStatus,
    /// The error, on one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// True from when every row of the audience is in a closed part.
    pub formatted: bool,
    /// The counts, once formatting has ended.
    pub counts: Option<Counts>,
    /// The closed parts, in order.
    pub parts: Vec<PartRecord>,
    /// The list, once its stage has begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub list: Option<ListRecord>,
    /// The sentinel, once its turn came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sentinel: Option<SentinelRecord>,
    /// Its part in a run group, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardRecord>,
    /// The comparison with the last run, where only changed rows are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta: Option<DeltaRecord>,
    /// How its counts compare with those of the last runs, where they are compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<DriftRecord>,
    /// The dry run whose parts it delivers, if it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applies: Option<String>,
    /// The `undo` of its removals, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone: Option<UndoRecord>,
}

impl RunManifest {
    /// The remote files of attempts that did not end well and may still be there, those of the sentinel too. A later run
    /// tries again to remove them.
    pub fn leftovers(&self) -> Vec<String> {
        let sentinel = self.sentinel.as_ref().and_then(|it| it.part.as_ref());
        let attempts = self.parts.iter().chain(sentinel);
        attempts
            .flat_map(|part| &part.attempts)
            .filter(|attempt| attempt.state.may_be_there())
            .map(|attempt| attempt.remote_path.clone())
            .collect()
    }

    /// Whether it is a trial: a dry run, or one of the first rows alone.
    pub fn is_trial(&self) -> bool {
        self.dry_run || self.limit.is_some()
    }

    /// Whether it is of one of several processes, and the list waits for the others.
    pub fn is_shard(&self) -> bool {
        self.shard.as_ref().is_some_and(|it| it.number.is_some())
    }

    /// Rows of the audience in parts: without those of people who left it.
    pub fn rows_of_audience(&self) -> u64 {
        let parts = self.parts.iter().filter(|part| !part.is_of_leavers);
        parts.map(|part| part.rows).sum()
    }

    /// How many parts the server has.
    pub fn delivered(&self) -> u64 {
        self.parts.iter().filter(|part| part.is_delivered()).count() as u64
    }
}

/// A run's manifest in memory and on disk.
#[derive(Debug)]
pub struct ManifestFile {
    path: PathBuf,
    manifest: Mutex<RunManifest>,
}

impl ManifestFile {
    /// Writes a new manifest at `path`.
    pub fn create(path: PathBuf, manifest: RunManifest) -> Result<Self, StateError> {
        replace_json(&path, &manifest)?;
        Ok(Self {
            path,
            manifest: Mutex::new(manifest),
        })
    }

    /// Changes the manifest; when this returns, the change is durable.
    pub fn update(&self, change: impl FnOnce(&mut RunManifest)) -> Result<(), StateError> {
        let mut manifest = self.manifest.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut manifest);
        replace_json(&self.path, &*manifest)
    }

    /// Changes one part's record; durable when this returns. An error if the run has no such part.
    pub fn update_part(
        &self,
        number: PartNumber,
        change: impl FnOnce(&mut PartRecord),
    ) -> Result<(), StateError> {
        let mut is_known = false;
        self.update(|manifest| {
            let sentinel = manifest.sentinel.as_mut().and_then(|it| it.part.as_mut());
            let mut parts = manifest.parts.iter_mut().chain(sentinel);
            if let Some(part) = parts.find(|part| part.number == number) {
                change(part);
                is_known = true;
            }
        })?;
        if is_known {
            Ok(())
        } else {
            Err(StateError::UnknownPart {
                path: self.path.clone(),
                part: number,
            })
        }
    }

    /// Opens the manifest of a run that goes on.
    pub fn reopen(path: PathBuf, manifest: RunManifest) -> Self {
        Self {
            path,
            manifest: Mutex::new(manifest),
        }
    }

    /// A copy of the present content.
    pub fn snapshot(&self) -> RunManifest {
        self.manifest
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// The fields that every version of a manifest has.
#[derive(Deserialize)]
struct Version {
    version: u32,
}

/// Reads the manifest at `path`.
pub fn read_manifest(path: &Path) -> Result<RunManifest, StateError> {
    let bytes = std::fs::read(path).map_err(storage(path, "read it"))?;
    parse_manifest(path, &bytes)
}

/// The manifest in the bytes of the file at `path`.
pub fn parse_manifest(path: &Path, bytes: &[u8]) -> Result<RunManifest, StateError> {
    let damaged = |error: serde_json::Error| StateError::Damaged {
        path: path.to_owned(),
        line: error.line(),
    };
    let Version { version } = serde_json::from_slice(bytes).map_err(damaged)?;
    if version > MANIFEST_VERSION {
        return Err(StateError::Newer {
            path: path.to_owned(),
            found: version,
        });
    }
    serde_json::from_slice(bytes).map_err(damaged)
}

/// Pretty JSON with a line feed at its end, to be shown.
pub fn to_json(value: &impl Serialize) -> Vec<u8> {
    // These structs have string keys only: serialising them cannot fail.
    json_of(value).unwrap_or_default()
}

pub(super) fn json_of(value: &impl Serialize) -> serde_json::Result<Vec<u8>> {
    let mut json = serde_json::to_vec_pretty(value)?;
    json.push(b'\n');
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> RunManifest {
        RunManifest {
            version: MANIFEST_VERSION,
            run_id: "20261123T120000Z-0123abcd".to_owned(),
            job: "vip".to_owned(),
            dry_run: false,
            program: "0".to_owned(),
            job_fingerprint: "f".to_owned(),
            sources: None,
            limit: None,
            started_at: Timestamp::UNIX_EPOCH,
            finished_at: None,
            status: RunStatus::Running,
            error: None,
            formatted: false,
            counts: None,
            parts: Vec::new(),
            list: None,
            sentinel: None,
            shard: None,
            undone: None,
            delta: None,
            drift: None,
            applies: None,
        }
    }

    #[test]
    fn an_update_is_on_disk_when_it_returns() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("manifest.json");
        let file = ManifestFile::create(path.clone(), manifest()).unwrap();
        file.update(|manifest| manifest.status = RunStatus::Done)
            .unwrap();
        assert_eq!(read_manifest(&path).unwrap().status, RunStatus::Done);
        assert_eq!(
            std::fs::read_dir(directory.path()).unwrap().count(),
            1,
            "no temporary file is left"
        );
    }

    #[test]
    fn a_part_that_the_run_does_not_have_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("manifest.json");
        let file = ManifestFile::create(path.clone(), manifest()).unwrap();
        let number = PartNumber(9);
        let told = file.update_part(number, |_| panic!("there is no such part"));
        assert!(
            matches!(&told, Err(StateError::UnknownPart { part, .. }) if *part == number),
            "{told:?}"
        );
        assert_eq!(read_manifest(&path).unwrap().parts.len(), 0);
    }

    #[test]
    fn a_damaged_and_a_newer_manifest_are_told_apart() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("manifest.json");
        std::fs::write(&path, &to_json(&manifest())[..40]).unwrap();
        assert!(matches!(
            read_manifest(&path),
            Err(StateError::Damaged { .. })
        ));
        std::fs::write(&path, "{\"version\": 99, \"new\": true}").unwrap();
        assert!(matches!(
            read_manifest(&path),
            Err(StateError::Newer { found: 99, .. })
        ));
    }
}
