//! The checks of those who are told how runs end, and of the file of metrics: whether the URLs are there, whether they take a
//! notice (with `--probe`), and whether the file can be written.

use rustix::fs::{Access, access};

use super::super::Surroundings;
use super::findings::{CheckName, CheckOutcome, Findings};
use crate::job::watch::{StatusChange, WebhookFormat};
use crate::job::{Job, WatchSettings};
use crate::run::watch;

/// Looks at who is told. Nothing here can fail a run: what is wrong is a warning.
pub(super) fn notify(job: &Job, probe: bool, surroundings: &Surroundings, findings: &mut Findings) {
    let settings = &job.watch;
    if !settings.notifies() {
        return;
    }
    let warnings = if probe {
        watch::probe(settings, surroundings)
    } else {
        watch::problems(settings, &surroundings.environment)
    };
    let sent = if probe {
        "a test notice was sent to each"
    } else {
        "nothing was sent: --probe sends a test notice to each"
    };
    let detail = format!("{}; {}; {sent}", who(settings), when(settings));
    findings.note(CheckName::Notify, Ok(()), |()| {
        CheckOutcome::warned(detail, warnings)
    });
}

/// Looks at the folder of the metrics file. That it cannot be written fails no run, and is a warning.
pub(super) fn metrics(job: &Job, findings: &mut Findings) {
    let Some(file) = &job.watch.metrics_file else {
        return;
    };
    let folder = watch::metrics_folder(file);
    let (detail, warnings) = match access(folder, Access::WRITE_OK | Access::EXEC_OK) {
        Ok(()) => (format!("{} can be written", file.display()), Vec::new()),
        Err(error) => {
            let folder = folder.display();
            let problem = format!("the folder {folder} cannot be written: {error}");
            (file.display().to_string(), vec![problem])
        }
    };
    findings.note(CheckName::Metrics, Ok(()), |()| {
        CheckOutcome::warned(detail, warnings)
    });
}

/// Those who are told.
fn who(settings: &WatchSettings) -> String {
    let webhook = match settings.format {
        WebhookFormat::Json => "webhook",
        WebhookFormat::Slack => "webhook (Slack)",
    };
    let program = settings.command.first();
    let program = program.map(|program| format!("command {program}"));
    let heartbeat = settings.heartbeat.is_some().then(|| "heartbeat".to_owned());
    let webhook = settings.webhook.is_some().then(|| webhook.to_owned());
    let all: Vec<String> = [heartbeat, webhook, program]
        .into_iter()
        .flatten()
        .collect();
    all.join(", ")
}

/// After which runs.
fn when(settings: &WatchSettings) -> &'static str {
    let on = &settings.on;
    match (
        on.tells_every_run(),
        on.tells(StatusChange::Failure),
        on.tells(StatusChange::Recovery),
    ) {
        (true, _, _) => "after every run",
        (false, true, true) => "on failure and recovery",
        (false, true, false) => "on failure",
        (false, false, true) => "on recovery",
        (false, false, false) => "the heartbeat alone",
    }
}
