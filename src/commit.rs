//! The committing stage: batches in the order of the audience become counts, rejects and rows of the spool.
//!
//! One thread owns all that has an order: which row of a key is first, which part a row belongs to, which number a
//! record has. The guard on rejections is asked before any part is closed, so that no part leaves once it has struck.

use std::path::Path;

use crate::audience::Source;
use crate::batch::Batch;
use crate::counts::Counts;
use crate::dedupe::{LastPlaces, SeenKeys};
use crate::job::file::{Duplicates, MaxRejected};
use crate::manifest::StateError;
use crate::mapping::Mapping;
use crate::meter::Meter;
use crate::rejects::RejectsFiles;
use crate::report::grouped;
use crate::spool::{HeldRows, Spool, SpoolError};

/// The guard on rejections is not asked before so many rows were read: a small file with one bad row is no disaster.
pub const GUARD_AFTER_ROWS: u64 = 1_000;

/// Why rows were not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The spool's storage.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The rejects' storage.
    #[error(transparent)]
    State(#[from] StateError),
    /// More rows were rejected than the job allows.
    #[error(
        "{} of {} rows are rejected, and `max-rejected` allows {percent} % or {} rows; nothing of the part in hand was sent",
        grouped(*rejected),
        grouped(*read),
        grouped(*rows)
    )]
    TooManyRejected {
        /// Rows rejected so far.
        rejected: u64,
        /// Rows read so far.
        read: u64,
        /// The limit in percent.
        percent: f64,
        /// The limit in rows.
        rows: u64,
    },
    /// Two rows have one key and the job says `duplicates = "fail"`.
    #[error(
        "{first} and {second} have the same key, and the job says duplicates = \"fail\"; nothing was sent"
    )]
    Duplicate {
        /// Source and record of the earlier row.
        first: String,
        /// Source and record of the later row.
        second: String,
    },
}

/// How duplicates are found, and where rows wait meanwhile.
enum Keys {
    First(SeenKeys),
    Last {
        places: LastPlaces,
        held: HeldRows,
        lost: Vec<u64>,
    },
    Fail(LastPlaces),
}

/// What the committer is given for one run.
pub struct Commit<'a> {
    sources: &'a [Source],
    mapping: &'a Mapping,
    max_rejected: MaxRejected,
    meter: &'a Meter,
    keys: Keys,
    spool: Spool,
    rejects: RejectsFiles,
    counts: Counts,
    kept: Vec<bool>,
    /// Records that may still be read, under `--limit`.
    remaining: u64,
}

impl<'a> Commit<'a> {
    /// Begins with nothing committed.
    pub fn new(
        (sources, mapping): (&'a [Source], &'a Mapping),
        (duplicates, max_rejected): (Duplicates, MaxRejected),
        limit: Option<u64>,
        (spool, run_directory): (Spool, &Path),
        meter: &'a Meter,
    ) -> Result<Self, CommitError> {
        let keys = match duplicates {
            Duplicates::First => Keys::First(SeenKeys::new()),
            Duplicates::Fail => Keys::Fail(LastPlaces::new()),
            Duplicates::Last => Keys::Last {
                places: LastPlaces::new(),
                held: HeldRows::create(&run_directory.join("parts"))?,
                lost: Vec::new(),
            },
        };
        Ok(Self {
            sources,
            mapping,
            max_rejected,
            meter,
            keys,
            spool,
            rejects: RejectsFiles::new(run_directory, mapping),
            counts: Counts::default(),
            kept: Vec::new(),
            remaining: limit.unwrap_or(u64::MAX),
        })
    }

    /// What is counted so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Commits the next batch. False when no more is wanted: the limit of rows is reached.
    pub fn batch(&mut self, mut batch: Batch) -> Result<bool, CommitError> {
        self.cut_to_limit(&mut batch);
        self.counts.rows_read += u64::from(batch.records);
        self.meter.rows_read.set(self.counts.rows_read);
        self.meter.source_bytes_read.set(batch.consumed_bytes);
        self.note_rejections(&batch)?;
        self.note_repairs(&batch)?;
        self.rows(&batch)?;
        Ok(self.remaining > 0)
    }

    /// Ends the last part. What was counted.
    pub fn finish(mut self) -> Result<Counts, CommitError> {
        let keys = std::mem::replace(&mut self.keys, Keys::First(SeenKeys::new()));
        if let Keys::Last { held, lost, .. } = keys {
            self.replay(held, &lost)?;
        }
        self.rejects.finish()?;
        guard(&self.counts, self.max_rejected)?;
        if !self.spool.is_empty() {
            self.spool.close_part()?;
        }
        self.spool.finish()?;
        Ok(self.counts)
    }

    /// Drops what lies beyond the limit of rows.
    fn cut_to_limit(&mut self, batch: &mut Batch) {
        if u64::from(batch.records) > self.remaining {
            // The limit is smaller than a count of 32 bits here.
            let limit = u32::try_from(self.remaining).unwrap_or(u32::MAX);
            batch.rows.retain(|row| row.record < limit);
            batch
                .rejections
                .retain(|rejection| rejection.record < limit);
            batch.repairs.retain(|repair| repair.record < limit);
            batch.records = limit;
        }
        self.remaining -= u64::from(batch.records);
    }

    /// The source's name of a batch.
    fn name_of(&self, batch: &Batch) -> &'a str {
        self.sources
            .get(batch.source.0 as usize)
            .map_or("", |source| source.name.as_str())
    }

    fn note_rejections(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let source = self.name_of(batch);
        for (index, rejection) in batch.rejections.iter().enumerate() {
            self.counts.rows_rejected += 1;
            *self.counts.rejections.entry(rejection.reason).or_default() += 1;
            self.rejects.reject(batch, index, source)?;
        }
        Ok(())
    }

    fn note_repairs(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let source = self.name_of(batch);
        for (index, repair) in batch.repairs.iter().enumerate() {
            *self.counts.repairs.entry(repair.code).or_default() += 1;
            self.rejects.repair(batch, index, self.mapping, source)?;
        }
        Ok(())
    }

    fn rows(&mut self, batch: &Batch) -> Result<(), CommitError> {
        match &mut self.keys {
            Keys::First(seen) => {
                let mut kept = std::mem::take(&mut self.kept);
                seen.keep_first(&batch.rows, &mut kept);
                let written = self.write_rows(batch, |index| kept[index]);
                self.kept = kept;
                written
            }
            Keys::Last { places, held, lost } => {
                let first = held.len();
                places.note(
                    &batch.rows,
                    |index| first + index as u64,
                    |_, place| {
                        mark(lost, place);
                        self.counts.duplicates += 1;
                    },
                );
                for (index, row) in batch.rows.iter().enumerate() {
                    held.push(row_bytes(batch, index), row.identifier_bytes)?;
                    self.counts.external_id_only += u64::from(row.external_id_only);
                }
                Ok(())
            }
            Keys::Fail(places) => {
                let source = batch.source.0 as usize;
                let record =
                    |index: usize| batch.first_record + u64::from(batch.rows[index].record);
                let place = |record: u64| (source as u64) << 48 | record;
                let mut found: Option<(u64, u64)> = None;
                places.note(
                    &batch.rows,
                    |index| place(record(index)),
                    |index, earlier| {
                        let later = record(index);
                        if found.is_none_or(|(_, known)| later < known) {
                            found = Some((earlier, later));
                        }
                    },
                );
                match found {
                    Some((earlier, later)) => Err(self.duplicate(earlier, place(later))),
                    None => self.write_rows(batch, |_| true),
                }
            }
        }
    }

    fn duplicate(&self, first: u64, second: u64) -> CommitError {
        let name = |place: u64| {
            let source = usize::try_from(place >> 48).unwrap_or(usize::MAX);
            let name = self
                .sources
                .get(source)
                .map_or("", |source| source.name.as_str());
            format!("{name} record {}", place & ((1 << 48) - 1))
        };
        CommitError::Duplicate {
            first: name(first),
            second: name(second),
        }
    }

    fn write_rows(
        &mut self,
        batch: &Batch,
        kept: impl Fn(usize) -> bool,
    ) -> Result<(), CommitError> {
        for (index, row) in batch.rows.iter().enumerate() {
            if kept(index) {
                self.counts.external_id_only += u64::from(row.external_id_only);
                self.write_row(row_bytes(batch, index), row.identifier_bytes as usize)?;
            } else {
                self.counts.duplicates += 1;
            }
        }
        Ok(())
    }

    fn write_row(&mut self, row: &[u8], identifier_bytes: usize) -> Result<(), CommitError> {
        if !self.spool.fits(row.len()) {
            guard(&self.counts, self.max_rejected)?;
            self.spool.close_part()?;
        }
        self.counts.rows_written += 1;
        Ok(self.spool.push(row, identifier_bytes)?)
    }

    fn replay(&mut self, held: HeldRows, lost: &[u64]) -> Result<(), CommitError> {
        // Nothing of this audience is sent if the guard strikes: ask before the first row.
        guard(&self.counts, self.max_rejected)?;
        let (spool, counts) = (&mut self.spool, &mut self.counts);
        held.replay(|number, row, identifier_bytes| {
            if is_marked(lost, number) {
                return Ok(());
            }
            if !spool.fits(row.len()) {
                spool.close_part()?;
            }
            counts.rows_written += 1;
            spool.push(row, identifier_bytes)
        })?;
        Ok(())
    }
}

fn row_bytes(batch: &Batch, index: usize) -> &[u8] {
    let start = index
        .checked_sub(1)
        .map_or(0, |before| batch.rows[before].end);
    &batch.row_bytes[start as usize..batch.rows[index].end as usize]
}

fn guard(counts: &Counts, limits: MaxRejected) -> Result<(), CommitError> {
    let (rejected, read) = (counts.rows_rejected, counts.rows_read);
    let percent = rejected as f64 * 100.0 / read.max(1) as f64;
    let struck = rejected > 0 && (percent >= limits.percent || rejected >= limits.rows);
    if struck && read >= GUARD_AFTER_ROWS {
        return Err(CommitError::TooManyRejected {
            rejected,
            read,
            percent: limits.percent,
            rows: limits.rows,
        });
    }
    Ok(())
}

fn mark(bits: &mut Vec<u64>, number: u64) {
    // The file that holds the rows is smaller than what a machine can address.
    let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
    if bits.len() <= word {
        bits.resize(word + 1, 0);
    }
    bits[word] |= 1 << (number % 64);
}

fn is_marked(bits: &[u64], number: u64) -> bool {
    let word = usize::try_from(number / 64).unwrap_or(usize::MAX);
    bits.get(word)
        .is_some_and(|word| word >> (number % 64) & 1 == 1)
}
