//! The surroundings of a command (variables, console, signals, command line) and the first steps that commands share.

use crate::base::environment::Environment;
use crate::base::interrupt::Interrupt;
use crate::cli::StateArgs;
use crate::cli::command_line::CommandLine;
use crate::cli::console::{Console, printable};
use crate::cli::terminal;
use crate::delivery::sftp::{KeyFacts, SftpSettings, Way};
use crate::job::Job;
use crate::run::error::Error;
use crate::source::audience::{Audience, AudienceError, DOS_ADVICE, Source};
use crate::source::query::{self, Access, QueryError};

/// The surroundings of a command: given by `main`, or by a test.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The variables.
    pub environment: Environment,
    /// The streams.
    pub console: Console,
    /// Signals.
    pub interrupt: Interrupt,
    /// The command line.
    pub command_line: CommandLine,
}

impl Surroundings {
    /// From here on the first signal leaves as much time as the job says, whatever is under way.
    pub(crate) fn stop_as_told(&self, job: &Job) {
        if let Some(delivery) = &job.delivery {
            self.interrupt.set_stop_timeout(delivery.stop_timeout);
        }
    }

    /// Those of a program that uses this crate as a library: nothing is printed. [`Interrupt::raise`] ends a run early, from
    /// another thread.
    pub fn of_library(environment: Environment) -> Self {
        Self {
            environment,
            console: Console::new(true),
            interrupt: Interrupt::new(),
            command_line: CommandLine::default(),
        }
    }

    /// The part of them that a connection to an engine needs.
    pub(crate) fn of_query(&self) -> query::QuerySurroundings<'_> {
        query::QuerySurroundings {
            environment: &self.environment,
            interrupt: &self.interrupt,
        }
    }
}

/// Opens the job's files, or begins its query, which must only read.
pub(crate) fn open_audience(job: &Job, surroundings: &Surroundings) -> Result<Audience, Error> {
    open_audience_with(job, &[], Access::ReadOnly, surroundings)
}

/// Opens the job's files, or begins its query after `before`.
pub(crate) fn open_audience_with(
    job: &Job,
    before: &[String],
    access: Access,
    surroundings: &Surroundings,
) -> Result<Audience, Error> {
    let stdin = Box::new(std::io::stdin());
    let audience = Audience::open_settings(
        &job.audience,
        stdin,
        before,
        access,
        surroundings.of_query(),
    );
    match (audience, surroundings.interrupt.signal()) {
        (Err(_), Some(signal)) => Err(Error::Interrupted { signal }),
        (audience, _) => Ok(audience?.expecting(&job.columns.attributes())),
    }
}

/// Turns the error of a query or of `before` into an error of the audience; a signal takes precedence.
pub(crate) fn of_query<T>(
    result: Result<T, QueryError>,
    name: &str,
    surroundings: &Surroundings,
) -> Result<T, Error> {
    match (result, surroundings.interrupt.signal()) {
        (Err(_), Some(signal)) => Err(Error::Interrupted { signal }),
        (result, _) => result.map_err(|source| {
            Error::Audience(AudienceError::Query {
                name: name.to_owned(),
                record: 0,
                source,
            })
        }),
    }
}

/// Applies the flags of one call to its job.
pub(crate) fn apply(accept_new_host_key: bool, state: &StateArgs, job: &mut Job) {
    job.accept_new_host_key(accept_new_host_key);
    if let Some(directory) = &state.state_dir {
        job.state_directory = Some(directory.clone());
    }
}

/// Makes sure that the key file can be used, before anything else is done. A person at the terminal is asked for a
/// passphrase that no variable holds.
pub(crate) fn unlock(
    sftp: &mut SftpSettings,
    surroundings: &Surroundings,
) -> Result<Option<KeyFacts>, Error> {
    let interrupt = &surroundings.interrupt;
    let key = sftp.authentication.unlock(|path, wrong| {
        if !surroundings.console.has_person() {
            return None;
        }
        let again = if wrong > 0 {
            "That does not open it. "
        } else {
            ""
        };
        let path = path.display().to_string();
        let prompt = format!("{again}Passphrase of {}: ", printable(&path));
        terminal::ask_secret(&prompt, interrupt)
    });
    let key = match interrupt.signal() {
        Some(signal) => return Err(Error::Interrupted { signal }),
        None => key?,
    };
    if let Way::Jump(jump) = &mut sftp.way {
        // What opens the key once opens it for each station.
        if jump.authentication.private_key == sftp.authentication.private_key {
            jump.authentication
                .passphrase
                .clone_from(&sftp.authentication.passphrase);
        }
        unlock(jump, surroundings)?;
    }
    Ok(key)
}

/// Warnings about the reading of the sources.
pub(crate) fn source_warnings(sources: &[Source]) -> impl Iterator<Item = String> {
    sources.iter().filter_map(|source| {
        let Some(likely) = source.encoding_hint?.label() else {
            return Some(format!(
                "{}: many bytes are not UTF-8; it is likely text in a code page of DOS, which is not read: {DOS_ADVICE}",
                source.name
            ));
        };
        Some(format!(
            "{}: many bytes are not UTF-8; it is likely {likely}{}: write encoding = \"{likely}\" under [audience], or --encoding {likely}",
            source.name,
            source.encoding_sample()
        ))
    })
}
