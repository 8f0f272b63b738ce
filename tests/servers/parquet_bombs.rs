//! Parquet files that would take all memory: small files with pages of any size, and pages that are longer than they say.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::io::Write as _;
use std::sync::Arc;

use parquet::basic::{Compression, GzipLevel, Repetition, Type as PhysicalType, ZstdLevel};
use parquet::column::writer::ColumnCloseResult;
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor, Type, TypePtr};

use crate::hostile::{Measured, measure};
use crate::support::workspace::Workspace;

/// The columns beside `email`.
const NOTES: usize = 8;

/// A schema of texts: `email`, and `note0` and so on.
fn schema() -> TypePtr {
    let names = std::iter::once("email".to_owned());
    let names = names.chain((0..NOTES).map(|number| format!("note{number}")));
    let field = |name: String| {
        let field = Type::primitive_type_builder(&name, PhysicalType::BYTE_ARRAY);
        let field = field.with_converted_type(parquet::basic::ConvertedType::UTF8);
        Arc::new(field.with_repetition(Repetition::REQUIRED).build().unwrap())
    };
    let root = Type::group_type_builder("schema").with_fields(names.map(field).collect());
    Arc::new(root.build().unwrap())
}

/// A number in zigzag and in groups of seven bits.
fn number(value: usize) -> Vec<u8> {
    let (mut rest, mut bytes) = (value << 1, Vec::new());
    while rest >= 0x80 {
        bytes.push(0x80 | u8::try_from(rest & 0x7f).unwrap());
        rest >>= 7;
    }
    bytes.push(u8::try_from(rest).unwrap());
    bytes
}

/// A page of so many texts without nulls, which says that it is so long in memory.
fn page(texts: usize, unpacked: usize, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x15, 0];
    for value in [unpacked, body.len()] {
        bytes.extend([vec![0x15], number(value)].concat());
    }
    // Plain values; levels in runs.
    bytes.extend(
        [
            vec![0x2c, 0x15],
            number(texts),
            vec![0x15, 0, 0x15, 6, 0x15, 6, 0, 0],
        ]
        .concat(),
    );
    bytes.extend(body);
    bytes
}

/// A column chunk of one page.
fn chunk(
    column: ColumnDescPtr,
    codec: Compression,
    texts: usize,
    page: &[u8],
) -> ColumnCloseResult {
    let length = i64::try_from(page.len()).unwrap();
    let metadata = ColumnChunkMetaData::builder(column)
        .set_compression(codec)
        .set_num_values(i64::try_from(texts).unwrap())
        .set_data_page_offset(0)
        .set_total_compressed_size(length)
        .set_total_uncompressed_size(length);
    ColumnCloseResult {
        bytes_written: page.len() as u64,
        rows_written: texts as u64,
        metadata: metadata.build().unwrap(),
        bloom_filter: None,
        column_index: None,
        offset_index: None,
    }
}

fn emails(rows: usize) -> Vec<String> {
    (0..rows).map(|row| format!("n{row}@example.com")).collect()
}

/// Writes `vip.parquet` with these addresses, in which every column of notes is this page, and a job that sends all of it.
fn write(workspace: &Workspace, codec: Compression, emails: &[String], page: &[u8]) {
    write_file(workspace, codec, emails, page);
    let notes = (0..NOTES).map(|number| format!("note{number} = \"Note {number}\""));
    let notes = notes.collect::<Vec<_>>().join("\n");
    workspace.write(
        "vip.toml",
        format!(
            "name = \"vip\"\n[audience]\nfiles = [\"vip.parquet\"]\n[columns]\nemail = \"Email\"\n{notes}"
        ),
    );
}

fn write_file(workspace: &Workspace, codec: Compression, emails: &[String], page: &[u8]) {
    let rows = emails.len();
    let file = std::fs::File::create(workspace.path("vip.parquet")).unwrap();
    let properties = WriterProperties::builder().set_compression(codec).build();
    let descriptor = SchemaDescriptor::new(schema());
    let mut writer = SerializedFileWriter::new(file, schema(), Arc::new(properties)).unwrap();
    let mut row_group = writer.next_row_group().unwrap();
    let emails = emails.iter().map(|email| ByteArray::from(email.as_str()));
    let emails: Vec<ByteArray> = emails.collect();
    let mut column = row_group.next_column().unwrap().unwrap();
    let typed = column.typed::<ByteArrayType>();
    typed.write_batch(&emails, None, None).unwrap();
    column.close().unwrap();
    let bytes = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(bytes.path(), page).unwrap();
    for index in 1..=NOTES {
        let close = chunk(descriptor.column(index), codec, rows, page);
        row_group.append_column(bytes.as_file(), close).unwrap();
    }
    row_group.close().unwrap();
    writer.close().unwrap();
}

/// A dry run, and its output.
fn run(workspace: &Workspace) -> (Measured, String) {
    let output = workspace.path("output");
    let measured = measure(&output, &["run", "--dry-run", "--json"], workspace);
    (measured, std::fs::read_to_string(&output).unwrap())
}

/// Plain values: so many texts of `length` letters.
fn texts(rows: usize, length: usize) -> Vec<u8> {
    let text = [
        u32::try_from(length).unwrap().to_le_bytes().to_vec(),
        vec![b'a'; length],
    ];
    text.concat().repeat(rows)
}

#[test]
fn many_columns_of_huge_pages_are_refused_before_they_are_unpacked() {
    let workspace = Workspace::new();
    let body = texts(160, 1_000_000);
    let packed = zstd::bulk::compress(&body, 1).unwrap();
    let codec = Compression::ZSTD(ZstdLevel::default());
    write(
        &workspace,
        codec,
        &emails(160),
        &page(160, body.len(), &packed),
    );
    let size = std::fs::metadata(workspace.path("vip.parquet"))
        .unwrap()
        .len();
    assert!(size < 1_000_000, "{size}");
    let (measured, said) = run(&workspace);
    assert!((measured.code - 12.0).abs() < 0.1, "{said}");
    let expected = "vip.parquet: row group 1 would take 1280.0 MB of memory, and has only ";
    assert!(said.contains(expected), "{said}");
    assert!(said.contains("for example of 100,000 rows"), "{said}");
    assert!(measured.memory < 100_000.0, "{measured:?}");
    // Of columns that nobody wants, it is not unpacked: not even to tell whether a row without an address has other values.
    workspace.write(
        "vip.toml",
        "name = \"vip\"\n[audience]\nfiles = [\"vip.parquet\"]\n[columns]\nemail = \"Email\"\n",
    );
    for row in [None, Some(7)] {
        let mut emails = emails(160);
        if let Some(row) = row {
            emails[row].clear();
        }
        write_file(&workspace, codec, &emails, &page(160, body.len(), &packed));
        let (measured, said) = run(&workspace);
        assert!(measured.code.abs() < 0.1, "{said}");
        let rejected = format!("\"rows_rejected\": {},", row.iter().count());
        assert!(said.contains(&rejected), "{said}");
        assert!(measured.memory < 100_000.0, "{measured:?}");
    }
}

#[test]
fn a_page_that_unpacks_to_gigabytes_and_says_little_is_refused() {
    let workspace = Workspace::new();
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    member.write_all(&vec![b'a'; 100_000_000]).unwrap();
    let body = member.finish().unwrap().repeat(30);
    let codec = Compression::GZIP(GzipLevel::default());
    write(&workspace, codec, &emails(100), &page(100, 1_000, &body));
    let (measured, said) = run(&workspace);
    assert!((measured.code - 12.0).abs() < 0.1, "{said}");
    let expected = "vip.parquet: row group 1 has a page that unpacks to more than the 1,000 bytes";
    assert!(said.contains(expected), "{said}");
    assert!(measured.memory < 100_000.0, "{measured:?}");
}

#[test]
fn honest_pages_of_whole_columns_are_read() {
    let workspace = Workspace::new();
    let body = texts(20_000, 400);
    let mut member = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
    member.write_all(&body).unwrap();
    let packed = member.finish().unwrap();
    let codec = Compression::GZIP(GzipLevel::default());
    write(
        &workspace,
        codec,
        &emails(20_000),
        &page(20_000, body.len(), &packed),
    );
    let (measured, said) = run(&workspace);
    assert!(measured.code.abs() < 0.1, "{said}");
    assert!(said.contains("\"rows_written\": 20000,"), "{said}");
}
