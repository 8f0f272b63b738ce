//! Files that are no audience: each is named for what it is, and what nearly is one is read.
#![expect(
    clippy::unwrap_used,
    reason = "in a test crate, a panic is the failure"
)]

use std::fmt::Write as _;
use std::io::Write as _;

use crate::support::workspace::Workspace;

const IDENTIFIED: &str = "--map=email=Email";

/// The error of `preview` over a file of these bytes.
fn error_of(name: &str, bytes: &[u8]) -> String {
    let workspace = Workspace::new();
    workspace.write(name, bytes);
    let outcome = workspace.run(&["preview", name, IDENTIFIED]).exits(12);
    let error = outcome
        .stderr
        .lines()
        .find_map(|line| line.strip_prefix("error: "));
    error.unwrap_or_default().to_owned()
}

/// The text without the line breaks that fit it to a terminal.
fn words(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn utf32(text: &str) -> Vec<u8> {
    text.chars()
        .flat_map(|sign| u32::from(sign).to_le_bytes())
        .collect()
}

#[test]
fn other_kinds_of_files_are_named_by_their_first_bytes() {
    let mut tar = vec![b'a'; 1024];
    tar[257..262].copy_from_slice(b"ustar");
    let csv = b"email\nzoe@example.com\n";
    let padded = [&csv[..], &[0; 4096]].concat();
    let kinds: [(&str, &[u8]); 30] = [
        ("an Excel workbook", b"PK\x03\x04\x14\0\0\0\x08\0xl/workbook.xml"),
        ("an OpenDocument spreadsheet", b"PK\x03\x04\x14\0mimetypeapplication/vnd.oasis.opendocument.spreadsheet"),
        ("a zip archive", b"PK\x03\x04\x14\0\0\0\x08\0people.csv"),
        ("an old Excel workbook, or a workbook with a password", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1\0\0"),
        ("a PDF document", b"%PDF-1.7\n"),
        ("an RTF document", b"{\\rtf1\\ansi\n"),
        ("a file of vCards", b"BEGIN:VCARD\r\nVERSION:3.0\r\n"),
        ("an XML file", b"<?xml version=\"1.0\"?>\n<people/>"),
        ("an Excel workbook in XML", b"<?xml version=\"1.0\"?><Workbook xmlns=\"urn:schemas-microsoft-com:office:spreadsheet\">"),
        ("an HTML page", b"\n<!DOCTYPE html>\n<html>"),
        ("an Arrow IPC (Feather) file", b"ARROW1\0\0\xff\xff\xff\xff"),
        ("an Arrow IPC stream", b"\xff\xff\xff\xff\x10\x01\0\0"),
        ("a Feather file", b"FEA1\0\0\0\0"),
        ("an Avro file", b"Obj\x01\x04\x14avro.codec"),
        ("an ORC file", b"ORC\x11\0\0"),
        ("an SQLite database", b"SQLite format 3\0\x10\0"),
        ("a DuckDB database", b"\x01\x02\x03\x04\x05\x06\x07\x08DUCK\x40\0"),
        ("compressed with xz", b"\xfd7zXZ\0\0\x04"),
        ("compressed with bzip2", b"BZh91AY&SY\0\0"),
        ("compressed with lz4", b"\x04\x22\x4d\x18\x64"),
        ("a 7z archive", b"7z\xbc\xaf\x27\x1c\0\x04"),
        ("encrypted with PGP", b"-----BEGIN PGP MESSAGE-----\n"),
        ("text in UTF-32", &utf32("\u{feff}email\nx\n")),
        ("text in UTF-32", &utf32("email\nx\n")),
        ("padded with NUL bytes", &padded),
        ("padded with NUL bytes", &[0; 8192]),
        ("packed twice", &gzipped(&gzipped(csv))),
        ("a tar archive", &gzipped(&tar)),
        ("a JSON array", b"[{\"email\": \"zoe@example.com\"}]"),
        ("JSON over several lines", b"{\n  \"email\": \"zoe@example.com\"\n}\n"),
    ];
    for (kind, bytes) in kinds {
        // What is text may be anything that was cut before it was packed.
        let is_json = kind.contains("JSON");
        for name in ["people.csv", "people.ndjson", "people.csv.gz"] {
            if is_json && name.rsplit('.').next() == Some("gz") {
                continue;
            }
            let error = error_of(name, bytes);
            let expected = format!("{name}: is {kind}, which is not read; ");
            assert!(error.starts_with(&expected), "{kind}: {error}");
        }
    }
}

#[test]
fn ndjson_that_is_not_one_object_a_line_is_named() {
    let long = format!("{{\"email\":\"{}\"}}", "a".repeat(1 << 20));
    for (kind, text) in [
        ("a JSON array", "[\n{\"email\":1},\n{\"email\":2}\n]\n"),
        (
            "JSON over several lines",
            "{\"email\":\n1}\n{\"email\":\n2}\n",
        ),
        (
            "JSON objects without line breaks between them",
            "{\"email\":1}{\"email\":2}\n",
        ),
        (
            "NDJSON whose lines end in CR alone",
            "{\"email\":1}\r{\"email\":2}\r",
        ),
        ("one line of more than a mebibyte", &long),
    ] {
        let error = error_of("a.ndjson", text.as_bytes());
        assert!(
            error.starts_with(&format!("a.ndjson: is {kind}, which")),
            "{error}"
        );
    }
}

#[test]
fn an_empty_ndjson_file_is_an_audience_without_rows() {
    let workspace = Workspace::new();
    workspace.write("a.ndjson", "");
    let body =
        "[audience]\nfiles = [\"a.ndjson\"]\non-empty = \"skip\"\n[columns]\nemail = \"Email\"\n";
    let job = workspace.job("night", body, None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let body = body.replace("skip", "fail");
    let job = workspace.job("night", &body, None);
    let refused = workspace.run(&["run", &job, "--dry-run"]);
    assert!(refused.stderr.contains("no row"), "{}", refused.stderr);
}

#[test]
fn a_deep_value_under_a_key_that_nobody_asks_for_is_no_matter() {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let text = format!(
        "{{\"tree\":{deep},\"email\":\"zoe@example.com\"}}\n{{\"email\":\"ana@example.com\",\"tree\":{deep}}}\n"
    );
    let workspace = Workspace::with(&[("a.ndjson", &text)]);
    let body = "[audience]\nfiles = [\"a.ndjson\"]\n[columns]\nemail = \"Email\"\n";
    let job = workspace.job("night", body, None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let parts = workspace.parts("night");
    assert_eq!(parts, ["Email\n\"zoe@example.com\"\n\"ana@example.com\"\n"]);
}

#[test]
fn values_under_keys_that_come_late_are_told() {
    let mut text = "{\"email\":\"zoe@example.com\",\"city\":\"Bern\"}\n".repeat(30_000);
    text += &"{\"email\":\"ana@example.com\",\"plan\":\"gold\",\"tier\":null}\n".repeat(3);
    let workspace = Workspace::with(&[("a.ndjson", &text)]);
    let body = "[audience]\nfiles = [\"a.ndjson\"]\n[columns]\nemail = \"Email\"\n";
    let job = workspace.job("night", body, None);
    let done = workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let told = words(&(done.stdout + &done.stderr));
    let warning = "a.ndjson: 3 values not read, the first in record 30,001: the first mebibyte has no key `plan`; name the key under [columns],";
    assert!(told.contains(warning), "{told}");
}

#[test]
fn a_mapped_key_that_comes_late_is_read() {
    let mut text = "{\"email\":\"zoe@example.com\"}\n".repeat(40_000);
    text += "{\"email\":\"ana@example.com\",\"plan\":\"gold\",\"land\":\"CH\",\"tel\":\"044 668 18 00\"}\n";
    text = text.replacen('{', "{\"tel\":null,", 1);
    let workspace = Workspace::with(&[("a.ndjson", &text)]);
    let body = "[audience]\nfiles = [\"a.ndjson\"]\n[columns]\nemail = \"Email\"\ntel = \"PhoneNumber\"\nplan = \"Plan\"\n\
        [normalize]\ncountry-column = \"land\"\n";
    let job = workspace.job("night", body, None);
    let done = workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let told = words(&(done.stdout + &done.stderr));
    for column in ["plan", "land"] {
        let warning = format!("a.ndjson: none of its first rows has `{column}`; check the name");
        assert!(told.contains(&warning), "{told}");
    }
    assert!(!told.contains("not read"), "{told}");
    let part = &workspace.parts("night")[0];
    assert_eq!(
        part,
        "Email,PhoneNumber,Plan\n\"zoe@example.com\",\"\",\n\"ana@example.com\",\"+41446681800\",gold\n"
    );
}

/// A file with so many columns, of which the last has a value.
fn wide(columns: usize) -> Workspace {
    let mut text = "Email".to_owned();
    for column in 1..columns {
        write!(text, ",c{column}").unwrap();
    }
    writeln!(text, "\nana@example.com{}last", ",".repeat(columns - 1)).unwrap();
    Workspace::with(&[("a.csv", &text)])
}

#[test]
fn two_of_a_hundred_thousand_columns_are_sent() {
    let workspace = wide(100_000);
    let body = "[audience]\nfiles = [\"a.csv\"]\n[columns]\nEmail = \"Email\"\nc99999 = \"Last\"\n";
    let job = workspace.job("night", body, None);
    workspace.run(&["run", &job, "--dry-run"]).exits(0);
    let parts = workspace.parts("night");
    assert_eq!(parts, ["Email,Last\n\"ana@example.com\",last\n"]);
}

#[test]
#[ignore = "half a minute: tests/run --all"]
fn a_hundred_thousand_columns_are_guessed_mapped_and_shown() {
    let workspace = wide(100_000);
    let shown = workspace.run(&["preview", "a.csv"]).exits(0);
    assert!(shown.stdout.contains("c99999"));
    let init = ["init", "a.csv", "--keep-unlisted", "-o", "job.toml"];
    workspace.run(&init).exits(0);
    let rejected = workspace.run(&["run", "job.toml", "--dry-run"]).exits(12);
    assert!(
        rejected.stdout.contains("profile-too-large 1"),
        "{}",
        rejected.stdout
    );
}

#[test]
fn text_in_a_code_page_of_dos_is_told_with_the_way_to_convert_it() {
    let cells: [&[u8]; 6] = [
        b"M\x81ller",
        b"Sch\x84fer",
        b"Ren\x82e",
        b"Mu\xa4oz",
        b"Gro\xe1mann",
        b"C\xa2rdoba",
    ];
    let mut csv = b"email,name\n".to_vec();
    for (place, cell) in cells.iter().enumerate() {
        csv.extend_from_slice(format!("p{place}@example.com,").as_bytes());
        csv.extend_from_slice(cell);
        csv.push(b'\n');
    }
    let workspace = Workspace::new();
    workspace.write("a.csv", &csv);
    let message = "a.csv: many bytes are not UTF-8; it is likely text in a code page of DOS, which is not read: convert it, for \
        example with iconv -f CP850 -t UTF-8";
    let shown = workspace.run(&["preview", "a.csv"]).exits(0);
    let told = words(&(shown.stdout + &shown.stderr));
    assert!(told.contains(message), "{told}");
    assert!(!told.contains("--encoding"), "{told}");
    let draft = workspace.run(&["init", "a.csv"]).exits(0);
    assert!(words(&draft.stderr).contains(message), "{}", draft.stderr);
    assert!(!draft.stdout.contains("\nencoding ="), "{}", draft.stdout);
    let mut header = b"email,Stra\xe1e,Gr\x94\xe1e,L\x84nge,T\x81r\n".to_vec();
    header.extend_from_slice(b"a@example.com,b,c,d,e\n");
    let error = error_of("b.csv", &header);
    assert!(
        error.starts_with("b.csv: is text in a code page of DOS, which"),
        "{error}"
    );
}

#[test]
fn gzip_with_zeros_after_it_and_zstd_with_a_long_window_are_read() {
    let csv = "email\nzoe@example.com\n";
    let members = [gzipped(b"email\n"), gzipped(b"zoe@example.com\n")].concat();
    for packed in [
        [gzipped(csv.as_bytes()), vec![0; 100_000]].concat(),
        members.clone(),
        [members, vec![0; 10]].concat(),
        long_window(csv),
    ] {
        let workspace = Workspace::new();
        workspace.write("a.csv.packed", packed);
        let shown = workspace
            .run(&["preview", "a.csv.packed", "--show-values"])
            .exits(0);
        assert!(shown.stdout.contains("zoe@example.com"), "{}", shown.stdout);
    }
    let workspace = Workspace::new();
    workspace.write(
        "a.csv.gz",
        [gzipped(csv.as_bytes()), b"rest".to_vec()].concat(),
    );
    let broken = workspace.run(&["preview", "a.csv.gz"]);
    assert!(
        broken.stderr.contains("broken or cut short"),
        "{}",
        broken.stderr
    );
}

fn long_window(text: &str) -> Vec<u8> {
    let mut packed = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packed.window_log(31).unwrap();
    packed.long_distance_matching(true).unwrap();
    packed.write_all(text.as_bytes()).unwrap();
    packed.finish().unwrap()
}

#[test]
fn pieces_of_a_table_are_no_audience() {
    for (mark, kind) in [
        ("t/_delta_log/0.json", "Delta Lake"),
        ("t/metadata/v1.metadata.json", "Iceberg"),
        ("t/.hoodie/hoodie.properties", "Hudi"),
    ] {
        let workspace =
            Workspace::with(&[(mark, "{}"), ("t/day=1/a.csv", "email\nzoe@example.com\n")]);
        for named in ["t", "t/day=1/*.csv", "t/*/*.csv"] {
            let refused = workspace.run(&["preview", named]).exits(12);
            let message = format!("{named}: belongs to a {kind} table");
            assert!(refused.stderr.contains(&message), "{}", refused.stderr);
        }
        workspace.run(&["preview", "t/day=1/a.csv"]).exits(0);
    }
}

#[test]
fn another_encoding_is_proposed_with_letters_that_show_it() {
    for (label, text, sample) in [
        ("windows-1252", "Müller,Renée,Zoë,Jürgen,Señor", "…Mü…"),
        (
            "windows-1250",
            "Łódź,Kraków,Wrocław,Gdańsk,święto,żółty,Poznań",
            "…Łó…",
        ),
        (
            "windows-1251",
            "Иван Петров,Мария Сидорова,Санкт-Петербург,Москва",
            "…Ив…",
        ),
        (
            "shift_jis",
            "山田太郎,東京都,こんにちは,さくら,カタカナ",
            "…山…",
        ),
        (
            "gb18030",
            "北京市,上海市,你好世界,张伟,王芳,中华人民共和国",
            "…北…",
        ),
        ("euc-kr", "서울특별시,김철수,안녕하세요,대한민국", "…서…"),
        (
            "macintosh",
            "Müller,Renée,Zoé,Jürgen,Schön,Größe,Bär",
            "…Mü…",
        ),
    ] {
        let encoding = encoding_rs::Encoding::for_label(label.as_bytes()).unwrap();
        let mut csv = String::from("email,note\n");
        for (place, word) in text.split(',').enumerate() {
            writeln!(csv, "p{place}@example.com,{word}").unwrap();
        }
        let (bytes, ..) = encoding.encode(&csv);
        let workspace = Workspace::new();
        workspace.write("a.csv", bytes);
        let shown = workspace.run(&["preview", "a.csv"]).exits(0);
        let message = format!(
            "it is likely {} (its letters then read {sample}",
            encoding.name()
        );
        let all = words(&(shown.stdout + &shown.stderr));
        assert!(all.contains(&message), "{label}: {all}");
        let draft = workspace.run(&["init", "a.csv"]).exits(0);
        let note = format!(
            "note: the file looks like {} (its letters then read {sample}",
            encoding.name()
        );
        assert!(draft.stderr.contains(&note), "{label}: {}", draft.stderr);
        for word in text.split(',').filter(|word| word.chars().count() > 3) {
            assert!(!draft.stderr.contains(word), "{}", draft.stderr);
        }
    }
}
