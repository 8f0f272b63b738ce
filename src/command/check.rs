//! `check`: every connection of a job in turn, and what to do about each that fails. Writes nothing, unless `--probe` or `--deep`.
//!
//! A check that does not depend on a failed one is done all the same, so that one call tells everything.

mod api;
mod deep;
mod explain;
mod findings;
mod hint;
mod local;
mod notify;
mod offline;
mod room;
mod server;

use super::Surroundings;
use crate::cli::CheckArgs;
use crate::job::Job;
use crate::job::file::Deliver;
use crate::run::error::Error;
use crate::state::directory::new_run_id;
pub use explain::explain;
use findings::CheckName;
pub use findings::{Check, Findings, Status};
use server::Depth;

/// The flag that leaves out the network.
const OFFLINE_FLAG: &str = "--offline";

/// The reason for which there is no server to look at.
const BY_API: &str = "deliver = \"api\": no file goes to a server";
/// The reason for which no server can be looked at.
const NO_USER: &str = "there is no user name to log in with";

/// Checks the job file of `args`. An error here means that there is nothing to check: the job file is wrong, or a signal
/// came; what a check found is in the result.
pub fn check(args: &CheckArgs, surroundings: &Surroundings) -> Result<Findings, Error> {
    let environment = &surroundings.environment;
    let mut job = Job::load((&args.job).into(), environment)?;
    super::apply(args.accept_new_host_key, &args.state, &mut job);
    let state_directory = args.state.state_dir.as_deref();
    let line = &surroundings.command_line;
    let command = if args.deep { "doctor" } else { "check" };
    let mut line = line.of_job(command, &args.job.path, state_directory);
    if args.offline {
        line = line.with([OFFLINE_FLAG]);
    }
    let mut findings = Findings::of(&job, line);
    if args.offline {
        offline::check(&mut job, surroundings, &mut findings);
    } else {
        online(args, &mut job, surroundings, &mut findings)?;
    }
    match surroundings.interrupt.signal() {
        Some(signal) => Err(Error::Interrupted { signal }),
        None => Ok(findings),
    }
}

/// Makes all checks, one after the other.
fn online(
    args: &CheckArgs,
    job: &mut Job,
    surroundings: &Surroundings,
    findings: &mut Findings,
) -> Result<(), Error> {
    local::audience(job, surroundings, findings);
    local::state(job, findings);
    let secrets = job.read_server_secrets(&surroundings.environment);
    let can_log_in = local::secrets(job, secrets.map_err(Error::from), findings);
    let depth = match (args.deep, args.probe) {
        (true, _) => Depth::Deep,
        (false, true) => Depth::Probe,
        (false, false) => Depth::Look,
    };
    let of_deep: &[CheckName] = if args.deep { &CheckName::OF_DEEP } else { &[] };
    let mut speed = None;
    if job.deliver == Deliver::Api {
        findings.skip(CheckName::Key, BY_API);
        findings.skip_all(&CheckName::OF_SERVER, BY_API);
        findings.skip_all(of_deep, BY_API);
    } else if let Some(delivery) = job.delivery.clone() {
        let stem = format!("{}-{}", job.name, new_run_id(jiff::Timestamp::now())?);
        speed = server::server(delivery, can_log_in, depth, stem, surroundings, findings);
    } else {
        no_server(findings);
        findings.skip_all(of_deep, NO_USER);
    }
    if job.needs_api() {
        api::api(job, surroundings, findings);
    }
    notify::notify(job, args.probe || args.deep, surroundings, findings);
    notify::metrics(job, findings);
    if args.deep {
        deep::tonight(job, speed, surroundings, findings);
    }
    Ok(())
}

/// Notes that the job names no server that it could log in to.
fn no_server(findings: &mut Findings) {
    let missing = crate::run::no_server();
    findings.note(CheckName::Key, Err(missing), |()| String::new().into());
    findings.skip_all(&CheckName::OF_SERVER, NO_USER);
}
