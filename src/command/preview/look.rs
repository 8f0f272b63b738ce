//! The look at an audience: batches in, findings out.
//!
//! Nothing of a value is kept but what the first rows show of it, masked unless it was asked for.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::doubts::Doubts;
use super::findings::{
    ColumnLook, Finding, HeaderOrigin, Preview, PreviewPlace, RejectionLook, RowLook, SourceLook,
    UnsentColumn, Warning, places,
};
use super::hazard::{self, Hazard};
use super::mask;
use super::repairs::{RepairTally, looks};
use super::shared::{SharedLook, SharingRow};
use crate::cli::console::printable;
use crate::job::file::{Duplicates, SharedIdentifiers};
use crate::pipeline::batch::{Batch, row_range};
use crate::pipeline::commit::are_too_many;
use crate::pipeline::dedupe::LastPlaces;
use crate::pipeline::delta::DeltaPreview;
use crate::pipeline::mapping::Mapping;
use crate::pipeline::settings::{MaxRejected, PrimaryKey};
use crate::profile::column::ColumnKind;
use crate::run::drift::{LookTally, Measures};
use crate::run::report::{count, grouped};
use crate::source::audience::{Source, SourceFormat};
use crate::state::codes::{RejectionReason, RepairCode};
use crate::state::row_note::{RowNote, RowNotes};

/// Rows that are kept beyond those to be shown. Some are dropped at the end: with `duplicates = "last"` a later row replaces
/// them, and a row can lose all its identifiers to earlier rows.
const SPARE_ROWS: usize = 1_000;

/// How a preview is taken.
#[derive(Debug, Clone, Copy)]
pub struct LookOptions {
    /// How many rows are shown.
    pub rows: usize,
    /// How many rows are looked at.
    pub limit: u64,
    /// Whether values are shown as they are.
    pub show_values: bool,
    /// Which of several rows with one key would be sent.
    pub duplicates: Duplicates,
    /// The rule for an identifier that an earlier row of another key has.
    pub shared_identifiers: SharedIdentifiers,
    /// Whether the rows are a query's: how they come over the wire is no matter then.
    pub is_query: bool,
}

/// A preview being taken.
pub struct PreviewLook<'a> {
    mapping: &'a Mapping,
    sources: Arc<[Source]>,
    options: LookOptions,
    remaining: u64,
    rows_read: u64,
    blanks: Finding,
    rows_rejected: u64,
    external_id_only: u64,
    tally: LookTally,
    rejections: BTreeMap<RejectionReason, Finding>,
    repairs: RepairTally,
    notes: RowNotes,
    last_source: String,
    duplicates: Finding,
    /// `None` where only one column is an identifier.
    identifiers: Option<SharedLook>,
    shared: BTreeMap<(usize, RepairCode), Finding>,
    keys: LastPlaces,
    /// The rows of the last run; `None` where every row is sent.
    compared: Option<DeltaPreview>,
    unchanged: u64,
    shown: Vec<(u64, RowLook)>,
    columns: Vec<ColumnTally>,
    doubts: Doubts,
}

/// The findings in the values of one column.
#[derive(Default)]
struct ColumnTally {
    hazards: BTreeMap<Hazard, Finding>,
    lists: u64,
    others: Finding,
}

/// The facts that a preview gets from elsewhere.
#[derive(Debug)]
pub struct PreviewFacts {
    /// How each column of the mapping came to its header.
    pub origins: Vec<HeaderOrigin>,
    /// Columns that are not sent.
    pub left_out: Vec<UnsentColumn>,
    /// Whether the audience has no rows beyond those that were looked at.
    pub whole: bool,
    /// Warnings for a person.
    pub notes: Vec<String>,
    /// The command to type next.
    pub next: Option<String>,
}

impl<'a> PreviewLook<'a> {
    /// Nothing looked at yet.
    pub fn new(mapping: &'a Mapping, sources: Arc<[Source]>, options: LookOptions) -> Self {
        Self {
            mapping,
            sources,
            options,
            remaining: options.limit,
            rows_read: 0,
            blanks: Finding::default(),
            rows_rejected: 0,
            external_id_only: 0,
            tally: LookTally::new(mapping),
            rejections: BTreeMap::new(),
            repairs: RepairTally::default(),
            notes: RowNotes::default(),
            last_source: String::new(),
            duplicates: Finding::default(),
            identifiers: (mapping.identifiers() > 1)
                .then(|| SharedLook::new(options.shared_identifiers)),
            shared: BTreeMap::new(),
            // With all the memory there is, no key is unknown.
            keys: LastPlaces::new(u64::MAX),
            compared: None,
            unchanged: 0,
            shown: Vec::new(),
            columns: mapping
                .columns
                .iter()
                .map(|_| ColumnTally::default())
                .collect(),
            doubts: Doubts::default(),
        }
    }

    /// Looks also at which rows the last run has sent as they are.
    #[must_use]
    pub fn compared_by(mut self, compared: Option<DeltaPreview>) -> Self {
        self.compared = compared;
        self
    }

    /// Looks at the next batch. False when no more is wanted.
    pub fn batch(&mut self, mut batch: Batch) -> bool {
        batch.truncate(self.remaining);
        self.remaining -= batch.rows_read();
        self.rows_read += batch.rows_read();
        for blank in &batch.blanks {
            let place = || place(&self.sources, number(&batch, *blank));
            self.blanks.note(place);
        }
        self.note_faults(&batch);
        self.tally.add(&batch);
        self.last_source = self.place(&batch, 0).source;
        batch.add_notes(&mut self.notes, &self.last_source);
        self.rows(&batch);
        self.remaining > 0
    }

    /// How many rows were looked at.
    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// How many records were looked at, blank ones included.
    pub fn records(&self) -> u64 {
        self.rows_read + self.blanks.count
    }

    /// How many rows have a key that another row has.
    pub fn duplicates(&self) -> u64 {
        self.duplicates.count
    }

    /// How many identifiers an earlier row of another key has.
    pub fn shared_identifiers(&self) -> u64 {
        self.shared.values().map(|finding| finding.count).sum()
    }

    /// Settles what can be said only when all rows were looked at: which row keeps an identifier that several have.
    pub fn settle(&mut self) {
        let Some(identifiers) = self.identifiers.take() else {
            return;
        };
        for row in identifiers.settle() {
            self.settle_row(&row);
        }
    }

    fn settle_row(&mut self, row: &SharingRow) {
        let place = || place(&self.sources, row.number);
        let is_blanking = self.options.shared_identifiers == SharedIdentifiers::Blank;
        let is_blanked = is_blanking && !row.is_rejected;
        for kind in &row.shared {
            let mut columns = self.mapping.columns.iter();
            let Some(column) = columns.position(|column| column.target == kind.column()) else {
                continue;
            };
            let found = (column, kind.shared_code());
            self.shared.entry(found).or_default().note(place);
            if is_blanked {
                self.repairs.add_plain(found.0, found.1, place);
            }
        }
        let only = |kinds: &[PrimaryKey]| kinds == [PrimaryKey::ExternalId];
        let had_only_external_id = row.own.is_empty() && only(&row.shared);
        if row.is_rejected {
            self.rows_rejected += 1;
            let rejected = self.rejections.entry(RejectionReason::SharedIdentifier);
            rejected.or_default().note(place);
            self.shown.retain(|(number, _)| *number != row.number);
            self.external_id_only -= u64::from(had_only_external_id);
        } else if is_blanked {
            self.external_id_only += u64::from(only(&row.own));
            let shown = self.shown.iter_mut();
            for (_, shown) in shown.filter(|(number, _)| *number == row.number) {
                for kind in &row.shared {
                    if let Some(cell) = shown.cells.get_mut(kind.column().header()) {
                        cell.clear();
                    }
                }
            }
        }
    }

    /// How many rows would be sent.
    pub fn rows_to_send(&self) -> u64 {
        self.rows_read - self.rows_rejected - self.duplicates.count
    }

    /// The most frequent reason and the share in percent of rejections that are more than `limits` allow. Of few rows that
    /// is known only if they are all.
    pub(super) fn too_many_rejected(
        &self,
        limits: MaxRejected,
        is_whole: bool,
    ) -> Option<(RejectionReason, f64)> {
        let (rejected, read) = (self.rows_rejected, self.rows_read);
        let found = self.rejections.iter();
        let (reason, _) = found.max_by_key(|(_, finding)| finding.count)?;
        let percent = rejected as f64 * 100.0 / read.max(1) as f64;
        are_too_many(rejected, read, limits, is_whole).then_some((*reason, percent))
    }

    /// How many rows would be refused for this reason.
    pub fn rejected(&self, reason: RejectionReason) -> u64 {
        self.rejections
            .get(&reason)
            .map_or(0, |finding| finding.count)
    }

    /// The counts that are compared with those of the last runs: of rows only if all were looked at.
    pub(super) fn measures(&self, whole: bool) -> Measures {
        Measures {
            rows: whole.then_some(self.rows_read as f64),
            rejected: whole.then_some(self.rows_rejected as f64),
            ..self.tally.measures(self.mapping)
        }
    }

    /// How many phone numbers without `+` are not sent.
    pub fn national_phones(&self) -> u64 {
        // Where such a number rejects its row, it is in the notes alone.
        let noted = self.notes.count(RowNote::NoCountry);
        self.repairs.national_phones().max(noted)
    }

    fn place(&self, batch: &Batch, record: u32) -> PreviewPlace {
        place(&self.sources, number(batch, record))
    }

    fn note_faults(&mut self, batch: &Batch) {
        for rejection in &batch.rejections {
            self.rows_rejected += 1;
            let place = || place(&self.sources, number(batch, rejection.record));
            self.rejections
                .entry(rejection.reason)
                .or_default()
                .note(place);
        }
        let mut start = 0;
        for repair in &batch.repairs {
            let old = batch
                .repair_bytes
                .get(start..repair.end)
                .unwrap_or_default();
            start = repair.end;
            let place = || place(&self.sources, number(batch, repair.record));
            self.repairs.add(repair, old, place);
        }
        for null in &batch.nulls {
            let place = || place(&self.sources, number(batch, null.record));
            let column = null.column as usize;
            self.repairs.add_plain(column, RepairCode::NullValue, place);
        }
    }

    fn rows(&mut self, batch: &Batch) {
        if let Some(identifiers) = &mut self.identifiers {
            identifiers.note(batch, |record| number(batch, record));
        }
        let dropped = self.drop_duplicates(batch);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(&batch.row_bytes[..]);
        let mut cells = csv::StringRecord::new();
        for (index, (row, is_dropped)) in batch.rows.iter().zip(dropped).enumerate() {
            // The rows were written as CSV a moment ago: they can be read.
            if !reader.read_record(&mut cells).is_ok_and(|is_some| is_some) {
                return;
            }
            self.note_hazards(batch, row.record, &cells);
            if is_dropped {
                continue;
            }
            self.external_id_only += u64::from(row.external_id_only);
            let text = &batch.row_bytes[row_range(&batch.rows, index)];
            let is_unchanged =
                |it: &DeltaPreview| it.is_unchanged(text, row.identifier_bytes as usize);
            self.unchanged += u64::from(self.compared.as_ref().is_some_and(is_unchanged));
            let spare = match self.options.duplicates {
                Duplicates::First | Duplicates::Fail if self.identifiers.is_none() => 0,
                Duplicates::First | Duplicates::Fail | Duplicates::Last => SPARE_ROWS,
            };
            if self.shown.len() < self.options.rows.saturating_add(spare) {
                let row = self.row(
                    self.place(batch, row.record),
                    &cells,
                    number(batch, row.record),
                );
                self.shown.push(row);
            }
        }
    }

    /// Counts the duplicates of a batch; which of its rows are not sent.
    fn drop_duplicates(&mut self, batch: &Batch) -> Vec<bool> {
        let mut dropped = vec![false; batch.rows.len()];
        let mut earlier = Vec::new();
        let place = |index: usize| number(batch, batch.rows[index].record);
        self.keys.note(&batch.rows, place, |index, before| {
            earlier.extend(before.map(|before| (index, before)));
        });
        earlier.sort_unstable();
        for (index, before) in earlier {
            let loser = if self.options.duplicates == Duplicates::Last {
                match batch
                    .rows
                    .binary_search_by_key(&before, |row| number(batch, row.record))
                {
                    Ok(lost) => dropped[lost] = true,
                    Err(_) => self.shown.retain(|(number, _)| *number != before),
                }
                before
            } else {
                dropped[index] = true;
                place(index)
            };
            self.duplicates.note(|| self::place(&self.sources, loser));
            if let Some(identifiers) = &mut self.identifiers {
                identifiers.drop_duplicate(loser);
            }
        }
        dropped
    }

    fn note_hazards(&mut self, batch: &Batch, record: u32, cells: &csv::StringRecord) {
        let columns = self.mapping.columns.iter().zip(&mut self.columns);
        for (index, ((column, tally), value)) in columns.zip(cells).enumerate() {
            let place = || place(&self.sources, number(batch, record));
            self.doubts.look(index, &column.target, value, place);
            if column.target.kind() != ColumnKind::Property || value.is_empty() {
                continue;
            }
            if let Some(hazard) = hazard::of(value) {
                tally.hazards.entry(hazard).or_default().note(place);
            }
            if hazard::is_list(value) {
                tally.lists += 1;
            } else {
                tally.others.note(place);
            }
        }
    }

    fn row(&self, place: PreviewPlace, cells: &csv::StringRecord, number: u64) -> (u64, RowLook) {
        let columns = self.mapping.columns.iter().zip(cells);
        let cells = columns.map(|(column, value)| {
            let shown = if self.options.show_values {
                value.to_owned()
            } else {
                mask::masked(value, &column.target)
            };
            (
                column.target.header().to_owned(),
                printable(&shown).into_owned(),
            )
        });
        (
            number,
            RowLook {
                place,
                cells: cells.collect(),
            },
        )
    }

    /// A note for each column in which many of the rows have a word for a missing value.
    pub fn null_word_notes(&self) -> Vec<String> {
        let places = |finding: &Finding| places(finding, self.sources.len() > 1);
        self.doubts.null_notes(self.rows_read, self.mapping, places)
    }

    /// The preview.
    pub fn finish(mut self, circumstances: PreviewFacts) -> Preview {
        let PreviewFacts {
            origins,
            left_out,
            whole,
            mut notes,
            next,
        } = circumstances;
        if !whole {
            // The end of the last source was not seen.
            self.notes.extend_source(&self.last_source, u64::MAX);
        }
        notes.extend(self.notes.messages());
        notes.extend(self.null_word_notes());
        let places = |finding: &Finding| places(finding, self.sources.len() > 1);
        notes.extend(self.doubts.dead_note(places));
        if self.external_id_only > 0 {
            notes.push(format!(
                "ExternalID is the only identifier of {}; Klaviyo does not merge profiles by it",
                count(self.external_id_only, "row")
            ));
        }
        let rows_to_send = self.rows_to_send();
        if self.compared.is_some() {
            notes.push(format!(
                "{} of {} are new or changed since the last run: a run sends these alone",
                grouped(rows_to_send.saturating_sub(self.unchanged)),
                count(rows_to_send, "row")
            ));
        }
        let columns = self
            .mapping
            .columns
            .iter()
            .zip(origins)
            .map(|(column, origin)| ColumnLook {
                source: column.source.clone(),
                header: column.target.header().to_owned(),
                kind: kind(column.target.kind()),
                origin,
                cell_type: column.kind.as_ref().map(ToString::to_string),
            });
        let mut rows: Vec<_> = self.shown;
        rows.sort_by_key(|(number, _)| *number);
        rows.truncate(self.options.rows);
        Preview {
            sources: self
                .sources
                .iter()
                .map(|it| source_look(it, self.options.is_query))
                .collect(),
            columns: columns.collect(),
            left_out,
            masked: !self.options.show_values,
            rows: rows.into_iter().map(|(_, row)| row).collect(),
            rows_read: self.rows_read,
            rows_blank: self.blanks,
            whole,
            rows_to_send,
            rows_rejected: self.rows_rejected,
            rejections: self
                .rejections
                .into_iter()
                .map(|(code, finding)| RejectionLook { code, finding })
                .collect(),
            duplicates: self.duplicates,
            repairs: self.repairs.into_looks(self.mapping),
            shared_identifiers: looks(self.shared, self.mapping),
            warnings: warnings(self.columns, self.mapping),
            notes,
            next,
        }
    }
}

/// A record of a batch as one number: the source, then the record, so that numbers sort as the audience does.
fn number(batch: &Batch, record: u32) -> u64 {
    u64::from(batch.source.0) << 48 | (batch.first_record + u64::from(record))
}

fn place(sources: &[Source], number: u64) -> PreviewPlace {
    let source = usize::try_from(number >> 48).unwrap_or(usize::MAX);
    PreviewPlace {
        source: sources
            .get(source)
            .map_or_else(String::new, |source| source.name.clone()),
        record: number & ((1 << 48) - 1),
    }
}

fn kind(kind: ColumnKind) -> &'static str {
    match kind {
        ColumnKind::Identifier => "identifier",
        ColumnKind::Attribute => "field",
        ColumnKind::Location => "location",
        ColumnKind::Property => "custom property",
    }
}

fn source_look(source: &Source, is_query: bool) -> SourceLook {
    let format = if is_query {
        SourceFormat::Columns
    } else {
        source.format
    };
    let delimiter = match format {
        SourceFormat::Csv | SourceFormat::Tsv => Some(source.delimiter),
        SourceFormat::Ndjson | SourceFormat::Parquet | SourceFormat::Columns => None,
    };
    SourceLook {
        name: source.name.clone(),
        format: format.name(),
        delimiter: delimiter.map(|byte| char::from(byte).to_string()),
        encoding: source.encoding.name(),
        columns: source.header.len(),
    }
}

fn warnings(columns: Vec<ColumnTally>, mapping: &Mapping) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for (tally, column) in columns.into_iter().zip(&mapping.columns) {
        let lone = (tally.lists > 0 && tally.others.count > 0)
            .then_some((Hazard::LoneValue, tally.others));
        for (code, finding) in tally.hazards.into_iter().chain(lone) {
            warnings.push(Warning {
                code,
                column: column.source.clone(),
                header: column.target.header().to_owned(),
                finding,
                meaning: code.meaning(),
            });
        }
    }
    warnings
}
