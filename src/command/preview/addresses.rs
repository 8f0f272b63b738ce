//! Which column holds e-mail addresses, told by its values where no name of a column tells it.

use crate::pipeline::normalize::email;
use crate::profile::consent::looks_like_consent;
use crate::source::audience::{Block, RecordReader, Source};
use crate::source::record::{Cell, Record, RecordFault, RecordVisitor};

/// So many rows tell.
const ROWS: u64 = 1_000;

/// So many percent of the filled cells must be addresses: even a neglected list is not wrong more often than right.
const PERCENT: u64 = 50;

/// The column of `source` in whose cells, in this block of it, e-mail addresses stand: of several the one with the most, and
/// of these the first.
pub fn column_of_addresses<'a>(source: &'a Source, block: &Block) -> Option<&'a str> {
    let mut seen = Seen {
        columns: vec![Tally::default(); source.header.len()],
        rows: 0,
        cell: Vec::new(),
        address: Vec::new(),
    };
    RecordReader::new().visit(source, block, &mut seen).ok()?;
    let columns = source.header.iter().zip(&seen.columns).rev();
    let suitable = columns.filter(|(name, tally)| {
        tally.is_of_addresses() && !name.is_empty() && !looks_like_consent(name)
    });
    // Of equals the last is taken: that is the first of the header.
    suitable
        .max_by_key(|(_, tally)| tally.addresses)
        .map(|(name, _)| name.as_str())
}

#[derive(Clone, Default)]
struct Tally {
    filled: u64,
    addresses: u64,
}

impl Tally {
    fn is_of_addresses(&self) -> bool {
        self.addresses > 0 && self.addresses * 100 >= self.filled * PERCENT
    }
}

struct Seen {
    columns: Vec<Tally>,
    rows: u64,
    cell: Vec<u8>,
    address: Vec<u8>,
}

impl RecordVisitor for Seen {
    fn row(&mut self, row: &impl Record) {
        self.rows += 1;
        if self.rows > ROWS {
            return;
        }
        for (index, tally) in self.columns.iter_mut().enumerate() {
            let Cell::Text(text) = row.cell(index, &mut self.cell) else {
                continue;
            };
            let text = text.trim_ascii();
            if !text.is_empty() {
                self.address.clear();
                tally.filled += 1;
                tally.addresses += u64::from(email::normalize(text, &mut self.address).is_ok());
            }
        }
    }

    fn fault(&mut self, _: RecordFault, _: &impl Record) {}
}
