//! The commands: each wires the stages for one thing that a person or a scheduler asks for.

pub mod check;
#[cfg(feature = "sandbox")]
pub mod demo;
pub mod estimate;
mod flags;
mod guesses;
pub mod init;
pub mod keygen;
pub mod licenses;
pub mod man;
mod place;
pub mod preview;
pub mod runs;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod schema;
pub mod send;
pub mod status;
mod toml_text;
pub mod undo;

pub(crate) use crate::run::surroundings::{
    Surroundings, apply, of_query, open_audience, source_warnings, unlock,
};
