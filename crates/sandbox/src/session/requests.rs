//! The answers to SFTP requests, by the rules of AWS Transfer on S3. What is not here is unsupported: links, extensions.

use russh_sftp::protocol::{
    Attrs, Data, File, FileAttributes, Handle, Name, OpenFlags, Status, StatusCode,
};
use russh_sftp::server::{Handler, StatusReply};

use super::{Open, Session, io_status};
use crate::fault::Chance;
use crate::journal::Event;
use crate::place::{Folder, Place, canonical};
use crate::store::{directory_attributes, file_attributes};
use crate::upload::Upload;

/// The answer of AWS Transfer to a write that does not go on where the one before ended.
const RANDOM_ACCESS: &str = "AWS Transfer does not support random access writes to S3 objects";

/// Directory entries per reply.
const ENTRIES: usize = 100;

/// The reason for which these flags of OPEN are refused; `None` when they are accepted.
fn flags_fault(flags: OpenFlags) -> Option<&'static str> {
    if flags.contains(OpenFlags::READ) {
        Some(if flags.contains(OpenFlags::WRITE) {
            "opening for reading and writing is not supported on S3"
        } else {
            "this user may not read"
        })
    } else if flags.contains(OpenFlags::APPEND) {
        Some("append is not supported on S3")
    } else if !flags.contains(OpenFlags::WRITE | OpenFlags::CREATE) {
        Some("open for writing needs WRITE and CREAT")
    } else if !flags.intersects(OpenFlags::TRUNCATE | OpenFlags::EXCLUDE) {
        Some("an object cannot be changed in place: open for writing needs TRUNC or EXCL")
    } else {
        None
    }
}

fn done(id: u32) -> Status {
    Status {
        id,
        status_code: StatusCode::Ok,
        error_message: String::new(),
        language_tag: String::new(),
    }
}

impl Handler for Session {
    type Error = StatusReply;

    fn unimplemented(&self) -> StatusReply {
        self.refuse("other", StatusCode::OpUnsupported, "unsupported operation")
    }

    async fn open(
        &mut self,
        id: u32,
        path: String,
        flags: OpenFlags,
        _attributes: FileAttributes,
    ) -> Result<Handle, StatusReply> {
        self.check_line()?;
        let object = self.object("open", &path)?;
        if let Some(reason) = flags_fault(flags) {
            return Err(self.refuse("open", StatusCode::PermissionDenied, reason));
        }
        if flags.contains(OpenFlags::EXCLUDE) && self.shared.store.exists(&object) {
            return Err(self.refuse("open", StatusCode::Failure, "the file exists"));
        }
        if self.shared.strike(Chance::Open).is_some() {
            return Err(self.refuse("open", StatusCode::PermissionDenied, "a fault"));
        }
        let upload = Upload::begin(&self.shared, object).map_err(io_status)?;
        let handle = self.keep("open", id, Open::Upload(upload))?;
        self.receive(&handle.handle, None, &[]).await?;
        Ok(handle)
    }

    async fn write(
        &mut self,
        id: u32,
        handle: String,
        offset: u64,
        bytes: Vec<u8>,
    ) -> Result<Status, StatusReply> {
        self.check_line()?;
        let length = bytes.len() as u64;
        let delay = self.shared.faults.pace(length);
        if !delay.is_zero() {
            // A client that is gone does not end it: what it had sent is still stored.
            self.line.wait(Some(delay)).await;
        }
        let Some(Open::Upload(upload)) = self.handles.get_mut(&handle) else {
            return Err(self.refuse("write", StatusCode::Failure, "no such handle"));
        };
        if upload.is_refused() {
            return Err(self.refuse("write", StatusCode::Failure, "a write was refused before"));
        }
        let received = upload.received();
        if offset != received {
            upload.refuse();
            return Err(self.refuse("write", StatusCode::Failure, RANDOM_ACCESS));
        }
        if self.shared.strike(Chance::Write(length)).is_some() {
            upload.refuse();
            return Err(self.refuse("write", StatusCode::Failure, "no space left"));
        }
        self.receive(&handle, Some(received), &bytes).await?;
        Ok(done(id))
    }

    async fn close(&mut self, id: u32, handle: String) -> Result<Status, StatusReply> {
        self.check_line()?;
        match self.handles.remove(&handle) {
            Some(Open::Upload(upload)) => self.close_upload(upload).await?,
            Some(Open::Root(_) | Open::Folder(_)) => {}
            None => return Err(self.refuse("close", StatusCode::Failure, "no such handle")),
        }
        Ok(done(id))
    }

    async fn read(&mut self, _: u32, _: String, _: u64, _: u32) -> Result<Data, StatusReply> {
        Err(self.refuse(
            "read",
            StatusCode::PermissionDenied,
            "this user may not read",
        ))
    }

    async fn stat(&mut self, id: u32, path: String) -> Result<Attrs, StatusReply> {
        let attrs = self.attributes(&path)?;
        Ok(Attrs { id, attrs })
    }

    async fn lstat(&mut self, id: u32, path: String) -> Result<Attrs, StatusReply> {
        let attrs = self.attributes(&path)?;
        Ok(Attrs { id, attrs })
    }

    async fn fstat(&mut self, id: u32, handle: String) -> Result<Attrs, StatusReply> {
        match self.handles.get(&handle) {
            Some(Open::Root(_) | Open::Folder(_)) => Ok(Attrs {
                id,
                attrs: directory_attributes(),
            }),
            // There is no object to ask about before CLOSE.
            _ => Err(self.refuse("fstat", StatusCode::NoSuchFile, "no such file")),
        }
    }

    async fn setstat(
        &mut self,
        _: u32,
        _: String,
        _: FileAttributes,
    ) -> Result<Status, StatusReply> {
        Err(self.refuse(
            "setstat",
            StatusCode::OpUnsupported,
            "unsupported operation",
        ))
    }

    async fn fsetstat(
        &mut self,
        _: u32,
        _: String,
        _: FileAttributes,
    ) -> Result<Status, StatusReply> {
        Err(self.refuse(
            "fsetstat",
            StatusCode::OpUnsupported,
            "unsupported operation",
        ))
    }

    async fn opendir(&mut self, id: u32, path: String) -> Result<Handle, StatusReply> {
        self.check_line()?;
        self.check_look("opendir")?;
        let open = match Place::of(&path) {
            Place::Root => Open::Root(Folder::ALL.to_vec()),
            Place::Folder(folder) => {
                Open::Folder(self.shared.store.list(folder).map_err(io_status)?)
            }
            Place::Object(_) | Place::Elsewhere => return Err(StatusCode::NoSuchFile.into()),
        };
        self.keep("opendir", id, open)
    }

    async fn readdir(&mut self, id: u32, handle: String) -> Result<Name, StatusReply> {
        let files: Vec<File> = match self.handles.get_mut(&handle) {
            Some(Open::Root(folders)) => folders
                .drain(..)
                .map(|folder| File::new(folder.name(), directory_attributes()))
                .collect(),
            Some(Open::Folder(entries)) => entries
                .flatten()
                .filter_map(|entry| {
                    let name = entry.file_name().into_string().ok()?;
                    Some(File::new(name, file_attributes(&entry.metadata().ok()?)))
                })
                .take(ENTRIES)
                .collect(),
            _ => return Err(self.refuse("readdir", StatusCode::Failure, "no such handle")),
        };
        if files.is_empty() {
            return Err(StatusCode::Eof.into());
        }
        Ok(Name { id, files })
    }

    async fn remove(&mut self, id: u32, path: String) -> Result<Status, StatusReply> {
        self.check_line()?;
        let object = self.object("remove", &path)?;
        if self.shared.strike(Chance::Remove).is_some() {
            return Err(self.refuse("remove", StatusCode::PermissionDenied, "a fault"));
        }
        self.shared.store.remove(&object).map_err(io_status)?;
        self.shared.journal.note(Event::Removed {
            path: object.to_string(),
        });
        Ok(done(id))
    }

    async fn mkdir(&mut self, _: u32, _: String, _: FileAttributes) -> Result<Status, StatusReply> {
        Err(self.refuse("mkdir", StatusCode::PermissionDenied, "no new directories"))
    }

    async fn rmdir(&mut self, _: u32, _: String) -> Result<Status, StatusReply> {
        Err(self.refuse(
            "rmdir",
            StatusCode::PermissionDenied,
            "a mapped directory stays",
        ))
    }

    async fn realpath(&mut self, id: u32, path: String) -> Result<Name, StatusReply> {
        Ok(Name {
            id,
            files: vec![File::dummy(canonical(&path))],
        })
    }

    async fn rename(&mut self, id: u32, from: String, to: String) -> Result<Status, StatusReply> {
        self.check_line()?;
        let from = self.object("rename", &from)?;
        let to = self.object("rename", &to)?;
        if self.shared.store.exists(&to) {
            return Err(self.refuse("rename", StatusCode::Failure, "the new name exists"));
        }
        self.shared.store.rename(&from, &to).map_err(io_status)?;
        self.shared.journal.note(Event::Renamed {
            from: from.to_string(),
            to: to.to_string(),
        });
        Ok(done(id))
    }
}
