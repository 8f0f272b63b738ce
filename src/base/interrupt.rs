//! How a signal reaches the stages: one [`Interrupt`], cloned into every thread.
//!
//! The first SIGINT or SIGTERM asks for an orderly end (no new part is begun; the parts in hand may finish until the
//! deadline), the second for an end at once. Waiting goes through [`Interrupt::sleep`], which a signal ends early.
//! Code that tidies up after that has a handle of its own, [`Interrupt::for_tidying_up`], with a later deadline.

use std::sync::atomic::{AtomicI32, AtomicU8, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

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
    changed: Condvar,
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
        let shared = InterruptState {
            state: AtomicU8::default(),
            signal: AtomicI32::default(),
            stop_timeout: Mutex::new(STOP_TIMEOUT),
            asked_at: Mutex::default(),
            changed: Condvar::default(),
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
        self.0.changed.notify_all();
    }

    /// True from the first signal on: begin nothing new.
    pub fn is_raised(&self) -> bool {
        self.0.state.load(Ordering::Acquire) != RUNNING
    }

    /// True when what is in hand must be dropped too: after a second signal, or when the first is too long ago.
    pub fn must_stop_now(&self) -> bool {
        match self.0.state.load(Ordering::Acquire) {
            RUNNING => false,
            ASKED => {
                let asked_at = self
                    .0
                    .asked_at
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                asked_at.is_some_and(|at| at.elapsed() >= self.patience())
            }
            _ => true,
        }
    }

    /// The number of the first signal.
    pub fn signal(&self) -> Option<i32> {
        self.is_raised()
            .then(|| self.0.signal.load(Ordering::Relaxed))
    }

    /// Waits for `time`, or until a signal comes. True when the time passed without one.
    pub fn sleep(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut asked_at = self
            .0
            .asked_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        loop {
            if asked_at.is_some() {
                return false;
            }
            let now = Instant::now();
            if now >= until {
                return true;
            }
            asked_at = self
                .0
                .changed
                .wait_timeout(asked_at, until - now)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
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
}
