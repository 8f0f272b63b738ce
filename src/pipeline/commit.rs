//! The committing stage: batches in the order of the audience become counts, rejects and rows of the spool.
//!
//! One thread owns all that has an order: which row of a key is first, which part a row belongs to, which number a
//! record has. The guard on rejections is asked before any part is closed, so that no part leaves once it has struck.

mod keys;
mod known;
mod origins;
mod shared;
mod waiting;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::base::meter::Meter;
use crate::base::text::grouped;
use crate::pipeline::batch::{Batch, Spares, row_range};
use crate::pipeline::dedupe::{LastPlaces, Sighting, SpillError, SpilledKeys};
use crate::pipeline::delta::{Delta, DeltaOutcome, DeltaStanding, PlacedRow};
use crate::pipeline::mapping::Mapping;
use crate::pipeline::rejects::RejectsFiles;
use crate::pipeline::settings::{Duplicates, MaxRejected, SharedIdentifiers};
use crate::pipeline::spool::{HeldRow, Spool, SpoolError};
use crate::source::audience::Source;
use crate::state::codes::{RejectionReason, RepairCode};
use crate::state::counts::Counts;
use crate::state::manifest::StateError;
use keys::{Keys, UniqueKeys};
use origins::Origins;
use shared::{RowChange, SharedRules};
use waiting::{Loser, WaitingRows, spill};

/// While rows are read, the guard on rejections is not asked before there are so many: the first of a file say little of
/// the others.
pub const GUARD_AFTER_ROWS: u64 = 1_000;

/// At the end of the audience the guard is asked however few rows there were, once so many of them were rejected: a small
/// file with one bad row is no disaster.
const GUARD_AFTER_REJECTIONS: u64 = 10;

/// How many rows an audience has is not guessed before so many bytes of it were read: a first file of few short rows says
/// little of the others.
const GUESSED_FROM_BYTES: u64 = 1_000_000;

/// The reason for which rows were not committed.
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
        "{} of {} rows are rejected, most of them as {}, and `max-rejected` allows {percent} % or {} rows; the current part was not sent",
        grouped(*rejected),
        grouped(*read),
        reason.code(),
        grouped(*rows)
    )]
    TooManyRejected {
        /// Rows rejected so far.
        rejected: u64,
        /// Rows read so far.
        read: u64,
        /// The reason for which most of them are rejected.
        reason: RejectionReason,
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
    /// A batch before this one failed: what was looked up of it is not known any more.
    #[error("an earlier batch of rows failed, so that nothing more is written")]
    AfterError,
    /// Two rows of different keys have one identifier and the job says `shared-identifiers = "fail"`.
    #[error(
        "{first} and {second} have different keys and the same {header}, and the job says shared-identifiers = \"fail\"; nothing was sent"
    )]
    SharedIdentifier {
        /// Source and record of the earlier row.
        first: String,
        /// Source and record of the later row.
        second: String,
        /// The identifier's header.
        header: String,
    },
}

/// Rules for duplicates and shared identifiers, and the memory for finding them.
#[derive(Debug, Clone, Copy)]
pub struct Deduplication {
    /// The row of a key that is kept.
    pub duplicates: Duplicates,
    /// The rule for an identifier that an earlier row of another key has.
    pub shared: SharedIdentifiers,
    /// The memory that the keys and identifiers may take, in bytes; those that find no room go to disk.
    pub memory_bytes: u64,
}

/// The settings of the committer for one run.
pub struct Commit<'a> {
    sources: &'a [Source],
    mapping: &'a Mapping,
    max_rejected: MaxRejected,
    meter: &'a Meter,
    /// `None` only while a batch is being looked up, and after one that failed.
    keys: Option<Keys>,
    spool: Spool,
    rejects: RejectsFiles,
    counts: Counts,
    parts_directory: PathBuf,
    /// Records that may still be read, under `--limit`.
    remaining: u64,
    /// Whether rows have come, by which the index was chosen.
    is_index_chosen: bool,
    /// Whether the index has room for the keys of all rows.
    is_room_made: bool,
    /// `None` where only one column is an identifier.
    shared: Option<SharedRules>,
    /// The comparison with the last run; `None` where every row is sent each time.
    delta: Option<Delta>,
    /// The memory for keys, identifiers and the rows of the last run, in bytes.
    memory_bytes: u64,
    origins: Origins,
    /// The rows of the batch in hand that are kept, while they are compared.
    placed: Vec<PlacedRow>,
    /// The number of the first record of the batch in hand, and that of the next batch.
    batch_begins: u64,
    batch_ends: u64,
}

/// The rules by which rows are committed, and the counts that are shown.
#[derive(Debug, Clone, Copy)]
pub struct CommitSettings<'a> {
    /// The sources of the rows.
    pub sources: &'a [Source],
    /// Their columns.
    pub mapping: &'a Mapping,
    /// The row that stays of several with one key, and the memory for finding them.
    pub deduplication: Deduplication,
    /// The rejections that a run may have.
    pub max_rejected: MaxRejected,
    /// The most rows that are written.
    pub limit: Option<u64>,
    /// The counts that are shown.
    pub meter: &'a Meter,
}

impl<'a> Commit<'a> {
    /// Begins with nothing committed.
    pub fn new(
        settings: CommitSettings<'a>,
        spool: Spool,
        run_directory: &Path,
    ) -> Result<Self, CommitError> {
        let CommitSettings {
            sources,
            mapping,
            deduplication,
            max_rejected,
            limit,
            meter,
        } = settings;
        let parts_directory = run_directory.join("parts");
        let shared = SharedRules::new(deduplication.shared, mapping);
        let keys = Keys::new(deduplication, shared.is_some(), &parts_directory)?;
        let headers = mapping.columns.iter().map(|column| column.target.header());
        let counts = Counts {
            blank_cells: headers.map(|header| (header.to_owned(), 0)).collect(),
            ..Counts::default()
        };
        Ok(Self {
            sources,
            mapping,
            max_rejected,
            meter,
            keys: Some(keys),
            spool,
            rejects: RejectsFiles::new(run_directory, mapping),
            counts,
            parts_directory,
            remaining: limit.unwrap_or(u64::MAX),
            is_index_chosen: false,
            is_room_made: false,
            shared,
            delta: None,
            memory_bytes: deduplication.memory_bytes,
            origins: Origins::default(),
            placed: Vec::new(),
            batch_begins: 0,
            batch_ends: 0,
        })
    }

    /// Rows that are as the last run sent them are not written again.
    #[must_use]
    pub fn compared_by(mut self, delta: Option<Delta>) -> Self {
        self.delta = delta;
        self
    }

    /// The buffers of what was written, to be filled again.
    pub fn spares(&self) -> &Spares {
        self.spool.spares()
    }

    /// The counts so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Commits the next batch. False when no more is wanted: the limit of rows is reached.
    pub fn batch(&mut self, mut batch: Batch) -> Result<bool, CommitError> {
        if !self.is_index_chosen && !batch.rows.is_empty() {
            self.is_index_chosen = true;
            self.choose_keys(&batch)?;
        }
        if !self.is_room_made {
            self.make_room_for_keys(&batch);
        }
        batch.truncate(self.remaining);
        self.remaining -= batch.rows_read();
        self.batch_begins = self.batch_ends;
        self.batch_ends += u64::from(batch.records);
        self.origins.note(&batch, self.batch_begins);
        self.counts.rows_read += batch.rows_read();
        self.counts.rows_blank += batch.rows_blank();
        self.count_blank_cells(&batch);
        self.meter.rows_read.set(self.counts.rows_read);
        self.meter.source_bytes_read.set(batch.consumed_bytes);
        // Taken out, so that what is kept can be written meanwhile.
        let mut keys = self.keys.take().ok_or(CommitError::AfterError)?;
        let changes = self.settle_identifiers(&mut batch, &mut keys)?;
        self.note_repairs(&batch)?;
        let source = self.name_of(&batch);
        batch.add_notes(&mut self.counts.notes, source);
        self.rows(&mut batch, &mut keys, &changes)?;
        self.keys = Some(keys);
        self.spares().give_rows(batch.rows);
        self.spares().give_identifiers(batch.other_identifiers);
        Ok(self.remaining > 0)
    }

    fn count_blank_cells(&mut self, batch: &Batch) {
        for (column, cells) in self.mapping.columns.iter().zip(&batch.blank_cells) {
            let counted = self.counts.blank_cells.get_mut(column.target.header());
            if let Some(counted) = counted {
                *counted += u64::from(*cells);
            }
        }
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
        let identifiers = batch.rows.len() + batch.other_identifiers.len();
        if let Some(keys) = &mut self.keys {
            keys.make_room(rows, identifiers as f64 / f64::from(batch.records.max(1)));
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
        let rows = u128::from(self.counts.rows_read + batch.rows_read());
        let rows = (rows * u128::from(all_bytes)).checked_div(read.into())?;
        Some(u64::try_from(rows).unwrap_or(u64::MAX))
    }

    /// Ends the last part. What was counted, and what the comparison with the last run has found.
    pub fn finish(mut self) -> Result<(Counts, DeltaOutcome), CommitError> {
        self.settle()?;
        self.rejects.finish()?;
        guard(&self.counts, self.max_rejected, true)?;
        let finished = self.finish_comparison()?;
        if !self.spool.is_empty() {
            self.spool.close_part()?;
        }
        self.spool.finish()?;
        Ok((self.counts, finished))
    }

    /// Ends the comparison with the last run, and writes the rows that waited for it.
    fn finish_comparison(&mut self) -> Result<DeltaOutcome, CommitError> {
        let Some(delta) = self.delta.take() else {
            return Ok(DeltaOutcome::default());
        };
        let (finished, held) = delta.finish()?;
        self.counts.compared = finished.compared;
        if let Some(held) = held {
            held.replay(|row, standing| {
                let identifier_bytes = row.identifier_bytes as usize;
                self.push_row(row.bytes, identifier_bytes, row.external_id_only, standing)
            })?;
        }
        Ok(finished)
    }

    /// The source's name of a batch.
    fn name_of(&self, batch: &Batch) -> &'a str {
        self.sources
            .get(batch.source.0 as usize)
            .map_or("", |source| source.name.as_str())
    }

    /// Notes the rejections of a batch from the one at `from` on, up to that of record `before`. The next one.
    fn note_rejections(
        &mut self,
        batch: &Batch,
        from: usize,
        before: u32,
    ) -> Result<usize, CommitError> {
        let source = self.name_of(batch);
        let mut next = from;
        while let Some(rejection) = batch.rejections.get(next)
            && rejection.record < before
        {
            self.counts.rows_rejected += 1;
            *self.counts.rejections.entry(rejection.reason).or_default() += 1;
            self.rejects.reject(batch, next, source)?;
            next += 1;
        }
        Ok(next)
    }

    fn note_repairs(&mut self, batch: &Batch) -> Result<(), CommitError> {
        let source = self.name_of(batch);
        if !batch.nulls.is_empty() {
            let counted = self.counts.repairs.entry(RepairCode::NullValue);
            *counted.or_default() += batch.nulls.len() as u64;
        }
        for (index, repair) in batch.repairs.iter().enumerate() {
            *self.counts.repairs.entry(repair.code).or_default() += 1;
            self.rejects.repair(batch, index, self.mapping, source)?;
        }
        Ok(())
    }

    /// Writes the rows of a batch that are kept, or has them wait. `changes` are of rows whose identifiers are settled.
    fn rows(
        &mut self,
        batch: &mut Batch,
        keys: &mut Keys,
        changes: &[RowChange],
    ) -> Result<(), CommitError> {
        match keys {
            Keys::First {
                seen,
                sightings,
                waiting,
            } => {
                let is_full = seen.look_up(&batch.rows, sightings);
                if is_full && waiting.is_none() {
                    *waiting = Some(WaitingRows::create(&self.parts_directory)?);
                }
                match waiting {
                    None => {
                        self.write_rows(batch, |index| sightings[index] == Sighting::New, changes)
                    }
                    Some(waiting) => self.hold_rows(batch, sightings, waiting),
                }
            }
            Keys::Last { places, waiting } => self.hold_all(batch, places, waiting),
            Keys::Fail(unique) => {
                self.check_unique(batch, unique)?;
                self.write_rows(batch, |_| true, changes)
            }
            Keys::Identifiers { index, waiting, .. } => {
                let findings = index.findings();
                match waiting {
                    None => {
                        let sightings = &findings.sightings;
                        self.write_rows(batch, |index| sightings[index] == Sighting::New, changes)
                    }
                    Some(waiting) => self.hold_found(batch, findings, waiting),
                }
            }
            Keys::Known(known) => self.pass_known(batch, known),
        }
    }

    /// Under `duplicates = "first"`, once the memory is used up.
    fn hold_rows(
        &mut self,
        batch: &Batch,
        sightings: &[Sighting],
        waiting: &mut WaitingRows,
    ) -> Result<(), CommitError> {
        for (index, (row, sighting)) in batch.rows.iter().zip(sightings).enumerate() {
            let held = self.held(batch, index);
            match sighting {
                Sighting::Seen => {
                    self.counts.duplicates += 1;
                    continue;
                }
                Sighting::Unknown => waiting.spill(row.key, held.number)?,
                Sighting::New => {}
            }
            waiting.push(held)?;
        }
        Ok(())
    }

    /// Under `duplicates = "last"`.
    fn hold_all(
        &mut self,
        batch: &Batch,
        places: &mut LastPlaces,
        waiting: &mut WaitingRows,
    ) -> Result<(), CommitError> {
        let begins = self.batch_begins;
        let place = |index: usize| begins + u64::from(batch.rows[index].record);
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
        if self.shared.is_some() {
            self.add_identifiers(batch, waiting)?;
        }
        for index in 0..batch.rows.len() {
            waiting.push(self.held(batch, index))?;
        }
        Ok(())
    }

    /// Refuses a row of the batch that has the key of another, under `duplicates = "fail"`.
    fn check_unique(&self, batch: &Batch, unique: &mut UniqueKeys) -> Result<(), CommitError> {
        let UniqueKeys { places, spilled } = unique;
        let source = u64::from(batch.source.0) << 48;
        let place =
            |index: usize| source | (batch.first_record + u64::from(batch.rows[index].record));
        let mut found: Option<Repeat> = None;
        let mut written = Ok(());
        places.note(&batch.rows, place, |index, earlier| match earlier {
            Some(earlier) => {
                let later = place(index);
                found = Some(Repeat { earlier, later }.or_before(found));
            }
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
        Ok(())
    }

    /// An error if there is a row with the key of another: the first such row of the audience.
    fn no_repeat(
        &self,
        mut found: Option<Repeat>,
        spilled: &mut Option<SpilledKeys>,
    ) -> Result<(), CommitError> {
        if let Some(spilled) = spilled {
            spilled.each_repeat(|earlier, later| {
                found = Some(Repeat { earlier, later }.or_before(found));
            })?;
        }
        match found {
            None => Ok(()),
            Some(Repeat { earlier, later }) => Err(self.duplicate(earlier, later)),
        }
    }

    /// The result that is known only when the audience has ended.
    fn settle(&mut self) -> Result<(), CommitError> {
        let (waiting, loser) = match self.keys.take() {
            None => return Err(CommitError::AfterError),
            Some(Keys::Fail(mut unique)) => return self.no_repeat(None, &mut unique.spilled),
            Some(Keys::Last { waiting, .. }) => (Some(waiting), Loser::Earlier),
            Some(Keys::First { waiting, .. }) => (waiting, Loser::Later),
            Some(Keys::Identifiers {
                unique, waiting, ..
            }) => {
                if let Some(mut unique) = unique {
                    self.no_repeat(None, &mut unique.spilled)?;
                }
                (waiting, Loser::Later)
            }
            Some(Keys::Known(known)) => (Some(known.into_waiting()?), Loser::Later),
        };
        match waiting {
            None => Ok(()),
            Some(waiting) => self.replay(waiting, loser),
        }
    }

    /// Writes the rows that waited and are kept.
    fn replay(&mut self, mut waiting: WaitingRows, loser: Loser) -> Result<(), CommitError> {
        self.counts.duplicates += waiting.settle(loser)?;
        // Nothing of the rows that waited is sent if the guard strikes: ask before the first of them.
        guard(&self.counts, self.max_rejected, true)?;
        let mut contested = self.contested(&mut waiting)?;
        if let Some(delta) = &mut self.delta {
            // The keys are not in memory any more.
            delta.use_memory(self.memory_bytes);
        }
        waiting.replay(|row| self.replay_row(row, &mut contested))
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
        changes: &[RowChange],
    ) -> Result<(), CommitError> {
        let text = Arc::new(std::mem::take(&mut batch.row_bytes));
        let mut changes = changes.iter().peekable();
        let mut begin = 0;
        for (index, row) in batch.rows.iter().enumerate() {
            let mut range = begin..row.end as usize;
            begin = range.end;
            if !kept(index) {
                self.counts.duplicates += 1;
                continue;
            }
            if let Some(change) = changes.next_if(|change| change.row == index) {
                match change.cut {
                    Some(bytes) => range.start += bytes,
                    None => continue,
                }
            }
            let row = PlacedRow {
                range,
                identifier_bytes: row.identifier_bytes as usize,
                external_id_only: row.external_id_only,
                standing: DeltaStanding::Sent,
            };
            if self.delta.is_some() {
                self.placed.push(row);
            } else {
                self.keep_row(&text, row)?;
            }
        }
        if let Some(delta) = &mut self.delta {
            delta.compare(&text, &mut self.placed)?;
        }
        let mut placed = std::mem::take(&mut self.placed);
        for row in placed.drain(..) {
            self.keep_row(&text, row)?;
        }
        self.placed = placed;
        Ok(())
    }

    /// Takes a row of `text` to the spool, if it is to be sent.
    fn keep_row(&mut self, text: &Arc<Vec<u8>>, row: PlacedRow) -> Result<(), CommitError> {
        if self.is_sent(row.range.len(), row.external_id_only, row.standing)? {
            self.spool.keep(text, row.range, row.identifier_bytes)?;
        }
        Ok(())
    }

    /// The row at `index` of the batch in hand, which shares nothing as far as is known.
    fn held<'b>(&self, batch: &'b Batch, index: usize) -> HeldRow<'b> {
        held(batch, index, self.batch_begins)
    }

    /// Compares a row that waited, and takes it to the spool if it is to be sent.
    fn write_row(
        &mut self,
        row: &[u8],
        identifier_bytes: usize,
        external_id_only: bool,
    ) -> Result<(), CommitError> {
        let mut placed = [PlacedRow {
            range: 0..row.len(),
            identifier_bytes,
            external_id_only,
            standing: DeltaStanding::Sent,
        }];
        if let Some(delta) = &mut self.delta {
            delta.compare(row, &mut placed)?;
        }
        let [PlacedRow { standing, .. }] = placed;
        self.push_row(row, identifier_bytes, external_id_only, standing)
    }

    fn push_row(
        &mut self,
        row: &[u8],
        identifier_bytes: usize,
        external_id_only: bool,
        standing: DeltaStanding,
    ) -> Result<(), CommitError> {
        if self.is_sent(row.len(), external_id_only, standing)? {
            self.spool.push(row, identifier_bytes)?;
        }
        Ok(())
    }

    /// Counts a row of so many bytes, and makes place for it in a part if it is to be sent.
    fn is_sent(
        &mut self,
        row_bytes: usize,
        external_id_only: bool,
        standing: DeltaStanding,
    ) -> Result<bool, CommitError> {
        match standing {
            DeltaStanding::Waits => return Ok(false),
            DeltaStanding::Unchanged => {
                self.counts.rows_unchanged += 1;
                return Ok(false);
            }
            DeltaStanding::Sent => {}
        }
        if !self.spool.fits(row_bytes) {
            guard(&self.counts, self.max_rejected, false)?;
            self.spool.close_part()?;
        }
        self.counts.external_id_only += u64::from(external_id_only);
        self.counts.rows_written += 1;
        Ok(true)
    }
}

/// The row at `index` of a batch whose first record has the number `begins`. It shares nothing as far as is known.
fn held(batch: &Batch, index: usize, begins: u64) -> HeldRow<'_> {
    let row = &batch.rows[index];
    HeldRow {
        bytes: &batch.row_bytes[row_range(&batch.rows, index)],
        identifier_bytes: row.identifier_bytes,
        external_id_only: row.external_id_only,
        number: begins + u64::from(row.record),
        shared: [None; 3],
    }
}

/// Two rows with one key, by their places in the audience.
#[derive(Clone, Copy)]
struct Repeat {
    earlier: u64,
    later: u64,
}

impl Repeat {
    /// Of this one and the `known` one, that whose later row comes first.
    fn or_before(self, known: Option<Self>) -> Self {
        known
            .filter(|known| known.later <= self.later)
            .unwrap_or(self)
    }
}

/// Whether so many rejections, of so many rows, stop a run. `is_end`: there are no more rows.
pub fn are_too_many(rejected: u64, read: u64, limits: MaxRejected, is_end: bool) -> bool {
    let is_asked = read >= GUARD_AFTER_ROWS || is_end && rejected >= GUARD_AFTER_REJECTIONS;
    let percent = rejected as f64 * 100.0 / read.max(1) as f64;
    is_asked && (percent >= limits.percent || rejected >= limits.rows)
}

/// An error where the rejections are too many.
fn guard(counts: &Counts, limits: MaxRejected, is_end: bool) -> Result<(), CommitError> {
    let (rejected, read) = (counts.rows_rejected, counts.rows_read);
    let most = counts.rejections.iter().max_by_key(|(_, rows)| **rows);
    match most {
        Some((reason, _)) if are_too_many(rejected, read, limits, is_end) => {
            Err(CommitError::TooManyRejected {
                rejected,
                read,
                reason: *reason,
                percent: limits.percent,
                rows: limits.rows,
            })
        }
        _ => Ok(()),
    }
}
