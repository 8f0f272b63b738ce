//! The checks of Klaviyo's API: the key, the account, the scopes one by one, the list. None of their calls changes anything.

use std::time::Duration;

use super::super::Surroundings;
use super::super::estimate::answers::{PlanRoom, plan_unknown};
use super::findings::{CheckName, CheckOutcome, Findings};
use crate::base::secret::SecretSource;
use crate::base::text::{count, grouped};
use crate::job::file::Deliver;
use crate::job::{Job, ListChoice};
use crate::klaviyo::list::{self, ListError};
use crate::klaviyo::{Klaviyo, KlaviyoError, List};
use crate::run::error::Error;
use crate::run::list::{flows_warning, known_list};

/// The API is tried no longer than this: a person waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// From the key to what it may do and the list that it is for.
pub(super) fn api(job: &mut Job, surroundings: &Surroundings, findings: &mut Findings) {
    if !key(job, surroundings, findings) {
        findings.skip_all(&CheckName::OF_API, "the API key must be set first");
        return;
    }
    let mut settings = job.klaviyo.clone();
    settings.retry.give_up_after = settings.retry.give_up_after.min(PATIENCE);
    let klaviyo = Klaviyo::new(settings, surroundings.interrupt.without_grace());
    if let Err(because) = account(&klaviyo, findings) {
        findings.skip_all(&CheckName::OF_API[1..], because);
        return;
    }
    let needs_lists = job.deliver == Deliver::Api || job.calls_for_list();
    let reads_lists = needs_lists && may(CheckName::ReadLists, klaviyo.may_read_lists(), findings);
    if !needs_lists {
        findings.skip(CheckName::ReadLists, NO_LIST);
    }
    may(
        CheckName::ReadProfiles,
        klaviyo.may_read_profiles(),
        findings,
    );
    let list = list(&klaviyo, job, reads_lists, findings);
    if needs_lists {
        let written = match list {
            Some(list) if job.deliver == Deliver::Sftp => klaviyo.may_change(&list.id),
            _ => klaviyo.may_import(),
        };
        may(CheckName::Write, written, findings);
    } else {
        findings.skip(CheckName::Write, NO_LIST);
    }
    plan(&klaviyo.hurried(PATIENCE), findings);
}

/// Whether the account's plan has room for the audience, as far as the key and the audience tell. No run fails for that.
fn plan(klaviyo: &Klaviyo, findings: &mut Findings) {
    let found = match klaviyo.profile_plan() {
        Ok(Some(found)) => found,
        Ok(None) => {
            findings.skip(CheckName::Plan, "the plan has no number of profiles");
            return;
        }
        Err(error) if error.is_of_the_moment() => {
            let cause = plan_unknown(&error);
            findings.note(CheckName::Plan, Ok(()), |()| {
                CheckOutcome::unknown(cause, Vec::new())
            });
            return;
        }
        Err(error) => {
            findings.skip(CheckName::Plan, &plan_unknown(&error));
            return;
        }
    };
    let rows = findings.audience_rows;
    let left = found.left();
    let room = PlanRoom::of(found, rows.unwrap_or(0));
    let warning = match rows {
        Some(rows) => room.warning(&count(rows, "row")),
        None if left == 0 => {
            Some("no profile is left: each new one passes the plan's number".to_owned())
        }
        None => None,
    };
    findings.note(CheckName::Plan, Ok(()), |()| {
        let estimate = match rows {
            Some(_) => "",
            None => "; estimate compares them with the audience",
        };
        let told = format!("{}; {} are left{estimate}", room.used_of(), grouped(left));
        CheckOutcome::warned(told, warning.into_iter().collect())
    });
}

/// Whether the key is where the job says it is.
pub(super) fn key(job: &mut Job, surroundings: &Surroundings, findings: &mut Findings) -> bool {
    let read = crate::job::read_api_key(&mut job.klaviyo, &surroundings.environment);
    let read = findings.note(CheckName::ApiKey, read.map_err(Error::from), |()| {
        match &job.klaviyo.key_source {
            SecretSource::Variable(name) => format!("{name} is set"),
            SecretSource::File(path) => format!("{}, which only you may read", path.display()),
            command @ SecretSource::Command(_) => command.to_string(),
        }
        .into()
    });
    read.is_some()
}

/// The reason for which lists and writing are not looked at.
const NO_LIST: &str = "the job has no list and does not deliver by the API";

/// The account of the key, or the reason for which nothing else can be looked at.
fn account(klaviyo: &Klaviyo, findings: &mut Findings) -> Result<(), &'static str> {
    let expected = klaviyo.settings().account_id.clone();
    let found = klaviyo.account_id();
    if let (Err(KlaviyoError::Scope { .. }), None) = (&found, &expected) {
        findings.skip(
            CheckName::Account,
            "the key lacks the scope accounts:read, which only account-id needs",
        );
        return Ok(());
    }
    let consequence = match &found {
        Ok(id) if expected.as_ref().is_some_and(|expected| expected != id) => {
            Err("the key must be the right account's first")
        }
        Ok(_) | Err(KlaviyoError::Scope { .. }) => Ok(()),
        Err(KlaviyoError::Key { .. }) => Err("the key must be accepted first"),
        Err(_) => Err("the API must answer first"),
    };
    let found = found.map_err(ListError::from).and_then(|found| {
        let Some(expected) = expected.clone().filter(|expected| *expected != found) else {
            return Ok(found);
        };
        Err(ListError::OtherAccount { expected, found })
    });
    findings.note(CheckName::Account, found.map_err(Error::from), |id| {
        let host = klaviyo.way();
        match expected {
            Some(_) => format!("{id} at {host}, as account-id says").into(),
            None => CheckOutcome::ok(
                format!("{id} at {host}"),
                vec![format!(
                    "account-id = {id:?} in [klaviyo] would refuse a key of another account"
                )],
            ),
        }
    });
    consequence
}

/// Whether the key may do what `told` was about.
fn may(name: CheckName, told: Result<(), KlaviyoError>, findings: &mut Findings) -> bool {
    let scopes = match name {
        CheckName::ReadLists => "the key has lists:read",
        CheckName::ReadProfiles => "the key has profiles:read",
        _ => "the key has lists:write and profiles:write",
    };
    let told = told.map_err(ListError::from).map_err(Error::from);
    findings
        .note(name, told, |()| scopes.to_owned().into())
        .is_some()
}

/// The list, if it is there.
fn list(klaviyo: &Klaviyo, job: &Job, can_read: bool, findings: &mut Findings) -> Option<List> {
    let Some(wanted) = &job.list else {
        findings.skip(CheckName::List, "the job has no list");
        return None;
    };
    if !job.calls_for_list() {
        let because =
            "attach = \"column\" writes the list into the files, and the API is not used for it";
        findings.skip(CheckName::List, because);
        return None;
    }
    if !can_read {
        findings.skip(
            CheckName::List,
            "the key must be allowed to read lists first",
        );
        return None;
    }
    let found =
        known_list(job).and_then(|known_id| Ok(list::find(klaviyo, wanted, known_id.as_deref())?));
    let found = findings.note(CheckName::List, found, |found| match found {
        Some(list) => CheckOutcome::ok(
            format!("{:?} is there, with the id {}", list.name, list.id),
            flows_warning(job, &list.name, &list.flows),
        ),
        None => format!(
            "{} does not exist yet; a run creates it",
            named(&wanted.choice)
        )
        .into(),
    });
    found.flatten()
}

fn named(choice: &ListChoice) -> String {
    match choice {
        ListChoice::Name(name) | ListChoice::Either(name) => format!("{name:?}"),
        ListChoice::Id { id, .. } => id.clone(),
    }
}
