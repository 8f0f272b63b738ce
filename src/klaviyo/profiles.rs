//! Profiles, looked up by an identifier.

use serde::Deserialize;
use serde_json::Value;

use super::lists::MemberAttributes;
use super::request::{Page, Request, Resource, any, equals, escaped};
use super::{Klaviyo, KlaviyoError, Member, Operation};

/// Values of one `any(…)`. Klaviyo documents no limit; a public client of this revision asks for 100, a full page (facts B1).
pub const MAX_VALUES: usize = 100;

/// The most bytes of the values of one `any(…)`, as they stand in the address: servers refuse requests whose first line is
/// longer than 8 kB, and nobody says what Klaviyo's do.
const MAX_VALUE_BYTES: usize = 6_000;

/// The values, so many together as one `any(…)` takes.
pub fn in_calls<'a, 'b>(mut values: &'a [&'b str]) -> Vec<&'a [&'b str]> {
    let mut calls = Vec::new();
    while !values.is_empty() {
        let mut bytes = 0;
        let fits = values.iter().take(MAX_VALUES).take_while(|value| {
            // Two quotes and a comma.
            bytes += escaped(value).len() + 9;
            bytes <= MAX_VALUE_BYTES
        });
        let (call, rest) = values.split_at(fits.count().max(1));
        calls.push(call);
        values = rest;
    }
    calls
}

/// An identifier by which a profile is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the name says it all
pub enum Identifier {
    Email,
    PhoneNumber,
    ExternalId,
}

impl Identifier {
    /// All of them, the one that decides first.
    pub const BEST_FIRST: [Self; 3] = [Self::Email, Self::PhoneNumber, Self::ExternalId];

    /// The API's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::PhoneNumber => "phone_number",
            Self::ExternalId => "external_id",
        }
    }
}

#[derive(Debug, Deserialize)]
struct Properties {
    #[serde(default)]
    properties: Option<Value>,
}

impl Klaviyo {
    /// The profiles that have one of the values, of which there may be [`MAX_VALUES`] (`get_profiles`).
    pub fn profiles_by(
        &self,
        identifier: Identifier,
        values: &[&str],
    ) -> Result<Vec<Member>, KlaviyoError> {
        let filter = any(identifier.name(), values.iter().copied());
        let request = Request::new(Operation::GetProfiles, "/api/profiles", "")
            .with("filter", &filter)
            .with("fields[profile]", "email,phone_number,external_id")
            .with("page[size]", "100");
        let mut found = Vec::new();
        self.pages(request, |page: Vec<Resource<MemberAttributes>>| {
            found.extend(page.into_iter().map(Member::from));
            true
        })?;
        Ok(found)
    }

    /// Whether there is a profile with this id.
    pub fn has_profile(&self, id: &str) -> Result<bool, KlaviyoError> {
        let request = Request::new(Operation::GetProfiles, "/api/profiles", "")
            .with("filter", &equals("id", id))
            .with("fields[profile]", "email");
        let page: Page<Resource<MemberAttributes>> = self.read(&request)?;
        Ok(!page.data.is_empty())
    }

    /// A custom property of the profile with this e-mail address; `None` if there is no such profile or property.
    pub fn property(&self, email: &str, name: &str) -> Result<Option<Value>, KlaviyoError> {
        let request = Request::new(Operation::GetProfiles, "/api/profiles", "")
            .with("filter", &equals("email", email))
            .with("fields[profile]", "properties");
        let page: Page<Resource<Properties>> = self.read(&request)?;
        let first = page.data.into_iter().next();
        let properties = first.and_then(|profile| profile.attributes.properties);
        Ok(properties.and_then(|mut properties| properties.get_mut(name).map(Value::take)))
    }

    /// Whether the key may look at profiles.
    pub fn may_read_profiles(&self) -> Result<(), KlaviyoError> {
        let request = Request::new(Operation::GetProfiles, "/api/profiles", "")
            .with("fields[profile]", "email")
            .with("page[size]", "1");
        self.send(&request).map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_a_hundred_values_and_fewer_long_ones() {
        let short = vec!["a@x.example"; 250];
        let sizes = |values: &[&str]| {
            in_calls(values)
                .iter()
                .map(|it| it.len())
                .collect::<Vec<_>>()
        };
        assert_eq!(sizes(&short), [100, 100, 50]);
        let long = "+".repeat(91);
        assert_eq!(sizes(&vec![long.as_str(); 43]), [21, 21, 1]);
        let huge = "+".repeat(9_000);
        assert_eq!(sizes(&[&huge, &huge]), [1, 1]);
        assert_eq!(sizes(&[]), Vec::<usize>::new());
    }
}
