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
use crate::state::owner::JobOwner;
use crate::state::shard::Shard;

/// A job's folder of state, as a command that only reads it wants it.
struct JobState {
    /// The job's name.
    name: String,
    /// Its folder, or that of one of its shards.
    state: JobDirectory,
    /// A note, where the runs belong to another job of the same name.
    belongs_to_another: Option<String>,
}

/// The state of the job at `path`, or of one of its shards.
fn state_of(
    path: &Path,
    shard: Option<Shard>,
    state: &StateArgs,
    surroundings: &Surroundings,
) -> Result<JobState, Error> {
    let job = JobPlace::load(path, &surroundings.environment)?;
    let state = job.state(state.state_dir.as_deref())?;
    let known = JobOwner::read(&state).filter(|known| job.owner.is_other_than(known));
    Ok(JobState {
        belongs_to_another: known
            .map(|known| format!("these runs belong to {known}, and this is {}", job.owner)),
        name: job.name,
        state: shard.map_or(state.clone(), |shard| state.shard(shard)),
    })
}
