//! How a file is written, told from its name and its first bytes.

use std::path::Path;

use super::error::{AudienceError, UnreadableFormat};
use super::foreign;

/// How the records of a source are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceFormat {
    /// Cells between commas or another delimiter, quoted where needed.
    Csv,
    /// CSV with a tab as its delimiter.
    Tsv,
    /// One JSON object per line.
    Ndjson,
    /// Columns of typed values, in a file.
    Parquet,
    /// Columns of typed values, as an engine sends them.
    Columns,
}

impl SourceFormat {
    /// The delimiter when the job names none.
    pub fn default_delimiter(self) -> u8 {
        match self {
            Self::Csv | Self::Ndjson | Self::Parquet | Self::Columns => b',',
            Self::Tsv => b'\t',
        }
    }

    /// Its name in a job file; what an engine sends is called a query.
    pub fn name(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
            Self::Columns => "query",
        }
    }

    /// Whether its values have types and its records come as batches of columns, not as text.
    pub fn is_columnar(self) -> bool {
        matches!(self, Self::Parquet | Self::Columns)
    }
}

/// How the bytes of a file are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

/// The format by the file's name, `.gz` and `.zst` aside; what has no known ending is CSV.
pub(super) fn of_name(name: &str) -> Result<SourceFormat, AudienceError> {
    let lower = name.to_ascii_lowercase();
    let stem = [".gz", ".gzip", ".zst", ".zstd"]
        .iter()
        .find_map(|ending| lower.strip_suffix(ending))
        .unwrap_or(&lower);
    let unreadable = |kind| {
        Err(AudienceError::Unreadable {
            name: name.to_owned(),
            kind,
        })
    };
    match extension(stem) {
        "tsv" | "tab" => Ok(SourceFormat::Tsv),
        "ndjson" | "jsonl" | "json-lines" | "jsonlines" => Ok(SourceFormat::Ndjson),
        "parquet" | "parq" => Ok(SourceFormat::Parquet),
        "xlsx" | "xls" | "xlsm" | "ods" => unreadable(UnreadableFormat::Workbook),
        _ => Ok(SourceFormat::Csv),
    }
}

/// The packing by the first bytes of the file, and by its name when they are none that is known.
pub(super) fn compression_of(first_bytes: &[u8], name: &str) -> Result<Compression, AudienceError> {
    let unreadable = |kind| {
        Err(AudienceError::Unreadable {
            name: name.to_owned(),
            kind,
        })
    };
    match first_bytes {
        [0x1f, 0x8b, ..] => Ok(Compression::Gzip),
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Ok(Compression::Zstd),
        bytes if is_parquet(bytes) => unreadable(UnreadableFormat::ParquetStream),
        [] => Ok(Compression::None),
        // Whoever looks at the beginning names it.
        bytes if foreign::kind_of(bytes).is_some() => Ok(Compression::None),
        _ => Ok(match extension(&name.to_ascii_lowercase()) {
            "gz" | "gzip" => Compression::Gzip,
            "zst" | "zstd" => Compression::Zstd,
            _ => Compression::None,
        }),
    }
}

/// Whether a file with these first bytes is Parquet.
pub(super) fn is_parquet(first_bytes: &[u8]) -> bool {
    matches!(first_bytes, [b'P', b'A', b'R', b'1', last, ..] if !is_text(*last))
}

fn extension(name: &str) -> &str {
    Path::new(name)
        .extension()
        .and_then(|extension| extension.to_str())
        .unwrap_or_default()
}

fn is_text(byte: u8) -> bool {
    byte >= b' ' || matches!(byte, b'\t' | b'\r' | b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_format() {
        for (name, format) in [
            ("a.csv", SourceFormat::Csv),
            ("a.CSV.GZ", SourceFormat::Csv),
            ("dir.tsv/a", SourceFormat::Csv),
            ("a.txt", SourceFormat::Csv),
            ("stdin", SourceFormat::Csv),
            ("a.tab.zst", SourceFormat::Tsv),
            ("a.tsv", SourceFormat::Tsv),
            ("a.jsonl.gz", SourceFormat::Ndjson),
            ("x/a.ndjson", SourceFormat::Ndjson),
            ("a.json-lines", SourceFormat::Ndjson),
            ("x/a.parquet", SourceFormat::Parquet),
        ] {
            assert_eq!(of_name(name).unwrap(), format, "{name}");
        }
        assert!(
            of_name("a.xlsx")
                .unwrap_err()
                .to_string()
                .contains("save it as CSV")
        );
    }

    #[test]
    fn first_bytes_win_over_the_name() {
        let of = |bytes, name| compression_of(bytes, name).unwrap();
        assert_eq!(of(b"\x1f\x8b\x08", "a.csv"), Compression::Gzip);
        assert_eq!(of(b"\x28\xb5\x2f\xfd", "a.gz"), Compression::Zstd);
        assert_eq!(of(b"email\n", "a.csv.gz"), Compression::Gzip);
        assert_eq!(of(b"email\n", "a.csv"), Compression::None);
        assert_eq!(of(b"PAR1,x\n", "a.csv"), Compression::None);
        assert_eq!(of(b"PK\x03\x04", "a.csv.gz"), Compression::None);
        assert!(compression_of(b"PAR1\x15\x04", "a.csv").is_err());
    }
}
