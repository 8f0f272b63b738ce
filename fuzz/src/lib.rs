//! Properties that hold for every input: one function per fuzz target. Each panics when it does not.
//!
//! The tests of the crate run these over the seeds and over what was found once, so that they stay true and compile.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use klaviyo_export::base::environment::Environment;
use klaviyo_export::delivery::sftp::fuzzing::{ED25519, key, pattern_matches, replies, verdict};
use klaviyo_export::job::Job;
use klaviyo_export::job::file::JobFile;
use klaviyo_export::klaviyo::fuzzing::refusals;
use klaviyo_export::source::audience::{
    Audience, AudienceError, AudienceFiles, BlockLimits, RecordReader,
};
use klaviyo_export::source::record::{Cell, Record, RecordFault, RecordVisitor};
use klaviyo_export::state::manifest::{parse_manifest, to_json};

/// The header before every input of [`blocks`].
const COLUMNS: usize = 3;
/// The delimiters that the first byte of an input chooses from.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A record as a visitor saw it.
type Seen = (Option<RecordFault>, Vec<Vec<u8>>);

/// The CSV block reader. The first three bytes choose the delimiter, the size of blocks and the longest record; the rest
/// is the file below its header. Whatever the size of the blocks, the same records come, and with no limit in reach they
/// are those of the `csv` crate.
pub fn blocks(data: &[u8]) {
    let [delimiter, block_bytes, record_bytes, text @ ..] = data else {
        return;
    };
    let delimiter = DELIMITERS[usize::from(*delimiter) % DELIMITERS.len()];
    let small = usize::from(*block_bytes) + 1;
    let unlimited = text.len() + 1;
    let (seen, ended) = read(text, delimiter, small, unlimited);
    let (again, _) = read(text, delimiter, unlimited, unlimited);
    assert_eq!(seen, again);
    if delimiter == b'\t' {
        // Quotes of TSV mean something only at both ends of a cell: another dialect than the csv crate's.
        return;
    }
    let by_csv = by_csv(text, delimiter);
    assert!(
        by_csv.starts_with(&seen),
        "{seen:?}\nby the csv crate: {by_csv:?}"
    );
    match ended {
        None => assert_eq!(seen.len(), by_csv.len()),
        // The csv crate takes what stands in the open quotes for a record.
        Some(AudienceError::EndsInsideQuotes { record, .. }) => {
            assert_eq!(
                (seen.len() + 1, seen.len() as u64 + 1),
                (by_csv.len(), record)
            );
        }
        Some(error) => panic!("{error}"),
    }
    let limit = usize::from(*record_bytes);
    let (short, _) = read(text, delimiter, small, limit);
    assert_eq!(short, read(text, delimiter, 7, limit).0);
    for (fault, cells) in &short {
        let bytes: usize = cells.iter().map(Vec::len).sum();
        // Bytes that are no text become three.
        assert!(
            fault.is_some() || bytes <= limit,
            "{bytes} bytes, the limit is {limit}"
        );
    }
}

/// The records below the header, and the error at the end if there is one.
fn read(
    text: &[u8],
    delimiter: u8,
    block_bytes: usize,
    record_bytes: usize,
) -> (Vec<Seen>, Option<AudienceError>) {
    let files = AudienceFiles {
        files: Vec::new(),
        base: PathBuf::new(),
        format: None,
        delimiter: Some(delimiter),
        encoding: encoding_rs::UTF_8,
        escape: klaviyo_export::source::audience::Escape::Unsaid,
        header_row: None,
    };
    let header = [b'a', delimiter, b'b', delimiter, b'c', b'\n'];
    let stream = Cursor::new([&header, text].concat());
    let audience = Audience::from_stream("f.csv".to_owned(), Box::new(stream), &files)
        .unwrap_or_else(|error| panic!("{error}"));
    let sources = audience.shared_sources();
    let limits = BlockLimits {
        block_bytes,
        record_bytes,
    };
    let mut reader = RecordReader::new();
    let mut seen = Records::default();
    for block in audience.into_blocks_with(limits) {
        let visited = match block {
            Ok(block) => {
                assert_eq!(block.first_record, seen.0.len() as u64 + 1);
                reader.visit(&sources[0], &block, &mut seen)
            }
            Err(error) => return (seen.0, Some(error)),
        };
        visited.unwrap_or_else(|error| panic!("{error}"));
    }
    (seen.0, None)
}

/// Every record with all of its cells.
#[derive(Default)]
struct Records(Vec<Seen>);

impl Records {
    fn note(&mut self, fault: Option<RecordFault>, record: &impl Record) {
        let mut scratch = Vec::new();
        let cells = (0..COLUMNS).map(|column| match record.cell(column, &mut scratch) {
            Cell::Text(text) | Cell::Nested(text) | Cell::Unrepresentable { text, .. } => {
                text.to_vec()
            }
        });
        self.0.push((fault, cells.collect()));
    }
}

impl RecordVisitor for Records {
    fn row(&mut self, row: &impl Record) {
        self.note(None, row);
    }
    fn fault(&mut self, fault: RecordFault, row: &impl Record) {
        self.note(Some(fault), row);
    }
}

/// The records as the `csv` crate reads them, with the faults that they have.
fn by_csv(text: &[u8], delimiter: u8) -> Vec<Seen> {
    // A line end first: the crate drops a byte order mark at the very beginning, which here is the file's middle.
    let text = [b"\n", text].concat();
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(&text[..]);
    let records = reader
        .byte_records()
        .map(|record| record.expect("text in memory"));
    let seen = records.map(|record| {
        let is_text = record.iter().all(|cell| std::str::from_utf8(cell).is_ok());
        let fault = if !is_text {
            Some(RecordFault::InvalidEncoding)
        } else if record.iter().any(|cell| cell.contains(&0)) {
            Some(RecordFault::Nul)
        } else if record.len() == COLUMNS {
            None
        } else {
            Some(RecordFault::Ragged {
                found: record.len(),
                expected: COLUMNS,
            })
        };
        let mut cells: Vec<Vec<u8>> = record.iter().take(COLUMNS).map(lossy).collect();
        cells.resize(COLUMNS, Vec::new());
        for surplus in record.iter().skip(COLUMNS) {
            cells[COLUMNS - 1].push(delimiter);
            cells[COLUMNS - 1].extend(lossy(surplus));
        }
        (fault, cells)
    });
    seen.collect()
}

fn lossy(bytes: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(bytes).into_owned().into_bytes()
}

/// The known_hosts reader. What stands in a file never keeps a line after it from being read: a key that is revoked in
/// the last line is revoked, and one that is named there is known unless it was revoked before.
pub fn known_hosts(data: &[u8]) {
    let verdict = |text: &[u8]| verdict(text, "h.example", 2222);
    let found = verdict(data);
    let after = |line: &str| verdict(&[data, b"\n", line.as_bytes(), b"\r\n"].concat());
    assert_eq!(after(&format!("@revoked * {ED25519}")), "revoked");
    let named = after(&format!("[h.example]:2222 {ED25519}"));
    assert!(
        named == "known" || found == "revoked",
        "{found}, then {named}"
    );
    assert_eq!(after("# a remark"), found);
    let with_crlf: Vec<u8> = data
        .split(|&byte| byte == b'\n')
        .collect::<Vec<_>>()
        .join(&b"\r\n"[..]);
    assert_eq!(verdict(&with_crlf), found);

    let split = data.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let (pattern, text) = data.split_at(split);
    let (pattern, text) = (
        &pattern[..pattern.len().min(12)],
        &text[..text.len().min(12)],
    );
    assert_eq!(
        pattern_matches(pattern, text),
        matches_slowly(pattern, text)
    );
}

/// The meaning of `*` and `?`, in the fewest words.
fn matches_slowly(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        ([b'*', rest @ ..], _) => {
            matches_slowly(rest, text) || !text.is_empty() && matches_slowly(pattern, &text[1..])
        }
        ([b'?', rest @ ..], [_, after @ ..]) => matches_slowly(rest, after),
        ([a, rest @ ..], [b, after @ ..]) => {
            a.eq_ignore_ascii_case(b) && matches_slowly(rest, after)
        }
        _ => false,
    }
}

/// The job file. No text makes the reader panic, and no error quotes a value: a secret may stand where it must not.
pub fn job_file(data: &[u8]) {
    const SECRET: &str = "hunter2-correct-horse";
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match JobFile::parse(text) {
        Ok(file) => {
            // Whether it can be run is another matter.
            let _ = Job::from_file(file, Path::new(""), &Environment::default());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let mut before = String::new();
    for line in text.split_inclusive('\n').take(8) {
        let planted = format!("{before}password = \"{SECRET}\"\n{}", &text[before.len()..]);
        if let Err(error) = JobFile::parse(&planted) {
            let told = error.to_string();
            assert!(!told.contains(SECRET), "{told}\n{planted}");
        }
        before.push_str(line);
    }
}

/// The reader of SFTP packets. The first byte chooses the size of the pieces in which the rest comes in; the replies are the
/// same whatever it is.
pub fn sftp_packets(data: &[u8]) {
    let Some((size, stream)) = data.split_first() else {
        return;
    };
    let whole = replies(std::iter::once(stream));
    assert_eq!(replies(stream.chunks(usize::from(*size) + 1)), whole);
    assert_eq!(replies(stream.chunks(1)), whole);
}

/// The reader of key files. No bytes make it panic, no error quotes the key, and a file with the line ends of Windows is the
/// same key.
pub fn key_file(data: &[u8]) {
    /// A run of so many characters may be a part of a key; no word of a message is so long.
    const RUN: usize = 32;
    let read = key(data);
    if let Err(told) = &read {
        assert!(
            !told.is_empty() && !told.contains(char::is_control),
            "{told:?}"
        );
        for run in data.windows(RUN) {
            let is_body = run
                .iter()
                .all(|it| it.is_ascii_alphanumeric() || b"+/=".contains(it));
            let quoted = std::str::from_utf8(run).is_ok_and(|run| told.contains(run));
            assert!(!(is_body && quoted), "{told}");
        }
    }
    if !data.contains(&b'\r') {
        let lines: Vec<&[u8]> = data.split(|&byte| byte == b'\n').collect();
        let windows = lines.join(&b"\r\n"[..]);
        assert_eq!(key(&windows).is_ok(), read.is_ok());
    }
}

/// The reader of manifests. A manifest that can be read is the same after it was written.
pub fn manifest(data: &[u8]) {
    let path = Path::new("manifest.json");
    match parse_manifest(path, data) {
        Ok(manifest) => {
            let written = to_json(&manifest);
            let again = parse_manifest(path, &written).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(to_json(&again), written);
            // What a report asks of it.
            let _ = (
                manifest.leftovers(),
                manifest.delivered(),
                manifest.rows_of_audience(),
            );
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// The reader of refusals. Whatever the body, the message is short, on one line, and quotes no value.
pub fn refusal(data: &[u8]) {
    for told in refusals(data) {
        assert!(told.len() < 2_000, "{} bytes", told.len());
        assert!(!told.contains(char::is_control), "{told:?}");
        assert!(!told.contains('@'), "{told}");
    }
}
