//! Cells with the numbers that they hold, of many regions, and what Google's library says of others.

use super::*;
use proptest::prelude::*;

fn read(cell: &str, region: &str) -> Result<(String, Number), PhoneFault> {
    let mut out = b"before ".to_vec();
    let region = Region::from_code(region);
    let outcome = normalize(cell.as_bytes(), region, &mut out);
    let text = String::from_utf8(out).unwrap();
    let appended = text.strip_prefix("before ").unwrap().to_owned();
    assert_eq!(outcome.is_err(), appended.is_empty(), "{cell} {region:?}");
    outcome.map(|number| (appended, number))
}

fn normalized(cell: &str, region: &str) -> Result<String, PhoneFault> {
    read(cell, region).map(|(number, _)| number)
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
        ("tel:650-253-0000;phone-context=+1", "", "+16502530000"),
        ("tel:+1-650-253-0000;ext=12", "", "+16502530000"),
        ("+49 (0)30 26550280", "", "+493026550280"),
        ("0049 30 26550280", "DE", "+493026550280"),
        ("+39 06 39733434", "", "+390639733434"),
        ("＋１６５０２５３００００", "", "+16502530000"),
        ("447707070707", "GB", "+447707070707"),
        ("+44 20 7707 0707", "US", "+442077070707"),
        ("Home: 020 7707 0707", "GB", "+442077070707"),
        ("+800 1234 5678", "", "+80012345678"),
        ("650 25x3 0000", "US", "+16502530000"),
    ] {
        assert_eq!(
            normalized(cell, region).as_deref(),
            Ok(e164),
            "{cell} {region}"
        );
    }
}

/// A cell, its region, and the number or the fault.
type Case = (&'static str, &'static str, Result<&'static str, PhoneFault>);

/// Cells whose digits libphonenumber reads as numbers of nobody, or of somebody else, and those that only look so.
#[rustfmt::skip]
const CELLS: &[Case] = {
    use PhoneFault::{Date, Decimal, ScientificNotation, Words};
    &[
        // A spreadsheet has cut the digits.
        ("4.91512E11", "DE", Err(ScientificNotation)),
        ("4.91512E+11", "DE", Err(ScientificNotation)),
        ("4,91512E+11", "DE", Err(ScientificNotation)),
        ("4.91512e+11", "", Err(ScientificNotation)),
        ("+4.91512E+11", "AT", Err(ScientificNotation)),
        ("1.41556E+10", "US", Err(ScientificNotation)),
        ("4.42077E+11", "GB", Err(ScientificNotation)),
        ("3E+11", "IT", Err(ScientificNotation)),
        ("62E9", "ID", Err(ScientificNotation)),
        ("Tel. 4.91512E+11", "DE", Err(ScientificNotation)),
        // Numbers with decimals, and whole ones that look so.
        ("030123456.5", "DE", Err(Decimal)),
        ("4915123456.78", "DE", Err(Decimal)),
        ("52.5200066", "DE", Err(Decimal)),
        ("52,5200066", "DE", Err(Decimal)),
        ("-73.985428", "AT", Err(Decimal)),
        ("€ 1234567.89", "AT", Err(Decimal)),
        ("123.0", "DE", Err(Decimal)),
        ("030123456.0", "DE", Ok("+4930123456")),
        ("030123456,0", "DE", Ok("+4930123456")),
        ("14155550143.0", "US", Ok("+14155550143")),
        ("14155550143,0", "US", Ok("+14155550143")),
        ("14155550143.00", "US", Ok("+14155550143")),
        ("+14155550143.0", "", Ok("+14155550143")),
        ("4915123456789.0", "DE", Ok("+4915123456789")),
        ("447707070707.0", "GB", Ok("+447707070707")),
        ("030.123456", "DE", Ok("+4930123456")),
        ("06.12345678", "FR", Ok("+33612345678")),
        ("650.2530000", "US", Ok("+16502530000")),
        ("+1.6502530000", "", Ok("+16502530000")),
        ("06.12.34.56.78", "FR", Ok("+33612345678")),
        ("4.915.123.456.789", "DE", Ok("+4915123456789")),
        // Dates.
        ("03.02.1985", "DE", Err(Date)),
        ("3.2.1985", "AT", Err(Date)),
        ("03.02.85", "DE", Err(Date)),
        ("2026-11-23", "DE", Err(Date)),
        ("2026/11/23", "SE", Err(Date)),
        ("23/11/2026", "FR", Err(Date)),
        ("11/23/2026", "US", Err(Date)),
        ("20-11-2026", "DK", Err(Date)),
        ("2026-11-23 00:00:00", "DE", Err(Date)),
        ("2026-11-23T14:05:09Z", "DE", Err(Date)),
        ("02/1985", "DE", Err(Date)),
        ("Tel 03.02.1985", "DE", Err(Date)),
        ("20.12.34", "NC", Ok("+687201234")),
        // Words that are no label.
        ("kein 030 123456", "DE", Err(Words)),
        ("kein Tel. 030 123456", "DE", Err(Words)),
        ("030 123456 Anna", "DE", Err(Words)),
        ("Mutter: 030 123456", "DE", Err(Words)),
        ("not 020 7707 0707", "GB", Err(Words)),
        ("no 020 7707 0707", "GB", Err(Words)),
        ("no phone 020 7707 0707", "GB", Err(Words)),
        ("pas le 01 42 68 53 00", "FR", Err(Words)),
        ("650 253 Anna", "US", Err(Words)),
        ("call me at noon, 2 x", "US", Err(Words)),
        ("ann1@example.com", "US", Err(Words)),
        ("10115 Berlin", "DE", Err(Words)),
        ("30123456kg", "DE", Err(Words)),
        ("+1 ext. 5002345678", "KY", Err(Words)),
        ("geb. 03 02 1985", "DE", Err(Words)),
        ("Fax 030 123456", "DE", Err(Words)),
        ("650 ext. 5 253 0000 Ann", "US", Err(Words)),
        // Labels, before a number and behind it.
        ("Tel 030 123456", "DE", Ok("+4930123456")),
        ("Tel.: 030 123456", "DE", Ok("+4930123456")),
        ("T: 030 123456", "DE", Ok("+4930123456")),
        ("Tel./Fax: 030 123456", "DE", Ok("+4930123456")),
        ("Handy 0151 23456789", "DE", Ok("+4915123456789")),
        ("0151 23456789 (Handy)", "DE", Ok("+4915123456789")),
        ("030 123456 privat", "DE", Ok("+4930123456")),
        ("Büro: 030 123456", "DE", Ok("+4930123456")),
        ("Phone No. 020 7707 0707", "GB", Ok("+442077070707")),
        ("no: 020 7707 0707", "GB", Ok("+442077070707")),
        ("Phone 020 7707 0707", "GB", Ok("+442077070707")),
        ("mob. 07707 070707", "GB", Ok("+447707070707")),
        ("650 253 0000 (mobile)", "US", Ok("+16502530000")),
        ("(650) 253-0000 cell", "US", Ok("+16502530000")),
        ("WhatsApp +44 7707 070707", "", Ok("+447707070707")),
        ("Tél. : 01 42 68 53 00", "FR", Ok("+33142685300")),
        ("N° de téléphone : 01 42 68 53 00", "FR", Ok("+33142685300")),
        ("numéro de portable 06 12 34 56 78", "FR", Ok("+33612345678")),
        ("móvil: 612 34 56 78", "ES", Ok("+34612345678")),
        ("cell. 312 345 6789", "IT", Ok("+393123456789")),
        ("mobiel 06 12345678", "NL", Ok("+31612345678")),
        ("telemóvel 912 345 678", "PT", Err(Words)),
        ("mobil 070-123 45 67", "SE", Ok("+46701234567")),
        ("携帯 090-1234-5678", "JP", Ok("+819012345678")),
        ("手机：13912345678", "CN", Ok("+8613912345678")),
        ("моб. 8 (912) 345-67-89", "RU", Ok("+79123456789")),
        // Extensions.
        ("01 42 68 53 00 poste 12", "FR", Ok("+33142685300")),
        ("030 123456 Durchwahl 12", "DE", Ok("+4930123456")),
        ("030 123456 DW 12 (privat)", "DE", Ok("+4930123456")),
        ("650 253 0000 ext 123", "US", Ok("+16502530000")),
        ("650 253 0000 x 123", "US", Ok("+16502530000")),
        ("650 253 0000, ext. 123", "US", Ok("+16502530000")),
        ("06 39733434 interno 5", "IT", Ok("+390639733434")),
        ("Durchwahl: 030 123456", "DE", Ok("+4930123456")),
        ("8 (495) 123-45-67 доб. 12", "RU", Ok("+74951234567")),
        // The country's own calling code without +.
        ("4915123456789", "DE", Ok("+4915123456789")),
        ("49 151 23456789", "DE", Ok("+4915123456789")),
        ("4915123456789 (mobil)", "DE", Ok("+4915123456789")),
        ("４９１５１２３４５６７８９", "DE", Ok("+4915123456789")),
        ("493026550280", "DE", Ok("+493026550280")),
        ("436641234567", "AT", Ok("+436641234567")),
        ("393123456789", "IT", Ok("+393123456789")),
        ("16502530000", "US", Ok("+16502530000")),
        ("33612345678", "FR", Ok("+33612345678")),
        ("5511961234567", "BR", Ok("+5511961234567")),
        ("46701234567", "SE", Ok("+46701234567")),
        ("628123456789", "ID", Ok("+628123456789")),
        ("04921 12345", "DE", Ok("+49492112345")),
        // A number of Radom, whose last seven digits would be a pager's.
        ("48 641 23 45 67", "PL", Ok("+48641234567")),
        ("48 641 23 45", "PL", Ok("+48486412345")),
        // Another country's international prefix, or any without a country.
        ("0049 30 26550280", "US", Ok("+493026550280")),
        ("011 49 30 26550280", "DE", Ok("+493026550280")),
        ("011 49 30 26550280", "US", Ok("+493026550280")),
        ("0044 20 7707 0707", "", Ok("+442077070707")),
        ("011 44 20 7707 0707", "", Ok("+442077070707")),
        ("0044 20 7707 0707", "JP", Ok("+442077070707")),
        ("+0044 20 7707 0707", "", Ok("+442077070707")),
        ("00+44 20 7707 0707", "", Ok("+442077070707")),
        ("011+44 20 7707 0707", "FR", Ok("+442077070707")),
    ]
};

#[test]
fn cells_that_are_no_numbers_are_told_from_those_that_are() {
    let mut wrong = Vec::new();
    for (cell, region, expected) in CELLS {
        let found = normalized(cell, region);
        if found.as_deref().map_err(|fault| *fault) != *expected {
            wrong.push(format!("{cell:?} {region}: {found:?} is not {expected:?}"));
        }
    }
    assert_eq!(wrong, [""; 0], "{}", wrong.join("\n"));
}

#[test]
fn the_first_valid_number_of_several_counts() {
    for (cell, region, e164) in [
        ("030 123456; 0171 1234567", "DE", "+4930123456"),
        ("030 123456 | 0171 1234567", "DE", "+4930123456"),
        ("030 123456\n0171 1234567", "DE", "+4930123456"),
        ("030 12345\r\n030 54321", "DE", "+493012345"),
        ("030 123456 / 0171 1234567", "DE", "+4930123456"),
        ("030 12345/030 54321", "DE", "+493012345"),
        ("030 123456, 0171 1234567", "DE", "+4930123456"),
        ("0301234567,01711234567", "DE", "+49301234567"),
        ("030 123456 (0171 1234567)", "DE", "+4930123456"),
        ("030 123456 oder 0171 1234567", "DE", "+4930123456"),
        ("Tel 030 123456 Mobil 0171 1234567", "DE", "+4930123456"),
        ("Tel: 030 123456 Fax: 030 123457", "DE", "+4930123456"),
        ("Fax: 030 123457 Tel: 030 123456", "DE", "+4930123456"),
        ("T: 030 123456 / M: 0171 1234567", "DE", "+4930123456"),
        ("030 123456 Durchwahl 12; 0171 1234567", "DE", "+4930123456"),
        ("+4930123456+491711234567", "", "+4930123456"),
        ("+49 30 123456 / +49 171 1234567", "US", "+4930123456"),
        ("030 12345678/79", "DE", "+493012345678"),
        ("650 253 0000 / 0001", "US", "+16502530000"),
        ("650 253 0000 650 253 0001", "US", "+16502530000"),
        ("650 253 0000 & 650 253 0001", "US", "+16502530000"),
        ("12345; 650 253 0000", "US", "+16502530000"),
        ("0049 30 26550280; 650 253 0000", "US", "+493026550280"),
    ] {
        let several = Number::default().of_several();
        assert_eq!(
            read(cell, region),
            Ok((e164.to_owned(), several)),
            "{cell:?} {region}"
        );
    }
    for cell in [
        "030/123456",
        "+49 30/123 456",
        "(030) 123456",
        "0171 / 1234567",
        "030-123456-12",
        "030 123456 x12",
        "030\n123456",
    ] {
        let (_, number) = read(cell, "DE").unwrap();
        assert!(!number.is_one_of_several, "{cell}");
    }
}

#[test]
fn a_number_that_is_valid_with_and_without_its_calling_code_is_told() {
    for (cell, region, is_told) in [
        ("4915123456789", "DE", true),
        ("493026550280", "DE", false),
        ("492112345678", "DE", true),
        ("+4915123456789", "DE", false),
        ("0151 23456789", "DE", false),
        ("16502530000", "US", false),
        ("33612345678", "FR", false),
    ] {
        let (_, number) = read(cell, region).unwrap();
        assert_eq!(number.has_own_calling_code, is_told, "{cell} {region}");
    }
}

#[test]
fn bad_numbers_are_told_apart() {
    for (cell, region, fault) in [
        ("", "US", PhoneFault::NoDigits),
        ("n/a", "US", PhoneFault::NoDigits),
        ("+", "US", PhoneFault::NoDigits),
        ("–", "US", PhoneFault::NoDigits),
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

/// The answers of Google's library, by way of its Python port `phonenumbers` 9.0.42: the metadata of
/// rlibphonenumber 2.2.15.
const REFERENCE: &str = include_str!("../../../../fixtures/phones.csv");

fn reference() -> impl Iterator<Item = [String; 3]> {
    let rows = csv::Reader::from_reader(REFERENCE.as_bytes()).into_deserialize();
    rows.map(|row| row.unwrap())
}

#[test]
fn numbers_of_all_regions_are_judged_as_google_s_library_does() {
    for [number, region, e164] in reference() {
        match read(&number, &region) {
            Ok((
                found,
                Number {
                    has_own_calling_code: true,
                    ..
                },
            )) => {
                assert_eq!(found, format!("+{number}"), "{region}");
                assert!(e164.ends_with(&number), "{number} {region}");
            }
            other => {
                let found = other.map(|(found, _)| found).unwrap_or_default();
                assert_eq!(found, e164, "{number} {region}");
            }
        }
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
