//! The guide as a book: mdBook makes it without a word of complaint, every link leads somewhere, and the search knows the pages.
#![allow(clippy::unwrap_used, reason = "the helpers of tests may panic as well")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use scraper::{Html, Selector};

use crate::support::engines;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The book, and what was said while it was made.
fn built() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(engines::reader("mdbook"))
        .arg("build")
        .arg(repository().join("docs"))
        .arg("--dest-dir")
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = [output.stdout, output.stderr].concat();
    (folder, String::from_utf8_lossy(&said).into_owned())
}

/// The pages of the book by their paths in it. The page for printing has all the others once more.
fn pages(book: &Path) -> BTreeMap<PathBuf, Html> {
    let mut pages = BTreeMap::new();
    let mut folders = vec![book.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.file_name().unwrap().to_str().unwrap();
            let is_page = path.extension().is_some_and(|end| end == "html");
            if is_page && !["print.html", "toc.html", "404.html"].contains(&name) {
                let html = Html::parse_document(&std::fs::read_to_string(&path).unwrap());
                pages.insert(path.strip_prefix(book).unwrap().to_owned(), html);
            }
        }
    }
    pages
}

fn attributes<'a>(html: &'a Html, selector: &str, name: &'a str) -> Vec<&'a str> {
    let selector = Selector::parse(selector).unwrap();
    let elements = html.select(&selector);
    elements
        .filter_map(|element| element.value().attr(name))
        .collect()
}

/// The path without `.` and `..`.
fn plain(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut plain, part| {
        match part {
            std::path::Component::ParentDir if plain.file_name().is_some() => {
                plain.pop();
            }
            std::path::Component::CurDir => {}
            part => plain.push(part),
        }
        plain
    })
}

#[test]
fn the_book_is_built_without_a_complaint_and_its_links_lead_somewhere() {
    let (book, said) = built();
    let complaints: Vec<&str> = said
        .lines()
        .filter(|line| !line.contains(" INFO "))
        .collect();
    assert_eq!(complaints, [""; 0], "{said}");
    let pages = pages(book.path());
    let mut links = 0;
    for (path, html) in &pages {
        let pictures = attributes(html, "main img[src]", "src");
        for link in attributes(html, "main a[href]", "href")
            .into_iter()
            .chain(pictures)
        {
            if link.starts_with("https://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match file {
                "" => path.clone(),
                file => plain(&path.parent().unwrap().join(file)),
            };
            // The book is beside docs/: so the example of a link is where it is in the repository.
            let is_outside = target.starts_with("..");
            let found = if is_outside {
                repository().join("book").join(&target)
            } else {
                book.path().join(&target)
            };
            let found = plain(&found);
            assert!(found.exists(), "{}: {link}", path.display());
            if !anchor.is_empty() {
                let ids: BTreeSet<&str> = attributes(&pages[&target], "[id]", "id")
                    .into_iter()
                    .collect();
                assert!(ids.contains(anchor), "{}: {link}", path.display());
            }
            links += 1;
        }
    }
    assert!(links > 200, "{links}");
}

#[test]
fn every_page_has_a_search_box_and_the_search_knows_its_words() {
    let (book, _) = built();
    let pages = pages(book.path());
    assert!(pages.len() > 15, "{}", pages.len());
    for (path, html) in &pages {
        let boxes = attributes(html, "input[type=search]", "id");
        assert_eq!(boxes.len(), 1, "{}", path.display());
    }
    let index = std::fs::read_dir(book.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            path.file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .starts_with("searchindex")
        })
        .unwrap();
    let index = std::fs::read_to_string(index).unwrap();
    for word in [
        "recipes/shopify.html",
        "schedulers.html",
        "container.html",
        "messages.html",
    ] {
        assert!(index.contains(word), "{word}");
    }
}
