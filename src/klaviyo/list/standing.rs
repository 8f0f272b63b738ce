//! How many of an audience get no e-mail, looked up for all of a small audience and for an even part of a large one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use xxhash_rust::xxh3::xxh3_64;

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

/// Addresses of an audience: all of ten thousand, of more than these about one in two, in four, in eight …
///
/// The fingerprint of an address decides, and not its place: what comes back with each second row would be counted twice or
/// not at all, and on another night the same addresses are looked up.
#[derive(Default)]
pub struct EmailSample {
    held: Vec<String>,
    /// How often the addresses were halved.
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
        self.seen += 1;
        if is_kept(email, self.halvings) {
            self.held.push(email.to_owned());
        }
        while self.held.len() > MAX_LOOKED_UP {
            self.halve();
        }
    }

    /// How many addresses there were.
    pub fn seen(&self) -> u64 {
        self.seen
    }

    fn halve(&mut self) {
        self.halvings += 1;
        self.held.retain(|email| is_kept(email, self.halvings));
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

/// Whether an address is still among them after so many halvings.
fn is_kept(email: &str, halvings: u32) -> bool {
    xxh3_64(email.as_bytes()).trailing_zeros() >= halvings
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

    /// Of the addresses that are held, the share of each tenth of the audience, and of the even numbers.
    fn shares(sample: &EmailSample, emails: u64) -> Vec<f64> {
        let number =
            |email: &String| -> u64 { email[1..email.find('@').unwrap()].parse().unwrap() };
        let numbers: Vec<u64> = sample.held.iter().map(number).collect();
        let share = |is_in: &dyn Fn(u64) -> bool| {
            let found = numbers.iter().filter(|number| is_in(**number)).count();
            found as f64 / numbers.len() as f64
        };
        let tenths = (0..10).map(|tenth| share(&|number| number * 10 / emails == tenth) * 10.0);
        let even = share(&|number| number % 2 == 0) * 2.0;
        tenths.chain([even]).collect()
    }

    #[test]
    fn a_small_audience_is_held_whole_and_a_large_one_evenly() {
        for emails in [0, 1, 9_999, 10_000] {
            assert_eq!(sample(emails).held.len() as u64, emails);
        }
        for emails in [10_001, 20_000, 40_500, 1_000_003] {
            let sample = sample(emails);
            let held = sample.held.len();
            assert!(
                (4_500..=MAX_LOOKED_UP).contains(&held),
                "{held} of {emails}"
            );
            let shares = shares(&sample, emails);
            assert!(
                shares.iter().all(|share| (share - 1.0).abs() < 0.2),
                "{shares:?}"
            );
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
        let held = sample.held.len();
        assert!((1_000..6_000).contains(&held), "{held}");
        let text = format!("{sample:?}");
        assert_eq!(
            text,
            format!("{held} of 10000 addresses"),
            "nobody is named"
        );
    }
}
