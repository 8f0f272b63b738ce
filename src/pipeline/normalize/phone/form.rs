//! Forms of cells that are no phone number although every digit of one is there: numbers in scientific notation, numbers
//! with decimals, and dates.
//!
//! libphonenumber reads the digits of all of them, and in countries with numbers of any length the result is somebody's.

use super::PhoneFault;

/// The most digits of an exponent: a double has three.
const MAX_EXPONENT_DIGITS: usize = 3;

/// The fewest digits before a `.0` that may be a whole phone number.
const MIN_WHOLE_DIGITS: usize = 7;

/// The longest area code with its trunk prefix, as the part before the dot of `033201.12345`.
const MAX_AREA_DIGITS: usize = 6;

/// The fewest digits of a number without its area code.
const MIN_LOCAL_DIGITS: usize = 4;

/// The most decimals of a number that nevertheless has a `+`.
const MAX_CENTS_DIGITS: usize = 2;

/// The fewest digits on both sides of a comma that separates two phone numbers.
const MIN_LISTED_DIGITS: usize = 6;

/// Facts about the numbers of a row's country that decide whether a form is one of its own.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct HomeForms {
    /// Ten digits, of which the first three are an area code: `650.2530000` is no decimal number.
    pub(super) is_north_american: bool,
    /// Six digits in pairs: `20.12.34` is no date.
    pub(super) has_six_digits: bool,
}

/// The phone number that a cell holds, without a trailing `.0`; or its form, if that is none of a phone number.
pub(super) fn number_in(cell: &str, home: HomeForms) -> Result<&str, PhoneFault> {
    let text = cell.trim_matches(|c: char| !c.is_alphanumeric() && c != '+');
    if scientific(text.as_bytes()).is_some() {
        return Err(PhoneFault::ScientificNotation);
    }
    if is_date(text, home) {
        return Err(PhoneFault::Date);
    }
    match Decimal::of(text) {
        None => Ok(cell),
        Some(decimal) if decimal.is_whole() => Ok(decimal.whole),
        Some(decimal) if decimal.is_dotted_phone(home) => Ok(cell),
        Some(_) => Err(PhoneFault::Decimal),
    }
}

/// A number in scientific notation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pipeline::normalize) struct ScientificNumber {
    /// It is written as programs write one: with decimals, or with the sign of the exponent. `12E5` has neither.
    pub(in crate::pipeline::normalize) is_certain: bool,
}

/// Tells whether the whole text is a number in scientific notation.
pub(in crate::pipeline::normalize) fn scientific(text: &[u8]) -> Option<ScientificNumber> {
    let text = text
        .strip_prefix(b"+")
        .or(text.strip_prefix(b"-"))
        .unwrap_or(text);
    let (whole, rest) = digits(text);
    let (fraction, rest) = match rest {
        [b'.' | b',', rest @ ..] => digits(rest),
        _ => (&rest[..0], rest),
    };
    let [b'e' | b'E', rest @ ..] = rest.trim_ascii_start() else {
        return None;
    };
    let unsigned = rest.strip_prefix(b"+").or(rest.strip_prefix(b"-"));
    let (exponent, rest) = digits(unsigned.unwrap_or(rest));
    let is_number =
        !whole.is_empty() && (1..=MAX_EXPONENT_DIGITS).contains(&exponent.len()) && rest.is_empty();
    is_number.then_some(ScientificNumber {
        is_certain: unsigned.is_some() || !fraction.is_empty(),
    })
}

/// The digits that a text begins with, and what follows them.
fn digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    text.split_at(end)
}

/// Digits, one point or comma, and digits.
struct Decimal<'a> {
    /// With a `+` if there is one.
    whole: &'a str,
    separator: u8,
    fraction: &'a str,
}

impl<'a> Decimal<'a> {
    fn of(text: &'a str) -> Option<Self> {
        let at = text.find(['.', ','])?;
        let (whole, fraction) = (&text[..at], &text[at + 1..]);
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let is_decimal =
            are_digits(whole.strip_prefix('+').unwrap_or(whole)) && are_digits(fraction);
        is_decimal.then_some(Self {
            whole,
            separator: text.as_bytes()[at],
            fraction,
        })
    }

    /// `14155550143.0`: a spreadsheet or a data frame has made a decimal number of a whole one.
    fn is_whole(&self) -> bool {
        let digits = self.whole.strip_prefix('+').unwrap_or(self.whole).len();
        matches!(self.fraction, "0" | "00") && digits >= MIN_WHOLE_DIGITS
    }

    /// The point or comma separates parts of a phone number, or two numbers: no decimal number is written so.
    fn is_dotted_phone(&self, home: HomeForms) -> bool {
        let (whole, fraction) = (self.whole.len(), self.fraction.len());
        if self.separator == b',' {
            return whole >= MIN_LISTED_DIGITS && fraction >= MIN_LISTED_DIGITS;
        }
        let has_trunk_prefix =
            self.whole.starts_with('0') && (2..=MAX_AREA_DIGITS).contains(&whole);
        has_trunk_prefix && fraction >= MIN_LOCAL_DIGITS
            || self.whole.starts_with('+') && fraction > MAX_CENTS_DIGITS
            || home.is_north_american && (whole, fraction) == (3, 7)
    }
}

/// The years of dates that stand in files of today's people.
const YEARS: std::ops::RangeInclusive<u32> = 1900..=2099;

/// Tells whether a text is a day or a month, perhaps with a time behind it.
fn is_date(text: &str, home: HomeForms) -> bool {
    let Some((first, separator, rest)) = date_part(text) else {
        return false;
    };
    let Some((second, _, rest)) = date_part(rest).filter(|(_, found, _)| *found == separator)
    else {
        let (second, rest) = number(rest);
        return rest.is_empty() && (is_month(first, second) || is_month(second, first));
    };
    let (third, rest) = number(rest);
    is_day([first, second, third], home) && (rest.is_empty() || is_time(rest))
}

/// Digits and the sign behind them; a blank may follow a point.
fn date_part(text: &str) -> Option<(&str, u8, &str)> {
    let (part, rest) = number(text);
    let separator = *rest.as_bytes().first()?;
    let is_part = !part.is_empty() && matches!(separator, b'.' | b'/' | b'-');
    is_part.then(|| (part, separator, rest[1..].trim_start_matches(' ')))
}

fn number(text: &str) -> (&str, &str) {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn value(digits: &str) -> u32 {
    digits.parse().unwrap_or(u32::MAX)
}

fn is_month(month: &str, year: &str) -> bool {
    month.len() <= 2
        && (1..=12).contains(&value(month))
        && year.len() == 4
        && YEARS.contains(&value(year))
}

/// Tells whether three numbers are year, month and day in one of their orders.
fn is_day(parts: [&str; 3], home: HomeForms) -> bool {
    let [first, second, third] = parts;
    let is_pair = |a: &str, b: &str| {
        let (a, b) = (value(a), value(b));
        (1..=12).contains(&a) && (1..=31).contains(&b)
            || (1..=12).contains(&b) && (1..=31).contains(&a)
    };
    match parts.map(str::len) {
        [4, 1..=2, 1..=2] => YEARS.contains(&value(first)) && is_pair(second, third),
        [1..=2, 1..=2, 4] => YEARS.contains(&value(third)) && is_pair(first, second),
        [1..=2, 1..=2, 2] => !home.has_six_digits && is_pair(first, second),
        _ => false,
    }
}

/// ` 14:05`, `T14:05:09Z`, `, 2:05 PM`: what begins with hours and minutes.
fn is_time(rest: &str) -> bool {
    let text = rest.trim_start_matches(['T', 't', ' ', ',']);
    let (hours, after) = number(text);
    text.len() < rest.len()
        && (1..=2).contains(&hours.len())
        && after
            .strip_prefix(':')
            .is_some_and(|minutes| number(minutes).0.len() == 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANYWHERE: HomeForms = HomeForms {
        is_north_american: false,
        has_six_digits: false,
    };

    #[test]
    fn numbers_in_scientific_notation_are_seen() {
        for (text, is_certain) in [
            ("4.91512E+11", true),
            ("4.91512E11", true),
            ("4,91512E+11", true),
            ("+4.9e11", true),
            ("1E+12", true),
            ("1e-7", true),
            ("4.9 E+11", true),
            ("12E5", false),
            ("123e456", false),
        ] {
            let found = scientific(text.as_bytes());
            assert_eq!(found, Some(ScientificNumber { is_certain }), "{text}");
        }
        for text in [
            "", "E11", "4.9", "4.9E", "4.9E+", "1E1234", "4.9E11x", "a4E1", "1.2.3E4", ".E1",
        ] {
            assert_eq!(scientific(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn forms_that_no_phone_has_are_told_apart() {
        for (text, fault) in [
            ("4.91512E+11", PhoneFault::ScientificNotation),
            ("49E10", PhoneFault::ScientificNotation),
            ("03.02.1985", PhoneFault::Date),
            ("3. 2. 1985", PhoneFault::Date),
            ("2026-11-23", PhoneFault::Date),
            ("2026/11/23", PhoneFault::Date),
            ("11/23/2026", PhoneFault::Date),
            ("(23-11-2026)", PhoneFault::Date),
            ("03.02.85", PhoneFault::Date),
            ("30-12-85", PhoneFault::Date),
            ("2026-11-23 00:00:00", PhoneFault::Date),
            ("2026-11-23T14:05:09Z", PhoneFault::Date),
            ("11/23/2026, 2:05 PM", PhoneFault::Date),
            ("02/1985", PhoneFault::Date),
            ("1985-02", PhoneFault::Date),
            ("52.5200066", PhoneFault::Decimal),
            ("-73.985428", PhoneFault::Decimal),
            ("1234567.89", PhoneFault::Decimal),
            ("1234567,89", PhoneFault::Decimal),
            ("€ 1234567.89", PhoneFault::Decimal),
            ("030123456.5", PhoneFault::Decimal),
            ("0.30123456", PhoneFault::Decimal),
            ("+4930123456.5", PhoneFault::Decimal),
            ("123.0", PhoneFault::Decimal),
        ] {
            assert_eq!(number_in(text, ANYWHERE), Err(fault), "{text}");
        }
    }

    #[test]
    fn phones_with_dots_and_dashes_are_left_alone() {
        for text in [
            "",
            "030 123456",
            "030.123456",
            "06.12345678",
            "06.12.34.56.78",
            "+49.30123456",
            "+1.6502530000",
            "+50370123.456",
            "650.253.0000",
            "650-253-0000",
            "4.915.123.456.789",
            "10.20.3040",
            "99.99.2026",
            "2026-11-23-7",
            "20-26-1123",
            "030/123456",
            "0301234567,01711234567",
            "30 12 1985",
        ] {
            assert_eq!(number_in(text, ANYWHERE), Ok(text), "{text}");
        }
    }

    #[test]
    fn a_whole_number_loses_its_decimals() {
        for (text, number) in [
            ("14155550143.0", "14155550143"),
            ("14155550143,0", "14155550143"),
            ("14155550143.00", "14155550143"),
            ("+14155550143.0", "+14155550143"),
            ("030123456.0", "030123456"),
        ] {
            assert_eq!(number_in(text, ANYWHERE), Ok(number), "{text}");
        }
    }

    #[test]
    fn a_country_s_own_forms_are_no_dates_and_no_decimals() {
        let caledonian = HomeForms {
            has_six_digits: true,
            ..ANYWHERE
        };
        assert_eq!(number_in("20.12.34", caledonian), Ok("20.12.34"));
        assert_eq!(number_in("20.12.34", ANYWHERE), Err(PhoneFault::Date));
        let american = HomeForms {
            is_north_american: true,
            ..ANYWHERE
        };
        assert_eq!(number_in("650.2530000", american), Ok("650.2530000"));
        assert_eq!(number_in("650.2530000", ANYWHERE), Err(PhoneFault::Decimal));
    }
}
