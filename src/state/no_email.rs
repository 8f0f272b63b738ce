//! How many people of an audience get no e-mail: counts alone, and how they were found.

use serde::{Deserialize, Serialize};

use crate::base::text::{grouped, rounded};

/// The people of an audience who are on the list and get no e-mail all the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoEmail {
    /// E-mail addresses of the audience.
    pub of: u64,
    /// Those that were looked up.
    pub looked_up: u64,
    /// How many of those that were looked up get no e-mail.
    pub found: u64,
    /// Addresses of the audience whose people unsubscribed.
    pub unsubscribed: u64,
    /// Addresses of the audience that are suppressed for another reason.
    pub suppressed: u64,
    /// Whether `unsubscribed` and `suppressed` are reckoned from those that were looked up.
    pub is_estimate: bool,
    /// Whether `of` has only the rows that were sent, because the others of the audience are not at hand.
    pub only_sent: bool,
}

impl NoEmail {
    /// The counts of `looked_up` addresses, reckoned for all `of` of them.
    pub fn reckoned(looked_up: u64, unsubscribed: u64, suppressed: u64, of: u64) -> Self {
        let for_all = |number: u64| {
            let all = u128::from(number) * u128::from(of);
            let half = u128::from(looked_up / 2);
            let scaled = all.saturating_add(half) / u128::from(looked_up.max(1));
            u64::try_from(scaled).unwrap_or(u64::MAX)
        };
        let is_estimate = looked_up < of;
        let [unsubscribed_of_all, suppressed_of_all] =
            [unsubscribed, suppressed].map(|it| if is_estimate { for_all(it) } else { it });
        Self {
            of,
            looked_up,
            found: unsubscribed + suppressed,
            unsubscribed: unsubscribed_of_all,
            suppressed: suppressed_of_all,
            is_estimate,
            only_sent: false,
        }
    }

    /// All of them.
    pub fn all(&self) -> u64 {
        self.unsubscribed + self.suppressed
    }

    /// As a person reads it, behind "no e-mail".
    pub fn to_text(&self) -> String {
        let plural = if self.of == 1 { "" } else { "es" };
        let sent = if self.only_sent {
            " in the rows that were sent"
        } else {
            ""
        };
        let of = format!("of {} e-mail address{plural}{sent}", grouped(self.of));
        if !self.is_estimate {
            if self.all() == 0 {
                return format!("none {of}");
            }
            return format!(
                "{} {of}: {} unsubscribed, {} suppressed",
                grouped(self.all()),
                grouped(self.unsubscribed),
                grouped(self.suppressed)
            );
        }
        let about = |number: u64| grouped(rounded(number));
        format!(
            "about {} {of}: {} unsubscribed, {} suppressed; {} were looked up, and {} of them get none",
            about(self.all()),
            about(self.unsubscribed),
            about(self.suppressed),
            grouped(self.looked_up),
            grouped(self.found)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_were_looked_up_are_exact_and_others_are_reckoned() {
        let exact = NoEmail::reckoned(10_000, 900, 304, 10_000);
        assert_eq!((exact.all(), exact.is_estimate), (1_204, false));
        assert_eq!(
            exact.to_text(),
            "1,204 of 10,000 e-mail addresses: 900 unsubscribed, 304 suppressed"
        );
        let reckoned = NoEmail::reckoned(8_000, 900, 100, 1_000_000);
        assert_eq!(
            (reckoned.unsubscribed, reckoned.suppressed),
            (112_500, 12_500)
        );
        assert_eq!((reckoned.found, reckoned.is_estimate), (1_000, true));
        assert_eq!(
            reckoned.to_text(),
            "about 125,000 of 1,000,000 e-mail addresses: 113,000 unsubscribed, 12,500 suppressed; 8,000 were looked up, and 1,000 of them get none"
        );
        let none = NoEmail {
            only_sent: true,
            ..NoEmail::reckoned(1, 0, 0, 1)
        };
        assert_eq!(
            none.to_text(),
            "none of 1 e-mail address in the rows that were sent"
        );
        assert_eq!(NoEmail::reckoned(0, 0, 0, 0).all(), 0);
    }
}
