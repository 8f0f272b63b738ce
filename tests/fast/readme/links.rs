//! Links and anchors, the summary of the book, and the map of the source.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{PAGES, page, quoted, root, rows, section};

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
            let is_page = target.extension().is_some_and(|end| end == "md");
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
    let book: toml::Table = toml::from_str(include_str!("../../../docs/book.toml")).unwrap();
    assert_eq!(book["book"]["src"].as_str(), Some("."));
}

#[test]
fn the_readme_is_short_and_names_every_page() {
    let readme = &PAGES["README.md"];
    assert!(readme.lines().count() <= 250);
    let links = links(readme);
    let recipes = self::links(page("recipes"));
    for path in PAGES.keys().filter(|path| path.starts_with("docs/")) {
        let is_index = ["docs/README.md", "docs/SUMMARY.md"].contains(&path.as_str());
        let is_recipe = path.starts_with("docs/recipes/") && recipes.contains(&&path[5..]);
        let is_named = is_index || is_recipe || links.contains(&path.as_str());
        assert!(is_named, "{path}");
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
