//! The job file as it is written: TOML, kebab-case keys, unknown keys refused, nothing derived.
//!
//! [`JobFile::parse`] takes the text and gives what stands in it. What it means, and whether it can be, is decided in
//! [`crate::job::Job`]. No error quotes a value: a line may hold a secret that was pasted in the wrong place.

mod sftp;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::JobError;
pub use super::delta::DeltaSection;
pub use super::guard::GuardSection;
use super::text::{ByteCount, Span};
pub use super::watch::{MetricsSection, NotifySection};
use super::written::WrittenJob;
use crate::klaviyo::REVISION;
pub use crate::klaviyo::settings::{Attach, Deliver, MaxRemovals, Mirror};
use crate::pipeline::normalize::nulls::DEFAULT_NULL_WORDS;
pub use crate::pipeline::settings::{
    Duplicates, MaxRejected, NonAsciiEmail, OnInvalid, SharedIdentifiers, Unlisted,
};
use crate::source::day_time::DayTime;
use crate::source::query::Parameter;
pub use sftp::{SftpSection, SshConfigChoice, TransportChoice};

/// A whole job file. Every field's default is the one in the tables of docs/job-file.md.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct JobFile {
    /// The job's name: a folder under the state directory and the beginning of each remote file name.
    pub name: String,
    /// End in exit 3 when any row was rejected.
    #[serde(default)]
    pub strict: bool,
    /// Where the rows come from.
    pub audience: AudienceSection,
    /// Source column to Klaviyo header, in the order of the file.
    pub columns: IndexMap<String, Headers>,
    /// How values are checked and mended.
    #[serde(default)]
    pub normalize: NormalizeSection,
    /// Whether every row is sent each time.
    #[serde(default)]
    pub delta: DeltaSection,
    /// How the CSV is cut into parts.
    #[serde(default)]
    pub parts: PartsSection,
    /// The server.
    #[serde(default)]
    pub sftp: SftpSection,
    /// How long to try again.
    #[serde(default)]
    pub retry: RetrySection,
    /// The list that profiles are put on.
    pub list: Option<ListSection>,
    /// Klaviyo's API.
    #[serde(default)]
    pub klaviyo: KlaviyoSection,
    /// How a run is shown afterwards.
    #[serde(default)]
    pub report: ReportSection,
    /// The ways to tell how a run ended.
    #[serde(default)]
    pub notify: NotifySection,
    /// Where the numbers of a run go.
    #[serde(default)]
    pub metrics: MetricsSection,
    /// How far a run may be from the last ones.
    pub guard: Option<GuardSection>,
    /// Where the program keeps what it must remember.
    #[serde(default)]
    pub state: StateSection,
}

/// One header or several that a source column is written under, perhaps with the type of its cells.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "the value must be a header, a list of headers, or { to = \"Header\", type = \"date:%d.%m.%Y\" }"
)]
pub enum Headers {
    /// One header.
    One(String),
    /// The same value under several headers.
    Several(Vec<String>),
    /// Values of a type.
    Typed(TypedHeaders),
}

/// Headers, and the type of the cells that are written under them.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TypedHeaders {
    /// One header or several.
    pub to: Names,
    /// The type, such as `date:%d.%m.%Y`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// One name or several.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Names {
    /// One.
    One(String),
    /// Several.
    Several(Vec<String>),
}

impl Names {
    fn list(&self) -> &[String] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Several(names) => names,
        }
    }
}

impl Headers {
    /// The header or headers.
    pub fn names(&self) -> &[String] {
        match self {
            Self::One(header) => std::slice::from_ref(header),
            Self::Several(headers) => headers,
            Self::Typed(typed) => typed.to.list(),
        }
    }

    /// The type of the cells as it is written, where one is.
    pub fn kind(&self) -> Option<&str> {
        match self {
            Self::One(_) | Self::Several(_) => None,
            Self::Typed(typed) => Some(&typed.kind),
        }
    }
}

/// `[audience]`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AudienceSection {
    /// Paths, globs, or `-` for standard input.
    #[serde(default)]
    pub files: Vec<String>,
    /// `csv`, `tsv`, `ndjson` or `parquet`; by the file's name if absent.
    pub format: Option<String>,
    /// One character.
    pub delimiter: Option<String>,
    /// The character before a quote inside a quoted cell, or the quote itself.
    pub escape: Option<String>,
    /// A name that the WHATWG Encoding Standard knows.
    pub encoding: Option<String>,
    /// The row of CSV with the names of the columns, counted from 1.
    pub header_row: Option<u32>,
    /// `postgresql://host/database`, or empty where PG* variables say it.
    pub postgres: Option<String>,
    /// Environment variable with the password of the PostgreSQL server.
    pub password_env: Option<String>,
    /// The longest that a statement may run on the PostgreSQL server.
    pub statement_timeout: Option<Span>,
    /// An engine with an ADBC driver.
    pub adbc: Option<AdbcSection>,
    /// The query whose result is the audience.
    pub query: Option<String>,
    /// The file that contains the query.
    pub query_file: Option<String>,
    /// The parameters that are bound to the query.
    #[serde(default)]
    pub parameters: IndexMap<String, Parameter>,
    /// Statements that a run executes first.
    #[serde(default)]
    pub before: Vec<String>,
    /// `email`, `phone_number` or `external_id`.
    pub primary_key: Option<String>,
    /// The meaning of an audience without a row to write.
    #[serde(default)]
    pub on_empty: OnEmpty,
    /// The rule for an unfinished run whose sources have changed.
    #[serde(default)]
    pub on_source_change: OnSourceChange,
    /// The rule for columns that `[columns]` does not name.
    #[serde(default)]
    pub unlisted: Unlisted,
}

/// `[audience.adbc]`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AdbcSection {
    /// A shared library's absolute path, or a driver's name.
    pub driver: String,
    /// The library's entry point.
    pub entrypoint: Option<String>,
    /// Where the database is.
    pub uri: Option<String>,
    /// Options of the database.
    #[serde(default)]
    pub options: IndexMap<String, Parameter>,
    /// Options whose values are secrets: environment variables with them.
    #[serde(default)]
    pub option_env: IndexMap<String, String>,
}

/// The meaning of an audience without a row to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnEmpty {
    /// An error of the audience.
    #[default]
    Fail,
    /// Nothing to do, and all is well.
    Skip,
}

/// The rule for an unfinished run whose sources have changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnSourceChange {
    /// It is superseded by a new run.
    #[default]
    Restart,
    /// An error: a person decides.
    Refuse,
}

/// `[normalize]`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct NormalizeSection {
    /// ISO 3166 alpha-2 region of phone numbers that do not begin with `+`.
    pub default_region: Option<String>,
    /// Source column with each row's country.
    pub country_column: Option<String>,
    /// The effect of an invalid e-mail address on its row.
    pub invalid_email: OnInvalid,
    /// The effect of an invalid phone number on its row.
    pub invalid_phone: OnInvalid,
    /// The effect of an e-mail address with letters beyond ASCII before the @.
    pub non_ascii_email: NonAsciiEmail,
    /// Texts that stand for a missing value.
    pub null_values: Vec<String>,
    /// The time of day of dates in typed columns.
    pub date_time: String,
    /// Which of several rows with one key is kept.
    pub duplicates: Duplicates,
    /// The rule for an identifier that an earlier row of another key has.
    pub shared_identifiers: SharedIdentifiers,
    /// The memory for the keys that find duplicates, and for shared identifiers; beyond it they go to disk.
    pub dedupe_memory: ByteCount,
    /// How many rejected rows are too many.
    pub max_rejected: MaxRejected,
    /// Headers that look like consent and are meant.
    pub allow_consent: Vec<String>,
}

impl Default for NormalizeSection {
    fn default() -> Self {
        Self {
            default_region: None,
            country_column: None,
            invalid_email: OnInvalid::default(),
            invalid_phone: OnInvalid::default(),
            non_ascii_email: NonAsciiEmail::default(),
            null_values: DEFAULT_NULL_WORDS.map(str::to_owned).to_vec(),
            date_time: DayTime::NOON.to_string(),
            duplicates: Duplicates::default(),
            shared_identifiers: SharedIdentifiers::default(),
            // Room for 100 million keys (`dedupe::table`).
            dedupe_memory: ByteCount(1_500_000_000),
            max_rejected: MaxRejected::default(),
            allow_consent: Vec::new(),
        }
    }
}

/// `[parts]`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct PartsSection {
    /// The largest part, header included.
    pub max_bytes: ByteCount,
    /// The most rows in a part.
    pub max_rows: u64,
    /// Keep the part files when they are verified.
    pub keep_parts: bool,
    /// Closed parts that may wait for upload before formatting waits too.
    pub max_waiting: usize,
}

impl Default for PartsSection {
    fn default() -> Self {
        Self {
            max_bytes: ByteCount(50_000_000),
            max_rows: 1_000_000,
            keep_parts: false,
            max_waiting: 8,
        }
    }
}

/// `[retry]`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct RetrySection {
    /// The first wait.
    pub first: Span,
    /// The longest wait.
    pub max: Span,
    /// Trouble for so long without one acknowledged byte ends the run.
    pub give_up_after: Span,
}

impl Default for RetrySection {
    fn default() -> Self {
        Self {
            first: Span::from_secs(1),
            max: Span::from_secs(30),
            give_up_after: Span::from_secs(600),
        }
    }
}

/// `[list]`.
#[derive(Debug, Clone, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ListSection {
    /// The list's name, exactly.
    pub name: Option<String>,
    /// The list's id; with a name too, both must agree.
    pub id: Option<String>,
    /// Create the list if no list has this name.
    pub create: bool,
    /// How profiles are put on it.
    pub attach: Attach,
    /// The rule by which members are removed from it.
    pub mirror: Mirror,
    /// How many removals are too many.
    pub max_removals: MaxRemovals,
}

/// `[klaviyo]`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct KlaviyoSection {
    /// Which way profiles go.
    pub deliver: Deliver,
    /// False: identifiers only, whatever else is mapped.
    pub update_contacts: bool,
    /// Environment variable with the private API key; `KLAVIYO_API_KEY` if neither this nor a file is named.
    pub api_key_env: Option<String>,
    /// File with the private API key, mode 0600.
    pub api_key_file: Option<String>,
    /// Program that prints the private API key, and its arguments.
    pub api_key_command: Vec<String>,
    /// The account that the key has to belong to.
    pub account_id: Option<String>,
    /// A proxy on the way to the API.
    pub proxy: Option<String>,
    /// File with the authorities that are trusted, in PEM format.
    pub ca_file: Option<String>,
    /// Where the API is.
    pub base_url: String,
    /// Its revision, sent with every request.
    pub revision: String,
    /// The e-mail address of the profile that is sent last of all.
    pub sentinel: Option<String>,
    /// How long to wait until Klaviyo shows what was sent.
    pub wait_for_import: Option<Span>,
}

impl Default for KlaviyoSection {
    fn default() -> Self {
        Self {
            deliver: Deliver::default(),
            update_contacts: true,
            api_key_env: None,
            api_key_file: None,
            api_key_command: Vec::new(),
            account_id: None,
            proxy: None,
            ca_file: None,
            base_url: "https://a.klaviyo.com".to_owned(),
            revision: REVISION.to_owned(),
            sentinel: None,
            wait_for_import: None,
        }
    }
}

/// `[report]`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct ReportSection {
    /// Write `report.html` beside `report.json`.
    pub html: bool,
}

impl Default for ReportSection {
    fn default() -> Self {
        Self { html: true }
    }
}

/// `[state]`.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct StateSection {
    /// Where state lives.
    pub directory: Option<String>,
    /// How many finished runs are remembered.
    pub keep_runs: usize,
    /// How long rejects and repairs files are kept.
    pub keep_rejects: Span,
}

impl Default for StateSection {
    fn default() -> Self {
        Self {
            directory: None,
            keep_runs: 30,
            keep_rejects: Span::from_secs(30 * 86_400),
        }
    }
}

impl JobFile {
    /// Reads a job file's text, without filling in variables. The error has line, key and cause, and never a value.
    pub fn parse(text: &str) -> Result<Self, JobError> {
        WrittenJob::parse(text)?.to_file()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_keep_the_order_of_the_file() {
        let text = "name = \"x\"\n[audience]\nfiles = [\"a.csv\"]\n[columns]\nz = \"Email\"\na = \"FirstName\"\nm = [\"City\", \"Town\"]\n";
        let job = JobFile::parse(text).unwrap();
        assert_eq!(job.columns.keys().collect::<Vec<_>>(), ["z", "a", "m"]);
        assert_eq!(job.parts.max_bytes.0, 50_000_000);
    }

    #[test]
    fn a_mistyped_key_is_named_with_the_right_one() {
        let error = JobFile::parse("name = \"x\"\n[audience]\nfiels = []\n")
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("line 3") && error.contains("did you mean `files`"),
            "{error}"
        );
    }

    #[test]
    fn errors_never_show_values() {
        for text in [
            "name = \"x\"\n[sftp]\nport = \"hunter2\"\n",
            "name = \"x\"\nstrict = \"hunter2\"\n",
            "name = \"hunter2\n",
            "name = \"x\"\n[retry]\nfirst = \"hunter2\"\n",
            "name = \"x\"\n[parts]\nmax-bytes = \"hunter2\"\n",
            "name = \"x\"\n[normalize]\nduplicates = \"hunter2, expected x\"\n",
            "name = \"x\"\n[normalize]\nduplicates = \"hunter2\"\n",
            "name = \"x\"\n[parts]\nmax-rows = -4711\n",
            "name = \"x\"\n[parts]\nkeep-parts = 4711\n",
            "name = \"x\"\n[normalize]\nmax-rejected = \"hunter2\"\n",
            "name = \"x\"\n[audience]\nfiles = \"hunter2\"\n",
            "name = \"x\"\naudience = \"hunter2\"\n",
            "name = \"x\"\n[columns]\nemail = 4711\n",
            "name = 'x'\n[sftp]\nhunter2\n",
        ] {
            let error = JobFile::parse(text).unwrap_err().to_string();
            assert!(
                !error.contains("hunter2") && !error.contains("4711"),
                "{error}"
            );
        }
    }
}
