//! The time of day that goes with a date of a typed column.
//!
//! Klaviyo takes a date without a time for midnight in UTC, warns that flows may then start a day early or late, and recommends
//! noon. So every typed source adds one time to its dates, noon if the job names no other; timestamps have their own.

use std::str::FromStr;

/// A time of day, in whole seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DayTime {
    seconds: u32,
}

/// A text that is no time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a time of day, such as \"12:00:00\"")]
pub struct NoDayTime;

impl DayTime {
    /// The time that Klaviyo recommends.
    pub const NOON: Self = Self {
        seconds: 12 * 3_600,
    };

    /// Seconds after midnight.
    pub const fn seconds(self) -> i64 {
        self.seconds as i64
    }
}

impl Default for DayTime {
    fn default() -> Self {
        Self::NOON
    }
}

impl FromStr for DayTime {
    type Err = NoDayTime;

    /// Reads `HH:MM:SS`.
    fn from_str(text: &str) -> Result<Self, NoDayTime> {
        let [h1, h2, b':', m1, m2, b':', s1, s2] = *text.as_bytes() else {
            return Err(NoDayTime);
        };
        let number = |tens: u8, ones: u8, below: u32| {
            if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
                return Err(NoDayTime);
            }
            let number = u32::from(tens - b'0') * 10 + u32::from(ones - b'0');
            (number < below).then_some(number).ok_or(NoDayTime)
        };
        let (hours, minutes) = (number(h1, h2, 24)?, number(m1, m2, 60)?);
        let seconds = hours * 3_600 + minutes * 60 + number(s1, s2, 60)?;
        Ok(Self { seconds })
    }
}

impl std::fmt::Display for DayTime {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (hour, minute) = (self.seconds / 3_600, self.seconds / 60 % 60);
        write!(out, "{hour:02}:{minute:02}:{:02}", self.seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_day_is_read_and_written_alike() {
        for text in ["00:00:00", "12:00:00", "23:59:59"] {
            assert_eq!(text.parse::<DayTime>().unwrap().to_string(), text);
        }
        assert_eq!(DayTime::default().to_string(), "12:00:00");
        for text in [
            "",
            "12",
            "12:00",
            "24:00:00",
            "12:60:00",
            "12:00:60",
            "1:00:00",
            "12:00:00Z",
            "+2:00:00",
        ] {
            assert_eq!(text.parse::<DayTime>(), Err(NoDayTime), "{text}");
        }
    }
}
