//! The bytes of one upload between "read" and "acknowledged": a sliding window over a source of known size.
//!
//! libssh2 counts what it has already sent, so each write must start at the first unacknowledged byte and be no shorter
//! than the one before less what was acknowledged. The buffer has room for two windows, so that bytes move rarely.

use std::io::{self, Read};

/// Between reading and acknowledgement; see the file's head.
pub(super) struct Window {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    limit: usize,
    unread: u64,
}

/// Why the window could not be filled.
#[derive(Debug)]
pub(super) enum SourceFault {
    /// The source failed.
    Io(io::Error),
    /// It ended early, or goes on after the size it should have.
    Size,
}

impl Window {
    /// A window of at most `limit` bytes over `size` bytes to come. `buffer` is room from an earlier upload.
    pub(super) fn new(mut buffer: Vec<u8>, limit: usize, size: u64) -> Self {
        let room = usize::try_from(size).map_or(limit * 2, |size| size.min(limit * 2));
        if buffer.len() < room {
            buffer.resize(room, 0);
        }
        Self {
            buffer,
            start: 0,
            end: 0,
            limit,
            unread: size,
        }
    }

    /// Reads until the window is full or the source is spent, and then makes sure that it is.
    pub(super) fn fill(&mut self, source: &mut impl Read) -> Result<(), SourceFault> {
        let wanted = |window: &Self| {
            let unread = usize::try_from(window.unread).unwrap_or(usize::MAX);
            unread.min(window.limit - (window.end - window.start))
        };
        while wanted(self) > 0 {
            let wanted = wanted(self);
            if self.end + wanted > self.buffer.len() {
                self.buffer.copy_within(self.start..self.end, 0);
                self.end -= self.start;
                self.start = 0;
            }
            match read(source, &mut self.buffer[self.end..self.end + wanted])? {
                0 => return Err(SourceFault::Size),
                taken => {
                    self.end += taken;
                    self.unread -= taken as u64;
                }
            }
            if self.unread == 0 {
                ensure_end(source)?;
            }
        }
        Ok(())
    }

    /// What the server has not acknowledged, oldest byte first.
    pub(super) fn unacknowledged(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Lets go of the oldest `bytes`.
    pub(super) fn acknowledge(&mut self, bytes: usize) {
        self.start = (self.start + bytes).min(self.end);
    }

    /// The room, for the next upload.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.buffer
    }
}

/// Fails when the source has more than it should.
pub(super) fn ensure_end(source: &mut impl Read) -> Result<(), SourceFault> {
    match read(source, &mut [0])? {
        0 => Ok(()),
        _ => Err(SourceFault::Size),
    }
}

fn read(source: &mut impl Read, into: &mut [u8]) -> Result<usize, SourceFault> {
    loop {
        match source.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(SourceFault::Io(error)),
            Ok(taken) => return Ok(taken),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives at most `step` bytes at a time.
    struct Steps<'a>(&'a [u8], usize);

    impl Read for Steps<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            let taken = self.0.len().min(self.1).min(into.len());
            into[..taken].copy_from_slice(&self.0[..taken]);
            self.0 = &self.0[taken..];
            Ok(taken)
        }
    }

    proptest! {
        #[test]
        fn every_byte_passes_once_and_in_order(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            limit in 1_usize..40,
            step in 1_usize..50,
            taken in proptest::collection::vec(1_usize..40, 1..20),
        ) {
            let mut source = Steps(&bytes, step);
            let mut window = Window::new(Vec::new(), limit, bytes.len() as u64);
            let mut received = Vec::new();
            let mut last_left = 0;
            for taken in taken.iter().cycle() {
                window.fill(&mut source).unwrap();
                let offered = window.unacknowledged();
                if offered.is_empty() {
                    break;
                }
                prop_assert!(offered.len() >= last_left && offered.len() <= limit);
                let taken = (*taken).min(offered.len());
                received.extend_from_slice(&offered[..taken]);
                last_left = offered.len() - taken;
                window.acknowledge(taken);
            }
            prop_assert_eq!(received, bytes);
        }
    }

    #[test]
    fn a_source_of_another_size_is_noticed() {
        for size in [4, 6] {
            let mut window = Window::new(Vec::new(), 100, size);
            let outcome = window.fill(&mut Steps(b"12345", 2));
            assert!(matches!(outcome, Err(SourceFault::Size)), "{size}");
        }
    }
}
