//! The files behind the server: finished objects in `profiles` and `events`, uploads in hand in a hidden folder.
//!
//! An object appears by a rename, whole, and replaces one of the same name, as a put to S3 does. Folders are 0700, files 0600.

use std::fs::{self, DirBuilder, ReadDir};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use russh_sftp::protocol::{FileAttributes, FileMode};
use tempfile::NamedTempFile;

use super::SandboxError;
use super::place::{Folder, Object};

/// The local folders of one sandbox.
#[derive(Debug)]
pub(super) struct Store {
    profiles: PathBuf,
    events: PathBuf,
    collected_profiles: PathBuf,
    collected_events: PathBuf,
    staging: PathBuf,
}

impl Store {
    /// Makes the folders that are missing below `root`.
    pub(super) fn create(root: &Path) -> Result<Self, SandboxError> {
        let store = Self {
            profiles: root.join(Folder::Profiles.name()),
            events: root.join(Folder::Events.name()),
            collected_profiles: root.join("collected").join(Folder::Profiles.name()),
            collected_events: root.join("collected").join(Folder::Events.name()),
            staging: root.join(".staging"),
        };
        for folder in [
            &store.profiles,
            &store.events,
            &store.collected_profiles,
            &store.collected_events,
            &store.staging,
        ] {
            create_folder(folder)?;
        }
        Ok(store)
    }

    /// Throws away the uploads that a killed sandbox left.
    pub(super) fn clear_staging(&self) -> Result<(), SandboxError> {
        fs::remove_dir_all(&self.staging).map_err(SandboxError::storage(&self.staging))?;
        create_folder(&self.staging)
    }

    /// Where the objects of `/profiles` lie.
    pub(super) fn profiles(&self) -> &Path {
        &self.profiles
    }

    /// Where objects of `/profiles` go when they are collected.
    pub(super) fn collected_profiles(&self) -> &Path {
        &self.collected_profiles
    }

    /// A hidden file for an upload; it is removed when dropped.
    pub(super) fn stage(&self) -> io::Result<NamedTempFile> {
        NamedTempFile::new_in(&self.staging)
    }

    /// Makes a staged file the object.
    pub(super) fn put(&self, staged: NamedTempFile, object: &Object) -> io::Result<()> {
        staged.persist(self.local(object))?;
        Ok(())
    }

    /// Takes an object away, out of the clients' sight.
    pub(super) fn collect(&self, object: &Object) -> io::Result<()> {
        let folder = match object.folder {
            Folder::Profiles => &self.collected_profiles,
            Folder::Events => &self.collected_events,
        };
        fs::rename(self.local(object), folder.join(&object.name))
    }

    /// Removes an object.
    pub(super) fn remove(&self, object: &Object) -> io::Result<()> {
        fs::remove_file(self.local(object))
    }

    /// True when there is an object.
    pub(super) fn exists(&self, object: &Object) -> bool {
        self.local(object).symlink_metadata().is_ok()
    }

    /// Gives an object a new place; the caller has seen that nothing is there.
    pub(super) fn rename(&self, from: &Object, to: &Object) -> io::Result<()> {
        fs::rename(self.local(from), self.local(to))
    }

    /// The attributes of an object.
    pub(super) fn attributes(&self, object: &Object) -> io::Result<FileAttributes> {
        Ok(file_attributes(&self.local(object).symlink_metadata()?))
    }

    /// The files of a logical directory.
    pub(super) fn list(&self, folder: Folder) -> io::Result<ReadDir> {
        fs::read_dir(self.folder(folder))
    }

    fn folder(&self, folder: Folder) -> &Path {
        match folder {
            Folder::Profiles => &self.profiles,
            Folder::Events => &self.events,
        }
    }

    fn local(&self, object: &Object) -> PathBuf {
        self.folder(object.folder).join(&object.name)
    }
}

/// Makes a folder (0700) and its parents.
pub(super) fn create_folder(path: &Path) -> Result<(), SandboxError> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(SandboxError::storage(path))
}

/// The attributes of a directory: S3 has none, so they are made up.
pub(super) fn directory_attributes() -> FileAttributes {
    FileAttributes {
        size: Some(0),
        uid: Some(0),
        gid: Some(0),
        permissions: Some(FileMode::DIR.bits() | 0o755),
        atime: Some(0),
        mtime: Some(0),
        ..FileAttributes::default()
    }
}

/// The attributes of an object with this local file.
pub(super) fn file_attributes(metadata: &fs::Metadata) -> FileAttributes {
    // SFTP v3 counts seconds in 32 bits.
    let modified = u32::try_from(metadata.mtime()).unwrap_or_default();
    FileAttributes {
        size: Some(metadata.len()),
        uid: Some(0),
        gid: Some(0),
        permissions: Some(FileMode::REG.bits() | 0o644),
        atime: Some(modified),
        mtime: Some(modified),
        ..FileAttributes::default()
    }
}
