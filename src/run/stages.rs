//! The stages of one run, wired: formatting on one side, delivering on the other, and what both came to.

use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, unbounded};

use super::begin::{self, OpenRun};
use super::drift::{self, DriftGuard};
use super::format::{self, FormatError, Formatting};
use super::{RunContext, StageClock, StageTime, deliver, delta, left};
use crate::base::csv::push_cell;
use crate::base::meter::Meter;
use crate::delivery::upload::{Route, Task, UploadError, remove_local};
use crate::job::file::{Deliver, OnEmpty};
use crate::job::{Delivery, Job};
use crate::pipeline::commit::{
    Commit, CommitError, CommitSettings, Deduplication, GUARD_AFTER_ROWS,
};
use crate::pipeline::delta::Delta;
use crate::pipeline::mapping::Mapping;
use crate::pipeline::spool::{Release, Spool, SpoolError, SpoolLayout};
use crate::run::error::Error;
use crate::run::report::{Seconds, count};
use crate::source::audience::{Audience, Source};
use crate::state::codes::RepairCode;
use crate::state::counts::Counts;
use crate::state::manifest::{ManifestFile, PartRecord, RunManifest};
use crate::state::part::Part;

/// The things that the stages of one run share.
pub(super) struct Stages<'a> {
    context: &'a RunContext<'a>,
    begun: &'a OpenRun,
    meter: Arc<Meter>,
    /// `None` where the run is not compared with the last ones.
    guard: Option<DriftGuard<'a>>,
}

/// An audience to format.
pub(super) struct AudienceInput<'a> {
    pub(super) audience: Audience,
    pub(super) mapping: &'a Mapping,
    /// The comparison with the last run; `None` where every row is sent each time.
    pub(super) delta: Option<Delta>,
}

/// The outcome of the stages.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) error: Option<Error>,
    pub(super) warnings: Vec<String>,
    pub(super) seconds: Seconds,
    pub(super) stages: Vec<StageTime>,
}

impl Outcome {
    /// The outcome of the run for all shards of a run group, whose parts are delivered.
    pub(super) fn of_shards(job: &Job, manifest: &RunManifest) -> Self {
        let counts = manifest.counts.clone().unwrap_or_default();
        Self {
            error: empty(job, &counts).or_else(|| strict(job, &counts)),
            warnings: count_warnings(&counts),
            ..Self::default()
        }
    }

    /// Whether every row that is not rejected is where it should be.
    pub(super) fn is_good(&self) -> bool {
        matches!(self.error, None | Some(Error::Strict { .. }))
    }

    /// The same with a note of those who were asked whether anything may be sent, or with their error.
    fn judged_by(mut self, may_send: Result<Option<String>, Error>) -> Self {
        match may_send {
            Ok(note) => self.warnings.extend(note),
            Err(error) => self.error = Some(error),
        }
        self
    }
}

impl<'a> Stages<'a> {
    /// The stages of the run `begun`.
    pub(super) fn new(context: &'a RunContext<'a>, begun: &'a OpenRun, meter: &Arc<Meter>) -> Self {
        let run_id = begun.manifest.snapshot().run_id;
        let is_whole = context.options.limit.is_none();
        let guard = DriftGuard::new(context.job, context.state, Some(&run_id));
        Self {
            context,
            begun,
            meter: Arc::clone(meter),
            guard: guard.filter(|_| is_whole),
        }
    }

    /// Formats an audience, and sends its parts.
    pub(super) fn run(&self, input: AudienceInput<'_>) -> Outcome {
        let sources = input.audience.shared_sources();
        self.show_bytes(input.audience.total_bytes());
        let mut outcome = match self.context.delivery {
            None => {
                let formatted = self.format(input, None);
                let may_send = self.may_send_all(&formatted);
                self.outcome(formatted, None).judged_by(may_send)
            }
            Some(delivery) if self.waits_for_the_end(&input) => {
                self.format_then_deliver(input, delivery)
            }
            Some(delivery) => self.format_and_deliver(input, delivery),
        };
        let late = sources.iter().filter_map(Source::late_keys_warning);
        outcome.warnings.extend(late);
        outcome
    }

    /// Sends what is left of a run whose rows are in closed parts, of an audience of so many bytes.
    pub(super) fn run_rest(&self, source_bytes: Option<u64>) -> Outcome {
        self.show_bytes(source_bytes);
        let may_send = self.note_drift().and_then(|()| self.may_send());
        let outcome = match (self.context.delivery, &self.begun.rest) {
            (Some(delivery), Some(rest)) if may_send.is_ok() && !rest.is_empty() => {
                self.deliver_rest(delivery, rest)
            }
            // Only what comes after the parts is left: no server is needed for that.
            _ => self.outcome(self.formatted_before(), None),
        };
        outcome.judged_by(may_send)
    }

    fn show_bytes(&self, source_bytes: Option<u64>) {
        if let Some(bytes) = source_bytes {
            // Set once, here.
            let _ = self.meter.source_bytes.set(bytes);
        }
    }

    /// Whether nothing is sent before the whole audience was seen.
    fn waits_for_the_end(&self, input: &AudienceInput<'_>) -> bool {
        self.context.job.may_fail_at_its_end()
            || input.delta.as_ref().is_some_and(Delta::has_before)
            || self.guard.as_ref().is_some_and(DriftGuard::stops)
    }

    /// Compares the counts with those of the last runs, once all rows were read.
    fn note_drift(&self) -> Result<(), Error> {
        let manifest = self.begun.manifest.snapshot();
        let record = drift::record(self.guard.as_ref(), &manifest);
        // A run that formats has noted it with its counts.
        if record != manifest.drift {
            self.begun
                .manifest
                .update(|manifest| manifest.drift = record)?;
        }
        Ok(())
    }

    /// The spool is complete: only what is missing is sent.
    fn deliver_rest(&self, delivery: &Delivery, rest: &[Task]) -> Outcome {
        let (release, queue) = unbounded();
        for task in rest {
            self.meter.parts_closed.add(1);
            self.meter.bytes_spooled.add(task.part.bytes);
            // The receiver is in this function: it cannot be gone.
            let _ = release.send(task.clone());
        }
        drop(release);
        let formatted = self.formatted_before();
        let sent = self.deliver(delivery, queue);
        self.outcome(formatted, Some(sent))
    }

    /// The parts that an earlier process formatted.
    fn formatted_before(&self) -> FormatOutcome {
        self.meter.set_formatted();
        let counts = self.begun.manifest.snapshot().counts.unwrap_or_default();
        format::show(&self.meter, &counts);
        FormatOutcome {
            counts,
            result: Ok(Vec::new()),
            stage: None,
        }
    }

    /// The usual way: parts are sent while later rows are still being formatted.
    fn format_and_deliver(&self, input: AudienceInput<'_>, delivery: &Delivery) -> Outcome {
        // A query is read at full speed: no engine holds a snapshot while parts wait for a slow link.
        let (release, queue) = if self.context.job.audience.is_query() {
            unbounded()
        } else {
            bounded(self.context.job.max_waiting)
        };
        std::thread::scope(|scope| {
            let delivering = scope.spawn(|| self.deliver(delivery, queue));
            let formatted = self.format(input, Some(release));
            let delivered = delivering
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            self.outcome(formatted, Some(delivered))
        })
    }

    /// Nothing is sent before the whole audience is known to be good.
    fn format_then_deliver(&self, input: AudienceInput<'_>, delivery: &Delivery) -> Outcome {
        let (release, queue) = unbounded();
        self.meter.set_held(true);
        let formatted = self.format(input, Some(release));
        self.meter.set_held(false);
        let may_send = self.may_send_all(&formatted);
        let is_sent = formatted.result.is_ok() && may_send.is_ok();
        let delivered = is_sent.then(|| self.deliver(delivery, queue));
        self.outcome(formatted, delivered).judged_by(may_send)
    }

    /// As [`Self::may_send`], of rows that were formatted now.
    fn may_send_all(&self, formatted: &FormatOutcome) -> Result<Option<String>, Error> {
        if formatted.result.is_err() {
            // There is an error already, and nothing will be sent.
            return Ok(None);
        }
        self.may_send()
    }

    /// Asks the guards on what has changed and drifted, and notes what is about to be sent.
    fn may_send(&self) -> Result<Option<String>, Error> {
        if self.context.options.dry_run {
            return Ok(None);
        }
        let manifest = self.begun.manifest.snapshot();
        delta::guard(self.context.job, &manifest)?;
        drift::check(self.context.job, &manifest)?;
        Ok(delta::unsettle(self.context.state, &self.begun.directory)?)
    }

    /// The rules for rows with one key. Of the memory for them the comparison with the last run takes so many bytes.
    fn deduplication(&self, of_delta: u64) -> Deduplication {
        Deduplication {
            duplicates: self.context.job.duplicates,
            shared: self.context.job.shared_identifiers,
            memory_bytes: self.context.job.dedupe_memory.saturating_sub(of_delta),
        }
    }

    fn format(&self, input: AudienceInput<'_>, queue: Option<Sender<Task>>) -> FormatOutcome {
        let clock = StageClock::start();
        let (job, options) = (self.context.job, self.context.options);
        let are_sent = queue.is_some() && !self.waits_for_the_end(&input);
        let AudienceInput {
            audience,
            mapping,
            delta,
        } = input;
        let layout = SpoolLayout {
            directory: self.begun.directory.parts(),
            prefix: self.begun.prefix.clone(),
            header: header_line(mapping),
            identifiers_header: job.keeps_identifiers().then(|| identifiers_line(mapping)),
            limits: job.limits,
            are_sent,
            first_part: 1,
        };
        let kinds = mapping.identifier_kinds();
        let leavers_layout = self.leavers_layout(mapping, &layout);
        let hasher = delta.as_ref().map(|delta| delta.hasher().clone());
        let spool = Spool::start(layout, self.release(queue.clone(), false));
        let sources = audience.shared_sources();
        let of_delta = delta.as_ref().map_or(0, Delta::memory_bytes);
        let settings = CommitSettings {
            sources: &sources,
            mapping,
            deduplication: self.deduplication(of_delta),
            max_rejected: job.max_rejected,
            limit: options.limit,
            meter: &self.meter,
        };
        let formatting = Formatting {
            mapping,
            rules: job.rules.clone(),
            meter: &self.meter,
            interrupt: &self.context.surroundings.interrupt,
        };
        let commit = Commit::new(settings, spool, self.begun.directory.path());
        let (mut counts, result) = match commit {
            Ok(commit) => formatting.format(audience, commit.compared_by(delta)),
            Err(error) => (Counts::default(), Err(error.into())),
        };
        let result = result.and_then(|finished| {
            let left = finished.left.as_deref().unwrap_or_default();
            let layout = leavers_layout.filter(|_| !left.is_empty());
            let mut note = None;
            if let (Some(mut layout), Some(hasher)) = (layout, hasher) {
                layout.first_part = self.next_part();
                let release = self.release(queue, true);
                note = left::write(self.context.state, &hasher, &kinds, layout, release, left)
                    .map_err(FormatError::Commit)?;
            }
            Ok((note, finished.failure))
        });
        self.meter.set_formatted();
        let whole = result.is_ok();
        if !whole {
            counts.end_early();
            // A server that is down is not waited for: the run has failed already.
            self.meter.trouble.abandon();
        }
        let noted = self.begun.manifest.update(|manifest| {
            manifest.counts = Some(counts.clone());
            manifest.formatted = whole;
            manifest.drift = drift::record(self.guard.as_ref(), manifest);
        });
        let state_error = |error| FormatError::from(CommitError::from(error));
        let result = result.and_then(|(note, snapshot_failure)| {
            noted.map_err(state_error)?;
            // A dry run sends nothing, so that the snapshot stays true.
            let failure = snapshot_failure.filter(|_| !options.dry_run);
            let gave_up = failure.map(|failure| delta::give_up(self.context.state, &failure));
            let gave_up = gave_up.transpose().map_err(state_error)?;
            Ok(note.into_iter().chain(gave_up).collect())
        });
        FormatOutcome {
            counts,
            result,
            stage: Some(clock.stop("format")),
        }
    }

    /// The number of the part after those of the audience.
    fn next_part(&self) -> u32 {
        let parts = self.begun.manifest.snapshot().parts;
        let of_audience = parts.iter().filter(|part| !part.is_of_leavers);
        of_audience.map(|part| part.number.0).max().unwrap_or(0) + 1
    }

    /// How the parts for those who left are laid out, if they get any.
    fn leavers_layout(&self, mapping: &Mapping, layout: &SpoolLayout) -> Option<SpoolLayout> {
        let property = self.context.job.left_property()?;
        let columns = mapping.columns.iter().take(mapping.identifiers());
        let headers = columns.map(|column| column.target.header());
        Some(SpoolLayout {
            header: csv_line(headers.chain([property])),
            identifiers_header: None,
            ..layout.clone()
        })
    }

    /// The path of a closed part: noted in the manifest, then queued for delivery. A part that an earlier process of
    /// this run delivered is not sent again.
    fn release(&self, queue: Option<Sender<Task>>, is_of_leavers: bool) -> Release {
        let manifest = Arc::clone(&self.begun.manifest);
        let meter = Arc::clone(&self.meter);
        let keep_parts = self.context.job.keep_parts;
        Box::new(move |part| {
            let task = note_part(&manifest, &part, is_of_leavers)?;
            meter.parts_closed.add(1);
            meter.bytes_spooled.add(part.bytes);
            match (&queue, task) {
                (None, _) => Ok(()),
                (Some(queue), Some(task)) => {
                    let sent = match queue.try_send(task) {
                        Err(TrySendError::Full(task)) => {
                            meter.set_full(true);
                            let sent = queue.send(task);
                            meter.set_full(false);
                            sent.is_ok()
                        }
                        sent => sent.is_ok(),
                    };
                    sent.then_some(()).ok_or(SpoolError::Refused)
                }
                (Some(_), None) => {
                    meter.parts_delivered.add(1);
                    meter.bytes_acknowledged.add(part.bytes);
                    if !keep_parts {
                        remove_local(&part);
                    }
                    Ok(())
                }
            }
        })
    }

    fn deliver(&self, delivery: &Delivery, queue: Receiver<Task>) -> DeliveryOutcome {
        let clock = StageClock::start();
        let route = Route {
            delivery,
            manifest: &self.begun.manifest,
            meter: &self.meter,
            trouble: &self.meter.trouble,
            interrupt: &self.context.surroundings.interrupt,
            keep_parts: self.context.job.keep_parts,
        };
        let result = deliver::deliver(route, queue, &self.begun.leftovers, delivery.sessions);
        DeliveryOutcome {
            result,
            stage: clock.stop("upload"),
        }
    }

    /// Of several errors the earliest stage's counts, but one stage that stopped because the next had failed has none.
    fn outcome(&self, formatted: FormatOutcome, sent: Option<DeliveryOutcome>) -> Outcome {
        let counts = &formatted.counts;
        let mut outcome = Outcome {
            seconds: Seconds {
                format: formatted.stage.map_or(0.0, |stage| stage.seconds),
                upload: sent.as_ref().map_or(0.0, |sent| sent.stage.seconds),
                ..Seconds::default()
            },
            stages: formatted
                .stage
                .into_iter()
                .chain(sent.as_ref().map(|sent| sent.stage))
                .collect(),
            warnings: count_warnings(counts),
            error: None,
        };
        if let Ok(notes) = &formatted.result {
            outcome.warnings.extend(notes.clone());
        }
        let refused = matches!(
            formatted.result,
            Err(FormatError::Commit(CommitError::Spool(SpoolError::Refused)))
        );
        let format_error = formatted
            .result
            .err()
            .filter(|_| !refused)
            .map(|error| self.format_error(error));
        if let Some(Ok(delivered)) = sent.as_ref().map(|sent| &sent.result) {
            let left = delivered.left_over.iter();
            outcome
                .warnings
                .extend(left.map(|path| begin::still_there(path)));
        }
        let upload_error = sent.and_then(DeliveryOutcome::into_error);
        let signal = self.context.surroundings.interrupt.signal();
        outcome.error = match (format_error, upload_error, signal) {
            (Some(Error::Interrupted { .. }) | None, None, Some(signal)) if !self.is_complete() => {
                Some(Error::Interrupted { signal })
            }
            (Some(error), _, _) | (None, Some(error), _) => Some(error),
            (None, None, _) if refused => Some(Error::Bug("the delivery ended without an error")),
            (None, None, _) if !self.is_complete() => {
                Some(Error::Bug("a part was not delivered, and nobody said why"))
            }
            (None, None, _) => self.verdict(counts),
        };
        outcome
    }

    /// Whether a signal came too late to interrupt anything.
    fn is_complete(&self) -> bool {
        let manifest = self.begun.manifest.snapshot();
        manifest.formatted
            && (self.context.options.dry_run
                || self.context.job.deliver == Deliver::Api
                || manifest.parts.iter().all(PartRecord::is_delivered))
    }

    fn format_error(&self, error: FormatError) -> Error {
        match error {
            FormatError::Audience(error) => error.into(),
            FormatError::Commit(error) => error.into(),
            FormatError::Interrupted => Error::Interrupted {
                signal: self.context.surroundings.interrupt.signal().unwrap_or(2),
            },
            FormatError::Lost => Error::Bug("a formatting thread ended early"),
        }
    }

    /// The end of a run without an error: what else must be reported.
    fn verdict(&self, counts: &Counts) -> Option<Error> {
        if !counts.add_up() {
            return Some(Error::Bug("the counts do not add up"));
        }
        empty(self.context.job, counts).or_else(|| strict(self.context.job, counts))
    }
}

/// The job's rule for an audience without a row to write.
fn empty(job: &Job, counts: &Counts) -> Option<Error> {
    (counts.rows_good() == 0 && job.on_empty == OnEmpty::Fail).then_some(Error::Empty {
        read: counts.rows_read,
        rejected: counts.rows_rejected,
        blank: counts.rows_blank,
    })
}

/// The error of a strict job for rejected rows.
pub(super) fn strict(job: &Job, counts: &Counts) -> Option<Error> {
    let rejected = counts.rows_rejected;
    (job.strict && rejected > 0).then_some(Error::Strict { rejected })
}

/// Notes a closed part. What is left to do with it: `None` when an earlier process of this run delivered it.
fn note_part(
    manifest: &ManifestFile,
    part: &Part,
    is_of_leavers: bool,
) -> Result<Option<Task>, SpoolError> {
    let known = manifest
        .snapshot()
        .parts
        .into_iter()
        .find(|known| known.number == part.number);
    match known {
        None => {
            let record = PartRecord {
                is_of_leavers,
                ..PartRecord::written(part)
            };
            manifest.update(|manifest| manifest.parts.push(record))?;
            Ok(Some(Task::new(part.clone())))
        }
        Some(known) if known.sha256 != part.sha256 => {
            Err(SpoolError::Differs { part: part.number })
        }
        Some(known) if known.is_delivered() => Ok(None),
        Some(known) => Ok(Some(Task::resumed(part.clone(), known.attempts))),
    }
}

/// The outcome of formatting.
struct FormatOutcome {
    counts: Counts,
    /// Notes on the next snapshot, and on those who left, where something is in the way.
    result: Result<Vec<String>, FormatError>,
    /// `None` where an earlier process formatted.
    stage: Option<StageTime>,
}

/// The outcome of delivery.
struct DeliveryOutcome {
    result: Result<deliver::SessionOutcome, UploadError>,
    stage: StageTime,
}

impl DeliveryOutcome {
    fn into_error(self) -> Option<Error> {
        match self.result {
            Err(source) => Some(Error::Upload {
                source: Box::new(source),
            }),
            Ok(delivered) if delivered.misdelivered > 0 => Some(Error::Misdelivered {
                parts: delivered.misdelivered,
            }),
            Ok(_) => None,
        }
    }
}

/// The first line of a part.
pub(crate) fn header_line(mapping: &Mapping) -> Vec<u8> {
    let headers = mapping.columns.iter().map(|column| column.target.header());
    let constants = mapping.constants.iter();
    csv_line(headers.chain(constants.map(|constant| constant.header.as_str())))
}

/// The first line of an identifiers file.
pub(super) fn identifiers_line(mapping: &Mapping) -> Vec<u8> {
    let identifiers = mapping.columns.iter().take(mapping.identifiers());
    csv_line(identifiers.map(|column| column.target.header()))
}

fn csv_line<'a>(cells: impl Iterator<Item = &'a str>) -> Vec<u8> {
    let mut line = Vec::new();
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            line.push(b',');
        }
        push_cell(&mut line, cell.as_bytes());
    }
    line.push(b'\n');
    line
}

/// The percentage of blanked phone numbers from which a wrong region is more likely than wrong numbers.
const SUSPICIOUS_PHONES_PERCENT: u64 = 20;

fn count_warnings(counts: &Counts) -> Vec<String> {
    let mut warnings: Vec<String> = counts.notes.messages().collect();
    let phones = counts
        .repairs
        .get(&RepairCode::InvalidPhone)
        .copied()
        .unwrap_or(0);
    let percent = phones * 100 / counts.rows_read.max(1);
    if percent >= SUSPICIOUS_PHONES_PERCENT && counts.rows_read >= GUARD_AFTER_ROWS {
        warnings.push(format!(
            "the phone number of {percent} % of the rows is invalid; check default-region, or add a country-column"
        ));
    }
    if counts.external_id_only > 0 {
        let rows = count(counts.external_id_only, "row");
        warnings.push(format!(
            "ExternalID is the only identifier of {rows}; Klaviyo does not merge profiles by it"
        ));
    }
    warnings
}
