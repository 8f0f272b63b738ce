//! The names of Arrow's types, for people.

use arrow_schema::{DataType, Field};

use crate::source::audience::foreign_type;

/// The type of a column in a few words, such as `decimal(10, 2)`.
pub(super) fn of(field: &Field) -> String {
    let extension = field.metadata().get("ARROW:extension:name");
    match extension.map(String::as_str) {
        Some("arrow.bool8") => return "boolean".to_owned(),
        Some("arrow.uuid") => return "uuid".to_owned(),
        Some("arrow.json") => return "json".to_owned(),
        _ => {}
    }
    match field.data_type() {
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => format!("list of {}", of(item)),
        data_type => foreign_type(field).map_or_else(|| name(data_type), |(name, _)| name),
    }
}

/// The type of plain values.
fn name(data_type: &DataType) -> String {
    let word = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "text",
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "binary",
        DataType::Boolean => "boolean",
        DataType::Date32 | DataType::Date64 => "date",
        DataType::Timestamp(_, None) => "timestamp",
        DataType::Timestamp(_, Some(_)) => "timestamp with zone",
        DataType::Time32(_) | DataType::Time64(_) => "time",
        DataType::Duration(_) => "duration",
        DataType::Interval(_) => "interval",
        DataType::Struct(_) => "struct",
        DataType::Map(..) => "map",
        DataType::Union(..) => "union",
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => {
            return format!("decimal({precision}, {scale})");
        }
        DataType::Dictionary(_, values) => return name(values),
        DataType::RunEndEncoded(_, values) => return name(values.data_type()),
        // Int64 is int64, Float64 is float64, Null is null.
        other => return other.to_string().to_lowercase(),
    };
    word.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow_schema::TimeUnit;
    use std::collections::HashMap;
    use std::sync::Arc;

    #[test]
    fn types_have_short_names() {
        let item = Arc::new(Field::new("item", DataType::Int64, true));
        let utc = DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()));
        let dictionary = DataType::Dictionary(Box::new(DataType::UInt8), Box::new(DataType::Utf8));
        for (data_type, expected) in [
            (DataType::Int32, "int32"),
            (DataType::Float64, "float64"),
            (DataType::Null, "null"),
            (DataType::Decimal128(10, 2), "decimal(10, 2)"),
            (DataType::List(item), "list of int64"),
            (utc, "timestamp with zone"),
            (dictionary, "text"),
        ] {
            assert_eq!(of(&Field::new("x", data_type, true)), expected);
        }
    }

    #[test]
    fn types_that_arrow_does_not_have_keep_their_names() {
        let told = "{\"type_name\":\"bignum\",\"vendor_name\":\"DuckDB\"}";
        for (extension, metadata, expected) in [
            ("arrow.bool8", "", "boolean"),
            ("arrow.uuid", "", "uuid"),
            ("arrow.json", "", "json"),
            ("arrow.opaque", told, "bignum"),
        ] {
            let metadata = [
                ("ARROW:extension:name", extension),
                ("ARROW:extension:metadata", metadata),
            ];
            let metadata = metadata.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let field = Field::new("x", DataType::Binary, true);
            let field = field.with_metadata(HashMap::from(metadata));
            assert_eq!(of(&field), expected);
            let list = DataType::List(Arc::new(field));
            assert_eq!(
                of(&Field::new("x", list, true)),
                format!("list of {expected}")
            );
        }
    }
}
