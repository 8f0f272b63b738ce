//! Imports go in one direction: a group of modules knows the groups below it, and never one above it or on its own floor.
//!
//! Read from the `crate::` paths of the source, unit tests aside. There is no list of exceptions.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The floors of the house, from the top down.
const FLOORS: [&[&str]; 9] = [
    &["main"],
    &["lib"],
    &["command"],
    &["run"],
    &["job"],
    &["pipeline"],
    &["source", "delivery", "klaviyo", "cli"],
    &["state"],
    &["profile", "base"],
];

/// The floor of a group, counted from the top.
fn floor(group: &str) -> usize {
    FLOORS
        .iter()
        .position(|groups| groups.contains(&group))
        .unwrap_or_else(|| panic!("{group} has no floor: put it into one of the groups of FLOORS"))
}

/// Every Rust file below `folder`.
pub(crate) fn sources(folder: &Path) -> Vec<PathBuf> {
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

/// The folder `name` of the repository.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The code of a file: neither comments nor unit tests.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Each arrow from a group to a group that it names by `crate::`, with a file that does.
fn imports() -> BTreeSet<(String, String, PathBuf)> {
    let root = folder("src");
    let mut found = BTreeSet::new();
    for path in sources(&root) {
        let below = path.strip_prefix(&root).unwrap();
        let first = below.iter().next().unwrap().to_str().unwrap();
        let own = first.trim_end_matches(".rs");
        for used in code(&path).split("crate::").skip(1) {
            let name: String = used
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            if name != own && !name.is_empty() {
                found.insert((own.to_owned(), name, below.to_owned()));
            }
        }
    }
    assert!(found.len() > 200, "the reading of imports is broken");
    found
}

#[test]
fn no_group_imports_upward_or_from_its_own_floor() {
    let wrong: Vec<_> = imports()
        .into_iter()
        .filter(|(from, to, _)| floor(from) >= floor(to))
        .map(|(from, to, path)| format!("{from} imports {to} ({})", path.display()))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_commands_know_the_sandbox_and_it_knows_nothing_of_the_program() {
    for path in sources(&folder("src")) {
        let is_command = path.starts_with(folder("src/command"));
        let names_it = code(&path).contains("klaviyo_export_sandbox");
        assert!(is_command || !names_it, "{}", path.display());
    }
    let sandbox = sources(&folder("crates/sandbox/src"));
    assert!(sandbox.len() > 20, "{}", sandbox.len());
    for path in sandbox {
        assert!(
            !code(&path).contains("klaviyo_export::"),
            "{}",
            path.display()
        );
    }
}

#[test]
fn only_run_knows_both_ends_of_the_pipeline() {
    let groups: BTreeSet<String> = sources(&folder("src"))
        .into_iter()
        .filter(|path| code(path).contains("crate::delivery::upload"))
        .map(|path| {
            let root = folder("src");
            let first = path.strip_prefix(&root).unwrap().iter().next().unwrap();
            first.to_str().unwrap().trim_end_matches(".rs").to_owned()
        })
        .collect();
    assert_eq!(groups, ["run".to_owned()].into());
}
