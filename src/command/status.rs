//! `status`: the last run and the last attempt of a job in words, and the command to type next.

mod jobs;
mod text;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Surroundings;
use super::place::{JobOrigin, JobState, refuse_settings, state_of};
use crate::base::exit_code::ExitCode;
use crate::cli::StatusArgs;
use crate::cli::command_line::{CommandLine, PROGRAM};
use crate::job::JobSource;
use crate::run::error::Error;
use crate::run::report::{RunReport, count};
use crate::run::{future_warning, is_in_future, resume};
use crate::state::attempt::AttemptRecord;
use crate::state::drift::DriftRecord;
use crate::state::lock;
use crate::state::manifest::{RunManifest, RunStatus, read_manifest, to_json};
use crate::state::shard::ShardRecord;

/// The manifest of the last run and the last attempt, as `--json` prints them. Field names do not change.
#[derive(Serialize)]
struct StatusLine<'a> {
    #[serde(flatten)]
    manifest: Option<&'a RunManifest>,
    last_attempt: Option<&'a AttemptRecord>,
}

/// Everything that is known of where a job is.
struct JobStanding {
    job: String,
    last: Option<LastRun>,
    /// The last attempt, where the last run does not tell of it.
    attempt: Option<AttemptRecord>,
    holder: Option<String>,
    notes: Vec<String>,
}

/// The last run that was begun.
struct LastRun {
    manifest: RunManifest,
    code: Option<ExitCode>,
    directory: PathBuf,
}

/// The text (or JSON) that tells of the last run of the job `args.job`; without one, of all jobs.
pub fn status(args: &StatusArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let Some(job) = &args.job else {
        refuse_settings(&args.settings.set)?;
        return jobs::jobs(args, surroundings);
    };
    let source = JobSource {
        path: job,
        set: &args.settings.set,
    };
    let found = state_of(source, args.shard, &args.state, surroundings)?;
    let attempt = AttemptRecord::read(&found.state);
    let last = last_run(&found)?;
    if last.is_none() && attempt.is_none() {
        return Err(Error::NoRun {
            job: found.name,
            job_file: job.clone(),
            directory: found.state.runs(),
        });
    }
    if args.open {
        return page(&found, job, last.as_ref());
    }
    if args.json {
        let line = StatusLine {
            manifest: last.as_ref().map(|last| &last.manifest),
            last_attempt: attempt.as_ref(),
        };
        return Ok(String::from_utf8_lossy(&to_json(&line)).into_owned());
    }
    let (origin, standing) = standing(found, last, attempt);
    let line = &surroundings.command_line;
    let state = args.state.state_dir.as_deref();
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = standing.write(&mut text);
    let next_of = |file: &Path| standing.next(|command| line.of_job(command, file, state));
    // Words in capitals are to be filled in.
    let next = next_of(origin.file().unwrap_or(Path::new("JOB.toml")));
    let is_command = next.starts_with(PROGRAM);
    let next = match &origin {
        JobOrigin::Send if is_command => {
            "the command `send` again as it was typed; it continues an unfinished run".to_owned()
        }
        _ => next,
    };
    let _ = writeln!(text, "next: {next}");
    Ok(text)
}

/// The path of the page of the last run.
fn page(found: &JobState, job: &Path, last: Option<&LastRun>) -> Result<String, Error> {
    let Some(LastRun { manifest, .. }) = last else {
        return Err(Error::NoRun {
            job: found.name.clone(),
            job_file: job.to_owned(),
            directory: found.state.runs(),
        });
    };
    let run = found.state.run(&manifest.run_id);
    if !run.page().is_file() {
        let because = match manifest.status {
            RunStatus::Running => "it is under way, or it was killed",
            _ => "the job says html = false in [report], or a version without pages ran it",
        };
        return Err(Error::NoPage {
            run_id: manifest.run_id.clone(),
            directory: run.path().to_owned(),
            because,
        });
    }
    let path = std::path::absolute(run.page()).unwrap_or_else(|_| run.page());
    Ok(format!("{}\n", path.display()))
}

fn last_run(found: &JobState) -> Result<Option<LastRun>, Error> {
    let Some(last) = found.state.run_ids()?.pop() else {
        return Ok(None);
    };
    let run = found.state.run(&last);
    let manifest = read_manifest(&run.manifest())?;
    let code = RunReport::read(&run).and_then(|report| code_of(&manifest, report.exit_code));
    Ok(Some(LastRun {
        manifest,
        code,
        directory: run.path().to_owned(),
    }))
}

fn standing(
    found: JobState,
    last: Option<LastRun>,
    attempt: Option<AttemptRecord>,
) -> (JobOrigin, JobStanding) {
    let holder = lock::holder(found.state.path());
    let mut notes: Vec<String> = found.belongs_to_another.into_iter().collect();
    if let Some(last) = &last {
        if is_in_future(&last.manifest) {
            notes.push(future_warning(&last.manifest));
        }
        // A trial does not end what was begun before it.
        let meant = resume::last_run(&found.state).ok().flatten();
        let before = meant.filter(|run| run.run_id != last.manifest.run_id);
        if let Some(before) = before.filter(|run| run.status.is_unfinished()) {
            notes.push(format!(
                "the earlier run {} is unfinished ({} delivered); the next run continues it if nothing has changed",
                before.run_id,
                count(before.delivered(), "part")
            ));
        }
    }
    let attempt = attempt.filter(|it| is_untold(it, last.as_ref(), holder.is_some()));
    let standing = JobStanding {
        job: found.name,
        last,
        attempt,
        holder,
        notes,
    };
    (found.origin, standing)
}

/// Whether the last run does not tell what became of the attempt.
fn is_untold(attempt: &AttemptRecord, last: Option<&LastRun>, is_held: bool) -> bool {
    let last = last.map(|last| &last.manifest);
    match attempt.exit_code {
        Some(code) if code == ExitCode::Done.number() => false,
        Some(_) => last.is_none_or(|last| {
            attempt.run_id.as_ref() != Some(&last.run_id) || last.error != attempt.error
        }),
        None => !is_held && last.is_none_or(|last| last.status != RunStatus::Running),
    }
}

/// The command to type next for a shard, or for the run of all of them.
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

/// Whether the error of the run is that its counts have drifted.
fn was_stopped_for_drift(manifest: &RunManifest) -> bool {
    let drift = manifest.drift.as_ref().and_then(DriftRecord::words);
    let error = manifest.error.as_deref().unwrap_or_default();
    drift.is_some_and(|drift| error.starts_with(&drift))
}

/// The exit code of a run that did not come to its end. The report of one that runs anew is of an earlier process.
fn code_of(manifest: &RunManifest, code: u8) -> Option<ExitCode> {
    let has_ended = matches!(manifest.status, RunStatus::Failed | RunStatus::Interrupted);
    exit_code(code).filter(|_| has_ended)
}

fn exit_code(number: u8) -> Option<ExitCode> {
    ExitCode::ALL
        .into_iter()
        .find(|known| known.number() == number)
}

/// Whether `check` has to tell what is wrong before another run is worth it.
fn needs_check(code: ExitCode) -> bool {
    matches!(
        code,
        ExitCode::Job | ExitCode::Audience | ExitCode::Authentication
    )
}

impl JobStanding {
    /// The command to type next, or words where there is none.
    fn next(&self, of_job: impl Fn(&'static str) -> CommandLine) -> String {
        let last = self.last.as_ref().map(|last| &last.manifest);
        let is_running = last.is_none_or(|last| last.status == RunStatus::Running);
        if self.holder.is_some() && is_running {
            return "wait for it to end".to_owned();
        }
        if let Some(attempt) = &self.attempt {
            let code = attempt.exit_code.and_then(exit_code);
            let command = match code {
                Some(code) if needs_check(code) || code == ExitCode::Klaviyo => "check",
                _ => "run",
            };
            return of_job(command).to_string();
        }
        let Some(LastRun { manifest, code, .. }) = &self.last else {
            return of_job("run").to_string();
        };
        let command = match code {
            Some(code) if needs_check(*code) => "check",
            // A guard that struck once all was compared, and before the list, is one on drift or on changes.
            Some(ExitCode::Guard)
                if manifest.formatted
                    && manifest.list.is_none()
                    && (manifest.delta.is_some() || was_stopped_for_drift(manifest)) =>
            {
                let flag = if was_stopped_for_drift(manifest) {
                    "--approve-drift"
                } else {
                    "--approve-changes"
                };
                let run = match &manifest.shard {
                    Some(shard) => again_in_group(shard, manifest.status, &of_job),
                    None => of_job("run"),
                };
                return run.with_value(flag, &manifest.run_id).to_string();
            }
            // A guard that struck once all was on the list is the one on removals.
            Some(ExitCode::Guard) if manifest.list.is_some() => {
                let run = of_job("run");
                return run
                    .with_value("--approve-removals", &manifest.run_id)
                    .to_string();
            }
            _ => "run",
        };
        let next = match (&manifest.shard, command) {
            (Some(shard), "run") => again_in_group(shard, manifest.status, &of_job),
            _ => of_job(command),
        };
        match (manifest.status, manifest.limit) {
            (RunStatus::Done, None) if !manifest.is_shard() => match manifest.delta {
                Some(_) => "nothing; the next run sends what has changed".to_owned(),
                None => "nothing; the next run sends the audience again".to_owned(),
            },
            (RunStatus::Failed | RunStatus::Interrupted | RunStatus::Running, Some(rows))
                if command == "run" =>
            {
                next.with_value("--limit", &rows.to_string()).to_string()
            }
            _ => next.to_string(),
        }
    }
}
