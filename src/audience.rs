//! The first stage: audience files become blocks of whole records.
//!
//! [`Audience::open`] finds the files, tells how each is written and reads its header. [`Blocks`], which one thread pulls,
//! cuts the text into blocks of about a mebibyte at record boundaries; [`RecordReader`], one per worker, visits the records
//! of a block. Every record of a file is visited exactly once, as a row or as a fault, whatever the size of the blocks, and
//! memory does not grow with the file.

mod blocks;
mod csv;
mod error;
mod files;
mod fingerprint;
mod format;
mod header;
mod json;
mod ndjson;
mod reader;
mod reading;
mod scan;
mod stream;
mod utf8;

use std::collections::HashMap;
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;

use encoding_rs::Encoding;

pub use blocks::{Block, BlockLimits, Blocks, Recycler};
pub use error::{AudienceError, Dialect, LikelyDelimiter, Unreadable};
pub use fingerprint::SourceFingerprint;
pub use format::SourceFormat;
pub use reader::RecordReader;

use stream::Origin;

/// Which files to read, and what the job says about how they are written.
#[derive(Debug, Clone)]
pub struct AudienceFiles {
    /// Paths, glob patterns, or `-` for standard input; a file that is named twice is read once.
    pub files: Vec<String>,
    /// The folder that relative paths start from.
    pub base: PathBuf,
    /// How the records are written; by the file's name when the job does not say.
    pub format: Option<SourceFormat>,
    /// What stands between cells of CSV; by the format when the job does not say.
    pub delimiter: Option<u8>,
    /// The encoding of files without a byte order mark.
    pub encoding: &'static Encoding,
}

/// The place of a source in [`Audience::sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// One file, or standard input, as it was found when it was opened.
#[derive(Debug, Clone)]
pub struct Source {
    /// Its name in messages and in `rejects.csv`: the path as the job wrote it, or `stdin`.
    pub name: String,
    /// How its records are written.
    pub format: SourceFormat,
    /// What stands between its cells.
    pub delimiter: u8,
    /// The encoding that it is read in: that of its byte order mark, else that of the job.
    pub encoding: &'static Encoding,
    /// The names of its columns, trimmed; of NDJSON the keys of the first mebibyte in the order they were first seen.
    /// Empty only for NDJSON without a record.
    pub header: Vec<String>,
    /// True for a `rejects.csv` of ours that is given back: it is UTF-8 with commas whatever the job says.
    pub is_rejects: bool,
    /// An encoding that fits better, when the first mebibyte has many bytes that are not UTF-8; something to warn about.
    pub encoding_hint: Option<&'static str>,
    /// Size on disk; none for what is no regular file.
    pub size_bytes: Option<u64>,
    /// The text up to the first record, by which a changed file is noticed.
    preamble: Vec<u8>,
    /// Column by name, for NDJSON.
    columns: HashMap<String, usize>,
}

/// An audience whose headers are read and whose records are not yet.
#[derive(Debug)]
pub struct Audience {
    sources: Arc<[Source]>,
    origins: Vec<Origin>,
}

impl Audience {
    /// Finds the files (the matches of a glob sorted by name), and reads each header. `stdin` is used when a file is `-`.
    pub fn open(files: &AudienceFiles, stdin: Box<dyn Read + Send>) -> Result<Self, AudienceError> {
        let mut stdin = Some(stdin);
        let mut audience = Opening::default();
        for input in files::resolve(files)? {
            let origin = match input.path {
                Some(path) => Origin::at_path(path, &input.name)?,
                None => match stdin.take() {
                    Some(stdin) => Origin::of_stream(stdin),
                    None => return Err(AudienceError::StdinTwice),
                },
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
        audience.add(name, Origin::of_stream(stream), dialect)?;
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

    /// What to remember of the files, to see later whether they are the same; `None` when one is a stream.
    pub fn fingerprints(&self) -> Result<Option<Vec<SourceFingerprint>>, AudienceError> {
        let mut fingerprints = Vec::new();
        for (source, origin) in self.sources.iter().zip(&self.origins) {
            let Origin::File { path, .. } = origin else {
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

/// Sources as they are opened one by one.
#[derive(Default)]
struct Opening {
    sources: Vec<Source>,
    origins: Vec<Origin>,
}

impl Opening {
    fn add(
        &mut self,
        name: String,
        mut origin: Origin,
        files: &AudienceFiles,
    ) -> Result<(), AudienceError> {
        let source = header::inspect(name, &mut origin, files)?;
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
