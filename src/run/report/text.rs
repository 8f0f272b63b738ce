//! The report as a person reads it at the end of a run.

use crate::base::text::{count, grouped, grouped_whole, megabytes};
use std::fmt::Write;
use std::path::Path;

use super::{RunReport, ShardReport};
use crate::cli::console::printable;
use crate::cli::table::{Side, aligned};
use crate::state::manifest::RunStatus;
use crate::state::part::Verification;

/// How many parts are listed one by one; of more, only those that are not simply verified.
const LISTED_PARTS: usize = 12;

/// The last words of a report: what a finished upload is not.
const DELIVERED_MEANS: &str = "
  Delivered means that the server has accepted the files, not that Klaviyo has
  imported them. Klaviyo imports them in its own time and e-mails the result; it
  offers no way to ask for it.
";

impl RunReport {
    /// The report as text. `run_directory` is where rejects, repairs and kept parts are; `server` is where parts went.
    pub fn to_text(&self, run_directory: &Path, server: Option<&str>) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut text, run_directory, server);
        text
    }

    fn write_text(
        &self,
        out: &mut String,
        run_directory: &Path,
        server: Option<&str>,
    ) -> std::fmt::Result {
        writeln!(
            out,
            "{}: {}, run {}",
            self.job,
            self.headline(),
            self.run_id
        )?;
        writeln!(out)?;
        self.write_shard(out)?;
        line(
            out,
            "read",
            self.rows_read,
            "row",
            &rate(self.rows_read, self.seconds.format, " rows/s"),
        )?;
        if self.rows_blank > 0 {
            let what = "no rows: every cell is empty";
            line(out, "blank", self.rows_blank, "record", what)?;
        }
        self.write_written(out)?;
        self.write_compared(out)?;
        if self.rows_rejected > 0 {
            let codes = codes(
                self.rejections
                    .iter()
                    .map(|(reason, count)| (reason.code(), *count)),
            );
            line(out, "rejected", self.rows_rejected, "row", &codes)?;
            writeln!(
                out,
                "                 see {}",
                run_directory.join("rejects.csv").display()
            )?;
        }
        if self.duplicates > 0 {
            line(out, "duplicate", self.duplicates, "row", "")?;
        }
        self.write_repairs(out, run_directory)?;
        self.write_shared_identifiers(out, run_directory)?;
        self.write_delivery(out, run_directory, server)?;
        self.write_list(out, run_directory)?;
        for path in &self.leftovers {
            writeln!(
                out,
                "  left over  {path}: an incomplete file, which may still be on the server; the next run tries to remove it"
            )?;
        }
        for warning in &self.warnings {
            writeln!(out, "  note       {}", printable(warning))?;
        }
        for notice in &self.notices {
            writeln!(out, "  notified   {}", printable(&notice.words()))?;
        }
        let by_sftp = self.parts.iter().any(|part| part.remote_path.is_some());
        if by_sftp && self.status == RunStatus::Done && self.delivered() > 0 {
            out.push_str(DELIVERED_MEANS);
        }
        Ok(())
    }

    fn write_shared_identifiers(&self, out: &mut String, run_directory: &Path) -> std::fmt::Result {
        let shared: u64 = self.shared_identifiers.values().sum();
        if shared == 0 {
            return Ok(());
        }
        let counts = self.shared_identifiers.iter();
        let codes = codes(counts.map(|(code, count)| (code.code(), *count)));
        line(out, "shared", shared, "cell", &codes)?;
        writeln!(
            out,
            "                 see {}",
            run_directory.join("conflicts.csv").display()
        )
    }

    fn write_written(&self, out: &mut String) -> std::fmt::Result {
        let mut parts = format!(
            "in {}, {}",
            count(self.parts.len() as u64, "part"),
            megabytes(self.bytes)
        );
        // The rows of a part that was not closed when the run failed are written, and gone.
        let closed: u64 = self.parts.iter().map(|part| part.rows).sum();
        if closed == 0 && self.rows_written > 0 {
            "none of them in a complete part".clone_into(&mut parts);
        } else if closed < self.rows_written {
            parts = format!("{} of them {parts}", grouped(closed));
        }
        line(out, "written", self.rows_written, "row", &parts)
    }

    /// The counts of the comparison with the last run.
    fn write_compared(&self, out: &mut String) -> std::fmt::Result {
        let (Some(new), Some(changed), Some(left)) =
            (self.rows_new, self.rows_changed, self.rows_left)
        else {
            return Ok(());
        };
        line(
            out,
            "new",
            new,
            "row",
            "written; the last run did not have them",
        )?;
        let again = self.rows_again.unwrap_or(0);
        let why = "written; they are not as the last run sent them";
        line(out, "changed", changed.saturating_sub(again), "row", why)?;
        if again > 0 {
            let why = "written once more; they are as the last run sent them";
            line(out, "again", again, "row", why)?;
        }
        let why = "not sent: Klaviyo has them already";
        line(out, "unchanged", self.rows_unchanged, "row", why)?;
        line(
            out,
            "left",
            left,
            "row",
            "of the last run, not in the audience any more",
        )
    }

    /// Removed values are told apart from cleaned ones.
    fn write_repairs(&self, out: &mut String, run_directory: &Path) -> std::fmt::Result {
        for (label, blanks) in [("blanked", true), ("cleaned", false)] {
            let some = self.repairs.iter();
            let some = some.filter(|(code, _)| code.blanks() == blanks);
            let cells: u64 = some.clone().map(|(_, cells)| cells).sum();
            if cells > 0 {
                let codes = codes(some.map(|(code, cells)| (code.code(), *cells)));
                line(out, label, cells, "cell", &codes)?;
            }
        }
        if self.repairs.keys().any(|code| code.is_listed()) {
            writeln!(
                out,
                "                 see {}",
                run_directory.join("repairs.csv").display()
            )?;
        }
        Ok(())
    }

    fn write_shard(&self, out: &mut String) -> std::fmt::Result {
        let Some(shard) = &self.shard else {
            return Ok(());
        };
        let ShardReport { of, run_group, .. } = shard;
        match shard.number {
            Some(number) => writeln!(out, "  shard      {number}/{of} of run group {run_group}"),
            None => writeln!(out, "  shards     all {of} of run group {run_group}"),
        }
    }

    fn write_list(&self, out: &mut String, run_directory: &Path) -> std::fmt::Result {
        if let Some(sentinel) = self.sentinel {
            match sentinel.seen_at {
                Some(at) => writeln!(out, "  sentinel   seen at {at}")?,
                None => writeln!(out, "  sentinel   sent, not seen yet")?,
            }
        }
        let Some(list) = &self.list else {
            return Ok(());
        };
        let made = if list.created {
            ", made by this run"
        } else {
            ""
        };
        let name = if list.name.is_empty() {
            list.id.clone()
        } else {
            format!("{} ({})", list.name, list.id)
        };
        writeln!(out, "  list       {}{made}", printable(&name))?;
        match list.attached {
            Some(rows) => line(out, "attached", rows, "row", "")?,
            None => writeln!(
                out,
                "  attached   by a column in the files; the number is not known"
            )?,
        }
        if list.removed > 0 {
            line(out, "removed", list.removed, "member", "")?;
            writeln!(
                out,
                "                 see {}",
                run_directory.join("removed.csv").display()
            )?;
        }
        if list.kept_unreadable > 0 {
            let why = "their phone numbers cannot be read";
            line(out, "kept", list.kept_unreadable, "member", why)?;
        }
        if let Some(no_email) = list.no_email.filter(|it| it.of > 0) {
            writeln!(out, "  no e-mail  {}", no_email.to_text())?;
        }
        let refused = [
            ("refused", list.rejected, "by Klaviyo"),
            ("not found", list.unresolved, "there is no profile"),
        ];
        for (label, rows, why) in refused.into_iter().filter(|(_, rows, _)| *rows > 0) {
            line(out, label, rows, "row", why)?;
            writeln!(
                out,
                "                 see {}",
                run_directory.join("attach-rejects.csv").display()
            )?;
        }
        Ok(())
    }

    fn headline(&self) -> String {
        let word = match self.status {
            RunStatus::Done => "done",
            RunStatus::Failed => "failed",
            RunStatus::Interrupted => "interrupted",
            RunStatus::DryRun => "dry run",
            RunStatus::Superseded => "superseded",
            RunStatus::Running => "running",
        };
        let trial = match self.limit {
            Some(rows) => format!("trial of {}, ", count(rows, "row")),
            None => String::new(),
        };
        format!("{trial}{word} in {:.1} s", self.seconds.total)
    }

    fn write_delivery(
        &self,
        out: &mut String,
        run_directory: &Path,
        server: Option<&str>,
    ) -> std::fmt::Result {
        let Some(server) = server.filter(|_| self.status != RunStatus::DryRun) else {
            if self.parts.is_empty() {
                return writeln!(out, "  sent       nothing");
            }
            return writeln!(
                out,
                "  sent       nothing; the parts are in {}",
                run_directory.join("parts").display()
            );
        };
        let sent: u64 = self
            .parts
            .iter()
            .filter(|part| part.verification.is_some())
            .map(|part| part.bytes)
            .sum();
        let rate = megabytes_per_second(sent, self.seconds.upload);
        let delivered = delivered_of(
            self.delivered() as u64,
            self.parts.len() as u64,
            self.formatted,
        );
        writeln!(out, "  delivered  {delivered} to {server}{rate}")?;
        let mut rows = Vec::new();
        for part in &self.parts {
            // The line above counts those that were never sent.
            if part.attempts == 0 && part.verification.is_none() {
                continue;
            }
            let word = part.verification.map_or("not sent", Verification::word);
            if self.parts.len() > LISTED_PARTS && part.verification == Some(Verification::Verified)
            {
                continue;
            }
            // The line above names the folder. What went by the API has no remote name.
            let path = part.remote_path.as_deref();
            let name = path.map_or_else(
                || format!("part {}", part.number),
                |path| path.rsplit('/').next().unwrap_or(path).to_owned(),
            );
            let again = if part.attempts > 1 {
                format!(", attempt {}", part.attempts)
            } else {
                String::new()
            };
            rows.push(vec![
                name,
                count(part.rows, "row"),
                megabytes(part.bytes),
                format!("{word}{again}"),
            ]);
        }
        if rows.is_empty() {
            return Ok(());
        }
        for line in aligned(&rows, &[Side::Left, Side::Right, Side::Right]).lines() {
            writeln!(out, "  {line}")?;
        }
        Ok(())
    }
}

/// `2 of 3 parts`. A run that stopped before the end of its audience has no number of all parts to tell.
pub(crate) fn delivered_of(delivered: u64, parts: u64, formatted: bool) -> String {
    let delivered = grouped(delivered);
    let parts = count(parts, "part");
    if formatted {
        format!("{delivered} of {parts}")
    } else {
        format!("{delivered} of the {parts} written before it stopped,")
    }
}

fn line(out: &mut String, label: &str, number: u64, noun: &str, rest: &str) -> std::fmt::Result {
    let gap = if rest.is_empty() { "" } else { "  " };
    writeln!(out, "  {label:<9}  {}{gap}{rest}", count(number, noun))
}

fn codes<'a>(counts: impl Iterator<Item = (&'a str, u64)>) -> String {
    counts
        .map(|(code, count)| format!("{code} {}", grouped(count)))
        .collect::<Vec<_>>()
        .join(", ")
}

fn rate(number: u64, seconds: f64, unit: &str) -> String {
    if seconds < 0.5 || number < 1000 {
        return String::new();
    }
    format!("{}{unit}", grouped_whole(number as f64 / seconds))
}

fn megabytes_per_second(bytes: u64, seconds: f64) -> String {
    if seconds < 0.05 || bytes < 1_000_000 {
        return String::new();
    }
    format!(", {:.1} MB/s", bytes as f64 / 1e6 / seconds)
}
