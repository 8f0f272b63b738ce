//! Rows that share an identifier with an earlier row of another key: they lose it, are rejected, are only counted, or stop
//! the run, as the job says.
//!
//! Duplicates are decided first: two rows share an identifier only where both are kept. The first of them in the order of
//! the audience keeps it. A row that would have no identifier left is rejected, and a rejected row claims none.

use std::collections::HashMap;

use super::waiting::WaitingRows;
use super::{Commit, CommitError, Keys};
use crate::base::csv::{BLANK, WrittenCells};
use crate::pipeline::batch::{Batch, row_range};
use crate::pipeline::dedupe::{
    BatchLookup, Contest, Contests, FirstOccurrence, SharedIdentifier, Sighting,
};
use crate::pipeline::mapping::Mapping;
use crate::pipeline::settings::PrimaryKey;
use crate::pipeline::settings::SharedIdentifiers;
use crate::pipeline::spool::HeldRow;
use crate::state::codes::RejectionReason;

/// The job's rule for shared identifiers, and the columns of a row that are identifiers.
pub(super) struct SharedRules {
    mode: SharedIdentifiers,
    /// The identifiers that are mapped, in the order of a row's cells.
    kinds: Vec<PrimaryKey>,
}

impl SharedRules {
    /// `None` where only one column is an identifier: it is the key of every row.
    pub(super) fn new(mode: SharedIdentifiers, mapping: &Mapping) -> Option<Self> {
        let kinds = mapping.identifier_kinds();
        (kinds.len() > 1).then_some(Self { mode, kinds })
    }

    /// Whether the first row that has an identifier keeps it and no later one does. Where rows are rejected for one, whether the
    /// first row keeps it depends on its other identifiers.
    pub(super) fn first_keeps(&self) -> bool {
        matches!(
            self.mode,
            SharedIdentifiers::Blank | SharedIdentifiers::Fail
        )
    }

    /// The identifier cells of a row, as they are written, with their kinds.
    fn cells<'r>(&self, row: &HeldRow<'r>) -> impl Iterator<Item = (PrimaryKey, &'r [u8])> {
        let identifiers = &row.bytes[..row.identifier_bytes as usize];
        self.kinds
            .iter()
            .copied()
            .zip(WrittenCells::new(identifiers))
    }

    fn fate(&self, row: &HeldRow<'_>) -> RowFate {
        let mut cells = self.cells(row);
        match self.mode {
            SharedIdentifiers::Report | SharedIdentifiers::Fail => RowFate::AsItIs,
            SharedIdentifiers::Reject => {
                let codes = self.codes(row);
                RowFate::Rejected(format!("an earlier row of another key has it: {codes}"))
            }
            SharedIdentifiers::Blank
                if cells
                    .any(|(kind, cell)| cell != BLANK && row.shared[kind as usize].is_none()) =>
            {
                RowFate::Blanked
            }
            SharedIdentifiers::Blank => {
                let codes = self.codes(row);
                RowFate::Rejected(format!("no identifier is left: {codes}"))
            }
        }
    }

    fn codes(&self, row: &HeldRow<'_>) -> String {
        let shared = self.kinds.iter();
        let shared = shared.filter(|kind| row.shared[**kind as usize].is_some());
        let codes: Vec<_> = shared.map(|kind| kind.shared_code().code()).collect();
        codes.join(", ")
    }

    /// Writes the identifier cells of a row without those that are shared. Whether neither e-mail nor phone number is left.
    fn blank(&self, row: &HeldRow<'_>, out: &mut Vec<u8>) -> bool {
        let mut external_id_only = true;
        out.clear();
        for (index, (kind, cell)) in self.cells(row).enumerate() {
            if index > 0 {
                out.push(b',');
            }
            let is_shared = row.shared[kind as usize].is_some();
            let cell = if is_shared { BLANK } else { cell };
            external_id_only &= kind == PrimaryKey::ExternalId || cell == BLANK;
            out.extend_from_slice(cell);
        }
        external_id_only
    }
}

/// Result of the rule for one row.
enum RowFate {
    AsItIs,
    Blanked,
    /// The text says more of the reason.
    Rejected(String),
}

/// A row of a batch that was blanked or rejected.
pub(super) struct RowChange {
    /// The row's place in the batch.
    pub(super) row: usize,
    /// The number of bytes by which its beginning has moved; `None` for a rejected row.
    pub(super) cut: Option<usize>,
}

/// The identifiers that rows which waited have in common.
pub(super) struct ContestedIdentifiers {
    contests: Contests,
    found: Vec<Contest>,
    /// The row that keeps each identifier; `None` unless rows with shared identifiers are rejected.
    claims: Option<HashMap<FirstOccurrence, u64>>,
}

impl ContestedIdentifiers {
    /// Adds what the row shares with earlier ones that waited.
    fn add_to(&mut self, row: &mut HeldRow<'_>) -> Result<(), CommitError> {
        self.found.clear();
        self.contests.of(row.number, &mut self.found)?;
        for contest in &self.found {
            let first = match &self.claims {
                None => Some(contest.first.number()),
                Some(claims) => claims.get(&contest.first).copied(),
            };
            let shared = &mut row.shared[contest.kind as usize];
            *shared = shared.or(first);
        }
        if let Some(claims) = &mut self.claims
            && row.shared.iter().all(Option::is_none)
        {
            let claimed = self.found.iter();
            claims.extend(claimed.map(|contest| (contest.first, row.number)));
        }
        Ok(())
    }
}

impl Commit<'_> {
    /// Looks up the identifiers of a batch and settles what its rows share, as long as no row must wait. Notes the batch's
    /// rejections, in the order of the records.
    pub(super) fn settle_identifiers(
        &mut self,
        batch: &mut Batch,
        keys: &mut Keys,
    ) -> Result<Vec<RowChange>, CommitError> {
        let mut changes = Vec::new();
        let mut next_rejection = 0;
        if let Keys::Identifiers {
            unique,
            index,
            waiting,
        } = keys
        {
            if let Some(unique) = unique {
                self.check_unique(batch, unique)?;
            }
            index.look_up(batch, self.batch_begins);
            if index.is_full() && waiting.is_none() {
                *waiting = Some(WaitingRows::create(&self.parts_directory)?);
            }
            let shared: &[SharedIdentifier] = if waiting.is_none() {
                &index.findings().shared
            } else {
                &[]
            };
            for shared in shared.chunk_by(|a, b| a.row == b.row) {
                let row = shared.first().map_or(0, |shared| shared.row as usize);
                let record = batch.rows[row].record;
                next_rejection = self.note_rejections(batch, next_rejection, record)?;
                changes.extend(self.settle_row(batch, row, shared)?);
            }
        }
        self.note_rejections(batch, next_rejection, u32::MAX)?;
        Ok(changes)
    }

    /// Settles one row of a batch. A row that is blanked gets shorter: its text begins later.
    fn settle_row(
        &mut self,
        batch: &mut Batch,
        index: usize,
        shared: &[SharedIdentifier],
    ) -> Result<Option<RowChange>, CommitError> {
        let mut row = self.held(batch, index);
        add_shared(&mut row, shared);
        let fate = self.settle_shared(&row)?;
        let cut = match (fate, &self.shared) {
            (RowFate::AsItIs, _) | (_, None) => return Ok(None),
            (RowFate::Rejected(_), _) => None,
            (RowFate::Blanked, Some(rules)) => {
                let mut cells = Vec::new();
                let external_id_only = rules.blank(&row, &mut cells);
                let text = row_range(&batch.rows, index);
                let row = &mut batch.rows[index];
                let identifiers_end = text.start + row.identifier_bytes as usize;
                let begin = identifiers_end - cells.len();
                batch.row_bytes[begin..identifiers_end].copy_from_slice(&cells);
                row.identifier_bytes = u32::try_from(cells.len()).unwrap_or(u32::MAX);
                row.external_id_only = external_id_only;
                Some(begin - text.start)
            }
        };
        Ok(Some(RowChange { row: index, cut }))
    }

    /// Notes what a row shares with earlier ones, and what becomes of it.
    fn settle_shared(&mut self, row: &HeldRow<'_>) -> Result<RowFate, CommitError> {
        let Some(rules) = &self.shared else {
            return Ok(RowFate::AsItIs);
        };
        let fate = rules.fate(row);
        let place = self.origins.place(row.number, self.sources);
        let columns = self.mapping.columns.iter();
        for ((kind, cell), column) in rules.cells(row).zip(columns) {
            let Some(first) = row.shared[kind as usize] else {
                continue;
            };
            let first = self.origins.place(first, self.sources);
            if rules.mode == SharedIdentifiers::Fail {
                return Err(CommitError::SharedIdentifier {
                    first: first.to_string(),
                    second: place.to_string(),
                    header: column.target.header().to_owned(),
                });
            }
            let code = kind.shared_code();
            *self.counts.shared_identifiers.entry(code).or_default() += 1;
            self.rejects.conflict(place, first, &column.source, code)?;
            if matches!(fate, RowFate::Blanked) {
                *self.counts.repairs.entry(code).or_default() += 1;
                self.rejects
                    .repair_written(place, &column.source, code, cell)?;
            }
        }
        if let RowFate::Rejected(detail) = &fate {
            let reason = RejectionReason::SharedIdentifier;
            self.counts.rows_rejected += 1;
            *self.counts.rejections.entry(reason).or_default() += 1;
            self.rejects
                .reject_written(row.bytes, self.mapping, place, detail)?;
        }
        Ok(fate)
    }

    /// Holds the rows of a batch that are not known to be duplicates, with what is known of their identifiers.
    pub(super) fn hold_found(
        &mut self,
        batch: &Batch,
        findings: &BatchLookup,
        waiting: &mut WaitingRows,
    ) -> Result<(), CommitError> {
        for identifier in &findings.unknown {
            let record = batch.rows[identifier.row as usize].record;
            let number = self.batch_begins + u64::from(record);
            waiting.add_identifier(identifier.kind, identifier.fingerprint, number)?;
        }
        let shared = &findings.shared;
        let mut shared = shared.chunk_by(|a, b| a.row == b.row).peekable();
        let is_of = |shared: &[SharedIdentifier], index| {
            shared.first().is_some_and(|it| it.row as usize == index)
        };
        for (index, sighting) in findings.sightings.iter().enumerate() {
            let mut row = self.held(batch, index);
            if let Some(shared) = shared.next_if(|shared| is_of(shared, index)) {
                add_shared(&mut row, shared);
            }
            match sighting {
                Sighting::Seen => {
                    self.counts.duplicates += 1;
                    continue;
                }
                Sighting::Unknown => waiting.spill(batch.rows[index].key, row.number)?,
                Sighting::New => {}
            }
            waiting.push(row)?;
        }
        Ok(())
    }

    /// Has all identifiers of a batch wait: which rows are kept is known at the end.
    pub(super) fn add_identifiers(
        &self,
        batch: &Batch,
        waiting: &mut WaitingRows,
    ) -> Result<(), CommitError> {
        let mut others = batch.other_identifiers.iter().peekable();
        for (index, row) in (0..).zip(&batch.rows) {
            let number = self.batch_begins + u64::from(row.record);
            waiting.add_identifier(row.key_kind, row.key, number)?;
            while let Some(other) = others.next_if(|other| other.row == index) {
                waiting.add_identifier(other.kind, other.fingerprint, number)?;
            }
        }
        Ok(())
    }

    /// Finds the identifiers that rows which waited have in common, once it is known which are kept.
    pub(super) fn contested(
        &self,
        waiting: &mut WaitingRows,
    ) -> Result<Option<ContestedIdentifiers>, CommitError> {
        let rules = self.shared.as_ref();
        let is_rejecting = rules.is_some_and(|rules| rules.mode == SharedIdentifiers::Reject);
        let contests = waiting.contests(self.batch_ends, is_rejecting)?;
        Ok(contests.map(|contests| ContestedIdentifiers {
            contests,
            found: Vec::new(),
            claims: is_rejecting.then(HashMap::new),
        }))
    }

    /// Writes a row that waited and is no duplicate, unless it is rejected.
    pub(super) fn replay_row(
        &mut self,
        mut row: HeldRow<'_>,
        contested: &mut Option<ContestedIdentifiers>,
    ) -> Result<(), CommitError> {
        if let Some(contested) = contested {
            contested.add_to(&mut row)?;
        }
        let fate = if row.shared.iter().all(Option::is_none) {
            RowFate::AsItIs
        } else {
            self.settle_shared(&row)?
        };
        match (fate, &self.shared) {
            (RowFate::Rejected(_), _) => Ok(()),
            (RowFate::Blanked, Some(rules)) => {
                let mut text = Vec::new();
                let external_id_only = rules.blank(&row, &mut text);
                let identifier_bytes = text.len();
                text.extend_from_slice(&row.bytes[row.identifier_bytes as usize..]);
                self.write_row(&text, identifier_bytes, external_id_only)
            }
            (RowFate::AsItIs | RowFate::Blanked, _) => {
                let identifier_bytes = row.identifier_bytes as usize;
                self.write_row(row.bytes, identifier_bytes, row.external_id_only)
            }
        }
    }
}

/// Adds to a row what it shares with earlier ones.
fn add_shared(row: &mut HeldRow<'_>, shared: &[SharedIdentifier]) {
    for shared in shared {
        row.shared[shared.kind as usize] = Some(shared.first);
    }
}
