//! Facts in a file's schema that the decoder does not apply to its columns by itself.
//!
//! Three kinds of values would come changed: a time stamp of 96 bits wraps beyond the years 1677 to 2262, an interval
//! loses its months, a duration is a bare number. The first is read in microseconds, the second as its bytes under a
//! mark, the third as the writer noted it.

use std::sync::Arc;

use arrow_schema::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::arrow::parquet_to_arrow_schema;
use parquet::basic::{ConvertedType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, ParquetMetaData};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};

use crate::source::audience::typed::{EXTENSION, PARQUET_INTERVAL};

/// Months, days and milliseconds, four bytes each
/// (<https://github.com/apache/parquet-format/blob/master/LogicalTypes.md#interval>, read 2026-11-28).
const INTERVAL_BYTES: i32 = 12;

/// The content of a column that the decoder must be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hint {
    /// A time stamp of 96 bits.
    Int96,
    /// An interval.
    Interval,
    /// A duration in this unit.
    Duration(TimeUnit),
}

/// How a decoder reads `metadata`'s file without a change of any value.
pub(super) fn exact(metadata: ArrowReaderMetadata) -> Result<ArrowReaderMetadata, ParquetError> {
    let hints = hints(metadata.metadata());
    if hints.iter().all(Option::is_none) {
        return Ok(metadata);
    }
    let plain = without_intervals(metadata.metadata())?;
    let base = ArrowReaderMetadata::try_new(Arc::clone(&plain), super::options())?;
    let mut leaves = hints.into_iter();
    let fields = hinted(base.schema().fields(), &mut leaves);
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    ArrowReaderMetadata::try_new(plain, options)
}

/// One for each leaf of the schema.
fn hints(metadata: &ParquetMetaData) -> Vec<Option<Hint>> {
    let file = metadata.file_metadata();
    let schema = file.schema_descr();
    // What a writer noted of Arrow's types; it may be wrong, so nothing else is taken from it.
    let noted = parquet_to_arrow_schema(schema, file.key_value_metadata()).ok();
    let noted: Vec<DataType> = noted.iter().flat_map(|it| leaves(it.fields())).collect();
    let hint = |(index, column): (usize, &Arc<_>)| {
        let column: &parquet::schema::types::ColumnDescriptor = column;
        match (column.physical_type(), column.converted_type()) {
            (PhysicalType::INT96, _) => Some(Hint::Int96),
            (PhysicalType::FIXED_LEN_BYTE_ARRAY, ConvertedType::INTERVAL) => Some(Hint::Interval),
            (PhysicalType::INT64, ConvertedType::NONE) => match noted.get(index) {
                Some(DataType::Duration(unit)) if noted.len() == schema.num_columns() => {
                    Some(Hint::Duration(*unit))
                }
                _ => None,
            },
            _ => None,
        }
    };
    schema.columns().iter().enumerate().map(hint).collect()
}

/// The types of the leaves, in the order of the schema.
fn leaves(fields: &Fields) -> Vec<DataType> {
    let mut types = Vec::new();
    for field in fields {
        match children(field.data_type()) {
            Some(fields) => types.extend(leaves(&fields)),
            None => types.push(field.data_type().clone()),
        }
    }
    types
}

fn children(data_type: &DataType) -> Option<Fields> {
    match data_type {
        DataType::Struct(fields) => Some(fields.clone()),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::Map(item, _) => Some(Fields::from(vec![Arc::clone(item)])),
        _ => None,
    }
}

/// The fields with the hints of their leaves.
fn hinted(fields: &Fields, hints: &mut impl Iterator<Item = Option<Hint>>) -> Fields {
    let fields = fields.iter().map(|field| hinted_field(field, hints));
    fields.collect()
}

fn hinted_field(field: &FieldRef, hints: &mut impl Iterator<Item = Option<Hint>>) -> FieldRef {
    let mut with = |item: &FieldRef| hinted_field(item, hints);
    let data_type = match field.data_type() {
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(with).collect()),
        DataType::List(item) => DataType::List(with(item)),
        DataType::LargeList(item) => DataType::LargeList(with(item)),
        DataType::FixedSizeList(item, size) => DataType::FixedSizeList(with(item), *size),
        DataType::Map(entries, sorted) => DataType::Map(with(entries), *sorted),
        _ => return hinted_leaf(field, hints.next().flatten()),
    };
    Arc::new(Field::clone(field).with_data_type(data_type))
}

fn hinted_leaf(field: &FieldRef, hint: Option<Hint>) -> FieldRef {
    let leaf = Field::clone(field);
    Arc::new(match hint {
        None => return Arc::clone(field),
        Some(Hint::Int96) => leaf.with_data_type(DataType::Timestamp(TimeUnit::Microsecond, None)),
        Some(Hint::Duration(unit)) => leaf.with_data_type(DataType::Duration(unit)),
        Some(Hint::Interval) => {
            let mut metadata = leaf.metadata().clone();
            metadata.insert(EXTENSION.to_owned(), PARQUET_INTERVAL.to_owned());
            leaf.with_metadata(metadata)
        }
    })
}

/// The same file with intervals as the bytes that they are.
fn without_intervals(metadata: &ParquetMetaData) -> Result<Arc<ParquetMetaData>, ParquetError> {
    let file = metadata.file_metadata();
    let root = bare(&file.schema_descr().root_schema_ptr())?;
    let file = FileMetaData::new(
        file.version(),
        file.num_rows(),
        file.created_by().map(str::to_owned),
        file.key_value_metadata().cloned(),
        Arc::new(SchemaDescriptor::new(root)),
        file.column_orders().cloned(),
    );
    let row_groups = metadata.row_groups().to_vec();
    Ok(Arc::new(ParquetMetaData::new(file, row_groups)))
}

fn bare(of: &TypePtr) -> Result<TypePtr, ParquetError> {
    let info = of.get_basic_info();
    let id = info.has_id().then(|| info.id());
    let made = match &**of {
        Type::PrimitiveType { .. } if info.converted_type() == ConvertedType::INTERVAL => {
            Type::primitive_type_builder(info.name(), PhysicalType::FIXED_LEN_BYTE_ARRAY)
                .with_length(INTERVAL_BYTES)
                .with_repetition(info.repetition())
                .with_id(id)
                .build()?
        }
        Type::PrimitiveType { .. } => return Ok(Arc::clone(of)),
        Type::GroupType { fields, .. } => {
            let fields = fields.iter().map(bare).collect::<Result<_, _>>()?;
            let mut group = Type::group_type_builder(info.name())
                .with_converted_type(info.converted_type())
                .with_logical_type(info.logical_type_ref().cloned())
                .with_id(id)
                .with_fields(fields);
            if info.has_repetition() {
                group = group.with_repetition(info.repetition());
            }
            group.build()?
        }
    };
    Ok(Arc::new(made))
}
