//! Identifiers that Klaviyo has stored, read by the rules that the audience goes through.
//!
//! The mirror compares members of a list with the audience. Klaviyo holds what other programs and people once stored, so
//! its side is normalised as the audience is: phone numbers by the job's region, e-mail addresses in lower case and with
//! punycode, external ids without blanks around them.

use std::borrow::Cow;

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat};

use super::country::Region;
use super::{cell, email, phone};
use crate::klaviyo::Identifier;
use crate::klaviyo::list::IdentifierForms;

/// The fewest digits of an E.164 number that are a number somewhere; the shortest valid one has six.
const FEWEST_E164_DIGITS: usize = 6;

/// The fewest digits of a national number that are looked for in other countries: fewer would match too many people.
const FEWEST_NATIONAL_DIGITS: usize = 5;

/// The beginning of a domain, or of a label in it, where it is the ASCII form of another script.
const PUNYCODE: &str = "xn--";

/// The rules of a job for identifiers that Klaviyo has stored.
#[derive(Debug, Clone, Copy)]
pub struct StoredIdentifiers {
    region: Option<Region>,
}

impl StoredIdentifiers {
    /// The rules of a job with this default region.
    pub fn new(region: Option<Region>) -> Self {
        Self { region }
    }

    /// The E.164 form of a phone number; `None` where it cannot be read.
    fn phone(self, text: &str) -> Option<Cow<'_, str>> {
        if is_e164(text) {
            return Some(Cow::Borrowed(text));
        }
        let cleaned = cleaned(text);
        if cleaned.is_empty() || is_e164(&cleaned) {
            return Some(cleaned);
        }
        let mut e164 = Vec::new();
        phone::normalize(cleaned.as_bytes(), self.region, &mut e164).ok()?;
        String::from_utf8(e164).ok().map(Cow::Owned)
    }

    /// The number as people of its country write it, where the job's region reads it back as the same number.
    fn national(self, e164: &str) -> Option<String> {
        let region = self.region?;
        let parsed = PHONE_NUMBER_UTIL.parse(e164, None).ok()?;
        let national = PHONE_NUMBER_UTIL
            .format(&parsed, PhoneNumberFormat::National)
            .into_owned();
        let mut read = Vec::new();
        phone::normalize(national.as_bytes(), Some(region), &mut read).ok()?;
        (read == e164.as_bytes()).then_some(national)
    }
}

impl IdentifierForms for StoredIdentifiers {
    fn read<'a>(&self, identifier: Identifier, text: &'a str) -> Option<Cow<'a, str>> {
        match identifier {
            Identifier::Email => Some(address(text)),
            Identifier::PhoneNumber => self.phone(text),
            Identifier::ExternalId => Some(cleaned(text)),
        }
    }

    fn phones_anywhere(&self, text: &str) -> Vec<String> {
        let text = cleaned(text);
        if text.contains('+') {
            return Vec::new();
        }
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        let without_trunk = digits.trim_start_matches('0');
        if without_trunk.len() < FEWEST_NATIONAL_DIGITS {
            return Vec::new();
        }
        let codes = PHONE_NUMBER_UTIL.get_supported_calling_codes();
        let mut numbers: Vec<String> = codes
            .flat_map(|code| [digits.as_str(), without_trunk].map(|rest| format!("+{code}{rest}")))
            .chain([format!("+{without_trunk}")])
            .filter(|number| is_e164(number))
            .collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn stored_as(&self, identifier: Identifier, value: &str) -> Option<String> {
        match identifier {
            Identifier::Email => in_its_script(value),
            Identifier::PhoneNumber => self.national(value),
            Identifier::ExternalId => None,
        }
    }
}

/// Whether a text has the form of E.164: `+` and digits, the first of which is not 0.
fn is_e164(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default().as_bytes();
    (FEWEST_E164_DIGITS..=phone::MAX_E164_DIGITS).contains(&digits.len())
        && digits.iter().all(u8::is_ascii_digit)
        && digits.first() != Some(&b'0')
}

/// The text without blanks, control characters and invisible characters around it.
fn cleaned(text: &str) -> Cow<'_, str> {
    let text = text.trim_matches(is_invisible);
    if cell::is_plain(text.as_bytes()) && !text.bytes().any(|byte| byte.is_ascii_control()) {
        return Cow::Borrowed(text);
    }
    let mut scratch = Vec::new();
    let cleaned = cell::clean(text.as_bytes(), &mut scratch).text.to_vec();
    match String::from_utf8(cleaned) {
        Ok(cleaned) => Cow::Owned(cleaned.trim_matches(is_invisible).to_owned()),
        Err(_) => Cow::Borrowed(text),
    }
}

/// White space, and what takes no room on paper.
fn is_invisible(character: char) -> bool {
    character.is_whitespace() || cell::takes_no_room(character)
}

/// An address as the audience has it; one that the audience would not have comes as near to that as it can.
fn address(text: &str) -> Cow<'_, str> {
    let text = cleaned(text);
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return text;
    }
    let mut normal = Vec::new();
    if email::normalize(text.as_bytes(), &mut normal).is_ok()
        && let Ok(normal) = String::from_utf8(normal)
    {
        return Cow::Owned(normal);
    }
    let lower = text.to_lowercase();
    let ascii = lower
        .rsplit_once('@')
        .and_then(|(local, domain)| Some((local, idna::domain_to_ascii(domain).ok()?)));
    Cow::Owned(match ascii {
        Some((local, domain)) => format!("{local}@{domain}"),
        None => lower,
    })
}

/// The address with its domain in its own script, where that is another text.
fn in_its_script(address: &str) -> Option<String> {
    let (local, domain) = address.rsplit_once('@')?;
    if !domain.contains(PUNYCODE) {
        return None;
    }
    let (script, checked) = idna::domain_to_unicode(domain);
    (checked.is_ok() && script != domain).then(|| format!("{local}@{script}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(region: &str) -> StoredIdentifiers {
        StoredIdentifiers::new(Region::from_code(region))
    }

    #[test]
    fn phones_are_read_as_the_audience_is() {
        for (text, region, e164) in [
            ("+12125550143", "", Some("+12125550143")),
            ("+12125550143", "DE", Some("+12125550143")),
            (" +12125550143\u{200b}", "", Some("+12125550143")),
            ("(212) 555-0143", "US", Some("+12125550143")),
            ("212.555.0143", "US", Some("+12125550143")),
            ("2125550143", "US", Some("+12125550143")),
            ("1 (212) 555-0143", "US", Some("+12125550143")),
            ("+1 (212) 555-0143", "", Some("+12125550143")),
            ("tel:+1-212-555-0143", "", Some("+12125550143")),
            ("030 26550280", "DE", Some("+493026550280")),
            ("0049 30 26550280", "DE", Some("+493026550280")),
            ("+49 (0)30 26550280", "US", Some("+493026550280")),
            // Nobody can call it, and it has the form that the audience has.
            ("+10000000000", "US", Some("+10000000000")),
            ("", "US", Some("")),
            ("  ", "US", Some("")),
            ("(212) 555-0143", "", None),
            ("555-0143", "US", None),
            ("unknown", "US", None),
            ("+0123456789", "US", None),
        ] {
            let read = rules(region).read(Identifier::PhoneNumber, text);
            assert_eq!(read.as_deref(), e164, "{text} {region}");
        }
    }

    #[test]
    fn addresses_and_external_ids_are_read_as_the_audience_is() {
        for (text, read) in [
            ("ana@x.example", "ana@x.example"),
            ("Ana@X.Example", "ana@x.example"),
            (" ana@x.example\u{a0}", "ana@x.example"),
            ("\u{feff}ana@x.example", "ana@x.example"),
            ("ana@m\u{fc}ller.example", "ana@xn--mller-kva.example"),
            ("ANA@M\u{dc}LLER.example", "ana@xn--mller-kva.example"),
            ("ana@xn--mller-kva.example", "ana@xn--mller-kva.example"),
            ("J\u{dc}RGEN@x.example", "j\u{fc}rgen@x.example"),
            ("", ""),
            ("no address", "no address"),
        ] {
            let found = rules("").read(Identifier::Email, text);
            assert_eq!(found.as_deref(), Some(read), "{text}");
            let again = rules("").read(Identifier::Email, read);
            assert_eq!(again.as_deref(), Some(read), "{text}");
        }
        for (text, read) in [
            (" a-1 ", "a-1"),
            ("007", "007"),
            ("A-1", "A-1"),
            ("\u{200b}a\t", "a"),
        ] {
            let found = rules("").read(Identifier::ExternalId, text);
            assert_eq!(found.as_deref(), Some(read), "{text}");
        }
    }

    #[test]
    fn a_national_number_may_be_any_country_s() {
        for (text, one_of_them) in [
            ("(212) 555-0143", "+12125550143"),
            ("030 26550280", "+493026550280"),
            // Italy keeps the zero.
            ("06 39733434", "+390639733434"),
            // The calling code without its plus.
            ("1 212 555 0143", "+12125550143"),
        ] {
            let numbers = rules("").phones_anywhere(text);
            assert!(numbers.contains(&one_of_them.to_owned()), "{text}");
            assert!(numbers.len() > 150 && numbers.iter().all(|it| is_e164(it)));
        }
        for text in ["+49 30 26550280", "", "none", "0000", "12"] {
            assert_eq!(rules("DE").phones_anywhere(text), [""; 0], "{text}");
        }
    }

    #[test]
    fn another_form_is_asked_for_only_where_it_means_the_same() {
        for (e164, region, national) in [
            ("+12125550143", "US", Some("(212) 555-0143")),
            ("+493026550280", "DE", Some("030 26550280")),
            // Read by the job's region it would be somebody else's.
            ("+493026550280", "US", None),
            ("+12125550143", "", None),
            ("no number", "US", None),
        ] {
            let stored = rules(region).stored_as(Identifier::PhoneNumber, e164);
            assert_eq!(stored.as_deref(), national, "{e164} {region}");
        }
        for (address, stored) in [
            ("ana@xn--mller-kva.example", Some("ana@m\u{fc}ller.example")),
            ("ana@x.example", None),
            ("no address", None),
        ] {
            let found = rules("").stored_as(Identifier::Email, address);
            assert_eq!(found.as_deref(), stored, "{address}");
        }
        assert_eq!(rules("US").stored_as(Identifier::ExternalId, "7"), None);
    }
}
