//! `klaviyo-export`: an audience becomes Klaviyo CSV parts on an SFTP server.
//!
//! ```text
//! audience ──blocks──▶ normalize ──batches──▶ commit ──rows──▶ spool ──parts──▶ upload ──▶ verify ──▶ report
//! files | stdin          trim, e-mail,         dedupe,          CSV, sha256,     sftp,      size,
//! .gz .zst               E.164, repairs        counts, guard    rotate, fsync    N sessions remote
//! ```
//!
//! Data moves one way and each stage has a type of its own, so that a wrong order does not compile. Only
//! [`mod@run`] knows more than one stage.
//!
//! # As a library
//!
//! There are three entry points. Each takes a [`Job`](job::Job), which is what a
//! [job file](https://docs.rs/crate/klaviyo-export/latest/source/docs/job-file.md) says, and
//! [`Surroundings`]: environment variables, and an [`Interrupt`] that ends a run early.
//!
//! | function | result |
//! |---|---|
//! | [`format()`] | the CSV files that Klaviyo's SFTP import takes; no server is contacted |
//! | [`deliver`] | the same files on the SFTP server, each of them checked |
//! | [`reconcile`] | a list of Klaviyo's that is equal to the audience |
//!
//! They are what `klaviyo-export run` does, with its promises: the state of a run is on disk, a run that was cut continues, and
//! nothing is sent twice. Each result has a [`RunReport`].
//!
//! ## Format a file to parts
//!
//! ```
//! use klaviyo_export::base::environment::Environment;
//! use klaviyo_export::job::{Job, file::JobFile};
//! use klaviyo_export::run::surroundings::Surroundings;
//!
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! std::fs::write(folder.join("customers.csv"), "mail,mobile\nAna@Example.com,(212) 555-0143\nnobody,\n")?;
//! let file = JobFile::parse(
//!     r#"
//!     name = "vip"
//!     [audience]
//!     files = ["customers.csv"]
//!     [columns]
//!     mail = "Email"
//!     mobile = "PhoneNumber"
//!     [normalize]
//!     default-region = "US"
//!     [state]
//!     directory = "state"
//!     "#,
//! )?;
//! let environment = Environment::default();
//! // Paths of the job start from `folder`.
//! let job = Job::from_file(file, folder, &environment)?;
//!
//! let formatted = klaviyo_export::format(&job, &Surroundings::of_library(environment))?;
//!
//! let part = std::fs::read_to_string(&formatted.parts[0])?;
//! assert_eq!(part, "Email,PhoneNumber\n\"ana@example.com\",\"+12125550143\"\n");
//! assert_eq!(formatted.report.rows_rejected, 1);
//! assert!(formatted.rejects.is_some());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## Deliver the parts by SFTP
//!
//! This delivers to the sandbox, an SFTP server like Klaviyo's that the crate `klaviyo-export-sandbox` runs on loopback. For
//! Klaviyo, `host` is left out, and `known-hosts` is usually `~/.ssh/known_hosts`.
//!
//! ```
//! # use klaviyo_export::base::environment::Environment;
//! # use klaviyo_export::job::{Job, file::JobFile};
//! # use klaviyo_export::run::surroundings::Surroundings;
//! # use klaviyo_export_sandbox::{Faults, Sandbox, SandboxSettings, api::ApiSettings};
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! # let sandbox = Sandbox::start(SandboxSettings {
//! #     root: folder.join("sandbox"),
//! #     port: 0,
//! #     username: "AbCdEf_GhIjKl".to_owned(),
//! #     faults: Faults::none(),
//! #     api: ApiSettings::default(),
//! # })?;
//! # let (host, port) = (sandbox.address().ip(), sandbox.address().port());
//! # let (key, known_hosts) = (sandbox.private_key(), sandbox.known_hosts());
//! # std::fs::write(folder.join("customers.csv"), "mail\nana@example.com\n")?;
//! let file = JobFile::parse(&format!(
//!     r#"
//!     name = "vip"
//!     [audience]
//!     files = ["customers.csv"]
//!     [columns]
//!     mail = "Email"
//!     [sftp]
//!     host = "{host}"
//!     port = {port}
//!     username = "AbCdEf_GhIjKl"
//!     private-key = {key:?}
//!     known-hosts = [{known_hosts:?}]
//!     [state]
//!     directory = "state"
//!     "#,
//! ))?;
//! let environment = Environment::default();
//! let job = Job::from_file(file, folder, &environment)?;
//!
//! let delivered = klaviyo_export::deliver(&job, &Surroundings::of_library(environment))?;
//!
//! let part = &delivered.report.parts[0];
//! assert_eq!(part.rows, 1);
//! assert!(part.delivered_at.is_some());
//! assert!(part.remote_path.as_deref().is_some_and(|path| path.starts_with("/profiles/vip-")));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! ## Make a list equal to a set of profiles
//!
//! With `deliver = "api"`, the profiles go through Klaviyo's API, and no SFTP server is needed. The key is in the variable
//! `KLAVIYO_API_KEY`, or in a file that `api-key-file` names.
//!
//! ```
//! # use std::time::Duration;
//! # use klaviyo_export::base::environment::Environment;
//! # use klaviyo_export::job::{Job, file::JobFile};
//! # use klaviyo_export::run::surroundings::Surroundings;
//! # use klaviyo_export_sandbox::{Faults, Sandbox, SandboxSettings, api::ApiSettings};
//! # let folder = tempfile::tempdir()?;
//! # let folder = folder.path();
//! # let soon = Duration::from_millis(10);
//! # let sandbox = Sandbox::start(SandboxSettings {
//! #     root: folder.join("sandbox"),
//! #     port: 0,
//! #     username: "AbCdEf_GhIjKl".to_owned(),
//! #     faults: Faults::none(),
//! #     api: ApiSettings { job_delay: soon, import_delay: soon, ..ApiSettings::default() },
//! # })?;
//! # let (url, key) = (sandbox.api().base_url(), sandbox.api().key_file());
//! let file = JobFile::parse(&format!(
//!     r#"
//!     name = "vip"
//!     [audience]
//!     files = ["members.csv"]
//!     [columns]
//!     mail = "Email"
//!     [list]
//!     name = "VIP"
//!     create = true
//!     mirror = "exact"
//!     max-removals = {{ percent = 100, members = 100 }}
//!     [klaviyo]
//!     deliver = "api"
//!     base-url = "{url}"
//!     api-key-file = {key:?}
//!     [state]
//!     directory = "state"
//!     "#,
//! ))?;
//! let environment = Environment::default();
//! let job = Job::from_file(file, folder, &environment)?;
//! let surroundings = Surroundings::of_library(environment);
//!
//! let members = |profiles: &str| {
//!     std::fs::write(folder.join("members.csv"), format!("mail\n{profiles}"))?;
//!     let finished = klaviyo_export::reconcile(&job, &surroundings)?;
//!     let list = finished.report.list.ok_or("no list")?;
//!     Ok::<_, Box<dyn std::error::Error>>((list.attached, list.removed))
//! };
//! assert_eq!(members("ana@example.com\nbob@example.com\n")?, (Some(2), 0));
//! assert_eq!(members("ana@example.com\n")?, (Some(1), 1));
//! # assert_eq!(sandbox.api().lists()[0].profile_count, 1);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod base;
pub mod cli;
pub mod command;
pub mod delivery;
pub mod job;
pub mod klaviyo;
pub mod pipeline;
pub mod profile;
pub mod run;
pub mod source;
pub mod state;

pub use run::library::{LocalParts, deliver, format, reconcile};

use clap::CommandFactory as _;
use jiff::Timestamp;

use crate::base::environment::Environment;
use crate::base::exit_code::ExitCode;
use crate::base::interrupt::Interrupt;
use crate::cli::command_line::CommandLine;
use crate::cli::console::{Console, printable};
use crate::cli::progress::ProgressStyle;
use crate::cli::{CheckArgs, Cli, Command, CommonRunArgs, ListArgs, LogFormat, RunArgs, SendArgs};
use crate::command::{check, init, keygen, man, runs, send, status};
use crate::run::error::Error;
use crate::run::next::next;
use crate::run::report::RunReport;
use crate::run::surroundings::Surroundings;
use crate::run::{GatherOutcome, RunFailure, RunOptions, RunOutcome};
use crate::state::manifest::to_json;

/// Does what the command line says. The exit code of the program.
pub fn run(cli: Cli) -> u8 {
    let environment = Environment::of_process();
    let surroundings = Surroundings {
        command_line: CommandLine::of_process(&environment),
        environment,
        console: match cli.log_format {
            LogFormat::Text => Console::new(cli.quiet),
            LogFormat::Json => Console::new(cli.quiet).as_log_events(),
        },
        interrupt: Interrupt::new(),
    };
    cli::logging::start(&cli, &surroundings.console, &surroundings.environment);
    cli::signals::watch(&surroundings.interrupt);
    match dispatch(cli.command, &surroundings) {
        Ok(code) => code,
        Err(error) => fail(&error, &surroundings),
    }
}

fn dispatch(command: Command, surroundings: &Surroundings) -> Result<u8, Error> {
    let console = &surroundings.console;
    match command {
        Command::Run(args) if args.before_only => {
            let said = run::before_only(&args, surroundings);
            console.result(&said.map_err(|failed| failed.error)?);
            Ok(ExitCode::Done.number())
        }
        Command::Run(args) => run_job(&args, surroundings),
        Command::Send(args) => send_files(&args, surroundings),
        Command::Status(args) => Ok(printed(console, &status::status(&args, surroundings)?)),
        Command::Preview(args) => Ok(printed(
            console,
            &command::preview::preview(&args, surroundings)?,
        )),
        Command::Estimate(args) => Ok(printed(
            console,
            &command::estimate::estimate(&args, surroundings)?,
        )),
        Command::Init(args) => {
            init::init(&args, surroundings)?;
            Ok(ExitCode::Done.number())
        }
        Command::List(args) => list_all(&args, surroundings),
        Command::Undo(args) => {
            let options = RunOptions {
                progress: style(args.progress, console),
                ..RunOptions::default()
            };
            console.result(&command::undo::undo(&args, options, surroundings)?);
            Ok(ExitCode::Done.number())
        }
        Command::Runs(args) => Ok(printed(console, &runs::runs(&args, surroundings)?)),
        #[cfg(feature = "sandbox")]
        Command::Demo(args) => {
            let finished = command::demo::demo(&args, surroundings)?;
            Ok(conclude(&finished, args.json, surroundings))
        }
        #[cfg(feature = "sandbox")]
        Command::Sandbox(args) => {
            command::sandbox::sandbox(&args, surroundings)?;
            Ok(ExitCode::Done.number())
        }
        Command::Check(args) if args.explain => {
            Ok(printed(console, &check::explain(&args, surroundings)?))
        }
        Command::Check(args) => check_job(&args, surroundings),
        Command::Doctor(args) => check_job(&args.into(), surroundings),
        Command::Completions(args) => Ok(printed(console, &completions(args.shell))),
        Command::Keygen(args) => Ok(printed(console, &keygen::keygen(&args, surroundings)?)),
        Command::Schema(args) => Ok(printed(console, &command::schema::schema(&args))),
        Command::Licenses(args) => Ok(printed(console, &command::licenses::licenses(&args)?)),
        Command::Man(args) => Ok(printed(console, &man::man(&args, surroundings)?)),
    }
}

/// Prints the result of a command that is done.
fn printed(console: &Console, text: &str) -> u8 {
    console.result(text);
    ExitCode::Done.number()
}

fn check_job(args: &CheckArgs, surroundings: &Surroundings) -> Result<u8, Error> {
    let console = &surroundings.console;
    let findings = check::check(args, surroundings)?;
    if args.json {
        console.result(&String::from_utf8_lossy(&to_json(&findings)));
    } else {
        console.coloured_result(&findings.to_text());
    }
    Ok(findings.exit_code)
}

/// The script that completes the program's commands and flags in `shell`.
fn completions(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    let mut program = Cli::command();
    clap_complete::generate(shell, &mut program, "klaviyo-export", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

fn run_job(args: &RunArgs, surroundings: &Surroundings) -> Result<u8, Error> {
    let console = &surroundings.console;
    match run::run(args, options(&args.common, console), surroundings) {
        Ok(finished) => Ok(conclude(&finished, args.common.json, surroundings)),
        Err(failed) => Err(told(failed, args.common.json, surroundings)),
    }
}

fn send_files(args: &SendArgs, surroundings: &Surroundings) -> Result<u8, Error> {
    let console = &surroundings.console;
    let begun = Timestamp::now();
    let finished = send::send(args, options(&args.common, console), surroundings);
    let finished = finished.inspect_err(|error| {
        if args.common.json {
            console.result(&failure(&send::job_name(args), error, begun));
        }
    })?;
    Ok(conclude(&finished, args.common.json, surroundings))
}

fn list_all(args: &ListArgs, surroundings: &Surroundings) -> Result<u8, Error> {
    let console = &surroundings.console;
    let options = RunOptions {
        progress: style(args.progress, console),
        ..RunOptions::default()
    };
    let gathered = run::gather(args, options, surroundings);
    match gathered.map_err(|failed| told(failed, args.json, surroundings))? {
        GatherOutcome::Finished(finished) => Ok(conclude(&finished, args.json, surroundings)),
        GatherOutcome::Before { job, run_id } => {
            let group = &args.run_group;
            console.note(&printable(&format!(
                "{job}: run {run_id} added run group {group} to the list earlier; nothing was done"
            )));
            Ok(ExitCode::Done.number())
        }
    }
}

/// The JSON report of an attempt that failed before it had a run.
fn failure(job: &str, error: &Error, begun: Timestamp) -> String {
    let report = RunReport::of_failure(job, error, begun);
    String::from_utf8_lossy(&to_json(&report)).into_owned()
}

/// Prints the report of an attempt that failed before it had a run, if JSON is asked for. Its error.
fn told(failed: Box<RunFailure>, json: bool, surroundings: &Surroundings) -> Error {
    if json {
        let report = to_json(&failed.report);
        let report = String::from_utf8_lossy(&report);
        surroundings.console.result(&report);
    }
    failed.error
}

/// How progress is shown: as was asked, or as is usual where the output goes.
fn style(asked: Option<ProgressStyle>, console: &Console) -> ProgressStyle {
    let usual = if console.is_quiet() {
        ProgressStyle::None
    } else if console.is_watched() {
        ProgressStyle::Bar
    } else {
        ProgressStyle::Lines
    };
    asked.unwrap_or(usual)
}

fn options(common: &CommonRunArgs, console: &Console) -> RunOptions {
    RunOptions {
        dry_run: common.dry_run,
        fresh: common.fresh,
        limit: common.limit,
        full: common.full,
        progress: style(common.progress, console),
    }
}

/// Prints the report, and what to do next: about the error if there is one.
fn conclude(finished: &RunOutcome, json: bool, surroundings: &Surroundings) -> u8 {
    let console = &surroundings.console;
    if json {
        console.result(&String::from_utf8_lossy(&to_json(&finished.report)));
    } else {
        console.result(
            &finished
                .report
                .to_text(finished.directory.path(), finished.server.as_deref()),
        );
    }
    if let Some(error) = &finished.error {
        return fail(error, surroundings);
    }
    if let Some(next) = next(None, finished.next.as_ref(), &surroundings.command_line) {
        console.note(&printable(&format!("next: {next}")));
    }
    ExitCode::Done.number()
}

/// Prints the chain of causes on one line, what may help, and the command to type next.
fn fail(error: &Error, surroundings: &Surroundings) -> u8 {
    let code = error.exit_code().number();
    let hint = error.hint();
    let next = error.next(&surroundings.command_line);
    let next = next.map(|next| next.to_string());
    surroundings.console.complain(
        &printable(&error.chain()),
        hint.as_deref().map(printable).as_deref(),
        next.as_deref().map(printable).as_deref(),
        code,
    );
    code
}
