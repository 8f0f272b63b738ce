//! A profile of the sandbox's account: its attributes as the API has them, what may stand in them, and how they change.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::standing::EmailStanding;

/// The attributes that are one text each. The first three are the identifiers, the strongest first.
pub(super) const TEXTS: [&str; 9] = [
    "email",
    "phone_number",
    "external_id",
    "first_name",
    "last_name",
    "organization",
    "locale",
    "title",
    "image",
];

/// The keys that `location` may have.
const LOCATION: [&str; 10] = [
    "address1",
    "address2",
    "city",
    "country",
    "latitude",
    "longitude",
    "region",
    "zip",
    "timezone",
    "ip",
];

/// Longest e-mail address in characters (Klaviyo, "Profiles API overview").
const MAX_EMAIL_CHARACTERS: usize = 100;

/// Most digits of a phone number (E.164); fewer than the second number are no number anywhere.
const PHONE_DIGITS: std::ops::RangeInclusive<usize> = 7..=15;

/// The identifiers, the one that decides first.
pub(super) const IDENTIFIERS: [&str; 3] = ["email", "phone_number", "external_id"];

/// The meaning of null in an update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Nulls {
    /// The attribute is cleared (update, profile-import).
    Clear,
    /// Nothing (bulk import: "only non-null values are written").
    Skip,
}

/// A person as the account knows them.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// 26 characters that mean nothing.
    pub id: String,
    /// Everything that was set, as in the API: `email`, `location`, `properties` and so on.
    pub attributes: Map<String, Value>,
    /// Whether it gets e-mail.
    pub email_standing: EmailStanding,
    /// When it came into being.
    pub(super) created: Timestamp,
    /// When it changed last.
    pub(super) updated: Timestamp,
}

impl Profile {
    /// A profile without attributes.
    pub(super) fn new(id: String) -> Self {
        let now = Timestamp::now();
        Self {
            id,
            attributes: Map::new(),
            email_standing: EmailStanding::default(),
            created: now,
            updated: now,
        }
    }

    /// The text of an attribute such as `email` or `first_name`; `None` when it is not set.
    pub fn text(&self, attribute: &str) -> Option<&str> {
        self.attributes.get(attribute)?.as_str()
    }

    /// A custom property.
    pub fn property(&self, name: &str) -> Option<&Value> {
        self.attributes.get("properties")?.get(name)
    }

    /// Takes over `changes`, which have been checked.
    pub(super) fn apply(&mut self, changes: &Map<String, Value>, nulls: Nulls) {
        merge(&mut self.attributes, changes, nulls, 1);
        self.updated = Timestamp::now();
    }

    /// `meta.patch_properties`: adds to lists, takes from lists, removes properties.
    pub(super) fn patch(&mut self, patch: &Value) {
        let properties = self
            .attributes
            .entry("properties")
            .or_insert_with(|| Value::Object(Map::new()));
        let Some(properties) = properties.as_object_mut() else {
            return;
        };
        for (name, value) in entries(patch, "append") {
            let list = properties
                .entry(name)
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.extend(items(value));
            }
        }
        for (name, value) in entries(patch, "unappend") {
            if let Some(Value::Array(list)) = properties.get_mut(name) {
                let gone = items(value);
                list.retain(|item| !gone.contains(item));
            }
        }
        for name in patch.get("unset").map(items).unwrap_or_default() {
            properties.remove(name.as_str().unwrap_or_default());
        }
    }
}

fn entries<'a>(patch: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    patch
        .get(key)
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
}

/// The items of a list, or the one value.
fn items(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    }
}

/// Objects are merged `depth` levels deep: a location or the properties that are sent leave the rest of them alone.
fn merge(into: &mut Map<String, Value>, from: &Map<String, Value>, nulls: Nulls, depth: u8) {
    for (key, value) in from {
        match value {
            Value::Null if nulls == Nulls::Skip => {}
            Value::Null => {
                into.remove(key);
            }
            Value::Object(inner) if depth > 0 => {
                let old = into.entry(key).or_insert_with(|| Value::Object(Map::new()));
                if let Value::Object(old) = old {
                    merge(old, inner, nulls, depth - 1);
                }
            }
            value => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Refuses attributes that the API does not have, or of a wrong type. `pointer` is where they stand in the body.
pub(super) fn check_attributes(
    attributes: &Map<String, Value>,
    pointer: &str,
) -> Result<(), Refusal> {
    for (key, value) in attributes {
        let at = format!("{pointer}/{key}");
        let fits = match key.as_str() {
            "location" => location_fits(value, &at)?,
            "properties" => value.is_object() || value.is_null(),
            name if TEXTS.contains(&name) => value.is_string() || value.is_null(),
            _ => return Err(Refusal::body(at, "not a field of a profile")),
        };
        if !fits {
            return Err(Refusal::body(at, "a value of a wrong type"));
        }
    }
    Ok(())
}

/// True when a location's values have the right types.
fn location_fits(location: &Value, pointer: &str) -> Result<bool, Refusal> {
    let Value::Object(location) = location else {
        return Ok(location.is_null());
    };
    if let Some(key) = location
        .keys()
        .find(|key| !LOCATION.contains(&key.as_str()))
    {
        let at = format!("{pointer}/{key}");
        return Err(Refusal::body(at, "not a field of a location"));
    }
    Ok(location.iter().all(|(key, value)| match value {
        Value::String(_) | Value::Null => true,
        Value::Number(_) => matches!(key.as_str(), "latitude" | "longitude"),
        _ => false,
    }))
}

/// Refuses attributes by which no profile can be found, and an identifier of a wrong form.
pub(super) fn check_identifiers(
    attributes: &Map<String, Value>,
    pointer: &str,
) -> Result<(), Refusal> {
    let text = |name: &str| attributes.get(name).and_then(Value::as_str);
    if text("email").is_some_and(|email| !is_email(email)) {
        let at = format!("{pointer}/email");
        return Err(Refusal::body(at, "invalid email address"));
    }
    if text("phone_number").is_some_and(|phone| !is_phone(phone)) {
        let at = format!("{pointer}/phone_number");
        return Err(Refusal::body(at, "invalid phone number"));
    }
    if IDENTIFIERS
        .iter()
        .all(|name| text(name).is_none_or(str::is_empty))
    {
        return Err(Refusal::body(
            pointer,
            "one of email, phone_number and external_id is required",
        ));
    }
    Ok(())
}

/// An address of the form that Klaviyo takes: no white space and none of `( ) , : ; [ / ]` (Klaviyo help 115005078807).
pub(super) fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.split_once('@') else {
        return false;
    };
    let plain = |c: char| c.is_ascii_graphic() && !"(),:;[/]@\\".contains(c);
    text.chars().count() <= MAX_EMAIL_CHARACTERS
        && !local.is_empty()
        && text.replacen('@', "", 1).chars().all(plain)
        && domain.contains('.')
        && domain.split('.').all(|label| !label.is_empty())
}

/// A phone number in E.164.
pub(super) fn is_phone(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or_default();
    PHONE_DIGITS.contains(&digits.len())
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !digits.starts_with('0')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn identifiers_have_a_form() {
        for email in ["a@b.example", "o'neil+x@b.co.uk"] {
            assert!(is_email(email), "{email}");
        }
        for email in [
            "", "a", "a@b", "a b@c.de", "a@b@c.de", "a@.de", "@b.de", "a,b@c.de",
        ] {
            assert!(!is_email(email), "{email}");
        }
        assert!(!is_email(&format!("{}@b.example", "a".repeat(100))));
        assert!(is_phone("+15005550006"));
        for phone in [
            "15005550006",
            "+0150055500",
            "+1 500 555 0006",
            "+123",
            "+1234567890123456",
        ] {
            assert!(!is_phone(phone), "{phone}");
        }
    }

    #[test]
    fn null_clears_or_is_skipped() {
        let mut profile = Profile::new("1".to_owned());
        let all = json!({"title": "Dr", "location": {"city": "Oslo", "zip": "1"}, "properties": {"a": 1, "l": ["x"]}});
        profile.apply(&map(&all), Nulls::Clear);
        let nulls =
            map(&json!({"title": null, "location": {"city": null}, "properties": {"a": null}}));
        profile.apply(&nulls, Nulls::Skip);
        assert_eq!(Value::Object(profile.attributes.clone()), all);
        profile.apply(&nulls, Nulls::Clear);
        let left = json!({"location": {"zip": "1"}, "properties": {"l": ["x"]}});
        assert_eq!(Value::Object(profile.attributes.clone()), left);
        profile.patch(&json!({"append": {"l": "y"}, "unappend": {"l": ["x"]}}));
        assert_eq!(profile.property("l"), Some(&json!(["y"])));
        profile.patch(&json!({"unset": "l"}));
        assert_eq!(profile.property("l"), None);
    }
}
