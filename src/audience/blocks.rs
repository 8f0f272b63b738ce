//! Sources become blocks of whole records, in order and in bounded memory.
//!
//! A block ends where a record ends. A record longer than the limit gets a block of its own, which holds its first line;
//! if that line is not itself too long, a quote was left open in it, and reading goes on at the next line.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_channel::{Receiver, Sender};
use memchr::{memchr, memchr2};

use super::error::AudienceError;
use super::scan::{Scan, Scanner, Syntax};
use super::stream::{self, Bytes, Origin};
use super::{Source, SourceId};
use crate::record::MAX_RECORD_BYTES;

/// Buffers that wait to be used again; more are given back to the system.
const SPARE_BUFFERS: usize = 16;

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

/// What the records of a block need of their reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockKind {
    /// Every quote is where RFC 4180 has it.
    Plain,
    /// Some quote is not, or a `\r` ends a line by itself.
    Odd,
    /// The first line of one record that is too long; nothing if the line itself is.
    TooLong,
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
    /// The text of the records.
    pub bytes: Vec<u8>,
    /// Bytes on disk that were read so far of all sources, for a progress bar.
    pub consumed_bytes: u64,
    pub(super) kind: BlockKind,
}

/// Takes back the buffers of blocks that were visited. Clones share the pool.
#[derive(Debug, Clone)]
pub struct Recycler(Sender<Vec<u8>>);

impl Recycler {
    /// Gives the block's buffer back to the reader.
    pub fn give(&self, block: Block) {
        // A full pool, or a reader that is gone, drops it.
        let _dropped = self.0.try_send(block.bytes);
    }
}

/// The blocks of an audience. After an error there are no more.
pub struct Blocks {
    sources: Arc<[Source]>,
    origins: std::vec::IntoIter<Origin>,
    /// The source that is being read, or the next to be opened.
    current: u32,
    reading: Option<Reading>,
    limits: BlockLimits,
    sequence: u64,
    consumed_before: u64,
    spare: Receiver<Vec<u8>>,
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
    pub(super) fn new(sources: Arc<[Source]>, origins: Vec<Origin>, limits: BlockLimits) -> Self {
        let (give, spare) = crossbeam_channel::bounded(SPARE_BUFFERS);
        Self {
            sources,
            origins: origins.into_iter(),
            current: 0,
            reading: None,
            limits,
            sequence: 0,
            consumed_before: 0,
            spare,
            recycler: Recycler(give),
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
                        self.reading
                            .insert(Reading::open(origin, source, self.limits)?)
                    }
                    None => return Ok(None),
                },
            };
            if let Some(piece) = reading.next_piece(source, &self.spare)? {
                let block = Block {
                    sequence: self.sequence,
                    source: SourceId(self.current),
                    first_record: reading.records + 1,
                    records: piece.records,
                    bytes: piece.bytes,
                    consumed_bytes: self.consumed_before + reading.consumed.load(Ordering::Relaxed),
                    kind: piece.kind,
                };
                reading.records += piece.records;
                self.sequence += 1;
                return Ok(Some(block));
            }
            self.consumed_before += reading.consumed.load(Ordering::Relaxed);
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

/// A block before it has its place.
struct Piece {
    bytes: Vec<u8>,
    records: u64,
    kind: BlockKind,
}

/// One source being read.
struct Reading {
    text: Bytes,
    consumed: Arc<AtomicU64>,
    scanner: Scanner,
    is_csv: bool,
    limits: BlockLimits,
    buffer: Vec<u8>,
    at_end: bool,
    error: Option<std::io::Error>,
    /// The rest of a line that is too long is thrown away.
    is_skipping: bool,
    /// Records that were handed out.
    records: u64,
}

impl Reading {
    fn open(
        mut origin: Origin,
        source: &Source,
        limits: BlockLimits,
    ) -> Result<Self, AudienceError> {
        let unpacked = origin.open(&source.name)?;
        let mut text = stream::decode(unpacked.bytes, source.encoding)
            .map_err(|error| source.read_error(0, error))?;
        let mut preamble = Vec::with_capacity(source.preamble.len());
        (&mut text)
            .take(source.preamble.len() as u64)
            .read_to_end(&mut preamble)
            .map_err(|error| source.read_error(0, error))?;
        if preamble != source.preamble {
            return Err(AudienceError::Changed {
                name: source.name.clone(),
            });
        }
        let syntax = source.syntax();
        Ok(Self {
            text,
            consumed: unpacked.consumed,
            scanner: Scanner::new(syntax, limits.record_bytes),
            is_csv: matches!(syntax, Syntax::Csv { .. }),
            limits,
            buffer: Vec::new(),
            at_end: false,
            error: None,
            is_skipping: false,
            records: 0,
        })
    }

    /// The next block of this source, or none at its end.
    fn next_piece(
        &mut self,
        source: &Source,
        spare: &Receiver<Vec<u8>>,
    ) -> Result<Option<Piece>, AudienceError> {
        loop {
            if self.is_skipping {
                self.skip_line();
            }
            let outcome = self.scanner.scan(&self.buffer, self.at_end, u64::MAX);
            let must_cut = outcome == Scan::TooLong
                || self.at_end
                || self.error.is_some()
                || self.buffer.len() >= self.limits.block_bytes;
            if must_cut && self.scanner.start() > 0 {
                let piece = self.cut(spare);
                if piece.records > 0 {
                    return Ok(Some(piece));
                }
            }
            if outcome == Scan::TooLong {
                return Ok(Some(self.give_up_record()));
            }
            if let Some(error) = self.error.take() {
                return Err(source.read_error(self.records + 1, error));
            }
            if self.at_end {
                if self.scanner.is_inside_quotes() {
                    let (name, record) = (source.name.clone(), self.records + 1);
                    return Err(AudienceError::EndsInsideQuotes { name, record });
                }
                return Ok(None);
            }
            self.fill();
        }
    }

    /// Reads up to the size of a block, or as much again.
    fn fill(&mut self) {
        let block_bytes = self.limits.block_bytes.max(1);
        let wanted = match block_bytes.saturating_sub(self.buffer.len()) {
            0 => block_bytes,
            room => room,
        };
        self.buffer.reserve_exact(wanted);
        match (&mut self.text)
            .take(wanted as u64)
            .read_to_end(&mut self.buffer)
        {
            Ok(read) => self.at_end = read < wanted,
            Err(error) => self.error = Some(error),
        }
    }

    /// Takes the whole records off the buffer; the rest begins the next one.
    fn cut(&mut self, spare: &Receiver<Vec<u8>>) -> Piece {
        let end = self.scanner.start();
        let mut next = spare.try_recv().unwrap_or_default();
        next.clear();
        next.reserve(self.limits.block_bytes.max(self.buffer.len() - end));
        next.extend_from_slice(&self.buffer[end..]);
        self.buffer.truncate(end);
        let piece = Piece {
            records: self.scanner.records(),
            kind: if self.scanner.is_odd() {
                BlockKind::Odd
            } else {
                BlockKind::Plain
            },
            bytes: std::mem::replace(&mut self.buffer, next),
        };
        self.scanner.take();
        piece
    }

    /// The record at the front of the buffer is too long: its first line is rejected, and what follows read afresh.
    fn give_up_record(&mut self) -> Piece {
        let line_end = self
            .find_line_end()
            .filter(|&end| end <= self.limits.record_bytes);
        let bytes = line_end.map_or_else(Vec::new, |end| self.buffer[..end].to_vec());
        match line_end {
            // A `\n` after a `\r` is left as a blank line.
            Some(end) => drop(self.buffer.drain(..=end)),
            None => self.is_skipping = true,
        }
        self.scanner.restart(0);
        Piece {
            bytes,
            records: 1,
            kind: BlockKind::TooLong,
        }
    }

    /// Throws away what is left of the line, reading on until it ends.
    fn skip_line(&mut self) {
        loop {
            if let Some(end) = self.find_line_end() {
                self.buffer.drain(..=end);
                break;
            }
            self.buffer.clear();
            if self.at_end || self.error.is_some() {
                break;
            }
            self.fill();
        }
        self.is_skipping = false;
    }

    fn find_line_end(&self) -> Option<usize> {
        if self.is_csv {
            memchr2(b'\n', b'\r', &self.buffer)
        } else {
            memchr(b'\n', &self.buffer)
        }
    }
}
