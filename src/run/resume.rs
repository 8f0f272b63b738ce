//! The effect of an unfinished run of a job on the next one.
//!
//! The same job over the same files: a complete spool is only sent on; one that was cut is formatted again under the same
//! names, and parts that the server has are skipped. Anything else, standard input above all, is a new run that
//! supersedes the old one: going on could leave rows out that have come since.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::delivery::upload::Task;
use crate::source::audience::SourceFingerprint;
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::manifest::{PartRecord, RunManifest, RunStatus, StateError, read_manifest};
use crate::state::part::{Part, hex};
use crate::state::shard::ShardRecord;
use crate::state::storage::{discard, replace_json};

/// The facts that must be the same for a run to go on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RunIdentity {
    /// Of the job.
    pub job_fingerprint: String,
    /// Of the audience; `None` of a stream.
    pub sources: Option<Vec<SourceFingerprint>>,
    /// Whether the audience is the result of a query.
    pub is_query: bool,
    /// The limit of rows.
    pub limit: Option<u64>,
    /// Whether every row is asked for, although the job sends changed ones only.
    pub is_full: bool,
    /// Which shard of which run group; `None` of a run of its own.
    pub shard: Option<ShardRecord>,
}

/// The reason for which a run does not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The job file says something else now.
    JobChanged,
    /// The source files are not the same.
    SourcesChanged,
    /// The audience is a stream: it cannot be read again, and may hold other rows.
    Stream,
    /// The audience is a query: its answer may be another one now.
    Query,
    /// `--limit` is not the same.
    LimitChanged,
    /// `--full` was given, and the run sends changed rows only.
    FullWanted,
    /// It is of another run group, or one of the two is of none.
    RunGroupChanged,
    /// Another version of the program began it.
    ProgramChanged,
}

impl Obstacle {
    /// The obstacle in words.
    pub const fn words(self) -> &'static str {
        match self {
            Self::JobChanged => "the job has changed",
            Self::SourcesChanged => "the audience has changed",
            Self::Stream => "standard input cannot be read a second time",
            Self::Query => "a query is always asked again",
            Self::LimitChanged => "--limit has changed",
            Self::FullWanted => "--full was given",
            Self::RunGroupChanged => "--run-group has changed",
            Self::ProgramChanged => "another version of klaviyo-export began it",
        }
    }
}

/// How a run begins.
#[derive(Debug)]
pub enum Beginning {
    /// Nothing is unfinished; the last run, if there was one.
    New(Option<Box<RunManifest>>),
    /// The unfinished run cannot go on.
    Instead {
        /// The unfinished run.
        of: Box<RunManifest>,
        /// The cause.
        because: Obstacle,
    },
    /// The spool is complete: send what is missing.
    Send(Box<RunManifest>),
    /// Format again under the same names; skip what the server has.
    Format(Box<RunManifest>),
}

/// A run's own word for the program that makes its parts.
pub const PROGRAM: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

/// Looks at the job's last run that was meant to deliver.
pub fn beginning(state: &JobDirectory, identity: &RunIdentity) -> Result<Beginning, StateError> {
    let Some(last) = last_run(state)? else {
        return Ok(Beginning::New(None));
    };
    let last = Box::new(last);
    if !last.status.is_unfinished() {
        return Ok(Beginning::New(Some(last)));
    }
    Ok(match obstacle(&last, identity) {
        Some(because) => Beginning::Instead { of: last, because },
        None if last.formatted => Beginning::Send(last),
        None => Beginning::Format(last),
    })
}

/// The manifest of the job's last run that was meant to deliver.
pub fn last_run(state: &JobDirectory) -> Result<Option<RunManifest>, StateError> {
    last_run_where(state, |_| true)
}

/// As [`last_run`], of those that `is_meant`.
pub fn last_run_where(
    state: &JobDirectory,
    is_meant: impl Fn(&RunManifest) -> bool,
) -> Result<Option<RunManifest>, StateError> {
    for id in state.run_ids()?.iter().rev() {
        let path = state.run(id).manifest();
        // A run that was killed before it had a manifest has done nothing.
        if path.exists() {
            let manifest = read_manifest(&path)?;
            if !manifest.dry_run && is_meant(&manifest) {
                return Ok(Some(manifest));
            }
        }
    }
    Ok(None)
}

/// The id of the list of this name, as the job's latest run that had one knew it.
pub fn known_list(state: &JobDirectory, name: &str) -> Result<Option<String>, StateError> {
    let is_it = |run: &RunManifest| run.list.as_ref().is_some_and(|list| list.name == name);
    let last = last_run_where(state, is_it)?;
    Ok(last.and_then(|run| run.list).map(|list| list.id))
}

fn obstacle(last: &RunManifest, now: &RunIdentity) -> Option<Obstacle> {
    let group = |shard: &Option<ShardRecord>| {
        let shard = shard.as_ref();
        shard.map(|shard| (shard.number, shard.of, shard.run_group.clone()))
    };
    if group(&last.shard) != group(&now.shard) {
        return Some(Obstacle::RunGroupChanged);
    }
    if last.job_fingerprint != now.job_fingerprint {
        return Some(Obstacle::JobChanged);
    }
    if last.limit != now.limit {
        return Some(Obstacle::LimitChanged);
    }
    if now.is_full && last.delta.as_ref().is_some_and(|delta| !delta.is_full()) {
        return Some(Obstacle::FullWanted);
    }
    if now.is_query {
        return Some(Obstacle::Query);
    }
    match (&last.sources, &now.sources) {
        (Some(then), Some(now)) if then == now => {}
        // Even with a complete spool: what comes in now may be other rows, and those would be lost.
        (None, _) | (_, None) => return Some(Obstacle::Stream),
        (Some(_), Some(_)) => return Some(Obstacle::SourcesChanged),
    }
    (!last.formatted && last.program != PROGRAM).then_some(Obstacle::ProgramChanged)
}

/// The reason for which a spooled part cannot be sent any more.
#[derive(Debug, thiserror::Error)]
pub enum SpooledPartError {
    /// The file is gone or cannot be read.
    #[error("{}: the part file cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: std::io::Error,
    },
    /// It is not what was spooled.
    #[error("{}: the part file has changed since it was written", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

/// The spooled parts that the server does not have, each checked against its digest, to be sent.
pub fn missing_parts(
    run: &RunDirectory,
    manifest: &RunManifest,
) -> Result<Vec<Task>, SpooledPartError> {
    let missing = manifest.parts.iter().filter(|part| !part.is_delivered());
    missing
        .map(|record| {
            let part = spooled_part(run, record);
            check_digest(&part)?;
            Ok(Task::resumed(part, record.attempts.clone()))
        })
        .collect()
}

fn spooled_part(run: &RunDirectory, record: &PartRecord) -> Part {
    let path = run.parts().join(&record.file_name);
    Part {
        number: record.number,
        path,
        rows: record.rows,
        bytes: record.bytes,
        sha256: record.sha256.clone(),
    }
}

fn check_digest(part: &Part) -> Result<(), SpooledPartError> {
    let unreadable = |source| SpooledPartError::Unreadable {
        path: part.path.clone(),
        source,
    };
    let mut file = std::fs::File::open(&part.path).map_err(unreadable)?;
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match std::io::Read::read(&mut file, &mut buffer).map_err(unreadable)? {
            0 => break,
            read => digest.update(&buffer[..read]),
        }
    }
    if hex(&digest.finalize()) == part.sha256 {
        return Ok(());
    }
    Err(SpooledPartError::Changed {
        path: part.path.clone(),
    })
}

/// Marks an unfinished run as superseded and removes its part files: nobody will send them.
pub fn supersede(state: &JobDirectory, mut manifest: RunManifest) -> Result<(), StateError> {
    let run = state.run(&manifest.run_id);
    manifest.status = RunStatus::Superseded;
    replace_json(&run.manifest(), &manifest)?;
    discard(&run.next_snapshot());
    // What a killed list stage may have left holds personal data too.
    for name in ["members.csv", "candidates.csv"] {
        for name in [name.to_owned(), format!("{name}.partial")] {
            discard(&run.path().join(name));
        }
    }
    for entry in std::fs::read_dir(run.parts())
        .into_iter()
        .flatten()
        .flatten()
    {
        discard(&entry.path());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::manifest::MANIFEST_VERSION;
    use jiff::Timestamp;

    fn source(bytes: u64) -> SourceFingerprint {
        SourceFingerprint {
            name: "a.csv".to_owned(),
            bytes,
            modified: 1,
            ends: "0".to_owned(),
        }
    }

    fn manifest() -> RunManifest {
        RunManifest {
            version: MANIFEST_VERSION,
            run_id: "r".to_owned(),
            job: "vip".to_owned(),
            dry_run: false,
            program: PROGRAM.to_owned(),
            job_fingerprint: "f".to_owned(),
            sources: Some(vec![source(1)]),
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

    fn identity() -> RunIdentity {
        RunIdentity {
            job_fingerprint: "f".to_owned(),
            sources: Some(vec![source(1)]),
            ..RunIdentity::default()
        }
    }

    #[test]
    fn the_same_job_and_sources_go_on() {
        assert_eq!(obstacle(&manifest(), &identity()), None);
    }

    #[test]
    fn each_change_is_named() {
        let mut now = identity();
        now.job_fingerprint = "g".to_owned();
        assert_eq!(obstacle(&manifest(), &now), Some(Obstacle::JobChanged));
        let mut now = identity();
        now.sources = Some(vec![source(2)]);
        assert_eq!(obstacle(&manifest(), &now), Some(Obstacle::SourcesChanged));
        let mut now = identity();
        now.limit = Some(10);
        assert_eq!(obstacle(&manifest(), &now), Some(Obstacle::LimitChanged));
        let mut then = manifest();
        then.program = "older".to_owned();
        assert_eq!(obstacle(&then, &identity()), Some(Obstacle::ProgramChanged));
        then.formatted = true;
        assert_eq!(
            obstacle(&then, &identity()),
            None,
            "a complete spool needs no formatting"
        );
    }

    #[test]
    fn a_stream_never_goes_on_for_it_may_hold_other_rows() {
        let mut then = manifest();
        then.sources = None;
        let mut now = identity();
        now.sources = None;
        assert_eq!(obstacle(&then, &now), Some(Obstacle::Stream));
        then.formatted = true;
        assert_eq!(obstacle(&then, &now), Some(Obstacle::Stream));
    }
}
