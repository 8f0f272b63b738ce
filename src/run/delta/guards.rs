//! The guards on what has changed: before anything is sent.

use crate::job::{DeltaSettings, Job};
use crate::run::error::Error;
use crate::run::report::{count, grouped};
use crate::state::counts::{Counts, DeltaCounts};
use crate::state::manifest::{DeltaRecord, RunManifest};

/// Refuses a list that is not the one with which the rows were compared: those that are not sent would not be put on it.
pub(in crate::run) fn check_list(manifest: &RunManifest, list_id: &str) -> Result<(), Error> {
    let record = manifest.delta.as_ref().filter(|record| !record.is_full());
    match record.and_then(|record| record.list_id.as_deref()) {
        Some(known) if known != list_id => Err(Error::OtherList {
            run_id: manifest.run_id.clone(),
        }),
        _ => Ok(()),
    }
}

/// The guards on what was compared: an error where nothing may be sent.
pub(in crate::run) fn guard(job: &Job, manifest: &RunManifest) -> Result<(), Error> {
    let (Some(settings), Some(record), Some(counts)) =
        (&job.delta, &manifest.delta, &manifest.counts)
    else {
        return Ok(());
    };
    match verdict(settings, record, counts) {
        Some(verdict) if !record.approved && manifest.limit.is_none() => Err(Error::Guarded {
            run_id: manifest.run_id.clone(),
            verdict,
        }),
        _ => Ok(()),
    }
}

/// The guard that a comparison strikes, in words.
pub(super) fn verdict(
    settings: &DeltaSettings,
    record: &DeltaRecord,
    counts: &Counts,
) -> Option<String> {
    let DeltaCounts {
        rows_before,
        rows_new,
        rows_again,
        ..
    } = counts.compared?;
    let rows = counts.rows_good();
    let fewer = rows_before.saturating_sub(rows);
    // A hundred percent is no limit.
    let reaches = |part: u64, whole: u64, percent: f64| {
        part > 0 && percent < 100.0 && part as f64 * 100.0 >= whole as f64 * percent
    };
    if reaches(fewer, rows_before, settings.max_shrink.percent) {
        return Some(format!(
            "the audience has {} and had {} in the last run: {} fewer, and max-shrink allows less than {} %",
            count(rows, "row"),
            grouped(rows_before),
            grouped(fewer),
            settings.max_shrink.percent
        ));
    }
    // Nothing has changed in a row that is sent again because a run was not done.
    let sent = counts.rows_written.saturating_sub(rows_again);
    let limits = settings.max_changed;
    if !record.is_full() && (reaches(sent, rows, limits.percent) || sent >= limits.rows) {
        return Some(format!(
            "{} of {} are new or changed ({} new), and max-changed allows less than {} % and less than {}",
            grouped(sent),
            count(rows, "row"),
            grouped(rows_new),
            limits.percent,
            count(limits.rows, "row")
        ));
    }
    None
}
