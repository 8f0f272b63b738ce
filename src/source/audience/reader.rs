//! Visits the records of a block, whatever its source.

use super::blocks::{BlockContent, BlockKind};
use super::copied::CopyVisitor;
use super::error::AudienceError;
use super::format::SourceFormat;
use super::{Block, Source, csv, ndjson, typed};
use crate::source::day_time::DayTime;
use crate::source::record::RecordVisitor;

/// Reads the records of blocks, of any source and in any order. One per worker.
#[derive(Debug, Default)]
pub struct RecordReader {
    day_time: DayTime,
}

impl RecordReader {
    /// A reader for one worker.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, which adds this time to the dates of typed columns.
    #[must_use]
    pub fn with_day_time(self, day_time: DayTime) -> Self {
        Self { day_time }
    }

    /// Gives every record of the block to `visitor`, in order, as a row or as a fault. `source` is that of the block.
    /// The only error is [`AudienceError::Bug`]: not as many records were found as when the block was cut.
    pub fn visit(
        &mut self,
        source: &Source,
        block: &Block,
        visitor: &mut impl RecordVisitor,
    ) -> Result<(), AudienceError> {
        let found = match &block.content {
            BlockContent::Columns(batch) => typed::visit(batch, self.day_time, visitor),
            BlockContent::Text {
                bytes,
                kind: BlockKind::Plain { has_breaks },
            } if !source.forms.is_empty() => {
                let forms = &source.forms;
                csv::visit_plain(
                    source,
                    bytes,
                    *has_breaks,
                    &mut CopyVisitor { forms, visitor },
                )
            }
            BlockContent::Text {
                bytes,
                kind: BlockKind::Odd,
            } if !source.forms.is_empty() => {
                let forms = &source.forms;
                csv::visit_odd(source, bytes, &mut CopyVisitor { forms, visitor })
            }
            BlockContent::Text { bytes, kind } => match (source.format, kind) {
                (SourceFormat::Ndjson, BlockKind::TooLong { whole_bytes }) => {
                    ndjson::visit_too_long(source, bytes, *whole_bytes, visitor)
                }
                (SourceFormat::Ndjson, _) => {
                    ndjson::visit(source, bytes, block.first_record, visitor)
                }
                (_, BlockKind::Plain { has_breaks }) => {
                    csv::visit_plain(source, bytes, *has_breaks, visitor)
                }
                (_, BlockKind::Odd) => csv::visit_odd(source, bytes, visitor),
                (_, BlockKind::TooLong { whole_bytes }) => {
                    csv::visit_too_long(source, bytes, *whole_bytes, visitor)
                }
            },
        };
        if found == block.records {
            return Ok(());
        }
        Err(AudienceError::Bug {
            name: source.name.clone(),
            first_record: block.first_record,
            expected: block.records,
            found,
        })
    }
}
