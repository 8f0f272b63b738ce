//! The cells of the first rows, counted by their look: they decide between columns whose names say the same.
//!
//! No cell is kept: of each there are the counts of its column and a hash, to see which cells are equal.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, RandomState};

use super::cells::{self, WordList};
use crate::pipeline::normalize::email;
use crate::source::audience::{Block, RecordReader, Source};
use crate::source::record::{Cell, Record, RecordFault, RecordVisitor};

/// Rows that are looked at.
const ROWS: usize = 1_000;

/// From so many filled cells on, few distinct ones among them tell something.
const FEW_CELLS: u64 = 8;

/// The hash of a blank cell.
const BLANK: u64 = 0;

/// The looks of the first rows of a source; of none where nothing was read.
#[derive(Debug, Default)]
pub struct Sample {
    columns: Vec<Values>,
}

/// The looks of one column's cells.
#[derive(Debug, Default)]
pub(super) struct Values {
    /// Cells that are not blank.
    pub(super) filled: u64,
    /// E-mail addresses.
    pub(super) addresses: u64,
    /// Cells with an `@`.
    pub(super) ats: u64,
    /// Cells that may be phone numbers, well or badly written.
    pub(super) phones: u64,
    /// Yes, no, true, false in several languages.
    pub(super) flags: u64,
    /// Mr, Mrs.
    pub(super) salutations: u64,
    /// Enabled, pending, closed.
    pub(super) statuses: u64,
    /// Statuses of orders and tickets.
    pub(super) record_statuses: u64,
    /// Web addresses and paths.
    pub(super) links: u64,
    /// Numbers.
    pub(super) numbers: u64,
    /// Numbers that may be degrees.
    pub(super) degrees: u64,
    /// Cells with a digit.
    pub(super) digits: u64,
    /// Cells of two words and more.
    pub(super) spaced: u64,
    hashes: Vec<u64>,
}

impl Sample {
    /// Looks at the first rows of a block.
    pub fn of(source: &Source, block: &Block) -> Self {
        let mut seen = SampleVisitor {
            sample: Self {
                columns: source.header.iter().map(|_| Values::default()).collect(),
            },
            rows: 0,
            hasher: RandomState::new(),
            cell: Vec::new(),
            address: Vec::new(),
        };
        // A block that cannot be read tells nothing; the run will say why.
        match RecordReader::new().visit(source, block, &mut seen) {
            Ok(()) => seen.sample,
            Err(_) => Self::default(),
        }
    }

    /// The cells of a column; `None` where nothing was read.
    pub(super) fn column(&self, position: usize) -> Option<&Values> {
        self.columns.get(position)
    }
}

impl Values {
    /// Whether these are more than half of the filled cells.
    pub(super) const fn is_most(&self, cells: u64) -> bool {
        cells * 2 > self.filled
    }

    /// Whether these are at least half of the filled cells: even a neglected list is not wrong more often than right.
    pub(super) const fn is_half(&self, cells: u64) -> bool {
        self.filled > 0 && cells * 2 >= self.filled
    }

    /// Different cells.
    pub(super) fn distinct(&self) -> u64 {
        let cells = self.hashes.iter().filter(|hash| **hash != BLANK);
        cells.collect::<HashSet<_>>().len() as u64
    }

    /// Whether few cells come again and again, as the addresses of owners do.
    pub(super) fn repeats(&self) -> bool {
        self.filled >= FEW_CELLS && self.distinct() * 4 <= self.filled
    }

    /// Whether no cell is there twice.
    pub(super) fn is_unique(&self) -> bool {
        self.filled > 0 && self.distinct() == self.filled
    }

    /// Whether both have the same cell in each row.
    pub(super) fn equals(&self, other: &Self) -> bool {
        self.hashes == other.hashes
    }

    /// Cells of this column beside which more than one cell of the other stands, and all its different cells.
    pub(super) fn shared_among(&self, other: &Self) -> (u64, u64) {
        let mut beside: HashMap<u64, (u64, bool)> = HashMap::new();
        for (own, other) in self.hashes.iter().zip(&other.hashes) {
            if *own != BLANK && *other != BLANK {
                let first = beside.entry(*own).or_insert((*other, false));
                first.1 |= first.0 != *other;
            }
        }
        let shared = beside.values().filter(|(_, is_shared)| *is_shared).count();
        (shared as u64, beside.len() as u64)
    }

    fn count(&mut self, text: &str, is_address: bool) {
        self.filled += 1;
        self.addresses += u64::from(is_address);
        self.ats += u64::from(text.contains('@'));
        self.phones += u64::from(cells::is_like_a_phone(text));
        match cells::kind(text) {
            Some(WordList::Flag) => self.flags += 1,
            Some(WordList::Salutation) => self.salutations += 1,
            Some(WordList::Status) => self.statuses += 1,
            Some(WordList::RecordStatus) => {
                self.statuses += 1;
                self.record_statuses += 1;
            }
            None => {}
        }
        self.links += u64::from(cells::is_link(text));
        let number = cells::number(text);
        self.numbers += u64::from(number.is_some());
        self.degrees += u64::from(number.is_some_and(|number| number.abs() <= 180.0));
        self.digits += u64::from(text.contains(|c: char| c.is_ascii_digit()));
        self.spaced += u64::from(text.contains([' ', '\u{a0}', '\u{3000}']));
    }
}

/// Takes the sample from the records of a block.
struct SampleVisitor {
    sample: Sample,
    rows: usize,
    hasher: RandomState,
    cell: Vec<u8>,
    address: Vec<u8>,
}

impl RecordVisitor for SampleVisitor {
    fn row(&mut self, row: &impl Record) {
        self.rows += 1;
        if self.rows > ROWS {
            return;
        }
        for (index, values) in self.sample.columns.iter_mut().enumerate() {
            let text = match row.cell(index, &mut self.cell) {
                Cell::Text(text) => text.trim_ascii(),
                Cell::Nested(_) | Cell::Unrepresentable { .. } => b"",
            };
            if text.is_empty() {
                values.hashes.push(BLANK);
                continue;
            }
            self.address.clear();
            let is_address = email::normalize(text, &mut self.address).is_ok();
            // An address is the same in any letter case.
            let text = if is_address {
                self.address.as_slice()
            } else {
                text
            };
            values.hashes.push(self.hasher.hash_one(text).max(1));
            values.count(&String::from_utf8_lossy(text), is_address);
        }
    }

    fn fault(&mut self, _: RecordFault, _: &impl Record) {}
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::source::audience::{Audience, AudienceFiles};

    /// The header of a CSV, and its sample.
    pub(in super::super) fn sample(csv: &str) -> (Vec<String>, Sample) {
        let dialect = AudienceFiles {
            files: Vec::new(),
            base: std::path::PathBuf::new(),
            format: None,
            delimiter: None,
            encoding: encoding_rs::UTF_8,
            escape: crate::source::audience::Escape::Unsaid,
            header_row: None,
        };
        let stream = Box::new(std::io::Cursor::new(csv.to_owned()));
        let mut audience = Audience::from_stream("a.csv".to_owned(), stream, &dialect).unwrap();
        let block = audience.first_block();
        let source = &audience.sources()[0];
        let sample = block.map(|block| Sample::of(source, &block));
        (source.header.clone(), sample.unwrap_or_default())
    }

    #[test]
    fn cells_are_counted_and_compared() {
        let (_, sample) = sample(
            "a,b,c\nzoe@example.com,1,x\nZoe@Example.com,2,x\n,3,x\nyan@example.com,3,y\nbad,,\n",
        );
        let column = |index| sample.column(index).unwrap();
        let (mails, ids, groups) = (column(0), column(1), column(2));
        assert_eq!((mails.filled, mails.addresses, mails.ats), (4, 3, 3));
        assert_eq!((mails.distinct(), ids.distinct()), (3, 3));
        assert_eq!(groups.shared_among(ids), (1, 2));
        assert_eq!(ids.shared_among(mails), (0, 3));
        assert_eq!(mails.shared_among(ids), (1, 2));
        assert!(!ids.equals(groups) && ids.equals(ids));
        assert!(sample.column(3).is_none());
    }

    #[test]
    fn few_cells_that_come_again_are_seen_from_eight_on() {
        for (rows, repeats) in [(7, false), (8, true)] {
            let (_, sample) = sample(&format!("a\n{}", "x@example.com\n".repeat(rows)));
            assert_eq!(sample.column(0).unwrap().repeats(), repeats);
        }
    }
}
