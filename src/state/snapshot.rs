//! The snapshot: for every row that Klaviyo has from a job, a hash of its key and a hash of the row as it was written.
//!
//! `snapshot` in the job's folder is replaced when a run is done. `snapshot.key` holds the key of the hashes, which is random:
//! without it nobody can tell whether a candidate's address is in the snapshot. `unsettled` names the keys whose rows in the
//! snapshot mean nothing: a run that is not done may have sent other rows for them.

use std::hash::Hasher as _;
use std::io::{self, Read};
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use siphasher::sip::SipHasher13;
use siphasher::sip128::{Hasher128, SipHasher13 as SipHasher128};

use crate::state::manifest::StateError;
use crate::state::sealed::{SealFault, SealedKind, SealedReader, SealedWriter};
use crate::state::storage::{replace_file, storage};

/// Files of rows: 16 bytes of the key's hash and 8 of the row's, in the order of the keys.
pub const SNAPSHOT: SealedKind = SealedKind {
    name: "klaviyo-export snapshot",
    version: 1,
};
/// Files of keys: 16 bytes each, in their order.
pub const KEYS: SealedKind = SealedKind {
    name: "klaviyo-export keys",
    version: 1,
};

/// Bytes of a [`SnapshotRow`] in a file.
pub const ENTRY_BYTES: usize = 24;
const KEY_BYTES: usize = 16;

/// A row of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SnapshotRow {
    /// Keyed hash of the row's key.
    pub key: u128,
    /// Keyed hash of the row as it is written.
    pub row: u64,
}

impl SnapshotRow {
    /// The entry as it stands in a file.
    pub fn to_bytes(self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..KEY_BYTES].copy_from_slice(&self.key.to_be_bytes());
        bytes[KEY_BYTES..].copy_from_slice(&self.row.to_be_bytes());
        bytes
    }

    /// The entry of a file.
    pub fn of_bytes(bytes: [u8; ENTRY_BYTES]) -> Self {
        let [key @ .., r0, r1, r2, r3, r4, r5, r6, r7] = bytes;
        Self {
            key: u128::from_be_bytes(key),
            row: u64::from_be_bytes([r0, r1, r2, r3, r4, r5, r6, r7]),
        }
    }
}

/// The settings under which rows were written, as digests. Where one of them is another, rows cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Context {
    /// The columns, their headers, and the identifier that is the key.
    pub columns: String,
    /// The rules for values.
    pub rules: String,
    /// The place where profiles go.
    pub destination: String,
    /// The list, and how profiles are put on it.
    pub list: String,
    /// The list's id, where the API has told it.
    pub list_id: Option<String>,
}

/// The head of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotHead {
    /// The job's name.
    pub job: String,
    /// The id of the key of its hashes, by [`HashKey::id`].
    pub key_id: String,
    /// The run that it is the state after.
    pub run_id: String,
    /// When the last run began that sent every row.
    pub full_at: Timestamp,
    /// The run group of a shard.
    pub run_group: Option<String>,
    /// The version of the program.
    pub program: String,
    /// The settings.
    pub context: Context,
}

/// A snapshot that is being read.
pub type SnapshotReader = SealedReader<SnapshotHead, ENTRY_BYTES>;
/// A snapshot that is being written.
pub type SnapshotWriter = SealedWriter<ENTRY_BYTES>;

/// The key of a job's hashes: 32 random bytes.
#[derive(Clone)]
pub struct HashKey([u8; 32]);

impl HashKey {
    /// The key in the file at `path`, mode 0600. A new one is made where there is none, or where the file holds something else.
    pub fn read_or_create(path: &Path) -> Result<Self, StateError> {
        if let Some(key) = Self::read(path) {
            return Ok(key);
        }
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)
            .map_err(|error| storage(path, "make it")(io::Error::other(error.to_string())))?;
        replace_file(path, &bytes)?;
        Ok(Self(bytes))
    }

    /// The key in the file at `path`, if it holds one.
    pub fn read(path: &Path) -> Option<Self> {
        // A pipe in its place would be waited for.
        if !std::fs::metadata(path).ok()?.is_file() {
            return None;
        }
        let mut bytes = Vec::new();
        let file = std::fs::File::open(path).ok()?;
        file.take(33).read_to_end(&mut bytes).ok()?;
        bytes.try_into().ok().map(Self)
    }

    /// A name for the key that tells nothing of it.
    pub fn id(&self) -> String {
        let mut hasher = SipHasher128::new_with_key(self.half(0));
        hasher.write(b"klaviyo-export snapshot key");
        format!("{:032x}", hasher.finish128().as_u128())
    }

    /// The hash of a row's key, from a digest of it.
    pub fn key(&self, digest: u128) -> u128 {
        let mut hasher = SipHasher128::new_with_key(self.half(0));
        hasher.write(&digest.to_le_bytes());
        hasher.finish128().as_u128()
    }

    /// The hash of a row, from a digest of it and one of its header.
    pub fn row(&self, digest: u128, header: u64) -> u64 {
        let mut hasher = SipHasher13::new_with_key(self.half(1));
        hasher.write(&digest.to_le_bytes());
        hasher.write(&header.to_le_bytes());
        hasher.finish()
    }

    fn half(&self, half: usize) -> &[u8; 16] {
        let halves = self.0.as_chunks::<16>().0;
        &halves[half]
    }
}

impl std::fmt::Debug for HashKey {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("HashKey")
    }
}

/// Keys that are being read.
pub type KeysReader = SealedReader<(), KEY_BYTES>;
/// Keys that are being written, in their order.
pub type KeysWriter = SealedWriter<KEY_BYTES>;

/// Opens a file of keys. `None` where there is none; an error where it cannot be trusted.
pub fn open_keys(path: &Path) -> Result<Option<KeysReader>, SealFault> {
    let Some(mut reader) = KeysReader::open(path, KEYS)? else {
        return Ok(None);
    };
    let mut last = 0;
    reader.verify(|bytes| in_order(&mut last, u128::from_be_bytes(bytes)))?;
    Ok(Some(reader))
}

/// Notes the key after `last`: an error where it is smaller.
pub fn in_order(last: &mut u128, key: u128) -> Result<(), SealFault> {
    if key < *last {
        return Err(SealFault::Damaged);
    }
    *last = key;
    Ok(())
}

/// The keys of a file.
pub fn keys(mut reader: KeysReader) -> impl Iterator<Item = Result<u128, SealFault>> {
    std::iter::from_fn(move || {
        let key = reader.next().transpose()?;
        Some(key.map(u128::from_be_bytes))
    })
}

/// Adds keys, which come in their order, to those of the file at `path`. Neither are ever in memory.
pub fn add_keys(
    path: &Path,
    more: impl Iterator<Item = Result<u128, SealFault>>,
) -> Result<(), StateError> {
    let unreadable = |error| storage(path, "add keys to it")(io::Error::other::<SealFault>(error));
    let known = open_keys(path).map_err(unreadable)?;
    let mut known = known.into_iter().flat_map(keys).peekable();
    let mut more = more.peekable();
    let mut writer = KeysWriter::create(path, KEYS)?;
    let mut last = None;
    loop {
        let is_known = match (known.peek(), more.peek()) {
            (None, None) => break,
            (known, None) => known.is_some(),
            (None, Some(_)) => false,
            // An error has no key, and comes first.
            (Some(known), Some(more)) => known.as_ref().ok() <= more.as_ref().ok(),
        };
        let next = if is_known { known.next() } else { more.next() };
        let next = next.transpose().map_err(unreadable)?;
        if let Some(key) = next.filter(|_| next != last) {
            writer.push(key.to_be_bytes())?;
            last = next;
        }
    }
    writer.finish(&())
}

/// Writes a file of keys, which are in their order. It takes the place of an older one.
pub fn write_keys(path: &Path, keys: &[u128]) -> Result<(), StateError> {
    let mut writer = KeysWriter::create(path, KEYS)?;
    for key in keys {
        writer.push(key.to_be_bytes())?;
    }
    writer.finish(&())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_sort_in_a_file_as_they_do_in_memory() {
        let entries = [
            SnapshotRow { key: 0, row: 9 },
            SnapshotRow {
                key: 1,
                row: u64::MAX,
            },
            SnapshotRow {
                key: 1 << 64,
                row: 0,
            },
            SnapshotRow {
                key: u128::MAX,
                row: 7,
            },
        ];
        for entry in entries {
            assert_eq!(SnapshotRow::of_bytes(entry.to_bytes()), entry);
        }
        assert!(
            entries
                .windows(2)
                .all(|pair| pair[0].to_bytes() < pair[1].to_bytes())
        );
    }

    #[test]
    fn a_key_is_made_once_and_its_hashes_are_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("snapshot.key");
        let key = HashKey::read_or_create(&path).unwrap();
        let again = HashKey::read_or_create(&path).unwrap();
        assert_eq!(
            (key.id(), key.key(5), key.row(5, 1)),
            (again.id(), again.key(5), again.row(5, 1))
        );
        assert_ne!(key.row(5, 1), key.row(5, 2));
        std::fs::write(&path, "something else").unwrap();
        assert!(HashKey::read(&path).is_none());
        let other = HashKey::read_or_create(&path).unwrap();
        assert_ne!((key.id(), key.key(5)), (other.id(), other.key(5)));
        assert_ne!(key.row(5, 1), other.row(5, 1));
    }

    #[test]
    fn keys_come_back_and_more_are_added_in_their_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("unsettled");
        let read = || {
            let reader = open_keys(&path).unwrap();
            let read: Result<Vec<_>, _> = reader.into_iter().flat_map(keys).collect();
            read.unwrap()
        };
        let add = |more: &[u128]| add_keys(&path, more.iter().map(|key| Ok(*key)));
        assert!(open_keys(&path).unwrap().is_none());
        add(&[3, 1 << 100]).unwrap();
        assert_eq!(read(), [3, 1 << 100]);
        add(&[]).unwrap();
        add(&[0, 3, 3, 7, u128::MAX]).unwrap();
        assert_eq!(read(), [0, 3, 7, 1 << 100, u128::MAX]);
        let damaged = [Ok(1), Err(SealFault::Damaged)];
        assert!(add_keys(&path, damaged.into_iter()).is_err());
        assert_eq!(read(), [0, 3, 7, 1 << 100, u128::MAX], "it is as it was");
        write_keys(&path, &[9, 8]).unwrap();
        assert!(matches!(open_keys(&path), Err(SealFault::Damaged)));
        assert!(add(&[1]).is_err());
    }
}
