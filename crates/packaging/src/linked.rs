//! The crates that are linked into the program: neither build scripts nor macros, and nothing that only tests need.
//!
//! `cargo tree` decides which, since it alone knows the features of one build. `cargo metadata` says where their source is.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use crate::Error;

/// The platform that is packaged.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// The package of the program.
pub const PROGRAM: &str = "klaviyo-export";

/// One crate that is linked.
#[derive(Debug, Clone)]
pub struct Linked {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence, as its Cargo.toml has it.
    pub license: String,
    /// Its authors, as its Cargo.toml has them.
    pub authors: Vec<String>,
    /// Its repository.
    pub repository: Option<String>,
    /// The folder of its source.
    pub folder: PathBuf,
    /// True of a crate of this repository.
    pub is_own: bool,
    /// The places of the crates that it is linked with.
    pub dependencies: Vec<usize>,
}

impl Linked {
    /// Name and version.
    pub fn title(&self) -> String {
        format!("{} {}", self.name, self.version)
    }
}

/// The features of a build.
#[derive(Debug, Clone, Default)]
pub struct Features {
    /// Without those that are on by default.
    pub no_default: bool,
    /// The features that are turned on.
    pub names: Vec<String>,
}

impl Features {
    /// The default features and `names`.
    pub fn and(names: &[&str]) -> Self {
        Self {
            no_default: false,
            names: names.iter().map(ToString::to_string).collect(),
        }
    }

    /// The flags that Cargo takes for them.
    fn flags(&self) -> Vec<String> {
        let mut flags = vec!["--features".to_owned(), self.names.join(",")];
        if self.no_default {
            flags.push("--no-default-features".to_owned());
        }
        flags
    }
}

/// The part of `cargo metadata` that is needed here.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    authors: Vec<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
    /// `None` of a crate of this repository.
    source: Option<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

/// A package and those that it needs.
#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    /// `dev` or `build`; `None` where the crate is linked.
    kind: Option<String>,
}

/// The crates of a build with `features`, in the order of their names. `root` is the folder of the repository.
pub fn linked(root: &Path, features: &Features) -> Result<Vec<Linked>, Error> {
    let chosen = tree(root, features)?;
    let Metadata {
        mut packages,
        resolve,
    } = metadata(root, features)?;
    packages.sort_by(|a, b| (&a.name, &a.version).cmp(&(&b.name, &b.version)));
    let mut crates = Vec::new();
    let mut places = BTreeMap::new();
    for package in packages {
        let (name, version) = (package.name, package.version);
        if !chosen.contains(&(name.clone(), version.clone())) {
            continue;
        }
        places.insert(package.id, crates.len());
        crates.push(Linked {
            name,
            version,
            license: package.license.unwrap_or_default(),
            authors: package.authors,
            repository: package.repository,
            folder: package.manifest_path.parent().unwrap_or(root).to_owned(),
            is_own: package.source.is_none(),
            dependencies: Vec::new(),
        });
    }
    for node in &resolve.nodes {
        if let Some(&place) = places.get(&node.id) {
            crates[place].dependencies = dependencies(node, &places);
        }
    }
    Ok(crates)
}

fn dependencies(node: &Node, places: &BTreeMap<String, usize>) -> Vec<usize> {
    let is_linked = |dependency: &&Dependency| {
        let mut kinds = dependency.dep_kinds.iter();
        kinds.any(|kind| kind.kind.is_none())
    };
    let found: BTreeSet<usize> = node
        .deps
        .iter()
        .filter(is_linked)
        .filter_map(|dependency| places.get(&dependency.pkg).copied())
        .collect();
    found.into_iter().collect()
}

fn metadata(root: &Path, features: &Features) -> Result<Metadata, Error> {
    let arguments = ["metadata", "--locked", "--format-version", "1"];
    let text = cargo(
        root,
        features,
        &[&arguments[..], &["--filter-platform", TARGET]].concat(),
    )?;
    serde_json::from_str(&text).map_err(|error| Error::Cargo {
        command: "cargo metadata".to_owned(),
        said: error.to_string(),
    })
}

/// Name and version of each crate that `cargo tree` shows.
fn tree(root: &Path, features: &Features) -> Result<BTreeSet<(String, String)>, Error> {
    let edges = ["tree", "--locked", "--edges", "normal,no-proc-macro"];
    let shown = ["--target", TARGET, "--prefix", "none", "--format", "{p}"];
    let text = cargo(
        root,
        features,
        &[&edges[..], &["--package", PROGRAM], &shown].concat(),
    )?;
    Ok(crates_of(&text))
}

/// The output of a command of Cargo.
fn cargo(root: &Path, features: &Features, arguments: &[&str]) -> Result<String, Error> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let command = command
        .args(arguments)
        .args(features.flags())
        .current_dir(root);
    let failed = |said: String| Error::Cargo {
        command: format!("cargo {}", arguments.join(" ")),
        said,
    };
    let output = command.output();
    let output = output.map_err(|error| failed(error.to_string()))?;
    if !output.status.success() {
        return Err(failed(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Name and version in lines such as `memchr v2.7.6 (*)`.
fn crates_of(tree: &str) -> BTreeSet<(String, String)> {
    let words = tree.lines().map(|line| line.split_whitespace());
    words
        .filter_map(|mut words| {
            let name = words.next()?.to_owned();
            let version = words.next()?.strip_prefix('v')?.to_owned();
            Some((name, version))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_a_tree_are_names_and_versions() {
        let tree = "klaviyo-export v0.1.0 (/x)\nmemchr v2.7.6\nmemchr v2.7.6 (*)\n\n";
        let found: Vec<_> = crates_of(tree).into_iter().collect();
        let pair = |name: &str, version: &str| (name.to_owned(), version.to_owned());
        assert_eq!(
            found,
            [pair("klaviyo-export", "0.1.0"), pair("memchr", "2.7.6")]
        );
    }
}
