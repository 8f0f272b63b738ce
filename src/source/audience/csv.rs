//! The records of a CSV block: plain ones without a copy by `simd-csv`, odd ones by the `csv` crate.
//!
//! Both readers are given a line end before the block, because each drops a byte order mark at the very beginning of what
//! it reads: a block may begin with one that stands in the middle of the file.

use std::cmp::Ordering;
use std::io::Read;
use std::ops::Range;

use encoding_rs::{Encoding, UTF_8};
use memchr::{memchr, memchr2};

use super::Source;
use super::utf8;
use crate::profile::target::RESERVED_HEADERS;
use crate::source::record::{Cell, Record, RecordFault, RecordVisitor};

const LINE_END: &[u8] = b"\n";
const BUFFER_BYTES: usize = 1 << 16;

/// Cells of a record as one of the readers gives them.
trait Cells {
    fn count(&self) -> usize;
    /// The cell as it stands and, if it is one with escaped quotes, its text in `scratch`. Empty beyond the last.
    fn text<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> &'a [u8];
    fn fault(&self) -> Option<RecordFault>;
    /// The cell if it stands there without quotes around it, as far as the reader can tell.
    fn unquoted(&self, column: usize) -> Option<&[u8]>;
    /// These cells as they stand there, with the delimiters between them.
    fn side_by_side(&self, columns: Range<usize>) -> Option<&[u8]>;
    /// Whether some cell holds a line break.
    fn has_break(&self) -> bool;
}

impl Cells for simd_csv::ZeroCopyByteRecord<'_> {
    fn count(&self) -> usize {
        self.len()
    }

    #[inline]
    fn text<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let Some(cell) = self.get(column) else {
            return &[];
        };
        let [b'"', inner @ .., b'"'] = cell else {
            return cell;
        };
        if memchr(b'"', inner).is_none() {
            return inner;
        }
        unescape(inner, scratch);
        scratch
    }

    fn fault(&self) -> Option<RecordFault> {
        utf8::fault_of(self.as_slice())
    }

    #[inline]
    fn unquoted(&self, column: usize) -> Option<&[u8]> {
        self.get(column).filter(|cell| cell.first() != Some(&b'"'))
    }

    #[inline]
    fn side_by_side(&self, columns: Range<usize>) -> Option<&[u8]> {
        let record = self.as_slice();
        let place = |cell: &[u8]| cell.as_ptr().addr() - record.as_ptr().addr();
        let begin = place(self.get(columns.start)?);
        let last = self.get(columns.end.checked_sub(1)?)?;
        record.get(begin..place(last) + last.len())
    }

    fn has_break(&self) -> bool {
        memchr2(b'\n', b'\r', self.as_slice()).is_some()
    }
}

impl Cells for csv::ByteRecord {
    fn count(&self) -> usize {
        self.len()
    }

    fn text<'a>(&'a self, column: usize, _: &'a mut Vec<u8>) -> &'a [u8] {
        self.get(column).unwrap_or_default()
    }

    fn fault(&self) -> Option<RecordFault> {
        let mut faults = self.iter().filter_map(utf8::fault_of);
        let first = faults.next()?;
        // As of a whole record: what is not valid comes before a NUL.
        let is_invalid = |fault| fault == RecordFault::InvalidEncoding;
        Some(if is_invalid(first) || faults.any(is_invalid) {
            RecordFault::InvalidEncoding
        } else {
            first
        })
    }

    fn unquoted(&self, _: usize) -> Option<&[u8]> {
        None
    }

    fn side_by_side(&self, _: Range<usize>) -> Option<&[u8]> {
        None
    }

    fn has_break(&self) -> bool {
        memchr2(b'\n', b'\r', self.as_slice()).is_some()
    }
}

/// `""` becomes `"`.
fn unescape(inner: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut rest = inner;
    while let Some(quote) = memchr(b'"', rest) {
        out.extend_from_slice(&rest[..=quote]);
        rest = rest.get(quote + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// A record with as many cells as the header, all of them text.
struct CsvRow<'a, C> {
    cells: &'a C,
    /// An unquoted cell has nothing but text; see [`CsvVisit::is_bare`].
    is_bare: bool,
}

impl<C: Cells> Record for CsvRow<'_, C> {
    #[inline]
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        Cell::Text(self.cells.text(column, scratch))
    }

    #[inline]
    fn bare_cell(&self, column: usize) -> Option<&[u8]> {
        if self.is_bare {
            self.cells.unquoted(column)
        } else {
            None
        }
    }

    fn has_only(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        has_only(self.cells, holds)
    }

    #[inline]
    fn bare_cells(&self, columns: Range<usize>) -> Option<&[u8]> {
        self.cells.side_by_side(columns)
    }
}

/// A record that is no row: made to fit the header, and to be text.
struct MendedRow<'a, C> {
    cells: &'a C,
    visit: &'a CsvVisit,
    /// How long the record is of which this is the beginning.
    whole_bytes: Option<u64>,
}

impl<C: Cells> MendedRow<'_, C> {
    /// The cell with the surplus ones that are joined to it, each taken over by `push`.
    fn joined(
        &self,
        column: usize,
        scratch: &mut Vec<u8>,
        push: impl Fn(&[u8], &mut Vec<u8>),
    ) -> Vec<u8> {
        let surplus = self.cells.count().saturating_sub(self.visit.columns);
        let places = match column.cmp(&self.visit.surplus_column) {
            Ordering::Less => column..=column,
            Ordering::Equal => column..=column + surplus,
            Ordering::Greater => column + surplus..=column + surplus,
        };
        let mut text = Vec::new();
        for place in places.clone() {
            if place > *places.start() {
                text.push(self.visit.delimiter);
            }
            push(self.cells.text(place, scratch), &mut text);
        }
        text
    }
}

impl<C: Cells> Record for MendedRow<'_, C> {
    fn cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        if self.whole_bytes.is_some() {
            return Cell::Text(b"");
        }
        *scratch = self.joined(column, scratch, utf8::push_lossy);
        Cell::Text(scratch)
    }

    fn kept_cell<'a>(&'a self, column: usize, scratch: &'a mut Vec<u8>) -> Cell<'a> {
        *scratch = self.joined(column, scratch, |bytes, out| {
            utf8::push_marked(bytes, self.visit.encoding != UTF_8, out);
        });
        Cell::Text(scratch)
    }

    fn is_in_place(&self) -> bool {
        self.cells.count() == self.visit.columns
    }

    fn whole_bytes(&self) -> Option<u64> {
        self.whole_bytes
    }

    fn has_only(&self, holds: impl Fn(&[u8]) -> bool) -> bool {
        has_only(self.cells, holds)
    }
}

fn has_only(cells: &impl Cells, holds: impl Fn(&[u8]) -> bool) -> bool {
    let mut scratch = Vec::new();
    (0..cells.count()).all(|column| holds(cells.text(column, &mut scratch)))
}

/// Visits the records of a block and tells how many there were. Where one may have a cell with a line break, such cells are
/// looked at.
pub(super) fn visit_plain(
    source: &Source,
    bytes: &[u8],
    has_breaks: bool,
    visitor: &mut impl RecordVisitor,
) -> u64 {
    let visit = CsvVisit::of(source, bytes, has_breaks);
    let mut reader = simd_csv::ZeroCopyReaderBuilder::with_capacity(BUFFER_BYTES)
        .has_headers(false)
        .flexible(true)
        .delimiter(source.delimiter)
        .from_reader(LINE_END.chain(bytes));
    let mut visited = 0;
    while let Ok(Some(record)) = reader.read_byte_record() {
        visit.record(&record, visitor);
        visited += 1;
    }
    visited
}

/// As [`visit_plain`], for a block with literal quotes.
pub(super) fn visit_odd(source: &Source, bytes: &[u8], visitor: &mut impl RecordVisitor) -> u64 {
    let visit = CsvVisit::of(source, bytes, true);
    each_odd(source, bytes, |record| visit.record(record, visitor))
}

/// Visits the one record of a block that holds the first line of a record that is too long, or the beginning of that line
/// with the length of all of it.
pub(super) fn visit_too_long(
    source: &Source,
    bytes: &[u8],
    whole_bytes: Option<u64>,
    visitor: &mut impl RecordVisitor,
) -> u64 {
    let mut first = csv::ByteRecord::new();
    each_odd(source, bytes, |record| first.clone_from(record));
    let visit = CsvVisit::of(source, bytes, false);
    let beginning = MendedRow {
        whole_bytes,
        ..visit.mended(&first)
    };
    visitor.fault(RecordFault::TooLong, &beginning);
    1
}

fn each_odd(source: &Source, bytes: &[u8], mut each: impl FnMut(&csv::ByteRecord)) -> u64 {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(source.delimiter)
        .buffer_capacity(BUFFER_BYTES)
        .from_reader(LINE_END.chain(bytes));
    let mut record = csv::ByteRecord::new();
    let mut visited = 0;
    while reader
        .read_byte_record(&mut record)
        .is_ok_and(|is_some| is_some)
    {
        each(&record);
        visited += 1;
    }
    visited
}

/// The facts about every record of a block.
struct CsvVisit {
    columns: usize,
    delimiter: u8,
    /// The column that surplus cells are joined to.
    surplus_column: usize,
    /// Text of another encoding than UTF-8 was decoded, and bytes that are no text are marked in it.
    encoding: &'static Encoding,
    is_clean: bool,
    /// Some cell may hold a line break, and what is in it is worth a look.
    has_breaks: bool,
    /// The delimiter is a comma and there are no control characters but line ends: since quotes and line ends are where
    /// RFC 4180 has them in a plain block, an unquoted cell has none, and no comma.
    is_bare: bool,
}

impl CsvVisit {
    fn of(source: &Source, bytes: &[u8], has_breaks: bool) -> Self {
        let is_clean = utf8::is_clean(bytes);
        Self {
            columns: source.header.len(),
            delimiter: source.delimiter,
            surplus_column: surplus_column(source),
            encoding: source.encoding,
            is_clean,
            has_breaks: has_breaks && !source.is_quoted_right,
            is_bare: is_clean && source.delimiter == b',' && !utf8::has_controls(bytes),
        }
    }

    fn mended<'a, C>(&'a self, cells: &'a C) -> MendedRow<'a, C> {
        MendedRow {
            cells,
            visit: self,
            whole_bytes: None,
        }
    }

    /// Whether a cell holds a line break, the delimiter and an e-mail address, as one does that swallowed rows.
    #[cold]
    fn has_swallowed(&self, cells: &impl Cells) -> bool {
        let mut scratch = Vec::new();
        cells.has_break()
            && (0..cells.count()).any(|column| {
                let text = cells.text(column, &mut scratch);
                memchr2(b'\n', b'\r', text).is_some()
                    && memchr(self.delimiter, text).is_some()
                    && utf8::has_address(text)
            })
    }

    #[inline]
    fn row<'a, C>(&self, cells: &'a C) -> CsvRow<'a, C> {
        CsvRow {
            cells,
            is_bare: self.is_bare,
        }
    }

    #[inline]
    fn record<C: Cells>(&self, cells: &C, visitor: &mut impl RecordVisitor) {
        let found = cells.count();
        if self.has_breaks && self.has_swallowed(cells) {
            visitor.swallowed();
        }
        if self.is_clean && found == self.columns {
            visitor.row(&self.row(cells));
            return;
        }
        let ragged = RecordFault::Ragged {
            found,
            expected: self.columns,
        };
        let fault = if self.is_clean { None } else { cells.fault() };
        match fault.or((found != self.columns).then_some(ragged)) {
            Some(fault) => visitor.fault(fault, &self.mended(cells)),
            None => visitor.row(&self.row(cells)),
        }
    }
}

/// The last column: of a `rejects.csv` that is given back the last one that is not the program's own, for it is there that
/// a person adds a delimiter.
fn surplus_column(source: &Source) -> usize {
    let is_ours = |name: &&String| source.is_rejects && RESERVED_HEADERS.contains(&name.as_str());
    let ours = source.header.iter().rev().take_while(is_ours).count();
    let last = source.header.len().saturating_sub(1);
    last.checked_sub(ours).unwrap_or(last)
}

#[cfg(test)]
mod tests {
    use super::super::{AudienceFiles, header};
    use super::*;
    use crate::source::audience::scan::{Scanner, Syntax};
    use crate::source::audience::stream::ByteOrigin;
    use proptest::prelude::*;

    /// The cells of every record, with its fault.
    struct Seen {
        columns: usize,
        records: Vec<(Option<RecordFault>, Vec<Vec<u8>>)>,
    }

    impl Seen {
        fn note(&mut self, fault: Option<RecordFault>, record: &impl Record) {
            let mut scratch = Vec::new();
            let cells = (0..self.columns).map(|column| match record.cell(column, &mut scratch) {
                Cell::Text(text) | Cell::Nested(text) | Cell::Unrepresentable { text, .. } => {
                    text.to_vec()
                }
            });
            self.records.push((fault, cells.collect()));
        }
    }

    impl RecordVisitor for Seen {
        fn row(&mut self, row: &impl Record) {
            self.note(None, row);
        }
        fn fault(&mut self, fault: RecordFault, row: &impl Record) {
            self.note(Some(fault), row);
        }
    }

    fn source(header: &str, delimiter: u8) -> Source {
        let files = AudienceFiles {
            files: Vec::new(),
            base: std::path::PathBuf::new(),
            format: None,
            delimiter: Some(delimiter),
            encoding: encoding_rs::UTF_8,
            escape: crate::source::audience::Escape::Unsaid,
            header_row: None,
        };
        let mut origin =
            ByteOrigin::of_stream(Box::new(std::io::Cursor::new(header.as_bytes().to_vec())));
        header::inspect("a.csv".to_owned(), &mut origin, &files).unwrap()
    }

    fn seen(
        visit: impl FnOnce(&Source, &[u8], &mut Seen) -> u64,
        source: &Source,
        bytes: &[u8],
    ) -> Vec<(Option<RecordFault>, Vec<Vec<u8>>)> {
        let mut seen = Seen {
            columns: source.header.len(),
            records: Vec::new(),
        };
        let visited = visit(source, bytes, &mut seen);
        assert_eq!(visited, seen.records.len() as u64);
        seen.records
    }

    fn plain(source: &Source, bytes: &[u8], seen: &mut Seen) -> u64 {
        visit_plain(source, bytes, true, seen)
    }

    #[test]
    fn faulty_records_are_made_to_fit() {
        let source = source("a,b", b',');
        for (bytes, fault, cells) in [
            (
                &b"1"[..],
                RecordFault::Ragged {
                    found: 1,
                    expected: 2,
                },
                ["1", ""],
            ),
            (
                b"1,\"2,\",\"3\"\"\",4",
                RecordFault::Ragged {
                    found: 4,
                    expected: 2,
                },
                ["1", "2,,3\",4"],
            ),
            (
                b"1,\xe9\"",
                RecordFault::InvalidEncoding,
                ["1", "\u{fffd}\""],
            ),
            (
                b"\"\",\xe9\0,2",
                RecordFault::InvalidEncoding,
                ["", "\u{fffd}\0,2"],
            ),
            (b"1\0,2", RecordFault::Nul, ["1\0", "2"]),
            (
                b"\xc3,\xa9",
                RecordFault::InvalidEncoding,
                ["\u{fffd}", "\u{fffd}"],
            ),
        ] {
            let expected = vec![(
                Some(fault),
                cells.map(|cell| cell.as_bytes().to_vec()).to_vec(),
            )];
            assert_eq!(seen(visit_odd, &source, bytes), expected);
            if !bytes.ends_with(b"\xe9\"") {
                assert_eq!(seen(plain, &source, bytes), expected);
            }
        }
    }

    #[test]
    fn a_byte_order_mark_in_the_middle_stays() {
        let source = source("a", b',');
        let expected = vec![(None, vec!["\u{feff}x".as_bytes().to_vec()])];
        assert_eq!(seen(plain, &source, "\u{feff}x\n".as_bytes()), expected);
        assert_eq!(seen(visit_odd, &source, "\u{feff}x\n".as_bytes()), expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn both_readers_agree_cell_by_cell(
            text in prop_oneof![
                "[a,\"\n\r;]{0,40}",
                "((\"(a|,|\n|\r|\"\"|\u{e9}){0,4}\"|[a;\u{e9}]{0,3})[,,,\n\n]|\r\n){0,12}(\"(a|\"\"|\r\n)*\"|a)?",
            ],
            columns in 1_usize..4,
        ) {
            let source = source(["a", "a,b", "a,b,c"][columns - 1], b',');
            let mut scanner = Scanner::new(Syntax::Csv { delimiter: b',' }, 1000);
            scanner.scan(text.as_bytes(), true, u64::MAX);
            let whole = &text.as_bytes()[..scanner.start()];
            let by_csv = seen(visit_odd, &source, whole);
            prop_assert_eq!(by_csv.len() as u64, scanner.records());
            if !scanner.is_odd() {
                prop_assert_eq!(seen(plain, &source, whole), by_csv);
            }
        }
    }
}
