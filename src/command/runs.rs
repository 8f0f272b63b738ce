//! `runs`: the history of a job, the newest run first. A run that cannot be read has a line that says so.

use jiff::Timestamp;
use serde::Serialize;

use super::Surroundings;
use crate::cli::RunsArgs;
use crate::cli::console::printable;
use crate::cli::table::{Side, aligned};
use crate::run::error::Error;
use crate::run::report::{RunReport, grouped};
use crate::state::directory::RunDirectory;
use crate::state::lock;
use crate::state::manifest::{RunManifest, RunStatus, read_manifest, to_json};

/// A run as `--json` prints it. Field names do not change.
#[derive(Debug, Default, Serialize)]
struct RunLine {
    run_id: String,
    /// A run's status, or `killed`, or `unreadable`.
    status: &'static str,
    exit_code: Option<u8>,
    started_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    rows_read: Option<u64>,
    rows_blank: Option<u64>,
    rows_written: Option<u64>,
    rows_rejected: Option<u64>,
    duplicates: Option<u64>,
    parts: u64,
    parts_delivered: u64,
    bytes: u64,
    megabytes_per_second: Option<f64>,
    /// Why it is unreadable.
    error: Option<String>,
}

/// The text (or JSON) that tells of the runs of the job at `args.job`.
pub fn runs(args: &RunsArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let (name, state) = super::state_of(&args.job, args.shard, &args.state, surroundings)?;
    let mut ids = state.run_ids()?;
    ids.reverse();
    let is_held = lock::holder(state.path()).is_some();
    let lines: Vec<RunLine> = ids
        .iter()
        .enumerate()
        .map(|(index, id)| of_run(id, &state.run(id), is_held && index == 0))
        .collect();
    if args.json {
        return Ok(String::from_utf8_lossy(&to_json(&lines)).into_owned());
    }
    if lines.is_empty() {
        let next =
            surroundings
                .command_line
                .of_job("run", &args.job, args.state.state_dir.as_deref());
        let next = next.with(["--limit", "10"]);
        return Ok(format!("{name}: no run yet\nnext: {next}\n"));
    }
    Ok(table(&lines))
}

/// What is known of a run. `is_held` is true where a process has the job's lock, and this is its run.
fn of_run(id: &str, run: &RunDirectory, is_held: bool) -> RunLine {
    match read_manifest(&run.manifest()) {
        Ok(manifest) => of_manifest(&manifest, RunReport::read(run), is_held),
        Err(error) => {
            let mut text = error.to_string();
            if let Some(cause) = std::error::Error::source(&error) {
                text = format!("{text}: {cause}");
            }
            RunLine {
                run_id: id.to_owned(),
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
        run_id: manifest.run_id.clone(),
        status,
        exit_code: report.map(|report| report.exit_code),
        started_at: Some(lock::seconds(manifest.started_at)),
        finished_at: manifest.finished_at.map(lock::seconds),
        rows_read: counts.map(|counts| counts.rows_read),
        rows_blank: counts.map(|counts| counts.rows_blank),
        rows_written: counts.map(|counts| counts.rows_written),
        rows_rejected: counts.map(|counts| counts.rows_rejected),
        duplicates: counts.map(|counts| counts.duplicates),
        parts: manifest.parts.len() as u64,
        parts_delivered: manifest.delivered(),
        bytes: manifest.parts.iter().map(|part| part.bytes).sum(),
        megabytes_per_second: (sent > 0 && seconds > 0.0).then(|| sent as f64 / 1e6 / seconds),
        error: None,
    }
}

fn table(lines: &[RunLine]) -> String {
    let head = [
        "began (UTC)",
        "run",
        "rows",
        "rejected",
        "parts",
        "MB/s",
        "outcome",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(lines.iter().map(cells));
    let sides = [
        Side::Left,
        Side::Left,
        Side::Right,
        Side::Right,
        Side::Right,
        Side::Right,
    ];
    let mut text = aligned(&rows, &sides);
    for line in lines {
        if let Some(error) = &line.error {
            text.extend(["unreadable: ", &*printable(error), "\n"]);
        }
    }
    text
}

fn cells(line: &RunLine) -> Vec<String> {
    let number = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), grouped);
    let parts = match line.status {
        "unreadable" => "-".to_owned(),
        _ => format!("{}/{}", grouped(line.parts_delivered), grouped(line.parts)),
    };
    let outcome = match line.exit_code {
        Some(code) if code > 0 => format!("{} ({code})", line.status),
        _ => line.status.to_owned(),
    };
    let began = |time: Timestamp| {
        let text = time.to_string();
        text.get(..16).unwrap_or(&text).replace('T', " ")
    };
    vec![
        line.started_at.map_or_else(|| "-".to_owned(), began),
        line.run_id.clone(),
        number(line.rows_read),
        number(line.rows_rejected),
        parts,
        line.megabytes_per_second
            .map_or_else(|| "-".to_owned(), |speed| format!("{speed:.1}")),
        outcome,
    ]
}
