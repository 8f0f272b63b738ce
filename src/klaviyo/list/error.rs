//! Errors of the list stage.

use crate::base::text::grouped;
use crate::klaviyo::KlaviyoError;
use crate::state::manifest::StateError;

/// The reason for which profiles are not on the list, or still are.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The API.
    #[error(transparent)]
    Klaviyo(#[from] KlaviyoError),
    /// Storage of this machine.
    #[error(transparent)]
    State(#[from] StateError),
    /// The key is another account's.
    #[error("the API key belongs to account {found}, and `klaviyo.account-id` says {expected}")]
    OtherAccount {
        /// The value in the job.
        expected: String,
        /// The account of the key.
        found: String,
    },
    /// There is no list of the name.
    #[error("there is no list named {name:?}; create = true would create it")]
    NoName {
        /// The name.
        name: String,
    },
    /// There is no list with the id.
    #[error("there is no list with the id {id}")]
    NoId {
        /// The id.
        id: String,
    },
    /// Several lists have the name.
    #[error("several lists are named {name:?}: {}; write the id of one of them", ids.join(", "))]
    SeveralLists {
        /// The name.
        name: String,
        /// Their ids.
        ids: Vec<String>,
    },
    /// The list with the id has another name.
    #[error("the list {id} is named {found:?}, and the job says {expected:?}")]
    OtherName {
        /// The id.
        id: String,
        /// The value in the job.
        expected: String,
        /// The value at Klaviyo.
        found: String,
    },
    /// The list was there, and is not any more.
    #[error("the list {id} is gone: somebody has removed it in Klaviyo since this run found it")]
    Vanished {
        /// The id.
        id: String,
    },
    /// The list that earlier runs found by its name is not there any more.
    #[error(
        "the list {name:?}, which earlier runs of this job found with the id {id}, is gone: somebody has deleted it in Klaviyo"
    )]
    Deleted {
        /// The name.
        name: String,
        /// Its id.
        id: String,
    },
    /// The list that earlier runs found by its name has another one.
    #[error(
        "the list {id}, which earlier runs of this job found as {name:?}, is named {found:?} now"
    )]
    Renamed {
        /// The name that the job says.
        name: String,
        /// Its id.
        id: String,
        /// The name that Klaviyo says.
        found: String,
    },
    /// Nobody of a sample has a profile.
    #[error(
        "Klaviyo shows none of {} that were looked up, after {}: it has not imported the files yet",
        count_profiles(*sample),
        humantime::format_duration(*after)
    )]
    NotImported {
        /// How many were looked up.
        sample: u64,
        /// How long it was waited.
        after: std::time::Duration,
    },
    /// The run may go on.
    #[error("run {run_id} is not finished: it would repeat what is undone now")]
    NotFinished {
        /// The run.
        run_id: String,
    },
    /// Klaviyo has cancelled an import job.
    #[error("Klaviyo has cancelled the import job {job}")]
    Cancelled {
        /// The job's id.
        job: String,
    },
    /// Import jobs do not end.
    #[error("import jobs of {} are still under way after {}", count_profiles(*profiles), humantime::format_duration(*after))]
    Unfinished {
        /// How many profiles are in them.
        profiles: u64,
        /// How long it was waited since the last one ended.
        after: std::time::Duration,
    },
    /// More would be removed than the job allows.
    #[error(
        "{} of {} members would be removed, and `max-removals` allows less than {percent} % and less than {}; nobody was removed",
        grouped(*removals),
        grouped(*of),
        grouped(*members)
    )]
    TooManyRemovals {
        /// How many.
        removals: u64,
        /// Of how many.
        of: u64,
        /// The limit in percent.
        percent: f64,
        /// The limit in members.
        members: u64,
        /// The run that has stored whom.
        run_id: String,
    },
    /// The run has stored no removals.
    #[error("run {run_id} has no removals that wait for approval")]
    NothingStored {
        /// The run.
        run_id: String,
    },
    /// A later run has changed the list.
    #[error(
        "run {run_id} is not the last one: run {later} came after it, and the removals that {run_id} stored are out of date"
    )]
    OutOfDate {
        /// The run.
        run_id: String,
        /// The later one.
        later: String,
    },
    /// The run has removed nobody.
    #[error("run {run_id} has removed nobody")]
    NothingRemoved {
        /// The run.
        run_id: String,
    },
    /// There is no such run.
    #[error("there is no run {run_id} of this job")]
    NoSuchRun {
        /// The run.
        run_id: String,
    },
}

fn count_profiles(profiles: u64) -> String {
    crate::base::text::count(profiles, "profile")
}

impl ListError {
    /// Advice on the error.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Klaviyo(error) => error.hint(),
            Self::TooManyRemovals { .. } => Some(
                "check the audience; if these members must be removed, approve exactly these removals, or raise max-removals in [list]"
                    .to_owned(),
            ),
            Self::NoName { .. } => Some(
                "names must be equal letter by letter; create = true in [list] (--create-list) creates the list".to_owned(),
            ),
            Self::Deleted { .. } => Some(
                "no other list was created. If an empty list is right, type the same command with --create-list; if the API key belongs to another account, use the right key"
                    .to_owned(),
            ),
            Self::Renamed { id, .. } => Some(format!(
                "rename it in Klaviyo, or write id = \"{id}\" in [list] instead of the name; for another list, type the same command with --create-list"
            )),
            Self::NotFinished { .. } => {
                Some("run the job until it is done, or start over with --fresh; then undo".to_owned())
            }
            Self::OtherAccount { .. } => Some("use the key of that account, or correct account-id in [klaviyo]".to_owned()),
            Self::SeveralLists { .. } => Some("write it as id = \"…\" in [list], or --list ID".to_owned()),
            _ => None,
        }
    }

    /// Whether a signal ended it.
    pub fn is_interrupted(&self) -> bool {
        matches!(self, Self::Klaviyo(KlaviyoError::Interrupted))
    }

    /// Whether the same command may succeed later as it stands.
    pub fn is_of_the_moment(&self) -> bool {
        match self {
            Self::Klaviyo(error) => error.is_of_the_moment(),
            Self::Unfinished { .. } | Self::NotImported { .. } => true,
            _ => false,
        }
    }
}
