//! How many of an audience get no e-mail, looked up for all of a small audience and for an even part of a large one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::rows::each_person;
use crate::klaviyo::{EmailStanding, Klaviyo, KlaviyoError, in_calls};
use crate::state::manifest::StateError;
use crate::state::no_email::NoEmail;

/// The most addresses that are looked up. Of more than these an even part is, at least half as many.
const MAX_LOOKED_UP: usize = 10_000;
/// The most calls that look them up.
const MAX_CALLS: usize = 100;
/// All calls together take no longer.
const LONGEST: Duration = Duration::from_mins(2);

/// Addresses of an audience: all of the first ten thousand, then each second, fourth, eighth … one of all.
#[derive(Default)]
pub struct EmailSample {
    held: Vec<String>,
    /// One in so many is held, as a power of two.
    halvings: u32,
    seen: u64,
}

impl std::fmt::Debug for EmailSample {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Addresses stand in no log.
        let held = self.held.len();
        write!(out, "{held} of {} addresses", self.seen)
    }
}

impl EmailSample {
    /// The addresses in files of identifiers.
    pub fn of_files(paths: &[PathBuf]) -> Result<Self, StateError> {
        let mut sample = Self::default();
        each_person(paths, |_, person| {
            sample.push(&person.email);
            Ok(true)
        })?;
        Ok(sample)
    }

    /// One more address; a blank one is none.
    pub fn push(&mut self, email: &str) {
        if email.is_empty() {
            return;
        }
        if self.held.len() == MAX_LOOKED_UP && self.is_wanted() {
            self.halve();
        }
        if self.is_wanted() {
            self.held.push(email.to_owned());
        }
        self.seen += 1;
    }

    /// How many addresses there were.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    fn is_wanted(&self) -> bool {
        self.seen.trailing_zeros() >= self.halvings
    }

    fn halve(&mut self) {
        self.halvings += 1;
        let mut is_kept = false;
        self.held.retain(|_| {
            is_kept = !is_kept;
            is_kept
        });
    }

    /// Asks Klaviyo about them, and reckons for `of` addresses.
    pub fn look_up(mut self, klaviyo: &Klaviyo, of: u64) -> Result<NoEmail, KlaviyoError> {
        let begun = Instant::now();
        // Long addresses fill a call before there are a hundred.
        while calls_of(&self.held) > MAX_CALLS {
            self.halve();
        }
        let values: Vec<&str> = self.held.iter().map(String::as_str).collect();
        let mut sum = EmailStanding::default();
        for call in in_calls(&values) {
            let found = klaviyo.email_standing(call)?;
            sum.unsubscribed += found.unsubscribed;
            sum.suppressed += found.suppressed;
            if begun.elapsed() > LONGEST {
                return Err(KlaviyoError::Slow { after: LONGEST });
            }
        }
        let looked_up = values.len() as u64;
        Ok(NoEmail::reckoned(
            looked_up,
            sum.unsubscribed,
            sum.suppressed,
            of.max(looked_up),
        ))
    }
}

fn calls_of(emails: &[String]) -> usize {
    let values: Vec<&str> = emails.iter().map(String::as_str).collect();
    in_calls(&values).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(emails: u64) -> EmailSample {
        let mut sample = EmailSample::default();
        for number in 0..emails {
            sample.push(&format!("n{number}@x.example"));
            sample.push("");
        }
        assert_eq!(sample.seen(), emails);
        sample
    }

    fn numbers(sample: &EmailSample) -> Vec<u64> {
        let number = |email: &String| email[1..email.find('@').unwrap()].parse().unwrap();
        sample.held.iter().map(number).collect()
    }

    #[test]
    fn a_small_audience_is_held_whole_and_a_large_one_evenly() {
        for emails in [0, 1, 9_999, 10_000] {
            let all: Vec<u64> = (0..emails).collect();
            assert_eq!(numbers(&sample(emails)), all, "{emails}");
        }
        for (emails, step) in [(10_001, 2), (20_000, 2), (20_001, 4), (1_000_003, 128)] {
            let expected: Vec<u64> = (0..emails).step_by(step).collect();
            assert!((MAX_LOOKED_UP / 2..=MAX_LOOKED_UP).contains(&expected.len()));
            assert_eq!(numbers(&sample(emails)), expected, "{emails}");
        }
    }

    #[test]
    fn long_addresses_take_no_more_calls() {
        let mut sample = EmailSample::default();
        let long = "+".repeat(60);
        for number in 0..10_000 {
            sample.push(&format!("{long}{number}@x.example"));
        }
        assert!(calls_of(&sample.held) > MAX_CALLS);
        while calls_of(&sample.held) > MAX_CALLS {
            sample.halve();
        }
        assert_eq!(sample.held.len(), 2_500);
        let text = format!("{sample:?}");
        assert_eq!(text, "2500 of 10000 addresses", "nobody is named");
    }
}
