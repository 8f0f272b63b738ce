//! The meaning of one header, told by its words alone.

use super::others::is_of_somebody_else;
use super::qualifiers::{Group, group_before, group_of};
use super::spellings::{
    MOBILE_TIER, NEED_ADDRESS, NEED_OTHER_HALF, NEED_PROOF, PLAIN_TITLE_TIER, SpellingPlace, TABLE,
    WHOLE_NAMES, place_of,
};
use crate::profile::column::ProfileColumn;
use crate::profile::consent::looks_like_consent;
use crate::profile::words::{fold, words};

/// More words than this are a sentence, not a name.
const MAX_WORDS: usize = 10;

/// The shortest qualifier that is told from the start of a single word: `billingcity` is a city, `homeland` is none.
const MIN_JOINED_QUALIFIER: usize = 6;

/// The meaning of a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It may be one of Klaviyo's columns.
    Column(HeaderName),
    /// Whether somebody may be written to.
    Consent,
    /// A field of an owner, an agent, a buyer: not of the person of the row.
    OtherPerson,
    /// First and last name in one.
    WholeName,
    /// Nothing that Klaviyo has a header for.
    Nothing,
}

/// How a header names one of Klaviyo's columns; the smaller the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HeaderName {
    /// The tier of its spelling.
    pub(super) tier: u8,
    /// False for Klaviyo's own header, to the letter.
    pub(super) is_other: bool,
    /// The words that qualify it.
    pub(super) group: Group,
    /// Place of the spelling in its list.
    pub(super) spelling: usize,
    /// Index into [`TABLE`].
    pub(super) entry: usize,
}

impl HeaderName {
    /// Klaviyo's column.
    pub(super) fn column(&self) -> &'static ProfileColumn {
        &TABLE[self.entry].column
    }

    fn text(&self) -> &'static str {
        let mut all = TABLE[self.entry].all();
        all.nth(self.spelling).map_or("", |(_, text)| text)
    }

    /// Whether the cells have to prove it.
    pub(super) fn needs_proof(&self) -> bool {
        // A firm's switchboard is a number of many people.
        let is_office = *self.column() == ProfileColumn::PhoneNumber
            && self.group == Group::Work
            && self.tier != MOBILE_TIER;
        is_office || NEED_PROOF.contains(&self.text())
    }

    /// Whether another column of an address must be in its group.
    pub(super) fn needs_address(&self) -> bool {
        self.is_other && NEED_ADDRESS.contains(&self.text())
    }

    /// Whether the other half of the name must be there.
    pub(super) fn needs_other_half(&self) -> bool {
        self.is_other && NEED_OTHER_HALF.contains(&self.text())
    }

    /// Whether it is a title without a word for a job.
    pub(super) fn is_plain_title(&self) -> bool {
        *self.column() == ProfileColumn::Title && self.tier == PLAIN_TITLE_TIER
    }
}

/// Reads one header.
pub(super) fn meaning(header: &str) -> Meaning {
    if looks_like_consent(header) {
        return Meaning::Consent;
    }
    let words = words(header);
    if let Some(name) = name_of(header.trim(), &words) {
        return Meaning::Column(name);
    }
    if is_of_somebody_else(&words) {
        return Meaning::OtherPerson;
    }
    let folded = fold(header);
    let bare = |word: &String| group_of(word).is_none();
    let core: String = words.iter().filter(|word| bare(word)).cloned().collect();
    if WHOLE_NAMES.contains(&folded.as_str()) || (words.len() > 1 && core == "name") {
        return Meaning::WholeName;
    }
    Meaning::Nothing
}

/// The best of Klaviyo's columns for a header.
fn name_of(header: &str, words: &[String]) -> Option<HeaderName> {
    if words.is_empty() || words.len() > MAX_WORDS {
        return None;
    }
    let (group, place) = find(words, QUALIFIED)?;
    Some(HeaderName {
        tier: place.tier,
        is_other: header != TABLE[place.entry].column.header(),
        group,
        spelling: place.spelling,
        entry: place.entry,
    })
}

/// Qualifiers that one name has at most.
const QUALIFIED: u8 = 2;

/// Finds the words among the spellings: as they are, or else without so many qualifiers.
fn find(words: &[String], qualifiers: u8) -> Option<(Group, SpellingPlace)> {
    let text = words.concat();
    if let Some(place) = place_of(&text) {
        return Some((Group::Plain, place));
    }
    if qualifiers == 0 {
        return None;
    }
    let joined =
        joined_qualifiers(&text, words).filter_map(|(group, rest)| Some((group, place_of(rest)?)));
    let split = qualified(words).filter_map(|(group, rest)| {
        let (inner, place) = find(&rest, qualifiers - 1)?;
        Some((group.max(inner), place))
    });
    let found = joined.chain(split);
    found
        .filter(|(_, place)| TABLE[place.entry].qualified)
        .min()
}

/// The words without a qualifier at one of their ends, or before a number at their end, with its group.
fn qualified(words: &[String]) -> impl Iterator<Item = (Group, Vec<String>)> {
    let count = words.len();
    let is_numbered = words
        .last()
        .is_some_and(|word| word.chars().all(|c| c.is_ascii_digit()));
    let ranges = (1..count).flat_map(move |length| {
        let before_number = (is_numbered && length + 1 < count).then(|| count - 1 - length);
        [Some(0), Some(count - length), before_number]
            .into_iter()
            .flatten()
            .map(move |start| start..start + length)
    });
    ranges.filter_map(|range| {
        let phrase = words[range.clone()].concat();
        let group = if range.start == 0 {
            group_before(&phrase)?
        } else {
            group_of(&phrase)?
        };
        let rest = [&words[..range.start], &words[range.end..]].concat();
        Some((group, rest))
    })
}

/// The qualifiers that begin a name written as one word.
fn joined_qualifiers<'a>(
    text: &'a str,
    words: &[String],
) -> impl Iterator<Item = (Group, &'a str)> {
    let is_one_word = words.len() == 1;
    let ends = text.char_indices().map(|(index, _)| index);
    ends.filter(move |end| is_one_word && *end >= MIN_JOINED_QUALIFIER)
        .filter_map(|end| Some((group_of(&text[..end])?, &text[end..])))
}
