//! A job as it is meant: validated, typed, secrets resolved.
//!
//! Built from a [`file::JobFile`] (of `run`, or made of the flags of `send`). Whatever can be refused without reading
//! a row is refused here or by [`crate::pipeline::mapping::Mapping`]; afterwards nobody checks again.

mod assignment;
mod audience;
mod columns;
mod delivery;
pub mod delta;
mod error;
pub mod explain;
pub mod file;
mod fingerprint;
pub mod guard;
mod klaviyo;
mod place;
mod rules;
pub mod schema;
mod secrets;
pub mod text;
mod trust;
mod variables;
pub mod watch;
mod written;

use std::path::{Path, PathBuf};
use std::time::Duration;

use indexmap::IndexMap;

use crate::base::environment::Environment;
use crate::base::secret::SecretSource;
use crate::delivery::sftp::Way;
use crate::job::file::{
    Attach, Deliver, Duplicates, JobFile, MaxRejected, Mirror, OnEmpty, OnSourceChange,
    SharedIdentifiers, SshConfigChoice,
};
use crate::source::audience::AudienceSettings;
use crate::state::directory::JobDirectory;
use crate::state::owner::JobOwner;
use fingerprint::fingerprint;
use place::{folder_of, server_name};
use rules::rules;

pub use crate::base::retry::RetryPolicy;
pub use crate::delivery::settings::{Delivery, SecretPlaces};
pub use crate::klaviyo::settings::{KlaviyoSettings, ListChoice, ListSettings, SentinelSettings};
pub use crate::pipeline::settings::{ColumnSettings, PartLimits, PrimaryKey, Rules};
pub use audience::{BeforeStatements, audience_files, settings as audience_settings};
pub use delta::DeltaSettings;
pub use error::JobError;
pub use guard::GuardSection;
pub use klaviyo::read_key as read_api_key;
pub use place::JobPlace;
pub use variables::VariableFault;
pub use watch::WatchSettings;
pub use written::JobSource;

/// The user name that `init` writes where it was told none; the same as no user name.
pub const PLACEHOLDER: &str = "...";

/// The limits for what is kept of finished runs.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// How many runs are remembered.
    pub runs: usize,
    /// How long rejects and repairs files are kept.
    pub rejects: Duration,
}

/// A job, ready to run.
#[derive(Debug, Clone)]
pub struct Job {
    /// `[A-Za-z0-9._-]+`.
    pub name: String,
    /// End in exit 3 when any row was rejected.
    pub strict: bool,
    /// The files to read, or the query to ask.
    pub audience: AudienceSettings,
    /// The statements that an engine runs first.
    pub before: Option<BeforeStatements>,
    /// The meaning of an audience without a row to write.
    pub on_empty: OnEmpty,
    /// The columns: which are sent, under which headers.
    pub columns: ColumnSettings,
    /// How values are checked and mended.
    pub rules: Rules,
    /// Which of several rows with one key is kept.
    pub duplicates: Duplicates,
    /// The rule for an identifier that an earlier row of another key has.
    pub shared_identifiers: SharedIdentifiers,
    /// The memory that the keys and identifiers of rows may take, in bytes; those that find no room go to disk.
    pub dedupe_memory: u64,
    /// How many rejected rows are too many.
    pub max_rejected: MaxRejected,
    /// How changed rows are told; `None` where every row is sent each time.
    pub delta: Option<DeltaSettings>,
    /// How far a run may be from the last ones; `None` where it is not compared with them.
    pub guard: Option<GuardSection>,
    /// The ways to tell how a run ended, and the places of its numbers.
    pub watch: WatchSettings,
    /// Where a part ends.
    pub limits: PartLimits,
    /// Keep the part files when they are verified.
    pub keep_parts: bool,
    /// Closed parts that may wait for upload.
    pub max_waiting: usize,
    /// Which way profiles go.
    pub deliver: Deliver,
    /// The server; `None` where the job has none: it goes by the API, or was made for a dry run.
    pub delivery: Option<Delivery>,
    /// The list that profiles are put on.
    pub list: Option<ListSettings>,
    /// The API.
    pub klaviyo: KlaviyoSettings,
    /// The profile that is sent last of all.
    pub sentinel: Option<SentinelSettings>,
    /// Where state lives; `None` where nothing tells. See [`Job::state`].
    pub state_directory: Option<PathBuf>,
    /// The job as its state remembers it.
    pub owner: JobOwner,
    /// SHA-256 of all that decides which bytes a run makes and where they go.
    pub fingerprint: String,
    /// The rule for an unfinished run whose sources have changed.
    pub on_source_change: OnSourceChange,
    /// The limits for what is kept of finished runs.
    pub retention: Retention,
    /// Write `report.html` beside `report.json`.
    pub html_report: bool,
}

impl Job {
    /// Reads and validates the job file of `source`; relative paths in it count from its folder. Secrets are not read.
    pub fn load(source: JobSource<'_>, environment: &Environment) -> Result<Self, JobError> {
        written::read(source, environment, |file, base| {
            Self::at(source.path, file, base, environment)
        })
    }

    /// The job of `file`, which is at `path`.
    fn at(
        path: &Path,
        file: JobFile,
        base: &Path,
        environment: &Environment,
    ) -> Result<Self, JobError> {
        let mut job = Self::from_file(file, base, environment)?;
        job.owner = JobOwner::new(Some(path), job.owner.server);
        Ok(job)
    }

    /// The job's folder of state.
    pub fn state(&self) -> Result<JobDirectory, JobError> {
        folder_of(self.state_directory.as_deref(), &self.name)
    }

    /// As [`Job::load`], with the secrets that a delivery needs.
    pub fn load_with_secrets(
        source: JobSource<'_>,
        environment: &Environment,
    ) -> Result<Self, JobError> {
        written::read(source, environment, |file, base| {
            let mut job = Self::at(source.path, file, base, environment)?;
            job.read_secrets(environment)?;
            Ok(job)
        })
    }

    /// As [`Job::load_with_secrets`], without what only the API needs.
    pub fn load_with_server_secrets(
        source: JobSource<'_>,
        environment: &Environment,
    ) -> Result<Self, JobError> {
        written::read(source, environment, |file, base| {
            let mut job = Self::at(source.path, file, base, environment)?;
            job.read_server_secrets(environment)?;
            Ok(job)
        })
    }

    /// As [`Job::load`], for a look at the audience alone: what stands in `[sftp]` is not looked at, and no secret is needed.
    pub fn load_without_server(
        source: JobSource<'_>,
        environment: &Environment,
    ) -> Result<Self, JobError> {
        written::read(source, environment, |mut file, base| {
            file.sftp.username = None;
            file.sftp.ssh_config = SshConfigChoice::Usual(false);
            Self::at(source.path, file, base, environment)
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
        let owner = JobOwner::new(None, server_name(&file));
        let columns: IndexMap<_, _> = file
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
        let list = klaviyo::list(&file)?;
        let rules = rules(&file, &columns)?;
        let klaviyo = klaviyo::settings(&file, base, environment)?;
        let delta = delta::settings(&file)?;
        let columns = ColumnSettings {
            types: columns::types(&file)?,
            listed: columns,
            unlisted: file.audience.unlisted,
            country: file.normalize.country_column.clone(),
            allow_consent: file.normalize.allow_consent.clone(),
            update_contacts: file.klaviyo.update_contacts,
            list_id: list.as_ref().and_then(list_id),
            sent_property: delta.as_ref().and_then(|delta| delta.left_property.clone()),
        };
        Ok(Self {
            rules,
            audience: audience::settings(&file, base)?,
            before: audience::before(&file)?,
            delta,
            guard: guard::settings(&file)?,
            watch: watch::settings(&file, base, environment, klaviyo.network.clone())?,
            limits: part_limits(&file)?,
            deliver: file.klaviyo.deliver,
            delivery: delivery::delivery(&file, base, environment)?,
            columns,
            list,
            klaviyo,
            sentinel: klaviyo::sentinel(&file)?,
            name: file.name,
            strict: file.strict,
            on_empty: file.audience.on_empty,
            duplicates: file.normalize.duplicates,
            shared_identifiers: file.normalize.shared_identifiers,
            dedupe_memory: file.normalize.dedupe_memory.0,
            max_rejected: file.normalize.max_rejected,
            keep_parts: file.parts.keep_parts,
            max_waiting: file.parts.max_waiting,
            state_directory: environment.state_directory(file.state.directory.as_deref(), base),
            owner,
            fingerprint,
            on_source_change: file.audience.on_source_change,
            retention: Retention {
                runs: file.state.keep_runs,
                rejects: file.state.keep_rejects.0,
            },
            html_report: file.report.html,
        })
    }

    /// Takes the secrets from where the job says they are; the error is of the first one that is not there.
    pub fn read_secrets(&mut self, environment: &Environment) -> Result<(), JobError> {
        self.read_server_secrets(environment)?;
        if self.needs_api() {
            klaviyo::read_key(&mut self.klaviyo, environment)?;
        }
        Ok(())
    }

    /// Takes the secrets for the SFTP server from where the job says they are, where files go to it.
    pub fn read_server_secrets(&mut self, environment: &Environment) -> Result<(), JobError> {
        let Some(delivery) = self
            .delivery
            .as_mut()
            .filter(|_| self.deliver == Deliver::Sftp)
        else {
            return Ok(());
        };
        let read = |keys: secrets::SecretKeys, source: &Option<SecretSource>| {
            let source = source.as_ref();
            source
                .map(|source| keys.read(source, environment))
                .transpose()
        };
        let given = &mut delivery.sftp.authentication;
        given.passphrase = read(secrets::PASSPHRASE, &delivery.secrets.passphrase)?;
        given.password = read(secrets::PASSWORD, &delivery.secrets.password)?;
        if let Way::Proxy(proxy) = &mut delivery.sftp.way {
            proxy.password = read(secrets::PROXY_PASSWORD, &delivery.secrets.proxy_password)?;
        }
        Ok(())
    }

    /// Whether the job asks anything of the API.
    pub fn needs_api(&self) -> bool {
        let waits = self.sentinel.as_ref().is_some_and(|it| !it.wait.is_zero());
        self.deliver == Deliver::Api || waits || self.calls_for_list()
    }

    /// Whether the job has a list that the API is asked for.
    pub fn calls_for_list(&self) -> bool {
        self.list
            .as_ref()
            .is_some_and(|list| list.attach != Attach::Column)
    }

    /// Whether a row at the end of the audience can forbid that anything is sent: of two rows with one key, or with another
    /// identifier in common.
    pub fn may_fail_at_its_end(&self) -> bool {
        self.duplicates == Duplicates::Fail || self.shared_identifiers == SharedIdentifiers::Fail
    }

    /// Whether the identifiers of rows that are not sent are kept too: the list is made equal to the whole audience.
    pub fn keeps_all_identifiers(&self) -> bool {
        let mirrors = |list: &ListSettings| list.mirror != Mirror::Off;
        let is_mirrored = self.calls_for_list() && self.list.as_ref().is_some_and(mirrors);
        is_mirrored || self.left_property().is_some()
    }

    /// The custom property that tells who left the audience, if there is one.
    pub fn left_property(&self) -> Option<&str> {
        self.delta.as_ref()?.left_property.as_deref()
    }

    /// Whether the identifiers of rows are kept beside the parts: what puts them on a list reads these.
    pub fn keeps_identifiers(&self) -> bool {
        self.calls_for_list() || self.left_property().is_some()
    }

    /// Whether the key of an unknown server is added to known_hosts instead of refused.
    pub fn accept_new_host_key(&mut self, accept: bool) {
        if let Some(delivery) = &mut self.delivery {
            delivery.sftp.accept_new_host_keys(accept);
        }
    }
}

fn value(key: &'static str, problem: impl Into<String>) -> JobError {
    JobError::Value {
        key,
        problem: problem.into(),
    }
}

/// Whether a text can be a job's name, which becomes a folder and the beginning of file names.
pub fn is_job_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=100).contains(&name.len()) && name.chars().all(allowed) && !name.starts_with('.')
}

/// Whether a path ends as that of a job file does.
pub fn is_job_file(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension.eq_ignore_ascii_case("toml"))
}

fn check_name(name: &str) -> Result<(), JobError> {
    if !is_job_name(name) {
        return Err(value(
            "name",
            "must be 1 to 100 of A-Z a-z 0-9 . _ - and not begin with a dot",
        ));
    }
    Ok(())
}

/// The list that every row names, where that is how profiles are put on it.
fn list_id(list: &ListSettings) -> Option<String> {
    match list {
        ListSettings {
            attach: Attach::Column,
            choice: ListChoice::Id { id, .. },
            ..
        } => Some(id.clone()),
        _ => None,
    }
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
