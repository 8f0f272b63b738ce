//! One part to the server: under a fresh name per attempt, whole or not at all.
//!
//! A [`Courier`] has one session. [`Courier::carry`] tries once: it first settles what an earlier attempt left (adopts it
//! when it turns out to be whole, else removes it), then sends the part under the next attempt name. Nothing is ever
//! appended, renamed or written over: a cut file may already have been taken for a whole one (design, decisions).

mod leftovers;

use std::fs::File;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::base::interrupt::Interrupt;
use crate::base::meter::Meter;
use crate::base::retry::Trouble;
use crate::base::text::megabytes;
use crate::delivery::settings::Delivery;
use crate::delivery::sftp::{Retry, SftpError, SftpSession};
use crate::delivery::verify;
use crate::state::manifest::{Attempt, AttemptState, ManifestFile, PartState, StateError};
use crate::state::part::{Part, PartNumber, UploadedPart, Verification, VerifiedPart};

/// A part whose remote file has the wrong size so often is given up.
const MAX_BAD_SIZES: u32 = 3;
/// A part whose upload broke so often is given up. Each time bytes were acknowledged, so that `give-up-after` never comes,
/// and each broken attempt may have been taken for a whole file.
const MAX_BREAKS: u32 = 20;
/// A part whose CLOSE was not answered in time so often is given up: each time a whole copy may have reached the server.
const MAX_UNCONFIRMED: u32 = 3;

/// The failure of a part's delivery.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// No session.
    #[error(transparent)]
    Connect(SftpError),
    /// The session or the server refused.
    #[error("part {part}")]
    Part {
        /// Which part.
        part: PartNumber,
        /// The cause.
        source: SftpError,
    },
    /// The part file here cannot be read.
    #[error("part {part}, {}: cannot be read", path.display())]
    LocalPart {
        /// Which part.
        part: PartNumber,
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// The manifest cannot be written.
    #[error(transparent)]
    State(#[from] StateError),
    /// Bytes moved, but the part never got through.
    #[error("part {part} ({}) broke {breaks} times during the upload", megabytes(*bytes))]
    Broke {
        /// Which part.
        part: PartNumber,
        /// Its size.
        bytes: u64,
        /// How often.
        breaks: u32,
        /// The last failure.
        source: SftpError,
    },
    /// The server has got every byte several times, and never confirmed the file.
    #[error("part {part} was sent {times} times, and the server never confirmed it")]
    Unconfirmed {
        /// Which part.
        part: PartNumber,
        /// The number of whole uploads.
        times: u32,
        /// The last failure.
        source: SftpError,
    },
    /// Nothing moved for too long.
    #[error("gave up after {}, in which the server acknowledged nothing", humantime::format_duration(*after))]
    GaveUp {
        /// `retry.give-up-after`.
        after: std::time::Duration,
        /// The last failure.
        source: SftpError,
    },
}

/// The outcome of one try.
#[derive(Debug)]
pub enum UploadOutcome {
    /// The server has the part.
    Delivered(VerifiedPart),
    /// The remote file had the wrong size each time: given up.
    Misdelivered,
    /// It failed in a way that may pass; try again.
    Again(SftpError),
}

/// A part on its way, with its attempts so far.
#[derive(Debug, Clone)]
pub struct Task {
    /// The part to send.
    pub part: Part,
    /// Every attempt so far, in order.
    pub attempts: Vec<Attempt>,
    bad_sizes: u32,
    refusals: u32,
    breaks: u32,
    unconfirmed: u32,
    /// The last CLOSE was not answered: its file may appear yet.
    may_appear: bool,
}

impl Task {
    /// A part that was never sent.
    pub fn new(part: Part) -> Self {
        Self::resumed(part, Vec::new())
    }

    /// A part that an earlier process began to send.
    pub fn resumed(part: Part, attempts: Vec<Attempt>) -> Self {
        let may_appear = attempts
            .iter()
            .any(|attempt| attempt.state == AttemptState::Unconfirmed);
        Self {
            part,
            attempts,
            bad_sizes: 0,
            refusals: 0,
            breaks: 0,
            unconfirmed: 0,
            may_appear,
        }
    }

    /// How often its upload broke on the way, in this process.
    pub fn breaks(&self) -> u32 {
        self.breaks
    }
}

/// The things that all couriers of a run share.
#[derive(Debug, Clone, Copy)]
pub struct Route<'a> {
    /// Where to, and how.
    pub delivery: &'a Delivery,
    /// The run's memory.
    pub manifest: &'a ManifestFile,
    /// Counts acknowledged bytes.
    pub meter: &'a Meter,
    /// Ends when a byte is acknowledged.
    pub trouble: &'a Trouble,
    /// Ends everything.
    pub interrupt: &'a Interrupt,
    /// Keep part files here after their delivery.
    pub keep_parts: bool,
}

/// One session's worth of delivering.
pub struct Courier<'a> {
    route: Route<'a>,
    session: Option<SftpSession>,
}

impl<'a> Courier<'a> {
    /// A courier that is not connected yet.
    pub fn new(route: Route<'a>) -> Self {
        Self {
            route,
            session: None,
        }
    }

    /// Connects, if there is no session.
    pub fn connect(&mut self) -> Result<&mut SftpSession, SftpError> {
        self.connect_until(self.route.interrupt)
    }

    fn connect_until(&mut self, interrupt: &Interrupt) -> Result<&mut SftpSession, SftpError> {
        // A session that was idle may have been cut since: to try it would cost the part an attempt.
        let session = match self.session.take().filter(|session| !session.is_lost()) {
            Some(session) => session,
            None => SftpSession::connect(&self.route.delivery.sftp, interrupt)?,
        };
        Ok(self.session.insert(session))
    }

    /// Tries once to deliver `task`. An error is one that trying again cannot mend.
    pub fn carry(&mut self, task: &mut Task) -> Result<UploadOutcome, UploadError> {
        match self.settle(task) {
            Ok(None) => {}
            Ok(Some(uploaded)) => return self.verify(task, uploaded),
            Err(error) => return self.failed(task, error),
        }
        match self.put(task) {
            Ok(uploaded) => self.verify(task, uploaded),
            Err(PutError::Sftp(error)) => self.failed(task, error),
            Err(PutError::Fatal(error)) => Err(error),
        }
    }

    fn put(&mut self, task: &mut Task) -> Result<UploadedPart, PutError> {
        let number = task.part.number;
        let path = &task.part.path;
        let local = |source| UploadError::LocalPart {
            part: number,
            path: path.clone(),
            source,
        };
        let mut file = File::open(path).map_err(local)?;
        self.connect()?;
        let attempt = next_attempt(task, &self.route.delivery.directory);
        task.attempts.push(attempt.clone());
        self.note_state(task, PartState::Uploading)?;
        let Route { meter, trouble, .. } = self.route;
        let session = self.connect()?;
        let mut acknowledged = 0;
        let mut progress = |bytes: u64| {
            acknowledged += bytes;
            meter.bytes_acknowledged.add(bytes);
            trouble.end();
        };
        let sent = session.put(
            &attempt.remote_path,
            &mut file,
            task.part.bytes,
            &mut progress,
        );
        let index = task.attempts.len() - 1;
        task.attempts[index].ended_at = Some(Timestamp::now());
        if let Err(error) = sent {
            meter.bytes_acknowledged.take_back(acknowledged);
            self.session = None;
            // A break before the first acknowledged byte is trouble, and `give-up-after` ends it.
            task.breaks += u32::from(acknowledged > 0);
            match &error {
                SftpError::CommitUnknown { source, .. } => {
                    let in_vain = matches!(**source, SftpError::TimedOut { .. });
                    task.unconfirmed += u32::from(in_vain);
                    task.may_appear = true;
                    self.note_attempt(task, index, AttemptState::Unconfirmed)?;
                }
                SftpError::OpenRefused { .. } => {
                    self.note_attempt(task, index, AttemptState::Removed)?;
                }
                _ => self.note_attempt(task, index, AttemptState::Broken)?,
            }
            return Err(error.into());
        }
        task.attempts[index].state = AttemptState::Closed;
        self.note_state(task, PartState::Uploaded)?;
        Ok(uploaded(task, &attempt))
    }

    fn verify(
        &mut self,
        task: &mut Task,
        uploaded: UploadedPart,
    ) -> Result<UploadOutcome, UploadError> {
        let looked = self
            .connect()
            .and_then(|session| verify::look(session, &uploaded));
        let verification = match looked {
            Ok(verification) => verification,
            Err(error) => return self.failed(task, error),
        };
        let number = task.part.number;
        if verification != Verification::Failed {
            self.route.manifest.update_part(number, |record| {
                record.attempts.clone_from(&task.attempts);
                record.state = PartState::Verified;
                record.verification = Some(verification);
                record.delivered_at = Some(Timestamp::now());
            })?;
            tracing::info!(part = %number, rows = task.part.rows, bytes = task.part.bytes, attempt = uploaded.attempt, "{}", verification.word());
            return Ok(UploadOutcome::Delivered(VerifiedPart {
                uploaded,
                verification,
            }));
        }
        tracing::warn!(part = %number, "{} has another size than the file that was sent", uploaded.remote_path);
        self.route
            .meter
            .bytes_acknowledged
            .take_back(task.part.bytes);
        let of_this = |attempt: &Attempt| attempt.number == uploaded.attempt;
        if let Some(index) = task.attempts.iter().position(of_this) {
            self.note_attempt(task, index, AttemptState::Broken)?;
        }
        task.bad_sizes += 1;
        if task.bad_sizes < MAX_BAD_SIZES {
            return self.carry(task);
        }
        self.clean_up(task)?;
        self.route.manifest.update_part(number, |record| {
            record.verification = Some(Verification::Failed);
        })?;
        Ok(UploadOutcome::Misdelivered)
    }

    /// Sorts a failure: worth another try, or not.
    fn failed(&mut self, task: &mut Task, error: SftpError) -> Result<UploadOutcome, UploadError> {
        let again = match error.retry() {
            Retry::UntilGivenUp => task.breaks < MAX_BREAKS && task.unconfirmed < MAX_UNCONFIRMED,
            Retry::Once => {
                task.refusals += 1;
                task.refusals == 1
            }
            Retry::Never => error.is_interrupted(),
        };
        if again {
            self.session = None;
            return Ok(UploadOutcome::Again(error));
        }
        let part = task.part.number;
        Err(match error.retry() {
            Retry::UntilGivenUp if task.unconfirmed >= MAX_UNCONFIRMED => {
                UploadError::Unconfirmed {
                    part,
                    times: task.unconfirmed,
                    source: error,
                }
            }
            Retry::UntilGivenUp => UploadError::Broke {
                part,
                bytes: task.part.bytes,
                breaks: task.breaks,
                source: error,
            },
            _ => UploadError::Part {
                part,
                source: error,
            },
        })
    }

    fn note_state(&self, task: &Task, state: PartState) -> Result<(), StateError> {
        self.route.manifest.update_part(task.part.number, |record| {
            record.attempts.clone_from(&task.attempts);
            record.state = state;
        })
    }

    fn note_attempt(
        &self,
        task: &mut Task,
        index: usize,
        state: AttemptState,
    ) -> Result<(), StateError> {
        task.attempts[index].state = state;
        self.route.manifest.update_part(task.part.number, |record| {
            record.attempts.clone_from(&task.attempts);
        })
    }
}

/// Removes a delivered part: nothing needs it any more. Its identifiers stay, for the list.
pub fn remove_local(part: &Part) {
    if let Err(error) = std::fs::remove_file(&part.path) {
        tracing::warn!("{}: cannot be removed: {error}", part.path.display());
    }
}

/// A failure of a put: of the session, or of something here.
enum PutError {
    Sftp(SftpError),
    Fatal(UploadError),
}

impl From<SftpError> for PutError {
    fn from(error: SftpError) -> Self {
        Self::Sftp(error)
    }
}

impl From<UploadError> for PutError {
    fn from(error: UploadError) -> Self {
        Self::Fatal(error)
    }
}

impl From<StateError> for PutError {
    fn from(error: StateError) -> Self {
        Self::Fatal(error.into())
    }
}

fn uploaded(task: &Task, attempt: &Attempt) -> UploadedPart {
    UploadedPart {
        part: task.part.clone(),
        remote_path: attempt.remote_path.clone(),
        attempt: attempt.number,
    }
}

/// The next attempt, under `<part>.csv` the first time and `<part>-a<n>.csv` after that.
fn next_attempt(task: &Task, directory: &str) -> Attempt {
    let number = task.attempts.last().map_or(1, |last| last.number + 1);
    let stem = task
        .part
        .path
        .file_stem()
        .map(|stem| stem.to_string_lossy())
        .unwrap_or_default();
    let suffix = if number == 1 {
        String::new()
    } else {
        format!("-a{number}")
    };
    Attempt {
        number,
        remote_path: format!("{directory}/{stem}{suffix}.csv"),
        state: AttemptState::Begun,
        started_at: Some(Timestamp::now()),
        ended_at: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_attempt_has_a_name_of_its_own() {
        let part = Part {
            number: PartNumber(3),
            path: PathBuf::from("/s/parts/vip-20261123T020000Z-0123abcd-0003.csv"),
            rows: 1,
            bytes: 1,
            sha256: String::new(),
        };
        let mut task = Task::new(part);
        let first = next_attempt(&task, "/profiles");
        assert_eq!(
            first.remote_path,
            "/profiles/vip-20261123T020000Z-0123abcd-0003.csv"
        );
        task.attempts.push(first);
        let second = next_attempt(&task, "/profiles");
        assert_eq!(
            second.remote_path,
            "/profiles/vip-20261123T020000Z-0123abcd-0003-a2.csv"
        );
    }
}
