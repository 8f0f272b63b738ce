//! When the next call of an operation may be made: the documented limits, and what the server said last.
//!
//! Two token buckets for each operation, one for a second and one for a minute. The server counts in fixed windows, so the
//! buckets alone could ask too much around the end of one; `RateLimit-Remaining: 0` and `Retry-After` close the gate.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};

use super::Operation;
use super::operation::Rate;
use crate::base::interrupt::Interrupt;
use crate::base::meter::ApiWaits;

/// The gates of all operations.
#[derive(Debug)]
pub(super) struct Pace {
    gates: HashMap<Operation, Gate>,
    clock: DefaultClock,
    speed: u32,
}

#[derive(Debug)]
struct Gate {
    burst: DefaultDirectRateLimiter,
    steady: DefaultDirectRateLimiter,
    closed_until: Mutex<Option<Instant>>,
}

impl Gate {
    fn new(rate: Rate, speed: u32) -> Self {
        // Evenly over the second: a full bucket and what flows in meanwhile would be twice what a window takes.
        let burst = quota(Duration::from_secs(1) / rate.burst.max(1) / speed, 1);
        let steady = quota(
            Duration::from_mins(1) / rate.steady.max(1) / speed,
            rate.steady,
        );
        Self {
            burst: RateLimiter::direct(burst),
            steady: RateLimiter::direct(steady),
            closed_until: Mutex::new(None),
        }
    }

    fn closed_for(&self) -> Option<Duration> {
        let closed = self
            .closed_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let left = closed.map(|until| until.saturating_duration_since(Instant::now()));
        left.filter(|left| !left.is_zero())
    }
}

/// One call each `period`, and so many at once.
fn quota(period: Duration, at_once: u32) -> Quota {
    let one = NonZeroU32::MIN;
    Quota::with_period(period.max(Duration::from_nanos(1)))
        .unwrap_or(Quota::per_second(one))
        .allow_burst(NonZeroU32::new(at_once).unwrap_or(one))
}

impl Pace {
    /// Open gates, whose windows pass `speed` times as fast as a clock.
    pub(super) fn new(speed: u32) -> Self {
        let speed = speed.max(1);
        let gates = Operation::ALL.map(|operation| (operation, Gate::new(operation.rate(), speed)));
        Self {
            gates: gates.into(),
            clock: DefaultClock::default(),
            speed,
        }
    }

    /// Waits for a call's turn, and notes longer waits in `waits`. False when a signal came first.
    pub(super) fn wait(
        &self,
        operation: Operation,
        waits: &ApiWaits,
        interrupt: &Interrupt,
    ) -> bool {
        let Some(gate) = self.gates.get(&operation) else {
            return !interrupt.is_raised();
        };
        let sleep = |time: Duration| {
            waits.note_limit(time);
            interrupt.sleep(time)
        };
        self.pass(&gate.steady, sleep) && self.pass(&gate.burst, sleep) && {
            while let Some(left) = gate.closed_for() {
                if !sleep(left) {
                    return false;
                }
            }
            !interrupt.is_raised()
        }
    }

    fn pass(&self, bucket: &DefaultDirectRateLimiter, sleep: impl Fn(Duration) -> bool) -> bool {
        while let Err(not_yet) = bucket.check() {
            if !sleep(not_yet.wait_time_from(self.clock.now())) {
                return false;
            }
        }
        true
    }

    /// The server wants no call of this operation for `time` of its clock.
    pub(super) fn close(&self, operation: Operation, time: Duration) {
        let until = Instant::now() + time / self.speed;
        if let Some(gate) = self.gates.get(&operation) {
            let mut closed = gate
                .closed_until
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *closed = Some(closed.map_or(until, |before| before.max(until)));
        }
    }

    /// A time of the server's clock on ours.
    pub(super) fn ours(&self, time: Duration) -> Duration {
        time / self.speed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_gate_opens_and_a_signal_ends_the_wait() {
        let pace = Pace::new(100);
        let (waits, interrupt) = (ApiWaits::default(), Interrupt::new());
        pace.close(Operation::GetList, Duration::from_secs(5));
        let begun = Instant::now();
        assert!(pace.wait(Operation::GetList, &waits, &interrupt));
        assert!(begun.elapsed() >= Duration::from_millis(50));
        pace.close(Operation::GetList, Duration::from_hours(100));
        assert!(
            pace.wait(Operation::GetLists, &waits, &interrupt),
            "each operation has a gate of its own"
        );
        assert_eq!(waits.limited_until(), None, "50 ms are nothing to tell");
        interrupt.raise(15);
        assert!(!pace.wait(Operation::GetList, &waits, &interrupt));
        assert!(waits.limited_until().is_some(), "an hour is");
    }

    #[test]
    fn no_more_calls_than_the_burst_in_a_second_and_the_steady_limit_at_once() {
        // A second of the server lasts 10 ms here: 16 calls of one that may be made once a second, 15 times a minute.
        let pace = Pace::new(100);
        let (waits, interrupt) = (ApiWaits::default(), Interrupt::new());
        let begun = Instant::now();
        (0..15).for_each(|_| assert!(pace.wait(Operation::GetAccounts, &waits, &interrupt)));
        assert!(begun.elapsed() >= Duration::from_millis(139));
    }
}
