//! The memory that a row group takes. The decoder unpacks a page of each column whole, and a small file can have pages of any size:
//! such a file is refused by the headers of its pages, before any of them is unpacked.

use std::io::{self, Read};

use parquet::arrow::ProjectionMask;
use parquet::basic::Compression;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::ChunkReader;

use super::page_header::PageHeader;
use crate::source::audience::error::ParquetExcess;

/// The bytes that any row group may take, however few it is in the file.
pub(super) const ALWAYS: u64 = 512 << 20;

/// A row group that takes more must have one byte in the file for so many of them.
const TIMES: u64 = 64;

/// Bytes that are not looked into: gzip makes 1,032 bytes of one at most, so 1.4 GB of these, and LZ4 makes 255. Most programs
/// write pages of 1 MiB, which are shorter than this even where gzip finds nothing to pack.
const FEW: u64 = 1_280 << 10;

/// The bytes that the largest pages of these columns take together, or the reason for which they are not to be decoded.
///
/// A header that cannot be read ends its column here: the decoder stops at it, and tells it.
pub(super) fn memory<R: ChunkReader>(
    input: &R,
    row_group: &RowGroupMetaData,
    projection: &ProjectionMask,
) -> Result<u64, ParquetExcess> {
    let columns = row_group.columns().iter().enumerate();
    let columns = columns.filter(|(leaf, _)| projection.leaf_included(*leaf));
    let columns: Vec<_> = columns.map(|(_, column)| column).collect();
    let (mut unpacked, mut packed) = (0_u64, 0_u64);
    let mut unbounded = Vec::new();
    for column in columns {
        let largest = LargestPages::of(input, column);
        unpacked = unpacked.saturating_add(largest.unpacked());
        packed = packed.saturating_add(u64::try_from(column.compressed_size()).unwrap_or(0));
        if largest.packed > harmless(column.compression()) {
            unbounded.push(column);
        }
    }
    // Columns of a file that was made for it may lie in the same place.
    let packed = packed.min(input.len());
    if unpacked > ALWAYS.max(packed.saturating_mul(TIMES)) {
        return Err(ParquetExcess::Memory { unpacked, packed });
    }
    for column in unbounded {
        let limit = harmless(column.compression());
        let mut large = pages(input, column).filter(|(_, page)| page.packed > limit);
        if let Some((_, page)) = large.find(|(at, page)| is_longer(input, column, *at, *page)) {
            let unpacked = page.unpacked;
            return Err(ParquetExcess::Page { unpacked });
        }
    }
    Ok(unpacked)
}

/// The largest pages of a column chunk.
#[derive(Debug, Default, PartialEq, Eq)]
struct LargestPages {
    /// A page of values, in memory.
    values: u64,
    /// The dictionary, which is there beside it.
    dictionary: u64,
    /// A page of either kind, in the file.
    packed: u64,
}

impl LargestPages {
    fn of<R: ChunkReader>(input: &R, column: &ColumnChunkMetaData) -> Self {
        let mut largest = Self::default();
        for (_, page) in pages(input, column) {
            let unpacked = match column.compression() {
                // The decoder takes the page as it is, whatever its header says.
                Compression::UNCOMPRESSED => page.packed,
                _ => page.unpacked,
            };
            let most = if page.is_dictionary {
                &mut largest.dictionary
            } else {
                &mut largest.values
            };
            *most = unpacked.max(*most);
            largest.packed = largest.packed.max(page.packed);
        }
        largest
    }

    const fn unpacked(&self) -> u64 {
        self.values.saturating_add(self.dictionary)
    }
}

/// The pages of a column chunk, each with the place of its first byte.
fn pages<R: ChunkReader>(
    input: &R,
    column: &ColumnChunkMetaData,
) -> impl Iterator<Item = (u64, PageHeader)> {
    let start = column.dictionary_page_offset();
    let start = u64::try_from(start.unwrap_or(column.data_page_offset()));
    let length = u64::try_from(column.compressed_size());
    let (mut at, mut left) = (start.unwrap_or(0), length.unwrap_or(0));
    std::iter::from_fn(move || {
        // Nothing follows a header that cannot be read.
        let rest = std::mem::take(&mut left);
        if rest == 0 {
            return None;
        }
        let header = PageHeader::read(input.get_read(at).ok()?.take(rest)).ok()?;
        left = rest.checked_sub(header.length.checked_add(header.packed)?)?;
        let first = at.checked_add(header.length)?;
        at = first.checked_add(header.packed)?;
        Some((first, header))
    })
}

/// How long a page may be that gives little enough, whatever its header says. The other codecs stop at the size that it says.
const fn harmless(codec: Compression) -> u64 {
    match codec {
        Compression::GZIP(_) | Compression::LZ4 => FEW,
        // A few bytes of Brotli give megabytes.
        Compression::BROTLI(_) => 0,
        _ => u64::MAX,
    }
}

/// Whether a page unpacks to more than its header says. One that is damaged does not: the decoder tells it.
fn is_longer<R: ChunkReader>(
    input: &R,
    column: &ColumnChunkMetaData,
    at: u64,
    page: PageHeader,
) -> bool {
    let Some(told) = page.unpacked.checked_sub(page.levels) else {
        return false;
    };
    if !page.is_compressed || told == 0 || page.packed <= page.levels {
        return false;
    }
    let Ok(length) = usize::try_from(page.packed - page.levels) else {
        return false;
    };
    let Ok(packed) = input.get_bytes(at + page.levels, length) else {
        return false;
    };
    let unpacked: Box<dyn Read> = match column.compression() {
        Compression::GZIP(_) => Box::new(flate2::read::MultiGzDecoder::new(&packed[..])),
        Compression::BROTLI(_) => Box::new(brotli::Decompressor::new(&packed[..], 64 << 10)),
        _ => Box::new(lz4_flex::frame::FrameDecoder::new(&packed[..])),
    };
    io::copy(&mut unpacked.take(told + 1), &mut io::sink()).is_ok_and(|bytes| bytes > told)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::sync::Arc;

    use arrow_array::{ArrayRef, RecordBatch, StringArray};
    use parquet::arrow::ArrowWriter;
    use parquet::basic::{BrotliLevel, GzipLevel, Repetition, Type as PhysicalType, ZstdLevel};
    use parquet::column::page::PageReader as _;
    use parquet::file::properties::{WriterProperties, WriterVersion};
    use parquet::file::reader::{FileReader as _, SerializedFileReader, SerializedPageReader};
    use parquet::schema::types::{SchemaDescriptor, Type};

    use super::*;

    /// A file of one column with several pages.
    fn written(codec: Compression, version: WriterVersion, with_dictionary: bool) -> File {
        let texts = (0..3_000).map(|row| (row % 7 > 0).then(|| format!("text {}", row % 1_000)));
        let column: ArrayRef = Arc::new(texts.collect::<StringArray>());
        let batch = RecordBatch::try_from_iter_with_nullable([("note", column, true)]).unwrap();
        let properties = WriterProperties::builder()
            .set_compression(codec)
            .set_writer_version(version)
            .set_dictionary_enabled(with_dictionary)
            .set_data_page_row_count_limit(700)
            .set_write_batch_size(100)
            .build();
        let file = tempfile::tempfile().unwrap();
        let again = file.try_clone().unwrap();
        let mut writer = ArrowWriter::try_new(again, batch.schema(), Some(properties)).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        file
    }

    #[test]
    fn the_sizes_of_pages_are_those_that_the_decoder_finds() {
        for codec in [
            Compression::UNCOMPRESSED,
            Compression::SNAPPY,
            Compression::GZIP(GzipLevel::default()),
            Compression::BROTLI(BrotliLevel::default()),
            Compression::LZ4,
            Compression::LZ4_RAW,
            Compression::ZSTD(ZstdLevel::default()),
        ] {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                for with_dictionary in [true, false] {
                    let file = written(codec, version, with_dictionary);
                    let reader = SerializedFileReader::new(file.try_clone().unwrap()).unwrap();
                    let row_group = reader.metadata().row_group(0);
                    let column = row_group.column(0);
                    let shared = Arc::new(file.try_clone().unwrap());
                    let mut decoder =
                        SerializedPageReader::new(shared, column, 3_000, None).unwrap();
                    let (mut expected, mut many) = (LargestPages::default(), 0);
                    while let Some(page) = decoder.get_next_page().unwrap() {
                        let bytes = page.buffer().len() as u64;
                        if page.is_dictionary_page() {
                            expected.dictionary = bytes;
                        } else {
                            expected.values = expected.values.max(bytes);
                            many += 1;
                        }
                    }
                    let found = LargestPages::of(&file, column);
                    expected.packed = found.packed;
                    assert_eq!(found, expected, "{codec} {version:?}");
                    assert!(many > 3, "{many}");
                    assert_eq!(found.dictionary > 0, with_dictionary);
                    assert_eq!(
                        pages(&file, column).count(),
                        many + usize::from(with_dictionary)
                    );
                    let memory = memory(&file, row_group, &ProjectionMask::all());
                    assert_eq!(memory, Ok(found.unpacked()));
                }
            }
        }
    }

    fn number(value: usize) -> Vec<u8> {
        let (mut rest, mut bytes) = (value << 1, Vec::new());
        while rest >= 0x80 {
            bytes.push(0x80 | u8::try_from(rest & 0x7f).unwrap());
            rest >>= 7;
        }
        bytes.push(u8::try_from(rest).unwrap());
        bytes
    }

    /// A page with so many bytes of levels, which says that it is so long in memory.
    fn page(unpacked: usize, body: &[u8], levels: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in [if levels > 0 { 3 } else { 0 }, unpacked, body.len()] {
            bytes.extend([vec![0x15], number(value)].concat());
        }
        if levels > 0 {
            bytes.extend([vec![0x5c, 0x55], number(levels), vec![0x15, 0, 0]].concat());
        }
        bytes.push(0);
        bytes.extend(body);
        bytes
    }

    /// A row group of columns with these bytes; `filling` more bytes lie behind them.
    fn judged(
        codec: Compression,
        chunks: &[Vec<u8>],
        filling: usize,
    ) -> Result<u64, ParquetExcess> {
        let field = |index: usize| {
            let name = index.to_string();
            let column = Type::primitive_type_builder(&name, PhysicalType::BYTE_ARRAY);
            Arc::new(
                column
                    .with_repetition(Repetition::REQUIRED)
                    .build()
                    .unwrap(),
            )
        };
        let fields = (0..chunks.len()).map(field).collect();
        let root = Type::group_type_builder("schema")
            .with_fields(fields)
            .build();
        let schema = Arc::new(SchemaDescriptor::new(Arc::new(root.unwrap())));
        let mut file = tempfile::tempfile().unwrap();
        let mut columns = Vec::new();
        let mut start = 0;
        for (index, chunk) in chunks.iter().enumerate() {
            file.write_all(chunk).unwrap();
            let length = i64::try_from(chunk.len()).unwrap();
            let column = ColumnChunkMetaData::builder(schema.column(index))
                .set_compression(codec)
                .set_data_page_offset(start)
                .set_total_compressed_size(length + i64::try_from(filling).unwrap());
            columns.push(column.build().unwrap());
            start += length;
        }
        file.write_all(&vec![0; filling]).unwrap();
        let row_group = RowGroupMetaData::builder(schema).set_column_metadata(columns);
        memory(&file, &row_group.build().unwrap(), &ProjectionMask::all())
    }

    #[test]
    fn pages_that_take_much_memory_need_much_of_the_file() {
        const MIB: usize = 1 << 20;
        let chunk = |unpacked| [page(7, b"", 0), page(unpacked, b"abc", 0)].concat();
        let small = [chunk(300 * MIB), chunk(212 * MIB)];
        assert_eq!(judged(Compression::SNAPPY, &small, 0), Ok(ALWAYS));
        let large = [chunk(300 * MIB), chunk(213 * MIB)];
        let refused = judged(Compression::SNAPPY, &large, 0).unwrap_err();
        assert!(
            matches!(refused, ParquetExcess::Memory { unpacked, packed: 0..100 } if unpacked > ALWAYS)
        );
        // A sixty-fourth of it is in the file.
        assert!(judged(Compression::SNAPPY, &large, 9 * MIB).is_ok());
        // The same bytes count once for many columns.
        assert!(judged(Compression::SNAPPY, &vec![chunk(1_900 * MIB); 9], 9 * MIB).is_err());
        // Bytes that are not packed are as many as they are.
        assert_eq!(judged(Compression::UNCOMPRESSED, &large, 0), Ok(6));
        // A header that cannot be read ends the column.
        let cut = [page(9, b"abc", 0), vec![0xff], page(900 * MIB, b"abc", 0)].concat();
        assert_eq!(judged(Compression::SNAPPY, &[cut], 0), Ok(9));
        let longer = page(900 * MIB, b"abc", 0);
        let cut = longer[..longer.len() - 1].to_vec();
        assert_eq!(judged(Compression::SNAPPY, &[cut], 0), Ok(0));
    }

    /// Bytes that no codec makes shorter.
    fn noise(length: usize) -> Vec<u8> {
        let mut state = 1_u64;
        let bytes = (0..length).map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[3]
        });
        bytes.collect()
    }

    fn packed(codec: Compression, bytes: &[u8]) -> Vec<u8> {
        let mut packed = Vec::new();
        match codec {
            Compression::GZIP(_) => {
                let level = flate2::Compression::fast();
                let mut writer = flate2::write::GzEncoder::new(&mut packed, level);
                writer.write_all(bytes).unwrap();
                writer.finish().unwrap();
            }
            Compression::BROTLI(_) => {
                let mut writer = brotli::CompressorWriter::new(&mut packed, 4_096, 1, 22);
                writer.write_all(bytes).unwrap();
            }
            _ => {
                let mut writer = lz4_flex::frame::FrameEncoder::new(&mut packed);
                writer.write_all(bytes).unwrap();
                writer.finish().unwrap();
            }
        }
        packed
    }

    #[test]
    fn a_page_that_is_longer_than_its_header_says_is_told() {
        for codec in [
            Compression::GZIP(GzipLevel::default()),
            Compression::BROTLI(BrotliLevel::default()),
            Compression::LZ4,
        ] {
            let body = packed(codec, &noise(1_400_000));
            let told = |unpacked| judged(codec, &[page(unpacked, &body, 0)], 0);
            assert_eq!(told(1_400_000), Ok(1_400_000), "{codec}");
            let longer = Err(ParquetExcess::Page {
                unpacked: 1_399_999,
            });
            assert_eq!(told(1_399_999), longer, "{codec}");
            // One that is shorter is the decoder's to tell, and one that is damaged.
            assert_eq!(told(1_400_001), Ok(1_400_001), "{codec}");
            let damaged = [&body[..1_300_000], &vec![0xff; 50_000]].concat();
            let judgement = judged(codec, &[page(1_400_000, &damaged, 0)], 0);
            assert_eq!(judgement, Ok(1_400_000), "{codec}");
            // Levels are not packed.
            let levels = [vec![9; 40], body.clone()].concat();
            let told = |unpacked| judged(codec, &[page(unpacked, &levels, 40)], 0);
            assert_eq!(told(1_400_040), Ok(1_400_040), "{codec}");
            assert!(told(1_400_039).is_err(), "{codec}");
        }
        let few = packed(Compression::LZ4, &noise(1_000));
        assert_eq!(judged(Compression::LZ4, &[page(9, &few, 0)], 0), Ok(9));
        let brotli = Compression::BROTLI(BrotliLevel::default());
        let few = packed(brotli, &vec![b'a'; 100_000]);
        assert!(few.len() < 100, "{}", few.len());
        assert!(judged(brotli, &[page(9, &few, 0)], 0).is_err());
    }
}
