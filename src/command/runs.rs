//! `runs`: the history of a job, the newest run first. A run that cannot be read has a line that says so, and so has a last
//! attempt that failed before it had a run.

use std::path::Path;

use jiff::Timestamp;
use serde::Serialize;

use super::Surroundings;
use super::place::{JobState, state_of};
use crate::base::exit_code::ExitCode;
use crate::cli::RunsArgs;
use crate::cli::console::printable;
use crate::cli::table::{self, Side, aligned};
use crate::run::error::Error;
use crate::run::error::service::Service;
use crate::run::report::{RunReport, grouped};
use crate::state::attempt::AttemptRecord;
use crate::state::counts::Counts;
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::lock;
use crate::state::manifest::{RunManifest, RunStatus, read_manifest, to_json};

/// A run as `--json` prints it. Field names do not change.
#[derive(Debug, Default, Serialize)]
pub(super) struct RunLine {
    /// `None` of an attempt that had no run.
    run_id: Option<String>,
    /// A run's status, or `killed`, or `unreadable`.
    status: &'static str,
    /// The limit of rows of a trial.
    limit: Option<u64>,
    exit_code: Option<u8>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    rows_read: Option<u64>,
    rows_blank: Option<u64>,
    rows_written: Option<u64>,
    rows_unchanged: Option<u64>,
    rows_rejected: Option<u64>,
    cells_blanked: Option<u64>,
    duplicates: Option<u64>,
    parts: u64,
    parts_delivered: u64,
    bytes: u64,
    megabytes_per_second: Option<f64>,
    /// When the removals of the run were undone.
    undone_at: Option<Timestamp>,
    /// The error that ended it, or made it unreadable.
    error: Option<String>,
}

/// The text (or JSON) that tells of the runs of the job at `args.job`.
pub fn runs(args: &RunsArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let JobState {
        name,
        state,
        origin,
        belongs_to_another,
    } = state_of(&args.job, args.shard, &args.state, surroundings)?;
    let lines = lines(&state)?;
    if args.json {
        return Ok(String::from_utf8_lossy(&to_json(&lines)).into_owned());
    }
    if lines.is_empty() {
        let line = &surroundings.command_line;
        let job_file = origin.file().unwrap_or(&args.job);
        let check = || line.of_job("check", job_file, args.state.state_dir.as_deref());
        let directory = state.runs();
        let service = Service::at(Path::new("/")).next(line, &name, job_file, &directory);
        let next = service.unwrap_or_else(check);
        let directory = directory.display();
        return Ok(format!("{name}: no run yet in {directory}\nnext: {next}\n"));
    }
    let mut text = table(&lines, surroundings.console.columns());
    if let Some(note) = belongs_to_another {
        text.extend(["note: ", &*printable(&note), "\n"]);
    }
    Ok(text)
}

/// The lines of the runs of a job, the newest first, after a last attempt that had no run.
pub(super) fn lines(state: &JobDirectory) -> Result<Vec<RunLine>, Error> {
    let mut ids = state.run_ids()?;
    ids.reverse();
    let is_held = lock::holder(state.path()).is_some();
    let runs = ids
        .iter()
        .enumerate()
        .map(|(index, id)| of_run(id, &state.run(id), is_held && index == 0));
    let attempt = AttemptRecord::read(state).and_then(of_attempt);
    Ok(attempt.into_iter().chain(runs).collect())
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
        Ok(manifest) => of_manifest(&manifest, RunReport::read(run), is_held),
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

fn of_manifest(manifest: &RunManifest, report: Option<RunReport>, is_held: bool) -> RunLine {
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
    let seconds = report.as_ref().map_or(0.0, |report| report.seconds.upload);
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
    }
}

/// The columns of the table: a head, the side, and whether it is left out where the lines would be too long.
const COLUMNS: [Column; 8] = [
    Column::new("began (UTC)", Side::Left).left_out(2),
    Column::new("run", Side::Left),
    Column::new("rows", Side::Right),
    Column::new("rejected", Side::Right),
    Column::new("blanked", Side::Right),
    Column::new("parts", Side::Right),
    Column::new("MB/s", Side::Right).left_out(1),
    Column::new("outcome", Side::Left),
];

struct Column {
    head: &'static str,
    side: Side,
    /// Those with the lowest number go first; 0: never.
    left_out: u8,
}

impl Column {
    const fn new(head: &'static str, side: Side) -> Self {
        Self {
            head,
            side,
            left_out: 0,
        }
    }

    const fn left_out(self, order: u8) -> Self {
        Self {
            left_out: order,
            ..self
        }
    }
}

/// The lines as a table of at most `width` columns of the terminal, as far as that can be.
fn table(lines: &[RunLine], width: usize) -> String {
    let mut text = String::new();
    for left_out in 0..=2 {
        text = aligned_table(lines, |column| {
            column.left_out == 0 || column.left_out > left_out
        });
        if text.lines().all(|line| table::width(line) <= width) {
            break;
        }
    }
    for line in lines {
        if let Some(error) = &line.error {
            let run = line.run_id.as_deref().unwrap_or("the last attempt");
            text.extend([run, ": ", &*printable(error), "\n"]);
        }
        if let (Some(run), Some(at)) = (&line.run_id, line.undone_at) {
            text.extend([&**run, ": removals undone ", &*at.to_string(), "\n"]);
        }
    }
    text
}

fn aligned_table(lines: &[RunLine], is_shown: impl Fn(&Column) -> bool) -> String {
    let shown: Vec<bool> = COLUMNS.iter().map(is_shown).collect();
    let kept = |cells: [String; 8]| -> Vec<String> {
        let cells = cells.into_iter().zip(&shown);
        cells
            .filter(|(_, shown)| **shown)
            .map(|(cell, _)| cell)
            .collect()
    };
    let mut rows = vec![kept(COLUMNS.map(|column| column.head.to_owned()))];
    rows.extend(lines.iter().map(|line| kept(cells(line))));
    let sides = COLUMNS.iter().zip(&shown);
    let sides: Vec<Side> = sides
        .filter(|(_, shown)| **shown)
        .map(|(column, _)| column.side)
        .collect();
    aligned(&rows, &sides)
}

impl RunLine {
    /// The outcome in words, with the exit code of a failure.
    pub(super) fn outcome(&self) -> String {
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
    pub(super) fn began(&self) -> String {
        self.started_at.map_or_else(
            || "-".to_owned(),
            |time| {
                let text = time.to_string();
                text.get(..16).unwrap_or(&text).replace('T', " ")
            },
        )
    }
}

fn cells(line: &RunLine) -> [String; 8] {
    let none = || "-".to_owned();
    let number = |number: Option<u64>| number.map_or_else(none, grouped);
    let parts = match &line.run_id {
        Some(_) if line.status != "unreadable" => {
            format!("{}/{}", grouped(line.parts_delivered), grouped(line.parts))
        }
        _ => none(),
    };
    [
        line.began(),
        line.run_id.clone().unwrap_or_else(none),
        number(line.rows_read),
        number(line.rows_rejected),
        number(line.cells_blanked),
        parts,
        line.megabytes_per_second
            .map_or_else(none, |speed| format!("{speed:.1}")),
        line.outcome(),
    ]
}
