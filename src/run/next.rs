//! The command to type next, after a run that came far enough to have a report.

use super::error::Error;
use crate::cli::command_line::CommandLine;

/// The command to type after a run of the command `line`: about the error if there was one, else the one that the run leaves to
/// another command, else the one that does in earnest what a trial has shown.
pub(crate) fn next(
    error: Option<&Error>,
    left: Option<&CommandLine>,
    line: &CommandLine,
) -> Option<CommandLine> {
    match error {
        Some(error) => error.next(line),
        None => left.cloned().or_else(|| after_a_trial(line)),
    }
}

/// The command that does in earnest what a trial has shown: ten rows after a dry run, all after a few.
fn after_a_trial(line: &CommandLine) -> Option<CommandLine> {
    // The key that was accepted is known from now on.
    let plain = line.clone().without_value("--limit");
    let plain = plain.without("--accept-new-host-key");
    if line.has("--shard") {
        let whole = plain.without("--dry-run").without("--json");
        return line.has("--dry-run").then_some(whole);
    }
    if line.has("--dry-run") {
        let few = plain
            .without("--dry-run")
            .without("--json")
            .with_value("--limit", "10");
        let is_send = few.is("send");
        return Some(if is_send { few.with_server() } else { few });
    }
    line.has("--limit").then_some(plain)
}
