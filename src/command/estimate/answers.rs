//! The questions that an estimate puts to Klaviyo: the members of a list that has to be read, who gets no e-mail, the plan.

use std::time::Duration;

use serde::Serialize;

use super::sample::Size;
use crate::base::text::{grouped, rounded};
use crate::command::Surroundings;
use crate::job::file::Mirror;
use crate::job::{Job, ListSettings};
use crate::klaviyo::list::{self, EmailSample, ListError};
use crate::klaviyo::{Klaviyo, KlaviyoError, ProfilePlan};
use crate::run::error::Error;
use crate::run::list::known_list;
use crate::state::no_email::NoEmail;

/// Klaviyo is tried no longer than this: without its answer there is an estimate too.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whether the audience fits into the plan, as `--json` prints it. Field names do not change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlanRoom {
    /// The API's word for what is counted.
    pub usage: String,
    /// Profiles that there are.
    pub used: u64,
    /// Profiles that there may be.
    pub max: u64,
    /// Profiles that there are at most afterwards: as if every row that may be new were a new profile.
    pub used_at_most: u64,
    /// Whether that is more than there may be.
    pub may_pass: bool,
}

impl PlanRoom {
    /// The room that a plan has for `rows`, each of which may be a new profile.
    pub(crate) fn of(plan: ProfilePlan, rows: u64) -> Self {
        let used_at_most = plan.used.saturating_add(rows);
        Self {
            used_at_most,
            may_pass: used_at_most > plan.max,
            usage: plan.usage,
            used: plan.used,
            max: plan.max,
        }
    }

    /// The warning, where there is one. `rows` as a person reads them.
    pub(crate) fn warning(&self, rows: &str) -> Option<String> {
        self.may_pass.then(|| {
            format!(
                "the plan's number of profiles may be passed: {}, and {rows} are at most as many new profiles; those that are profiles already do not count again",
                self.used_of()
            )
        })
    }

    /// `9,500 of the plan's 10,000 profiles are used (active_profiles)`
    pub(crate) fn used_of(&self) -> String {
        format!(
            "{} of the plan's {} profiles are used ({})",
            grouped(self.used),
            grouped(self.max),
            self.usage
        )
    }
}

/// The answers, as far as there are any.
#[derive(Debug, Default)]
pub(super) struct ApiAnswers {
    /// How many are on the list.
    pub(super) members: Option<u64>,
    /// Those who get no e-mail.
    pub(super) no_email: Option<NoEmail>,
    /// Whether the plan has room.
    pub(super) plan: Option<PlanRoom>,
}

/// Asks what the job has use for. What is not told is told in `notes`.
pub(super) fn ask(
    job: &Job,
    size: &Size,
    emails: EmailSample,
    surroundings: &Surroundings,
    notes: &mut Vec<String>,
) -> ApiAnswers {
    let mut answers = ApiAnswers::default();
    let read_list = job.list.as_ref().filter(|it| it.mirror == Mirror::Exact);
    if read_list.is_none() && !job.needs_api() {
        return answers;
    }
    let klaviyo = match connect(job, surroundings) {
        Ok(klaviyo) => klaviyo,
        Err(error) => {
            notes.push(unasked(job, read_list.is_some(), &error));
            return answers;
        }
    };
    if let Some(wanted) = read_list {
        match count_members(job, wanted, &klaviyo) {
            Ok(count) => answers.members = count,
            Err(error) => {
                notes.push(unasked(job, true, &error));
                // Who does not answer once is not asked three times.
                if matches!(&error, Error::List(cause) if cause.is_of_the_moment()) {
                    return answers;
                }
            }
        }
    }
    let hurried = klaviyo.hurried(PATIENCE);
    if job.calls_for_list() && size.emails > 0 {
        match no_email(size, emails, &hurried) {
            Ok(found) => answers.no_email = Some(found),
            Err(error) => {
                let is_down = error.is_of_the_moment();
                let error = Error::List(error.into());
                if is_down {
                    notes.push(unasked(job, false, &error));
                    return answers;
                }
                let cause = error.chain();
                notes.push(format!(
                    "how many of the audience get no e-mail is not known ({cause})"
                ));
            }
        }
    }
    match hurried.profile_plan() {
        Ok(plan) => {
            let (rows, text) = may_be_new(size);
            answers.plan = plan.map(|plan| PlanRoom::of(plan, rows));
            let room = answers.plan.as_ref();
            notes.extend(room.and_then(|room| room.warning(&text)));
        }
        Err(error) => notes.push(format!(
            "the plan's number of profiles is not known: {}",
            plan_unknown(&error)
        )),
    }
    answers
}

/// The reason for which the plan is not known, without the advice to make another key for that alone.
pub(crate) fn plan_unknown(error: &KlaviyoError) -> String {
    match error {
        KlaviyoError::Scope { .. } => {
            "the key lacks the scope usage:read, which nothing else needs".to_owned()
        }
        KlaviyoError::NotFound { .. } | KlaviyoError::Refused { .. } => {
            "the revision of the API that the job names does not tell it".to_owned()
        }
        error => {
            let source = std::error::Error::source(error);
            source.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
        }
    }
}

/// A note on a key that is not there, or an API that is not.
fn unasked(job: &Job, reads_list: bool, error: &Error) -> String {
    let wanted = [
        (reads_list, "how many members the list has"),
        (
            job.calls_for_list(),
            "how many of the audience get no e-mail",
        ),
        (job.needs_api(), "how many profiles the plan has room for"),
    ];
    let wanted: Vec<&str> = wanted
        .into_iter()
        .filter_map(|(is_wanted, what)| is_wanted.then_some(what))
        .collect();
    format!(
        "Klaviyo did not tell {} ({})",
        wanted.join(", "),
        error.chain()
    )
}

fn connect(job: &Job, surroundings: &Surroundings) -> Result<Klaviyo, Error> {
    let mut settings = job.klaviyo.clone();
    crate::job::read_api_key(&mut settings, &surroundings.environment)?;
    settings.retry.give_up_after = settings.retry.give_up_after.min(PATIENCE);
    let klaviyo = Klaviyo::new(settings, surroundings.interrupt.without_grace());
    list::check_account(&klaviyo)?;
    Ok(klaviyo)
}

fn count_members(
    job: &Job,
    wanted: &ListSettings,
    klaviyo: &Klaviyo,
) -> Result<Option<u64>, Error> {
    let found = list::find(klaviyo, wanted, known_list(job)?.as_deref())?;
    let count = |id: &str| klaviyo.profile_count(id).map_err(ListError::from);
    match found {
        Some(list) => Ok(count(&list.id)?),
        // A run will make it.
        None => Ok(Some(0)),
    }
}

/// Of the rows that were looked at, reckoned for the whole audience.
fn no_email(size: &Size, emails: EmailSample, klaviyo: &Klaviyo) -> Result<NoEmail, KlaviyoError> {
    let of = if size.is_exact {
        size.emails
    } else {
        rounded(size.emails)
    };
    emails.look_up(klaviyo, of)
}

/// How many rows may be new profiles, and who they are.
fn may_be_new(size: &Size) -> (u64, String) {
    let told = |rows: u64, kind: &str| {
        let about = if size.is_exact { "" } else { "about " };
        let shown = if size.is_exact { rows } else { rounded(rows) };
        (rows, format!("{about}{} {kind}", grouped(shown)))
    };
    match size.changed.filter(|(_, rows)| *rows > 0) {
        // A row that is as the last run sent it is a profile.
        Some((changed, rows)) => {
            let all = u128::from(size.rows) * u128::from(changed);
            let changed = all.div_ceil(u128::from(rows));
            told(
                u64::try_from(changed).unwrap_or(u64::MAX),
                "new and changed rows",
            )
        }
        None => told(size.rows, "rows"),
    }
}
