//! A run that is watched: who is told how it ended, and where its numbers go.
//!
//! None of this can fail a run, change its exit code, or delay it by more than ten seconds altogether. What became of it is in
//! the report. Trials and dry runs are not watched: a person is looking at them.

mod call;
mod channels;
pub mod notice;
mod numbers;
#[cfg(feature = "otlp")]
mod otlp;
mod prometheus;
pub mod record;

use std::io::Write as _;
use std::path::PathBuf;

use jiff::Timestamp;

use super::attempt::AttemptArgs;
use super::{RunFailure, RunOutcome, StageTime, delta};
use crate::base::environment::Environment;
use crate::base::secret::SecretSource;
use crate::job::watch::StatusChange;
use crate::job::{JobPlace, JobSource, WatchSettings};
use crate::run::error::Error;
use crate::run::report::RunReport;
use crate::run::surroundings::Surroundings;
use crate::state::directory::JobDirectory;
use crate::state::manifest::{StateError, to_json};
use crate::state::outcome::OutcomeRecord;
use crate::state::shard::Shard;
use crate::state::storage::replace_json;
use call::Caller;
use channels::{NoticeChannels, Order, Remote};
use notice::{Notice, NoticeContext};
use numbers::{Metric, Times, numbers};
use record::{NoticeEvent, NoticeKind, NoticeOutcome, NoticeRecord};

/// How an attempt is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// From its begin to its end.
    Whole,
    /// Only if it fails: another command ends the night.
    Failures,
}

/// The end of an attempt that was good, as it is told.
pub(super) enum GoodEnd<'a> {
    /// A run with a report.
    Run(&'a mut RunOutcome),
    /// There was nothing to do.
    Nothing,
}

/// An attempt that is being watched.
struct Watch<'a> {
    settings: WatchSettings,
    extent: Extent,
    /// `None` where it belongs to another job, or is not known.
    state: Option<JobDirectory>,
    shard: Option<Shard>,
    channels: NoticeChannels,
    surroundings: &'a Surroundings,
}

/// Makes the attempt `act` of the job that `attempted` names, and watches it. The error has a report, as a run has.
pub(super) fn watched<T>(
    attempted: &AttemptArgs<'_>,
    extent: Extent,
    surroundings: &Surroundings,
    told: impl FnOnce(&mut T) -> GoodEnd<'_>,
    act: impl FnOnce() -> Result<T, Error>,
) -> Result<T, Box<RunFailure>> {
    let begun = Timestamp::now();
    let watch = Watch::begin(attempted, extent, surroundings);
    let result = act();
    let failed = |error: Error| {
        let job = name_in(attempted.job, &surroundings.environment);
        let report = RunReport::of_failure(&job, &error, begun);
        Box::new(RunFailure { error, report })
    };
    match (result, watch) {
        (Ok(done), None) => Ok(done),
        (Err(error), None) => Err(failed(error)),
        (Ok(mut done), Some(watch)) => {
            match told(&mut done) {
                GoodEnd::Run(finished) => watch.end_run(finished),
                GoodEnd::Nothing => watch.end_nothing(),
            }
            Ok(done)
        }
        (Err(error), Some(watch)) => {
            let mut failed = failed(error);
            watch.end_failed(&mut failed);
            Err(failed)
        }
    }
}

/// The name that the job file of `source` gives its job; blank where it cannot be read.
fn name_in(source: JobSource<'_>, environment: &Environment) -> String {
    JobPlace::load_to_watch(source, environment).map_or_else(|_| String::new(), |job| job.name)
}

impl<'a> Watch<'a> {
    /// Begins to watch; `None` where there is nobody to tell, of trials, and where the job file cannot be read.
    fn begin(
        attempted: &AttemptArgs<'_>,
        extent: Extent,
        surroundings: &'a Surroundings,
    ) -> Option<Self> {
        if attempted.limit.is_some() || attempted.is_dry {
            return None;
        }
        let environment = &surroundings.environment;
        let settings = WatchSettings::load(attempted.job, environment).ok()?;
        let place = JobPlace::load_to_watch(attempted.job, environment).ok()?;
        let state = place.state(attempted.state.state_dir.as_deref()).ok();
        let state = state.map(|state| match attempted.shard {
            Some(shard) => state.shard(shard),
            None => state,
        });
        let extent = match attempted.shard {
            Some(_) if settings.ends_with_list => Extent::Failures,
            _ => extent,
        };
        let channels = channels(&settings, extent, environment);
        Some(Self {
            settings,
            extent,
            state,
            shard: attempted.shard,
            channels,
            surroundings,
        })
    }

    /// The end of a run that has a report.
    fn end_run(self, finished: &mut RunOutcome) {
        let error = finished.error.as_ref();
        let next = error.and_then(|error| error.next(&self.surroundings.command_line));
        let next = next.or_else(|| finished.next.clone());
        let next = next.map(|line| line.to_string());
        let path = finished.directory.report();
        let report = &mut finished.report;
        let WatchOutcome { notices, warning } =
            self.end(report, &finished.stages, next, Some(path.clone()));
        report.notices = notices;
        report.warnings.extend(warning.clone());
        if !report.notices.is_empty() || warning.is_some() {
            // What is on disk may be the report of an earlier process, which has sent what this one found done.
            let noted = RunReport::read(&finished.directory).map(|on_disk| RunReport {
                notices: report.notices.clone(),
                warnings: on_disk.warnings.iter().cloned().chain(warning).collect(),
                ..on_disk
            });
            let written = noted.map(|noted| replace_json(&path, &noted));
            warn_of(written.transpose());
        }
    }

    /// The end of an attempt that failed before it had a run.
    fn end_failed(mut self, failed: &mut RunFailure) {
        if matches!(failed.error, Error::OtherJob { .. }) {
            self.state = None;
        }
        let next = failed.error.next(&self.surroundings.command_line);
        let next = next.map(|line| line.to_string());
        let write = |report: &RunReport, state: Option<&JobDirectory>| {
            let path = state?.attempt_report();
            let written = replace_json(&path, report);
            let is_there = written.is_ok();
            warn_of(written.map(Some));
            is_there.then_some(path)
        };
        let is_told = self.settings.notifies();
        let state = self.state.clone().filter(|_| is_told);
        let path = write(&failed.report, state.as_ref());
        let is_written = path.is_some();
        let WatchOutcome { notices, warning } = self.end(&failed.report, &[], next, path);
        failed.report.notices = notices;
        failed.report.warnings.extend(warning);
        write(&failed.report, state.filter(|_| is_written).as_ref());
    }

    /// The end of an attempt that had nothing to do.
    fn end_nothing(self) {
        let is_pinged = self.extent == Extent::Whole;
        let order = |kind| {
            (kind == NoticeKind::Heartbeat && is_pinged).then(|| Order {
                event: NoticeEvent::Success,
                bodies: Vec::new(),
                report: None,
            })
        };
        log(&self.channels.end(order, &self.surroundings.interrupt));
    }

    /// Writes the numbers of `report`, tells its end to all that are to be told, and remembers what they have heard.
    fn end(
        self,
        report: &RunReport,
        stages: &[StageTime],
        next: Option<String>,
        path: Option<PathBuf>,
    ) -> WatchOutcome {
        #[cfg(not(feature = "otlp"))]
        let _ = stages;
        let Self {
            settings,
            extent,
            state,
            shard,
            channels,
            surroundings,
        } = self;
        let code = report.exit_code;
        let before = state.as_ref().map(OutcomeRecord::read).unwrap_or_default();
        let failing_since = before.failing_since;
        let mut outcome = before.after(code, report.finished_at);
        let numbers = numbers(report, times(state.as_ref(), &outcome));
        let warning = write_metrics(&settings, &numbers, shard);
        let besides = NoticeContext {
            shard: shard.map(|shard| shard.to_string()),
            next,
            failing_since: failing_since.or(outcome.failing_since),
            report_path: path.and_then(|path| std::path::absolute(path).ok()),
        };
        let order = |kind: NoticeKind| {
            let event = event(&settings, &outcome, kind, code, extent)?;
            let notice = || Notice::new(event, report, besides.clone());
            let bodies = match kind {
                NoticeKind::Webhook => vec![notice().body(settings.format)],
                #[cfg(feature = "otlp")]
                NoticeKind::Otlp => {
                    otlp::bodies(report, &numbers, besides.shard.as_deref(), stages)
                }
                _ => Vec::new(),
            };
            Some(Order {
                event,
                bodies,
                report: besides.report_path.clone(),
            })
        };
        let records = channels.end(order, &surroundings.interrupt);
        log(&records);
        let listens = [
            (NoticeKind::Webhook, settings.webhook.is_some()),
            (NoticeKind::Command, !settings.command.is_empty()),
        ];
        for (kind, _) in listens.into_iter().filter(|(_, listens)| *listens) {
            let told = records.iter().find(|record| record.kind == kind);
            // What was not heard is told again after the next run.
            if told.is_none_or(|record| record.outcome == NoticeOutcome::Delivered) {
                outcome.heard.insert(kind.word().to_owned(), code);
            }
        }
        let remembered = state.map(|state| outcome.write(&state));
        warn_of(remembered.transpose());
        WatchOutcome {
            notices: records,
            warning,
        }
    }
}

/// The fate of the notices, and of the numbers.
struct WatchOutcome {
    notices: Vec<NoticeRecord>,
    warning: Option<String>,
}

/// The times that the report does not have.
fn times(state: Option<&JobDirectory>, outcome: &OutcomeRecord) -> Times {
    let snapshot = state.and_then(|state| {
        let about = std::fs::metadata(state.snapshot()).ok()?;
        Timestamp::try_from(about.modified().ok()?).ok()
    });
    Times {
        last_success: outcome.last_success_at,
        snapshot,
        full_send: state.and_then(delta::full_send_at),
    }
}

/// Writes the numbers of a run for Prometheus, if the job says where. What went wrong is a note of the report.
fn write_metrics(
    settings: &WatchSettings,
    numbers: &[Metric],
    shard: Option<Shard>,
) -> Option<String> {
    let path = prometheus::path_of(settings.metrics_file.as_ref()?, shard);
    let text = prometheus::text(numbers, &settings.name, shard);
    let error = Error::from(prometheus::write(&path, &text).err()?);
    let warning = format!("the metrics were not written: {}", error.chain());
    tracing::warn!("{warning}");
    Some(warning)
}

/// Those who are told, each with a thread that begins now.
fn channels(settings: &WatchSettings, extent: Extent, environment: &Environment) -> NoticeChannels {
    let mut channels = NoticeChannels::default();
    if let Some(source) = &settings.heartbeat {
        let remote = remote(settings, source, environment);
        channels.add_heartbeat(remote, extent == Extent::Whole);
    }
    if let Some(source) = &settings.webhook {
        channels.add_webhook(remote(settings, source, environment));
    }
    if !settings.command.is_empty() {
        channels.add_command(settings.command.clone());
    }
    #[cfg(feature = "otlp")]
    if let Some(endpoint) = &settings.otlp_endpoint {
        let headers = otlp::headers(endpoint, environment);
        channels.add_collector(caller(settings), otlp::addresses(endpoint), headers);
    }
    channels
}

pub(crate) use prometheus::folder_of as metrics_folder;

/// Where a URL is, and how it is called.
fn remote(settings: &WatchSettings, source: &SecretSource, environment: &Environment) -> Remote {
    Remote {
        source: source.clone(),
        environment: environment.clone(),
        caller: caller(settings),
    }
}

/// The caller, which goes the way to the API.
fn caller(settings: &WatchSettings) -> Caller {
    Caller {
        network: settings.network.clone(),
        loopback_only: settings.loopback_only,
    }
}

/// The faults of the URLs, which are not called.
pub(crate) fn problems(settings: &WatchSettings, environment: &Environment) -> Vec<String> {
    let urls = [
        (NoticeKind::Heartbeat, &settings.heartbeat),
        (NoticeKind::Webhook, &settings.webhook),
    ];
    let problem = |(kind, source): (NoticeKind, &Option<SecretSource>)| {
        let remote = remote(settings, source.as_ref()?, environment);
        let problem = remote.address().err()?;
        Some(format!("{}: {problem}", kind.word()))
    };
    urls.into_iter().filter_map(problem).collect()
}

/// Sends a test notice to each of those who are told. What was not delivered.
pub(crate) fn probe(settings: &WatchSettings, surroundings: &Surroundings) -> Vec<String> {
    let report = RunReport::of_test(&settings.name);
    // The file goes when this ends.
    let file = tempfile::NamedTempFile::with_suffix(".json");
    let file = file.and_then(|mut file| {
        file.write_all(&to_json(&report))?;
        Ok(file)
    });
    let path = file.as_ref().ok().map(|file| file.path().to_owned());
    let channels = channels(settings, Extent::Failures, &surroundings.environment);
    let order = |kind: NoticeKind| {
        // It knows no other word for a run that is well.
        let event = match kind {
            NoticeKind::Heartbeat => NoticeEvent::Success,
            _ => NoticeEvent::Test,
        };
        let besides = NoticeContext {
            report_path: path.clone(),
            ..NoticeContext::default()
        };
        let notice = Notice::new(event, &report, besides);
        (kind != NoticeKind::Otlp).then(|| Order {
            event,
            bodies: vec![notice.body(settings.format)],
            report: path.clone(),
        })
    };
    let records = channels.end(order, &surroundings.interrupt);
    let wrong = records.iter().filter(|record| record.problem.is_some());
    wrong.map(NoticeRecord::words).collect()
}

/// The event that `kind` is told after an attempt that ended with `code`; `None` where it is told nothing.
fn event(
    settings: &WatchSettings,
    outcome: &OutcomeRecord,
    kind: NoticeKind,
    code: u8,
    extent: Extent,
) -> Option<NoticeEvent> {
    if kind == NoticeKind::Otlp {
        return Some(match code {
            0 => NoticeEvent::Success,
            _ => NoticeEvent::Failure,
        });
    }
    if kind == NoticeKind::Heartbeat {
        return match code {
            0 if extent == Extent::Failures => None,
            0 => Some(NoticeEvent::Success),
            _ => Some(NoticeEvent::Failure),
        };
    }
    let heard = outcome.heard.get(kind.word()).copied().unwrap_or(0);
    let on = &settings.on;
    match (code, heard) {
        (0, 0) => on.tells_every_run().then_some(NoticeEvent::Success),
        (0, _) => on
            .tells(StatusChange::Recovery)
            .then_some(NoticeEvent::Recovery),
        (code, heard) => (on.tells_every_run() || code != heard && on.tells(StatusChange::Failure))
            .then_some(NoticeEvent::Failure),
    }
}

/// Says what was not delivered: cron mails it.
fn log(records: &[NoticeRecord]) {
    for record in records {
        if record.outcome == NoticeOutcome::Delivered {
            tracing::info!("{}", record.words());
        } else {
            tracing::warn!("{}", record.words());
        }
    }
}

/// Logs a failure to write, which keeps no run from its end.
fn warn_of(written: Result<Option<()>, StateError>) {
    if let Err(error) = written {
        tracing::warn!("{}", Error::from(error).chain());
    }
}
