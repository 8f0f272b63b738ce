//! Taking profiles off a list: the stored set, the guard, a thousand by a call, and the way back.

use std::path::Path;

use super::journal::{self, JournalEntry};
use super::ledger::Ledger;
use super::rows::each_person;
use super::{Desk, ListError};
use crate::base::meter::ListStep;
use crate::klaviyo::settings::MaxRemovals;
use crate::klaviyo::{Klaviyo, KlaviyoError, MAX_CHANGES};
use crate::state::manifest::StateError;
use crate::state::storage::{AppendLog, storage};

/// Profile ids that are to be removed, in a run's folder.
pub(super) const PLANNED: &str = "removals.csv";
/// Profile ids that were removed.
pub(super) const REMOVED: &str = "removed.csv";

/// How many removals are too many.
#[derive(Debug, Clone, Copy)]
pub enum Guard {
    /// Either limit reached: nobody is removed.
    Limit(MaxRemovals),
    /// A person has looked at the stored set.
    Approved,
}

impl Guard {
    pub(super) fn check(self, removals: u64, of: u64, run_id: &str) -> Result<(), ListError> {
        let Self::Limit(MaxRemovals { percent, members }) = self else {
            return Ok(());
        };
        if removals > 0 && reaches(removals, of, MaxRemovals { percent, members }) {
            return Err(ListError::TooManyRemovals {
                removals,
                of,
                percent,
                members,
                run_id: run_id.to_owned(),
            });
        }
        Ok(())
    }
}

/// Whether so many reach one of the limits.
pub(super) fn reaches(count: u64, of: u64, limits: MaxRemovals) -> bool {
    let percent = count as f64 * 100.0 / of.max(1) as f64;
    // All of them may go where the job says so: an audience of yesterday's sign-ups is another one each night.
    count >= limits.members || percent >= limits.percent && limits.percent < 100.0
}

/// Removes whom the run has stored, but for those that an earlier process removed. How many there were in all.
pub fn remove_planned(
    desk: Desk<'_>,
    list_id: &str,
    guard: Guard,
    run_id: &str,
    ledger: &mut Ledger,
) -> Result<u64, ListError> {
    if let Some(removed) = ledger.mirrored() {
        return Ok(removed);
    }
    let planned = ledger.directory().join(PLANNED);
    let Some(plan) = ledger.plan().filter(|_| planned.exists()) else {
        return Err(ListError::NothingStored {
            run_id: run_id.to_owned(),
        });
    };
    match guard {
        Guard::Approved if !plan.approved => ledger.note(JournalEntry::Approved)?,
        // What a person has begun goes on.
        Guard::Limit(_) if !plan.approved && plan.done == 0 => {
            guard.check(plan.removals, plan.of, run_id)?;
        }
        _ => {}
    }
    let ids = ids_in(&planned)?;
    let mut removed = open_removed(ledger.directory(), plan.removed_bytes)?;
    desk.meter.list.begin(ListStep::Removing, plan.removals);
    desk.meter.list.done.set(plan.done);
    let mut done = usize::try_from(plan.done)
        .unwrap_or(usize::MAX)
        .min(ids.len());
    for chunk in ids[done..].chunks(MAX_CHANGES) {
        // Noted first: whoever is taken off can be put back, whatever happens in between.
        let before = removed.bytes();
        removed.append(&lines(chunk.iter()))?;
        let gone = change(desk, list_id, chunk, Klaviyo::remove)?;
        if !gone.is_empty() {
            removed.cut(before)?;
            removed.append(&lines(chunk.iter().filter(|id| !gone.contains(id))))?;
        }
        done += chunk.len();
        desk.meter.list.done.add(chunk.len() as u64);
        ledger.note(JournalEntry::Removed {
            done: done as u64,
            removed_bytes: removed.bytes(),
        })?;
    }
    // Without those whose profiles were deleted meanwhile.
    let removed = ids_in(removed.path())?.len() as u64;
    ledger.note(JournalEntry::Mirrored { removed })?;
    Ok(removed)
}

/// How long the record of a run's removals is.
pub(super) fn on_record(run_directory: &Path) -> u64 {
    std::fs::metadata(run_directory.join(REMOVED)).map_or(0, |file| file.len())
}

/// The run goes on with another list: whom it has taken off the one before stays on record under that one's id.
pub(super) fn set_aside(run_directory: &Path, list_id: &str) -> Result<(), StateError> {
    let names = (1..).map(|number| format!("removed-{list_id}-{number}.csv"));
    let name = names
        .into_iter()
        .find(|name| !run_directory.join(name).exists());
    for (from, to) in [(REMOVED, name), (PLANNED, None)] {
        let path = run_directory.join(from);
        let moved = match to {
            Some(to) => std::fs::rename(&path, run_directory.join(to)),
            None => std::fs::remove_file(&path),
        };
        match moved {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(storage(&path, "write it")(error));
            }
            _ => {}
        }
    }
    Ok(())
}

/// Puts back whom a run has removed. How many, and how many profiles are gone.
pub fn undo(desk: Desk<'_>, run_directory: &Path, run_id: &str) -> Result<(u64, u64), ListError> {
    let nothing = || ListError::NothingRemoved {
        run_id: run_id.to_owned(),
    };
    let entries = journal::read(run_directory)?;
    let list_id = entries.iter().rev().find_map(|entry| match entry {
        JournalEntry::List { id, .. } => id.clone(),
        _ => None,
    });
    let list_id = list_id.ok_or_else(nothing)?;
    let path = run_directory.join(REMOVED);
    if !path.exists() {
        return Err(nothing());
    }
    let ids = ids_in(&path)?;
    if ids.is_empty() {
        return Err(nothing());
    }
    desk.meter.list.begin(ListStep::Adding, ids.len() as u64);
    let mut gone = 0;
    for chunk in ids.chunks(MAX_CHANGES) {
        gone += add_those_that_exist(desk, &list_id, chunk)?;
        desk.meter.list.done.add(chunk.len() as u64);
    }
    Ok((ids.len() as u64 - gone, gone))
}

/// Adds at most a thousand; how many of them have no profile any more.
pub(super) fn add_those_that_exist(
    desk: Desk<'_>,
    list_id: &str,
    ids: &[String],
) -> Result<u64, ListError> {
    Ok(change(desk, list_id, ids, Klaviyo::add)?.len() as u64)
}

/// Adds or removes; an id whose profile was deleted refuses the whole call, and is left out of the next try. Those ids.
fn change(
    desk: Desk<'_>,
    list_id: &str,
    ids: &[String],
    call: fn(&Klaviyo, &str, &[String]) -> Result<(), KlaviyoError>,
) -> Result<Vec<String>, ListError> {
    let mut ids = ids.to_vec();
    let mut gone = Vec::new();
    while !ids.is_empty() {
        let error = match call(desk.klaviyo, list_id, &ids) {
            Ok(()) => break,
            Err(error) => error,
        };
        let Some(problem) = error.refusal() else {
            return Err(error.into());
        };
        let mut places: Vec<usize> = problem
            .pointers
            .iter()
            .filter_map(|pointer| place(pointer))
            .collect();
        places.retain(|place| *place < ids.len());
        places.sort_unstable_by(|a, b| b.cmp(a));
        places.dedup();
        if places.is_empty() {
            if matches!(desk.klaviyo.list(list_id), Ok(None)) {
                return Err(ListError::Vanished {
                    id: list_id.to_owned(),
                });
            }
            // It does not say who it is: halves tell.
            if let [id] = &ids[..] {
                if desk.klaviyo.has_profile(id)? {
                    return Err(error.into());
                }
                gone.append(&mut ids);
            } else {
                let others = ids.split_off(ids.len() / 2);
                gone.extend(change(desk, list_id, &ids, call)?);
                gone.extend(change(desk, list_id, &others, call)?);
                break;
            }
        }
        gone.extend(places.into_iter().map(|place| ids.remove(place)));
    }
    if !gone.is_empty() {
        tracing::warn!(
            "{} of the profiles were deleted in Klaviyo in the meantime",
            gone.len()
        );
    }
    Ok(gone)
}

/// `/data/7/id` is 7.
fn place(pointer: &str) -> Option<usize> {
    pointer
        .strip_prefix("/data/")?
        .split('/')
        .next()?
        .parse()
        .ok()
}

fn ids_in(path: &Path) -> Result<Vec<String>, StateError> {
    let mut ids = Vec::new();
    each_person(&[path.to_owned()], |_, person| {
        ids.push(person.id.clone());
        Ok(true)
    })?;
    Ok(ids)
}

/// Opens `removed.csv`, cut back to what is noted of it.
fn open_removed(run_directory: &Path, bytes: u64) -> Result<AppendLog, StateError> {
    let mut removed = AppendLog::open_at(run_directory.join(REMOVED), bytes)?;
    if bytes == 0 {
        removed.append(b"id\n")?;
    }
    Ok(removed)
}

/// Ids as lines of `removed.csv`.
fn lines<'a>(ids: impl Iterator<Item = &'a String>) -> Vec<u8> {
    ids.flat_map(|id| [id.as_bytes(), b"\n"])
        .flatten()
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_limit_strikes_and_no_removal_does_not() {
        let guard = Guard::Limit(MaxRemovals {
            percent: 5.0,
            members: 10,
        });
        let strikes = |removals, of| guard.check(removals, of, "r").is_err();
        assert!(strikes(10, 1_000_000) && strikes(1, 20) && strikes(1, 0));
        let all = Guard::Limit(MaxRemovals {
            percent: 100.0,
            members: 10,
        });
        assert!(all.check(9, 9, "r").is_ok() && all.check(10, 10, "r").is_err());
        assert!(!strikes(9, 1_000_000) && !strikes(0, 0) && !strikes(4, 100));
        assert!(Guard::Approved.check(1_000, 1_000, "r").is_ok());
    }
}
