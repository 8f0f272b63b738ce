//! The fixtures in `fixtures/values/typed/`: values of one type, and the text of each, whatever the source.

#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    reason = "shared by test crates that use a part of it each; a panic is the failure"
)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder};
use arrow_array::types::{
    Date32Type, DurationMicrosecondType, Float32Type, Float64Type, Time64MicrosecondType,
    TimestampMicrosecondType,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, FixedSizeBinaryArray, ListArray, PrimitiveArray, RecordBatch,
    StringArray,
};
use arrow_cast::cast;
use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use parquet::arrow::ArrowWriter;
use serde::Deserialize;
use serde_json::json;

use super::value_fixtures::{ValueFixture, fixtures_in};

/// Values of one type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TypedFixture {
    /// The name of its file.
    #[serde(skip)]
    pub(crate) name: String,
    /// The rule, in words.
    about: String,
    /// The form of the texts in JSON; strings by default.
    #[serde(default)]
    form: Form,
    /// The name of the type in Parquet, by the columns of [`column`].
    parquet: Option<String>,
    /// The name of the type in each engine that has it.
    pub(crate) duckdb: Option<String>,
    pub(crate) sqlite: Option<String>,
    pub(crate) postgres: Option<String>,
    /// Values, `NULL` or as an engine casts them from a text, each with the text that must leave.
    cases: Vec<(String, String)>,
    /// How many of them cannot be told.
    #[serde(default)]
    unrepresentable: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Form {
    #[default]
    Text,
    Number,
    Boolean,
    List,
}

impl TypedFixture {
    /// Every fixture, by name.
    pub(crate) fn all() -> Vec<Self> {
        let fixture = |(name, fixture): (String, Self)| {
            assert!(fixture.about.ends_with('.'), "{name}");
            Self { name, ..fixture }
        };
        fixtures_in("fixtures/values/typed")
            .into_iter()
            .map(fixture)
            .collect()
    }

    /// Rows of an id and a value, and what must leave of them; `counts` says whether the source has values that cannot be
    /// told.
    pub(crate) fn rows(&self, counts: bool) -> ValueFixture {
        let texts = self.cases.iter().map(|(_, text)| text.clone());
        let rows = texts
            .zip(1..)
            .map(|(text, n): (_, u32)| vec![n.to_string(), text]);
        let mut repairs = BTreeMap::new();
        if counts && self.unrepresentable > 0 {
            repairs.insert("unrepresentable".to_owned(), self.unrepresentable);
        }
        ValueFixture::of_texts(&self.name, rows.collect(), repairs)
    }

    /// The rows as NDJSON, which has numbers, booleans and lists of its own.
    pub(crate) fn ndjson(&self) -> String {
        let lines = self.cases.iter().zip(1..).map(|((_, text), n): (_, u32)| {
            let value = match self.form {
                _ if text.is_empty() => "null".to_owned(),
                Form::Number | Form::List => text.clone(),
                Form::Boolean => text.to_lowercase(),
                Form::Text => json!(text).to_string(),
            };
            format!("{{\"id\":{n},\"note\":{value}}}\n")
        });
        lines.collect()
    }

    /// A query that gives the rows, as a text of TOML. `data_type` is the name of the type in the engine's SQL.
    pub(crate) fn query(&self, data_type: &str, engine: &str) -> String {
        let rows = self.cases.iter().zip(1..).map(|((value, _), n): (_, u32)| {
            let value = match &**value {
                "NULL" => value.clone(),
                // PostgreSQL has its own form of lists.
                value if engine == "PostgreSQL" && data_type.ends_with("[]") => {
                    format!("'{}'", value.replace('[', "{").replace(']', "}"))
                }
                value => format!("'{value}'"),
            };
            format!("({n}, CAST({value} AS {data_type}))")
        });
        let rows = rows.collect::<Vec<_>>().join(", ");
        json!(format!(
            "WITH v (id, note) AS (VALUES {rows}) SELECT id, note FROM v ORDER BY id"
        ))
        .to_string()
    }

    /// Writes the rows as Parquet; false where it has no such type.
    pub(crate) fn write_parquet(&self, path: &Path) -> bool {
        let Some(data_type) = &self.parquet else {
            return false;
        };
        let values: Vec<Option<&str>> = self
            .cases
            .iter()
            .map(|(value, _)| Some(&**value).filter(|value| *value != "NULL"))
            .collect();
        let (note, array) = column("note", data_type, &values);
        let ids = (1..).take(values.len()).map(|n: u32| Some(n.to_string()));
        let ids: ArrayRef = Arc::new(ids.collect::<StringArray>());
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Utf8, false),
            note,
        ]));
        let batch = RecordBatch::try_new(Arc::clone(&schema), vec![ids, array]).unwrap();
        let file = std::fs::File::create(path).unwrap();
        let mut writer = ArrowWriter::try_new(file, schema, None).unwrap();
        writer.write(&batch).unwrap();
        writer.close().unwrap();
        true
    }
}

/// The field and the array of these values. Arrow's own reader of texts has no infinities.
fn column(name: &str, data_type: &str, values: &[Option<&str>]) -> (Field, ArrayRef) {
    let texts: ArrayRef = Arc::new(values.iter().copied().collect::<StringArray>());
    let timestamp =
        |zone: Option<&str>| DataType::Timestamp(TimeUnit::Microsecond, zone.map(Into::into));
    let array: ArrayRef = match data_type {
        "text" => texts,
        "int64" => cast(&texts, &DataType::Int64).unwrap(),
        "boolean" => cast(&texts, &DataType::Boolean).unwrap(),
        "decimal128(38,10)" => cast(&texts, &DataType::Decimal128(38, 10)).unwrap(),
        "decimal256(76,38)" => cast(&texts, &DataType::Decimal256(76, 38)).unwrap(),
        "float64" => {
            let numbers = values
                .iter()
                .map(|value| value.map(|it| it.parse().unwrap()));
            Arc::new(numbers.collect::<PrimitiveArray<Float64Type>>())
        }
        "float32" => {
            let numbers = values
                .iter()
                .map(|value| value.map(|it| it.parse().unwrap()));
            Arc::new(numbers.collect::<PrimitiveArray<Float32Type>>())
        }
        "date32" => primitive::<Date32Type>(values, &DataType::Date32, "infinity", i32::MAX),
        "timestamp" => {
            primitive::<TimestampMicrosecondType>(values, &timestamp(None), "infinity", i64::MAX)
        }
        "timestamptz" => {
            let data_type = timestamp(Some("+00:00"));
            primitive::<TimestampMicrosecondType>(values, &data_type, "infinity", i64::MAX)
        }
        "time" => {
            let data_type = DataType::Time64(TimeUnit::Microsecond);
            primitive::<Time64MicrosecondType>(values, &data_type, "24:00:00", 86_400_000_000)
        }
        "interval" => cast(&texts, &DataType::Interval(IntervalUnit::DayTime)).unwrap(),
        "duration" => {
            let numbers = values
                .iter()
                .map(|value| value.map(|it| it.parse().unwrap()));
            Arc::new(numbers.collect::<PrimitiveArray<DurationMicrosecondType>>())
        }
        "binary" => {
            let bytes = values.iter().map(|value| value.map(str::as_bytes));
            Arc::new(bytes.collect::<BinaryArray>())
        }
        "uuid" => {
            let bytes = values.iter().map(|value| value.map(bytes_of_uuid));
            let bytes = FixedSizeBinaryArray::try_from_sparse_iter_with_size(bytes, 16).unwrap();
            let field = Field::new(name, DataType::FixedSizeBinary(16), true);
            let told = [("ARROW:extension:name".to_owned(), "arrow.uuid".to_owned())];
            return (field.with_metadata(told), Arc::new(bytes));
        }
        list => {
            let items = list.strip_prefix("list ").unwrap();
            return list_column(name, items, values);
        }
    };
    assert!(array.null_count() <= values.iter().filter(|it| it.is_none()).count());
    (Field::new(name, array.data_type().clone(), true), array)
}

/// The values as Arrow reads them from texts, but for one.
fn primitive<T: arrow_array::ArrowPrimitiveType>(
    values: &[Option<&str>],
    data_type: &DataType,
    special: &str,
    number: T::Native,
) -> ArrayRef {
    let values = values.iter().map(|value| match value {
        Some(value) if *value == special => Some(number),
        Some(value) => {
            let text: ArrayRef = Arc::new(StringArray::from(vec![*value]));
            let read = cast(&text, data_type).unwrap();
            let read = read.as_any().downcast_ref::<PrimitiveArray<T>>().unwrap();
            assert!(read.is_valid(0), "{value}");
            Some(read.value(0))
        }
        None => None,
    });
    let array: PrimitiveArray<T> = values.collect();
    Arc::new(array.with_data_type(data_type.clone()))
}

/// Lists in the form `[a, b, NULL]`.
fn list_column(name: &str, items: &str, values: &[Option<&str>]) -> (Field, ArrayRef) {
    let mut all: Vec<Option<&str>> = Vec::new();
    let mut texts = ListBuilder::new(StringBuilder::new());
    for value in values {
        let inner = value.map(|it| it.trim_start_matches('[').trim_end_matches(']'));
        let parts = inner
            .unwrap_or_default()
            .split(", ")
            .filter(|it| !it.is_empty());
        for part in parts.map(|part| Some(part).filter(|part| *part != "NULL")) {
            all.push(part);
            texts.values().append_option(part);
        }
        texts.append(value.is_some());
    }
    let (field, array) = column("item", items, &all);
    let field = Arc::new(field);
    let (_, offsets, _, nulls) = texts.finish().into_parts();
    let list = ListArray::new(Arc::clone(&field), offsets, array, nulls);
    (
        Field::new(name, DataType::List(field), true),
        Arc::new(list),
    )
}

fn bytes_of_uuid(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|digit| digit.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}
