//! The first look at the API: whose key it is, and which list is meant, before a row is read.

use std::time::Duration;

use super::interrupted;
use crate::cli::console::printable;
use crate::job::Job;
use crate::job::file::{Attach, Deliver};
use crate::klaviyo::Klaviyo;
use crate::klaviyo::list;
use crate::klaviyo::settings::ListCreation;
use crate::run::error::Error;
use crate::run::report::count;
use crate::run::surroundings::Surroundings;
use crate::run::{RunOptions, resume};

/// A look at the API before anything else tries no longer than this: if it is down now, it may be up by the time it is needed.
const FIRST_LOOK: Duration = Duration::from_secs(30);

/// The outcome of the first look.
#[derive(Debug, Default)]
pub(in crate::run) struct FirstLook {
    /// Notes for a person.
    pub(in crate::run) notes: Vec<String>,
    /// The id of the job's list, if there is one.
    pub(in crate::run) list_id: Option<String>,
}

/// Checks the account of the key and the list: before a row is read, so that a wrong key does not cost a
/// night.
pub(in crate::run) fn look_first(
    job: &Job,
    options: RunOptions,
    surroundings: &Surroundings,
) -> Result<FirstLook, Error> {
    if options.dry_run || !job.needs_api() {
        return Ok(FirstLook::default());
    }
    let told = look(job, surroundings)?;
    for warning in &told.notes {
        let note = format!("note: {warning}");
        surroundings.console.note(&printable(&note));
    }
    Ok(told)
}

fn look(job: &Job, surroundings: &Surroundings) -> Result<FirstLook, Error> {
    let mut settings = job.klaviyo.clone();
    settings.retry.give_up_after = settings.retry.give_up_after.min(FIRST_LOOK);
    let klaviyo = Klaviyo::new(settings, surroundings.interrupt.clone());
    let known_id = known_list(job)?;
    let looked = list::check_account(&klaviyo).and_then(|()| match &job.list {
        Some(list) if job.calls_for_list() => list::find(&klaviyo, list, known_id.as_deref()),
        _ => Ok(None),
    });
    match looked {
        Ok(Some(found)) => Ok(FirstLook {
            notes: flows_warning(job, &found.name, &found.flows),
            list_id: Some(found.id),
        }),
        Ok(None) => Ok(FirstLook::default()),
        Err(error) if error.is_of_the_moment() => Ok(FirstLook {
            notes: vec![format!(
                "{} did not answer when the run began: {}",
                klaviyo.host(),
                Error::from(error).chain()
            )],
            list_id: None,
        }),
        Err(error) => Err(interrupted(error.into(), surroundings)),
    }
}

/// The id that the job's list had in an earlier run, where the job names it by its name.
pub(crate) fn known_list(job: &Job) -> Result<Option<String>, Error> {
    let name = job.list.as_ref().and_then(|list| list.choice.name());
    // Without a place for state no run is remembered.
    let Ok(state) = job.state() else {
        return Ok(None);
    };
    match name {
        Some(name) => Ok(resume::known_list(&state, name)?),
        None => Ok(None),
    }
}

/// Makes the job's list whenever there is none of its name: a person has typed `--create-list`.
pub(crate) fn create_list(job: &mut Job) -> Result<(), Error> {
    match &mut job.list {
        Some(list) if list.choice.name().is_some() => {
            list.create = ListCreation::Always;
            Ok(())
        }
        Some(_) => Err(Error::Usage(
            "--create-list: the job says the id of its list, and a list is made by its name"
                .to_owned(),
        )),
        None => Err(Error::Usage(
            "--create-list: the job has no [list] section".to_owned(),
        )),
    }
}

/// Adding to a list may start flows, and may do so before the attributes are there.
pub(crate) fn flows_warning(job: &Job, name: &str, flows: &[String]) -> Vec<String> {
    if flows.is_empty() {
        return Vec::new();
    }
    let mut warning = format!(
        "adding to the list {name:?} starts {}: {}",
        count(flows.len() as u64, "flow"),
        flows.join(", ")
    );
    let early = job.deliver == Deliver::Sftp
        && job
            .list
            .as_ref()
            .is_some_and(|list| list.attach == Attach::ImportJob);
    if early {
        warning.push_str(
            "; with attach = \"import-job\" that may be before the import of the files has brought the attributes: attach = \"members\", or deliver = \"api\", waits for them",
        );
    }
    vec![warning]
}
