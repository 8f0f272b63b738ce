//! A job file as a person would have written it, with the columns that were guessed and a remark where a decision waits.
//!
//! Takes the job that flags and the file's header came to, and gives TOML that the job reader reads back as that job. Names of
//! columns stand in it, values never.

mod api;
mod audience;

use std::fmt::Write;

use crate::cli::command_line::quoted;
use crate::cli::console::is_unprintable;
use crate::command::toml_text::{filled_string, key, one_line, string};
use crate::job::PLACEHOLDER;
use crate::job::file::{
    Deliver, Duplicates, JobFile, SftpSection, SharedIdentifiers, SshConfigChoice,
};
use crate::pipeline::mapping::guess::UnmappedReason;
use crate::profile::column::ProfileColumn;

/// Where a remark begins, if what it is about is shorter.
const REMARK_COLUMN: usize = 36;

/// The file with the schema of a job file, beside it.
const SCHEMA_FILE: &str = "klaviyo-export.schema.json";

/// A column of the file in the draft.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DraftColumn {
    /// Its name in the file.
    pub source: String,
    /// Its fate.
    pub fate: ColumnFate,
    /// The type that a flag gives to its cells.
    pub kind: Option<String>,
    /// Its type, of a query's column.
    pub type_name: Option<String>,
}

/// The fate of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnFate {
    /// It goes under these headers.
    Sent(Vec<String>),
    /// A flag leaves it out.
    LeftOut,
    /// Nothing was guessed for it.
    Unmapped(UnmappedReason),
    /// Several columns have its name, and other values.
    Ambiguous,
    /// Another column before it has its name and its values.
    SameAsFirst,
    /// It has no name.
    Nameless,
}

/// The draft of `job`, whose columns are `columns`, for the file `path`; `found` are the keys of `[audience]` that were told
/// from the file itself.
pub fn draft(job: &JobFile, columns: &[DraftColumn], found: &[&str], path: &str) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write_usage(&mut text, &one_line(path));
    let _ = write_draft(&mut text, job, columns, found);
    text
}

/// The commands that take the file.
fn write_usage(out: &mut String, path: &str) -> std::fmt::Result {
    let path = quoted(path);
    // The first line of the file: there alone editors look for it.
    writeln!(out, "#:schema ./{SCHEMA_FILE}")?;
    writeln!(
        out,
        "# For editors:             klaviyo-export schema job > {SCHEMA_FILE}"
    )?;
    writeln!(
        out,
        "# See what would be sent:  klaviyo-export preview {path}"
    )?;
    writeln!(
        out,
        "# Send ten rows:           klaviyo-export run {path} --limit 10"
    )?;
    writeln!(out, "# Send all:                klaviyo-export run {path}")?;
    writeln!(out, "# Relative paths count from this file's folder.\n")
}

fn write_draft(
    out: &mut String,
    job: &JobFile,
    columns: &[DraftColumn],
    found: &[&str],
) -> std::fmt::Result {
    let name = &job.name;
    line(
        out,
        &format!("name = {}", string(name)),
        "names the state folder and remote files",
    )?;
    audience::write(out, job, found)?;
    write_columns(out, columns, job.audience.files.is_empty())?;
    write_normalize(out, job)?;
    // A server that nobody named is no part of a job that goes by the API.
    if job.klaviyo.deliver == Deliver::Sftp || job.sftp.username.is_some() {
        write_sftp(out, &job.sftp)?;
    }
    api::write_klaviyo(out, &job.klaviyo)?;
    out.write_str(DELTA)?;
    match &job.list {
        Some(list) => api::write_list(out, list)?,
        None => out.write_str(LIST)?,
    }
    out.write_str(REPORT)?;
    out.write_str(WATCH)
}

fn write_columns(out: &mut String, columns: &[DraftColumn], is_query: bool) -> std::fmt::Result {
    let whose = if is_query { "query" } else { "file" };
    writeln!(
        out,
        "\n# The {whose}'s column = Klaviyo's header. Another header makes a custom property."
    )?;
    writeln!(out, "[columns]")?;
    for column in columns {
        if let ColumnFate::Sent(headers) = &column.fate {
            let value = match &column.kind {
                Some(kind) => format!(
                    "{{ to = {}, type = {} }}",
                    headers_value(headers),
                    string(kind)
                ),
                None => headers_value(headers),
            };
            let pair = format!("{} = {value}", key(&column.source));
            line(out, &pair, column.type_name.as_deref().unwrap_or_default())?;
        }
    }
    if columns
        .iter()
        .any(|column| !matches!(column.fate, ColumnFate::Sent(_)))
    {
        writeln!(
            out,
            "\n# Not sent. Remove the # at the beginning of a line to send its column:"
        )?;
    }
    for column in columns {
        match &column.fate {
            ColumnFate::Sent(_) => {}
            ColumnFate::LeftOut => idle(out, &column.source, "left out by --map")?,
            ColumnFate::Unmapped(UnmappedReason::NoMatch) => {
                idle(
                    out,
                    &column.source,
                    column.type_name.as_deref().unwrap_or_default(),
                )?;
            }
            ColumnFate::Unmapped(UnmappedReason::Consent) => {
                idle(out, &column.source, "looks like consent: see allow-consent")?;
            }
            ColumnFate::Unmapped(UnmappedReason::Taken { column: taken, .. }) => {
                idle(
                    out,
                    &column.source,
                    &format!("another column is {}", taken.header()),
                )?;
            }
            ColumnFate::Unmapped(reason) => idle(out, &column.source, &reason.to_string())?,
            ColumnFate::Ambiguous => idle(out, &column.source, "one of several with this name")?,
            ColumnFate::SameAsFirst => {
                idle(out, &column.source, "has the same values as the first")?;
            }
            ColumnFate::Nameless => writeln!(
                out,
                "# A column without a name cannot be sent; give it one."
            )?,
        }
    }
    Ok(())
}

/// The line that would send a column that is not sent.
fn idle(out: &mut String, source: &str, remark: &str) -> std::fmt::Result {
    let Some(header) = property_name(source) else {
        return writeln!(
            out,
            "# {}: this name cannot be a header; rename the column",
            key(source)
        );
    };
    let pair = format!("# {} = {}", key(source), string(&header));
    line(out, &pair, remark)
}

fn write_normalize(out: &mut String, job: &JobFile) -> std::fmt::Result {
    let normalize = &job.normalize;
    writeln!(out, "\n[normalize]")?;
    match &normalize.country_column {
        Some(column) => line(
            out,
            &format!("country-column = {}", string(column)),
            "country of the row, for phones without +",
        )?,
        None => writeln!(out, "# country-column = \"country\"")?,
    }
    let region = "for phones without + and country";
    match &normalize.default_region {
        Some(code) => line(out, &format!("default-region = {}", string(code)), region)?,
        None => line(out, "# default-region = \"US\"", region)?,
    }
    match normalize.duplicates {
        Duplicates::First => line(
            out,
            "# duplicates = \"first\"",
            "which row is sent; or last, or fail",
        )?,
        Duplicates::Last => writeln!(out, "duplicates = \"last\"")?,
        Duplicates::Fail => writeln!(out, "duplicates = \"fail\"")?,
    }
    match normalize.shared_identifiers {
        SharedIdentifiers::Blank => line(
            out,
            "# shared-identifiers = \"blank\"",
            "in the later row; or report, reject, fail",
        )?,
        SharedIdentifiers::Report => writeln!(out, "shared-identifiers = \"report\"")?,
        SharedIdentifiers::Reject => writeln!(out, "shared-identifiers = \"reject\"")?,
        SharedIdentifiers::Fail => writeln!(out, "shared-identifiers = \"fail\"")?,
    }
    let allowed: Vec<String> = normalize
        .allow_consent
        .iter()
        .map(|header| string(header))
        .collect();
    if allowed.is_empty() {
        return line(
            out,
            "# allow-consent = []",
            "headers of consent that are sent",
        );
    }
    writeln!(out, "allow-consent = [{}]", allowed.join(", "))
}

/// How to send less.
const DELTA: &str = "
# To send only rows that are new or changed since the last run:
# [delta]
# send = \"changed\"
";

/// How to watch it.
const WATCH: &str = "
# To stop a night whose counts are not like those of the last ones, before anything is sent:
# [guard]
# max-drift = { rows = \"30%\", rejected = \"3x\", blank = \"3x\" }

# To be told when a run fails or does not come, with URLs in the variables HEARTBEAT_URL and WEBHOOK_URL:
# [notify]
# heartbeat-url-env = \"HEARTBEAT_URL\"
# webhook-url-env = \"WEBHOOK_URL\"
";

/// How to go on with a list.
const LIST: &str = "
# To put the profiles on a Klaviyo list, with the private API key in the variable KLAVIYO_API_KEY:
# [list]
# name = \"VIP\"
# create = true
";

/// How a run is shown afterwards.
const REPORT: &str = "
# A run leaves its report as a page to look at, report.html. To turn that off:
# [report]
# html = false
";

fn write_sftp(out: &mut String, sftp: &SftpSection) -> std::fmt::Result {
    let defaults = SftpSection::default();
    writeln!(out, "\n[sftp]")?;
    writeln!(out, "host = {}", filled_string(&sftp.host))?;
    if let Some(port) = sftp.port {
        writeln!(out, "port = {port}")?;
    }
    writeln!(out, "directory = {}", filled_string(&sftp.directory))?;
    match &sftp.username {
        Some(username) => writeln!(out, "username = {}", filled_string(username))?,
        None if sftp.ssh_config != defaults.ssh_config => {}
        None => writeln!(
            out,
            "# TO FILL IN. Klaviyo shows it: Integrations, Manage sources, Import via SFTP\nusername = {}",
            string(PLACEHOLDER)
        )?,
    }
    match &sftp.private_key {
        Some(path) => writeln!(out, "private-key = {}", filled_string(path))?,
        None if sftp.agent
            || sftp.password_env.is_some()
            || sftp.ssh_config != defaults.ssh_config => {}
        None => writeln!(
            out,
            "# To make a key: klaviyo-export keygen\n\
             private-key = \"~/.ssh/klaviyo_ed25519\""
        )?,
    }
    for (key, variable) in [
        ("passphrase-env", &sftp.passphrase_env),
        ("password-env", &sftp.password_env),
        ("jump", &sftp.jump),
        ("proxy", &sftp.proxy),
        ("proxy-password-env", &sftp.proxy_password_env),
    ] {
        if let Some(variable) = variable {
            writeln!(out, "{key} = {}", filled_string(variable))?;
        }
    }
    match &sftp.ssh_config {
        SshConfigChoice::Usual(false) => {}
        SshConfigChoice::Usual(true) => writeln!(out, "ssh-config = true")?,
        SshConfigChoice::File(path) => writeln!(out, "ssh-config = {}", filled_string(path))?,
    }
    if sftp.agent {
        writeln!(out, "agent = true")?;
    }
    for (key, texts, usual) in [
        ("known-hosts", &sftp.known_hosts, &defaults.known_hosts),
        ("host-key", &sftp.host_key, &defaults.host_key),
    ] {
        if texts != usual {
            let texts: Vec<String> = texts.iter().map(|text| string(text)).collect();
            writeln!(out, "{key} = [{}]", texts.join(", "))?;
        }
    }
    if sftp.sessions != defaults.sessions {
        writeln!(out, "sessions = {}", sftp.sessions)?;
    }
    Ok(())
}

/// A line with a remark behind it, under the remarks of other lines where that is possible.
fn line(out: &mut String, code: &str, remark: &str) -> std::fmt::Result {
    if remark.is_empty() {
        writeln!(out, "{code}")
    } else {
        writeln!(out, "{code:<REMARK_COLUMN$}  # {remark}")
    }
}

/// The name under which a column can be sent as a custom property: its own, or one that Klaviyo does not take for a misspelt
/// header of its own.
pub fn property_name(source: &str) -> Option<String> {
    let own = source.replace(is_unprintable, " ");
    // The first of several columns with one name.
    let own = own.strip_suffix("#1").unwrap_or(&own).trim();
    let other = format!("Other {own}");
    let allowed = [own.to_owned()];
    [own, &other]
        .into_iter()
        .find(|name| {
            matches!(
                ProfileColumn::parse(name, &allowed),
                Ok((ProfileColumn::Custom(_), None))
            )
        })
        .map(str::to_owned)
}

fn headers_value(headers: &[String]) -> String {
    match headers {
        [header] => string(header),
        headers => {
            let headers: Vec<String> = headers.iter().map(|header| string(header)).collect();
            format!("[{}]", headers.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_never_has_a_name_that_klaviyo_may_mean_otherwise() {
        for (source, name) in [
            ("Tier", Some("Tier")),
            ("e-mail", Some("Other e-mail")),
            ("first_name", Some("Other first_name")),
            ("List ID", Some("Other List ID")),
            ("_reason", Some("Other _reason")),
            ("SMS Opt-In", Some("SMS Opt-In")),
            ("two\nlines", Some("two lines")),
            ("Email", Some("Other Email")),
        ] {
            assert_eq!(property_name(source).as_deref(), name, "{source}");
        }
        assert_eq!(property_name(&"x".repeat(300)), None);
    }
}
