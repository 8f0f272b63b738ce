//! Country cells of two parts: a code of a subdivision, or a code next to its name.

use super::{Region, alpha_2_index, region_of};

/// Languages whose codes of two letters are those of a country too. In `sv-SE` the first part is Swedish, not El Salvador.
const LANGUAGES: &str = "af am ar as az ba be bg bh bm bn bo br bs ca ce ch co cr cu cv cy da de dz ee el en eo es et eu fa ff \
     fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja jv ka kg ki kj kk kl km kn \
     ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nb nd ne ng nl nn no nr nv ny oc oj om \
     or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss st su sv sw ta te tg th ti tk tl tn to \
     tr ts tt tw ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu";

/// The longest code of a subdivision (ISO 3166-2).
const MAX_SUBDIVISION_LETTERS: usize = 3;

/// Reads a cell of two parts. `None` where they mean different countries, or either means none.
pub(super) fn region_of_parts(text: &str) -> Option<Region> {
    let is_between = |character: char| {
        character.is_whitespace()
            || matches!(
                character,
                '-' | '–' | '—' | '(' | ')' | ':' | ',' | '/' | '|' | '[' | ']' | '_'
            )
    };
    let (first, rest) = text.split_once(is_between)?;
    let last = text
        .trim_end_matches(is_between)
        .rsplit(is_between)
        .next()?;
    let rest = rest.trim_matches(is_between);
    if let Some(region) = of_code(first) {
        if region_of(rest.as_bytes()) == Some(region) {
            return Some(region);
        }
        return is_subdivision(text, first, rest).then_some(region);
    }
    let region = of_code(last)?;
    let before = text.trim_end_matches(is_between);
    let before = before[..before.len() - last.len()].trim_matches(is_between);
    (region_of(before.as_bytes()) == Some(region)).then_some(region)
}

/// The country of a code of letters.
fn of_code(text: &str) -> Option<Region> {
    let is_code =
        matches!(text.len(), 2 | 3) && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_code.then(|| region_of(text.as_bytes())).flatten()
}

/// Whether the text is the code of a subdivision, as `US-CA`, and not that of a language in a country, as `sv-SE`.
fn is_subdivision(text: &str, first: &str, rest: &str) -> bool {
    let is_language = LANGUAGES.split_ascii_whitespace().any(|it| it == first)
        && alpha_2_index(rest.as_bytes()).is_some()
        && of_code(rest).is_some();
    first.len() == 2
        && !is_language
        && (1..=MAX_SUBDIVISION_LETTERS).contains(&rest.len())
        && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && text.len() == first.len() + 1 + rest.len()
        && text.as_bytes().get(2) == Some(&b'-')
}
