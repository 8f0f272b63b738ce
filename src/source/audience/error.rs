//! Errors while an audience is read. A bad record is no error: it is a [`crate::source::record::RecordFault`].
//!
//! Every message names the file, and the record when there is one; none holds a value of the audience.

use std::io;

use super::foreign::ForeignFormat;
#[cfg(feature = "parquet")]
use crate::base::text;
use crate::source::query::QueryError;

/// The reason for which the audience cannot be read, or not to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AudienceError {
    /// The job names no file.
    #[error("the audience names no file")]
    NoFiles,
    /// A glob pattern that matches nothing.
    #[error("{pattern}: no file matches")]
    NoMatch {
        /// As the job wrote it.
        pattern: String,
    },
    /// A pattern that is no pattern.
    #[error("{pattern}: not a glob pattern")]
    BadPattern {
        /// As the job wrote it.
        pattern: String,
        /// The fault.
        source: glob::PatternError,
    },
    /// A file that is not there.
    #[error("{name}: no such file{}", suggested(suggestion.as_deref()))]
    NotFound {
        /// As the job wrote it.
        name: String,
        /// A file beside it with nearly that name.
        suggestion: Option<String>,
    },
    /// A folder where a file is meant.
    #[error("{name}: is a folder; name its files, for example {name}/*.csv")]
    IsFolder {
        /// As the job wrote it, without a slash at the end.
        name: String,
    },
    /// A table of many files, some of which no longer count.
    #[error(
        "{name}: belongs to a {kind} table, whose folder keeps files with rows that were deleted; read the table with a query by ADBC, for example with DuckDB, or export it"
    )]
    IsTable {
        /// As the job wrote it.
        name: String,
        /// The format of the table.
        kind: &'static str,
    },
    /// Standard input can be read only once.
    #[error("standard input (-) is named twice")]
    StdinTwice,
    /// Standard input is no list of files.
    #[error("standard input (-) cannot be divided among shards; name files")]
    StdinShard,
    /// The file cannot be opened.
    #[error("open {name}")]
    Open {
        /// The file.
        name: String,
        /// The system's error.
        source: io::Error,
    },
    /// A file of a kind that is not read.
    #[error("{name}: {kind}")]
    Unreadable {
        /// The file.
        name: String,
        /// The format that it seems to be.
        kind: UnreadableFormat,
    },
    /// A delimiter that cannot be told from text, quotes or line ends.
    #[error("delimiter {:?}: it must be one ASCII character, and no quote, line break or NUL", char::from(*.delimiter))]
    BadDelimiter {
        /// The byte that was asked for.
        delimiter: u8,
    },
    /// A file without a header.
    #[error("{name}: has no header line")]
    NoHeader {
        /// The file.
        name: String,
    },
    /// A first line that is somebody's row.
    #[error(
        "{name}: the first line looks like a row, not a header: cell {cell} holds an e-mail address or a phone number; put a line with the names of the columns before it"
    )]
    HeaderIsRow {
        /// The file.
        name: String,
        /// Which cell gives it away, counted from 1.
        cell: usize,
    },
    /// A header that does not end.
    #[error(
        "{name}: the header is longer than a record may be: look for a quote that is not closed"
    )]
    HeaderTooLong {
        /// The file.
        name: String,
    },
    /// A header that is not in the encoding of the job.
    #[error(
        "{name}: the header is not valid {encoding}; if the file is {}{samples}, write {dialect}",
        dialect.encoding.unwrap_or_default()
    )]
    HeaderEncoding {
        /// The file.
        name: String,
        /// The encoding it was read in.
        encoding: &'static str,
        /// How its letters read in the encoding that it seems to have.
        samples: String,
        /// How it looks.
        dialect: Dialect,
    },
    /// A header of one cell in which another delimiter stands.
    #[error("{name}: the header is one column with {likely} in it: write {dialect}")]
    WrongDelimiter {
        /// The file.
        name: String,
        /// The delimiter that seems to be meant.
        likely: LikelyDelimiter,
        /// How the file looks.
        dialect: Dialect,
    },
    /// Quotes that are not doubled.
    #[error(
        "{name}: quotes inside cells are escaped with a backslash: write {dialect}; if they are not, write escape = '\"' or --escape '\"'"
    )]
    NeedsEscape {
        /// The file.
        name: String,
        /// How the file looks.
        dialect: Dialect,
    },
    /// A line above the header.
    #[error(
        "{name}: the first row looks like a title, and the names of the columns seem to be in row {}: write {dialect}",
        dialect.header_row.map_or("", LikelyRow::written)
    )]
    TitleLine {
        /// The file.
        name: String,
        /// How the file looks.
        dialect: Dialect,
    },
    /// A row of the header that the file does not have.
    #[error("{name}: header-row = {row}, but the file has only {rows} rows")]
    NoHeaderRow {
        /// The file.
        name: String,
        /// The row that the job names, counted from 1.
        row: u32,
        /// Rows of the file.
        rows: u32,
    },
    /// Lines that are one cell each.
    #[error(
        "{name}: each line is quoted as a whole, so that a record is one cell; remove the quotes around the lines, and make \"\" inside them a single quote"
    )]
    QuotedWhole {
        /// The file.
        name: String,
    },
    /// JSON where CSV was expected.
    #[error("{name}: the first line is a JSON object and no header: write {dialect}")]
    WrongFormat {
        /// The file.
        name: String,
        /// How it looks.
        dialect: Dialect,
    },
    /// The file is another than the one whose header was read.
    #[error("{name}: changed while it was being read")]
    Changed {
        /// The file.
        name: String,
    },
    /// The file ends in an open quote.
    #[error("{name}: {}: the file ends inside a quoted cell", place(*record))]
    EndsInsideQuotes {
        /// The file.
        name: String,
        /// The record, counted from 1 after the header; 0 is the header itself.
        record: u64,
    },
    /// Quote after quote is left open: the file is not quoted as CSV is.
    #[error("{name}: {}: too many quotes are left open; cells with quotes must be quoted and their quotes doubled", place(*record))]
    OpenQuotes {
        /// The file.
        name: String,
        /// The record, counted from 1 after the header; 0 is the header itself.
        record: u64,
    },
    /// Compressed data that are cut or damaged.
    #[error("{name}: {}: the compressed data are broken or cut short", place(*record))]
    Broken {
        /// The file.
        name: String,
        /// The first record that could not be read, counted from 1 after the header; 0 is the header itself.
        record: u64,
        /// The decompressor's error.
        source: io::Error,
    },
    /// A Parquet file that is cut, damaged, or of a kind that is not known.
    #[cfg(feature = "parquet")]
    #[error("{name}: this Parquet file cannot be read")]
    Parquet {
        /// The file.
        name: String,
        /// The decoder's error.
        source: parquet::errors::ParquetError,
    },
    /// A row group of a Parquet file that would take too much memory.
    #[cfg(feature = "parquet")]
    #[error("{name}: {} {excess}", numbered(*row_group))]
    ParquetMemory {
        /// The file.
        name: String,
        /// The row group, counted from 1.
        row_group: usize,
        /// The reason.
        excess: ParquetExcess,
    },
    /// An object in a store.
    #[error("{name}: {fault}")]
    Cloud {
        /// Its address, or the pattern.
        name: String,
        /// The cause.
        fault: CloudFault,
    },
    /// The query, or the connection it runs on.
    #[error("{name}{}", match record { 0 => String::new(), record => format!(": record {record}") })]
    Query {
        /// The name of its result.
        name: String,
        /// The first record that did not come, counted from 1; 0 where none was asked for yet.
        record: u64,
        /// The cause.
        source: QueryError,
    },
    /// The system failed to read.
    #[error("{name}: {}: read", place(*record))]
    Read {
        /// The file.
        name: String,
        /// The first record that could not be read, counted from 1 after the header; 0 is the header itself.
        record: u64,
        /// The system's error.
        source: io::Error,
    },
    /// The block reader and the record reader disagree: a bug of ours, never a fault of the file.
    #[error(
        "bug: {name}: a block from record {first_record} has {expected} records, {found} were visited"
    )]
    Bug {
        /// The file.
        name: String,
        /// The block's first record.
        first_record: u64,
        /// Records by the block reader's count.
        expected: u64,
        /// Records that were visited.
        found: u64,
    },
}

impl AudienceError {
    /// How the file looks, where it was read as something else.
    pub const fn dialect(&self) -> Option<Dialect> {
        match self {
            Self::HeaderEncoding { dialect, .. }
            | Self::WrongDelimiter { dialect, .. }
            | Self::NeedsEscape { dialect, .. }
            | Self::TitleLine { dialect, .. }
            | Self::WrongFormat { dialect, .. } => Some(*dialect),
            _ => None,
        }
    }
}

/// How a file looks, as far as that is not how it was read: what to write into a job file, or as flags.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dialect {
    /// A value of `format`.
    pub format: Option<&'static str>,
    /// The delimiter that it seems to have.
    pub delimiter: Option<LikelyDelimiter>,
    /// A value of `escape`.
    pub escape: Option<&'static str>,
    /// A value of `encoding`.
    pub encoding: Option<&'static str>,
    /// A value of `header-row`.
    pub header_row: Option<LikelyRow>,
}

impl Dialect {
    /// The keys of `[audience]`, which are flags too, with their values.
    pub fn settings(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let settings = [
            ("format", self.format),
            ("delimiter", self.delimiter.map(LikelyDelimiter::written)),
            ("escape", self.escape),
            ("encoding", self.encoding),
            ("header-row", self.header_row.map(LikelyRow::written)),
        ];
        settings
            .into_iter()
            .filter_map(|(key, value)| Some((key, value?)))
    }
}

impl std::fmt::Display for Dialect {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let keys: Vec<String> = self
            .settings()
            .map(|(key, value)| match key {
                "escape" => format!("{key} = \"{}\"", value.replace('\\', "\\\\")),
                "header-row" => format!("{key} = {value}"),
                _ => format!("{key} = \"{value}\""),
            })
            .collect();
        let flag = |(key, value): (&str, &str)| {
            let quote = if matches!(key, "delimiter" | "escape") {
                "'"
            } else {
                ""
            };
            format!("--{key} {quote}{value}{quote}")
        };
        let flags: Vec<String> = self.settings().map(flag).collect();
        write!(
            out,
            "{} under [audience], or {}",
            keys.join(" and "),
            flags.join(" ")
        )
    }
}

fn place(record: u64) -> String {
    match record {
        0 => "header".to_owned(),
        record => format!("record {record}"),
    }
}

#[cfg(feature = "parquet")]
fn numbered(row_group: usize) -> String {
    format!("row group {row_group}")
}

fn suggested(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// The reason for which an object cannot be read. The store's own words stay out: they may hold keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CloudFault {
    /// Neither the object nor, perhaps, the bucket.
    #[error("there is no such object")]
    NotFound,
    /// The account may not.
    #[error("this account may not read it")]
    Denied,
    /// No account, or one that the store does not know.
    #[error(
        "the store does not know this account: set AWS_*, GOOGLE_* or AZURE_* variables as its own tools take them"
    )]
    Unauthenticated,
    /// It was replaced.
    #[error("the object changed while it was being read")]
    Changed,
    /// No answer, or none that helps.
    #[error("the store cannot be reached, or answers with an error")]
    Unreachable,
    /// No address.
    #[error("not an address like s3://BUCKET/KEY")]
    BadAddress,
    /// Another machine, where only this one is allowed.
    #[error("KLAVIYO_EXPORT_LOOPBACK_ONLY is set, and the store is another machine")]
    NotLoopback,
    /// A build without them.
    #[error("object stores are not in this build: compile it with --features cloud")]
    NotBuilt,
}

#[cfg(feature = "cloud")]
impl CloudFault {
    pub(super) fn of(error: &object_store::Error) -> Self {
        use object_store::Error;
        match error {
            Error::NotFound { .. } => Self::NotFound,
            Error::PermissionDenied { .. } => Self::Denied,
            Error::Unauthenticated { .. } => Self::Unauthenticated,
            Error::Precondition { .. } | Error::NotModified { .. } => Self::Changed,
            Error::InvalidPath { .. } => Self::BadAddress,
            _ => Self::Unreachable,
        }
    }
}

/// The memory that a row group would take, where that is too much.
#[cfg(feature = "parquet")]
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParquetExcess {
    /// Large pages, which hardly anything is packed into.
    #[error(
        "would take {} of memory, and has only {} in the file; write the file with smaller pages, or with smaller row groups, for example of 100,000 rows",
        text::megabytes(*unpacked), text::megabytes(*packed)
    )]
    Memory {
        /// The bytes in memory.
        unpacked: u64,
        /// The bytes in the file.
        packed: u64,
    },
    /// A page that gives more than its header says.
    #[error(
        "has a page that unpacks to more than the {} that its header says; write the file again, with snappy or zstd",
        text::megabytes(*unpacked)
    )]
    Page {
        /// The bytes that the header says.
        unpacked: u64,
    },
}

/// A kind of file that is recognised and not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnreadableFormat {
    /// Parquet, in a build without it.
    #[error(
        "is Parquet, which this build does not read: it was compiled without the feature parquet"
    )]
    Parquet,
    /// Parquet that is no regular file.
    #[error("Parquet is read only from files: its end must be read before its beginning")]
    ParquetStream,
    /// An Excel workbook, by its name.
    #[error("a workbook is not read; save it as CSV")]
    Workbook,
    /// A file that is no audience, by its first bytes.
    #[error("{0}")]
    Foreign(ForeignFormat),
}

/// A row below titles that seems to be the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LikelyRow(u8);

impl LikelyRow {
    /// The rows that may be one, as a job file and a flag write them: the first is never below a title.
    const WRITTEN: [&str; 9] = ["2", "3", "4", "5", "6", "7", "8", "9", "10"];

    /// The row of this number, counted from 1.
    pub(super) fn numbered(number: usize) -> Option<Self> {
        let index = number.checked_sub(2)?;
        let index = u8::try_from(index).ok()?;
        (usize::from(index) < Self::WRITTEN.len()).then_some(Self(index))
    }

    /// As a job file and a flag write it.
    pub fn written(self) -> &'static str {
        let row = Self::WRITTEN.get(usize::from(self.0));
        row.copied().unwrap_or_default()
    }
}

/// A delimiter that a header seems to use instead of the comma.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikelyDelimiter {
    /// `,`
    Comma,
    /// `;`
    Semicolon,
    /// A tab, written `\t`.
    Tab,
    /// `|`
    Pipe,
}

impl LikelyDelimiter {
    /// The byte itself.
    pub(super) const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
            Self::Pipe => b'|',
        }
    }

    /// As a job file and a flag write it.
    pub const fn written(self) -> &'static str {
        match self {
            Self::Comma => ",",
            Self::Semicolon => ";",
            Self::Tab => "\\t",
            Self::Pipe => "|",
        }
    }
}

impl std::fmt::Display for LikelyDelimiter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.written())
    }
}
