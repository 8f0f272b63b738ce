//! Arrays of every kind, as drivers and Parquet files give them, to cells.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryViewBuilder, FixedSizeBinaryBuilder, FixedSizeListBuilder, Int32Builder, Int64Builder,
    LargeListBuilder, ListBuilder, MapBuilder, StringBuilder, StringViewBuilder,
};
use arrow_array::types::{Int8Type, Int32Type};
use arrow_array::*;
use arrow_schema::{DataType, Field, Schema};

use super::*;

#[derive(Default)]
struct Seen(Vec<Result<String, (RecordFault, String)>>);

fn text(row: &impl Record) -> String {
    let mut scratch = Vec::new();
    let text = match row.cell(0, &mut scratch) {
        Cell::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        Cell::Nested(_) => "(nested)".to_owned(),
    };
    if let Some(bare) = row.bare_cell(0) {
        assert_eq!(bare, text.as_bytes());
        assert!(!text.contains(['"', ',', '\n', '\r', '\t']), "{text}");
    }
    text
}

impl RecordVisitor for Seen {
    fn row(&mut self, row: &impl Record) {
        self.0.push(Ok(text(row)));
    }

    fn fault(&mut self, fault: RecordFault, row: &impl Record) {
        self.0.push(Err((fault, text(row))));
    }
}

fn visited(field: Field, array: ArrayRef) -> Seen {
    let batch = RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![array]).unwrap();
    let mut seen = Seen::default();
    assert_eq!(visit(&batch, &mut seen), batch.num_rows() as u64);
    seen
}

fn field(array: &ArrayRef) -> Field {
    Field::new("c", array.data_type().clone(), true)
}

/// The cells of `array`, which must be the same for a slice of it.
#[track_caller]
fn cells(array: impl Array + 'static) -> Vec<String> {
    let array: ArrayRef = make_array(array.to_data());
    let cells = |array: ArrayRef| -> Vec<String> {
        let seen = visited(field(&array), array).0.into_iter();
        seen.map(Result::unwrap).collect()
    };
    let all = cells(Arc::clone(&array));
    if array.len() > 1 {
        assert_eq!(cells(array.slice(1, array.len() - 1)), all[1..]);
    }
    all
}

fn with(name: &str, value: &str, array: &ArrayRef) -> Field {
    field(array).with_metadata(HashMap::from([(name.to_owned(), value.to_owned())]))
}

#[test]
fn numbers_are_plain_digits() {
    assert_eq!(cells(Int8Array::from(vec![None, Some(-5)])), ["", "-5"]);
    assert_eq!(
        cells(Int64Array::from(vec![i64::MIN])),
        ["-9223372036854775808"]
    );
    assert_eq!(cells(UInt8Array::from(vec![255])), ["255"]);
    assert_eq!(
        cells(UInt64Array::from(vec![Some(u64::MAX), None])),
        ["18446744073709551615", ""]
    );
    let floats = vec![
        Some(1e21),
        Some(-0.0),
        Some(f64::NAN),
        Some(f64::INFINITY),
        None,
        Some(0.1),
    ];
    assert_eq!(
        cells(Float64Array::from(floats)),
        ["1000000000000000000000", "0", "", "", "", "0.1"]
    );
    assert_eq!(
        cells(Float32Array::from(vec![Some(0.1), None])),
        ["0.1", ""]
    );
    let decimal = Decimal128Array::from(vec![Some(-5), Some(1_234_500), None]);
    assert_eq!(
        cells(decimal.with_precision_and_scale(10, 2).unwrap()),
        ["-0.05", "12345.00", ""]
    );
    assert_eq!(
        cells(BooleanArray::from(vec![Some(true), None, Some(false)])),
        ["True", "", "False"]
    );
    assert_eq!(cells(NullArray::new(2)), ["", ""]);
}

#[test]
fn times_are_utc_and_those_without_an_end_blank() {
    let days = Date32Array::from(vec![
        Some(0),
        Some(-1),
        Some(i32::MAX),
        Some(i32::MIN),
        None,
    ]);
    assert_eq!(
        cells(days),
        ["1970-01-01 00:00:00", "1969-12-31 00:00:00", "", "", ""]
    );
    assert_eq!(
        cells(Date64Array::from(vec![86_400_000])),
        ["1970-01-02 00:00:00"]
    );
    let micros = vec![
        Some(-1),
        Some(1_500_000),
        Some(i64::MAX),
        Some(i64::MIN),
        None,
    ];
    let expected = ["1969-12-31 23:59:59", "1970-01-01 00:00:01", "", "", ""];
    assert_eq!(
        cells(TimestampMicrosecondArray::from(micros.clone())),
        expected
    );
    assert_eq!(
        cells(TimestampMicrosecondArray::from(micros).with_timezone("+02:00")),
        expected
    );
    assert_eq!(
        cells(TimestampSecondArray::from(vec![0])),
        ["1970-01-01 00:00:00"]
    );
    assert_eq!(
        cells(TimestampMillisecondArray::from(vec![-1])),
        ["1969-12-31 23:59:59"]
    );
    assert_eq!(
        cells(TimestampNanosecondArray::from(vec![0])),
        ["1970-01-01 00:00:00"]
    );
    assert_eq!(
        cells(Time64MicrosecondArray::from(vec![47_655_000_000])),
        ["13:14:15"]
    );
}

#[test]
fn texts_of_every_layout_are_as_they_are() {
    let texts = || vec![Some("ana"), None, Some("a \"b\", c\n"), Some("")];
    let expected = ["ana", "", "a \"b\", c\n", ""];
    assert_eq!(cells(StringArray::from(texts())), expected);
    assert_eq!(cells(LargeStringArray::from(texts())), expected);
    assert_eq!(cells(StringViewArray::from(texts())), expected);
    let bytes = || -> Vec<Option<&[u8]>> {
        texts()
            .into_iter()
            .map(|it| it.map(str::as_bytes))
            .collect()
    };
    assert_eq!(cells(BinaryArray::from(bytes())), expected);
    assert_eq!(cells(LargeBinaryArray::from(bytes())), expected);
    assert_eq!(cells(BinaryViewArray::from(bytes())), expected);
    assert_eq!(
        cells(StringArray::from(vec!["plain", "texts"])),
        ["plain", "texts"]
    );
    let mut fixed = FixedSizeBinaryBuilder::new(2);
    fixed.append_value(b"DE").unwrap();
    fixed.append_null();
    assert_eq!(cells(fixed.finish()), ["DE", ""]);
    let mut view = StringViewBuilder::new();
    view.append_value("longer than twelve bytes");
    assert_eq!(cells(view.finish()), ["longer than twelve bytes"]);
}

#[test]
fn dictionaries_and_runs_are_their_values() {
    let names: DictionaryArray<Int8Type> =
        vec![Some("gold"), None, Some("gold")].into_iter().collect();
    assert_eq!(cells(names), ["gold", "", "gold"]);
    let days: ArrayRef = Arc::new(Date32Array::from(vec![Some(0), None]));
    let keys = Int8Array::from(vec![0, 1, 0]);
    let days = DictionaryArray::<Int8Type>::new(keys, days);
    assert_eq!(
        cells(days),
        ["1970-01-01 00:00:00", "", "1970-01-01 00:00:00"]
    );
    let runs: RunArray<Int32Type> = ["a", "a", "b"].into_iter().collect();
    assert_eq!(cells(runs), ["a", "a", "b"]);
}

#[test]
fn lists_are_json_arrays() {
    let mut texts = ListBuilder::new(StringBuilder::new());
    texts.append_value([Some("a\"b"), None, Some("é\n")]);
    texts.append_null();
    texts.append(true);
    assert_eq!(
        cells(texts.finish()),
        ["[\"a\\\"b\",null,\"é\\n\"]", "", "[]"]
    );
    let mut numbers = LargeListBuilder::new(Int64Builder::new());
    numbers.append_value([Some(1), None]);
    assert_eq!(cells(numbers.finish()), ["[1,null]"]);
    let mut pairs = FixedSizeListBuilder::new(Int32Builder::new(), 2);
    pairs.values().append_slice(&[1, 2]);
    pairs.append(true);
    assert_eq!(cells(pairs.finish()), ["[1,2]"]);
    let mut nested = ListBuilder::new(ListBuilder::new(Int32Builder::new()));
    nested.values().append_value([Some(1)]);
    nested.values().append_value([Some(2), Some(3)]);
    nested.append(true);
    assert_eq!(cells(nested.finish()), ["[[1],[2,3]]"]);
}

#[test]
fn objects_are_nested_wherever_they_are() {
    let inner: ArrayRef = Arc::new(Int32Array::from(vec![1, 2]));
    let object = StructArray::from(vec![(
        Arc::new(Field::new("a", DataType::Int32, true)),
        inner,
    )]);
    assert_eq!(cells(object), ["(nested)", "(nested)"]);
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    map.keys().append_value("a");
    map.values().append_value(1);
    map.append(true).unwrap();
    map.append(false).unwrap();
    assert_eq!(cells(map.finish()), ["(nested)", ""]);
}

#[test]
fn uuids_and_numbers_as_texts_are_told_by_the_fields() {
    let mut builder = FixedSizeBinaryBuilder::new(16);
    builder.append_value([0xa0; 16]).unwrap();
    builder.append_null();
    let uuids: ArrayRef = Arc::new(builder.finish());
    let uuid = with("ARROW:extension:name", "arrow.uuid", &uuids);
    let seen = visited(uuid, uuids).0;
    assert_eq!(
        seen,
        [
            Ok("a0a0a0a0-a0a0-a0a0-a0a0-a0a0a0a0a0a0".to_owned()),
            Ok(String::new())
        ]
    );
    let numbers: ArrayRef = Arc::new(StringArray::from(vec!["1.50", "NaN", "-Infinity"]));
    let numeric = with("ADBC:postgresql:typname", "numeric", &numbers);
    let seen = visited(numeric, numbers).0;
    assert_eq!(
        seen,
        [Ok("1.50".to_owned()), Ok(String::new()), Ok(String::new())]
    );
}

#[test]
fn bytes_that_are_no_text_make_a_fault_of_their_row_alone() {
    let texts: Vec<&[u8]> = vec![b"ana", b"\xff\xfe", b"a\0b", b"bo"];
    let mut views = BinaryViewBuilder::new();
    for text in &texts {
        views.append_value(text);
    }
    let arrays: [ArrayRef; 3] = [
        Arc::new(BinaryArray::from(texts.clone())),
        Arc::new(LargeBinaryArray::from(texts)),
        Arc::new(views.finish()),
    ];
    for array in arrays {
        let seen = visited(field(&array), array).0;
        let expected = [
            Ok("ana".to_owned()),
            Err((RecordFault::InvalidEncoding, "\u{fffd}\u{fffd}".to_owned())),
            Err((RecordFault::Nul, "a\0b".to_owned())),
            Ok("bo".to_owned()),
        ];
        assert_eq!(seen, expected);
    }
}

#[test]
fn two_halves_of_a_letter_are_no_text() {
    let halves: Vec<&[u8]> = vec![b"a\xc3", b"\xa9b"];
    let array: ArrayRef = Arc::new(BinaryArray::from(halves));
    let seen = visited(field(&array), array).0;
    assert!(
        seen.iter()
            .all(|row| matches!(row, Err((RecordFault::InvalidEncoding, _))))
    );
}

#[test]
fn rows_longer_than_a_record_are_refused_whatever_they_are_made_of() {
    let long = "x".repeat(MAX_RECORD_BYTES + 1);
    let fits = "x".repeat(MAX_RECORD_BYTES);
    let array: ArrayRef = Arc::new(StringArray::from(vec!["a", &long, &fits]));
    let seen = visited(field(&array), array).0;
    assert_eq!(seen[1], Err((RecordFault::TooLong, String::new())));
    assert!(seen[0].is_ok() && seen[2].is_ok());
    let mut lists = ListBuilder::new(StringBuilder::new());
    lists.append_value([Some("a")]);
    lists.append_value(std::iter::repeat_n(Some("twelve bytes"), 100_000));
    let array: ArrayRef = Arc::new(lists.finish());
    let seen = visited(field(&array), array).0;
    assert_eq!(
        seen,
        [
            Ok("[\"a\"]".to_owned()),
            Err((RecordFault::TooLong, String::new()))
        ]
    );
}
