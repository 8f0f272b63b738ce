//! Profiles, looked up by an identifier.

use serde::Deserialize;
use serde_json::Value;

use super::lists::MemberAttributes;
use super::request::{Page, Request, Resource, any, equals};
use super::{Klaviyo, KlaviyoError, Member, Operation};

/// Values of one `any(…)`. Klaviyo documents no limit; a public client of this revision asks for 100, a full page (facts B1).
pub const MAX_VALUES: usize = 100;

/// What a profile is looked up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)] // the name says it all
pub enum Identifier {
    Email,
    PhoneNumber,
    ExternalId,
}

impl Identifier {
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
