//! Sources become blocks of whole records, in order and in bounded memory.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::columns::{ColumnReading, Columns};
use super::error::AudienceError;
use super::reading::Reading;
use super::stream::ByteOrigin;
use super::{Source, SourceId};
use crate::base::pool::Pool;
use crate::source::record::MAX_RECORD_BYTES;

/// Buffers that wait to be used again; more are given back to the system.
const SPARE_BUFFERS: usize = 16;

/// The assumed length of a cell of columns as text, before it is known.
const CELL_BYTES: usize = 12;

/// How large blocks and records may be.
#[derive(Debug, Clone, Copy)]
pub struct BlockLimits {
    /// The size that blocks are about.
    pub block_bytes: usize,
    /// The longest record, its line end aside.
    pub record_bytes: usize,
}

impl Default for BlockLimits {
    fn default() -> Self {
        Self {
            block_bytes: 1 << 20,
            record_bytes: MAX_RECORD_BYTES,
        }
    }
}

/// The facts that the records of a block need of their reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// Every quote is where RFC 4180 has it, if there is one.
    Plain { has_breaks: bool },
    /// Some quote is not, or a `\r` ends a line by itself.
    Odd,
    /// The first line of one record that is too long; if the line itself is, its beginning and the length of the line.
    TooLong { whole_bytes: Option<u64> },
}

/// Whole records of one source, as UTF-8 (apart from what the file has wrong) and as they stand in the file.
#[derive(Debug)]
pub struct Block {
    /// Place among the blocks of all sources, from 0.
    pub sequence: u64,
    /// The source of every record in it.
    pub source: SourceId,
    /// Number of its first record in its source, from 1; the header is not counted.
    pub first_record: u64,
    /// Records in it: as many as [`super::RecordReader::visit`] visits.
    pub records: u64,
    /// Bytes on disk that were read so far of all sources, for a progress bar.
    pub consumed_bytes: u64,
    pub(super) content: BlockContent,
}

/// The records of a block.
#[derive(Debug)]
pub(super) enum BlockContent {
    /// As they stand in the file.
    Text { bytes: Vec<u8>, kind: BlockKind },
    /// A row for each record.
    Columns(Columns),
}

impl Block {
    /// About how much memory its records take.
    pub fn size_bytes(&self) -> usize {
        match &self.content {
            BlockContent::Text { bytes, .. } => bytes.len(),
            BlockContent::Columns(columns) => columns.cells() * CELL_BYTES,
        }
    }
}

/// A block before it has its place.
pub(super) struct Piece {
    pub(super) records: u64,
    pub(super) content: BlockContent,
}

/// One source being read.
enum OpenSource {
    Text(Box<Reading>),
    Columns(ColumnReading),
}

impl OpenSource {
    fn next_piece(
        &mut self,
        source: &Source,
        spare: &Pool<u8>,
    ) -> Result<Option<Piece>, AudienceError> {
        match self {
            Self::Text(reading) => reading.next_piece(source, spare),
            Self::Columns(reading) => reading.next_piece(),
        }
    }

    /// Bytes on disk that were read.
    fn consumed(&self) -> u64 {
        match self {
            Self::Text(reading) => reading.consumed.load(Ordering::Relaxed),
            Self::Columns(reading) => reading.consumed(),
        }
    }

    /// Records that were handed out.
    fn records(&mut self) -> &mut u64 {
        match self {
            Self::Text(reading) => &mut reading.records,
            Self::Columns(reading) => &mut reading.records,
        }
    }
}

/// Takes back the buffers of blocks that were visited. Clones share the pool.
#[derive(Debug, Clone)]
pub struct Recycler(Pool<u8>);

impl Recycler {
    /// Gives the block's buffer back to the reader.
    pub fn give(&self, block: Block) {
        if let BlockContent::Text { bytes, .. } = block.content {
            self.0.give(bytes);
        }
    }
}

/// The blocks of an audience. After an error there are no more.
pub struct Blocks {
    sources: Arc<[Source]>,
    origins: std::vec::IntoIter<ByteOrigin>,
    /// The source that is being read, or the next to be opened.
    current: u32,
    reading: Option<OpenSource>,
    limits: BlockLimits,
    sequence: u64,
    consumed_before: u64,
    recycler: Recycler,
}

impl std::fmt::Debug for Blocks {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "Blocks(source {}, block {})",
            self.current, self.sequence
        )
    }
}

impl Blocks {
    pub(super) fn new(
        sources: Arc<[Source]>,
        origins: Vec<ByteOrigin>,
        limits: BlockLimits,
    ) -> Self {
        Self {
            sources,
            origins: origins.into_iter(),
            current: 0,
            reading: None,
            limits,
            sequence: 0,
            consumed_before: 0,
            recycler: Recycler(Pool::new(SPARE_BUFFERS)),
        }
    }

    /// Where visited blocks may be given back, which saves the system's work for new memory.
    pub fn recycler(&self) -> Recycler {
        self.recycler.clone()
    }

    fn next_block(&mut self) -> Result<Option<Block>, AudienceError> {
        let sources = Arc::clone(&self.sources);
        while let Some(source) = sources.get(self.current as usize) {
            let reading = match &mut self.reading {
                Some(reading) => reading,
                None => match self.origins.next() {
                    Some(origin) => {
                        let opened = if source.format.is_columnar() {
                            OpenSource::Columns(ColumnReading::open(origin, source)?)
                        } else {
                            let before = self.consumed_before;
                            let reading = Reading::open(origin, source, self.limits, before)?;
                            OpenSource::Text(Box::new(reading))
                        };
                        self.reading.insert(opened)
                    }
                    None => return Ok(None),
                },
            };
            if let Some(piece) = reading.next_piece(source, &self.recycler.0)? {
                let block = Block {
                    sequence: self.sequence,
                    source: SourceId(self.current),
                    first_record: *reading.records() + 1,
                    records: piece.records,
                    consumed_bytes: self.consumed_before + reading.consumed(),
                    content: piece.content,
                };
                *reading.records() += piece.records;
                self.sequence += 1;
                return Ok(Some(block));
            }
            self.consumed_before += reading.consumed();
            self.reading = None;
            self.current += 1;
        }
        Ok(None)
    }
}

impl Iterator for Blocks {
    type Item = Result<Block, AudienceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let block = self.next_block();
        if block.is_err() {
            self.origins = Vec::new().into_iter();
            self.reading = None;
        }
        block.transpose()
    }
}
