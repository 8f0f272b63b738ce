//! The rows of the last run, from its snapshot.

use super::pair;
use crate::pipeline::dedupe::DigestSet;
use crate::state::sealed::SealFault;
use crate::state::snapshot::{KeysReader, SnapshotHead, SnapshotReader, SnapshotRow, in_order};

/// The last run's rows.
pub struct LastRows {
    pub(super) snapshot: SnapshotReader,
    /// The keys whose rows in the snapshot mean nothing.
    pub(super) unsettled: UnsettledKeys,
    /// Its rows, where they fit in memory.
    pub(super) pairs: Option<DigestSet>,
}

impl LastRows {
    /// The head of the snapshot.
    pub fn head(&self) -> &SnapshotHead {
        self.snapshot.head()
    }

    /// Reads a snapshot whole, into memory if at most `most_bytes` are enough for it. An error means that it cannot be trusted.
    pub fn read(
        snapshot: SnapshotReader,
        unsettled: Option<KeysReader>,
        most_bytes: u64,
    ) -> Result<Self, SealFault> {
        let mut before = Self {
            snapshot,
            unsettled: UnsettledKeys::new(unsettled),
            pairs: None,
        };
        before.load(most_bytes)?;
        Ok(before)
    }

    pub(super) fn load(&mut self, most_bytes: u64) -> Result<(), SealFault> {
        let Self {
            snapshot,
            unsettled,
            ..
        } = self;
        let rows = snapshot.records();
        let fits = DigestSet::bytes_for(rows) <= most_bytes;
        let mut pairs = fits.then(|| DigestSet::with_room_for(rows));
        let mut last = 0;
        unsettled.begin()?;
        snapshot.verify(|bytes| {
            let entry = SnapshotRow::of_bytes(bytes);
            in_order(&mut last, entry.key)?;
            let Some(pairs) = &mut pairs else {
                return Ok(());
            };
            // There is always room, unless the keys are no hashes: then this program did not write them.
            if unsettled.has(entry.key)? || pairs.insert(pair(entry)) {
                Ok(())
            } else {
                Err(SealFault::Damaged)
            }
        })?;
        self.pairs = pairs;
        Ok(())
    }
}

/// The keys whose rows in a snapshot mean nothing, looked up in their order.
pub(super) struct UnsettledKeys {
    reader: Option<KeysReader>,
    next: Option<u128>,
}

impl UnsettledKeys {
    pub(super) fn new(reader: Option<KeysReader>) -> Self {
        Self { reader, next: None }
    }

    /// The smallest key is the next to be looked up again.
    pub(super) fn begin(&mut self) -> Result<(), SealFault> {
        if let Some(reader) = &mut self.reader {
            reader.rewind()?;
        }
        self.step()
    }

    fn step(&mut self) -> Result<(), SealFault> {
        self.next = match &mut self.reader {
            Some(reader) => reader.next()?.map(u128::from_be_bytes),
            None => None,
        };
        Ok(())
    }

    /// Whether the key is among them. Keys must be asked for in their order.
    pub(super) fn has(&mut self, key: u128) -> Result<bool, SealFault> {
        while self.next.is_some_and(|next| next < key) {
            self.step()?;
        }
        Ok(self.next == Some(key))
    }
}
