//! The look of one cell: a flag, a form of address, a status, a number, a phone.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::profile::words::fold;

/// Yes and no, which stand in columns about an address or a phone.
const FLAGS: &str = "yes no true false ja nein nee oui non si sim nao vero falso wahr falsch vrai faux tak nie nej on off y n \
    1 0 verdadero verdadeiro はい いいえ 是 否";

/// Forms of address, which stand in columns named like a job.
const SALUTATIONS: &str = "mr mrs ms miss mx dr prof sir madam herr frau divers m mme mlle monsieur madame mademoiselle \
    sr sra srta senor senora senorita don dona sig sigra sigrra signor signora signore dott dottssa dhr mevr mevrouw deheer heer \
    fru froken pan pani drmed profdr herrdr fraudr 様 さん 先生 女士 小姐";

/// Statuses of people and accounts.
const STATUSES: &str = "enabled disabled active inactive invited declined archived deleted new lead verified unverified \
    confirmed unconfirmed blocked bounced cleaned aktiv inaktiv gesperrt actif inactif bloque activo inactivo attivo \
    inattivo ativo inativo actief inactief aktywny nieaktywny suspended draft published live";

/// Statuses of orders and tickets.
const RECORD_STATUSES: &str = "open opened closed pending hold onhold solved resolved paid unpaid partiallypaid shipped unshipped \
    fulfilled unfulfilled partial refunded partiallyrefunded voided cancelled canceled completed complete processing \
    delivered authorized returned won lost inprogress waiting failed overdue offen geschlossen bezahlt versendet \
    storniert abgeschlossen ouvert ferme paye payee expedie expediee annule annulee livre livree enattente enviado \
    abierto cerrado pagado pendiente cancelado aperto chiuso pagato spedito annullato betaald verzonden geannuleerd \
    gesloten";

/// The longest word of the lists.
const MAX_WORD_BYTES: usize = 24;

/// A list of words that a cell is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordList {
    /// Yes and no.
    Flag,
    /// Mr and Mrs.
    Salutation,
    /// A status of people and accounts.
    Status,
    /// A status of orders and tickets.
    RecordStatus,
}

static KINDS: LazyLock<HashMap<&str, WordList>> = LazyLock::new(|| {
    let lists = [
        (WordList::Flag, FLAGS),
        (WordList::Salutation, SALUTATIONS),
        (WordList::Status, STATUSES),
        (WordList::RecordStatus, RECORD_STATUSES),
    ];
    let words = lists.into_iter().flat_map(|(kind, list)| {
        let words = list.split_ascii_whitespace();
        words.map(move |word| (word, kind))
    });
    words.collect()
});

/// The list that a cell is on.
pub(super) fn kind(text: &str) -> Option<WordList> {
    if text.len() > MAX_WORD_BYTES {
        return None;
    }
    KINDS.get(fold(text).as_str()).copied()
}

/// Whether a cell is a web address or the path of a file.
pub(super) fn is_link(text: &str) -> bool {
    text.contains("://") || text.starts_with('/') || text.contains('.') && text.contains('/')
}

/// The number that a cell is.
pub(super) fn number(text: &str) -> Option<f64> {
    let number = text.replace(',', ".").parse::<f64>().ok()?;
    number.is_finite().then_some(number)
}

/// Fewest digits of a phone number with its area.
const MIN_PHONE_DIGITS: usize = 6;

/// Most digits of an E.164 number, and a few of an extension.
const MAX_PHONE_DIGITS: usize = 20;

/// Whether a cell may be a phone number: a look, not a check. One that Excel has made `4.9E+11` is one too; a number that
/// letters begin, like `CT000123`, is an id.
pub(super) fn is_like_a_phone(text: &str) -> bool {
    let digits = text.chars().filter(char::is_ascii_digit).count();
    if !(MIN_PHONE_DIGITS..=MAX_PHONE_DIGITS).contains(&digits) || text.contains('@') {
        return number(text).is_some_and(|number| number > 1e6 && text.contains(['E', 'e']));
    }
    let has_letters = text.chars().any(char::is_alphabetic);
    !has_letters || text.contains(['+', '(', ' ']) || number(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_told_by_their_look() {
        for text in ["ja", "Nein", "TRUE", "0", "Sí", "いいえ"] {
            assert_eq!(kind(text), Some(WordList::Flag), "{text}");
        }
        for text in ["Mr.", "Mrs", "Frau", "Mme", "Sig.ra", "M."] {
            assert_eq!(kind(text), Some(WordList::Salutation), "{text}");
        }
        for text in ["enabled", "Inaktiv", "archived"] {
            assert_eq!(kind(text), Some(WordList::Status), "{text}");
        }
        for text in ["Open", "partially_paid", "On Hold", "geschlossen"] {
            assert_eq!(kind(text), Some(WordList::RecordStatus), "{text}");
        }
        for text in [
            "",
            "Ohio",
            "Jane",
            "Marketing Manager",
            "zoe@example.com",
            "2",
        ] {
            assert_eq!(kind(text), None, "{text}");
        }
        assert!(is_link("https://example.com/a.png") && is_link("/media/a.png"));
        assert!(!is_link("Jane") && !is_link("a.b"));
    }

    #[test]
    fn phones_are_told_from_ids() {
        for text in [
            "+1 415-555-0143",
            "(212) 555-0143",
            "030 123456",
            "4.91512E11",
            "4.9E+11",
            "4155550143.0",
            "tel: 030 123456",
            "2125550143 ext 12",
        ] {
            assert!(is_like_a_phone(text), "{text}");
        }
        for text in [
            "CT000123",
            "17",
            "ja",
            "",
            "a1b2c3d4e5f6",
            "zoe123456@example.com",
        ] {
            assert!(!is_like_a_phone(text), "{text}");
        }
    }
}
