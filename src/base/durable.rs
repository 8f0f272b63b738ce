//! Changes of folders that outlive a loss of power.

use std::fs::File;
use std::io;
use std::path::Path;

/// Makes the entries of `directory` durable: files that were made, renamed, linked or removed there.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// As [`sync_directory`], for the folder that the file at `path` is in.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    sync_directory(path.parent().unwrap_or(Path::new(".")))
}

/// Links the file `from` to the name `to`, or copies it where the two folders are not on one disk. The bytes are durable; the
/// name is once the folder is synced. A file that is there already stays. False where there is no `from`.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> io::Result<bool> {
    if to.exists() {
        return Ok(true);
    }
    if !from.exists() {
        return Ok(false);
    }
    if std::fs::hard_link(from, to).is_err() {
        copy(from, to)?;
    }
    Ok(true)
}

/// Under another name first: half a file must not look like a whole one.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let partial = to.with_extension("partial");
    std::fs::copy(from, &partial)?;
    File::open(&partial)?.sync_all()?;
    std::fs::rename(&partial, to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_there_under_its_other_name_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let [from, linked, copied] = ["a", "b", "c"].map(|name| folder.path().join(name));
        assert!(!link_or_copy(&from, &linked).unwrap() && !linked.exists());
        std::fs::write(&from, "Email\nana@example.com\n").unwrap();
        assert!(link_or_copy(&from, &linked).unwrap());
        copy(&from, &copied).unwrap();
        sync_parent(&copied).unwrap();
        for path in [&linked, &copied] {
            assert_eq!(
                std::fs::read(path).unwrap(),
                std::fs::read(&from).unwrap(),
                "{path:?}"
            );
        }
        // What is there is not written again.
        std::fs::write(&copied, "other").unwrap();
        assert!(link_or_copy(&from, &copied).unwrap());
        assert_eq!(std::fs::read(&copied).unwrap(), b"other");
        let names = std::fs::read_dir(folder.path()).unwrap().count();
        assert_eq!(names, 3);
    }
}
