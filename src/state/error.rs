//! The errors of the state on disk.

use std::path::PathBuf;

use crate::state::part::PartNumber;

/// The version of the manifest's form that this program writes and reads.
pub const MANIFEST_VERSION: u32 = 1;

/// Errors of the state on disk.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// A file or folder of the state cannot be read or written.
    #[error("{}: cannot {action}", path.display())]
    Storage {
        /// The file or folder.
        path: PathBuf,
        /// The operation.
        action: &'static str,
        /// The system's error.
        source: std::io::Error,
    },
    /// A file of the state is not what this program wrote.
    #[error("{}: is damaged (line {line})", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where reading stopped.
        line: usize,
    },
    /// A part was delivered that the run does not have.
    #[error("{}: has no part {part}", path.display())]
    UnknownPart {
        /// The manifest.
        path: PathBuf,
        /// The part.
        part: PartNumber,
    },
    /// Another user could plant or change what is written there.
    #[error("{}: the folder belongs to another user (id {owner})", path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Its owner's id.
        owner: u32,
    },
    /// A newer version of this program wrote it.
    #[error("{}: is of version {found}; this program reads version {MANIFEST_VERSION}", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
}
