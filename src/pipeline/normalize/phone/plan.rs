//! Numbering plans as automata, made of the metadata that `rlibphonenumber` carries, when a region is first met.
//!
//! A plan that cannot be made leaves its numbers to the library. Making the plans of four countries takes some 20 ms.

use std::sync::{LazyLock, OnceLock};

use rlibphonenumber::interfaces::AsOriginal;
use rlibphonenumber::{
    NumberLengthType, PHONE_NUMBER_UTIL, PhoneNumberDesc, Region, ValidationError,
};

use super::automaton::DigitAutomaton;

/// The most digits of a number in its country that the library reads (`MAX_LENGTH_FOR_NSN`).
const MAX_NATIONAL_DIGITS: u32 = 17;

/// How numbers are dialled in one region, or under one calling code that is no region's.
#[derive(Debug)]
pub(super) struct DialPlan {
    /// Its calling code.
    pub(super) code: u16,
    /// The prefix that is dialled before a calling code.
    pub(super) international: DigitAutomaton<bool>,
    national: DigitAutomaton<bool>,
    /// A number with the national prefix may have to be rewritten, not only cut.
    rewrites: bool,
    general: DigitAutomaton<bool>,
    lengths: u64,
    local_lengths: u64,
}

/// The national prefix may call for more than cutting: the library must do it.
#[derive(Debug)]
pub(super) struct PrefixRewrite;

impl DialPlan {
    fn new(code: i32, region: Region) -> Option<Self> {
        let metadata = PHONE_NUMBER_UTIL
            .as_original()
            .get_metadata_for_region_or_calling_code(code, region)?;
        let general = &metadata.general_desc;
        let national = pattern(
            metadata
                .national_prefix_for_parsing()
                .pattern_base
                .as_deref(),
        )?;
        Some(Self {
            code: u16::try_from(metadata.original.country_code()).ok()?,
            international: DigitAutomaton::prefixes(pattern(
                metadata.international_prefix().pattern_base.as_deref(),
            )?)?,
            national: DigitAutomaton::prefixes(national)?,
            rewrites: !metadata
                .original
                .national_prefix_transform_rule()
                .is_empty(),
            general: DigitAutomaton::whole(pattern(
                general.national_number_pattern().pattern_base.as_deref(),
            )?)?,
            lengths: mask(&general.original.possible_length),
            local_lengths: mask(&general.original.possible_length_local_only),
        })
    }

    /// Whether all its numbers have so many digits.
    pub(super) fn has_only_length(&self, length: u32) -> bool {
        1_u64.checked_shl(length) == Some(self.lengths)
    }

    /// Whether the region's general pattern matches.
    pub(super) fn is_general(&self, number: &[u8]) -> bool {
        self.general.accepts(number)
    }

    /// The number without the national prefix, if it begins with one that can be done without.
    pub(super) fn without_prefix<'a>(&self, number: &'a [u8]) -> Result<&'a [u8], PrefixRewrite> {
        let Some(end) = self.national.prefix(number) else {
            return Ok(number);
        };
        if self.rewrites {
            return Err(PrefixRewrite);
        }
        let rest = &number[end..];
        if self.is_general(number) && !self.is_general(rest) {
            return Ok(number);
        }
        Ok(rest)
    }

    /// The meaning of the number of digits, in the words of the library (`test_number_length`).
    pub(super) fn length(&self, number: &[u8]) -> Result<NumberLengthType, ValidationError> {
        let has = |mask: u64| mask.checked_shr(to_u32(number.len())).unwrap_or(0) & 1 == 1;
        if self.lengths == 0 {
            Err(ValidationError::InvalidLength)
        } else if has(self.local_lengths) {
            Ok(NumberLengthType::IsPossibleLocalOnly)
        } else if has(self.lengths) {
            Ok(NumberLengthType::IsPossible)
        } else if to_u32(number.len()) < self.lengths.trailing_zeros() {
            Err(ValidationError::TooShort)
        } else if to_u32(number.len()) > self.lengths.ilog2() {
            Err(ValidationError::TooLong)
        } else {
            Err(ValidationError::InvalidLength)
        }
    }
}

/// The facts of a calling code, which several regions may share.
#[derive(Debug)]
pub(super) struct CallingCode {
    /// The plan of its main region.
    pub(super) plan: DialPlan,
    /// By the digits: the lengths at which they are a valid number.
    valid: DigitAutomaton<ValidLengths>,
}

/// The lengths at which some digits are a valid number, as bits.
#[derive(Debug, Clone, Copy, Default)]
struct ValidLengths {
    of_any_type: u32,
    /// Of a number on which a person or a company is called: no pager, mailbox or number for a company's own use.
    ordinary: u32,
}

impl CallingCode {
    fn new(code: i32) -> Option<Self> {
        let regions: Vec<Region> = PHONE_NUMBER_UTIL
            .get_regions_for_country_calling_code(code)?
            .collect();
        let plan = DialPlan::new(code, *regions.first()?)?;
        let mut ranges = Vec::new();
        for region in &regions {
            ranges.push(RegionRanges::new(code, *region)?);
        }
        let patterns: Vec<&str> = ranges.iter().flat_map(RegionRanges::patterns).collect();
        let valid = DigitAutomaton::of(&patterns, |matches| {
            let mut lengths = ValidLengths::default();
            for length in 0..=MAX_NATIONAL_DIGITS {
                let judged = judge(&ranges, matches, length);
                lengths.of_any_type |= u32::from(judged.is_valid) << length;
                lengths.ordinary |= u32::from(judged.is_valid && judged.is_ordinary) << length;
            }
            lengths
        });
        Some(Self {
            plan,
            valid: valid?,
        })
    }

    /// Whether the number is in use in one of the regions (`is_valid_number`).
    pub(super) fn is_valid(&self, number: &[u8]) -> bool {
        has_length(self.valid.judge(number).of_any_type, number)
    }

    /// Whether the number is in use, and by a person or a company.
    pub(super) fn is_ordinary(&self, number: &[u8]) -> bool {
        has_length(self.valid.judge(number).ordinary, number)
    }
}

fn has_length(lengths: u32, number: &[u8]) -> bool {
    lengths.checked_shr(to_u32(number.len())).unwrap_or(0) & 1 == 1
}

/// One region's ranges of numbers.
struct RegionRanges {
    /// Prefixes that are this region's among those which share a calling code.
    leading: Option<String>,
    /// The general range, then one of each type of number.
    ranges: Vec<NumberRange>,
}

/// One pattern, and the lengths at which it counts.
struct NumberRange {
    pattern: Option<String>,
    lengths: Vec<i32>,
    is_ordinary: bool,
}

/// The verdict of one region's ranges on a number.
#[derive(Default)]
struct Judgement {
    /// The leading digits are the region's own.
    is_own: bool,
    is_valid: bool,
    is_ordinary: bool,
}

impl RegionRanges {
    fn new(code: i32, region: Region) -> Option<Self> {
        let metadata = PHONE_NUMBER_UTIL
            .as_original()
            .get_metadata_for_region_or_calling_code(code, region)?;
        let mut descriptions = vec![
            (&metadata.general_desc, false),
            (&metadata.premium_rate, true),
            (&metadata.toll_free, true),
            (&metadata.shared_cost, true),
            (&metadata.voip, true),
            (&metadata.personal_number, true),
            (&metadata.pager, false),
            (&metadata.uan, false),
            (&metadata.voicemail, false),
            (&metadata.fixed_line, true),
        ];
        if !metadata.original.same_mobile_and_fixed_line_pattern() {
            descriptions.push((&metadata.mobile, true));
        }
        let mut ranges = Vec::new();
        for (description, is_ordinary) in descriptions {
            let base = description
                .national_number_pattern()
                .pattern_base
                .as_deref();
            ranges.push(NumberRange {
                is_ordinary,
                ..NumberRange::new(base, &description.original)?
            });
        }
        // Whatever follows it: the automaton judges whole numbers.
        let leading = pattern(metadata.leading_digits().pattern_base.as_deref())?
            .map(|prefix| format!("(?:{prefix})[0-9]*"));
        Some(Self { leading, ranges })
    }

    fn patterns(&self) -> impl Iterator<Item = &str> {
        let ranges = self.ranges.iter().map(|range| &range.pattern);
        std::iter::once(&self.leading)
            .chain(ranges)
            .flatten()
            .map(String::as_str)
    }

    /// Takes this region's matches off the front, and judges a number of `length` digits by them.
    fn judge(&self, matches: &mut impl Iterator<Item = bool>, length: u32) -> Judgement {
        let is_own = self.leading.is_some() && matches.next().unwrap_or(false);
        let mut judgement = Judgement {
            is_own,
            ..Judgement::default()
        };
        let mut is_general = false;
        // All ranges are asked, so that all their matches are taken.
        for (index, range) in self.ranges.iter().enumerate() {
            let is_match = range.pattern.is_some() && matches.next().unwrap_or(false);
            let counts = is_match && range.has(length);
            if index == 0 {
                is_general = counts;
            } else {
                judgement.is_valid |= counts && is_general;
                judgement.is_ordinary |= counts && is_general && range.is_ordinary;
            }
        }
        judgement
    }
}

impl NumberRange {
    fn new(base: Option<&str>, description: &PhoneNumberDesc) -> Option<Self> {
        Some(Self {
            pattern: pattern(base)?.map(str::to_owned),
            lengths: description.possible_length.clone(),
            is_ordinary: false,
        })
    }

    /// No lengths are those of the general range.
    fn has(&self, length: u32) -> bool {
        self.lengths.is_empty()
            || self
                .lengths
                .iter()
                .any(|known| u32::try_from(*known) == Ok(length))
    }
}

/// A number belongs to the first region whose leading digits it has, or of which it is a valid number.
fn judge(regions: &[RegionRanges], matches: &[bool], length: u32) -> Judgement {
    let mut matches = matches.iter().copied();
    for region in regions {
        let judgement = region.judge(&mut matches, length);
        if judgement.is_valid || judgement.is_own && regions.len() > 1 {
            return judgement;
        }
    }
    Judgement::default()
}

/// The pattern inside `^(?:…)$`, as the library keeps patterns. `None` for one that it keeps otherwise.
#[expect(
    clippy::option_option,
    reason = "no pattern is not the same as a strange one"
)]
fn pattern(base: Option<&str>) -> Option<Option<&str>> {
    match base {
        None => Some(None),
        Some(base) => Some(Some(base.strip_prefix("^(?:")?.strip_suffix(")$")?)),
    }
}

/// The lengths as bits; -1 means none (`build_length_mask`).
fn mask(lengths: &[i32]) -> u64 {
    lengths
        .iter()
        .fold(0, |mask, length| match u32::try_from(*length) {
            Ok(length) => mask | 1_u64.checked_shl(length).unwrap_or(0),
            Err(_) => 0,
        })
}

fn to_u32(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The plan of a region; made when it is first asked for.
pub(super) fn of_region(region: Region) -> Option<&'static DialPlan> {
    static PLANS: [OnceLock<Option<DialPlan>>; 26 * 26] = [const { OnceLock::new() }; 26 * 26];
    let [first, second] = (region as u16)
        .to_be_bytes()
        .map(|letter| usize::from(letter.wrapping_sub(b'A')));
    let plan = PLANS.get(first * 26 + second)?.get_or_init(|| {
        let code = PHONE_NUMBER_UTIL.get_country_code_for_region(region)?;
        DialPlan::new(code, region)
    });
    plan.as_ref()
}

/// The calling code that a number begins with, and what follows it. `None`: no code, or one without a plan.
pub(super) fn calling_code(number: &[u8]) -> Option<(&'static CallingCode, &[u8])> {
    static CODES: LazyLock<Vec<Option<OnceLock<Option<CallingCode>>>>> = LazyLock::new(|| {
        let is_known = |code: i32| {
            PHONE_NUMBER_UTIL
                .get_region_for_country_code(code)
                .is_some()
        };
        (0..1_000)
            .map(|code| is_known(code).then(OnceLock::new))
            .collect()
    });
    let mut code = 0;
    for (at, digit) in number.iter().take(3).enumerate() {
        code = code * 10 + i32::from(*digit);
        if code == 0 {
            return None;
        }
        if let Some(Some(known)) = CODES.get(usize::try_from(code).ok()?) {
            let known = known.get_or_init(|| CallingCode::new(code)).as_ref();
            return known.map(|known| (known, &number[at + 1..]));
        }
    }
    None
}
