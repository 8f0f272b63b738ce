//! Commands and examples in the pages: each command can be typed, and each example prints its text.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use clap::Parser as _;
use klaviyo_export::cli::Cli;
use serde_json::Value;

use super::units::CRON;
use super::{blocks, quoted, root, section};

/// The words of the `klaviyo-export` command in a line of shell, if it has one.
pub(super) fn words(line: &str) -> Option<Vec<String>> {
    let line = line.replace("$TO", "sftp://ana@127.0.0.1/profiles");
    let start = line.find("klaviyo-export ")?;
    let is_command = line[..start].is_empty()
        || line[..start].ends_with("| ")
        || line[..start].ends_with("/usr/local/bin/");
    if !is_command {
        return None;
    }
    let mut words = vec![String::new()];
    let mut inside = false;
    for c in line[start..].chars() {
        match c {
            '\'' => inside = !inside,
            ' ' if !inside => words.push(String::new()),
            '|' | '#' | '>' if !inside => break,
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    Some(words)
}

#[test]
fn commands_in_it_can_be_typed() {
    let mut commands = 0;
    let cron = CRON.lines().last().unwrap();
    for (_, block) in blocks("sh").into_iter().chain([("", cron.to_owned())]) {
        let block = block.replace("\\\n", " ");
        for words in block.lines().filter_map(|line| words(line.trim())) {
            commands += 1;
            if let Err(error) = Cli::try_parse_from(&words) {
                panic!("{words:?}: {error}");
            }
        }
    }
    assert!(commands >= 10, "{commands}");
}

/// A folder to run the program in, with nothing of this machine's user in its environment.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let rows = root().join("fixtures/audiences/customers.csv");
        fs::copy(rows, place.path().join("customers.csv")).unwrap();
        Self(place)
    }

    fn run(&self, words: &[String]) -> std::process::Output {
        Command::new(env!("CARGO_BIN_EXE_klaviyo-export"))
            .args(&words[1..])
            .current_dir(self.0.path())
            .env("HOME", self.0.path())
            .env("TMPDIR", self.0.path())
            .env("KLAVIYO_EXPORT_LOOPBACK_ONLY", "1")
            .env_remove("KLAVIYO_EXPORT_STATE_DIR")
            .env_remove("XDG_STATE_HOME")
            .env_remove("RUST_LOG")
            .output()
            .unwrap()
    }
}

/// A line without the parts that differ from run to run: run ids, ids of lists, times, ports and folders.
fn plain(line: &str) -> String {
    let word = |word: &str| -> String {
        let word = match word.rsplit_once('/') {
            Some((folder, name)) if folder.starts_with('/') && !word.starts_with("/profiles") => {
                name
            }
            _ => word,
        };
        let word = without_run_id(word);
        let id = word
            .strip_prefix('(')
            .and_then(|rest| rest.strip_suffix("),"));
        if id.is_some_and(|id| id.len() == 6 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            return "(ID),".to_owned();
        }
        match word.split_once("127.0.0.1:") {
            Some((_, rest)) => rest.trim_start_matches(|c: char| c.is_ascii_digit()).into(),
            None if word.contains('.') && word.parse::<f64>().is_ok() => "0.0".into(),
            None => word,
        }
    };
    line.split_whitespace()
        .map(word)
        .collect::<Vec<_>>()
        .join(" ")
}

/// `20261123T142714Z-dcabb6e7` becomes `RUN`.
fn without_run_id(word: &str) -> String {
    let is_id = |text: &str| {
        text.bytes().enumerate().all(|(at, byte)| match at {
            8 => byte == b'T',
            15 => byte == b'Z',
            16 => byte == b'-',
            17.. => byte.is_ascii_hexdigit(),
            _ => byte.is_ascii_digit(),
        })
    };
    let starts = (0..word.len()).filter(|start| word.get(*start..start + 25).is_some_and(is_id));
    match starts.min() {
        Some(start) => format!("{}RUN{}", &word[..start], &word[start + 25..]),
        None => word.to_owned(),
    }
}

/// The lines of docs/demo.svg as a person reads them.
fn picture() -> Vec<String> {
    let picture = fs::read_to_string(root().join("docs/demo.svg")).unwrap();
    assert!(picture.len() < 60_000);
    let lines = picture.lines().filter(|line| line.starts_with("<text "));
    lines
        .map(|line| {
            let pieces = line.split('<').skip(1);
            let text: String = pieces
                .filter_map(|piece| Some(piece.split_once('>')?.1))
                .collect();
            text.replace("&lt;", "<")
                .replace("&gt;", ">")
                .replace("&amp;", "&")
        })
        .collect()
}

#[test]
fn examples_print_what_it_says() {
    let examples = blocks("console");
    assert_eq!(examples.len(), 3);
    for (before, block) in examples {
        assert_eq!(before, "<!-- run -->");
        check_example(block.lines());
    }
    let picture = picture();
    assert_eq!(picture[0], "$ klaviyo-export demo");
    check_example(picture.iter().map(String::as_str));
}

/// Runs the command of an example's first line, and looks for the other lines in what it prints.
fn check_example<'a>(mut lines: impl Iterator<Item = &'a str>) {
    let command = lines.next().and_then(|line| line.strip_prefix("$ "));
    let words = words(command.unwrap()).unwrap();
    let output = Place::new().run(&words);
    let (stdout, stderr) = (
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    );
    assert!(output.status.success(), "{words:?}\n{stdout}\n{stderr}");
    let mut printed = stderr.lines().chain(stdout.lines()).map(plain);
    for line in lines.filter(|line| !line.is_empty()).map(plain) {
        assert!(
            printed.any(|printed| printed == line),
            "{words:?} does not print in its place:\n{line}\n\n{stderr}\n{stdout}"
        );
    }
}

#[test]
fn every_field_of_a_report_is_told() {
    let words = ["klaviyo-export", "demo", "--json"].map(str::to_owned);
    let output = Place::new().run(&words);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let text = section("operations", "## Report");
    let told: BTreeSet<&str> = quoted(text).into_iter().collect();
    let parts = &report["parts"][0];
    for object in [&report, parts, &report["seconds"]] {
        for field in object.as_object().unwrap().keys() {
            assert!(told.contains(field.as_str()), "{field}");
        }
    }
    assert!(told.contains(report["status"].as_str().unwrap()));
}
