//! One open file handle: bytes go to a hidden file until CLOSE makes it an object.
//!
//! A handle that is dropped without a good CLOSE (the connection ended) leaves what it got as a partial object, as AWS
//! Transfer does. Errors of the local disk while that happens are lost: nobody is left to tell.

use std::io::{self, Write};
use std::sync::Arc;

use tempfile::NamedTempFile;

use super::connection::Shared;
use super::journal::Event;
use super::place::Object;

/// An upload in hand.
#[derive(Debug)]
pub(super) struct Upload {
    shared: Arc<Shared>,
    object: Object,
    /// None once the upload was stored or given up.
    staged: Option<NamedTempFile>,
    received: u64,
    refused: bool,
}

impl Upload {
    /// Begins an upload; nothing is visible yet.
    pub(super) fn begin(shared: &Arc<Shared>, object: Object) -> io::Result<Self> {
        let staged = shared.store.stage()?;
        shared.journal.note(Event::Opened {
            path: object.to_string(),
        });
        Ok(Self {
            shared: Arc::clone(shared),
            object,
            staged: Some(staged),
            received: 0,
            refused: false,
        })
    }

    /// The bytes so far, which is also the only offset that the next write may have.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// True once a write was refused: no more is taken, and CLOSE will fail.
    pub(super) fn is_refused(&self) -> bool {
        self.refused
    }

    /// Takes no more writes.
    pub(super) fn refuse(&mut self) {
        self.refused = true;
    }

    /// Adds the next bytes. When the local disk is full the upload is refused from here on.
    pub(super) fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        if let Some(staged) = &mut self.staged {
            let written = staged.as_file_mut().write_all(bytes);
            self.refused |= written.is_err();
            written?;
        }
        self.received += bytes.len() as u64;
        Ok(())
    }

    /// CLOSE: the object appears. Gives its place back.
    pub(super) fn commit(mut self) -> io::Result<Object> {
        if let Some(staged) = self.staged.take() {
            self.shared.store.put(staged, &self.object)?;
        }
        let event = Event::Closed {
            path: self.object.to_string(),
            bytes: self.received,
        };
        self.shared.landed(&self.object, event);
        Ok(self.object.clone())
    }

    /// CLOSE was denied: nothing is stored.
    pub(super) fn discard(mut self) {
        self.staged = None;
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(staged) = self.staged.take()
            && self.shared.store.put(staged, &self.object).is_ok()
        {
            let event = Event::PartialStored {
                path: self.object.to_string(),
                bytes: self.received,
            };
            self.shared.landed(&self.object, event);
        }
    }
}
