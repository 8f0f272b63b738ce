//! Where the job file of `init` goes: to standard output, or into a file that does not exist yet.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use crate::job::file::JobFile;
use crate::run::error::Error;
use crate::state::storage::storage;

/// How many names are tried for a file that does not exist yet.
const NAMES: usize = 1_000;

/// Refuses a path at which there is something.
pub(super) fn refuse_existing(path: &Path) -> Result<(), Error> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Err(exists(path)),
        Err(_) => Ok(()),
    }
}

/// Writes the text to a new file.
pub(super) fn write_new(path: &Path, text: &str) -> Result<(), Error> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => storage(path, "write the job file to it")(source).into(),
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

fn exists(path: &Path) -> Error {
    Error::Usage(format!(
        "-o {}: the file exists, and init does not overwrite it; give another name",
        path.display()
    ))
}

/// The job file that standard output goes into, as a person in the working folder would name it.
pub(super) fn redirected_to() -> Option<PathBuf> {
    let path = std::fs::read_link("/proc/self/fd/1").ok()?;
    // A log or a mail is no job file.
    if !path.is_file() || path.extension().is_none_or(|end| end != "toml") {
        return None;
    }
    let folder = std::env::current_dir().ok();
    let short = folder.and_then(|folder| path.strip_prefix(folder).ok().map(Path::to_owned));
    Some(short.unwrap_or(path))
}

/// A name for the job file that no file has.
pub(super) fn free_name(job: &str) -> String {
    let names = (2..NAMES).map(|number| format!("{job}-{number}.toml"));
    let mut names = std::iter::once(format!("{job}.toml")).chain(names);
    let is_free = |name: &String| std::fs::symlink_metadata(name).is_err();
    names.find(is_free).unwrap_or_else(|| format!("{job}.toml"))
}

/// Makes the relative paths of `job` absolute, if the job file is written to another folder than the working folder: paths in
/// a job file count from its folder.
pub(super) fn move_paths(job: &mut JobFile, path: &Path) {
    let is_here = path
        .parent()
        .is_none_or(|folder| folder.as_os_str().is_empty() || folder == Path::new("."));
    if is_here {
        return;
    }
    let paths = job.audience.files.iter_mut();
    let paths = paths
        .chain(&mut job.audience.query_file)
        .chain(&mut job.sftp.private_key)
        .chain(&mut job.sftp.known_hosts)
        .chain(&mut job.klaviyo.api_key_file);
    for text in paths.filter(|text| is_relative(text)) {
        if let Ok(moved) = std::path::absolute(&*text) {
            *text = moved.to_string_lossy().into_owned();
        }
    }
}

fn is_relative(text: &str) -> bool {
    text != "-" && !text.starts_with(['/', '~']) && !text.contains("://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_right_in_another_folder() {
        let job = |output: &str| {
            let mut job = JobFile::default();
            job.audience.files = ["a.csv", "-", "/b.csv", "s3://c/d.csv", "~/e.csv"]
                .map(str::to_owned)
                .to_vec();
            move_paths(&mut job, Path::new(output));
            job.audience.files
        };
        let here = std::env::current_dir().unwrap().join("a.csv");
        assert_eq!(job("vip.toml")[0], "a.csv");
        assert_eq!(job("./vip.toml")[0], "a.csv");
        let moved = job("jobs/vip.toml");
        assert_eq!(moved[0], here.display().to_string());
        assert_eq!(moved[1..], ["-", "/b.csv", "s3://c/d.csv", "~/e.csv"]);
    }
}
