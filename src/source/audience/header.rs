//! The beginning of a source: its encoding, its header, and mistakes that are better told before a row is read.

use std::collections::HashMap;
use std::io::{Cursor, Read};

use encoding_rs::{Encoding, UTF_8};

use super::dialect::{self, DialectRules, Escape};
use super::encodings::LikelyEncoding;
use super::error::{AudienceError, Dialect, LikelyDelimiter, UnreadableFormat};
use super::foreign::ForeignFormat;
use super::format::{self, SourceFormat};
use super::scan::{Scan, Scanner, Syntax};
use super::stream::{ByteOrigin, Peek, own_error};
use super::{
    AudienceFiles, Source, doubles, encodings, foreign, json, mistakes, reject_cell, stream,
    titles, utf8,
};
use crate::profile::target::RESERVED_HEADERS;
use crate::source::record::MAX_RECORD_BYTES;

/// A `rejects.csv` has at least one of these columns, whatever else a person deleted from it.
const TELLING_COLUMNS: [&str; 2] = ["_reason", "_digest"];

/// The delimiters that a `rejects.csv` may have: a spreadsheet saves it with its own.
const REJECTS_DELIMITERS: [u8; 3] = [b',', b';', b'\t'];

/// Reads the beginning of `origin` and tells what its records are.
pub(super) fn inspect(
    name: String,
    origin: &mut ByteOrigin,
    files: &AudienceFiles,
) -> Result<Source, AudienceError> {
    let format = files.format.map_or_else(|| format::of_name(&name), Ok)?;
    let delimiter = files.delimiter.unwrap_or(format.default_delimiter());
    if !dialect::is_delimiter(delimiter) {
        return Err(AudienceError::BadDelimiter { delimiter });
    }
    let mut peek = origin.peek(&name)?;
    if let Some(foreign) = foreign::kind_of(&peek.bytes) {
        return Err(unreadable(name, foreign));
    }
    let marked = Encoding::for_bom(&peek.bytes).map(|(encoding, _)| encoding);
    let mut source = Source {
        name,
        format,
        delimiter,
        escape: None,
        skipped: 0,
        encoding: marked.unwrap_or(files.encoding),
        header: Vec::new(),
        found_columns: 0,
        equal_doubles: Vec::new(),
        is_rejects: false,
        is_quoted_right: false,
        forms: Vec::new(),
        encoding_hint: None,
        encoding_samples: Vec::new(),
        is_empty: false,
        late_keys: super::LateKeys::default(),
        rows: None,
        size_bytes: origin.size_bytes(),
        preamble: Vec::new(),
        places: HashMap::new(),
        projection: None,
    };
    if let Some(delimiter) = delimiter_of_rejects(&peek, marked, &source.name)? {
        source.is_rejects = true;
        source.format = SourceFormat::Csv;
        source.delimiter = delimiter;
        // As it was written. A spreadsheet may have saved it in an encoding that only the job can tell.
        if marked.is_none() && is_utf8(&peek) {
            source.encoding = UTF_8;
        }
    }
    let error = peek.error.take();
    let text = HeaderText::of(&peek, source.encoding, &source.name)?;
    let outcome = if source.format == SourceFormat::Ndjson {
        if let Some(foreign) = foreign::json_of(&text.bytes, text.is_all) {
            return Err(unreadable(source.name, foreign));
        }
        source.is_empty = text.is_all && text.bytes.trim_ascii().is_empty();
        source.set_header(json::keys_of_lines(&text.bytes, text.is_all));
        Ok(())
    } else {
        read_rewritten(&text, files, &mut source)
    };
    // What broke the reading explains a header without an end; after a whole one, the records will meet it again.
    match (outcome, error) {
        (Err(AudienceError::HeaderTooLong { .. }), Some(error)) => {
            return Err(source.read_error(0, error));
        }
        (outcome, _) => outcome?,
    }
    if source.encoding == UTF_8 {
        source.encoding_hint = encodings::likely(&text.bytes);
    }
    source.encoding_samples = match source.encoding_hint {
        Some(hint) => samples_in(&text.bytes, hint.label()),
        None if source.encoding != UTF_8 => encodings::samples(&text.bytes, UTF_8),
        None => Vec::new(),
    };
    Ok(source)
}

fn samples_in(bytes: &[u8], label: Option<&str>) -> Vec<String> {
    let encoding = label.and_then(|label| Encoding::for_label(label.as_bytes()));
    encoding.map_or_else(Vec::new, |encoding| encodings::samples(bytes, encoding))
}

fn unreadable(name: String, foreign: ForeignFormat) -> AudienceError {
    let kind = UnreadableFormat::Foreign(foreign);
    AudienceError::Unreadable { name, kind }
}

/// The decoded beginning of a source.
struct HeaderText {
    bytes: Vec<u8>,
    is_all: bool,
}

impl HeaderText {
    fn of(peek: &Peek, encoding: &'static Encoding, name: &str) -> Result<Self, AudienceError> {
        let mut bytes = Vec::new();
        let raw = Box::new(Cursor::new(peek.bytes.clone()));
        stream::decode(raw, encoding)
            .and_then(|mut text| text.read_to_end(&mut bytes))
            .map_err(|source| AudienceError::Read {
                name: name.to_owned(),
                record: 0,
                source,
            })?;
        Ok(Self {
            bytes,
            is_all: peek.is_all,
        })
    }
}

/// Reads the header of CSV as it is once its dialect is rewritten.
fn read_rewritten(
    text: &HeaderText,
    files: &AudienceFiles,
    source: &mut Source,
) -> Result<(), AudienceError> {
    if source.is_rejects {
        return read_header(text, files, source);
    }
    if let Some((delimiter, length)) = dialect::named_delimiter(&text.bytes) {
        source.skipped = length;
        source.delimiter = files.delimiter.unwrap_or(delimiter);
    }
    if let Some(row) = files.header_row.filter(|row| *row > 1) {
        source.skipped = titles::length_above(&text.bytes, row, source)?;
    }
    if let Escape::Character(escape) = files.escape {
        source.escape = Some(escape);
    }
    let mut rewritten = Vec::new();
    let raw = Box::new(Cursor::new(text.bytes.clone()));
    dialect::rewrite(raw, source.rules())
        .read_to_end(&mut rewritten)
        .map_err(|error| source.read_error(0, error))?;
    let rewritten = HeaderText {
        bytes: rewritten,
        is_all: text.is_all,
    };
    read_header(&rewritten, files, source)?;
    mistakes::refuse_escape(&text.bytes, text.is_all, files.escape, source)?;
    if files.header_row.is_none() {
        titles::refuse(&rewritten.bytes, files, source)?;
    }
    mistakes::refuse_shape(&rewritten.bytes, source)?;
    let below = rewritten.bytes.get(source.preamble.len()..);
    source.equal_doubles = doubles::equal(
        &source.header,
        below.unwrap_or_default(),
        rewritten.is_all,
        source.delimiter,
    );
    Ok(())
}

impl Source {
    /// The dialect by which its text is rewritten, where it is not CSV by RFC 4180.
    pub(super) fn rules(&self) -> Option<DialectRules> {
        let is_csv = matches!(self.format, SourceFormat::Csv | SourceFormat::Tsv);
        (is_csv && !self.is_rejects).then_some(DialectRules {
            delimiter: self.delimiter,
            escape: self.escape,
            skipped: self.skipped,
        })
    }

    pub(super) fn syntax(&self) -> Syntax {
        match self.format {
            SourceFormat::Ndjson => Syntax::Lines,
            _ => Syntax::Csv {
                delimiter: self.delimiter,
            },
        }
    }

    /// The column of this name, the last of several.
    pub(super) fn column(&self, name: &str) -> Option<usize> {
        self.places.get(name)?.last().copied()
    }

    /// Names a failed read of the record after `record - 1` others: an error of the system has a number of the
    /// system, everything else comes from unpacking.
    pub(super) fn read_error(&self, record: u64, source: std::io::Error) -> AudienceError {
        if let Some(error) = own_error(&self.name, record, &source) {
            return error;
        }
        let name = self.name.clone();
        if source.raw_os_error().is_some() {
            AudienceError::Read {
                name,
                record,
                source,
            }
        } else {
            AudienceError::Broken {
                name,
                record,
                source,
            }
        }
    }
}

/// The cells of the first record, trimmed.
fn read_header(
    text: &HeaderText,
    files: &AudienceFiles,
    source: &mut Source,
) -> Result<(), AudienceError> {
    let name = || source.name.clone();
    refuse_json(text, source)?;
    let below = &text.bytes[source.skipped..];
    let Some(end) = header_end(below, text.is_all, source.delimiter, &source.name)? else {
        return Err(AudienceError::NoHeader { name: name() });
    };
    let bytes = &below[..end];
    if !utf8::is_clean(bytes) {
        let likely = encodings::likely(&text.bytes);
        let likely = likely.unwrap_or_else(|| encodings::detected(&text.bytes));
        let Some(label) = likely.label() else {
            return Err(unreadable(name(), foreign::DOS));
        };
        let dialect = dialect_of_bad_header(&text.bytes, label, files, source);
        return Err(AudienceError::HeaderEncoding {
            name: name(),
            encoding: source.encoding.name(),
            samples: encodings::told(&samples_in(&text.bytes, Some(label))),
            dialect,
        });
    }
    let mut header = cells_of(bytes, source.delimiter);
    if source.is_rejects {
        header = header
            .iter()
            .map(|name| reject_cell::read_name(name))
            .collect();
    }
    if let ([only], None, b',' | b'\t') = (&header[..], files.delimiter, source.delimiter)
        && let Some(likely) = likely_delimiter(only, source.delimiter)
    {
        return Err(AudienceError::WrongDelimiter {
            name: name(),
            likely,
            dialect: Dialect {
                delimiter: Some(likely),
                encoding: encodings::likely(&text.bytes)
                    .filter(|_| source.encoding == UTF_8)
                    .and_then(LikelyEncoding::label),
                ..Dialect::default()
            },
        });
    }
    if let Some(cell) = header.iter().position(|cell| is_somebodys(cell)) {
        return Err(AudienceError::HeaderIsRow {
            name: name(),
            cell: cell + 1,
        });
    }
    source.set_header(header);
    source.preamble = text.bytes[..source.skipped + end].to_vec();
    Ok(())
}

/// Refuses JSON that would be read as CSV, before its values are taken for names of columns.
fn refuse_json(text: &HeaderText, source: &Source) -> Result<(), AudienceError> {
    let next = match text.bytes.trim_ascii_start() {
        [b'{', rest @ ..] => rest.trim_ascii_start().first() == Some(&b'"'),
        [b'[', rest @ ..] => rest.trim_ascii_start().first() == Some(&b'{'),
        _ => false,
    };
    if !next {
        return Ok(());
    }
    let name = source.name.clone();
    if let Some(foreign) = foreign::json_of(&text.bytes, text.is_all) {
        return Err(unreadable(name, foreign));
    }
    let dialect = Dialect {
        format: Some("ndjson"),
        ..Dialect::default()
    };
    Err(AudienceError::WrongFormat { name, dialect })
}

/// The encoding that a header which is not valid seems to be in, and the delimiter if that is another one too.
fn dialect_of_bad_header(
    text: &[u8],
    encoding: &'static str,
    files: &AudienceFiles,
    source: &Source,
) -> Dialect {
    let decoded = Encoding::for_label(encoding.as_bytes()).map(|encoding| encoding.decode(text).0);
    let header = decoded
        .as_deref()
        .and_then(|text| text.trim_start().lines().next());
    let is_asked = files.delimiter.is_some() || source.delimiter != b',';
    let delimiter = header
        .filter(|header| !is_asked && !header.contains(','))
        .and_then(|header| likely_delimiter(header, b','));
    Dialect {
        delimiter,
        encoding: Some(encoding),
        ..Dialect::default()
    }
}

/// Where the first record ends, its line end included; none when there is no record.
pub(super) fn header_end(
    text: &[u8],
    is_all: bool,
    delimiter: u8,
    name: &str,
) -> Result<Option<usize>, AudienceError> {
    let mut scanner = Scanner::new(Syntax::Csv { delimiter }, MAX_RECORD_BYTES);
    match scanner.scan(text, is_all, 1) {
        Scan::TooLong => Err(AudienceError::HeaderTooLong {
            name: name.to_owned(),
        }),
        _ if scanner.records() == 1 => Ok(Some(scanner.start())),
        _ if !is_all => Err(AudienceError::HeaderTooLong {
            name: name.to_owned(),
        }),
        _ if scanner.is_inside_quotes() => Err(AudienceError::EndsInsideQuotes {
            name: name.to_owned(),
            record: 0,
        }),
        _ => Ok(None),
    }
}

pub(super) fn cells_of(record: &[u8], delimiter: u8) -> Vec<String> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(record)
        .into_byte_records()
        .next()
        .and_then(Result::ok)
        .unwrap_or_default()
        .iter()
        .map(|cell| String::from_utf8_lossy(cell).trim().to_owned())
        .collect()
}

/// The delimiter of the source if it is a `rejects.csv` of this program: its header has two of the columns that only such a
/// file has, in any place.
fn delimiter_of_rejects(
    peek: &Peek,
    marked: Option<&'static Encoding>,
    name: &str,
) -> Result<Option<u8>, AudienceError> {
    let decoded = match marked {
        Some(encoding) if encoding != UTF_8 => Some(HeaderText::of(peek, encoding, name)?.bytes),
        _ => None,
    };
    let bytes = decoded.as_deref().unwrap_or(&peek.bytes);
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_ours = |delimiter: &u8| {
        let Ok(Some(end)) = header_end(bytes, peek.is_all, *delimiter, name) else {
            return false;
        };
        let header = cells_of(&bytes[..end], *delimiter);
        let is_there = |column: &str| header.iter().any(|cell| cell == column);
        let ours = RESERVED_HEADERS.into_iter().filter(|name| is_there(name));
        ours.count() > 1 && TELLING_COLUMNS.into_iter().any(is_there)
    };
    Ok(REJECTS_DELIMITERS.into_iter().find(is_ours))
}

/// Whether the beginning is UTF-8.
fn is_utf8(peek: &Peek) -> bool {
    match std::str::from_utf8(&peek.bytes) {
        Ok(_) => true,
        Err(error) => error.error_len().is_none() && !peek.is_all,
    }
}

/// True for what can only be a person's e-mail address or phone number: a file without a header must not have its first
/// row shown as names of columns.
pub(super) fn is_somebodys(cell: &str) -> bool {
    let is_address = cell.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty() && domain.contains('.') && !cell.contains(char::is_whitespace)
    });
    let digits = cell.chars().filter(char::is_ascii_digit).count();
    let is_number = cell.starts_with('+') || digits == cell.len();
    let marks = |c: char| c.is_ascii_digit() || matches!(c, '+' | ' ' | '(' | ')' | '-' | '.');
    is_address || is_number && digits > 8 && cell.chars().all(marks)
}

fn likely_delimiter(header: &str, delimiter: u8) -> Option<LikelyDelimiter> {
    [
        (',', LikelyDelimiter::Comma),
        (';', LikelyDelimiter::Semicolon),
        ('\t', LikelyDelimiter::Tab),
        ('|', LikelyDelimiter::Pipe),
    ]
    .into_iter()
    .filter(|&(sign, _)| u32::from(sign) != u32::from(delimiter))
    .map(|(sign, likely)| (header.matches(sign).count(), likely))
    .rev()
    .max_by_key(|&(count, _)| count)
    .and_then(|(count, likely)| (count > 0).then_some(likely))
}

#[cfg(test)]
mod tests {
    use super::super::error::CloudFault;
    use super::*;
    use crate::source::query::QueryError;

    fn inspected(name: &str, bytes: &[u8]) -> Result<Source, String> {
        let files = AudienceFiles {
            files: Vec::new(),
            base: std::path::PathBuf::new(),
            format: None,
            delimiter: None,
            encoding: UTF_8,
            escape: crate::source::audience::Escape::Unsaid,
            header_row: None,
        };
        let mut origin = ByteOrigin::of_stream(Box::new(Cursor::new(bytes.to_vec())));
        inspect(name.to_owned(), &mut origin, &files).map_err(|error| error.to_string())
    }

    #[test]
    fn what_broke_a_source_of_our_own_is_no_broken_compression() {
        let source = inspected("s3://crm/a.csv", b"email\n").unwrap();
        let error = source.read_error(3, std::io::Error::other(CloudFault::Changed));
        assert_eq!(
            error.to_string(),
            "s3://crm/a.csv: the object changed while it was being read"
        );
        let error = source.read_error(3, std::io::Error::other(QueryError::Interrupted));
        assert!(matches!(error, AudienceError::Query { record: 3, .. }));
        let error = source.read_error(3, std::io::Error::other("corrupt deflate stream"));
        assert!(matches!(error, AudienceError::Broken { record: 3, .. }));
    }

    #[test]
    fn header_cells_are_trimmed() {
        let source = inspected("a.csv", b"\r\n\n Email ,\"First\nName\",\r\nx").unwrap();
        assert_eq!(source.header, ["Email", "First\nName", ""]);
        let source = inspected("a.csv", b"\xef\xbb\xbf Email ,\"a \"\"b\"").unwrap();
        assert_eq!(source.header, ["Email", "a \"b"]);
        let utf16: Vec<u8> = "\u{feff}émail\tx\n"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        assert_eq!(inspected("a.tsv", &utf16).unwrap().header, ["émail", "x"]);
    }

    #[test]
    fn mistakes_are_named() {
        for (bytes, message) in [
            (&b""[..], "a.csv: has no header line"),
            (b"\n\r\n", "a.csv: has no header line"),
            (
                b"a;b;c|d\n",
                "a.csv: the header is one column with ; in it: write delimiter = \";\" under [audience], or --delimiter ';'",
            ),
            (
                b"a\tb\n",
                "a.csv: the header is one column with \\t in it: write delimiter = \"\\t\" under [audience], or --delimiter '\\t'",
            ),
            (
                b"a;b\nJ\xfcrgen;x\nZo\xeb;x\nRen\xe9e;x\n",
                "a.csv: the header is one column with ; in it: write delimiter = \";\" and encoding = \"windows-1252\" under [audience], or --delimiter ';' --encoding windows-1252",
            ),
            (
                b"pr\xe9nom;b\n",
                "a.csv: the header is not valid UTF-8; if the file is windows-1252 (its letters then read …ré…), write delimiter = \";\" and encoding = \"windows-1252\" under [audience], or --delimiter ';' --encoding windows-1252",
            ),
            (
                b" {\"mail\": \"zoe@example.com\"}\n",
                "a.csv: the first line is a JSON object and no header: write format = \"ndjson\" under [audience], or --format ndjson",
            ),
            (
                b"[\n {\"mail\": \"zoe@example.com\"}]\n",
                "a.csv: is a JSON array, which is not read; write one object a line, for example with jq -c '.[]'",
            ),
            (
                b"Zoe,zoe@example.com,\n",
                "a.csv: the first line looks like a row, not a header: cell 2 holds an e-mail address or a phone number; put a line with the names of the columns before it",
            ),
            (
                b"a,\"b\nc",
                "a.csv: header: the file ends inside a quoted cell",
            ),
            (
                b"pr\xe9nom,b\n",
                "a.csv: the header is not valid UTF-8; if the file is windows-1252 (its letters then read …ré…), write encoding = \"windows-1252\" under [audience], or --encoding windows-1252",
            ),
            (
                b"e\0;\0b\0\n\0x\0;\0y\0\n\0",
                "a.csv: the header is not valid UTF-8; if the file is utf-16le, write delimiter = \";\" and encoding = \"utf-16le\" under [audience], or --delimiter ';' --encoding utf-16le",
            ),
            (
                b"e\0,\0b\0\n\0x\0,\0y\0\n\0",
                "a.csv: the header is not valid UTF-8; if the file is utf-16le, write encoding = \"utf-16le\" under [audience], or --encoding utf-16le",
            ),
        ] {
            assert_eq!(inspected("a.csv", bytes).unwrap_err(), message);
        }
        let endless = [b"a,\"".to_vec(), vec![b'x'; 2_000_000]].concat();
        assert!(
            inspected("a.csv", &endless)
                .unwrap_err()
                .contains("longer than a record")
        );
    }

    #[test]
    fn only_addresses_and_numbers_are_somebodys() {
        for cell in ["zoe@example.com", "+1 (650) 253-0000", "5511961234567"] {
            assert!(is_somebodys(cell), "{cell}");
        }
        for cell in [
            "",
            "@",
            "e-mail @ work.",
            "2026-11-23",
            "20261123",
            "+",
            "Phone 1",
            "a.b@",
        ] {
            assert!(!is_somebodys(cell), "{cell}");
        }
    }

    #[test]
    fn our_rejects_are_recognised_whatever_the_name() {
        let source = inspected(
            "a.ndjson",
            b"mail,\"a;b\",_reason,_detail,_source,_record\n",
        )
        .unwrap();
        assert!(source.is_rejects);
        assert_eq!((source.format, source.delimiter), (SourceFormat::Csv, b','));
        assert_eq!(source.header.len(), 6);
        // As spreadsheets write it, with columns added and deleted.
        for (bytes, delimiter) in [
            (&b"mail,_reason,_detail,_source,_record,note\n"[..], b','),
            (b"_digest;mail;_reason\n", b';'),
            (b"\xef\xbb\xbfmail\t_detail\t_digest\n", b'\t'),
        ] {
            let source = inspected("a.csv", bytes).unwrap();
            assert!(source.is_rejects);
            assert_eq!(source.delimiter, delimiter);
        }
        for bytes in [&b"mail,_source,_record\n"[..], b"mail,_reason\n"] {
            assert!(!inspected("a.csv", bytes).unwrap().is_rejects);
        }
    }

    #[test]
    fn names_of_our_rejects_are_read_as_they_were() {
        let bytes = b"'@mail,''-x,a\\x5Cx41,_reason,_digest\n";
        let source = inspected("a.csv", bytes).unwrap();
        assert_eq!(
            source.header,
            ["@mail", "'-x", "a\\x41", "_reason", "_digest"]
        );
    }

    #[test]
    fn keys_of_ndjson_are_its_header() {
        let source = inspected("a.ndjson", b"{\"b\":1}\nnothing\n\n{\"a\":[{}],\"b\":2}").unwrap();
        assert_eq!(source.header, ["b", "a"]);
        assert_eq!(source.column("a"), Some(1));
        assert!(inspected("a.ndjson", b"").unwrap().header.is_empty());
    }
}
