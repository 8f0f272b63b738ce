//! The rule for phone numbers: E.164, judged as libphonenumber judges.
//!
//! Takes a cleaned cell and the row's region and appends `+` and digits, or names the fault without showing the value.
//! Plain numbers, which nearly all are, go through automata made of the library's own metadata. Other cells are read word by
//! word first (`cell`), and then by the library. Cells that only look like numbers to the library (dates, numbers with
//! decimals or in scientific notation, remarks) have a fault of their own. An extension is read and left out, for E.164 has
//! none.

mod automaton;
mod cell;
mod form;
mod plain;
mod plan;
mod words;

pub(in crate::pipeline::normalize) use form::scientific;

use rlibphonenumber::{
    NotANumberError, NumberLengthType, PHONE_NUMBER_UTIL, ParseError, PhoneNumberFormat,
    ValidationError,
};

use crate::pipeline::normalize::country::Region;
use crate::state::codes::RepairCode;
use crate::state::row_note::RowNote;

/// The longest text that Google's library reads as a number (`MAX_INPUT_STRING_LENGTH`, in characters).
pub const MAX_PHONE_CHARACTERS: usize = 250;

/// The most digits of an international number (ITU-T E.164, 6.2.1).
///
/// libphonenumber takes longer ones of Germany for valid, which is right inside Germany only.
pub const MAX_E164_DIGITS: usize = 15;

/// The fault of a phone number. The text names the kind only, for reports must not show the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PhoneFault {
    /// A text like "none" or "-".
    #[error("no digits")]
    NoDigits,
    /// Digits among text that no number has.
    #[error("not a phone number")]
    NotAPhoneNumber,
    /// A national number of an unknown country.
    #[error("no + and no country")]
    NeedsRegion,
    /// A national number of a country whose name is not read.
    #[error("no + and an unknown country name")]
    UnreadCountry,
    /// No country has the calling code after the `+`.
    #[error("unknown calling code")]
    UnknownCallingCode,
    /// Fewer digits than any number of its country.
    #[error("too short")]
    TooShort,
    /// More digits than any number of its country, or than E.164 allows.
    #[error("too long")]
    TooLong,
    /// Between the shortest and the longest number of its country, yet no number has so many digits.
    #[error("wrong number of digits for its country")]
    WrongLength,
    /// Could only be dialled by neighbours.
    #[error("area code missing")]
    AreaCodeMissing,
    /// The right length, but its first digits are in no range of its country.
    #[error("not in use in its country")]
    NotInUse,
    /// `4.91512E+11`: a spreadsheet has cut the digits.
    #[error("in scientific notation: digits are lost")]
    ScientificNotation,
    /// `1234567.89`, which the library reads as nine digits.
    #[error("a number with a decimal point")]
    Decimal,
    /// `23.11.2026`, which the library reads as eight digits.
    #[error("a date")]
    Date,
    /// Digits among words that are no label of a phone number.
    #[error("words that do not belong to a phone number")]
    Words,
}

impl PhoneFault {
    /// The code under which the blanked cell is counted.
    pub const fn repair_code(self) -> RepairCode {
        match self {
            Self::ScientificNotation => RepairCode::ScientificNotation,
            _ => RepairCode::InvalidPhone,
        }
    }

    /// The remark that explains the fault, where it is one of the column or of the export rather than of a number.
    pub const fn row_note(self) -> Option<RowNote> {
        match self {
            Self::ScientificNotation => Some(RowNote::ScientificNotation),
            Self::Decimal => Some(RowNote::Decimal),
            Self::Date => Some(RowNote::Date),
            Self::Words => Some(RowNote::Words),
            Self::UnreadCountry => Some(RowNote::UnreadCountry),
            Self::NeedsRegion => Some(RowNote::NoCountry),
            _ => None,
        }
    }

    /// The fault in one word, as `repairs.csv` and previews write it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoDigits => "no-digits",
            Self::NotAPhoneNumber => "not-a-phone-number",
            Self::NeedsRegion => "no-country",
            Self::UnreadCountry => "unread-country",
            Self::UnknownCallingCode => "unknown-calling-code",
            Self::TooShort => "too-short",
            Self::TooLong => "too-long",
            Self::WrongLength => "wrong-length",
            Self::AreaCodeMissing => "area-code-missing",
            Self::NotInUse => "not-in-use",
            Self::ScientificNotation => "scientific-notation",
            Self::Decimal => "decimal",
            Self::Date => "date",
            Self::Words => "words",
        }
    }
}

/// Facts about how a number was found in its cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Number {
    /// The cell holds more numbers than this one.
    pub is_one_of_several: bool,
    /// It has no `+`, begins with its country's own calling code, and would be a valid number of that country as a whole.
    pub has_own_calling_code: bool,
}

impl Number {
    /// The same, one of several.
    fn of_several(self) -> Self {
        Self {
            is_one_of_several: true,
            ..self
        }
    }
}

/// Appends the number as E.164 to `out`; on a fault `out` stays as it was.
pub fn normalize(
    cell: &[u8],
    region: Option<Region>,
    out: &mut Vec<u8>,
) -> Result<Number, PhoneFault> {
    match plain::normalize(cell, region.map(Region::plan), out) {
        Some(Ok(number)) => Ok(number),
        // A number that is not valid may be two, or have another country's prefix.
        Some(Err(_)) | None => normalize_any(cell, region, out),
    }
}

/// As [`normalize`], without the way for plain numbers.
fn normalize_any(
    cell: &[u8],
    region: Option<Region>,
    out: &mut Vec<u8>,
) -> Result<Number, PhoneFault> {
    if !cell
        .iter()
        .any(|byte| byte.is_ascii_digit() || !byte.is_ascii())
    {
        return Err(PhoneFault::NoDigits);
    }
    let number = std::str::from_utf8(cell).map_err(|_| PhoneFault::NotAPhoneNumber)?;
    if cell.len() > MAX_PHONE_CHARACTERS && number.chars().count() > MAX_PHONE_CHARACTERS {
        return Err(PhoneFault::TooLong);
    }
    cell::read(number, region, out)
}

/// Reads, checks and writes a number by the library, but for the country's own calling code without `+`.
fn by_library(
    number: &str,
    region: Option<Region>,
    out: &mut Vec<u8>,
) -> Result<Number, PhoneFault> {
    let (e164, code) = e164_by_library(number, region)?;
    if let Some(region) = region
        && !number.contains(['+', '\u{ff0b}'])
    {
        let national = e164.get(1 + code.to_string().len()..).unwrap_or_default();
        // A prefix that the library has cut off was no calling code.
        let begins_so = first_digit(number) == first_digit(national);
        if begins_so && plain::write_with_own_code(national, region.plan(), out) {
            return Ok(Number {
                has_own_calling_code: true,
                ..Number::default()
            });
        }
    }
    if e164.len() > 1 + MAX_E164_DIGITS {
        return Err(PhoneFault::TooLong);
    }
    out.extend_from_slice(e164.as_bytes());
    Ok(Number::default())
}

/// The answer of Google's library for a number, and its calling code.
fn e164_by_library(number: &str, region: Option<Region>) -> Result<(String, i32), PhoneFault> {
    let parsed = PHONE_NUMBER_UTIL
        .parse(number, region.map(Region::plan))
        .map_err(|error| parse_fault(&error, number, region))?;
    if !PHONE_NUMBER_UTIL.is_valid_number(&parsed) {
        let reason = PHONE_NUMBER_UTIL.is_possible_number_with_reason(&parsed);
        return Err(not_valid(reason));
    }
    let e164 = PHONE_NUMBER_UTIL.format(&parsed, PhoneNumberFormat::E164);
    Ok((e164.into_owned(), parsed.country_code))
}

/// The first digit of a text, as ASCII where it is a full-width one.
fn first_digit(text: &str) -> Option<char> {
    let digit = text.chars().find(|c| c.is_numeric())?;
    let narrow = matches!(digit, '\u{ff10}'..='\u{ff19}').then(|| u32::from(digit) - 0xfee0);
    narrow.and_then(char::from_u32).or(Some(digit))
}

/// The fault of a number that is not valid, by its length.
fn not_valid(reason: Result<NumberLengthType, ValidationError>) -> PhoneFault {
    match reason {
        Err(ValidationError::InvalidCountryCode) => PhoneFault::UnknownCallingCode,
        Err(ValidationError::TooShort) => PhoneFault::TooShort,
        Err(ValidationError::TooLong) => PhoneFault::TooLong,
        Err(ValidationError::InvalidLength) => PhoneFault::WrongLength,
        Ok(NumberLengthType::IsPossibleLocalOnly) => PhoneFault::AreaCodeMissing,
        Ok(NumberLengthType::IsPossible) => PhoneFault::NotInUse,
    }
}

fn parse_fault(error: &ParseError, number: &str, region: Option<Region>) -> PhoneFault {
    match error {
        ParseError::NotANumber(NotANumberError::FailedToExtractNumber(_)) => PhoneFault::NoDigits,
        ParseError::NotANumber(_) => PhoneFault::NotAPhoneNumber,
        // The library has one error for both. A + that begins the number may be a full-width one.
        ParseError::InvalidCountryCode
            if region.is_none() && !number.contains(['+', '\u{ff0b}']) =>
        {
            PhoneFault::NeedsRegion
        }
        ParseError::InvalidCountryCode => PhoneFault::UnknownCallingCode,
        ParseError::TooShortAfterIdd | ParseError::TooShortNsn => PhoneFault::TooShort,
        ParseError::TooLongNsn => PhoneFault::TooLong,
    }
}

#[cfg(test)]
mod tests;
