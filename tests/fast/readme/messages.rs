//! Messages of the program and docs/messages.md.

use std::fs;

use super::{first_cells, page, root, section};

/// The program's text, with its strings as they are printed.
pub(crate) fn source_text() -> String {
    let mut folders = vec![root().join("src"), root().join("crates/sandbox/src")];
    let mut text = String::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() != Some("zst".as_ref()) {
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

/// Errors that become another error before a person sees them.
const INTERNAL: [&str; 6] = [
    "the delivery has ended",
    "the spool's thread is gone",
    "bug: ",
    "interrupted while formatting",
    "a formatting thread ended early",
    " ended after an earlier error",
];

/// Errors that only name the place: the cause that follows them is in the page.
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

/// Words that readers of English as a second language stumble over. The plain ones say the same.
const DIALECT: [&str; 12] = [
    " whom ",
    "mend ",
    "mended",
    "is let in",
    " in with ",
    " go on",
    "goes on",
    "went on",
    "stands beside",
    " in hand",
    "nobody can tell",
    "again and again",
];

#[test]
fn messages_and_help_are_in_plain_words() {
    let source = source_text();
    let texts = source.lines().filter(|line| {
        let line = line.trim_start();
        !line.starts_with("//") && line.contains('"')
    });
    let help = fs::read_to_string(root().join("src/cli.rs")).unwrap();
    let help = help
        .lines()
        .filter(|line| line.trim_start().starts_with("///"));
    let found: Vec<&str> = texts
        .chain(help)
        .filter(|line| DIALECT.iter().any(|words| line.contains(words)))
        .collect();
    assert!(found.is_empty(), "{found:#?}");
}
