//! Advice on errors: the hint, and the command to type next.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Error;
use super::service::Service;
use crate::base::exit_code::ExitCode;
use crate::base::near_name::near_name;
use crate::cli::command_line::{CommandLine, quoted};
use crate::delivery::sftp::SftpError;
use crate::delivery::upload::UploadError;
use crate::job::{JobError, VariableFault, is_job_file};
use crate::klaviyo::list::ListError;
use crate::pipeline::commit::CommitError;
use crate::pipeline::mapping::MappingError;
use crate::profile::target::ColumnError;
use crate::state::codes::RejectionReason;
use crate::state::manifest::StateError;
use crate::state::owner::JobOwner;
use crate::state::shard::ShardError;

/// Keys of the job file that are lists of texts with variables.
const LISTS: [&str; 4] = [
    "audience.files",
    "sftp.known-hosts",
    "sftp.host-key",
    "sftp.jump-host-key",
];

impl Error {
    /// Advice on the error, where the error itself has none.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Job(error) => of_job(error),
            Self::Sftp(error) => error.hint(),
            Self::Upload { source } => of_upload(source).or_else(|| match self.exit_code() {
                ExitCode::Transfer if is_for_good(source) => {
                    Some("nothing is lost: correct the cause, then run the same command again".to_owned())
                }
                _ => self.of_its_code(),
            }),
            Self::List(error) => error.hint().or_else(|| self.of_its_code()),
            Self::Shard(error) => of_shard(error),
            Self::Commit(CommitError::SharedIdentifier { .. }) => Some(
                "correct the source, or choose a rule: shared-identifiers = \"blank\", \"reject\" or \"report\""
                    .to_owned(),
            ),
            Self::Commit(CommitError::TooManyRejected { reason, .. }) => Some(format!(
                "{}; rejects.csv of this run contains these rows; to send the other rows anyway, raise max-rejected in [normalize] of the job file (init makes one)",
                look_for(*reason)
            )),
            Self::Commit(CommitError::Duplicate { .. }) => Some(
                "correct the source, or say which row to keep: duplicates = \"first\" or \"last\""
                    .to_owned(),
            ),
            Self::Guarded { .. } => Some(
                "look at the source: is it complete, and is it the right one? If the changes are right, send them; or set max-changed and max-shrink in [delta]"
                    .to_owned(),
            ),
            Self::Drifted { .. } => Some(
                "look at the source: is it complete, and is it the right one? If the counts are right, send what was formatted; or set max-drift in [guard]"
                    .to_owned(),
            ),
            Self::OtherList { .. } => Some(
                "start over, and send every row, so that everybody is added to the list".to_owned(),
            ),
            Self::PlanOutOfDate { .. } | Self::NoPlan { .. } => Some("make a new plan".to_owned()),
            Self::TrialOverUnfinished { .. } => Some(
                "let that run finish first; --fresh discards the part of it that was not sent".to_owned(),
            ),
            Self::NoRun { .. } => Some(
                "a service keeps its runs elsewhere: name the folder of its KLAVIYO_EXPORT_STATE_DIR with --state-dir"
                    .to_owned(),
            ),
            Self::OtherJob { own, record, .. } => Some(of_two_jobs(own, record)),
            Self::SpooledPart(_) | Self::State(StateError::Damaged { .. }) => {
                Some("restore it from a backup, or run the job with --fresh to start over".to_owned())
            }
            Self::State(StateError::Foreign { path, .. }) => Some(format!(
                "run as that user, give the folder to this one (chown -R USER {}), or name another place with --state-dir",
                path.display()
            )),
            Self::State(StateError::Newer { .. }) => Some(
                "use the version that wrote it, or run the job with --fresh to start over"
                    .to_owned(),
            ),
            #[cfg(feature = "sandbox")]
            Self::Sandbox(_) => None,
            _ => self.of_its_code(),
        }
    }

    /// The command to type next, where there is one that can be typed as it stands (words in capitals are to be filled in).
    /// `line` is the command that failed.
    pub fn next(&self, line: &CommandLine) -> Option<CommandLine> {
        match self {
            Self::Audience(error) => {
                let dialect = error.dialect().filter(|_| takes_files(line))?;
                let settings = dialect.settings();
                Some(settings.fold(line.clone(), |line, (key, value)| {
                    line.with_value(&format!("--{key}"), value)
                }))
            }
            Self::Job(error) => next_of_job(error, line),
            Self::Mapping(MappingError::NoneGuessed { likely, .. }) => {
                let column = likely.as_deref().unwrap_or("COLUMN");
                Some(line.clone().with_map(column, "Email"))
            }
            Self::Mapping(MappingError::AmbiguousColumn {
                column,
                header: Some(header),
                ..
            }) if takes_files(line) => {
                let map = format!("{column}#1={header}");
                Some(line.clone().with(["--map", &map]))
            }
            Self::Mapping(MappingError::Header {
                column,
                source: ColumnError::Consent(_),
            }) if takes_files(line) => Some(line.clone().with_map(column, "")),
            Self::List(ListError::TooManyRemovals { run_id, .. })
                if line.is("run") || line.is("list") =>
            {
                Some(of_removals(line).with_value("--approve-removals", run_id))
            }
            Self::Shard(ShardError::NotDone { waits_for, .. }) => {
                let (first, _) = waits_for.first()?;
                let run = line.clone().command("run").without("--json");
                Some(run.with_value("--shard", &first.to_string()))
            }
            Self::Guarded { run_id, .. } if line.is("run") => {
                Some(approval(line).with_value("--approve-changes", run_id))
            }
            Self::Drifted { run_id, .. } if line.is("run") => {
                Some(approval(line).with_value("--approve-drift", run_id))
            }
            Self::OtherList { .. } if line.is("run") => {
                let plain = line.clone().without("--fresh").without("--full");
                Some(plain.with(["--fresh", "--full"]))
            }
            Self::PlanOutOfDate { .. } | Self::NoPlan { .. } => {
                let plain = line.clone().without_value("--apply");
                Some(plain.with(["--dry-run"]))
            }
            // The profiles are delivered: the same command goes on with the list.
            Self::List(error) if error.is_of_the_moment() => Some(line.clone().without("--fresh")),
            // The unfinished run goes on.
            Self::TrialOverUnfinished { .. } => Some(line.clone().without_value("--limit")),
            Self::OtherJob { own, name, .. } if own.job_file.is_none() => {
                Some(line.clone().with_value("--name", &format!("{name}-2")))
            }
            Self::NoPage { .. } => Some(line.clone().without("--open")),
            Self::NoServer => Some(line.clone().with_server()),
            Self::NoRun {
                job,
                job_file,
                directory,
            } => Service::at(Path::new("/")).next(line, job, job_file, directory),
            // The same command would fail in the same way.
            Self::Upload { source } if is_for_good(source) => None,
            _ => match self.exit_code() {
                ExitCode::Transfer | ExitCode::Interrupted | ExitCode::Terminated => {
                    Some(line.clone().without("--fresh"))
                }
                _ => None,
            },
        }
    }

    fn of_its_code(&self) -> Option<String> {
        let hint = match self.exit_code() {
            ExitCode::Locked => "wait until it ends, or stop that process; the lock ends with it",
            ExitCode::Transfer => "nothing is lost: run the same command again",
            ExitCode::Klaviyo => {
                "delivered files stay delivered: correct the cause, then run the same command again"
            }
            ExitCode::Storage => {
                "free space or correct the storage named above, then run the same command again"
            }
            ExitCode::Interrupted | ExitCode::Terminated => {
                "run the same command again to continue"
            }
            ExitCode::Guard => {
                "look at rejects.csv of this run; correct the source, or change the limit in the job file"
            }
            ExitCode::Verification => {
                "run the same command again; if it happens again, show the report to the server's operator"
            }
            ExitCode::Bug => "please report it, with the command and the lines above",
            _ => return None,
        };
        Some(hint.to_owned())
    }
}

/// The command without what does not go with an approval.
fn approval(line: &CommandLine) -> CommandLine {
    let plain = ["--fresh", "--full", "--json"]
        .into_iter()
        .fold(line.clone(), CommandLine::without);
    ["--approve-changes", "--approve-drift", "--apply"]
        .into_iter()
        .fold(plain, CommandLine::without_value)
}

/// The command without what does not go with an approval of removals.
fn of_removals(line: &CommandLine) -> CommandLine {
    let plain = ["--shard", "--run-group", "--limit"]
        .into_iter()
        .fold(approval(line), CommandLine::without_value);
    plain.without("--create-list").command("run")
}

/// Where to look when most rejected rows have this reason.
fn look_for(reason: RejectionReason) -> &'static str {
    match reason {
        RejectionReason::NoIdentifier => {
            "check with preview whether the right columns are mapped to Email, PhoneNumber and ExternalID"
        }
        RejectionReason::InvalidEmail => {
            "check with preview whether the right column is mapped to Email"
        }
        RejectionReason::InvalidPhone => {
            "check with preview whether the right column is mapped to PhoneNumber, and whether default-region is right"
        }
        RejectionReason::RaggedRow => "check the delimiter and the quotes of the file",
        RejectionReason::InvalidEncoding => "check the encoding of the file",
        RejectionReason::RecordTooLong => "look for a quote that is never closed",
        RejectionReason::ProfileTooLarge => "map fewer columns, or shorter ones",
        RejectionReason::SharedIdentifier => {
            "conflicts.csv shows which rows share an identifier with an earlier row"
        }
        RejectionReason::NestedValue => "do not map the column, or extract single values from it",
    }
}

fn of_job(error: &JobError) -> Option<String> {
    match error {
        JobError::IsAudience { path } => {
            let file = path.to_string_lossy();
            Some(format!(
                "`send` sends such a file once; to make a job file for it: {}",
                CommandLine::new(["init", &*file, "-o", "NAME.toml"])
            ))
        }
        JobError::Unreadable { path, source } if source.kind() == ErrorKind::NotFound => {
            Some(near_job(path).map_or_else(
                || "to make a job file: klaviyo-export init FILE -o NAME.toml".to_owned(),
                |near| format!("did you mean the job file {near}?"),
            ))
        }
        JobError::InFile { source, .. } if matches!(**source, JobError::Variable { .. }) => {
            of_job(source)
        }
        JobError::Variable {
            fault: VariableFault::Unset { name },
            ..
        } => Some(format!(
            "set it where the program starts: export {name}=VALUE, or in the EnvironmentFile of a service; or write a default into the job file: ${{{name}:-VALUE}}"
        )),
        JobError::UnknownName { known, .. } if known.is_empty() => {
            Some("a service keeps its runs elsewhere: name its folder with --state-dir".to_owned())
        }
        JobError::UnknownName { .. } => {
            Some("use one of these names, or the path of a job file".to_owned())
        }
        JobError::Value {
            key: "sftp.username",
            ..
        } => {
            Some("write it into [sftp] of the job file, then run the same command again".to_owned())
        }
        _ => None,
    }
}

/// The job file that may be meant by `path`, where there is none: a job's name is often typed for its file.
fn near_job(path: &Path) -> Option<String> {
    let written = path.to_string_lossy();
    let wanted = if is_job_file(path) {
        path.to_owned()
    } else {
        PathBuf::from(format!("{written}.toml"))
    };
    near_name(&written, &wanted, |name| is_job_file(Path::new(name)))
}

/// The command to type next after an error of a job file.
fn next_of_job(error: &JobError, line: &CommandLine) -> Option<CommandLine> {
    match error {
        JobError::IsAudience { path } => {
            Some(CommandLine::new(["preview", &*path.to_string_lossy()]))
        }
        JobError::Unreadable { path, source } if source.kind() == ErrorKind::NotFound => {
            let near = near_job(path)?;
            line.clone().with_argument(&path.to_string_lossy(), &near)
        }
        JobError::UnknownName {
            name, directory, ..
        } => Service::at(Path::new("/")).state_of(line, name, directory),
        JobError::InFile { source, .. } => next_of_job(source, line),
        JobError::Variable {
            key,
            fault: VariableFault::Unset { .. },
        } => Some(line.clone().with(["--set", &placeholder(key)])),
        _ => None,
    }
}

/// A key of the job file with a value to be filled in.
fn placeholder(key: &str) -> String {
    if LISTS.contains(&key) {
        format!("{key}=[\"VALUE\"]")
    } else {
        format!("{key}=VALUE")
    }
}

fn of_two_jobs(own: &JobOwner, record: &Path) -> String {
    let record = quoted(&record.to_string_lossy());
    match own.job_file {
        None => format!(
            "give this one another name; or, if the job file is no longer used: rm {record}"
        ),
        Some(_) => format!(
            "give one of them another `name`; or, if the first is no longer used: rm {record}"
        ),
    }
}

fn of_shard(error: &ShardError) -> Option<String> {
    let hint = match error {
        ShardError::NotDone { .. } => {
            "run these shards until all are done, then run the same command again"
        }
        ShardError::NoShard { .. } => {
            "check the name: shards get it from run --shard I/N --run-group GROUP"
        }
        ShardError::NoIdentifiers { .. } => return None,
        ShardError::FilesChanged { .. }
        | ShardError::JobChanged { .. }
        | ShardError::OtherNumber { .. } => {
            "all shards of a group send the same audience: run all of them again with a new group"
        }
    };
    Some(hint.to_owned())
}

fn of_upload(error: &UploadError) -> Option<String> {
    match error {
        UploadError::Connect(error)
        | UploadError::Part { source: error, .. }
        | UploadError::GaveUp {
            source: error @ SftpError::Resolve { .. },
            ..
        } => error.hint(),
        UploadError::Broke { .. } => Some(
            "run the same command again to continue; if the connection always breaks before a part is complete, use a smaller max-bytes in [parts]"
                .to_owned(),
        ),
        UploadError::Unconfirmed { .. } => Some(
            "raise commit-timeout in [sftp]; if the server stays slow, ask Klaviyo's support whether the files under leftovers in report.json were imported"
                .to_owned(),
        ),
        _ => None,
    }
}

/// Whether the server would give the same answer again.
fn is_for_good(error: &UploadError) -> bool {
    match error {
        UploadError::Connect(error) | UploadError::Part { source: error, .. } => {
            !error.is_transient() && !error.is_interrupted()
        }
        _ => false,
    }
}

/// Whether the command takes flags for how a file is written.
fn takes_files(line: &CommandLine) -> bool {
    ["send", "preview", "init"]
        .iter()
        .any(|command| line.is(command))
        && !line.names_job()
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn an_approval_of_removals_takes_no_flag_along_that_it_refuses() {
        let error = Error::List(ListError::TooManyRemovals {
            removals: 2,
            of: 3,
            percent: 5.0,
            members: 10,
            run_id: "r2".to_owned(),
        });
        for words in [
            &["run", "vip.toml"][..],
            &["run", "vip.toml", "--approve-changes", "r1", "--json"],
            &["run", "vip.toml", "--approve-drift=r1"],
            &["run", "vip.toml", "--apply", "r1"],
            &["run", "vip.toml", "--fresh", "--full", "--create-list"],
            &["run", "vip.toml", "--limit", "10"],
            &["list", "vip.toml", "--run-group", "g", "--create-list"],
        ] {
            let next = error.next(&CommandLine::new(words.iter().copied()));
            let next = next.unwrap().to_string();
            assert_eq!(
                next, "klaviyo-export run vip.toml --approve-removals r2",
                "{words:?}"
            );
            Cli::try_parse_from(next.split(' ')).unwrap();
        }
    }
}
