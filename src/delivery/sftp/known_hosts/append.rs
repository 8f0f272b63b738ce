//! Adds one line to a known_hosts file without touching what stands there.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Appends `line` in a single write, on a line of its own. File (0600) and directory (0700) are made when missing.
/// `still_wanted` is asked under the file's lock, so that sessions that connect at once add a key once.
pub(crate) fn append<E: From<io::Error>>(
    path: &Path,
    line: &str,
    still_wanted: impl FnOnce() -> Result<bool, E>,
) -> Result<(), E> {
    if let Some(directory) = path.parent().filter(|path| !path.as_os_str().is_empty()) {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)?;
    }
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(0o600)
        .open(path)?;
    file.lock()?;
    if still_wanted()? {
        let start = if ends_in_newline(&mut file)? {
            ""
        } else {
            "\n"
        };
        file.write_all(format!("{start}{line}\n").as_bytes())?;
    }
    Ok(())
}

fn ends_in_newline(file: &mut File) -> io::Result<bool> {
    if file.seek(SeekFrom::End(0))? == 0 {
        return Ok(true);
    }
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last == *b"\n")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn makes_what_is_missing_and_keeps_what_is_there() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("ssh/known_hosts");
        append::<io::Error>(&path, "first", || Ok(true)).unwrap();
        append::<io::Error>(&path, "never", || Ok(false)).unwrap();
        std::fs::OpenOptions::new()
            .append(true)
            .open(&path)
            .unwrap()
            .write_all(b"no end")
            .unwrap();
        append::<io::Error>(&path, "last", || Ok(true)).unwrap();
        assert_eq!(
            std::fs::read_to_string(&path).unwrap(),
            "first\nno end\nlast\n"
        );
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
    }
}
