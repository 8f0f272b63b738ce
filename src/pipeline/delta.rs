//! Rows that Klaviyo has already: they are compared with the snapshot of the last run, and not written again.
//!
//! While rows are committed, each is looked up by one digest of its key and its bytes, in memory, and is marked there. When the
//! audience has ended, the other rows and those of the snapshot are merged in the order of their keys: that tells new rows from
//! changed ones and finds those who left, and it writes the next snapshot. Where the snapshot does not fit in memory, all rows wait on disk, and
//! the merge tells how they stand too.

mod last_rows;
mod merge;

pub use last_rows::LastRows;
pub use merge::{Difference, each_newcomer_and_leaver};

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use fixedbitset::FixedBitSet;
use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

use crate::base::csv::{BLANK, WrittenCells, push_quoted};
use crate::pipeline::batch::{Batch, row_range};
use crate::pipeline::dedupe::{DigestPlace, DigestSet, GROUP, Partitions, SpillError, sub_table};
use crate::pipeline::mapping::Mapping;
use crate::pipeline::settings::PrimaryKey;
use crate::pipeline::spool::{HeldRow, HeldRows, SpoolError};
use crate::state::counts::DeltaCounts;
use crate::state::manifest::StateError;
use crate::state::snapshot::{HashKey, SnapshotHead, SnapshotRow};
use crate::state::storage::{create_private, storage};

/// Spreads the hash of a row over 64 bits of the digest of key and row; any odd number does.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// The hashes of the rows of a job.
#[derive(Debug, Clone)]
pub struct RowHasher {
    key: HashKey,
    /// Digest of the header line: the same cells under another header are another row.
    header: u64,
    /// The identifiers that are mapped, in the order of a row's cells.
    kinds: Vec<PrimaryKey>,
    primary: PrimaryKey,
}

impl RowHasher {
    /// Hashes by `key` of rows under the header line `header`, whose key is the identifier `primary`.
    pub fn new(key: HashKey, header: &[u8], mapping: &Mapping, primary: PrimaryKey) -> Self {
        Self {
            key,
            header: xxh3_64(header),
            kinds: mapping.identifier_kinds(),
            primary,
        }
    }

    /// Hashes of the keys of people, whose rows are not at hand.
    pub fn of_people(key: HashKey, primary: PrimaryKey) -> Self {
        Self {
            key,
            header: 0,
            kinds: Vec::new(),
            primary,
        }
    }

    /// The hashes of a finished row, whose first `identifier_bytes` are its identifier cells.
    fn entry(&self, row: &[u8], identifier_bytes: usize) -> SnapshotRow {
        let mut found: [&[u8]; 3] = [BLANK; 3];
        let cells = WrittenCells::new(&row[..identifier_bytes]);
        for (kind, cell) in self.kinds.iter().zip(cells) {
            found[*kind as usize] = cell;
            if *kind == self.primary && cell != BLANK {
                // No other cell can be the key.
                break;
            }
        }
        SnapshotRow {
            key: self.key_of(found),
            row: self.key.row(xxh3_128(row), self.header),
        }
    }

    /// The hash of the key of a row with these identifiers, as they are written, in the order of
    /// [`PrimaryKey::BEST_FIRST`]: the primary key, or else the best one.
    fn key_of(&self, identifiers: [&[u8]; 3]) -> u128 {
        let order = std::iter::once(self.primary).chain(PrimaryKey::BEST_FIRST);
        let best = order
            .map(|kind| (kind, identifiers[kind as usize]))
            .find(|(_, cell)| *cell != BLANK);
        let (kind, cell) = best.unwrap_or((self.primary, BLANK));
        self.key.key(xxh3_128_with_seed(cell, kind as u64))
    }

    /// The hash of the key of a person with these identifiers, blank where there is none, in the order of
    /// [`PrimaryKey::BEST_FIRST`].
    pub fn key_of_values(&self, identifiers: [&str; 3]) -> u128 {
        let written = identifiers.map(|value| {
            let mut cell = Vec::new();
            push_quoted(&mut cell, value.as_bytes());
            cell
        });
        self.key_of([&written[0], &written[1], &written[2]])
    }
}

/// One digest of a key and a row: equal only where both are.
///
/// The place of a digest in a set follows the key's highest bits, so that the rows of a snapshot, which are in the order of
/// their keys, are put one beside the other. Measured with 10 million: 2.1 s of processor time if places are by chance.
#[expect(clippy::cast_possible_truncation, reason = "the low half of the key")]
fn pair(entry: SnapshotRow) -> u128 {
    let both = entry.key as u64 ^ entry.row.wrapping_mul(SPREAD);
    DigestSet::ordered(entry.key, both)
}

/// Where a comparison puts its files.
#[derive(Debug, Clone)]
pub struct DeltaFiles {
    /// The folder of files that have no name and are gone afterwards.
    pub scratch: PathBuf,
    /// The next snapshot; `None` where the audience is not whole: then nobody is said to have left.
    pub next: Option<(PathBuf, SnapshotHead)>,
    /// The keys of rows that may be sent, and of those who left. There is no such file where nothing is compared.
    pub unsettled: PathBuf,
    /// The identifiers of unchanged rows, with their header line; `None` where nobody needs them.
    pub identifiers: Option<(PathBuf, Vec<u8>)>,
    /// Whether the keys of those who left are wanted.
    pub wants_left: bool,
}

/// A look at which rows a run would not send. It writes nothing.
pub struct DeltaPreview {
    hasher: RowHasher,
    pairs: DigestSet,
}

impl DeltaPreview {
    /// Compares with `before`; `None` where that is not in memory.
    pub fn new(hasher: RowHasher, before: LastRows) -> Option<Self> {
        let pairs = before.pairs?;
        Some(Self { hasher, pairs })
    }

    /// Whether Klaviyo has the finished row, whose first `identifier_bytes` are its identifier cells.
    pub fn is_unchanged(&self, row: &[u8], identifier_bytes: usize) -> bool {
        let entry = self.hasher.entry(row, identifier_bytes);
        self.pairs.contains(pair(entry))
    }
}

/// The comparison of a run's rows with those of the last run.
pub struct Delta {
    hasher: RowHasher,
    before: Option<LastRows>,
    /// Every row is written, whether it has changed or not.
    is_full: bool,
    files: DeltaFiles,
    /// The rows of this run that the snapshot is not known to have; the error once they cannot be kept.
    rows: Result<Partitions<8>, SpillError>,
    /// How many these are.
    next_number: u64,
    /// All of them, where the snapshot does not fit in memory.
    held: Option<HeldRows>,
    identifiers: Option<IdentifiersFile>,
    /// Of the rows in hand.
    entries: Vec<SnapshotRow>,
}

/// A row in a text: where it stands, and how many of its bytes are its identifier cells.
pub(super) struct PlacedRow {
    pub(super) range: Range<usize>,
    pub(super) identifier_bytes: usize,
    pub(super) external_id_only: bool,
    pub(super) standing: DeltaStanding,
}

/// The outcome of a comparison for one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeltaStanding {
    /// It is to be written.
    Sent,
    /// Klaviyo has it as it is.
    Unchanged,
    /// The end of the audience will tell.
    Waits,
}

impl Delta {
    /// Compares with `before`, if there is a snapshot. `is_full`: all rows are written all the same.
    pub fn new(
        hasher: RowHasher,
        mut before: Option<LastRows>,
        is_full: bool,
        files: DeltaFiles,
    ) -> Result<Self, StateError> {
        if let Some(before) = before.as_mut().filter(|_| is_full) {
            before.pairs = None;
        }
        let identifiers = files.identifiers.as_ref();
        let identifiers = identifiers.map(|(path, header)| IdentifiersFile::create(path, header));
        let rows = Partitions::create(&files.scratch);
        Ok(Self {
            hasher,
            before,
            is_full,
            rows,
            next_number: 0,
            held: None,
            identifiers: identifiers.transpose()?,
            files,
            entries: Vec::new(),
        })
    }

    /// Whether there is a snapshot: then what is sent is known only when the audience has ended.
    pub fn has_before(&self) -> bool {
        self.before.is_some()
    }

    /// The hashes of its rows.
    pub fn hasher(&self) -> &RowHasher {
        &self.hasher
    }

    /// The memory that the rows of the snapshot take, in bytes.
    pub fn memory_bytes(&self) -> u64 {
        let before = self.before.as_ref().filter(|it| it.pairs.is_some());
        before.map_or(0, |it| DigestSet::bytes_for(it.snapshot.records()))
    }

    /// Reads the snapshot into memory if so many bytes are enough for it, and no row was compared yet.
    pub(super) fn use_memory(&mut self, most_bytes: u64) {
        if let Some(before) = &mut self.before
            && before.pairs.is_none()
            && !self.is_full
            && self.next_number == 0
        {
            // A snapshot that cannot be read any more is noticed when all rows were seen: then every row is sent.
            let _ = before.load(most_bytes);
        }
    }

    /// The rows of the snapshot that rows are looked up in; `None` where they are not in memory, or where every row is written.
    fn pairs(&self) -> Option<&DigestSet> {
        let before = self.before.as_ref().filter(|_| !self.is_full);
        before?.pairs.as_ref()
    }

    /// Whether [`Self::look_up`] can find anything.
    pub(super) fn can_look_up(&self) -> bool {
        self.pairs().is_some()
    }

    /// Writes to `places` where the snapshot has each row of the batch, as long as nothing is taken from the row.
    pub(super) fn look_up(&self, batch: &Batch, places: &mut Vec<Option<DigestPlace>>) {
        places.clear();
        let Some(pairs) = self.pairs() else {
            places.resize(batch.rows.len(), None);
            return;
        };
        let mut digests = [0; GROUP];
        for (group, rows) in batch.rows.chunks(GROUP).enumerate() {
            let first = group * GROUP;
            for (digest, index) in digests.iter_mut().zip(first..first + rows.len()) {
                let text = &batch.row_bytes[row_range(&batch.rows, index)];
                let identifier_bytes = batch.rows[index].identifier_bytes as usize;
                *digest = pair(self.hasher.entry(text, identifier_bytes));
            }
            let digests = &digests[..rows.len()];
            pairs.touch(digests.iter().copied());
            places.extend(digests.iter().map(|digest| pairs.find(*digest)));
        }
    }

    /// Whether a row with this place was found to be unchanged before.
    pub(super) fn is_taken(&self, place: DigestPlace) -> bool {
        self.pairs().is_some_and(|pairs| pairs.is_marked_at(place))
    }

    /// The row with this place, which has these identifier cells, is unchanged.
    pub(super) fn take(&mut self, place: DigestPlace, cells: &[u8]) -> Result<(), StateError> {
        if let Some(LastRows {
            pairs: Some(pairs), ..
        }) = &mut self.before
        {
            pairs.mark_at(place);
        }
        IdentifiersFile::add(&mut self.identifiers, cells)
    }

    /// Compares rows of `text`, and notes how they stand. Those that must wait are kept here.
    pub(super) fn compare(
        &mut self,
        text: &[u8],
        rows: &mut [PlacedRow],
    ) -> Result<(), SpoolError> {
        for rows in rows.chunks_mut(GROUP) {
            let entries = rows.iter().map(|row| {
                self.hasher
                    .entry(&text[row.range.clone()], row.identifier_bytes)
            });
            let mut entries_of_group = std::mem::take(&mut self.entries);
            entries_of_group.clear();
            entries_of_group.extend(entries);
            match self.before.as_mut().filter(|_| !self.is_full) {
                None => {}
                Some(LastRows { pairs: None, .. }) => self.hold(text, rows)?,
                Some(LastRows {
                    pairs: Some(pairs), ..
                }) => {
                    let digests = entries_of_group.iter().map(|entry| pair(*entry));
                    pairs.touch(digests.clone());
                    for (row, digest) in rows.iter_mut().zip(digests) {
                        if pairs.mark(digest) {
                            row.standing = DeltaStanding::Unchanged;
                            let begin = row.range.start;
                            let cells = begin..begin + row.identifier_bytes;
                            IdentifiersFile::add(&mut self.identifiers, &text[cells])?;
                        }
                    }
                }
            }
            for (row, entry) in rows.iter().zip(&entries_of_group) {
                // The snapshot has the others as they are.
                if row.standing != DeltaStanding::Unchanged {
                    self.note(*entry);
                }
            }
            self.entries = entries_of_group;
        }
        Ok(())
    }

    /// Has rows wait, which get the next numbers.
    fn hold(&mut self, text: &[u8], rows: &mut [PlacedRow]) -> Result<(), SpoolError> {
        let held = if let Some(held) = &mut self.held {
            held
        } else {
            tracing::info!(
                "the last run has more rows than fit in half of `dedupe-memory`: rows wait on disk until all of them were seen"
            );
            self.held.insert(HeldRows::create(&self.files.scratch)?)
        };
        for (number, row) in (self.next_number..).zip(rows) {
            row.standing = DeltaStanding::Waits;
            held.push(HeldRow {
                bytes: &text[row.range.clone()],
                identifier_bytes: u32::try_from(row.identifier_bytes).unwrap_or(u32::MAX),
                external_id_only: row.external_id_only,
                number,
                shared: [None; 3],
            })?;
        }
        Ok(())
    }

    /// Keeps the row for the next snapshot. The disk being full costs the snapshot and not the run.
    fn note(&mut self, entry: SnapshotRow) {
        let number = self.next_number;
        self.next_number += 1;
        if let Ok(rows) = &mut self.rows
            && let Err(error) = rows.push(sub_table(entry.key), merge::words(entry, number))
        {
            tracing::warn!("the snapshot cannot be kept: {error}");
            self.rows = Err(error);
        }
    }

    /// Ends the comparison: the counts and the files, and the rows that waited for it.
    pub(super) fn finish(self) -> Result<(DeltaOutcome, Option<SettledRows>), StateError> {
        let is_compared = self.before.is_some();
        let merged = self
            .rows
            .map_err(|error| storage(&error.path, "keep the rows for the snapshot")(error.source))
            .and_then(|rows| merge::merge(rows, self.before, self.is_full, &self.files));
        let (finished, unchanged) = match merged {
            Ok(merged) => {
                let finished = DeltaOutcome {
                    compared: is_compared.then_some(merged.compared),
                    left: merged.left,
                    failure: None,
                };
                (finished, merged.unchanged)
            }
            // Every row that waits is sent.
            Err(failure) => {
                let finished = DeltaOutcome {
                    failure: Some(failure),
                    ..DeltaOutcome::default()
                };
                (finished, FixedBitSet::new())
            }
        };
        let held = match (self.held, self.identifiers) {
            (None, identifiers) => {
                identifiers.map(IdentifiersFile::finish).transpose()?;
                None
            }
            (Some(rows), identifiers) => Some(SettledRows {
                rows,
                unchanged,
                identifiers,
            }),
        };
        Ok((finished, held))
    }
}

/// Rows that waited, of which it is known now how they stand.
pub(super) struct SettledRows {
    rows: HeldRows,
    /// By their numbers.
    unchanged: FixedBitSet,
    identifiers: Option<IdentifiersFile>,
}

impl SettledRows {
    /// Calls `take` with each row and how it stands, in their order.
    pub(super) fn replay<E: From<SpoolError>>(
        self,
        mut take: impl FnMut(HeldRow<'_>, DeltaStanding) -> Result<(), E>,
    ) -> Result<(), E> {
        let Self {
            rows,
            unchanged,
            mut identifiers,
        } = self;
        rows.replay(|row| {
            let number = usize::try_from(row.number).unwrap_or(usize::MAX);
            if !unchanged.contains(number) {
                return take(row, DeltaStanding::Sent);
            }
            let cells = &row.bytes[..row.identifier_bytes as usize];
            IdentifiersFile::add(&mut identifiers, cells).map_err(SpoolError::from)?;
            take(row, DeltaStanding::Unchanged)
        })?;
        let finished = identifiers.map(IdentifiersFile::finish).transpose();
        finished.map_err(SpoolError::from)?;
        Ok(())
    }
}

/// How a comparison ended.
#[derive(Debug, Default)]
pub struct DeltaOutcome {
    /// The counts; `None` where there was no snapshot, or the next one failed.
    pub compared: Option<DeltaCounts>,
    /// The hashes of the keys of those who left, in order; `None` unless they are wanted.
    pub left: Option<Vec<u128>>,
    /// The reason for which there is no next snapshot, and no list of what is sent.
    pub failure: Option<StateError>,
}

/// The identifiers of unchanged rows.
struct IdentifiersFile {
    path: PathBuf,
    file: BufWriter<File>,
}

impl IdentifiersFile {
    fn create(path: &Path, header: &[u8]) -> Result<Self, StateError> {
        let file = create_private(path).map_err(storage(path, "write it"))?;
        let mut file = BufWriter::with_capacity(1 << 18, file);
        file.write_all(header).map_err(storage(path, "write it"))?;
        Ok(Self {
            path: path.to_owned(),
            file,
        })
    }

    /// Adds the identifier cells of a row to the file, if there is one.
    fn add(file: &mut Option<Self>, cells: &[u8]) -> Result<(), StateError> {
        let Some(Self { path, file }) = file else {
            return Ok(());
        };
        let written = file.write_all(cells).and_then(|()| file.write_all(b"\n"));
        written.map_err(storage(path, "write it"))
    }

    /// Makes the file durable.
    fn finish(mut self) -> Result<(), StateError> {
        let done = self.file.flush();
        let done = done.and_then(|()| self.file.get_ref().sync_all());
        done.map_err(storage(&self.path, "write it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::snapshot::{Context, SNAPSHOT, SnapshotReader, SnapshotWriter};

    fn head() -> SnapshotHead {
        let empty = String::new;
        SnapshotHead {
            job: empty(),
            key_id: empty(),
            run_id: empty(),
            full_at: jiff::Timestamp::UNIX_EPOCH,
            run_group: None,
            program: empty(),
            context: Context {
                columns: empty(),
                rules: empty(),
                destination: empty(),
                list: empty(),
                list_id: None,
            },
        }
    }

    /// The rows that are sent of three, of which the last run had the first two, when the snapshot does not fit in memory.
    fn sent(next: &Path, folder: &Path) -> (Vec<u64>, DeltaOutcome) {
        let rows = [&b"\"a\",1\n"[..], b"\"b\",1\n", b"\"c\",1\n"];
        let hasher = RowHasher {
            header: 0,
            kinds: vec![PrimaryKey::Email],
            primary: PrimaryKey::Email,
            key: HashKey::read_or_create(&folder.join("key")).unwrap(),
        };
        let path = folder.join("snapshot");
        let mut entries: Vec<_> = rows[..2].iter().map(|row| hasher.entry(row, 3)).collect();
        entries.sort();
        let mut writer = SnapshotWriter::create(&path, SNAPSHOT).unwrap();
        for entry in entries {
            writer.push(entry.to_bytes()).unwrap();
        }
        writer.finish(&head()).unwrap();
        let snapshot = SnapshotReader::open(&path, SNAPSHOT).unwrap().unwrap();
        let before = LastRows::read(snapshot, None, 0).unwrap();
        let files = DeltaFiles {
            scratch: folder.to_owned(),
            next: Some((next.to_owned(), head())),
            unsettled: folder.join("unsettled"),
            identifiers: None,
            wants_left: false,
        };
        let mut delta = Delta::new(hasher, Some(before), false, files).unwrap();
        for row in rows {
            let mut placed = [PlacedRow {
                range: 0..row.len(),
                identifier_bytes: 3,
                external_id_only: false,
                standing: DeltaStanding::Sent,
            }];
            delta.compare(row, &mut placed).unwrap();
            assert_eq!(placed[0].standing, DeltaStanding::Waits);
        }
        let (finished, held) = delta.finish().unwrap();
        let mut sent = Vec::new();
        let replayed = held.unwrap().replay(|row, standing| {
            if standing == DeltaStanding::Sent {
                sent.push(row.number);
            }
            Ok::<_, SpoolError>(())
        });
        replayed.unwrap();
        (sent, finished)
    }

    #[test]
    fn rows_that_waited_are_all_sent_where_they_could_not_be_compared() {
        let folder = tempfile::tempdir().unwrap();
        let next = folder.path().join("next");
        let (two_known, finished) = sent(&next, folder.path());
        assert_eq!(two_known, [2]);
        assert_eq!(finished.compared.unwrap().rows_new, 1);
        let no_such_folder = folder.path().join("none/next");
        let (none_known, finished) = sent(&no_such_folder, folder.path());
        assert_eq!(none_known, [0, 1, 2]);
        assert!(finished.failure.is_some() && finished.compared.is_none());
    }
}
