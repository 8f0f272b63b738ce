//! Import jobs: handed over side by side, waited for, and their errors read.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded};

use super::batch::{ProfileBatch, each_batch};
use super::journal::ImportBatch;
use super::ledger::Ledger;
use super::rejects::Reject;
use super::rows::{Person, RowFile};
use super::{Desk, ListError};
use crate::base::meter::ListStep;
use crate::klaviyo::{ImportError, ImportJob, JobStatus, KlaviyoError, PROFILES_POINTER};

/// Jobs on their way at once: enough that the limit of 150 a minute is what counts, and not how long an answer takes.
const AT_ONCE: usize = 4;
/// The shortest and the longest between two looks at jobs, on the server's clock.
const LOOK: Duration = Duration::from_millis(500);
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// The time without a finished job after which the wait is given up.
const PATIENCE: Duration = Duration::from_hours(6);

/// Imports the rows of `files`, and puts them on the list; what an earlier process did is not done again. Rows that Klaviyo
/// refuses stand in `attach-rejects.csv`. `rows` is how many there are.
pub fn import(
    desk: Desk<'_>,
    files: &[RowFile],
    rows: u64,
    list_id: Option<&str>,
    ledger: &mut Ledger,
) -> Result<(), ListError> {
    if ledger.is_attached() {
        return Ok(());
    }
    submit(desk, files, rows, list_id, ledger)?;
    wait(desk, ledger)
}

fn submit(
    desk: Desk<'_>,
    files: &[RowFile],
    rows_in: u64,
    list_id: Option<&str>,
    ledger: &mut Ledger,
) -> Result<(), ListError> {
    let accepted = ledger.accepted();
    let done = accepted.values().flat_map(|rows| rows.values()).sum();
    desk.meter.list.begin(ListStep::Importing, rows_in);
    desk.meter.list.go_on(done);
    let (ledger, failure) = (Mutex::new(ledger), Mutex::new(None));
    let fail = |error: ListError| {
        failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get_or_insert(error);
    };
    let failed = || {
        failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
    };
    let read = std::thread::scope(|scope| {
        let (give, take) = bounded::<ProfileBatch>(0);
        for _ in 0..AT_ONCE {
            let take: Receiver<ProfileBatch> = take.clone();
            let (ledger, fail, failed) = (&ledger, &fail, &failed);
            scope.spawn(move || {
                for batch in take {
                    if failed() {
                        break;
                    }
                    if let Err(error) = hand_over(desk, batch, list_id, ledger) {
                        fail(error);
                        break;
                    }
                }
            });
        }
        drop(take);
        each_batch(files, &accepted, |batch| {
            !failed() && give.send(batch).is_ok()
        })
    });
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(read?),
    }
}

/// One batch, without those whom Klaviyo points at: one invalid address would refuse all of them.
fn hand_over(
    desk: Desk<'_>,
    mut batch: ProfileBatch,
    list_id: Option<&str>,
    ledger: &Mutex<&mut Ledger>,
) -> Result<(), ListError> {
    let too_large = std::mem::take(&mut batch.too_large);
    let mut dropped: Vec<(u64, Person, String, String)> = too_large
        .into_iter()
        .map(|(row, person)| (row, person, "profile-too-large".to_owned(), String::new()))
        .collect();
    let job = loop {
        if batch.profiles.is_empty() {
            // Nothing is left to hand over; that it is settled is noted with the job that never was.
            break String::new();
        }
        match desk.klaviyo.import(batch.body(list_id).into()) {
            Ok(job) => break job,
            Err(error) => {
                let Some(problem) = error.refusal() else {
                    return Err(error.into());
                };
                let mut places: Vec<(usize, &str)> = problem
                    .pointers
                    .iter()
                    .filter_map(|pointer| Some((place(pointer)?, pointer.as_str())))
                    .filter(|(index, _)| *index < batch.profiles.len())
                    .collect();
                if places.is_empty() {
                    return Err(gone(desk, list_id, error));
                }
                // From the end, so that the places before stay what they are.
                places.sort_by(|a, b| b.cmp(a));
                places.dedup_by_key(|(index, _)| *index);
                for (index, pointer) in places {
                    if let Some((row, person)) = batch.take_out(index) {
                        dropped.push((
                            row,
                            person,
                            problem.code.clone(),
                            within(pointer).to_owned(),
                        ));
                    }
                }
            }
        }
    };
    dropped.sort_by_key(|(row, ..)| *row);
    let accepted = ImportBatch {
        part: batch.part,
        first: batch.first,
        rows: batch.rows,
        dropped: dropped.iter().map(|(row, ..)| *row).collect(),
        job: job.clone(),
        rejects_bytes: 0,
    };
    let mut ledger = ledger.lock().unwrap_or_else(PoisonError::into_inner);
    let part = batch.part;
    let rejects = dropped.iter().map(|(row, person, reason, detail)| Reject {
        person,
        reason,
        detail,
        part,
        row: *row,
    });
    ledger.accept(accepted, rejects)?;
    if job.is_empty() {
        ledger.settle(job, 0, [])?;
    }
    desk.meter.list.done.add(batch.rows);
    Ok(())
}

/// A refusal that points at no profile: the list may be gone.
pub(super) fn gone(desk: Desk<'_>, list_id: Option<&str>, error: KlaviyoError) -> ListError {
    match list_id {
        Some(id) if error.refusal().is_some() && matches!(desk.klaviyo.list(id), Ok(None)) => {
            ListError::Vanished { id: id.to_owned() }
        }
        _ => error.into(),
    }
}

/// The place of the profile that a pointer names.
fn place(pointer: &str) -> Option<usize> {
    let rest = pointer.strip_prefix(PROFILES_POINTER)?.strip_prefix('/')?;
    rest.split('/').next()?.parse().ok()
}

/// The part of a profile that a pointer names.
fn within(pointer: &str) -> &str {
    let rest = pointer
        .strip_prefix(PROFILES_POINTER)
        .unwrap_or(pointer)
        .trim_start_matches('/');
    rest.split_once('/').map_or("", |(_, within)| within)
}

/// Waits until every accepted job is complete, and reads the errors of those that have some.
fn wait(desk: Desk<'_>, ledger: &mut Ledger) -> Result<(), ListError> {
    let mut pending = ledger.pending();
    if pending.is_empty() {
        return Ok(());
    }
    let rows = |pending: &HashMap<String, ImportBatch>| {
        pending.values().map(|batch| batch.rows).sum::<u64>()
    };
    let mut left = rows(&pending);
    desk.meter.list.begin(ListStep::WaitingForJobs, left);
    let begun = Instant::now();
    let mut last = Instant::now();
    loop {
        for job in look_at(desk, &pending)? {
            match job.status {
                JobStatus::UnderWay => {}
                JobStatus::Cancelled => return Err(ListError::Cancelled { job: job.id }),
                JobStatus::Complete => {
                    if let Some(batch) = pending.remove(&job.id) {
                        settle(desk, job, &batch, ledger)?;
                        desk.meter.list.done.add(batch.rows);
                    }
                }
            }
        }
        let now = rows(&pending);
        if pending.is_empty() {
            return Ok(());
        }
        if now < left {
            last = Instant::now();
        } else if last.elapsed() >= PATIENCE {
            return Err(ListError::Unfinished {
                profiles: now,
                after: PATIENCE,
            });
        }
        left = now;
        // What is waited too long is a tenth of what was waited anyway.
        let waited = begun.elapsed() * desk.klaviyo.settings().speed;
        desk.klaviyo
            .pause((waited / 10).clamp(LOOK, LONGEST_LOOK))?;
    }
}

/// How far the pending jobs are. Many are told by one page of the account's newest; one that is not on these is asked for.
fn look_at(
    desk: Desk<'_>,
    pending: &HashMap<String, ImportBatch>,
) -> Result<Vec<ImportJob>, ListError> {
    let mut found = Vec::new();
    let mut pages = pending.len() / 100 + 5;
    if pending.len() > 1 {
        desk.klaviyo.newest_jobs(|page| {
            found.extend(page.into_iter().filter(|job| pending.contains_key(&job.id)));
            pages = pages.saturating_sub(1);
            found.len() < pending.len() && pages > 0
        })?;
    }
    if found.len() < pending.len() {
        let known: std::collections::HashSet<String> =
            found.iter().map(|job| job.id.clone()).collect();
        for id in pending.keys().filter(|id| !known.contains(*id)) {
            match desk.klaviyo.job(id) {
                Ok(job) => found.push(job),
                // Klaviyo keeps what it knows of a job for seven days (facts B4): it is over, and its errors are not known.
                Err(KlaviyoError::NotFound { .. }) => {
                    tracing::warn!(
                        "Klaviyo does not know the import job {id} any more: its errors cannot be read"
                    );
                    found.push(ImportJob {
                        id: id.clone(),
                        status: JobStatus::Complete,
                        failed: 0,
                    });
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(found)
}

fn settle(
    desk: Desk<'_>,
    job: ImportJob,
    batch: &ImportBatch,
    ledger: &mut Ledger,
) -> Result<(), ListError> {
    let errors = if job.failed > 0 {
        desk.klaviyo.import_errors(&job.id)?
    } else {
        Vec::new()
    };
    // One profile may have several errors.
    let failed = job.failed;
    let persons: Vec<(Person, &ImportError, u64)> = errors
        .iter()
        .map(|error| {
            let person = Person {
                id: String::new(),
                email: error.email.clone(),
                phone_number: error.phone_number.clone(),
                external_id: error.external_id.clone(),
            };
            let row = place(&error.pointer).map_or(0, |index| row_at(batch, index));
            (person, error, row)
        })
        .collect();
    let rejects = persons.iter().map(|(person, error, row)| Reject {
        person,
        reason: &error.code,
        detail: within(&error.pointer),
        part: batch.part,
        row: *row,
    });
    Ok(ledger.settle(job.id, failed, rejects)?)
}

/// The row of the profile at `index` of the body, from which some rows were dropped.
fn row_at(batch: &ImportBatch, index: usize) -> u64 {
    let sent = (batch.first..batch.first + batch.rows).filter(|row| !batch.dropped.contains(row));
    sent.into_iter().nth(index).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_name_places_and_places_rows() {
        let pointer = "/data/attributes/profiles/data/7/attributes/email";
        assert_eq!(
            (place(pointer), within(pointer)),
            (Some(7), "attributes/email")
        );
        assert_eq!(place("/data/relationships/lists/data/0/id"), None);
        let batch = ImportBatch {
            part: 1,
            first: 11,
            rows: 5,
            dropped: vec![12],
            job: String::new(),
            rejects_bytes: 0,
        };
        assert_eq!(
            [0, 1, 3, 4].map(|index| row_at(&batch, index)),
            [11, 13, 15, 0]
        );
    }
}
