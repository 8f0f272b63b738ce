//! Guesses for the headers of real exports: each file of `fixtures/headers/` has the right mapping above its rows.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Cursor;
use std::path::PathBuf;

use klaviyo_export::job::file::JobFile;
use klaviyo_export::pipeline::mapping::guess::{Guess, Sample, guess};
use klaviyo_export::source::audience::{Audience, AudienceFiles};

use crate::support::workspace::Workspace;

/// Fewest files: the exports of the usual shops, CRMs and mail tools in their languages.
const FILES: usize = 60;

/// Most missed columns of a hundred.
const MISSED_PERCENT: usize = 5;

/// Identifiers of which no name says that they are something else: an address of yes and no, the id of a salesperson, and a
/// home address that is empty.
const ONLY_CELLS_TELL: [&str; 4] = [
    "german-crm: E-Mail = Email",
    "odoo-technical: user_id = ExternalID",
    "pipedrive-people: Person - Email - Home = Email",
    "pipedrive-people-plain: Email - Home = Email",
];

/// A header set: its rows, and the pairs of source column and Klaviyo's header that are right.
struct Export {
    name: String,
    rows: String,
    right: BTreeSet<(String, String)>,
}

fn exports() -> Vec<Export> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/headers");
    let mut exports: Vec<Export> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let (mapping, rows) = text.split_once("---\n").unwrap();
            let lines = mapping.lines().filter(|line| !line.starts_with("# "));
            let right = lines
                .map(|line| line.rsplit_once(" = ").unwrap())
                .map(|(source, header)| (source.to_owned(), header.to_owned()))
                .collect();
            Export {
                name,
                rows: rows.to_owned(),
                right,
            }
        })
        .collect();
    exports.sort_by(|a, b| a.name.cmp(&b.name));
    exports
}

/// The guessed pairs, by the cells too or by the header alone.
fn guessed(export: &Export, by_cells: bool) -> BTreeSet<(String, String)> {
    let dialect = AudienceFiles {
        files: Vec::new(),
        base: PathBuf::new(),
        format: None,
        delimiter: None,
        encoding: encoding_rs::UTF_8,
        escape: klaviyo_export::source::audience::Escape::Unsaid,
        header_row: None,
    };
    let stream = Box::new(Cursor::new(export.rows.clone()));
    let mut audience = Audience::from_stream("a.csv".to_owned(), stream, &dialect).unwrap();
    let block = audience.first_block().unwrap();
    let source = &audience.sources()[0];
    let sample = if by_cells {
        Sample::of(source, &block)
    } else {
        Sample::default()
    };
    let guesses = guess(&source.header, &sample);
    let pairs = source.header.iter().zip(guesses);
    pairs
        .filter_map(|(source, guess)| match guess {
            Guess::Mapped(column) => Some((source.clone(), column.header().to_owned())),
            Guess::Unmapped(_) => None,
        })
        .collect()
}

/// Wrong and missed pairs of all files, listed, and how many pairs are right.
fn compare(by_cells: bool) -> (Vec<String>, Vec<String>, usize) {
    let (mut wrong, mut missed, mut right) = (Vec::new(), Vec::new(), 0);
    for export in exports() {
        let guessed = guessed(&export, by_cells);
        let told =
            |(source, header): &(String, String)| format!("{}: {source} = {header}", export.name);
        wrong.extend(guessed.difference(&export.right).map(told));
        missed.extend(export.right.difference(&guessed).map(told));
        right += guessed.intersection(&export.right).count();
    }
    (wrong, missed, right)
}

#[test]
fn no_column_of_a_real_export_is_guessed_wrong_and_few_are_missed() {
    let files = exports().len();
    assert!(files >= FILES, "{files} files");
    let (wrong, missed, right) = compare(true);
    let all = right + missed.len();
    let mut text = String::new();
    for (what, pairs) in [("wrong", &wrong), ("missed", &missed)] {
        writeln!(text, "{what}: {}", pairs.len()).unwrap();
        for pair in pairs {
            writeln!(text, "  {pair}").unwrap();
        }
    }
    println!("{files} files, {all} columns, {right} right\n{text}");
    assert_eq!(wrong.len(), 0, "{text}");
    assert!(missed.len() * 100 <= all * MISSED_PERCENT, "{text}");
}

#[test]
fn a_header_without_rows_gives_no_identifier_that_its_names_refute() {
    let (wrong, missed, right) = compare(false);
    println!("{right} right, wrong {wrong:?}, missed {missed:?}");
    let identifiers = ["Email", "PhoneNumber", "ExternalID"];
    let is_identifier = |pair: &&String| {
        identifiers
            .iter()
            .any(|header| pair.ends_with(&format!(" = {header}")))
    };
    let wrong: Vec<_> = wrong.iter().filter(is_identifier).collect();
    assert_eq!(wrong, ONLY_CELLS_TELL);
}

#[test]
fn init_writes_what_is_guessed() {
    for export in exports() {
        let identifiers = ["Email", "PhoneNumber", "ExternalID"];
        let right: BTreeSet<_> = guessed(&export, true);
        if !right
            .iter()
            .any(|(_, header)| identifiers.contains(&header.as_str()))
        {
            continue;
        }
        let workspace = Workspace::with(&[("a.csv", &export.rows)]);
        let outcome = workspace.run(&["init", "a.csv"]).exits(0);
        let file = JobFile::parse(&outcome.stdout).unwrap();
        let pairs: BTreeSet<_> = file
            .columns
            .iter()
            .flat_map(|(source, headers)| {
                let names = headers.names().iter();
                names.map(|header| (source.clone(), header.clone()))
            })
            .collect();
        let by_cells = pairs
            .difference(&right)
            .filter(|(_, header)| header != "Email");
        assert_eq!(by_cells.count(), 0, "{}: {pairs:?}", export.name);
        assert!(right.is_subset(&pairs), "{}: {pairs:?}", export.name);
    }
}
