//! The words of a header, so that `E-mail`, `EMAIL` and `e_mail` compare equal.
//!
//! Headers only: it allocates, which is fine for names that are read once per file.

/// The letters and digits of a text in lower case, without accents, blanks and punctuation.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for character in text.chars().filter(|c| c.is_alphanumeric()) {
        push_folded(character, &mut folded);
    }
    folded
}

/// The folded words of a header: split at what is neither letter nor digit, and where camelCase begins a word.
pub fn words(text: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let characters: Vec<char> = text.chars().collect();
    for (position, &character) in characters.iter().enumerate() {
        let before = position.checked_sub(1).map(|index| characters[index]);
        let after = characters.get(position + 1).copied();
        if !character.is_alphanumeric() || before.is_some_and(|b| is_hump(b, character, after)) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (character.is_alphanumeric(), words.last_mut()) {
            push_folded(character, word);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whether a word begins with `character`: the I of `optIn`, the C of `SMSConsent`.
fn is_hump(before: char, character: char, after: Option<char>) -> bool {
    let ends_acronym = before.is_uppercase() && after.is_some_and(char::is_lowercase);
    let ends_word = before.is_lowercase() || before.is_numeric();
    character.is_uppercase() && (ends_word || ends_acronym)
}

fn push_folded(character: char, out: &mut String) {
    for lower in character.to_lowercase() {
        match base_letters(lower) {
            Some(base) => out.push_str(base),
            None if is_combining_mark(lower) => {}
            None => out.push(lower),
        }
    }
}

/// The accents of decomposed text, as macOS writes it.
pub(crate) fn is_combining_mark(character: char) -> bool {
    ('\u{300}'..='\u{36f}').contains(&character)
}

/// The plain letters that people write for an accented Latin lower-case letter.
pub(crate) fn base_letters(lower: char) -> Option<&'static str> {
    Some(match lower {
        'à' | 'á' | 'â' | 'ã' | 'ä' | 'å' | 'ā' | 'ă' | 'ą' | 'ª' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è' | 'é' | 'ê' | 'ë' | 'ē' | 'ė' | 'ę' | 'ě' => "e",
        'ğ' => "g",
        'ì' | 'í' | 'î' | 'ï' | 'ī' | 'į' | 'ı' => "i",
        'ł' | 'ľ' => "l",
        'ñ' | 'ń' | 'ň' => "n",
        'ò' | 'ó' | 'ô' | 'õ' | 'ö' | 'ø' | 'ő' | 'º' => "o",
        'œ' => "oe",
        'ř' => "r",
        'ś' | 'š' | 'ş' | 'ș' => "s",
        'ß' => "ss",
        'ť' | 'ţ' | 'ț' => "t",
        'þ' => "th",
        'ù' | 'ú' | 'û' | 'ü' | 'ū' | 'ů' | 'ű' | 'ų' => "u",
        'ý' | 'ÿ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn folding_leaves_letters_and_digits() {
        for (text, folded) in [
            ("E-mail", "email"),
            ("Phone_Number 1", "phonenumber1"),
            ("Prénom", "prenom"),
            ("Pre\u{301}nom", "prenom"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("Имя", "имя"),
            ("Nº cliente", "nocliente"),
            (" - ", ""),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn words_split_at_marks_and_humps() {
        for (text, expected) in [
            ("accepts_marketing", vec!["accepts", "marketing"]),
            ("SMSConsentGiven", vec!["sms", "consent", "given"]),
            ("emailOptIn2", vec!["email", "opt", "in2"]),
            ("Email2OptIn", vec!["email2", "opt", "in"]),
            ("OPT-IN", vec!["opt", "in"]),
            ("Top Tint", vec!["top", "tint"]),
            ("", vec![]),
        ] {
            assert_eq!(words(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_words_are_the_folded_text(text in "\\PC{0,30}") {
            prop_assert_eq!(words(&text).concat(), fold(&text));
        }
    }
}
