//! Files of records of one size, behind a head that tells what they are, how many there are, and their checksum.
//!
//! A file is written beside its place and renamed when it is whole and durable. A reader trusts nothing of a file before its
//! count and its checksum are right.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use crossbeam_channel::{Sender, bounded};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use crate::base::durable::sync_parent;
use crate::base::pool::Pool;
use crate::state::manifest::StateError;
use crate::state::storage::storage;

/// The head is JSON, filled up with spaces to this size, so that it can be written when the records are known.
const HEAD_BYTES: usize = 4096;
const BUFFER_BYTES: usize = 1 << 18;
/// The most buffers of records that wait between two threads.
const WAITING: usize = 4;

/// The kind of a file, and the version of its form that this program writes and reads.
#[derive(Debug, Clone, Copy)]
pub struct SealedKind {
    /// The text that marks files of the kind.
    pub name: &'static str,
    /// The version.
    pub version: u32,
}

/// The head of a file, around what the kind has in it.
#[derive(Serialize, Deserialize)]
struct Seal<H> {
    kind: String,
    version: u32,
    records: u64,
    /// XXH3-128 of all records, in hexadecimal.
    checksum: String,
    head: H,
}

/// The fields of a head that every version has.
#[derive(Deserialize)]
struct AnySeal {
    kind: String,
    version: u32,
}

/// The reason for which a file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum SealFault {
    /// It is not what was written, or it is another kind of file.
    #[error("it is damaged")]
    Damaged,
    /// Another version of this program wrote it.
    #[error("it has the form of version {found}, and this program reads version {wanted}")]
    OtherVersion {
        /// The version of the file.
        found: u32,
        /// The version that this program reads.
        wanted: u32,
    },
    /// The system did not give it.
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
}

/// A file that is being written.
pub struct SealedWriter<const BYTES: usize> {
    path: PathBuf,
    kind: SealedKind,
    file: tempfile::NamedTempFile,
    digest: Xxh3,
    records: u64,
    /// Records that are not in the file and the digest yet: both take many at once much faster.
    waiting: Vec<u8>,
}

impl<const BYTES: usize> SealedWriter<BYTES> {
    /// A file without records. Its mode is 0600. Nothing is at `path` before [`Self::finish`].
    pub fn create(path: &Path, kind: SealedKind) -> Result<Self, StateError> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let create = || {
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&[b' '; HEAD_BYTES])?;
            Ok(file)
        };
        let file = create().map_err(storage(path, "write it"))?;
        Ok(Self {
            path: path.to_owned(),
            kind,
            file,
            digest: Xxh3::new(),
            records: 0,
            waiting: Vec::with_capacity(BUFFER_BYTES),
        })
    }

    /// Adds a record.
    pub fn push(&mut self, record: [u8; BYTES]) -> Result<(), StateError> {
        self.records += 1;
        self.waiting.extend_from_slice(&record);
        if self.waiting.len() + BYTES > BUFFER_BYTES {
            self.write_waiting()?;
        }
        Ok(())
    }

    fn write_waiting(&mut self) -> Result<(), StateError> {
        self.digest.update(&self.waiting);
        let written = self.file.write_all(&self.waiting);
        self.waiting.clear();
        written.map_err(storage(&self.path, "write it"))
    }

    /// Writes the head, and puts the file in its place; when this returns, it is durable.
    pub fn finish(mut self, head: &impl Serialize) -> Result<(), StateError> {
        self.write_waiting()?;
        let Self {
            path,
            kind,
            mut file,
            digest,
            records,
            ..
        } = self;
        let seal = Seal {
            kind: kind.name.to_owned(),
            version: kind.version,
            records,
            checksum: format!("{:032x}", digest.digest128()),
            head,
        };
        let write = || {
            let mut head = serde_json::to_vec(&seal)?;
            if head.len() >= HEAD_BYTES {
                return Err(io::Error::other("its head is too long"));
            }
            head.resize(HEAD_BYTES - 1, b' ');
            head.push(b'\n');
            file.seek(SeekFrom::Start(0))?;
            file.write_all(&head)?;
            file.as_file().sync_all()?;
            file.persist(&path).map_err(|error| error.error)?;
            sync_parent(&path)
        };
        write().map_err(storage(&path, "write it"))
    }
}

/// A file that is being read.
#[derive(Debug)]
pub struct SealedReader<H, const BYTES: usize> {
    file: BufReader<File>,
    head: H,
    records: u64,
    checksum: String,
    left: u64,
}

impl<H: DeserializeOwned, const BYTES: usize> SealedReader<H, BYTES> {
    /// Opens the file at `path`; `None` where there is none. Its records are not looked at yet.
    pub fn open(path: &Path, kind: SealedKind) -> Result<Option<Self>, SealFault> {
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => BufReader::with_capacity(BUFFER_BYTES, opened?),
        };
        let bytes = file.get_ref().metadata()?.len();
        let mut head = vec![0; HEAD_BYTES];
        file.read_exact(&mut head).map_err(|_| SealFault::Damaged)?;
        let damaged = |_| SealFault::Damaged;
        let AnySeal {
            kind: name,
            version,
        } = serde_json::from_slice(&head).map_err(damaged)?;
        if name != kind.name {
            return Err(SealFault::Damaged);
        }
        if version != kind.version {
            return Err(SealFault::OtherVersion {
                found: version,
                wanted: kind.version,
            });
        }
        let seal: Seal<H> = serde_json::from_slice(&head).map_err(damaged)?;
        let expected = seal.records.checked_mul(BYTES as u64);
        if expected.and_then(|it| it.checked_add(HEAD_BYTES as u64)) != Some(bytes) {
            return Err(SealFault::Damaged);
        }
        Ok(Some(Self {
            file,
            head: seal.head,
            records: seal.records,
            checksum: seal.checksum,
            left: seal.records,
        }))
    }

    /// The head.
    pub fn head(&self) -> &H {
        &self.head
    }

    /// How many records there are.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// Calls `take` with every record. An error, also one of `take`, means that none of them can be trusted. Afterwards the
    /// file is read from its first record again.
    ///
    /// A thread of its own reads the file and computes the checksum, so that `take` need not wait for either.
    pub fn verify(
        &mut self,
        mut take: impl FnMut([u8; BYTES]) -> Result<(), SealFault>,
    ) -> Result<(), SealFault> {
        self.rewind()?;
        let (file, left) = (&mut self.file, self.left);
        let (sender, receiver) = bounded(WAITING);
        let used = Pool::new(WAITING);
        let checksum = std::thread::scope(|scope| {
            let buffers = used.clone();
            let reading =
                scope.spawn(move || checksum_of_records::<BYTES>(file, left, &sender, &buffers));
            let taken = receiver.into_iter().try_for_each(|records: Vec<u8>| {
                let mut all = records.as_chunks().0.iter();
                all.try_for_each(|record| take(*record))?;
                used.give(records);
                Ok(())
            });
            let read = reading.join();
            taken.and(read.map_err(|_| io::Error::other("the reading thread fell over"))?)
        });
        let checksum = checksum?;
        self.rewind()?;
        if checksum == self.checksum {
            Ok(())
        } else {
            Err(SealFault::Damaged)
        }
    }

    /// The next record.
    #[expect(clippy::should_implement_trait, reason = "it fails")]
    pub fn next(&mut self) -> Result<Option<[u8; BYTES]>, SealFault> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut record = [0; BYTES];
        self.file.read_exact(&mut record)?;
        Ok(Some(record))
    }

    /// The next record is the first again.
    pub fn rewind(&mut self) -> Result<(), SealFault> {
        self.file.seek(SeekFrom::Start(HEAD_BYTES as u64))?;
        self.left = self.records;
        Ok(())
    }
}

/// Sends the next `left` records, many at a time, and gives the checksum of all of them. It ends when nobody takes them.
fn checksum_of_records<const BYTES: usize>(
    file: &mut BufReader<File>,
    mut left: u64,
    sender: &Sender<Vec<u8>>,
    buffers: &Pool<u8>,
) -> Result<String, SealFault> {
    let mut digest = Xxh3::new();
    while left > 0 {
        let some = (BUFFER_BYTES / BYTES).min(usize::try_from(left).unwrap_or(usize::MAX));
        let mut records = buffers.take();
        records.resize(some * BYTES, 0);
        file.read_exact(&mut records)?;
        left -= some as u64;
        digest.update(&records);
        if sender.send(records).is_err() {
            break;
        }
    }
    Ok(format!("{:032x}", digest.digest128()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const KIND: SealedKind = SealedKind {
        name: "numbers",
        version: 3,
    };

    fn written(path: &Path, numbers: u32, kind: SealedKind) {
        let _ = std::fs::remove_file(path);
        let mut writer = SealedWriter::<4>::create(path, kind).unwrap();
        for number in 0..numbers {
            writer.push(number.to_le_bytes()).unwrap();
        }
        assert!(!path.exists(), "nothing is there before it is whole");
        writer.finish(&"a head").unwrap();
    }

    fn read(path: &Path) -> Result<Option<Vec<u32>>, SealFault> {
        let Some(mut reader) = SealedReader::<String, 4>::open(path, KIND)? else {
            return Ok(None);
        };
        assert_eq!(reader.head(), "a head");
        let mut numbers = Vec::new();
        reader.verify(|record| {
            numbers.push(u32::from_le_bytes(record));
            Ok(())
        })?;
        let mut again = Vec::new();
        while let Some(record) = reader.next()? {
            again.push(u32::from_le_bytes(record));
        }
        assert_eq!(again, numbers);
        assert_eq!(reader.records(), numbers.len() as u64);
        Ok(Some(numbers))
    }

    #[test]
    fn records_come_back_and_the_file_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        assert!(read(&path).unwrap().is_none());
        for numbers in [0, 1, 100_000] {
            written(&path, numbers, KIND);
            assert_eq!(
                read(&path).unwrap().unwrap(),
                (0..numbers).collect::<Vec<_>>()
            );
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn any_change_of_a_file_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        written(&path, 1_000, KIND);
        let good = std::fs::read(&path).unwrap();
        let changed = |change: &dyn Fn(&mut Vec<u8>)| {
            let mut bytes = good.clone();
            change(&mut bytes);
            std::fs::write(&path, bytes).unwrap();
            matches!(read(&path), Err(SealFault::Damaged))
        };
        assert!(changed(&|bytes| bytes.clear()));
        assert!(changed(&|bytes| bytes.truncate(100)));
        assert!(changed(&|bytes| bytes.truncate(HEAD_BYTES)));
        assert!(changed(&|bytes| bytes.truncate(HEAD_BYTES + 400)));
        assert!(changed(&|bytes| bytes.push(0)));
        assert!(changed(&|bytes| bytes[0] = b'x'));
        for at in [HEAD_BYTES, HEAD_BYTES + 2_001, HEAD_BYTES + 3_999] {
            assert!(changed(&|bytes| bytes[at] ^= 1), "{at}");
        }
        for kind in [
            SealedKind { version: 2, ..KIND },
            SealedKind { version: 4, ..KIND },
        ] {
            written(&path, 3, kind);
            let error = read(&path).unwrap_err();
            assert!(matches!(error, SealFault::OtherVersion { wanted: 3, .. }));
        }
        let other = SealedKind {
            name: "letters",
            ..KIND
        };
        written(&path, 3, other);
        assert!(matches!(read(&path), Err(SealFault::Damaged)));
    }
}
