//! README.md and the pages of docs/ agree with the program.
//!
//! This file reads the pages and checks the tables of codes, headers and flags. The other files check the rest.
#![expect(
    clippy::unwrap_used,
    reason = "in a test crate, a panic is the failure"
)]

mod examples;
pub(crate) mod keys;
mod links;
pub(crate) mod messages;
mod units;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use clap::CommandFactory as _;
use klaviyo_export::base::exit_code::ExitCode;
use klaviyo_export::cli::Cli;
use klaviyo_export::profile::column::{ProfileColumn, Spelling};
use klaviyo_export::state::codes::{RejectionReason, RepairCode};
use klaviyo_export::state::part::Verification;

/// Every page for users, by its path in the repository: README.md, docs/*.md and docs/recipes/*.md.
static PAGES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let mut paths = vec!["README.md".to_owned()];
    let folders = ["docs", "docs/recipes"].map(|name| fs::read_dir(root().join(name)).unwrap());
    for entry in folders.into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|end| end == "md") {
            let path = path.strip_prefix(root()).unwrap();
            paths.push(path.to_str().unwrap().to_owned());
        }
    }
    let with_text = |path: String| {
        let text = fs::read_to_string(root().join(&path)).unwrap();
        (path, text)
    };
    paths.into_iter().map(with_text).collect()
});

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
pub(crate) fn first_cells(text: &str) -> Vec<String> {
    rows(text)
        .iter()
        .map(|row| row[0].trim_matches('`').to_owned())
        .collect()
}

/// The fenced blocks in `language` of every page, each with the line before it.
pub(crate) fn blocks(language: &str) -> Vec<(&'static str, String)> {
    PAGES
        .values()
        .flat_map(|page| blocks_of(page, language))
        .collect()
}

pub(crate) fn blocks_of<'a>(page: &'a str, language: &str) -> Vec<(&'a str, String)> {
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
