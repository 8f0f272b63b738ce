//! The API's rate limits: per operation two fixed windows, one second (burst) and one minute (steady), some also a day.
//!
//! The sandbox's clock can run faster than a real one, so that a test does not wait for minutes.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How many calls a window of the operation takes (the contract's `x-klaviyo-ratelimit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Rate {
    /// In a second.
    pub(super) burst: u64,
    /// In a minute.
    pub(super) steady: u64,
    /// In 24 hours.
    pub(super) daily: Option<u64>,
}

impl Rate {
    /// Calls for each second and for each minute.
    pub(super) const fn of(burst: u64, steady: u64) -> Self {
        Self {
            burst,
            steady,
            daily: None,
        }
    }
}

/// The steady window after a call, for the headers of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Allowance {
    /// Calls a minute.
    pub(super) limit: u64,
    /// Those that are left.
    pub(super) remaining: u64,
    /// Seconds until they are all there again.
    pub(super) reset: u64,
}

/// Calls in the windows that are open; a window's number is its place since the start.
#[derive(Debug, Default)]
struct Counted {
    window: u64,
    calls: u64,
}

/// Counts the calls of all keys of the account: the limits are the account's (Klaviyo, "Rate limits").
#[derive(Debug)]
pub(super) struct Limits {
    begun: Instant,
    speed: u32,
    counted: Mutex<HashMap<(&'static str, Rate, u64), Counted>>,
}

impl Limits {
    /// Windows that pass `speed` times as fast as they say.
    pub(super) fn new(speed: u32) -> Self {
        Self {
            begun: Instant::now(),
            speed: speed.max(1),
            counted: Mutex::default(),
        }
    }

    /// Counts a call. When a window is full: the whole seconds, on the sandbox's clock, until it ends.
    pub(super) fn count(&self, operation: &'static str, rate: Rate) -> Result<Allowance, u64> {
        self.count_at(
            operation,
            rate,
            self.begun.elapsed().saturating_mul(self.speed),
        )
    }

    fn count_at(
        &self,
        operation: &'static str,
        rate: Rate,
        now: Duration,
    ) -> Result<Allowance, u64> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let windows = [
            (1, Some(rate.burst)),
            (60, Some(rate.steady)),
            (86_400, rate.daily),
        ];
        let windows = windows
            .into_iter()
            .filter_map(|(seconds, most)| Some((seconds, most?)));
        // A call that one window refuses is counted in none.
        for (seconds, most) in windows.clone() {
            let window = now.as_secs() / seconds;
            let count = counted.entry((operation, rate, seconds)).or_default();
            if count.window != window {
                *count = Counted { window, calls: 0 };
            }
            if count.calls >= most {
                return Err(until(now, seconds));
            }
        }
        let mut steady = 0;
        for (seconds, _) in windows {
            let count = counted.entry((operation, rate, seconds)).or_default();
            count.calls += 1;
            if seconds == 60 {
                steady = count.calls;
            }
        }
        Ok(Allowance {
            limit: rate.steady,
            remaining: rate.steady.saturating_sub(steady),
            reset: until(now, 60),
        })
    }
}

/// Whole seconds, at least one, until the window of `seconds` ends that `now` is in.
fn until(now: Duration, seconds: u64) -> u64 {
    seconds - now.as_secs() % seconds
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_fill_and_open_again() {
        let limits = Limits::new(1);
        let rate = Rate {
            daily: Some(5),
            ..Rate::of(2, 3)
        };
        let call = |seconds: f64| {
            let now = Duration::from_secs_f64(seconds);
            limits
                .count_at("a", rate, now)
                .map(|allowance| allowance.remaining)
        };
        assert_eq!([call(0.1), call(0.2), call(0.3)], [Ok(2), Ok(1), Err(1)]);
        assert_eq!([call(1.0), call(2.5)], [Ok(0), Err(58)]);
        assert_eq!(
            [call(60.0), call(61.0), call(62.0)],
            [Ok(2), Ok(1), Err(86_338)]
        );
        assert!(limits.count_at("b", rate, Duration::ZERO).is_ok());
        let allowance = limits.count_at("a", Rate::of(1, 15), Duration::from_secs(59));
        assert_eq!(
            allowance,
            Ok(Allowance {
                limit: 15,
                remaining: 14,
                reset: 1
            })
        );
    }
}
