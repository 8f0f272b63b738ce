//! The second stage: a record becomes a finished CSV row, or a rejection.
//!
//! [`Normalizer`] visits the records of a block and fills a [`Batch`]: identifiers first and always quoted, so that a
//! file cut inside one can never read as a shorter, valid identifier; other cells quoted when needed. Rejections are
//! decided here, before duplicates are looked for. Text of a row never enters a detail or an error.

pub mod cell;
mod cell_context;
pub mod country;
pub mod email;
mod email_detail;
mod external_id;
mod identifiers;
pub mod identity;
mod mended_email;
mod notes;
#[cfg(test)]
mod nothing_in_silence;
pub mod nulls;
pub mod phone;
mod totals;
mod typed;

use crate::base::csv::{push_cell, push_guarded_cell};
use crate::pipeline::batch::{Batch, Rejection, Row, Spares};
use crate::pipeline::mapping::{Mapping, SourcePlan};
use crate::pipeline::settings::{PrimaryKey, Rules};
use crate::profile::column::ProfileColumn;
use crate::profile::limits::MAX_PROFILE_BYTES;
use crate::source::audience::reject_cell::{self, RowDigest};
use crate::source::audience::{
    AudienceError, Block, RecordReader, RejectColumns, RejectRow, RejectStanding, Source,
};
use crate::source::record::{Record, RecordFault, RecordVisitor};
use crate::state::codes::{RejectionReason, RepairCode};
use crate::state::row_note::{RowNote, TRAILING_RECORDS};
use cell_context::CellContext;
use notes::{note, note_null, repair, to_u32};

/// The state of a worker from block to block: the rules and its buffers.
pub struct Normalizer<'a> {
    mapping: &'a Mapping,
    identifier_kinds: Vec<PrimaryKey>,
    rules: Rules,
    regions: country::RegionCache,
    reader: RecordReader,
    buffers: Buffers,
    spares: Spares,
}

/// Room that is used again for each row.
#[derive(Default)]
struct Buffers {
    unescaped: Vec<u8>,
    cleaned: Vec<u8>,
    country: Vec<u8>,
    identifiers: [Vec<u8>; 3],
    /// The row's e-mail has letters beyond ASCII before the @: its column, and where its cell ends in the row.
    non_ascii_email: Option<(usize, usize)>,
    /// A cell of a rejected row as `rejects.csv` has it, or the value of a typed cell.
    escaped: Vec<u8>,
    /// The digest of a rejected row.
    digest: RowDigest,
    /// The columns of the blank cells in the rows of the batch, in the order of the rows.
    blank_columns: Vec<u32>,
    /// A row of a `rejects.csv` that is given back.
    given_back: RejectRow,
    /// The detail of the row in hand, if it is given back as it was and had no identifier.
    unidentified: Option<String>,
}

impl<'a> Normalizer<'a> {
    /// A normaliser for one worker.
    pub fn new(mapping: &'a Mapping, rules: Rules) -> Self {
        Self {
            mapping,
            identifier_kinds: mapping.identifier_kinds(),
            reader: RecordReader::default().with_day_time(rules.day_time),
            rules,
            regions: country::RegionCache::default(),
            buffers: Buffers::default(),
            spares: Spares::default(),
        }
    }

    /// Fills the buffers of `spares` again.
    #[must_use]
    pub fn with_spares(self, spares: Spares) -> Self {
        Self { spares, ..self }
    }

    /// Makes a batch of `block`, which is of one of `sources`. The only error is a bug.
    pub fn batch(&mut self, sources: &[Source], block: &Block) -> Result<Batch, AudienceError> {
        let mut batch = Batch::new(block, &self.spares);
        let index = block.source.0 as usize;
        let (Some(plan), Some(source)) = (self.mapping.plan(block.source), sources.get(index))
        else {
            // Its rows would be lost without a word.
            return Err(AudienceError::Bug {
                name: sources
                    .get(index)
                    .map_or_else(String::new, |source| source.name.clone()),
                first_record: block.first_record,
                expected: block.records,
                found: 0,
            });
        };
        let mut visit = Visit {
            mapping: self.mapping,
            rules: &self.rules,
            plan,
            identifier_kinds: &self.identifier_kinds,
            regions: &mut self.regions,
            buffers: &mut self.buffers,
            batch: &mut batch,
            trailing_from: block.records.saturating_sub(TRAILING_RECORDS),
        };
        self.reader.visit(source, block, &mut visit)?;
        batch.blank_cells.resize(self.mapping.columns.len(), 0);
        for column in self.buffers.blank_columns.drain(..) {
            batch.blank_cells[column as usize] += 1;
        }
        Ok(batch)
    }
}

/// One block being normalised.
struct Visit<'a> {
    mapping: &'a Mapping,
    rules: &'a Rules,
    plan: &'a SourcePlan,
    /// The identifiers of a row, in the order of its cells.
    identifier_kinds: &'a [PrimaryKey],
    regions: &'a mut country::RegionCache,
    buffers: &'a mut Buffers,
    batch: &'a mut Batch,
    /// The first of the records at the end of the block, which may be the end of the source.
    trailing_from: u64,
}

/// A refusal on its way to the batch.
struct RowRefusal {
    reason: RejectionReason,
    detail: String,
}

impl RecordVisitor for Visit<'_> {
    fn row(&mut self, row: &impl Record) {
        match &self.plan.given_back {
            None => self.judge(row),
            Some(columns) => self.judge_given_back(columns, row, None),
        }
        self.batch.records += 1;
    }

    fn fault(&mut self, fault: RecordFault, row: &impl Record) {
        match &self.plan.given_back {
            None => self.reject_fault(fault, row),
            Some(columns) => self.judge_given_back(columns, row, Some(fault)),
        }
        self.batch.records += 1;
    }

    fn swallowed(&mut self) {
        note(self.batch, RowNote::Swallowed);
    }
}

impl<'a> Visit<'a> {
    fn judge(&mut self, row: &impl Record) {
        let marks = (
            self.batch.row_bytes.len(),
            self.batch.repairs.len(),
            self.batch.repair_bytes.len(),
            self.batch.nulls.len(),
        );
        let blank_columns = self.buffers.blank_columns.len();
        if let Err(refusal) = self.write_row(row, marks.0) {
            self.batch.row_bytes.truncate(marks.0);
            self.batch.repairs.truncate(marks.1);
            self.batch.repair_bytes.truncate(marks.2);
            self.batch.nulls.truncate(marks.3);
            self.buffers.blank_columns.truncate(blank_columns);
            self.refuse(row, refusal);
        }
    }

    /// A row of a `rejects.csv`: read again if a person mended it.
    fn judge_given_back(
        &mut self,
        columns: &RejectColumns,
        record: &impl Record,
        fault: Option<RecordFault>,
    ) {
        let mut row = std::mem::take(&mut self.buffers.given_back);
        match columns.judge(record, fault, &mut row) {
            RejectStanding::Row { unidentified } => {
                self.buffers.unidentified = unidentified;
                self.judge(&row);
                self.buffers.unidentified = None;
            }
            RejectStanding::Fault(fault) => self.reject_fault(fault, &row),
            RejectStanding::AsItWas { reason, detail } => {
                note(self.batch, RowNote::AsItWas);
                self.reject(&row, RowRefusal { reason, detail });
            }
        }
        self.buffers.given_back = row;
    }

    fn reject_fault(&mut self, fault: RecordFault, row: &impl Record) {
        let detail = match (fault, row.whole_bytes()) {
            (RecordFault::TooLong, Some(bytes)) => {
                format!("{fault}: it has {bytes}, and its beginning is here")
            }
            (RecordFault::TooLong, None) => {
                format!("{fault}: a quote that opens in this line is not closed")
            }
            (RecordFault::InvalidEncoding | RecordFault::Nul, _) if !row.is_in_place() => {
                format!(
                    "{fault}, and the row does not have as many cells as the header: correct both, and empty `_reason`"
                )
            }
            _ => fault.to_string(),
        };
        let reason = fault.reason();
        let refusal = RowRefusal { reason, detail };
        // Of the others, what cannot be read may be more than white space.
        if matches!(fault, RecordFault::Ragged { .. }) {
            self.refuse(row, refusal);
        } else {
            self.reject(row, refusal);
        }
    }

    /// Column `index` of the mapping in this block's source.
    fn place(&self, index: usize) -> CellContext<'a> {
        CellContext {
            mapping: self.mapping,
            plan: self.plan,
            nulls: &self.rules.nulls,
            index,
            keeps_breaks: false,
        }
    }

    fn write_row(&mut self, row: &impl Record, start: usize) -> Result<(), RowRefusal> {
        let mapping = self.mapping;
        for identifier in &mut self.buffers.identifiers {
            identifier.clear();
        }
        self.buffers.non_ascii_email = None;
        let faults_from = self.batch.repairs.len();
        let mut identifier_bytes = 0;
        let mut index = 0;
        while let Some(column) = mapping.columns.get(index) {
            if index == self.identifier_kinds.len() {
                identifier_bytes = self.end_identifiers(start, faults_from)?;
            }
            if index > 0 {
                self.batch.row_bytes.push(b',');
            }
            index += match &column.target {
                ProfileColumn::Email => self.email(row, index).map(|()| 1),
                ProfileColumn::PhoneNumber => self.phone(row, index).map(|()| 1),
                ProfileColumn::ExternalID => self.external_id(row, index).map(|()| 1),
                _ => self.texts(row, index),
            }?;
        }
        if mapping.columns.len() == self.identifier_kinds.len() {
            identifier_bytes = self.end_identifiers(start, faults_from)?;
        }
        for constant in &mapping.constants {
            self.batch.row_bytes.push(b',');
            let value = constant.value.as_bytes();
            self.batch.row_bytes.extend_from_slice(value);
        }
        self.batch.row_bytes.push(b'\n');
        self.finish_row(start, identifier_bytes)?;
        if u64::from(self.batch.records) >= self.trailing_from {
            self.note_total(row);
        }
        Ok(())
    }

    /// Notes a row of totals, which has no e-mail and begins with a word for them, or has one for an external id.
    fn note_total(&mut self, row: &impl Record) {
        let Buffers {
            unescaped,
            identifiers: [email, _, external_id],
            ..
        } = &mut *self.buffers;
        if !email.is_empty() {
            return;
        }
        let mut columns = self.plan.reject_cells.iter().flatten();
        let begins_so = columns.find_map(|at| {
            let text = row.cell(*at, unescaped).text().trim_ascii();
            (!text.is_empty()).then(|| totals::is_word_for_total(text))
        });
        if begins_so == Some(true) || totals::is_word_for_total(external_id) {
            note(self.batch, RowNote::TotalRow);
        }
    }

    fn finish_row(&mut self, start: usize, identifier_bytes: usize) -> Result<(), RowRefusal> {
        let bytes = self.batch.row_bytes.len() - start;
        if bytes > MAX_PROFILE_BYTES {
            let detail = format!("{bytes} bytes; Klaviyo takes {MAX_PROFILE_BYTES} for a profile");
            return Err(RowRefusal {
                reason: RejectionReason::ProfileTooLarge,
                detail,
            });
        }
        let [email, phone, _] = &self.buffers.identifiers;
        let external_id_only = email.is_empty() && phone.is_empty();
        if external_id_only && let Some(detail) = self.buffers.unidentified.take() {
            note(self.batch, RowNote::AsItWas);
            return Err(RowRefusal {
                reason: RejectionReason::NoIdentifier,
                detail,
            });
        }
        let key_kind = self.key_kind();
        if self.identifier_kinds.len() > 1 {
            self.note_other_identifiers(key_kind);
        }
        self.batch.rows.push(Row {
            record: self.batch.records,
            end: to_u32(self.batch.row_bytes.len()),
            identifier_bytes: to_u32(identifier_bytes),
            external_id_only,
            key_kind,
            key: self.fingerprint(key_kind),
        });
        Ok(())
    }

    /// Column `index`, and those after it that can be copied from the record together with it. How many these are.
    #[inline]
    fn texts(&mut self, row: &impl Record, index: usize) -> Result<usize, RowRefusal> {
        let run = self.plan.runs[index];
        if run == 0
            && let Some(kind) = &self.mapping.columns[index].kind
        {
            let begin = self.batch.row_bytes.len();
            self.typed(row, index, kind)?;
            self.note_if_blank(index, begin);
            return Ok(1);
        }
        if run > 1
            && let Some(first) = self.plan.cells[index]
        {
            let nulls = &self.rules.nulls;
            let blank_columns = &mut self.buffers.blank_columns;
            let blank_before = blank_columns.len();
            let mut together = 0;
            while together < run
                && let Some(text) = row.bare_cell(first + together)
                && nulls.is_plain(text)
            {
                if text.is_empty() {
                    blank_columns.push(to_u32(index + together));
                }
                together += 1;
            }
            if together > 1
                && let Some(text) = row.bare_cells(first..first + together)
            {
                self.batch.row_bytes.extend_from_slice(text);
                return Ok(together);
            }
            blank_columns.truncate(blank_before);
        }
        let begin = self.batch.row_bytes.len();
        self.text(row, index)?;
        self.note_if_blank(index, begin);
        Ok(1)
    }

    /// Counts the cell of column `index`, which begins at `begin` in the text of the rows, if nothing was written.
    fn note_if_blank(&mut self, index: usize, begin: usize) {
        if self.batch.row_bytes.len() == begin {
            self.buffers.blank_columns.push(to_u32(index));
        }
    }

    fn text(&mut self, row: &impl Record, index: usize) -> Result<(), RowRefusal> {
        if let Some(at) = self.plan.cells[index]
            && let Some(text) = row.bare_cell(at)
        {
            let cleaned = cell::clean_bare(text);
            if self.rules.nulls.holds(cleaned.text) {
                note_null(self.batch, index);
                return Ok(());
            }
            if cleaned.apostrophe {
                repair(self.batch, index, RepairCode::Apostrophe, text);
            }
            self.batch.row_bytes.extend_from_slice(cleaned.text);
            return Ok(());
        }
        let place = self.place(index);
        let Buffers {
            unescaped, cleaned, ..
        } = &mut *self.buffers;
        let text = place.clean(row, unescaped, cleaned, self.batch)?;
        push_cell(&mut self.batch.row_bytes, text);
        Ok(())
    }

    /// Rejects a record, unless it is blank. Asked of refused records alone: a blank one has no identifier, or too few
    /// cells, so that rows that are sent cost nothing.
    fn refuse(&mut self, row: &impl Record, refusal: RowRefusal) {
        if row.has_only(cell::is_blank) {
            self.batch.blanks.push(self.batch.records);
        } else {
            self.reject(row, refusal);
        }
    }

    fn reject(&mut self, row: &impl Record, refusal: RowRefusal) {
        let Buffers {
            unescaped,
            escaped,
            digest,
            ..
        } = &mut *self.buffers;
        digest.clear();
        for (index, place) in self.plan.reject_cells.iter().enumerate() {
            if index > 0 {
                self.batch.reject_bytes.push(b',');
            }
            escaped.clear();
            if let Some(at) = place {
                let cell = row.kept_cell(*at, unescaped);
                reject_cell::push_escaped(cell.text(), escaped);
            }
            digest.cell(escaped);
            let guard = reject_cell::guard(escaped);
            push_guarded_cell(&mut self.batch.reject_bytes, guard, escaped);
        }
        // What is both no text and out of place is not mended by one change.
        let is_told = refusal.reason != RejectionReason::InvalidEncoding || row.is_in_place();
        self.batch.rejections.push(Rejection {
            record: self.batch.records,
            reason: refusal.reason,
            detail: refusal.detail,
            digest: is_told.then(|| digest.finish()),
            end: self.batch.reject_bytes.len(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::csv::{BLANK, WrittenCells};
    use crate::base::environment::Environment;
    use crate::job::Job;
    use crate::job::file::JobFile;
    use crate::pipeline::batch::row_range;
    use crate::source::audience::Audience;

    /// The rows and the codes of rejections that `csv` becomes under `job`.
    fn normalized(job: &str, csv: &str) -> (String, Vec<&'static str>) {
        let file = JobFile::parse(&format!("name = \"x\"\n{job}")).unwrap();
        let job = Job::from_file(file, std::path::Path::new(""), &Environment::default()).unwrap();
        let stream = Box::new(std::io::Cursor::new(csv.as_bytes().to_vec()));
        let audience =
            Audience::from_stream("a.csv".to_owned(), stream, job.audience.files().unwrap())
                .unwrap();
        let mapping = Mapping::new(&job.columns, audience.sources()).unwrap();
        let sources = audience.shared_sources();
        let mut normalizer = Normalizer::new(&mapping, job.rules.clone());
        let (mut rows, mut codes) = (Vec::new(), Vec::new());
        for block in audience.into_blocks() {
            let batch = normalizer.batch(&sources, &block.unwrap()).unwrap();
            rows.extend_from_slice(&batch.row_bytes);
            let mut blank_cells = vec![0; mapping.columns.len()];
            for index in 0..batch.rows.len() {
                let row = &batch.row_bytes[row_range(&batch.rows, index)];
                for (cell, blank) in WrittenCells::new(row).zip(&mut blank_cells) {
                    *blank += u32::from(cell.is_empty() || cell == BLANK);
                }
            }
            assert_eq!(batch.blank_cells, blank_cells);
            codes.extend(
                batch
                    .rejections
                    .iter()
                    .map(|rejection| rejection.reason.code()),
            );
        }
        (String::from_utf8(rows).unwrap(), codes)
    }

    proptest::proptest! {
        /// Between semicolons every cell is taken by itself.
        #[test]
        fn cells_that_are_copied_together_are_those_that_are_taken_one_by_one(
            rows in proptest::collection::vec(proptest::array::uniform6("[a-zé1 ]{0,3}|\"x[,;]\"\"y\"|\"\""), 1..6),
            order in proptest::sample::subsequence(vec!["a", "b", "c", "d", "e", "f"], 1..=6),
            swapped: bool,
        ) {
            let mut order = order;
            if swapped {
                order.reverse();
            }
            let columns: Vec<String> = order.iter().map(|name| format!("{name} = \"{name}\"\n")).collect();
            let columns = columns.concat();
            let written = |delimiter: &str| {
                let job = format!("[audience]\nfiles = [\"a.csv\"]\ndelimiter = \"{delimiter}\"\n[columns]\nid = \"ExternalID\"\n{columns}");
                let mut text = ["a", "b", "c", "id", "d", "e", "f"].join(delimiter) + "\n";
                for (number, [a, b, c, d, e, f]) in rows.iter().enumerate() {
                    let id = number.to_string();
                    text += &([a, b, c, &id, d, e, f].map(String::as_str).join(delimiter) + "\n");
                }
                normalized(&job, &text)
            };
            proptest::prop_assert_eq!(written(","), written(";"));
        }
    }

    #[test]
    fn a_row_s_country_wins_and_an_unknown_one_is_not_the_default() {
        let job = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nid = \"ExternalID\"\nphone = \"PhoneNumber\"\n[normalize]\ndefault-region = \"US\"\ncountry-column = \"country\"\n";
        let csv = "id,phone,country\n1,020 7707 0707,United Kingdom\n2,650 253 0000,\n3,650 253 0000,Atlantis\n4,+1 650 253 0000,Atlantis\n";
        let (rows, codes) = normalized(job, csv);
        assert_eq!(
            rows,
            "\"+442077070707\",\"1\"\n\"+16502530000\",\"2\"\n\"\",\"3\"\n\"+16502530000\",\"4\"\n"
        );
        assert!(codes.is_empty());
    }

    #[test]
    fn a_bad_identifier_is_blanked_and_a_row_without_any_is_rejected() {
        let job = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\n";
        let csv = "email,phone\nAna@Example.com ,12\n@,+16502530000\n@,12\n,\n";
        let (rows, codes) = normalized(job, csv);
        assert_eq!(rows, "\"ana@example.com\",\"\"\n\"\",\"+16502530000\"\n");
        // The last record is blank: no row.
        assert_eq!(codes, ["no-identifier"]);
        let strict = format!("{job}[normalize]\ninvalid-phone = \"reject\"\n");
        let (_, codes) = normalized(&strict, csv);
        assert_eq!(codes, ["invalid-phone", "invalid-phone"]);
    }
}
