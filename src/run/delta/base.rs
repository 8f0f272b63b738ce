//! The snapshot that a run is compared with, and the reasons for which there is none of use.

use jiff::Timestamp;

use crate::job::{DeltaSettings, Job};
use crate::pipeline::delta::LastRows;
use crate::run::error::Error;
use crate::run::report::count;
use crate::state::directory::JobDirectory;
use crate::state::manifest::{StateError, read_manifest};
use crate::state::shard::ShardRecord;
use crate::state::snapshot::{Context, HashKey, SNAPSHOT, SnapshotHead, SnapshotReader, open_keys};

pub(super) fn context(settings: &DeltaSettings, list_id: Option<&str>) -> Context {
    let job = settings.context.clone();
    Context {
        columns: job.columns,
        rules: job.rules,
        destination: job.destination,
        list: job.list,
        list_id: list_id.map(str::to_owned),
    }
}

/// The job's snapshot, or the reason for which rows cannot be compared with it. It is in memory if `most_bytes` are enough.
pub(super) fn base(
    state: &JobDirectory,
    job: &Job,
    key: &HashKey,
    context: &Context,
    most_bytes: u64,
) -> Result<LastRows, String> {
    let path = state.snapshot();
    let name = path.display();
    let useless = |error: &dyn std::fmt::Display| format!("{name} is of no use: {error}");
    let reader = SnapshotReader::open(&path, SNAPSHOT).map_err(|error| useless(&error))?;
    let Some(reader) = reader else {
        return Err("no earlier run has left a snapshot".to_owned());
    };
    let head = reader.head();
    if head.job != job.name {
        return Err(format!("{name} belongs to another job"));
    }
    if head.key_id != key.id() {
        return Err(format!(
            "{name} was made with another key than the one beside it"
        ));
    }
    // Without a list, nobody asks which one it was.
    let list_id = if job.calls_for_list() {
        list_of(state, head).map_err(|error| {
            let error = Error::from(error).chain();
            format!("the list of the last run is not known: {error}")
        })?
    } else {
        None
    };
    let then = Context {
        list_id,
        ..head.context.clone()
    };
    if let Some(what) = differs(&then, context) {
        return Err(format!("{what} since the last run"));
    }
    let unsettled = open_keys(&state.unsettled())
        .map_err(|error| format!("{} is of no use: {error}", state.unsettled().display()))?;
    LastRows::read(reader, unsettled, most_bytes).map_err(|error| useless(&error))
}

/// The reason for which the snapshot of a shard is not the state after the last night: another shard may have sent its rows
/// since.
pub(super) fn other_night(
    state: &JobDirectory,
    head: &SnapshotHead,
    shard: Option<&ShardRecord>,
) -> Option<String> {
    let now = shard?.run_group.to_string();
    let whole = state.whole();
    let others = match whole.known_shards() {
        Ok(others) => others,
        Err(error) => return Some(Error::from(error).chain()),
    };
    let others = others
        .into_iter()
        .filter(|other| other.of() == shard.map_or(0, |it| it.of));
    let absent = others.into_iter().find(|other| {
        let snapshot = SnapshotReader::open(&whole.shard(*other).snapshot(), SNAPSHOT);
        let group = snapshot
            .ok()
            .flatten()
            .and_then(|it| it.head().run_group.clone());
        group
            .as_ref()
            .is_none_or(|group| *group != now && Some(group) != head.run_group.as_ref())
    });
    absent.map(|other| format!("shard {other} was not part of the last night of this one"))
}

/// The list on which the people of a snapshot are, as far as it is known.
pub(super) fn list_of(
    state: &JobDirectory,
    head: &SnapshotHead,
) -> Result<Option<String>, StateError> {
    if let Some(known) = &head.context.list_id {
        return Ok(Some(known.clone()));
    }
    // A run that made the list knew its id at its end only.
    let run = read_manifest(&state.run(&head.run_id).manifest())?;
    Ok(run.list.map(|list| list.id))
}

/// The difference between two contexts, in words.
fn differs(then: &Context, now: &Context) -> Option<&'static str> {
    let lists = (&then.list_id, &now.list_id);
    let another_list = matches!(lists, (Some(then), Some(now)) if then != now);
    if then.columns != now.columns {
        Some("the columns or their headers have changed")
    } else if then.rules != now.rules {
        Some("the rules in [normalize] have changed")
    } else if then.destination != now.destination {
        Some("the server or the account has changed")
    } else if then.list != now.list || another_list {
        Some("the list has changed")
    } else {
        None
    }
}

/// The reason for which every row is sent, although the snapshot is of use.
pub(super) fn full_is_due(
    settings: &DeltaSettings,
    head: &SnapshotHead,
    now: Timestamp,
) -> Option<String> {
    let every = settings.full_every?;
    let age = now.duration_since(head.full_at).unsigned_abs();
    (age >= every).then(|| {
        let days = age.as_secs() / 86_400;
        let date = head.full_at.strftime("%Y-%m-%d");
        format!(
            "the last run that sent every row was on {date}, {} ago (full-every)",
            count(days, "day")
        )
    })
}

/// The head of the job's snapshot, if there is one.
pub(super) fn head(state: &JobDirectory) -> Option<SnapshotHead> {
    let reader = SnapshotReader::open(&state.snapshot(), SNAPSHOT).ok()??;
    Some(reader.head().clone())
}

/// The run whose snapshot the job has; none where it has none of use.
pub(in crate::run) fn base_run(state: &JobDirectory) -> Option<String> {
    head(state).map(|head| head.run_id)
}

/// When a run began last that sent every row, of a job that sends changed ones only.
pub(in crate::run) fn full_send_at(state: &JobDirectory) -> Option<Timestamp> {
    head(state).map(|head| head.full_at)
}
