//! `send`: the one-off. Its flags become a job file, its columns are guessed, and then it is a run.

use std::path::Path;

use super::guesses::Guesses;
use super::{Surroundings, flags};
use crate::cli::SendArgs;
use crate::cli::console::printable;
use crate::job::delta::Send;
use crate::job::file::{JobFile, Unlisted};
use crate::job::{Job, JobPlace, ListChoice, audience_files};
use crate::run::attempt::{self, AttemptLog};
use crate::run::error::Error;
use crate::run::list::create_list;
use crate::run::{RunOptions, RunOutcome, execute};
use crate::source::audience::Audience;

/// Sends the files of `args` once, and leaves a record of the attempt.
pub fn send(
    args: &SendArgs,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<RunOutcome, Error> {
    let file = job_file(args)?;
    if options.dry_run {
        return send_as(file, args, options, surroundings);
    }
    let place = JobPlace::of(&file, &surroundings.environment).map_err(flags::of_flag)?;
    let state = place.state(args.common.state.state_dir.as_deref())?;
    attempt::claim(&state, &place.owner, &place.name)?;
    let attempt = AttemptLog::begin(state, "send", options.limit);
    attempt.end(
        send_as(file, args, options, surroundings),
        RunOutcome::ending,
    )
}

/// The name of the job that the flags make.
pub fn job_name(args: &SendArgs) -> String {
    flags::job_file(&args.files, name(args), &args.audience).name
}

fn name(args: &SendArgs) -> Option<&str> {
    args.delta.as_deref().or(args.name.as_deref())
}

fn send_as(
    mut file: JobFile,
    args: &SendArgs,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<RunOutcome, Error> {
    let base = Path::new("");
    let files = audience_files(&file, base).map_err(flags::of_flag)?;
    let mut audience = Audience::open(&files, Box::new(std::io::stdin()))?;
    let guesses = Guesses::of(&mut audience);
    let maps = &args.audience.map;
    file.columns = guesses.columns(maps)?;
    flags::leave_out(&mut file, maps);
    show_mapping(&guesses, &file, maps, surroundings);
    flags::require_identifier(&file, maps, &guesses, &audience)?;
    let mut job = Job::from_file(file, base, &surroundings.environment).map_err(flags::of_flag)?;
    // A name, or an id: whichever there is.
    if let Some(list) = &mut job.list
        && let ListChoice::Name(name) = &list.choice
    {
        list.choice = ListChoice::Either(name.clone());
    }
    if args.api.create_list {
        create_list(&mut job)?;
    }
    if !options.dry_run {
        job.read_secrets(&surroundings.environment)
            .map_err(flags::of_flag)?;
    }
    super::apply(
        args.common.accept_new_host_key,
        &args.common.state,
        &mut job,
    );
    surroundings.stop_as_told(&job);
    execute(&job, audience, options, surroundings)
}

fn job_file(args: &SendArgs) -> Result<JobFile, Error> {
    let server = &args.server;
    let by_api = args.api.via.as_deref() == Some("api");
    if server.to.is_none() && !args.common.dry_run && !by_api {
        return Err(Error::NoServer);
    }
    let mut file = flags::job_file(&args.files, name(args), &args.audience);
    if args.delta.is_some() {
        file.delta.send = Send::Changed;
    }
    file.sftp = flags::server(server)?;
    let has_key = server.identity.is_some()
        || server.agent
        || server.password_env.is_some()
        || server.ssh_config.is_some();
    if server.to.is_some() && !has_key {
        return Err(Error::Usage(
            "--identity: no key is named; add --identity ~/.ssh/klaviyo_ed25519 (or --agent)"
                .to_owned(),
        ));
    }
    let api = &args.api;
    file.list = flags::list(api);
    file.klaviyo = flags::klaviyo(api);
    file.strict = args.strict;
    file.parts.keep_parts = args.keep_parts;
    Ok(file)
}

/// Says which column goes where, so that a wrong guess is seen.
fn show_mapping(guesses: &Guesses, file: &JobFile, maps: &[String], surroundings: &Surroundings) {
    let console = &surroundings.console;
    let sent = || {
        file.columns
            .iter()
            .filter(|(_, headers)| !headers.names().is_empty())
    };
    let names = sent().map(|(source, _)| printable(source));
    let width = names.map(|name| name.chars().count()).max().unwrap_or(0);
    console.note("columns (change one with --map SRC=HEADER):");
    for (source, headers) in sent() {
        let (source, headers) = (printable(source), headers.names().join(", "));
        console.note(&format!("  {source:width$}  ->  {}", printable(&headers)));
    }
    let header = guesses.header.iter();
    let left: Vec<&str> = header
        .map(String::as_str)
        .filter(|name| !file.columns.contains_key(*name))
        .collect();
    if !left.is_empty() && file.audience.unlisted == Unlisted::Drop {
        console.note(&format!("  not sent: {}", printable(&left.join(", "))));
    }
    if file.audience.unlisted == Unlisted::Drop {
        for note in guesses.notes(&file.columns, maps) {
            console.note(&note);
        }
    }
}
