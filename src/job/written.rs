//! The job file before its values have types: TOML, in which keys are set by the command line and variables filled in.
//!
//! The text is parsed once. Values are filled in as values, so that none of them can add a key.

use std::path::Path;

use serde::Deserialize as _;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use super::assignment::{self, Assignment};
use super::explain::KeyOrigin;
use super::file::JobFile;
use super::variables::FilledKey;
use super::{JobError, trust, variables};
use crate::base::environment::Environment;
use crate::base::private_file::read_text;
use crate::cli::JobArgs;

/// The longest job file or query file: a thousand times what people write.
pub(super) const MAX_BYTES: u64 = 4 << 20;

/// Names of files of rows end so; a job file's does not.
const AUDIENCE_ENDINGS: [&str; 15] = [
    "csv", "tsv", "tab", "txt", "ndjson", "jsonl", "json", "gz", "gzip", "zst", "zstd", "xlsx",
    "xls", "ods", "parquet",
];

/// A job file, as a command names it.
#[derive(Debug, Clone, Copy)]
pub struct JobSource<'a> {
    /// The file.
    pub path: &'a Path,
    /// Keys that are given in place of those of the file, each like `sftp.host=example.com`.
    pub set: &'a [String],
}

impl<'a> From<&'a JobArgs> for JobSource<'a> {
    fn from(args: &'a JobArgs) -> Self {
        Self {
            path: &args.path,
            set: &args.settings.set,
        }
    }
}

/// Applies `make` to the job file of `source` and its folder; the error names the file.
pub(super) fn read<T>(
    source: JobSource<'_>,
    environment: &Environment,
    make: impl FnOnce(JobFile, &Path) -> Result<T, JobError>,
) -> Result<T, JobError> {
    read_sections(source, environment, |_| true, make)
}

/// As [`read`], where a variable may be missing in sections that are not `needed`: their values stay as they are written.
pub(super) fn read_sections<T>(
    source: JobSource<'_>,
    environment: &Environment,
    needed: impl Fn(&str) -> bool,
    make: impl FnOnce(JobFile, &Path) -> Result<T, JobError>,
) -> Result<T, JobError> {
    read_written(source, environment, needed, |_, file, base| {
        make(file, base)
    })
}

/// As [`read_sections`], where `make` is told how the values are written too.
pub(super) fn read_written<T>(
    source: JobSource<'_>,
    environment: &Environment,
    needed: impl Fn(&str) -> bool,
    make: impl FnOnce(&WrittenJob<'_>, JobFile, &Path) -> Result<T, JobError>,
) -> Result<T, JobError> {
    let JobSource { path, set } = source;
    if is_audience(path) {
        return Err(JobError::IsAudience {
            path: path.to_owned(),
        });
    }
    let text = read_text(path, MAX_BYTES).map_err(|source| JobError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let result = WrittenJob::parse(&text).and_then(|mut written| {
        let given = written.set(set)?;
        written.fill(environment, needed)?;
        let file = written.to_file()?;
        trust::trust(&file, path)?;
        let base = path.parent().unwrap_or(Path::new(""));
        make(&written, file, base).map_err(|error| of_command_line(error, &given))
    });
    result.map_err(|source| JobError::InFile {
        path: path.to_owned(),
        source: Box::new(source),
    })
}

/// The error, which names `--set` where its key is one of the `given` ones.
fn of_command_line(error: JobError, given: &[String]) -> JobError {
    match error {
        JobError::Value { key, problem } if given.iter().any(|given| given == key) => {
            assignment::fault(key, problem)
        }
        error => error,
    }
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
    /// The keys that the command line gives, as they are typed.
    set: Vec<&'a str>,
    filled: Vec<FilledKey>,
}

impl<'a> WrittenJob<'a> {
    /// Reads a job file's text.
    pub(super) fn parse(text: &'a str) -> Result<Self, JobError> {
        let table = DeTable::parse(text).map_err(|error| fault(text, &[], &error))?;
        Ok(Self {
            text,
            table,
            set: Vec::new(),
            filled: Vec::new(),
        })
    }

    /// Puts the values that the command line gives in place of those of the file. The names of their keys.
    pub(super) fn set(&mut self, assignments: &'a [String]) -> Result<Vec<String>, JobError> {
        let assignments = assignments.iter().map(|text| {
            let assignment = Assignment::parse(text)?;
            // Behind the text: a place of its own for each.
            let place = self.text.len() + 1 + self.set.len();
            assignment.apply(self.table.get_mut(), &(place..place));
            self.set.push(assignment.key);
            Ok(assignment.dotted())
        });
        assignments.collect()
    }

    /// Fills in the variables of the values; a missing one is an error where its section is `needed`.
    pub(super) fn fill(
        &mut self,
        environment: &Environment,
        needed: impl Fn(&str) -> bool,
    ) -> Result<(), JobError> {
        self.filled = variables::fill(self.table.get_mut(), environment, needed)?;
        Ok(())
    }

    /// The values with their types. The error has line, key and cause, and never a value.
    pub(super) fn to_file(&self) -> Result<JobFile, JobError> {
        JobFile::deserialize(Deserializer::from(self.table.clone()))
            .map_err(|error| fault(self.text, &self.set, &error))
    }
}

impl WrittenJob<'_> {
    /// The place that the value of the key `path` comes from.
    pub(super) fn origin(&self, path: &[String]) -> KeyOrigin {
        let mut table = self.table.get_ref();
        let mut start = None;
        for name in path {
            let Some(value) = table.get(name.as_str()) else {
                return KeyOrigin::Default;
            };
            start = Some(value.span().start);
            match value.get_ref() {
                DeValue::Table(inner) => table = inner,
                _ => break,
            }
        }
        let Some(start) = start else {
            return KeyOrigin::Default;
        };
        let key = path.join(".");
        if let Some(set) = set_at(self.text, &self.set, start) {
            return KeyOrigin::Flag(format!("--set {set}"));
        }
        let filled = self.filled.iter().filter(|filled| filled.key == key);
        let names: Vec<String> = filled.flat_map(|filled| filled.names.clone()).collect();
        if names.is_empty() {
            return KeyOrigin::Line(line_at(self.text, start));
        }
        KeyOrigin::Variables(names)
    }
}

/// The key that the command line has `set`, where `start` is the place of one.
fn set_at<'a>(text: &str, set: &[&'a str], start: usize) -> Option<&'a str> {
    set.get(start.checked_sub(text.len() + 1)?).copied()
}

/// The line of a place, counted from 1.
fn line_at(text: &str, start: usize) -> usize {
    text[..start.min(text.len())].matches('\n').count() + 1
}

/// The error of a TOML reader, with its line and key and without a value; or with the key that the command line has `set`.
fn fault(text: &str, set: &[&str], error: &toml::de::Error) -> JobError {
    let message = without_values(error.message());
    let start = error.span().map(|span| span.start);
    if let Some(key) = start.and_then(|start| set_at(text, set, start)) {
        return assignment::fault(key, message);
    }
    let line = start.map(|start| line_at(text, start));
    let key = line.and_then(|line| key_of(text.lines().nth(line - 1)?));
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
