//! Variables such as `${HOST}` in the values of a job file, filled in from the environment.
//!
//! `${NAME:-default}` has a default, and `$${` stands for `${`. Other dollar signs are themselves.

use std::borrow::Cow;

use toml::de::{DeTable, DeValue};

use super::JobError;
use crate::base::environment::Environment;

/// Keys whose values may hold anything: statements, names of columns, values of an engine.
const FREE: [&str; 8] = [
    "name",
    "columns",
    "normalize",
    "audience.query",
    "audience.before",
    "audience.parameters",
    "audience.adbc.options",
    "notify.command",
];

/// A variable that cannot be filled in. No value is shown: it may be a secret in the wrong place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VariableFault {
    /// The variable is not set, or empty, and has no default.
    #[error("the environment variable {name} is not set")]
    Unset {
        /// The variable.
        name: String,
    },
    /// A `${` begins no variable.
    #[error(
        "has a dollar sign and a brace that begin no variable; write ${{NAME}} or ${{NAME:-default}}, or $${{ for a literal ${{"
    )]
    Form,
    /// The key names a variable.
    #[error("takes the name of an environment variable as it is: write NAME, not ${{NAME}}")]
    Name,
}

/// The rule for the variables in the values of a key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// They are filled in.
    Filled,
    /// They are none: the value is somebody else's text.
    Free,
    /// The value is the name of a variable, and has none itself.
    Name,
}

impl Rule {
    fn of(key: &str) -> Self {
        if FREE.contains(&key) || key.ends_with("-command") {
            Self::Free
        } else if key.ends_with("-env") {
            Self::Name
        } else {
            Self::Filled
        }
    }
}

/// A key with variables that were filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FilledKey {
    /// The key with its section.
    pub(super) key: String,
    /// The names of the variables.
    pub(super) names: Vec<String>,
}

/// Fills in the variables of all values of the job file `table`, and tells which. A fault is an error where its section is `needed`; elsewhere
/// the value stays as it is written.
pub(super) fn fill(
    table: &mut DeTable<'_>,
    environment: &Environment,
    needed: impl Fn(&str) -> bool,
) -> Result<Vec<FilledKey>, JobError> {
    let mut keys = Vec::new();
    for (section, value) in table {
        let section = section.get_ref();
        let mut filling = Filling {
            environment,
            keys: &mut keys,
        };
        match filling.fill_value(value.get_mut(), section, Rule::of(section)) {
            Err(error) if needed(section) => return Err(error),
            Err(_) | Ok(()) => {}
        }
    }
    Ok(keys)
}

/// The filling in of one section.
struct Filling<'a> {
    environment: &'a Environment,
    keys: &'a mut Vec<FilledKey>,
}

impl Filling<'_> {
    fn fill_value(
        &mut self,
        value: &mut DeValue<'_>,
        key: &str,
        rule: Rule,
    ) -> Result<(), JobError> {
        match value {
            _ if rule == Rule::Free => {}
            DeValue::String(text) => {
                let fault = match filled(text, self.environment) {
                    Ok(None) => return Ok(()),
                    Ok(Some(_)) | Err(_) if rule == Rule::Name => VariableFault::Name,
                    Ok(Some(filled)) => {
                        *text = Cow::Owned(filled.text);
                        if !filled.names.is_empty() {
                            self.keys.push(FilledKey {
                                key: key.to_owned(),
                                names: filled.names,
                            });
                        }
                        return Ok(());
                    }
                    Err(fault) => fault,
                };
                let key = key.to_owned();
                return Err(JobError::Variable { key, fault });
            }
            DeValue::Array(values) => {
                for value in values.iter_mut() {
                    self.fill_value(value.get_mut(), key, rule)?;
                }
            }
            DeValue::Table(table) => {
                for (name, value) in table {
                    let key = format!("{key}.{}", name.get_ref());
                    let rule = if rule == Rule::Filled {
                        Rule::of(&key)
                    } else {
                        rule
                    };
                    self.fill_value(value.get_mut(), &key, rule)?;
                }
            }
            DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_) => {}
        }
        Ok(())
    }
}

/// A text whose variables are filled in.
struct FilledText {
    text: String,
    /// The names of the variables that are set.
    names: Vec<String>,
}

/// The text with its variables filled in; `None` where it has none.
fn filled(text: &str, environment: &Environment) -> Result<Option<FilledText>, VariableFault> {
    if !text.contains("${") {
        return Ok(None);
    }
    let mut filled = String::with_capacity(text.len());
    let mut names = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, after) = (&rest[..start], &rest[start + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            filled.extend([before, "${"]);
            rest = after;
            continue;
        }
        let (inside, after) = after.split_once('}').ok_or(VariableFault::Form)?;
        let (name, value) = value_of(inside, environment)?;
        names.extend(name.map(str::to_owned));
        filled.extend([before, value]);
        rest = after;
    }
    filled.push_str(rest);
    Ok(Some(FilledText {
        text: filled,
        names,
    }))
}

/// The value of `NAME` or `NAME:-default`, and the name of the variable where it is set.
fn value_of<'a>(
    inside: &'a str,
    environment: &'a Environment,
) -> Result<(Option<&'a str>, &'a str), VariableFault> {
    let (name, default) = match inside.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inside, None),
    };
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(is_of_name);
    if !is_name || default.is_some_and(|default| default.contains("${")) {
        return Err(VariableFault::Form);
    }
    match (environment.get(name), default) {
        (Some(value), _) => Ok((Some(name), value)),
        (None, Some(default)) => Ok((None, default)),
        (None, None) => Err(VariableFault::Unset {
            name: name.to_owned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill_text(text: &str) -> Result<toml::Table, String> {
        let environment = Environment::from_pairs([
            ("HOST", "h"),
            ("EMPTY", ""),
            ("QUOTE", "\"\n[list]\nname = \"x"),
            ("NESTED", "${HOST}"),
        ]);
        let mut table = DeTable::parse(text).unwrap();
        fill(table.get_mut(), &environment, |_| true).map_err(|error| error.to_string())?;
        let filled = toml::de::Deserializer::from(table);
        Ok(serde::Deserialize::deserialize(filled).unwrap())
    }

    #[test]
    fn variables_are_filled_in_where_they_are_meant() {
        for (written, meant) in [
            ("[sftp]\nhost = \"a.${HOST}.b\"", "[sftp]\nhost = \"a.h.b\""),
            (
                "[audience]\nfiles = [\"a\", \"${D:-/d}/${HOST}.csv\"]",
                "[audience]\nfiles = [\"a\", \"/d/h.csv\"]",
            ),
            // As a shell does it, an empty variable takes the default.
            ("a = \"${EMPTY:-x}${N:-}\"", "a = \"x\""),
            ("a = \"$${HOST}$HOST $5\"", "a = \"${HOST}$HOST $5\""),
            ("a = \"${NESTED}\"", "a = \"${HOST}\""),
            (
                "[sftp]\npassword-file = \"/s/${HOST}\"",
                "[sftp]\npassword-file = \"/s/h\"",
            ),
            // Somebody else's text.
            (
                "[audience]\nquery = \"SELECT '${X}'\"\nparameters = { a = \"${X}\" }",
                "[audience]\nquery = \"SELECT '${X}'\"\nparameters = { a = \"${X}\" }",
            ),
            (
                "[columns]\n\"${a}\" = \"${b}\"",
                "[columns]\n\"${a}\" = \"${b}\"",
            ),
            (
                "[notify]\ncommand = [\"sh\", \"-c\", \"${X}\"]\nwebhook-url-command = [\"${X}\"]",
                "[notify]\ncommand = [\"sh\", \"-c\", \"${X}\"]\nwebhook-url-command = [\"${X}\"]",
            ),
        ] {
            assert_eq!(
                fill_text(written).unwrap(),
                meant.parse().unwrap(),
                "{written}"
            );
        }
    }

    #[test]
    fn a_value_cannot_add_a_key() {
        let filled = fill_text("a = \"${QUOTE}\"").unwrap();
        assert_eq!(filled["a"].as_str(), Some("\"\n[list]\nname = \"x"));
        assert_eq!(filled.len(), 1);
    }

    #[test]
    fn a_fault_names_the_key_and_the_variable_and_no_value() {
        for (text, told) in [
            (
                "[sftp]\nhost = \"hunter2.${ENV_1}\"",
                "`sftp.host`: the environment variable ENV_1 is not set",
            ),
            (
                "a = \"${EMPTY}\"",
                "`a`: the environment variable EMPTY is not set",
            ),
            (
                "a = \"hunter2${a-b}\"",
                "`a`: has a dollar sign and a brace that begin no variable; write ${NAME} or ${NAME:-default}, or $${ for a literal ${",
            ),
            (
                "a = \"${HOST:-${HOST}}\"",
                "`a`: has a dollar sign and a brace that begin no variable; write ${NAME} or ${NAME:-default}, or $${ for a literal ${",
            ),
            (
                "a = \"${HOST\"",
                "`a`: has a dollar sign and a brace that begin no variable; write ${NAME} or ${NAME:-default}, or $${ for a literal ${",
            ),
            (
                "[sftp]\npassword-env = \"${HOST}\"",
                "`sftp.password-env`: takes the name of an environment variable as it is: write NAME, not ${NAME}",
            ),
            (
                "[audience.adbc.option-env]\npassword = \"${X}\"",
                "`audience.adbc.option-env.password`: takes the name of an environment variable as it is: write NAME, not ${NAME}",
            ),
        ] {
            assert_eq!(fill_text(text).unwrap_err(), told);
        }
    }

    #[test]
    fn a_fault_in_a_section_that_is_not_needed_leaves_its_value() {
        let mut table = DeTable::parse("[sftp]\nhost = \"${X}\"\n[notify]\na = \"${H}\"").unwrap();
        let environment = Environment::from_pairs([("H", "h")]);
        fill(table.get_mut(), &environment, |section| section == "notify").unwrap();
        let filled = toml::de::Deserializer::from(table);
        let filled: toml::Table = serde::Deserialize::deserialize(filled).unwrap();
        assert_eq!(filled["sftp"]["host"].as_str(), Some("${X}"));
        assert_eq!(filled["notify"]["a"].as_str(), Some("h"));
    }
}
