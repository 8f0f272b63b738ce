//! The command line as it is typed: clap structs only, no I/O, no defaults that a job file has too.

pub mod command_line;
pub mod console;
pub(crate) mod logging;
pub mod progress;
mod query;
pub(crate) mod signals;
pub mod table;
pub mod terminal;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use crate::base::exit_code::ExitCode;
use crate::cli::progress::ProgressStyle;
use crate::state::shard::{RunGroup, Shard};
pub use query::QueryArgs;

/// Turns an audience into Klaviyo's SFTP-import CSV files and delivers them, without losing a row.
#[derive(Debug, Parser)]
#[command(name = "klaviyo-export", version, after_help = after_help(), max_term_width = 100)]
pub struct Cli {
    /// Log more on stderr: -v each step, -vv each request. -v and -q take precedence over RUST_LOG
    #[arg(short, long, action = clap::ArgAction::Count, global = true, display_order = 100)]
    pub verbose: u8,
    /// Log only warnings and errors on stderr
    #[arg(
        short,
        long,
        global = true,
        conflicts_with = "verbose",
        display_order = 901
    )]
    pub quiet: bool,
    /// Format of log lines, notes and errors on stderr: text or json
    #[arg(
        long,
        value_name = "FORMAT",
        value_enum,
        default_value_t,
        hide_possible_values = true,
        global = true,
        display_order = 902
    )]
    pub log_format: LogFormat,
    /// The command
    #[command(subcommand)]
    pub command: Command,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line, errors and notes too; for collectors of logs.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a job file: format its audience and deliver it
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Send files once, with flags instead of a job file
    #[command(after_help = SEND_EXAMPLES)]
    Send(Box<SendArgs>),
    /// Show the last run of a job, the last attempt, and what to type next
    #[command(after_help = STATUS_EXAMPLES)]
    Status(StatusArgs),
    /// Show what would be sent: the mapping, the first rows, what is wrong; sends nothing
    #[command(after_help = PREVIEW_EXAMPLES)]
    Preview(Box<PreviewArgs>),
    /// Show how large an audience is, how long each way to Klaviyo takes, and which one to use
    #[command(after_help = ESTIMATE_EXAMPLES)]
    Estimate(EstimateArgs),
    /// Make a job file for a file of rows, with its columns guessed from the header
    #[command(after_help = INIT_EXAMPLES)]
    Init(Box<InitArgs>),
    /// Add the profiles of a run group to the list, after all its shards are done
    #[command(after_help = LIST_EXAMPLES)]
    List(ListArgs),
    /// Add the members that a run removed back to the list
    #[command(after_help = UNDO_EXAMPLES)]
    Undo(UndoArgs),
    /// Show the runs of a job, the newest first
    #[command(after_help = RUNS_EXAMPLES)]
    Runs(RunsArgs),
    /// Show a complete delivery of sample rows, with the built-in sandbox
    #[cfg(feature = "sandbox")]
    #[command(after_help = DEMO_EXAMPLES)]
    Demo(DemoArgs),
    /// Run the built-in SFTP server and Klaviyo API, to try jobs with
    #[cfg(feature = "sandbox")]
    #[command(after_help = SANDBOX_EXAMPLES)]
    Sandbox(SandboxArgs),
    /// Test every connection of a job, and show what to do about each failure
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
    /// Measure the way to the server, show what it accepts, and how long the next run takes: `check --deep`
    #[command(after_help = DOCTOR_EXAMPLES)]
    Doctor(DoctorArgs),
    /// Make a key for Klaviyo's SFTP server, and show where its public half goes
    #[command(after_help = KEYGEN_EXAMPLES)]
    Keygen(KeygenArgs),
    /// Print the JSON Schema of the job file, or of what the program writes
    #[command(after_help = SCHEMA_EXAMPLES)]
    Schema(SchemaArgs),
    /// Print a script that completes this program's commands and flags in a shell
    #[command(after_help = COMPLETIONS_EXAMPLES)]
    Completions(CompletionsArgs),
    /// Print the manual page, or write one page for each command
    #[command(after_help = MAN_EXAMPLES)]
    Man(ManArgs),
    /// Print the libraries in this program and their licences
    #[command(after_help = LICENSES_EXAMPLES)]
    Licenses(LicensesArgs),
}

/// A job file: of each command that takes one.
#[derive(Debug, Args)]
pub struct JobArgs {
    /// The job file
    #[arg(id = "job", value_name = "JOB.toml")]
    pub path: PathBuf,
    /// The keys that are given instead of those of the file
    #[command(flatten)]
    pub settings: SetArgs,
}

/// Keys of a job file that are given on the command line.
#[derive(Debug, Default, Args)]
pub struct SetArgs {
    /// Use VALUE for KEY of the job file, such as sftp.host=example.com; for several keys, give it again
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    pub set: Vec<String>,
}

/// Where state lives: of each command that reads or writes it.
#[derive(Debug, Args)]
pub struct StateArgs {
    /// Folder of the state [default: $XDG_STATE_HOME/klaviyo-export, else ~/.local/state/klaviyo-export]
    #[arg(
        long,
        value_name = "DIR",
        env = "KLAVIYO_EXPORT_STATE_DIR",
        hide_env_values = true
    )]
    pub state_dir: Option<PathBuf>,
}

/// The flags that `run` and `send` have in common.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct CommonRunArgs {
    /// Format everything and keep the parts; contact no server
    #[arg(long)]
    pub dry_run: bool,
    /// Start a new run instead of continuing an unfinished one
    #[arg(long)]
    pub fresh: bool,
    /// Send every row, although the job sends changed rows only
    #[arg(long)]
    pub full: bool,
    /// Read only the first N rows; try 10 first
    #[arg(long, value_name = "N", value_parser = row_count)]
    pub limit: Option<u64>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// How progress is shown [default: bar on a terminal, else lines]
    #[arg(long, value_name = "STYLE", value_enum)]
    pub progress: Option<ProgressStyle>,
    /// Add the key of a server that no known_hosts file names; a changed key is still refused
    #[arg(long)]
    pub accept_new_host_key: bool,
    /// Where state lives
    #[command(flatten)]
    pub state: StateArgs,
}

/// `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The job file
    #[command(flatten)]
    pub job: JobArgs,
    /// Remove from the list exactly the members that RUN stored for approval; reads no audience
    #[arg(long, value_name = "RUN", conflicts_with_all = ["dry_run", "fresh", "limit"])]
    pub approve_removals: Option<String>,
    /// Send the changes that RUN found, although they are more than the job's `max-changed` or `max-shrink` allows; reads no
    /// audience
    #[arg(long, value_name = "RUN", conflicts_with_all = ["approve_removals", "dry_run", "fresh", "full", "limit"])]
    pub approve_changes: Option<String>,
    /// Send what RUN formatted, although its counts are further from those of the last runs than the job's `max-drift` allows;
    /// reads no audience
    #[arg(long, value_name = "RUN", conflicts_with_all = ["approve_changes", "approve_removals", "dry_run", "fresh", "full", "limit"])]
    pub approve_drift: Option<String>,
    /// Send exactly the parts of the dry run RUN, once; refused if the audience, the job or the last run is another one since
    #[arg(long, value_name = "RUN", conflicts_with_all = ["approve_changes", "approve_drift", "approve_removals", "dry_run", "fresh", "full", "limit"])]
    pub apply: Option<String>,
    /// Create the list if no list has its name, even if an earlier run found one
    #[arg(long, conflicts_with_all = ["approve_removals", "before_only", "dry_run", "shard"])]
    pub create_list: bool,
    /// Send one share of the job's files: every N-th file, starting with the I-th
    #[arg(long, value_name = "I/N", requires = "run_group", conflicts_with_all = ["apply", "approve_removals", "before_only", "limit"])]
    pub shard: Option<Shard>,
    /// A name that all N processes of one night use, such as the date
    #[arg(long, value_name = "GROUP", requires = "shard", conflicts_with_all = ["approve_removals", "before_only"])]
    pub run_group: Option<RunGroup>,
    /// Run the job's `before` statements, and nothing else
    #[arg(long, conflicts_with_all = ["approve_removals", "dry_run", "fresh", "json", "limit"])]
    pub before_only: bool,
    /// The options of one run
    #[command(flatten)]
    pub common: CommonRunArgs,
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// The job file
    #[command(flatten)]
    pub job: JobArgs,
    /// The run group of the shards
    #[arg(long, value_name = "GROUP")]
    pub run_group: RunGroup,
    /// Create the list if no list has its name, even if an earlier run found one
    #[arg(long)]
    pub create_list: bool,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
    /// How progress is shown [default: bar on a terminal, else lines]
    #[arg(long, value_name = "STYLE", value_enum)]
    pub progress: Option<ProgressStyle>,
    /// Where state lives
    #[command(flatten)]
    pub state: StateArgs,
}

/// `send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// CSV, TSV, NDJSON (plain, .gz or .zst) or Parquet files; globs; - for standard input
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<String>,
    /// Where to
    #[command(flatten)]
    pub server: ServerArgs,
    /// The audience, and how it is read
    #[command(flatten)]
    pub audience: AudienceArgs,
    /// Klaviyo's API
    #[command(flatten)]
    pub api: ApiArgs,
    /// The job's name [default: the stem of the first file]
    #[arg(long)]
    pub name: Option<String>,
    /// Send only rows that are new or changed since the last send under this name
    #[arg(long, value_name = "NAME", conflicts_with = "name")]
    pub delta: Option<String>,
    /// Keep the part files when they are delivered
    #[arg(long)]
    pub keep_parts: bool,
    /// End in exit code 3 when any row was rejected
    #[arg(long)]
    pub strict: bool,
    /// The options of one run
    #[command(flatten)]
    pub common: CommonRunArgs,
}

/// The server, and how to log in: what a job file has in `[sftp]`.
#[derive(Debug, Default, Args)]
pub struct ServerArgs {
    /// The server: user name, host and folder
    #[arg(long, value_name = "sftp://USER@HOST[:PORT]/DIR")]
    pub to: Option<String>,
    /// Private key file, which only you may read (mode 0600)
    #[arg(long, value_name = "FILE")]
    pub identity: Option<String>,
    /// Environment variable with the key's passphrase
    #[arg(long, value_name = "VARIABLE")]
    pub passphrase_env: Option<String>,
    /// Offer the keys of the ssh-agent; with --identity, only that key
    #[arg(long)]
    pub agent: bool,
    /// Environment variable with the password, for servers that take one
    #[arg(long, value_name = "VARIABLE")]
    pub password_env: Option<String>,
    /// File of known host keys [default: ~/.ssh/known_hosts and /etc/ssh/ssh_known_hosts]
    #[arg(long, value_name = "FILE")]
    pub known_hosts: Vec<String>,
    /// Accept only the host key with this fingerprint, instead of looking in known_hosts
    #[arg(long, value_name = "SHA256:...")]
    pub host_key: Vec<String>,
    /// Go through this SSH server, whose host key is checked as well
    #[arg(long, value_name = "USER@HOST[:PORT]", conflicts_with = "proxy")]
    pub jump: Option<String>,
    /// Go through this proxy
    #[arg(long, value_name = "socks5://HOST:PORT|http://HOST:PORT")]
    pub proxy: Option<String>,
    /// Environment variable with the proxy's password; its user name is in --proxy, before @
    #[arg(long, value_name = "VARIABLE", requires = "proxy")]
    pub proxy_password_env: Option<String>,
    /// Resolve the host of --to as `ssh` does, by ~/.ssh/config or by FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true)]
    pub ssh_config: Option<Option<String>>,
    /// Parallel sessions, 1 to 8 [default: 4]
    #[arg(long, value_name = "N")]
    pub sessions: Option<usize>,
}

/// The list and the API: what a job file has in `[list]` and `[klaviyo]`.
#[derive(Debug, Default, Args)]
pub struct ApiArgs {
    /// Add the profiles to this list
    #[arg(long, value_name = "NAME|ID")]
    pub list: Option<String>,
    /// Create the list if no list has this name
    #[arg(long, requires = "list")]
    pub create_list: bool,
    /// How profiles are sent; api: by bulk import jobs, without a server [default: sftp]
    #[arg(long, value_name = "WAY", value_parser = ["sftp", "api"])]
    pub via: Option<String>,
    /// Environment variable with the private API key [default: KLAVIYO_API_KEY]
    #[arg(long, value_name = "VARIABLE")]
    pub api_key_env: Option<String>,
    /// File with the private API key, which only you may read (mode 0600)
    #[arg(long, value_name = "FILE", conflicts_with = "api_key_env")]
    pub api_key_file: Option<String>,
    /// Address of the API [default: https, a.klaviyo.com]
    #[arg(long, value_name = "URL")]
    pub api_url: Option<String>,
}

/// How files are read and mapped: what a job file has in `[audience]`, `[columns]` and `[normalize]`.
#[derive(Debug, Default, PartialEq, Eq, Args)]
pub struct AudienceArgs {
    /// Send source column SRC under Klaviyo header HEADER; without HEADER the column is not sent. SRC#2 is the second column
    /// named SRC. HEADER:date:%d.%m.%Y and HEADER:decimal-comma name the type of the cells
    #[arg(long, value_name = "SRC=HEADER[:TYPE]")]
    pub map: Vec<String>,
    /// The identifier that makes two rows duplicates [default: the first of these that is mapped]
    #[arg(long, value_name = "KEY", value_parser = ["email", "phone_number", "external_id"])]
    pub primary_key: Option<String>,
    /// Which of several rows with the same key is sent; fail: none, and the run stops [default: first]
    #[arg(long, value_name = "WHICH", value_parser = ["first", "last", "fail"])]
    pub duplicates: Option<String>,
    /// Rule for an e-mail, phone or external id that an earlier row with another key has: blank it, send and report it, reject its
    /// row, or fail [default: blank]
    #[arg(long, value_name = "WHAT", value_parser = ["blank", "report", "reject", "fail"])]
    pub shared_identifiers: Option<String>,
    /// Region of phone numbers that do not begin with +, such as US
    #[arg(long, value_name = "REGION")]
    pub default_region: Option<String>,
    /// Source column with each row's country, for phone numbers
    #[arg(long, value_name = "COLUMN")]
    pub country_column: Option<String>,
    /// Send the other columns too, under their own names
    #[arg(long)]
    pub keep_unlisted: bool,
    /// Send this column, although it looks like consent
    #[arg(long, value_name = "HEADER")]
    pub allow_consent: Vec<String>,
    /// Format of the files [default: from their names]
    #[arg(long, value_name = "FORMAT", value_parser = ["csv", "tsv", "ndjson", "parquet"])]
    pub format: Option<String>,
    /// The character between cells [default: ,]
    #[arg(long, value_name = "CHAR")]
    pub delimiter: Option<String>,
    /// The character before a quote inside a quoted cell [default: the quote is doubled]
    #[arg(long, value_name = "CHAR")]
    pub escape: Option<String>,
    /// The files' encoding [default: utf-8]
    #[arg(long, value_name = "NAME")]
    pub encoding: Option<String>,
    /// The row with the names of the columns, if there are titles above it; rows are counted from 1
    #[arg(long, value_name = "N")]
    pub header_row: Option<u32>,
}

/// `status`.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// The job file, or the name of a job that has run; without it, all jobs are listed
    #[arg(value_name = "JOB.toml|NAME")]
    pub job: Option<PathBuf>,
    /// The keys that are given instead of those of the file
    #[command(flatten)]
    pub settings: SetArgs,
    /// Show the last run of this shard
    #[arg(long, value_name = "I/N", requires = "job")]
    pub shard: Option<Shard>,
    /// Print the path of the last run's report.html, and nothing else
    #[arg(long, requires = "job", conflicts_with = "json")]
    pub open: bool,
    /// Print the manifest of the last run and the last attempt (or the list of jobs) as JSON
    #[arg(long)]
    pub json: bool,
    /// Where state lives
    #[command(flatten)]
    pub state: StateArgs,
}

/// `preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// A job file (its name ends in .toml), or files of rows as for `send`
    #[arg(value_name = "JOB.toml|FILE", required = true)]
    pub files: Vec<String>,
    /// The keys that are given instead of those of the file
    #[command(flatten)]
    pub settings: SetArgs,
    /// Show the first N rows that would be sent; 0 for none
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(..=1000))]
    pub rows: u32,
    /// Read the first N rows of the audience, or `all` of them
    #[arg(long, value_name = "N|all", default_value = "10000")]
    pub limit: RowLimit,
    /// Show values as they are: they are personal data
    #[arg(long)]
    pub show_values: bool,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
    /// How files are read and mapped; a job file has its own
    #[command(flatten)]
    pub audience: AudienceArgs,
}

/// How many rows of an audience are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowLimit {
    /// The first ones.
    Rows(u64),
    /// All of them.
    All,
}

impl std::str::FromStr for RowLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self::All),
            _ => row_count(text)
                .map(Self::Rows)
                .map_err(|problem| format!("{problem}, or all")),
        }
    }
}

impl std::fmt::Display for RowLimit {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rows(rows) => rows.fmt(out),
            Self::All => out.write_str("all"),
        }
    }
}

/// `estimate`.
#[derive(Debug, Args)]
pub struct EstimateArgs {
    /// The job file
    #[command(flatten)]
    pub job: JobArgs,
    /// Measure at least the first N rows of the audience and 2 MB of it, or `all` rows
    #[arg(long, value_name = "N|all", default_value = "100000")]
    pub limit: RowLimit,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
    /// Where state lives
    #[command(flatten)]
    pub state: StateArgs,
}

/// `init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The file of rows, or a glob; - for standard input
    #[arg(value_name = "FILE", required_unless_present_any = ["query", "query_file", "postgres", "adbc"])]
    pub files: Vec<String>,
    /// Where to
    #[command(flatten)]
    pub server: ServerArgs,
    /// Klaviyo's API
    #[command(flatten)]
    pub api: ApiArgs,
    /// Facts about the audience that need no guess
    #[command(flatten)]
    pub audience: AudienceArgs,
    /// Write the job file to FILE, which must not exist yet
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The job's name [default: the stem of the first file]
    #[arg(long)]
    pub name: Option<String>,
    /// A query instead of files
    #[command(flatten)]
    pub query: QueryArgs,
}

/// `runs`.
#[derive(Debug, Args)]
pub struct RunsArgs {
    /// The job file, or the name of a job that has run
    #[arg(value_name = "JOB.toml|NAME")]
    pub job: PathBuf,
    /// The keys that are given instead of those of the file
    #[command(flatten)]
    pub settings: SetArgs,
    /// Show the runs of this shard
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Write the last 30 runs into FILE as a page to look at
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    pub html: Option<PathBuf>,
    /// Print the runs as a JSON array
    #[arg(long)]
    pub json: bool,
    /// Where state lives
    #[command(flatten)]
    pub state: StateArgs,
}

/// `undo`.
#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The job file
    #[command(flatten)]
    pub job: JobArgs,
    /// The run's id, as `runs` shows it
    #[arg(value_name = "RUN")]
    pub run: String,
    /// How progress is shown [default: bar on a terminal, else lines]
    #[arg(long, value_name = "STYLE", value_enum)]
    pub progress: Option<ProgressStyle>,
    /// Where state lives
    #[command(flatten)]
    pub state: StateArgs,
}

/// `demo`.
#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder for the received files [default: a new folder in the system's temporary one]
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// `sandbox`.
#[cfg(feature = "sandbox")]
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Folder for keys and received files
    #[arg(long, value_name = "DIR", default_value = "klaviyo-sandbox")]
    pub directory: PathBuf,
    /// TCP port of the SFTP server on 127.0.0.1; 0 for a free one
    #[arg(long, default_value_t = 2222)]
    pub port: u16,
    /// TCP port of the Klaviyo API on 127.0.0.1; 0 for a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub api_port: u16,
}

/// `check`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct CheckArgs {
    /// The job file
    #[command(flatten)]
    pub job: JobArgs,
    /// Also put an empty file into the remote folder, and remove it
    #[arg(long)]
    pub probe: bool,
    /// Also measure the time of a request and the speed of uploads, show which requests the server accepts, and how long the next run takes; all files put there are removed
    #[arg(long)]
    pub deep: bool,
    /// Check what needs no network: the job file, the first bytes of the audience, the mapping, the state folder, secrets, the key
    #[arg(long, conflicts_with_all = ["probe", "deep", "accept_new_host_key"])]
    pub offline: bool,
    /// Make no check; print the job as it is meant, with every default, and where each value comes from
    #[arg(long, conflicts_with_all = ["probe", "deep", "accept_new_host_key", "offline", "json"])]
    pub explain: bool,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
    /// Add the key of a server that no known_hosts file names; a changed key is still refused
    #[arg(long)]
    pub accept_new_host_key: bool,
    /// Where state lives
    #[command(flatten)]
    pub state: StateArgs,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// The job file
    #[command(flatten)]
    pub job: JobArgs,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
    /// Add the key of a server that no known_hosts file names; a changed key is still refused
    #[arg(long)]
    pub accept_new_host_key: bool,
    /// Where state lives
    #[command(flatten)]
    pub state: StateArgs,
}

impl From<DoctorArgs> for CheckArgs {
    fn from(args: DoctorArgs) -> Self {
        Self {
            job: args.job,
            probe: false,
            deep: true,
            offline: false,
            explain: false,
            json: args.json,
            accept_new_host_key: args.accept_new_host_key,
            state: args.state,
        }
    }
}

/// `keygen`.
#[derive(Debug, Args)]
pub struct KeygenArgs {
    /// File for the private key; the public half goes to FILE.pub [default: ~/.ssh/klaviyo_ed25519]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Comment in the public half, by which a person knows the key
    #[arg(long, value_name = "TEXT", default_value = "klaviyo-export")]
    pub comment: String,
}

/// `schema`.
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The document that the schema describes
    #[arg(value_name = "KIND", value_enum)]
    pub kind: SchemaKind,
}

/// A document that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum SchemaKind {
    /// The job file, for editors
    Job,
    /// The report of `--json` and report.json
    Report,
    /// The notice that a webhook or a command is given
    Notice,
    /// An event of `--progress json`
    Progress,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// `man`.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// Write klaviyo-export.1 and a page for each command into this folder
    #[arg(long, value_name = "DIR")]
    pub directory: Option<PathBuf>,
}

/// A key of the job file and its value.
fn assignment(text: &str) -> Result<String, String> {
    if text.contains('=') {
        return Ok(text.to_owned());
    }
    Err("write it like KEY=VALUE, such as sftp.host=example.com".to_owned())
}

/// `licenses`.
#[derive(Debug, Args)]
pub struct LicensesArgs {
    /// Print the text of each licence, and every notice
    #[arg(long)]
    pub text: bool,
}

/// A number of rows, of which there must be one.
fn row_count(text: &str) -> Result<u64, String> {
    match text.parse() {
        Ok(0) => Err("write 1 or more, such as 10".to_owned()),
        Ok(rows) => Ok(rows),
        Err(_) => Err("write a whole number of rows, such as 10".to_owned()),
    }
}

fn after_help() -> String {
    use std::fmt::Write;
    let mut text = String::from("Exit codes:\n");
    for code in ExitCode::ALL {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "  {:>3}  {}", code.number(), code.meaning());
    }
    text.push_str("\nTry it: klaviyo-export demo");
    text
}

const UNDO_EXAMPLES: &str = "\
Examples:
  klaviyo-export runs vip.toml                   which run was it?
  klaviyo-export undo vip.toml 20261123T020000Z-0123abcd

Adds the members in removed.csv of that run to the list again. The next run removes them again,
unless you correct the audience or set mirror = \"off\" first.";

const RUN_EXAMPLES: &str = "\
Examples:
  klaviyo-export run vip.toml --dry-run          format everything, send nothing
  klaviyo-export run vip.toml --limit 10         send the first ten rows
  klaviyo-export run vip.toml                    the nightly run
  klaviyo-export run vip.toml --json | jq .parts
  klaviyo-export run vip.toml --set name=vip-test --set list.name=Test
  klaviyo-export run vip.toml --shard 3/16 --run-group 2026-11-23   one process of 16
  klaviyo-export run vip.toml --approve-removals 20261123T020000Z-0123abcd";

const LIST_EXAMPLES: &str = "\
Examples:
  klaviyo-export list vip.toml --run-group 2026-11-23
  klaviyo-export list vip.toml --run-group 2026-11-23 --json | jq .list

Run the shards first: `klaviyo-export run vip.toml --shard I/N --run-group 2026-11-23`. The command
refuses to start while a shard is missing, and names it.";

const SEND_EXAMPLES: &str = "\
Examples:
  klaviyo-export send customers.csv --dry-run
  klaviyo-export send customers.csv --identity ~/.ssh/klaviyo_ed25519 \\
      --to sftp://AbCdEf_GhIjKl@sftp.klaviyo.com/profiles \\
      --default-region US --limit 10
  klaviyo-export send 'exports/*.csv.gz' --map 'Mobile No=PhoneNumber' \\
      --map 'Tier=Loyalty Tier' --to ...
  klaviyo-export send vip.csv --list VIP --create-list --to ...
  klaviyo-export send vip.csv --list VIP --via api
  zcat crm.ndjson.gz | klaviyo-export send - --format ndjson --name crm --to ...";

const PREVIEW_EXAMPLES: &str = "\
Examples:
  klaviyo-export preview customers.csv
  klaviyo-export preview customers.csv --default-region US --map 'Tier=Loyalty Tier'
  klaviyo-export preview vip.toml --rows 20 --show-values
  klaviyo-export preview vip.toml --limit all --json | jq .warnings

Values are masked unless --show-values. It contacts no server and writes nothing.";

const ESTIMATE_EXAMPLES: &str = "\
Examples:
  klaviyo-export estimate vip.toml
  klaviyo-export estimate vip.toml --limit all         exact: it reads every row
  klaviyo-export estimate vip.toml --json | jq -r .advised

It writes nothing and needs no secret. If mirror = \"exact\" and the API key is set, Klaviyo is asked
how many members the list has.";

const INIT_EXAMPLES: &str = "\
Examples:
  klaviyo-export init customers.csv -o customers.toml
  klaviyo-export init 'exports/*.csv.gz' --name nightly --default-region US \\
      --to sftp://AbCdEf_GhIjKl@sftp.klaviyo.com/profiles \\
      --identity ~/.ssh/klaviyo_ed25519 -o nightly.toml
  zcat crm.ndjson.gz | klaviyo-export init - --name crm -o crm.toml
  klaviyo-export init --name vip --postgres postgresql://db.example.com/crm \\
      --query 'SELECT email, phone, tier FROM customers WHERE vip' -o vip.toml
  klaviyo-export init --name vip --adbc duckdb --query-file vip.sql -o vip.toml

It takes the flags of `send` and writes them into the job file, which it prints without -o. The job
file contains names of columns, and no values.";

const RUNS_EXAMPLES: &str = "\
Examples:
  klaviyo-export runs vip.toml
  klaviyo-export runs vip                        by name, without the job file
  klaviyo-export runs vip.toml --html vip.html   the last 30 runs as a page
  klaviyo-export runs vip.toml --json | jq '.[0]'
  klaviyo-export runs vip.toml --shard 3/16";

const STATUS_EXAMPLES: &str = "\
Examples:
  klaviyo-export status                          every job that has run, one a line
  klaviyo-export status vip.toml
  klaviyo-export status vip                      by name, without the job file
  klaviyo-export status vip.toml --open          the path of the last run's page
  klaviyo-export status vip.toml --json | jq '.parts[].state'
  klaviyo-export status vip.toml --shard 3/16";

#[cfg(feature = "sandbox")]
const DEMO_EXAMPLES: &str = "\
Examples:
  klaviyo-export demo
  klaviyo-export demo --directory /tmp/klaviyo-demo";

#[cfg(feature = "sandbox")]
const SANDBOX_EXAMPLES: &str = "\
Examples:
  klaviyo-export sandbox
  klaviyo-export sandbox --directory /tmp/sandbox --port 0
  klaviyo-export sandbox --api-port 8080         the Klaviyo API on a fixed port";

const CHECK_EXAMPLES: &str = "\
Examples:
  klaviyo-export check vip.toml                  test every connection, write nothing
  klaviyo-export check vip.toml --offline        without the network, such as before a commit
  klaviyo-export check vip.toml --explain        every key, its value, and where it comes from
  klaviyo-export check vip.toml --probe          also put an empty file there, and remove it
  klaviyo-export check vip.toml --deep           also measure the server, as doctor does
  klaviyo-export check vip.toml --json | jq '.checks[] | select(.status == \"failed\")'";

const DOCTOR_EXAMPLES: &str = "\
It makes all tests of check, puts files named JOB-…-….tmp into the remote folder and removes them again: no importer takes them for a CSV. With [notify] it sends a test notice.

Examples:
  klaviyo-export doctor vip.toml
  klaviyo-export doctor vip.toml --set sftp.sessions=8        the speed with eight sessions
  klaviyo-export doctor vip.toml --json | jq -r '.checks[] | select(.name == \"speed\").detail'";

const KEYGEN_EXAMPLES: &str = "\
Examples:
  klaviyo-export keygen
  klaviyo-export keygen keys/klaviyo --comment vip@warehouse

The key has no passphrase, for runs that nobody attends. For one that has: ssh-keygen -t ed25519.";

const SCHEMA_EXAMPLES: &str = "\
Examples:
  klaviyo-export schema job > klaviyo-export.schema.json   for editors
  klaviyo-export schema report | jq .properties

A job file that `init` writes names klaviyo-export.schema.json in its first line. Editors with Taplo
(Even Better TOML) complete its keys, and mark what is wrong.";

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  klaviyo-export completions bash  > ~/.local/share/bash-completion/completions/klaviyo-export
  klaviyo-export completions zsh  > ~/.zfunc/_klaviyo-export
  klaviyo-export completions fish  > ~/.config/fish/completions/klaviyo-export.fish";

const LICENSES_EXAMPLES: &str = "\
Examples:
  klaviyo-export licenses
  klaviyo-export licenses --text > THIRD-PARTY-LICENSES.txt";

const MAN_EXAMPLES: &str = "\
Examples:
  klaviyo-export man | man -l -
  klaviyo-export man --directory ~/.local/share/man/man1";
