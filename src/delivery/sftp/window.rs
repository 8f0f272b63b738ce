//! The bytes of one upload between "read" and "acknowledged": which requests are on the way, over a source of known size.
//!
//! A new request is made whenever one of those on the way is answered, so that the pipe is never drained.

use std::collections::VecDeque;
use std::io::{self, Read};

use super::packet;

/// The data of one WRITE, which with its head fills one SSH packet of OpenSSH (32,768 bytes) and no part of another:
/// every server takes 32 KiB, and more is slower (measured: 128 KiB, 0.85 of the speed).
pub(super) const WRITE_BYTES: u32 = 32_000;

/// Between reading and acknowledgement; see the file's head.
pub(super) struct Window {
    /// Requests without an answer and their bytes, oldest first.
    on_the_way: VecDeque<(u32, u32)>,
    bytes: u64,
    limit: u64,
    offset: u64,
    size: u64,
}

/// The reason for which the next request could not be made.
#[derive(Debug)]
pub(super) enum SourceFault {
    /// The source failed.
    Io(io::Error),
    /// It ended early, or goes on after the size it should have.
    Size,
}

impl Window {
    /// At most `limit` bytes on the way, but always one request, over `size` bytes to come.
    pub(super) fn new(limit: usize, size: u64) -> Self {
        Self {
            on_the_way: VecDeque::new(),
            bytes: 0,
            limit: (limit as u64).max(WRITE_BYTES.into()),
            offset: 0,
            size,
        }
    }

    /// Whether anything is left to send, and may be sent now.
    pub(super) fn has_room(&self) -> bool {
        let length = self.next_length();
        length > 0 && self.bytes + u64::from(length) <= self.limit
    }

    /// The next WRITE to `handle`, for which there must be room. With the last byte it makes sure that the source ends there.
    pub(super) fn next(
        &mut self,
        id: u32,
        handle: &[u8],
        source: &mut impl Read,
    ) -> Result<Vec<u8>, SourceFault> {
        let length = self.next_length();
        let mut packet = packet::write(id, handle, self.offset, length);
        let read = source
            .take(length.into())
            .read_to_end(&mut packet)
            .map_err(SourceFault::Io)?;
        if read != length as usize {
            return Err(SourceFault::Size);
        }
        self.offset += u64::from(length);
        self.bytes += u64::from(length);
        self.on_the_way.push_back((id, length));
        if self.offset == self.size {
            ensure_end(source)?;
        }
        Ok(packet)
    }

    fn next_length(&self) -> u32 {
        u32::try_from(self.size - self.offset).map_or(WRITE_BYTES, |left| left.min(WRITE_BYTES))
    }

    /// Lets go of the request `id`, and gives its bytes; None if it is not on the way.
    pub(super) fn acknowledge(&mut self, id: u32) -> Option<u32> {
        // Servers may answer out of order, and hardly do.
        let index = self.on_the_way.iter().position(|(sent, _)| *sent == id)?;
        let (_, bytes) = self.on_the_way.remove(index)?;
        self.bytes -= u64::from(bytes);
        Some(bytes)
    }

    /// Whether every byte was read and acknowledged.
    pub(super) fn is_done(&self) -> bool {
        self.offset == self.size && self.on_the_way.is_empty()
    }
}

/// Fails when the source has more than it should.
pub(super) fn ensure_end(source: &mut impl Read) -> Result<(), SourceFault> {
    let mut beyond = Vec::new();
    match source.take(1).read_to_end(&mut beyond) {
        Ok(0) => Ok(()),
        Ok(_) => Err(SourceFault::Size),
        Err(error) => Err(SourceFault::Io(error)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Gives at most `step` bytes at a time, and an interruption between them.
    struct Steps<'a> {
        bytes: &'a [u8],
        step: usize,
        interrupted: bool,
    }

    impl Read for Steps<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.interrupted = !self.interrupted;
            if self.interrupted {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let taken = self.bytes.len().min(self.step).min(into.len());
            into[..taken].copy_from_slice(&self.bytes[..taken]);
            self.bytes = &self.bytes[taken..];
            Ok(taken)
        }
    }

    fn steps(bytes: &[u8], step: usize) -> Steps<'_> {
        Steps {
            bytes,
            step,
            interrupted: false,
        }
    }

    /// Where a WRITE to the handle `h` begins, and its data.
    fn written(packet: &[u8]) -> (u64, &[u8]) {
        let offset = u64::from_be_bytes(packet[14..22].try_into().unwrap());
        (offset, &packet[26..])
    }

    proptest! {
        #[test]
        fn every_byte_passes_once_and_no_more_than_the_limit_are_on_the_way(
            size in 0_usize..400_000,
            limit in 0_usize..200_000,
            step in 1_usize..100_000,
            answers in proptest::collection::vec(0_usize..8, 1..20),
        ) {
            let bytes: Vec<u8> = (0..size).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let mut source = steps(&bytes, step);
            let mut window = Window::new(limit, size as u64);
            let mut received = vec![0; size];
            let mut on_the_way: Vec<(u32, usize)> = Vec::new();
            let mut id = 0;
            for answer in answers.iter().cycle() {
                while window.has_room() {
                    let packet = window.next(id, b"h", &mut source).unwrap();
                    let (offset, data) = written(&packet);
                    let offset = usize::try_from(offset).unwrap();
                    received[offset..offset + data.len()].copy_from_slice(data);
                    on_the_way.push((id, data.len()));
                    id += 1;
                }
                let sum: usize = on_the_way.iter().map(|(_, length)| length).sum();
                prop_assert!(sum <= limit.max(WRITE_BYTES as usize));
                if on_the_way.is_empty() {
                    break;
                }
                let (id, length) = on_the_way.remove(answer % on_the_way.len());
                prop_assert!(!window.is_done());
                prop_assert_eq!(window.acknowledge(id), Some(u32::try_from(length).unwrap()));
                prop_assert_eq!(window.acknowledge(id), None);
            }
            prop_assert!(window.is_done());
            prop_assert_eq!(received, bytes);
        }
    }

    #[test]
    fn a_source_of_another_size_is_noticed() {
        for size in [4, 6] {
            let mut window = Window::new(100, size);
            let outcome = window.next(0, b"h", &mut steps(b"12345", 2));
            assert!(matches!(outcome, Err(SourceFault::Size)), "{size}");
        }
        assert!(matches!(
            ensure_end(&mut steps(b"1", 1)),
            Err(SourceFault::Size)
        ));
    }
}
