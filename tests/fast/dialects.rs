//! Dialects of CSV: each kind with the cells that must come out of it, or with the message that tells how it is written.
#![expect(
    clippy::unwrap_used,
    reason = "in a test crate, a panic is the failure"
)]

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::PathBuf;

use encoding_rs::UTF_8;
use klaviyo_export::source::audience::{
    Audience, AudienceFiles, BlockLimits, Escape, RecordReader,
};
use klaviyo_export::source::record::{Record, RecordFault, RecordVisitor};
use proptest::prelude::*;

use crate::support::workspace::Workspace;

#[derive(Default)]
struct Rows {
    columns: usize,
    rows: Vec<String>,
}

impl RecordVisitor for Rows {
    fn row(&mut self, row: &impl Record) {
        let mut scratch = Vec::new();
        let cells = (0..self.columns).map(|column| {
            let text = row.cell(column, &mut scratch).text();
            String::from_utf8(text.to_vec()).unwrap()
        });
        let cells: Vec<String> = cells.collect();
        self.rows.push(cells.join("|"));
    }

    fn fault(&mut self, fault: RecordFault, _: &impl Record) {
        self.rows.push(format!("{fault}"));
    }
}

/// The header and the rows of a file, their cells joined by `|`; or the message of the error.
fn read(
    name: &str,
    bytes: &[u8],
    change: impl FnOnce(&mut AudienceFiles),
) -> Result<Vec<String>, String> {
    read_in(name, bytes, BlockLimits::default(), change)
}

fn read_in(
    name: &str,
    bytes: &[u8],
    limits: BlockLimits,
    change: impl FnOnce(&mut AudienceFiles),
) -> Result<Vec<String>, String> {
    let mut files = AudienceFiles {
        files: Vec::new(),
        base: PathBuf::new(),
        format: None,
        delimiter: None,
        escape: Escape::Unsaid,
        header_row: None,
        encoding: UTF_8,
    };
    change(&mut files);
    let stream = Box::new(Cursor::new(bytes.to_vec()));
    let audience = Audience::from_stream(name.to_owned(), stream, &files)
        .map_err(|error| error.to_string())?;
    let sources = audience.shared_sources();
    let mut rows = Rows {
        columns: sources[0].header.len(),
        rows: vec![sources[0].header.join("|")],
    };
    for block in audience.into_blocks_with(limits) {
        let block = block.map_err(|error| error.to_string())?;
        RecordReader::new()
            .visit(&sources[0], &block, &mut rows)
            .unwrap();
    }
    Ok(rows.rows)
}

fn escaped(files: &mut AudienceFiles) {
    files.escape = Escape::Character(b'\\');
}

fn as_written(_: &mut AudienceFiles) {}

#[test]
fn cells_with_backslash_escapes_are_those_that_were_written() {
    for (name, text, expected) in [
        (
            "a.csv",
            "name,id\n\"Ana \\\"Annie\\\" Smith\",1\n",
            &["name|id", "Ana \"Annie\" Smith|1"][..],
        ),
        (
            "a.csv",
            "name,id\n\"The \\\"Shop\\\"\",1\n\"Zoe\",2\n",
            &["name|id", "The \"Shop\"|1", "Zoe|2"],
        ),
        (
            "a.csv",
            "name,id\n\"C:\\\\dir\\\\\",1\nZoe,2\n",
            &["name|id", "C:\\dir\\|1", "Zoe|2"],
        ),
        (
            "a.csv",
            "name,id\nDoe\\, Jane,1\nline\\\nbreak,2\n",
            &["name|id", "Doe, Jane|1", "line\nbreak|2"],
        ),
        (
            "a.csv",
            "name,id\n\"a\"\"b\",\\N\nC:\\new,2\n",
            &["name|id", "a\"b|\\N", "C:\\new|2"],
        ),
        (
            "a.csv",
            "\"the \\\"name\\\"\",id\r\n\"x\",1\r\n\r\n",
            &["the \"name\"|id", "x|1"],
        ),
        (
            "a.tsv",
            "name\tid\na\\tb\\nc\t1\n\\N\t2\n",
            &["name|id", "a\tb\nc|1", "\\N|2"],
        ),
        (
            "a.csv",
            "name,id\n\"ends \\\"open\n",
            &["a.csv: record 1: the file ends inside a quoted cell"],
        ),
    ] {
        let found = read(name, text.as_bytes(), escaped);
        match found {
            Ok(rows) => assert_eq!(rows, expected, "{text:?}"),
            Err(error) => assert_eq!(error, expected[0], "{text:?}"),
        }
    }
}

#[test]
fn a_file_that_reads_well_only_with_an_escape_is_refused_with_the_key() {
    let message = "a.csv: quotes inside cells are escaped with a backslash: write escape = \"\\\\\" under [audience], or --escape '\\'; if they are not, write escape = '\"' or --escape '\"'";
    for text in [
        "name,id\n\"Ana \\\"Annie\\\" Smith\",1\n",
        "name,id\n\"The \\\"Shop\\\"\",1\n\"Zoe\",2\n",
        "name,id\nZoe,1\n\"5\\\" pipe\",2\n",
    ] {
        assert_eq!(
            read("a.csv", text.as_bytes(), as_written).unwrap_err(),
            message,
            "{text:?}"
        );
        let doubled = read("a.csv", text.as_bytes(), |files| {
            files.escape = Escape::Doubled;
        });
        assert!(doubled.is_ok_and(|rows| rows.len() > 1), "{text:?}");
    }
    for text in [
        "name,id\n\"C:\\dir\\\",1\n\"D:\\\",2\n",
        "name,id\n\"say \"\"hi\"\"\",1\n",
        "name,id\n\"C:\\\",1\n5\" pipe,2\n",
    ] {
        assert!(
            read("a.csv", text.as_bytes(), as_written).is_ok(),
            "{text:?}"
        );
    }
}

#[test]
fn a_first_line_names_the_delimiter() {
    for (name, text, expected) in [
        (
            "a.csv",
            "sep=;\nid;name\n1;Zoe\n",
            &["id|name", "1|Zoe"][..],
        ),
        (
            "a.csv",
            "\u{feff}SEP=;\r\nid;name\r\n1;Zoe\r\n",
            &["id|name", "1|Zoe"],
        ),
        (
            "a.csv",
            "\"sep=|\"\nid|name\n1|Zoe\n",
            &["id|name", "1|Zoe"],
        ),
        (
            "a.csv",
            "sep=\t\nid\tname\n1\tThe \"Shop\n",
            &["id|name", "1|The \"Shop"],
        ),
        (
            "a.tsv",
            "sep=,\nid,name\n1,\"a,b\"\n",
            &["id|name", "1|a,b"],
        ),
        ("a.csv", "sep=ab\n1\n", &["sep=ab", "1"]),
    ] {
        assert_eq!(
            read(name, text.as_bytes(), as_written).unwrap(),
            expected,
            "{text:?}"
        );
    }
    let named = read("a.csv", b"sep=;\nid|name\n1|Zoe\n", |files| {
        files.delimiter = Some(b'|');
    });
    assert_eq!(named.unwrap(), ["id|name", "1|Zoe"]);
}

#[test]
fn quotes_mean_nothing_in_tsv_unless_both_ends_of_a_cell_have_them() {
    for (text, expected) in [
        (
            "id\tname\n1\t\"The Shop\n2\tZoe\n3\tAna\n",
            &["id|name", "1|\"The Shop", "2|Zoe", "3|Ana"][..],
        ),
        (
            "name\tid\n\"The Shop\t1\n\"Zoe\t2\nAna\t3\n",
            &["name|id", "\"The Shop|1", "\"Zoe|2", "Ana|3"],
        ),
        (
            "name\tid\n\"The\t1\nShop\"\t2\n",
            &["name|id", "\"The|1", "Shop\"|2"],
        ),
        (
            "name\tid\n\"Zoe\"\t1\n\"a \"\"b\"\"\"\t2\n",
            &["name|id", "Zoe|1", "a \"b\"|2"],
        ),
        ("name\tid\n\"a\tb\"\t1\n", &["name|id", "a\tb|1"]),
        (
            "name\tid\n\"Ana\" Smith\t1\n\"A\" and \"B\"\t2\n5\" pipe\t3\n",
            &[
                "name|id",
                "\"Ana\" Smith|1",
                "\"A\" and \"B\"|2",
                "5\" pipe|3",
            ],
        ),
        (
            "name\tid\n\"two\nlines\"\t1\nZoe\t2\n",
            &["name|id", "two\nlines|1", "Zoe|2"],
        ),
        (
            "id\tname\n1\t\"two\nlines\"\n2\tZoe\n",
            &["id|name", "1|two\nlines", "2|Zoe"],
        ),
        (
            "id\tname\r\n1\t\"\r\n2\t\"x\"\r\n\r\n",
            &["id|name", "1|\"", "2|x"],
        ),
        ("name\n\"Zoe\n\"Ana\n", &["name", "\"Zoe", "\"Ana"]),
    ] {
        assert_eq!(
            read("a.tsv", text.as_bytes(), as_written).unwrap(),
            expected,
            "{text:?}"
        );
    }
}

#[test]
fn what_a_file_has_wrong_is_told() {
    for (name, text, message) in [
        (
            "a.tsv",
            "id,name\n1,Zoe\n",
            "a.tsv: the header is one column with , in it: write delimiter = \",\" under [audience], or --delimiter ','",
        ),
        (
            "a.csv",
            "Export of November\nid,name\n1,Zoe\n2,Ana\n",
            "a.csv: the first row looks like a title, and the names of the columns seem to be in row 2: write header-row = 2 under [audience], or --header-row 2",
        ),
        (
            "a.csv",
            "Export of November,,\n,,\nid,name,city\n1,Zoe,Bern\n2,Ana,Rom\n",
            "a.csv: the first row looks like a title, and the names of the columns seem to be in row 3: write header-row = 3 under [audience], or --header-row 3",
        ),
        (
            "a.csv",
            "id,name\n\"1,Zoe\"\n\"2,Ana\"\n",
            "a.csv: each line is quoted as a whole, so that a record is one cell; remove the quotes around the lines, and make \"\" inside them a single quote",
        ),
        (
            "a.csv",
            "\"id,name\"\n\"1,Zoe\"\n",
            "a.csv: each line is quoted as a whole, so that a record is one cell; remove the quotes around the lines, and make \"\" inside them a single quote",
        ),
    ] {
        assert_eq!(
            read(name, text.as_bytes(), as_written).unwrap_err(),
            message,
            "{text:?}"
        );
    }
    for text in [
        "name\n\"Doe, Jane\"\n\"Roe, Ann\"\n",
        "mail,,\nzoe@example.com,x,y\n",
    ] {
        assert!(
            read("a.csv", text.as_bytes(), as_written).is_ok(),
            "{text:?}"
        );
    }
}

#[test]
fn ctrl_z_ends_a_file_and_a_line_separator_ends_nothing() {
    for (text, expected) in [
        ("id,name\r\n1,Zoe\r\n\u{1a}", &["id|name", "1|Zoe"][..]),
        ("id,name\n1,Zoe\u{1a}", &["id|name", "1|Zoe"]),
        ("id,name\n1,Z\u{1a}oe\n", &["id|name", "1|Z\u{1a}oe"]),
        (
            "id,name\n1,Z\u{2028}o\u{85}e\n",
            &["id|name", "1|Z\u{2028}o\u{85}e"],
        ),
    ] {
        assert_eq!(
            read("a.csv", text.as_bytes(), as_written).unwrap(),
            expected,
            "{text:?}"
        );
    }
}

#[test]
fn long_files_are_rewritten_in_pieces() {
    let row = "\"say \\\"hi\\\", \\\\\",x\n";
    let text = format!("name,id\n{}", row.repeat(20_000));
    let rows = read("a.csv", text.as_bytes(), escaped).unwrap();
    assert_eq!(rows.len(), 20_001);
    assert!(rows[1..].iter().all(|row| row == "say \"hi\", \\|x"));

    let text = format!(
        "id\tname\n{}",
        "1\t\"The\n2\tplain\n3\t\"a\tb\"\n".repeat(30_000)
    );
    let rows = read("a.tsv", text.as_bytes(), as_written).unwrap();
    assert_eq!(rows.len(), 90_001);
    for three in rows[1..].chunks(3) {
        assert_eq!(three, ["1|\"The", "2|plain", "3|a\tb"]);
    }
    let open = format!("name,id\n\"open,1\n{}", "Zoe,2\n".repeat(400_000));
    let rows = read("a.csv", open.as_bytes(), escaped).unwrap();
    assert_eq!(rows.len(), 400_002);
    assert!(rows[1].starts_with("3 cells"), "{}", rows[1]);
    assert_eq!(rows[2], "Zoe|2");
}

/// A cell as Spark and MySQL write it.
fn with_escapes(cell: &str) -> String {
    let mut text = String::from("\"");
    for sign in cell.chars() {
        if matches!(sign, '"' | '\\') {
            text.push('\\');
        }
        text.push(sign);
    }
    text + "\""
}

proptest! {
    #[test]
    fn whatever_is_escaped_comes_back(cells in prop::collection::vec("[a\\\\\",\n é]{0,6}", 2..20), block_bytes in 1_usize..40) {
        let mut text = "a,b\n".to_owned();
        let mut expected = vec!["a|b".to_owned()];
        for pair in cells.chunks_exact(2) {
            writeln!(text, "{},{}", with_escapes(&pair[0]), with_escapes(&pair[1])).unwrap();
            expected.push(pair.join("|"));
        }
        let limits = BlockLimits { block_bytes, ..BlockLimits::default() };
        prop_assert_eq!(read_in("a.csv", text.as_bytes(), limits, escaped).unwrap(), expected);
    }

    #[test]
    fn tsv_keeps_every_cell_without_quotes_at_both_ends(cells in prop::collection::vec("[ab, ]{0,3}\"?[ab, ]{1,3}", 2..20)) {
        let mut text = "a\tb\n".to_owned();
        let mut expected = vec!["a|b".to_owned()];
        for pair in cells.chunks_exact(2) {
            writeln!(text, "{}", pair.join("\t")).unwrap();
            expected.push(pair.join("|"));
        }
        prop_assert_eq!(read("a.tsv", text.as_bytes(), as_written).unwrap(), expected);
    }
}

#[test]
fn the_escape_is_a_key_and_a_flag() {
    let workspace = Workspace::with(&[(
        "a.csv",
        "email,first_name\nzoe@example.com,\"Zoe \\\"Z\\\" Doe\"\n",
    )]);
    let refused = workspace.run(&["preview", "a.csv"]);
    assert_eq!(refused.code, 12);
    assert!(
        refused
            .stderr
            .contains("next: klaviyo-export preview a.csv --escape \"\\\\\""),
        "{}",
        refused.stderr
    );
    let shown = workspace.run(&["preview", "a.csv", "--escape", "\\", "--show-values"]);
    assert!(shown.stdout.contains("Zoe \"Z\" Doe"), "{}", shown.stdout);
    let draft = workspace.run(&["init", "a.csv"]);
    assert!(draft.stdout.contains("escape = "), "{}", draft.stdout);
    let wrong = workspace.run(&["preview", "a.csv", "--escape", "ab"]);
    assert!(
        wrong
            .stderr
            .contains("--escape must be one punctuation character"),
        "{}",
        wrong.stderr
    );
}
