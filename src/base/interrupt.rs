//! How a signal reaches the stages: one [`Interrupt`], cloned into every thread.
//!
//! The first SIGINT or SIGTERM asks for an orderly end (no new part is begun; the parts in hand may finish until the
//! deadline), the second for an end at once. Waiting goes through [`Interrupt::sleep`], which a signal ends early.
//! Code that tidies up after that has a handle of its own, [`Interrupt::for_tidying_up`], with a later deadline.

use std::convert::Infallible;
use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, at, bounded, never, select_biased};

/// The time from the first signal to the end: service managers that kill do so after 10 s at the earliest.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// The share of it, in percent, in which the parts in hand may go on. The rest is for the removal of broken attempts.
const SHARE_OF_PARTS: u32 = 70;

const RUNNING: u8 = 0;
const ASKED: u8 = 1;
const AT_ONCE: u8 = 2;

#[derive(Debug)]
struct InterruptState {
    state: AtomicU8,
    signal: AtomicI32,
    stop_timeout: Mutex<Duration>,
    asked_at: Mutex<Option<Instant>>,
    /// Channels on which nothing comes: the first signal closes the first, and the second the other.
    channels: [Receiver<Infallible>; 2],
    /// The senders that are left.
    senders: Mutex<Vec<Sender<Infallible>>>,
}

/// The reason for which a wait ended without a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WaitEnd {
    /// A signal: what is in hand must be dropped.
    Stop,
    /// The limit.
    Late,
    /// Nobody is left who could send a message.
    Closed,
}

/// A shared flag that says whether the run was told to end, and how urgently. Clones share it.
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<InterruptState>, Patience);

/// How long work goes on after the first signal.
#[derive(Debug, Clone, Copy)]
enum Patience {
    None,
    Parts,
    TidyingUp,
}

impl Default for Interrupt {
    fn default() -> Self {
        let ((first, one), (second, two)) = (bounded(0), bounded(0));
        let shared = InterruptState {
            state: AtomicU8::default(),
            signal: AtomicI32::default(),
            stop_timeout: Mutex::new(STOP_TIMEOUT),
            asked_at: Mutex::default(),
            channels: [one, two],
            // The last one is dropped first.
            senders: Mutex::new(vec![second, first]),
        };
        Self(Arc::new(shared), Patience::Parts)
    }
}

impl Interrupt {
    /// An interrupt that nobody has raised.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same interrupt for what must still be done after the parts in hand were dropped: it goes on a while longer.
    #[must_use]
    pub fn for_tidying_up(&self) -> Self {
        Self(Arc::clone(&self.0), Patience::TidyingUp)
    }

    /// The same interrupt for what can be dropped at once: the first signal is as good as the second.
    #[must_use]
    pub fn without_grace(&self) -> Self {
        Self(Arc::clone(&self.0), Patience::None)
    }

    /// Sets the time from the first signal to the end, tidying up included, for all clones.
    pub fn set_stop_timeout(&self, time: Duration) {
        let stop_timeout = self.0.stop_timeout.lock();
        *stop_timeout.unwrap_or_else(PoisonError::into_inner) = time;
    }

    /// How long this clone goes on after the first signal.
    fn patience(&self) -> Duration {
        let stop_timeout = *self
            .0
            .stop_timeout
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match self.1 {
            Patience::None => Duration::ZERO,
            Patience::Parts => stop_timeout * SHARE_OF_PARTS / 100,
            Patience::TidyingUp => stop_timeout,
        }
    }

    /// Notes one signal (its number): the first asks for an orderly end, a later one for an end at once.
    pub fn raise(&self, signal: i32) {
        let mut asked_at = self
            .0
            .asked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if asked_at.is_none() {
            *asked_at = Some(Instant::now());
            self.0.signal.store(signal, Ordering::Relaxed);
            self.0.state.store(ASKED, Ordering::Release);
        } else {
            self.0.state.store(AT_ONCE, Ordering::Release);
        }
        let senders = self.0.senders.lock();
        drop(senders.unwrap_or_else(PoisonError::into_inner).pop());
    }

    /// A channel that the first signal closes; nothing is sent on it.
    pub fn raised(&self) -> &Receiver<Infallible> {
        &self.0.channels[0]
    }

    /// True from the first signal on: begin nothing new.
    pub fn is_raised(&self) -> bool {
        self.0.state.load(Ordering::Acquire) != RUNNING
    }

    /// True when what is in hand must be dropped too: after a second signal, or when the first is too long ago.
    pub fn must_stop_now(&self) -> bool {
        match self.0.state.load(Ordering::Acquire) {
            RUNNING => false,
            ASKED => self.stop_at().is_some_and(|at| Instant::now() >= at),
            _ => true,
        }
    }

    /// The number of the first signal.
    pub fn signal(&self) -> Option<i32> {
        self.is_raised()
            .then(|| self.0.signal.load(Ordering::Relaxed))
    }

    /// The end of this clone's patience, once there was a signal; none as well where it is too far away for the clock.
    fn stop_at(&self) -> Option<Instant> {
        let asked_at = *self
            .0
            .asked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        asked_at.and_then(|at| at.checked_add(self.patience()))
    }

    /// Waits for `time`, or until a signal comes. True when the time passed without one.
    pub fn sleep(&self, time: Duration) -> bool {
        self.raised().recv_timeout(time) == Err(RecvTimeoutError::Timeout)
    }

    /// Waits for a message until `limit`, and no longer than [`Interrupt::must_stop_now`] allows. One that is there is taken first.
    pub(crate) fn recv<T>(
        &self,
        messages: &Receiver<T>,
        limit: Option<Instant>,
    ) -> Result<T, WaitEnd> {
        let late = limit.map_or_else(never, at);
        while !self.must_stop_now() {
            let signal = &self.0.channels[usize::from(self.is_raised())];
            let stop = self.stop_at().map_or_else(never, at);
            select_biased! {
                recv(messages) -> message => return message.map_err(|_| WaitEnd::Closed),
                recv(late) -> _ => return Err(WaitEnd::Late),
                recv(signal) -> _ => {}
                recv(stop) -> _ => {}
            }
        }
        messages.try_recv().map_err(|_| WaitEnd::Stop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_signal_asks_and_the_second_insists() {
        let interrupt = Interrupt::new();
        assert!(!interrupt.is_raised());
        interrupt.raise(15);
        assert!(interrupt.is_raised() && !interrupt.must_stop_now());
        interrupt.raise(2);
        assert!(interrupt.must_stop_now());
        assert_eq!(interrupt.signal(), Some(15));
    }

    #[test]
    fn tidying_up_goes_on_after_the_deadline_but_not_after_a_second_signal() {
        let interrupt = Interrupt::new();
        let tidying = interrupt.for_tidying_up();
        interrupt.raise(15);
        let begun = *interrupt.0.asked_at.lock().unwrap();
        let ago = begun.and_then(|at| at.checked_sub(Duration::from_secs(7)));
        *interrupt.0.asked_at.lock().unwrap() = ago;
        assert!(interrupt.must_stop_now() && !tidying.must_stop_now());
        interrupt.set_stop_timeout(Duration::from_mins(1));
        assert!(!interrupt.must_stop_now());
        interrupt.set_stop_timeout(Duration::from_secs(6));
        assert!(tidying.must_stop_now());
        interrupt.set_stop_timeout(STOP_TIMEOUT);
        interrupt.raise(15);
        assert!(tidying.must_stop_now());
    }

    #[test]
    fn sleep_ends_when_a_signal_comes() {
        let interrupt = Interrupt::new();
        let raiser = interrupt.clone();
        let thread = std::thread::spawn(move || raiser.raise(15));
        assert!(!interrupt.sleep(Duration::from_mins(1)));
        thread.join().unwrap();
        assert!(Interrupt::new().sleep(Duration::from_millis(1)));
    }

    #[test]
    fn wait_for_a_message_ends_by_each_of_its_reasons() {
        let (sender, messages) = bounded(1);
        let (interrupt, soon) = (Interrupt::new(), || {
            Instant::now() + Duration::from_millis(1)
        });
        assert_eq!(interrupt.recv(&messages, Some(soon())), Err(WaitEnd::Late));
        sender.send(1).unwrap();
        assert_eq!(interrupt.recv(&messages, None), Ok(1));
        interrupt.raise(15);
        // The parts in hand may go on, and what is good to know and no more may not.
        assert_eq!(interrupt.recv(&messages, Some(soon())), Err(WaitEnd::Late));
        let hurried = interrupt.without_grace();
        assert_eq!(hurried.recv(&messages, None), Err(WaitEnd::Stop));
        interrupt.set_stop_timeout(Duration::from_millis(1));
        assert_eq!(interrupt.recv(&messages, None), Err(WaitEnd::Stop));
        interrupt.set_stop_timeout(Duration::from_mins(1));
        let raiser = interrupt.clone();
        let thread = std::thread::spawn(move || raiser.raise(15));
        assert_eq!(interrupt.recv(&messages, None), Err(WaitEnd::Stop));
        thread.join().unwrap();
        // An answer that is there counts, however late it is asked for.
        sender.send(2).unwrap();
        assert!(interrupt.must_stop_now());
        assert_eq!(interrupt.recv(&messages, None), Ok(2));
        assert_eq!(interrupt.recv(&messages, None), Err(WaitEnd::Stop));
        drop(sender);
        assert_eq!(Interrupt::new().recv(&messages, None), Err(WaitEnd::Closed));
    }
}
