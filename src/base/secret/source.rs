//! The places where a secret can be: a variable, a file, the output of a program.

use std::io::{self, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use zeroize::Zeroizing;

use super::Secret;
use crate::base::environment::Environment;
use crate::base::private_file::SmallFile;

/// The longest secret.
const MAX_BYTES: u64 = 64 * 1024;
/// The longest that a program may take: a password manager may ask its owner first.
const PATIENCE: Duration = Duration::from_secs(30);
/// The distance of two looks at a program that has closed its output.
const SLICE: Duration = Duration::from_millis(10);

/// The place of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// An environment variable.
    Variable(String),
    /// A file that others cannot read.
    File(PathBuf),
    /// The standard output of a program: its path or name, and its arguments.
    Command(Vec<String>),
}

/// The reason for which there is no secret. None shows the output of a program.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The variable is not set, or empty.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Others can read the file.
    #[error("{0}: other users can read it (mode {1:04o}); run: chmod 600 {0}", path.display(), mode)]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The program cannot be started, or its output not be read.
    #[error("{program} cannot be run: {source}")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        source: io::Error,
    },
    /// The program did not end in time.
    #[error("{program} did not end within {} s", limit.as_secs_f32())]
    Slow {
        /// The program.
        program: String,
        /// The time that it had.
        limit: Duration,
    },
    /// The program failed.
    #[error("{program} ended with {status}; run it by hand to see what it says")]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        status: String,
    },
    /// There is nothing in it, or it is no text.
    #[error("{0} gives no text")]
    Empty(String),
}

impl std::fmt::Display for SecretSource {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Variable(name) => write!(out, "the variable {name}"),
            Self::File(path) => path.display().fmt(out),
            Self::Command(command) => {
                write!(
                    out,
                    "the output of {}",
                    command.first().map_or("", String::as_str)
                )
            }
        }
    }
}

impl SecretSource {
    /// Takes the secret from its place. Line ends behind it are no part of it.
    pub fn read(&self, environment: &Environment) -> Result<Secret, SecretError> {
        match self {
            Self::Variable(name) => Secret::of_variable(environment, name)
                .ok_or_else(|| SecretError::Unset(name.clone())),
            Self::File(path) => {
                let file =
                    SmallFile::read(path, MAX_BYTES).map_err(|source| SecretError::File {
                        path: path.clone(),
                        source,
                    })?;
                match file.exposed_mode() {
                    Some(mode) => Err(SecretError::Exposed {
                        path: path.clone(),
                        mode,
                    }),
                    None => self.text(&file.bytes),
                }
            }
            Self::Command(command) => self.text(&output(command, PATIENCE)?),
        }
    }

    fn text(&self, bytes: &[u8]) -> Result<Secret, SecretError> {
        let text = std::str::from_utf8(bytes).map_err(|_| SecretError::Empty(self.to_string()))?;
        let text = text
            .trim_start_matches('\u{feff}')
            .trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(SecretError::Empty(self.to_string()));
        }
        Ok(Secret::new(text.to_owned()))
    }
}

/// Runs the program and takes its standard output. It has no terminal to read from, and its standard error is dropped.
fn output(command: &[String], limit: Duration) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let program = command.first().cloned().unwrap_or_default();
    let start = |source| SecretError::Start {
        program: program.clone(),
        source,
    };
    let mut child = Command::new(&program)
        .args(&command[command.len().min(1)..])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .map_err(start)?;
    let until = Instant::now() + limit;
    let (tell, told) = crossbeam_channel::bounded(1);
    if let Some(pipe) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
            let read = pipe.take(MAX_BYTES).read_to_end(&mut bytes);
            let _ = tell.send(read.map(|_| bytes));
        });
    }
    let ended = told
        .recv_deadline(until)
        .ok()
        .and_then(|read| Some((read, wait(&mut child, until)?)));
    let Some((read, status)) = ended else {
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
        let _ = child.wait();
        return Err(SecretError::Slow { program, limit });
    };
    if !status.success() {
        return Err(SecretError::Failed {
            program,
            status: status.to_string(),
        });
    }
    read.map_err(start)
}

/// The exit status, if the program ends in time.
fn wait(child: &mut Child, until: Instant) -> Option<std::process::ExitStatus> {
    loop {
        if let Some(status) = child.try_wait().ok()? {
            return Some(status);
        }
        if Instant::now() >= until {
            return None;
        }
        let _ = crossbeam_channel::after(SLICE).recv();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &[&str]) -> SecretSource {
        SecretSource::Command(words.iter().map(|word| (*word).to_owned()).collect())
    }

    #[test]
    fn a_program_is_run_without_a_shell_and_its_last_line_ends_are_cut() {
        let environment = Environment::default();
        let secret = command(&["printf", "%s\\n", "$HOME `x` "]).read(&environment);
        assert_eq!(secret.unwrap().reveal(), "$HOME `x` ");
        for (words, told) in [
            (&["true"][..], "gives no text"),
            (
                &["sh", "-c", "echo hunter2; echo hunter2 >&2; exit 3"],
                "exit status: 3",
            ),
            (&["/no/such/program"], "cannot be run"),
            (&[], "cannot be run"),
            (&["printf", "\\377"], "gives no text"),
        ] {
            let error = command(words).read(&environment).unwrap_err().to_string();
            assert!(
                error.contains(told) && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_program_that_does_not_end_is_killed_with_its_children() {
        let begun = Instant::now();
        for script in ["sleep 30; true", "sleep 30 & exec >&-; wait"] {
            let words = ["sh", "-c", script].map(str::to_owned);
            let error = output(&words, Duration::from_millis(200)).unwrap_err();
            assert!(matches!(error, SecretError::Slow { .. }), "{error}");
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        std::fs::write(&path, "hunter2\r\n").unwrap();
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode));
        let source = SecretSource::File(path.clone());
        mode(0o600).unwrap();
        assert_eq!(
            source.read(&Environment::default()).unwrap().reveal(),
            "hunter2"
        );
        mode(0o644).unwrap();
        let error = source.read(&Environment::default()).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
}
