//! How a phone cell is read that is no plain number: its form, the words in it, its numbers, and each number's prefix.
//!
//! The stages, in this order: a cell in another form (date, decimal, scientific notation) is refused; labels and extensions
//! are taken off, any other word refuses the cell; what is left is split where one number ends and the next begins, and the
//! first valid number counts. A number that its country's own rules do not read is tried as an international one.

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberType};

use super::form::{self, HomeForms};
use super::plain;
use super::words::{WordRole, role_of};
use super::{Number, PhoneFault, by_library};
use crate::pipeline::normalize::country::Region;

/// The fewest digits of a number: shorter ones in a cell are remnants.
const MIN_DIGITS: usize = 5;

/// The fewest digits before a sign that may separate two numbers. Area codes are shorter.
const MIN_DIGITS_BEFORE_SEPARATOR: usize = 7;

/// The fewest digits of a number before the end of a range, as in `030 12345678/79`.
const MIN_DIGITS_BEFORE_RANGE: usize = 9;

/// The most digits of the end of a range, where number and range would be a valid number together.
const MAX_RANGE_DIGITS: usize = 3;

/// The most digits of the end of a range elsewhere.
const MAX_SURE_RANGE_DIGITS: usize = 4;

/// The most digits of an extension (libphonenumber takes as many behind an `x`).
const MAX_EXTENSION_DIGITS: usize = 9;

/// The most letters among the digits of a number that are typing errors: from three on they may be meant as digits.
const MAX_STRAY_LETTERS: usize = 2;

/// Reads a cell that the plain way does not take.
pub(super) fn read(
    cell: &str,
    region: Option<Region>,
    out: &mut Vec<u8>,
) -> Result<Number, PhoneFault> {
    // RFC 3966 has parameters behind the number, which the library knows.
    if cell.contains(';')
        && cell
            .get(..4)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("tel:"))
    {
        return one_number(cell, region, out);
    }
    let reader = Reader {
        region,
        home: region.map_or_else(HomeForms::default, |region| plain::forms_of(region.plan())),
    };
    let text = form::number_in(cell, reader.home)?;
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    if letters == 0 {
        return reader.first_of(&[text], out);
    }
    if letters <= MAX_STRAY_LETTERS && has_stray_letter(text) {
        return one_number(text, region, out);
    }
    // Behind a label.
    if let Some(begin) = text.find(char::is_numeric)
        && form::scientific(&text.as_bytes()[begin..]).is_some()
    {
        return Err(PhoneFault::ScientificNotation);
    }
    let Some(numbers) = PhoneCell::of(text) else {
        return vanity_number(text, region, out);
    };
    if numbers.numbers.is_empty() && numbers.has_fax {
        return Err(PhoneFault::Words);
    }
    let number = reader.first_of(&numbers.numbers, out)?;
    Ok(Number {
        is_one_of_several: number.is_one_of_several || numbers.has_fax,
        ..number
    })
}

/// Whether a single letter touches a digit, as in `650 25x3 0000`: a typing error, or the sign of an extension.
fn has_stray_letter(text: &str) -> bool {
    let mut characters = text.chars().peekable();
    let mut before = ' ';
    let mut is_found = false;
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        if character.is_alphabetic() {
            if next.is_alphabetic() {
                return false;
            }
            is_found |= before.is_numeric() || next.is_numeric();
        }
        before = character;
    }
    is_found
}

/// The texts of a cell that may be numbers, without words and extensions.
#[derive(Default)]
struct PhoneCell<'a> {
    numbers: Vec<&'a str>,
    has_fax: bool,
}

/// Meaning of the words that were read last.
#[derive(Clone, Copy, PartialEq, Eq)]
enum PriorWord {
    Nothing,
    Label,
    Extension,
    Fax,
}

impl<'a> PhoneCell<'a> {
    /// `None` where a word belongs to no phone number.
    fn of(text: &'a str) -> Option<Self> {
        let mut cell = Self::default();
        let mut before = PriorWord::Nothing;
        let mut rest = text;
        while !rest.is_empty() {
            let (word, after) = split_at(rest, |c| !is_letter(c));
            if !word.is_empty() {
                before = cell.word(word, after, before)?;
            }
            let (signs, after) = split_at(after, is_letter);
            if signs.contains(char::is_numeric) {
                cell.number(signs, before)?;
                before = PriorWord::Nothing;
            }
            rest = after;
        }
        Some(cell)
    }

    fn word(&self, word: &str, after: &str, before: PriorWord) -> Option<PriorWord> {
        let is_labelled = before != PriorWord::Nothing;
        match role_of(word)? {
            // An extension has a number before it: "Durchwahl: 030 123456" is a label.
            WordRole::Extension if !self.numbers.is_empty() && !is_labelled => {
                Some(PriorWord::Extension)
            }
            WordRole::Label | WordRole::Extension => Some(PriorWord::Label),
            WordRole::NumberSign if after.starts_with(['.', ':', '°', '#']) => {
                Some(PriorWord::Label)
            }
            WordRole::Filler | WordRole::NumberSign if is_labelled => Some(before),
            // Of "Tel/Fax" it is both.
            WordRole::Fax if before == PriorWord::Label => Some(PriorWord::Label),
            WordRole::Fax => Some(PriorWord::Fax),
            WordRole::Or if !self.numbers.is_empty() => Some(PriorWord::Nothing),
            WordRole::Filler | WordRole::NumberSign | WordRole::Or => None,
        }
    }

    /// `None` where as many digits as a number has are called an extension, and there is no number before them.
    fn number(&mut self, signs: &'a str, before: PriorWord) -> Option<()> {
        match before {
            PriorWord::Nothing | PriorWord::Label => self.numbers.push(signs),
            PriorWord::Fax => self.has_fax = true,
            PriorWord::Extension => {
                let (extension, after) = split_at(signs, is_separator);
                if digits_in(extension) <= MAX_EXTENSION_DIGITS {
                    if digits_in(after) > 0 {
                        self.numbers.push(after);
                    }
                } else if self
                    .numbers
                    .iter()
                    .any(|number| digits_in(number) >= MIN_DIGITS)
                {
                    self.numbers.push(signs);
                } else {
                    return None;
                }
            }
        }
        Some(())
    }
}

/// Splits before the first character that `ends` holds of.
fn split_at(text: &str, ends: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(ends).unwrap_or(text.len()))
}

/// A letter, or an accent of decomposed text.
fn is_letter(character: char) -> bool {
    character.is_alphabetic() || crate::profile::words::is_combining_mark(character)
}

/// A sign that no phone number has inside.
fn is_separator(character: char) -> bool {
    matches!(character, ';' | '|' | '&' | '、' | '；' | '，' | '・' | '•') || character.is_control()
}

fn digits_in(text: &str) -> usize {
    text.chars().filter(|c| c.is_numeric()).count()
}

/// Reads the numbers of one cell.
#[derive(Clone, Copy)]
struct Reader {
    region: Option<Region>,
    home: HomeForms,
}

impl Reader {
    /// The first valid number of these texts, each of which may hold several; the first fault where none is valid.
    fn first_of(self, texts: &[&str], out: &mut Vec<u8>) -> Result<Number, PhoneFault> {
        let parts = texts.iter().flat_map(|text| text.split(is_separator));
        let parts: Vec<&str> = parts
            .flat_map(listed)
            .filter(|part| digits_in(part) > 0)
            .collect();
        let is_alone = parts.len() == 1;
        let counted = parts.iter().filter(|part| digits_in(part) >= MIN_DIGITS);
        let is_one_of_several = counted.count() > 1;
        let mut fault = None;
        for part in parts {
            if digits_in(part) < MIN_DIGITS && !is_alone {
                continue;
            }
            match self.one_or_more(part, out) {
                Ok(number) => {
                    return Ok(Number {
                        is_one_of_several: number.is_one_of_several || is_one_of_several,
                        ..number
                    });
                }
                Err(found) => fault = fault.or(Some(found)),
            }
        }
        for text in texts.iter().filter(|text| text.contains(char::is_control)) {
            // A line break inside one number.
            let joined = text.replace(char::is_control, " ");
            if let Ok(number) = one_number(&joined, self.region, out) {
                return Ok(number);
            }
        }
        Err(fault.unwrap_or(PhoneFault::NoDigits))
    }

    /// A text without a sure separator: one number, or several with a sign between them that numbers also have inside.
    fn one_or_more(self, text: &str, out: &mut Vec<u8>) -> Result<Number, PhoneFault> {
        let text = form::number_in(text, self.home)?;
        let splits = SplitText::all_of(text);
        for split in splits.iter().filter(|split| split.is_likely()) {
            if (split.is_range(MAX_RANGE_DIGITS) || self.is_valid(split.right))
                && let Ok(number) = one_number(split.left, self.region, out)
            {
                return Ok(number.of_several());
            }
        }
        let fault = match one_number(text, self.region, out) {
            Ok(number) => return Ok(number),
            Err(fault) => fault,
        };
        for split in &splits {
            if (split.is_range(MAX_SURE_RANGE_DIGITS)
                || split.has_halves() && self.is_valid(split.right))
                && let Ok(number) = one_number(split.left, self.region, out)
            {
                return Ok(number.of_several());
            }
        }
        Err(fault)
    }

    fn is_valid(self, text: &str) -> bool {
        one_number(text, self.region, &mut Vec::new()).is_ok()
    }
}

/// The items of a list with commas, if each may be a number.
fn listed(text: &str) -> Vec<&str> {
    let items: Vec<&str> = text.split(',').collect();
    if items.iter().all(|item| digits_in(item) > MIN_DIGITS) {
        items
    } else {
        vec![text]
    }
}

/// A text cut at a sign that may separate two numbers.
struct SplitText<'a> {
    left: &'a str,
    sign: char,
    right: &'a str,
}

impl<'a> SplitText<'a> {
    fn all_of(text: &'a str) -> Vec<Self> {
        let mut digits = 0;
        let mut splits = Vec::new();
        for (at, sign) in text.char_indices() {
            digits += usize::from(sign.is_numeric());
            if digits < MIN_DIGITS_BEFORE_SEPARATOR
                || !matches!(sign, '/' | '\\' | '(' | '+' | '-' | '–' | ',' | ' ')
            {
                continue;
            }
            let end = if sign == '+' {
                at
            } else {
                at + sign.len_utf8()
            };
            splits.push(Self {
                left: &text[..at],
                sign,
                right: text[end..].trim_start_matches(|c: char| !c.is_numeric() && c != '+'),
            });
        }
        splits
    }

    /// The second half begins as numbers begin, behind a sign that seldom stands in the middle of one.
    fn is_likely(&self) -> bool {
        matches!(self.sign, '/' | '\\' | '(' | '+')
            && (self.is_range(MAX_RANGE_DIGITS)
                || self.right.starts_with(['0', '+']) && digits_in(self.right) > MIN_DIGITS)
    }

    /// Both halves are long enough for a blank or a dash between them to end a number.
    fn has_halves(&self) -> bool {
        !matches!(self.sign, ' ' | '-' | '–')
            || digits_in(self.right) >= MIN_DIGITS_BEFORE_SEPARATOR
    }

    /// `030 12345678/79`: the second number differs in its last digits.
    fn is_range(&self, most_digits: usize) -> bool {
        self.sign == '/'
            && digits_in(self.left) >= MIN_DIGITS_BEFORE_RANGE
            && (1..=most_digits).contains(&digits_in(self.right))
    }
}

/// Reads a text of one number.
fn one_number(text: &str, region: Option<Region>, out: &mut Vec<u8>) -> Result<Number, PhoneFault> {
    let plan = region.map(Region::plan);
    let read = plain::normalize_any_form(text.as_bytes(), plan, out)
        .unwrap_or_else(|| by_library(text, region, out));
    read.or_else(|fault| with_other_prefix(text, region, out).ok_or(fault))
}

/// `00` and `011`, and the country's own calling code, read as if `+` stood for them or before them.
fn with_other_prefix(text: &str, region: Option<Region>, out: &mut Vec<u8>) -> Option<Number> {
    let (signs, number) = text.split_at(text.find(char::is_numeric)?);
    let has_plus = |text: &str| text.contains(['+', '\u{ff0b}']);
    let own_code =
        region.and_then(|region| PHONE_NUMBER_UTIL.get_country_code_for_region(region.plan()));
    let begins_with_own_code = own_code.is_some_and(|code| number.starts_with(&code.to_string()));
    // `+00…` and `00+…`: both were written.
    let candidates = [
        number.strip_prefix("00").map(without_plus),
        number
            .strip_prefix("011")
            .map(without_plus)
            .filter(|_| !has_plus(signs)),
        (begins_with_own_code && !has_plus(signs)).then_some(number),
    ];
    let mut candidates = candidates
        .into_iter()
        .flatten()
        .filter(|rest| !has_plus(rest));
    candidates.find_map(|rest| {
        let international = format!("+{rest}");
        plain::normalize_any_form(international.as_bytes(), None, out)
            .unwrap_or_else(|| by_library(&international, None, out))
            .ok()
    })
}

fn without_plus(text: &str) -> &str {
    text.trim_start_matches(['+', ' '])
}

/// `1-800-FLOWERS`: letters in place of digits, of which only numbers of companies are made.
fn vanity_number(
    text: &str,
    region: Option<Region>,
    out: &mut Vec<u8>,
) -> Result<Number, PhoneFault> {
    let parsed = PHONE_NUMBER_UTIL.parse(text, region.map(Region::plan));
    let kind = parsed
        .ok()
        .map(|number| PHONE_NUMBER_UTIL.get_number_type(&number));
    let begins_with_digits = text.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '(');
    match kind {
        Some(
            PhoneNumberType::TollFree
            | PhoneNumberType::SharedCost
            | PhoneNumberType::PremiumRate
            | PhoneNumberType::UAN,
        ) if begins_with_digits && text.is_ascii() => by_library(text, region, out),
        _ => Err(PhoneFault::Words),
    }
}
