//! `--set KEY=VALUE`: a key of the job file that is given on the command line.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::JobError;

/// A key and its value.
pub(super) struct Assignment<'a> {
    /// The key as it is typed.
    pub(super) key: &'a str,
    /// The names that the key consists of.
    path: Vec<String>,
    value: DeValue<'a>,
}

impl<'a> Assignment<'a> {
    /// Reads `KEY=VALUE`. A value that is no TOML is a text.
    pub(super) fn parse(text: &'a str) -> Result<Self, JobError> {
        // A quoted name may have an equals sign in it.
        let split = text.match_indices('=').find_map(|(at, _)| {
            let key = text[..at].trim();
            Some((key, names(key)?, text[at + 1..].trim()))
        });
        let Some((key, path, written)) = split else {
            let key = text.split('=').next().unwrap_or_default();
            return Err(fault(
                key,
                "this is no key; write it like sftp.host=VALUE, or columns.\"A name\"=VALUE",
            ));
        };
        let value = match DeValue::parse(written) {
            Ok(value) => value.into_inner(),
            Err(_) if written.starts_with(['[', '{', '"', '\'']) => {
                return Err(fault(
                    key,
                    "the value is no TOML; the shell removes quotes unless there are others around it: --set 'KEY=[\"A\", \"B\"]'",
                ));
            }
            Err(_) => DeValue::String(Cow::Borrowed(written)),
        };
        Ok(Self { key, path, value })
    }

    /// The names of the key, with dots between them, as errors have them.
    pub(super) fn dotted(&self) -> String {
        self.path.join(".")
    }

    /// Puts the value into `table`, in place of one that is there. Errors about it are at `span`.
    pub(super) fn apply(&self, table: &mut DeTable<'a>, span: &Range<usize>) {
        let Some((last, sections)) = self.path.split_last() else {
            return;
        };
        let mut table = table;
        for section in sections {
            let value = table
                .entry(name(section, span))
                .or_insert_with(|| Spanned::new(span.clone(), DeValue::Table(DeTable::new())));
            if !matches!(value.get_ref(), DeValue::Table(_)) {
                *value = Spanned::new(span.clone(), DeValue::Table(DeTable::new()));
            }
            let DeValue::Table(inner) = value.get_mut() else {
                return;
            };
            table = inner;
        }
        table.insert(name(last, span), placed(self.value.clone(), span));
    }
}

/// The error of the key `key`.
pub(super) fn fault(key: &str, problem: impl Into<String>) -> JobError {
    JobError::Set {
        key: key.to_owned(),
        problem: problem.into(),
    }
}

fn name<'a>(name: &str, span: &Range<usize>) -> Spanned<Cow<'a, str>> {
    Spanned::new(span.clone(), Cow::Owned(name.to_owned()))
}

/// The names of a dotted key; `None` of what is no key.
fn names(key: &str) -> Option<Vec<String>> {
    if key.contains(['\n', '\r']) {
        return None;
    }
    let line = format!("{key} = 0");
    let mut table = DeTable::parse(&line).ok()?.into_inner();
    let mut names = Vec::new();
    loop {
        let (name, value) = table.into_iter().next()?;
        names.push(name.into_inner().into_owned());
        match value.into_inner() {
            DeValue::Table(inner) => table = inner,
            _ => return Some(names),
        }
    }
}

/// The value with all that is in it at `span`.
fn placed<'a>(value: DeValue<'a>, span: &Range<usize>) -> Spanned<DeValue<'a>> {
    let value = match value {
        DeValue::Array(values) => DeValue::Array(
            values
                .into_iter()
                .map(|value| placed(value.into_inner(), span))
                .collect(),
        ),
        DeValue::Table(table) => DeValue::Table(
            table
                .into_iter()
                .map(|(key, value)| {
                    let key = Spanned::new(span.clone(), key.into_inner());
                    (key, placed(value.into_inner(), span))
                })
                .collect(),
        ),
        value => value,
    };
    Spanned::new(span.clone(), value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(file: &str, assignments: &[&str]) -> Result<toml::Table, String> {
        let mut table = DeTable::parse(file).unwrap();
        for text in assignments {
            let assignment = Assignment::parse(text).map_err(|error| error.to_string())?;
            assignment.apply(table.get_mut(), &(0..0));
        }
        let read = toml::de::Deserializer::from(table);
        Ok(serde::Deserialize::deserialize(read).unwrap())
    }

    #[test]
    fn values_are_those_of_toml_and_bare_words_are_texts() {
        for (file, assignments, meant) in [
            (
                "",
                &["sftp.host=a.example.com"][..],
                "sftp.host = \"a.example.com\"",
            ),
            (
                "",
                &["strict=true", "sftp.port=22"],
                "strict = true\nsftp.port = 22",
            ),
            ("", &["parts.max-bytes=5MB"], "parts.max-bytes = \"5MB\""),
            ("", &["list.name="], "list.name = \"\""),
            ("", &["list.id=\"12\""], "list.id = \"12\""),
            ("", &["a.b=c=d"], "a.b = \"c=d\""),
            // The rest of the section stays.
            (
                "[sftp]\nhost = \"a\"\nport = 1",
                &["sftp.host = b"],
                "[sftp]\nhost = \"b\"\nport = 1",
            ),
            (
                "[a]\nb = { c = 1, d = 2 }",
                &["a.b.c=3"],
                "[a]\nb = { c = 3, d = 2 }",
            ),
            (
                "[a]\nb = { c = 1, d = 2 }",
                &["a.b={ c = 3 }"],
                "[a]\nb = { c = 3 }",
            ),
            (
                "",
                &["audience.files=[\"a\", 'b']"],
                "audience.files = [\"a\", \"b\"]",
            ),
            (
                "",
                &["columns.\"A = b.c\"=Email"],
                "[columns]\n\"A = b.c\" = \"Email\"",
            ),
            // The last one counts.
            ("a = 1", &["a=2", "a=3"], "a = 3"),
            ("a = 1", &["a.b=2"], "a.b = 2"),
            // A value adds no key.
            ("", &["a=b\nc = 1"], "a = \"b\\nc = 1\""),
        ] {
            assert_eq!(
                set(file, assignments).unwrap(),
                meant.parse().unwrap(),
                "{assignments:?}"
            );
        }
    }

    #[test]
    fn what_is_no_key_and_no_value_is_told_without_the_value() {
        for (text, told) in [
            (
                "a b=hunter2",
                "--set a b: this is no key; write it like sftp.host=VALUE, or columns.\"A name\"=VALUE",
            ),
            (
                "a\nb=hunter2",
                "--set a\nb: this is no key; write it like sftp.host=VALUE, or columns.\"A name\"=VALUE",
            ),
            (
                "audience.files=[hunter2.csv]",
                "--set audience.files: the value is no TOML; the shell removes quotes unless there are others around it: --set 'KEY=[\"A\", \"B\"]'",
            ),
        ] {
            assert_eq!(set("", &[text]).unwrap_err(), told);
        }
    }
}
