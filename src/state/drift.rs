//! How far the counts of a run are from those of the last runs: the limits, and what was beyond them.

use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::base::text::grouped_whole;

/// The largest limit that can be written: beyond it nothing is told apart from "off".
const LARGEST: f64 = 1_000_000.0;

/// How far a count may be from its median, as the job file writes it: `"30%"`, `"3x"` or `"off"`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DriftLimit {
    /// As far as it is.
    Off,
    /// By so many percent of the median.
    Percent(f64),
    /// A multiple of the median.
    Times(f64),
}

impl DriftLimit {
    /// How many times the median a count may be; `None` without a limit.
    pub fn factor(self) -> Option<f64> {
        match self {
            Self::Off => None,
            Self::Percent(percent) => Some(1.0 + percent / 100.0),
            Self::Times(times) => Some(times),
        }
    }

    /// The limit in a message.
    fn words(self) -> String {
        match self {
            Self::Off => "off".to_owned(),
            Self::Percent(percent) => format!("{percent} %"),
            Self::Times(times) => format!("{times}x"),
        }
    }
}

impl fmt::Display for DriftLimit {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => out.write_str("off"),
            Self::Percent(percent) => write!(out, "{percent}%"),
            Self::Times(times) => write!(out, "{times}x"),
        }
    }
}

impl FromStr for DriftLimit {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.trim();
        let number = |text: &str| text.trim().parse::<f64>().map_err(|_| ());
        let within = |number: f64, least: f64| number > least && number <= LARGEST;
        if text == "off" {
            Ok(Self::Off)
        } else if let Some(percent) = text.strip_suffix('%') {
            let percent = number(percent)?;
            within(percent, 0.0)
                .then_some(Self::Percent(percent))
                .ok_or(())
        } else {
            let times = number(text.strip_suffix('x').ok_or(())?)?;
            within(times, 1.0).then_some(Self::Times(times)).ok_or(())
        }
    }
}

impl<'de> Deserialize<'de> for DriftLimit {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        let wrong = || {
            serde::de::Error::custom(
                "not a limit of drift; write it like \"30%\", \"3x\" (more than one) or \"off\"",
            )
        };
        let text = String::deserialize(input).map_err(|_| wrong())?;
        text.parse().map_err(|()| wrong())
    }
}

impl JsonSchema for DriftLimit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DriftLimit".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How far a count may be from the median: \"30%\", \"3x\" or \"off\".",
            "type": "string",
        })
    }
}

impl Serialize for DriftLimit {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.collect_str(self)
    }
}

/// The count that has drifted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DriftCount {
    /// Rows read.
    Rows,
    /// Rows rejected.
    Rejected,
    /// The share of blank cells in a column, in percent.
    Blank,
    /// A column that is not there any more.
    Gone,
}

/// A count that is beyond its limit. Field names do not change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The count.
    pub count: DriftCount,
    /// The header of the column, where it is about one.
    pub column: Option<String>,
    /// The count of this run: rows, or percent of the column's cells; `null` of a column that is gone.
    pub value: Option<f64>,
    /// The median of the last runs; `null` of a column that is gone.
    pub median: Option<f64>,
    /// The limit as the job writes it.
    pub limit: DriftLimit,
    /// How many runs the median is of.
    pub runs: usize,
}

/// How a run compares with the last ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DriftRecord {
    /// How many runs it was compared with.
    pub runs: usize,
    /// A person has approved of what was found.
    pub approved: bool,
    /// The counts that are beyond their limits.
    pub found: Vec<Drift>,
}

/// The columns that a message names; of more, only their number is told.
const NAMED_COLUMNS: usize = 5;

impl DriftRecord {
    /// The findings on one line; `None` where there are none.
    pub fn words(&self) -> Option<String> {
        let is_about_column = |drift: &&Drift| drift.column.is_some();
        let mut texts: Vec<String> = self
            .found
            .iter()
            .filter(|drift| drift.column.is_none())
            .map(Drift::words)
            .collect();
        let columns = self.found.iter().filter(is_about_column);
        let more = columns.clone().count().saturating_sub(NAMED_COLUMNS);
        texts.extend(columns.take(NAMED_COLUMNS).map(Drift::words));
        if more > 0 {
            texts.push(format!("and {more} more columns"));
        }
        (!texts.is_empty()).then(|| texts.join("; "))
    }
}

impl Drift {
    /// `rows: 1,203,441; median of the last 14 runs 2,410,020 (-50 %, limit 30 %)`.
    fn words(&self) -> String {
        let column = self.column.as_deref().unwrap_or_default();
        let (Some(value), Some(median)) = (self.value, self.median) else {
            let had = if self.runs == 1 {
                "the last run had it".to_owned()
            } else {
                format!("each of the last {} runs had it", self.runs)
            };
            return format!("column `{column}`: gone; {had}");
        };
        let (what, shown): (String, fn(f64) -> String) = match self.count {
            DriftCount::Rows => ("rows".to_owned(), grouped_whole),
            DriftCount::Rejected => ("rejected".to_owned(), grouped_whole),
            DriftCount::Blank | DriftCount::Gone => (format!("blank cells in `{column}`"), percent),
        };
        let before = if self.runs == 1 {
            "the last run had".to_owned()
        } else {
            format!("median of the last {} runs", self.runs)
        };
        let within = self.limit.factor().is_some_and(|it| value <= median * it);
        let change = match self.limit {
            // Too few cells are left that are not blank.
            _ if self.count == DriftCount::Blank && within => format!(
                "filled {} instead of {}, ",
                percent(100.0 - value),
                percent(100.0 - median)
            ),
            DriftLimit::Percent(_) if median > 0.0 => {
                format!("{:+.0} %, ", (value - median) * 100.0 / median)
            }
            DriftLimit::Times(_) if median > 0.0 => format!("{}x, ", short(value / median)),
            _ => String::new(),
        };
        format!(
            "{what}: {}; {before} {} ({change}limit {})",
            shown(value),
            shown(median),
            self.limit.words()
        )
    }
}

fn percent(number: f64) -> String {
    format!("{} %", short(number))
}

/// At most one digit after the point; of small numbers two.
fn short(number: f64) -> String {
    let text = if number < 1.0 {
        format!("{number:.2}")
    } else {
        format!("{number:.1}")
    };
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_as_they_are_written() {
        for (text, limit) in [
            ("30%", Some(DriftLimit::Percent(30.0))),
            (" 2.5 % ", Some(DriftLimit::Percent(2.5))),
            ("3x", Some(DriftLimit::Times(3.0))),
            ("1.5x", Some(DriftLimit::Times(1.5))),
            ("off", Some(DriftLimit::Off)),
            ("1x", None),
            ("0%", None),
            ("-3%", None),
            ("NaN%", None),
            ("infx", None),
            ("30", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), limit, "{text}");
        }
        for text in ["30%", "2.5%", "3x", "off"] {
            let limit: DriftLimit = text.parse().unwrap();
            assert_eq!(limit.to_string(), text);
        }
    }

    #[test]
    fn what_has_moved_is_told_with_its_numbers() {
        let drift = |count, column: Option<&str>, value, median, limit: &str, runs| Drift {
            count,
            column: column.map(str::to_owned),
            value: Some(value),
            median: Some(median),
            limit: limit.parse().unwrap(),
            runs,
        };
        let gone = Drift {
            value: None,
            median: None,
            ..drift(DriftCount::Gone, Some("Tier"), 0.0, 0.0, "3x", 14)
        };
        for (drift, words) in [
            (
                drift(DriftCount::Rows, None, 1_203_441.0, 2_410_020.0, "30%", 14),
                "rows: 1,203,441; median of the last 14 runs 2,410,020 (-50 %, limit 30 %)",
            ),
            (
                drift(DriftCount::Rows, None, 900.0, 100.0, "3x", 1),
                "rows: 900; the last run had 100 (9x, limit 3x)",
            ),
            (
                drift(DriftCount::Rejected, None, 3_120.0, 1_001.5, "3x", 4),
                "rejected: 3,120; median of the last 4 runs 1,002 (3.1x, limit 3x)",
            ),
            (
                drift(DriftCount::Rejected, None, 20.0, 0.0, "3x", 4),
                "rejected: 20; median of the last 4 runs 0 (limit 3x)",
            ),
            (
                drift(DriftCount::Blank, Some("City"), 100.0, 0.333, "3x", 14),
                "blank cells in `City`: 100 %; median of the last 14 runs 0.33 % (300.3x, limit 3x)",
            ),
            (
                drift(DriftCount::Blank, Some("City"), 100.0, 40.0, "3x", 14),
                "blank cells in `City`: 100 %; median of the last 14 runs 40 % (filled 0 % instead of 60 %, limit 3x)",
            ),
            (gone, "column `Tier`: gone; each of the last 14 runs had it"),
        ] {
            assert_eq!(drift.words(), words);
        }
        let column = |name: &str| drift(DriftCount::Blank, Some(name), 9.0, 1.0, "3x", 3);
        let record = DriftRecord {
            runs: 3,
            approved: false,
            found: ["a", "b", "c", "d", "e", "f", "g"].map(column).to_vec(),
        };
        let words = record.words().unwrap();
        assert!(words.ends_with("; and 2 more columns"), "{words}");
        assert!(!words.contains("`f`"), "{words}");
    }
}
