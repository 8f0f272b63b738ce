//! Whether an audience is still what it was: size, modification time, and a hash of the first and the last mebibyte.
//!
//! Enough to notice a file that was written anew; not proof against one that was changed in its middle with its time put
//! back. A part that comes out different is noticed when it is closed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// How much of each end of a file is hashed.
const END_BYTES: u64 = 1 << 20;

/// The fingerprint of one source file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceFingerprint {
    /// The path as the job wrote it.
    pub name: String,
    /// Size on disk.
    pub bytes: u64,
    /// Modification time, in nanoseconds since 1970.
    pub modified: i128,
    /// Hash of the first and the last mebibyte.
    pub ends: String,
}

impl SourceFingerprint {
    /// The fingerprint of the file at `path`, which the job calls `name`.
    pub fn of(name: &str, path: &Path) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        let mut ends = Vec::new();
        (&mut file).take(END_BYTES).read_to_end(&mut ends)?;
        if metadata.len() > END_BYTES {
            file.seek(SeekFrom::Start((metadata.len() - END_BYTES).max(END_BYTES)))?;
            (&mut file).take(END_BYTES).read_to_end(&mut ends)?;
        }
        Ok(Self {
            name: name.to_owned(),
            bytes: metadata.len(),
            modified: i128::from(metadata.mtime()) * 1_000_000_000
                + i128::from(metadata.mtime_nsec()),
            ends: format!("{:032x}", xxh3_128(&ends)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_at_either_end_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        let mut bytes = vec![b'x'; 3 << 20];
        let mut ends = Vec::new();
        for place in [None, Some(0), Some((3 << 20) - 1)] {
            if let Some(place) = place {
                bytes[place] = b'y';
            }
            std::fs::write(&path, &bytes).unwrap();
            ends.push(SourceFingerprint::of("a.csv", &path).unwrap().ends);
        }
        assert!(ends[0] != ends[1] && ends[1] != ends[2]);
        assert_eq!(
            SourceFingerprint::of("a.csv", &path).unwrap(),
            SourceFingerprint::of("a.csv", &path).unwrap()
        );
    }
}
