//! The rule for e-mail addresses: what Klaviyo takes as an identifier.
//!
//! Takes a cleaned cell and appends the address in lower case, or names the fault without showing the value.
//! Strict on purpose: a row with an e-mail that Klaviyo refuses may be lost whole, a blanked one is reported.
//! No display names, no quotes, no IP literals, no `mailto:`, no letters beyond ASCII: what a cell in such a dress holds,
//! [`mend`] finds.

mod mend;
mod usual;

use memchr::{memchr, memchr_iter};

pub use mend::{AddressNotes, mend};

/// The longest address that Klaviyo takes as an identifier (Profiles API overview; facts A4).
pub const MAX_EMAIL_CHARACTERS: usize = 100;

/// The longest local part that a mail server must take (RFC 5321, 4.5.3.1.1).
pub const MAX_LOCAL_PART_CHARACTERS: usize = 64;

/// The longest label of a domain name (RFC 1035, 2.3.4).
pub const MAX_LABEL_CHARACTERS: usize = 63;

/// The fault of an e-mail address. The text names the kind only, for reports must not show the value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum EmailFault {
    /// There is nothing that separates local part and domain.
    #[error("no @")]
    NoAt,
    /// Only a quoted local part could hold a second @.
    #[error("more than one @")]
    SecondAt,
    /// Klaviyo counts the characters of the whole address.
    #[error("longer than {MAX_EMAIL_CHARACTERS} characters")]
    TooLong,
    /// A space, tab or line break, which Klaviyo names as invalid.
    #[error("white space inside")]
    WhiteSpace,
    /// Letters beyond ASCII, in the local part or in a domain that is not in its xn-- form.
    #[error("a letter that is not ASCII")]
    NotAscii,
    /// Nothing before the @.
    #[error("nothing before the @")]
    NoLocalPart,
    /// The local part is longer than mail servers take.
    #[error("name before the @ longer than {MAX_LOCAL_PART_CHARACTERS} characters")]
    LocalPartTooLong,
    /// A dot at the start or the end of the local part.
    #[error("name before the @ begins or ends with a dot")]
    LocalPartEdgeDot,
    /// An empty atom in the local part.
    #[error("two dots in a row before the @")]
    LocalPartTwoDots,
    /// A character that is no atom text, or one that Klaviyo names as invalid.
    #[error("a character that is not allowed before the @")]
    LocalPartCharacter,
    /// Nothing after the @.
    #[error("nothing after the @")]
    NoDomain,
    /// A host name alone, like `localhost`.
    #[error("no dot in the domain")]
    NoTopLevelDomain,
    /// A dot at an end of the domain or two in a row.
    #[error("an empty part of the domain")]
    EmptyLabel,
    /// A label that no name server could hold.
    #[error("a part of the domain is longer than {MAX_LABEL_CHARACTERS} characters")]
    LabelTooLong,
    /// A label that begins or ends with a hyphen.
    #[error("a part of the domain begins or ends with a hyphen")]
    LabelEdgeHyphen,
    /// Neither letter, digit, hyphen nor dot.
    #[error("a character that is not allowed in the domain")]
    DomainCharacter,
    /// The last label is neither two or more letters nor an xn-- name.
    #[error("not a top-level domain")]
    TopLevelDomain,
}

/// Appends the address in lower case to `out`; on a fault `out` stays as it was.
pub fn normalize(cell: &[u8], out: &mut Vec<u8>) -> Result<(), EmailFault> {
    if usual::normalize(cell, out) {
        return Ok(());
    }
    check(cell)?;
    let start = out.len();
    out.extend_from_slice(cell);
    out[start..].make_ascii_lowercase();
    Ok(())
}

/// Judges an address part by part.
fn check(cell: &[u8]) -> Result<(), EmailFault> {
    let at = memchr(b'@', cell).ok_or(EmailFault::NoAt)?;
    check_domain(&cell[at + 1..])
        .and_then(|()| check_local_part(&cell[..at]))
        .map_err(|fault| worst(cell, fault))?;
    if cell.len() > MAX_EMAIL_CHARACTERS {
        return Err(EmailFault::TooLong);
    }
    Ok(())
}

/// Prefers a fault of the whole address to one of its parts, which it would explain. Only bad addresses come here.
fn worst(cell: &[u8], fault: EmailFault) -> EmailFault {
    if memchr_iter(b'@', cell).nth(1).is_some() {
        EmailFault::SecondAt
    } else if cell.iter().any(u8::is_ascii_whitespace) {
        EmailFault::WhiteSpace
    } else if !cell.is_ascii() {
        EmailFault::NotAscii
    } else {
        fault
    }
}

/// A dot-atom (RFC 5322, 3.2.3) without the characters that Klaviyo calls invalid.
fn check_local_part(local: &[u8]) -> Result<(), EmailFault> {
    let (Some(first), Some(last)) = (local.first(), local.last()) else {
        return Err(EmailFault::NoLocalPart);
    };
    if *first == b'.' || *last == b'.' {
        return Err(EmailFault::LocalPartEdgeDot);
    }
    let mut before = b' ';
    for &byte in local {
        if CLASS[usize::from(byte)] & LOCAL == 0 {
            return Err(EmailFault::LocalPartCharacter);
        }
        if byte == b'.' && before == b'.' {
            return Err(EmailFault::LocalPartTwoDots);
        }
        before = byte;
    }
    if local.len() > MAX_LOCAL_PART_CHARACTERS {
        return Err(EmailFault::LocalPartTooLong);
    }
    Ok(())
}

/// Two or more labels of letters, digits and hyphens (RFC 1123, 2.1), the last one a top-level domain.
fn check_domain(domain: &[u8]) -> Result<(), EmailFault> {
    if domain.is_empty() {
        return Err(EmailFault::NoDomain);
    }
    let mut label_start = 0;
    for (position, &byte) in domain.iter().enumerate() {
        if byte == b'.' {
            check_label(&domain[label_start..position])?;
            label_start = position + 1;
        } else if CLASS[usize::from(byte)] & DOMAIN == 0 {
            return Err(EmailFault::DomainCharacter);
        }
    }
    let top = &domain[label_start..];
    check_label(top)?;
    if label_start == 0 {
        return Err(EmailFault::NoTopLevelDomain);
    }
    let is_internationalized = top.len() > 4 && top[..4].eq_ignore_ascii_case(b"xn--");
    let is_alphabetic = top.len() >= 2 && top.iter().all(u8::is_ascii_alphabetic);
    if is_alphabetic || is_internationalized {
        Ok(())
    } else {
        Err(EmailFault::TopLevelDomain)
    }
}

fn check_label(label: &[u8]) -> Result<(), EmailFault> {
    match label {
        [] => Err(EmailFault::EmptyLabel),
        [b'-', ..] | [.., b'-'] => Err(EmailFault::LabelEdgeHyphen),
        _ if label.len() > MAX_LABEL_CHARACTERS => Err(EmailFault::LabelTooLong),
        _ => Ok(()),
    }
}

const LOCAL: u8 = 1;
const DOMAIN: u8 = 2;

/// Where each byte may stand. `/` is atom text to RFC 5322 but invalid to Klaviyo (help 115005078807; facts A4).
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        if byte.is_ascii_alphanumeric() {
            class[byte as usize] = LOCAL | DOMAIN;
        }
        byte += 1;
    }
    let marks = b"!#$%&'*+=?^_`{|}~.";
    let mut mark = 0;
    while mark < marks.len() {
        class[marks[mark] as usize] = LOCAL;
        mark += 1;
    }
    class[b'-' as usize] = LOCAL | DOMAIN;
    class
};

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normalized(cell: &str) -> Result<String, EmailFault> {
        let mut out = b"before ".to_vec();
        let outcome = normalize(cell.as_bytes(), &mut out);
        let text = String::from_utf8(out).unwrap();
        let appended = text.strip_prefix("before ").unwrap().to_owned();
        assert_eq!(outcome.is_err(), appended.is_empty());
        outcome.map(|()| appended)
    }

    #[test]
    fn good_addresses_become_lower_case() {
        for (cell, address) in [
            ("a@b.co", "a@b.co"),
            ("Ann.Lee+News@Example.COM", "ann.lee+news@example.com"),
            ("o'reilly@example.ie", "o'reilly@example.ie"),
            ("!#$%&'*+-=?^_`{|}~@x.org", "!#$%&'*+-=?^_`{|}~@x.org"),
            ("1@1.2.3a.example", "1@1.2.3a.example"),
            ("a-b@a-b.c--d.museum", "a-b@a-b.c--d.museum"),
            ("x@xn--bcher-kva.XN--P1AI", "x@xn--bcher-kva.xn--p1ai"),
        ] {
            assert_eq!(normalized(cell).as_deref(), Ok(address), "{cell}");
        }
    }

    #[test]
    fn bad_addresses_are_told_apart() {
        use EmailFault as Fault;
        for (cell, fault) in [
            ("", Fault::NoAt),
            ("example.com", Fault::NoAt),
            ("a@b@c.de", Fault::SecondAt),
            ("a b@c.de", Fault::WhiteSpace),
            ("a@c.de b@c.de", Fault::SecondAt),
            ("a@c.de b", Fault::WhiteSpace),
            ("stanisław@wp.pl", Fault::NotAscii),
            ("a@müller.de", Fault::NotAscii),
            ("a@c\u{ff0e}de", Fault::NotAscii),
            ("@c.de", Fault::NoLocalPart),
            (".a@c.de", Fault::LocalPartEdgeDot),
            ("a.@c.de", Fault::LocalPartEdgeDot),
            ("a..b@c.de", Fault::LocalPartTwoDots),
            ("a/b@c.de", Fault::LocalPartCharacter),
            ("a\\b@c.de", Fault::LocalPartCharacter),
            ("a(b)@c.de", Fault::LocalPartCharacter),
            ("a,b@c.de", Fault::LocalPartCharacter),
            ("a:b@c.de", Fault::LocalPartCharacter),
            ("a;b@c.de", Fault::LocalPartCharacter),
            ("a[b]@c.de", Fault::LocalPartCharacter),
            ("mailto:a@c.de", Fault::LocalPartCharacter),
            ("<a@c.de>", Fault::DomainCharacter),
            ("\"a\"@c.de", Fault::LocalPartCharacter),
            ("a@", Fault::NoDomain),
            ("a@localhost", Fault::NoTopLevelDomain),
            ("a@c.de.", Fault::EmptyLabel),
            ("a@.de", Fault::EmptyLabel),
            ("a@c..de", Fault::EmptyLabel),
            ("a@-c.de", Fault::LabelEdgeHyphen),
            ("a@c-.de", Fault::LabelEdgeHyphen),
            ("a@c_d.de", Fault::DomainCharacter),
            ("a@[127.0.0.1]", Fault::DomainCharacter),
            ("a@127.0.0.1", Fault::TopLevelDomain),
            ("a@c.d", Fault::TopLevelDomain),
            ("a@c.d2", Fault::TopLevelDomain),
            ("a@c.xn--", Fault::LabelEdgeHyphen),
        ] {
            assert_eq!(normalized(cell), Err(fault), "{cell}");
        }
    }

    #[test]
    fn lengths_are_counted_to_the_character() {
        let local = |length: usize| format!("{}@c.de", "a".repeat(length));
        assert!(normalized(&local(64)).is_ok());
        assert_eq!(normalized(&local(65)), Err(EmailFault::LocalPartTooLong));
        let label = |length: usize| format!("a@{}.de", "b".repeat(length));
        assert!(normalized(&label(63)).is_ok());
        assert_eq!(normalized(&label(64)), Err(EmailFault::LabelTooLong));
        let whole = |length: usize| format!("{}@{}.de", "a".repeat(length - 54), "b".repeat(50));
        assert!(normalized(&whole(100)).is_ok());
        assert_eq!(normalized(&whole(101)), Err(EmailFault::TooLong));
    }

    /// The grammar written a second time, as plainly as it can be.
    fn is_in_grammar(address: &str) -> bool {
        let Some((local, domain)) = address.split_once('@') else {
            return false;
        };
        let atom = |atom: &str| {
            let marks = "!#$%&'*+-=?^_`{|}~";
            let is_text = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
            !atom.is_empty() && atom.chars().all(is_text)
        };
        let label = |label: &str| {
            let is_text = |c: char| c.is_ascii_alphanumeric() || c == '-';
            let edges = label.starts_with('-') || label.ends_with('-');
            (1..=63).contains(&label.len()) && label.chars().all(is_text) && !edges
        };
        let Some((_, top)) = domain.rsplit_once('.') else {
            return false;
        };
        address.len() <= 100
            && local.len() <= 64
            && local.split('.').all(atom)
            && domain.split('.').all(label)
            && (top.starts_with("xn--")
                || top.len() >= 2 && top.chars().all(|c| c.is_ascii_alphabetic()))
    }

    proptest! {
        #[test]
        fn any_text_is_judged_by_the_grammar(cell in "\\PC{0,30}") {
            prop_assert_eq!(normalized(&cell).is_ok(), is_in_grammar(&cell.to_ascii_lowercase()));
        }

        #[test]
        fn what_looks_like_an_address_is_judged_by_the_grammar(
            cell in "[a-zA-Z0-9.!+/_é-]{1,12}@[a-zA-Z0-9._@-]{1,12}\\.(com|de|XN--P1AI|c|c2|[a-zA-Z0-9-]{1,6})"
        ) {
            let outcome = normalized(&cell);
            prop_assert_eq!(outcome.is_ok(), is_in_grammar(&cell.to_ascii_lowercase()));
            if let Ok(once) = outcome {
                prop_assert_eq!(&once, &cell.to_ascii_lowercase());
                prop_assert_eq!(normalized(&once), Ok(once.clone()));
            }
        }

        #[test]
        fn no_fault_shows_the_value(cell in "[xyz]{3,9}@?[xyz.-]{0,9}") {
            if let Err(fault) = normalized(&cell) {
                prop_assert!(!fault.to_string().contains(&cell));
            }
        }
    }
}
