//! Columns that the job does not read, looked into for rows that look blank without them.
//!
//! A row is blank when every column of the file is: one that has a value in an unread column is a row like any other. The
//! unread columns of a row group are decoded from the first such row on, so that a file without one costs nothing.

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::{ArrowError, DataType};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReader;

use super::{ParquetDecoding, broken};
use crate::source::audience::AudienceError;

/// The unread columns of one row group, and how far its rows are gone through.
pub(super) struct UnreadColumns {
    columns: Vec<usize>,
    /// The rows of the batches so far.
    rows: usize,
    /// Begins with the first row that looks blank.
    others: Option<UnreadRows>,
}

/// The rows of the unread columns from there on. They come in batches of their own: how many rows are decoded at once depends
/// on the columns.
struct UnreadRows {
    reader: ParquetRecordBatchReader,
    batch: Option<RecordBatch>,
    /// The row of the batch that comes next.
    next: usize,
}

impl UnreadRows {
    /// Whether each of the next rows has a value, or as many as there are. All of it is true where `look` is not set.
    fn have_values(&mut self, rows: usize, look: bool) -> Result<Vec<bool>, ArrowError> {
        let mut values = Vec::with_capacity(rows);
        while values.len() < rows {
            let Some(batch) = self.batch.as_ref() else {
                self.batch = self.reader.next().transpose()?;
                self.next = 0;
                if self.batch.is_none() {
                    break;
                }
                continue;
            };
            let end = batch.num_rows().min(self.next + rows - values.len());
            values.extend((self.next..end).map(|row| !look || !is_blank(batch, row)));
            self.next = end;
            if end == batch.num_rows() {
                self.batch = None;
            }
        }
        Ok(values)
    }
}

impl UnreadColumns {
    /// The columns of so many that are not among those that are read; `None` if all of them are read.
    pub(super) fn of_others(read: &[usize], columns: usize) -> Option<Self> {
        let columns: Vec<usize> = (0..columns).filter(|it| !read.contains(it)).collect();
        (!columns.is_empty()).then_some(Self {
            columns,
            rows: 0,
            others: None,
        })
    }

    /// Which rows have a value in an unread column beside the next `batch`; `None` if none of its rows looks blank.
    pub(super) fn beside(
        &mut self,
        batch: &RecordBatch,
        decoding: &ParquetDecoding,
        group: usize,
    ) -> Result<Option<BooleanArray>, AudienceError> {
        let start = self.rows;
        self.rows += batch.num_rows();
        let look_blank = (0..batch.num_rows()).any(|row| is_blank(batch, row));
        let others = match &mut self.others {
            Some(others) => others,
            None if look_blank => {
                let schema = decoding.metadata.metadata().file_metadata().schema_descr();
                let projection = ProjectionMask::roots(schema, self.columns.iter().copied());
                let reader = match decoding.reader(group, projection, start) {
                    // Nobody wants these columns: a file is not refused for them.
                    Err(AudienceError::ParquetMemory { .. }) => {
                        return Ok(Some(vec![true; batch.num_rows()].into()));
                    }
                    reader => reader?,
                };
                self.others.insert(UnreadRows {
                    reader,
                    batch: None,
                    next: 0,
                })
            }
            None => return Ok(None),
        };
        let values = others.have_values(batch.num_rows(), look_blank);
        let mut values = values.map_err(|error| broken(&decoding.name, error.into()))?;
        // Not to be told: a row without any is not taken for blank.
        values.resize(batch.num_rows(), true);
        Ok(look_blank.then(|| values.into()))
    }
}

/// Whether every column is null or blank in this row.
fn is_blank(batch: &RecordBatch, row: usize) -> bool {
    let mut columns = batch.columns().iter();
    columns.all(|column| column.is_null(row) || has_blank(column, row))
}

fn has_blank(column: &ArrayRef, row: usize) -> bool {
    match column.data_type() {
        DataType::Null => true,
        DataType::Utf8 => is_white_space(column.as_string::<i32>().value(row).as_bytes()),
        DataType::LargeUtf8 => is_white_space(column.as_string::<i64>().value(row).as_bytes()),
        DataType::Utf8View => is_white_space(column.as_string_view().value(row).as_bytes()),
        DataType::Binary => is_white_space(column.as_binary::<i32>().value(row)),
        DataType::LargeBinary => is_white_space(column.as_binary::<i64>().value(row)),
        DataType::BinaryView => is_white_space(column.as_binary_view().value(row)),
        DataType::Float32 => column.as_primitive::<Float32Type>().value(row).is_nan(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).is_nan(),
        _ => false,
    }
}

fn is_white_space(text: &[u8]) -> bool {
    // Most texts are told by their first letter.
    text.first().is_none_or(|letter| !letter.is_ascii_graphic())
        && std::str::from_utf8(text).is_ok_and(|text| text.trim().is_empty())
}
