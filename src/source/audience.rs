//! The first stage: audience files become blocks of whole records.
//!
//! [`Audience::open`] finds the files, tells how each is written and reads its header. [`Blocks`], which one thread pulls,
//! cuts the text into blocks of about a mebibyte at record boundaries; [`RecordReader`], one per worker, visits the records
//! of a block. Every record of a file is visited exactly once, as a row or as a fault, whatever the size of the blocks, and
//! memory does not grow with the file.

mod blocks;
#[cfg(feature = "cloud")]
mod cloud;
#[cfg(not(feature = "cloud"))]
mod cloud_absent;
mod columns;
mod copied;
mod csv;
mod dealt;
mod dialect;
mod doubles;
mod encodings;
mod error;
mod escaped;
mod files;
mod foreign;
mod format;
mod given_back;
mod header;
mod json;
mod late_keys;
mod mistakes;
mod ndjson;
#[cfg(feature = "parquet")]
mod parquet;
#[cfg(not(feature = "parquet"))]
mod parquet_absent;
mod reader;
mod reading;
pub mod reject_cell;
mod scan;
mod stream;
mod tabs;
mod titles;
#[cfg(feature = "arrow")]
mod typed;
#[cfg(not(feature = "arrow"))]
mod typed_absent;
mod utf8;
mod value_text;

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use encoding_rs::Encoding;

pub use crate::state::fingerprint::SourceFingerprint;
pub use blocks::{Block, BlockLimits, Blocks, Recycler};
pub use dialect::Escape;
pub use doubles::{ColumnMatch, numbered};
pub use encodings::{DOS_ADVICE, LikelyEncoding};
pub use error::{AudienceError, Dialect, LikelyDelimiter, UnreadableFormat};
pub use foreign::ForeignFormat;
pub use format::SourceFormat;
pub use given_back::{RejectColumns, RejectRow, RejectStanding};
pub use reader::RecordReader;
#[cfg(feature = "adbc")]
pub(in crate::source) use typed::{LIST_TEXT, STORED, foreign_type};

use crate::source::query::{
    Access, CellForm, Query, QueryColumn, QueryConnection, QuerySurroundings, Rows,
};
#[cfg(not(feature = "cloud"))]
use cloud_absent as cloud;
use late_keys::LateKeys;
#[cfg(not(feature = "parquet"))]
use parquet_absent as parquet;
use stream::ByteOrigin;
#[cfg(not(feature = "arrow"))]
use typed_absent as typed;

/// Which files to read, and what the job says about how they are written.
#[derive(Debug, Clone)]
pub struct AudienceFiles {
    /// Paths, glob patterns, or `-` for standard input; a file that is named twice is read once.
    pub files: Vec<String>,
    /// The folder that relative paths start from.
    pub base: PathBuf,
    /// How the records are written; by the file's name when the job does not say.
    pub format: Option<SourceFormat>,
    /// The delimiter of CSV; that of the format when the job does not say.
    pub delimiter: Option<u8>,
    /// How a quote inside a quoted cell of CSV is written.
    pub escape: Escape,
    /// The encoding of files without a byte order mark.
    pub encoding: &'static Encoding,
    /// The row of CSV that holds the names of the columns, counted from 1; the first that is not blank when the job does not
    /// say.
    pub header_row: Option<u32>,
}

/// The sources of the audience.
#[derive(Debug, Clone)]
pub enum AudienceSettings {
    /// The records of files.
    Files(AudienceFiles),
    /// The result of a query.
    Query(QueryConnection, Query),
}

impl AudienceSettings {
    /// The files, if it is files.
    pub fn files(&self) -> Option<&AudienceFiles> {
        match self {
            Self::Files(files) => Some(files),
            Self::Query(..) => None,
        }
    }

    /// Whether it is asked of an engine, and so cannot be read twice.
    pub fn is_query(&self) -> bool {
        matches!(self, Self::Query(..))
    }
}

impl AudienceFiles {
    /// Whether any of them is in an object store.
    pub fn has_objects(&self) -> bool {
        self.files.iter().any(|file| files::is_object(file))
    }
}

/// The place of a source in [`Audience::sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// One file, or standard input, as it was found when it was opened.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name in messages and in `rejects.csv`: the path as the job wrote it, `stdin`, or `query`.
    pub name: String,
    /// How its records are written.
    pub format: SourceFormat,
    /// Its delimiter.
    pub delimiter: u8,
    /// The character before a quote inside a quoted cell, where it is not doubled.
    escape: Option<u8>,
    /// The length of the rows above the header: a line that names the delimiter, titles.
    skipped: usize,
    /// The encoding that it is read in: that of its byte order mark, else that of the job.
    pub encoding: &'static Encoding,
    /// The names of its columns, trimmed; of NDJSON the keys of the first mebibyte in the order they were first seen.
    /// Empty only for NDJSON without a record.
    pub header: Vec<String>,
    /// How many of them the beginning of the file has. Of NDJSON the job may name others, which follow.
    pub found_columns: usize,
    /// Names of several columns that hold the same cells in the first records.
    equal_doubles: Vec<String>,
    /// True for a `rejects.csv` of ours that is given back: it is read as it was written, whatever the job says.
    pub is_rejects: bool,
    /// True of CSV that a program wrote as it was asked for: no quote in it is astray.
    is_quoted_right: bool,
    /// The form of each column's cells; empty where all are texts.
    forms: Vec<CellForm>,
    /// An encoding that fits better, when the first mebibyte has many bytes that are not UTF-8; something to warn about.
    pub encoding_hint: Option<LikelyEncoding>,
    /// How letters that are not ASCII read in that encoding, or in the encoding that it is read in: fragments of two
    /// characters.
    pub encoding_samples: Vec<String>,
    /// Its rows, where it tells without being read.
    pub rows: Option<u64>,
    /// Size on disk; none for what is no regular file.
    pub size_bytes: Option<u64>,
    /// The text up to the first record, by which a changed file is noticed.
    preamble: Vec<u8>,
    /// It is NDJSON without a record.
    is_empty: bool,
    /// Keys of NDJSON that are no column, because they come later than the header was read.
    late_keys: LateKeys,
    /// The columns that have each name, in the order of the header.
    places: HashMap<String, Vec<usize>>,
    /// Of a Parquet file, the columns of the header by their place in the file; all of them if `None`.
    projection: Option<Vec<usize>>,
}

/// An audience whose headers are read and whose records are not yet.
#[derive(Debug)]
pub struct Audience {
    sources: Arc<[Source]>,
    origins: Vec<ByteOrigin>,
}

impl Audience {
    /// Opens the files, or begins the query after `before` on the same connection.
    pub fn open_settings(
        settings: &AudienceSettings,
        stdin: Box<dyn Read + Send>,
        before: &[String],
        access: Access,
        surroundings: QuerySurroundings<'_>,
    ) -> Result<Self, AudienceError> {
        match settings {
            AudienceSettings::Files(files) => Self::open(files, stdin),
            AudienceSettings::Query(connection, query) => {
                let rows = connection.open(before, query, access, surroundings);
                Self::from_rows(rows.map_err(|source| AudienceError::Query {
                    name: QUERY.to_owned(),
                    record: 0,
                    source,
                })?)
            }
        }
    }

    /// The header of a query's result, without a row of it.
    pub fn described(columns: &[QueryColumn]) -> Self {
        let names = columns.iter().map(|column| column.name.clone());
        Opening {
            sources: vec![Source::of_columns(
                QUERY,
                SourceFormat::Columns,
                names.collect(),
            )],
            origins: vec![ByteOrigin::Batches(Box::new(std::iter::empty()))],
        }
        .finish()
    }

    fn from_rows(rows: Rows) -> Result<Self, AudienceError> {
        let mut audience = Opening::default();
        match rows {
            Rows::Text(text, forms) => {
                let dialect = AudienceFiles {
                    files: Vec::new(),
                    base: PathBuf::new(),
                    format: Some(SourceFormat::Csv),
                    delimiter: None,
                    encoding: encoding_rs::UTF_8,
                    escape: Escape::Unsaid,
                    header_row: None,
                };
                audience.add(QUERY.to_owned(), ByteOrigin::of_stream(text), &dialect)?;
                for source in &mut audience.sources {
                    source.is_quoted_right = true;
                    if forms.iter().any(|form| *form != CellForm::Text) {
                        source.forms.clone_from(&forms);
                    }
                }
            }
            #[cfg(feature = "adbc")]
            Rows::Columns(schema, batches) => {
                let names = schema.fields().iter().map(|field| field.name().clone());
                let source = Source::of_columns(QUERY, SourceFormat::Columns, names.collect());
                let batches = batches.map(|batch| {
                    let batch = batch.map_err(|source| AudienceError::Query {
                        name: QUERY.to_owned(),
                        record: 0,
                        source,
                    });
                    batch.map(columns::Columns::whole)
                });
                audience.sources.push(source);
                audience
                    .origins
                    .push(ByteOrigin::Batches(Box::new(batches)));
            }
        }
        Ok(audience.finish())
    }

    /// The same audience without the columns that are not `wanted`, where the source can leave them unread: its header
    /// has only the others then.
    #[must_use]
    pub fn only(mut self, wanted: impl Fn(&str) -> bool) -> Self {
        for source in Arc::make_mut(&mut self.sources) {
            source.leave_unread(&wanted);
        }
        self
    }

    /// The same audience in which NDJSON has these columns too, though its first mebibyte has no such keys: later records may.
    #[must_use]
    pub fn expecting<'a>(mut self, columns: &(impl Iterator<Item = &'a str> + Clone)) -> Self {
        for source in Arc::make_mut(&mut self.sources) {
            source.expect(columns.clone());
        }
        self
    }

    /// Finds the files (the matches of a glob sorted by name), and reads each header. `stdin` is used when a file is `-`.
    pub fn open(files: &AudienceFiles, stdin: Box<dyn Read + Send>) -> Result<Self, AudienceError> {
        let mut stdin = Some(stdin);
        let mut audience = Opening::default();
        for input in files::resolve(files)? {
            let origin = match input.place.origin(&input.name)? {
                Some(origin) => origin,
                None => ByteOrigin::of_stream(stdin.take().ok_or(AudienceError::StdinTwice)?),
            };
            audience.add(input.name, origin, files)?;
        }
        Ok(audience.finish())
    }

    /// An audience of one stream that is no file, under the name it shall have in messages (a query's result as CSV).
    /// Of `dialect`, the files and the base are not looked at.
    pub fn from_stream(
        name: String,
        stream: Box<dyn Read + Send>,
        dialect: &AudienceFiles,
    ) -> Result<Self, AudienceError> {
        let mut audience = Opening::default();
        audience.add(name, ByteOrigin::of_stream(stream), dialect)?;
        Ok(audience.finish())
    }

    /// The sources in the order they are read; [`SourceId`] is an index into them.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The same sources, to be shared with the threads that visit records.
    pub fn shared_sources(&self) -> Arc<[Source]> {
        Arc::clone(&self.sources)
    }

    /// Bytes on disk of all sources (compressed ones as they lie there), for a progress bar; none when one is a stream.
    pub fn total_bytes(&self) -> Option<u64> {
        self.sources.iter().map(|source| source.size_bytes).sum()
    }

    /// Rows of all sources, where every one of them tells (Parquet files do).
    pub fn total_rows(&self) -> Option<u64> {
        self.sources.iter().map(|source| source.rows).sum()
    }

    /// The fingerprints of the files, to see later whether they are the same; `None` when one is a stream.
    pub fn fingerprints(&self) -> Result<Option<Vec<SourceFingerprint>>, AudienceError> {
        let mut fingerprints = Vec::new();
        for (source, origin) in self.sources.iter().zip(&self.origins) {
            if let ByteOrigin::Object(object) = origin {
                fingerprints.push(object.fingerprint());
                continue;
            }
            let ByteOrigin::File { path, .. } = origin else {
                return Ok(None);
            };
            let fingerprint =
                SourceFingerprint::of(&source.name, path).map_err(|error| AudienceError::Open {
                    name: source.name.clone(),
                    source: error,
                })?;
            fingerprints.push(fingerprint);
        }
        Ok(Some(fingerprints))
    }

    /// The first records of the first source, which are read again with all others. `None` where that cannot be (the result
    /// of a query is given once), and where they cannot be read: whoever reads them again is told why.
    pub fn first_block(&mut self) -> Option<Block> {
        let name = &self.sources.first()?.name;
        let again = self.origins.first_mut()?.again(name)?;
        let mut blocks = Blocks::new(
            Arc::clone(&self.sources),
            vec![again],
            BlockLimits::default(),
        );
        blocks.next()?.ok()
    }

    /// The blocks of all sources, one source after the other.
    pub fn into_blocks(self) -> Blocks {
        self.into_blocks_with(BlockLimits::default())
    }

    /// As [`Audience::into_blocks`], with other limits than the program's own: the records are the same whatever the
    /// size of a block.
    pub fn into_blocks_with(self, limits: BlockLimits) -> Blocks {
        Blocks::new(self.sources, self.origins, limits)
    }
}

/// The name of a query's result.
const QUERY: &str = "query";

/// Whether the job, the file's name or its first bytes say that it is Parquet; a stream is none.
fn is_parquet(
    origin: &ByteOrigin,
    name: &str,
    files: &AudienceFiles,
) -> Result<bool, AudienceError> {
    if !matches!(origin, ByteOrigin::File { .. } | ByteOrigin::Object(_)) {
        return Ok(false);
    }
    if let Some(format) = files.format {
        return Ok(format == SourceFormat::Parquet);
    }
    // Nothing need be asked for where the name tells.
    if matches!(format::of_name(name), Ok(SourceFormat::Parquet)) {
        return Ok(true);
    }
    let mut bytes: Box<dyn Read> = match origin {
        ByteOrigin::File { path, .. } => Box::new(stream::open_file(path, name)?),
        ByteOrigin::Object(object) => object.read()?,
        _ => return Ok(false),
    };
    let mut first = Vec::new();
    bytes
        .by_ref()
        .take(8)
        .read_to_end(&mut first)
        .map_err(|source| AudienceError::Open {
            name: name.to_owned(),
            source,
        })?;
    Ok(format::is_parquet(&first))
}

impl Source {
    /// Whether it is NDJSON without a byte, which has no record and so no column.
    pub fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// How its letters read in the encoding that it seems to have, for a message; empty where there are none.
    pub fn encoding_sample(&self) -> String {
        encodings::told(&self.encoding_samples)
    }

    /// The warning about values whose keys are no column of it, once its records were visited.
    pub fn late_keys_warning(&self) -> Option<String> {
        self.late_keys.warning(&self.name)
    }

    /// A source of typed columns, all of which are read.
    fn of_columns(name: &str, format: SourceFormat, header: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            format,
            delimiter: format.default_delimiter(),
            encoding: encoding_rs::UTF_8,
            escape: None,
            skipped: 0,
            places: doubles::places_by_name(&header),
            found_columns: header.len(),
            header,
            equal_doubles: Vec::new(),
            is_rejects: false,
            is_quoted_right: true,
            forms: Vec::new(),
            encoding_hint: None,
            encoding_samples: Vec::new(),
            is_empty: false,
            late_keys: LateKeys::default(),
            rows: None,
            size_bytes: None,
            preamble: Vec::new(),
            projection: None,
        }
    }

    /// Takes these names for those of the columns that the beginning of the file has.
    fn set_header(&mut self, header: Vec<String>) {
        self.places = doubles::places_by_name(&header);
        self.found_columns = header.len();
        self.header = header;
    }

    fn expect<'a>(&mut self, columns: impl Iterator<Item = &'a str>) {
        if self.format != SourceFormat::Ndjson || self.is_empty {
            return;
        }
        for column in columns {
            if !self.places.contains_key(column) {
                self.places
                    .insert(column.to_owned(), vec![self.header.len()]);
                self.header.push(column.to_owned());
            }
        }
    }

    fn leave_unread(&mut self, wanted: impl Fn(&str) -> bool) {
        if self.format != SourceFormat::Parquet {
            return;
        }
        let kept: Vec<usize> = (0..self.header.len())
            .filter(|&column| wanted(&self.header[column]))
            .collect();
        let names = kept.iter().map(|&column| self.header[column].clone());
        self.set_header(names.collect());
        self.projection = Some(kept);
    }
}

/// Sources as they are opened one by one.
#[derive(Default)]
struct Opening {
    sources: Vec<Source>,
    origins: Vec<ByteOrigin>,
}

impl Opening {
    fn add(
        &mut self,
        name: String,
        mut origin: ByteOrigin,
        files: &AudienceFiles,
    ) -> Result<(), AudienceError> {
        let source = if is_parquet(&origin, &name, files)? {
            let (header, rows) = parquet::header(&origin, &name)?;
            let mut source = Source::of_columns(&name, SourceFormat::Parquet, header);
            source.rows = Some(rows);
            source.size_bytes = origin.size_bytes();
            source
        } else {
            header::inspect(name, &mut origin, files)?
        };
        self.sources.push(source);
        self.origins.push(origin);
        Ok(())
    }

    fn finish(self) -> Audience {
        Audience {
            sources: self.sources.into(),
            origins: self.origins,
        }
    }
}
