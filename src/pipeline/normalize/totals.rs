//! Words that spreadsheets and reports put before the sums in the last row.

use std::collections::HashSet;
use std::sync::LazyLock;

use crate::profile::words::fold;

/// A longer cell is none of the words, whatever it is.
const MAX_BYTES: usize = 64;

/// Whether a cell says that its row holds totals: one of the words, perhaps with digits and signs around it.
pub(super) fn is_word_for_total(cell: &[u8]) -> bool {
    if cell.len() > MAX_BYTES {
        return false;
    }
    let Ok(text) = std::str::from_utf8(cell) else {
        return false;
    };
    let letters: String = fold(text).chars().filter(|c| !c.is_numeric()).collect();
    WORDS.contains(letters.as_str())
}

static WORDS: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| FOLDED_WORDS.split_ascii_whitespace().collect());

/// Folded: lower case, no accents, letters alone.
const FOLDED_WORDS: &str = "\
    total totals totaltotal grandtotal subtotal subtotals runningtotal overalltotal sum sums grandsum \
    summe summen gesamt gesamtsumme gesamtergebnis zwischensumme teilergebnis insgesamt endsumme \
    totaux totalgeneral soustotal somme totale totalecomplessivo totalegenerale subtotale somma \
    totales sumatotal suma totalgeral soma totaal eindtotaal subtotaal som \
    totalt summa delsumma totalsumma sammanlagt ialt totalsum delsum samlet sumtotal \
    razem sumakoncowa sumaczesciowa lacznie ogolem celkem soucet spolu osszesen vegosszeg yhteensa toplam geneltoplam \
    итого всего итог общийитог сумма разом усього σύνολο συνολο סהכ المجموع الإجمالي \
    合計 総計 小計 合计 总计 小计 總計 共计 합계 총계 소계";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_are_known_in_many_languages() {
        for cell in [
            "Summe",
            "SUMME:",
            "Total",
            "Total: 12",
            "Gesamt",
            "Totale",
            "Total general",
            "Total général",
            "Sous-total",
            "Subtotal",
            "Grand Total",
            "Итого",
            "合計",
            "总计",
            "Totaal",
            "I alt",
            "Razem",
            "Gesamtergebnis",
        ] {
            assert!(is_word_for_total(cell.as_bytes()), "{cell}");
        }
        for cell in [
            "",
            "12",
            "Totally Inc.",
            "Ann Total",
            "Summer",
            "TotalEnergies",
            "C-4711",
            "\u{0}",
        ] {
            assert!(!is_word_for_total(cell.as_bytes()), "{cell}");
        }
        assert!(!is_word_for_total(b"\xff"));
    }

    #[test]
    fn every_word_is_folded() {
        for word in FOLDED_WORDS.split_ascii_whitespace() {
            assert_eq!(fold(word), word);
        }
    }
}
