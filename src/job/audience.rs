//! `[audience]` as it is meant: files, or a query and where it runs.

use std::path::Path;

use super::file::{AdbcSection, AudienceSection, JobFile};
use super::rules::day_time;
use super::{JobError, value};
use crate::base::private_file::read_text;
use crate::source::audience::{AudienceFiles, AudienceSettings, Escape, SourceFormat};
use crate::source::day_time::DayTime;
use crate::source::query::{PostgresSettings, Query, QueryConnection};

/// The statements that an engine runs before the audience is read.
#[derive(Debug, Clone)]
pub struct BeforeStatements {
    /// Where.
    pub connection: QueryConnection,
    /// In this order.
    pub statements: Vec<String>,
}

/// The files to read, or the query to ask.
pub fn settings(file: &JobFile, base: &Path) -> Result<AudienceSettings, JobError> {
    let section = &file.audience;
    let connection = connection(file)?;
    let text = match (&section.query, &section.query_file) {
        (Some(_), Some(_)) => {
            return Err(value(
                "audience.query-file",
                "and query are both given; keep one of them",
            ));
        }
        (Some(query), None) => Some(query.clone()),
        (None, Some(path)) => Some(read_query(&base.join(path))?),
        (None, None) => None,
    };
    match (connection, text) {
        (None, None) => {
            refuse_parameters(section)?;
            Ok(AudienceSettings::Files(audience_files(file, base)?))
        }
        (None, Some(_)) => Err(value(
            "audience.query",
            "needs a connection: write postgres = \"postgresql://host/database\", or [audience.adbc]",
        )),
        (Some(_), None) if !section.files.is_empty() => {
            if section.before.is_empty() {
                return Err(value(
                    "audience.before",
                    "is needed if a connection and files are both given; without statements, remove the connection",
                ));
            }
            refuse_parameters(section)?;
            Ok(AudienceSettings::Files(audience_files(file, base)?))
        }
        (Some(_), None) => Err(value(
            "audience.query",
            "is missing; write query = \"SELECT …\", or query-file = \"audience.sql\"",
        )),
        (Some(_), Some(_)) if !section.files.is_empty() => Err(value(
            "audience.files",
            "and a query are both given; the audience is one of them",
        )),
        (Some(connection), Some(text)) => {
            for (key, is_there) in [
                ("audience.format", section.format.is_some()),
                ("audience.delimiter", section.delimiter.is_some()),
                ("audience.escape", section.escape.is_some()),
                ("audience.encoding", section.encoding.is_some()),
                ("audience.header-row", section.header_row.is_some()),
            ] {
                if is_there {
                    return Err(value(key, "is for files; the audience is a query"));
                }
            }
            if text.trim().is_empty() {
                return Err(value("audience.query", "is empty"));
            }
            if matches!(connection, QueryConnection::Postgres(_)) {
                refuse_parameters(section)?;
            }
            let parameters = section.parameters.iter();
            Ok(AudienceSettings::Query(
                connection,
                Query {
                    text,
                    parameters: parameters
                        .map(|(name, value)| (name.clone(), value.clone()))
                        .collect(),
                },
            ))
        }
    }
}

/// The statements that come first, if there are any.
pub(super) fn before(file: &JobFile) -> Result<Option<BeforeStatements>, JobError> {
    let section = &file.audience;
    if section.before.is_empty() {
        return Ok(None);
    }
    match connection(file)? {
        Some(connection) => Ok(Some(BeforeStatements {
            connection,
            statements: section.before.clone(),
        })),
        None => Err(value(
            "audience.before",
            "needs a connection: write postgres = \"postgresql://host/database\", or [audience.adbc]",
        )),
    }
}

fn connection(file: &JobFile) -> Result<Option<QueryConnection>, JobError> {
    let section = &file.audience;
    let day_time = day_time(file)?;
    let postgres_only = [
        ("audience.password-env", section.password_env.is_some()),
        (
            "audience.statement-timeout",
            section.statement_timeout.is_some(),
        ),
    ];
    if section.postgres.is_none()
        && let Some((key, _)) = postgres_only.iter().find(|(_, is_there)| *is_there)
    {
        return Err(value(key, "needs postgres"));
    }
    match (&section.postgres, &section.adbc) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(value(
            "audience.adbc",
            "and postgres are both given; an audience has one connection",
        )),
        (Some(url), None) => {
            let settings = PostgresSettings {
                url: url.clone(),
                password_env: section.password_env.clone(),
                statement_timeout: section
                    .statement_timeout
                    .map(|span| span.0)
                    .filter(|span| !span.is_zero()),
                day_time,
            };
            settings
                .check()
                .map_err(|problem| value("audience.postgres", problem))?;
            Ok(Some(QueryConnection::Postgres(settings)))
        }
        (None, Some(adbc)) => adbc_connection(adbc, day_time).map(Some),
    }
}

#[cfg(feature = "adbc")]
fn adbc_connection(section: &AdbcSection, day_time: DayTime) -> Result<QueryConnection, JobError> {
    let options = section.options.iter();
    let settings = crate::source::query::AdbcSettings {
        driver: section.driver.clone(),
        entrypoint: section.entrypoint.clone(),
        uri: section.uri.clone().filter(|uri| !uri.is_empty()),
        options: options
            .map(|(name, value)| (name.clone(), value.to_string()))
            .collect(),
        option_env: section
            .option_env
            .iter()
            .map(|(name, variable)| (name.clone(), variable.clone()))
            .collect(),
        day_time,
    };
    settings
        .check()
        .map_err(|(key, problem)| value(key, problem))?;
    Ok(QueryConnection::Adbc(settings))
}

#[cfg(not(feature = "adbc"))]
fn adbc_connection(_: &AdbcSection, _: DayTime) -> Result<QueryConnection, JobError> {
    Err(value(
        "audience.adbc",
        "is not in this build; it was compiled without the feature adbc",
    ))
}

fn refuse_parameters(section: &AudienceSection) -> Result<(), JobError> {
    if section.parameters.is_empty() {
        return Ok(());
    }
    Err(value(
        "audience.parameters",
        "is for a query by ADBC; write the values into the query",
    ))
}

fn read_query(path: &Path) -> Result<String, JobError> {
    read_text(path, super::written::MAX_BYTES).map_err(|source| JobError::QueryFile {
        path: path.to_owned(),
        source,
    })
}

/// Which files to read, of a job file's `[audience]`.
pub fn audience_files(file: &JobFile, base: &Path) -> Result<AudienceFiles, JobError> {
    let section = &file.audience;
    if section.files.is_empty() {
        return Err(value(
            "audience.files",
            "names no file; write files = [\"audience.csv\"], or a query and where it runs",
        ));
    }
    let format = match section.format.as_deref() {
        None => None,
        Some("csv") => Some(SourceFormat::Csv),
        Some("tsv") => Some(SourceFormat::Tsv),
        Some("ndjson") => Some(SourceFormat::Ndjson),
        Some("parquet") => Some(SourceFormat::Parquet),
        Some(_) => {
            return Err(value(
                "audience.format",
                "must be \"csv\", \"tsv\", \"ndjson\" or \"parquet\"",
            ));
        }
    };
    let delimiter = match section.delimiter.as_deref().map(str::as_bytes) {
        None => None,
        // As a shell hands it over.
        Some(b"\\t") => Some(b'\t'),
        Some([byte]) if byte.is_ascii() && !matches!(byte, b'"' | b'\n' | b'\r' | 0) => Some(*byte),
        Some(_) => {
            return Err(value(
                "audience.delimiter",
                "must be one ASCII character, such as \";\" or \"\\t\"",
            ));
        }
    };
    let escape = escape(section.escape.as_deref(), delimiter)?;
    let encoding = match section.encoding.as_deref() {
        None => encoding_rs::UTF_8,
        Some(label) => encoding_rs::Encoding::for_label(label.as_bytes()).ok_or_else(|| {
            value(
                "audience.encoding",
                "is not the name of an encoding; \"utf-8\", \"windows-1252\" and \"utf-16le\" are some",
            )
        })?,
    };
    if section.header_row == Some(0) {
        return Err(value(
            "audience.header-row",
            "must be 1 or more: rows are counted from 1",
        ));
    }
    Ok(AudienceFiles {
        files: section.files.clone(),
        base: base.to_owned(),
        format,
        delimiter,
        escape,
        encoding,
        header_row: section.header_row,
    })
}

fn escape(written: Option<&str>, delimiter: Option<u8>) -> Result<Escape, JobError> {
    match written.map(str::as_bytes) {
        None => Ok(Escape::Unsaid),
        Some([b'"']) => Ok(Escape::Doubled),
        Some([byte]) if byte.is_ascii_punctuation() && Some(*byte) != delimiter => {
            Ok(Escape::Character(*byte))
        }
        Some(_) => Err(value(
            "audience.escape",
            "must be one punctuation character other than the delimiter, such as \"\\\\\"",
        )),
    }
}
