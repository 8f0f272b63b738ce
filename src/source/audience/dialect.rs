//! Dialects of CSV that RFC 4180 does not have, rewritten to RFC 4180 as they are read: the scanner and both readers of
//! records know one way of quoting only.
//!
//! Two dialects are rewritten: CSV whose quotes are escaped with a character (mostly a backslash), and TSV, where a quote
//! means nothing unless both ends of the cell have one. Text that is neither passes by without a copy.

use std::io::{self, Read};

use memchr::{memchr, memchr2};

use super::escaped::{self, EscapedRecord};
use super::stream::Bytes;
use super::tabs::{self, TabFront};
use crate::source::record::MAX_RECORD_BYTES;

/// Text is read in pieces of this size.
const PIECE_BYTES: usize = 1 << 18;

/// The byte that DOS put at the end of a text.
const CTRL_Z: u8 = 0x1a;

/// How a quote inside a quoted cell is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Escape {
    /// The job does not say: quotes are doubled, and a file that needs another way is refused.
    #[default]
    Unsaid,
    /// The quote is doubled, as RFC 4180 has it.
    Doubled,
    /// This character is before it.
    Character(u8),
}

/// The facts about a source that a rewriting needs.
#[derive(Debug, Clone, Copy)]
pub(super) struct DialectRules {
    pub(super) delimiter: u8,
    pub(super) escape: Option<u8>,
    /// Bytes before the header that pass as they are.
    pub(super) skipped: usize,
}

/// The text as RFC 4180 has it, without Ctrl-Z at its end.
pub(super) fn rewrite(text: Bytes, rules: Option<DialectRules>) -> Bytes {
    let text = Box::new(CtrlZFilter {
        inner: text,
        is_held: false,
    });
    match rules {
        Some(rules) if rules.escape.is_some() || rules.delimiter == b'\t' => {
            Box::new(Rewriting::new(text, rules))
        }
        _ => text,
    }
}

/// The delimiter that a first line `sep=X` names, and the length of that line.
pub(super) fn named_delimiter(text: &[u8]) -> Option<(u8, usize)> {
    let end = memchr2(b'\n', b'\r', text)?;
    let line = text[..end]
        .strip_prefix(b"\"")
        .and_then(|line| line.strip_suffix(b"\""))
        .unwrap_or(&text[..end]);
    let (word, rest) = line.split_at_checked(4)?;
    let [delimiter] = rest else {
        return None;
    };
    let is_named = word.eq_ignore_ascii_case(b"sep=") && is_delimiter(*delimiter);
    let length = if text[end..].starts_with(b"\r\n") {
        2
    } else {
        1
    };
    is_named.then_some((*delimiter, end + length))
}

/// True for a byte that can be told from text, quotes and line ends.
pub(super) fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii() && !matches!(byte, b'"' | b'\r' | b'\n' | 0)
}

/// Drops a Ctrl-Z at the very end.
struct CtrlZFilter {
    inner: Bytes,
    is_held: bool,
}

impl Read for CtrlZFilter {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.len() < 2 {
            return self.read_byte(buffer);
        }
        let from = usize::from(self.is_held);
        let read = self.inner.read(&mut buffer[from..])?;
        if read == 0 {
            self.is_held = false;
            return Ok(0);
        }
        if self.is_held {
            buffer[0] = CTRL_Z;
        }
        let end = from + read;
        self.is_held = buffer[end - 1] == CTRL_Z;
        if self.is_held && end == 1 {
            return self.read(buffer);
        }
        Ok(end - usize::from(self.is_held))
    }
}

impl CtrlZFilter {
    /// Reads into a buffer of one byte or none.
    fn read_byte(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut two = [0; 2];
        if buffer.is_empty() {
            return Ok(0);
        }
        let mut one = [0; 1];
        if !self.is_held {
            if self.inner.read(&mut one)? == 0 {
                return Ok(0);
            }
            if one[0] != CTRL_Z {
                buffer[0] = one[0];
                return Ok(1);
            }
        }
        self.is_held = false;
        // A byte after it shows that this is not the end.
        let read = self.inner.read(&mut two[..1])?;
        if read == 0 {
            return Ok(0);
        }
        let rest = std::mem::replace(&mut self.inner, Box::new(io::empty()));
        self.inner = Box::new(io::Cursor::new([two[0]]).chain(rest));
        buffer[0] = CTRL_Z;
        Ok(1)
    }
}

/// Text that is rewritten record by record.
struct Rewriting {
    inner: Bytes,
    rules: DialectRules,
    /// Read and not rewritten: what comes after `taken`.
    input: Vec<u8>,
    taken: usize,
    at_end: bool,
    output: Vec<u8>,
    given: usize,
    /// Cells of the first record.
    columns: Option<usize>,
    /// A line that is too long passes as it is.
    passes_line: bool,
}

impl Rewriting {
    fn new(inner: Bytes, rules: DialectRules) -> Self {
        Self {
            inner,
            rules,
            input: Vec::new(),
            taken: 0,
            at_end: false,
            output: Vec::new(),
            given: 0,
            columns: None,
            passes_line: false,
        }
    }

    /// Reads another piece; as much again as is in hand, so that a long record is not looked at over and over.
    fn fill(&mut self) -> io::Result<()> {
        self.input.drain(..self.taken);
        self.taken = 0;
        let wanted = self.input.len().max(PIECE_BYTES) as u64;
        let read = (&mut self.inner)
            .take(wanted)
            .read_to_end(&mut self.input)?;
        self.at_end = (read as u64) < wanted;
        Ok(())
    }

    /// Rewrites the whole records in hand.
    fn rewrite(&mut self) {
        if self.rules.skipped > 0 {
            let skipped = self.rules.skipped.min(self.input.len());
            self.pass(skipped);
            self.rules.skipped = 0;
        }
        while self.taken < self.input.len() {
            if self.passes_line {
                self.pass_line();
                continue;
            }
            let is_rewritten = match self.rules.escape {
                Some(escape) => self.rewrite_escaped(escape),
                None => self.rewrite_tabs(),
            };
            if !is_rewritten {
                return;
            }
        }
    }

    fn pass(&mut self, count: usize) {
        let end = self.taken + count;
        self.output.extend_from_slice(&self.input[self.taken..end]);
        self.taken = end;
    }

    fn pass_line(&mut self) {
        let rest = &self.input[self.taken..];
        let end = memchr2(b'\n', b'\r', rest);
        self.passes_line = end.is_none();
        let count = end.map_or(rest.len(), |end| end + 1);
        self.pass(count);
    }

    /// Rewrites a record with escapes; false when more of it must be read first.
    fn rewrite_escaped(&mut self, escape: u8) -> bool {
        let rest = &self.input[self.taken..];
        let limit = rest.len().min(2 * MAX_RECORD_BYTES);
        let from = self.output.len();
        let found = escaped::record(
            &rest[..limit],
            self.rules.delimiter,
            Some(escape),
            &mut self.output,
        );
        let is_whole = match &found {
            EscapedRecord { end: Some(end), .. } => *end < limit || self.at_end,
            _ => false,
        };
        if is_whole {
            self.taken += found.end.unwrap_or(limit);
            self.columns = self.columns.or(Some(found.cells));
            return true;
        }
        if self.at_end && limit == rest.len() {
            // The quote that is left open is told by whoever scans the records.
            self.taken += limit;
            return true;
        }
        self.output.truncate(from);
        if rest.len() < 2 * MAX_RECORD_BYTES {
            return false;
        }
        self.give_up_line();
        true
    }

    /// The first line of a record whose quote is never closed, with a cell too many, so that it is no row.
    fn give_up_line(&mut self) {
        let rest = &self.input[self.taken..];
        let end = memchr2(b'\n', b'\r', rest).unwrap_or(rest.len());
        if end > MAX_RECORD_BYTES {
            self.passes_line = true;
            return;
        }
        let cells = rest[..end].split(|&byte| byte == self.rules.delimiter);
        let mut count = 0;
        for cell in cells {
            if count > 0 {
                self.output.push(self.rules.delimiter);
            }
            escaped::push_cell(cell, self.rules.delimiter, &mut self.output);
            count += 1;
        }
        if Some(count) == self.columns {
            self.output.push(self.rules.delimiter);
        }
        self.taken += end;
        self.passes_line = true;
    }

    /// Rewrites a line of TSV, or passes the lines without a quote; false when more must be read first.
    fn rewrite_tabs(&mut self) -> bool {
        let rest = &self.input[self.taken..];
        if self.columns.is_some() {
            let quote = memchr(b'"', rest).unwrap_or(rest.len());
            let lines = memchr::memrchr2(b'\n', b'\r', &rest[..quote]).map_or(0, |end| end + 1);
            if lines > 0 {
                self.pass(lines);
                return true;
            }
        }
        let Some(line) = tabs::line_of(rest, self.at_end) else {
            if rest.len() > MAX_RECORD_BYTES {
                self.passes_line = true;
                return true;
            }
            return false;
        };
        if line.text.is_empty() {
            self.pass(line.end);
            return true;
        }
        match tabs::record(rest, line, self.at_end, self.columns) {
            TabFront::More => false,
            TabFront::Record { cells, text, end } => {
                tabs::push_cells(&rest[..text], &cells, &mut self.output);
                self.output.extend_from_slice(&rest[text..end]);
                self.columns = self.columns.or(Some(cells.len()));
                self.taken += end;
                true
            }
        }
    }
}

impl Read for Rewriting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.output.len() {
            self.output.clear();
            self.given = 0;
            if self.at_end && self.taken == self.input.len() {
                return Ok(0);
            }
            if !self.at_end {
                self.fill()?;
            }
            self.rewrite();
        }
        let count = buffer.len().min(self.output.len() - self.given);
        buffer[..count].copy_from_slice(&self.output[self.given..self.given + count]);
        self.given += count;
        Ok(count)
    }
}
