//! Parquet files as an audience: the same rows as CSV give the same parts, typed values follow the rules, and nothing is
//! read that is not mapped. Files are written by the `parquet` crate's own writer.
#![cfg(all(feature = "sandbox", feature = "parquet"))]
#![allow(
    clippy::unwrap_used,
    clippy::format_collect,
    clippy::too_many_lines,
    reason = "the helpers of tests may panic as well; audiences are made of text, and tables of values are long"
)]

use crate::support::workspace;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{ListBuilder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array,
    RecordBatch, StringArray, StructArray, TimestampMicrosecondArray,
};
use arrow_schema::{DataType, Field};
use klaviyo_export_sandbox::api::PlanUsage;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::data_type::{
    ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use serde_json::json;
use workspace::{Workspace, rows};

const JOB: &str = "[audience]\nfiles = [\"a.parquet\"]\n[columns]\nemail = \"Email\"\nphone = \"PhoneNumber\"\n\
                   name = \"FirstName\"\ntier = \"Tier\"\n[normalize]\ndefault-region = \"US\"\nmax-rejected = { percent = 100, rows = 1000000 }\n";

/// Writes `batch` with row groups of `group_rows` rows.
fn write(path: &Path, batch: &RecordBatch, compression: Compression, group_rows: usize) {
    let properties = WriterProperties::builder()
        .set_compression(compression)
        .set_max_row_group_row_count(Some(group_rows))
        .build();
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
}

fn texts(values: impl Iterator<Item = Option<String>>) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap()
}

/// The cells of row `number`: good ones, refused ones, duplicates, nulls, and what CSV quotes.
fn row(number: usize) -> [Option<String>; 4] {
    let email = match number % 50 {
        7 => None,
        8 => Some("nobody".to_owned()),
        9 => Some("Same@Example.com".to_owned()),
        _ => Some(format!(" Person-{number}@Example.com ")),
    };
    let phone = number
        .is_multiple_of(3)
        .then(|| format!("(650) 253-{:04}", number % 10_000));
    let name = match number % 4 {
        0 => Some("Zoë, \"Z\" 🎉".to_owned()),
        1 => Some("two\nlines".to_owned()),
        2 => None,
        _ => Some(String::new()),
    };
    [email, phone, name, Some(format!("tier {}", number % 7))]
}

fn people(count: usize) -> RecordBatch {
    let names = ["email", "phone", "name", "tier"];
    let columns = names.iter().enumerate().map(|(column, name)| {
        (
            *name,
            texts((0..count).map(|number| row(number)[column].clone())),
        )
    });
    batch(columns.collect())
}

fn people_as_csv(count: usize) -> String {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer
        .write_record(["email", "phone", "name", "tier"])
        .unwrap();
    for number in 0..count {
        writer
            .write_record(row(number).map(Option::unwrap_or_default))
            .unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

/// The parts, rejects and repairs of a dry run of `job`, and its report.
fn dry_run(workspace: &Workspace, job: &str) -> (Vec<String>, String, serde_json::Value) {
    let report = workspace
        .run(&["run", job, "--dry-run", "--json"])
        .exits(0)
        .report();
    let run = workspace.path(&format!(
        "state/{}/runs/{}",
        report["job"].as_str().unwrap(),
        report["run_id"].as_str().unwrap()
    ));
    let mut parts: Vec<_> = std::fs::read_dir(run.join("parts"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    parts.sort();
    let parts = parts
        .iter()
        .map(|path| std::fs::read_to_string(path).unwrap());
    let rejects = std::fs::read_to_string(run.join("rejects.csv")).unwrap_or_default();
    (parts.collect(), rejects, report)
}

#[test]
fn the_same_rows_as_csv_and_as_parquet_give_the_same_parts() {
    let count = 60_000;
    let workspace = Workspace::with(&[("a.csv", &people_as_csv(count))]);
    let limits = "[parts]\nmax-rows = 9000\n";
    workspace.job(
        "csv",
        &format!("{}{limits}", JOB.replace("a.parquet", "a.csv")),
        None,
    );
    let (expected, rejects, report) = dry_run(&workspace, "csv.toml");
    assert!(expected.len() > 3 && report["rows_rejected"].as_u64().unwrap() > 1_000);
    let table = people(count);
    for (index, compression) in [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(parquet::basic::GzipLevel::default()),
        Compression::LZ4_RAW,
        Compression::LZ4,
        Compression::BROTLI(parquet::basic::BrotliLevel::default()),
        Compression::ZSTD(ZstdLevel::default()),
    ]
    .into_iter()
    .enumerate()
    {
        // Many row groups of an odd size, and one for all.
        let group_rows = [7_919, 100_000][index % 2];
        write(
            &workspace.path("a.parquet"),
            &table,
            compression,
            group_rows,
        );
        let name = format!("parquet{index}");
        workspace.job(&name, &format!("{JOB}{limits}"), None);
        let (parts, same_rejects, same_report) = dry_run(&workspace, &format!("{name}.toml"));
        assert!(parts == expected, "{compression:?}");
        assert_eq!(same_rejects.replace("a.parquet", "a.csv"), rejects);
        for key in [
            "rows_read",
            "rows_written",
            "rows_rejected",
            "duplicates",
            "repairs",
        ] {
            assert_eq!(same_report[key], report[key], "{key}");
        }
    }
}

#[test]
fn typed_values_become_the_text_that_klaviyo_reads() {
    let workspace = Workspace::new();
    let mut tags = ListBuilder::new(StringBuilder::new());
    tags.append_value([Some("a"), Some("b \"c\"")]);
    tags.append_null();
    tags.append_value([None::<&str>]);
    let mut dictionary = StringDictionaryBuilder::<Int32Type>::new();
    for value in ["gold", "silver", "gold"] {
        dictionary.append_value(value);
    }
    let nested = StructArray::from(vec![(
        Arc::new(Field::new("x", DataType::Int64, true)),
        Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef,
    )]);
    let emails = (0..3).map(|number| Some(format!("p{number}@example.com")));
    let table = batch(vec![
        ("email", texts(emails)),
        (
            "vip",
            Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])),
        ),
        (
            "visits",
            Arc::new(Int64Array::from(vec![Some(-7), Some(0), None])),
        ),
        (
            "score",
            Arc::new(Float64Array::from(vec![
                Some(0.1),
                Some(1e21),
                Some(f64::NAN),
            ])),
        ),
        (
            "spent",
            Arc::new(
                Decimal128Array::from(vec![Some(1250), Some(-5), None])
                    .with_precision_and_scale(10, 2)
                    .unwrap(),
            ),
        ),
        (
            "born",
            Arc::new(Date32Array::from(vec![Some(0), Some(-1), None])),
        ),
        (
            "seen",
            Arc::new(
                TimestampMicrosecondArray::from(vec![
                    Some(1_767_225_599_999_999),
                    Some(-1),
                    Some(i64::MAX),
                ])
                .with_timezone("Europe/Berlin"),
            ),
        ),
        (
            "local",
            Arc::new(TimestampMicrosecondArray::from(vec![
                Some(0),
                Some(86_400_000_000),
                None,
            ])),
        ),
        ("tags", Arc::new(tags.finish())),
        ("tier", Arc::new(dictionary.finish())),
        (
            "plain_bytes",
            Arc::new(BinaryArray::from_vec(vec![b"abc", "Zoë".as_bytes(), b""])),
        ),
        ("nested", Arc::new(nested)),
    ]);
    write(&workspace.path("a.parquet"), &table, Compression::SNAPPY, 2);
    let columns: String = [
        "vip",
        "visits",
        "score",
        "spent",
        "born",
        "seen",
        "local",
        "tags",
        "tier",
        "plain_bytes",
    ]
    .iter()
    .map(|name| format!("{name} = \"x {name}\"\n"))
    .collect();
    let job = |more: &str| {
        format!(
            "[audience]\nfiles = [\"a.parquet\"]\n[columns]\nemail = \"Email\"\n{columns}{more}"
        )
    };
    workspace.job("typed", &job(""), None);
    let (parts, _, _) = dry_run(&workspace, "typed.toml");
    let found = rows(&parts[0]);
    let expected = [
        ("vip", ["True", "False", ""]),
        ("visits", ["-7", "0", ""]),
        ("score", ["0.1", "1000000000000000000000", ""]),
        ("spent", ["12.50", "-0.05", ""]),
        ("born", ["1970-01-01 12:00:00", "1969-12-31 12:00:00", ""]),
        ("seen", ["2025-12-31 23:59:59", "1969-12-31 23:59:59", ""]),
        ("local", ["1970-01-01 00:00:00", "1970-01-02 00:00:00", ""]),
        ("tags", ["[\"a\",\"b \\\"c\\\"\"]", "", "[null]"]),
        ("tier", ["gold", "silver", "gold"]),
        ("plain_bytes", ["abc", "Zoë", ""]),
    ];
    for (name, values) in expected {
        let column: Vec<&str> = found
            .iter()
            .map(|row| row[&format!("x {name}")].as_str())
            .collect();
        assert_eq!(column, values, "{name}");
    }
    workspace.job(
        "nested",
        &job("nested = \"Nested\"\n[normalize]\nmax-rejected = { percent = 100, rows = 9 }\n"),
        None,
    );
    workspace
        .run(&["run", "nested.toml", "--dry-run", "--json"])
        .reports(&[
            ("rows_rejected", json!(3)),
            ("rejections", json!({"nested-value": 3})),
        ]);
}

#[test]
fn columns_that_are_not_mapped_are_not_read() {
    let workspace = Workspace::new();
    let table = batch(vec![
        (
            "email",
            texts((0..1000).map(|number| Some(format!("p{number}@example.com")))),
        ),
        (
            "secret",
            texts((0..1000).map(|number| Some(format!("secret {number}")))),
        ),
    ]);
    let path = workspace.path("a.parquet");
    write(&path, &table, Compression::UNCOMPRESSED, 100_000);
    // What is not mapped is made unreadable.
    let reader = SerializedFileReader::new(File::open(&path).unwrap()).unwrap();
    let (start, length) = reader.metadata().row_group(0).column(1).byte_range();
    let (start, length) = (
        usize::try_from(start).unwrap(),
        usize::try_from(length).unwrap(),
    );
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[start..start + length].fill(0xff);
    std::fs::write(&path, bytes).unwrap();
    let job = |more: &str| {
        format!("[audience]\nfiles = [\"a.parquet\"]\n[columns]\nemail = \"Email\"\n{more}")
    };
    workspace.job("some", &job(""), None);
    workspace.job("all", &job("secret = \"Secret\"\n"), None);
    let (parts, _, _) = dry_run(&workspace, "some.toml");
    assert_eq!(rows(&parts[0]).len(), 1000);
    let failed = workspace.run(&["run", "all.toml", "--dry-run"]).exits(12);
    assert!(
        failed
            .error()
            .contains("a.parquet: this Parquet file cannot be read"),
        "{}",
        failed.error()
    );
}

#[test]
fn what_is_no_parquet_is_told() {
    let workspace = Workspace::new();
    write(
        &workspace.path("whole.parquet"),
        &people(100),
        Compression::SNAPPY,
        50,
    );
    let whole = std::fs::read(workspace.path("whole.parquet")).unwrap();
    workspace.write("cut.parquet", &whole[..whole.len() - 9]);
    workspace.write("text.parquet", "email\na@example.com\n");
    workspace.write("empty.parquet", "");
    for name in ["cut.parquet", "text.parquet", "empty.parquet"] {
        let failed = workspace.run(&["preview", name]).exits(12);
        assert!(
            failed
                .error()
                .contains(&format!("{name}: this Parquet file cannot be read")),
            "{}",
            failed.error()
        );
    }
    // By its first bytes, whatever its name.
    workspace.write("whole.csv", &whole);
    workspace.run(&["preview", "whole.csv"]).exits(0);
    let streamed = workspace
        .run_with_stdin(&["preview", "-"], &whole)
        .exits(12);
    assert!(
        streamed.error().contains("Parquet is read only from files"),
        "{}",
        streamed.error()
    );
}

#[test]
fn every_command_takes_parquet() {
    let workspace = Workspace::new();
    write(
        &workspace.path("a.parquet"),
        &people(5_000),
        Compression::SNAPPY,
        1_000,
    );
    let drafted = workspace
        .run(&["init", "a.parquet", "--name", "made"])
        .exits(0);
    assert!(
        drafted.stdout.contains("email = \"Email\"")
            && drafted.stdout.contains("phone = \"PhoneNumber\"")
    );
    workspace.write(
        "made.toml",
        drafted.stdout.replace("# default-region", "default-region"),
    );
    let preview = workspace.run(&["preview", "made.toml"]).exits(0);
    let head = preview.stdout.lines().next().unwrap();
    assert!(
        head.contains(": Parquet, ") && head.ends_with(" columns"),
        "{head}"
    );
    let preview = workspace
        .run(&["preview", "made.toml", "--json"])
        .exits(0)
        .report();
    assert_eq!(preview["sources"][0]["format"], "parquet");
    workspace.job("vip", JOB, None);
    let estimated = workspace
        .run(&["estimate", "vip.toml", "--limit", "1000", "--json"])
        .exits(0)
        .report();
    let (_, _, ran) = dry_run(&workspace, "vip.toml");
    let (guessed, written) = (
        estimated["rows"].as_f64().unwrap(),
        ran["rows_written"].as_f64().unwrap(),
    );
    assert!(
        (guessed / written - 1.0).abs() < 0.02,
        "{guessed} for {written}"
    );
    let checked = workspace.run(&["check", "vip.toml"]);
    assert!(
        checked.stdout.contains("a.parquet: Parquet, 4 columns"),
        "{}",
        checked.stdout
    );
}

#[test]
fn rejects_of_typed_columns_are_rejected_again_as_they_were_and_sent_when_they_are_mended() {
    let id = ["k1", "k2", "k3"].map(|id| Some(id.to_owned()));
    let inner: ArrayRef = texts([Some("a".to_owned()), None, None].into_iter());
    let is_there = arrow_schema::Fields::from(vec![Field::new("first", DataType::Utf8, true)]);
    let nested: ArrayRef = Arc::new(StructArray::new(
        is_there,
        vec![inner],
        Some(vec![true, false, false].into()),
    ));
    let raw = BinaryArray::from_opt_vec(vec![None, Some(&b"M\xfcller"[..]), None]);
    let long = [None, None, Some("\u{e9}".repeat(500_001))];
    let table = batch(vec![
        ("id", texts(id.into_iter())),
        ("nested", nested),
        ("raw", Arc::new(raw)),
        ("long", texts(long.into_iter())),
    ]);
    let workspace = Workspace::new();
    write(
        &workspace.path("a.parquet"),
        &table,
        Compression::UNCOMPRESSED,
        10,
    );
    let job = |file: &str| {
        let columns = "id = \"ExternalID\"\nnested = \"Nested\"\nraw = \"Raw\"\nlong = \"Long\"\n";
        let body =
            format!("[audience]\nfiles = [\"{file}\"]\non-empty = \"skip\"\n[columns]\n{columns}");
        workspace.job("typed", &body, None)
    };
    let (_, rejects, report) = dry_run(&workspace, &job("a.parquet"));
    let all = json!({"nested-value": 1, "invalid-encoding": 1, "record-too-long": 1});
    assert_eq!(report["rejections"], all);
    let kept = rows(&rejects);
    assert_eq!(kept[0]["nested"], "{first: a}");
    assert_eq!(kept[1]["raw"], "M\\xFCller");
    assert_eq!(kept[2]["long"], "\u{e9}".repeat(500));
    assert_eq!(
        kept[2]["_detail"],
        "the record is longer than 1000000 bytes: it has 1000004, and its beginning is here"
    );
    workspace.write("back.csv", &rejects);
    let (parts, again, report) = dry_run(&workspace, &job("back.csv"));
    assert_eq!((parts.len(), &report["rejections"]), (0, &all));
    assert_eq!(again.replace("back.csv", "a.parquet"), rejects);
    let mended = rejects
        .replace("{first: a}", "a")
        .replace("M\\xFCller", "M\u{fc}ller")
        .replace(&"\u{e9}".repeat(500), "short");
    workspace.write("back.csv", mended);
    let (parts, _, _) = dry_run(&workspace, &job("back.csv"));
    let lines: Vec<&str> = parts[0].lines().skip(1).collect();
    assert_eq!(
        lines,
        ["\"k1\",a,,", "\"k2\",,M\u{fc}ller,", "\"k3\",,,short"]
    );
}

#[test]
fn a_row_is_blank_only_if_columns_that_are_not_read_are_too() {
    blank_rows_are_told("Żółw");
}

/// Fewer rows of long texts are decoded at once than of the short ones beside them.
#[test]
fn a_row_is_blank_only_if_long_columns_that_are_not_read_are_too() {
    blank_rows_are_told(&"Żółw".repeat(2_000));
}

/// The rows without an address are blank, but for those whose note is this text.
fn blank_rows_are_told(text: &str) {
    // More than one batch of a row group, and more than one group.
    let count = 20_000;
    let email = |n: usize| (n % 10 < 7).then(|| format!("p{n}@example.com"));
    let note = |n: usize| match n % 10 {
        8 => Some(" \u{a0}".to_owned()),
        9 => Some(text.to_owned()),
        _ => None,
    };
    let score = |n: usize| (n % 10 == 8).then_some(f64::NAN);
    let table = batch(vec![
        ("email", texts((0..count).map(email))),
        ("note", texts((0..count).map(note))),
        (
            "score",
            Arc::new((0..count).map(score).collect::<Float64Array>()),
        ),
    ]);
    let workspace = Workspace::new();
    write(
        &workspace.path("a.parquet"),
        &table,
        Compression::SNAPPY,
        15_000,
    );
    for more in ["", "note = \"Note\"\nscore = \"Score\"\n"] {
        let rules = "[normalize]\nmax-rejected = { percent = 50, rows = 1000000 }\n";
        let body = format!(
            "[audience]\nfiles = [\"a.parquet\"]\n[columns]\nemail = \"Email\"\n{more}{rules}"
        );
        workspace.job("vip", &body, None);
        let (_, rejects, report) = dry_run(&workspace, "vip.toml");
        for (key, value) in [
            ("rows_read", 16_000),
            ("rows_blank", 4_000),
            ("rows_written", 14_000),
            ("rows_rejected", 2_000),
        ] {
            assert_eq!(report[key], value, "{key} with {more:?}");
        }
        assert_eq!(rows(&rejects)[0]["_record"], "10");
        let preview = workspace.run(&["preview", "vip.toml", "--limit", "all", "--json"]);
        assert_eq!(preview.exits(0).report()["rows_blank"]["count"], 4_000);
    }
}

/// A file of one row group with one column of this type, written without Arrow's types.
fn write_plain<T: parquet::data_type::DataType>(path: &Path, column: &str, values: &[T::T]) {
    let text = format!("message rows {{ required binary email (UTF8); required {column}; }}");
    let schema = parquet::schema::parser::parse_message_type(&text).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::default()).unwrap();
    let mut group = writer.next_row_group().unwrap();
    let emails = (0..values.len()).map(|n| format!("p{n}@example.com").into_bytes().into());
    let emails: Vec<ByteArray> = emails.collect();
    let mut column = group.next_column().unwrap().unwrap();
    let typed = column.typed::<ByteArrayType>();
    typed.write_batch(&emails, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    writer.close().unwrap();
}

/// The cells that leave of the second column of the file, and the report.
fn column_of(workspace: &Workspace, name: &str) -> (Vec<String>, serde_json::Value) {
    let body = format!(
        "[audience]\nfiles = [\"a.parquet\"]\n[columns]\nemail = \"Email\"\n{name} = \"X\"\n"
    );
    workspace.job("vip", &body, None);
    let (parts, _, report) = dry_run(workspace, "vip.toml");
    let found = rows(&parts[0]).into_iter().map(|row| row["X"].clone());
    (found.collect(), report)
}

/// A time stamp of 96 bits: nanoseconds of the day, and the Julian day.
fn int96(day: i64, nanos: u64) -> Int96 {
    let julian = u32::try_from(day + 2_440_588).unwrap();
    let mut value = Int96::new();
    let [low, high] = [nanos & 0xffff_ffff, nanos >> 32].map(|half| u32::try_from(half).unwrap());
    value.set_data(low, high, julian);
    value
}

#[test]
fn time_stamps_of_96_bits_are_whole_from_year_one_to_9999() {
    let workspace = Workspace::new();
    let last = 86_399_999_999_999;
    let days = [
        (-719_162, 0, "0001-01-01 00:00:00"),
        (-171_664, 0, "1500-01-01 00:00:00"),
        (-106_753, last, "1677-09-20 23:59:59"),
        (0, 1_000_000_000, "1970-01-01 00:00:01"),
        (106_752, 0, "2262-04-12 00:00:00"),
        (2_932_896, last, "9999-12-31 23:59:59"),
        (2_932_897, 0, ""),
    ];
    let values: Vec<Int96> = days
        .iter()
        .map(|(day, nanos, _)| int96(*day, *nanos))
        .collect();
    write_plain::<Int96Type>(&workspace.path("a.parquet"), "int96 seen", &values);
    let (found, report) = column_of(&workspace, "seen");
    assert_eq!(found, days.map(|(_, _, text)| text));
    assert_eq!(report["repairs"], json!({"unrepresentable": 1}));
    let repairs = workspace.of_last_run("vip", "repairs.csv");
    assert!(repairs.contains(",seen,unrepresentable,"), "{repairs}");
}

#[test]
fn uuids_and_intervals_are_told_by_the_schema() {
    let workspace = Workspace::new();
    let fixed = |bytes: &[u8]| FixedLenByteArray::from(bytes.to_vec());
    let path = workspace.path("a.parquet");
    let uuid = "fixed_len_byte_array(16) id (UUID)";
    write_plain::<FixedLenByteArrayType>(&path, uuid, &[fixed(b"abcdefghijklmnop")]);
    let (found, _) = column_of(&workspace, "id");
    assert_eq!(found, ["61626364-6566-6768-696a-6b6c6d6e6f70"]);
    let interval = "fixed_len_byte_array(12) term (INTERVAL)";
    let bytes = [14_u32, 3, 14_706_700].map(u32::to_le_bytes).concat();
    write_plain::<FixedLenByteArrayType>(&path, interval, &[fixed(&bytes), fixed(&[0; 12])]);
    let (found, report) = column_of(&workspace, "term");
    assert_eq!(found, ["P1Y2M3DT4H5M6.7S", "PT0S"]);
    assert_eq!(report["repairs"], json!({}));
}

#[test]
fn durations_are_told_by_what_the_writer_noted() {
    let workspace = Workspace::new();
    let spans = vec![Some(5_000_000), None, Some(-90_061_500_000)];
    let mut lists = ListBuilder::new(arrow_array::builder::DurationSecondBuilder::new());
    lists.append_value([Some(5)]);
    lists.append_null();
    lists.append_value([None]);
    let table = batch(vec![
        (
            "email",
            texts((0..3).map(|n| Some(format!("p{n}@example.com")))),
        ),
        (
            "span",
            Arc::new(arrow_array::DurationMicrosecondArray::from(spans)),
        ),
        ("spans", Arc::new(lists.finish())),
    ]);
    write(
        &workspace.path("a.parquet"),
        &table,
        Compression::SNAPPY,
        10,
    );
    let (found, _) = column_of(&workspace, "span");
    assert_eq!(found, ["PT5S", "", "PT-25H-1M-1.5S"]);
    let (found, _) = column_of(&workspace, "spans");
    assert_eq!(found, ["[\"PT5S\"]", "", "[null]"]);
}

#[test]
fn check_compares_the_rows_of_a_file_with_the_plan() {
    let workspace = Workspace::new();
    let emails = (0..30).map(|number| Some(format!("n{number}@example.com")));
    let rows = batch(vec![("email", texts(emails))]);
    write(&workspace.path("a.parquet"), &rows, Compression::SNAPPY, 10);
    let server = workspace.server();
    let api = server.0.api();
    let job = format!(
        "[audience]\nfiles = [\"a.parquet\"]\n[columns]\nemail = \"Email\"\n[list]\nname = \"VIP\"\ncreate = true\n{}",
        server.api_section()
    );
    workspace.job("vip", &job, Some(&server));
    for (used, status) in [(70, "ok"), (71, "warn")] {
        api.set_plan(vec![PlanUsage::new(
            "active_profiles",
            "profiles",
            used,
            100,
        )]);
        let findings = workspace.run(&["check", "vip.toml", "--json"]).exits(0);
        let findings = findings.report();
        let checks = findings["checks"].as_array().unwrap();
        let plan = checks.iter().find(|it| it["name"] == "plan").unwrap();
        assert_eq!(plan["status"], status, "{plan}");
        let notes = plan["notes"].to_string();
        assert_eq!(
            notes.contains("30 rows are at most"),
            status == "warn",
            "{notes}"
        );
    }
}
