//! The reason for which a stage stands still, and until when.

use std::time::Duration;

use jiff::Timestamp;

use super::bar::clock;
use crate::base::meter::{ApiWaits, Meter};
use crate::base::retry::NextTry;

/// A server that has confirmed nothing for so long is told of.
const SILENT: Duration = Duration::from_secs(10);

/// The wait of a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// A guard counts all rows before anything is sent.
    Guard,
    /// The delivery has failed, and is tried again.
    LinkDown {
        /// How long nothing got through.
        lasted: Duration,
        /// The next try.
        next: NextTry,
    },
    /// The SFTP server has confirmed no byte for so long.
    NoAnswer {
        /// How long.
        lasted: Duration,
    },
    /// Calls of the API fail, and are made again.
    ApiDown {
        /// How long.
        lasted: Duration,
        /// The next try.
        next: NextTry,
    },
    /// A rate limit of the API holds calls back.
    RateLimit {
        /// When the next call may be made.
        until: Timestamp,
    },
}

/// The bytes that the server had confirmed when they were last looked at, and since when.
#[derive(Debug, Default)]
pub(super) struct ServerSilence {
    bytes: u64,
    since: Duration,
}

impl ServerSilence {
    /// How long no byte was confirmed while there were some to send.
    pub(super) fn look(&mut self, meter: &Meter, elapsed: Duration) -> Duration {
        let bytes = meter.bytes_acknowledged.now();
        if bytes != self.bytes || meter.bytes_spooled.now() <= bytes {
            *self = Self {
                bytes,
                since: elapsed,
            };
        }
        elapsed.saturating_sub(self.since)
    }
}

impl Wait {
    /// The wait of the delivery, which was silent for so long.
    pub(super) fn of_sending(meter: &Meter, silent: Duration) -> Option<Self> {
        if meter.is_held() {
            return (meter.parts_closed.now() > 0).then_some(Self::Guard);
        }
        let trouble = meter.trouble.now();
        match trouble.and_then(|trouble| Some((trouble.since, trouble.next_try?))) {
            Some((since, next)) => Some(Self::LinkDown {
                lasted: since.elapsed(),
                next,
            }),
            None if silent >= SILENT => Some(Self::NoAnswer { lasted: silent }),
            None => None,
        }
    }

    /// The wait of the list stage.
    pub(super) fn of_list(meter: &Meter) -> Option<Self> {
        let waits: &ApiWaits = meter.list.api.get()?;
        let trouble = waits.trouble.now();
        let limit = || {
            let until = waits.limited_until()?;
            Some(Self::RateLimit { until })
        };
        trouble
            .and_then(|trouble| {
                Some(Self::ApiDown {
                    lasted: trouble.since.elapsed(),
                    next: trouble.next_try?,
                })
            })
            .or_else(limit)
    }

    /// The wait of the stage that is under way.
    pub(super) fn now(meter: &Meter, sends: bool, silent: Duration) -> Option<Self> {
        let is_sending = sends && meter.list.step().is_none();
        let sending = is_sending.then(|| Self::of_sending(meter, silent));
        sending.flatten().or_else(|| Self::of_list(meter))
    }

    /// The wait for a person; on a narrow terminal in few words.
    pub(super) fn words(self, is_narrow: bool) -> String {
        match self {
            Self::Guard if is_narrow => "waiting for the guard".to_owned(),
            Self::Guard => "waiting: a guard counts all rows first".to_owned(),
            Self::LinkDown { lasted, next } => {
                let what = if is_narrow { "down" } else { "link down for" };
                format!("{what} {}, {}", clock(lasted), try_words(next, is_narrow))
            }
            Self::NoAnswer { lasted } => format!("no answer for {}", clock(lasted)),
            Self::ApiDown { lasted, next } => {
                let what = if is_narrow {
                    "API down"
                } else {
                    "API down for"
                };
                format!("{what} {}, {}", clock(lasted), try_words(next, is_narrow))
            }
            Self::RateLimit { until } if is_narrow => {
                format!("rate limit until {}", until.strftime("%H:%M:%SZ"))
            }
            Self::RateLimit { until } => {
                format!(
                    "rate limit of the API until {}",
                    until.strftime("%H:%M:%S UTC")
                )
            }
        }
    }

    /// For programs.
    pub(super) const fn reason(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::LinkDown { .. } => "link-down",
            Self::NoAnswer { .. } => "no-answer",
            Self::ApiDown { .. } => "api-down",
            Self::RateLimit { .. } => "rate-limit",
        }
    }

    /// How long it has lasted, where that is known.
    pub(super) const fn lasted(self) -> Option<Duration> {
        match self {
            Self::LinkDown { lasted, .. }
            | Self::NoAnswer { lasted }
            | Self::ApiDown { lasted, .. } => Some(lasted),
            Self::Guard | Self::RateLimit { .. } => None,
        }
    }

    /// The number of the next try.
    pub(super) const fn next_try(self) -> Option<u32> {
        match self {
            Self::LinkDown { next, .. } | Self::ApiDown { next, .. } => Some(next.number),
            Self::Guard | Self::NoAnswer { .. } | Self::RateLimit { .. } => None,
        }
    }

    /// When it goes on.
    pub(super) const fn until(self) -> Option<Timestamp> {
        match self {
            Self::LinkDown { next, .. } | Self::ApiDown { next, .. } => Some(next.at),
            Self::RateLimit { until } => Some(until),
            Self::Guard | Self::NoAnswer { .. } => None,
        }
    }
}

/// `try 4 at 02:14:05 UTC`, or `try 4 now` where that has begun.
fn try_words(next: NextTry, is_narrow: bool) -> String {
    let number = next.number;
    if next.at <= Timestamp::now() {
        format!("try {number} now")
    } else if is_narrow {
        format!("try {number} at {}", next.at.strftime("%H:%M:%SZ"))
    } else {
        format!("try {number} at {}", next.at.strftime("%H:%M:%S UTC"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::meter::ListStep;
    use std::sync::Arc;

    const MINUTE: Duration = Duration::from_mins(1);

    fn told(meter: &Meter, silent: Duration) -> Option<(String, String)> {
        let wait = Wait::now(meter, true, silent)?;
        Some((wait.words(false), wait.words(true)))
    }

    /// The words without the time of day.
    fn timeless(words: &str) -> String {
        let is_digit = |c: char| c.is_ascii_digit();
        words
            .split(' ')
            .map(|word| {
                let is_time = word.matches(':').count() == 2;
                if is_time {
                    word.replace(is_digit, "0")
                } else {
                    word.to_owned()
                }
            })
            .collect::<Vec<_>>()
            .join(" ")
    }

    #[test]
    fn a_delivery_that_stands_still_says_why() {
        let meter = Meter::default();
        assert_eq!(told(&meter, Duration::ZERO), None);
        meter.set_held(true);
        assert_eq!(told(&meter, MINUTE), None, "there is nothing to send yet");
        meter.parts_closed.add(1);
        assert_eq!(Wait::now(&meter, true, MINUTE), Some(Wait::Guard));
        meter.set_held(false);
        let silent = told(&meter, MINUTE).unwrap();
        assert_eq!(silent.0, "no answer for 1:00");
        meter.trouble.note();
        meter.trouble.will_try(4, MINUTE);
        let (words, narrow) = told(&meter, MINUTE).unwrap();
        assert_eq!(
            timeless(&words),
            "link down for 0:00, try 4 at 00:00:00 UTC"
        );
        assert_eq!(timeless(&narrow), "down 0:00, try 4 at 00:00:00Z");
        assert!("  send ".len() + narrow.len() <= 40);
        meter.trouble.will_try(5, Duration::ZERO);
        assert_eq!(
            told(&meter, MINUTE).unwrap().0,
            "link down for 0:00, try 5 now"
        );
        meter.trouble.end();
        assert_eq!(told(&meter, Duration::ZERO), None);
        assert_eq!(
            Wait::now(&meter, false, MINUTE),
            None,
            "a dry run sends nothing"
        );
    }

    #[test]
    fn a_list_stage_that_stands_still_says_why() {
        let meter = Meter::default();
        let api = Arc::new(ApiWaits::default());
        meter.list.api.set(Arc::clone(&api)).unwrap();
        meter.list.begin(ListStep::Adding, 10);
        assert_eq!(told(&meter, MINUTE), None, "the delivery is over");
        api.note_limit(Duration::from_millis(300));
        assert_eq!(told(&meter, MINUTE), None, "a moment is nothing to tell");
        api.note_limit(MINUTE);
        let (words, narrow) = told(&meter, MINUTE).unwrap();
        assert_eq!(timeless(&words), "rate limit of the API until 00:00:00 UTC");
        assert_eq!(timeless(&narrow), "rate limit until 00:00:00Z");
        api.trouble.note();
        api.trouble.will_try(2, MINUTE);
        let (words, _) = told(&meter, MINUTE).unwrap();
        assert_eq!(timeless(&words), "API down for 0:00, try 2 at 00:00:00 UTC");
    }

    #[test]
    fn a_server_is_silent_as_long_as_there_is_something_to_send() {
        let meter = Meter::default();
        let mut silence = ServerSilence::default();
        assert_eq!(silence.look(&meter, MINUTE), Duration::ZERO);
        meter.bytes_spooled.add(10);
        assert_eq!(silence.look(&meter, MINUTE * 2), MINUTE);
        meter.bytes_acknowledged.add(1);
        assert_eq!(silence.look(&meter, MINUTE * 3), Duration::ZERO);
        assert_eq!(silence.look(&meter, MINUTE * 4), MINUTE);
    }
}
