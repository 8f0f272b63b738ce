//! Dates, times of day, durations and intervals as text.

use std::io::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::{IntervalDayTimeType, IntervalMonthDayNanoType, IntervalYearMonthType};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, IntervalUnit};

use super::value::{AppendOutcome, push_display};

/// A day has so many seconds; a time of day may be its end, `24:00:00`.
const DAY_SECONDS: i64 = 86_400;

/// The first second of year 1 and the first one after year 9999, from 1970 on, in UTC.
const CALENDAR: std::ops::Range<i64> = -62_135_596_800..253_402_300_800;

/// Appends a time in the form that Klaviyo's help names for recognising dates, `YYYY-MM-DD HH:MM:SS` in UTC (help
/// 115005237648). Years that do not have four digits, such as that of PostgreSQL's infinity, have no such form.
pub(super) fn push_seconds(out: &mut Vec<u8>, seconds: i64) -> AppendOutcome {
    let since_epoch = jiff::SignedDuration::from_secs(seconds);
    let epoch = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
    let in_calendar = CALENDAR.contains(&seconds);
    let Some(time) = in_calendar
        .then(|| epoch.checked_add(since_epoch).ok())
        .flatten()
    else {
        push_display(out, seconds);
        out.extend_from_slice(b" s since 1970-01-01");
        return AppendOutcome::Without { value: 0 };
    };
    // Writing into a vector cannot fail.
    let _ = write!(
        out,
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        time.year(),
        time.month(),
        time.day(),
        time.hour(),
        time.minute(),
        time.second()
    );
    AppendOutcome::Text
}

/// Appends a time of day, of which so many parts are a second.
pub(super) fn push_clock(out: &mut Vec<u8>, parts: i64, per_second: i64) -> AppendOutcome {
    let (seconds, fraction) = (parts.div_euclid(per_second), parts.rem_euclid(per_second));
    if !(0..=DAY_SECONDS).contains(&seconds) || (seconds == DAY_SECONDS && fraction > 0) {
        push_display(out, seconds);
        out.extend_from_slice(b" s since midnight");
        return AppendOutcome::Without { value: 0 };
    }
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    let _ = write!(out, "{hour:02}:{minute:02}:{second:02}");
    push_fraction(out, fraction.into(), per_second.into());
    AppendOutcome::Text
}

/// The digits after a second's point, as many as are needed.
fn push_fraction(out: &mut Vec<u8>, mut fraction: i128, mut per_second: i128) {
    if fraction > 0 {
        out.push(b'.');
    }
    while fraction > 0 {
        per_second /= 10;
        push_display(out, fraction / per_second);
        fraction %= per_second;
    }
}

/// A length of time as people count it: months, days, and a time of so many parts of a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Period {
    months: i64,
    days: i64,
    time: i128,
    per_second: i128,
}

impl Period {
    /// A time alone.
    pub(super) fn of_time(time: i64, per_second: i64) -> Self {
        Self {
            months: 0,
            days: 0,
            time: time.into(),
            per_second: per_second.into(),
        }
    }

    /// An interval of any unit.
    pub(super) fn of_interval(values: &ArrayRef, index: usize) -> Self {
        let period = |months: i32, days: i32, time: i64, per_second: i128| Self {
            months: months.into(),
            days: days.into(),
            time: time.into(),
            per_second,
        };
        match values.data_type() {
            DataType::Interval(IntervalUnit::YearMonth) => {
                let months = values.as_primitive::<IntervalYearMonthType>().value(index);
                period(months, 0, 0, 1)
            }
            DataType::Interval(IntervalUnit::DayTime) => {
                let value = values.as_primitive::<IntervalDayTimeType>().value(index);
                period(0, value.days, value.milliseconds.into(), 1_000)
            }
            _ => {
                let values = values.as_primitive::<IntervalMonthDayNanoType>();
                let value = values.value(index);
                period(value.months, value.days, value.nanoseconds, 1_000_000_000)
            }
        }
    }

    /// The twelve bytes of a Parquet interval: months, days and milliseconds, none of them negative.
    pub(super) fn of_parquet(bytes: &[u8]) -> Self {
        let number = |at: usize| {
            let bytes = bytes.get(at..at + 4).and_then(|it| it.try_into().ok());
            i64::from(u32::from_le_bytes(bytes.unwrap_or_default()))
        };
        Self {
            months: number(0),
            days: number(4),
            time: number(8).into(),
            per_second: 1_000,
        }
    }

    /// Appends it in the form of ISO 8601 that PostgreSQL has as `iso_8601`: `P1Y2M3DT4H5M6.7S`.
    pub(super) fn push(self, out: &mut Vec<u8>) {
        let start = out.len();
        out.push(b'P');
        let unit = |out: &mut Vec<u8>, number: i128, unit: u8| {
            if number != 0 {
                push_display(out, number);
                out.push(unit);
            }
        };
        unit(out, (self.months / 12).into(), b'Y');
        unit(out, (self.months % 12).into(), b'M');
        unit(out, self.days.into(), b'D');
        if self.time != 0 || out.len() == start + 1 {
            out.push(b'T');
        }
        let seconds = self.time / self.per_second;
        unit(out, seconds / 3_600, b'H');
        unit(out, seconds / 60 % 60, b'M');
        let (second, fraction) = (seconds % 60, self.time % self.per_second);
        if second != 0 || fraction != 0 || out.last() == Some(&b'T') {
            if second < 0 || fraction < 0 {
                out.push(b'-');
            }
            push_display(out, second.abs());
            push_fraction(out, fraction.abs(), self.per_second);
            out.push(b'S');
        }
    }
}
