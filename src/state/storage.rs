//! Files of the state: the error of one, a file that takes another's place whole, and a log of lines. All are 0600.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::base::durable::sync_directory;
use crate::state::error::StateError;
use crate::state::manifest::json_of;

/// Makes an I/O error that of the file or folder at `path`, which cannot be used to `action`.
pub fn storage(path: &Path, action: &'static str) -> impl Fn(io::Error) -> StateError + Copy {
    move |source| StateError::Storage {
        path: path.to_owned(),
        action,
        source,
    }
}

/// The options of a file that its owner alone may read. It is made where there is none.
fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).mode(0o600);
    options
}

/// Makes a file that its owner alone may read, or empties the one at `path`.
pub fn create_private(path: &Path) -> io::Result<File> {
    private().truncate(true).open(path)
}

/// Opens a file that its owner alone may read, and makes it where there is none.
pub fn open_private(path: &Path) -> io::Result<File> {
    private().read(true).truncate(false).open(path)
}

/// Removes a file that nobody needs any more. It fails no run; one that stays is told, for it may hold personal data.
pub fn discard(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::warn!("{}: cannot be removed: {error}", path.display());
    }
}

/// Replaces `path` by `bytes`, mode 0600, so that a crash leaves the old or the new content.
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<(), StateError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let replace = || {
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(path).map_err(|error| error.error)?;
        sync_directory(directory)
    };
    replace().map_err(storage(path, "replace it"))
}

/// As [`replace_file`], by `value` as [`to_json`](super::manifest::to_json) writes it.
pub fn replace_json(path: &Path, value: &impl Serialize) -> Result<(), StateError> {
    let json = json_of(value).map_err(|error| storage(path, "replace it")(error.into()))?;
    replace_file(path, &json)
}

/// A new file under a `.partial` name, which takes that of `path` when it is whole. Dropped before that, it is removed.
#[derive(Debug)]
pub struct PartialFile {
    file: File,
    path: PathBuf,
    partial: Option<PathBuf>,
}

impl PartialFile {
    /// Makes the file; an error says that it cannot `action`.
    pub fn create(path: PathBuf, action: &'static str) -> Result<Self, StateError> {
        let mut partial = path.clone().into_os_string();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        Ok(Self {
            file: create_private(&partial).map_err(storage(&partial, action))?,
            path,
            partial: Some(partial),
        })
    }

    /// The name that it takes.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file.
    pub fn file(&self) -> &File {
        &self.file
    }

    /// Takes the name. The bytes must be durable before, the folder must be made so after.
    pub fn rename(&mut self) -> io::Result<()> {
        if let Some(partial) = &self.partial {
            std::fs::rename(partial, &self.path)?;
        }
        self.partial = None;
        Ok(())
    }
}

impl Write for PartialFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.file.write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for PartialFile {
    fn drop(&mut self) {
        if let Some(partial) = &self.partial {
            // Best effort: whoever goes on begins the file anew.
            let _ = std::fs::remove_file(partial);
        }
    }
}

/// A file of lines that is only appended to, and cut back to a length that is known to be whole.
#[derive(Debug)]
pub struct AppendLog {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl AppendLog {
    /// Opens the log, and reads its lines by `read`. A last line that was cut by a crash is dropped, but not before all others
    /// are known to be good: who mends a damaged log sees it as it was.
    pub fn open<T>(
        path: PathBuf,
        read: impl FnOnce(&Path, &[u8]) -> Result<T, StateError>,
    ) -> Result<(Self, T), StateError> {
        let failed = storage(&path, "open it");
        let mut lines = Vec::new();
        let mut file = open_private(&path).map_err(failed)?;
        file.read_to_end(&mut lines).map_err(failed)?;
        lines.truncate(whole_lines(&lines));
        let bytes = lines.len() as u64;
        let content = read(&path, &lines)?;
        cut(&mut file, bytes).map_err(failed)?;
        Ok((Self { path, file, bytes }, content))
    }

    /// Opens the log, and cuts it back to `bytes`: what is behind them was written by a process that did not live to note it.
    pub fn open_at(path: PathBuf, bytes: u64) -> Result<Self, StateError> {
        let opened = open_private(&path).and_then(|mut file| cut(&mut file, bytes).map(|()| file));
        let file = opened.map_err(storage(&path, "write it"))?;
        Ok(Self { path, file, bytes })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How long it is.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds lines, each with its line feed; durable when this returns.
    pub fn append(&mut self, lines: &[u8]) -> Result<(), StateError> {
        let written = self.file.write_all(lines);
        let written = written.and_then(|()| self.file.sync_data());
        if written.is_err() {
            // What was written of a line would be taken for the beginning of the next one.
            let _ = cut(&mut self.file, self.bytes);
        }
        written.map_err(storage(&self.path, "write it"))?;
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Drops what is behind the first `bytes`.
    pub fn cut(&mut self, bytes: u64) -> Result<(), StateError> {
        cut(&mut self.file, bytes).map_err(storage(&self.path, "write it"))?;
        self.bytes = bytes;
        Ok(())
    }
}

fn cut(file: &mut File, bytes: u64) -> io::Result<()> {
    file.set_len(bytes)?;
    file.seek(SeekFrom::Start(bytes)).map(|_| ())
}

/// How many bytes of a log are lines that end: a crash may have cut the last one.
pub fn whole_lines(bytes: &[u8]) -> usize {
    let end = bytes.iter().rposition(|byte| *byte == b'\n');
    end.map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_has_whole_lines_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        std::fs::write(&path, "one\ntwo\nthr").unwrap();
        let read = |_: &Path, lines: &[u8]| Ok(lines.to_vec());
        let (mut log, lines) = AppendLog::open(path.clone(), read).unwrap();
        assert_eq!((lines.as_slice(), log.bytes()), (&b"one\ntwo\n"[..], 8));
        log.append(b"four\n").unwrap();
        log.cut(4).unwrap();
        log.append(b"five\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nfive\n");
        let mut log = AppendLog::open_at(path.clone(), 4).unwrap();
        log.append(b"six\n").unwrap();
        assert_eq!((log.path(), log.bytes()), (path.as_path(), 8));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\nsix\n");
        assert_eq!(whole_lines(b"no line ends"), 0);
    }

    #[test]
    fn a_file_takes_its_name_or_is_gone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("part.csv");
        for is_whole in [false, true] {
            let mut file = PartialFile::create(path.clone(), "create it").unwrap();
            file.write_all(b"a row\n").unwrap();
            assert!(folder.path().join("part.csv.partial").exists());
            if is_whole {
                file.rename().unwrap();
            }
            drop(file);
            let names = std::fs::read_dir(folder.path()).unwrap().count();
            assert_eq!((path.exists(), names), (is_whole, usize::from(is_whole)));
        }
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
