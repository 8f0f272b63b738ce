//! The commands: each wires the stages for one thing that a person or a scheduler asks for.

#[cfg(feature = "sandbox")]
pub mod demo;
mod flags;
pub mod init;
pub mod preview;
pub mod run;
pub mod runs;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod send;
pub mod status;

use crate::audience::Source;
use crate::cli::CommonRunArgs;
use crate::command_line::CommandLine;
use crate::console::Console;
use crate::environment::Environment;
use crate::interrupt::Interrupt;
use crate::job::Job;

/// What the flags of one run change in its job.
fn apply(common: &CommonRunArgs, job: &mut Job) {
    job.accept_new_host_key(common.accept_new_host_key);
    if let Some(directory) = &common.state_dir {
        job.state_directory.clone_from(directory);
    }
}

/// What is doubtful of how the sources are read.
fn source_warnings(sources: &[Source]) -> impl Iterator<Item = String> {
    sources.iter().filter_map(|source| {
        let likely = source.encoding_hint?;
        Some(format!(
            "{}: many bytes are not UTF-8; it is likely {likely}: write encoding = \"{likely}\" under [audience], or --encoding {likely}",
            source.name
        ))
    })
}

/// What surrounds a command: given by `main`, or by a test.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The variables.
    pub environment: Environment,
    /// The streams.
    pub console: Console,
    /// Signals.
    pub interrupt: Interrupt,
    /// What was typed.
    pub command_line: CommandLine,
}
