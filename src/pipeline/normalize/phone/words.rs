//! Words that people write beside phone numbers, in the languages of the header table and some others.
//!
//! A word that is not listed here tells that a cell is a remark, a name or an address: such a cell is not read, for the
//! digits in it may be anything. Words are compared folded: lower case, no accents.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::profile::words::fold;

/// Role of a word in a phone cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordRole {
    /// Belongs to a number and says nothing of its digits: `Tel`, `mobile`, `privat`.
    Label,
    /// Fills a label: `de` of "numero de telefono". Alone it says nothing.
    Filler,
    /// `No`, which means "number" with a dot or behind a label, and "no" otherwise.
    NumberSign,
    /// The digits behind it are an extension, which E.164 has no room for.
    Extension,
    /// The number behind it belongs to a fax, which takes no text messages.
    Fax,
    /// Stands between two numbers: `or`.
    Or,
}

/// The role of a word. `None`: it belongs to no phone number.
pub(super) fn role_of(word: &str) -> Option<WordRole> {
    let folded = fold(&narrow(word));
    // One letter is short for something: T, M, (h), (w).
    let is_letter = folded.chars().count() == 1 && folded.is_ascii() && folded != "x";
    let known = ROLES.get(folded.as_str()).copied();
    known.or(is_letter.then_some(WordRole::Label))
}

/// Full-width Latin letters as ASCII.
fn narrow(word: &str) -> String {
    let narrowed = word.chars().map(|character| match character {
        '\u{ff21}'..='\u{ff3a}' | '\u{ff41}'..='\u{ff5a}' => {
            char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character)
        }
        _ => character,
    });
    narrowed.collect()
}

static ROLES: LazyLock<HashMap<&'static str, WordRole>> = LazyLock::new(|| {
    let lists = [
        (WordRole::Label, LABELS),
        (WordRole::Filler, FILLERS),
        (WordRole::NumberSign, NUMBER_SIGNS),
        (WordRole::Extension, EXTENSIONS),
        (WordRole::Fax, FAXES),
        (WordRole::Or, ORS),
    ];
    let words = lists
        .into_iter()
        .flat_map(|(role, words)| words.split_ascii_whitespace().map(move |word| (word, role)));
    words.collect()
});

const LABELS: &str = "\
    tel tels telefon telefono telefonos telephone telephones telefone telefones telefoon telefonie telf tlf tlfn tlph tph \
    tfno tfn tf fon fone phone phones phon ph telephonique telefoonnummer telefonnummer telefonnr telefoonnr telnr telno \
    telnumber telefonbr phoneno phonenr phonenum phonenumber numero numeros number numbers nummer nummern num nr nrs nro \
    nbr numer rufnummer rufnr nummero \
    mobile mobiles mob mobil mobiel mobiele movil moviles movel moveis mobiltelefon mobilfunk mobilnummer mobilnr \
    mobilenumber mobileno mobilephone mobiltlf mobilni handy handynummer handynr natel cell cells cellphone cellular \
    cellulare cellulari cel celular celulares cellnumber portable portables port gsm gsmnummer komorka komorkowy kom \
    komorkowa smartphone iphone \
    sms whatsapp whatsap wapp wa viber signal telegram imessage wechat zalo \
    landline festnetz festnetznummer fest fix fixe fijo fijos fisso fixo fixos vast vaste fasttelefon fastnet fasttlf \
    stacjonarny stacjonarna voip \
    home house private personal work office business main direct directline dir daytime evening primary default preferred \
    secondary other contact voice call dial line desk switchboard reception \
    privat private privatnummer dienstlich dienstl geschaftlich geschaft gesch buro arbeit firma zentrale hauptnummer \
    hauptanschluss direkt direktwahl kontakt zuhause daheim tagsuber abends erreichbar \
    bureau travail domicile maison perso personnel pro professionnel prive standard ligne directe contacter joindre \
    casa oficina trabajo particular personal directo contacto principal linea domicilio centralita \
    ufficio lavoro abitazione privato diretto contatto recapito cellulare centralino aziendale \
    escritorio trabalho residencial residencia comercial contato contacto fixo directo direto \
    werk thuis kantoor zakelijk prive contactnummer \
    arbete jobb hem bostad kontor vaxel direktnummer direktnr arbejde hjem arbeid hjemme \
    praca sluzbowy sluzbowa domowy domowa dom biuro prywatny prywatna \
    puh puhelin matkapuhelin cep telefonszam \
    тел телефон телефона моб мобильный мобільний сот сотовый раб рабочий дом домашний номер контактный городской \
    τηλ τηλεφωνο τηλέφωνο κιν κινητο κινητό \
    טל טלפון נייד פלאפון هاتف الهاتف جوال الجوال موبايل محمول تلفون رقم फोन मोबाइल \
    電話 電話番号 携帯 携帯電話 携帯番号 携帯電話番号 自宅 自宅電話 会社 勤務先 固定 固定電話 代表 直通 ケータイ 番号 \
    电话 电话号码 手机 手机号 手机号码 移动电话 座机 固话 公司 家 宅 办公 電話號碼 手機 手機號碼 行動電話 市話 行动电话 \
    전화 전화번호 휴대폰 휴대전화 핸드폰 휴대폰번호 핸드폰번호 집 회사";

const FILLERS: &str = "\
    de di do du da dos del della dello der den des dem la le les el il the of for at my af av van voor per por para pour \
    fur only";

const NUMBER_SIGNS: &str = "no nos";

const EXTENSIONS: &str = "\
    ext exts extn xtn exten extension extensions x poste postes durchwahl dw durchw apparat app nebenstelle nst klappe kl \
    interno interna interne int extensao ramal anexo toestel tst anknytning ankn anknyt lokal lokalnummer lok lokalnr \
    linje wew wewn wewnetrzny доб добавочный вн внутр внутренний 内線 分机 分機 转 轉 내선";

const FAXES: &str = "fax telefax faks faxnummer faxnr telefaks facsimile telecopie telecopieur факс 传真 傳真 ファックス 팩스";

const ORS: &str = "or and oder und ou et oppure ed en eller og och lub albo oraz или и または bzw resp sowie alternativ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_known_in_any_case_and_with_accents() {
        for (word, role) in [
            ("Tel", Some(WordRole::Label)),
            ("TÉL", Some(WordRole::Label)),
            ("Móvil", Some(WordRole::Label)),
            ("Büro", Some(WordRole::Label)),
            ("Ｔｅｌ", Some(WordRole::Label)),
            ("T", Some(WordRole::Label)),
            ("携帯", Some(WordRole::Label)),
            ("тел", Some(WordRole::Label)),
            ("poste", Some(WordRole::Extension)),
            ("Durchwahl", Some(WordRole::Extension)),
            ("x", Some(WordRole::Extension)),
            ("ｘ", Some(WordRole::Extension)),
            ("No", Some(WordRole::NumberSign)),
            ("Fax", Some(WordRole::Fax)),
            ("oder", Some(WordRole::Or)),
            ("kein", None),
            ("Anna", None),
            ("not", None),
            ("FLOWERS", None),
            ("nach", None),
        ] {
            assert_eq!(role_of(word), role, "{word}");
        }
    }

    #[test]
    fn every_listed_word_is_folded_and_listed_under_one_role() {
        let lists = [LABELS, FILLERS, NUMBER_SIGNS, EXTENSIONS, FAXES, ORS];
        let mut found: HashMap<&str, usize> = HashMap::new();
        for (list, words) in lists.iter().enumerate() {
            for word in words.split_ascii_whitespace() {
                assert_eq!(fold(word), word, "{word} is not folded");
                let other = *found.entry(word).or_insert(list);
                assert_eq!(other, list, "{word} has two roles");
            }
        }
    }
}
