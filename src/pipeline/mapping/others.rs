//! Headers of other people and of other things: an owner's address is no customer's, and an order's id is no person's.

use super::sample::Values;
use crate::profile::words::{fold, words};

/// Words for somebody who is not the person of the row.
const OTHERS: &str = "owner owners rep reps representative agent agents assignee assigned assigner requester parent parents \
    buyer buyers manager account seller salesperson salesrep vendor supplier referrer referral referred referring \
    emergency spouse partner guardian assistant supervisor boss reportsto creator author sender recipient recipients cc bcc replyto \
    staff employee operator submitter approver reviewer support company store shop merchant host organizer \
    besitzer inhaber betreuer bearbeiter sachbearbeiter mitarbeiter vertreter verkaufer kundenbetreuer ansprechpartner \
    vorgesetzter eltern zustandig kaufer assistent \
    proprietaire commercial vendeur responsable gestionnaire acheteur parrain assigne assistante fournisseur \
    propietario vendedor comercial agente comprador padre proveedor asignado responsabile proprietario venditore acquirente \
    commerciale genitore fornitore proprietario responsavel atribuido fornecedor eigenaar vertegenwoordiger verkoper \
    accountmanager koper leverancier toegewezen agare saljare handlaggare ejer saelger ansvarlig wlasciciel opiekun \
    handlowiec sprzedawca kupujacy 担当者 営業担当 所有者 负责人 所属销售 客服";

/// Whether the words of a header speak of somebody else.
pub(super) fn is_of_somebody_else(words: &[String]) -> bool {
    // Where no blanks stand between words, a part of one tells.
    let is_other = |word: &String| {
        let mut others = OTHERS.split_ascii_whitespace();
        others.any(|other| other == word || !other.is_ascii() && word.contains(other))
    };
    let after_by = words.len() > 1 && words.last().is_some_and(|word| word == "by");
    let by_account = words.windows(2).any(|pair| pair == ["reports", "to"]);
    after_by || by_account || words.iter().any(is_other)
}

/// First words of the columns of orders, tickets and the like.
const RECORDS: &str = "order orders lineitem ticket invoice transaction shipment refund deal opportunity case fulfillment \
    payment checkout cart bestellung auftrag rechnung commande facture pedido factura ordine fattura bestelling factuur \
    zamowienie";

/// The text that follows them.
const OF_RECORDS: &str = "id no nr number name date datum status key total type subject currency reference ref quantity price sku \
    stage amount method";

/// Headers that orders and tickets have, and people have not.
const RECORD_HEADERS: &str = "order ordernumber bestellnummer bestellnr auftragsnummer rechnungsnummer numerodecommande \
    ncommande referencecommande commande pedido numerodepedido ndepedido ordine numeroordine numerodordine bestelnummer \
    ordernummer numerzamowienia zamowienie subject betreff sujet asunto oggetto onderwerp assunto ticketid ticket \
    financialstatus fulfillmentstatus paymentstatus requester lineitems lineitemname subtotal ordertotal \
    注文番号 注文id 件名 订单号 订单编号 主题";

/// Headers of a status, which people have too: its cells tell, and without cells a doubt remains.
const STATUSES: [&str; 3] = ["status", "statut", "statuszamowienia"];

/// Headers of a status or of a region: only cells tell.
const STATES: [&str; 3] = ["state", "estado", "stato"];

/// Whether the rows are orders, tickets or the like, so that an `Id` among them is no person's.
pub(super) fn is_of_records<'a>(
    header: &[String],
    values: impl Fn(usize) -> Option<&'a Values>,
) -> bool {
    let has = |list: &str, word: &str| list.split_ascii_whitespace().any(|one| one == word);
    header.iter().enumerate().any(|(position, name)| {
        let words = words(name);
        let folded = fold(name);
        let by_words = match words.as_slice() {
            [first, second, ..] => {
                first == "lineitem"
                    || first == "line" && second == "item"
                    || has(RECORDS, first) && has(OF_RECORDS, second)
            }
            _ => false,
        };
        let cells = values(position).filter(|values| values.filled > 0);
        let by_cells = match cells {
            None => STATUSES.contains(&folded.as_str()),
            Some(cells) => {
                [STATUSES, STATES].concat().contains(&folded.as_str())
                    && cells.is_most(cells.record_statuses)
            }
        };
        by_words || has(RECORD_HEADERS, &folded) || by_cells
    })
}
