//! Variables such as `${HOME}` in the values of a job file. They are not filled in, and a value that holds one is hardly meant:
//! a host or a path of that name would be looked for, and its absence told instead.

use super::JobError;

/// Keys whose values may hold anything: statements, names of columns, values of an engine.
const FREE: [&str; 7] = [
    "name",
    "columns",
    "normalize",
    "audience.query",
    "audience.before",
    "audience.parameters",
    "audience.adbc.options",
];

/// Refuses the first value of the job file `text` that holds a variable.
pub(super) fn refuse(text: &str) -> Result<(), JobError> {
    // Whoever reads the file says what is wrong with its syntax.
    let Ok(table) = text.parse::<toml::Table>() else {
        return Ok(());
    };
    match found_in(&toml::Value::Table(table), "") {
        Some((key, variable)) => Err(JobError::NotExpanded { key, variable }),
        None => Ok(()),
    }
}

/// The key of a value with a variable, and the variable.
fn found_in(value: &toml::Value, key: &str) -> Option<(String, String)> {
    if FREE.contains(&key) {
        return None;
    }
    match value {
        toml::Value::String(text) => Some((key.to_owned(), variable(text)?.to_owned())),
        toml::Value::Array(values) => values.iter().find_map(|value| found_in(value, key)),
        toml::Value::Table(table) => table.iter().find_map(|(name, value)| {
            let dot = if key.is_empty() { "" } else { "." };
            found_in(value, &format!("{key}{dot}{name}"))
        }),
        _ => None,
    }
}

/// The first `${NAME}` of a text. Nothing else of the text is shown: it may be a secret in the wrong place.
fn variable(text: &str) -> Option<&str> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices("${").find_map(|(start, _)| {
        let name = &text[start + 2..];
        let length = name.find(|c| !is_of_name(c))?;
        (length > 0 && name[length..].starts_with('}')).then(|| &text[start..start + length + 3])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_with_its_key() {
        for (text, found) in [
            (
                "[sftp]\nhost = \"a.${ENV_1}.b\"",
                Some(
                    "`sftp.host`: variables are not filled in, and ${ENV_1} would be used as it is written",
                ),
            ),
            (
                "[audience]\nfiles = [\"a\", \"${D}/b.csv\"]",
                Some(
                    "`audience.files`: variables are not filled in, and ${D} would be used as it is written",
                ),
            ),
            ("[audience]\nquery = \"SELECT '${X}'\"", None),
            ("[columns]\n\"${a}\" = \"${b}\"", None),
            ("[sftp]\nhost = \"${}${a-b}$a ${\"", None),
            ("[sftp", None),
        ] {
            let error = refuse(text).err().map(|error| error.to_string());
            assert_eq!(error.as_deref(), found, "{text}");
        }
    }
}
