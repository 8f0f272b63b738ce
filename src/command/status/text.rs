//! The words of `status`.

use std::fmt::Write;

use super::{JobStanding, LastRun, exit_code};
use crate::cli::console::printable;
use crate::run::report::text::delivered_of;
use crate::run::report::{count, grouped};
use crate::state::attempt::AttemptRecord;
use crate::state::counts::{Counts, DeltaCounts};
use crate::state::lock::seconds;
use crate::state::manifest::{RunManifest, RunStatus};

impl JobStanding {
    pub(super) fn write(&self, out: &mut String) -> std::fmt::Result {
        if let Some(attempt) = &self.attempt {
            self.write_attempt(out, attempt)?;
        }
        match &self.last {
            Some(last) => self.write_run(out, last)?,
            None if self.attempt.is_none() => {
                let holder = self.holder.as_deref().unwrap_or("its end was not recorded");
                writeln!(out, "{}: under way ({holder}), no run yet", self.job)?;
            }
            None => {}
        }
        for note in &self.notes {
            writeln!(out, "  note       {}", printable(note))?;
        }
        Ok(())
    }

    fn write_attempt(&self, out: &mut String, attempt: &AttemptRecord) -> std::fmt::Result {
        let job = &self.job;
        let command = &attempt.command;
        match attempt.finished_at {
            Some(_) if attempt.run_id.is_some() => {
                writeln!(out, "{job}: the last `{command}` failed")?;
            }
            Some(_) => writeln!(
                out,
                "{job}: the last `{command}` failed before it had a run"
            )?,
            None => writeln!(
                out,
                "{job}: the last `{command}` was killed before it had a run"
            )?,
        }
        write!(out, "  began      {}", attempt.started_at)?;
        match attempt.finished_at {
            Some(end) => writeln!(out, ", ended {end}")?,
            None => writeln!(out)?,
        }
        if let Some(error) = &attempt.error {
            writeln!(out, "  error      {}", printable(error))?;
        }
        if let Some(code) = attempt.exit_code.and_then(exit_code) {
            writeln!(out, "  exit code  {}: {}", code.number(), code.meaning())?;
        }
        Ok(())
    }

    fn write_run(&self, out: &mut String, last: &LastRun) -> std::fmt::Result {
        let manifest = &last.manifest;
        let word = self.word(manifest);
        let before = if self.attempt.is_some() {
            "the run before it: "
        } else {
            ""
        };
        writeln!(
            out,
            "{}: {before}{word}, run {}",
            manifest.job, manifest.run_id
        )?;
        if let Some(rows) = manifest.limit {
            writeln!(out, "  trial      of {} at most", count(rows, "row"))?;
        }
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
        if let Some(code) = last.code {
            writeln!(out, "  exit code  {}: {}", code.number(), code.meaning())?;
        }
        write_counts(out, manifest)?;
        write_list(out, manifest)?;
        writeln!(out, "  files      {}", last.directory.display())
    }

    fn word(&self, manifest: &RunManifest) -> String {
        let word = match (manifest.status, &self.holder) {
            (RunStatus::Running, Some(holder)) => format!("under way ({holder})"),
            (RunStatus::Running, None) => "killed before it ended".to_owned(),
            (RunStatus::Done, _) => "done".to_owned(),
            (RunStatus::Failed, _) => "failed".to_owned(),
            (RunStatus::Interrupted, _) => "interrupted".to_owned(),
            (RunStatus::DryRun, _) => "dry run".to_owned(),
            (RunStatus::Superseded, _) => "replaced by a later run".to_owned(),
        };
        match manifest.limit {
            Some(_) => format!("trial, {word}"),
            None => word,
        }
    }
}

fn write_counts(out: &mut String, manifest: &RunManifest) -> std::fmt::Result {
    let counts = manifest.counts.as_ref();
    if let Some(counts) = counts.filter(|_| manifest.formatted) {
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
            blank => writeln!(out, "; and {}", count(blank, "blank record"))?,
        }
        if let (Some(compared), Some(changed)) = (counts.compared, counts.rows_changed()) {
            let DeltaCounts {
                rows_new,
                rows_left,
                rows_again,
                ..
            } = compared;
            let again = match rows_again {
                0 => String::new(),
                again => format!(" {} sent again,", grouped(again)),
            };
            writeln!(
                out,
                "  compared   {} new, {} changed,{again} {} unchanged, {} left",
                grouped(rows_new),
                grouped(changed.saturating_sub(rows_again)),
                grouped(counts.rows_unchanged),
                grouped(rows_left)
            )?;
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
        writeln!(out, "  formatted  stopped before the end")?;
    }
    let blanked = counts.map_or(0, Counts::blanked);
    if blanked > 0 {
        writeln!(out, "  blanked    {}", count(blanked, "cell"))?;
    }
    let parts = manifest.parts.len() as u64;
    let delivered = delivered_of(manifest.delivered(), parts, manifest.formatted);
    writeln!(out, "  delivered  {}", delivered.trim_end_matches(','))
}

fn write_list(out: &mut String, manifest: &RunManifest) -> std::fmt::Result {
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
    if let Some(undone) = manifest.undone {
        let members = count(undone.members, "member");
        let at = seconds(undone.at);
        writeln!(out, "  undone     {at}: {members} added to the list again")?;
    }
    Ok(())
}
