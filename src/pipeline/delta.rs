//! Rows that Klaviyo has already: they are compared with the snapshot of the last run, and not written again.
//!
//! While rows are committed, each is looked up by one digest of its key and its bytes, in memory. When the audience has ended,
//! its rows and those of the snapshot are merged in the order of their keys: that tells new rows from changed ones and
//! finds those who left, and it writes the next snapshot.

mod merge;

pub use merge::{Difference, each_newcomer_and_leaver};

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::{xxh3_64, xxh3_128, xxh3_128_with_seed};

use crate::base::csv::{BLANK, WrittenCells, push_quoted};
use crate::pipeline::dedupe::{DigestSet, GROUP, Partitions, SpillError, sub_table};
use crate::pipeline::mapping::Mapping;
use crate::pipeline::settings::PrimaryKey;
use crate::state::counts::Compared;
use crate::state::manifest::StateError;
use crate::state::sealed::Unusable;
use crate::state::snapshot::{Entry, HashKey, SnapshotHead, SnapshotReader};

/// Spreads the hash of a row over the digest of key and row; any odd number does.
const SPREAD: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835;

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
    fn entry(&self, row: &[u8], identifier_bytes: usize) -> Entry {
        let mut found: [&[u8]; 3] = [BLANK; 3];
        let cells = WrittenCells::new(&row[..identifier_bytes]);
        for (kind, cell) in self.kinds.iter().zip(cells) {
            found[*kind as usize] = cell;
        }
        Entry {
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
fn pair(entry: Entry) -> u128 {
    entry.key ^ u128::from(entry.row).wrapping_mul(SPREAD)
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

/// The last run's rows.
pub struct Before {
    snapshot: SnapshotReader,
    pairs: DigestSet,
    /// Their rows in the snapshot mean nothing.
    unsettled: HashSet<u128>,
}

impl Before {
    /// The head of the snapshot.
    pub fn head(&self) -> &SnapshotHead {
        self.snapshot.head()
    }

    /// Reads a snapshot whole; an error means that it cannot be trusted.
    pub fn read(mut snapshot: SnapshotReader, unsettled: Vec<u128>) -> Result<Self, Unusable> {
        let unsettled: HashSet<u128> = unsettled.into_iter().collect();
        let mut pairs = DigestSet::with_room_for(snapshot.records());
        let mut has_room = true;
        snapshot.verify(|bytes| {
            let entry = Entry::of_bytes(bytes);
            if unsettled.is_empty() || !unsettled.contains(&entry.key) {
                has_room &= pairs.insert(pair(entry));
            }
        })?;
        // Keys that are no hashes: this program did not write them.
        if !has_room {
            return Err(Unusable::Damaged);
        }
        Ok(Self {
            snapshot,
            pairs,
            unsettled,
        })
    }
}

/// A look at which rows a run would not send. It writes nothing.
pub struct Comparison {
    hasher: RowHasher,
    before: Before,
}

impl Comparison {
    /// Compares with `before`.
    pub fn new(hasher: RowHasher, before: Before) -> Self {
        Self { hasher, before }
    }

    /// Whether Klaviyo has the finished row, whose first `identifier_bytes` are its identifier cells.
    pub fn is_unchanged(&self, row: &[u8], identifier_bytes: usize) -> bool {
        let entry = self.hasher.entry(row, identifier_bytes);
        self.before.pairs.contains(pair(entry))
    }
}

/// The comparison of a run's rows with those of the last run.
pub struct Delta {
    hasher: RowHasher,
    before: Option<Before>,
    /// Every row is written, whether it has changed or not.
    is_full: bool,
    files: DeltaFiles,
    /// The rows of this run; the error once they cannot be kept.
    rows: Result<Partitions<6>, SpillError>,
    identifiers: Option<(PathBuf, BufWriter<File>)>,
    /// Of the rows in hand.
    entries: Vec<Entry>,
}

/// A row in a text: where it stands, and how many of its bytes are its identifier cells.
pub(super) struct PlacedRow {
    pub(super) range: Range<usize>,
    pub(super) identifier_bytes: usize,
    pub(super) external_id_only: bool,
    /// Klaviyo has it as it is.
    pub(super) is_unchanged: bool,
}

impl Delta {
    /// Compares with `before`, if there is a snapshot. `is_full`: all rows are written all the same.
    pub fn new(
        hasher: RowHasher,
        before: Option<Before>,
        is_full: bool,
        files: DeltaFiles,
    ) -> Result<Self, StateError> {
        let identifiers = match &files.identifiers {
            None => None,
            Some((path, header)) => Some((path.clone(), identifiers_file(path, header)?)),
        };
        let rows = Partitions::create(&files.scratch);
        Ok(Self {
            hasher,
            before,
            is_full,
            rows,
            files,
            identifiers,
            entries: Vec::new(),
        })
    }

    /// Whether there is a snapshot: then what is sent is known only when the audience has ended.
    pub fn has_before(&self) -> bool {
        self.before.is_some()
    }

    /// Compares rows of `text`, and marks those that Klaviyo has as they are.
    pub(super) fn compare(
        &mut self,
        text: &[u8],
        rows: &mut [PlacedRow],
    ) -> Result<(), StateError> {
        for rows in rows.chunks_mut(GROUP) {
            let entries = rows.iter().map(|row| {
                self.hasher
                    .entry(&text[row.range.clone()], row.identifier_bytes)
            });
            let mut entries_of_group = std::mem::take(&mut self.entries);
            entries_of_group.clear();
            entries_of_group.extend(entries);
            if let Some(before) = self.before.as_ref().filter(|_| !self.is_full) {
                let pairs = entries_of_group.iter().map(|entry| pair(*entry));
                before.pairs.touch(pairs.clone());
                for (row, pair) in rows.iter_mut().zip(pairs) {
                    row.is_unchanged = before.pairs.contains(pair);
                    if row.is_unchanged {
                        let begin = row.range.start;
                        let cells = begin..begin + row.identifier_bytes;
                        keep_identifiers(&mut self.identifiers, &text[cells])?;
                    }
                }
            }
            for entry in &entries_of_group {
                self.note(*entry);
            }
            self.entries = entries_of_group;
        }
        Ok(())
    }

    /// Keeps the row for the next snapshot. The disk being full costs the snapshot and not the run.
    fn note(&mut self, entry: Entry) {
        if let Ok(rows) = &mut self.rows
            && let Err(error) = rows.push(sub_table(entry.key), merge::words(entry))
        {
            tracing::warn!("the snapshot cannot be kept: {error}");
            self.rows = Err(error);
        }
    }

    /// Ends the comparison: the counts, and the files.
    pub(super) fn finish(self) -> Result<Finished, StateError> {
        if let Some((path, mut file)) = self.identifiers {
            let done = file.flush().and_then(|()| file.get_ref().sync_all());
            done.map_err(unwritable(&path))?;
        }
        let is_compared = self.before.is_some();
        let merged = self
            .rows
            .map_err(|error| StateError::Storage {
                path: error.path,
                action: "keep the rows for the snapshot",
                source: error.source,
            })
            .and_then(|rows| merge::merge(rows, self.before, &self.files));
        Ok(match merged {
            Ok((compared, left)) => Finished {
                compared: is_compared.then_some(compared),
                left,
                failure: None,
            },
            Err(failure) => Finished {
                failure: Some(failure),
                ..Finished::default()
            },
        })
    }
}

/// How a comparison ended.
#[derive(Debug, Default)]
pub struct Finished {
    /// The counts; `None` where there was no snapshot, or the next one failed.
    pub compared: Option<Compared>,
    /// The hashes of the keys of those who left, in order; `None` unless they are wanted.
    pub left: Option<Vec<u128>>,
    /// The reason for which there is no next snapshot, and no list of what is sent.
    pub failure: Option<StateError>,
}

fn identifiers_file(path: &Path, header: &[u8]) -> Result<BufWriter<File>, StateError> {
    use std::os::unix::fs::OpenOptionsExt;
    let file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .map_err(unwritable(path))?;
    let mut file = BufWriter::with_capacity(1 << 18, file);
    file.write_all(header).map_err(unwritable(path))?;
    Ok(file)
}

fn keep_identifiers(
    file: &mut Option<(PathBuf, BufWriter<File>)>,
    cells: &[u8],
) -> Result<(), StateError> {
    let Some((path, file)) = file else {
        return Ok(());
    };
    let written = file.write_all(cells).and_then(|()| file.write_all(b"\n"));
    written.map_err(unwritable(path))
}

fn unwritable(path: &Path) -> impl FnOnce(std::io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::Storage {
        path,
        action: "write it",
        source,
    }
}
