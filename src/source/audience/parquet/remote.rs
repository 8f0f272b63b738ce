//! Parquet files in an object store: a few requests for each row group, not one for each page.

use std::io::Cursor;
use std::ops::Range;

use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{ChunkReader, Length};

use super::super::cloud::Object;
use super::super::error::AudienceError;

/// The whole object, read where it is asked for: for its metadata, which is at its end.
pub(super) struct WholeObject(pub(super) Object);

impl Length for WholeObject {
    fn len(&self) -> u64 {
        self.0.size_bytes()
    }
}

impl ChunkReader for WholeObject {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(Cursor::new(self.range(start..self.len())?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        self.range(start..start + length as u64)
    }
}

impl WholeObject {
    fn range(&self, range: Range<u64>) -> Result<Bytes> {
        let mut found = self
            .0
            .ranges(&[range])
            .map_err(|error| ParquetError::External(Box::new(error)))?;
        found.pop().ok_or_else(missing)
    }
}

/// The columns of one row group, as they lie in the file.
pub(super) struct Pieces {
    length: u64,
    pieces: Vec<(u64, Bytes)>,
}

impl Pieces {
    /// Fetches the columns that are wanted.
    pub(super) fn fetch(
        object: &Object,
        group: &RowGroupMetaData,
        projection: &ProjectionMask,
    ) -> std::result::Result<Self, AudienceError> {
        let wanted = group.columns().iter().enumerate();
        let ranges: Vec<Range<u64>> = wanted
            .filter(|(leaf, _)| projection.leaf_included(*leaf))
            .map(|(_, column)| {
                let (start, length) = column.byte_range();
                start..start + length
            })
            .collect();
        let found = object.ranges(&ranges)?;
        Ok(Self {
            length: object.size_bytes(),
            pieces: ranges.iter().map(|range| range.start).zip(found).collect(),
        })
    }

    /// The fetched bytes, from `start` to the end of the column there.
    fn from(&self, start: u64) -> Result<Bytes> {
        let piece = self
            .pieces
            .iter()
            .find(|(at, bytes)| (*at..at + bytes.len() as u64).contains(&start));
        let (at, bytes) = piece.ok_or_else(missing)?;
        let skipped = usize::try_from(start - at).map_err(|_| missing())?;
        Ok(bytes.slice(skipped..))
    }
}

fn missing() -> ParquetError {
    ParquetError::EOF("a column lies outside of what was fetched".to_owned())
}

impl Length for Pieces {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Pieces {
    type T = Cursor<Bytes>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        Ok(Cursor::new(self.from(start)?))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = self.from(start)?;
        if bytes.len() < length {
            return Err(missing());
        }
        Ok(bytes.slice(..length))
    }
}
