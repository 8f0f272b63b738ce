//! One source of columns being read: its batches are cut into blocks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Source;
use super::blocks::{BlockContent, Piece};
use super::error::AudienceError;
use super::stream::ByteOrigin;
pub(super) use super::typed::Columns;

/// The most records in a block: as much text as a block of CSV has, at rows of 128 bytes.
const BLOCK_ROWS: usize = 8_192;

/// Batches in the order of the rows; nothing comes after an error.
pub(super) type Batches = Box<dyn Iterator<Item = Result<Columns, AudienceError>> + Send>;

/// One source of columns being read.
pub(super) struct ColumnReading {
    batches: Batches,
    consumed: Arc<AtomicU64>,
    /// The rest of a batch that is larger than a block.
    rest: Option<Columns>,
    /// Records that were handed out.
    pub(super) records: u64,
}

impl ColumnReading {
    pub(super) fn open(origin: ByteOrigin, source: &Source) -> Result<Self, AudienceError> {
        let consumed = Arc::default();
        Ok(Self {
            batches: origin.into_batches(source, &consumed)?,
            consumed,
            rest: None,
            records: 0,
        })
    }

    /// Bytes on disk that were read.
    pub(super) fn consumed(&self) -> u64 {
        self.consumed.load(Ordering::Relaxed)
    }

    /// The next block of this source, or none at its end.
    pub(super) fn next_piece(&mut self) -> Result<Option<Piece>, AudienceError> {
        loop {
            let batch = match self.rest.take() {
                Some(rest) => rest,
                None => match self.batches.next() {
                    Some(batch) => batch?,
                    None => return Ok(None),
                },
            };
            let all = batch.rows();
            let rows = all.min(BLOCK_ROWS);
            if rows == 0 {
                continue;
            }
            if rows < all {
                self.rest = Some(batch.slice(rows, all - rows));
            }
            return Ok(Some(Piece {
                records: rows as u64,
                content: BlockContent::Columns(batch.slice(0, rows)),
            }));
        }
    }
}
