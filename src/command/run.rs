//! `run`: an audience to the server, from the job file to the report. The one place that knows all stages.

mod deliver;
mod format;

use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use jiff::Timestamp;

use super::Surroundings;
use crate::audience::Audience;
use crate::batch::push_cell;
use crate::cli::RunArgs;
use crate::commit::{Commit, CommitError};
use crate::counts::Counts;
use crate::error::Error;
use crate::job::file::{Duplicates, OnEmpty};
use crate::job::{Delivery, Job, JobError};
use crate::lock::JobLock;
use crate::manifest::{
    MANIFEST_VERSION, ManifestFile, PartRecord, RunManifest, RunStatus, replace_file, to_json,
};
use crate::mapping::Mapping;
use crate::meter::Meter;
use crate::part::Part;
use crate::progress::{Progress, ProgressStyle};
use crate::report::{Circumstances, RunReport, Seconds};
use crate::retry::Trouble;
use crate::spool::{Release, Spool, SpoolError, SpoolLayout};
use crate::state::{JobDirectory, RunDirectory, new_run_id};
use crate::upload::{Route, UploadError};
use format::FormatError;

/// What changes from run to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Format and keep the parts; touch no server.
    pub dry_run: bool,
    /// Stop after so many rows were read.
    pub limit: Option<u64>,
    /// How progress is shown.
    pub progress: ProgressStyle,
}

/// A run that came far enough to have a report.
#[derive(Debug)]
pub struct Finished {
    /// What happened.
    pub report: RunReport,
    /// Where the run's files are.
    pub directory: RunDirectory,
    /// Where the parts went, as `host:port/directory`; `None` for a dry run.
    pub server: Option<String>,
    /// Why it failed, if it did.
    pub error: Option<Error>,
}

/// Runs the job file of `args`.
pub fn run(
    args: &RunArgs,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<Finished, Error> {
    let mut job = Job::load(&args.job, &surroundings.environment)?;
    job.accept_new_host_key(args.common.accept_new_host_key);
    if let Some(directory) = &args.common.state_dir {
        job.state_directory.clone_from(directory);
    }
    let audience = Audience::open(&job.audience, Box::new(std::io::stdin()))?;
    execute(&job, audience, options, surroundings)
}

/// Formats `audience` by `job` and delivers it. An error here means that nothing was begun; later ones are in the result.
pub fn execute(
    job: &Job,
    audience: Audience,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<Finished, Error> {
    let begun = Instant::now();
    let delivery = destination(job, options)?;
    let mapping = Mapping::new(job, audience.sources())?;
    let state = JobDirectory::new(&job.state_directory, &job.name);
    state.create()?;
    let _lock = JobLock::take(state.path())?;
    let started_at = Timestamp::now();
    let run_id = new_run_id(started_at)?;
    let directory = state.run(&run_id);
    directory.create()?;
    let manifest = Arc::new(ManifestFile::create(
        directory.manifest(),
        new_manifest(job, &run_id, started_at),
    )?);
    tracing::info!(job = job.name, run = run_id, "run begun");

    let stages = Stages {
        job,
        mapping: &mapping,
        directory: &directory,
        prefix: format!("{}-{run_id}", job.name),
        manifest: &manifest,
        meter: Arc::new(Meter::default()),
        surroundings,
        options,
    };
    let mut warnings = mapping.warnings.clone();
    warnings.extend(source_warnings(&audience));
    let outcome = stages.run(audience, delivery);
    warnings.extend(outcome.warnings);
    let error = outcome.error;
    let status = match &error {
        None | Some(Error::Strict { .. }) if options.dry_run => RunStatus::DryRun,
        None | Some(Error::Strict { .. }) => RunStatus::Done,
        Some(Error::Interrupted { .. }) => RunStatus::Interrupted,
        Some(_) => RunStatus::Failed,
    };
    manifest.update(|manifest| {
        manifest.status = status;
        manifest.finished_at = Some(Timestamp::now());
    })?;
    let seconds = Seconds {
        total: begun.elapsed().as_secs_f64(),
        ..outcome.seconds
    };
    let exit_code = error.as_ref().map_or(0, |error| error.exit_code().number());
    let report = RunReport::new(
        &manifest.snapshot(),
        Circumstances {
            exit_code,
            warnings,
            seconds,
        },
    );
    replace_file(&directory.report(), &to_json(&report))?;
    let server =
        delivery.map(|delivery| format!("{}{}", delivery.sftp.server(), delivery.directory));
    Ok(Finished {
        report,
        directory,
        server,
        error,
    })
}

/// Where the parts go; `None` for a dry run.
fn destination(job: &Job, options: RunOptions) -> Result<Option<&Delivery>, Error> {
    match &job.delivery {
        _ if options.dry_run => Ok(None),
        Some(delivery) => Ok(Some(delivery)),
        None => Err(Error::Job(JobError::Value {
            key: "sftp.username",
            problem:
                "is missing; Klaviyo shows it under Integrations, Manage sources, Import via SFTP"
                    .to_owned(),
        })),
    }
}

fn new_manifest(job: &Job, run_id: &str, started_at: Timestamp) -> RunManifest {
    RunManifest {
        version: MANIFEST_VERSION,
        run_id: run_id.to_owned(),
        job: job.name.clone(),
        job_fingerprint: job.fingerprint.clone(),
        started_at,
        finished_at: None,
        status: RunStatus::Running,
        formatted: false,
        counts: None,
        parts: Vec::new(),
    }
}

fn source_warnings(audience: &Audience) -> impl Iterator<Item = String> {
    audience.sources().iter().filter_map(|source| {
        let likely = source.encoding_hint?;
        Some(format!(
            "{}: many bytes are not UTF-8; it is likely {likely}: write encoding = \"{likely}\"",
            source.name
        ))
    })
}

/// What the stages of one run share.
struct Stages<'a> {
    job: &'a Job,
    mapping: &'a Mapping,
    directory: &'a RunDirectory,
    prefix: String,
    manifest: &'a Arc<ManifestFile>,
    meter: Arc<Meter>,
    surroundings: &'a Surroundings,
    options: RunOptions,
}

/// What the stages came to.
#[derive(Default)]
struct Outcome {
    error: Option<Error>,
    warnings: Vec<String>,
    seconds: Seconds,
}

impl Stages<'_> {
    fn run(&self, audience: Audience, delivery: Option<&Delivery>) -> Outcome {
        if let Some(bytes) = audience.total_bytes() {
            // Set once, here.
            let _ = self.meter.source_bytes.set(bytes);
        }
        let bars = self.surroundings.console.bars();
        let _progress = Progress::start(
            self.options.progress,
            bars,
            Arc::clone(&self.meter),
            delivery.is_some(),
        );
        match delivery {
            None => {
                let formatted = self.format(audience, None);
                self.outcome(formatted, None)
            }
            Some(delivery) if self.job.duplicates == Duplicates::Fail => {
                self.format_then_deliver(audience, delivery)
            }
            Some(delivery) => self.format_and_deliver(audience, delivery),
        }
    }

    /// The usual way: parts are sent while later rows are still being formatted.
    fn format_and_deliver(&self, audience: Audience, delivery: &Delivery) -> Outcome {
        let (release, queue) = bounded(self.job.max_waiting);
        std::thread::scope(|scope| {
            let delivering = scope.spawn(|| self.deliver(delivery, queue));
            let formatted = self.format(audience, Some(release));
            let delivered = delivering
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            self.outcome(formatted, Some(delivered))
        })
    }

    /// Nothing is sent before the whole audience is known to be good.
    fn format_then_deliver(&self, audience: Audience, delivery: &Delivery) -> Outcome {
        let (release, queue) = unbounded();
        let formatted = self.format(audience, Some(release));
        let delivered = formatted
            .result
            .is_ok()
            .then(|| self.deliver(delivery, queue));
        self.outcome(formatted, delivered)
    }

    fn format(&self, audience: Audience, queue: Option<Sender<Part>>) -> Formatted {
        let begun = Instant::now();
        let layout = SpoolLayout {
            directory: self.directory.parts(),
            prefix: self.prefix.clone(),
            header: header_line(self.mapping, self.mapping.columns.len()),
            identifiers_header: header_line(self.mapping, self.mapping.identifiers()),
            limits: self.job.limits,
        };
        let spool = Spool::start(layout, self.release(queue));
        let sources = audience.shared_sources();
        let commit = Commit::new(
            (&sources, self.mapping),
            (self.job.duplicates, self.job.max_rejected),
            self.options.limit,
            (spool, self.directory.path()),
            &self.meter,
        );
        let (counts, result) = match commit {
            Ok(commit) => format::format(
                audience,
                (self.mapping, self.job.rules),
                commit,
                &self.surroundings.interrupt,
            ),
            Err(error) => (Counts::default(), Err(error.into())),
        };
        self.meter.set_formatted();
        let whole = result.is_ok();
        let noted = self.manifest.update(|manifest| {
            manifest.counts = Some(counts.clone());
            manifest.formatted = whole;
        });
        let result = result.and_then(|()| noted.map_err(|error| CommitError::from(error).into()));
        Formatted {
            counts,
            result,
            seconds: begun.elapsed().as_secs_f64(),
        }
    }

    /// What becomes of a closed part: noted in the manifest, then queued for delivery.
    fn release(&self, queue: Option<Sender<Part>>) -> Release {
        let manifest = Arc::clone(self.manifest);
        let meter = Arc::clone(&self.meter);
        Box::new(move |part| {
            manifest.update(|manifest| manifest.parts.push(PartRecord::written(&part)))?;
            meter.parts_closed.add(1);
            meter.bytes_spooled.add(part.bytes);
            match &queue {
                None => Ok(()),
                Some(queue) => queue.send(part).map_err(|_| SpoolError::Refused),
            }
        })
    }

    fn deliver(&self, delivery: &Delivery, queue: Receiver<Part>) -> Sent {
        let begun = Instant::now();
        let trouble = Trouble::default();
        let route = Route {
            delivery,
            manifest: self.manifest,
            meter: &self.meter,
            trouble: &trouble,
            interrupt: &self.surroundings.interrupt,
            keep_parts: self.job.keep_parts,
        };
        let result = deliver::deliver(route, queue, Vec::new(), delivery.sessions);
        Sent {
            server: delivery.sftp.server(),
            result,
            seconds: begun.elapsed().as_secs_f64(),
        }
    }

    /// Of several errors the earliest stage's counts, but one stage that stopped because the next had failed has none.
    fn outcome(&self, formatted: Formatted, sent: Option<Sent>) -> Outcome {
        let counts = &formatted.counts;
        let mut outcome = Outcome {
            seconds: Seconds {
                format: formatted.seconds,
                upload: sent.as_ref().map_or(0.0, |sent| sent.seconds),
                ..Seconds::default()
            },
            warnings: count_warnings(counts),
            error: None,
        };
        let refused = matches!(
            formatted.result,
            Err(FormatError::Commit(CommitError::Spool(SpoolError::Refused)))
        );
        let format_error = formatted
            .result
            .err()
            .filter(|_| !refused)
            .map(|error| self.format_error(error));
        let upload_error = sent.and_then(Sent::into_error);
        let signal = self.surroundings.interrupt.signal();
        outcome.error = match (format_error, upload_error, signal) {
            (Some(Error::Interrupted { .. }) | None, None, Some(signal)) if !self.is_complete() => {
                Some(Error::Interrupted { signal })
            }
            (Some(error), _, _) | (None, Some(error), _) => Some(error),
            (None, None, _) if refused => Some(Error::Bug("the delivery ended without an error")),
            (None, None, _) => self.verdict(counts),
        };
        outcome
    }

    /// Whether a signal came too late to interrupt anything.
    fn is_complete(&self) -> bool {
        let manifest = self.manifest.snapshot();
        manifest.formatted
            && (self.options.dry_run || manifest.parts.iter().all(PartRecord::is_delivered))
    }

    fn format_error(&self, error: FormatError) -> Error {
        match error {
            FormatError::Audience(error) => error.into(),
            FormatError::Commit(error) => error.into(),
            FormatError::Interrupted => Error::Interrupted {
                signal: self.surroundings.interrupt.signal().unwrap_or(2),
            },
            FormatError::Lost => Error::Bug("a formatting thread ended early"),
        }
    }

    /// What remains to be said of a run that went well.
    fn verdict(&self, counts: &Counts) -> Option<Error> {
        if !counts.add_up() {
            return Some(Error::Bug("the counts do not add up"));
        }
        if counts.rows_written == 0 && self.job.on_empty == OnEmpty::Fail {
            return Some(Error::Empty {
                read: counts.rows_read,
                rejected: counts.rows_rejected,
            });
        }
        (self.job.strict && counts.rows_rejected > 0).then_some(Error::Strict {
            rejected: counts.rows_rejected,
        })
    }
}

/// What formatting came to.
struct Formatted {
    counts: Counts,
    result: Result<(), FormatError>,
    seconds: f64,
}

/// What delivering came to.
struct Sent {
    server: String,
    result: Result<deliver::Delivered, UploadError>,
    seconds: f64,
}

impl Sent {
    fn into_error(self) -> Option<Error> {
        match self.result {
            Err(source) => Some(Error::Upload {
                server: self.server,
                source: Box::new(source),
            }),
            Ok(delivered) if delivered.misdelivered > 0 => Some(Error::Misdelivered {
                parts: delivered.misdelivered,
            }),
            Ok(_) => None,
        }
    }
}

/// The first `columns` headers as a CSV line.
fn header_line(mapping: &Mapping, columns: usize) -> Vec<u8> {
    let mut line = Vec::new();
    for (index, column) in mapping.columns.iter().take(columns).enumerate() {
        if index > 0 {
            line.push(b',');
        }
        push_cell(&mut line, column.target.header().as_bytes());
    }
    line.push(b'\n');
    line
}

fn count_warnings(counts: &Counts) -> Vec<String> {
    let mut warnings = Vec::new();
    if counts.external_id_only > 0 {
        let rows = crate::report::count(counts.external_id_only, "row");
        warnings.push(format!(
            "ExternalID is the only identifier of {rows}; Klaviyo does not merge profiles by it"
        ));
    }
    warnings
}
