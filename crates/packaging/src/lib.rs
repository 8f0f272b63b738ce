//! Makes two things that go with the program: the licences and notices of the crates that are linked into it, and its bill
//! of materials.
//!
//! Both begin with [`linked`], so that they agree. Nothing here reaches the network: Cargo has the source of every crate
//! that it has built.

pub mod licenses;
pub mod linked;
pub mod sbom;

use std::path::{Path, PathBuf};

/// A failure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A command of Cargo failed.
    #[error("{command}: {said}")]
    Cargo {
        /// The command.
        command: String,
        /// Its words.
        said: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A file has not the form that it should have.
    #[error("{}: {wrong}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// The fault.
        wrong: String,
    },
    /// A crate has a licence that `deny.toml` does not allow, or none.
    #[error("{package}: its licence is {expression:?}: {wrong}")]
    Licence {
        /// The crate and its version.
        package: String,
        /// The licence, as its Cargo.toml has it.
        expression: String,
        /// The fault.
        wrong: String,
    },
}

/// The text of a file; bytes that are not UTF-8 are replaced.
fn read(path: &Path) -> Result<String, Error> {
    let bytes = std::fs::read(path).map_err(|source| Error::File {
        path: path.to_owned(),
        source,
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The values of a TOML file.
fn read_toml(path: &Path) -> Result<toml::Table, Error> {
    let text = read(path)?;
    text.parse().map_err(|error: toml::de::Error| Error::Form {
        path: path.to_owned(),
        wrong: error.to_string(),
    })
}
