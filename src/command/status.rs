//! `status`: where the last run of a job stands, in words, and what to type next.

use std::fmt::Write;
use std::path::Path;

use super::Surroundings;

use crate::base::exit_code::ExitCode;
use crate::cli::StatusArgs;
use crate::cli::command_line::CommandLine;
use crate::cli::console::printable;
use crate::run::error::Error;
use crate::run::report::{RunReport, count, grouped};
use crate::state::lock::{self, seconds};
use crate::state::manifest::{RunManifest, RunStatus, read_manifest, to_json};
use crate::state::shard::ShardRecord;

/// The text (or JSON) that tells of the last run of the job at `args.job`.
pub fn status(args: &StatusArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let (name, state) = super::state_of(&args.job, args.shard, &args.state, surroundings)?;
    let Some(last) = state.run_ids()?.pop() else {
        return Err(Error::NoRun {
            job: name,
            directory: state.runs(),
        });
    };
    let run = state.run(&last);
    let manifest = read_manifest(&run.manifest())?;
    if args.json {
        return Ok(String::from_utf8_lossy(&to_json(&manifest)).into_owned());
    }
    let holder = lock::holder(state.path());
    let code = RunReport::read(&run).and_then(|report| code_of(&manifest, report.exit_code));
    // What has to be mended before another run is worth it, `check` tells anew.
    let command = match code {
        Some(ExitCode::Audience | ExitCode::Authentication) => "check",
        _ => "run",
    };
    let line = &surroundings.command_line;
    let of_job = |command| line.of_job(command, &args.job, args.state.state_dir.as_deref());
    let again = match (&manifest.shard, command) {
        (Some(shard), "run") => again_in_group(shard, manifest.status, of_job),
        _ => of_job(command),
    };
    // A guard that struck once all was on the list is the one on removals.
    let again = match code {
        Some(ExitCode::Guard) if manifest.list.is_some() => {
            of_job("run").with_value("--approve-removals", &manifest.run_id)
        }
        _ => again,
    };
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = describe(
        &mut text,
        &manifest,
        holder.as_deref(),
        code,
        &again,
        run.path(),
    );
    Ok(text)
}

/// What to type next about a shard, or about the run for all of them.
fn again_in_group(
    shard: &ShardRecord,
    status: RunStatus,
    of_job: impl Fn(&'static str) -> CommandLine,
) -> CommandLine {
    let group = ["--run-group".to_owned(), shard.run_group.to_string()];
    let words = group.iter().map(String::as_str);
    match shard.shard().filter(|_| status != RunStatus::Done) {
        Some(number) => of_job("run")
            .with(["--shard", &*number.to_string()])
            .with(words),
        None => of_job("list").with(words),
    }
}

/// What a run that did not come to its end ended with. The report of one that runs anew is of an earlier process.
fn code_of(manifest: &RunManifest, code: u8) -> Option<ExitCode> {
    let has_ended = matches!(manifest.status, RunStatus::Failed | RunStatus::Interrupted);
    ExitCode::ALL
        .into_iter()
        .find(|known| has_ended && known.number() == code)
}

fn describe(
    out: &mut String,
    manifest: &RunManifest,
    holder: Option<&str>,
    code: Option<ExitCode>,
    again: &CommandLine,
    directory: &Path,
) -> std::fmt::Result {
    let again = format!("next: {again}");
    let (word, next) = match (manifest.status, holder) {
        (RunStatus::Running, Some(holder)) => (
            format!("under way ({holder})"),
            "next: wait for it to end".to_owned(),
        ),
        (RunStatus::Running, None) => ("killed before it ended".to_owned(), again),
        (RunStatus::Done, _) if manifest.is_shard() => ("done".to_owned(), again),
        (RunStatus::Done, _) => (
            "done".to_owned(),
            "next: nothing; the next run sends the audience afresh".to_owned(),
        ),
        (RunStatus::Failed, _) => ("failed".to_owned(), again),
        (RunStatus::Interrupted, _) => ("interrupted".to_owned(), again),
        (RunStatus::DryRun, _) => ("dry run".to_owned(), again),
        (RunStatus::Superseded, _) => ("superseded by a later run".to_owned(), again),
    };
    writeln!(out, "{}: {word}, run {}", manifest.job, manifest.run_id)?;
    if let Some(shard) = &manifest.shard {
        let which = shard.shard();
        let which = which.map_or_else(|| "all".to_owned(), |shard| shard.to_string());
        writeln!(out, "  shard      {which} of run group {}", shard.run_group)?;
    }
    write!(out, "  began      {}", seconds(manifest.started_at))?;
    match manifest.finished_at {
        Some(end) => writeln!(out, ", ended {}", seconds(end))?,
        None => writeln!(out)?,
    }
    if let Some(error) = &manifest.error {
        writeln!(out, "  error      {}", printable(error))?;
    }
    if let Some(code) = code {
        writeln!(out, "  exit code  {}: {}", code.number(), code.meaning())?;
    }
    if let Some(counts) = manifest.counts.as_ref().filter(|_| manifest.formatted) {
        let written = grouped(counts.rows_written);
        let read = count(counts.rows_read, "row");
        write!(
            out,
            "  formatted  {written} of {read}, {} rejected, {} duplicate",
            grouped(counts.rows_rejected),
            grouped(counts.duplicates)
        )?;
        match counts.rows_blank {
            0 => writeln!(out)?,
            blank => writeln!(out, "; {} besides", count(blank, "blank record"))?,
        }
        let shared: u64 = counts.shared_identifiers.values().sum();
        if shared > 0 {
            let cells = count(shared, "cell");
            writeln!(
                out,
                "  shared     {cells} that an earlier row of another key has"
            )?;
        }
    } else {
        writeln!(out, "  formatted  not to the end")?;
    }
    let delivered = manifest.delivered();
    writeln!(
        out,
        "  delivered  {delivered} of {}",
        count(manifest.parts.len() as u64, "part")
    )?;
    if let Some(list) = &manifest.list {
        let attached = list
            .attached
            .map_or_else(|| "by a column".to_owned(), |rows| count(rows, "row"));
        let name = printable(&list.name);
        writeln!(
            out,
            "  list       {name} ({}): {attached} attached, {} removed",
            list.id,
            grouped(list.removed)
        )?;
    }
    writeln!(out, "  files      {}", directory.display())?;
    writeln!(out, "{next}")
}
