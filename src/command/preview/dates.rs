//! Which texts are dates, and which of these Klaviyo reads.
//!
//! Klaviyo reads dates in known forms only (facts A4, "acceptable date and timestamp formats for profile and event
//! properties", read 2026-11): `YYYY-MM-DD HH:MM:SS`, the same with `+00:00`, `YYYY-MM-DDTHH:MM:SS`,
//! `MM/DD/YYYY HH:MM[:SS]`, `MM/DD/YY HH:MM[:SS]`, and Unix seconds. Missing parts of the time are taken as 0, so a date
//! alone is read too. `DD-MM-YYYY` is named as one that is not. What is not read stays a text.

/// Whether `text` is a date that a person would know as one, in none of Klaviyo's forms.
pub(super) fn is_unread_date(text: &str) -> bool {
    if text.len() > 40 || !text.is_ascii() {
        return false;
    }
    match Date::of(text) {
        Some(date) => !date.is_read(),
        None => is_written_out(text),
    }
}

/// A date of three numbers, and what stands behind it.
struct Date<'a> {
    numbers: [&'a str; 3],
    separator: char,
    rest: &'a str,
}

impl<'a> Date<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let (first, rest) = number(text);
        let separator = rest
            .chars()
            .next()
            .filter(|sign| matches!(sign, '-' | '/' | '.'))?;
        let (second, rest) = number(&rest[1..]);
        let (third, rest) = number(rest.strip_prefix(separator)?);
        let numbers = [first, second, third];
        let date = Self {
            numbers,
            separator,
            rest,
        };
        date.can_be_a_day().then_some(date)
    }

    /// Year, month and day in some order: `1.2.3` is a version, `10-20-30` may be anything.
    fn can_be_a_day(&self) -> bool {
        let [first, second, third] = self.numbers.map(value);
        let day_and_month = |a: u32, b: u32| {
            (1..=12).contains(&a) && (1..=31).contains(&b)
                || (1..=12).contains(&b) && (1..=31).contains(&a)
        };
        let parts = match self.numbers.map(str::len) {
            [4, 1..=2, 1..=2] => day_and_month(second, third),
            [1..=2, 1..=2, 4] => day_and_month(first, second),
            [2, 2, 2] => self.separator != '-' && day_and_month(first, second),
            _ => false,
        };
        parts && (self.rest.is_empty() || time(self.rest).is_some())
    }

    fn is_read(&self) -> bool {
        let [first, second, third] = self.numbers.map(value);
        let Some(time) = time_or_none(self.rest) else {
            return false;
        };
        match (self.separator, self.numbers.map(str::len)) {
            ('-', [4, 2, 2]) => {
                (1..=12).contains(&second)
                    && (1..=31).contains(&third)
                    && (time.is_plain || time.is_utc)
            }
            ('/', [2, 2, 2 | 4]) => {
                (1..=12).contains(&first)
                    && (1..=31).contains(&second)
                    && time.is_plain
                    && !time.follows_t
            }
            _ => false,
        }
    }
}

/// The form of a time behind a date.
struct Time {
    follows_t: bool,
    /// `HH:MM[:SS]` and no more.
    is_plain: bool,
    /// `HH:MM:SS+00:00` behind a blank.
    is_utc: bool,
}

fn time_or_none(rest: &str) -> Option<Time> {
    if rest.is_empty() {
        return Some(Time {
            follows_t: false,
            is_plain: true,
            is_utc: false,
        });
    }
    time(rest)
}

/// A blank or a `T`, hours and minutes, and perhaps seconds, fractions, AM or PM, and an offset.
fn time(rest: &str) -> Option<Time> {
    let follows_t = rest.starts_with(['T', 't']);
    let text = rest.strip_prefix(['T', 't', ' '])?;
    let (hours, after) = number(text);
    let (minutes, mut after) = number(after.strip_prefix(':')?);
    let mut is_plain =
        hours.len() == 2 && minutes.len() == 2 && value(hours) < 24 && value(minutes) < 60;
    if hours.is_empty() || hours.len() > 2 || minutes.len() != 2 {
        return None;
    }
    if let Some(seconds) = after.strip_prefix(':') {
        let (seconds, behind) = number(seconds);
        is_plain &= seconds.len() == 2;
        after = behind;
    }
    let is_utc = is_plain && after == "+00:00" && !follows_t;
    Some(Time {
        follows_t,
        is_plain: is_plain && after.is_empty(),
        is_utc,
    })
}

/// The digits that `text` begins with, and what is behind them.
fn number(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn value(digits: &str) -> u32 {
    digits.parse().unwrap_or(0)
}

/// `23 Nov 2026`, `Nov 23, 2026`, `23-Nov-26`.
fn is_written_out(text: &str) -> bool {
    const MONTHS: [&str; 12] = [
        "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
    ];
    let words: Vec<&str> = text
        .split([' ', '-', ',', '.', '/'])
        .filter(|word| !word.is_empty())
        .collect();
    let [first, second, third, ..] = words[..] else {
        return false;
    };
    let is_month = |word: &str| {
        let lower = word.to_ascii_lowercase();
        word.bytes().all(|byte| byte.is_ascii_alphabetic())
            && MONTHS.iter().any(|month| lower.starts_with(month))
            && word.len() <= 9
    };
    let is_day = |word: &str| word.len() <= 2 && (1..=31).contains(&value(word));
    let is_year =
        |word: &str| matches!(word.len(), 2 | 4) && word.bytes().all(|byte| byte.is_ascii_digit());
    is_year(third) && (is_month(first) && is_day(second) || is_day(first) && is_month(second))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn klaviyo_s_forms_are_read() {
        for text in [
            "2026-11-23 14:05:09",
            "2026-11-23 14:05:09+00:00",
            "2026-11-23T14:05:09",
            "2026-11-23 14:05",
            "2026-11-23",
            "11/23/2026",
            "11/23/2026 14:05",
            "11/23/2026 14:05:09",
            "11/23/26 14:05",
            "1795442709",
        ] {
            assert!(!is_unread_date(text), "{text}");
        }
    }

    #[test]
    fn other_dates_are_not() {
        for text in [
            "23-11-2026",
            "23.11.2026",
            "23.11.26",
            "23/11/2026",
            "2026/11/23",
            "1/5/2026",
            "2026-11-23T14:05:09Z",
            "2026-11-23T14:05:09.000Z",
            "2026-11-23T14:05:09+02:00",
            "2026-23-11",
            "11/23/2026 2:05 PM",
            "11/23/2026T14:05",
            "23 Nov 2026",
            "Nov 23, 2026",
            "23-Nov-26",
            "November 23, 2026 14:05",
        ] {
            assert!(is_unread_date(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_left_alone() {
        for text in [
            "",
            "1.2.3",
            "10.0.0.1",
            "10-20-30",
            "555-12-3456",
            "12/34",
            "2026",
            "1-2",
            "a/b/c",
            "99.99.9999",
            "May I help 23",
            "2026-11-23-7",
            "1/2/3",
            "12:30",
            "Marching 12 2026x",
            "0171-23-45",
        ] {
            assert!(!is_unread_date(text), "{text}");
        }
    }
}
