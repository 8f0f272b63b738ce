//! When to try again, and when to give up: one policy for all sessions of a run.
//!
//! Waits grow from `first` to `max` with jitter. Trouble is counted from the first failure after the last acknowledged
//! byte or delivered part, whichever session had it: a run gives up only when nothing at all has moved for
//! `give-up-after`. Having nothing to send is no trouble.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use crate::job::RetryPolicy;

/// How long the run has been in trouble; shared by its sessions.
#[derive(Debug, Default)]
pub struct Trouble {
    since: Mutex<Option<Instant>>,
}

impl Trouble {
    /// A byte was acknowledged, or there is nothing to send: there is no trouble.
    pub fn end(&self) {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        *since = None;
    }

    /// Something failed. How long it has been so.
    pub fn note(&self) -> Duration {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.get_or_insert_with(Instant::now).elapsed()
    }
}

/// The waits of one session, longer after each failure.
#[derive(Debug)]
pub struct Backoff {
    policy: RetryPolicy,
    waits: ExponentialBackoff,
}

impl Backoff {
    /// Begins with the shortest wait.
    pub fn new(policy: RetryPolicy) -> Self {
        Self {
            policy,
            waits: waits(policy),
        }
    }

    /// Begins with the shortest wait again: something worked.
    pub fn reset(&mut self) {
        self.waits = waits(self.policy);
    }
}

impl Iterator for Backoff {
    type Item = Duration;

    /// How long to wait now; never `None`.
    fn next(&mut self) -> Option<Duration> {
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
        backoff.reset();
        assert!(backoff.next().unwrap() <= Duration::from_secs(2));
    }

    #[test]
    fn trouble_begins_with_the_first_failure_and_ends_with_a_byte() {
        let trouble = Trouble::default();
        assert!(trouble.note() < Duration::from_secs(1));
        let first = trouble.note();
        assert!(trouble.note() >= first);
        trouble.end();
        assert!(trouble.since.lock().unwrap().is_none());
    }
}
