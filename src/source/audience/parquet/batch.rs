//! How many records are decoded at once: few of long ones, so that a file which unpacks to any size takes little memory.

use std::sync::Arc;

use parquet::arrow::ProjectionMask;
use parquet::basic::Type;
use parquet::column::page::{Page, PageReader as _};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, RowGroupMetaData};
use parquet::file::reader::{ChunkReader, SerializedPageReader};

/// Records that are decoded at once, if they are short.
const MOST_ROWS: u64 = 8_192;

/// The bytes of texts that are decoded at once.
const MOST_BYTES: u64 = 32 << 20;

/// How many records of a row group are decoded at once. Pages tell how long its records are on average; a dictionary, whose
/// texts stand for any number of records, how long they may be.
pub(super) fn rows<R: ChunkReader + 'static>(
    input: &Arc<R>,
    row_group: &RowGroupMetaData,
    projection: &ProjectionMask,
) -> Result<usize, ParquetError> {
    let columns = row_group.columns().iter().enumerate();
    let columns = columns.filter(|(leaf, _)| projection.leaf_included(*leaf));
    let all = u64::try_from(row_group.num_rows()).unwrap_or(0);
    let (mut paged, mut longest) = (0_u64, 1_u64);
    for (_, column) in columns {
        paged = paged.saturating_add(u64::try_from(column.uncompressed_size()).unwrap_or(0));
        longest = longest.saturating_add(longest_of_dictionary(input, column, all)?);
    }
    let by_pages = u128::from(all) * u128::from(MOST_BYTES) / u128::from(paged.max(1));
    let by_pages = u64::try_from(by_pages).unwrap_or(MOST_ROWS);
    let rows = by_pages.min(MOST_BYTES / longest).clamp(1, MOST_ROWS);
    Ok(usize::try_from(rows).unwrap_or(1))
}

/// The length of the longest text in the dictionary of a column; 0 where it has none.
fn longest_of_dictionary<R: ChunkReader + 'static>(
    input: &Arc<R>,
    column: &ColumnChunkMetaData,
    rows: u64,
) -> Result<u64, ParquetError> {
    if column.column_type() != Type::BYTE_ARRAY || column.dictionary_page_offset().is_none() {
        return Ok(0);
    }
    let rows = usize::try_from(rows).unwrap_or(usize::MAX);
    let mut pages = SerializedPageReader::new(Arc::clone(input), column, rows, None)?;
    match pages.get_next_page()? {
        Some(Page::DictionaryPage { buf, .. }) => Ok(longest_text(&buf)),
        _ => Ok(0),
    }
}

/// The length of the longest of texts that each follow their length in four bytes.
fn longest_text(mut texts: &[u8]) -> u64 {
    let mut longest = 0;
    while let Some((length, rest)) = texts.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length);
        longest = longest.max(u64::from(length));
        texts = usize::try_from(length)
            .ok()
            .and_then(|length| rest.get(length..))
            .unwrap_or_default();
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_text_of_a_dictionary_is_found() {
        let text = |text: &str| {
            let length = u32::try_from(text.len()).unwrap().to_le_bytes();
            [&length[..], text.as_bytes()].concat()
        };
        for (texts, longest) in [
            (vec![], 0),
            (text(""), 0),
            ([text("ab"), text("abcd"), text("a")].concat(), 4),
            // One that is cut is as long as it says.
            ([text("ab"), vec![9, 0, 0, 0, b'x']].concat(), 9),
            (vec![1, 0], 0),
        ] {
            assert_eq!(longest_text(&texts), longest);
        }
    }
}
