//! Identifiers that several of the rows have: which row keeps each is settled when all rows were looked at.

use std::collections::HashSet;

use crate::pipeline::batch::Batch;
use crate::pipeline::settings::{PrimaryKey, SharedIdentifiers};

/// The identifiers of the rows that were looked at.
pub(super) struct SharedLook {
    mode: SharedIdentifiers,
    identifiers: Vec<PreviewIdentifier>,
    duplicates: HashSet<u64>,
}

struct PreviewIdentifier {
    number: u64,
    kind: PrimaryKey,
    fingerprint: u128,
}

/// A row that has an identifier of an earlier one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SharingRow {
    /// Its number.
    pub(super) number: u64,
    /// Its identifiers that an earlier row has.
    pub(super) shared: Vec<PrimaryKey>,
    /// Its other identifiers.
    pub(super) own: Vec<PrimaryKey>,
    /// Whether it is rejected for that.
    pub(super) is_rejected: bool,
}

impl SharedLook {
    /// Nothing looked at yet.
    pub(super) fn new(mode: SharedIdentifiers) -> Self {
        Self {
            mode,
            identifiers: Vec::new(),
            duplicates: HashSet::new(),
        }
    }

    /// Notes the identifiers of a batch, of whose rows `number_of` gives the number by their records.
    pub(super) fn note(&mut self, batch: &Batch, number_of: impl Fn(u32) -> u64) {
        let mut others = batch.other_identifiers.iter().peekable();
        for (index, row) in (0..).zip(&batch.rows) {
            let number = number_of(row.record);
            self.identifiers.push(PreviewIdentifier {
                number,
                kind: row.key_kind,
                fingerprint: row.key,
            });
            while let Some(other) = others.next_if(|other| other.row == index) {
                self.identifiers.push(PreviewIdentifier {
                    number,
                    kind: other.kind,
                    fingerprint: other.fingerprint,
                });
            }
        }
    }

    /// The row of this number is not sent: another has its key.
    pub(super) fn drop_duplicate(&mut self, number: u64) {
        self.duplicates.insert(number);
    }

    /// The rows that share an identifier with an earlier one, in their order.
    pub(super) fn settle(&self) -> Vec<SharingRow> {
        let mut claimed = HashSet::new();
        let mut sharing = Vec::new();
        for row in self.identifiers.chunk_by(|a, b| a.number == b.number) {
            let Some(number) = row.first().map(|first| first.number) else {
                continue;
            };
            if self.duplicates.contains(&number) {
                continue;
            }
            let (shared, own): (Vec<_>, Vec<_>) = row
                .iter()
                .partition(|identifier| claimed.contains(&identifier.fingerprint));
            let is_rejected = match self.mode {
                SharedIdentifiers::Reject => !shared.is_empty(),
                SharedIdentifiers::Blank => own.is_empty(),
                SharedIdentifiers::Report | SharedIdentifiers::Fail => false,
            };
            if !is_rejected {
                claimed.extend(own.iter().map(|identifier| identifier.fingerprint));
            }
            if !shared.is_empty() {
                let kinds = |of: &[&PreviewIdentifier]| of.iter().map(|it| it.kind).collect();
                sharing.push(SharingRow {
                    number,
                    shared: kinds(&shared),
                    own: kinds(&own),
                    is_rejected,
                });
            }
        }
        sharing
    }
}
