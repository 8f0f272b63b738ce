//! Cells that hold an e-mail address in another dress: as mail programs, web pages and people write it.
//!
//! Only cells that are no plain address come here. An address is taken out of `Ann <ann@example.com>`, `mailto:`, quotes,
//! brackets and punctuation; of several the first valid one counts. A domain in its own script becomes punycode. Nothing is
//! guessed: where words stand beside the address without a sign that tells them apart, the cell stays invalid.

use super::super::cell::takes_no_room;
use super::{EmailFault, MAX_EMAIL_CHARACTERS, MAX_LOCAL_PART_CHARACTERS};
use crate::profile::words::is_combining_mark;

/// Carriers that gave out addresses with dots at the end of the local part or several in a row, against RFC 5322.
const DOTTED_DOMAINS: [&str; 2] = ["docomo.ne.jp", "ezweb.ne.jp"];

/// Signs as web pages write them.
const ENTITIES: [(&str, &str); 10] = [
    ("&#64;", "@"),
    ("&#064;", "@"),
    ("&#x40;", "@"),
    ("&commat;", "@"),
    ("&#46;", "."),
    ("&period;", "."),
    ("&lt;", "<"),
    ("&gt;", ">"),
    ("&quot;", "\""),
    ("&nbsp;", " "),
];

/// Words with a colon before an address that mean nothing else.
const LABELS: [&str; 5] = ["mailto:", "e-mail:", "email:", "mail:", "smtp:"];

/// The change that made an address of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EmailChange {
    /// A name, or angle brackets alone, were around it.
    DisplayName,
    /// `mailto:`, or another label.
    Label,
    /// `&#64;`, or another sign as web pages write it.
    Entity,
    /// Quotes, brackets or punctuation around it.
    Punctuation,
    /// Blanks beside the @, or characters that take no room.
    Blanks,
    /// Letters or an @ of double width.
    FullWidth,
    /// A domain in its own script.
    Punycode,
}

impl EmailChange {
    /// The change in one word, as `repairs.csv` and previews write it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::DisplayName => "display-name",
            Self::Label => "label",
            Self::Entity => "entity",
            Self::Punctuation => "punctuation",
            Self::Blanks => "blanks",
            Self::FullWidth => "full-width",
            Self::Punycode => "punycode",
        }
    }
}

/// Notes on how an address was found in its cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AddressNotes {
    /// The change, where there is another than of letter case.
    pub change: Option<EmailChange>,
    /// The cell holds other addresses too.
    pub is_one_of_several: bool,
    /// It has letters beyond ASCII before the @.
    pub is_non_ascii: bool,
}

impl AddressNotes {
    /// Notes a change, unless another one is known.
    fn note(&mut self, change: EmailChange) {
        self.change = self.change.or(Some(change));
    }
}

/// Appends the address that the cell holds to `out`; `None` if it holds none, and `out` stays as it was.
pub fn mend(cell: &[u8], out: &mut Vec<u8>) -> Option<AddressNotes> {
    let text = std::str::from_utf8(cell).ok()?;
    let mut mended = AddressNotes::default();
    // A domain's own rules would drop a character that takes no room without a word.
    if !text.contains(takes_no_room)
        && let Ok(address) = Address::read(text)
    {
        out.extend_from_slice(address.text.as_bytes());
        return Some(address.mended(mended));
    }
    let plain = plain_signs(text, &mut mended);
    let mut found: Option<Address> = None;
    for candidate in candidates(&plain, &mut mended)? {
        let Ok(address) = Address::read(&candidate) else {
            continue;
        };
        match &found {
            None => {
                mended = address.mended(mended);
                if candidate != text {
                    mended.note(EmailChange::Punctuation);
                }
                found = Some(address);
            }
            Some(first) => mended.is_one_of_several |= first.text != address.text,
        }
    }
    out.extend_from_slice(found?.text.as_bytes());
    Some(mended)
}

/// An address as it is sent.
struct Address {
    text: String,
    is_non_ascii: bool,
    is_punycode: bool,
}

impl Address {
    /// Reads a text that is an address as a whole, with letters of any script.
    fn read(text: &str) -> Result<Self, EmailFault> {
        let (local, domain) = text.rsplit_once('@').ok_or(EmailFault::NoAt)?;
        let is_punycode = !domain.is_ascii();
        let domain = if is_punycode {
            idna::domain_to_ascii_strict(domain).map_err(|_| EmailFault::DomainCharacter)?
        } else {
            domain.to_ascii_lowercase()
        };
        super::check_domain(domain.as_bytes())?;
        let local = local.to_lowercase();
        check_local_part(&local, &domain)?;
        let text = format!("{local}@{domain}");
        if text.chars().count() > MAX_EMAIL_CHARACTERS {
            return Err(EmailFault::TooLong);
        }
        Ok(Self {
            text,
            is_non_ascii: !local.is_ascii(),
            is_punycode,
        })
    }

    /// Adds its own facts.
    fn mended(&self, mut mended: AddressNotes) -> AddressNotes {
        mended.is_non_ascii = self.is_non_ascii;
        if self.is_punycode {
            mended.note(EmailChange::Punycode);
        }
        mended
    }
}

/// As the rule for plain addresses, with letters beyond ASCII (RFC 6531, 3.3), and with dots where the carrier allows them.
fn check_local_part(local: &str, domain: &str) -> Result<(), EmailFault> {
    let may_stand = |character: char| match u8::try_from(character) {
        Ok(byte) if byte.is_ascii() => super::CLASS[usize::from(byte)] & super::LOCAL != 0,
        _ => character.is_alphanumeric() || is_mark(character),
    };
    if local.is_empty() {
        return Err(EmailFault::NoLocalPart);
    }
    // A mark belongs to the letter before it.
    if local.starts_with(is_mark) || !local.chars().all(may_stand) {
        return Err(EmailFault::LocalPartCharacter);
    }
    if local.chars().count() > MAX_LOCAL_PART_CHARACTERS {
        return Err(EmailFault::LocalPartTooLong);
    }
    let is_dotted = DOTTED_DOMAINS.contains(&domain);
    if local.starts_with('.') || local.ends_with('.') && !is_dotted {
        return Err(EmailFault::LocalPartEdgeDot);
    }
    if local.contains("..") && !is_dotted {
        return Err(EmailFault::LocalPartTwoDots);
    }
    Ok(())
}

/// Whether a character that is no letter is written on the letter before it: an accent, or a sign of many scripts.
fn is_mark(character: char) -> bool {
    !character.is_alphanumeric() && (is_combining_mark(character) || is_sign_of_script(character))
}

/// Whether a character is in the blocks of signs and letters that are written together.
fn is_sign_of_script(character: char) -> bool {
    matches!(
        character,
        '\u{483}'..='\u{487}' | '\u{591}'..='\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}'
            | '\u{6d6}'..='\u{6ed}' | '\u{730}'..='\u{74a}' | '\u{7a6}'..='\u{7b0}' | '\u{8d3}'..='\u{963}'
            | '\u{981}'..='\u{983}' | '\u{9bc}'..='\u{9d7}' | '\u{a01}'..='\u{a03}' | '\u{a3c}'..='\u{a51}'
            | '\u{a70}'..='\u{a83}' | '\u{abc}'..='\u{acd}' | '\u{b01}'..='\u{b03}' | '\u{b3c}'..='\u{b57}'
            | '\u{bbe}'..='\u{bd7}' | '\u{c00}'..='\u{c04}' | '\u{c3c}'..='\u{c56}' | '\u{cbc}'..='\u{cd6}'
            | '\u{d3b}'..='\u{d57}' | '\u{dca}'..='\u{ddf}' | '\u{e31}'..='\u{e4e}' | '\u{eb1}'..='\u{ecd}'
            | '\u{f71}'..='\u{f84}' | '\u{102b}'..='\u{103e}' | '\u{17b4}'..='\u{17d3}' | '\u{3099}' | '\u{309a}'
    )
}

/// The text with signs as a keyboard has them: no entities of web pages, nothing of double width, nothing that takes no room.
fn plain_signs(text: &str, mended: &mut AddressNotes) -> String {
    let mut plain = text.to_owned();
    for (entity, sign) in ENTITIES {
        if plain.contains(entity) {
            plain = plain.replace(entity, sign);
            mended.note(EmailChange::Entity);
        }
    }
    let mut out = String::with_capacity(plain.len());
    for character in plain.chars() {
        match character {
            '\u{ff01}'..='\u{ff5e}' => {
                let narrow = u32::from(character) - 0xff01 + u32::from('!');
                out.extend(char::from_u32(narrow));
                mended.note(EmailChange::FullWidth);
            }
            character if takes_no_room(character) => mended.note(EmailChange::Blanks),
            character => out.push(character),
        }
    }
    out
}

/// The parts of the text that may be addresses, first those in angle brackets. `None` where a word stands beside them that
/// nothing tells apart.
fn candidates(text: &str, mended: &mut AddressNotes) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut tail = text;
    while let Some((before, after)) = tail.split_once('<') {
        let Some((inside, after)) = after.split_once('>') else {
            break;
        };
        rest.push_str(before);
        rest.push(' ');
        if inside.contains('@') {
            mended.note(EmailChange::DisplayName);
            found.push(unlabelled(&without_blanks_at_sign(inside, mended), mended).to_owned());
        }
        tail = after;
    }
    rest.push_str(tail);
    // Names are words only before an address in angle brackets.
    let may_have_words = !found.is_empty();
    let rest = without_blanks_at_sign(&without_remarks(&rest), mended);
    let separates = |character: char| character.is_whitespace() || matches!(character, ',' | ';');
    for word in rest.split(separates) {
        if LABELS.iter().any(|label| word.eq_ignore_ascii_case(label)) {
            mended.note(EmailChange::Label);
            continue;
        }
        // These may stand in an address, against Klaviyo's rules: they separate whole addresses only.
        for part in word.split(['/', '|', '\\']) {
            let bare = unlabelled(part, mended);
            if bare.contains('@') {
                found.push(bare.to_owned());
            } else if !may_have_words && !is_between_addresses(word, part, bare) {
                return None;
            }
        }
    }
    Some(found)
}

/// Whether a part of a word without an @ only separates addresses. Next to one it must be empty: `ann/work@example.com`.
fn is_between_addresses(word: &str, part: &str, bare: &str) -> bool {
    part.is_empty() || (!word.contains('@') && matches!(bare, "" | "-" | "–" | "&"))
}

/// The word without a label before it, and without quotes and punctuation around it.
fn unlabelled<'a>(word: &'a str, mended: &mut AddressNotes) -> &'a str {
    let mut bare = trimmed(word);
    for label in LABELS {
        if let Some(start) = bare.get(..label.len())
            && start.eq_ignore_ascii_case(label)
        {
            bare = trimmed(&bare[label.len()..]);
            // Of `mailto:ann@example.com?subject=Hello`, the address.
            bare = bare.split_once('?').map_or(bare, |(address, _)| address);
            mended.note(EmailChange::Label);
        }
    }
    bare
}

fn trimmed(word: &str) -> &str {
    let is_around = |it: char| {
        matches!(
            it,
            '"' | '\''
                | '`'
                | '('
                | ')'
                | '['
                | ']'
                | '{'
                | '}'
                | '<'
                | '>'
                | '*'
                | ':'
                | '«'
                | '»'
                | '‹'
                | '›'
                | '\u{b4}'
                | '\u{b7}'
                | '\u{2018}'..='\u{201f}' | '\u{2022}'
        )
    };
    let is_after = |it: char| is_around(it) || matches!(it, '.' | '!' | '?' | '\u{3002}');
    let word = word.trim().trim_start_matches(is_around);
    word.trim_end_matches(is_after)
}

/// The text without remarks in parentheses.
fn without_remarks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('(') {
        let Some((inside, after)) = after.split_once(')') else {
            break;
        };
        out.push_str(before);
        out.push(' ');
        if inside.contains('@') {
            out.push_str(inside);
            out.push(' ');
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// The text without blanks beside the @.
fn without_blanks_at_sign(text: &str, mended: &mut AddressNotes) -> String {
    let mut parts = text.split('@');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (before, after) = (out.trim_end().len(), part.trim_start());
        if before < out.len() || after.len() < part.len() {
            mended.note(EmailChange::Blanks);
        }
        out.truncate(before);
        out.push('@');
        out.push_str(after);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read_cell(cell: &str) -> Option<(String, AddressNotes)> {
        let mut out = Vec::new();
        let mended = mend(cell.as_bytes(), &mut out)?;
        Some((String::from_utf8(out).unwrap(), mended))
    }

    #[test]
    fn an_address_is_taken_out_of_its_dress() {
        let ann = "ann@example.com";
        for (cell, address, change) in [
            ("Ann <ann@example.com>", ann, EmailChange::DisplayName),
            (
                "\"Lee, Ann\" <Ann@Example.com>",
                ann,
                EmailChange::DisplayName,
            ),
            ("<ann@example.com>", ann, EmailChange::DisplayName),
            (
                "ann@example.com <ann@example.com>",
                ann,
                EmailChange::DisplayName,
            ),
            ("<mailto:ann@example.com>", ann, EmailChange::DisplayName),
            ("mailto:ann@example.com", ann, EmailChange::Label),
            ("MAILTO:Ann@example.com?subject=Hi", ann, EmailChange::Label),
            ("E-Mail: ann@example.com", ann, EmailChange::Label),
            ("\"ann@example.com\"", ann, EmailChange::Punctuation),
            ("'ann@example.com'", ann, EmailChange::Punctuation),
            ("„ann@example.com“", ann, EmailChange::Punctuation),
            ("(ann@example.com)", ann, EmailChange::Punctuation),
            ("ann@example.com.", ann, EmailChange::Punctuation),
            ("ann@example.com,", ann, EmailChange::Punctuation),
            ("ann@example.com;", ann, EmailChange::Punctuation),
            ("ann@example.com (work)", ann, EmailChange::Punctuation),
            ("ann @ example.com", ann, EmailChange::Blanks),
            ("ann@ example.com", ann, EmailChange::Blanks),
            ("ann@exa\u{200b}mple.com", ann, EmailChange::Blanks),
            ("ann&#64;example.com", ann, EmailChange::Entity),
            ("ann&commat;example&#46;com", ann, EmailChange::Entity),
            ("ａｎｎ＠example.com", ann, EmailChange::FullWidth),
            (
                "ann@müller.example",
                "ann@xn--mller-kva.example",
                EmailChange::Punycode,
            ),
            (
                "ANN@MÜLLER.example",
                "ann@xn--mller-kva.example",
                EmailChange::Punycode,
            ),
            (
                "ann@例え.テスト",
                "ann@xn--r8jz45g.xn--zckzah",
                EmailChange::Punycode,
            ),
        ] {
            let expected = AddressNotes {
                change: Some(change),
                ..AddressNotes::default()
            };
            assert_eq!(
                read_cell(cell),
                Some((address.to_owned(), expected)),
                "{cell}"
            );
        }
    }

    #[test]
    fn of_several_addresses_the_first_valid_one_counts() {
        for (cell, is_several) in [
            ("ann@example.com; bob@example.com", true),
            ("ann@example.com, bob@example.com", true),
            ("ann@example.com/bob@example.com", true),
            ("ann@example.com bob@example.com", true),
            ("Ann <ann@example.com>, Bob <bob@example.com>", true),
            ("ann@@example; ann@example.com; bob@example.com", true),
            ("ann@example.com; Ann@Example.com", false),
        ] {
            let (address, how) = read_cell(cell).unwrap();
            let found = (address.as_str(), how.is_one_of_several);
            assert_eq!(found, ("ann@example.com", is_several), "{cell}");
        }
    }

    #[test]
    fn carriers_in_japan_allow_dots() {
        for cell in ["a..b@docomo.ne.jp", "a.@ezweb.ne.jp", "A...@DOCOMO.ne.jp"] {
            let expected = (cell.to_lowercase(), AddressNotes::default());
            assert_eq!(read_cell(cell), Some(expected), "{cell}");
        }
        for cell in [".a@docomo.ne.jp", "a..b@example.jp", "a.@example.jp"] {
            assert_eq!(read_cell(cell), None, "{cell}");
        }
    }

    #[test]
    fn letters_beyond_ascii_are_kept_and_told() {
        for (cell, address) in [
            ("jürgen@example.com", "jürgen@example.com"),
            ("JÜRGEN@example.com", "jürgen@example.com"),
            ("用户@例子.广告", "用户@xn--fsqu00a.xn--55qw42g"),
            ("Jürgen <jürgen@example.com>", "jürgen@example.com"),
            ("उदाहरण.परीक्ष@example.com", "उदाहरण.परीक्ष@example.com"),
            ("อีเมล@example.com", "อีเมล@example.com"),
        ] {
            let (found, how) = read_cell(cell).unwrap();
            assert!(how.is_non_ascii, "{cell}");
            assert_eq!(
                found.split_once('@').unwrap().0,
                address.split_once('@').unwrap().0
            );
            assert!(found.split_once('@').unwrap().1.is_ascii(), "{cell}");
        }
    }

    #[test]
    fn other_cells_are_not_guessed() {
        for cell in [
            "",
            "@",
            "ann",
            "ann smith@example.com",
            "not ann@example.com",
            "ann@example.com is old",
            "ann@exam ple.com",
            "ann at example.com",
            "ann@example",
            "Ann <ann>",
            "j\u{fffd}rgen@example.com",
            "j☃@example.com",
            "!#$%&'*+-/=?^_`.{|}~@example.com",
            "ann/~@example.com",
            "*/a@example.com",
            "<\u{338}me@example.com",
            "\u{94d}me@example.com",
            "ann@xn--a\u{fc}.example",
        ] {
            assert_eq!(read_cell(cell), None, "{cell}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_and_twice_is_once(cell in "\\PC{0,20}|[a-z<>@ ,;.:\"()é＠]{0,24}(@b\\.com)?[ ,;>]{0,2}") {
            if let Some((address, _)) = read_cell(&cell) {
                let (again, how) = read_cell(&address).unwrap();
                prop_assert_eq!(&again, &address);
                prop_assert!(how.change.is_none() && !how.is_one_of_several);
            }
        }
    }
}
