//! One source being read: its text is cut where records end.
//!
//! A record longer than the limit gets a block of its own, which holds its first line; if that line is not itself too
//! long, a quote was left open in it, and reading goes on at the next line. Of a line that is too long the block holds the
//! beginning.

use std::io::{ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use memchr::{memchr, memchr2};

use super::Source;
use super::blocks::{BlockContent, BlockKind, BlockLimits, Piece};
use super::dialect;
use super::error::AudienceError;
use super::scan::{Scan, Scanner, Syntax};
use super::stream::{self, ByteOrigin, Bytes};
use super::utf8;
use crate::base::pool::Pool;

/// Each quote that is given up costs another pass over as many bytes as a record may have. These many are free, and
/// beyond them such passes may look at each byte of the text [`PASSES`] times, so that no file takes hours.
const FREE_GIVE_UPS: u64 = 256;
const PASSES: u64 = 64;

/// One source being read.
pub(super) struct Reading {
    text: Bytes,
    /// Bytes on disk that were read.
    pub(super) consumed: Arc<AtomicU64>,
    scanner: Scanner,
    is_csv: bool,
    limits: BlockLimits,
    /// Read and not handed out: its first `filled` bytes. What comes after these was used before: reading into it clears
    /// nothing first.
    buffer: Vec<u8>,
    filled: usize,
    at_end: bool,
    error: Option<std::io::Error>,
    /// Records that were handed out.
    pub(super) records: u64,
    /// Bytes of text that were taken off the buffer.
    taken_bytes: u64,
    /// Open quotes that were given up.
    give_ups: u64,
}

impl Reading {
    /// Opens a source, after so many bytes on disk of those before it.
    pub(super) fn open(
        mut origin: ByteOrigin,
        source: &Source,
        limits: BlockLimits,
        before: u64,
    ) -> Result<Self, AudienceError> {
        let unpacked = origin.open(&source.name, before)?;
        let decoded = stream::decode(unpacked.bytes, source.encoding)
            .map_err(|error| source.read_error(0, error))?;
        let mut text = dialect::rewrite(decoded, source.rules());
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
            filled: 0,
            at_end: false,
            error: None,
            records: 0,
            taken_bytes: 0,
            give_ups: 0,
        })
    }

    /// The next block of this source, or none at its end.
    pub(super) fn next_piece(
        &mut self,
        source: &Source,
        spare: &Pool<u8>,
    ) -> Result<Option<Piece>, AudienceError> {
        loop {
            let outcome = self
                .scanner
                .scan(&self.buffer[..self.filled], self.at_end, u64::MAX);
            let must_cut = outcome == Scan::TooLong
                || self.at_end
                || self.error.is_some()
                || self.filled >= self.limits.block_bytes;
            if must_cut && self.scanner.start() > 0 {
                let piece = self.cut(spare);
                if piece.records > 0 {
                    return Ok(Some(piece));
                }
            }
            if outcome == Scan::TooLong {
                return self.give_up_record(source).map(Some);
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
        let wanted = match block_bytes.saturating_sub(self.filled) {
            0 => block_bytes,
            room => room,
        };
        let full = self.filled + wanted;
        if self.buffer.len() < full {
            self.buffer.reserve_exact(full - self.buffer.len());
            self.buffer.resize(full, 0);
        }
        while self.filled < full && !self.at_end && self.error.is_none() {
            match self.text.read(&mut self.buffer[self.filled..full]) {
                Ok(read) => {
                    self.at_end = read == 0;
                    self.filled += read;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.error = Some(error),
            }
        }
    }

    /// Takes the whole records off the buffer; the rest begins the next one.
    fn cut(&mut self, spare: &Pool<u8>) -> Piece {
        let end = self.scanner.start();
        self.taken_bytes += end as u64;
        let mut next = spare.take();
        let rest = &self.buffer[end..self.filled];
        if next.len() < rest.len() {
            next.resize(rest.len(), 0);
        }
        next[..rest.len()].copy_from_slice(rest);
        self.filled = rest.len();
        self.buffer.truncate(end);
        let kind = if self.scanner.is_odd() {
            BlockKind::Odd
        } else {
            BlockKind::Plain {
                has_breaks: self.scanner.has_breaks(),
            }
        };
        let bytes = std::mem::replace(&mut self.buffer, next);
        let piece = Piece {
            records: self.scanner.records(),
            content: BlockContent::Text { bytes, kind },
        };
        self.scanner.take();
        piece
    }

    /// The record at the front of the buffer is too long: its first line is rejected, and what follows read afresh.
    fn give_up_record(&mut self, source: &Source) -> Result<Piece, AudienceError> {
        let line_end = self.find_line_end();
        let is_short = |end: &usize| *end <= self.limits.record_bytes;
        let (bytes, whole_bytes) = if let Some(end) = line_end.filter(is_short) {
            let bytes = self.buffer[..end].to_vec();
            // A `\n` after a `\r` is left as a blank line.
            self.take_front(end + 1);
            self.give_ups += 1;
            let again_bytes =
                self.give_ups.saturating_sub(FREE_GIVE_UPS) * self.limits.record_bytes as u64;
            if again_bytes > PASSES * self.taken_bytes {
                let (name, record) = (source.name.clone(), self.records + 1);
                return Err(AudienceError::OpenQuotes { name, record });
            }
            (bytes, None)
        } else {
            let line = &self.buffer[..line_end.unwrap_or(self.filled)];
            let bytes = utf8::beginning(line).to_vec();
            (bytes, Some(self.skip_line()))
        };
        self.scanner.restart(0);
        let kind = BlockKind::TooLong { whole_bytes };
        Ok(Piece {
            records: 1,
            content: BlockContent::Text { bytes, kind },
        })
    }

    fn take_front(&mut self, count: usize) {
        self.buffer.drain(..count);
        self.filled -= count;
        self.taken_bytes += count as u64;
    }

    /// Throws away the line, reading on until it ends. How long it was.
    fn skip_line(&mut self) -> u64 {
        let mut skipped = 0;
        loop {
            if let Some(end) = self.find_line_end() {
                self.take_front(end + 1);
                return skipped + end as u64;
            }
            skipped += self.filled as u64;
            self.take_front(self.filled);
            if self.at_end || self.error.is_some() {
                return skipped;
            }
            self.fill();
        }
    }

    fn find_line_end(&self) -> Option<usize> {
        let text = &self.buffer[..self.filled];
        if self.is_csv {
            memchr2(b'\n', b'\r', text)
        } else {
            memchr(b'\n', text)
        }
    }
}
