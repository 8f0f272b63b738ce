//! Headers that look like consent.
//!
//! An export must not subscribe or unsubscribe anyone by accident, so such a column is never guessed as a target and is
//! refused as one unless the job names it in `allow-consent`. The languages are those in which headers are guessed.

use crate::profile::words::words;

/// Parts of words that speak of consent wherever they stand in a word: `subscription`, `unsubscribed`, `smsconsent`,
/// `Einwilligung`, `Newsletterabmeldung`.
const STEMS: &str = "consent subscri suppress unsub blacklist blocklist \
    einwillig zustimm zugestimmt abgemeld abmeld abonnent werbesperr werbeerlaub werbeverbot widerruf \
    consens abonne desabonn desinscri suscri boletin disiscri descadastr \
    toestemm uitschrijv uitgeschrev afgemeld nieuwsbrief samtyck samtykk avregistrer avanmal prenumer nyhetsbrev \
    nyhedsbrev frameld avmeld subskryp wypisan rezygnacj \
    同意 許諾 許可 配信 受信 購読 メルマガ オプトイン オプトアウト 订阅 訂閱 退订 退訂 营销 行銷";

/// Words that speak of consent at the start or the end of a longer word: `optins`, `emailoptin`.
const OPTIONS: [&str; 4] = ["optin", "optout", "optedin", "optedout"];

/// Words that speak of consent by themselves: laws, letters that one may be sent, and Polish forms of agreement.
const WORDS: &str = "newsletter newsletters newsletterabo infolettre gdpr dsgvo rgpd lgpd rodo ccpa tcpa casl tcf dnc \
    privacy datenschutz emailable mailable contactable marketable zgoda zgody zgode akkoord afmeldt tilmeldt \
    donotemail donotcall donotcontact donotmail donottext donotsms donotmarket donottrack noemail nocall nosms";

/// Words that follow "do not" in the name of such a column; "(Do Not Modify) Contact" is none.
const FORBIDDEN: &str = "email emails e mail mails call calls contact phone phones sms text texts message messages market \
    marketing send sell share track solicit allow fax disturb bulk want receive use process profile";

/// Pairs of words, near each other in this order, each word at the start of a longer one.
const PAIRS: [(&str, &str); 44] = [
    ("accept", "market"),
    ("accept", "promo"),
    ("accept", "newsl"),
    ("accept", "email"),
    ("accept", "sms"),
    ("accept", "publi"),
    ("accett", "market"),
    ("acept", "market"),
    ("acept", "publi"),
    ("acept", "comunic"),
    ("aceit", "market"),
    ("aceit", "publi"),
    ("agree", "market"),
    ("agree", "email"),
    ("allow", "market"),
    ("allow", "email"),
    ("allow", "sms"),
    ("receive", "market"),
    ("receive", "email"),
    ("receive", "promo"),
    ("want", "email"),
    ("can", "email"),
    ("can", "contact"),
    ("email", "allowed"),
    ("sms", "allowed"),
    ("marketing", "allowed"),
    ("marketing", "permi"),
    ("email", "permi"),
    ("sms", "permi"),
    ("contact", "permi"),
    ("marketing", "prefer"),
    ("email", "prefer"),
    ("communication", "prefer"),
    ("contact", "prefer"),
    ("marketing", "suspend"),
    ("marketing", "status"),
    ("permis", "market"),
    ("permis", "comunic"),
    ("autoris", "market"),
    ("autoriz", "market"),
    ("autoriz", "publi"),
    ("age", "gate"),
    ("legal", "basis"),
    ("lawful", "basis"),
];

/// Words for what is tracked with consent only.
const TRACKED: [&str; 4] = ["click", "clicks", "open", "opens"];

/// Whether a header speaks of consent, judged word by word: "Opt In" and `acceptsMarketing` do, "Adoption" does not.
pub fn looks_like_consent(header: &str) -> bool {
    let words = words(header);
    let is_one_of = |list: &str, word: &str| list.split_ascii_whitespace().any(|one| one == word);
    let pair = |first: &dyn Fn(&str) -> bool, second: &dyn Fn(&str) -> bool| {
        words
            .windows(2)
            .any(|pair| first(&pair[0]) && second(&pair[1]))
    };
    let opts = pair(&|word| matches!(word, "opt" | "opts" | "opted"), &|word| {
        matches!(word, "in" | "ins" | "out" | "outs")
    });
    let forbids = words.windows(3).any(|three| {
        matches!(three[0].as_str(), "do" | "does")
            && three[1] == "not"
            && is_one_of(FORBIDDEN, &three[2])
    });
    let refuses = pair(&|word| matches!(word, "dont" | "no"), &|word| {
        matches!(
            word,
            "email" | "emails" | "mailing" | "mailings" | "sms" | "calls" | "marketing"
        )
    });
    let ne_pas = pair(&|word| word == "ne", &|word| word == "pas");
    let no_contactar = pair(
        &|word| matches!(word, "no" | "non" | "nao" | "niet" | "nicht"),
        &|word| {
            [
                "contact", "contat", "kontakt", "envi", "invia", "bellen", "mailen", "anrufen",
            ]
            .iter()
            .any(|start| word.starts_with(start))
        },
    );
    let tracks = pair(&|word| TRACKED.contains(&word), &|word| word == "tracking");
    let agrees = PAIRS.iter().any(|(first, second)| {
        let mut before = words.iter();
        before.any(|word| word.starts_with(first)) && before.any(|word| word.starts_with(second))
    });
    opts || forbids
        || refuses
        || ne_pas
        || no_contactar
        || tracks
        || agrees
        || words.iter().any(|word| {
            STEMS
                .split_ascii_whitespace()
                .any(|stem| word.contains(stem))
                || is_one_of(WORDS, word)
                || OPTIONS
                    .iter()
                    .any(|option| word.starts_with(option) || word.ends_with(option))
                || ["clicktracking", "opentracking", "agegated", "agegate"].contains(&word.as_str())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consent_is_seen_in_any_spelling() {
        let headers = "Email Marketing Consent,SMS Marketing Consent Timestamp,consent_status,$consent,SMSConsent,\
             smsconsent,Subscribed,newsletter_subscription,Unsubscribed At,suppressed,\
             Email Suppressions,Opt In,opt-out,OPTIN_TIME,emailOptIn,email_optin,Double Opt-Ins,\
             Opted Out of Email,HasOptedOutOfEmail,emailoptout,Accepts Marketing,Accepts Email Marketing,\
             acceptsMarketingUpdatedAt,\
             Age Gated Date of Birth,age_gated_date_of_birth,AgeGatedDateOfBirth,click_tracking,Click Tracking,\
             clicktracking,open_tracking,unsub,UNSUB_TIME,unsubs,Do Not Email,do_not_email,DoNotCall,donotcall,\
             Do not allow Bulk Emails,Do Not Sell,Does not want emails,No Mailing,Marketing Permissions,\
             Email Permission Status,GDPR,Marketing Preferences,Marketing Suspended,Marketing allowed,\
             Email allowed,EMAIL_BLACKLISTED,Newsletter,Agreed to Marketing,Receives marketing emails,\
             Legal basis for processing contact's data,Privacy Policy";
        for header in headers.split(',') {
            assert!(looks_like_consent(header), "{header}");
        }
    }

    #[test]
    fn consent_is_seen_in_the_languages_of_the_headers() {
        for headers in [
            "Einwilligung,E-Mail-Einwilligung,Zustimmung,Werbesperre,Werbeerlaubnis,Abgemeldet am,DSGVO,Newsletter-Abo,\
             Widerruf,Nicht kontaktieren,Datenschutz",
            "Consentement,Désabonné,Désinscrit le,Abonné,RGPD,Ne pas contacter,Accepte la publicité,Infolettre,\
             Autorise le marketing",
            "Consentimiento,Suscrito,Suscripción,Boletín,No contactar,Acepta publicidad,Acepta comunicaciones,\
             Permiso de marketing",
            "Consenso,Consenso marketing,Disiscritto,Non contattare,Accetta marketing,Privacy",
            "Consentimento,Descadastrado,Aceita marketing,Não contatar,LGPD",
            "Toestemming,Uitgeschreven,Afgemeld,Nieuwsbrief,Niet mailen,Akkoord",
            "Samtycke,Avregistrerad,Prenumererar,Nyhetsbrev",
            "Samtykke,Nyhedsbrev,Afmeldt,Frameldt",
            "Zgoda,Zgoda marketingowa,Subskrypcja,Wypisany,RODO",
            "同意,メルマガ,メール配信,オプトイン,受信許可,同意营销,订阅,退订,訂閱",
        ] {
            for header in headers.split(',') {
                assert!(looks_like_consent(header), "{header}");
            }
        }
    }

    #[test]
    fn other_words_are_left_alone() {
        let headers = "Adoption,Option,Options,Optional,Top Tint,Opt,Marketing Source,Accepted Terms,Optician,\
             Prescription,Description,Inscription,Stop Input,Loyalty Tier,Email,Optimum,,\
             (Do Not Modify) Contact,Age,Age Group,Average,Tracking Number,Last Click,Last Open,Clicks,\
             Email Status,Preferred Language,Contact No.,No. Orders,Date of Birth,Geburtsdatum,Anmeldedatum,\
             Permission Level,Cancelled,Accessories,Contact Owner,Agreement Number,Canal,Allowance,Kontakt,Nom,\
             Date d'inscription,Fecha de alta,Data di nascita,Subject,Submitted,Unsure,Rabatt,Kundennummer";
        for header in headers.split(',') {
            assert!(!looks_like_consent(header), "{header}");
        }
    }
}
