//! Whether profiles get e-mail: counts of those who do not, looked up by their addresses.

use serde::Deserialize;

use super::request::{Page, Request, Resource, any};
use super::{Klaviyo, KlaviyoError, Operation};

/// The fields that tell it; no address is among them.
const FIELDS: &str = "subscriptions.email.marketing.can_receive_email_marketing,subscriptions.email.marketing.consent,subscriptions.email.marketing.suppression";

/// The consent and the reason of a suppression of somebody who unsubscribed (OpenAPI, `EmailMarketing`).
const UNSUBSCRIBED: &str = "UNSUBSCRIBED";
const UNSUBSCRIBE: &str = "UNSUBSCRIBE";

/// How many profiles get no e-mail, by the reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EmailStanding {
    /// They unsubscribed.
    pub unsubscribed: u64,
    /// Their addresses are suppressed for another reason.
    pub suppressed: u64,
}

#[derive(Debug, Deserialize)]
struct StandingAttributes {
    #[serde(default)]
    subscriptions: Option<Subscriptions>,
}

#[derive(Debug, Deserialize)]
struct Subscriptions {
    #[serde(default)]
    email: Option<EmailChannel>,
}

#[derive(Debug, Deserialize)]
struct EmailChannel {
    #[serde(default)]
    marketing: Option<EmailMarketing>,
}

#[derive(Debug, Deserialize)]
struct EmailMarketing {
    #[serde(rename = "can_receive_email_marketing")]
    can_receive: bool,
    #[serde(default)]
    consent: String,
    #[serde(default)]
    suppression: Option<Vec<Suppression>>,
}

#[derive(Debug, Deserialize)]
struct Suppression {
    #[serde(default)]
    reason: String,
}

impl EmailMarketing {
    fn is_unsubscribed(&self) -> bool {
        let reasons = self.suppression.as_deref().unwrap_or_default();
        self.consent == UNSUBSCRIBED || reasons.iter().any(|it| it.reason == UNSUBSCRIBE)
    }

    fn is_suppressed(&self) -> bool {
        !self.can_receive || self.suppression.as_ref().is_some_and(|it| !it.is_empty())
    }
}

impl EmailStanding {
    /// Counts one profile. False where the answer does not tell how it stands.
    fn count(&mut self, attributes: StandingAttributes) -> bool {
        let Some(subscriptions) = attributes.subscriptions else {
            return false;
        };
        // Without a channel there was never anything that would keep e-mail from it.
        let marketing = subscriptions.email.and_then(|email| email.marketing);
        if let Some(marketing) = marketing {
            if marketing.is_unsubscribed() {
                self.unsubscribed += 1;
            } else if marketing.is_suppressed() {
                self.suppressed += 1;
            }
        }
        true
    }
}

impl Klaviyo {
    /// How many of the profiles with these addresses get no e-mail, in one call: there may be
    /// [`MAX_VALUES`](super::MAX_VALUES) addresses (`get_profiles`). An address without a profile is not counted.
    pub fn email_standing(&self, emails: &[&str]) -> Result<EmailStanding, KlaviyoError> {
        let operation = Operation::GetProfiles;
        let request = Request::new(operation, "/api/profiles", "")
            .with("filter", &any("email", emails.iter().copied()))
            .with("additional-fields[profile]", "subscriptions")
            .with("fields[profile]", FIELDS)
            .with("page[size]", "100");
        // No address has two profiles: they are all on the first page.
        let page: Page<Resource<StandingAttributes>> = self.read(&request)?;
        let mut standing = EmailStanding::default();
        for profile in page.data {
            if !standing.count(profile.attributes) {
                return Err(KlaviyoError::Unclear { operation });
            }
        }
        Ok(standing)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn counted(attributes: Value) -> Option<(u64, u64)> {
        let mut standing = EmailStanding::default();
        let attributes = serde_json::from_value(attributes).unwrap();
        let is_told = standing.count(attributes);
        is_told.then_some((standing.unsubscribed, standing.suppressed))
    }

    #[test]
    fn a_profile_gets_no_email_for_one_of_two_reasons() {
        let of = |may: bool, consent: &str, reasons: &[&str]| {
            let suppression: Vec<_> = reasons
                .iter()
                .map(|reason| json!({"reason": reason, "timestamp": "2026-01-01T00:00:00Z"}))
                .collect();
            let marketing = json!({"can_receive_email_marketing": may, "consent": consent,
                "suppression": suppression, "new": 1});
            counted(json!({"subscriptions": {"email": {"marketing": marketing}}})).unwrap()
        };
        assert_eq!(of(true, "SUBSCRIBED", &[]), (0, 0));
        assert_eq!(of(true, "NEVER_SUBSCRIBED", &[]), (0, 0));
        assert_eq!(of(false, "UNSUBSCRIBED", &["UNSUBSCRIBE"]), (1, 0));
        assert_eq!(of(true, "UNSUBSCRIBED", &[]), (1, 0));
        assert_eq!(of(false, "SUBSCRIBED", &["UNSUBSCRIBE"]), (1, 0));
        assert_eq!(of(false, "NEVER_SUBSCRIBED", &["HARD_BOUNCE"]), (0, 1));
        assert_eq!(of(false, "SUBSCRIBED", &[]), (0, 1));
        let both = ["SPAM_COMPLAINT", "UNSUBSCRIBE"];
        assert_eq!(of(false, "SUBSCRIBED", &both), (1, 0), "counted once");
    }

    #[test]
    fn an_answer_without_subscriptions_tells_nothing() {
        assert_eq!(counted(json!({"email": "a"})), None);
        assert_eq!(counted(json!({"subscriptions": null})), None);
        assert_eq!(counted(json!({"subscriptions": {}})), Some((0, 0)));
        let blank = json!({"subscriptions": {"email": {"marketing": null}}});
        assert_eq!(counted(blank), Some((0, 0)));
    }
}
