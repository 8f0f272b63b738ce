//! The findings of the checks: in text, aligned, and as JSON.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use super::OFFLINE_FLAG;
use super::hint::hint;
use crate::base::exit_code::ExitCode;
use crate::cli::command_line::CommandLine;
use crate::cli::console::printable;
use crate::job::Job;
use crate::job::file::Deliver;
use crate::run::error::Error;
use crate::run::report::count;

/// The checks, in the order in which they are made and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CheckName {
    /// The audience files are there and their headers can be read.
    Audience,
    /// Every mapped column is there and may be sent.
    Columns,
    /// The state directory can be written.
    State,
    /// The variables that hold secrets are set.
    Secrets,
    /// The key file: mode, format, passphrase.
    Key,
    /// The host name has an address.
    Address,
    /// The port takes connections.
    Connection,
    /// There is an SSH server, and something in common with it.
    Greeting,
    /// It is who it should be.
    HostKey,
    /// The methods of login.
    Methods,
    /// It lets us in.
    Login,
    /// The remote folder is there.
    Directory,
    /// A file can be put into it.
    Probe,
    /// How long a request takes.
    RoundTrip,
    /// How fast bytes go there.
    Speed,
    /// Requests that other clients make.
    Requests,
    /// The private API key is where the job says it is.
    ApiKey,
    /// The API accepts it, and it is the right account's.
    Account,
    /// It may read lists.
    ReadLists,
    /// It may read profiles.
    ReadProfiles,
    /// The list is there, or can be made.
    List,
    /// The key may import profiles and change the list.
    Write,
    /// The account's plan has room for profiles.
    Plan,
    /// Those who are told how runs end.
    Notify,
    /// The file of metrics.
    Metrics,
    /// How long the next run takes.
    Tonight,
}

impl CheckName {
    /// Those that need a server.
    pub(super) const OF_SERVER: [Self; 8] = [
        Self::Address,
        Self::Connection,
        Self::Greeting,
        Self::HostKey,
        Self::Methods,
        Self::Login,
        Self::Directory,
        Self::Probe,
    ];

    /// Those of `--deep` that need a server.
    pub(super) const OF_DEEP: [Self; 3] = [Self::RoundTrip, Self::Speed, Self::Requests];

    /// Those that need the API key.
    pub(super) const OF_API: [Self; 6] = [
        Self::Account,
        Self::ReadLists,
        Self::ReadProfiles,
        Self::List,
        Self::Write,
        Self::Plan,
    ];

    const fn word(self) -> &'static str {
        match self {
            Self::Audience => "audience",
            Self::Columns => "columns",
            Self::State => "state",
            Self::Secrets => "secrets",
            Self::Key => "key",
            Self::Address => "address",
            Self::Connection => "connection",
            Self::Greeting => "greeting",
            Self::HostKey => "host-key",
            Self::Methods => "methods",
            Self::Login => "login",
            Self::Directory => "directory",
            Self::Probe => "probe",
            Self::RoundTrip => "round-trip",
            Self::Speed => "speed",
            Self::Requests => "requests",
            Self::ApiKey => "api-key",
            Self::Account => "account",
            Self::ReadLists => "read-lists",
            Self::ReadProfiles => "read-profiles",
            Self::List => "list",
            Self::Write => "write",
            Self::Plan => "plan",
            Self::Notify => "notify",
            Self::Metrics => "metrics",
            Self::Tonight => "tonight",
        }
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// It works, but a person should look at the notes.
    Warn,
    /// The check cannot tell.
    Unknown,
    /// Something is wrong.
    Failed,
    /// Not looked at, because of one that failed or because nobody asked.
    Skipped,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// Its name.
    pub name: &'static str,
    /// How it ended.
    pub status: Status,
    /// The finding, the fault, or the reason for which it was skipped.
    pub detail: String,
    /// Notes for a person although the check is ok.
    pub notes: Vec<String>,
    /// Advice on a failure.
    pub hint: Option<String>,
    /// The exit code that a run would have after this failure.
    pub exit_code: Option<u8>,
}

/// The findings of all checks of a job. Field names are a promise.
#[derive(Debug, Clone, Serialize)]
pub struct Findings {
    /// The job's name.
    pub job: String,
    /// `host:port`, if files go to a server.
    pub server: Option<String>,
    /// The exit code: that of the first check that failed.
    pub exit_code: u8,
    /// The checks.
    pub checks: Vec<Check>,
    #[serde(skip)]
    pub(super) standing: RunStanding,
    /// The bytes of the audience on disk, where they are known.
    #[serde(skip)]
    pub(super) audience_bytes: Option<u64>,
    /// The rows of the audience, where its files tell them.
    #[serde(skip)]
    pub(super) audience_rows: Option<u64>,
    /// The check itself.
    #[serde(skip)]
    command: CommandLine,
    /// Where the API is.
    #[serde(skip)]
    base_url: String,
}

/// The meaning of the last run for the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum RunStanding {
    /// Nothing.
    #[default]
    Free,
    /// It can go on. One with another `--limit` would take its place.
    Unfinished,
    /// It has the lock.
    UnderWay,
}

/// The result of a check that did not fail.
#[derive(Debug)]
pub(super) struct CheckOutcome {
    pub(super) status: Status,
    pub(super) detail: String,
    pub(super) notes: Vec<String>,
}

impl CheckOutcome {
    /// All is well; `notes` are good to know.
    pub(super) fn ok(detail: String, notes: Vec<String>) -> Self {
        Self {
            status: Status::Ok,
            detail,
            notes,
        }
    }

    /// All is well unless there are `warnings`.
    pub(super) fn warned(detail: String, warnings: Vec<String>) -> Self {
        let status = if warnings.is_empty() {
            Status::Ok
        } else {
            Status::Warn
        };
        Self {
            status,
            ..Self::ok(detail, warnings)
        }
    }

    /// The check could not tell, and `notes` say why.
    pub(super) fn unknown(detail: String, notes: Vec<String>) -> Self {
        Self {
            status: Status::Unknown,
            ..Self::ok(detail, notes)
        }
    }
}

impl From<String> for CheckOutcome {
    fn from(detail: String) -> Self {
        Self::ok(detail, Vec::new())
    }
}

impl Findings {
    /// No check of `job` is made yet; `command` makes them all.
    pub(super) fn of(job: &Job, command: CommandLine) -> Self {
        Self {
            job: job.name.clone(),
            server: job
                .delivery
                .as_ref()
                .filter(|_| job.deliver == Deliver::Sftp)
                .map(|delivery| delivery.sftp.server()),
            exit_code: ExitCode::Done.number(),
            checks: Vec::new(),
            standing: RunStanding::default(),
            audience_bytes: None,
            audience_rows: None,
            command,
            base_url: job.klaviyo.base_url.clone(),
        }
    }

    /// Notes what a check came to, and passes on what it gave.
    pub(super) fn note<T>(
        &mut self,
        name: CheckName,
        result: Result<T, Error>,
        describe: impl FnOnce(&T) -> CheckOutcome,
    ) -> Option<T> {
        let check = match &result {
            Ok(found) => {
                let CheckOutcome {
                    status,
                    detail,
                    notes,
                } = describe(found);
                Check {
                    name: name.word(),
                    status,
                    detail: printable(&detail).into_owned(),
                    notes: notes.iter().map(|note| printable(note).into()).collect(),
                    hint: None,
                    exit_code: None,
                }
            }
            Err(error) => {
                let exit_code = error.exit_code().number();
                if self.exit_code == ExitCode::Done.number() {
                    self.exit_code = exit_code;
                }
                Check {
                    name: name.word(),
                    status: Status::Failed,
                    detail: printable(&error.chain()).into_owned(),
                    notes: Vec::new(),
                    hint: hint(name, error, &self.base_url, &self.command)
                        .map(|hint| printable(&hint).into_owned()),
                    exit_code: Some(exit_code),
                }
            }
        };
        self.checks.push(check);
        result.ok()
    }

    /// Notes that a check was not made.
    pub(super) fn skip(&mut self, name: CheckName, because: &str) {
        self.checks.push(Check {
            name: name.word(),
            status: Status::Skipped,
            detail: because.to_owned(),
            notes: Vec::new(),
            hint: None,
            exit_code: None,
        });
    }

    /// Notes that none of these checks was made.
    pub(super) fn skip_all(&mut self, names: &[CheckName], because: &str) {
        for name in names {
            self.skip(*name, because);
        }
    }

    /// The checks one a line, with colours; then what to type next.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut text);
        text
    }

    fn write_text(&self, out: &mut String) -> std::fmt::Result {
        let width = self.checks.iter().map(|check| check.name.len()).max();
        let width = width.unwrap_or(0);
        // As wide as `  FAILED   ` and the name.
        let indent = " ".repeat(width + 13);
        for check in &self.checks {
            let (word, style) = match check.status {
                Status::Ok => ("ok", AnsiColor::Green.on_default()),
                Status::Warn => ("warn", AnsiColor::Yellow.on_default()),
                Status::Unknown => ("unknown", AnsiColor::Yellow.on_default()),
                Status::Failed => ("FAILED", AnsiColor::Red.on_default().bold()),
                Status::Skipped => ("skipped", Style::new().dimmed()),
            };
            let (name, detail) = (check.name, &check.detail);
            writeln!(out, "  {style}{word:<7}{style:#}  {name:<width$}  {detail}")?;
            for note in &check.notes {
                writeln!(out, "{indent}note: {note}")?;
            }
            if let Some(hint) = &check.hint {
                writeln!(out, "{indent}hint: {hint}")?;
            }
        }
        self.write_conclusion(out)
    }

    /// The last two lines: what all checks came to, and the command to type next.
    fn write_conclusion(&self, out: &mut String) -> std::fmt::Result {
        let number = |status: Status| {
            let found = self.checks.iter().filter(|check| check.status == status);
            found.count() as u64
        };
        let (job, check) = (&self.job, &self.command);
        let failed = number(Status::Failed);
        if failed > 0 {
            let them = if failed == 1 { "it" } else { "them" };
            let failed = count(failed, "check");
            let code = self.exit_code;
            return writeln!(
                out,
                "\n{job}: {failed} failed (exit code {code}); correct {them}, then check again\nnext: {check}"
            );
        }
        let (warnings, unknown) = (number(Status::Warn), number(Status::Unknown));
        let open = [(warnings, "warning"), (unknown, "unknown result")];
        let open: Vec<String> = open
            .into_iter()
            .filter(|(found, _)| *found > 0)
            .map(|(found, noun)| count(found, noun))
            .collect();
        if check.has(OFFLINE_FLAG) {
            let skipped = count(number(Status::Skipped), "check");
            let found = std::iter::once("no check failed".to_owned()).chain(open);
            let found = found.collect::<Vec<_>>().join("; ");
            return writeln!(
                out,
                "\n{job}: {found}; {skipped} not made\nnext: {}",
                check.clone().without(OFFLINE_FLAG)
            );
        }
        if open.is_empty() {
            writeln!(out, "\n{job}: all is well")?;
        } else {
            writeln!(out, "\n{job}: no check failed; {}", open.join(", "))?;
        }
        let run = check.clone().command("run").without("--probe");
        match self.standing {
            RunStanding::UnderWay => writeln!(out, "next: wait for the run that is under way"),
            _ if self.a_probe_would_tell() => {
                writeln!(out, "next: {}", check.clone().with(["--probe"]))
            }
            RunStanding::Free => writeln!(out, "next: {}", run.with(["--limit", "10"])),
            RunStanding::Unfinished => writeln!(out, "next: {run}"),
        }
    }

    /// Whether a file that is put there would tell what looking cannot.
    fn a_probe_would_tell(&self) -> bool {
        let is = |name: CheckName, status: Status| {
            let mut checks = self.checks.iter();
            checks.any(|check| check.name == name.word() && check.status == status)
        };
        is(CheckName::Directory, Status::Unknown) && is(CheckName::Probe, Status::Skipped)
    }
}
