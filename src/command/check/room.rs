//! The space on disk that is free for a job's state, next to the space that the job needs.

use std::path::Path;

use rustix::fs::statvfs;

use super::local::nearest;
use crate::job::Job;
use crate::job::file::{Deliver, Duplicates};
use crate::run::error::Error;
use crate::run::report::megabytes;
use crate::source::audience::Source;
use crate::state::storage::storage;

/// Endings of the names of packed files.
const PACKED_ENDINGS: [&str; 6] = ["gz", "gzip", "zst", "zstd", "parquet", "parq"];

/// How many times larger the text of a packed file usually is.
const PACKED: u64 = 5;

/// The space that is free, and the space that the job needs.
pub(super) struct Room {
    free: Option<u64>,
    /// `None` where nothing tells, as of a query.
    needed: Option<u64>,
}

/// Less than this is no room at all: not even the files that a run begins with would fit.
const LEAST_ROOM: u64 = 1_000_000;

impl Room {
    pub(super) fn of(job: &Job, state: &Path, audience_bytes: Option<u64>) -> Self {
        let free = statvfs(nearest(state)).ok();
        Self {
            free: free.map(|room| room.f_bavail.saturating_mul(room.f_frsize)),
            needed: audience_bytes.map(|bytes| needed(job, bytes)),
        }
    }

    /// Fails where nothing can be written.
    pub(super) fn check(&self, state: &Path) -> Result<(), Error> {
        match self.free {
            Some(free) if free < LEAST_ROOM => {
                let full = std::io::ErrorKind::StorageFull.into();
                Err(storage(nearest(state), "write a run to it")(full).into())
            }
            _ => Ok(()),
        }
    }

    pub(super) fn words(&self) -> String {
        let free = match self.free {
            Some(free) => format!("{} free", megabytes(free)),
            None => "free space is not known".to_owned(),
        };
        match self.needed {
            Some(needed) => format!("{free}, about {} needed", megabytes(needed)),
            None => format!("{free}, needed space is not known"),
        }
    }

    pub(super) fn warning(&self) -> Option<String> {
        let (free, needed) = (self.free?, self.needed?);
        (needed > free).then(|| {
            "there is less space than the job may need: free some, or name another place with --state-dir"
                .to_owned()
        })
    }
}

/// The size of the sources as text, where each tells its size on disk. Of packed ones it is a guess.
pub(super) fn unpacked_bytes(sources: &[Source]) -> Option<u64> {
    let bytes = |source: &Source| {
        let factor = if is_packed(&source.name) { PACKED } else { 1 };
        Some(source.size_bytes?.saturating_mul(factor))
    };
    sources.iter().map(bytes).sum()
}

fn is_packed(name: &str) -> bool {
    let ending = Path::new(name).extension().and_then(|end| end.to_str());
    let ending = ending.unwrap_or_default().to_ascii_lowercase();
    PACKED_ENDINGS.contains(&ending.as_str())
}

/// The space that the parts of an audience of `bytes` take at once. Parts that are delivered are removed, so that only those
/// that wait or are on their way count; unless all must be there first, or are kept.
fn needed(job: &Job, bytes: u64) -> u64 {
    if job.duplicates == Duplicates::Last {
        // The rows wait in one file, and are written into the parts.
        return bytes.saturating_mul(2);
    }
    if job.keep_parts || job.deliver == Deliver::Api || job.may_fail_at_its_end() {
        return bytes;
    }
    let sessions = job
        .delivery
        .as_ref()
        .map_or(0, |delivery| delivery.sessions);
    let parts = (job.max_waiting + sessions + 1) as u64;
    bytes.min(job.limits.max_bytes.saturating_mul(parts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::environment::Environment;
    use crate::job::file::JobFile;

    #[test]
    fn room_is_told_next_to_what_the_job_needs() {
        for (free, needed, fails, warns, words) in [
            (
                0,
                Some(10),
                true,
                true,
                "0 bytes free, about 10 bytes needed",
            ),
            (
                5_000_000,
                Some(6_000_000),
                false,
                true,
                "5.0 MB free, about 6.0 MB needed",
            ),
            (
                5_000_000,
                Some(4_000_000),
                false,
                false,
                "5.0 MB free, about 4.0 MB needed",
            ),
            (
                5_000_000,
                None,
                false,
                false,
                "5.0 MB free, needed space is not known",
            ),
        ] {
            let room = Room {
                free: Some(free),
                needed,
            };
            assert_eq!(room.check(Path::new("/")).is_err(), fails, "{words}");
            assert_eq!(room.warning().is_some(), warns, "{words}");
            assert_eq!(room.words(), words);
        }
    }

    #[test]
    fn a_job_needs_the_space_of_the_parts_that_are_there_at_once() {
        let job = |more: &str| {
            let text = format!(
                "name = \"x\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\n{more}"
            );
            let file = JobFile::parse(&text).unwrap();
            Job::from_file(file, Path::new(""), &Environment::default()).unwrap()
        };
        let many = 10_000_000_000;
        for (more, bytes, space) in [
            ("", 1_000, 1_000),
            ("", many, 450_000_000),
            ("[parts]\nkeep-parts = true", many, many),
            ("[normalize]\nduplicates = \"fail\"", many, many),
            ("[normalize]\nduplicates = \"last\"", many, 2 * many),
            ("[normalize]\nshared-identifiers = \"fail\"", many, many),
        ] {
            assert_eq!(needed(&job(more), bytes), space, "{more}");
        }
        for (name, packed) in [("a.csv", false), ("a.CSV.GZ", true), ("a.parquet", true)] {
            assert_eq!(is_packed(name), packed, "{name}");
        }
    }
}
