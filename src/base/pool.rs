//! Buffers that are done with, to be filled again: what is given back to the system comes again page by page, each cleared by the
//! kernel.

use crossbeam_channel::{Receiver, Sender, bounded};

/// Buffers that wait to be used again. Clones share them.
#[derive(Debug)]
pub(crate) struct Pool<T> {
    give: Sender<Vec<T>>,
    take: Receiver<Vec<T>>,
}

impl<T> Clone for Pool<T> {
    fn clone(&self) -> Self {
        let (give, take) = (self.give.clone(), self.take.clone());
        Self { give, take }
    }
}

impl<T> Pool<T> {
    /// None yet, and room for so many; what is more is given back to the system.
    pub(crate) fn new(most: usize) -> Self {
        let (give, take) = bounded(most);
        Self { give, take }
    }

    /// A buffer as it was given, or a new one.
    pub(crate) fn take(&self) -> Vec<T> {
        self.take.try_recv().unwrap_or_default()
    }

    /// Takes back a buffer.
    pub(crate) fn give(&self, buffer: Vec<T>) {
        // A full pool drops it.
        let _dropped = self.give.try_send(buffer);
    }
}
