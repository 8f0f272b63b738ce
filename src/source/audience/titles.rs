//! Rows above the header of a CSV file: a title, the date of a report.
//!
//! The job says in which row the names of the columns are. Where it does not, and the first row looks like a title, the row
//! of the names is looked for and told. Rows are counted as a spreadsheet shows them: from 1, blank ones included.

use super::error::{AudienceError, Dialect, LikelyDelimiter, LikelyRow};
use super::escaped;
use super::header::{cells_of, is_somebodys};
use super::{AudienceFiles, Source};

/// Rows below the names of the columns that must have as many cells.
const ROWS_BELOW: usize = 3;

/// A row of a text.
struct TextRow {
    /// Its number, from 1.
    number: usize,
    cells: Vec<String>,
    /// Where the next one begins.
    end: usize,
}

/// The length of the rows above row `row`, in which the header is.
pub(super) fn length_above(text: &[u8], row: u32, source: &Source) -> Result<usize, AudienceError> {
    let above = row as usize - 1;
    let mut length = 0;
    let mut found = 0;
    for read in rows(text, source.delimiter).take(above) {
        found += 1;
        length = read.end;
    }
    if found < above || length >= text.len() {
        return Err(AudienceError::NoHeaderRow {
            name: source.name.clone(),
            row,
            rows: u32::try_from(found).unwrap_or(u32::MAX),
        });
    }
    Ok(length)
}

/// Refuses a text, as RFC 4180 has it, whose first row is a title. `source` has what was taken for its header.
pub(super) fn refuse(
    text: &[u8],
    files: &AudienceFiles,
    source: &Source,
) -> Result<(), AudienceError> {
    if source.skipped > 0 || !is_title(&source.header) {
        return Ok(());
    }
    // A title has no delimiter that would have told the right one.
    let others = [
        LikelyDelimiter::Semicolon,
        LikelyDelimiter::Tab,
        LikelyDelimiter::Pipe,
    ];
    let others = others
        .into_iter()
        .filter(|_| files.delimiter.is_none() && source.delimiter == b',')
        .map(|likely| (likely.byte(), Some(likely)));
    let mut delimiters = std::iter::once((source.delimiter, None)).chain(others);
    let Some((row, delimiter)) =
        delimiters.find_map(|(byte, likely)| header_row(text, byte).map(|row| (row, likely)))
    else {
        return Ok(());
    };
    Err(AudienceError::TitleLine {
        name: source.name.clone(),
        dialect: Dialect {
            header_row: Some(row),
            delimiter,
            ..Dialect::default()
        },
    })
}

/// Whether a row has a single cell that is filled, and so may be a title.
fn is_title(cells: &[String]) -> bool {
    let filled = cells.iter().filter(|cell| !cell.is_empty()).count();
    cells.len() == 1 || filled == 1 && cells.len() > 2
}

/// The row that looks like a header below titles.
fn header_row(text: &[u8], delimiter: u8) -> Option<LikelyRow> {
    let is_filled = |row: &TextRow| row.cells.iter().any(|cell| !cell.is_empty());
    let mut rows = rows(text, delimiter).filter(is_filled);
    let header = rows.find(|row| !is_title(&row.cells))?;
    let are_names = !header
        .cells
        .iter()
        .any(|cell| is_somebodys(cell) || cell.is_empty());
    let below: Vec<TextRow> = rows.take(ROWS_BELOW).collect();
    let have_as_many = below
        .iter()
        .all(|row| row.cells.len() == header.cells.len());
    let is_header = header.cells.len() > 1 && are_names && have_as_many && !below.is_empty();
    LikelyRow::numbered(header.number).filter(|_| is_header)
}

/// The rows of a text. One that ends inside quotes is the last.
fn rows(text: &[u8], delimiter: u8) -> impl Iterator<Item = TextRow> {
    let mut record = Vec::new();
    let mut at = 0;
    let mut number = 0;
    std::iter::from_fn(move || {
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        record.clear();
        at += escaped::record(rest, delimiter, None, &mut record).end?;
        number += 1;
        Some(TextRow {
            number,
            cells: cells_of(&record, delimiter),
            end: at,
        })
    })
}
