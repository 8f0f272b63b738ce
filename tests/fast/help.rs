//! The pages of `--help`, and the answers to a mistyped command line. A changed page is a changed snapshot:
//! `INSTA_UPDATE=always cargo test --test help` writes the new ones, for a look at the difference.
#![cfg(feature = "sandbox")]
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use crate::support::workspace;
use clap::CommandFactory;
use klaviyo_export::cli::Cli;
use workspace::Workspace;

#[test]
fn every_page_of_help_is_as_it_was() {
    let workspace = Workspace::new();
    let page = |arguments: &[&str]| {
        let outcome = workspace.run(arguments).exits(0);
        assert_eq!(outcome.stderr, "");
        outcome.stdout
    };
    insta::assert_snapshot!("help", page(&["--help"]));
    let commands: Vec<String> = Cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect();
    assert!(commands.len() >= 5, "{commands:?}");
    for command in commands {
        let text = page(&[&command, "--help"]);
        assert!(
            text.contains("Examples:\n  klaviyo-export "),
            "{command}: no examples"
        );
        insta::assert_snapshot!(format!("help_{command}"), text);
    }
}

#[test]
fn examples_of_the_help_are_commands_that_can_be_read() {
    let workspace = Workspace::new();
    for command in [
        "run",
        "send",
        "status",
        "demo",
        "sandbox",
        "check",
        "doctor",
        "completions",
        "keygen",
        "schema",
        "man",
        "licenses",
        "preview",
        "init",
        "estimate",
        "undo",
        "runs",
        "list",
    ] {
        let text = workspace.run(&[command, "--help"]).stdout;
        let examples = text.split("Examples:\n").nth(1).unwrap();
        // What follows after an empty line is no example.
        let examples = examples.split("\n\n").next().unwrap();
        // A line may go on in the next one.
        let examples = examples.replace(" \\\n      ", " ");
        let mut seen = 0;
        for line in examples.lines() {
            // Before and behind a pipe stand other programs, behind two blanks a remark.
            let own = line
                .split(" | ")
                .map(str::trim)
                .find_map(|piece| piece.strip_prefix("klaviyo-export "));
            let line = own.unwrap().split("  ").next().unwrap();
            let line = line.split(" > ").next().unwrap();
            let line = line.replace("--to ...", "--to sftp://a@b/c");
            let words = shell_words(&line);
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let parsed = Cli::command()
                .try_get_matches_from(std::iter::once("klaviyo-export").chain(words.clone()));
            assert!(parsed.is_ok(), "{words:?}: {}", parsed.unwrap_err());
            seen += 1;
        }
        assert!(seen >= 2, "{command}");
    }
}

/// Words as a shell splits them, with single quotes.
fn shell_words(line: &str) -> Vec<String> {
    let pieces = line.split('\'').enumerate();
    pieces
        .flat_map(|(at, piece)| {
            if at % 2 == 1 {
                vec![piece.to_owned()]
            } else {
                piece.split_whitespace().map(str::to_owned).collect()
            }
        })
        .collect()
}

#[test]
fn what_cannot_be_understood_ends_in_two_and_says_why() {
    let workspace = Workspace::new();
    let mut told = String::new();
    for arguments in [
        &[][..],
        &["runn", "vip.toml"],
        &["run"],
        &["run", "vip.toml", "--dry"],
        &["run", "vip.toml", "--limit", "0"],
        &["run", "vip.toml", "--shard", "1/4"],
        &["run", "vip.toml", "--shard", "5/4", "--run-group", "a"],
        &["list", "vip.toml"],
        &["run", "vip.toml", "--progress", "loud"],
        &["send", "a.csv"],
        &["send", "--dry-run"],
        &["send", "a.csv", "--dry-run", "--duplicates", "none"],
        &["status", "--shard", "1/4"],
        &["runs"],
        &["-q", "-v", "status", "vip.toml"],
    ] {
        let outcome = workspace.run(arguments).exits(2);
        assert_eq!(outcome.stdout, "");
        let line = arguments.join(" ");
        told.extend(["$ klaviyo-export ", &line, "\n", &outcome.stderr, "\n"]);
    }
    insta::assert_snapshot!("usage_errors", told);
}

#[test]
fn the_version_is_that_of_the_crate() {
    let outcome = Workspace::new().run(&["--version"]).exits(0);
    assert_eq!(
        outcome.stdout,
        format!("klaviyo-export {}\n", env!("CARGO_PKG_VERSION"))
    );
}
