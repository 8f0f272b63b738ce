//! Numbers that are written plainly, read by automata instead of the library: ten times as fast.
//!
//! The steps are those of the library's `parse`, `is_valid_number` and `format`, for what they do with digits,
//! `+ ( ) - . /` and spaces. Anything else, and what the library would refuse before it looks at ranges, is not plain;
//! nor is a cell whose signs may be those of a date, a decimal number, or two numbers.
//! A test compares every answer with the library's. There is one difference: digits without `+` that begin with the
//! country's own calling code and are a valid number behind it are read so, where the library may read them as national.

use rlibphonenumber::{NumberLengthType, Region, ValidationError};

use super::form::HomeForms;
use super::plan::{self, CallingCode, DialPlan};
use super::{MAX_E164_DIGITS, Number, PhoneFault, not_valid};

/// The fewest digits of a plain number. Shorter ones are rare, and the library has rules of its own for them.
const MIN_DIGITS: usize = 7;
/// The most digits of a plain number, prefixes included.
const MAX_DIGITS: usize = 22;
/// The most digits of a date.
const MAX_DATE_DIGITS: usize = 8;
/// The fewest digits before a `/` or `(` behind which a second number may follow: area codes are shorter.
const MIN_DIGITS_BEFORE_NUMBER: usize = 7;

/// The calling code of the North American Numbering Plan.
const NORTH_AMERICA: u16 = 1;

/// The most bytes of a plain number, with all its signs. A power of two, so that a place below it costs nothing to find.
const MAX_BYTES: usize = 64;

/// The digits of a cell as their values.
struct Digits {
    values: [u8; MAX_BYTES],
    count: usize,
    /// A `+` stands before them.
    is_international: bool,
    signs: Signs,
}

/// The signs between the digits, as far as they tell numbers from other cells.
#[derive(Clone, Copy, Default)]
struct Signs {
    dots: u8,
    has_slash_or_dash: bool,
    /// A second number may follow a sign.
    may_be_several: bool,
}

impl Signs {
    /// Whether a cell with these signs and so many digits may be a date, a decimal number or two numbers.
    fn are_doubtful(self, digits: usize) -> bool {
        let may_be_date = digits <= MAX_DATE_DIGITS && (self.dots > 0 || self.has_slash_or_dash);
        let may_be_decimal = self.dots == 1;
        may_be_date || may_be_decimal || self.may_be_several
    }
}

impl Digits {
    /// Without a branch that depends on a byte: numbers are written in so many ways that no processor could guess it.
    #[inline]
    fn of(cell: &[u8]) -> Option<Self> {
        if cell.len() > MAX_BYTES {
            return None;
        }
        let mut values = [0; MAX_BYTES];
        let (mut tally, mut signs, mut late) = (0_u32, 0, 0);
        for &byte in cell {
            let sign = SIGNS[usize::from(byte)];
            let digits = tally as usize % MAX_BYTES;
            values[digits] = byte & 0xF;
            late |= sign & LATE_SIGNS[digits];
            signs |= sign;
            tally = tally.wrapping_add(TALLIES[usize::from(sign % 64)]);
        }
        let [count, dots, pluses, _] = tally.to_le_bytes();
        let count = usize::from(count);
        // A `+` behind a digit is as bad as a letter.
        let is_plain = signs & OTHER == 0 && late & PLUS == 0 && pluses <= 1;
        (is_plain && (MIN_DIGITS..=MAX_DIGITS).contains(&count)).then_some(Self {
            values,
            count,
            is_international: pluses == 1,
            signs: Signs {
                dots,
                has_slash_or_dash: signs & SLASH_OR_DASH > 0,
                may_be_several: late & SEPARATOR > 0,
            },
        })
    }

    fn values(&self) -> &[u8] {
        &self.values[..self.count]
    }
}

const DIGIT: u8 = 1;
const DOT: u8 = 1 << 1;
const SLASH_OR_DASH: u8 = 1 << 2;
/// A second number may follow it.
const SEPARATOR: u8 = 1 << 3;
const PLUS: u8 = 1 << 4;
/// No plain number has it.
const OTHER: u8 = 1 << 5;

/// The meaning of each byte in a number.
const SIGNS: [u8; 256] = {
    let mut signs = [OTHER; 256];
    let mut digit = b'0';
    while digit <= b'9' {
        signs[digit as usize] = DIGIT;
        digit += 1;
    }
    signs[b' ' as usize] = 0;
    signs[b')' as usize] = 0;
    signs[b'-' as usize] = SLASH_OR_DASH;
    signs[b'.' as usize] = DOT;
    signs[b'(' as usize] = SEPARATOR;
    signs[b'/' as usize] = SLASH_OR_DASH | SEPARATOR;
    signs[b'+' as usize] = PLUS;
    signs
};

/// One digit, one dot, or one plus, in a byte of its own; nothing for other signs.
const TALLIES: [u32; 64] = {
    let mut tallies = [0; 64];
    tallies[DIGIT as usize] = 1;
    tallies[DOT as usize] = 1 << 8;
    tallies[PLUS as usize] = 1 << 16;
    tallies
};

/// The signs that tell something behind so many digits.
const LATE_SIGNS: [u8; MAX_BYTES] = {
    let mut signs = [PLUS; MAX_BYTES];
    signs[0] = 0;
    let mut digits = MIN_DIGITS_BEFORE_NUMBER;
    while digits < MAX_BYTES {
        signs[digits] = PLUS | SEPARATOR;
        digits += 1;
    }
    signs
};

/// Appends the number as E.164 to `out`, or names the fault. `None`: it is not plain and must be read in another way.
pub(super) fn normalize(
    cell: &[u8],
    region: Option<Region>,
    out: &mut Vec<u8>,
) -> Option<Result<Number, PhoneFault>> {
    let digits = Digits::of(cell)?;
    if digits.signs.are_doubtful(digits.count) {
        return None;
    }
    of_digits(&digits, region, out)
}

/// As [`normalize`], for a text that is known to be one number. `None`: ask the library.
pub(super) fn normalize_any_form(
    text: &[u8],
    region: Option<Region>,
    out: &mut Vec<u8>,
) -> Option<Result<Number, PhoneFault>> {
    of_digits(&Digits::of(text)?, region, out)
}

fn of_digits(
    digits: &Digits,
    region: Option<Region>,
    out: &mut Vec<u8>,
) -> Option<Result<Number, PhoneFault>> {
    let home = match region {
        Some(region) => Some(plan::of_region(region)?),
        None => None,
    };
    let dialled = if digits.is_international {
        let (code, number) = plan::calling_code(digits.values())?;
        DialledNumber::abroad(code, number)
    } else {
        dialled_at(home?, digits.values())?
    };
    let plan = dialled.code.map(|code| &code.plan).or(home)?;
    let code = match dialled.code {
        Some(code) => code,
        None => code_of(plan)?,
    };
    let number = national_number(plan, dialled.number)?;
    if !code.is_valid(number) {
        return Some(Err(not_valid(code.plan.length(number))));
    }
    let written = write(code.plan.code, number, out).map(|()| Number {
        has_own_calling_code: dialled.has_own_calling_code,
        ..Number::default()
    });
    Some(written)
}

/// The digits of a number as they are dialled.
struct DialledNumber<'a> {
    /// `None` for a national number.
    code: Option<&'static CallingCode>,
    number: &'a [u8],
    /// The library would read it as a national number.
    has_own_calling_code: bool,
}

impl<'a> DialledNumber<'a> {
    fn abroad(code: &'static CallingCode, number: &'a [u8]) -> Self {
        Self {
            code: Some(code),
            number,
            has_own_calling_code: false,
        }
    }
}

/// A number as it is dialled at home: with the international prefix, with the calling code alone, or a national one.
fn dialled_at<'a>(home: &DialPlan, digits: &'a [u8]) -> Option<DialledNumber<'a>> {
    if let Some(end) = home.international.prefix(digits)
        && digits.get(end) != Some(&0)
    {
        let (code, number) = plan::calling_code(&digits[end..])?;
        return Some(DialledNumber::abroad(code, number));
    }
    let code = code_of(home)?;
    let national = DialledNumber {
        code: None,
        number: digits,
        has_own_calling_code: false,
    };
    let Some(rest) = without_code(home.code, digits) else {
        return Some(national);
    };
    let number = home.without_prefix(rest).ok()?;
    let is_better = !home.is_general(digits) && home.is_general(number)
        || home.length(digits) == Err(ValidationError::TooLong);
    if is_better {
        return Some(DialledNumber::abroad(code, number));
    }
    if is_somebodys(code, rest)? {
        return Some(DialledNumber {
            has_own_calling_code: code.is_valid(national_number(home, digits)?),
            ..DialledNumber::abroad(code, rest)
        });
    }
    Some(national)
}

/// Whether what follows a calling code is the number of a person or a company.
fn is_somebodys(code: &CallingCode, rest: &[u8]) -> Option<bool> {
    if rest.len() < 2 {
        return Some(false);
    }
    Some(code.is_ordinary(national_number(&code.plan, rest)?))
}

/// Appends `national`, the digits of a national number, as E.164 if they begin with the region's own calling code and are a
/// valid number without it. Whether they are.
pub(super) fn write_with_own_code(national: &str, region: Region, out: &mut Vec<u8>) -> bool {
    let mut written = || {
        let digits = Digits::of(national.as_bytes())?;
        let home = plan::of_region(region)?;
        let code = code_of(home)?;
        let rest = without_code(home.code, digits.values())?;
        if !is_somebodys(code, rest)? {
            return None;
        }
        write(code.plan.code, national_number(&code.plan, rest)?, out).ok()
    };
    written().is_some()
}

/// The forms of cells that are numbers of the region.
pub(super) fn forms_of(region: Region) -> HomeForms {
    plan::of_region(region).map_or_else(HomeForms::default, |plan| HomeForms {
        is_north_american: plan.code == NORTH_AMERICA,
        has_six_digits: plan.has_only_length(6),
    })
}

/// The number without the national prefix, unless only a part of a number would be left.
fn national_number<'a>(plan: &DialPlan, number: &'a [u8]) -> Option<&'a [u8]> {
    let rest = plan.without_prefix(number).ok()?;
    let number = match plan.length(rest) {
        Ok(NumberLengthType::IsPossibleLocalOnly)
        | Err(ValidationError::TooShort | ValidationError::InvalidLength) => number,
        _ => rest,
    };
    (2..=17).contains(&number.len()).then_some(number)
}

/// The entry of a plan's own calling code.
fn code_of(plan: &DialPlan) -> Option<&'static CallingCode> {
    let (digits, count) = code_digits(plan.code);
    plan::calling_code(&digits[3 - count..]).map(|(code, _)| code)
}

/// The digits after the calling code, if they begin with it.
fn without_code(code: u16, digits: &[u8]) -> Option<&[u8]> {
    let (code, count) = code_digits(code);
    digits.strip_prefix(&code[3 - count..])
}

/// The digits of a calling code, at the end of the array, and how many they are.
fn code_digits(code: u16) -> ([u8; 3], usize) {
    let digit = |power: u16| u8::try_from(code / power % 10).unwrap_or(0);
    let count = 1 + usize::from(code >= 10) + usize::from(code >= 100);
    ([digit(100), digit(10), digit(1)], count)
}

fn write(code: u16, number: &[u8], out: &mut Vec<u8>) -> Result<(), PhoneFault> {
    let (code, count) = code_digits(code);
    if count + number.len() > MAX_E164_DIGITS {
        return Err(PhoneFault::TooLong);
    }
    out.push(b'+');
    let digits = code[3 - count..].iter().chain(number);
    out.extend(digits.map(|digit| b'0' + digit));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType};

    use crate::pipeline::normalize::country;
    use crate::pipeline::normalize::phone::e164_by_library;

    /// xorshift64*: the same numbers in every run.
    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: usize) -> usize {
            self.0 ^= self.0 >> 12;
            self.0 ^= self.0 << 25;
            self.0 ^= self.0 >> 27;
            let drawn = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
            usize::try_from(drawn).unwrap() % limit
        }

        fn one_of<T: Clone>(&mut self, of: &[T]) -> T {
            of[self.below(of.len())].clone()
        }
    }

    const TYPES: [PhoneNumberType; 10] = [
        PhoneNumberType::FixedLine,
        PhoneNumberType::Mobile,
        PhoneNumberType::TollFree,
        PhoneNumberType::PremiumRate,
        PhoneNumberType::SharedCost,
        PhoneNumberType::VoIP,
        PhoneNumberType::PersonalNumber,
        PhoneNumberType::Pager,
        PhoneNumberType::UAN,
        PhoneNumberType::VoiceMail,
    ];

    /// Metadata's examples of every region and calling code, each in the ways in which people write it.
    fn examples() -> Vec<(Option<Region>, Vec<String>)> {
        let regions = PHONE_NUMBER_UTIL.get_supported_regions();
        let mut regions: Vec<Region> = regions.collect();
        regions.sort_unstable();
        let of_regions = regions.iter().map(|region| {
            let numbers = TYPES.iter().filter_map(|kind| {
                PHONE_NUMBER_UTIL
                    .get_example_number_for_type_and_region(*region, *kind)
                    .ok()
            });
            let written = numbers.flat_map(|number| {
                let format = |format| PHONE_NUMBER_UTIL.format(&number, format).into_owned();
                let abroad = |from| {
                    PHONE_NUMBER_UTIL
                        .format_out_of_country_calling_number(&number, from)
                        .into_owned()
                };
                let e164 = format(PhoneNumberFormat::E164);
                [
                    format(PhoneNumberFormat::National),
                    format(PhoneNumberFormat::International),
                    e164.trim_start_matches('+').to_owned(),
                    e164,
                    abroad(Region::DE),
                    abroad(Region::US),
                ]
            });
            (Some(*region), written.collect())
        });
        let codes = PHONE_NUMBER_UTIL.get_supported_global_network_calling_codes();
        let of_codes = codes.map(|code| {
            let number = PHONE_NUMBER_UTIL.get_example_number_for_non_geo_entity(code);
            let number = number.map(|number| {
                PHONE_NUMBER_UTIL
                    .format(&number, PhoneNumberFormat::E164)
                    .into_owned()
            });
            (None, number.into_iter().collect())
        });
        let mut examples: Vec<_> = of_regions.chain(of_codes).collect();
        examples.sort();
        examples
    }

    /// The number as somebody mistyped it.
    fn mistyped(mut number: String, random: &mut Random) -> String {
        for _ in 0..random.below(4) {
            let at = random.below(number.len() + 1);
            let digit = random.one_of(&[
                "0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "00", " ", "(0)", "-", "+",
            ]);
            match random.below(3) {
                0 => number.insert_str(at, digit),
                1 if at < number.len() => number.replace_range(at..=at, digit),
                _ if at < number.len() => {
                    number.remove(at);
                }
                _ => number.push_str(digit),
            }
        }
        number
    }

    /// Compares both ways. Whether the plain one had an answer.
    fn compare(number: &str, home: Option<Region>) -> bool {
        let mut written = Vec::new();
        let Some(answer) = normalize(number.as_bytes(), home, &mut written) else {
            return false;
        };
        let region = home.and_then(|home| country::Region::from_code(&home.to_string()));
        let of_library = |number: &str| {
            let (e164, _) = e164_by_library(number, region)?;
            let is_short = e164.len() <= 1 + MAX_E164_DIGITS;
            is_short.then_some(e164).ok_or(PhoneFault::TooLong)
        };
        let written = String::from_utf8(written).unwrap();
        let answer = answer.map(|number| (written, number.has_own_calling_code));
        let code = home.and_then(|home| PHONE_NUMBER_UTIL.get_country_code_for_region(home));
        let digits: String = number.chars().filter(char::is_ascii_digit).collect();
        if !number.contains('+') && code.is_some_and(|code| digits.starts_with(&code.to_string())) {
            let (national, abroad) = (of_library(number), of_library(&format!("+{digits}")));
            match answer {
                // Pagers and the like are national numbers.
                Ok((e164, false)) if national.as_ref() == Ok(&e164) => {}
                Ok((e164, is_told)) => {
                    assert_eq!(Ok(&e164), abroad.as_ref(), "{number:?} {region:?}");
                    assert_eq!(is_told, national.is_ok(), "{number:?} {region:?}");
                }
                Err(fault) => assert_eq!(Err(fault), national, "{number:?} {region:?}"),
            }
            return true;
        }
        assert_eq!(
            answer,
            of_library(number).map(|e164| (e164, false)),
            "{number:?} {region:?}"
        );
        true
    }

    /// 300 of each region: 75,000 in all, or in proportion when `KLAVIYO_EXPORT_TEST_SEEDS` is not ten.
    #[test]
    fn every_answer_is_the_library_s() {
        let seeds = std::env::var("KLAVIYO_EXPORT_TEST_SEEDS").ok();
        let rounds = 30 * seeds.and_then(|seeds| seeds.parse().ok()).unwrap_or(10);
        let examples = examples();
        let regions: Vec<Option<Region>> = examples.iter().map(|(region, _)| *region).collect();
        let mut random = Random(0x5EED);
        let (mut plain, mut all) = (0, 0);
        for (home, numbers) in &examples {
            for _ in 0..rounds {
                let number = mistyped(random.one_of(numbers), &mut random);
                let region = if random.below(4) == 0 {
                    random.one_of(&regions)
                } else {
                    *home
                };
                plain += usize::from(compare(&number, region));
                all += 1;
            }
        }
        assert!(plain * 10 > all * 7, "{plain} of {all} were plain");
    }

    #[test]
    fn digits_at_random_are_judged_alike() {
        let mut random = Random(7);
        for _ in 0..20_000 {
            let digits: String = (0..7 + random.below(10))
                .map(|_| char::from(b'0' + u8::try_from(random.below(10)).unwrap()))
                .collect();
            let number = format!(
                "{}{digits}",
                random.one_of(&["", "0", "00", "+", "+1", "+44", "+49", "011"])
            );
            let region = random.one_of(&[
                Region::US,
                Region::GB,
                Region::DE,
                Region::FR,
                Region::IT,
                Region::KZ,
            ]);
            compare(&number, Some(region));
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_library() {
        for number in [
            "1-800-FLOWERS",
            "650 253 0000 x12",
            "+1+6502530000",
            "253000",
            "６５０２５３００００",
            "1234567890123456789012345",
        ] {
            assert!(!compare(number, Some(Region::US)), "{number}");
        }
        assert!(!compare("6502530000", None));
        // Argentina's prefixes are rewritten, and so are Brazil's, with which few numbers begin.
        assert!(!compare("011 15 2312 3456", Some(Region::AR)));
        assert!(compare("(11) 96123-4567", Some(Region::BR)));
    }
}
