//! Where a job's runs are on disk.
//!
//! `<state directory>/<job>/runs/<run id>/{manifest.json, report.json, rejects.csv, repairs.csv, conflicts.csv, parts/}`; folders are
//! 0700. A shard has the same below `<state directory>/<job>/shards/<shard>`.
//!
//! Runs are ordered by a counter that each run's folder holds in its file `order`, never by a clock: one run under a clock
//! that is ahead must not stay the last one for ever. Runs of versions without the counter come first, by their ids.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::state::manifest::StateError;
use crate::state::shard::Shard;
use crate::state::storage::{replace_file, storage};

/// The name of the file in a run's folder that holds its place among the job's runs.
const ORDER: &str = "order";

/// A job's folder.
#[derive(Debug, Clone)]
pub struct JobDirectory {
    path: PathBuf,
    /// The folder of the whole job: of a shard, two above its own.
    whole: PathBuf,
}

/// A run's folder.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    path: PathBuf,
}

impl JobDirectory {
    /// The folder of job `name`.
    pub fn new(state_directory: &Path, name: &str) -> Self {
        let path = state_directory.join(name);
        Self {
            whole: path.clone(),
            path,
        }
    }

    /// Makes the folder, if it is not there. One of another user is refused: its owner could replace each file by a link to
    /// another one, which would then be written.
    pub fn create(&self) -> Result<(), StateError> {
        create_private(&self.runs())?;
        let about = std::fs::metadata(&self.path).map_err(storage(&self.path, "look at it"))?;
        if about.uid() == rustix::process::geteuid().as_raw() {
            return Ok(());
        }
        Err(StateError::Foreign {
            path: self.path.clone(),
            owner: about.uid(),
        })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of one of its shards, which has a lock and runs of its own.
    #[must_use]
    pub fn shard(&self, shard: Shard) -> Self {
        Self {
            path: self.shards().join(shard.name()),
            whole: self.whole.clone(),
        }
    }

    /// The folder of the whole job, of which this may be a shard's.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self {
            path: self.whole.clone(),
            whole: self.whole.clone(),
        }
    }

    fn shards(&self) -> PathBuf {
        self.path.join("shards")
    }

    /// The shards that were ever run, in the order of their names.
    pub fn known_shards(&self) -> Result<Vec<Shard>, StateError> {
        let mut shards: Vec<Shard> = names_in(&self.shards())?
            .iter()
            .filter_map(|name| Shard::of_name(name))
            .collect();
        shards.sort_by_key(|shard| (shard.of(), shard.number()));
        Ok(shards)
    }

    /// The folders of the job's shards of other numbers than `of`: after the number has changed, nothing runs in them any more.
    pub fn other_shards(&self, of: Option<u32>) -> Result<Vec<Self>, StateError> {
        let whole = self.whole();
        let mut shards = whole.known_shards()?;
        shards.retain(|shard| Some(shard.of()) != of);
        Ok(shards.into_iter().map(|shard| whole.shard(shard)).collect())
    }

    /// The folder of its runs.
    pub fn runs(&self) -> PathBuf {
        self.path.join("runs")
    }

    /// The folder of run `run_id`.
    pub fn run(&self, run_id: &str) -> RunDirectory {
        RunDirectory {
            path: self.runs().join(run_id),
        }
    }

    /// The folder of the run with an id that a person gave; `None` where there is none. The id is no path.
    pub fn known_run(&self, run_id: &str) -> Option<RunDirectory> {
        let is_id = run_id
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-');
        let run = self.run(run_id);
        (is_id && !run_id.is_empty() && run.manifest().exists()).then_some(run)
    }

    /// The record of the last attempt.
    pub fn last_attempt(&self) -> PathBuf {
        self.path.join("last-attempt.json")
    }

    /// The report of the last attempt that had no run.
    pub fn attempt_report(&self) -> PathBuf {
        self.path.join("attempt-report.json")
    }

    /// The memory of how attempts ended.
    pub fn outcome(&self) -> PathBuf {
        self.path.join("outcome.json")
    }

    /// The record of the job that the folder belongs to.
    pub fn owner(&self) -> PathBuf {
        self.path.join("job.json")
    }

    /// The rows that Klaviyo has from the job.
    pub fn snapshot(&self) -> PathBuf {
        self.path.join("snapshot")
    }

    /// The key of the hashes of snapshots, the same for all shards of a job.
    pub fn snapshot_key(&self) -> PathBuf {
        self.whole.join("snapshot.key")
    }

    /// The keys whose rows in the snapshot mean nothing.
    pub fn unsettled(&self) -> PathBuf {
        self.path.join("unsettled")
    }

    /// The ids of its runs, oldest first.
    pub fn run_ids(&self) -> Result<Vec<String>, StateError> {
        let names = names_in(&self.runs())?;
        let mut ordered: Vec<(u64, String)> = names
            .into_iter()
            .map(|id| (self.run(&id).order(), id))
            .collect();
        ordered.sort();
        Ok(ordered.into_iter().map(|(_, id)| id).collect())
    }

    /// Makes the folder of the new run `run_id`, which comes after all others.
    pub fn begin_run(&self, run_id: &str) -> Result<RunDirectory, StateError> {
        let known = names_in(&self.runs())?;
        let last = known.iter().map(|id| self.run(id).order()).max();
        let run = self.run(run_id);
        run.create()?;
        let order = last.unwrap_or(0).saturating_add(1);
        replace_file(&run.path.join(ORDER), format!("{order}\n").as_bytes())?;
        Ok(run)
    }
}

/// The names of the jobs that have state in `state_directory`, sorted.
pub fn known_jobs(state_directory: &Path) -> Result<Vec<String>, StateError> {
    let mut jobs = names_in(state_directory)?;
    jobs.retain(|name| {
        let job = JobDirectory::new(state_directory, name);
        let there = [job.runs(), job.shards(), job.last_attempt()];
        there.iter().any(|path| path.exists())
    });
    Ok(jobs)
}

/// The names in a folder, sorted; none where there is no folder.
fn names_in(folder: &Path) -> Result<Vec<String>, StateError> {
    let failed = storage(folder, "read it");
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(failed)?.file_name().into_string());
    }
    names.sort();
    Ok(names)
}

impl RunDirectory {
    /// Makes the folder and that of its parts.
    pub fn create(&self) -> Result<(), StateError> {
        create_private(&self.parts())
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The folder of part files.
    pub fn parts(&self) -> PathBuf {
        self.path.join("parts")
    }

    /// The snapshot that takes the place of the job's when the run is done.
    pub fn next_snapshot(&self) -> PathBuf {
        self.path.join("snapshot.next")
    }

    /// The keys of what the run sends, and of those who left, before anything is sent.
    pub fn next_unsettled(&self) -> PathBuf {
        self.path.join("unsettled.next")
    }

    /// The manifest.
    pub fn manifest(&self) -> PathBuf {
        self.path.join("manifest.json")
    }

    /// The report.
    pub fn report(&self) -> PathBuf {
        self.path.join("report.json")
    }

    /// The report as a page.
    pub fn page(&self) -> PathBuf {
        self.path.join("report.html")
    }

    /// Its place among the job's runs, from 1; 0 of a run that a version without the counter made.
    fn order(&self) -> u64 {
        let text = std::fs::read_to_string(self.path.join(ORDER));
        text.ok()
            .and_then(|text| text.trim().parse().ok())
            .unwrap_or(0)
    }
}

/// A new run's id: its start in UTC and eight hexadecimal digits, the first three of which are the milliseconds, so that
/// the ids of two quick runs sort by time too; the others are random.
pub fn new_run_id(started_at: Timestamp) -> Result<String, StateError> {
    let mut random = [0; 4];
    getrandom::fill(&mut random).map_err(|error| {
        storage(Path::new("/dev/urandom"), "read it")(std::io::Error::other(error.to_string()))
    })?;
    Ok(format!(
        "{}-{:03x}{:05x}",
        started_at.strftime("%Y%m%dT%H%M%SZ"),
        started_at.subsec_millisecond(),
        u32::from_be_bytes(random) >> 12
    ))
}

fn create_private(path: &Path) -> Result<(), StateError> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(storage(path, "make it"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn runs_are_ordered_by_the_counter_and_not_by_the_clock() {
        let state = tempfile::tempdir().unwrap();
        let job = JobDirectory::new(state.path(), "vip");
        // Two runs of a version without the counter, one of them under a clock that was ahead.
        for old in ["20991231T000000Z-00000000", "20260101T000000Z-00000000"] {
            job.run(old).create().unwrap();
        }
        job.begin_run("20990101T000000Z-00000000").unwrap();
        job.begin_run("20261123T020000Z-00000000").unwrap();
        assert_eq!(
            job.run_ids().unwrap(),
            [
                "20260101T000000Z-00000000",
                "20991231T000000Z-00000000",
                "20990101T000000Z-00000000",
                "20261123T020000Z-00000000",
            ]
        );
    }

    #[test]
    fn folders_are_private_and_runs_sort_by_time() {
        let state = tempfile::tempdir().unwrap();
        let job = JobDirectory::new(state.path(), "vip");
        assert!(job.run_ids().unwrap().is_empty());
        job.create().unwrap();
        let early = new_run_id(Timestamp::UNIX_EPOCH).unwrap();
        assert!(
            early.starts_with("19700101T000000Z-000") && early.len() == 25,
            "{early}"
        );
        let millisecond = Timestamp::from_millisecond(1).unwrap();
        assert!(new_run_id(millisecond).unwrap() > early);
        let late = new_run_id(Timestamp::now()).unwrap();
        job.run(&late).create().unwrap();
        job.run(&early).create().unwrap();
        assert_eq!(job.run_ids().unwrap(), [early.clone(), late]);
        let mode = std::fs::metadata(job.run(&early).parts())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
