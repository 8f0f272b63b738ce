//! The runs of a job, read from their manifests and reports: a line for each, whatever became of it.

use jiff::Timestamp;
use serde::Serialize;

use crate::base::exit_code::ExitCode;
use crate::run::WENT_ON;
use crate::run::report::{RunReport, Seconds};
use crate::state::attempt::AttemptRecord;
use crate::state::counts::Counts;
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::lock;
use crate::state::manifest::{RunManifest, RunStatus, StateError, read_manifest};

/// A run as `--json` prints it. Field names do not change.
#[derive(Debug, Default, Serialize)]
pub(crate) struct RunLine {
    /// `None` of an attempt that had no run.
    pub(crate) run_id: Option<String>,
    /// A run's status, or `killed`, or `unreadable`.
    pub(crate) status: &'static str,
    /// The limit of rows of a trial.
    pub(crate) limit: Option<u64>,
    pub(crate) exit_code: Option<u8>,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) finished_at: Option<Timestamp>,
    pub(crate) rows_read: Option<u64>,
    pub(crate) rows_blank: Option<u64>,
    pub(crate) rows_written: Option<u64>,
    pub(crate) rows_unchanged: Option<u64>,
    pub(crate) rows_rejected: Option<u64>,
    pub(crate) cells_blanked: Option<u64>,
    pub(crate) duplicates: Option<u64>,
    pub(crate) parts: u64,
    pub(crate) parts_delivered: u64,
    pub(crate) bytes: u64,
    pub(crate) megabytes_per_second: Option<f64>,
    /// When the removals of the run were undone.
    pub(crate) undone_at: Option<Timestamp>,
    /// The error that ended it, or made it unreadable.
    pub(crate) error: Option<String>,
    /// How long its stages took, of its last process.
    #[serde(skip)]
    pub(crate) seconds: Option<Seconds>,
    /// Megabytes a second, where the run tells how fast the link is.
    #[serde(skip)]
    pub(crate) telling_speed: Option<f64>,
}

impl RunLine {
    /// The outcome in words, with the exit code of a failure.
    pub(crate) fn outcome(&self) -> String {
        let outcome = match self.exit_code {
            Some(code) if code > 0 => format!("{} ({code})", self.status),
            _ => self.status.to_owned(),
        };
        match self.limit {
            Some(_) => format!("trial {outcome}"),
            None => outcome,
        }
    }

    /// When it began, in UTC and without seconds.
    pub(crate) fn began(&self) -> String {
        self.started_at.map_or_else(
            || "-".to_owned(),
            |time| {
                let text = time.to_string();
                text.get(..16).unwrap_or(&text).replace('T', " ")
            },
        )
    }
}

/// The lines of the runs of a job, the newest first, after a last attempt that had no run.
pub(crate) fn lines(state: &JobDirectory) -> Result<Vec<RunLine>, StateError> {
    let runs = newest(state, usize::MAX)?;
    let attempt = AttemptRecord::read(state).and_then(of_attempt);
    Ok(attempt.into_iter().chain(runs).collect())
}

/// The lines of the newest `limit` runs of a job, the newest first.
pub(crate) fn newest(state: &JobDirectory, limit: usize) -> Result<Vec<RunLine>, StateError> {
    let mut ids = state.run_ids()?;
    ids.reverse();
    let is_held = lock::holder(state.path()).is_some();
    let runs = ids.iter().take(limit).enumerate();
    Ok(runs
        .map(|(index, id)| of_run(id, &state.run(id), is_held && index == 0))
        .collect())
}

/// The line of a last attempt that had no run of its own; `None` where a run tells of it.
fn of_attempt(attempt: AttemptRecord) -> Option<RunLine> {
    let status = match attempt.exit_code {
        _ if attempt.run_id.is_some() => return None,
        Some(code) if code == ExitCode::Done.number() => return None,
        Some(code)
            if [ExitCode::Interrupted, ExitCode::Terminated]
                .map(ExitCode::number)
                .contains(&code) =>
        {
            "interrupted"
        }
        Some(_) => "failed",
        // Under way, or killed: the run that it may have had tells.
        None => return None,
    };
    Some(RunLine {
        status,
        limit: attempt.limit,
        exit_code: attempt.exit_code,
        started_at: Some(attempt.started_at),
        finished_at: attempt.finished_at,
        error: attempt.error,
        ..RunLine::default()
    })
}

/// The line of a run. `is_held` is true where a process has the job's lock, and this is its run.
fn of_run(id: &str, run: &RunDirectory, is_held: bool) -> RunLine {
    match read_manifest(&run.manifest()) {
        Ok(manifest) => of_manifest(&manifest, RunReport::read(run).as_ref(), is_held),
        Err(error) => {
            let mut text = error.to_string();
            if let Some(cause) = std::error::Error::source(&error) {
                text = format!("{text}: {cause}");
            }
            RunLine {
                run_id: Some(id.to_owned()),
                status: "unreadable",
                error: Some(text),
                ..RunLine::default()
            }
        }
    }
}

/// The line of the run that `manifest` remembers.
pub(crate) fn of_manifest(
    manifest: &RunManifest,
    report: Option<&RunReport>,
    is_held: bool,
) -> RunLine {
    let status = match manifest.status {
        RunStatus::Running if is_held => "running",
        RunStatus::Running => "killed",
        RunStatus::Done => "done",
        RunStatus::Failed => "failed",
        RunStatus::Interrupted => "interrupted",
        RunStatus::DryRun => "dry-run",
        RunStatus::Superseded => "superseded",
    };
    // A report that is older than the manifest is of an earlier process of the run.
    let report = report.filter(|_| manifest.finished_at.is_some());
    let counts = manifest.counts.as_ref();
    let sent: u64 = manifest
        .parts
        .iter()
        .filter(|part| part.is_delivered())
        .map(|part| part.bytes)
        .sum();
    let seconds = report.map_or(0.0, |report| report.seconds.upload);
    RunLine {
        run_id: Some(manifest.run_id.clone()),
        status,
        limit: manifest.limit,
        exit_code: report.map(|report| report.exit_code),
        started_at: Some(lock::seconds(manifest.started_at)),
        finished_at: manifest.finished_at.map(lock::seconds),
        rows_read: counts.map(|counts| counts.rows_read),
        rows_blank: counts.map(|counts| counts.rows_blank),
        rows_unchanged: counts.map(|counts| counts.rows_unchanged),
        rows_written: counts.map(|counts| counts.rows_written),
        rows_rejected: counts.map(|counts| counts.rows_rejected),
        cells_blanked: counts.map(Counts::blanked),
        duplicates: counts.map(|counts| counts.duplicates),
        parts: manifest.parts.len() as u64,
        parts_delivered: manifest.delivered(),
        bytes: manifest.parts.iter().map(|part| part.bytes).sum(),
        megabytes_per_second: (sent > 0 && seconds > 0.0).then(|| sent as f64 / 1e6 / seconds),
        undone_at: manifest.undone.map(|undone| lock::seconds(undone.at)),
        error: manifest.error.clone(),
        seconds: report.map(|report| report.seconds),
        telling_speed: report.and_then(telling_speed),
    }
}

/// A run of fewer bytes tells how long answers take and not how fast the link is. Its report names no speed either.
const TELLING_BYTES: u64 = 1_000_000;

/// How many megabytes of parts a second went to the server, if the run sent enough to tell and one process sent them all.
pub(crate) fn telling_speed(report: &RunReport) -> Option<f64> {
    let parts = report.parts.iter().filter(|part| part.is_delivered());
    let bytes: u64 = parts.map(|part| part.bytes).sum();
    let seconds = report.seconds.upload;
    let mut warnings = report.warnings.iter();
    let went_on = warnings.any(|warning| warning.starts_with(WENT_ON));
    let tells = bytes >= TELLING_BYTES && seconds > 0.0 && !went_on;
    tells.then(|| bytes as f64 / 1e6 / seconds)
}

/// The number in the middle, or between the two in the middle.
pub(crate) fn median(mut numbers: Vec<f64>) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let middle = numbers.len() / 2;
    match &numbers[..] {
        [] => None,
        numbers if numbers.len().is_multiple_of(2) => {
            Some(f64::midpoint(numbers[middle - 1], numbers[middle]))
        }
        numbers => Some(numbers[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_numbers() {
        for (numbers, middle) in [
            (&[][..], 0.0),
            (&[3.0], 3.0),
            (&[9.0, 1.0], 5.0),
            (&[9.0, 1.0, 2.0], 2.0),
        ] {
            assert!(
                (median(numbers.to_vec()).unwrap_or_default() - middle).abs() < 1e-9,
                "{numbers:?}"
            );
        }
    }
}
