//! One SFTP session: its open handles, and what several requests have in common. The requests are in `requests.rs`.
//!
//! Requests are answered one after another, in the order they came, so a client may pipeline as it likes.

mod requests;

use std::collections::HashMap;
use std::fs::ReadDir;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use russh_sftp::protocol::{FileAttributes, Handle, StatusCode};
use russh_sftp::server::StatusReply;

use super::connection::{Line, Shared};
use super::fault::{Chance, Fault};
use super::journal::Event;
use super::place::{Folder, Object, Place, canonical};
use super::store::directory_attributes;
use super::upload::Upload;

/// The most handles that one session may hold open.
const MAX_HANDLES: usize = 100;

/// The object behind a handle.
#[derive(Debug)]
enum Open {
    Upload(Upload),
    /// `/`, with the directories that are still to be told.
    Root(Vec<Folder>),
    Folder(ReadDir),
}

/// The state of one SFTP session. Uploads that are open when it is dropped become partial objects.
#[derive(Debug)]
pub(super) struct Session {
    shared: Arc<Shared>,
    line: Arc<Line>,
    handles: HashMap<String, Open>,
    next_handle: u64,
}

impl Session {
    /// A session on `line` that has seen no request.
    pub(super) fn new(shared: Arc<Shared>, line: Arc<Line>) -> Self {
        Self {
            shared,
            line,
            handles: HashMap::new(),
            next_handle: 0,
        }
    }

    /// Requests that were read from a line before it was cut count as never received.
    fn check_line(&self) -> Result<(), StatusReply> {
        if self.line.is_cut() {
            return Err(StatusCode::ConnectionLost.into());
        }
        Ok(())
    }

    fn refuse(
        &self,
        request: &'static str,
        code: StatusCode,
        reason: impl Into<String>,
    ) -> StatusReply {
        let reason = reason.into();
        self.shared.journal.note(Event::Refused {
            request,
            reason: reason.clone(),
        });
        code.with_message(reason)
    }

    fn keep(&mut self, request: &'static str, id: u32, open: Open) -> Result<Handle, StatusReply> {
        if self.handles.len() >= MAX_HANDLES {
            return Err(self.refuse(request, StatusCode::Failure, "too many open handles"));
        }
        let handle = self.next_handle.to_string();
        self.next_handle += 1;
        self.handles.insert(handle.clone(), open);
        Ok(Handle { id, handle })
    }

    fn object(&self, request: &'static str, path: &str) -> Result<Object, StatusReply> {
        match Place::of(path) {
            Place::Object(object) => Ok(object),
            Place::Root | Place::Folder(_) => {
                Err(self.refuse(request, StatusCode::Failure, "it is a directory"))
            }
            Place::Elsewhere => {
                Err(self.refuse(request, StatusCode::NoSuchFile, "no such file or directory"))
            }
        }
    }

    /// Whether a folder may be looked at.
    fn check_look(&self, request: &'static str) -> Result<(), StatusReply> {
        match self.shared.strike(Chance::Look) {
            Some(Fault::DenyLook) => {
                Err(self.refuse(request, StatusCode::PermissionDenied, "a fault"))
            }
            _ => Ok(()),
        }
    }

    fn attributes(&self, path: &str) -> Result<FileAttributes, StatusReply> {
        self.check_line()?;
        self.shared.journal.note(Event::Stat {
            path: canonical(path),
        });
        let object = match Place::of(path) {
            Place::Object(object) => object,
            place => {
                self.check_look("stat")?;
                return match place {
                    Place::Elsewhere => Err(StatusCode::NoSuchFile.into()),
                    _ => Ok(directory_attributes()),
                };
            }
        };
        let strike = self.shared.strike(Chance::Stat);
        if strike == Some(Fault::DenyStat) {
            return Err(self.refuse("stat", StatusCode::PermissionDenied, "a fault"));
        }
        let mut attributes = self.shared.store.attributes(&object).map_err(io_status)?;
        if let Some(Fault::WrongSize { missing }) = strike {
            attributes.size = attributes.size.map(|size| size.saturating_sub(missing));
        }
        Ok(attributes)
    }

    /// Adds bytes to an upload, which stops or breaks where a fault says so. `before` is `None` at OPEN.
    async fn receive(
        &mut self,
        handle: &str,
        mut before: Option<u64>,
        mut bytes: &[u8],
    ) -> Result<(), StatusReply> {
        loop {
            let Some(Open::Upload(upload)) = self.handles.get_mut(handle) else {
                return Err(self.refuse("write", StatusCode::Failure, "no such handle"));
            };
            let received = upload.received();
            let strike = self
                .shared
                .faults
                .strike_on_the_way(before, received + bytes.len() as u64);
            let Some((at, fault)) = strike else {
                upload.append(bytes).map_err(io_status)?;
                self.shared.faults.count_written(bytes.len() as u64);
                return Ok(());
            };
            let taken = usize::try_from(at - received).unwrap_or(bytes.len());
            let (now, later) = bytes.split_at(taken.min(bytes.len()));
            upload.append(now).map_err(io_status)?;
            self.shared.faults.count_written(now.len() as u64);
            self.shared.journal.note(Event::Struck(fault));
            let goes_on = match fault {
                Fault::StallAfter { time, .. } => self.line.wait(time).await,
                _ => false,
            };
            if !goes_on {
                // The partial object is there before the client learns of the cut.
                self.handles.remove(handle);
                self.line.cut();
                return Err(StatusCode::ConnectionLost.into());
            }
            before = Some(at);
            bytes = later;
        }
    }

    async fn close_upload(&mut self, upload: Upload) -> Result<(), StatusReply> {
        match self.shared.strike(Chance::Close) {
            None => {}
            Some(Fault::SlowClose { time }) => return commit_later(upload, time).await,
            Some(_) => {
                upload.discard();
                return Err(self.refuse("close", StatusCode::PermissionDenied, "a fault"));
            }
        }
        if upload.is_refused() {
            drop(upload);
            return Err(self.refuse("close", StatusCode::Failure, "a write was refused"));
        }
        let object = upload.commit().map_err(io_status)?;
        match self.shared.strike(Chance::Stored) {
            Some(Fault::Collect) => {
                self.shared.store.collect(&object).map_err(io_status)?;
                self.shared.journal.note(Event::Collected {
                    path: object.to_string(),
                });
            }
            Some(_) => {
                self.line.cut();
                return Err(StatusCode::ConnectionLost.into());
            }
            None => {}
        }
        Ok(())
    }
}

/// Stores the object after `time`, also when the client does not wait for it.
async fn commit_later(upload: Upload, time: Duration) -> Result<(), StatusReply> {
    let stored = tokio::spawn(async move {
        tokio::time::sleep(time).await;
        upload.commit()
    });
    match stored.await {
        Ok(stored) => stored.map(drop).map_err(io_status),
        Err(_) => Err(StatusCode::Failure.into()),
    }
}

#[expect(clippy::needless_pass_by_value, reason = "given to map_err as it is")]
fn io_status(error: io::Error) -> StatusReply {
    match error.kind() {
        io::ErrorKind::NotFound => StatusCode::NoSuchFile.into(),
        io::ErrorKind::PermissionDenied => StatusCode::PermissionDenied.into(),
        _ => StatusCode::Failure.with_message(error.to_string()),
    }
}
