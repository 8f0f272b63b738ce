//! A database file is opened for reading alone, where nobody means to change it and the driver has a way to say so.
//!
//! Only a file that is there already is opened so: a database in memory, or one that is yet to be made, can be opened in no
//! other way than for writing. What the option does not cover (files that a query writes by itself) is refused by the
//! query's text.

use std::fmt::Write;
use std::path::Path;

use super::exact;

/// Adds to `options` what makes this driver open its database file for reading alone.
pub(super) fn set(driver: &str, options: &mut Vec<(String, String)>) {
    if exact::is_of(driver, "duckdb") {
        set_duckdb(options);
    } else if exact::is_of(driver, "sqlite") {
        set_sqlite(options);
    }
}

/// <https://duckdb.org/docs/stable/configuration/overview>, read 2026-11-28.
fn set_duckdb(options: &mut Vec<(String, String)>) {
    const MODE: &str = "access_mode";
    let is_set = options.iter().any(|(name, _)| name == MODE);
    let is_file = options
        .iter()
        .any(|(name, path)| name == "path" && is_file(path));
    if is_file && !is_set {
        options.push((MODE.to_owned(), "read_only".to_owned()));
    }
}

/// <https://www.sqlite.org/uri.html>, read 2026-11-28. A URI that has parameters of its own is left as it is.
fn set_sqlite(options: &mut [(String, String)]) {
    for (name, uri) in options {
        if name == "uri" && is_file(uri) {
            *uri = format!("file:{}?mode=ro", escaped(uri));
        }
    }
}

fn is_file(path: &str) -> bool {
    Path::new(path).is_file()
}

/// The path as a URI has it.
fn escaped(path: &str) -> String {
    let mut text = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_that_are_there_are_opened_for_reading_alone() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("a shop?.db");
        std::fs::write(&there, "").unwrap();
        let there = there.to_str().unwrap();
        let folder = folder.path().to_str().unwrap();
        let mode = ("access_mode", "read_only");
        let uri = format!("file:{folder}/a%20shop%3F.db?mode=ro");
        for (driver, given, expected) in [
            ("duckdb", vec![("path", there)], vec![("path", there), mode]),
            (
                "duckdb",
                vec![("path", ":memory:")],
                vec![("path", ":memory:")],
            ),
            ("duckdb", vec![("path", folder)], vec![("path", folder)]),
            ("duckdb", vec![], vec![]),
            (
                "duckdb",
                vec![("path", there), ("access_mode", "automatic")],
                vec![("path", there), ("access_mode", "automatic")],
            ),
            (
                "/x/libadbc_driver_sqlite.so",
                vec![("uri", there)],
                vec![("uri", &*uri)],
            ),
            (
                "sqlite",
                vec![("uri", "file::memory:")],
                vec![("uri", "file::memory:")],
            ),
            ("snowflake", vec![("uri", there)], vec![("uri", there)]),
        ] {
            let owned = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
                let pairs = pairs.iter();
                pairs
                    .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()))
                    .collect()
            };
            let mut options = owned(&given);
            set(driver, &mut options);
            assert_eq!(options, owned(&expected), "{driver} {given:?}");
        }
    }
}
