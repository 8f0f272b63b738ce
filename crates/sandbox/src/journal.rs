//! The actions of clients, in order, for tests to look at and to wait on.
//!
//! An event is noted before the client gets its answer, so that whoever saw the answer finds the event.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::fault::Fault;

/// The most events that are kept; older ones are forgotten.
const MAX_EVENTS: usize = 10_000;

/// One thing that a client did, or that a fault did to it. Paths are remote ones (`/profiles/x.csv`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A TCP connection was accepted.
    Connected,
    /// A client logged in.
    Authenticated,
    /// A connection ended, from either side.
    Disconnected,
    /// An upload began; nothing is visible yet.
    Opened {
        /// The object to be.
        path: String,
    },
    /// CLOSE came and the object is there, whole.
    Closed {
        /// The object.
        path: String,
        /// Its size.
        bytes: u64,
    },
    /// An upload ended without a good CLOSE, and what had come was stored as an object.
    PartialStored {
        /// The object.
        path: String,
        /// How much of it had come.
        bytes: u64,
    },
    /// An object was taken away right after its CLOSE, as an importer may do.
    Collected {
        /// The object that was.
        path: String,
    },
    /// An object was removed.
    Removed {
        /// The object that was.
        path: String,
    },
    /// An object got a new name.
    Renamed {
        /// Its old path.
        from: String,
        /// Its new path.
        to: String,
    },
    /// STAT or LSTAT of any path, whether or not there was something.
    Stat {
        /// The path, made absolute.
        path: String,
    },
    /// A request was refused because of a rule or a fault.
    Refused {
        /// The request (`open`, `write`, `login` …).
        request: &'static str,
        /// The cause.
        reason: String,
    },
    /// An armed fault struck.
    Struck(Fault),
}

/// The last events, and how many there were before them.
#[derive(Debug)]
struct Kept<E> {
    forgotten: u64,
    events: VecDeque<E>,
}

/// The events so far, and a way to wait for the next.
#[derive(Debug)]
pub(super) struct Journal<E> {
    kept: Mutex<Kept<E>>,
    grown: Condvar,
}

impl<E> Default for Journal<E> {
    fn default() -> Self {
        Self {
            kept: Mutex::new(Kept {
                forgotten: 0,
                events: VecDeque::new(),
            }),
            grown: Condvar::new(),
        }
    }
}

impl<E: Clone> Journal<E> {
    /// Notes an event and wakes those who wait.
    pub(super) fn note(&self, event: E) {
        let mut kept = self.lock();
        if kept.events.len() == MAX_EVENTS {
            kept.events.pop_front();
            kept.forgotten += 1;
        }
        kept.events.push_back(event);
        self.grown.notify_all();
    }

    /// A copy of the events so far.
    pub(super) fn events(&self) -> Vec<E> {
        self.lock().events.iter().cloned().collect()
    }

    /// The events that are kept from number `from` on, counted from 0 over the whole life, and the number of the next.
    pub(super) fn since(&self, from: u64) -> (Vec<E>, u64) {
        let kept = self.lock();
        let skipped = usize::try_from(from.saturating_sub(kept.forgotten)).unwrap_or(usize::MAX);
        let events = kept.events.iter().skip(skipped).cloned().collect();
        (events, kept.forgotten + kept.events.len() as u64)
    }

    /// Waits until `condition` holds, at most `limit`; true when it does.
    pub(super) fn wait_for(
        &self,
        limit: Duration,
        mut condition: impl FnMut(&[E]) -> bool,
    ) -> bool {
        let until = Instant::now() + limit;
        let mut kept = self.lock();
        while !condition(kept.events.make_contiguous()) {
            let now = Instant::now();
            if now >= until {
                return false;
            }
            kept = self
                .grown
                .wait_timeout(kept, until - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, Kept<E>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_life_is_told_to_its_end() {
        let journal = Journal::default();
        let mut told = 0;
        for round in 0..3 {
            for _ in 0..MAX_EVENTS {
                journal.note(Event::Connected);
            }
            journal.note(Event::Disconnected);
            let (events, next) = journal.since(told);
            assert_eq!(events.last(), Some(&Event::Disconnected), "round {round}");
            // One of them came when the oldest was forgotten.
            assert_eq!(events.len(), MAX_EVENTS);
            told = next;
        }
        assert_eq!(journal.since(told), (Vec::new(), told));
    }
}
