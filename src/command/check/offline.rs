//! `check --offline`: what can be checked on this machine alone. No server, API or database is asked, and no program is run
//! that may ask one.

use super::super::Surroundings;
use super::findings::{CheckName, Findings};
use super::{BY_API, api, local, notify, server};
use crate::base::secret::SecretSource;
use crate::job::Job;
use crate::job::file::Deliver;
use crate::run::error::Error;
use crate::source::audience::AudienceSettings;

/// The reason for which a check is not made.
const OFFLINE: &str = "needs the network";
/// The reason for which a secret is not read.
const BY_PROGRAM: &str = "a program gives the secret, and may need the network";

/// Makes the checks of `job` that need nobody else, and says which ones are left.
pub(super) fn check(job: &mut Job, surroundings: &Surroundings, findings: &mut Findings) {
    audience(job, findings);
    local::state(job, findings);
    let can_log_in = secrets(job, surroundings, findings);
    delivery(job, can_log_in, surroundings, findings);
    if job.needs_api() {
        if matches!(job.klaviyo.key_source, SecretSource::Command(_)) {
            findings.skip(CheckName::ApiKey, BY_PROGRAM);
        } else {
            api::key(job, surroundings, findings);
        }
        findings.skip_all(&CheckName::OF_API, OFFLINE);
    }
    let urls = [&job.watch.heartbeat, &job.watch.webhook];
    let by_program = |url: &&Option<SecretSource>| matches!(url, Some(SecretSource::Command(_)));
    if urls.iter().any(by_program) {
        findings.skip(CheckName::Notify, BY_PROGRAM);
    } else {
        notify::notify(job, false, surroundings, findings);
    }
    notify::metrics(job, findings);
}

/// The files that are on this machine.
fn audience(job: &Job, findings: &mut Findings) {
    match &job.audience {
        AudienceSettings::Files(files) if !files.has_objects() => {
            if job.before.is_none() {
                local::files(files, job, findings);
                return;
            }
            // The statements may make the files, and are not run.
            findings.skip(
                CheckName::Audience,
                "statements run before the files are read, and need the database",
            );
            findings.skip(CheckName::Columns, "the audience must be readable first");
        }
        AudienceSettings::Files(_) | AudienceSettings::Query(..) => {
            findings.skip(CheckName::Audience, OFFLINE);
            findings.skip(CheckName::Columns, "the audience must be readable first");
        }
    }
}

/// Whether the secrets of the server are there.
fn secrets(job: &mut Job, surroundings: &Surroundings, findings: &mut Findings) -> bool {
    let delivery = job.delivery.as_ref();
    let places = delivery.filter(|_| job.deliver == Deliver::Sftp);
    let places = places.map(|delivery| &delivery.secrets);
    let by_program = places.is_some_and(|places| {
        let mut all = [&places.passphrase, &places.password, &places.proxy_password]
            .into_iter()
            .flatten();
        all.any(|place| matches!(place, SecretSource::Command(_)))
    });
    if by_program {
        findings.skip(CheckName::Secrets, BY_PROGRAM);
        return false;
    }
    let read = job.read_server_secrets(&surroundings.environment);
    local::secrets(job, read.map_err(Error::from), findings)
}

/// The key file, without the server that it is for.
fn delivery(job: &Job, can_log_in: bool, surroundings: &Surroundings, findings: &mut Findings) {
    let because = if job.deliver == Deliver::Api {
        findings.skip(CheckName::Key, BY_API);
        BY_API
    } else if let Some(mut delivery) = job.delivery.clone() {
        server::key(&mut delivery.sftp, can_log_in, surroundings, findings);
        OFFLINE
    } else {
        super::no_server(findings);
        return;
    };
    findings.skip_all(&CheckName::OF_SERVER, because);
}
