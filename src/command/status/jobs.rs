//! `status` without a job: the jobs of a state directory, one a line.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::cli::StatusArgs;
use crate::cli::console::printable;
use crate::cli::table::aligned;
use crate::command::Surroundings;
use crate::command::place::{self, JobOrigin};
use crate::run::error::Error;
use crate::run::history::{self, RunLine};
use crate::state::directory::{JobDirectory, known_jobs};
use crate::state::manifest::to_json;

/// A job as `--json` prints it. Field names do not change.
#[derive(Serialize)]
struct JobLine {
    job: String,
    /// The job file; null where it is not known, and of a job that `send` made of its flags.
    job_file: Option<PathBuf>,
    #[serde(skip)]
    origin: JobOrigin,
    /// The last run, or the last attempt if it failed before it had a run.
    last: Option<RunLine>,
}

/// The text (or JSON) that lists the jobs.
pub(super) fn jobs(args: &StatusArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let directory = place::directory(&args.state, surroundings)?;
    let mut jobs = Vec::new();
    for job in known_jobs(&directory)? {
        let state = JobDirectory::new(&directory, &job);
        let origin = JobOrigin::of(&state);
        jobs.push(JobLine {
            job_file: origin.file().map(Path::to_owned),
            origin,
            last: history::lines(&state)?.into_iter().next(),
            job,
        });
    }
    if args.json {
        return Ok(String::from_utf8_lossy(&to_json(&jobs)).into_owned());
    }
    let Some(first) = jobs.first() else {
        return Ok(format!("no job has a run in {}\n", directory.display()));
    };
    let rows: Vec<Vec<String>> = jobs.iter().map(row).collect();
    let mut text = aligned(&rows, &[]);
    // Writing to a String cannot fail.
    let next = surroundings.command_line.clone().with([&*first.job]);
    let _ = writeln!(text, "next: {next}");
    Ok(text)
}

fn row(job: &JobLine) -> Vec<String> {
    let (outcome, began) = match &job.last {
        Some(last) => (last.outcome(), last.began()),
        None => ("no run".to_owned(), String::new()),
    };
    let file = match &job.origin {
        JobOrigin::File(file) => printable(&file.display().to_string()).into_owned(),
        JobOrigin::Send => "made by send".to_owned(),
        JobOrigin::Unknown => "-".to_owned(),
    };
    vec![job.job.clone(), outcome, began, file]
}
