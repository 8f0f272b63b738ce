//! The job file before its values have types: TOML, in which variables are filled in.
//!
//! The text is parsed once. Values are filled in as values, so that none of them can add a key.

use std::path::Path;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::file::JobFile;
use super::{JobError, trust, variables};
use crate::base::environment::Environment;

/// Names of files of rows end so; a job file's does not.
const AUDIENCE_ENDINGS: [&str; 15] = [
    "csv", "tsv", "tab", "txt", "ndjson", "jsonl", "json", "gz", "gzip", "zst", "zstd", "xlsx",
    "xls", "ods", "parquet",
];

/// Applies `make` to the job file at `path` and its folder; the error names the file.
pub(super) fn read<T>(
    path: &Path,
    environment: &Environment,
    make: impl FnOnce(JobFile, &Path) -> Result<T, JobError>,
) -> Result<T, JobError> {
    read_sections(path, environment, |_| true, make)
}

/// As [`read`], where a variable may be missing in sections that are not `needed`: their values stay as they are written.
pub(super) fn read_sections<T>(
    path: &Path,
    environment: &Environment,
    needed: impl Fn(&str) -> bool,
    make: impl FnOnce(JobFile, &Path) -> Result<T, JobError>,
) -> Result<T, JobError> {
    if is_audience(path) {
        return Err(JobError::IsAudience {
            path: path.to_owned(),
        });
    }
    let text = std::fs::read_to_string(path).map_err(|source| JobError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let result = WrittenJob::parse(&text).and_then(|mut written| {
        written.fill(environment, needed)?;
        let file = written.into_file()?;
        trust::trust(&file, path)?;
        make(file, path.parent().unwrap_or(Path::new("")))
    });
    result.map_err(|source| JobError::InFile {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// Whether the name is that of a file of rows.
fn is_audience(path: &Path) -> bool {
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    path == Path::new("-")
        || ending.is_some_and(|ending| AUDIENCE_ENDINGS.contains(&ending.as_str()))
}

/// A job file's values, each with its place in the text.
pub(super) struct WrittenJob<'a> {
    text: &'a str,
    table: Spanned<DeTable<'a>>,
}

impl<'a> WrittenJob<'a> {
    /// Reads a job file's text.
    pub(super) fn parse(text: &'a str) -> Result<Self, JobError> {
        let table = DeTable::parse(text).map_err(|error| fault(text, &error))?;
        Ok(Self { text, table })
    }

    /// Fills in the variables of the values; a missing one is an error where its section is `needed`.
    pub(super) fn fill(
        &mut self,
        environment: &Environment,
        needed: impl Fn(&str) -> bool,
    ) -> Result<(), JobError> {
        variables::fill(self.table.get_mut(), environment, needed)
    }

    /// The values with their types. The error has line, key and cause, and never a value.
    pub(super) fn into_file(self) -> Result<JobFile, JobError> {
        let text = self.text;
        JobFile::deserialize(Deserializer::from(self.table)).map_err(|error| fault(text, &error))
    }
}

/// The error of a TOML reader, with its line and key and without a value.
fn fault(text: &str, error: &toml::de::Error) -> JobError {
    let line = error
        .span()
        .map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
    let key = line.and_then(|line| key_of(text.lines().nth(line - 1)?));
    let message = without_values(error.message());
    JobError::Syntax {
        line,
        message: match key {
            Some(key) if !message.contains('`') => format!("`{key}`: {message}"),
            _ => message,
        },
    }
}

/// The key of a line `key = value`.
fn key_of(line: &str) -> Option<&str> {
    let key = line.split_once('=')?.0.trim();
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (!key.is_empty() && key.chars().all(is_bare)).then_some(key)
}

/// A TOML reader's message without the values that serde puts into it, and with the likely key where one was mistyped.
fn without_values(message: &str) -> String {
    let first_line = message.lines().next().unwrap_or_default();
    if let Some(rest) = first_line.strip_prefix("unknown field `")
        && let Some((key, known)) = rest.split_once('`')
    {
        let nearest =
            known.split('`').skip(1).step_by(2).max_by(|a, b| {
                strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b))
            });
        return match nearest.filter(|nearest| strsim::jaro_winkler(key, nearest) > 0.8) {
            Some(nearest) => format!("unknown key `{key}`; did you mean `{nearest}`?"),
            None => format!(
                "unknown key `{key}`; known here:{}",
                known
                    .trim_start_matches(", expected one of")
                    .replace(", expected", "")
            ),
        };
    }
    if let Some(rest) = first_line.strip_prefix("missing field ") {
        return format!("the key {rest} is missing");
    }
    match first_line.rsplit_once(", expected ") {
        // Before it stands the value, or its type.
        Some((found, expected))
            if found.starts_with("invalid type: ")
                || found.starts_with("invalid value: ")
                || found.starts_with("unknown variant ") =>
        {
            format!(
                "the value must be {}",
                in_words(expected).replace('`', "\"")
            )
        }
        _ => first_line.to_owned(),
    }
}

/// The type that serde expects, in the words of a job file's author.
fn in_words(expected: &str) -> &str {
    match expected {
        "u16" => "a whole number from 0 to 65535",
        "u64" | "usize" => "a whole number, and not negative",
        "f64" => "a number",
        "a boolean" => "true or false",
        "a string" => "a text in quotes",
        "a sequence" => "a list in [ ]",
        "a map" => "a table",
        _ if expected.starts_with("struct ") => "a table",
        expected => expected,
    }
}
