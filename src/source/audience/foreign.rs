//! Files that are no audience, by their first bytes: each is named for what it is, with what to do.

use std::fmt;

use memchr::memmem;

use super::encodings::DOS_ADVICE;

/// A kind of file that is recognised and not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForeignFormat {
    what: &'static str,
    advice: &'static str,
}

impl fmt::Display for ForeignFormat {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "is {}, which is not read; {}", self.what, self.advice)
    }
}

const SAVE: &str = "open it in a spreadsheet and save it as CSV UTF-8";
const EXPORT: &str = "export its rows as CSV, NDJSON or Parquet";
const QUERY: &str =
    "export its rows as CSV or Parquet, or read it with a query by ADBC (DuckDB reads it)";
const UNPACK: &str = "unpack it first; of compressed files gzip and zstd are read";
const LINES: &str = "write one object a line, for example with jq -c .";

/// Signatures at the beginning: the bytes, what a file is that has them, and what to do.
const SIGNATURES: [(&[u8], &str, &str); 24] = [
    (b"%PDF-", "a PDF document", EXPORT),
    (b"{\\rtf", "an RTF document", EXPORT),
    (b"BEGIN:VCARD", "a file of vCards", EXPORT),
    (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "an old Excel workbook, or a workbook with a password",
        SAVE,
    ),
    (b"ARROW1\0\0", "an Arrow IPC (Feather) file", QUERY),
    (b"\xff\xff\xff\xff", "an Arrow IPC stream", QUERY),
    (b"FEA1", "a Feather file", QUERY),
    (b"Obj\x01", "an Avro file", QUERY),
    (
        b"SQLite format 3\0",
        "an SQLite database",
        "read it with a query by ADBC",
    ),
    (b"\xfd7zXZ\0", "compressed with xz", UNPACK),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", UNPACK),
    (b"Rar!\x1a\x07", "a RAR archive", UNPACK),
    (b"LZIP\x01", "compressed with lzip", UNPACK),
    (b"\x04\x22\x4d\x18", "compressed with lz4", UNPACK),
    (b"\xff\x06\x00\x00sNaPpY", "compressed with snappy", UNPACK),
    (b"\x1f\x9d", "compressed with compress", UNPACK),
    (
        b"\x1f\x8b",
        "packed twice",
        "unpack it once, for example with gunzip",
    ),
    (
        b"\x28\xb5\x2f\xfd",
        "packed twice",
        "unpack it once, for example with zstd -d",
    ),
    (
        b"-----BEGIN PGP MESSAGE-----",
        "encrypted with PGP",
        "decrypt it first, for example with gpg -d",
    ),
    (
        b"age-encryption.org/",
        "encrypted with age",
        "decrypt it first, for example with age -d",
    ),
    (b"$FL2", "an SPSS file", EXPORT),
    (b"$FL3", "an SPSS file", EXPORT),
    (b"<stata_dta>", "a Stata file", EXPORT),
    (b"!BDN", "an Outlook file", EXPORT),
];

/// Names inside a zip archive, and what an archive is that has them.
const IN_ARCHIVES: [(&[u8], &str); 4] = [
    (b"xl/", "an Excel workbook"),
    (b"opendocument.spreadsheet", "an OpenDocument spreadsheet"),
    (b"Index/Document.iwa", "a Numbers spreadsheet"),
    (b"word/", "a Word document"),
];

/// How long the beginning of an archive is in which its names are looked for.
const ARCHIVE_BYTES: usize = 1 << 16;

/// The kind of a file with these first bytes, when it is no audience. A packed file's bytes come unpacked.
pub(super) fn kind_of(bytes: &[u8]) -> Option<ForeignFormat> {
    let signed = SIGNATURES
        .iter()
        .find(|(signature, ..)| bytes.starts_with(signature))
        .map(|&(_, what, advice)| ForeignFormat { what, advice });
    signed
        .or_else(|| archive(bytes))
        .or_else(|| of_shape(bytes))
        .or_else(|| markup(bytes))
        .or_else(|| padded(bytes))
}

fn archive(bytes: &[u8]) -> Option<ForeignFormat> {
    if !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(b"PK\x05\x06") {
        return None;
    }
    let beginning = &bytes[..bytes.len().min(ARCHIVE_BYTES)];
    let document = IN_ARCHIVES
        .iter()
        .find(|(name, _)| memmem::find(beginning, name).is_some());
    Some(match document {
        Some(&(_, what)) => ForeignFormat { what, advice: SAVE },
        None => ForeignFormat {
            what: "a zip archive",
            advice: UNPACK,
        },
    })
}

/// Kinds whose signature is not enough, or lies farther back.
fn of_shape(bytes: &[u8]) -> Option<ForeignFormat> {
    let foreign = |what, advice| Some(ForeignFormat { what, advice });
    let is_text = |byte: u8| byte >= b' ' || matches!(byte, b'\t' | b'\r' | b'\n');
    if bytes.get(257..262) == Some(b"ustar") {
        return foreign("a tar archive", "unpack it first");
    }
    if bytes.get(8..12) == Some(b"DUCK") {
        return foreign("a DuckDB database", "read it with a query by ADBC");
    }
    if bytes.starts_with(b"BZh") && bytes.get(4..10) == Some(b"1AY&SY") {
        return foreign("compressed with bzip2", UNPACK);
    }
    match bytes {
        [b'O', b'R', b'C', next, ..] if !is_text(*next) => foreign("an ORC file", QUERY),
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some(UTF_32),
        [0, 0, 0, a, 0, 0, 0, b, ..] | [a, 0, 0, 0, b, 0, 0, 0, ..]
            if is_text(*a) && is_text(*b) =>
        {
            Some(UTF_32)
        }
        _ => None,
    }
}

/// Text in a code page of DOS, which the letters of a header show.
pub(super) const DOS: ForeignFormat = ForeignFormat {
    what: "text in a code page of DOS",
    advice: DOS_ADVICE,
};

const UTF_32: ForeignFormat = ForeignFormat {
    what: "text in UTF-32",
    advice: "convert it, for example with iconv -f UTF-32 -t UTF-8",
};

fn markup(bytes: &[u8]) -> Option<ForeignFormat> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let text = text.trim_ascii_start();
    let begins = |with: &str| {
        text.get(..with.len())
            .is_some_and(|begin| begin.eq_ignore_ascii_case(with.as_bytes()))
    };
    if begins("<!doctype html") || begins("<html") {
        return Some(ForeignFormat {
            what: "an HTML page",
            advice: "it may be the page of a login or of an error: download the file again, or save the table as CSV",
        });
    }
    if begins("<?xml") {
        let begin = &text[..text.len().min(ARCHIVE_BYTES)];
        let is_workbook = memmem::find(begin, b"urn:schemas-microsoft-com:office:spreadsheet");
        return Some(match is_workbook {
            Some(_) => ForeignFormat {
                what: "an Excel workbook in XML",
                advice: SAVE,
            },
            None => ForeignFormat {
                what: "an XML file",
                advice: EXPORT,
            },
        });
    }
    None
}

/// Bytes that are NUL one after another: text of no encoding has them.
const PADDING_BYTES: usize = 64;

fn padded(bytes: &[u8]) -> Option<ForeignFormat> {
    let nuls = [0; PADDING_BYTES];
    let is_padded = bytes.starts_with(&nuls) || bytes.ends_with(&nuls);
    is_padded.then_some(ForeignFormat {
        what: "padded with NUL bytes",
        advice: "it was cut by a crash or copied from a fixed-size block: get it again, or remove them with tr -d '\\000'",
    })
}

/// NDJSON that is none, by its decoded beginning.
pub(super) fn json_of(text: &[u8], is_all: bool) -> Option<ForeignFormat> {
    let foreign = |what, advice| Some(ForeignFormat { what, advice });
    let text = text.trim_ascii_start();
    if text.first() == Some(&b'[') {
        return foreign(
            "a JSON array",
            "write one object a line, for example with jq -c '.[]'",
        );
    }
    let has_breaks = memchr::memchr(b'\n', text).is_some();
    if !has_breaks && memmem::find(text, b"}\r{").is_some() {
        return foreign(
            "NDJSON whose lines end in CR alone",
            "convert it, for example with tr '\\r' '\\n'",
        );
    }
    if !has_breaks && !is_all {
        return foreign(
            "one line of more than a mebibyte",
            "write one object a line, none longer than 1,000,000 bytes",
        );
    }
    let first_line = memchr::memchr(b'\n', text).unwrap_or(text.len());
    let mut objects =
        serde_json::Deserializer::from_slice(text).into_iter::<serde::de::IgnoredAny>();
    let next = objects.next();
    let end = objects.byte_offset();
    match (text.first(), next) {
        (Some(b'{'), Some(Ok(_))) if end > first_line && !has_object_line(text) => {
            foreign("JSON over several lines", LINES)
        }
        (Some(b'{'), Some(Ok(_))) if end <= first_line => {
            match text[end..first_line].trim_ascii_start() {
                [b'{', ..] => foreign("JSON objects without line breaks between them", LINES),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Whether some line is an object: others that are none are records to reject.
fn has_object_line(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').any(|line| {
        line.first() == Some(&b'{') && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_ok()
    })
}
