//! Arrays of every kind, as drivers and Parquet files give them, to cells.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::builder::{
    BinaryBuilder, BinaryViewBuilder, Date32Builder, FixedSizeBinaryBuilder, FixedSizeListBuilder,
    Float64Builder, Int32Builder, Int64Builder, LargeListBuilder, ListBuilder, MapBuilder,
    StringBuilder, StringViewBuilder, Time64MicrosecondBuilder,
};
use arrow_array::types::{Int8Type, Int32Type, IntervalDayTime, IntervalMonthDayNano};
use arrow_array::*;
use arrow_schema::{DataType, Field, Schema};

use super::column::{EXTENSION, PARQUET_INTERVAL};
use super::*;

/// The number of a decimal of up to 76 digits.
type Wide = <arrow_array::types::Decimal256Type as ArrowPrimitiveType>::Native;

#[derive(Default)]
struct Seen(Vec<Result<String, (RecordFault, String)>>);

fn text(row: &impl Record) -> String {
    let mut scratch = Vec::new();
    let text = match row.cell(0, &mut scratch) {
        Cell::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
        Cell::Nested(_) => "(nested)".to_owned(),
        Cell::Unrepresentable { text, value } => {
            let [text, value] = [text, value].map(String::from_utf8_lossy);
            format!("{text} without {value}")
        }
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
    assert_eq!(
        visit(&Columns::whole(batch.clone()), DayTime::NOON, &mut seen),
        batch.num_rows() as u64
    );
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
        ["1000000000000000000000", "0", "", " without inf", "", "0.1"]
    );
    let singles = vec![Some(f32::NEG_INFINITY), Some(-0.0), Some(f32::NAN)];
    assert_eq!(
        cells(Float32Array::from(singles)),
        [" without -inf", "0", ""]
    );
    let most = Wide::from_string(&"9".repeat(76)).unwrap();
    let decimal = Decimal256Array::from(vec![most, Wide::from_i128(-5)]);
    let expected = format!("{}.{}", "9".repeat(46), "9".repeat(30));
    assert_eq!(
        cells(decimal.with_precision_and_scale(76, 30).unwrap()),
        [expected, format!("-0.{}5", "0".repeat(29))]
    );
    let decimal = Decimal128Array::from(vec![10_i128.pow(38) - 1]);
    assert_eq!(
        cells(decimal.with_precision_and_scale(38, 0).unwrap()),
        ["9".repeat(38)]
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

/// The first and the last second that a text of four digits for the year stands for.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;

#[test]
fn years_one_to_9999_are_told_whole_and_others_are_left_out() {
    let ends = ["0001-01-01 00:00:00", "9999-12-31 23:59:59"];
    let beyond = [
        " without -62135596801 s since 1970-01-01",
        " without 253402300800 s since 1970-01-01",
    ];
    let seconds = [FIRST_SECOND, LAST_SECOND, FIRST_SECOND - 1, LAST_SECOND + 1];
    let expected = [ends, beyond].concat();
    let of = |unit: i64| seconds.map(|second| second * unit).to_vec();
    assert_eq!(cells(TimestampSecondArray::from(of(1))), expected);
    assert_eq!(cells(TimestampMillisecondArray::from(of(1_000))), expected);
    let micros = TimestampMicrosecondArray::from(of(1_000_000));
    assert_eq!(cells(micros.clone()), expected);
    assert_eq!(cells(micros.with_timezone("+02:00")), expected);
    let days = vec![
        Some(0),
        Some(-1),
        Some(-719_162),
        Some(2_932_896),
        None,
        Some(2_932_897),
    ];
    assert_eq!(
        cells(Date32Array::from(days)),
        [
            "1970-01-01 12:00:00",
            "1969-12-31 12:00:00",
            "0001-01-01 12:00:00",
            "9999-12-31 12:00:00",
            "",
            " without 253402344000 s since 1970-01-01",
        ]
    );
    assert_eq!(
        cells(Date64Array::from(vec![86_400_000])),
        ["1970-01-02 12:00:00"]
    );
    // A Date64 may have a time, against the standard.
    assert_eq!(
        cells(Date64Array::from(vec![86_400_000 + 3_600_000])),
        ["1970-01-02 01:00:00"]
    );
    let infinite = Date32Array::from(vec![i32::MAX, i32::MIN]);
    assert!(cells(infinite).iter().all(|it| it.starts_with(" without ")));
    let infinite = TimestampMicrosecondArray::from(vec![i64::MAX, i64::MIN]);
    assert!(cells(infinite).iter().all(|it| it.starts_with(" without ")));
}

#[test]
fn fractions_of_a_second_are_cut_off_downwards() {
    let micros = vec![Some(-1), Some(1_999_999), None];
    let expected = ["1969-12-31 23:59:59", "1970-01-01 00:00:01", ""];
    assert_eq!(cells(TimestampMicrosecondArray::from(micros)), expected);
    assert_eq!(
        cells(TimestampNanosecondArray::from(vec![-1, 0])),
        ["1969-12-31 23:59:59", "1970-01-01 00:00:00"]
    );
}

#[test]
fn times_of_day_reach_from_midnight_to_midnight() {
    let micros = vec![
        47_655_000_000,
        0,
        86_400_000_000,
        1,
        1_500_000,
        -1,
        86_400_000_001,
    ];
    assert_eq!(
        cells(Time64MicrosecondArray::from(micros)),
        [
            "13:14:15",
            "00:00:00",
            "24:00:00",
            "00:00:00.000001",
            "00:00:01.5",
            " without -1 s since midnight",
            " without 86400 s since midnight",
        ]
    );
    assert_eq!(cells(Time32SecondArray::from(vec![86_399])), ["23:59:59"]);
    assert_eq!(
        cells(Time32MillisecondArray::from(vec![86_400_000])),
        ["24:00:00"]
    );
    assert_eq!(
        cells(Time64NanosecondArray::from(vec![120_000_000])),
        ["00:00:00.12"]
    );
}

#[test]
fn durations_and_intervals_are_periods() {
    let micros = vec![
        Some(5_000_000),
        Some(0),
        None,
        Some(-1),
        Some(90_061_500_000),
    ];
    assert_eq!(
        cells(DurationMicrosecondArray::from(micros)),
        ["PT5S", "PT0S", "", "PT-0.000001S", "PT25H1M1.5S"]
    );
    assert_eq!(cells(DurationSecondArray::from(vec![3_600])), ["PT1H"]);
    let whole = [
        (14, 3, 14_706_700_000_000, "P1Y2M3DT4H5M6.7S"),
        (0, 0, 0, "PT0S"),
        (-14, 3, -1_000_000_000, "P-1Y-2M3DT-1S"),
        (12, 0, 0, "P1Y"),
        (0, 1, 1, "P1DT0.000000001S"),
    ];
    for (months, days, nanos, expected) in whole {
        let value = IntervalMonthDayNano::new(months, days, nanos);
        assert_eq!(
            cells(IntervalMonthDayNanoArray::from(vec![value])),
            [expected]
        );
    }
    assert_eq!(cells(IntervalYearMonthArray::from(vec![-14])), ["P-1Y-2M"]);
    let value = IntervalDayTime::new(3, 1_500);
    assert_eq!(cells(IntervalDayTimeArray::from(vec![value])), ["P3DT1.5S"]);
    let mut bytes = FixedSizeBinaryBuilder::new(12);
    let value = [14_u32, 3, 14_706_700].map(u32::to_le_bytes).concat();
    bytes.append_value(value).unwrap();
    bytes.append_null();
    let intervals: ArrayRef = Arc::new(bytes.finish());
    let marked = with(EXTENSION, PARQUET_INTERVAL, &intervals);
    let seen = visited(marked, intervals).0;
    assert_eq!(seen, [Ok("P1Y2M3DT4H5M6.7S".to_owned()), Ok(String::new())]);
}

#[test]
fn lists_tell_their_items_by_the_same_rules() {
    let mut days = ListBuilder::new(Date32Builder::new());
    days.append_value([Some(0), Some(i32::MAX), None]);
    days.append_value([Some(1)]);
    let shown = cells(days.finish());
    let start = "[\"1970-01-01 12:00:00\",null,null] without ";
    assert!(shown[0].starts_with(start), "{shown:?}");
    assert_eq!(shown[1], "[\"1970-01-02 12:00:00\"]");
    let mut floats = ListBuilder::new(Float64Builder::new());
    floats.append_value([Some(1.5), Some(f64::INFINITY), Some(f64::NAN)]);
    assert_eq!(cells(floats.finish()), ["[1.5,null,null] without inf"]);
    let mut nested = ListBuilder::new(ListBuilder::new(Float64Builder::new()));
    nested
        .values()
        .append_value([Some(1.0), Some(f64::NEG_INFINITY)]);
    nested.append(true);
    assert_eq!(cells(nested.finish()), ["[[1,null]] without -inf"]);
    let mut times = ListBuilder::new(Time64MicrosecondBuilder::new());
    times.append_value([Some(86_400_000_000)]);
    assert_eq!(cells(times.finish()), ["[\"24:00:00\"]"]);
}

#[test]
fn uuids_and_bytes_in_lists_are_texts_or_faults() {
    let item = Field::new("item", DataType::FixedSizeBinary(16), true).with_metadata(
        HashMap::from([(EXTENSION.to_owned(), "arrow.uuid".to_owned())]),
    );
    let mut uuids = ListBuilder::new(FixedSizeBinaryBuilder::new(16)).with_field(item);
    uuids.values().append_value(*b"abcdefghijklmnop").unwrap();
    uuids.values().append_null();
    uuids.append(true);
    assert_eq!(
        cells(uuids.finish()),
        ["[\"61626364-6566-6768-696a-6b6c6d6e6f70\",null]"]
    );
    let mut blobs = ListBuilder::new(BinaryBuilder::new());
    blobs.append_value([Some(b"a".as_slice()), None]);
    blobs.append_value([Some(b"\xff\xfe".as_slice())]);
    blobs.append_value([Some(b"a\0".as_slice())]);
    let array: ArrayRef = Arc::new(blobs.finish());
    let seen = visited(field(&array), array).0;
    assert_eq!(seen[0], Ok("[\"a\",null]".to_owned()));
    assert!(matches!(seen[1], Err((RecordFault::InvalidEncoding, _))));
    assert_eq!(seen[2], Ok("[\"a\\u0000\"]".to_owned()));
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
        ["1970-01-01 12:00:00", "", "1970-01-01 12:00:00"]
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
        [
            Ok("1.50".to_owned()),
            Ok(String::new()),
            Ok(" without -Infinity".to_owned())
        ]
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
