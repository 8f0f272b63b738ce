//! From what the job wrote to the files that are meant: globs, names that are nearly right, each file once.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::AudienceFiles;
use super::cloud::{self, Object};
use super::error::AudienceError;
use super::stream::ByteOrigin;
use crate::base::near_name::near_name;

/// The beginning of an object's address in a store.
const OBJECTS: [&str; 5] = ["s3://", "gs://", "az://", "abfs://", "abfss://"];

/// One thing to read.
#[derive(Debug)]
pub(super) struct SourceInput {
    pub(super) name: String,
    pub(super) place: SourcePlace,
}

/// Where an input is.
#[derive(Debug)]
pub(super) enum SourcePlace {
    Stdin,
    Path(PathBuf),
    Object(Object),
}

impl SourcePlace {
    /// Its bytes; `None` of standard input, which who opens it has.
    pub(super) fn origin(self, name: &str) -> Result<Option<ByteOrigin>, AudienceError> {
        match self {
            Self::Stdin => Ok(None),
            Self::Path(path) => ByteOrigin::at_path(path, name).map(Some),
            Self::Object(object) => Ok(Some(ByteOrigin::Object(object))),
        }
    }

    /// The reserved columns, which no other input has.
    fn key(&self) -> Option<PathBuf> {
        match self {
            Self::Stdin => None,
            Self::Path(path) => Some(path.clone()),
            Self::Object(object) => Some(PathBuf::from(object.name())),
        }
    }
}

/// The files in the order they are to be read.
pub(super) fn resolve(files: &AudienceFiles) -> Result<Vec<SourceInput>, AudienceError> {
    let mut inputs = Vec::new();
    let mut seen = HashSet::new();
    for written in &files.files {
        for input in resolve_one(written, &files.base)? {
            let key = input.place.key();
            if key.is_none() && seen.contains(&None) {
                return Err(AudienceError::StdinTwice);
            }
            if seen.insert(key) {
                inputs.push(input);
            }
        }
    }
    if inputs.is_empty() {
        return Err(AudienceError::NoFiles);
    }
    Ok(inputs)
}

/// Whether the address is one of an object in a store.
pub(super) fn is_object(written: &str) -> bool {
    OBJECTS.iter().any(|scheme| written.starts_with(scheme))
}

fn resolve_one(written: &str, base: &Path) -> Result<Vec<SourceInput>, AudienceError> {
    if written == "-" {
        return Ok(vec![SourceInput {
            name: "stdin".to_owned(),
            place: SourcePlace::Stdin,
        }]);
    }
    if is_object(written) {
        let objects = cloud::resolve(written)?.into_iter();
        let input = |object: Object| SourceInput {
            name: object.name().to_owned(),
            place: SourcePlace::Object(object),
        };
        return Ok(objects.map(input).collect());
    }
    let path = base.join(written);
    if path.is_dir() {
        let name = written.trim_end_matches('/').to_owned();
        return Err(match table_in(&path) {
            Some(kind) => AudienceError::IsTable { name, kind },
            None => AudienceError::IsFolder { name },
        });
    }
    // A name with brackets in it may be a file's own.
    if path.exists() {
        return Ok(vec![SourceInput {
            name: written.to_owned(),
            place: SourcePlace::Path(path),
        }]);
    }
    if written.contains(['*', '?', '[']) {
        return matches_of(written, base);
    }
    Err(AudienceError::NotFound {
        name: written.to_owned(),
        suggestion: near_name(written, &path, |_| true),
    })
}

fn matches_of(pattern: &str, base: &Path) -> Result<Vec<SourceInput>, AudienceError> {
    let whole = if Path::new(pattern).is_absolute() {
        pattern.to_owned()
    } else {
        let base = glob::Pattern::escape(&base.to_string_lossy());
        Path::new(&base)
            .join(pattern)
            .to_string_lossy()
            .into_owned()
    };
    let options = glob::MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };
    let found = glob::glob_with(&whole, options).map_err(|source| AudienceError::BadPattern {
        pattern: pattern.to_owned(),
        source,
    })?;
    let mut paths = Vec::new();
    for path in found {
        let path = path.map_err(|error| AudienceError::Open {
            name: error.path().display().to_string(),
            source: error.into(),
        })?;
        if !path.is_dir() {
            paths.push(path);
        }
    }
    if paths.is_empty() {
        return Err(AudienceError::NoMatch {
            pattern: pattern.to_owned(),
        });
    }
    let mut folders: Vec<&Path> = paths.iter().filter_map(|path| path.parent()).collect();
    folders.dedup();
    if let Some(kind) = folders.into_iter().find_map(table_around) {
        let name = pattern.to_owned();
        return Err(AudienceError::IsTable { name, kind });
    }
    paths.sort();
    let input = |path: PathBuf| SourceInput {
        name: path
            .strip_prefix(base)
            .unwrap_or(&path)
            .display()
            .to_string(),
        place: SourcePlace::Path(path),
    };
    Ok(paths.into_iter().map(input).collect())
}

/// Partitions are folders in folders: a table is looked for in so many above a file.
const PARTITIONS: usize = 4;

/// The format of the table whose folder this is.
fn table_in(folder: &Path) -> Option<&'static str> {
    if folder.join("_delta_log").is_dir() {
        return Some("Delta Lake");
    }
    if folder.join(".hoodie").is_dir() {
        return Some("Hudi");
    }
    let metadata = std::fs::read_dir(folder.join("metadata")).ok()?;
    let is_iceberg = |name: std::ffi::OsString| {
        name.to_string_lossy().ends_with(".metadata.json") || name == "version-hint.text"
    };
    metadata
        .filter_map(Result::ok)
        .any(|entry| is_iceberg(entry.file_name()))
        .then_some("Iceberg")
}

/// The format of the table that the files of this folder are pieces of.
fn table_around(folder: &Path) -> Option<&'static str> {
    folder.ancestors().take(PARTITIONS).find_map(table_in)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in names {
            std::fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            std::fs::write(folder.path().join(name), "a\n").unwrap();
        }
        folder
    }

    fn names(folder: &tempfile::TempDir, files: &[&str]) -> Result<Vec<String>, String> {
        let files = AudienceFiles {
            files: files.iter().map(|&file| file.to_owned()).collect(),
            base: folder.path().to_owned(),
            format: None,
            delimiter: None,
            encoding: encoding_rs::UTF_8,
            escape: crate::source::audience::Escape::Unsaid,
            header_row: None,
        };
        resolve(&files)
            .map(|inputs| inputs.into_iter().map(|input| input.name).collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn globs_are_sorted_and_files_come_once() {
        let folder = folder(&[
            "x/b.csv",
            "x/a.csv",
            "x/.hidden.csv",
            "x/c.tsv",
            "x/d.csv/e",
        ]);
        assert_eq!(
            names(&folder, &["x/*.csv"]).unwrap(),
            ["x/a.csv", "x/b.csv"]
        );
        assert_eq!(
            names(&folder, &["x/b.csv", "-", "x/*.csv", "x/c.tsv"]).unwrap(),
            ["x/b.csv", "stdin", "x/a.csv", "x/c.tsv"]
        );
        let absolute = folder.path().join("x/?.tsv");
        assert_eq!(
            names(&folder, &[absolute.to_str().unwrap()]).unwrap(),
            ["x/c.tsv"]
        );
    }

    #[test]
    fn brackets_may_be_a_files_own() {
        let folder = folder(&["a[1].csv", "a1.csv"]);
        assert_eq!(names(&folder, &["a[1].csv"]).unwrap(), ["a[1].csv"]);
        assert_eq!(names(&folder, &["a[12].csv"]).unwrap(), ["a1.csv"]);
    }

    #[test]
    fn mistakes_are_named() {
        let folder = folder(&["x/audience.csv", "x/other.csv"]);
        for (files, message) in [
            (
                &["x/audiense.csv"][..],
                "x/audiense.csv: no such file; did you mean x/audience.csv?",
            ),
            (&["x/zzz"], "x/zzz: no such file"),
            (&["nowhere/a.csv"], "nowhere/a.csv: no such file"),
            (&["x/*.gz"], "x/*.gz: no file matches"),
            (
                &["x/"],
                "x: is a folder; name its files, for example x/*.csv",
            ),
            (&["-", "-"], "standard input (-) is named twice"),
            (&["a***b"], "a***b: not a glob pattern"),
            (&[], "the audience names no file"),
        ] {
            assert_eq!(names(&folder, files).unwrap_err(), message);
        }
    }
}
