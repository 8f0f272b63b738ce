//! Identifiers on disk, each with the number of its row: those for which there is no memory, and all of them where which
//! rows are kept is known at the end only.
//!
//! Equal identifiers are in one partition, in the order of their rows. [`Occurrences::settle`] looks through the partitions
//! and gives [`Contests`]: for each row, the identifiers that another kept row has.

use std::path::{Path, PathBuf};

use super::partitions::{Partitions, SpillError};
use super::table::{Key, Slot, Table, key_of};
use super::{SUB_TABLES, entry, place_of, sub_table};
use crate::pipeline::settings::PrimaryKey;

/// Position of the kind of an identifier in a place, above the number of its row.
const KIND_SHIFT: u32 = 60;
/// Marks the place of a first occurrence that is among the contests.
const IS_CONTESTED: u64 = 1 << 63;

/// The identifiers of rows, on disk.
pub struct Occurrences {
    partitions: Partitions,
    directory: PathBuf,
}

impl Occurrences {
    /// None yet. The files, which have no name, are made in `directory`.
    pub fn create(directory: &Path) -> Result<Self, SpillError> {
        Ok(Self {
            partitions: Partitions::create(directory)?,
            directory: directory.to_owned(),
        })
    }

    /// Adds an identifier of the row with this number, in the order of rows.
    pub fn push(
        &mut self,
        fingerprint: u128,
        kind: PrimaryKey,
        number: u64,
    ) -> Result<(), SpillError> {
        let entry = entry(Key::of(fingerprint), place(kind, number));
        self.partitions.push(sub_table(fingerprint), entry)
    }

    /// Finds the identifiers that two or more rows have, of those that are kept; all numbers are below `numbers`.
    /// `with_first` gives the first occurrence of each too.
    pub fn settle(
        mut self,
        numbers: u64,
        is_kept: impl Fn(u64) -> bool,
        with_first: bool,
    ) -> Result<Contests, SpillError> {
        let mut contests = Contests::new(&self.directory, numbers);
        for partition in 0..SUB_TABLES {
            let mut table = Table::<5>::new(u64::MAX);
            self.partitions.read(partition, |entry| {
                let own = place_of(entry);
                if !is_kept(number_of(own)) {
                    return Ok(());
                }
                match table.find(key_of(&entry)) {
                    Slot::Free(at) => {
                        table.insert(at, entry);
                        Ok(())
                    }
                    Slot::Taken(at) => {
                        let first = place_of(table.entry(at));
                        let first_place = first & !IS_CONTESTED;
                        if with_first && first == first_place {
                            let contested = super::entry(key_of(&entry), first | IS_CONTESTED);
                            table.replace(at, contested);
                            contests.push(first_place, first_place)?;
                        }
                        contests.push(own, first_place)
                    }
                }
            })?;
        }
        Ok(contests)
    }
}

/// One identifier of a row that another kept row has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contest {
    /// The number of the row.
    pub number: u64,
    /// The identifier's column.
    pub kind: PrimaryKey,
    /// The first occurrence, which no other identifier has.
    pub first: FirstOccurrence,
}

/// The place of an identifier's first occurrence: it stands for the identifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FirstOccurrence(u64);

impl FirstOccurrence {
    /// The number of its row.
    pub fn number(self) -> u64 {
        number_of(self.0)
    }
}

/// Identifiers that several rows have, by the numbers of these rows: on disk, for they may be many.
pub struct Contests {
    directory: PathBuf,
    /// Each has the rows of a range of numbers.
    partitions: Option<Partitions>,
    numbers: u64,
    /// Those of the partition in hand from the last number that was asked for, the next one last.
    loaded: Vec<Contest>,
    /// Partitions before it were loaded.
    next_partition: usize,
}

impl Contests {
    fn new(directory: &Path, numbers: u64) -> Self {
        Self {
            directory: directory.to_owned(),
            partitions: None,
            numbers,
            loaded: Vec::new(),
            next_partition: 0,
        }
    }

    fn push(&mut self, own: u64, first: u64) -> Result<(), SpillError> {
        let partition = self.partition_of(number_of(own));
        let partitions = match &mut self.partitions {
            Some(partitions) => partitions,
            None => self.partitions.insert(Partitions::create(&self.directory)?),
        };
        let [own_high, own_low] = halves(own);
        let [high, low] = halves(first);
        partitions.push(partition, [own_high, own_low, high, low, 0])
    }

    /// Appends the contests of the row with this number. Numbers are asked for in their order.
    pub fn of(&mut self, number: u64, out: &mut Vec<Contest>) -> Result<(), SpillError> {
        while self.next_partition <= self.partition_of(number) {
            self.load()?;
        }
        while let Some(contest) = self.loaded.pop_if(|contest| contest.number <= number) {
            if contest.number == number {
                out.push(contest);
            }
        }
        Ok(())
    }

    fn load(&mut self) -> Result<(), SpillError> {
        let partition = self.next_partition;
        self.next_partition += 1;
        self.loaded.clear();
        let Some(partitions) = &mut self.partitions else {
            return Ok(());
        };
        let loaded = &mut self.loaded;
        partitions.read(partition, |[own_high, own_low, high, low, _]| {
            let own = joined([own_high, own_low]);
            loaded.push(Contest {
                number: number_of(own),
                kind: kind_of(own),
                first: FirstOccurrence(joined([high, low])),
            });
            Ok(())
        })?;
        loaded.sort_unstable_by(|a, b| b.cmp(a));
        Ok(())
    }

    /// The partition of a row: each has about as many rows.
    fn partition_of(&self, number: u64) -> usize {
        let partition = u128::from(number) * SUB_TABLES as u128 / u128::from(self.numbers.max(1));
        usize::try_from(partition).map_or(SUB_TABLES - 1, |it| it.min(SUB_TABLES - 1))
    }
}

fn place(kind: PrimaryKey, number: u64) -> u64 {
    (kind as u64) << KIND_SHIFT | number
}

fn number_of(place: u64) -> u64 {
    place & ((1 << KIND_SHIFT) - 1)
}

fn kind_of(place: u64) -> PrimaryKey {
    let kind = usize::try_from((place & !IS_CONTESTED) >> KIND_SHIFT).unwrap_or(0);
    PrimaryKey::BEST_FIRST
        .get(kind)
        .copied()
        .unwrap_or(PrimaryKey::Email)
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves")]
fn halves(place: u64) -> [u32; 2] {
    [(place >> 32) as u32, place as u32]
}

fn joined([high, low]: [u32; 2]) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use PrimaryKey::{Email, ExternalId, PhoneNumber};
    use xxhash_rust::xxh3::xxh3_128;

    #[test]
    fn contests_come_by_row_and_name_the_first_that_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let settled = |with_first| {
            let mut occurrences = Occurrences::create(directory.path()).unwrap();
            let rows = [
                (2, ExternalId, 7),
                (3, ExternalId, 7),
                (3, Email, 9),
                (1 << 40, ExternalId, 7),
                (1 << 41, PhoneNumber, 9),
                (1 << 41, ExternalId, 7),
            ];
            for (number, kind, value) in rows {
                let value: u32 = value;
                let fingerprint = xxh3_128(&value.to_le_bytes());
                occurrences.push(fingerprint, kind, number).unwrap();
            }
            let is_kept = |number| number != 2;
            let mut contests = occurrences
                .settle((1 << 41) + 1, is_kept, with_first)
                .unwrap();
            let mut found = Vec::new();
            for number in [3, 4, 1 << 40, 1 << 41] {
                contests.of(number, &mut found).unwrap();
            }
            found
                .into_iter()
                .map(|it| (it.number, it.kind, it.first.number()))
                .collect::<Vec<_>>()
        };
        let later = [
            (1 << 40, ExternalId, 3),
            (1 << 41, PhoneNumber, 3),
            (1 << 41, ExternalId, 3),
        ];
        assert_eq!(settled(false), later);
        let first = [(3, Email, 3), (3, ExternalId, 3)];
        assert_eq!(settled(true), [&first[..], &later].concat());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
