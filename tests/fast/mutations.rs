//! A thousand damaged audiences: none panics, none loses a row, and what is written reads back the same.
//!
//! In this process, through the library. The seed of a failure is in its message; `SEED=n` tries that one alone.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::format_push_string,
    reason = "the helpers of tests may panic as well; audiences are made of text, and tables of cases are long"
)]

use crate::support::random;
use crate::support::workspace;
use std::io::Cursor;
use std::path::Path;

use klaviyo_export::base::environment::Environment;
use klaviyo_export::base::interrupt::Interrupt;
use klaviyo_export::cli::command_line::CommandLine;
use klaviyo_export::cli::console::Console;
use klaviyo_export::cli::progress::ProgressStyle;
use klaviyo_export::job::Job;
use klaviyo_export::job::file::JobFile;
use klaviyo_export::run::surroundings::Surroundings;
use klaviyo_export::run::{RunOptions, RunOutcome, execute};
use klaviyo_export::source::audience::Audience;
use random::Random;
use workspace::{column, rows};

const CUSTOMERS: &str = include_str!("../../fixtures/audiences/customers.csv");
const COLUMNS: &str = "[columns]\nemail = \"Email\"\nmobile = \"PhoneNumber\"\ncustomer_id = \"ExternalID\"\nfirst_name = \"FirstName\"\nnotes = \"Notes\"\n";
const MUTATIONS: u64 = 1_000;

/// Formats `bytes` dry, below `folder`; `None` where the audience is refused before a row is read.
fn format(folder: &Path, bytes: &[u8], more: &str) -> Option<RunOutcome> {
    format_as("csv", folder, bytes, more)
}

fn format_as(kind: &str, folder: &Path, bytes: &[u8], more: &str) -> Option<RunOutcome> {
    let text =
        format!("name = \"m\"\n[audience]\nfiles = [\"-\"]\nformat = {kind:?}\n{COLUMNS}{more}");
    let environment = Environment::from_pairs([("HOME", folder.to_str().unwrap())]);
    let job = Job::from_file(JobFile::parse(&text).unwrap(), folder, &environment).unwrap();
    let audience = Audience::open(
        job.audience.files().unwrap(),
        Box::new(Cursor::new(bytes.to_vec())),
    )
    .ok()?;
    let surroundings = Surroundings {
        environment,
        console: Console::new(true),
        interrupt: Interrupt::new(),
        command_line: CommandLine::default(),
    };
    let options = RunOptions {
        dry_run: true,
        progress: ProgressStyle::None,
        ..RunOptions::default()
    };
    execute(&job, audience, options, &surroundings).ok()
}

/// Thirty rows or so: the sample ones and some plain ones.
fn original(random: &mut Random) -> Vec<u8> {
    let mut text = CUSTOMERS.to_owned();
    for n in 0..random.below(20) {
        text.push_str(&format!("{n},n{}@example.com,,N,\"x, {n}\",,,,,\n", n % 15));
    }
    text.into_bytes()
}

/// Damages `bytes` once: cut, swapped, quoted badly, holed.
fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        return;
    }
    // Half of the damage is done below the header, so that rows are read.
    let header = CUSTOMERS.find('\n').unwrap().min(bytes.len() - 1);
    let from = random.one_of(&[0, header]);
    let at = from + random.below(bytes.len() - from);
    match random.below(8) {
        0 => bytes.truncate(at),
        1 => {
            let other = random.below(bytes.len());
            bytes.swap(at, other);
        }
        2 => bytes.insert(at, b'"'),
        3 => bytes[at] = 0,
        4 => bytes[at] = random.one_of(&[0xFF, 0xC3, 0x80, b'\r', b'\n', b',', b'"', 0x1B]),
        5 => {
            let end = (at + 1 + random.below(40)).min(bytes.len());
            bytes.drain(at..end);
        }
        6 => {
            let end = (at + random.below(200)).min(bytes.len());
            let again = bytes[at..end].to_vec();
            bytes.splice(at..at, again);
        }
        _ => bytes.insert(at, random.one_of(&[0, b'\n', b',', b' ', 0xEF])),
    }
}

/// Checks what must hold whatever the audience was; tells whether it was read to its end.
fn check(folder: &Path, finished: &RunOutcome, seed: u64) -> bool {
    let report = &finished.report;
    let parts: Vec<String> = report
        .parts
        .iter()
        .map(|part| format!("m-{}-{}.csv", report.run_id, part.number))
        .map(|name| std::fs::read_to_string(finished.directory.parts().join(name)).unwrap())
        .collect();
    let written: usize = parts.iter().map(|part| rows(part).len()).sum();
    // Exit 12 for a reason other than "no row to write": the file ended inside quotes.
    let ended = report.exit_code == 0
        || report.rows_written == 0 && report.rows_read == report.rows_rejected;
    if !ended {
        assert_eq!(report.exit_code, 12, "seed {seed}: {:?}", finished.error);
        return false;
    }
    assert_eq!(
        report.rows_read,
        report.rows_written + report.rows_rejected + report.duplicates,
        "seed {seed}"
    );
    assert_eq!(written as u64, report.rows_written, "seed {seed}");
    assert_eq!(
        report.rejections.values().sum::<u64>(),
        report.rows_rejected,
        "seed {seed}"
    );
    let rejects = finished.directory.path().join("rejects.csv");
    let rejected = match std::fs::read_to_string(rejects) {
        Ok(text) => rows(&text).len(),
        Err(_) => 0,
    };
    assert_eq!(rejected as u64, report.rows_rejected, "seed {seed}");
    for part in &parts {
        again_changes_nothing(folder, part, seed);
    }
    true
}

/// A part that is an audience again gives the same bytes: it reads back the same, and normalising twice changes nothing.
fn again_changes_nothing(folder: &Path, part: &str, seed: u64) {
    let ours = part.replacen(
        "Email,PhoneNumber,ExternalID,FirstName,Notes",
        "email,mobile,customer_id,first_name,notes",
        1,
    );
    let again = format(&folder.join("again"), ours.as_bytes(), "").unwrap();
    assert!(
        again.report.repairs.is_empty() && again.report.rejections.is_empty(),
        "seed {seed}"
    );
    let name = format!("m-{}-0001.csv", again.report.run_id);
    let text = std::fs::read_to_string(again.directory.parts().join(name)).unwrap();
    assert_eq!(text, part, "seed {seed}");
}

#[test]
fn no_mutation_panics_or_loses_a_row() {
    let seeds: Vec<u64> = match std::env::var("SEED") {
        Ok(seed) => vec![seed.parse().unwrap()],
        Err(_) => (0..MUTATIONS).collect(),
    };
    let (mut refused, mut broken, mut whole) = (0, 0, 0);
    for &seed in &seeds {
        let mut random = Random::new(seed);
        let mut bytes = original(&mut random);
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, &mut random);
        }
        let folder = workspace::folder();
        let duplicates = random.one_of(&["first", "first", "last"]);
        match format(
            folder.path(),
            &bytes,
            &format!("[normalize]\nduplicates = {duplicates:?}\n"),
        ) {
            None => refused += 1,
            Some(finished) if check(folder.path(), &finished, seed) => whole += 1,
            Some(_) => broken += 1,
        }
    }
    if seeds.len() > 1 {
        // Damage that always stops at the header would prove nothing.
        assert!(
            whole > 500 && refused > 10 && broken > 10,
            "{whole} whole, {broken} broken, {refused} refused"
        );
    }
}

#[test]
fn no_mutation_of_ndjson_panics_or_loses_a_row() {
    let lines = rows(CUSTOMERS);
    let text: String = lines
        .iter()
        .map(|row| serde_json::to_string(row).unwrap() + "\n")
        .collect();
    let mut whole = 0;
    for seed in 0..200 {
        let mut random = Random::new(seed);
        let mut bytes = text.repeat(2).into_bytes();
        for _ in 0..=random.below(4) {
            mutate(&mut bytes, &mut random);
        }
        let folder = workspace::folder();
        if let Some(finished) = format_as("ndjson", folder.path(), &bytes, "") {
            whole += u64::from(check(folder.path(), &finished, seed));
        }
    }
    assert!(whole > 150, "{whole} whole");
}

#[test]
fn a_damaged_audience_counts_the_same_rows_whichever_duplicate_is_kept() {
    for seed in 0..50 {
        let mut random = Random::new(seed);
        let mut bytes = original(&mut random);
        mutate(&mut bytes, &mut random);
        let folder = workspace::folder();
        let counts = ["first", "last"].map(|which| {
            let more = format!("[normalize]\nduplicates = {which:?}\n");
            let finished = format(&folder.path().join(which), &bytes, &more)?;
            let report = finished.report;
            (report.exit_code == 0).then(|| {
                let name = format!("m-{}-0001.csv", report.run_id);
                let part = std::fs::read_to_string(finished.directory.parts().join(name)).unwrap();
                let mut emails = column(&part, "Email");
                emails.sort();
                (
                    report.rows_read,
                    report.rows_written,
                    report.duplicates,
                    report.rejections,
                    emails,
                )
            })
        });
        assert_eq!(counts[0], counts[1], "seed {seed}");
    }
}
