//! A job as it is meant: validated, typed, secrets resolved.
//!
//! Built from a [`file::JobFile`] (of `run`, or made of the flags of `send`). Whatever can be refused without reading
//! a row is refused here or by [`crate::mapping::Mapping`]; afterwards nobody checks again.

pub mod file;
pub mod text;

use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::audience::{AudienceFiles, SourceFormat};
use crate::environment::Environment;
use crate::job::file::{
    Duplicates, JobFile, MaxRejected, NormalizeSection, OnEmpty, OnInvalid, OnSourceChange,
    Unlisted,
};
use crate::normalize::country::Region;
use crate::profile::column::ProfileColumn;
use crate::secret::Secret;
use crate::sftp::{AgentIdentities, Authentication, HostKeyPin, SftpSettings};

/// What `init` writes for a user name that it was not told: as good as none.
pub const PLACEHOLDER: &str = "...";

/// Names of files of rows end so; a job file's does not.
const AUDIENCE_ENDINGS: [&str; 15] = [
    "csv", "tsv", "tab", "txt", "ndjson", "jsonl", "json", "gz", "gzip", "zst", "zstd", "xlsx",
    "xls", "ods", "parquet",
];

/// What is wrong with a job file.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// The file cannot be read.
    #[error("job file {}: cannot be read", path.display())]
    Unreadable {
        /// The job file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file of rows where a job file is wanted.
    #[error("{}: is a file of rows and no job file", path.display())]
    IsAudience {
        /// The file.
        path: PathBuf,
    },
    /// What follows is wrong in this file.
    #[error("job file {}", path.display())]
    InFile {
        /// The job file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<JobError>,
    },
    /// It is no TOML, or has keys or types that a job has not.
    #[error("{}{message}", line.map(|line| format!("line {line}: ")).unwrap_or_default())]
    Syntax {
        /// 1-based.
        line: Option<usize>,
        /// Names the key, never a value.
        message: String,
    },
    /// A key has a value that cannot be.
    #[error("`{key}` {problem}")]
    Value {
        /// The key with its section.
        key: &'static str,
        /// What is wrong and what to write.
        problem: String,
    },
    /// A variable that the job names for a secret is not set.
    #[error("`{key}`: the environment variable {variable} is not set")]
    Unset {
        /// The key with its section.
        key: &'static str,
        /// The variable's name.
        variable: String,
    },
}

/// The identifier that makes two rows the same person's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrimaryKey {
    /// `Email`.
    Email,
    /// `PhoneNumber`.
    PhoneNumber,
    /// `ExternalID`.
    ExternalId,
}

impl PrimaryKey {
    /// The keys in the order in which a row's best identifier is chosen.
    pub const BEST_FIRST: [Self; 3] = [Self::Email, Self::PhoneNumber, Self::ExternalId];

    /// The Klaviyo column that holds it.
    pub const fn column(self) -> ProfileColumn {
        match self {
            Self::Email => ProfileColumn::Email,
            Self::PhoneNumber => ProfileColumn::PhoneNumber,
            Self::ExternalId => ProfileColumn::ExternalID,
        }
    }

    /// The name as a job file writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::PhoneNumber => "phone_number",
            Self::ExternalId => "external_id",
        }
    }
}

/// How values are checked and mended.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Region of phone numbers that do not begin with `+`.
    pub default_region: Option<Region>,
    /// What an invalid e-mail does.
    pub invalid_email: OnInvalid,
    /// What an invalid phone number does.
    pub invalid_phone: OnInvalid,
    /// Whose row is kept, by which identifier.
    pub primary_key: PrimaryKey,
}

/// Where a part ends.
#[derive(Debug, Clone, Copy)]
pub struct PartLimits {
    /// Header included.
    pub max_bytes: u64,
    /// Without the header.
    pub max_rows: u64,
}

/// How long to try again.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// Trouble for so long without one acknowledged byte ends the run.
    pub give_up_after: Duration,
}

/// What is kept of finished runs, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// How many runs are remembered.
    pub runs: usize,
    /// How long rejects and repairs files are kept.
    pub rejects: Duration,
}

/// The server's side of a job.
#[derive(Debug, Clone)]
pub struct Delivery {
    /// How to connect.
    pub sftp: SftpSettings,
    /// Remote folder, without a slash at its end.
    pub directory: String,
    /// Parallel sessions.
    pub sessions: usize,
    /// How long to try again.
    pub retry: RetryPolicy,
    /// Where its secrets are.
    pub secrets: SecretVariables,
}

/// The environment variables that a job names for its secrets. They are looked at by [`Job::read_secrets`] alone, for
/// what touches no server needs none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretVariables {
    /// The passphrase of the key file.
    pub passphrase: Option<String>,
    /// The password.
    pub password: Option<String>,
}

/// A job, ready to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// `[A-Za-z0-9._-]+`.
    pub name: String,
    /// End in exit 3 when any row was rejected.
    pub strict: bool,
    /// The files to read.
    pub audience: AudienceFiles,
    /// What no row to write means.
    pub on_empty: OnEmpty,
    /// What becomes of columns that are not named.
    pub unlisted: Unlisted,
    /// Source column and Klaviyo headers, in the job's order.
    pub columns: Vec<(String, Vec<String>)>,
    /// Source column with each row's country.
    pub country_column: Option<String>,
    /// Headers that look like consent and are meant.
    pub allow_consent: Vec<String>,
    /// How values are checked and mended.
    pub rules: Rules,
    /// Which of several rows with one key is kept.
    pub duplicates: Duplicates,
    /// The memory that the keys of rows may take, in bytes; those that find no room go to disk.
    pub dedupe_memory: u64,
    /// How many rejected rows are too many.
    pub max_rejected: MaxRejected,
    /// Where a part ends.
    pub limits: PartLimits,
    /// Keep the part files when they are verified.
    pub keep_parts: bool,
    /// Closed parts that may wait for upload.
    pub max_waiting: usize,
    /// The server; `None` where the job was made for a dry run without one.
    pub delivery: Option<Delivery>,
    /// Where state lives.
    pub state_directory: PathBuf,
    /// SHA-256 of all that decides which bytes a run makes and where they go.
    pub fingerprint: String,
    /// What becomes of an unfinished run whose sources have changed.
    pub on_source_change: OnSourceChange,
    /// What is kept of finished runs, and how long.
    pub retention: Retention,
}

/// What of a job tells where its state is. It needs none of the job's secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlace {
    /// `[A-Za-z0-9._-]+`.
    pub name: String,
    /// Where state lives.
    pub state_directory: PathBuf,
}

impl JobPlace {
    /// Reads the job file at `path`.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, JobError> {
        read(path, |file, base| {
            check_name(&file.name)?;
            let directory = file.state.directory.as_deref();
            Ok(Self {
                state_directory: environment.state_directory(directory, base),
                name: file.name,
            })
        })
    }
}

impl Job {
    /// Reads and validates the job file at `path`; relative paths in it count from its folder. Secrets are not read.
    pub fn load(path: &Path, environment: &Environment) -> Result<Self, JobError> {
        read(path, |file, base| Self::from_file(file, base, environment))
    }

    /// As [`Job::load`], with the secrets that a delivery needs.
    pub fn load_with_secrets(path: &Path, environment: &Environment) -> Result<Self, JobError> {
        read(path, |file, base| {
            let mut job = Self::from_file(file, base, environment)?;
            job.read_secrets(environment)?;
            Ok(job)
        })
    }

    /// As [`Job::load`], for a look at the audience alone: what stands in `[sftp]` is not looked at, and no secret is needed.
    pub fn load_without_server(path: &Path, environment: &Environment) -> Result<Self, JobError> {
        read(path, |mut file, base| {
            file.sftp.username = None;
            Self::from_file(file, base, environment)
        })
    }

    /// Validates `file`; relative paths in it count from `base`.
    pub fn from_file(
        file: JobFile,
        base: &Path,
        environment: &Environment,
    ) -> Result<Self, JobError> {
        check_name(&file.name)?;
        let fingerprint = fingerprint(&file);
        let columns: Vec<_> = file
            .columns
            .iter()
            .map(|(source, headers)| (source.clone(), headers.names().to_vec()))
            .collect();
        if columns.is_empty() {
            return Err(value(
                "columns",
                "maps no column; write at least one, such as email = \"Email\"",
            ));
        }
        Ok(Self {
            rules: rules(&file, &columns)?,
            audience: audience_files(&file, base)?,
            limits: part_limits(&file)?,
            delivery: delivery(&file, base, environment)?,
            name: file.name,
            strict: file.strict,
            on_empty: file.audience.on_empty,
            unlisted: file.audience.unlisted,
            columns,
            country_column: file.normalize.country_column,
            allow_consent: file.normalize.allow_consent,
            duplicates: file.normalize.duplicates,
            dedupe_memory: file.normalize.dedupe_memory.0,
            max_rejected: file.normalize.max_rejected,
            keep_parts: file.parts.keep_parts,
            max_waiting: file.parts.max_waiting,
            state_directory: environment.state_directory(file.state.directory.as_deref(), base),
            fingerprint,
            on_source_change: file.audience.on_source_change,
            retention: Retention {
                runs: file.state.keep_runs,
                rejects: file.state.keep_rejects.0,
            },
        })
    }

    /// Takes the secrets from the variables that the job names; the error is of the first one that is not set.
    pub fn read_secrets(&mut self, environment: &Environment) -> Result<(), JobError> {
        let Some(delivery) = &mut self.delivery else {
            return Ok(());
        };
        let secret = |key: &'static str, variable: &Option<String>| match variable {
            None => Ok(None),
            Some(name) => match environment.get(name) {
                Some(text) => Ok(Some(Secret::new(text.to_owned()))),
                None => Err(JobError::Unset {
                    key,
                    variable: name.clone(),
                }),
            },
        };
        let given = &mut delivery.sftp.authentication;
        given.passphrase = secret("sftp.passphrase-env", &delivery.secrets.passphrase)?;
        given.password = secret("sftp.password-env", &delivery.secrets.password)?;
        Ok(())
    }

    /// Whether the key of an unknown server is added to known_hosts instead of refused.
    pub fn accept_new_host_key(&mut self, accept: bool) {
        if let Some(delivery) = &mut self.delivery {
            delivery.sftp.accept_new_host_key = accept;
        }
    }
}

/// What `make` makes of the job file at `path` and its folder; the error names the file.
fn read<T>(
    path: &Path,
    make: impl FnOnce(JobFile, &Path) -> Result<T, JobError>,
) -> Result<T, JobError> {
    if is_audience(path) {
        return Err(JobError::IsAudience {
            path: path.to_owned(),
        });
    }
    let text = std::fs::read_to_string(path).map_err(|source| JobError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    JobFile::parse(&text)
        .and_then(|file| make(file, path.parent().unwrap_or(Path::new(""))))
        .map_err(|source| JobError::InFile {
            path: path.to_owned(),
            source: Box::new(source),
        })
}

/// Whether the name is that of a file of rows.
fn is_audience(path: &Path) -> bool {
    let ending = path
        .extension()
        .map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    path == Path::new("-")
        || ending.is_some_and(|ending| AUDIENCE_ENDINGS.contains(&ending.as_str()))
}

fn value(key: &'static str, problem: impl Into<String>) -> JobError {
    JobError::Value {
        key,
        problem: problem.into(),
    }
}

/// A job's name becomes a folder and the beginning of file names.
fn check_name(name: &str) -> Result<(), JobError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 100 || !name.chars().all(allowed) || name.starts_with('.') {
        return Err(value(
            "name",
            "must be 1 to 100 of A-Z a-z 0-9 . _ - and not begin with a dot",
        ));
    }
    Ok(())
}

/// What decides which bytes a run makes and where they go; not how it logs in, how often it tries, or when it gives up.
fn fingerprint(file: &JobFile) -> String {
    let NormalizeSection {
        default_region,
        country_column,
        invalid_email,
        invalid_phone,
        duplicates,
        ..
    } = &file.normalize;
    let decisive = serde_json::json!([
        file.name,
        file.audience,
        file.columns.iter().collect::<Vec<_>>(),
        [default_region, country_column],
        [invalid_email, invalid_phone],
        duplicates,
        [file.parts.max_bytes.0, file.parts.max_rows],
        [&file.sftp.host, &file.sftp.directory],
        file.sftp.port,
        file.sftp.username,
    ]);
    crate::part::hex(&Sha256::digest(decisive.to_string()))
}

/// Which files to read, of a job file's `[audience]`.
pub fn audience_files(file: &JobFile, base: &Path) -> Result<AudienceFiles, JobError> {
    let section = &file.audience;
    if section.files.is_empty() {
        return Err(value(
            "audience.files",
            "names no file; write files = [\"audience.csv\"]",
        ));
    }
    let format = match section.format.as_deref() {
        None => None,
        Some("csv") => Some(SourceFormat::Csv),
        Some("tsv") => Some(SourceFormat::Tsv),
        Some("ndjson") => Some(SourceFormat::Ndjson),
        Some(_) => {
            return Err(value(
                "audience.format",
                "must be \"csv\", \"tsv\" or \"ndjson\"",
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
    let encoding = match section.encoding.as_deref() {
        None => encoding_rs::UTF_8,
        Some(label) => encoding_rs::Encoding::for_label(label.as_bytes()).ok_or_else(|| {
            value(
                "audience.encoding",
                "is no encoding's name; \"utf-8\", \"windows-1252\" and \"utf-16le\" are some",
            )
        })?,
    };
    Ok(AudienceFiles {
        files: section.files.clone(),
        base: base.to_owned(),
        format,
        delimiter,
        encoding,
    })
}

fn rules(file: &JobFile, columns: &[(String, Vec<String>)]) -> Result<Rules, JobError> {
    let default_region = match file.normalize.default_region.as_deref() {
        None => None,
        Some(code) => Some(Region::from_code(code).ok_or_else(|| {
            value(
                "normalize.default-region",
                "must be an ISO 3166 alpha-2 code, such as \"US\"",
            )
        })?),
    };
    let targets = |key: PrimaryKey| {
        columns
            .iter()
            .any(|(_, headers)| headers.iter().any(|header| header == key.column().header()))
    };
    let primary_key = match file.audience.primary_key.as_deref() {
        None => PrimaryKey::BEST_FIRST
            .into_iter()
            .find(|key| targets(*key))
            .unwrap_or(PrimaryKey::Email),
        Some(name) => PrimaryKey::BEST_FIRST
            .into_iter()
            .find(|key| key.name() == name)
            .ok_or_else(|| {
                value(
                    "audience.primary-key",
                    "must be \"email\", \"phone_number\" or \"external_id\"",
                )
            })?,
    };
    if file.audience.primary_key.is_some() && !targets(primary_key) {
        let problem = format!(
            "needs a column that is mapped to {}",
            primary_key.column().header()
        );
        return Err(value("audience.primary-key", problem));
    }
    Ok(Rules {
        default_region,
        invalid_email: file.normalize.invalid_email,
        invalid_phone: file.normalize.invalid_phone,
        primary_key,
    })
}

fn part_limits(file: &JobFile) -> Result<PartLimits, JobError> {
    if file.parts.max_bytes.0 < 1_000_000 {
        return Err(value("parts.max-bytes", "must be at least 1MB"));
    }
    if file.parts.max_rows == 0 {
        return Err(value("parts.max-rows", "must be at least 1"));
    }
    if file.parts.max_waiting == 0 {
        return Err(value("parts.max-waiting", "must be at least 1"));
    }
    let percent = file.normalize.max_rejected.percent;
    if !(0.0..=100.0).contains(&percent) {
        return Err(value(
            "normalize.max-rejected",
            "percent must be between 0 and 100",
        ));
    }
    Ok(PartLimits {
        max_bytes: file.parts.max_bytes.0,
        max_rows: file.parts.max_rows,
    })
}

/// The server's side, or `None` if no user name is given: then only a dry run is possible.
fn delivery(
    file: &JobFile,
    base: &Path,
    environment: &Environment,
) -> Result<Option<Delivery>, JobError> {
    let section = &file.sftp;
    let Some(username) = section.username.clone().filter(|name| name != PLACEHOLDER) else {
        return Ok(None);
    };
    if !(1..=8).contains(&section.sessions) {
        return Err(value(
            "sftp.sessions",
            "must be 1 to 8: servers refuse more connections at once",
        ));
    }
    if !(32_768..=64_000_000).contains(&section.window.0) {
        return Err(value("sftp.window", "must be between 32768 bytes and 64MB"));
    }
    if section.host.is_empty() || section.host.contains(['/', '@', ' ']) {
        return Err(value(
            "sftp.host",
            "must be a host name or an address alone, such as \"sftp.klaviyo.com\"",
        ));
    }
    if !section.directory.starts_with('/') {
        return Err(value(
            "sftp.directory",
            "must begin with a slash, such as \"/profiles\"",
        ));
    }
    let host_keys = section.host_key.iter().map(|pin| {
        pin.parse::<HostKeyPin>().map_err(|_| {
            value(
                "sftp.host-key",
                "must look like \"SHA256:…\", as ssh-keygen -l prints it",
            )
        })
    });
    let sftp = SftpSettings {
        host: section.host.clone(),
        port: section.port,
        username,
        authentication: authentication(file, base, environment)?,
        known_hosts: section
            .known_hosts
            .iter()
            .map(|path| base.join(environment.expand(path)))
            .collect(),
        host_keys: host_keys.collect::<Result<_, _>>()?,
        accept_new_host_key: false,
        window_bytes: usize::try_from(section.window.0).unwrap_or(usize::MAX),
        connect_timeout: section.connect_timeout.0,
        stall_timeout: section.stall_timeout.0,
        loopback_only: environment.loopback_only(),
    };
    let retry = RetryPolicy {
        first: file.retry.first.0,
        max: file.retry.max.0.max(file.retry.first.0),
        give_up_after: file.retry.give_up_after.0,
    };
    let directory = section.directory.trim_end_matches('/').to_owned();
    Ok(Some(Delivery {
        sftp,
        directory,
        sessions: section.sessions,
        retry,
        secrets: SecretVariables {
            passphrase: section.passphrase_env.clone(),
            password: section.password_env.clone(),
        },
    }))
}

fn authentication(
    file: &JobFile,
    base: &Path,
    environment: &Environment,
) -> Result<Authentication, JobError> {
    let section = &file.sftp;
    let authentication = Authentication {
        private_key: section
            .private_key
            .as_deref()
            .map(|path| base.join(environment.expand(path))),
        passphrase: None,
        agent: section
            .agent
            .then(|| AgentIdentities::new(environment.get("SSH_AUTH_SOCK").map(PathBuf::from))),
        password: None,
    };
    if authentication.private_key.is_none()
        && authentication.agent.is_none()
        && section.password_env.is_none()
    {
        return Err(value(
            "sftp.private-key",
            "is missing; write private-key = \"~/.ssh/klaviyo_ed25519\" (or agent = true)",
        ));
    }
    Ok(authentication)
}
