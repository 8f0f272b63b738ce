//! Imports go down only: commands know the stages, stages know what lies below them and not each other.
//!
//! Read from the `crate::` paths of the source, unit tests aside. A module stands in one layer and may use its own file's
//! children, and the modules of the layers below; stages are on one layer, so they never use each other.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// From the top down. The comments say where the code departs from "never a neighbour", and why.
const LAYERS: [&[&str]; 12] = [
    &["main"],
    &["lib"],
    &["logging", "signals"],
    &["command"],
    // What the program says of itself: the error knows every stage's error.
    &["error", "cli"],
    // What looks at the work of the stages and moves nothing.
    &["preview", "draft", "estimate"],
    // The stages that move rows and parts.
    &[
        "commit",
        "normalize",
        "spool",
        "upload",
        "verify",
        "sandbox",
        "progress",
        "rejects",
        "dedupe",
        "batch",
        "mapping",
        "report",
        "resume",
        "retention",
        "list",
    ],
    // Klaviyo's API, which is reached as a job says.
    &["klaviyo"],
    // Where runs are on disk.
    &["state"],
    // What a job is, made of settings of the layers below.
    &["job", "audience", "retry", "manifest", "lock"],
    &[
        "sftp", "terminal", "part", "counts", "meter", "profile", "record", "query", "shard",
    ],
    &[
        "console",
        "environment",
        "exit_code",
        "interrupt",
        "page_cache",
        "pool",
        "rejection",
        "secret",
        "command_line",
        "table",
    ],
];

/// Imports within a layer, or upward, that are meant.
const EXCEPTIONS: [(&str, &str, &str); 24] = [
    ("commit", "batch", "the currency between the stages"),
    ("normalize", "batch", "the currency between the stages"),
    ("rejects", "batch", "the currency between the stages"),
    ("dedupe", "batch", "the currency between the stages"),
    (
        "spool",
        "batch",
        "a batch's text is written as it is, and its memory given back",
    ),
    ("commit", "dedupe", "the committer's own table of keys"),
    ("commit", "rejects", "the committer's own files"),
    (
        "commit",
        "spool",
        "the committer's own writer: where a part ends is an order of rows",
    ),
    (
        "commit",
        "mapping",
        "the columns, settled before the first row",
    ),
    (
        "normalize",
        "mapping",
        "the columns, settled before the first row",
    ),
    (
        "rejects",
        "mapping",
        "the columns, settled before the first row",
    ),
    (
        "upload",
        "verify",
        "the attempt is not over before it was looked at",
    ),
    ("list", "batch", "cells are quoted in one way"),
    ("list", "normalize", "a profile's limit is one of Klaviyo's"),
    ("list", "report", "numbers are written in one way"),
    ("progress", "report", "numbers are written in one way"),
    ("upload", "report", "numbers are written in one way"),
    ("commit", "report", "numbers are written in one way"),
    ("job", "audience", "a job says which files to read"),
    (
        "job",
        "normalize",
        "a region is checked when the job is read",
    ),
    ("retry", "job", "the policy is the job's"),
    (
        "manifest",
        "audience",
        "a source's fingerprint is remembered as it was taken",
    ),
    ("cli", "progress", "a style is a flag's value"),
    ("secret", "environment", "a variable may hold one"),
];

fn layer(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|modules| modules.contains(&module))
        .unwrap_or_else(|| panic!("{module} stands in no layer: add it to LAYERS"))
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| {
            if path.is_dir() {
                sources(&path)
            } else {
                vec![path]
            }
        })
        .filter(|path| path.extension().is_some_and(|end| end == "rs"))
        .collect()
}

/// The modules that each top module names by `crate::`, with a file that does.
fn imports() -> BTreeMap<(String, String), PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    for path in sources(&root) {
        let text = std::fs::read_to_string(&path).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let below = path.strip_prefix(&root).unwrap();
        let first = below
            .components()
            .next()
            .unwrap()
            .as_os_str()
            .to_str()
            .unwrap();
        let own = first.trim_end_matches(".rs");
        let lines = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        for line in lines {
            for used in line.split("crate::").skip(1) {
                let name: String = used
                    .chars()
                    .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                    .collect();
                if name != own && !name.is_empty() {
                    found.insert((own.to_owned(), name), below.to_owned());
                }
            }
        }
    }
    assert!(found.len() > 50, "the reading of imports is broken");
    found
}

#[test]
fn no_module_imports_upward_or_beside_it() {
    let mut wrong = Vec::new();
    let mut used = BTreeSet::new();
    for ((from, to), path) in imports() {
        if let Some(at) = EXCEPTIONS
            .iter()
            .position(|(a, b, _)| (*a, *b) == (&from, &to))
        {
            used.insert(at);
        } else if layer(&from) >= layer(&to) {
            wrong.push(format!("{from} imports {to} ({})", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (at, (from, to, _)) in EXCEPTIONS.iter().enumerate() {
        assert!(
            used.contains(&at),
            "{from} does not import {to} any more: drop the exception"
        );
    }
}

#[test]
fn only_run_knows_both_ends_of_the_pipeline() {
    let modules: BTreeSet<String> = imports()
        .into_keys()
        .filter(|(_, to)| to == "upload")
        .map(|(from, _)| from)
        .collect();
    assert_eq!(modules, ["command", "error"].map(str::to_owned).into());
}
