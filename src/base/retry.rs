//! When to try again, and when to give up: one policy for all sessions of a run.
//!
//! Waits grow from `first` to `max` with jitter. Trouble is counted from the first failure after the last acknowledged
//! byte or delivered part, whichever session had it: a run gives up only when nothing at all has moved for
//! `give-up-after`. Having nothing to send is no trouble.
//!
//! A part that breaks starts again from its first byte, so on a link that is cut every minute a part must be through within
//! a minute. [`Lanes`] sees to that: sessions share the link, and after a break fewer of them send at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use jiff::Timestamp;

/// How long to try again.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// The first wait.
    pub first: Duration,
    /// The longest wait.
    pub max: Duration,
    /// Trouble for so long without one acknowledged byte ends the run.
    pub give_up_after: Duration,
}

/// A host name that has no address before anything was ever reached is tried no longer than this: it is more likely mistyped
/// than in trouble.
pub const UNKNOWN_NAME: Duration = Duration::from_secs(30);

/// How long the run has been in trouble; shared by its sessions.
#[derive(Debug, Default)]
pub struct Trouble {
    now: Mutex<Option<CurrentTrouble>>,
    abandoned: AtomicBool,
}

/// The trouble of the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CurrentTrouble {
    /// When the first try failed.
    pub since: Instant,
    /// The next try; `None` before the first wait.
    pub next_try: Option<NextTry>,
}

/// A try that is waited for, or under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextTry {
    /// Its number: 2 after the first failure.
    pub number: u32,
    /// When it begins.
    pub at: Timestamp,
}

impl Trouble {
    /// A byte was acknowledged, or there is nothing to send: there is no trouble.
    pub fn end(&self) {
        *self.lock() = None;
    }

    /// The run has failed elsewhere: what fails from now on is not tried again.
    pub fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    /// Whether trying again is in vain.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.load(Ordering::Acquire)
    }

    /// Something failed. How long it has been so.
    pub fn note(&self) -> Duration {
        let mut now = self.lock();
        let trouble = now.get_or_insert_with(|| CurrentTrouble {
            since: Instant::now(),
            next_try: None,
        });
        trouble.since.elapsed()
    }

    /// The try `number` comes after `wait`. Says nothing where another session has ended the trouble meanwhile.
    pub fn will_try(&self, number: u32, wait: Duration) {
        if let Some(trouble) = self.lock().as_mut() {
            let at = Timestamp::now().saturating_add(wait);
            trouble.next_try = at.ok().map(|at| NextTry { number, at });
        }
    }

    /// The trouble of the moment, if there is one.
    pub fn now(&self) -> Option<CurrentTrouble> {
        *self.lock()
    }

    fn lock(&self) -> MutexGuard<'_, Option<CurrentTrouble>> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How many sessions send at once: half as many after a part broke on its way, one more after each that was delivered.
#[derive(Debug)]
pub struct Lanes {
    most: usize,
    state: Mutex<LaneState>,
}

#[derive(Debug)]
struct LaneState {
    open: usize,
    busy: usize,
}

/// The right to send one part, until it is dropped.
#[derive(Debug)]
pub struct Lane<'a>(&'a Lanes);

impl Lanes {
    /// At most so many at once, and as many at first.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            state: Mutex::new(LaneState {
                open: most,
                busy: 0,
            }),
        }
    }

    /// A free lane, if there is one.
    pub fn enter(&self) -> Option<Lane<'_>> {
        let mut state = self.state();
        if state.busy >= state.open {
            return None;
        }
        state.busy += 1;
        Some(Lane(self))
    }

    /// A part broke on its way.
    pub fn narrow(&self) {
        let mut state = self.state();
        state.open = (state.open / 2).max(1);
    }

    /// A part was delivered.
    pub fn widen(&self) {
        let mut state = self.state();
        state.open = (state.open + 1).min(self.most);
    }

    fn state(&self) -> MutexGuard<'_, LaneState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.0.state().busy -= 1;
    }
}

/// The waits of one session, longer after each failure.
#[derive(Debug)]
pub struct Backoff {
    policy: RetryPolicy,
    waits: ExponentialBackoff,
    tries: u32,
}

impl Backoff {
    /// Begins with the shortest wait.
    pub fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            waits: waits(policy),
            tries: 1,
        }
    }

    /// The number of the try that comes after the last wait: 2 after the first one.
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Begins with the shortest wait again: something worked.
    pub fn reset(&mut self) {
        self.waits = waits(self.policy);
        self.tries = 1;
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    /// How long to wait now; never `None`.
    fn next(&mut self) -> Option<Duration> {
        self.tries = self.tries.saturating_add(1);
        Some(
            self.waits
                .next()
                .unwrap_or(self.policy.max)
                .min(self.policy.max),
        )
    }
}

fn waits(policy: RetryPolicy) -> ExponentialBackoff {
    ExponentialBuilder::new()
        .with_min_delay(policy.first)
        .with_max_delay(policy.max)
        .with_jitter()
        .without_max_times()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_begin_anew() {
        let policy = RetryPolicy {
            first: Duration::from_secs(1),
            max: Duration::from_secs(30),
            give_up_after: Duration::from_mins(10),
        };
        let mut backoff = Backoff::new(policy);
        let waits: Vec<Duration> = backoff.by_ref().take(40).collect();
        assert!(waits[0] >= Duration::from_secs(1) && waits[0] <= Duration::from_secs(2));
        assert!(waits.iter().all(|wait| *wait <= Duration::from_secs(30)));
        assert!(waits[20] > Duration::from_secs(15));
        assert_eq!(backoff.tries(), 41);
        backoff.reset();
        assert_eq!(backoff.tries(), 1);
        assert!(backoff.next().unwrap() <= Duration::from_secs(2));
    }

    #[test]
    fn lanes_are_halved_by_a_break_and_grow_with_each_delivery() {
        let lanes = Lanes::new(4);
        let taken: Vec<_> = (0..4).map(|_| lanes.enter().unwrap()).collect();
        assert!(lanes.enter().is_none());
        lanes.narrow();
        lanes.narrow();
        lanes.narrow();
        drop(taken);
        let one = lanes.enter().unwrap();
        assert!(lanes.enter().is_none(), "one is left after three breaks");
        lanes.widen();
        let two = lanes.enter().unwrap();
        assert!(lanes.enter().is_none());
        drop((one, two));
        (0..10).for_each(|_| lanes.widen());
        let all: Vec<_> = std::iter::from_fn(|| lanes.enter()).collect();
        assert_eq!(all.len(), 4);
    }

    #[test]
    fn trouble_begins_with_the_first_failure_and_ends_with_a_byte() {
        let trouble = Trouble::default();
        assert!(trouble.note() < Duration::from_secs(1));
        let first = trouble.note();
        assert!(trouble.note() >= first);
        trouble.will_try(2, Duration::from_mins(1));
        let next = trouble.now().unwrap().next_try.unwrap();
        assert!(next.number == 2 && next.at > Timestamp::now());
        trouble.end();
        trouble.will_try(3, Duration::ZERO);
        assert_eq!(trouble.now(), None, "it was over before");
    }
}
