//! Values of custom properties that Klaviyo may read in a way that was not meant.
//!
//! Klaviyo infers by itself whether a property is a number, a date, a boolean or a text; text is the default when unclear,
//! and no escape is documented (facts A4 "type inference", read 2026-11). It has fields of a known kind too: the zip and
//! the external id are no properties, and nothing is said of them here.

use super::dates::is_unread_date;

/// A double holds every whole number of so many decimal digits; Klaviyo does not say what it keeps numbers in (facts A4,
/// "ids that look like numbers": long digits can be damaged).
const SAFE_DIGITS: usize = 15;

/// A value that may arrive as something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hazard {
    /// `00123`: a number to Klaviyo, stored as 123 (facts A4, "ids that look like numbers").
    LeadingZeros,
    /// More than 15 digits: as a number it may lose its last ones (same place).
    LongNumber,
    /// A date in none of the forms that Klaviyo lists (facts A4, "dates").
    DateForm,
    /// A list of texts and numbers together: which of them the list is taken for is not said.
    MixedList,
    /// Looks like a list and is no JSON array: a list in a cell is written `["a","b"]` (facts A4, "lists in a CSV").
    BrokenList,
    /// No list, in a column that has some: every row of it must hold one (same place).
    LoneValue,
}

impl Hazard {
    /// Every hazard.
    pub const ALL: [Self; 6] = [
        Self::LeadingZeros,
        Self::LongNumber,
        Self::DateForm,
        Self::MixedList,
        Self::BrokenList,
        Self::LoneValue,
    ];

    /// The code as JSON has it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::LeadingZeros => "leading-zeros",
            Self::LongNumber => "long-number",
            Self::DateForm => "date-form",
            Self::MixedList => "mixed-list",
            Self::BrokenList => "broken-list",
            Self::LoneValue => "lone-value",
        }
    }

    /// The risk, and a safe form of the value.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::LeadingZeros => {
                "Klaviyo may read it as a number: 00123 becomes 123; put a letter in front"
            }
            Self::LongNumber => {
                "Klaviyo may read it as a number and lose the last digits; put a letter in front"
            }
            Self::DateForm => {
                "Klaviyo does not list this form of a date: it may stay a text; give the column a type such as date:%d.%m.%Y, or write 2026-11-23 14:05:00, in UTC"
            }
            Self::MixedList => {
                "texts and numbers in one list: Klaviyo may change some; write [\"a\",\"1\"]"
            }
            Self::BrokenList => {
                "looks like a list, but is not a JSON array: it stays a text; write [\"a\",\"b\"]"
            }
            Self::LoneValue => {
                "other rows hold a list, and Klaviyo wants one in every row; write [\"a\"]"
            }
        }
    }
}

/// The hazard of one value of a custom property.
pub(super) fn of(value: &str) -> Option<Hazard> {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let has_zeros = digits.len() > 1 && digits.starts_with('0');
        let is_long = digits.len() > SAFE_DIGITS;
        return match (has_zeros, is_long) {
            (true, _) => Some(Hazard::LeadingZeros),
            (false, true) => Some(Hazard::LongNumber),
            (false, false) => None,
        };
    }
    if is_list(value) {
        return match serde_json::from_str::<Vec<serde_json::Value>>(value) {
            Err(_) => Some(Hazard::BrokenList),
            Ok(values) => is_mixed(&values).then_some(Hazard::MixedList),
        };
    }
    is_unread_date(value).then_some(Hazard::DateForm)
}

/// Whether a value means to be a list.
pub(super) fn is_list(value: &str) -> bool {
    value.starts_with('[') && value.ends_with(']')
}

fn is_mixed(values: &[serde_json::Value]) -> bool {
    let mut kinds = values.iter().map(std::mem::discriminant);
    let first = kinds.next();
    kinds.any(|kind| Some(kind) != first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hazard_is_seen() {
        for (value, hazard) in [
            ("00123", Some(Hazard::LeadingZeros)),
            ("01", Some(Hazard::LeadingZeros)),
            ("0", None),
            ("0.5", None),
            ("123", None),
            ("999999999999999", None),
            ("1234567890123456", Some(Hazard::LongNumber)),
            ("-1234567890123456", Some(Hazard::LongNumber)),
            ("A00123", None),
            ("23.11.2026", Some(Hazard::DateForm)),
            ("2026-11-23", None),
            ("[\"a\",1]", Some(Hazard::MixedList)),
            ("[1,null]", Some(Hazard::MixedList)),
            ("[\"a\",\"b\"]", None),
            ("[]", None),
            ("['a','b']", Some(Hazard::BrokenList)),
            ("[sic] a note", None),
            ("", None),
        ] {
            assert_eq!(of(value), hazard, "{value}");
        }
    }
}
