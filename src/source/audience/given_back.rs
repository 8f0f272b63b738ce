//! A `rejects.csv` that is given back: which of its rows a person mended, and what their cells are.
//!
//! A row is read again if a person changed one of its cells or emptied its `_reason`. A row that nobody changed is rejected
//! again if its cells do not show the reason: the cells of a ragged row may be under the wrong columns. If they do show it
//! (no identifier, a bad e-mail, a nested value), the rules of the job decide, as they did before. But a row that had no identifier
//! gets no ExternalID from a column that was none: of a few rows, any column with different values looks like one.

use std::collections::HashMap;

use super::{Source, json, reject_cell};
use crate::profile::target::RESERVED_HEADERS;
use crate::source::record::{Cell, Record, RecordFault, mark, marked};
use crate::state::codes::RejectionReason;

/// The columns of a `rejects.csv`, by their place in its header.
#[derive(Debug, Clone)]
pub struct RejectColumns {
    reason: Option<usize>,
    detail: Option<usize>,
    digest: Option<usize>,
    /// Those of the source that it was made of.
    own: Vec<usize>,
    names: HashMap<String, usize>,
    names_digest: u32,
}

/// The answer of [`RejectColumns::judge`] for a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RejectStanding {
    /// It is read again.
    Row {
        /// The detail of a row that had no identifier, and that nobody changed.
        unidentified: Option<String>,
    },
    /// It is read again, and is no row.
    Fault(RecordFault),
    /// It is as it was, and is rejected again.
    AsItWas {
        /// The reason that it carries.
        reason: RejectionReason,
        /// The detail that it carries.
        detail: String,
    },
}

impl RejectColumns {
    /// The columns of `source`, if it is a `rejects.csv`.
    pub fn of(source: &Source) -> Option<Self> {
        if !source.is_rejects {
            return None;
        }
        let place = |name: &str| source.header.iter().position(|column| column == name);
        let is_own = |&at: &usize| !RESERVED_HEADERS.contains(&source.header[at].as_str());
        let own: Vec<usize> = (0..source.header.len()).filter(is_own).collect();
        let names = own.iter().map(|&at| source.header[at].as_str());
        Some(Self {
            reason: place("_reason"),
            detail: place("_detail"),
            digest: place("_digest"),
            names_digest: reject_cell::names_digest(names.clone()),
            names: names.map(str::to_owned).zip(own.iter().copied()).collect(),
            own,
        })
    }

    /// Reads the cells of `record` into `row`, and decides whether they are read again. `fault` is that of the record in the
    /// file.
    pub fn judge(
        &self,
        record: &impl Record,
        fault: Option<RecordFault>,
        row: &mut RejectRow,
    ) -> RejectStanding {
        row.read(self, record, fault);
        if let Some(
            fault @ (RecordFault::Ragged { .. } | RecordFault::NotAnObject | RecordFault::TooLong),
        ) = fault
        {
            return RejectStanding::Fault(fault);
        }
        let detail = text(record, self.detail);
        let written = text(record, self.reason);
        let mut reasons = RejectionReason::ALL.into_iter();
        let reason = reasons.find(|reason| written.eq_ignore_ascii_case(reason.code()));
        if let Some(reason) = reason
            && self.is_as_it_was(reason, &text(record, self.digest), row)
        {
            return RejectStanding::AsItWas { reason, detail };
        }
        if detail == RecordFault::NotAnObject.to_string() && row.is_line(self) {
            if !row.read_line(self) {
                return RejectStanding::Fault(RecordFault::NotAnObject);
            }
        } else if reason == Some(RejectionReason::NestedValue) {
            row.nest();
        }
        if let Some(fault) = row.fault() {
            return RejectStanding::Fault(fault);
        }
        let digest = reject_cell::digest_of(&text(record, self.digest), self.names_digest);
        let is_unidentified = reason == Some(RejectionReason::NoIdentifier)
            && digest.is_some_and(|digest| digest == row.digest(self));
        RejectStanding::Row {
            unidentified: is_unidentified.then_some(detail),
        }
    }

    /// Whether nobody changed a row of which the cells do not show why it was rejected.
    fn is_as_it_was(&self, reason: RejectionReason, digest: &str, row: &RejectRow) -> bool {
        let digest = reject_cell::digest_of(digest, self.names_digest);
        match reason {
            RejectionReason::RaggedRow
            | RejectionReason::RecordTooLong
            | RejectionReason::SharedIdentifier => {
                digest.is_none_or(|digest| digest == row.digest(self))
            }
            // Its marks tell whether it is text now; without a digest its cells may also be out of place.
            RejectionReason::InvalidEncoding => digest.is_none(),
            RejectionReason::NoIdentifier
            | RejectionReason::InvalidEmail
            | RejectionReason::InvalidPhone
            | RejectionReason::ProfileTooLarge
            | RejectionReason::NestedValue => false,
        }
    }
}

/// A cell of one of the program's own columns.
fn text(record: &impl Record, column: Option<usize>) -> String {
    let mut scratch = Vec::new();
    let cell = column.map(|column| record.kept_cell(column, &mut scratch));
    let Some(cell) = cell else {
        return String::new();
    };
    let text = String::from_utf8_lossy(reject_cell::unguarded(cell.text()));
    text.trim().to_owned()
}

/// A row of a `rejects.csv`, its cells as they were before they were written there. Used again from row to row.
#[derive(Debug, Default)]
pub struct RejectRow {
    cells: Vec<Vec<u8>>,
    is_nested: Vec<bool>,
    is_in_place: bool,
    whole_bytes: Option<u64>,
}

impl RejectRow {
    fn read(&mut self, columns: &RejectColumns, record: &impl Record, fault: Option<RecordFault>) {
        let count = columns.own.last().map_or(0, |last| last + 1);
        self.cells.resize_with(count, Vec::new);
        self.is_nested.clear();
        self.is_nested.resize(count, false);
        self.is_in_place = record.is_in_place();
        self.whole_bytes = record.whole_bytes();
        let mut scratch = Vec::new();
        for &column in &columns.own {
            let cell = if fault.is_some() {
                record.kept_cell(column, &mut scratch)
            } else {
                record.cell(column, &mut scratch)
            };
            self.cells[column].clear();
            let text = reject_cell::unguarded(cell.text());
            reject_cell::push_unescaped(text, &mut self.cells[column]);
        }
    }

    fn digest(&self, columns: &RejectColumns) -> u64 {
        let mut digest = reject_cell::RowDigest::default();
        let mut escaped = Vec::new();
        for &column in &columns.own {
            escaped.clear();
            reject_cell::push_escaped(&self.cells[column], &mut escaped);
            digest.cell(&escaped);
        }
        digest.finish()
    }

    /// Whether the row is a line of NDJSON, all of it in the first cell.
    fn is_line(&self, columns: &RejectColumns) -> bool {
        let mut own = columns
            .own
            .iter()
            .map(|&column| self.cells[column].trim_ascii());
        own.next().is_some_and(|first| first.starts_with(b"{")) && own.all(<[u8]>::is_empty)
    }

    /// Puts the values of the line under their columns. False when it is no object.
    fn read_line(&mut self, columns: &RejectColumns) -> bool {
        let Some(&first) = columns.own.first() else {
            return false;
        };
        let line = std::mem::take(&mut self.cells[first]);
        let values = values_of(&line, columns);
        let is_read = values.is_some();
        for (column, value, is_nested) in values.into_iter().flatten() {
            self.cells[column] = value;
            self.is_nested[column] = is_nested;
        }
        if !is_read {
            self.cells[first] = line;
            self.is_in_place = false;
        }
        is_read
    }

    /// Takes cells that are JSON objects, or lists of such, for what they were.
    fn nest(&mut self) {
        let mut scratch = Vec::new();
        for (cell, is_nested) in self.cells.iter().zip(&mut self.is_nested) {
            if let Ok(text) = std::str::from_utf8(cell)
                && text.starts_with(['{', '['])
            {
                *is_nested = matches!(json::cell_of(text, &mut scratch), Cell::Nested(_));
            }
        }
    }

    /// The worst of what keeps the cells from being text.
    fn fault(&self) -> Option<RecordFault> {
        let mut fault = None;
        for cell in &self.cells {
            for at in memchr::memchr_iter(mark(0)[0], cell) {
                if marked(&cell[at..]) != Some(0) {
                    return Some(RecordFault::InvalidEncoding);
                }
                fault = Some(RecordFault::Nul);
            }
        }
        fault
    }
}

/// The values of a line that is an object, each with its column and whether it is nested.
fn values_of(line: &[u8], columns: &RejectColumns) -> Option<Vec<(usize, Vec<u8>, bool)>> {
    let line = std::str::from_utf8(line).ok()?;
    let mut values = Vec::new();
    let mut is_text = true;
    let is_object = json::each_pair(line.trim(), |key, value| {
        let Some(&column) = columns.names.get(key) else {
            return;
        };
        is_text &= json::fault_of(value).is_none();
        let mut scratch = Vec::new();
        values.push(match json::cell_of(value, &mut scratch) {
            Cell::Nested(text) => (column, text.to_vec(), true),
            cell => (column, cell.text().to_vec(), false),
        });
    });
    (is_object && is_text).then_some(values)
}

impl Record for RejectRow {
    fn cell<'a>(&'a self, column: usize, _: &'a mut Vec<u8>) -> Cell<'a> {
        let text = self.cells.get(column).map_or(&b""[..], Vec::as_slice);
        if self.is_nested.get(column) == Some(&true) {
            Cell::Nested(text)
        } else {
            Cell::Text(text)
        }
    }

    fn has_only(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        self.cells.iter().all(|cell| holds(cell))
    }

    fn is_in_place(&self) -> bool {
        self.is_in_place
    }

    fn whole_bytes(&self) -> Option<u64> {
        self.whole_bytes
    }
}
