//! The rule for phone numbers: E.164, judged as libphonenumber judges.
//!
//! Takes a cleaned cell and the row's region and appends `+` and digits, or names the fault without showing the value.
//! Nothing is guessed beyond the library: international digits without `+` are read by the region's own rules.
//! Plain numbers, which nearly all are, go through automata made of the library's own metadata; the rest through the library.
//! An extension is read and left out, for E.164 has none.

mod automaton;
mod plain;
mod plan;

use rlibphonenumber::{
    NotANumberError, NumberLengthType, PHONE_NUMBER_UTIL, ParseError, PhoneNumberFormat,
    ValidationError,
};

use crate::pipeline::normalize::country::Region;

/// The longest text that Google's library reads as a number (`MAX_INPUT_STRING_LENGTH`, in characters).
pub const MAX_PHONE_CHARACTERS: usize = 250;

/// The most digits of an international number (ITU-T E.164, 6.2.1).
///
/// libphonenumber takes longer ones of Germany for valid, which is right inside Germany only.
pub const MAX_E164_DIGITS: usize = 15;

/// What is wrong with a phone number. The text names the kind only, for reports must not show the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PhoneFault {
    /// A text like "none" or "-".
    #[error("no digits")]
    NoDigits,
    /// Digits among text that no number has.
    #[error("not a phone number")]
    NotAPhoneNumber,
    /// A national number of an unknown country.
    #[error("no + and no country is known")]
    NeedsRegion,
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
}

/// Appends the number as E.164 to `out`; on a fault `out` stays as it was.
pub fn normalize(cell: &[u8], region: Option<Region>, out: &mut Vec<u8>) -> Result<(), PhoneFault> {
    plain::normalize(cell, region.map(Region::plan), out)
        .unwrap_or_else(|| normalize_any(cell, region, out))
}

/// As [`normalize`], without the way for plain numbers.
fn normalize_any(cell: &[u8], region: Option<Region>, out: &mut Vec<u8>) -> Result<(), PhoneFault> {
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
    by_library(number, region, out)
}

/// Reads, checks and writes a number by the library alone.
fn by_library(number: &str, region: Option<Region>, out: &mut Vec<u8>) -> Result<(), PhoneFault> {
    let parsed = PHONE_NUMBER_UTIL
        .parse(number, region.map(Region::plan))
        .map_err(|error| parse_fault(&error, number, region))?;
    if !PHONE_NUMBER_UTIL.is_valid_number(&parsed) {
        let reason = PHONE_NUMBER_UTIL.is_possible_number_with_reason(&parsed);
        return Err(not_valid(reason));
    }
    let e164 = PHONE_NUMBER_UTIL.format(&parsed, PhoneNumberFormat::E164);
    if e164.len() > 1 + MAX_E164_DIGITS {
        return Err(PhoneFault::TooLong);
    }
    out.extend_from_slice(e164.as_bytes());
    Ok(())
}

/// What is wrong with a number that is not valid, by what its length tells.
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normalized(cell: &str, region: &str) -> Result<String, PhoneFault> {
        let mut out = b"before ".to_vec();
        let region = Region::from_code(region);
        let outcome = normalize(cell.as_bytes(), region, &mut out);
        let text = String::from_utf8(out).unwrap();
        let appended = text.strip_prefix("before ").unwrap().to_owned();
        assert_eq!(outcome.is_err(), appended.is_empty());
        outcome.map(|()| appended)
    }

    #[test]
    fn good_numbers_become_e164() {
        for (cell, region, e164) in [
            ("+1 (650) 253-0000", "", "+16502530000"),
            ("(650) 253-0000", "US", "+16502530000"),
            ("650.253.0000", "CA", "+16502530000"),
            ("1-800-FLOWERS", "US", "+18003569377"),
            ("650 253 0000 ext. 123", "US", "+16502530000"),
            ("650 253 0000 x123", "US", "+16502530000"),
            ("tel:+16502530000", "", "+16502530000"),
            ("+49 (0)30 26550280", "", "+493026550280"),
            ("0049 30 26550280", "DE", "+493026550280"),
            ("+39 06 39733434", "", "+390639733434"),
            ("＋１６５０２５３００００", "", "+16502530000"),
            // Read by Germany's own rules, as Google's library does: area code 4915.
            ("4915112345678", "DE", "+494915112345678"),
            ("447707070707", "GB", "+447707070707"),
            ("+44 20 7707 0707", "US", "+442077070707"),
            ("Home: 020 7707 0707", "GB", "+442077070707"),
            ("+800 1234 5678", "", "+80012345678"),
        ] {
            assert_eq!(
                normalized(cell, region).as_deref(),
                Ok(e164),
                "{cell} {region}"
            );
        }
    }

    #[test]
    fn bad_numbers_are_told_apart() {
        for (cell, region, fault) in [
            ("", "US", PhoneFault::NoDigits),
            ("n/a", "US", PhoneFault::NoDigits),
            ("+", "US", PhoneFault::NoDigits),
            ("–", "US", PhoneFault::NoDigits),
            ("call me at noon, 2 x", "US", PhoneFault::NotAPhoneNumber),
            ("ann1@example.com", "US", PhoneFault::NotAPhoneNumber),
            ("650 253 0000", "", PhoneFault::NeedsRegion),
            ("4915112345678", "", PhoneFault::NeedsRegion),
            ("+999 1234567", "US", PhoneFault::UnknownCallingCode),
            ("253 0000", "US", PhoneFault::AreaCodeMissing),
            ("+1 2", "US", PhoneFault::NotAPhoneNumber),
            ("+1 234", "US", PhoneFault::TooShort),
            ("650 253 00000", "US", PhoneFault::TooLong),
            ("4915112345678", "US", PhoneFault::TooLong),
            ("+1 123 456 7890", "", PhoneFault::NotInUse),
            ("+61 1234", "", PhoneFault::TooShort),
            ("+65 123456789", "", PhoneFault::WrongLength),
        ] {
            assert_eq!(normalized(cell, region), Err(fault), "{cell} {region}");
        }
    }

    /// What Google's library says, by way of its Python port `phonenumbers` 9.0.42: the metadata of
    /// rlibphonenumber 2.2.15.
    const REFERENCE: &str = include_str!("../../../fixtures/phones.csv");

    fn reference() -> impl Iterator<Item = [String; 3]> {
        let rows = csv::Reader::from_reader(REFERENCE.as_bytes()).into_deserialize();
        rows.map(|row| row.unwrap())
    }

    #[test]
    fn numbers_of_all_regions_are_judged_as_google_s_library_does() {
        for [number, region, e164] in reference() {
            let found = normalized(&number, &region).unwrap_or_default();
            assert_eq!(found, e164, "{number} {region}");
        }
    }

    #[test]
    fn a_number_beyond_e164_is_too_long() {
        assert_eq!(
            normalized("+4997744771221129", ""),
            Err(PhoneFault::TooLong)
        );
    }

    /// `+`, six to fifteen digits, no leading zero: the shortest valid number there is, Iran's 9601, has six.
    fn is_e164(number: &str) -> bool {
        let digits = number.strip_prefix('+').unwrap_or_default();
        (6..=15).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    }

    proptest! {
        #[test]
        fn any_text_is_judged_without_panic(cell in "\\PC{0,40}", region in "[A-Z]{2}") {
            let _ = normalized(&cell, &region);
        }

        #[test]
        fn what_looks_like_a_number_becomes_e164_and_stays_so(
            cell in "[+]?[0-9 ()./x-]{5,20}( ext [0-9]{1,4})?", region in "US|DE|GB|IT|BR|AR|MX|FR|IN|[A-Z]{2}"
        ) {
            if let Ok(once) = normalized(&cell, &region) {
                prop_assert!(is_e164(&once), "{}", once);
                prop_assert_eq!(normalized(&once, &region), Ok(once.clone()));
                prop_assert_eq!(normalized(&once, ""), Ok(once.clone()));
            }
        }

        #[test]
        fn a_mutated_number_is_judged_without_panic(row in 0..190_usize, at in 0..20_usize, put in "\\PC{0,3}") {
            if let Some([mut number, region, _]) = reference().nth(row) {
                let at = number.char_indices().map(|(at, _)| at).nth(at).unwrap_or(number.len());
                number.insert_str(at, &put);
                if let Ok(once) = normalized(&number, &region) {
                    prop_assert!(is_e164(&once), "{}", once);
                    prop_assert_eq!(normalized(&once, &region), Ok(once.clone()));
                }
            }
        }

        #[test]
        fn no_fault_shows_the_value(cell in "[+]?[0-9]{3,30}") {
            if let Err(fault) = normalized(&cell, "US") {
                prop_assert!(!fault.to_string().contains(&cell));
            }
        }
    }
}
