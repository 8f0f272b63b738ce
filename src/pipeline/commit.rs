//! The committing stage: batches in the order of the audience become counts, rejects and rows of the spool.
//!
//! One thread owns all that has an order: which row of a key is first, which part a row belongs to, which number a
//! record has. The guard on rejections is asked before any part is closed, so that no part leaves once it has struck.

mod waiting;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::meter::Meter;
use crate::base::text::grouped;
use crate::pipeline::batch::{Batch, Spares};
use crate::pipeline::dedupe::{LastPlaces, SeenKeys, Sighting, SpillError, SpilledKeys};
use crate::pipeline::mapping::Mapping;
use crate::pipeline::rejects::RejectsFiles;
use crate::pipeline::settings::{Duplicates, MaxRejected};
use crate::pipeline::spool::{HeldRow, Spool, SpoolError};
use crate::source::audience::Source;
use crate::state::counts::Counts;
use crate::state::manifest::StateError;
use waiting::{Loser, Waiting, spill};

/// The guard on rejections is not asked before so many rows were read: a small file with one bad row is no disaster.
pub const GUARD_AFTER_ROWS: u64 = 1_000;

/// How many rows an audience has is not guessed before so many bytes of it were read: a first file of few short rows says
/// little of the others.
const GUESSED_FROM_BYTES: u64 = 1_000_000;

/// Why rows were not committed.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// The spool's storage.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The storage under the index of keys.
    #[error(transparent)]
    Spill(#[from] SpillError),
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

/// Which row of a key is kept, and the memory for finding it.
#[derive(Debug, Clone, Copy)]
pub struct Deduplication {
    /// Which row.
    pub duplicates: Duplicates,
    /// The memory that the keys may take, in bytes; those that find no room go to disk.
    pub memory_bytes: u64,
}

/// How duplicates are found, and where rows wait meanwhile.
enum Keys {
    First {
        seen: SeenKeys,
        sightings: Vec<Sighting>,
        /// The rows from the first batch on that found the memory used up.
        waiting: Option<Waiting>,
    },
    Last {
        places: LastPlaces,
        waiting: Waiting,
    },
    Fail {
        places: LastPlaces,
        spilled: Option<SpilledKeys>,
    },
}

/// What the committer is given for one run.
pub struct Commit<'a> {
    sources: &'a [Source],
    mapping: &'a Mapping,
    max_rejected: MaxRejected,
    meter: &'a Meter,
    /// `None` only while a batch is being looked up.
    keys: Option<Keys>,
    spool: Spool,
    rejects: RejectsFiles,
    counts: Counts,
    parts_directory: PathBuf,
    /// Records that may still be read, under `--limit`.
    remaining: u64,
    /// Whether the index has room for the keys of all rows.
    is_room_made: bool,
}

impl<'a> Commit<'a> {
    /// Begins with nothing committed.
    pub fn new(
        (sources, mapping): (&'a [Source], &'a Mapping),
        (deduplication, max_rejected): (Deduplication, MaxRejected),
        limit: Option<u64>,
        (spool, run_directory): (Spool, &Path),
        meter: &'a Meter,
    ) -> Result<Self, CommitError> {
        let parts_directory = run_directory.join("parts");
        let memory = deduplication.memory_bytes;
        let keys = match deduplication.duplicates {
            Duplicates::First => Keys::First {
                seen: SeenKeys::new(memory),
                sightings: Vec::new(),
                waiting: None,
            },
            Duplicates::Fail => Keys::Fail {
                places: LastPlaces::new(memory),
                spilled: None,
            },
            Duplicates::Last => Keys::Last {
                places: LastPlaces::new(memory),
                waiting: Waiting::create(&parts_directory)?,
            },
        };
        Ok(Self {
            sources,
            mapping,
            max_rejected,
            meter,
            keys: Some(keys),
            spool,
            rejects: RejectsFiles::new(run_directory, mapping),
            counts: Counts::default(),
            parts_directory,
            remaining: limit.unwrap_or(u64::MAX),
            is_room_made: false,
        })
    }

    /// The buffers of what was written, to be filled again.
    pub fn spares(&self) -> &Spares {
        self.spool.spares()
    }

    /// What is counted so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Commits the next batch. False when no more is wanted: the limit of rows is reached.
    pub fn batch(&mut self, mut batch: Batch) -> Result<bool, CommitError> {
        if !self.is_room_made {
            self.make_room_for_keys(&batch);
        }
        batch.truncate(u32::try_from(self.remaining).unwrap_or(u32::MAX));
        self.remaining -= u64::from(batch.records);
        self.counts.rows_read += u64::from(batch.records);
        self.meter.rows_read.set(self.counts.rows_read);
        self.meter.source_bytes_read.set(batch.consumed_bytes);
        self.note_rejections(&batch)?;
        self.note_repairs(&batch)?;
        let source = self.name_of(&batch);
        batch.add_notes(&mut self.counts.notes, source);
        self.rows(&mut batch)?;
        self.spares().give_rows(batch.rows);
        Ok(self.remaining > 0)
    }

    /// Makes room for the keys of all rows, once it is known how many these are: by the sources' own word, or by how many
    /// the first megabyte holds. Otherwise the index grows as it must.
    fn make_room_for_keys(&mut self, batch: &Batch) {
        let told: Option<u64> = self.sources.iter().map(|source| source.rows).sum();
        let Some(rows) = told.or_else(|| self.guessed_rows(batch)) else {
            return;
        };
        self.is_room_made = true;
        let rows = rows.min(self.remaining);
        match &mut self.keys {
            None => {}
            Some(Keys::First { seen, .. }) => seen.make_room(rows),
            Some(Keys::Last { places, .. } | Keys::Fail { places, .. }) => places.make_room(rows),
        }
    }

    /// How many rows the audience has, if they are all as long as those up to the end of `batch`. None of an audience that
    /// does not tell its size, and while too little was read.
    fn guessed_rows(&self, batch: &Batch) -> Option<u64> {
        let source = self.sources.get(batch.source.0 as usize)?;
        let all_bytes = *self.meter.source_bytes.get()?;
        let read = batch.consumed_bytes;
        // The bytes of columns are counted by the group, before or after their rows came.
        if source.format.is_columnar() || read < GUESSED_FROM_BYTES.min(all_bytes) {
            return None;
        }
        let rows = u128::from(self.counts.rows_read + u64::from(batch.records));
        let rows = (rows * u128::from(all_bytes)).checked_div(read.into())?;
        Some(u64::try_from(rows).unwrap_or(u64::MAX))
    }

    /// Ends the last part. What was counted.
    pub fn finish(mut self) -> Result<Counts, CommitError> {
        self.settle()?;
        self.rejects.finish()?;
        guard(&self.counts, self.max_rejected)?;
        if !self.spool.is_empty() {
            self.spool.close_part()?;
        }
        self.spool.finish()?;
        Ok(self.counts)
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

    fn rows(&mut self, batch: &mut Batch) -> Result<(), CommitError> {
        // Taken out, so that what is kept can be written meanwhile.
        let Some(mut keys) = self.keys.take() else {
            return Ok(());
        };
        let done = match &mut keys {
            Keys::First {
                seen,
                sightings,
                waiting,
            } => {
                let is_full = seen.look_up(&batch.rows, sightings);
                if is_full && waiting.is_none() {
                    *waiting = Some(Waiting::create(&self.parts_directory)?);
                }
                match waiting {
                    None => self.write_rows(batch, |index| sightings[index] == Sighting::New),
                    Some(waiting) => self.hold_rows(batch, sightings, waiting),
                }
            }
            Keys::Last { places, waiting } => self.hold_all(batch, places, waiting),
            Keys::Fail { places, spilled } => self.only_rows(batch, places, spilled),
        };
        self.keys = Some(keys);
        done
    }

    /// Under `duplicates = "first"`, once the memory is used up.
    fn hold_rows(
        &mut self,
        batch: &Batch,
        sightings: &[Sighting],
        waiting: &mut Waiting,
    ) -> Result<(), CommitError> {
        for (index, (row, sighting)) in batch.rows.iter().zip(sightings).enumerate() {
            match sighting {
                Sighting::Seen => {
                    self.counts.duplicates += 1;
                    continue;
                }
                Sighting::Unknown => waiting.spill(row.key, waiting.next_number())?,
                Sighting::New => {}
            }
            waiting.push(held(batch, index))?;
        }
        Ok(())
    }

    /// Under `duplicates = "last"`.
    fn hold_all(
        &mut self,
        batch: &Batch,
        places: &mut LastPlaces,
        waiting: &mut Waiting,
    ) -> Result<(), CommitError> {
        let first = waiting.next_number();
        let place = |index: usize| first + index as u64;
        let mut spilled = Ok(());
        places.note(&batch.rows, place, |index, earlier| match earlier {
            Some(earlier) => {
                waiting.lose(earlier);
                self.counts.duplicates += 1;
            }
            None if spilled.is_ok() => {
                spilled = waiting.spill(batch.rows[index].key, place(index));
            }
            None => {}
        });
        spilled?;
        for index in 0..batch.rows.len() {
            waiting.push(held(batch, index))?;
        }
        Ok(())
    }

    /// Under `duplicates = "fail"`.
    fn only_rows(
        &mut self,
        batch: &mut Batch,
        places: &mut LastPlaces,
        spilled: &mut Option<SpilledKeys>,
    ) -> Result<(), CommitError> {
        let source = u64::from(batch.source.0) << 48;
        let place =
            |index: usize| source | (batch.first_record + u64::from(batch.rows[index].record));
        let mut found: Option<(u64, u64)> = None;
        let mut written = Ok(());
        places.note(&batch.rows, place, |index, earlier| match earlier {
            Some(earlier) => found = Some(first_of(found, (earlier, place(index)))),
            None if written.is_ok() => {
                let key = batch.rows[index].key;
                written = spill(spilled, &self.parts_directory, key, place(index));
            }
            None => {}
        });
        written?;
        if found.is_some() {
            return self.no_repeat(found, spilled);
        }
        self.write_rows(batch, |_| true)
    }

    /// An error if there is a row with the key of another: the first such row of the audience.
    fn no_repeat(
        &self,
        mut found: Option<(u64, u64)>,
        spilled: &mut Option<SpilledKeys>,
    ) -> Result<(), CommitError> {
        if let Some(spilled) = spilled {
            spilled
                .each_repeat(|earlier, later| found = Some(first_of(found, (earlier, later))))?;
        }
        match found {
            None => Ok(()),
            Some((earlier, later)) => Err(self.duplicate(earlier, later)),
        }
    }

    /// What can only be said when the audience has ended.
    fn settle(&mut self) -> Result<(), CommitError> {
        let (mut waiting, loser) = match self.keys.take() {
            None | Some(Keys::First { waiting: None, .. }) => return Ok(()),
            Some(Keys::Fail { mut spilled, .. }) => return self.no_repeat(None, &mut spilled),
            Some(Keys::Last { waiting, .. }) => (waiting, Loser::Earlier),
            Some(Keys::First {
                waiting: Some(waiting),
                ..
            }) => (waiting, Loser::Later),
        };
        self.counts.duplicates += waiting.settle(loser)?;
        // Nothing of the rows that waited is sent if the guard strikes: ask before the first of them.
        guard(&self.counts, self.max_rejected)?;
        waiting.replay(|row| {
            self.counts.external_id_only += u64::from(row.external_id_only);
            self.write_row(row.bytes, row.identifier_bytes as usize)
        })
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

    /// Takes the text of the batch to the spool, without a copy.
    fn write_rows(
        &mut self,
        batch: &mut Batch,
        kept: impl Fn(usize) -> bool,
    ) -> Result<(), CommitError> {
        let text = Arc::new(std::mem::take(&mut batch.row_bytes));
        let mut begin = 0;
        for (index, row) in batch.rows.iter().enumerate() {
            let range = begin..row.end as usize;
            begin = range.end;
            if kept(index) {
                self.counts.external_id_only += u64::from(row.external_id_only);
                self.next_row(range.len())?;
                self.spool
                    .keep(&text, range, row.identifier_bytes as usize)?;
            } else {
                self.counts.duplicates += 1;
            }
        }
        Ok(())
    }

    fn write_row(&mut self, row: &[u8], identifier_bytes: usize) -> Result<(), CommitError> {
        self.next_row(row.len())?;
        Ok(self.spool.push(row, identifier_bytes)?)
    }

    /// Counts a row of so many bytes that is to be written, and ends the part in hand where it belongs to the next one.
    fn next_row(&mut self, row_bytes: usize) -> Result<(), CommitError> {
        if !self.spool.fits(row_bytes) {
            guard(&self.counts, self.max_rejected)?;
            self.spool.close_part()?;
        }
        self.counts.rows_written += 1;
        Ok(())
    }
}

/// The pair whose later row comes first in the audience.
fn first_of(known: Option<(u64, u64)>, found: (u64, u64)) -> (u64, u64) {
    known.filter(|known| known.1 <= found.1).unwrap_or(found)
}

fn held(batch: &Batch, index: usize) -> HeldRow<'_> {
    let row = &batch.rows[index];
    HeldRow {
        bytes: row_bytes(batch, index),
        identifier_bytes: row.identifier_bytes,
        external_id_only: row.external_id_only,
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
