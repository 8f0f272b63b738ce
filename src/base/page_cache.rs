//! Page cache hygiene: of a large audience's files and of parts that are not sent, only the beginning stays in the system's memory.
//!
//! An audience of 13 GB and its parts would push all else out of a machine's page cache, and a new page costs more than one
//! that was just given back: at 100 million rows the kernel's 24 to 39 seconds became 7 to 9 (docs/measurements.md, What grows).

use std::fs::File;
use std::io::{self, Read};
use std::num::NonZeroU64;

/// Bytes read, and as many bytes written, that are left to the system's cache: a person who looks at the file again, or runs the same
/// job once more, finds it in memory.
pub(crate) const LEFT_BYTES: u64 = 2 << 30;

/// How much is let go at a time.
const STEP_BYTES: u64 = 8 << 20;

/// Lets the system forget so many bytes of a file from `begin` on, or all of it from there. What is not on disk yet
/// stays; the rest is read from there if anybody asks.
pub(crate) fn let_go(file: &File, begin: u64, bytes: Option<NonZeroU64>) {
    #[cfg(target_os = "linux")]
    {
        // Advice that is not taken costs nothing but memory.
        let _ = rustix::fs::fadvise(file, begin, bytes, rustix::fs::Advice::DontNeed);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, begin, bytes);
}

/// A file that is read once from its beginning.
pub(crate) struct SequentialFile {
    file: File,
    /// Bytes of other files that were read before it.
    before: u64,
    read: u64,
    gone: u64,
}

impl SequentialFile {
    /// Reads `file`, after so many bytes of other files.
    pub(crate) fn new(file: File, before: u64) -> Self {
        Self {
            file,
            before,
            read: 0,
            gone: 0,
        }
    }
}

impl Read for SequentialFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.read += read as u64;
        let behind = self.read - self.gone;
        if self.before + self.read > LEFT_BYTES && (behind >= STEP_BYTES || read == 0) {
            let_go(&self.file, self.gone, NonZeroU64::new(behind));
            self.gone = self.read;
        }
        Ok(read)
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use std::io::{IoSliceMut, Write as _};

    use rustix::io::{Errno, ReadWriteFlags, preadv2};

    /// Whether the first bytes are in memory; None where the file system does not tell, as tmpfs.
    fn is_in_memory(file: &File) -> Option<bool> {
        let mut bytes = [0; 16];
        match preadv2(
            file,
            &mut [IoSliceMut::new(&mut bytes)],
            0,
            ReadWriteFlags::NOWAIT,
        ) {
            Ok(_) => Some(true),
            Err(Errno::AGAIN) => Some(false),
            Err(_) => None,
        }
    }

    #[test]
    fn a_large_file_is_let_go_behind_the_reader_and_a_small_one_is_not() {
        let bytes = vec![7; 3 * usize::try_from(STEP_BYTES).unwrap() / 2];
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(&bytes).unwrap();
        file.as_file().sync_all().unwrap();
        for (before, stays) in [(0, true), (LEFT_BYTES, false), (0, true)] {
            let is_as_asked = || {
                let mut reader = SequentialFile::new(file.reopen().unwrap(), before);
                let mut read = Vec::new();
                reader.read_to_end(&mut read).unwrap();
                assert!(read == bytes);
                is_in_memory(file.as_file()) != Some(!stays)
            };
            // The kernel may pass over a page that a processor has just had to do with.
            assert!((0..20).any(|_| is_as_asked()), "{before}");
        }
    }
}
