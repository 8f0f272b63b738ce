//! `runs`: the history of a job, the newest run first. A run that cannot be read has a line that says so, and so has a last
//! attempt that failed before it had a run.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::Surroundings;
use super::place::{JobState, state_of};
use crate::cli::RunsArgs;
use crate::cli::console::printable;
use crate::cli::table::{self, Side, aligned};
use crate::job::{Job, JobSource};
use crate::run::drift::{DriftGuard, GuardBands};
use crate::run::error::Error;
use crate::run::error::service::Service;
use crate::run::history::{self, RunLine};
use crate::run::report::page::{RunsPage, SHOWN_RUNS};
use crate::run::report::{count, grouped};
use crate::state::manifest::to_json;
use crate::state::storage::storage;

/// The text (or JSON) that tells of the runs of the job at `args.job`.
pub fn runs(args: &RunsArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let source = JobSource {
        path: &args.job,
        set: &args.settings.set,
    };
    let JobState {
        name,
        state,
        origin,
        belongs_to_another,
    } = state_of(source, args.shard, &args.state, surroundings)?;
    let lines = history::lines(&state)?;
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
    if let Some(file) = &args.html {
        let name = match args.shard {
            Some(shard) => format!("{name}, shard {shard}"),
            None => name,
        };
        let job = origin.file().and_then(|file| {
            // Runs are shown whatever is wrong with the job file.
            let file = JobSource {
                path: file,
                ..source
            };
            Job::load_without_server(file, &surroundings.environment).ok()
        });
        let guard = job
            .as_ref()
            .and_then(|job| DriftGuard::new(job, &state, None));
        let bands = guard.as_ref().map(DriftGuard::bands).unwrap_or_default();
        return write_page(file, &name, lines, &bands);
    }
    let mut text = table(&lines, surroundings.console.columns());
    if let Some(note) = belongs_to_another {
        text.extend(["note: ", &*printable(&note), "\n"]);
    }
    Ok(text)
}

/// Writes the page of the newest of these runs. The words that say so.
fn write_page(
    file: &Path,
    name: &str,
    mut lines: Vec<RunLine>,
    bands: &GuardBands,
) -> Result<String, Error> {
    let of = lines.len();
    lines.truncate(SHOWN_RUNS);
    lines.reverse();
    let page = RunsPage {
        name,
        runs: &lines,
        bands,
        of,
    };
    replace(file, page.to_html().as_bytes()).map_err(storage(file, "write the page to it"))?;
    let shown = lines.len();
    let of = count(of as u64, "run");
    let file = printable(&file.to_string_lossy()).into_owned();
    Ok(format!("{name}: {shown} of {of} in {file}\n"))
}

/// Replaces a file as a whole, for whoever may read files here. What is no file (a terminal, a pipe) is written to.
fn replace(file: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let known = std::fs::metadata(file);
    if known.as_ref().is_ok_and(|known| !known.is_file()) {
        return std::fs::write(file, bytes);
    }
    // A file keeps its mode, and of a link the file is replaced.
    let mode = known.map_or(0o666, |known| known.permissions().mode() & 0o666);
    let file = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    let mut new = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder.unwrap_or(Path::new(".")))?;
    new.write_all(bytes)?;
    new.persist(&file).map_err(|error| error.error)?;
    Ok(())
}

/// The columns of the table: a head, the side, and whether it is left out where the lines would be too long.
const COLUMNS: [RunsColumn; 9] = [
    RunsColumn::new("began (UTC)", Side::Left).left_out(2),
    RunsColumn::new("run", Side::Left),
    RunsColumn::new("rows", Side::Right),
    RunsColumn::new("written", Side::Right).left_out(3),
    RunsColumn::new("rejected", Side::Right),
    RunsColumn::new("blanked", Side::Right),
    RunsColumn::new("parts", Side::Right),
    RunsColumn::new("MB/s", Side::Right).left_out(1),
    RunsColumn::new("outcome", Side::Left),
];

struct RunsColumn {
    head: &'static str,
    side: Side,
    /// Those with the lowest number go first; 0: never.
    left_out: u8,
}

impl RunsColumn {
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
    for left_out in 0..=3 {
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

fn aligned_table(lines: &[RunLine], is_shown: impl Fn(&RunsColumn) -> bool) -> String {
    let shown: Vec<bool> = COLUMNS.iter().map(is_shown).collect();
    let kept = |cells: [String; 9]| -> Vec<String> {
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

fn cells(line: &RunLine) -> [String; 9] {
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
        number(line.rows_written),
        number(line.rows_rejected),
        number(line.cells_blanked),
        parts,
        line.megabytes_per_second
            .map_or_else(none, |speed| format!("{speed:.1}")),
        line.outcome(),
    ]
}
