//! The findings of a preview: the columns, the first rows as they would be sent, what is counted, and what Klaviyo may misread.
//!
//! [`PreviewLook`] takes the same batches that a run commits, so what it shows is what a run would send. Values are masked as they
//! are taken over, unless they are asked for; places are told by source and record, never by a value.

use std::fmt::Write as _;

use indexmap::IndexMap;
use serde::Serialize;

use super::hazard::Hazard;
pub use super::look::{LookOptions, PreviewFacts, PreviewLook};
use crate::cli::console::printable;
use crate::run::report::grouped;
use crate::state::codes::{RejectionReason, RepairCode};

/// How many places are named for each finding.
const EXAMPLES: usize = 3;

/// A preview, as `--json` prints it. Field names do not change.
#[derive(Debug, Serialize)]
pub struct Preview {
    /// The files, and how they are read.
    pub sources: Vec<SourceLook>,
    /// The columns that are sent, in the order of the parts.
    pub columns: Vec<ColumnLook>,
    /// The columns that are not sent.
    pub left_out: Vec<UnsentColumn>,
    /// Whether the values of `rows` are masked.
    pub masked: bool,
    /// The first rows as they would be sent.
    pub rows: Vec<RowLook>,
    /// Rows that were looked at.
    pub rows_read: u64,
    /// Blank records, which are no rows, and where.
    pub rows_blank: Finding,
    /// Whether these are all rows of the audience.
    pub whole: bool,
    /// Rows of them that would be sent.
    pub rows_to_send: u64,
    /// Rows of them that would be refused.
    pub rows_rejected: u64,
    /// The reason, and the places.
    pub rejections: Vec<RejectionLook>,
    /// Rows of them whose key another row has.
    pub duplicates: Finding,
    /// Cells that would be mended, and where.
    pub repairs: Vec<RepairLook>,
    /// Identifiers of rows that an earlier row of another key has, and where.
    pub shared_identifiers: Vec<RepairLook>,
    /// Values of custom properties that Klaviyo may misread.
    pub warnings: Vec<Warning>,
    /// Further notes for a person.
    pub notes: Vec<String>,
    /// The command to type next.
    pub next: Option<String>,
}

/// How a source is read.
#[derive(Debug, Serialize)]
pub struct SourceLook {
    /// Its name.
    pub name: String,
    /// `csv`, `tsv`, `ndjson`, `parquet` or `query`.
    pub format: &'static str,
    /// Its delimiter; null where it has none.
    pub delimiter: Option<String>,
    /// Its encoding.
    pub encoding: &'static str,
    /// How many columns it has.
    pub columns: usize,
}

/// A column that is sent.
#[derive(Debug, Serialize)]
pub struct ColumnLook {
    /// Its name in the source.
    pub source: String,
    /// Its header in the parts.
    pub header: String,
    /// Its meaning for Klaviyo.
    pub kind: &'static str,
    /// How it came to this header.
    pub origin: HeaderOrigin,
    /// The type that the job gives to its cells.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub cell_type: Option<String>,
}

/// How a column came to its header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeaderOrigin {
    /// By its name.
    Guessed,
    /// By a flag.
    Flag,
    /// By the job file.
    Job,
    /// It keeps its own name, for columns that are not listed are kept.
    Kept,
}

/// A column that is not sent.
#[derive(Debug, Serialize)]
pub struct UnsentColumn {
    /// Its name in the source.
    pub source: String,
    /// The reason for which it is not sent.
    pub reason: String,
}

/// A row as it would be sent.
#[derive(Debug, Serialize)]
pub struct RowLook {
    /// Where it stands.
    #[serde(flatten)]
    pub place: PreviewPlace,
    /// Its cells by header.
    pub cells: IndexMap<String, String>,
}

/// A record of a source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviewPlace {
    /// The source's name.
    pub source: String,
    /// From 1, after the header.
    pub record: u64,
}

/// How often something was found, and where first.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Finding {
    /// How often.
    pub count: u64,
    /// The first places.
    pub examples: Vec<PreviewPlace>,
}

/// Rows that would be refused for one reason.
#[derive(Debug, Serialize)]
pub struct RejectionLook {
    /// The reason's code.
    pub code: RejectionReason,
    /// How many rows, and where.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Cells of one column that would be mended in one way.
#[derive(Debug, Serialize)]
pub struct RepairLook {
    /// The way's code.
    pub code: RepairCode,
    /// The column's name in the source.
    pub column: String,
    /// How many cells, and where.
    #[serde(flatten)]
    pub finding: Finding,
    /// The same by cause, where there is one; the most frequent first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub details: Vec<DetailLook>,
}

/// Cells of one column that would be mended in one way for one cause.
#[derive(Debug, Serialize)]
pub struct DetailLook {
    /// The cause in one word, as `repairs.csv` has it.
    pub detail: &'static str,
    /// The form of the first cell: `d` for each digit, `a` for each letter; of an e-mail address one for a run of them.
    pub form: String,
    /// How many cells, and where.
    #[serde(flatten)]
    pub finding: Finding,
}

/// Values of one column that Klaviyo may misread in one way.
#[derive(Debug, Serialize)]
pub struct Warning {
    /// The risk for them.
    pub code: Hazard,
    /// The column's name in the source.
    pub column: String,
    /// Its header in the parts.
    pub header: String,
    /// How many cells, and where. Counted before duplicates are dropped.
    #[serde(flatten)]
    pub finding: Finding,
    /// The same in words.
    pub meaning: &'static str,
}

/// `record 2, 5, 9, ...`; with the file's name where there are several.
pub(super) fn places(finding: &Finding, is_of_several: bool) -> String {
    let mut text = String::new();
    let mut source = None;
    for PreviewPlace { source: of, record } in &finding.examples {
        if source == Some(of) {
            // Writing to a String cannot fail.
            let _ = write!(text, ", {}", grouped(*record));
            continue;
        }
        let separator = if text.is_empty() { "" } else { "; " };
        let of_source = if is_of_several {
            format!("{} ", printable(of))
        } else {
            String::new()
        };
        let _ = write!(text, "{separator}{of_source}record {}", grouped(*record));
        source = Some(of);
    }
    if finding.count > finding.examples.len() as u64 {
        text.push_str(", ...");
    }
    text
}

impl Finding {
    pub(super) fn note(&mut self, place: impl FnOnce() -> PreviewPlace) {
        self.count += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(place());
        }
    }
}
