//! `run`: an audience to the server, from the job file to the report.
//!
//! With its children the one place that knows all stages: `begin` decides whether an unfinished run goes on, `stages`
//! wires them, `format` and `deliver` are the two halves that run side by side.

mod approve;
pub(crate) mod attempt;
mod before;
mod begin;
mod deliver;
pub(crate) mod delta;
pub(crate) mod drift;
pub mod error;
mod format;
mod gather;
pub(crate) mod history;
mod left;
pub mod library;
pub(crate) mod list;
pub(crate) mod next;
mod page;
pub mod report;
pub mod resume;
pub mod retention;
mod sentinel;
mod shard;
mod stage_time;
mod stages;
mod stored;
pub mod surroundings;
pub mod watch;

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use crate::base::meter::Meter;
use crate::cli::RunArgs;
use crate::cli::command_line::CommandLine;
use crate::cli::progress::{Progress, ProgressStyle};
use crate::job::file::Deliver;
use crate::job::{Delivery, Job, JobError};
use crate::pipeline::mapping::Mapping;
use crate::pipeline::normalize::identity::StoredIdentifiers;
use crate::run::attempt::AttemptArgs;
use crate::run::error::Error;
use crate::run::report::{Circumstances, RunReport, Seconds, count};
use crate::run::surroundings::Surroundings;
use crate::source::audience::{Audience, AudienceSettings};
use crate::state::directory::{JobDirectory, RunDirectory};
use crate::state::lock::JobLock;
use crate::state::manifest::{ManifestFile, RunStatus};
use crate::state::shard::ShardRecord;
use crate::state::storage::replace_json;
use begin::{OpenRun, WENT_ON};
pub(crate) use begin::{future_warning, is_in_future};
pub use gather::{GatherOutcome, gather};
use page::PageContext;
use stage_time::StageClock;
pub use stage_time::StageTime;
pub(crate) use stages::header_line;
use stages::{AudienceInput, Outcome, Stages};
use stored::Approval;
use watch::{Extent, GoodEnd};

/// The options that change from run to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Format and keep the parts; touch no server.
    pub dry_run: bool,
    /// Start over instead of going on with an unfinished run.
    pub fresh: bool,
    /// Stop after so many rows were read.
    pub limit: Option<u64>,
    /// Send every row, although the job sends changed ones only.
    pub full: bool,
    /// How progress is shown.
    pub progress: ProgressStyle,
}

/// A run that came far enough to have a report.
#[derive(Debug)]
pub struct RunOutcome {
    /// The report of it.
    pub report: RunReport,
    /// Where the run's files are.
    pub directory: RunDirectory,
    /// Where the parts went, as `host:port/directory`; `None` for a dry run.
    pub server: Option<String>,
    /// The error, if there was one.
    pub error: Option<Error>,
    /// The command to type next, where the run leaves something to another command.
    pub next: Option<CommandLine>,
    /// When its stages were.
    pub stages: Vec<StageTime>,
}

/// An attempt that failed before it had a run.
#[derive(Debug)]
pub struct RunFailure {
    /// The error.
    pub error: Error,
    /// The report of it.
    pub report: RunReport,
}

/// Where a run is at home.
struct RunPlace {
    /// The job's folder, or that of one of its shards.
    state: JobDirectory,
    /// Its lock, for who has it already.
    lock: Option<JobLock>,
    /// Which shard it is, if it is one.
    shard: Option<ShardRecord>,
    /// The answers of people and servers, if they were asked already.
    met: Option<FirstAnswers>,
}

/// The answers of people and servers, who are asked before a row is read.
#[derive(Debug)]
struct FirstAnswers {
    /// The server and its key, which is open; `None` where nothing is sent by SFTP.
    delivery: Option<Delivery>,
    /// The first look at the API.
    looked: list::FirstLook,
}

/// Asks for a passphrase, meets a server that is not known yet, and looks at the account and the list. Before the lock: a
/// person may take their time, and another run need not wait for that.
fn meet(
    job: &Job,
    options: RunOptions,
    is_shard: bool,
    surroundings: &Surroundings,
) -> Result<FirstAnswers, Error> {
    let mut delivery = destination(job, options)?.cloned();
    if let Some(delivery) = &mut delivery {
        surroundings::unlock(&mut delivery.sftp, surroundings)?;
        deliver::meet(&delivery.sftp, &surroundings.interrupt)?;
    }
    let looked = if is_shard {
        list::FirstLook::default()
    } else {
        list::look_first(job, options, surroundings)?
    };
    Ok(FirstAnswers { delivery, looked })
}

/// Runs the job file of `args`, leaves a record of the attempt, and tells those who watch the job.
pub fn run(
    args: &RunArgs,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<RunOutcome, Box<RunFailure>> {
    let attempted = AttemptArgs {
        is_dry: options.dry_run,
        ..attempted(args, options.limit)
    };
    watch::watched(
        &attempted,
        Extent::Whole,
        surroundings,
        |finished| GoodEnd::Run(finished),
        || {
            let act = || run_job(args, options, surroundings);
            if options.dry_run {
                return act();
            }
            let environment = &surroundings.environment;
            attempt::recorded(&attempted, environment, RunOutcome::ending, act)
        },
    )
}

/// The attempt that `args` ask for.
fn attempted(args: &RunArgs, limit: Option<u64>) -> AttemptArgs<'_> {
    AttemptArgs {
        command: "run",
        job: (&args.job).into(),
        state: &args.common.state,
        shard: args.shard,
        limit,
        is_dry: false,
    }
}

fn run_job(
    args: &RunArgs,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<RunOutcome, Error> {
    let environment = &surroundings.environment;
    let mut job = if options.dry_run {
        Job::load((&args.job).into(), environment)?
    } else if args.approve_removals.is_some() {
        // Nothing goes to the server.
        let mut job = Job::load((&args.job).into(), environment)?;
        crate::job::read_api_key(&mut job.klaviyo, environment)?;
        job
    } else if args.shard.is_some() {
        Job::load_with_server_secrets((&args.job).into(), environment)?
    } else {
        Job::load_with_secrets((&args.job).into(), environment)?
    };
    surroundings::apply(
        args.common.accept_new_host_key,
        &args.common.state,
        &mut job,
    );
    surroundings.stop_as_told(&job);
    if args.create_list {
        list::create_list(&mut job)?;
    }
    if let Some(run_id) = &args.approve_removals {
        return approve::approve(&job, run_id, options, surroundings);
    }
    if let Some(approval) = Approval::of(args) {
        return stored::approve(job, approval, args.shard, options, surroundings);
    }
    if let Some(run_id) = &args.apply {
        return stored::apply(&job, run_id, options, surroundings);
    }
    if let (Some(shard), Some(group)) = (args.shard, &args.run_group) {
        return shard::run(job, shard, group.clone(), options, surroundings);
    }
    whole(&job, options, surroundings)
}

/// Runs `job` over its whole audience, which is opened here.
fn whole(job: &Job, options: RunOptions, surroundings: &Surroundings) -> Result<RunOutcome, Error> {
    if job.audience.is_query() || job.before.is_some() {
        return before::run(job, options, surroundings);
    }
    let audience = surroundings::open_audience(job, surroundings)?;
    execute(job, audience, options, surroundings)
}

/// Formats `audience` by `job` and delivers it. An error here means that no run was begun; later ones are in the result.
pub fn execute(
    job: &Job,
    audience: Audience,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<RunOutcome, Error> {
    let place = RunPlace {
        state: job.state()?,
        lock: None,
        shard: None,
        met: None,
    };
    execute_at(job, audience, place, options, surroundings)
}

/// Runs the `before` statements of the job file of `args`, and nothing else. What to say of it.
pub fn before_only(args: &RunArgs, surroundings: &Surroundings) -> Result<String, Box<RunFailure>> {
    watch::watched(
        &attempted(args, None),
        Extent::Failures,
        surroundings,
        |_| GoodEnd::Nothing,
        || run_before(args, surroundings),
    )
}

fn run_before(args: &RunArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let mut job = Job::load((&args.job).into(), &surroundings.environment)?;
    surroundings::apply(false, &args.common.state, &mut job);
    let statements = before::alone(&job, surroundings)?;
    let statements = count(statements as u64, "before statement");
    Ok(format!(
        "{}: {statements} run; nothing was sent\n",
        job.name
    ))
}

/// As [`execute`], at a place of its own.
fn execute_at(
    job: &Job,
    audience: Audience,
    place: RunPlace,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<RunOutcome, Error> {
    let clock = Instant::now();
    destination(job, options)?;
    // All columns, so that a name that is nearly right is found; then those alone that are read.
    Mapping::new(&job.columns, audience.sources())?;
    let audience = audience.only(|name| job.columns.reads(name));
    let mapping = Mapping::new(&job.columns, audience.sources())?;
    let RunPlace {
        state,
        lock,
        shard,
        met,
    } = place;
    let FirstAnswers { delivery, looked } = match met {
        Some(met) => met,
        None => meet(job, options, shard.is_some(), surroundings)?,
    };
    state.create()?;
    let _lock = match lock {
        Some(lock) => lock,
        None => JobLock::take(state.path())?,
    };
    let mut begun = begin::begin(job, &audience, options, &state, shard)?;
    begun.warnings.extend(looked.notes);
    begun.warnings.extend(mapping.warnings.iter().cloned());
    let of_sources = surroundings::source_warnings(audience.sources());
    begun.warnings.extend(of_sources);
    if let AudienceSettings::Query(connection, query) = &job.audience {
        begun.warnings.extend(connection.warning(query));
    }
    let work = if begun.rest.is_some() {
        Work::Send(audience.total_bytes())
    } else {
        let list_id = looked.list_id.as_deref();
        Work::Format(Box::new(AudienceInput {
            delta: delta::prepare(job, &mapping, &state, &mut begun, options, list_id)?,
            mapping: &mapping,
            audience,
        }))
    };
    let context = RunContext {
        job,
        state: &state,
        delivery: delivery.as_ref(),
        options,
        surroundings,
        clock,
    };
    Ok(context.carry_out(&begun, work))
}

/// All that a run needs once it has begun.
struct RunContext<'a> {
    job: &'a Job,
    state: &'a JobDirectory,
    delivery: Option<&'a Delivery>,
    options: RunOptions,
    surroundings: &'a Surroundings,
    clock: Instant,
}

/// The work of a run.
enum Work<'a> {
    /// Formats an audience, and sends its parts.
    Format(Box<AudienceInput<'a>>),
    /// Sends the closed parts that the server does not have, of an audience of so many bytes if it was opened.
    Send(Option<u64>),
    /// Puts the shards of a run group on the list: their parts are delivered.
    List,
}

impl RunContext<'_> {
    /// Does the work of the run `begun`, what comes after its parts, and notes how it ended.
    fn carry_out(&self, begun: &OpenRun, work: Work<'_>) -> RunOutcome {
        let Self {
            job,
            options,
            surroundings,
            ..
        } = *self;
        let meter = Arc::new(Meter::default());
        let is_list = matches!(work, Work::List);
        if is_list {
            meter.set_formatted();
        }
        let progress = Progress::start(
            options.progress,
            &surroundings.console,
            Arc::clone(&meter),
            self.delivery.is_some() && !is_list,
        );
        let stages = || Stages::new(self, begun, &meter);
        let mut outcome = match work {
            Work::Format(input) => stages().run(*input),
            Work::Send(source_bytes) => stages().run_rest(source_bytes),
            Work::List => Outcome::of_shards(job, &begun.manifest.snapshot()),
        };
        let manifest = begun.manifest.snapshot();
        let mut warnings = begun.warnings.clone();
        warnings.extend(delta::notes(job, &manifest));
        warnings.extend(drift::note(job, &manifest));
        warnings.append(&mut outcome.warnings);
        let klaviyo = list::client(job, surroundings);
        if let Some(klaviyo) = &klaviyo {
            klaviyo.shown_in(&meter);
        }
        let steps = list::FinalSteps {
            context: self,
            begun,
            klaviyo: klaviyo.as_ref(),
            meter: &meter,
            forms: StoredIdentifiers::new(job.rules.default_region),
        };
        let goes_on = !options.dry_run && outcome.is_good() && !manifest.is_shard();
        // What is refused for its empty audience has had its look at it too.
        if goes_on || is_list {
            let clock = StageClock::start();
            if let Err(error) = steps.run_if(goes_on, &mut warnings) {
                outcome.error = Some(error);
            }
            let stage = clock.stop("list");
            outcome.seconds.list = stage.seconds;
            let has_one = is_list || klaviyo.is_some() || job.sentinel.is_some();
            outcome.stages.extend(has_one.then_some(stage));
        }
        drop(progress);
        outcome.warnings = warnings;
        self.conclude(&begun.directory, &begun.manifest, outcome)
    }

    /// Notes how the run in `directory` ended: in its report, then in its manifest. What cannot be written is the error of a
    /// run that has its report all the same.
    fn conclude(
        &self,
        directory: &RunDirectory,
        noted: &ManifestFile,
        outcome: Outcome,
    ) -> RunOutcome {
        let Self {
            job,
            state,
            options,
            surroundings,
            ..
        } = *self;
        let mut manifest = noted.snapshot();
        manifest.status = status(&outcome, options);
        manifest.finished_at = Some(Timestamp::now());
        let (mut warnings, mut error) = (outcome.warnings, outcome.error);
        // What was delivered stays so when the tidying fails: the run has its report all the same.
        let of = manifest.shard.as_ref().map(|shard| shard.of);
        if let Err(untidy) = retention::tidy(state, job.retention, &manifest.run_id, of) {
            error.get_or_insert(untidy.into());
        }
        // Before the manifest says that the run is done: who was sent is known then, wherever it is killed.
        if let Err(unwritten) = delta::promote(job, state, directory, &manifest) {
            match delta::give_up(state, &unwritten) {
                Ok(note) => warnings.push(note),
                // A snapshot that nobody can remove says of rows what is not true any more.
                Err(stale) => {
                    error.get_or_insert(stale.into());
                }
            }
        }
        manifest.error = error.as_ref().map(Error::chain);
        let next = shard::next(job, &manifest, surroundings);
        let next = next.or_else(|| stored::next(&manifest, surroundings));
        if next.is_some() {
            warnings.extend(shard::waits(job, manifest.shard.as_ref()));
        }
        let circumstances = Circumstances {
            exit_code: number(error.as_ref()),
            warnings,
            seconds: Seconds {
                total: self.clock.elapsed().as_secs_f64(),
                ..outcome.seconds
            },
        };
        let mut report = RunReport::new(&manifest, circumstances);
        let page = PageContext {
            job,
            state,
            directory,
            surroundings,
        };
        report
            .warnings
            .extend(page.write(&manifest, &report, error.as_ref(), next.as_ref()));
        // Before the manifest: a run that is done has a report, wherever it was killed.
        let written = replace_json(&directory.report(), &report)
            .and_then(|()| noted.update(|noted| noted.clone_from(&manifest)));
        match written {
            Ok(()) if manifest.status == RunStatus::Done => {
                list::remove_files(job, directory, &manifest);
                gather::forget(job, state, manifest.shard.as_ref());
            }
            Ok(()) => {}
            // The next run looks at what is on the server, and sends nothing twice.
            Err(unwritten) => {
                error = error.or_else(|| Some(unwritten.into()));
                report.exit_code = number(error.as_ref());
                report.error = error.as_ref().map(Error::chain);
                page.write(&manifest, &report, error.as_ref(), next.as_ref());
            }
        }
        RunOutcome {
            report,
            directory: directory.clone(),
            server: (!options.dry_run).then(|| destination_name(job)),
            error,
            next,
            stages: outcome.stages,
        }
    }
}

fn number(error: Option<&Error>) -> u8 {
    error.map_or(0, |error| error.exit_code().number())
}

/// Where the parts go; `None` for a dry run, and where profiles go by the API.
fn destination(job: &Job, options: RunOptions) -> Result<Option<&Delivery>, Error> {
    match &job.delivery {
        _ if options.dry_run || job.deliver == Deliver::Api => Ok(None),
        Some(delivery) => Ok(Some(delivery)),
        None => Err(no_server()),
    }
}

/// Where profiles go, for people.
fn destination_name(job: &Job) -> String {
    match &job.delivery {
        Some(delivery) if job.deliver == Deliver::Sftp => {
            format!("{}{}", delivery.sftp.server(), delivery.directory)
        }
        _ => job.klaviyo.base_url.clone(),
    }
}

/// The error of a job that has no user name.
pub(crate) fn no_server() -> Error {
    Error::Job(JobError::Value {
        key: "sftp.username",
        problem:
            "is not filled in; Klaviyo shows it under Integrations, Manage sources, Import via SFTP, once a key is added there"
                .to_owned(),
    })
}

/// How the run ended, in a word.
fn status(outcome: &Outcome, options: RunOptions) -> RunStatus {
    match &outcome.error {
        None | Some(Error::Strict { .. }) if options.dry_run => RunStatus::DryRun,
        None | Some(Error::Strict { .. }) => RunStatus::Done,
        Some(Error::Interrupted { .. }) => RunStatus::Interrupted,
        Some(_) => RunStatus::Failed,
    }
}
