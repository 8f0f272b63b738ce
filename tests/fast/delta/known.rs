//! In a night in which most rows are as they were, duplicates and shared identifiers are found as in a full run.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::Value;

use super::{DELTA, Job};
use crate::support::random::Random;

const ROWS: usize = 3_000;

/// A row: e-mail, phone number, key and city. A number of 0 is a blank cell.
type Row = [usize; 4];

/// Rows of which many have an identifier in common.
fn first_night(random: &mut Random) -> Vec<Row> {
    (0..ROWS).map(|_| new_row(random)).collect()
}

fn new_row(random: &mut Random) -> Row {
    let mut row = [3 * ROWS, 2 * ROWS, 4 * ROWS, 5].map(|most| random.below(most));
    row[random.below(4)] *= random.below(2);
    row
}

/// The next night: some rows have other cells, some are new, some are there twice, some left, and some have another place.
fn second_night(mut rows: Vec<Row>, random: &mut Random) -> Vec<Row> {
    for _ in 0..ROWS / 100 {
        for column in 0..4 {
            let other = new_row(random)[column];
            let row = random.below(rows.len());
            rows[row][column] = other;
        }
        let (place, new) = (random.below(rows.len()), new_row(random));
        rows.insert(place, new);
        rows.remove(random.below(rows.len()));
        let (place, copy) = (random.below(rows.len()), rows[random.below(rows.len())]);
        rows.insert(place, copy);
        let (one, other) = (random.below(rows.len()), random.below(rows.len()));
        rows.swap(one, other);
    }
    rows
}

fn text(rows: &[Row]) -> String {
    let mut text = "key,mail,phone,city\n".to_owned();
    for [mail, phone, key, city] in rows {
        let cell = |form: &str, number: usize| match number {
            0 => String::new(),
            _ => form.replace('#', &number.to_string()),
        };
        let (key, mail) = (cell("k#", *key), cell("p#@example.com", *mail));
        let phone = cell("+447911#", if *phone == 0 { 0 } else { 100_000 + *phone });
        writeln!(text, "{key},{mail},{phone},City {city}").unwrap();
    }
    text
}

fn body(columns: &str, normalize: &str) -> String {
    format!(
        "[audience]\nfiles = [\"a.csv\"]\n[columns]\n{columns}city = \"City\"\n[normalize]\n{normalize}max-rejected = {{ percent = 100, rows = 1000000 }}\n[parts]\nmax-rows = 700\n"
    )
}

const THREE: &str = "mail = \"Email\"\nphone = \"PhoneNumber\"\nkey = \"ExternalID\"\n";
const ONE: &str = "mail = \"Email\"\n";

/// Of a run, all that must not depend on what was known before: its counts and the lines of two of its files.
fn findings(job: &Job, report: &Value) -> (Vec<Value>, Vec<BTreeSet<String>>) {
    let keys = [
        "rows_read",
        "rows_rejected",
        "rejections",
        "duplicates",
        "repairs",
        "shared_identifiers",
    ];
    let run = job.workspace.last_run("vip");
    let files = ["conflicts.csv", "rejects.csv"].map(|name| {
        let text = std::fs::read_to_string(run.join(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    });
    (
        keys.iter().map(|key| report[key].clone()).collect(),
        files.into(),
    )
}

#[test]
fn a_night_finds_what_a_full_run_finds_and_sends_the_difference() {
    let mut shared = 0;
    for seed in 0..6 {
        for (columns, memory) in [(THREE, ""), (THREE, "dedupe-memory = 200000\n"), (ONE, "")] {
            let mut random = Random::new(seed);
            let nights = {
                let first = first_night(&mut random);
                let second = second_night(first.clone(), &mut random);
                [text(&first), text(&second)]
            };
            let full = Job::with(&body(columns, ""), "");
            let delta = Job::with(&body(columns, memory), DELTA);
            let mut all_before = Vec::new();
            for night in nights {
                let [all, changed] = [&full, &delta].map(|job| {
                    job.workspace.write("a.csv", &night);
                    let before = job.received();
                    let report = job.run(&[]).exits(0).report();
                    (job.rows_since(&before), findings(job, &report), report)
                });
                let mut difference = all.0.clone();
                difference.retain(|row| all_before.binary_search(row).is_err());
                assert!(changed.0 == difference, "{seed} {columns} {memory}");
                assert_eq!(changed.1, all.1, "{seed} {columns} {memory}");
                let unchanged = changed.2["rows_unchanged"].as_u64().unwrap_or(0);
                assert_eq!(unchanged, (all.0.len() - difference.len()) as u64);
                shared += all.1.1[0].len();
                all_before = all.0;
            }
        }
    }
    assert!(shared > 1_000, "{shared}");
}

#[test]
fn a_row_that_shares_with_a_known_one_stops_a_night_as_it_stops_a_full_run() {
    let rows: Vec<Row> = (1..500).map(|number| [number, number, number, 1]).collect();
    let mut shared = rows.clone();
    shared.insert(300, [2_000, 2_000, 100, 1]);
    shared.insert(200, [2_001, 480, 2_001, 1]);
    let errors = ["", DELTA].map(|delta| {
        let job = Job::with(&body(THREE, "shared-identifiers = \"fail\"\n"), delta);
        job.workspace.write("a.csv", text(&rows));
        job.run(&[]).exits(0);
        job.workspace.write("a.csv", text(&shared));
        let before = job.received();
        let stopped = job.run(&[]).exits(17);
        assert!(job.rows_since(&before).is_empty());
        stopped.report()["error"].to_string()
    });
    assert_eq!(errors[0], errors[1]);
    assert!(errors[0].contains("the same ExternalID"), "{}", errors[0]);
}
