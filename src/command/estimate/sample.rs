//! The size of what would be sent, measured on the first rows: batches in, numbers out.

use std::borrow::Cow;

use crate::job::PartLimits;
use crate::klaviyo::list::EmailSample;
use crate::pipeline::batch::Batch;
use crate::pipeline::dedupe::LastPlaces;
use crate::pipeline::delta::DeltaPreview;
use crate::pipeline::mapping::Mapping;
use crate::profile::attributes::attributes;
use crate::profile::column::ProfileColumn;
use crate::run::drift::{LookTally, Measures};

/// Profiles as JSON are measured on so many rows: on more of them their mean is the same, and that takes its time.
const JSON_ROWS: u64 = 20_000;
/// The bytes of a profile in a job's body that are neither its attributes nor the comma.
const AROUND: usize = r#"{"type":"profile","attributes":}"#.len();

/// How large an audience is.
#[derive(Debug, Clone, PartialEq)]
pub struct Size {
    /// Rows that were looked at.
    pub rows_read: u64,
    /// Whether these are all.
    pub is_exact: bool,
    /// Rows that would be sent.
    pub rows: u64,
    /// E-mail addresses among them, where these were kept.
    pub emails: u64,
    /// Their bytes, with the headers of parts.
    pub bytes: u64,
    /// The parts.
    pub parts: u64,
    /// Rows that are not as the last run sent them, and all that they were counted among; `None` where nothing is compared.
    pub changed: Option<(u64, u64)>,
    /// The counts that are compared with those of the last runs; their rows are those that the whole audience is reckoned to have.
    pub(crate) measures: Measures,
    /// A profile in an import job, on average.
    pub profile_bytes: f64,
    /// The same with identifiers alone.
    pub identifier_bytes: f64,
}

/// How much there is, looked at or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// Bytes on disk.
    Bytes(u64),
    /// Rows, as the engine or the file counts them.
    Rows(u64),
}

/// The first rows of an audience, being measured.
pub struct AudienceSample<'a> {
    mapping: &'a Mapping,
    limits: PartLimits,
    header_bytes: u64,
    keys: LastPlaces,
    /// An even part of the addresses, where they are to be looked up.
    emails: Option<EmailSample>,
    compared: Option<DeltaPreview>,
    unchanged: u64,
    rows_read: u64,
    tally: LookTally,
    /// Blank records among those that were looked at.
    rows_blank: u64,
    rows: u64,
    bytes: u64,
    /// The part in hand, and those before it.
    part: (u64, u64),
    parts: u64,
    consumed_bytes: u64,
    json_rows: u64,
    profile_bytes: usize,
    identifier_bytes: usize,
}

impl<'a> AudienceSample<'a> {
    /// Nothing is measured yet. Each part begins with `header_bytes`.
    pub fn new(mapping: &'a Mapping, limits: PartLimits, header_bytes: u64) -> Self {
        Self {
            mapping,
            limits,
            header_bytes,
            // With all the memory there is, no key is unknown.
            keys: LastPlaces::new(u64::MAX),
            emails: None,
            compared: None,
            unchanged: 0,
            rows_read: 0,
            tally: LookTally::new(mapping),
            rows_blank: 0,
            rows: 0,
            bytes: 0,
            part: (0, 0),
            parts: 0,
            consumed_bytes: 0,
            json_rows: 0,
            profile_bytes: 0,
            identifier_bytes: 0,
        }
    }

    /// Rows are compared with those of the last run.
    #[must_use]
    pub fn compared_by(mut self, compared: Option<DeltaPreview>) -> Self {
        self.compared = compared;
        self
    }

    /// Whether addresses are kept, to be looked up.
    pub fn keeps_emails(&mut self, keeps: bool) {
        let has_emails = self.mapping.columns.first();
        let has_emails = has_emails.is_some_and(|it| it.target == ProfileColumn::Email);
        self.emails = (keeps && has_emails).then(EmailSample::default);
    }

    /// How many rows were looked at.
    pub fn rows_read(&self) -> u64 {
        self.rows_read
    }

    /// How many bytes on disk they take.
    pub fn consumed_bytes(&self) -> u64 {
        self.consumed_bytes
    }

    /// Measures the next batch. Of several rows with one key the first one counts: the others are about as large.
    pub fn batch(&mut self, batch: &Batch) {
        self.rows_read += batch.rows_read();
        self.rows_blank += batch.rows_blank();
        self.tally.add(batch);
        self.consumed_bytes = batch.consumed_bytes;
        let mut dropped = vec![false; batch.rows.len()];
        self.keys
            .note(&batch.rows, |_| 0, |index, _| dropped[index] = true);
        let mut start = 0;
        for (row, is_dropped) in batch.rows.iter().zip(dropped) {
            let bytes = batch.row_bytes.get(start as usize..row.end as usize);
            start = row.end;
            let Some(bytes) = bytes.filter(|_| !is_dropped) else {
                continue;
            };
            self.row(bytes.len() as u64);
            if let Some(emails) = &mut self.emails {
                emails.push(&first_cell(&bytes[..row.identifier_bytes as usize]));
            }
            let compared = self.compared.as_ref();
            let is_unchanged =
                |it: &DeltaPreview| it.is_unchanged(bytes, row.identifier_bytes as usize);
            self.unchanged += u64::from(compared.is_some_and(is_unchanged));
            if self.json_rows < JSON_ROWS {
                self.measure_json(bytes);
            }
        }
    }

    /// Puts a row into the part in hand, or into the next one.
    fn row(&mut self, bytes: u64) {
        let (rows, in_part) = self.part;
        let fits = rows < self.limits.max_rows && in_part + bytes <= self.limits.max_bytes;
        if rows == 0 || !fits {
            self.parts += 1;
            self.bytes += self.header_bytes;
            self.part = (0, self.header_bytes);
        }
        self.part.0 += 1;
        self.part.1 += bytes;
        self.rows += 1;
        self.bytes += bytes;
    }

    fn measure_json(&mut self, row: &[u8]) {
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(row);
        let mut cells = csv::StringRecord::new();
        // The row was written as CSV a moment ago: it can be read.
        if !reader.read_record(&mut cells).is_ok_and(|is_some| is_some) {
            return;
        }
        let columns = self.mapping.columns.iter().map(|column| &column.target);
        let cells: Vec<(&ProfileColumn, &str)> = columns.zip(&cells).collect();
        let identifiers = cells.iter().filter(|(column, _)| column.is_identifier());
        self.json_rows += 1;
        self.profile_bytes += json_bytes(cells.iter().copied());
        self.identifier_bytes += json_bytes(identifiers.copied());
    }

    /// The size of the whole audience, of which `total` is known. `is_whole`: all was looked at.
    pub fn finish(mut self, total: Option<Total>, is_whole: bool) -> (Size, EmailSample) {
        let emails = self.emails.take().unwrap_or_default();
        let mean = |bytes: usize| bytes as f64 / self.json_rows.max(1) as f64;
        let rows_rejected = self.rows_read - self.tally.rows_with_cells;
        let mut size = Size {
            measures: Measures {
                rows: is_whole.then_some(self.rows_read as f64),
                rejected: is_whole.then_some(rows_rejected as f64),
                ..self.tally.measures(self.mapping)
            },
            rows_read: self.rows_read,
            is_exact: is_whole,
            rows: self.rows,
            emails: emails.seen(),
            bytes: self.bytes,
            parts: self.parts,
            changed: self
                .compared
                .as_ref()
                .map(|_| (self.rows - self.unchanged, self.rows)),
            profile_bytes: mean(self.profile_bytes),
            identifier_bytes: mean(self.identifier_bytes),
        };
        if let (false, Some(total)) = (is_whole, total) {
            let times = match total {
                Total::Bytes(bytes) => bytes as f64 / self.consumed_bytes.max(1) as f64,
                // An engine and a Parquet file count blank records as rows.
                Total::Rows(rows) => rows as f64 / (self.rows_read + self.rows_blank).max(1) as f64,
            };
            size.measures.rows = Some(self.rows_read as f64 * times.max(1.0));
            size.rows = scaled(self.rows, times);
            size.emails = scaled(size.emails, times);
            size.bytes = scaled(self.bytes, times);
            let of_limits = size.bytes.div_ceil(self.limits.max_bytes);
            size.parts = of_limits.max(size.rows.div_ceil(self.limits.max_rows));
        }
        (size, emails)
    }
}

/// The first cell of a row, whose other identifiers may follow.
fn first_cell(identifiers: &[u8]) -> Cow<'_, str> {
    if identifiers.first() != Some(&b'"') {
        let cell = identifiers.split(|byte| *byte == b',').next();
        return String::from_utf8_lossy(cell.unwrap_or_default());
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(identifiers);
    let mut cells = csv::StringRecord::new();
    let is_read = reader.read_record(&mut cells).is_ok_and(|is_some| is_some);
    let first = cells.get(0).filter(|_| is_read);
    Cow::Owned(first.unwrap_or_default().to_owned())
}

/// The bytes of a profile in a job's body, the comma included.
fn json_bytes<'a>(cells: impl Iterator<Item = (&'a ProfileColumn, &'a str)>) -> usize {
    let attributes = serde_json::Value::Object(attributes(cells));
    AROUND + 1 + attributes.to_string().len()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of rows or bytes, which is not negative"
)]
fn scaled(number: u64, times: f64) -> u64 {
    (number as f64 * times.max(1.0)).round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_cell_is_the_address_however_it_is_written() {
        for (row, expected) in [
            ("ana@x.example", "ana@x.example"),
            ("ana@x.example,+15005550006,7", "ana@x.example"),
            ("\"o\"\"k@x.example\",7", "o\"k@x.example"),
            (",+15005550006", ""),
            ("\"\"", ""),
            ("", ""),
        ] {
            assert_eq!(first_cell(row.as_bytes()), expected, "{row}");
        }
    }
}
