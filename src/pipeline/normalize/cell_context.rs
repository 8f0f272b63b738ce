//! One cell of a record: its text, cleaned, with what was mended in it.

use super::notes::{note_null, repair};
use super::nulls::NullWords;
use super::{RowRefusal, cell};
use crate::pipeline::batch::Batch;
use crate::pipeline::mapping::{Mapping, SourcePlan};
use crate::source::record::{Cell, Record};
use crate::state::codes::{RejectionReason, RepairCode};

/// The text of one cell.
struct CellText<'a> {
    text: &'a [u8],
    cleaned: cell::CleanCell<'a>,
    /// The value that the text lacks, as it is shown to a person.
    left_out: Option<&'a [u8]>,
}

/// One column of the mapping in one source.
pub(super) struct CellContext<'a> {
    pub(super) mapping: &'a Mapping,
    pub(super) plan: &'a SourcePlan,
    pub(super) nulls: &'a NullWords,
    pub(super) index: usize,
    /// A line break inside the cell stays: it separates two phone numbers.
    pub(super) keeps_breaks: bool,
}

impl CellContext<'_> {
    /// The cleaned cell; what was mended in it is noted in `batch`.
    pub(super) fn clean<'b>(
        &self,
        row: &'b impl Record,
        unescaped: &'b mut Vec<u8>,
        cleaned: &'b mut Vec<u8>,
        batch: &mut Batch,
    ) -> Result<&'b [u8], RowRefusal> {
        let Some(at) = self.plan.cells[self.index] else {
            return Ok(b"");
        };
        // Of nearly every cell it is seen at once that it stays as it is.
        if let Some(text) = row.bare_cell(at).filter(|text| self.nulls.is_plain(text)) {
            return Ok(text);
        }
        let CellText {
            text,
            cleaned,
            left_out,
        } = self.text(row, at, unescaped, cleaned)?;
        if self.nulls.holds(cleaned.text) {
            note_null(batch, self.index);
            return Ok(b"");
        }
        for code in cleaned.codes() {
            repair(batch, self.index, code, text);
        }
        if let Some(value) = left_out {
            repair(batch, self.index, RepairCode::Unrepresentable, value);
        }
        Ok(if self.keeps_breaks && cleaned.line_break {
            text.trim_ascii()
        } else {
            cleaned.text
        })
    }

    /// The cell as it is.
    fn text<'b>(
        &self,
        row: &'b impl Record,
        at: usize,
        unescaped: &'b mut Vec<u8>,
        cleaned: &'b mut Vec<u8>,
    ) -> Result<CellText<'b>, RowRefusal> {
        if let Some(text) = row.bare_cell(at) {
            return Ok(CellText {
                text,
                cleaned: cell::clean_bare(text),
                left_out: None,
            });
        }
        match row.cell(at, unescaped) {
            Cell::Text(text) => Ok(CellText {
                text,
                cleaned: cell::clean(text, cleaned),
                left_out: None,
            }),
            Cell::Unrepresentable { text, value } => Ok(CellText {
                text,
                cleaned: cell::clean(text, cleaned),
                left_out: Some(value),
            }),
            Cell::Nested(_) => {
                let detail = format!(
                    "column `{}` holds a nested object",
                    self.mapping.columns[self.index].source
                );
                Err(RowRefusal {
                    reason: RejectionReason::NestedValue,
                    detail,
                })
            }
        }
    }
}
