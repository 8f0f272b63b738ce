//! Flags that stand for a job file: those of `send`, `preview` and `init` become one.

use std::path::Path;

use crate::cli::{ApiArgs, AudienceArgs, QueryArgs, ServerArgs};
use crate::command::guesses::Guesses;
use crate::job::file::{
    AdbcSection, AudienceSection, Deliver, Duplicates, Headers, JobFile, KlaviyoSection,
    ListSection, NormalizeSection, SftpSection, SharedIdentifiers, SshConfigChoice, Unlisted,
};
use crate::job::{JobError, PrimaryKey};
use crate::pipeline::mapping::MappingError;
use crate::run::error::Error;
use crate::source::audience::Audience;
use crate::source::query::Parameter;

/// A job of `files`, without columns and without a server.
pub(super) fn job_file(files: &[String], name: Option<&str>, args: &AudienceArgs) -> JobFile {
    JobFile {
        name: name.map_or_else(|| name_of(files), str::to_owned),
        audience: AudienceSection {
            files: files.to_vec(),
            format: args.format.clone(),
            delimiter: args.delimiter.clone(),
            escape: args.escape.clone(),
            encoding: args.encoding.clone(),
            header_row: args.header_row,
            primary_key: args.primary_key.clone(),
            unlisted: if args.keep_unlisted {
                Unlisted::Keep
            } else {
                Unlisted::Drop
            },
            ..AudienceSection::default()
        },
        normalize: NormalizeSection {
            default_region: args.default_region.clone(),
            country_column: args.country_column.clone(),
            duplicates: match args.duplicates.as_deref() {
                Some("last") => Duplicates::Last,
                Some("fail") => Duplicates::Fail,
                _ => Duplicates::First,
            },
            shared_identifiers: match args.shared_identifiers.as_deref() {
                Some("report") => SharedIdentifiers::Report,
                Some("reject") => SharedIdentifiers::Reject,
                Some("fail") => SharedIdentifiers::Fail,
                _ => SharedIdentifiers::Blank,
            },
            allow_consent: args.allow_consent.clone(),
            ..NormalizeSection::default()
        },
        ..JobFile::default()
    }
}

/// The query of the flags, as a job has it.
pub(super) fn query(args: &QueryArgs, audience: &mut AudienceSection) -> Result<(), Error> {
    audience.query.clone_from(&args.query);
    audience.query_file.clone_from(&args.query_file);
    audience.postgres.clone_from(&args.postgres);
    audience
        .password_env
        .clone_from(&args.postgres_password_env);
    if let Some(driver) = &args.adbc {
        let options = pairs("--adbc-option", &args.adbc_option)?.into_iter();
        audience.adbc = Some(AdbcSection {
            driver: driver.clone(),
            entrypoint: args.adbc_entrypoint.clone(),
            uri: args.adbc_uri.clone(),
            options: options
                .map(|(key, value)| (key, Parameter::Text(value)))
                .collect(),
            option_env: pairs("--adbc-option-env", &args.adbc_option_env)?
                .into_iter()
                .collect(),
        });
    }
    Ok(())
}

/// Values like `KEY=VALUE`. What follows the `=` may be a secret in the wrong place: no error shows it.
fn pairs(flag: &str, values: &[String]) -> Result<Vec<(String, String)>, Error> {
    let pair = |text: &String| {
        let (key, value) = text
            .split_once('=')
            .ok_or_else(|| Error::Usage(format!("{flag}: write it like KEY=VALUE")))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    values.iter().map(pair).collect()
}

/// The server of the flags; without `--to` it is Klaviyo's, and has no user name.
pub(super) fn server(args: &ServerArgs) -> Result<SftpSection, Error> {
    let defaults = SftpSection::default();
    let mut sftp = match &args.to {
        Some(url) => destination(url, args.ssh_config.is_some())?,
        None => SftpSection::default(),
    };
    sftp.private_key.clone_from(&args.identity);
    sftp.passphrase_env.clone_from(&args.passphrase_env);
    sftp.password_env.clone_from(&args.password_env);
    sftp.agent = args.agent;
    sftp.host_key.clone_from(&args.host_key);
    sftp.jump.clone_from(&args.jump);
    sftp.proxy.clone_from(&args.proxy);
    sftp.proxy_password_env.clone_from(&args.proxy_password_env);
    sftp.ssh_config = match &args.ssh_config {
        None => SshConfigChoice::Usual(false),
        Some(None) => SshConfigChoice::Usual(true),
        Some(Some(file)) => SshConfigChoice::File(file.clone()),
    };
    sftp.sessions = args.sessions.unwrap_or(defaults.sessions);
    if !args.known_hosts.is_empty() {
        sftp.known_hosts.clone_from(&args.known_hosts);
    }
    Ok(sftp)
}

/// The list that the flags give.
pub(super) fn list(args: &ApiArgs) -> Option<ListSection> {
    args.list.as_ref().map(|list| ListSection {
        name: Some(list.clone()),
        create: args.create_list,
        ..ListSection::default()
    })
}

/// The settings of the API that the flags give.
pub(super) fn klaviyo(args: &ApiArgs) -> KlaviyoSection {
    let defaults = KlaviyoSection::default();
    KlaviyoSection {
        deliver: match args.via.as_deref() {
            Some("api") => Deliver::Api,
            _ => Deliver::Sftp,
        },
        api_key_env: args.api_key_env.clone(),
        api_key_file: args.api_key_file.clone(),
        base_url: args.api_url.clone().unwrap_or(defaults.base_url),
        ..KlaviyoSection::default()
    }
}

/// The stem of the first file, with what cannot be in a job's name replaced by `-`.
fn name_of(files: &[String]) -> String {
    let first = files.first().map_or("", String::as_str);
    let file = Path::new(first)
        .file_name()
        .map(|name| name.to_string_lossy())
        .unwrap_or_default();
    let stem = file
        .split('.')
        .find(|piece| !piece.is_empty())
        .unwrap_or_default();
    let allowed = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '_' | '-') {
            c
        } else {
            '-'
        }
    };
    let name: String = stem.chars().map(allowed).collect();
    match name.trim_matches('-') {
        "" => "send".to_owned(),
        name => name.to_owned(),
    }
}

/// `sftp://USER@HOST[:PORT]/DIR`; `may_lack_user` where OpenSSH's configuration names one.
fn destination(url: &str, may_lack_user: bool) -> Result<SftpSection, Error> {
    let wrong = |what: &str| {
        Error::Usage(format!(
            "--to: {what}; write it like sftp://USER@HOST/profiles"
        ))
    };
    let rest = url
        .strip_prefix("sftp://")
        .ok_or_else(|| wrong("must begin with sftp://"))?;
    let (server, directory) = match rest.find('/') {
        Some(slash) => (&rest[..slash], &rest[slash..]),
        None => (rest, "/profiles"),
    };
    let (username, host) = match server.rsplit_once('@') {
        None if may_lack_user => (None, server),
        None => return Err(wrong("has no user name")),
        Some((username, host)) => (Some(username), host),
    };
    if username.is_some_and(|username| username.contains(':')) {
        return Err(Error::Usage("--to: a password in the address would be seen by every user of this machine; use --password-env VARIABLE".to_owned()));
    }
    let (host, port) = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => (address, port.strip_prefix(':')),
        None => host
            .split_once(':')
            .map_or((host, None), |(host, port)| (host, Some(port))),
    };
    if username.is_some_and(str::is_empty) || host.is_empty() {
        return Err(wrong("has no user name or no host"));
    }
    let port = match port {
        None => None,
        Some(port) => Some(
            port.parse()
                .map_err(|_| wrong("its port is not a number"))?,
        ),
    };
    Ok(SftpSection {
        host: host.to_owned(),
        port,
        username: username.map(str::to_owned),
        directory: directory.to_owned(),
        ..SftpSection::default()
    })
}

/// Lists the columns that `--map SRC=` names, under no header: where unlisted columns are kept, these are not.
pub(super) fn leave_out(file: &mut JobFile, maps: &[String]) {
    if file.audience.unlisted == Unlisted::Keep {
        for source in maps.iter().filter_map(|map| map.strip_suffix('=')) {
            if !file.columns.contains_key(source) {
                file.columns
                    .insert(source.to_owned(), Headers::Several(Vec::new()));
            }
        }
    }
}

/// Refuses a header in which nothing was guessed that tells one person from another, unless `--map` has its say.
pub(super) fn require_identifier(
    file: &JobFile,
    maps: &[String],
    guesses: &Guesses,
    audience: &Audience,
) -> Result<(), MappingError> {
    let mut headers = file.columns.values().flat_map(Headers::names);
    let found = headers.any(|name| PrimaryKey::of_header(name).is_some());
    if found || !maps.is_empty() && !file.columns.is_empty() {
        return Ok(());
    }
    let source = audience.sources().first();
    Err(MappingError::NoneGuessed {
        file: source.map(|source| source.name.clone()).unwrap_or_default(),
        likely: guesses.address_column().map(str::to_owned),
    })
}

/// The error of a key in a job that was made of flags, told by the flag.
pub(super) fn of_flag(error: JobError) -> Error {
    let (JobError::Value { key, .. } | JobError::Unset { key, .. }) = &error else {
        return error.into();
    };
    let flag = match *key {
        "name" => "--name",
        "audience.query" => "--query",
        "audience.query-file" => "--query-file",
        "audience.postgres" => "--postgres",
        "audience.password-env" => "--postgres-password-env",
        "audience.adbc.driver" | "audience.adbc" => "--adbc",
        "audience.adbc.entrypoint" => "--adbc-entrypoint",
        "audience.adbc.uri" => "--adbc-uri",
        "audience.adbc.options" => "--adbc-option",
        "audience.adbc.option-env" => "--adbc-option-env",
        "audience.format" => "--format",
        "audience.delimiter" => "--delimiter",
        "audience.escape" => "--escape",
        "audience.encoding" => "--encoding",
        "audience.header-row" => "--header-row",
        "columns" => "--map",
        "audience.primary-key" => "--primary-key",
        "normalize.default-region" => "--default-region",
        "sftp.host" | "sftp.directory" => "--to",
        "sftp.passphrase-env" => "--passphrase-env",
        "sftp.password-env" => "--password-env",
        "sftp.host-key" => "--host-key",
        "sftp.jump" => "--jump",
        "sftp.proxy" => "--proxy",
        "sftp.proxy-password-env" => "--proxy-password-env",
        "sftp.ssh-config" => "--ssh-config",
        "sftp.sessions" => "--sessions",
        "list.name" => "--list",
        "klaviyo.base-url" => "--api-url",
        "klaviyo.api-key-env" => "--api-key-env",
        "klaviyo.api-key-file" => "--api-key-file",
        _ => return error.into(),
    };
    match error {
        JobError::Value { problem, .. } => Error::Usage(format!("{flag} {problem}")),
        JobError::Unset { variable, .. } => Error::Usage(format!(
            "{flag}: the environment variable {variable} is not set"
        )),
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn destinations_are_read_and_passwords_refused() {
        let to = destination("sftp://ana@example.com:2222/in/box", false).unwrap();
        assert_eq!(
            (to.host.as_str(), to.port, to.directory.as_str()),
            ("example.com", Some(2222), "/in/box")
        );
        let to = destination("sftp://ana@[::1]:22/profiles", false).unwrap();
        assert_eq!((to.host.as_str(), to.port), ("::1", Some(22)));
        assert_eq!(
            destination("sftp://ana@example.com", false)
                .unwrap()
                .directory,
            "/profiles"
        );
        for (url, word) in [
            ("example.com", "begin with sftp://"),
            ("sftp://example.com/x", "no user name"),
            ("sftp://ana@example.com:x/y", "port"),
            ("sftp://ana:hunter2@example.com/x", "password"),
        ] {
            let error = destination(url, false).unwrap_err().to_string();
            assert!(
                error.contains(word) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_name_is_made_of_the_first_file() {
        assert_eq!(
            name_of(&header(&["in/My audience (1).csv.gz"])),
            "My-audience--1"
        );
        assert_eq!(name_of(&header(&["-"])), "send");
    }
}
