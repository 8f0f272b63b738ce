//! The index that a run needs: of keys alone, or of all identifiers, by what the job says of duplicates.

use std::path::Path;

use super::known::KnownRows;
use super::waiting::WaitingRows;
use super::{CommitError, Deduplication};
use crate::pipeline::dedupe::{IdentifierIndex, LastPlaces, SeenKeys, Sighting, SpilledKeys};
use crate::pipeline::settings::Duplicates;

/// How duplicates are found, and where rows wait meanwhile.
pub(super) enum Keys {
    First {
        seen: SeenKeys,
        sightings: Vec<Sighting>,
        /// The rows from the first batch on that found the memory used up.
        waiting: Option<WaitingRows>,
    },
    Last {
        places: LastPlaces,
        waiting: WaitingRows,
    },
    Fail(UniqueKeys),
    /// Replaces `First` and `Fail` where several columns are identifiers.
    Identifiers {
        /// The keys, with `duplicates = "fail"`.
        unique: Option<UniqueKeys>,
        index: Box<IdentifierIndex>,
        /// The rows from the first batch on that found the memory used up.
        waiting: Option<WaitingRows>,
    },
    /// Replaces `First`, and `Identifiers` without `unique`, where most rows are as the last run sent them.
    Known(Box<KnownRows>),
}

/// The keys of rows that must not have the same.
pub(super) struct UniqueKeys {
    pub(super) places: LastPlaces,
    pub(super) spilled: Option<SpilledKeys>,
}

impl UniqueKeys {
    fn new(memory_bytes: u64) -> Self {
        Self {
            places: LastPlaces::new(memory_bytes),
            spilled: None,
        }
    }
}

impl Keys {
    /// An empty index. `has_others` says that rows have more identifiers than their keys.
    pub(super) fn new(
        deduplication: Deduplication,
        has_others: bool,
        parts_directory: &Path,
    ) -> Result<Self, CommitError> {
        let Deduplication {
            duplicates,
            shared,
            memory_bytes: memory,
        } = deduplication;
        Ok(match duplicates {
            Duplicates::Last => Self::Last {
                places: LastPlaces::new(memory),
                waiting: WaitingRows::create(parts_directory)?,
            },
            Duplicates::First if has_others => Self::Identifiers {
                unique: None,
                index: Box::new(IdentifierIndex::new(memory, shared)),
                waiting: None,
            },
            // A key takes 20 bytes of the one, and each identifier 16 of the other.
            Duplicates::Fail if has_others => Self::Identifiers {
                unique: Some(UniqueKeys::new(memory / 3)),
                index: Box::new(IdentifierIndex::new(memory - memory / 3, shared)),
                waiting: None,
            },
            Duplicates::First => Self::First {
                seen: SeenKeys::new(memory),
                sightings: Vec::new(),
                waiting: None,
            },
            Duplicates::Fail => Self::Fail(UniqueKeys::new(memory)),
        })
    }

    /// Makes room for the keys of so many rows, of which each has so many identifiers.
    pub(super) fn make_room(&mut self, rows: u64, identifiers: f64) {
        match self {
            // Only what is new or has changed is in memory.
            Self::Known(_) => {}
            Self::First { seen, .. } => seen.make_room(rows),
            Self::Last { places, .. } | Self::Fail(UniqueKeys { places, .. }) => {
                places.make_room(rows);
            }
            Self::Identifiers { unique, index, .. } => {
                if let Some(unique) = unique {
                    unique.places.make_room(rows);
                }
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a guess, which is not negative"
                )]
                index.make_room((rows as f64 * identifiers) as u64);
            }
        }
    }
}
