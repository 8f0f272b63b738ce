//! Which numbering plan a row's country cell means.
//!
//! Takes ISO 3166 codes of two and three letters or three digits, codes of a subdivision (`US-CA`), a code next to its name
//! (`US - United States`), and names in ten languages with their usual variants, in any letter case, with or without accents
//! and punctuation. Gives only regions that libphonenumber knows; it serves to read phone numbers.

use std::collections::HashMap;
use std::sync::LazyLock;

use rlibphonenumber::PHONE_NUMBER_UTIL;

use crate::pipeline::normalize::country::aliases::ALIASES;
use crate::profile::words::{base_letters, is_combining_mark};

mod aliases;
mod compound;

/// A country or territory with a numbering plan, as ISO 3166 alpha-2 (and AC, TA, XK).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Region(rlibphonenumber::Region);

impl Region {
    /// The region with this alpha-2 code, in any letter case, if libphonenumber has metadata for it.
    pub fn from_code(code: &str) -> Option<Self> {
        let region = rlibphonenumber::Region::from_code(code).ok()?;
        let is_known = region != rlibphonenumber::Region::World
            && PHONE_NUMBER_UTIL
                .get_country_code_for_region(region)
                .is_some();
        is_known.then_some(Self(region))
    }

    /// The same region in the library's own type.
    pub(in crate::pipeline::normalize) fn plan(self) -> rlibphonenumber::Region {
        self.0
    }
}

impl std::fmt::Display for Region {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(out)
    }
}

/// Reads a country cell. `None`: empty, unknown, or a place without a numbering plan of its own.
pub fn region_of(country: &[u8]) -> Option<Region> {
    let mut name = CountryName::default();
    if let Some(region) = alpha_2_index(country).and_then(|index| KNOWN.codes[index]) {
        return Some(region);
    }
    let text = std::str::from_utf8(country).ok()?;
    let known = name
        .fold(text)
        .and_then(|()| KNOWN.names.get(name.as_bytes()));
    known.copied().or_else(|| compound::region_of_parts(text))
}

/// [`region_of`] that remembers its last answer, for sources where a country repeats from row to row.
#[derive(Debug, Default)]
pub struct RegionCache {
    country: Vec<u8>,
    region: Option<Region>,
}

impl RegionCache {
    /// Reads a country cell like [`region_of`].
    pub fn region_of(&mut self, country: &[u8]) -> Option<Region> {
        if country != self.country {
            self.region = region_of(country);
            self.country.clear();
            self.country.extend_from_slice(country);
        }
        self.region
    }
}

/// Names in other languages than English, from Unicode's CLDR: `CODE|NAME|NAME …` a line.
const NAMES: &str = include_str!("country/names.txt");

/// Every spelling that is known, folded by [`CountryName::fold`].
struct CountrySpellings {
    codes: [Option<Region>; 26 * 26],
    names: HashMap<Box<[u8]>, Region>,
}

static KNOWN: LazyLock<CountrySpellings> = LazyLock::new(|| {
    let mut known = CountrySpellings {
        codes: [None; 26 * 26],
        names: HashMap::new(),
    };
    for line in NAMES.lines().filter(|line| !line.starts_with('#')) {
        let mut names = line.split('|');
        let code = names.next().unwrap_or_default();
        names.for_each(|name| known.add(name, code));
    }
    for country in iso3166::LIST {
        let (code, name) = (country.alpha2, country.name);
        known.add(&format!("{:03}", country.id), code);
        for title in ["Republic of", "Kingdom of"] {
            known.add(&format!("{title} {name}"), code);
        }
        for spelling in [code, country.alpha3, name] {
            known.add(spelling, code);
        }
    }
    for (code, spellings) in ALIASES {
        for spelling in spellings.split('|').chain([*code]) {
            known.add(spelling.trim(), code);
        }
    }
    known
});

impl CountrySpellings {
    /// Adds a spelling of the country with this code, unless libphonenumber has no such region.
    fn add(&mut self, spelling: &str, code: &str) {
        let mut name = CountryName::default();
        let (Some(region), Some(())) = (Region::from_code(code), name.fold(spelling)) else {
            return;
        };
        if let Some(index) = alpha_2_index(spelling.as_bytes()) {
            self.codes[index] = Some(region);
        }
        self.names.insert(name.as_bytes().into(), region);
    }
}

fn alpha_2_index(text: &[u8]) -> Option<usize> {
    let [first, second] = text else { return None };
    let letter = |byte: &u8| {
        let letter = byte.to_ascii_uppercase().checked_sub(b'A')?;
        (letter < 26).then_some(usize::from(letter))
    };
    Some(letter(first)? * 26 + letter(second)?)
}

/// Longer than any spelling that is known, so that a longer cell need not be read.
const MAX_NAME_BYTES: usize = 64;

/// A folded name: plain lower-case letters without blanks, without "and" and "the", with "saint" for "st".
struct CountryName {
    bytes: [u8; MAX_NAME_BYTES],
    length: usize,
    word_start: usize,
    words: usize,
}

impl Default for CountryName {
    fn default() -> Self {
        Self {
            bytes: [0; MAX_NAME_BYTES],
            length: 0,
            word_start: 0,
            words: 0,
        }
    }
}

impl CountryName {
    /// `None` when the name is too long to be known, or nothing is left of it, or it says "not available".
    fn fold(&mut self, text: &str) -> Option<()> {
        for character in text.chars() {
            if character.is_ascii_alphanumeric() {
                self.push(&[character.to_ascii_lowercase() as u8])?;
            } else if character.is_ascii() {
                self.end_word()?;
            } else {
                self.fold_beyond_ascii(character)?;
            }
        }
        self.end_word()?;
        let is_not_available = self.words > 1 && self.as_bytes() == b"na"; // "N/A" is no Namibia
        (self.length > 0 && !is_not_available).then_some(())
    }

    /// Letters that have no plain form are kept: a name in another script must not shrink to a known one.
    fn fold_beyond_ascii(&mut self, character: char) -> Option<()> {
        for lower in character.to_lowercase() {
            if let Some(base) = base_letters(lower) {
                self.push(base.as_bytes())?;
            } else if lower.is_alphanumeric() {
                self.push(lower.encode_utf8(&mut [0; 4]).as_bytes())?;
            } else if !is_combining_mark(lower) {
                self.end_word()?;
            }
        }
        Some(())
    }

    fn push(&mut self, letters: &[u8]) -> Option<()> {
        let end = self.length + letters.len();
        self.bytes
            .get_mut(self.length..end)?
            .copy_from_slice(letters);
        self.length = end;
        Some(())
    }

    fn end_word(&mut self) -> Option<()> {
        let word = &self.bytes[self.word_start..self.length];
        let is_first = self.word_start == 0; // Andorra's alpha-3 code is AND
        if word == b"the" || word == b"and" && !is_first {
            self.length = self.word_start;
        } else if word == b"st" {
            self.length = self.word_start;
            self.push(b"saint")?;
        }
        self.words += usize::from(self.length > self.word_start);
        self.word_start = self.length;
        Some(())
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn code_of(country: &str) -> String {
        region_of(country.as_bytes()).map_or("none".into(), |region| region.to_string())
    }

    #[test]
    fn codes_and_names_are_known() {
        for (spellings, code) in [
            (
                "US | us | USA | U.S. | U.S.A. | United States | UNITED STATES OF AMERICA | The United States",
                "US",
            ),
            (
                "GB | gbr | UK | U.K. | Great Britain | United Kingdom | England | Scotland",
                "GB",
            ),
            ("DE | DEU | Germany | Deutschland", "DE"),
            ("Czech Republic | Czechia | CZE", "CZ"),
            (
                "South Korea | Korea, Republic of | Republic of Korea | Korea (South)",
                "KR",
            ),
            ("Russia | Russian Federation", "RU"),
            ("Vietnam | Viet Nam", "VN"),
            (
                "Türkiye | Turkey | TÜRKİYE | Tu\u{308}rkiye | Turkiye",
                "TR",
            ),
            ("Ivory Coast | Côte d'Ivoire | Cote D’Ivoire", "CI"),
            ("St. Lucia | Saint Lucia | St Lucia", "LC"),
            ("Trinidad & Tobago | Trinidad and Tobago", "TT"),
            (
                "Congo - Kinshasa | Congo, the Democratic Republic of the | DR Congo",
                "CD",
            ),
            ("Kosovo | XK", "XK"),
            ("AND | Andorra", "AD"),
            ("Hong Kong SAR China | Hong Kong S.A.R. | Hong Kong", "HK"),
            ("São Tomé and Príncipe | sao tome & principe", "ST"),
            ("North Macedonia | Macedonia", "MK"),
            ("Netherlands | The Netherlands | Holland", "NL"),
            ("Republic of Poland", "PL"),
            ("Republic of China | Taiwan", "TW"),
            (
                "US | us-CA | US-CA | 840 | US - United States | US (United States) | United States (US) | USA - Vereinigte Staaten | US: USA",
                "US",
            ),
            (
                "276 | DE-BY | de-DE | Deutschland (DE) | DE, Deutschland | Allemagne | Alemania | Germania | Duitsland | Alemanha | Tyskland | Niemcy",
                "DE",
            ),
            ("040 | AT - Österreich | Autriche | Oostenrijk", "AT"),
            ("Südafrika | Suedafrika | Afrique du Sud | Sudafrica", "ZA"),
            (
                "Großbritannien | Royaume-Uni | Reino Unido | Regno Unito | Storbritannien | Wielka Brytania | GB-ENG | Verenigd Koninkrijk",
                "GB",
            ),
            ("CA-ON | Canada (CA) | Kanada | 124", "CA"),
        ] {
            for spelling in spellings.split(" | ") {
                assert_eq!(code_of(spelling), code, "{spelling}");
            }
        }
    }

    #[test]
    fn other_texts_are_not_guessed() {
        for spelling in [
            "",
            " ",
            "-",
            "&",
            "N/A",
            "n.a.",
            "ZZ",
            "001",
            "Korea",
            "Congo",
            "America",
            "Europe",
            "Unknown",
            "中国 China",
            "Georgia, USA",
            "Antarctica",
            "Prussia",
            "The",
            "sv-SE",
            "fr-CA",
            "en-US",
            "de_AT",
            "US - Germany",
            "US-Germany",
            "US Marines",
            "40",
            "999",
            "US-CALI",
        ] {
            assert_eq!(code_of(spelling), "none", "{spelling}");
        }
    }

    #[test]
    fn every_region_of_the_library_has_a_code_and_a_name() {
        let names = &KNOWN.names;
        for region in PHONE_NUMBER_UTIL.get_supported_regions() {
            let code = region.to_string();
            assert_eq!(code_of(&code), code);
            let is_named = names
                .iter()
                .any(|(name, known)| known.0 == region && name.len() > 3);
            assert!(is_named, "{code}");
        }
    }

    #[test]
    fn no_alias_takes_the_name_of_another_country() {
        for country in iso3166::LIST {
            if let Some(region) = Region::from_code(country.alpha2) {
                for spelling in [country.alpha2, country.alpha3, country.name] {
                    assert_eq!(region_of(spelling.as_bytes()), Some(region), "{spelling}");
                }
            }
        }
    }

    #[test]
    fn region_codes_are_read_strictly() {
        assert_eq!(
            Region::from_code("de").map(|region| region.to_string()),
            Some("DE".into())
        );
        for code in ["", "D", "DEU", "001", "ZZ", "AQ", "dé"] {
            assert_eq!(Region::from_code(code), None, "{code}");
        }
    }

    proptest! {
        #[test]
        fn the_cache_changes_no_answer(countries in proptest::collection::vec("[A-C]{0,2}|Spain|\\PC{0,9}", 0..20)) {
            let mut cache = RegionCache::default();
            for country in countries {
                prop_assert_eq!(cache.region_of(country.as_bytes()), region_of(country.as_bytes()));
            }
        }

        #[test]
        fn any_bytes_are_read(country in proptest::collection::vec(any::<u8>(), 0..90)) {
            let _ = region_of(&country);
        }
    }
}
