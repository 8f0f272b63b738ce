//! Attach by profile ids: wait until the profiles exist, look them up, add them.

use std::time::{Duration, Instant};

use super::journal::JournalEntry;
use super::ledger::Ledger;
use super::rejects::Reject;
use super::resolve::resolve;
use super::rows::{Person, RowFile, each_person};
use super::{Desk, ListError, removal};
use crate::base::meter::ListStep;
use crate::klaviyo::MAX_CHANGES;
use crate::state::manifest::StateError;

/// Profiles that are looked at again and again until all of them exist.
const SAMPLE: u64 = 100;
/// The number of rows up to which all are looked up, even when none of the sample is there.
const FEW: u64 = 1_000;
/// Between two looks, on the server's clock: at first, and at the most.
const LOOK: Duration = Duration::from_secs(5);
const LONGEST_LOOK: Duration = Duration::from_mins(1);

/// Someone who had no profile when it was looked.
struct MissingPerson {
    part: u32,
    row: u64,
    person: Person,
}

/// Puts everybody in `files` on the list who has a profile, and waits for profiles `wait` at most. Who has none then stands
/// in `attach-rejects.csv`. `rows` is how many there are.
pub fn attach_members(
    desk: Desk<'_>,
    files: &[RowFile],
    rows: u64,
    list_id: &str,
    wait: Duration,
    ledger: &mut Ledger,
) -> Result<(), ListError> {
    if ledger.is_attached() {
        return Ok(());
    }
    let until = Instant::now() + wait;
    wait_for_sample(desk, files, rows, until, wait)?;
    desk.meter.list.begin(ListStep::Adding, rows);
    let mut unresolved = add_all(desk, files, list_id, ledger)?;
    let mut look = LOOK;
    while !unresolved.is_empty() && Instant::now() < until {
        desk.klaviyo
            .pause(look.min(until.saturating_duration_since(Instant::now())))?;
        look = (look * 2).min(LONGEST_LOOK);
        unresolved = add_late(desk, unresolved, list_id)?;
    }
    let rejects = unresolved.iter().map(|it| Reject {
        person: &it.person,
        reason: "unresolved",
        detail: "no profile has one of these identifiers",
        part: it.part,
        row: it.row,
    });
    let missing = unresolved.len() as u64;
    Ok(ledger.attached(rows.saturating_sub(missing), missing, rejects)?)
}

/// Waits until every profile of a sample over all rows exists.
fn wait_for_sample(
    desk: Desk<'_>,
    files: &[RowFile],
    rows: u64,
    until: Instant,
    wait: Duration,
) -> Result<(), ListError> {
    let paths: Vec<_> = files.iter().map(|file| file.path.clone()).collect();
    let step = (rows / SAMPLE).max(1);
    let mut sample = Vec::new();
    each_person(&paths, |number, person| {
        // The last row is imported last.
        if number % step == 0 || number + 1 == rows {
            sample.push(person.clone());
        }
        Ok(true)
    })?;
    let total = sample.len() as u64;
    desk.meter.list.begin(ListStep::WaitingForProfiles, total);
    let mut look = LOOK;
    loop {
        let missing = resolve(desk, &sample)?.missing;
        sample = missing
            .into_iter()
            .map(|place| std::mem::take(&mut sample[place]))
            .collect();
        desk.meter.list.go_on(total - sample.len() as u64);
        let left = until.saturating_duration_since(Instant::now());
        if sample.is_empty() {
            return Ok(());
        }
        if left.is_zero() {
            // Of a large audience: looking everybody up would take long, and find nobody.
            let nobody = sample.len() as u64 == total && rows >= FEW;
            return if nobody {
                Err(ListError::NotImported {
                    sample: total,
                    after: wait,
                })
            } else {
                Ok(())
            };
        }
        desk.klaviyo.pause(look.min(left))?;
        look = (look * 2).min(LONGEST_LOOK);
    }
}

/// Goes over all rows once, a thousand by a call. Those without a profile.
fn add_all(
    desk: Desk<'_>,
    files: &[RowFile],
    list_id: &str,
    ledger: &mut Ledger,
) -> Result<Vec<MissingPerson>, ListError> {
    let mut unresolved = Vec::new();
    let added = ledger.added();
    for file in files {
        let part = file.part.0;
        let known = added.get(&part);
        let mut chunk: Vec<Person> = Vec::new();
        let mut first = 1;
        let mut failure = None;
        let mut flush = |chunk: &mut Vec<Person>, first: &mut u64, ledger: &mut Ledger| {
            let rows = chunk.len() as u64;
            if rows > 0 {
                let resolved = resolve(desk, chunk)?;
                // Of a chunk that an earlier process added, those without a profile are looked for again.
                let missing = resolved.missing.iter().map(|place| MissingPerson {
                    part,
                    row: *first + *place as u64,
                    person: chunk[*place].clone(),
                });
                unresolved.extend(missing);
                let found = rows - resolved.missing.len() as u64;
                // Some may have come since an earlier process added this chunk.
                if known.is_none_or(|known| known.get(first) != Some(&(rows, found))) {
                    let ids: Vec<String> = resolved
                        .members
                        .into_iter()
                        .map(|member| member.id)
                        .collect();
                    for ids in ids.chunks(MAX_CHANGES) {
                        removal::add_those_that_exist(desk, list_id, ids)?;
                    }
                    ledger.note(JournalEntry::Added {
                        part,
                        first: *first,
                        rows,
                        found,
                    })?;
                }
                desk.meter.list.done.add(rows);
                *first += rows;
                chunk.clear();
            }
            Ok::<_, ListError>(())
        };
        each_person(std::slice::from_ref(&file.path), |_, person| {
            chunk.push(person.clone());
            if chunk.len() < MAX_CHANGES {
                return Ok(true);
            }
            match flush(&mut chunk, &mut first, ledger) {
                Ok(()) => Ok(true),
                Err(error) => {
                    failure = Some(error);
                    Ok::<_, StateError>(false)
                }
            }
        })?;
        if let Some(error) = failure {
            return Err(error);
        }
        file.check(first - 1 + chunk.len() as u64)?;
        flush(&mut chunk, &mut first, ledger)?;
    }
    Ok(unresolved)
}

/// Looks once more for those who had no profile; who still has none.
fn add_late(
    desk: Desk<'_>,
    unresolved: Vec<MissingPerson>,
    list_id: &str,
) -> Result<Vec<MissingPerson>, ListError> {
    let mut still = Vec::new();
    let mut rest = unresolved;
    while !rest.is_empty() {
        let others = rest.split_off(rest.len().min(MAX_CHANGES));
        let people: Vec<Person> = rest.iter().map(|it| it.person.clone()).collect();
        let resolved = resolve(desk, &people)?;
        let ids: Vec<String> = resolved
            .members
            .into_iter()
            .map(|member| member.id)
            .collect();
        if !ids.is_empty() {
            removal::add_those_that_exist(desk, list_id, &ids)?;
        }
        let missing: std::collections::HashSet<usize> = resolved.missing.into_iter().collect();
        let kept = rest
            .into_iter()
            .enumerate()
            .filter(|(place, _)| missing.contains(place));
        still.extend(kept.map(|(_, it)| it));
        rest = others;
    }
    Ok(still)
}
