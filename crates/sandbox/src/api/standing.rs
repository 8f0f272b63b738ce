//! Whether a profile gets e-mail: `subscriptions` of a profile, which is told where a call asks for it.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::id::stamp;

/// Consent of a profile to marketing by e-mail, or the fate of its address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EmailStanding {
    /// It never said anything: it gets e-mail.
    #[default]
    NeverSubscribed,
    /// It wants e-mail.
    Subscribed,
    /// It wants no e-mail any more.
    Unsubscribed,
    /// Its address is suppressed, for a reason such as `HARD_BOUNCE` or `USER_SUPPRESSED`.
    Suppressed(&'static str),
}

impl EmailStanding {
    /// The attribute `subscriptions` of a profile that has stood so since `since`.
    pub(super) fn subscriptions(self, since: Timestamp) -> Value {
        let since = stamp(since);
        let (consent, reason) = match self {
            Self::NeverSubscribed => ("NEVER_SUBSCRIBED", None),
            Self::Subscribed => ("SUBSCRIBED", None),
            Self::Unsubscribed => ("UNSUBSCRIBED", Some("UNSUBSCRIBE")),
            Self::Suppressed(reason) => ("SUBSCRIBED", Some(reason)),
        };
        let suppression: Vec<Value> = reason
            .into_iter()
            .map(|reason| json!({"reason": reason, "timestamp": since}))
            .collect();
        json!({"email": {"marketing": {
            "can_receive_email_marketing": suppression.is_empty(),
            "consent": consent,
            "consent_timestamp": since,
            "last_updated": since,
            "method": null,
            "method_detail": "",
            "custom_method_detail": null,
            "double_optin": null,
            "suppression": suppression,
            "list_suppressions": [],
        }}})
    }
}

/// Keeps of an object what `paths` name, each a path of keys with dots between them; all of it where one names it whole.
/// `None` where a path names nothing.
pub(super) fn at_paths(value: &Value, paths: &[&str]) -> Option<Value> {
    if paths.contains(&"") {
        return Some(value.clone());
    }
    let object = value.as_object()?;
    let split = |path: &&&str| path.split('.').next().unwrap_or(path).to_owned();
    let mut kept = Map::new();
    for key in paths.iter().map(|path| split(&path)) {
        let inside = object.get(&key)?;
        let below: Vec<&str> = paths
            .iter()
            .filter_map(|path| path.strip_prefix(key.as_str()))
            .filter(|rest| rest.is_empty() || rest.starts_with('.'))
            .map(|rest| rest.strip_prefix('.').unwrap_or(rest))
            .collect();
        kept.insert(key, at_paths(inside, &below)?);
    }
    Some(Value::Object(kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_keep_what_they_name() {
        let value = json!({"a": {"b": {"c": 1, "d": 2}, "e": 3}, "f": 4});
        assert_eq!(at_paths(&value, &[""]), Some(value.clone()));
        assert_eq!(
            at_paths(&value, &["a.b.c", "a.e"]),
            Some(json!({"a": {"b": {"c": 1}, "e": 3}}))
        );
        assert_eq!(at_paths(&value, &["a"]), Some(json!({"a": value["a"]})));
        assert_eq!(at_paths(&value, &["a.x"]), None);
        assert_eq!(at_paths(&value, &["f.x"]), None);
    }
}
