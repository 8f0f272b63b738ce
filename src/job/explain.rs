//! The job as it is meant: every key with its value, and where the value comes from.

use std::path::{Path, PathBuf};

use super::file::{JobFile, SshConfigChoice};
use super::written::{self, WrittenJob};
use super::{Job, JobError, JobSource};
use crate::base::environment::{Environment, STATE_VARIABLE};
use crate::base::secret::SecretSource;

/// Parts of the names of variables that hold secrets.
const SECRET_WORDS: [&str; 7] = [
    "PASS",
    "SECRET",
    "TOKEN",
    "KEY",
    "CREDENTIAL",
    "AUTH",
    "PRIVATE",
];
/// The keys that name the place of a secret, without `-env`, `-file` and `-command`.
const SECRETS: [&str; 6] = [
    "passphrase",
    "password",
    "proxy-password",
    "api-key",
    "heartbeat-url",
    "webhook-url",
];

/// A key of the job, with its value.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedKey {
    /// The names that it consists of: its section first, where it is in one.
    pub path: Vec<String>,
    /// Its value; `None` where it comes from a variable that looks like a secret.
    pub value: Option<toml::Value>,
    /// Where the value comes from.
    pub origin: KeyOrigin,
    /// The kind of place of the secret that the value names, if it names one: variable, file or program.
    pub secret: Option<&'static str>,
}

/// The place that the value of a key comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeyOrigin {
    /// A line of the job file, counted from 1.
    Line(usize),
    /// A flag, such as `--set sftp.host`.
    Flag(String),
    /// Environment variables.
    Variables(Vec<String>),
    /// Nobody gives it.
    Default,
}

impl std::fmt::Display for KeyOrigin {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Line(line) => write!(out, "line {line}"),
            Self::Flag(flag) => out.write_str(flag),
            Self::Variables(names) => {
                let noun = if names.len() == 1 {
                    "variable"
                } else {
                    "variables"
                };
                write!(out, "{noun} {}", names.join(", "))
            }
            Self::Default => out.write_str("default"),
        }
    }
}

/// Every key of the job of `source` that has a value, in the order of the sections; `state_directory` is that of the command
/// line.
pub fn explain(
    source: JobSource<'_>,
    state_directory: Option<&Path>,
    environment: &Environment,
) -> Result<Vec<ExplainedKey>, JobError> {
    written::read_written(
        source,
        environment,
        |_| true,
        |written, file, base| {
            let job = Job::from_file(file.clone(), base, environment)?;
            let file = with_derived(file, &job, state_directory);
            let table = toml::Table::try_from(&file).map_err(|error| JobError::Syntax {
                line: None,
                message: error.to_string(),
            })?;
            let mut keys = Vec::new();
            flatten(table, &[], &mut |path, value| {
                keys.push(explained(written, path, value));
            });
            for key in &mut keys {
                if key.path == ["state", "directory"] {
                    key.origin = of_state(state_directory, environment, key.origin.clone());
                }
            }
            Ok(keys)
        },
    )
}

/// The file with the values of keys that nobody gives and that follow from others.
fn with_derived(mut file: JobFile, job: &Job, state_directory: Option<&Path>) -> JobFile {
    if file.sftp.ssh_config == SshConfigChoice::Usual(false) {
        file.sftp.port.get_or_insert(super::file::SftpSection::PORT);
    }
    let key = job.rules.primary_key.name();
    file.audience
        .primary_key
        .get_or_insert_with(|| key.to_owned());
    if let SecretSource::Variable(name) = &job.klaviyo.key_source {
        file.klaviyo.api_key_env.get_or_insert_with(|| name.clone());
    }
    let directory = state_directory.map(PathBuf::from);
    if let Some(directory) = directory.or_else(|| job.state_directory.clone()) {
        file.state.directory = Some(directory.to_string_lossy().into_owned());
    }
    file
}

/// The origin of the folder of state, for which the command line and a variable take precedence over the file.
fn of_state(
    state_directory: Option<&Path>,
    environment: &Environment,
    written: KeyOrigin,
) -> KeyOrigin {
    let variable = environment.get(STATE_VARIABLE);
    match (state_directory, variable) {
        // The command line reads the variable too.
        (Some(directory), variable) if variable.map(Path::new) != Some(directory) => {
            KeyOrigin::Flag("--state-dir".to_owned())
        }
        (_, Some(_)) => KeyOrigin::Variables(vec![STATE_VARIABLE.to_owned()]),
        _ => written,
    }
}

/// Calls `add` for each key that has a value of its own. A column's value is whole, whatever it consists of.
fn flatten(table: toml::Table, path: &[String], add: &mut impl FnMut(Vec<String>, toml::Value)) {
    for (name, value) in table {
        let own = [path, &[name]].concat();
        match value {
            toml::Value::Table(inner) if path != ["columns"] => flatten(inner, &own, add),
            value => add(own, value),
        }
    }
}

fn explained(written: &WrittenJob<'_>, path: Vec<String>, value: toml::Value) -> ExplainedKey {
    let origin = written.origin(&path);
    let looks_secret = |name: &String| {
        let name = name.to_ascii_uppercase();
        SECRET_WORDS.iter().any(|word| name.contains(word))
    };
    let is_secret =
        matches!(&origin, KeyOrigin::Variables(names) if names.iter().any(looks_secret));
    ExplainedKey {
        // A program that nobody names gives no secret.
        secret: place_of_secret(&path).filter(|_| value.as_array().is_none_or(|it| !it.is_empty())),
        value: (!is_secret).then_some(value),
        path,
        origin,
    }
}

/// The kind of place that a key names for a secret.
fn place_of_secret(path: &[String]) -> Option<&'static str> {
    let is_option = path.len() == 4 && path[2] == "option-env";
    if is_option {
        return Some("variable");
    }
    let key = path.last()?;
    let kinds = [
        ("-env", "variable"),
        ("-file", "file"),
        ("-command", "program"),
    ];
    kinds.into_iter().find_map(|(suffix, kind)| {
        let stem = key.strip_suffix(suffix)?;
        SECRETS.contains(&stem).then_some(kind)
    })
}
