//! Shared identifiers against an oracle: random audiences in any number of files, blocks and threads, with an index in
//! memory or on disk, come to the rows that a plain reading of the rules comes to.

mod model;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::Path;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::*;
use crate::base::environment::Environment;
use crate::job::file::JobFile;
use crate::job::{Job, PartLimits};
use crate::pipeline::commit::{CommitSettings, Deduplication};
use crate::pipeline::settings::{Duplicates, MaxRejected, PrimaryKey, SharedIdentifiers};
use crate::pipeline::spool::{Spool, SpoolLayout};
use crate::source::audience::BlockLimits;
use crate::state::part::Part;
use model::{Case, Made, audience, expected};

/// The job that has the rules of a case, over files in `folder`.
fn job(case: &Case, files: &[String], folder: &Path) -> Job {
    let mut text = String::from("name = \"x\"\n[audience]\nfiles = [");
    for (number, file) in files.iter().enumerate() {
        std::fs::write(folder.join(format!("{number}.csv")), file).unwrap();
        write!(text, "\"{number}.csv\",").unwrap();
    }
    let primary = case.primary_key().name();
    writeln!(text, "]\nprimary-key = \"{primary}\"\n[columns]").unwrap();
    for kind in &case.columns {
        writeln!(text, "{} = \"{}\"", kind.name(), kind.column().header()).unwrap();
    }
    text.push_str("tag = \"Tag\"\n[normalize]\ndefault-region = \"US\"\n");
    let job = JobFile::parse(&text).unwrap();
    Job::from_file(job, folder, &Environment::default()).unwrap()
}

/// A spool in `folder`, and the parts that it releases.
fn spool(folder: &Path) -> (Spool, Arc<Mutex<Vec<Part>>>) {
    std::fs::create_dir(folder.join("parts")).unwrap();
    let parts = Arc::new(Mutex::new(Vec::new()));
    let released = Arc::clone(&parts);
    let layout = SpoolLayout {
        directory: folder.join("parts"),
        prefix: "x".to_owned(),
        header: b"h\n".to_vec(),
        identifiers_header: Some(b"h\n".to_vec()),
        limits: PartLimits {
            max_bytes: 20_000,
            max_rows: u64::MAX,
        },
        are_sent: true,
        first_part: 1,
    };
    let release = move |part| {
        released.lock().unwrap().push(part);
        Ok(())
    };
    (Spool::start(layout, Box::new(release)), parts)
}

/// Runs the program's stages over the files.
fn made(case: &Case, files: &[String]) -> Made {
    // In memory where there is such a place: closing a part waits for the disk.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = folder.unwrap();
    let job = job(case, files, folder.path());
    let audience =
        Audience::open(job.audience.files().unwrap(), Box::new(std::io::empty())).unwrap();
    let sources = audience.shared_sources();
    let mapping = Mapping::new(&job.columns, &sources).unwrap();
    let (spool, parts) = spool(folder.path());
    let deduplication = Deduplication {
        duplicates: case.duplicates,
        shared: case.shared,
        memory_bytes: case.memory_bytes,
    };
    let max_rejected = MaxRejected {
        percent: 100.1,
        rows: u64::MAX,
    };
    let meter = Meter::default();
    let settings = CommitSettings {
        sources: &sources,
        mapping: &mapping,
        deduplication,
        max_rejected,
        limit: case.limit,
        meter: &meter,
    };
    let commit = Commit::new(settings, spool, folder.path());
    let work = FormatWork {
        sources: Arc::clone(&sources),
        blocks: audience.into_blocks_with(BlockLimits {
            block_bytes: case.block_bytes,
            ..BlockLimits::default()
        }),
        workers: case.workers,
    };
    let formatting = Formatting {
        mapping: &mapping,
        rules: job.rules.clone(),
        meter: &meter,
        interrupt: &Interrupt::default(),
    };
    let (counts, result) = formatting.format_blocks(work, commit.unwrap());
    result.unwrap();
    assert!(counts.add_up(), "{counts:?}");
    let mut made = of_counts(&counts);
    for part in parts.lock().unwrap().iter() {
        let text = std::fs::read_to_string(&part.path).unwrap();
        let rows = text.strip_prefix("h\n").unwrap();
        let identifiers = std::fs::read_to_string(part.identifiers()).unwrap();
        // The list stage reads what was blanked as blank.
        for (row, own) in rows.lines().zip(identifiers.lines().skip(1)) {
            assert_eq!(row.rsplit_once(',').unwrap().0, own);
        }
        made.parts += rows;
    }
    made.conflicts = lines_of(folder.path(), "conflicts.csv");
    let rejects = lines_of(folder.path(), "rejects.csv");
    made.rejects = rejects.iter().map(|line| without_values(line)).collect();
    made.rejects.sort();
    made
}

fn of_counts(counts: &Counts) -> Made {
    let number = |count: u64| usize::try_from(count).unwrap();
    let shared = counts.shared_identifiers.iter();
    Made {
        read: number(counts.rows_read),
        written: number(counts.rows_written),
        rejected: number(counts.rows_rejected),
        duplicates: number(counts.duplicates),
        external_id_only: number(counts.external_id_only),
        shared: shared.map(|(code, cells)| (code.code(), *cells)).collect(),
        repairs: counts
            .repairs
            .iter()
            .map(|(code, cells)| (code.code(), *cells))
            .collect(),
        ..Made::default()
    }
}

/// The lines of a file of the run after its header, which a file that is there has.
fn lines_of(folder: &Path, name: &str) -> Vec<String> {
    let Ok(text) = std::fs::read_to_string(folder.join(name)) else {
        return Vec::new();
    };
    let mut lines = text.lines().map(str::to_owned);
    assert!(lines.next().unwrap().contains("_source"));
    lines.collect()
}

/// The tag, the reason and the place of a line of rejects.csv. Tags of ragged rows end in what they have too much.
fn without_values(line: &str) -> String {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .from_reader(line.as_bytes());
    let cells = reader.records().next().unwrap().unwrap();
    let cells: Vec<&str> = cells.iter().collect();
    let [.., tag, reason, _, source, record, _] = cells.as_slice() else {
        panic!("{line}");
    };
    let tag = tag.split(',').next().unwrap();
    format!("{tag},{reason},{source},{record}")
}

/// A few rows that share all, in blocks of a few rows.
fn small() -> impl Strategy<Value = Case> {
    let blocks = prop_oneof![Just(1 << 20), 20_usize..400];
    cases(0..60, 1..12, blocks)
}

/// Thousands of rows, of which the index holds a part: the least memory is for 3,700 identifiers. In one block, it is used up
/// within a batch.
fn large() -> impl Strategy<Value = Case> {
    let blocks = prop_oneof![Just(1 << 20), 4_000_usize..60_000];
    cases(2_500..6_000, 50..9_000, blocks)
}

fn cases(
    rows: Range<usize>,
    people: Range<usize>,
    block_bytes: impl Strategy<Value = usize>,
) -> impl Strategy<Value = Case> {
    let columns = subsequence(PrimaryKey::BEST_FIRST.to_vec(), 1..=3).prop_shuffle();
    let shared = select(vec![
        SharedIdentifiers::Blank,
        SharedIdentifiers::Report,
        SharedIdentifiers::Reject,
    ]);
    let duplicates = select(vec![Duplicates::First, Duplicates::First, Duplicates::Last]);
    let limit = prop::option::weighted(0.1, 1..rows.end as u64);
    let rules = (shared, duplicates, 0_usize..3, limit);
    let machine = (
        select(vec![1_u64, 90_000, 1 << 30]),
        1_usize..9,
        block_bytes,
    );
    let audience = (any::<u64>(), rows, people, 1_usize..5, 2_usize..5, columns);
    (audience, rules, machine).prop_map(|(audience, rules, machine)| {
        let (seed, rows, people, files, blank, columns) = audience;
        let (shared, duplicates, primary_key, limit) = rules;
        let (memory_bytes, workers, block_bytes) = machine;
        Case {
            seed,
            rows,
            people,
            files: files.min(rows.max(1)),
            blank,
            columns,
            primary_key,
            duplicates,
            shared,
            memory_bytes,
            workers,
            block_bytes,
            limit,
        }
    })
}

fn check(case: &Case) -> Result<(), TestCaseError> {
    let (files, model) = audience(case);
    let made = made(case, &files);
    let expected = expected(case, &model);
    prop_assert_eq!(made.read, made.written + made.rejected + made.duplicates);
    if case.shared != SharedIdentifiers::Report {
        none_is_shared(&made.parts);
    }
    let difference = made.difference(&expected);
    prop_assert!(difference.is_none(), "{}", difference.unwrap_or_default());
    Ok(())
}

/// No identifier is in two of these rows.
fn none_is_shared(parts: &str) {
    let mut seen = HashSet::new();
    for line in parts.lines() {
        let identifiers = line.rsplit_once(',').unwrap().0;
        for cell in crate::base::csv::WrittenCells::new(identifiers.as_bytes()) {
            assert!(cell == b"\"\"" || seen.insert(cell.to_vec()), "{line}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn of_rows_that_share_an_identifier_the_first_that_is_sent_keeps_it(case in small()) {
        check(&case)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn the_same_row_keeps_it_where_the_index_is_full(case in large()) {
        check(&case)?;
    }
}
