//! README.md and the pages of docs/ agree with the program: codes, keys and their defaults, flags, messages, examples, links.
#![expect(
    clippy::unwrap_used,
    reason = "in a test crate, a panic is the failure"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use clap::{CommandFactory as _, Parser as _};
use klaviyo_export::base::exit_code::ExitCode;
use klaviyo_export::cli::Cli;
use klaviyo_export::job::file::{JobFile, ListSection};
use klaviyo_export::profile::column::{ProfileColumn, Spelling};
use klaviyo_export::state::codes::{RejectionReason, RepairCode};
use klaviyo_export::state::part::Verification;
use serde_json::Value;

/// Every page for users, by its path in the repository: README.md and docs/*.md.
static PAGES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let mut paths = vec!["README.md".to_owned()];
    for entry in fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") {
            paths.push(format!("docs/{name}"));
        }
    }
    let with_text = |path: String| {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        (path, text)
    };
    paths.into_iter().map(with_text).collect()
});

const SERVICE: &str = include_str!("../../packaging/klaviyo-export@.service");
const TIMER: &str = include_str!("../../packaging/klaviyo-export@.timer");
const CRON: &str = include_str!("../../packaging/klaviyo-export.cron");

/// What a job file needs at least, as far as a fragment does not say it.
const REST_OF_A_JOB: [(&str, &str); 2] = [
    ("[audience]", "[audience]\nfiles = [\"a.csv\"]\n"),
    ("[columns]", "[columns]\nemail = \"Email\"\n"),
];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text of one page of docs/.
fn page(name: &str) -> &'static str {
    let path = format!("docs/{name}.md");
    PAGES
        .get(&path)
        .unwrap_or_else(|| panic!("there is no {path}"))
}

/// The text of a page below a heading, up to the next one of its level or above.
fn section(name: &str, heading: &str) -> &'static str {
    let page = page(name);
    let start = page
        .find(&format!("\n{heading}\n"))
        .unwrap_or_else(|| panic!("docs/{name}.md has no heading {heading}"));
    let text = &page[start + heading.len() + 2..];
    let level = heading.chars().take_while(|c| *c == '#').count();
    let ends = (1..=level).filter_map(|level| text.find(&format!("\n{} ", "#".repeat(level))));
    &text[..ends.min().unwrap_or(text.len())]
}

/// The cells of every row of the tables in `text`, without the header rows.
fn rows(text: &str) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let is_header = lines.peek().is_some_and(|next| next.starts_with("|--"));
        if line.starts_with('|') && !line.starts_with("|--") && !is_header {
            let line = line.trim_matches('|').replace("\\|", "\u{1}");
            let cell = |cell: &str| cell.trim().replace('\u{1}', "|");
            rows.push(line.split('|').map(cell).collect());
        }
    }
    rows
}

/// The pieces of `text` in backticks.
fn quoted(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The first cell of each row, which is one piece in backticks.
fn first_cells(text: &str) -> Vec<String> {
    rows(text)
        .iter()
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect()
}

/// The fenced blocks in `language` of every page, each with the line before it.
fn blocks(language: &str) -> Vec<(&'static str, String)> {
    PAGES
        .values()
        .flat_map(|page| blocks_of(page, language))
        .collect()
}

fn blocks_of<'a>(page: &'a str, language: &str) -> Vec<(&'a str, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    let mut before = "";
    while let Some(line) = lines.next() {
        if let Some(found) = line.trim_start().strip_prefix("```") {
            let block: Vec<&str> = lines
                .by_ref()
                .take_while(|line| line.trim_start() != "```")
                .collect();
            if found == language {
                blocks.push((before, block.join("\n")));
            }
        }
        before = line;
    }
    blocks
}

fn parse_job(fragment: &str) -> JobFile {
    let mut text = fragment.to_owned();
    for (section, lines) in REST_OF_A_JOB {
        if !fragment.contains(section) {
            text.push('\n');
            text.push_str(lines);
        }
    }
    let top = fragment.split('[').next().unwrap_or_default();
    if !top.contains("name = ") {
        text.insert_str(0, "name = \"x\"\n");
    }
    JobFile::parse(&text).unwrap_or_else(|error| panic!("{error}:\n{text}"))
}

#[test]
fn exit_codes_are_those_of_the_program() {
    let told: Vec<_> = rows(section("operations", "## Exit codes"))
        .into_iter()
        .map(|row| (row[0].parse::<u8>().unwrap(), row[1].clone()))
        .collect();
    let known: Vec<_> = ExitCode::ALL
        .iter()
        .map(|code| (code.number(), code.meaning().to_owned()))
        .collect();
    assert_eq!(told, known);
    let headings: String = page("messages")
        .lines()
        .filter(|line| line.starts_with("##"))
        .collect();
    for (number, _) in known.iter().filter(|(number, _)| *number > 1) {
        let mut words = headings.split(|c: char| !c.is_ascii_digit());
        let is_told = words.any(|word| word == number.to_string());
        assert!(is_told, "no heading of the troubles names {number}");
    }
}

/// Every key of a job file with its section, and its default as the program has it.
fn known_keys() -> BTreeMap<(String, String), Value> {
    let job = JobFile {
        list: Some(ListSection::default()),
        ..JobFile::default()
    };
    let Value::Object(top) = serde_json::to_value(job).unwrap() else {
        panic!("a job file is a table");
    };
    let mut keys = BTreeMap::new();
    for (name, value) in top {
        match value {
            Value::Object(section) => {
                for (key, value) in section {
                    keys.insert((name.clone(), key), value);
                }
            }
            value => {
                keys.insert((String::new(), name), value);
            }
        }
    }
    keys
}

#[test]
fn keys_and_defaults_are_those_of_a_job_file() {
    let known = known_keys();
    let mut told = BTreeSet::new();
    for name in [
        "",
        "audience",
        "normalize",
        "parts",
        "sftp",
        "retry",
        "list",
        "klaviyo",
        "state",
    ] {
        let heading = match name {
            "" => "## Top level".to_owned(),
            name => format!("## `[{name}]`"),
        };
        for row in rows(section("job-file", &heading)) {
            let place = (name.to_owned(), row[0].trim_matches('`').to_owned());
            let default = known
                .get(&place)
                .unwrap_or_else(|| panic!("{place:?} is no key of a job file"));
            check_default(&place, &row[1], default);
            told.insert(place);
        }
    }
    let all: BTreeSet<_> = known.into_keys().collect();
    assert_eq!(told, all);
    assert!(page("job-file").contains("\n## `[columns]`\n"));
}

/// A default in backticks is what the program takes when the key is left out; one in words stands for none.
fn check_default((section, key): &(String, String), told: &str, default: &Value) {
    if !told.starts_with('`') {
        let is_empty = default.is_null()
            || default == ""
            || *default == Value::Array(vec![])
            || default.as_object().is_some_and(serde_json::Map::is_empty);
        assert!(is_empty, "{section}.{key} has the default {default}");
        return;
    }
    let line = format!("{key} = {}\n", told.trim_matches('`'));
    let job = match section.as_str() {
        "" => parse_job(&line),
        "audience" => parse_job(&format!("[audience]\nfiles = [\"a.csv\"]\n{line}")),
        section => parse_job(&format!("[{section}]\n{line}")),
    };
    let job = serde_json::to_value(job).unwrap();
    let value = match section.as_str() {
        "" => &job[key],
        section => &job[section][key],
    };
    assert_eq!(value, default, "{section}.{key}");
}

#[test]
fn job_files_in_it_are_job_files() {
    let jobs = blocks("toml");
    assert!(jobs.len() >= 2);
    for (_, job) in jobs {
        parse_job(&job);
    }
}

#[test]
fn every_command_and_flag_is_told() {
    let commands = page("commands");
    let told: BTreeSet<&str> = commands
        .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'))
        .collect();
    for command in Cli::command().get_subcommands() {
        assert!(told.contains(command.get_name()), "{}", command.get_name());
        for flag in command.get_arguments().filter_map(clap::Arg::get_long) {
            let flag = format!("--{flag}");
            assert!(told.contains(flag.as_str()), "{flag}");
        }
    }
    let program = Cli::command();
    let flags: BTreeSet<String> = program
        .get_subcommands()
        .flat_map(clap::Command::get_arguments)
        .chain(program.get_arguments())
        .filter_map(clap::Arg::get_long)
        .map(str::to_owned)
        .collect();
    for row in rows(commands)
        .iter()
        .filter(|row| row[0].starts_with("`--"))
    {
        let flag = quoted(&row[0])[0].trim_start_matches('-');
        let flag = flag.split(' ').next().unwrap_or_default();
        assert!(flags.contains(flag), "--{flag} is no flag");
    }
}

#[test]
fn codes_of_rejections_repairs_and_verification_are_told() {
    let codes = first_cells(section("columns-and-values", "## Rejections and repairs"));
    let rejections = RejectionReason::ALL.iter().map(|reason| reason.code());
    let repairs = RepairCode::ALL.iter().map(|code| code.code());
    let known: Vec<&str> = rejections.chain(repairs).collect();
    assert_eq!(codes, known);
    let told = first_cells(section("delivery", "## Parts and uploads"));
    let known = [
        Verification::Verified,
        Verification::Collected,
        Verification::Unverified,
        Verification::Failed,
    ];
    assert_eq!(told, known.map(Verification::word));
}

#[test]
fn headers_are_klaviyo_s_with_how_sure_they_are() {
    let told: BTreeMap<String, String> = rows(section("columns-and-values", "## Columns"))
        .into_iter()
        .map(|row| (row[0].trim_matches('`').to_owned(), row[2].clone()))
        .collect();
    for column in ProfileColumn::known() {
        let word = match column.spelling() {
            Spelling::Verified => "verified",
            Spelling::Inferred => "inferred",
            Spelling::Own => "your own",
        };
        assert_eq!(
            told.get(column.header()).map(String::as_str),
            Some(word),
            "{column:?}"
        );
    }
    assert_eq!(told.len(), ProfileColumn::known().count() + 1);
}

/// The program's text, with its strings as they are printed.
fn source_text() -> String {
    let mut folders = vec![root().join("src"), root().join("crates/sandbox/src")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                text.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    // A string that goes on in the next line.
    let joined: String = text.split("\\\n").map(str::trim_start).collect();
    joined.replace("\\\"", "\"")
}

#[test]
fn messages_are_those_of_the_program() {
    let source = source_text();
    let messages = first_cells(page("messages"));
    assert!(messages.len() > 60);
    for message in messages {
        for piece in message.split('…').map(str::trim) {
            assert!(
                source.contains(piece),
                "no message of the program has: {piece}"
            );
        }
    }
}

/// What becomes another error before a person sees it.
const INTERNAL: [&str; 6] = [
    "the delivery has ended",
    "the spool's thread is gone",
    "bug: ",
    "interrupted while formatting",
    "a formatting thread ended early",
    " has ended by an earlier error",
];

/// Where it happened: a cause that is told follows.
const PLACES: [&str; 4] = ["part …", "job file …", "upload", "column `…`"];

/// The texts of every `#[error("…")]` of the program, with `…` for what stands in braces.
fn error_texts() -> Vec<String> {
    let source = source_text();
    let quoted = source.split("#[error(").skip(1).filter_map(|rest| {
        let rest = rest.trim_start().strip_prefix('"')?;
        let end = ["\"\n", "\",", "\")]"].map(|end| rest.find(end));
        Some(&rest[..end.into_iter().flatten().min()?])
    });
    quoted.map(without_braces).collect()
}

fn without_braces(text: &str) -> String {
    let mut depth = 0;
    let mut kept = String::new();
    for letter in text.chars() {
        match letter {
            '{' if depth == 0 => {
                kept.push('…');
                depth = 1;
            }
            '{' => depth += 1,
            '}' => depth -= 1,
            _ if depth == 0 => kept.push(letter),
            _ => {}
        }
    }
    kept
}

#[test]
fn every_message_is_told() {
    let rows = first_cells(page("messages"));
    let details = section("columns-and-values", "## Rejections and repairs").replace("\n  ", " ");
    let told = |text: &str| {
        let row_fits = |row: &String| {
            let mut rest = text;
            row.split('…').map(str::trim).all(|piece| {
                let found = rest.find(piece).map(|at| at + piece.len());
                found.inspect(|end| rest = &rest[*end..]).is_some()
            })
        };
        rows.iter().any(row_fits) || details.contains(&format!("`{text}`"))
    };
    let texts = error_texts();
    assert!(texts.len() > 100, "{}", texts.len());
    let missing: Vec<&String> = texts
        .iter()
        .filter(|text| text.chars().any(char::is_alphabetic))
        .filter(|text| !PLACES.contains(&text.as_str()))
        .filter(|text| !INTERNAL.iter().any(|internal| text.contains(internal)))
        .filter(|text| !told(text))
        .collect();
    assert!(
        missing.is_empty(),
        "docs/messages.md does not tell what to do about {missing:#?}"
    );
}

/// The lines of a page that are no part of a fenced block.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    page.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// The anchors of a page's headings, as forges and mdBook make them.
fn anchors(page: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in prose(page).filter(|line| line.starts_with('#')) {
        let text = line.trim_start_matches('#').trim().to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
        let anchor = text.chars().filter(kept).collect::<String>();
        let is_new = anchors.insert(anchor.replace(' ', "-"));
        assert!(is_new, "two headings with the anchor of {line}");
    }
    anchors
}

/// The targets of a page's links and pictures.
fn links(page: &str) -> Vec<&str> {
    let targets = prose(page).flat_map(|line| line.split("](").skip(1));
    targets
        .map(|rest| rest.split(')').next().unwrap_or_default())
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let mut relative = 0;
    for (path, text) in &*PAGES {
        let folder = Path::new(path).parent().unwrap();
        for link in links(text) {
            if link.starts_with("https://") {
                continue;
            }
            relative += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => PathBuf::from(path),
                file => folder.join(file),
            };
            let found = root().join(&target);
            assert!(found.exists(), "{path}: {link}");
            let is_page = file.is_empty() || file.ends_with(".md");
            let is_in_docs = found
                .canonicalize()
                .unwrap()
                .starts_with(root().join("docs"));
            assert!(
                folder == Path::new("") || !is_page || is_in_docs,
                "{path}: {link}: mdBook turns it into a page that is not in the book"
            );
            if !anchor.is_empty() {
                let anchors = anchors(&fs::read_to_string(found).unwrap());
                assert!(anchors.contains(anchor), "{path}: {link}");
            }
        }
    }
    assert!(relative > 60, "{relative}");
}

#[test]
fn the_summary_has_every_page_of_the_book_once() {
    let told: Vec<String> = links(page("SUMMARY"))
        .iter()
        .map(|link| format!("docs/{link}"))
        .collect();
    let distinct: BTreeSet<&String> = told.iter().collect();
    let pages: BTreeSet<&String> = PAGES
        .keys()
        .filter(|path| path.starts_with("docs/") && !path.ends_with("/SUMMARY.md"))
        .collect();
    assert_eq!(distinct, pages);
    assert_eq!(told.len(), pages.len(), "{told:?}");
    let book: toml::Table = toml::from_str(include_str!("../../docs/book.toml")).unwrap();
    assert_eq!(book["book"]["src"].as_str(), Some("."));
}

#[test]
fn the_readme_is_short_and_names_every_page() {
    let readme = &PAGES["README.md"];
    assert!(readme.lines().count() <= 250);
    let links = links(readme);
    for path in PAGES.keys().filter(|path| path.starts_with("docs/")) {
        let is_index = ["docs/README.md", "docs/SUMMARY.md"].contains(&path.as_str());
        assert!(is_index || links.contains(&path.as_str()), "{path}");
    }
}

#[test]
fn the_map_of_the_source_names_what_is_there() {
    let mut named = BTreeSet::new();
    for row in rows(section("development", "## Map of the source")) {
        for path in quoted(&row[0]) {
            assert!(root().join(path).exists(), "{path}");
            named.insert(path.trim_end_matches('/').to_owned());
        }
    }
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let path = path.strip_prefix(root()).unwrap().with_extension("");
        let path = path.to_str().unwrap().to_owned();
        let is_named = named.contains(&path) || named.contains(&format!("{path}.rs"));
        assert!(is_named, "the map does not name {path}");
    }
}

/// The words of the `klaviyo-export` command in a line of shell, if it has one.
fn words(line: &str) -> Option<Vec<String>> {
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

/// A line without what differs from run to run: run ids, times, ports and folders.
fn plain(line: &str) -> String {
    let word = |word: &str| -> String {
        let word = match word.rsplit_once('/') {
            Some((folder, name)) if folder.starts_with('/') && !word.starts_with("/profiles") => {
                name
            }
            _ => word,
        };
        let word = without_run_id(word);
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

/// The sections of a unit, each with its keys and values.
fn unit(text: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut sections: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    let mut section = String::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']').into();
        } else if !line.starts_with('#') {
            let (key, value) = line.split_once('=').unwrap();
            let entries = sections.entry(section.clone()).or_default();
            entries.push((key.to_owned(), value.to_owned()));
        }
    }
    sections
}

#[test]
fn units_are_in_order() {
    let service = unit(SERVICE);
    let value = |key: &str| {
        let entries = &service["Service"];
        let found = entries.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.clone()).unwrap()
    };
    let command = value("ExecStart");
    assert!(command.starts_with("klaviyo-export run /etc/"));
    assert!(words(&command).is_some_and(|words| Cli::try_parse_from(words).is_ok()));
    let final_codes: BTreeSet<u8> = value("RestartPreventExitStatus")
        .split(' ')
        .map(|code| code.parse().unwrap())
        .collect();
    let goes_on = [ExitCode::Done, ExitCode::Transfer, ExitCode::Terminated];
    let others = ExitCode::ALL.iter().filter(|code| !goes_on.contains(code));
    assert_eq!(final_codes, others.map(|code| code.number()).collect());
    assert_eq!(
        value("SuccessExitStatus"),
        ExitCode::Terminated.number().to_string()
    );
    assert!(
        unit(TIMER)["Timer"]
            .iter()
            .any(|(key, _)| key == "OnCalendar")
    );
    let (_, line) = CRON.trim_end().rsplit_once('\n').unwrap();
    assert!(section("operations", "## cron").contains(line));
}

#[test]
fn units_are_what_systemd_takes() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    // Neither the program nor its user is installed where the tests run.
    let service: String = SERVICE
        .replace(
            "ExecStart=klaviyo-export",
            concat!("ExecStart=", env!("CARGO_BIN_EXE_klaviyo-export")),
        )
        .split_inclusive('\n')
        .filter(|line| !line.starts_with("User="))
        .collect();
    write("klaviyo-export@.service", &service);
    let timer = write("klaviyo-export@.timer", TIMER);
    let verified = Command::new("systemd-analyze")
        .arg("verify")
        .arg(timer)
        .output();
    // A machine without systemd has nothing to say.
    if let Ok(output) = verified {
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{said}");
    }
}
