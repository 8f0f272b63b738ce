//! Where records end: one exact pass over the bytes of a source, in pieces as they come.
//!
//! [`Scanner`] follows the quoting rules of the `csv` crate: a quote opens a cell only at the cell's start and is literal
//! elsewhere; inside quotes `""` is a quote; what follows a closing quote up to the delimiter is literal; a line ends with
//! `\n`, `\r\n` or `\r`; blank lines are no records. Of NDJSON, records are the lines that are not blank.

use memchr::{memchr, memchr2, memchr3};

/// How the records of a source are told apart.
#[derive(Debug, Clone, Copy)]
pub(super) enum Syntax {
    Csv { delimiter: u8 },
    Lines,
}

/// The reason for which [`Scanner::scan`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scan {
    /// All of the buffer was looked at, up to a byte whose meaning depends on the next.
    Exhausted,
    /// As many records were found as was asked for.
    Enough,
    /// The record that begins at [`Scanner::start`] is longer than the limit.
    TooLong,
}

/// The quotes of some records.
#[derive(Debug, Clone, Copy, Default)]
struct Quotes {
    /// Some quote is where RFC 4180 has none.
    are_odd: bool,
    /// A line break is between some of them.
    hold_breaks: bool,
}

/// The state of the pass. Offsets are into the buffer of the caller, who tells of what was taken off its front.
#[derive(Debug)]
pub(super) struct Scanner {
    syntax: Syntax,
    limit: usize,
    /// Everything before was looked at.
    position: usize,
    /// The record in hand begins here: the end of the last whole record and of the blank lines after it.
    start: usize,
    inside_quotes: bool,
    /// Those of the record in hand.
    record_quotes: Quotes,
    /// Those of the whole records.
    quotes: Quotes,
    records: u64,
}

impl Scanner {
    /// A scanner at the beginning of a record; `limit` is the longest that a record may be, its line end aside.
    pub(super) fn new(syntax: Syntax, limit: usize) -> Self {
        Self {
            syntax,
            limit,
            position: 0,
            start: 0,
            inside_quotes: false,
            record_quotes: Quotes::default(),
            quotes: Quotes::default(),
            records: 0,
        }
    }

    /// The end of the whole records.
    pub(super) fn start(&self) -> usize {
        self.start
    }

    /// Whole records before [`Scanner::start`].
    pub(super) fn records(&self) -> u64 {
        self.records
    }

    /// True when one of the whole records has a literal quote, or a `\r` that ends a line by itself.
    pub(super) fn is_odd(&self) -> bool {
        self.quotes.are_odd
    }

    /// True when one of the whole records has a cell with a line break.
    pub(super) fn has_breaks(&self) -> bool {
        self.quotes.hold_breaks
    }

    pub(super) fn is_inside_quotes(&self) -> bool {
        self.inside_quotes
    }

    /// The caller took the whole records off the front of the buffer.
    pub(super) fn take(&mut self) {
        self.position -= self.start;
        self.start = 0;
        self.records = 0;
        self.quotes = Quotes::default();
    }

    /// Begins afresh at `position`: what was seen of the record in hand is forgotten.
    pub(super) fn restart(&mut self, position: usize) {
        self.position = position;
        self.start = position;
        self.inside_quotes = false;
        self.record_quotes = Quotes::default();
    }

    /// Looks for the ends of up to `enough` records in all. At the end of the source (`at_end`) the last record needs no
    /// line end.
    pub(super) fn scan(&mut self, buffer: &[u8], at_end: bool, enough: u64) -> Scan {
        let outcome = match self.syntax {
            Syntax::Csv { delimiter } => self.scan_csv(buffer, delimiter, at_end, enough),
            Syntax::Lines => self.scan_lines(buffer, enough),
        };
        if outcome != Scan::Exhausted {
            return outcome;
        }
        if self.position - self.start > self.limit {
            return Scan::TooLong;
        }
        if at_end && !self.inside_quotes {
            return self.end_record(buffer, buffer.len(), buffer.len());
        }
        Scan::Exhausted
    }

    fn scan_csv(&mut self, buffer: &[u8], delimiter: u8, at_end: bool, enough: u64) -> Scan {
        while self.records < enough {
            if self.inside_quotes {
                let rest = &buffer[self.position..];
                let quote = memchr(b'"', rest);
                self.record_quotes.hold_breaks |=
                    memchr2(b'\n', b'\r', &rest[..quote.unwrap_or(rest.len())]).is_some();
                let Some(quote) = find(quote, self.position) else {
                    self.position = buffer.len();
                    return Scan::Exhausted;
                };
                match buffer.get(quote + 1) {
                    Some(b'"') => self.position = quote + 2,
                    None if !at_end => {
                        self.position = quote;
                        return Scan::Exhausted;
                    }
                    Some(&next) if next == delimiter => {
                        // Most often the next cell is quoted too.
                        self.inside_quotes = buffer.get(quote + 2) == Some(&b'"');
                        self.position = quote + 2 + usize::from(self.inside_quotes);
                    }
                    next => {
                        self.record_quotes.are_odd |= !matches!(next, None | Some(b'\n' | b'\r'));
                        self.inside_quotes = false;
                        self.position = quote + 1;
                    }
                }
                continue;
            }
            let rest = &buffer[self.position..];
            let Some(at) = find(memchr3(b'\n', b'"', b'\r', rest), self.position) else {
                self.position = buffer.len();
                return Scan::Exhausted;
            };
            let outcome = match buffer[at] {
                b'\n' => self.end_record(buffer, at, at + 1),
                b'\r' => match buffer.get(at + 1) {
                    Some(b'\n') => self.end_record(buffer, at, at + 2),
                    None if !at_end => {
                        self.position = at;
                        return Scan::Exhausted;
                    }
                    _ => {
                        self.quotes.are_odd = true;
                        self.end_record(buffer, at, at + 1)
                    }
                },
                _ => {
                    let opens = at == self.start || buffer[at - 1] == delimiter;
                    self.inside_quotes = opens;
                    self.record_quotes.are_odd |= !opens;
                    self.position = at + 1;
                    Scan::Exhausted
                }
            };
            if outcome == Scan::TooLong {
                return outcome;
            }
        }
        Scan::Enough
    }

    fn scan_lines(&mut self, buffer: &[u8], enough: u64) -> Scan {
        while self.records < enough {
            let Some(at) = find(memchr(b'\n', &buffer[self.position..]), self.position) else {
                self.position = buffer.len();
                return Scan::Exhausted;
            };
            if self.end_record(buffer, at, at + 1) == Scan::TooLong {
                return Scan::TooLong;
            }
        }
        Scan::Enough
    }

    /// The record in hand ends at `end`, the next begins at `next`.
    fn end_record(&mut self, buffer: &[u8], end: usize, next: usize) -> Scan {
        if end - self.start > self.limit {
            return Scan::TooLong;
        }
        let is_blank = match self.syntax {
            Syntax::Csv { .. } => end == self.start,
            Syntax::Lines => is_blank_line(&buffer[self.start..end]),
        };
        self.records += u64::from(!is_blank);
        self.quotes.are_odd |= self.record_quotes.are_odd;
        self.quotes.hold_breaks |= self.record_quotes.hold_breaks;
        self.record_quotes = Quotes::default();
        self.start = next;
        self.position = next;
        Scan::Exhausted
    }
}

/// True for a line of NDJSON that is no record.
pub(super) fn is_blank_line(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
}

fn find(offset: Option<usize>, from: usize) -> Option<usize> {
    offset.map(|offset| from + offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMMA: Syntax = Syntax::Csv { delimiter: b',' };

    /// Records, oddness and the open end of a text that comes whole.
    fn whole(text: &[u8]) -> (u64, bool, bool) {
        let mut scanner = Scanner::new(COMMA, 1000);
        scanner.scan(text, true, u64::MAX);
        (
            scanner.records(),
            scanner.is_odd(),
            scanner.is_inside_quotes(),
        )
    }

    #[test]
    fn quotes_follow_the_csv_crate() {
        for (text, expected) in [
            ("a,b\nc,d", (2, false, false)),
            ("\n\r\n\na\n\n", (1, false, false)),
            ("\"a\nb\",c\r\n\"\"\n", (2, false, false)),
            ("\"a\"\"\nb\",\"\"\"\"\n", (1, false, false)),
            ("a\"b\nc", (2, true, false)),
            ("\"a\"b,\"c\nd\"", (1, true, false)),
            ("\"a\"b\"c\nd", (2, true, false)),
            ("a\rb\"\r", (2, true, false)),
            ("\"a\rb\"\r\n", (1, false, false)),
            ("a,\"b\nc\n", (0, false, true)),
            ("\"", (0, false, true)),
            ("\"\"", (1, false, false)),
            ("", (0, false, false)),
        ] {
            assert_eq!(whole(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_break_inside_quotes_is_told_of_its_record() {
        for (text, expected) in [
            ("a,b\nc,d\n", false),
            ("\"a\",b\r\n\"c\"\n", false),
            ("\"a\nb\"\n", true),
            ("a,\"\"\"\rb\"\n", true),
            ("\"a\"b\nc\n", false),
            // Of the record in hand nothing is said yet.
            ("a\n\"b\nc", false),
        ] {
            for piece in 1..=text.len() {
                let mut scanner = Scanner::new(COMMA, 1000);
                for end in (0..text.len()).step_by(piece) {
                    scanner.scan(&text.as_bytes()[..end], false, u64::MAX);
                }
                scanner.scan(text.as_bytes(), false, u64::MAX);
                assert_eq!(scanner.has_breaks(), expected, "{text:?} by {piece}");
            }
        }
    }

    #[test]
    fn oddness_belongs_to_the_record_it_is_in() {
        let mut scanner = Scanner::new(COMMA, 1000);
        scanner.scan(b"a\nb\"", false, u64::MAX);
        assert_eq!((scanner.start(), scanner.is_odd()), (2, false));
        scanner.take();
        scanner.scan(b"b\"\nc", false, u64::MAX);
        assert_eq!((scanner.start(), scanner.is_odd()), (3, true));
    }

    #[test]
    fn a_record_may_be_as_long_as_the_limit() {
        for (text, outcome) in [
            ("abcd\r\n", Scan::Exhausted),
            ("abcde\n", Scan::TooLong),
            ("\"a\nb\"", Scan::TooLong),
            ("a\n\"\"\"\"", Scan::Exhausted),
            ("abcd", Scan::Exhausted),
            ("abcde", Scan::TooLong),
        ] {
            let mut scanner = Scanner::new(COMMA, 4);
            assert_eq!(
                scanner.scan(text.as_bytes(), true, u64::MAX),
                outcome,
                "{text:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn counts_as_the_csv_crate_does_in_any_pieces(
            text in "[a,\"\n\r;]{0,40}",
            piece in 1_usize..8,
        ) {
            let (records, odd, open) = whole(text.as_bytes());
            let by_csv = csv::ReaderBuilder::new().has_headers(false).flexible(true)
                .from_reader(text.as_bytes()).byte_records().count() as u64;
            prop_assert_eq!(records + u64::from(open), by_csv);

            let mut scanner = Scanner::new(COMMA, 1000);
            for end in (0..text.len()).step_by(piece) {
                scanner.scan(&text.as_bytes()[..end], false, u64::MAX);
            }
            scanner.scan(text.as_bytes(), true, u64::MAX);
            prop_assert_eq!((scanner.records(), scanner.is_odd(), scanner.is_inside_quotes()), (records, odd, open));
        }
    }
}
