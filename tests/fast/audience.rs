//! Every record of a file is visited exactly once, as a row or as a fault, whatever the file and the size of the blocks.
#![expect(
    clippy::unwrap_used,
    reason = "in a test crate, a panic is the failure"
)]

use std::io::{Cursor, Read, Write};
use std::path::Path;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use klaviyo_export::source::audience::{
    Audience, AudienceError, AudienceFiles, BlockLimits, LikelyEncoding, RecordReader, SourceFormat,
};
use klaviyo_export::source::record::{Cell, Record, RecordFault, RecordVisitor};
use proptest::prelude::*;

/// A record as it was visited: its fault, and its cells.
type Visited = (Option<RecordFault>, Vec<String>);

#[derive(Default)]
struct Seen {
    columns: usize,
    records: Vec<Visited>,
}

impl Seen {
    fn note(&mut self, fault: Option<RecordFault>, record: &impl Record) {
        let mut scratch = Vec::new();
        let cells = (0..self.columns).map(|column| match record.cell(column, &mut scratch) {
            Cell::Text(text) => String::from_utf8(text.to_vec()).unwrap(),
            Cell::Nested(json) => format!("nested {}", String::from_utf8(json.to_vec()).unwrap()),
            Cell::Unrepresentable { .. } => panic!("JSON has no such value"),
        });
        self.records.push((fault, cells.collect()));
    }
}

impl RecordVisitor for Seen {
    fn row(&mut self, row: &impl Record) {
        self.note(None, row);
        let cells = &self.records.last().unwrap().1;
        assert!(cells.iter().all(|cell| !cell.contains('\0')));
    }
    fn fault(&mut self, fault: RecordFault, row: &impl Record) {
        self.note(Some(fault), row);
    }
}

fn row(cells: &[&str]) -> Visited {
    (None, cells.iter().map(|&cell| cell.to_owned()).collect())
}

fn fault(fault: RecordFault, cells: &[&str]) -> Visited {
    (Some(fault), row(cells).1)
}

fn files(names: &[&str], base: &Path) -> AudienceFiles {
    AudienceFiles {
        files: names.iter().map(|&name| name.to_owned()).collect(),
        base: base.to_owned(),
        format: None,
        delimiter: None,
        encoding: UTF_8,
        escape: klaviyo_export::source::audience::Escape::Unsaid,
        header_row: None,
    }
}

fn small(block_bytes: usize) -> BlockLimits {
    BlockLimits {
        block_bytes,
        ..BlockLimits::default()
    }
}

/// All records, and the error that ended them.
fn read(audience: Audience, limits: BlockLimits) -> (Vec<Visited>, Option<AudienceError>) {
    let sources = audience.shared_sources();
    let mut reader = RecordReader::new();
    let mut seen = Seen::default();
    let mut blocks = audience.into_blocks_with(limits);
    let recycler = blocks.recycler();
    let (mut last_source, mut next_record) = (None, 1);
    for sequence in 0.. {
        let Some(block) = blocks.next() else {
            break;
        };
        let block = match block {
            Ok(block) => block,
            Err(error) => {
                assert!(blocks.next().is_none());
                return (seen.records, Some(error));
            }
        };
        assert_eq!(block.sequence, sequence);
        if last_source != Some(block.source) {
            (last_source, next_record) = (Some(block.source), 1);
        }
        assert_eq!(block.first_record, next_record);
        next_record += block.records;
        let source = &sources[block.source.0 as usize];
        seen.columns = source.header.len();
        reader.visit(source, &block, &mut seen).unwrap();
        recycler.give(block);
    }
    (seen.records, None)
}

fn stream(bytes: &[u8]) -> Box<dyn Read + Send> {
    Box::new(Cursor::new(bytes.to_vec()))
}

fn open(bytes: &[u8], dialect: &AudienceFiles) -> Result<Audience, AudienceError> {
    Audience::from_stream("a.csv".to_owned(), stream(bytes), dialect)
}

/// The records of a CSV text, read with blocks of several sizes.
fn records_of(bytes: &[u8], encoding: &'static Encoding) -> Vec<Visited> {
    let dialect = AudienceFiles {
        encoding,
        ..files(&[], Path::new(""))
    };
    let mut expected = None;
    for block_bytes in [1 << 20, 16, 1000] {
        let (records, error) = read(open(bytes, &dialect).unwrap(), small(block_bytes));
        assert!(error.is_none(), "{error:?}");
        assert!(
            expected
                .replace(records.clone())
                .is_none_or(|others| others == records)
        );
    }
    expected.unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).unwrap()
}

fn utf16(text: &str, to_bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(to_bytes).collect()
}

const NAMES: &str = "email,name\nr@x.fr,Renée\nj@x.de,\"Jürgen \"\"J\"\"\"\n";

fn names() -> Vec<Visited> {
    vec![row(&["r@x.fr", "Renée"]), row(&["j@x.de", "Jürgen \"J\""])]
}

#[test]
fn the_same_records_in_any_wrapping() {
    let crlf = NAMES.replace('\n', "\r\n");
    let marked = format!("\u{feff}{NAMES}");
    let (first, second) = NAMES.as_bytes().split_at(20);
    for bytes in [
        NAMES.as_bytes().to_vec(),
        NAMES.trim_end().as_bytes().to_vec(),
        crlf.as_bytes().to_vec(),
        marked.as_bytes().to_vec(),
        utf16(&marked, u16::to_le_bytes),
        utf16(&marked, u16::to_be_bytes),
        gzip(NAMES.as_bytes()),
        zstd(NAMES.as_bytes()),
        gzip(&utf16(&marked, u16::to_le_bytes)),
        [gzip(first), gzip(second)].concat(),
        [zstd(first), zstd(second)].concat(),
    ] {
        assert_eq!(records_of(&bytes, UTF_8), names());
    }
    let (encoded, ..) = WINDOWS_1252.encode(NAMES);
    assert_eq!(records_of(&encoded, WINDOWS_1252), names());
    assert_eq!(records_of(marked.as_bytes(), WINDOWS_1252), names());
}

#[test]
fn several_files_come_in_order_with_their_own_headers() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("b.csv"), "x,y\n1,2\n").unwrap();
    std::fs::write(folder.path().join("a.tsv.gz"), gzip(b"y\tx\n3\t4\n")).unwrap();
    std::fs::write(folder.path().join("c.jsonl.zst"), zstd(b"{\"z\":5}\n")).unwrap();
    let files = files(&["*.csv", "a*", "c.jsonl.zst"], folder.path());
    let audience = Audience::open(&files, stream(b"")).unwrap();
    let headers: Vec<_> = audience
        .sources()
        .iter()
        .map(|source| source.header.join(" "))
        .collect();
    assert_eq!(headers, ["x y", "y x", "z"]);
    assert_eq!(audience.sources()[2].format, SourceFormat::Ndjson);
    let sizes = ["b.csv", "a.tsv.gz", "c.jsonl.zst"]
        .map(|name| std::fs::metadata(folder.path().join(name)).unwrap().len());
    assert_eq!(audience.total_bytes(), Some(sizes.iter().sum()));
    let last = Audience::open(&files, stream(b""))
        .unwrap()
        .into_blocks()
        .last()
        .unwrap()
        .unwrap();
    assert_eq!(last.consumed_bytes, sizes.iter().sum::<u64>());
    let (records, error) = read(audience, BlockLimits::default());
    assert!(error.is_none());
    assert_eq!(records, [row(&["1", "2"]), row(&["3", "4"]), row(&["5"])]);
}

#[test]
fn stdin_is_read_as_it_comes() {
    let audience = Audience::open(&files(&["-"], Path::new("")), stream(NAMES.as_bytes())).unwrap();
    assert_eq!(audience.total_bytes(), None);
    assert_eq!(audience.sources()[0].name, "stdin");
    assert_eq!(read(audience, small(16)).0, names());
}

#[test]
fn a_changed_file_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv"), NAMES).unwrap();
    let audience = Audience::open(&files(&["a.csv"], folder.path()), stream(b"")).unwrap();
    std::fs::write(folder.path().join("a.csv"), "mail\nx\n").unwrap();
    let error = read(audience, BlockLimits::default()).1.unwrap();
    assert_eq!(error.to_string(), "a.csv: changed while it was being read");
}

#[test]
fn what_is_not_valid_in_the_encoding_is_rejected() {
    let ragged = RecordFault::Ragged {
        found: 1,
        expected: 2,
    };
    assert_eq!(
        records_of(b"a,b\n1,2\n\xe9,3\n4\n5,\0\n6,7\n", UTF_8),
        [
            row(&["1", "2"]),
            fault(RecordFault::InvalidEncoding, &["\u{fffd}", "3"]),
            fault(ragged, &["4", ""]),
            fault(RecordFault::Nul, &["5", "\0"]),
            row(&["6", "7"]),
        ]
    );
    let mut half = utf16("\u{feff}a,b\nx,y\nz,", u16::to_le_bytes);
    half.extend(0xd800_u16.to_le_bytes());
    half.extend(utf16("\nv,w\n", u16::to_le_bytes));
    assert_eq!(
        records_of(&half, UTF_8),
        [
            row(&["x", "y"]),
            fault(RecordFault::InvalidEncoding, &["z", "\u{fffd}"]),
            row(&["v", "w"]),
        ]
    );
    let hint =
        |bytes: &[u8]| open(bytes, &files(&[], Path::new(""))).unwrap().sources()[0].encoding_hint;
    assert_eq!(
        hint(b"a\n\xe9\n\xe8\n\xe0\n"),
        Some(LikelyEncoding::Readable("windows-1252"))
    );
    assert_eq!(hint(NAMES.as_bytes()), None);
}

#[test]
fn rejects_given_back_are_read_as_we_wrote_them() {
    let text = "a;b,_reason,_detail,_source,_record\nRenée,ragged-row,,x.csv,7\n";
    let dialect = AudienceFiles {
        delimiter: Some(b';'),
        encoding: WINDOWS_1252,
        format: Some(SourceFormat::Ndjson),
        ..files(&[], Path::new(""))
    };
    let audience = open(text.as_bytes(), &dialect).unwrap();
    assert!(audience.sources()[0].is_rejects);
    assert_eq!(
        read(audience, small(16)).0,
        [row(&["Renée", "ragged-row", "", "x.csv", "7"])]
    );
}

#[test]
fn a_stray_quote_loses_one_record() {
    let mut text = b"a,b\n1,2\n3,\"stray\n".to_vec();
    let mut expected = vec![
        row(&["1", "2"]),
        fault(RecordFault::TooLong, &["3", "stray"]),
    ];
    for record in 0..300_000 {
        text.extend(format!("{record},abcd\r\n").bytes());
        expected.push(row(&[&record.to_string(), "abcd"]));
    }
    assert!(text.len() > 3_000_000);
    assert!(records_of(&text, UTF_8) == expected);
}

#[test]
fn endless_open_quotes_are_an_error_and_take_no_hours() {
    // Each line leaves a quote open, whether it begins inside quotes or not.
    let text = ["a,b\n", &"\"a,b\"c\",\"\n".repeat(150_000)].concat();
    let limits = |block_bytes| BlockLimits {
        block_bytes,
        record_bytes: 10_000,
    };
    for block_bytes in [1000, 20_000] {
        let audience = open(text.as_bytes(), &files(&[], Path::new(""))).unwrap();
        let (records, error) = read(audience, limits(block_bytes));
        assert_eq!(records.len(), 273);
        assert_eq!(
            error.unwrap().to_string(),
            "a.csv: record 274: too many quotes are left open; cells with quotes must be quoted and their quotes doubled"
        );
    }
}

#[test]
fn a_long_line_is_skipped() {
    let mut text = b"a,b\n1,2\n3,\"".to_vec();
    text.resize(5_000_000, b'x');
    let open_end = text.clone();
    text.extend(b"\r\n4,5\n");
    let lost = [row(&["1", "2"]), fault(RecordFault::TooLong, &["", ""])];
    assert_eq!(
        records_of(&text, UTF_8),
        [&lost[..], &[row(&["4", "5"])]].concat()
    );
    assert_eq!(records_of(&open_end, UTF_8), lost);

    let mut lines = b"{\"a\":1}\n{\"a\":\"".to_vec();
    lines.resize(3_000_000, b'x');
    lines.extend(b"\"}\n{\"a\":2}");
    let dialect = AudienceFiles {
        format: Some(SourceFormat::Ndjson),
        ..files(&[], Path::new(""))
    };
    for block_bytes in [16, 1 << 20] {
        let (records, error) = read(open(&lines, &dialect).unwrap(), small(block_bytes));
        assert!(error.is_none());
        assert_eq!(
            records,
            [row(&["1"]), fault(RecordFault::TooLong, &[""]), row(&["2"])]
        );
    }
}

#[test]
fn a_record_of_the_longest_size_is_a_row() {
    for (length, is_row) in [(1_000_000, true), (1_000_001, false)] {
        let cell = "x".repeat(length - 2);
        let text = format!("a\n\"{cell}\"\r\nend\n");
        let records = records_of(text.as_bytes(), UTF_8);
        assert_eq!(records[0].0.is_none(), is_row);
        assert_eq!(records[1], row(&["end"]));
    }
}

#[test]
fn blocks_stay_small_whatever_the_file() {
    let mut text = b"a,b\n\"".to_vec();
    text.extend(b"x\"\"\n".repeat(1_000_000));
    text.resize(10_000_000, b'y');
    text.extend(b"\n".repeat(3_000_000));
    text.extend(b"1,2\n".repeat(2_000_000));
    let audience = open(&text, &files(&[], Path::new(""))).unwrap();
    for block in audience.into_blocks() {
        assert!(block.unwrap().size_bytes() <= 2_200_000);
    }
}

#[test]
fn a_file_that_ends_inside_quotes_is_an_error_at_its_record() {
    let text = "a,b\n1,2\n\n3,\"4\n5\"\n6,\"7\n8,9\n";
    for block_bytes in [16, 1 << 20] {
        let audience = open(text.as_bytes(), &files(&[], Path::new(""))).unwrap();
        let (records, error) = read(audience, small(block_bytes));
        assert_eq!(records, [row(&["1", "2"]), row(&["3", "4\n5"])]);
        assert_eq!(
            error.unwrap().to_string(),
            "a.csv: record 3: the file ends inside a quoted cell"
        );
    }
}

#[test]
fn broken_compression_is_an_error_at_its_record() {
    let mut text = b"email,name\n".to_vec();
    for record in 0..200_000_u32 {
        writeln!(
            text,
            "{}@x.org,{record}",
            record.wrapping_mul(2_654_435_761)
        )
        .unwrap();
    }
    for packed in [gzip(&text), zstd(&text)] {
        for broken in [
            packed[..packed.len() - 5].to_vec(),
            packed[..packed.len() / 2].to_vec(),
            [&packed[..], b"garbage at the end"].concat(),
            {
                let mut flipped = packed.clone();
                let middle = flipped.len() / 2;
                flipped[middle..middle + 64].fill(0xaa);
                flipped
            },
        ] {
            let audience = open(&broken, &files(&[], Path::new(""))).unwrap();
            let (records, error) = read(audience, BlockLimits::default());
            let error = error.unwrap();
            assert!(
                matches!(&error, AudienceError::Broken { name, record, .. }
                if name == "a.csv" && *record == records.len() as u64 + 1),
                "{error}"
            );
        }
        let error = open(&packed[..20], &files(&[], Path::new(""))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "a.csv: header: the compressed data are broken or cut short"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.csv.gz"), "email\nx\n").unwrap();
    assert!(Audience::open(&files(&["a.csv.gz"], folder.path()), stream(b"")).is_err());
}

#[test]
fn ndjson_values_become_cells() {
    let text = concat!(
        "{\"email\":\"a@b.c\",\"n\":1.50,\"vip\":true,\"x\":null}\r\n",
        "  \t\n",
        "{\"x\":[1, \"two\"],\"n\":{\"a\":1},\"email\":\"first\",\"email\":\"last \\u00e9\"}\n",
        "nothing\n",
        "{\"email\":\"nul\\u0000\",\"new\":1}\n",
        "{\"email\":\"half \\ud800\"}\n",
        "[1]\n",
        "{}\n",
        "{\"vip\":false} junk",
    );
    let dialect = AudienceFiles {
        format: Some(SourceFormat::Ndjson),
        ..files(&[], Path::new(""))
    };
    for block_bytes in [16, 64, 1 << 20] {
        let audience = open(text.as_bytes(), &dialect).unwrap();
        assert_eq!(
            audience.sources()[0].header,
            ["email", "n", "vip", "x", "new"]
        );
        assert_eq!(
            read(audience, small(block_bytes)).0,
            [
                row(&["a@b.c", "1.50", "True", "", ""]),
                row(&["last é", "nested {\"a\":1}", "", "[1,\"two\"]", ""]),
                fault(RecordFault::NotAnObject, &["nothing", "", "", "", ""]),
                fault(RecordFault::Nul, &["nul\0", "", "", "", "1"]),
                fault(
                    RecordFault::InvalidEncoding,
                    &["half \u{fffd}", "", "", "", ""]
                ),
                fault(RecordFault::NotAnObject, &["[1]", "", "", "", ""]),
                row(&["", "", "", "", ""]),
                fault(
                    RecordFault::NotAnObject,
                    &["{\"vip\":false} junk", "", "", "", ""]
                ),
            ]
        );
    }
    let invalid = b"{\"a\":\"x\"}\n{\"a\":\"\xe9\"}\n{\"a\":\"\0\"}\n\xe9\n";
    assert_eq!(
        read(open(invalid, &dialect).unwrap(), small(16)).0,
        [
            row(&["x"]),
            fault(RecordFault::InvalidEncoding, &["\u{fffd}"]),
            fault(RecordFault::Nul, &["{\"a\":\"\0\"}"]),
            fault(RecordFault::InvalidEncoding, &["\u{fffd}"]),
        ]
    );
}

/// One thing that goes wrong with a file.
#[derive(Debug, Clone)]
enum Mutation {
    Cut(prop::sample::Index),
    Swap(prop::sample::Index, prop::sample::Index),
    Put(prop::sample::Index, Vec<u8>),
    Drop(prop::sample::Index, usize),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let index = any::<prop::sample::Index>;
    let pieces = prop::sample::select(vec![
        &b"\""[..],
        &b"\"\""[..],
        &b"\0"[..],
        &b"\r"[..],
        &b"\n"[..],
        &b","[..],
        &b"\xff"[..],
        &b"\xc3"[..],
        &b"\xef\xbb\xbf"[..],
        &b"{"[..],
        &b"\\"[..],
        &b"\\u0000"[..],
        &b"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"[..],
    ]);
    prop_oneof![
        1 => index().prop_map(Mutation::Cut),
        3 => (index(), index()).prop_map(|(a, b)| Mutation::Swap(a, b)),
        6 => (index(), pieces).prop_map(|(at, piece)| Mutation::Put(at, piece.to_vec())),
        2 => (index(), 1_usize..20).prop_map(|(at, count)| Mutation::Drop(at, count)),
    ]
}

fn mutate(mut bytes: Vec<u8>, mutations: &[Mutation]) -> Vec<u8> {
    for mutation in mutations {
        if bytes.is_empty() {
            break;
        }
        match mutation {
            Mutation::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Mutation::Swap(a, b) => {
                let (a, b) = (a.index(bytes.len()), b.index(bytes.len()));
                bytes.swap(a, b);
            }
            Mutation::Put(at, piece) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, piece.iter().copied());
            }
            Mutation::Drop(at, count) => {
                let at = at.index(bytes.len());
                bytes.drain(at..bytes.len().min(at + count));
            }
        }
    }
    bytes
}

fn csv_text() -> Vec<u8> {
    let mut text = b"email,name,\"no,te\"\r\n".to_vec();
    for record in 0..12 {
        match record % 4 {
            0 => writeln!(text, "{record}@x.org,Anna,plain").unwrap(),
            1 => writeln!(
                text,
                "\"{record}@x.org\",\"Zoë, \"\"Z\"\"\",\"two\nlines\"\r"
            )
            .unwrap(),
            2 => writeln!(text, "{record}@x.org,,\"\"\r").unwrap(),
            _ => writeln!(text, "\n{record}@x.org,日本,").unwrap(),
        }
    }
    text
}

/// The `csv` crate's records of the text after the header.
fn by_csv_crate(bytes: &[u8]) -> Vec<Vec<Vec<u8>>> {
    csv::ReaderBuilder::new()
        .has_headers(true)
        .flexible(true)
        .from_reader(bytes)
        .byte_records()
        .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn mutated_csv_is_read_as_the_csv_crate_does(mutations in prop::collection::vec(mutation(), 1..5)) {
        let bytes = mutate(csv_text(), &mutations);
        let dialect = files(&[], Path::new(""));
        let whole = open(&bytes, &dialect).map(|audience| read(audience, BlockLimits::default()));
        for block_bytes in [16, 61, 300] {
            match (&whole, open(&bytes, &dialect)) {
                (Ok(whole), Ok(audience)) => {
                    let (records, error) = read(audience, small(block_bytes));
                    prop_assert_eq!(&records, &whole.0);
                    prop_assert_eq!(error.map(|error| error.to_string()), whole.1.as_ref().map(ToString::to_string));
                }
                (Err(_), Err(_)) => {}
                _ => prop_assert!(false),
            }
        }
        // A byte order mark of UTF-16 that mutations made is another text.
        if let Ok((records, error)) = whole && bytes[..2.min(bytes.len())] != *b"\xff\xfe" {
            let expected = by_csv_crate(&bytes);
            prop_assert_eq!(records.len() + usize::from(error.is_some()), expected.len());
            for ((fault, cells), expected) in records.iter().zip(&expected) {
                if fault.is_none() {
                    let cells: Vec<_> = cells.iter().map(|cell| cell.as_bytes().to_vec()).collect();
                    prop_assert_eq!(&cells, expected);
                } else {
                    let is_text = expected.iter().all(|cell| std::str::from_utf8(cell).is_ok() && !cell.contains(&0));
                    prop_assert!(!is_text || expected.len() != cells.len());
                }
            }
        }
    }

    #[test]
    fn long_records_are_the_same_in_any_blocks(mutations in prop::collection::vec(mutation(), 1..5)) {
        let bytes = mutate(csv_text(), &mutations);
        let dialect = files(&[], Path::new(""));
        let limits = |block_bytes| BlockLimits { block_bytes, record_bytes: 30 };
        if let Ok(audience) = open(&bytes, &dialect) {
            let (whole, error) = read(audience, limits(1 << 20));
            let error = error.map(|error| error.to_string());
            for block_bytes in [1, 16, 61, 300] {
                let (records, other) = read(open(&bytes, &dialect).unwrap(), limits(block_bytes));
                prop_assert_eq!(&records, &whole);
                prop_assert_eq!(other.map(|error| error.to_string()), error.clone());
            }
        }
    }

    #[test]
    fn mutated_ndjson_loses_no_line(mutations in prop::collection::vec(mutation(), 1..5)) {
        let line = "{\"email\":\"a@x.org\",\"name\":\"Zo\\u00eb \\\"Z\\\"\",\"n\":[1,{\"b\":2}],\"v\":true}\r\n";
        let bytes = mutate(line.repeat(8).into_bytes(), &mutations);
        let dialect = AudienceFiles { format: Some(SourceFormat::Ndjson), ..files(&[], Path::new("")) };
        // One object that a line break was put into is JSON over several lines, and is refused as such.
        let audience = match open(&bytes, &dialect) {
            Err(AudienceError::Unreadable { .. }) => return Ok(()),
            audience => audience.unwrap(),
        };
        let (whole, error) = read(audience, BlockLimits::default());
        prop_assert!(error.is_none());
        for block_bytes in [16, 61, 300] {
            let (records, _) = read(open(&bytes, &dialect).unwrap(), small(block_bytes));
            prop_assert_eq!(&records, &whole);
        }
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        if !text.starts_with(b"\xff\xfe") {
            let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).count();
            prop_assert_eq!(whole.len(), lines);
        }
    }

    #[test]
    fn mutated_archives_never_panic(mutations in prop::collection::vec(mutation(), 1..4), as_zstd in any::<bool>()) {
        let packed = if as_zstd { zstd(&csv_text()) } else { gzip(&csv_text()) };
        let bytes = mutate(packed, &mutations);
        if let Ok(audience) = open(&bytes, &files(&[], Path::new(""))) {
            read(audience, small(64));
        }
    }
}
