//! The guard on drift: the counts of a run against the median of the last runs of the job that delivered.
//!
//! A run that a person has approved of is a second measure: what is like it, and like the runs since, is no drift. A legitimate
//! change of level is approved of once, and not in each of the nights until the median has followed.

mod band;
mod measures;

use std::collections::{BTreeMap, BTreeSet};

use crate::job::guard::{LEAST_RUNS, MaxDrift};
use crate::job::{GuardSection, Job};
use crate::run::error::Error;
use crate::run::history::median;
use crate::state::directory::JobDirectory;
use crate::state::drift::{Drift, DriftCount, DriftLimit, DriftRecord};
use crate::state::manifest::{RunManifest, RunStatus, read_manifest};

pub(crate) use band::GuardBands;
pub(crate) use measures::{LookTally, Measures};

/// Fewer rows or cells more or less are never drift, whatever the limit.
const LEAST_ROWS: f64 = 10.0;
/// Rejected rows are drift only if there are more of them by at least this share of the rows read.
const LEAST_REJECTED_SHARE: f64 = 0.001;
/// Blank cells of a column are drift only if their share has grown by so many percent of all its cells.
const LEAST_BLANK_PERCENT: f64 = 2.0;

/// An earlier run that delivered.
#[derive(Debug, Clone)]
struct EarlierRun {
    measures: Measures,
    is_approved: bool,
    job_fingerprint: String,
}

/// The medians of some earlier runs.
struct Medians {
    runs: usize,
    rows: f64,
    rejected: f64,
    /// The share of blank cells in the columns that each of the runs had.
    blank: BTreeMap<String, f64>,
    /// The rows of a run.
    rows_with_cells: f64,
}

/// The guard of a job, and the runs that a run is compared with.
pub(crate) struct DriftGuard<'a> {
    settings: &'a GuardSection,
    job_fingerprint: &'a str,
    /// The last first.
    earlier: Vec<EarlierRun>,
}

impl<'a> DriftGuard<'a> {
    /// The guard for the run `current` of the job, whose runs are in `state`. `None` where the job has no guard, or too few
    /// runs have delivered.
    pub(crate) fn new(job: &'a Job, state: &JobDirectory, current: Option<&str>) -> Option<Self> {
        let settings = job.guard.as_ref()?;
        let mut ids = state.run_ids().unwrap_or_default();
        ids.retain(|id| Some(id.as_str()) != current);
        let earlier: Vec<_> = ids
            .iter()
            .rev()
            .filter_map(|id| earlier_run(state, id))
            .take(settings.against_last)
            .collect();
        let guard = Self {
            settings,
            job_fingerprint: &job.fingerprint,
            earlier,
        };
        (!guard.measures().is_empty()).then_some(guard)
    }

    /// Whether a run that has drifted stops: nothing may be sent before its counts are known.
    pub(super) fn stops(&self) -> bool {
        self.settings.stops()
    }

    /// The runs by which a run is judged: the last ones; and those since a person approved of one.
    fn measures(&self) -> Vec<Medians> {
        let all = (self.earlier.len() >= LEAST_RUNS).then(|| Medians::of(&self.earlier));
        let approved = self.earlier.iter().position(|run| run.is_approved);
        let since = approved.map(|last| Medians::of(&self.earlier[..=last]));
        all.into_iter().chain(since).collect()
    }

    /// The counts of `now` that are beyond the limits, by each of the measures.
    pub(crate) fn judge(&self, now: &Measures) -> DriftRecord {
        let measures = self.measures();
        let limits = &self.settings.max_drift;
        let mut found: Vec<Drift> = Vec::new();
        for (place, usual) in measures.iter().enumerate() {
            let beyond = usual.beyond(now, limits, self.may_be_gone());
            if place == 0 {
                found = beyond;
            } else {
                let is_beyond = |drift: &Drift| {
                    let mut beyond = beyond.iter();
                    beyond.any(|it| it.count == drift.count && it.column == drift.column)
                };
                found.retain(is_beyond);
            }
        }
        DriftRecord {
            runs: measures.first().map_or(0, |usual| usual.runs),
            approved: false,
            found,
        }
    }

    /// Whether a column that is not there is missing: the job still names the same ones.
    fn may_be_gone(&self) -> bool {
        let last = self.earlier.first();
        last.is_some_and(|last| last.job_fingerprint == self.job_fingerprint)
    }
}

/// The run of this id, if it delivered the whole audience. One whose manifest cannot be read says nothing.
fn earlier_run(state: &JobDirectory, id: &str) -> Option<EarlierRun> {
    let manifest = read_manifest(&state.run(id).manifest()).ok()?;
    let counts = manifest.counts.as_ref().filter(|_| manifest.formatted)?;
    let delivered = manifest.status == RunStatus::Done && !manifest.is_trial();
    delivered.then(|| EarlierRun {
        measures: Measures::of(counts),
        is_approved: manifest.drift.as_ref().is_some_and(|it| it.approved),
        job_fingerprint: manifest.job_fingerprint.clone(),
    })
}

impl Medians {
    /// The medians of these runs, of which there is one at least.
    fn of(runs: &[EarlierRun]) -> Self {
        let middle = |numbers| median(numbers).unwrap_or_default();
        let measures = || runs.iter().map(|run| &run.measures);
        let headers: BTreeSet<&String> = measures().flat_map(|it| it.blank.keys()).collect();
        let blank = headers.into_iter().filter_map(|header| {
            // A run without a row says nothing of columns.
            let with_cells = measures().filter(|it| it.rows_with_cells > 0.0);
            let shares: Option<Vec<f64>> =
                with_cells.map(|it| it.blank.get(header).copied()).collect();
            Some((header.clone(), middle(shares?)))
        });
        Self {
            runs: runs.len(),
            rows: middle(measures().filter_map(|it| it.rows).collect()),
            rejected: middle(measures().filter_map(|it| it.rejected).collect()),
            blank: blank.collect(),
            rows_with_cells: middle(measures().map(|it| it.rows_with_cells).collect()),
        }
    }

    /// The counts of `now` that are further from these medians than `limits` allow.
    fn beyond(&self, now: &Measures, limits: &MaxDrift, may_be_gone: bool) -> Vec<Drift> {
        let mut found = Vec::new();
        let drift = |count, value: f64, median, limit| Drift {
            count,
            column: None,
            value: Some(value),
            median: Some(median),
            limit,
            runs: self.runs,
        };
        if let Some(rows) = now.rows
            && is_other(rows, self.rows, limits.rows)
        {
            found.push(drift(DriftCount::Rows, rows, self.rows, limits.rows));
        }
        if let Some(rejected) = now.rejected
            && let Some(factor) = limits.rejected.factor()
        {
            let more = rejected - self.rejected;
            let least = LEAST_ROWS.max(now.rows.unwrap_or(0.0) * LEAST_REJECTED_SHARE);
            if more >= least && rejected > self.rejected * factor {
                let limit = limits.rejected;
                found.push(drift(DriftCount::Rejected, rejected, self.rejected, limit));
            }
        }
        let Some(factor) = limits.blank.factor() else {
            return found;
        };
        for (header, median) in &self.blank {
            let of_column = |drift: Drift| Drift {
                column: Some(header.clone()),
                ..drift
            };
            match now.blank.get(header) {
                Some(share) if is_blanker(*share, *median, factor, now.rows_with_cells) => {
                    let blank = drift(DriftCount::Blank, *share, *median, limits.blank);
                    found.push(of_column(blank));
                }
                None if may_be_gone && now.rows_with_cells > 0.0 && self.rows_with_cells > 0.0 => {
                    found.push(of_column(Drift {
                        value: None,
                        median: None,
                        ..drift(DriftCount::Gone, 0.0, 0.0, limits.blank)
                    }));
                }
                _ => {}
            }
        }
        found
    }
}

/// Whether `rows` is more than `limit` away from `median`, up or down.
fn is_other(rows: f64, median: f64, limit: DriftLimit) -> bool {
    if median <= 0.0 || (rows - median).abs() < LEAST_ROWS {
        return false;
    }
    match limit {
        DriftLimit::Off => false,
        DriftLimit::Percent(percent) => (rows - median).abs() * 100.0 > median * percent,
        DriftLimit::Times(times) => rows > median * times || rows * times < median,
    }
}

/// Whether so many more cells are blank: `factor` times the usual share, or so many times fewer cells are filled.
fn is_blanker(share: f64, median: f64, factor: f64, rows: f64) -> bool {
    let more = share - median;
    let is_seen = more >= LEAST_BLANK_PERCENT && more * rows >= LEAST_ROWS * 100.0;
    let is_empty = (100.0 - share) * factor < 100.0 - median;
    is_seen && (share > median * factor || is_empty)
}

/// How the run of `manifest` compares, once all its rows were read; `None` where it is not judged: a trial, and an audience
/// without a row, of which `on-empty` decides.
pub(super) fn record(
    guard: Option<&DriftGuard<'_>>,
    manifest: &RunManifest,
) -> Option<DriftRecord> {
    let is_whole = manifest.formatted && manifest.limit.is_none();
    let counts = manifest.counts.as_ref().filter(|_| is_whole);
    let counts = counts.filter(|counts| counts.rows_good() > 0)?;
    let approved = manifest.drift.as_ref().is_some_and(|it| it.approved);
    let judged = guard?.judge(&Measures::of(counts));
    Some(DriftRecord { approved, ..judged })
}

/// The error of a run that has drifted and may not deliver.
pub(super) fn check(job: &Job, manifest: &RunManifest) -> Result<(), Error> {
    let stops = job.guard.as_ref().is_some_and(GuardSection::stops);
    let record = manifest.drift.as_ref().filter(|it| stops && !it.approved);
    match record.and_then(DriftRecord::words) {
        Some(verdict) => Err(Error::Drifted {
            run_id: manifest.run_id.clone(),
            verdict,
        }),
        None => Ok(()),
    }
}

/// The note on a run that has drifted, where that is not its error.
pub(super) fn note(job: &Job, manifest: &RunManifest) -> Option<String> {
    let record = manifest.drift.as_ref()?;
    let verdict = record.words()?;
    let stops = job.guard.as_ref().is_some_and(GuardSection::stops);
    match (record.approved, stops) {
        (true, _) => Some(format!("approved drift: {verdict}")),
        (false, false) => Some(format!("drift: {verdict}")),
        (false, true) if manifest.dry_run => Some(format!(
            "a run would stop before anything is sent: {verdict}"
        )),
        (false, true) => None,
    }
}

/// The note on the rows of a look at the audience that have drifted.
pub(crate) fn note_of_look(job: &Job, now: &Measures) -> Option<String> {
    let state = job.state().ok()?;
    let guard = DriftGuard::new(job, &state, None)?;
    let verdict = guard.judge(now).words()?;
    let rows = if now.rows.is_some() {
        ""
    } else {
        " of the rows that were read"
    };
    Some(if guard.stops() {
        format!("drift{rows}, a run would stop before anything is sent: {verdict}")
    } else {
        format!("drift{rows}: {verdict}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::counts::Counts;

    pub(super) fn run(rows: u64, rejected: u64, blank: &[(&str, u64)]) -> EarlierRun {
        let blank_cells: BTreeMap<String, u64> = blank
            .iter()
            .map(|(header, cells)| ((*header).to_owned(), *cells))
            .collect();
        let counts = Counts {
            rows_read: rows,
            rows_rejected: rejected,
            blank_cells,
            ..Counts::default()
        };
        EarlierRun {
            measures: Measures::of(&counts),
            is_approved: false,
            job_fingerprint: "f".to_owned(),
        }
    }

    /// The drift of `now`, by the default limits.
    fn found(earlier: &[EarlierRun], now: &EarlierRun) -> Vec<String> {
        let settings = GuardSection::default();
        let guard = DriftGuard {
            settings: &settings,
            job_fingerprint: &now.job_fingerprint,
            earlier: earlier.to_vec(),
        };
        let record = guard.judge(&now.measures);
        let name = |drift: &Drift| {
            format!(
                "{:?} {}",
                drift.count,
                drift.column.as_deref().unwrap_or("-")
            )
        };
        record.found.iter().map(name).collect()
    }

    #[test]
    fn each_count_has_its_limit_and_small_numbers_are_no_drift() {
        let earlier: Vec<_> = [900, 1_000, 1_200]
            .map(|rows| {
                run(
                    rows,
                    8,
                    &[("City", rows / 50), ("Tier", rows * 2 / 5), ("Name", 0)],
                )
            })
            .to_vec();
        let usual = |rows| {
            run(
                rows,
                8,
                &[("City", rows / 50), ("Tier", rows * 2 / 5), ("Name", 0)],
            )
        };
        let none: [&str; 0] = [];
        for rows in [701, 1_000, 1_300] {
            assert_eq!(found(&earlier, &usual(rows)), none, "{rows}");
        }
        for rows in [10, 699, 1_301] {
            assert_eq!(found(&earlier, &usual(rows)), ["Rows -"], "{rows}");
        }
        let with = |rejected, city, tier, name| {
            run(
                1_000,
                rejected,
                &[("City", city), ("Tier", tier), ("Name", name)],
            )
        };
        for (now, expected) in [
            // From 8 to 24: three times is not more than three times. From 8 to 17: 9 rows.
            (with(24, 20, 400, 0), &[][..]),
            (with(25, 20, 400, 0), &["Rejected -"]),
            // From 2 % to 6 %, then a cell more; and with fewer.
            (with(8, 59, 400, 0), &[]),
            (with(8, 65, 400, 0), &["Blank City"]),
            (with(8, 0, 0, 0), &[]),
            // 60 % were filled: with less than 20 %, and with 20 %.
            (with(8, 20, 780, 0), &[]),
            (with(8, 20, 810, 0), &["Blank Tier"]),
            // From nothing: by less than two percent, and by more.
            (with(8, 20, 400, 19), &[]),
            (with(8, 20, 400, 21), &["Blank Name"]),
        ] {
            assert_eq!(found(&earlier, &now), expected, "{now:?}");
        }
        // Rejected rows of a large audience: a tenth of a percent of it.
        let large: Vec<_> = (0..3).map(|_| run(2_000_000, 5, &[])).collect();
        assert_eq!(found(&large, &run(2_000_000, 2_000, &[])), none);
        assert_eq!(found(&large, &run(2_000_000, 2_006, &[])), ["Rejected -"]);
        // Few rows: nine more or less say nothing.
        let small: Vec<_> = (0..3).map(|_| run(12, 1, &[("City", 0)])).collect();
        assert_eq!(found(&small, &run(3, 4, &[("City", 3)])), none);
        assert_eq!(found(&small, &run(22, 11, &[("City", 11)])).len(), 3);
    }

    #[test]
    fn a_new_column_is_not_judged_and_one_that_is_gone_is_missed_unless_the_job_has_changed() {
        let earlier: Vec<_> = (0..3)
            .map(|_| run(100, 0, &[("City", 0), ("Tier", 0)]))
            .collect();
        let now = run(100, 0, &[("City", 0), ("New", 100)]);
        assert_eq!(found(&earlier, &now), ["Gone Tier"]);
        let other = EarlierRun {
            job_fingerprint: "g".to_owned(),
            ..now.clone()
        };
        assert_eq!(found(&earlier, &other), [""; 0]);
        // Not all of the runs had it.
        let mut earlier = earlier;
        earlier[1] = run(100, 0, &[("City", 0)]);
        assert_eq!(found(&earlier, &now), [""; 0]);
    }

    #[test]
    fn an_approved_run_is_a_second_measure() {
        let mut earlier: Vec<_> = (0..10).map(|_| run(1_000, 0, &[])).collect();
        earlier.insert(
            0,
            EarlierRun {
                is_approved: true,
                ..run(500, 0, &[])
            },
        );
        assert_eq!(found(&earlier, &run(480, 0, &[])), [""; 0]);
        assert_eq!(found(&earlier, &run(1_000, 0, &[])), [""; 0]);
        assert_eq!(found(&earlier, &run(300, 0, &[])), ["Rows -"]);
        // It is enough alone: a person has looked at it.
        assert_eq!(found(&earlier[..1], &run(300, 0, &[])), ["Rows -"]);
        assert_eq!(found(&earlier[..1], &run(450, 0, &[])), [""; 0]);
    }
}
