//! Types that a job gives to the cells of a column: a text in a form that Klaviyo would misread is sent in one that it knows.
//!
//! A date in the job's form becomes `YYYY-MM-DD`, with a time `YYYY-MM-DD HH:MM:SS`; a number with a decimal comma becomes one
//! with a point. A cell in another form has no value of the type, and the caller says so.

use std::io::Write as _;

use jiff::civil::{Date, DateTime};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::Offset;
use strsim::osa_distance;

/// The word before the form of a date.
const DATE: &str = "date:";

/// The word for numbers with a decimal comma.
const DECIMAL_COMMA: &str = "decimal-comma";

/// A beginning of [`DECIMAL_COMMA`] that is no shorter is meant for it: `Dec` may be a month.
const LEAST_BEGINNING: usize = 5;

/// The most letters that a word differs in from the type that it is meant for.
const NEAR: usize = 2;

/// Characters that stand between thousands, where a comma is before the decimals.
const BETWEEN_THOUSANDS: [char; 5] = ['.', ' ', '\'', '\u{a0}', '\u{202f}'];

/// A moment whose day, month, year, hour, minute and second all differ.
const EXAMPLE: DateTime = DateTime::constant(2011, 12, 25, 13, 45, 56, 0);

/// The type of a column's cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnType {
    /// A date in a form such as `%d.%m.%Y`.
    Date {
        /// The form, in the notation of `strftime`.
        form: String,
        /// Whether it has a time of day.
        has_time: bool,
    },
    /// A number such as `1.234,56`.
    DecimalComma,
}

impl ColumnType {
    /// Reads `date:FORM` or `decimal-comma`. The error is the end of a sentence whose subject is the type.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text == DECIMAL_COMMA {
            return Ok(Self::DecimalComma);
        }
        let Some(form) = text.strip_prefix(DATE) else {
            return Err(format!(
                "must be \"{DATE}\" and a form, such as \"{DATE}%d.%m.%Y\", or \"{DECIMAL_COMMA}\""
            ));
        };
        // A form that cannot give the date back is none.
        let mut example = BrokenDownTime::from(EXAMPLE);
        example.set_offset(Some(Offset::UTC));
        let written = example.to_string(form).map_err(no_form)?;
        match read(form, &written) {
            Some((date, time)) if date == EXAMPLE.date() => Ok(Self::Date {
                form: form.to_owned(),
                has_time: time.is_some(),
            }),
            _ => Err(
                "must have a day, a month and a year, such as \"date:%d.%m.%Y\" or \"date:%m/%d/%y %H:%M\""
                    .to_owned(),
            ),
        }
    }

    /// Splits `HEADER:TYPE`, as a flag writes it, where it ends with a type.
    pub fn split(target: &str) -> (&str, Option<&str>) {
        if let Some(header) = target
            .strip_suffix(DECIMAL_COMMA)
            .and_then(|rest| rest.strip_suffix(':'))
        {
            return (header, Some(DECIMAL_COMMA));
        }
        let dates = target.match_indices(DATE).map(|(at, _)| at);
        let place = dates.filter(|at| target[..*at].ends_with(':')).last();
        match place {
            Some(at) => (&target[..at - 1], Some(&target[at..])),
            None => (target, None),
        }
    }

    /// The end of a target without a type that looks like a mistyped one, and the type that may be meant.
    pub fn mistyped(target: &str) -> Option<(&str, String)> {
        if let Some(colon) = target.find(":%") {
            let form = &target[colon + 1..];
            return Some((form, format!("{DATE}{form}")));
        }
        let (_, end) = target.rsplit_once(':')?;
        let word = end.trim().to_ascii_lowercase().replace(['_', ' '], "-");
        let is_beginning = word.len() >= LEAST_BEGINNING && DECIMAL_COMMA.starts_with(&word);
        if is_beginning || osa_distance(&word, DECIMAL_COMMA) <= NEAR {
            return Some((end, DECIMAL_COMMA.to_owned()));
        }
        let is_date = end.eq_ignore_ascii_case(DATE.trim_end_matches(':'));
        is_date.then(|| (end, format!("{DATE}%d.%m.%Y")))
    }

    /// Appends the value of a trimmed cell; false where it has none of this type.
    pub fn write(&self, cell: &[u8], out: &mut Vec<u8>) -> bool {
        let Ok(text) = std::str::from_utf8(cell) else {
            return false;
        };
        match self {
            Self::Date { form, .. } => match read(form, text) {
                Some((date, time)) => {
                    // Writing into a vector cannot fail.
                    let _ = write!(out, "{date}");
                    if let Some(time) = time {
                        let (hour, minute) = (time.hour(), time.minute());
                        let _ = write!(out, " {hour:02}:{minute:02}:{:02}", time.second());
                    }
                    true
                }
                None => false,
            },
            Self::DecimalComma => write_number(text, out),
        }
    }

    /// The detail of a cell that has no value of this type.
    pub const fn detail(&self) -> &'static str {
        match self {
            Self::Date { .. } => "not-a-date-in-this-form",
            Self::DecimalComma => "not-a-number-with-decimal-comma",
        }
    }
}

/// As a job file writes it.
impl std::fmt::Display for ColumnType {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Date { form, .. } => write!(out, "{DATE}{form}"),
            Self::DecimalComma => out.write_str(DECIMAL_COMMA),
        }
    }
}

fn no_form(_: jiff::Error) -> String {
    "has a form that is not known; %d, %m, %Y, %y, %b, %H, %M and %S are some that are".to_owned()
}

/// The date of a text, and its time where the form has one. A time with an offset is given in UTC.
fn read(form: &str, text: &str) -> Option<(Date, Option<jiff::civil::Time>)> {
    let parts = strtime::parse(form, text).ok()?;
    if parts.offset().is_some() {
        let time = Offset::UTC.to_datetime(parts.to_timestamp().ok()?);
        return Some((time.date(), Some(time.time())));
    }
    let date = parts.to_date().ok()?;
    let time = match parts.hour() {
        Some(_) => Some(parts.to_time().ok()?),
        None => None,
    };
    Some((date, time))
}

/// Appends `-1.234,56` as `-1234.56`.
fn write_number(text: &str, out: &mut Vec<u8>) -> bool {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, decimals) = match digits.split_once(',') {
        Some((whole, decimals)) if is_number(decimals) => (whole, Some(decimals)),
        Some(_) => return false,
        None => (digits, None),
    };
    let separator = whole.chars().find(|c| !c.is_ascii_digit());
    let groups: Vec<&str> = match separator {
        Some(separator) if BETWEEN_THOUSANDS.contains(&separator) => {
            whole.split(separator).collect()
        }
        Some(_) => return false,
        None => vec![whole],
    };
    let is_group = |(index, group): (usize, &&str)| {
        let is_first = index == 0;
        is_number(group)
            && (is_first && (groups.len() == 1 || group.len() <= 3) || group.len() == 3)
    };
    if !groups.iter().enumerate().all(is_group) {
        return false;
    }
    out.extend_from_slice(sign.as_bytes());
    for group in &groups {
        out.extend_from_slice(group.as_bytes());
    }
    if let Some(decimals) = decimals {
        out.push(b'.');
        out.extend_from_slice(decimals.as_bytes());
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn written(kind: &str, cell: &str) -> Option<String> {
        let mut out = Vec::new();
        let kind = ColumnType::parse(kind).unwrap();
        kind.write(cell.as_bytes(), &mut out)
            .then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn dates_are_written_as_klaviyo_reads_them() {
        for (form, cell, value) in [
            ("%d.%m.%Y", "24.12.1985", Some("1985-12-24")),
            ("%d.%m.%Y", "4.2.1985", Some("1985-02-04")),
            ("%d.%m.%Y", "29.02.2024", Some("2024-02-29")),
            ("%d.%m.%Y", "29.02.2023", None),
            ("%d.%m.%Y", "24.12.1985 10:00", None),
            ("%d.%m.%Y", "1985-12-24", None),
            ("%d.%m.%Y", "12/24/1985", None),
            ("%m/%d/%y", "12/24/85", Some("1985-12-24")),
            ("%d.%m.%y", "01.01.69", Some("1969-01-01")),
            ("%d.%m.%y", "01.01.68", Some("2068-01-01")),
            ("%d-%b-%Y", "24-Dec-1985", Some("1985-12-24")),
            ("%Y%m%d", "19851224", Some("1985-12-24")),
            (
                "%d.%m.%Y %H:%M",
                "24.12.1985 9:05",
                Some("1985-12-24 09:05:00"),
            ),
            (
                "%Y-%m-%dT%H:%M:%S%z",
                "2026-11-23T01:00:00+0200",
                Some("2026-11-22 23:00:00"),
            ),
        ] {
            let kind = format!("date:{form}");
            assert_eq!(written(&kind, cell).as_deref(), value, "{form} {cell}");
        }
    }

    #[test]
    fn numbers_with_a_comma_get_a_point() {
        for (cell, value) in [
            ("1.234,56", Some("1234.56")),
            ("1234,5", Some("1234.5")),
            ("-0,5", Some("-0.5")),
            ("+12", Some("12")),
            ("1.234", Some("1234")),
            ("1 234 567,8", Some("1234567.8")),
            ("1'234,8", Some("1234.8")),
            ("1\u{a0}234,8", Some("1234.8")),
            ("1234.56", None),
            ("1,234.56", None),
            ("1.23,4", None),
            ("1.234 567", None),
            ("12,", None),
            (",5", None),
            ("12 €", None),
            ("", None),
            ("-", None),
            ("1.2345", None),
        ] {
            assert_eq!(written("decimal-comma", cell).as_deref(), value, "{cell}");
        }
    }

    #[test]
    fn a_type_that_is_none_is_refused() {
        for (kind, words) in [
            ("date", "must be \"date:\" and a form"),
            ("number", "must be \"date:\" and a form"),
            ("date:", "must have a day, a month and a year"),
            ("date:%d.%m", "must have a day, a month and a year"),
            ("date:%H:%M", "must have a day, a month and a year"),
            ("date:%!", "has a form that is not known"),
        ] {
            let error = ColumnType::parse(kind).unwrap_err();
            assert!(error.starts_with(words), "{kind}: {error}");
        }
    }

    #[test]
    fn a_flag_ends_with_a_type_or_is_a_header() {
        for (target, parts) in [
            ("Birthday", ("Birthday", None)),
            (
                "Birthday:date:%d.%m.%Y",
                ("Birthday", Some("date:%d.%m.%Y")),
            ),
            ("Spent:decimal-comma", ("Spent", Some("decimal-comma"))),
            ("a: b", ("a: b", None)),
            ("date: of birth", ("date: of birth", None)),
        ] {
            assert_eq!(ColumnType::split(target), parts);
        }
    }

    #[test]
    fn a_mistyped_type_is_told_from_a_name_with_a_colon() {
        for (target, meant) in [
            ("Spent:decimal", Some(("decimal", "decimal-comma"))),
            (
                "Spent:decimal_comma",
                Some(("decimal_comma", "decimal-comma")),
            ),
            (
                "Spent:Decimal-Comma",
                Some(("Decimal-Comma", "decimal-comma")),
            ),
            (
                "Spent:decimal-coma",
                Some(("decimal-coma", "decimal-comma")),
            ),
            (
                "Spent:decimalcomma",
                Some(("decimalcomma", "decimal-comma")),
            ),
            ("Spent: decimal", Some((" decimal", "decimal-comma"))),
            ("Birthday:date", Some(("date", "date:%d.%m.%Y"))),
            ("Birthday:DATE", Some(("DATE", "date:%d.%m.%Y"))),
            ("Birthday:%d.%m.%Y", Some(("%d.%m.%Y", "date:%d.%m.%Y"))),
            (
                "Seen:%d.%m.%Y %H:%M",
                Some(("%d.%m.%Y %H:%M", "date:%d.%m.%Y %H:%M")),
            ),
            (
                "Birthday:Date:%d.%m.%Y",
                Some(("%d.%m.%Y", "date:%d.%m.%Y")),
            ),
            ("UTM:source", None),
            ("Month:Dec", None),
            ("Last:data", None),
            ("date: of birth", None),
            ("a:", None),
            ("decimal", None),
            ("date", None),
            ("%", None),
        ] {
            let found = ColumnType::mistyped(target);
            let found = found.as_ref().map(|(end, meant)| (*end, meant.as_str()));
            assert_eq!(found, meant, "{target}");
        }
    }

    proptest! {
        #[test]
        fn no_cell_is_a_panic_and_what_is_written_is_a_number(cell in "[-+]?[0-9.,' ]{0,12}|\\PC{0,12}") {
            if let Some(value) = written("decimal-comma", &cell) {
                prop_assert!(value.parse::<f64>().is_ok(), "{value}");
            }
            if let Some(value) = written("date:%d.%m.%Y", &cell) {
                prop_assert!(value.parse::<Date>().is_ok(), "{value}");
            }
        }
    }
}
