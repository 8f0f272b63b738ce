//! `check --explain`: the job as it is meant, as TOML, with a remark on where each value comes from.

use std::fmt::Write as _;

use super::super::Surroundings;
use crate::cli::CheckArgs;
use crate::cli::console::printable;
use crate::command::toml_text::{key as key_text, string};
use crate::job::explain::{ExplainedKey, explain as explain_job};
use crate::run::error::Error;

/// Where remarks begin, if what they are about is shorter.
const REMARK_COLUMN: usize = 44;

/// The text that explains the job file of `args`. Nothing but the file and the environment is looked at.
pub fn explain(args: &CheckArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let state_directory = args.state.state_dir.as_deref();
    let keys = explain_job(
        (&args.job).into(),
        state_directory,
        &surroundings.environment,
    )?;
    let mut text = format!(
        "# {} as it is meant, and where each value comes from.\n",
        printable(&args.job.path.to_string_lossy())
    );
    // Writing to a String cannot fail.
    let _ = write(&mut text, &keys);
    Ok(text)
}

fn write(out: &mut String, keys: &[ExplainedKey]) -> std::fmt::Result {
    // Keys of no section come first, as TOML wants it.
    let (top, rest): (Vec<_>, Vec<_>) = keys.iter().partition(|key| key.path.len() == 1);
    let mut section = "";
    for key in top.into_iter().chain(rest) {
        let (own, names) = match key.path.as_slice() {
            [section, names @ ..] if !names.is_empty() => (section.as_str(), names),
            names => ("", names),
        };
        if own != section {
            section = own;
            writeln!(out, "\n[{section}]")?;
        }
        let names: Vec<String> = names.iter().map(|name| key_text(name)).collect();
        let value = key.value.as_ref();
        let value = value.map_or_else(|| string("***"), value_text);
        let pair = format!("{} = {value}", names.join("."));
        let pair = printable(&pair);
        write!(
            out,
            "{pair:<REMARK_COLUMN$}  # {}",
            printable(&key.origin.to_string())
        )?;
        match key.secret {
            Some(kind) => writeln!(out, "; the secret is *** from this {kind}")?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

/// A value on one line.
fn value_text(value: &toml::Value) -> String {
    match value {
        toml::Value::String(text) => string(text),
        toml::Value::Array(values) => {
            let values: Vec<String> = values.iter().map(value_text).collect();
            format!("[{}]", values.join(", "))
        }
        toml::Value::Table(table) => {
            let pair = |(name, value): (&String, &toml::Value)| {
                format!("{} = {}", key_text(name), value_text(value))
            };
            let pairs: Vec<String> = table.iter().map(pair).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        value => value.to_string(),
    }
}
