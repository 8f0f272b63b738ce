//! The commands: each wires the stages for one thing that a person or a scheduler asks for.

pub mod check;
#[cfg(feature = "sandbox")]
pub mod demo;
pub mod estimate;
mod flags;
mod guesses;
pub mod init;
pub mod man;
pub mod preview;
pub mod runs;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod send;
pub mod status;
pub mod undo;

use std::path::Path;

use crate::cli::StateArgs;
use crate::job::JobPlace;
use crate::run::error::Error;
pub(crate) use crate::run::surroundings::{
    Surroundings, apply, of_query, open_audience, source_warnings, unlock,
};
use crate::state::directory::JobDirectory;
use crate::state::shard::Shard;

/// The name of the job at `path`, and where its runs are, or those of one of its shards.
fn state_of(
    path: &Path,
    shard: Option<Shard>,
    state: &StateArgs,
    surroundings: &Surroundings,
) -> Result<(String, JobDirectory), Error> {
    let job = JobPlace::load(path, &surroundings.environment)?;
    let directory = state.state_dir.as_ref().unwrap_or(&job.state_directory);
    let state = JobDirectory::new(directory, &job.name);
    let state = shard.map_or(state.clone(), |shard| state.shard(shard));
    Ok((job.name, state))
}
