//! Values that are personal data, hidden in a way that keeps their shape: what kind of thing stands in a cell can be seen,
//! whose it is cannot.

use crate::profile::column::ProfileColumn;

/// Texts of at most so many characters are hidden whole: their first one would say too much.
const SHORT: usize = 3;

/// `value`, which goes under `target`, hidden.
pub(super) fn masked(value: &str, target: &ProfileColumn) -> String {
    match target {
        ProfileColumn::Email => email(value),
        ProfileColumn::PhoneNumber => phone(value),
        _ if value.contains('@') => email(value),
        _ => text(value),
    }
}

/// `zoe@example.com` becomes `z***@e***.com`: neither name tells its length.
fn email(value: &str) -> String {
    let Some((local, domain)) = value.rsplit_once('@') else {
        return text(value);
    };
    let (name, top) = domain.rsplit_once('.').unwrap_or((domain, ""));
    format!("{}@{}.{top}", first(local), first(name))
}

/// The first character, if there are more, and three stars.
fn first(name: &str) -> String {
    let mut characters = name.chars();
    match (characters.next(), characters.next()) {
        (Some(first), Some(_)) => format!("{first}***"),
        _ => "***".to_owned(),
    }
}

/// `+16502530021` becomes `+1********21`.
fn phone(value: &str) -> String {
    let digits = value.strip_prefix('+').unwrap_or(value);
    let count = digits.chars().count();
    if count <= SHORT + 2 || !digits.is_ascii() {
        return text(value);
    }
    format!(
        "+{}{}{}",
        &digits[..1],
        "*".repeat(count - 3),
        &digits[count - 2..]
    )
}

/// The first letter or digit stays where there are enough of them, the others become stars; blanks and signs stay. A number
/// in scientific notation shows that it is one: its digits are cut.
fn text(value: &str) -> String {
    let form = form(value);
    if form.contains('E') && form.bytes().all(|sign| b"dE+-.,".contains(&sign)) {
        return form;
    }
    let count = value.chars().filter(|c| c.is_alphanumeric()).count();
    let mut may_show = count > SHORT;
    let hide = |character: char| {
        if !character.is_alphanumeric() {
            return character;
        }
        if std::mem::take(&mut may_show) {
            character
        } else {
            '*'
        }
    };
    value.chars().map(hide).collect()
}

/// The form of a value: `d` for each digit, `a` for each letter, and the signs as they are; the E of a number in scientific
/// notation stays.
pub(super) fn form(value: &str) -> String {
    let mut before = ' ';
    let mut characters = value.chars().peekable();
    let mut form = String::with_capacity(value.len());
    while let Some(character) = characters.next() {
        let next = characters.peek().copied().unwrap_or(' ');
        let is_exponent = matches!(character, 'e' | 'E')
            && before.is_numeric()
            && (next.is_numeric() || matches!(next, '+' | '-'));
        form.push(match character {
            _ if is_exponent => 'E',
            _ if character.is_numeric() => 'd',
            _ if character.is_alphanumeric() => 'a',
            sign => sign,
        });
        before = character;
    }
    form
}

/// The form of an e-mail address: as [`form`], but neither name tells its length.
pub(super) fn email_form(value: &str) -> String {
    let mut form: Vec<char> = form(value).chars().collect();
    form.dedup_by(|one, before| one == before && matches!(one, 'a' | 'd'));
    form.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_an_address_does_not_tell_lengths() {
        for (value, form) in [
            ("zoe.miller@@example.co.uk", "a.a@@a.a.a"),
            ("zoe85@example", "ad@a"),
            ("zoe @example.com", "a @a.a"),
        ] {
            assert_eq!(email_form(value), form);
        }
    }

    #[test]
    fn a_form_tells_dates_and_cut_digits_from_numbers() {
        for (value, shown) in [
            ("4.91512E+11", "d.dddddE+dd"),
            ("4,9e11", "d,dEdd"),
            ("03.02.1985", "dd.dd.dddd"),
            ("kein 030 123456", "aaaa ddd dddddd"),
            ("Müller", "aaaaaa"),
            ("030123456.5", "ddddddddd.d"),
            ("", ""),
        ] {
            assert_eq!(form(value), shown, "{value}");
        }
    }

    #[test]
    fn values_keep_their_shape_and_not_their_sense() {
        for (value, target, shown) in [
            (
                "zoe.quux@example.com",
                ProfileColumn::Email,
                "z***@e***.com",
            ),
            ("z@x.org", ProfileColumn::Email, "***@***.org"),
            (
                "a.b@mail.example.co.uk",
                ProfileColumn::Email,
                "a***@m***.uk",
            ),
            ("+16502530021", ProfileColumn::PhoneNumber, "+1********21"),
            (
                "+4915123456789",
                ProfileColumn::PhoneNumber,
                "+4**********89",
            ),
            ("+29012", ProfileColumn::PhoneNumber, "+2****"),
            ("Zoe", ProfileColumn::FirstName, "***"),
            (
                "Zoë-Marie Müller",
                ProfileColumn::LastName,
                "Z**-***** ******",
            ),
            ("4711", ProfileColumn::ExternalID, "4***"),
            (
                "x y@example.com",
                ProfileColumn::Custom("x".into()),
                "x***@e***.com",
            ),
            (
                "2026-11-23",
                ProfileColumn::Custom("x".into()),
                "2***-**-**",
            ),
            (
                "[\"gold\",\"new\"]",
                ProfileColumn::Custom("x".into()),
                "[\"g***\",\"***\"]",
            ),
            (
                "4.91512E+11",
                ProfileColumn::Custom("x".into()),
                "d.dddddE+dd",
            ),
            ("", ProfileColumn::Title, ""),
        ] {
            assert_eq!(masked(value, &target), shown, "{value}");
        }
    }
}
