//! `keygen`: a key for Klaviyo's SFTP server, and where its public half goes.

use std::fs::{DirBuilder, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::Surroundings;
use crate::cli::KeygenArgs;
use crate::cli::command_line::CommandLine;
use crate::cli::console::printable;
use crate::delivery::sftp::NewKey;
use crate::run::error::Error;
use crate::state::storage::storage;

/// The file of the key where none is named.
const USUAL: &str = "~/.ssh/klaviyo_ed25519";

/// Makes the key that `args` ask for. What to do with it.
pub fn keygen(args: &KeygenArgs, surroundings: &Surroundings) -> Result<String, Error> {
    let path = match &args.file {
        Some(path) => path.clone(),
        None => surroundings.environment.expand(USUAL),
    };
    let mut public = path.clone().into_os_string();
    public.push(".pub");
    let public = PathBuf::from(public);
    for path in [&path, &public] {
        if std::fs::symlink_metadata(path).is_ok() {
            return Err(exists(path));
        }
    }
    let key = NewKey::make(&args.comment);
    let key = key.map_err(storage(&path, "make a key for it"))?;
    if let Some(folder) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        let mut builder = DirBuilder::new();
        let made = builder.recursive(true).mode(0o700).create(folder);
        made.map_err(storage(folder, "make it"))?;
    }
    write_new(&path, 0o600, key.private())?;
    write_new(&public, 0o644, &format!("{}\n", key.public))?;
    Ok(told(&path, &key))
}

/// The words on a key at `path`.
fn told(path: &Path, key: &NewKey) -> String {
    let file = path.to_string_lossy();
    let shown = printable(&file);
    let to = "sftp://USER@sftp.klaviyo.com/profiles";
    let next = ["init", "customers.csv", "--to", to, "--identity", &*file];
    let next = CommandLine::new(next.into_iter().chain(["-o", "customers.toml"]));
    format!(
        "made the private key {shown}, which only you may read, and its public half {shown}.pub\n\
         fingerprint: {}\n\n\
         1. In Klaviyo, as Owner, Admin or Manager: Integrations, Manage sources, Import via SFTP, Add a new SSH key. Paste this line:\n\n   \
         {}\n\n\
         2. Klaviyo then shows a user name, such as AbCdEf_GhIjKl. It stands in for USER here:\n\n   \
         {next}\n",
        key.fingerprint, key.public
    )
}

fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), Error> {
    let failed = |source: std::io::Error| match source.kind() {
        ErrorKind::AlreadyExists => exists(path),
        _ => storage(path, "write the key to it")(source).into(),
    };
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed)?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

fn exists(path: &Path) -> Error {
    Error::Usage(format!(
        "{}: the file exists, and keygen replaces no key: whoever uses it would be locked out; name another file, or use this key",
        path.display()
    ))
}
