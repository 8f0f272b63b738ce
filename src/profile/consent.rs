//! Headers that look like consent.
//!
//! An export must not subscribe or unsubscribe anyone by accident, so such a column is never guessed as a target and is
//! refused as one unless the job names it in `allow-consent`.

use crate::profile::words::words;

/// What speaks of consent wherever it stands in a word: `subscription`, `unsubscribed`, `smsconsent`.
const STEMS: [&str; 3] = ["consent", "subscri", "suppress"];

/// Words that speak of consent at the start or the end of a longer word: `optins`, `emailoptin`.
const OPTIONS: [&str; 4] = ["optin", "optout", "optedin", "optedout"];

/// Whether a header speaks of consent, judged word by word: "Opt In" and `acceptsMarketing` do, "Adoption" does not.
pub fn looks_like_consent(header: &str) -> bool {
    let words = words(header);
    let begins = |word: &String, start: &str| word.starts_with(start);
    let opts = words.windows(2).any(|pair| {
        matches!(pair[0].as_str(), "opt" | "opts" | "opted")
            && matches!(pair[1].as_str(), "in" | "ins" | "out" | "outs")
    });
    let accepts = words
        .iter()
        .position(|word| matches!(word.as_str(), "accept" | "accepts" | "accepted"))
        .is_some_and(|verb| words[verb..].iter().any(|word| begins(word, "market")));
    opts || accepts
        || words.iter().any(|word| {
            STEMS.iter().any(|stem| word.contains(stem))
                || OPTIONS
                    .iter()
                    .any(|option| begins(word, option) || word.ends_with(option))
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
             acceptsMarketingUpdatedAt";
        for header in headers.split(',') {
            assert!(looks_like_consent(header), "{header}");
        }
    }

    #[test]
    fn other_words_are_left_alone() {
        let headers = "Adoption,Option,Options,Optional,Top Tint,Opt,Marketing Source,Accepted Terms,Optician,\
             Prescription,Description,Inscription,Stop Input,Loyalty Tier,Email,Optimum,";
        for header in headers.split(',') {
            assert!(!looks_like_consent(header), "{header}");
        }
    }
}
