//! Small files that hold secrets or settings: read once, without waiting for a pipe, up to a limit.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use zeroize::Zeroizing;

/// A small file's bytes, and who may read it.
#[derive(Debug)]
pub(crate) struct SmallFile {
    /// Its bytes, up to the limit.
    pub(crate) bytes: Zeroizing<Vec<u8>>,
    mode: u32,
    owner: u32,
}

impl SmallFile {
    /// Reads the file at `path`, up to `limit` bytes. A pipe is refused at once: opening it could wait for
    /// ever, and a second reader would find it empty.
    pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
        let about = file.metadata()?;
        if about.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        let kind = about.file_type();
        if kind.is_fifo() || kind.is_socket() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "it is a pipe; a file is needed, because it is read more than once",
            ));
        }
        // Room for all of it: a vector that grows leaves copies behind.
        let size = usize::try_from(about.len().min(limit)).unwrap_or_default();
        let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
        file.take(limit).read_to_end(&mut bytes)?;
        Ok(Self {
            bytes,
            mode: about.mode() & 0o777,
            owner: about.uid(),
        })
    }

    /// The file's mode, where others than its owner and root's trusted groups may read or write it. A group may read a file of
    /// root's: so Kubernetes (0440) and systemd hand secrets to a service.
    pub(crate) fn exposed_mode(&self) -> Option<u32> {
        self.exposed_to_others_than(rustix::process::geteuid().as_raw())
    }

    /// The same for a reader with this user id.
    fn exposed_to_others_than(&self, reader: u32) -> Option<u32> {
        let permits = |bits: u32| self.mode & bits != 0;
        let is_private = !permits(0o077);
        let is_of_root = self.owner == 0 && reader != 0 && !permits(0o037);
        (!is_private && !is_of_root).then_some(self.mode)
    }
}

/// The text of a file of settings, of at most `limit` bytes. A pipe is refused, and so is what has no end, such as a device.
pub(crate) fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let file = SmallFile::read(path, limit.saturating_add(1))?;
    if file.bytes.len() as u64 > limit {
        let problem = format!("it has more than {limit} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, problem));
    }
    let text = std::str::from_utf8(&file.bytes);
    let text = text.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_a_limit_and_is_utf_8() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("text");
        for (bytes, limit, kind) in [
            (&b"12345"[..], 5, None),
            (b"123456", 5, Some(io::ErrorKind::FileTooLarge)),
            (b"\xff", 5, Some(io::ErrorKind::InvalidData)),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(
                read_text(&path, limit).err().map(|error| error.kind()),
                kind
            );
        }
        let endless = read_text(Path::new("/dev/zero"), 1_000).unwrap_err();
        assert_eq!(endless.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn pipes_and_folders_are_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Mode::RUSR | Mode::WUSR,
            0,
        )
        .unwrap();
        for path in [&pipe, folder.path()] {
            assert!(SmallFile::read(path, 10).is_err(), "{}", path.display());
        }
        let file = folder.path().join("file");
        std::fs::write(&file, "0123456789abcdef").unwrap();
        assert_eq!(*SmallFile::read(&file, 10).unwrap().bytes, b"0123456789");
    }

    #[test]
    fn what_others_can_read_is_exposed() {
        const ROOT: u32 = 0;
        const SERVICE: u32 = 65_532;
        for (owner, reader, private, exposed) in [
            (ROOT, ROOT, &[0o600, 0o400][..], &[0o440, 0o640, 0o604][..]),
            (SERVICE, SERVICE, &[0o600, 0o400], &[0o440, 0o620, 0o444]),
            // The group may be that of the service alone: so Kubernetes and systemd give a secret.
            (
                ROOT,
                SERVICE,
                &[0o440, 0o640, 0o400],
                &[0o444, 0o460, 0o450],
            ),
            (1, SERVICE, &[0o400], &[0o440]),
        ] {
            let file = |&mode| SmallFile {
                bytes: Zeroizing::default(),
                mode,
                owner,
            };
            let is_exposed = |mode| file(mode).exposed_to_others_than(reader) == Some(*mode);
            for mode in private {
                assert_eq!(file(mode).exposed_to_others_than(reader), None, "{mode:o}");
            }
            assert!(exposed.iter().all(is_exposed), "{owner} for {reader}");
        }
    }
}
