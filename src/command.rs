//! The commands: each wires the stages for one thing that a person or a scheduler asks for.

#[cfg(feature = "sandbox")]
pub mod demo;
pub mod run;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod send;
pub mod status;

use crate::cli::CommonRunArgs;
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

/// What surrounds a command: given by `main`, or by a test.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The variables.
    pub environment: Environment,
    /// The streams.
    pub console: Console,
    /// Signals.
    pub interrupt: Interrupt,
}
