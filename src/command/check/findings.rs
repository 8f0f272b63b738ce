//! What the checks found: in text, aligned, and as JSON.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::base::exit_code::ExitCode;
use crate::cli::command_line::CommandLine;
use crate::cli::console::printable;
use crate::delivery::sftp::SftpError;
use crate::job::Job;
use crate::job::file::Deliver;
use crate::run::error::Error;
use crate::run::report::count;

/// The checks, in the order in which they are made and shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Name {
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
    /// What it lets in by.
    Methods,
    /// It lets us in.
    Login,
    /// The remote folder is there.
    Directory,
    /// A file can be put into it.
    Probe,
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
}

impl Name {
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

    /// Those that need the API key.
    pub(super) const OF_API: [Self; 5] = [
        Self::Account,
        Self::ReadLists,
        Self::ReadProfiles,
        Self::List,
        Self::Write,
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
            Self::ApiKey => "api-key",
            Self::Account => "account",
            Self::ReadLists => "read-lists",
            Self::ReadProfiles => "read-profiles",
            Self::List => "list",
            Self::Write => "write",
        }
    }
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// As it should be.
    Ok,
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
    /// What was found, what is wrong, or why it was skipped.
    pub detail: String,
    /// What a person should know although all is well.
    pub notes: Vec<String>,
    /// What to do about a failure.
    pub hint: Option<String>,
    /// What a run would end with, of a failure.
    pub exit_code: Option<u8>,
}

/// What all checks of a job found. Field names are a promise.
#[derive(Debug, Clone, Serialize)]
pub struct Findings {
    /// The job's name.
    pub job: String,
    /// `host:port`, if files go to a server.
    pub server: Option<String>,
    /// What the program ends with: the code of the first check that failed.
    pub exit_code: u8,
    /// The checks.
    pub checks: Vec<Check>,
    #[serde(skip)]
    pub(super) standing: Standing,
    /// The check itself.
    #[serde(skip)]
    command: CommandLine,
    /// Where the API is.
    #[serde(skip)]
    base_url: String,
}

/// What the last run means for the next one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing.
    #[default]
    Free,
    /// It can go on. One with another `--limit` would take its place.
    Unfinished,
    /// It has the lock.
    UnderWay,
}

/// What a check that is ok has to say.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) detail: String,
    pub(super) notes: Vec<String>,
}

impl From<String> for Outcome {
    fn from(detail: String) -> Self {
        Self {
            detail,
            notes: Vec::new(),
        }
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
            standing: Standing::default(),
            command,
            base_url: job.klaviyo.base_url.clone(),
        }
    }

    /// Notes what a check came to, and passes on what it gave.
    pub(super) fn note<T>(
        &mut self,
        name: Name,
        result: Result<T, Error>,
        describe: impl FnOnce(&T) -> Outcome,
    ) -> Option<T> {
        let check = match &result {
            Ok(found) => {
                let Outcome { detail, notes } = describe(found);
                Check {
                    name: name.word(),
                    status: Status::Ok,
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
                    hint: hint(name, error, &self.base_url)
                        .map(|hint| printable(&hint).into_owned()),
                    exit_code: Some(exit_code),
                }
            }
        };
        self.checks.push(check);
        result.ok()
    }

    /// Notes that a check was not made.
    pub(super) fn skip(&mut self, name: Name, because: &str) {
        self.checks.push(Check {
            name: name.word(),
            status: Status::Skipped,
            detail: because.to_owned(),
            notes: Vec::new(),
            hint: None,
            exit_code: None,
        });
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
        let failed = self.checks.iter();
        let failed = failed
            .filter(|check| check.status == Status::Failed)
            .count();
        let job = &self.job;
        let check = &self.command;
        if failed > 0 {
            let failed = count(failed as u64, "check");
            let code = self.exit_code;
            return writeln!(
                out,
                "\n{job}: {failed} failed (exit code {code}); next: mend it, then {check}"
            );
        }
        let run = check.clone().command("run");
        write!(out, "\n{job}: all is well; next: ")?;
        match self.standing {
            Standing::Free => writeln!(out, "{}", run.with(["--limit", "10"])),
            Standing::Unfinished => writeln!(out, "{run}"),
            Standing::UnderWay => writeln!(out, "wait for the run that is under way"),
        }
    }
}

/// What to do about a failure: what the error itself says, else what helps against most failures of this check.
fn hint(name: Name, error: &Error, base_url: &str) -> Option<String> {
    if let Error::Sftp(error) = error
        && let Some(hint) = error.hint()
    {
        return Some(hint);
    }
    if let Error::List(error) = error
        && let Some(hint) = error.hint()
    {
        return Some(hint);
    }
    let server = match error {
        Error::Sftp(
            SftpError::Connect { server, .. }
            | SftpError::Handshake { server, .. }
            | SftpError::Lost { server, .. }
            | SftpError::TimedOut { server, .. },
        ) => server.as_str(),
        _ => "",
    };
    let typed = server.rsplit_once(':').unwrap_or((server, ""));
    let typed = (typed.0.trim_matches(['[', ']']), typed.1);
    Some(match (name, error) {
        (
            Name::Secrets | Name::ApiKey,
            Error::Job(crate::job::JobError::Unset { variable, .. }),
        ) => {
            format!("export {variable}=…, or write it into the EnvironmentFile of the systemd unit")
        }
        (Name::ApiKey, _) => {
            "make a private key in Klaviyo under Settings, API keys, write it into a file of its own, and: chmod 600 FILE"
                .to_owned()
        }
        (Name::List, _) => {
            "the id stands in the address of the list's page in Klaviyo; its name must be written as it is there"
                .to_owned()
        }
        (Name::Account, Error::List(error)) if error.is_of_the_moment() => format!(
            "is there a network, and does a firewall or a proxy keep this machine from it? try: curl -sSI {base_url}"
        ),
        (Name::State, _) => "free or mend it, or name another place with --state-dir".to_owned(),
        (Name::Address, Error::Sftp(SftpError::Resolve { host, .. })) => {
            format!("is the name right, and is there a network? try: getent hosts {host}")
        }
        (Name::Connection, _) => format!(
            "is the server up, and does a firewall let this machine out? try: nc -vz {} {}",
            typed.0, typed.1
        ),
        (Name::Greeting | Name::Methods, _) => format!(
            "is it an SSH server? Some close the door to unknown addresses without a word; try: ssh -v -p {} {}",
            typed.1, typed.0
        ),
        _ => return None,
    })
}
