//! Mistakes of a CSV file that its first mebibyte shows: how quotes are escaped, lines that are quoted as a whole.

use super::Source;
use super::dialect::Escape;
use super::error::{AudienceError, Dialect};
use super::escaped;
use super::header::cells_of;

/// Records below the header that a judgement looks at.
const RECORDS: usize = 3;

/// Refuses a text, as it is in the file, whose quotes are escaped where the job does not say so.
pub(super) fn refuse_escape(
    text: &[u8],
    is_all: bool,
    escape: Escape,
    source: &Source,
) -> Result<(), AudienceError> {
    let below = text.get(source.skipped..).unwrap_or_default();
    if escape != Escape::Unsaid || !escaped::needs_backslash(below, is_all, source.delimiter) {
        return Ok(());
    }
    Err(AudienceError::NeedsEscape {
        name: source.name.clone(),
        dialect: Dialect {
            escape: Some("\\"),
            ..Dialect::default()
        },
    })
}

/// Refuses a text as RFC 4180 has it whose first record is no header. `source` has its header.
pub(super) fn refuse_shape(text: &[u8], source: &Source) -> Result<(), AudienceError> {
    let name = source.name.clone();
    let below = text.get(source.skipped..).unwrap_or_default();
    let records = first_records(below, source.delimiter);
    if is_quoted_whole(&source.header, &records, source.delimiter) {
        return Err(AudienceError::QuotedWhole { name });
    }
    Ok(())
}

/// The cells of the first records after the header.
fn first_records(text: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    let mut rest = text;
    let mut records = Vec::new();
    let mut record = Vec::new();
    while records.len() <= RECORDS && !rest.is_empty() {
        record.clear();
        let found = escaped::record(rest, delimiter, None, &mut record);
        let Some(end) = found.end else {
            break;
        };
        rest = &rest[end..];
        let cells = cells_of(&record, delimiter);
        if !found.is_blank && cells.iter().any(|cell| !cell.is_empty()) {
            records.push(cells);
        }
    }
    records.split_off(records.len().min(1))
}

/// Whether each record is one cell that holds delimiters.
fn is_quoted_whole(header: &[String], records: &[Vec<String>], delimiter: u8) -> bool {
    let parts = |record: &[String]| match record {
        [only] => Some(cells_of(only.as_bytes(), delimiter).len()),
        _ => None,
    };
    let columns = parts(header).unwrap_or(header.len());
    columns > 1
        && !records.is_empty()
        && records.iter().all(|record| parts(record) == Some(columns))
}
