//! The bytes of a source: counted as they come from the disk, unpacked, and decoded to UTF-8.
//!
//! A regular file is opened once for its header and again when its turn comes, so that ten thousand files hold neither
//! descriptors nor buffers; a stream is kept, with what was read of it.

use std::fs::File;
use std::io::{self, BufRead, Cursor, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8};

use super::cloud::Object;
use super::columns::Batches;
use super::error::{AudienceError, CloudFault, UnreadableFormat};
use super::format::{self, Compression};
use super::{Source, parquet};
use crate::base::page_cache::SequentialFile;
use crate::source::query::QueryError;
use crate::source::record::mark;

/// How much of a source is looked at before its records are read.
pub(super) const PEEK_BYTES: usize = 1 << 20;

/// The longest sequence that a decoder may call malformed, with what it looked at after it (encoding_rs,
/// `DecoderResult::Malformed`: 4 and 3 bytes).
const MALFORMED_BYTES: usize = 7;

const BUFFER_BYTES: usize = 1 << 16;

/// The packing, or another kind of file, is told by so many bytes.
const FIRST_BYTES: u64 = 512;

/// The longest window of `zstd --long` (zstd.h, `ZSTD_WINDOWLOG_MAX_64`), as a power of two.
const LONGEST_WINDOW: u32 = 31;

pub(super) type Bytes = Box<dyn Read + Send>;

/// Where the bytes of a source come from.
pub(super) enum ByteOrigin {
    File {
        path: PathBuf,
        size_bytes: u64,
    },
    Stream(UnpackedBytes),
    /// A stream whose packing is not known yet.
    Raw(Bytes),
    /// An object in a store.
    Object(Object),
    /// The result of a query.
    Batches(Batches),
    Taken,
}

impl std::fmt::Debug for ByteOrigin {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { path, .. } => write!(out, "File({})", path.display()),
            Self::Object(object) => object.fmt(out),
            _ => out.write_str("Stream"),
        }
    }
}

/// Unpacked bytes, and how many of the packed ones were taken for them.
pub(super) struct UnpackedBytes {
    pub(super) bytes: Bytes,
    pub(super) consumed: Arc<AtomicU64>,
}

/// The first bytes of a source, unpacked but not decoded.
pub(super) struct Peek {
    pub(super) bytes: Vec<u8>,
    pub(super) is_all: bool,
    /// The error that ended the reading early. The bytes before it are good.
    pub(super) error: Option<io::Error>,
}

impl ByteOrigin {
    /// The file at `path`; one that cannot be read twice (a pipe) is opened here.
    pub(super) fn at_path(path: PathBuf, name: &str) -> Result<Self, AudienceError> {
        let failed = |source| AudienceError::Open {
            name: name.to_owned(),
            source,
        };
        let metadata = std::fs::metadata(&path).map_err(failed)?;
        if !metadata.is_file() {
            return Ok(Self::Raw(Box::new(File::open(&path).map_err(failed)?)));
        }
        Ok(Self::File {
            path,
            size_bytes: metadata.len(),
        })
    }

    pub(super) fn of_stream(stream: Bytes) -> Self {
        Self::Raw(stream)
    }

    pub(super) fn size_bytes(&self) -> Option<u64> {
        match self {
            Self::File { size_bytes, .. } => Some(*size_bytes),
            Self::Object(object) => Some(object.size_bytes()),
            _ => None,
        }
    }

    /// Reads the beginning; a stream will give it again.
    pub(super) fn peek(&mut self, name: &str) -> Result<Peek, AudienceError> {
        let mut unpacked = self.open(name, 0)?;
        let mut bytes = Vec::new();
        let result = (&mut unpacked.bytes)
            .take(PEEK_BYTES as u64)
            .read_to_end(&mut bytes);
        let error = result.err();
        if !matches!(self, Self::File { .. } | Self::Object(_)) {
            let again = Cursor::new(bytes.clone());
            let rest: Bytes = match &error {
                None => unpacked.bytes,
                Some(error) => Box::new(FaultyReader(Some(copy_of(error)))),
            };
            unpacked.bytes = Box::new(again.chain(rest));
            *self = Self::Stream(unpacked);
        }
        Ok(Peek {
            is_all: error.is_none() && bytes.len() < PEEK_BYTES,
            bytes,
            error,
        })
    }

    /// The same bytes once more, of a stream only its beginning; `None` where there is no second time.
    pub(super) fn again(&mut self, name: &str) -> Option<Self> {
        match self {
            Self::File { path, size_bytes } => Some(Self::File {
                path: path.clone(),
                size_bytes: *size_bytes,
            }),
            #[cfg(feature = "cloud")]
            Self::Object(object) => Some(Self::Object(object.clone())),
            #[cfg(not(feature = "cloud"))]
            Self::Object(object) => match *object {},
            Self::Stream(_) => {
                let peek = self.peek(name).ok()?;
                Some(Self::Stream(UnpackedBytes {
                    bytes: Box::new(Cursor::new(peek.bytes)),
                    consumed: Arc::default(),
                }))
            }
            Self::Raw(_) | Self::Batches(_) | Self::Taken => None,
        }
    }

    /// The unpacked bytes from the beginning, after so many packed ones of other sources. A stream gives them once.
    pub(super) fn open(&mut self, name: &str, before: u64) -> Result<UnpackedBytes, AudienceError> {
        match std::mem::replace(self, Self::Taken) {
            Self::File { path, size_bytes } => {
                let unpacked = open_file(&path, name)
                    .and_then(|file| unpack(Box::new(SequentialFile::new(file, before)), name));
                *self = Self::File { path, size_bytes };
                unpacked
            }
            Self::Object(object) => {
                let unpacked = unpack(object.read()?, name);
                *self = Self::Object(object);
                unpacked
            }
            Self::Raw(raw) => unpack(raw, name),
            Self::Stream(unpacked) => Ok(unpacked),
            // Batches are no text; nobody asks.
            Self::Taken | Self::Batches(_) => unpack(Box::new(io::empty()), name),
        }
    }
}

impl ByteOrigin {
    /// The batches of a source of columns; those of a query are given once.
    pub(super) fn into_batches(
        self,
        source: &Source,
        consumed: &Arc<AtomicU64>,
    ) -> Result<Batches, AudienceError> {
        match self {
            Self::Batches(batches) => Ok(batches),
            Self::File { .. } | Self::Object(_) => parquet::open(&self, source, consumed),
            _ => Err(AudienceError::Unreadable {
                name: source.name.clone(),
                kind: UnreadableFormat::ParquetStream,
            }),
        }
    }
}

/// Opens the file at `path`, which is called `name`.
pub(super) fn open_file(path: &Path, name: &str) -> Result<File, AudienceError> {
    File::open(path).map_err(|source| AudienceError::Open {
        name: name.to_owned(),
        source,
    })
}

fn unpack(mut raw: Bytes, name: &str) -> Result<UnpackedBytes, AudienceError> {
    let mut first = Vec::new();
    if let Err(source) = (&mut raw).take(FIRST_BYTES).read_to_end(&mut first) {
        return Err(
            own_error(name, 0, &source).unwrap_or_else(|| AudienceError::Read {
                name: name.to_owned(),
                record: 0,
                source,
            }),
        );
    }
    let compression = format::compression_of(&first, name)?;
    let consumed = Arc::new(AtomicU64::new(0));
    let raw = ByteCounter {
        inner: Cursor::new(first).chain(raw),
        count: Arc::clone(&consumed),
    };
    let bytes: Bytes = match compression {
        Compression::None => Box::new(raw),
        Compression::Gzip => Box::new(GzipMembers::new(io::BufReader::with_capacity(
            BUFFER_BYTES,
            raw,
        ))),
        Compression::Zstd => {
            let broken = |source| AudienceError::Broken {
                name: name.to_owned(),
                record: 0,
                source,
            };
            let mut decoder = zstd::Decoder::new(raw).map_err(broken)?;
            decoder.window_log_max(LONGEST_WINDOW).map_err(broken)?;
            Box::new(decoder)
        }
    };
    Ok(UnpackedBytes { bytes, consumed })
}

/// The text of unpacked bytes as UTF-8 without a byte order mark; each byte that `encoding` does not know is there as a
/// [`mark`].
pub(super) fn decode(mut bytes: Bytes, encoding: &'static Encoding) -> io::Result<Bytes> {
    if encoding != UTF_8 {
        return Ok(Box::new(Decoding::new(bytes, encoding)));
    }
    let mut first = Vec::new();
    (&mut bytes).take(3).read_to_end(&mut first)?;
    if first == b"\xef\xbb\xbf" {
        return Ok(bytes);
    }
    Ok(Box::new(Cursor::new(first).chain(bytes)))
}

/// The members of a gzip file, and zeros after the last, which tapes and block devices add.
struct GzipMembers<R> {
    member: Option<flate2::bufread::GzDecoder<R>>,
}

impl<R: BufRead> GzipMembers<R> {
    fn new(packed: R) -> Self {
        Self {
            member: Some(flate2::bufread::GzDecoder::new(packed)),
        }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let read = member.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(mut packed) = self
                .member
                .take()
                .map(flate2::bufread::GzDecoder::into_inner)
            else {
                break;
            };
            loop {
                let rest = packed.fill_buf()?;
                let zeros = rest.iter().take_while(|&&byte| byte == 0).count();
                let is_over = rest.is_empty();
                let is_member = zeros < rest.len();
                packed.consume(zeros);
                if is_over {
                    return Ok(0);
                }
                if is_member {
                    self.member = Some(flate2::bufread::GzDecoder::new(packed));
                    break;
                }
            }
        }
        Ok(0)
    }
}

/// Counts what is read through it.
struct ByteCounter<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for ByteCounter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// The error of a query or an object whose text was being read, before record `record` of `name`; `None` of what a file or
/// its packing has wrong.
pub(super) fn own_error(name: &str, record: u64, error: &io::Error) -> Option<AudienceError> {
    let inner = error.get_ref()?;
    let name = name.to_owned();
    if let Some(source) = inner.downcast_ref::<QueryError>() {
        let source = source.clone();
        return Some(AudienceError::Query {
            name,
            record,
            source,
        });
    }
    let fault = *inner.downcast_ref::<CloudFault>()?;
    Some(AudienceError::Cloud { name, fault })
}

fn copy_of(error: &io::Error) -> io::Error {
    let inner = error.get_ref();
    if let Some(error) = inner.and_then(|inner| inner.downcast_ref::<QueryError>()) {
        return io::Error::other(error.clone());
    }
    if let Some(fault) = inner.and_then(|inner| inner.downcast_ref::<CloudFault>()) {
        return io::Error::other(*fault);
    }
    match error.raw_os_error() {
        Some(number) => io::Error::from_raw_os_error(number),
        None => io::Error::new(error.kind(), error.to_string()),
    }
}

/// Gives an error that was met earlier.
struct FaultyReader(Option<io::Error>);

impl Read for FaultyReader {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// Decodes another encoding to UTF-8 as it is read.
struct Decoding {
    inner: Bytes,
    decoder: Decoder,
    input: Vec<u8>,
    input_at: usize,
    input_end: usize,
    /// The last bytes of the input before this one.
    earlier: Vec<u8>,
    output: Vec<u8>,
    output_at: usize,
    output_end: usize,
    is_last: bool,
    is_done: bool,
}

impl Decoding {
    fn new(inner: Bytes, encoding: &'static Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.new_decoder_with_bom_removal(),
            input: vec![0; BUFFER_BYTES],
            input_at: 0,
            input_end: 0,
            earlier: Vec::new(),
            output: vec![0; 3 * BUFFER_BYTES],
            output_at: 0,
            output_end: 0,
            is_last: false,
            is_done: false,
        }
    }

    fn decode_more(&mut self) -> io::Result<()> {
        if self.input_at == self.input_end && !self.is_last {
            self.keep_end();
            self.input_end = self.inner.read(&mut self.input)?;
            self.input_at = 0;
            self.is_last = self.input_end == 0;
        }
        // The last bytes are kept for marks.
        let room = self.output.len() - MALFORMED_BYTES * mark(0).len();
        let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
            &self.input[self.input_at..self.input_end],
            &mut self.output[..room],
            self.is_last,
        );
        self.input_at += read;
        self.output_at = 0;
        self.output_end = written;
        match result {
            DecoderResult::Malformed(length, after) => {
                self.mark_before(usize::from(length), usize::from(after));
            }
            DecoderResult::InputEmpty => self.is_done = self.is_last,
            DecoderResult::OutputFull => {}
        }
        Ok(())
    }

    /// Remembers the end of the input: a sequence may begin there.
    fn keep_end(&mut self) {
        self.earlier
            .extend_from_slice(&self.input[..self.input_end]);
        let surplus = self.earlier.len().saturating_sub(MALFORMED_BYTES);
        self.earlier.drain(..surplus);
    }

    /// Appends a mark for each of the `length` bytes that were read before the last `after` ones.
    fn mark_before(&mut self, length: usize, after: usize) {
        let read = self.earlier.len() + self.input_at;
        let end = read.saturating_sub(after);
        for at in end.saturating_sub(length)..end {
            let byte = match at.checked_sub(self.earlier.len()) {
                None => self.earlier[at],
                Some(at) => self.input[at],
            };
            let mark = mark(byte);
            self.output[self.output_end..][..mark.len()].copy_from_slice(&mark);
            self.output_end += mark.len();
        }
    }
}

impl Read for Decoding {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.output_at == self.output_end && !self.is_done {
            self.decode_more()?;
        }
        let count = buffer.len().min(self.output_end - self.output_at);
        buffer[..count].copy_from_slice(&self.output[self.output_at..self.output_at + count]);
        self.output_at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use encoding_rs::{SHIFT_JIS, UTF_16LE, WINDOWS_1252};

    fn decoded(bytes: &[u8], encoding: &'static Encoding) -> Vec<u8> {
        let mut text = Vec::new();
        let bytes = Box::new(io::Cursor::new(bytes.to_vec()));
        decode(bytes, encoding)
            .unwrap()
            .read_to_end(&mut text)
            .unwrap();
        text
    }

    #[test]
    fn decodes_and_marks_what_is_malformed() {
        assert_eq!(decoded(b"\xef\xbb\xbfa\xff", UTF_8), b"a\xff");
        assert_eq!(decoded(b"ab", UTF_8), b"ab");
        assert_eq!(decoded(b"Ren\xe9e", WINDOWS_1252), "Renée".as_bytes());
        assert_eq!(decoded(b"\xff\xfea\0\n\0", UTF_16LE), b"a\n");
        let marks = |bytes: &[u8]| -> Vec<u8> { bytes.iter().flat_map(|&b| mark(b)).collect() };
        assert_eq!(
            decoded(b"a\0\x00\xd8b\0c", UTF_16LE),
            [b"a", &marks(b"\x00\xd8")[..], b"b", &marks(b"c")].concat()
        );
        assert_eq!(
            decoded(b"\x81,\n", SHIFT_JIS),
            [&marks(b"\x81")[..], b",\n"].concat()
        );
    }

    #[test]
    fn a_malformed_sequence_that_lies_across_two_reads_is_marked_whole() {
        struct Single(Vec<u8>);
        impl Read for Single {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if self.0.is_empty() {
                    return Ok(0);
                }
                buffer[0] = self.0.remove(0);
                Ok(1)
            }
        }
        for (bytes, encoding) in [
            (&b"a\0\x00\xd8b\0c"[..], UTF_16LE),
            (b"x\x81,\x82\n\xfd\xff", SHIFT_JIS),
            (
                b"\x81\x30\x81a\xff\x84\x31\xa4\x37\xe3\x32",
                encoding_rs::GB18030,
            ),
        ] {
            let mut text = Vec::new();
            decode(Box::new(Single(bytes.to_vec())), encoding)
                .unwrap()
                .read_to_end(&mut text)
                .unwrap();
            assert_eq!(text, decoded(bytes, encoding));
        }
    }

    #[test]
    fn a_long_text_decodes_in_pieces() {
        let long = "é".repeat(BUFFER_BYTES);
        let utf16: Vec<u8> = long.encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(decoded(&utf16, UTF_16LE), long.as_bytes());
    }

    #[test]
    fn a_stream_gives_its_beginning_again() {
        let mut origin =
            ByteOrigin::of_stream(Box::new(io::Cursor::new(b"email\na@b.c\n".to_vec())));
        let peek = origin.peek("stdin").unwrap();
        assert!(peek.is_all && peek.error.is_none());
        let mut again = Vec::new();
        origin
            .open("stdin", 0)
            .unwrap()
            .bytes
            .read_to_end(&mut again)
            .unwrap();
        assert_eq!(again, peek.bytes);
    }
}
