//! The `[audience]` of a draft.

use std::fmt::Write as _;

use super::line;
use crate::command::toml_text::{filled_string, key, string};
use crate::job::file::{AdbcSection, AudienceSection, JobFile};

/// Writes the section; `found` are its keys that were told from the file itself.
pub(super) fn write(out: &mut String, job: &JobFile, found: &[&str]) -> std::fmt::Result {
    let audience = &job.audience;
    writeln!(out, "\n[audience]")?;
    if audience.files.is_empty() {
        write_query(out, audience)?;
    } else {
        let files: Vec<String> = audience
            .files
            .iter()
            .map(|file| filled_string(file))
            .collect();
        line(
            out,
            &format!("files = [{}]", files.join(", ")),
            "globs too: \"exports/*.csv.gz\"",
        )?;
    }
    for (key, value) in [
        ("format", &audience.format),
        ("delimiter", &audience.delimiter),
        ("escape", &audience.escape),
        ("encoding", &audience.encoding),
    ] {
        if let Some(value) = value {
            let remark = if found.contains(&key) {
                "found in the file"
            } else {
                ""
            };
            line(out, &format!("{key} = {}", string(value)), remark)?;
        }
    }
    if let Some(row) = audience.header_row {
        let remark = if found.contains(&"header-row") {
            "titles are above it"
        } else {
            ""
        };
        line(out, &format!("header-row = {row}"), remark)?;
    }
    if let Some(key) = &audience.primary_key {
        line(
            out,
            &format!("primary-key = {}", string(key)),
            "identifies duplicates",
        )?;
    }
    match &audience.adbc {
        Some(adbc) => write_adbc(out, adbc),
        None => Ok(()),
    }
}

fn write_query(out: &mut String, audience: &AudienceSection) -> std::fmt::Result {
    let pair = |key: &str, value: &Option<String>| {
        let value = value.as_ref()?;
        Some(format!("{key} = {}", filled_string(value)))
    };
    let query = audience.query.as_ref();
    let remarks = [
        (
            pair("postgres", &audience.postgres),
            "passwords: ~/.pgpass, or password-env",
        ),
        (pair("password-env", &audience.password_env), ""),
        (
            query.map(|query| format!("query = {}", string(query))),
            "or query-file = \"audience.sql\"",
        ),
        (pair("query-file", &audience.query_file), ""),
    ];
    for (pair, remark) in remarks {
        if let Some(pair) = pair {
            line(out, &pair, remark)?;
        }
    }
    Ok(())
}

fn write_adbc(out: &mut String, adbc: &AdbcSection) -> std::fmt::Result {
    writeln!(out, "\n[audience.adbc]")?;
    line(
        out,
        &format!("driver = {}", filled_string(&adbc.driver)),
        "a name, or a library's absolute path",
    )?;
    for (name, value) in [("entrypoint", &adbc.entrypoint), ("uri", &adbc.uri)] {
        if let Some(value) = value {
            writeln!(out, "{name} = {}", filled_string(value))?;
        }
    }
    let options = adbc
        .options
        .iter()
        .map(|(name, value)| (name, value.to_string()));
    let secrets = adbc
        .option_env
        .iter()
        .map(|(name, variable)| (name, variable.clone()));
    table(out, "options", options)?;
    table(out, "option-env", secrets)
}

fn table<'a>(
    out: &mut String,
    name: &str,
    pairs: impl Iterator<Item = (&'a String, String)>,
) -> std::fmt::Result {
    let pairs: Vec<String> = pairs
        .map(|(name, value)| format!("{} = {}", key(name), string(&value)))
        .collect();
    if pairs.is_empty() {
        return Ok(());
    }
    writeln!(out, "{name} = {{ {} }}", pairs.join(", "))
}
