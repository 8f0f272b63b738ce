//! The licences of the crates that are linked into the program: a table, and every text and notice that goes with them.
//!
//! A crate that offers several licences is taken under the first one that `deny.toml` allows. The texts are those that the
//! crate brings, whole; a text that several crates have is there once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use spdx::{Expression, Licensee, ParseMode};

use crate::linked::Linked;
use crate::{Error, read, read_toml};

/// The list in the source of the program, compressed.
pub const LIST: &str = "src/command/licenses/third-party.zst";

/// The features that the list is for, beside the default ones.
pub const FEATURES: [&str; 1] = ["cloud"];

/// Folders whose files are not built into a crate.
const NOT_BUILT: [&str; 6] = ["benches", "examples", "fuzz", "target", "testing", "tests"];

/// Files with the text of a licence that a crate offers and that we do not use, although its expression does not name it.
const NOT_USED: [(&str, &str); 1] = [
    // Zstandard is under BSD-3-Clause or GPL-2.0, as the head of each of its files says.
    ("zstd-sys", "zstd/COPYING"),
];

/// Words by which the text of a licence is known. Whoever takes a crate under another of its licences leaves the text out.
const KNOWN_BY: [(&str, &str); 7] = [
    ("Apache-2.0", "apache license version 2 0"),
    (
        "MIT",
        "permission is hereby granted free of charge to any person obtaining a copy of this software and associated",
    ),
    (
        "Unlicense",
        "this is free and unencumbered software released into the public domain",
    ),
    ("BSL-1.0", "boost software license version 1 0"),
    (
        "Zlib",
        "this software is provided as is without any express or implied warranty in no event will the authors be held liable",
    ),
    (
        "ISC",
        "permission to use copy modify and or distribute this software for any purpose with or without fee is hereby granted provided",
    ),
    (
        "BSD-2-Clause",
        "redistribution and use in source and binary forms with or without modification are permitted",
    ),
];

/// The end of the terms of Apache-2.0. How to apply the licence follows.
const END_OF_TERMS: &str = "END OF TERMS AND CONDITIONS";

/// The list: lines of a crate, its version and its licence, with tabs between; an empty line; the texts.
pub fn list(root: &Path, crates: &[Linked]) -> Result<String, Error> {
    let accepted = accepted(root)?;
    let others: Vec<&Linked> = crates.iter().filter(|linked| !linked.is_own).collect();
    let mut table = String::new();
    let mut texts = Texts::default();
    for linked in &others {
        let expression = expression(linked)?;
        let cells = [&*linked.name, &*linked.version, &*canonical(linked)?];
        table += &cells.join("\t");
        table.push('\n');
        let used = used(linked, &expression, &accepted)?;
        for file in files(linked, &others, &expression, &used)? {
            texts.add(&file, &linked.title());
        }
    }
    Ok(format!("{table}\n{texts}"))
}

/// The list, compressed as the program has it.
pub fn compressed(list: &str) -> Result<Vec<u8>, Error> {
    const SMALLEST: i32 = 19;
    zstd::encode_all(list.as_bytes(), SMALLEST).map_err(|source| Error::File {
        path: PathBuf::from(LIST),
        source,
    })
}

/// The licences that `deny.toml` allows, in its order.
fn accepted(root: &Path) -> Result<Vec<Licensee>, Error> {
    let path = root.join("deny.toml");
    let policy = read_toml(&path)?;
    let allowed = policy
        .get("licenses")
        .and_then(|licenses| licenses.get("allow"))
        .and_then(toml::Value::as_array);
    let names = allowed
        .into_iter()
        .flatten()
        .filter_map(toml::Value::as_str);
    let licensees = names.map(|name| {
        Licensee::parse(name).map_err(|error| Error::Form {
            path: path.clone(),
            wrong: format!("{name}: {error}"),
        })
    });
    licensees.collect()
}

fn wrong(linked: &Linked, wrong: &impl ToString) -> Error {
    Error::Licence {
        package: linked.title(),
        expression: linked.license.clone(),
        wrong: wrong.to_string(),
    }
}

/// The licence of a crate. Old ones have `/` for OR.
fn expression(linked: &Linked) -> Result<Expression, Error> {
    Expression::parse_mode(&linked.license, ParseMode::LAX).map_err(|error| wrong(linked, &error))
}

/// The licence of a crate, in the words of SPDX.
pub fn canonical(linked: &Linked) -> Result<String, Error> {
    let changed = Expression::canonicalize(&linked.license);
    let changed = changed.map_err(|error| wrong(linked, &error))?;
    Ok(changed.unwrap_or_else(|| linked.license.clone()))
}

/// The licences under which we take a crate.
fn used(
    linked: &Linked,
    expression: &Expression,
    accepted: &[Licensee],
) -> Result<BTreeSet<String>, Error> {
    let used = expression.minimized_requirements(accepted);
    let used = used.map_err(|error| wrong(linked, &error))?;
    Ok(used.iter().map(ToString::to_string).collect())
}

/// A text that goes with a crate, under the name of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Text {
    name: String,
    text: String,
}

/// The texts that go with a crate: its own; else those of a crate of the same repository; else those of SPDX.
fn files(
    linked: &Linked,
    others: &[&Linked],
    expression: &Expression,
    used: &BTreeSet<String>,
) -> Result<Vec<Text>, Error> {
    let named: BTreeSet<String> = expression
        .requirements()
        .map(|requirement| requirement.req.to_string())
        .collect();
    let of = |linked: &Linked| -> Result<Vec<Text>, Error> {
        let mut texts = own_files(linked)?;
        texts.retain(|text| !is_alternative(&text.text, &named, used));
        Ok(texts)
    };
    let own = of(linked)?;
    if own.iter().any(|text| !is_notice(&text.name)) {
        return Ok(own);
    }
    let mut siblings = others.iter().filter(|other| {
        other.repository.is_some()
            && other.repository == linked.repository
            && other.license == linked.license
    });
    let lent = siblings.find_map(|sibling| match of(sibling) {
        Ok(texts) if texts.iter().all(|text| is_notice(&text.name)) => None,
        texts => Some(texts),
    });
    let mut texts = match lent {
        Some(lent) => lent?,
        None => standard(linked, used)?,
    };
    texts.extend(own);
    Ok(texts)
}

/// The texts of SPDX, with the authors of the crate as those who hold its copyright.
fn standard(linked: &Linked, used: &BTreeSet<String>) -> Result<Vec<Text>, Error> {
    let texts = used.iter().map(|name| {
        let id = spdx::license_id(name).ok_or_else(|| wrong(linked, &"it brings no text"))?;
        let text = id.text();
        let text = ["<year> <copyright holders>", "<year> <owner>"]
            .iter()
            .fold(text.to_owned(), |text, holder| {
                text.replace(holder, &linked.authors.join(", "))
            });
        Ok(Text {
            name: name.clone(),
            text: tidy(&text),
        })
    });
    texts.collect()
}

/// The files of a crate that have a licence or a notice, at any depth, in the order of their names.
fn own_files(linked: &Linked) -> Result<Vec<Text>, Error> {
    let mut found = Vec::new();
    let mut folders = vec![linked.folder.clone()];
    while let Some(folder) = folders.pop() {
        let failed = |source| Error::File {
            path: folder.clone(),
            source,
        };
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                if !NOT_BUILT.contains(&&*name) {
                    folders.push(path);
                }
            } else if is_license(&name) || is_notice(&name) {
                let below = path.strip_prefix(&linked.folder).unwrap_or(&path);
                let name = below.to_string_lossy().into_owned();
                if !NOT_USED.contains(&(&*linked.name, &*name)) {
                    found.push((name, path));
                }
            }
        }
    }
    found.sort();
    let texts = found.into_iter().map(|(name, path)| {
        let text = tidy(&read(&path)?);
        Ok(Text { name, text })
    });
    texts.collect()
}

/// Whether a file of this name has the text of a licence, or says whose the copyright is.
fn is_license(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_source = [".rs", ".html"].iter().any(|end| name.ends_with(end));
    let begins = ["license", "licence", "copying", "copyright", "unlicense"];
    !is_source && begins.iter().any(|begin| name.starts_with(begin))
}

/// Whether a file of this name (or the last part of a path) is a notice that Apache-2.0 keeps with the program (4d).
fn is_notice(name: &str) -> bool {
    let name = name.rsplit('/').next().unwrap_or_default();
    let stem = name.split('.').next().unwrap_or_default();
    stem.eq_ignore_ascii_case("notice")
}

/// Whether a text is that of licences which a crate offers, of which we use none.
fn is_alternative(text: &str, offered: &BTreeSet<String>, used: &BTreeSet<String>) -> bool {
    let words = words(text);
    let known = KNOWN_BY.iter().filter(|(_, by)| words.contains(by));
    let names: Vec<&str> = known.map(|&(name, _)| name).collect();
    let is_unused = |name: &&str| offered.contains(*name) && !used.contains(*name);
    !names.is_empty() && names.iter().all(is_unused)
}

/// The words of a text in small letters, with one blank between them.
fn words(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let words = words.filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ").to_lowercase()
}

/// A text without blanks at the ends of its lines, and without empty lines before and after it.
fn tidy(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let text = lines.join("\n");
    text.trim_start_matches('\u{feff}')
        .trim_matches('\n')
        .to_owned()
}

/// Texts in the order in which they were first added, each with the crates that it goes with.
#[derive(Debug, Default)]
struct Texts {
    texts: Vec<(Text, Vec<String>)>,
    places: BTreeMap<String, usize>,
}

impl Texts {
    fn add(&mut self, file: &Text, title: &str) {
        let Some((terms, rest)) = apache(&file.text) else {
            return self.add_one(file, title);
        };
        let name = "Apache-2.0".to_owned();
        self.add_one(&Text { name, text: terms }, title);
        if !rest.is_empty() {
            let name = file.name.clone();
            self.add_one(&Text { name, text: rest }, title);
        }
    }

    fn add_one(&mut self, file: &Text, title: &str) {
        let key = words(&file.text);
        let place = *self.places.entry(key).or_insert_with(|| {
            self.texts.push((file.clone(), Vec::new()));
            self.texts.len() - 1
        });
        let titles = &mut self.texts[place].1;
        if titles.last().is_none_or(|last| last != title) {
            titles.push(title.to_owned());
        }
    }
}

/// The terms of Apache-2.0 in the text of SPDX, where `text` begins with these terms; and its rest.
fn apache(text: &str) -> Option<(String, String)> {
    let standard = spdx::license_id("Apache-2.0")?.text();
    let (terms, _) = standard.split_once(END_OF_TERMS)?;
    let (own, rest) = text.split_once(END_OF_TERMS)?;
    let plain = |text: &str| words(text).replace("https ", "http ");
    let is_same = plain(own) == plain(terms);
    is_same.then(|| {
        let terms = format!("{}{END_OF_TERMS}", terms.trim_start_matches('\n'));
        (terms, tidy(rest))
    })
}

impl std::fmt::Display for Texts {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        const RULE: &str =
            "--------------------------------------------------------------------------------";
        for (file, titles) in &self.texts {
            writeln!(out, "{RULE}\n{}, of:\n{}", file.name, folded(titles))?;
            writeln!(out, "{RULE}\n\n{}\n", file.text)?;
        }
        Ok(())
    }
}

/// The titles in lines of about 80 columns, with commas between them.
fn folded(titles: &[String]) -> String {
    const COLUMNS: usize = 80;
    let mut folded = String::new();
    let mut line = String::new();
    for title in titles {
        if !line.is_empty() && line.len() + title.len() > COLUMNS {
            folded += &line;
            folded += ",\n";
            line.clear();
        }
        line += if line.is_empty() { "  " } else { ", " };
        line += title;
    }
    folded + &line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_text_that_is_not_used_is_left_out_only_where_the_crate_offers_it() {
        let mit = spdx::license_id("MIT").unwrap().text();
        let both = set(&["MIT", "Apache-2.0"]);
        assert!(is_alternative(mit, &both, &set(&["Apache-2.0"])));
        assert!(!is_alternative(mit, &both, &set(&["MIT"])));
        // Code of others inside a crate.
        assert!(!is_alternative(
            mit,
            &set(&["Apache-2.0"]),
            &set(&["Apache-2.0"])
        ));
        assert!(!is_alternative(
            "Copyright (c) Zoe",
            &both,
            &set(&["Apache-2.0"])
        ));
        let apache = spdx::license_id("Apache-2.0").unwrap().text();
        let together = format!("{mit}\n{apache}");
        assert!(!is_alternative(&together, &both, &set(&["Apache-2.0"])));
    }

    #[test]
    fn every_licence_that_is_known_by_words_is_known_by_its_own_text() {
        for (name, by) in KNOWN_BY {
            let text = spdx::license_id(name).unwrap().text();
            assert!(words(text).contains(by), "{name}: {}", words(text));
        }
    }

    #[test]
    fn the_terms_of_apache_are_there_once_and_what_follows_them_is_kept() {
        let standard = spdx::license_id("Apache-2.0").unwrap().text();
        let mut texts = Texts::default();
        for (title, text) in [
            ("a 1", standard.to_owned()),
            (
                "b 1",
                standard.replace("    ", "\t").replace("http:", "https:"),
            ),
            ("c 1", format!("{standard}\nParts are by Zoe.")),
            (
                "d 1",
                standard.replace("Grant of Patent", "No Grant of Patent"),
            ),
        ] {
            let name = "LICENSE".to_owned();
            let text = tidy(&text);
            texts.add(&Text { name, text }, title);
        }
        let shown = texts.to_string();
        assert!(
            shown.contains("Apache-2.0, of:\n  a 1, b 1, c 1\n"),
            "{shown}"
        );
        assert!(shown.contains("LICENSE, of:\n  c 1\n") && shown.contains("Parts are by Zoe."));
        assert!(shown.contains("LICENSE, of:\n  d 1\n"));
        assert_eq!(shown.matches("TERMS AND CONDITIONS FOR USE").count(), 2);
    }

    #[test]
    fn names_of_files_tell_licences_and_notices() {
        for name in [
            "LICENSE-MIT",
            "licence.md",
            "COPYING",
            "COPYRIGHT",
            "UNLICENSE",
        ] {
            assert!(is_license(name), "{name}");
        }
        for name in ["license.rs", "mylicense", "README.md"] {
            assert!(!is_license(name), "{name}");
        }
        assert!(is_notice("NOTICE.txt") && is_notice("a/NOTICE") && !is_notice("notices.md"));
    }
}
