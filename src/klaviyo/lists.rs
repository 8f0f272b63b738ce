//! Lists, and who is on them.

use serde::Deserialize;
use serde_json::json;

use super::client::understood;
use super::request::{Request, Resource, ResourceDocument, equals, ids_body};
use super::{Klaviyo, KlaviyoError, Operation};
use crate::base::retry::Backoff;

/// Profiles that one call adds or removes at most (OpenAPI, `add_profiles_to_list`).
pub const MAX_CHANGES: usize = 1_000;
/// Members of a page at most (OpenAPI, `get_profiles_for_list`).
const MEMBERS_PER_PAGE: &str = "100";
const MEMBERS: &str = "/api/lists/{}/relationships/profiles";

/// A list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Opaque.
    pub id: String,
    /// Its name; several lists may have the same one.
    pub name: String,
    /// The names of the flows that begin when a profile is added; known when it was looked up by id.
    pub flows: Vec<String>,
    /// How many profiles are on it, where that was asked for.
    pub profile_count: Option<u64>,
}

/// The members of a list, with all that is known of each.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Member {
    /// The profile's id.
    pub id: String,
    /// Blank when the profile has none.
    pub email: String,
    /// Blank when the profile has none.
    pub phone_number: String,
    /// Blank when the profile has none.
    pub external_id: String,
}

#[derive(Debug, Deserialize)]
struct ListAttributes {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    profile_count: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
pub(super) struct MemberAttributes {
    #[serde(default)]
    email: Option<String>,
    #[serde(default)]
    phone_number: Option<String>,
    #[serde(default)]
    external_id: Option<String>,
}

impl From<Resource<ListAttributes>> for List {
    fn from(list: Resource<ListAttributes>) -> Self {
        Self {
            id: list.id,
            name: list.attributes.name.unwrap_or_default(),
            flows: Vec::new(),
            profile_count: list.attributes.profile_count,
        }
    }
}

impl From<Resource<MemberAttributes>> for Member {
    fn from(profile: Resource<MemberAttributes>) -> Self {
        Self {
            id: profile.id,
            email: profile.attributes.email.unwrap_or_default(),
            phone_number: profile.attributes.phone_number.unwrap_or_default(),
            external_id: profile.attributes.external_id.unwrap_or_default(),
        }
    }
}

impl Klaviyo {
    /// Every list of exactly this name (`get_lists`, pages of 10).
    pub fn lists_named(&self, name: &str) -> Result<Vec<List>, KlaviyoError> {
        let request = Request::new(Operation::GetLists, "/api/lists", "")
            .with("filter", &equals("name", name))
            .with("fields[list]", "name");
        let mut found = Vec::new();
        self.pages(request, |page: Vec<Resource<ListAttributes>>| {
            found.extend(page.into_iter().map(List::from));
            true
        })?;
        found.retain(|list| list.name == name);
        Ok(found)
    }

    /// Whether the key may look at lists.
    pub fn may_read_lists(&self) -> Result<(), KlaviyoError> {
        let request =
            Request::new(Operation::GetLists, "/api/lists", "").with("fields[list]", "name");
        self.send(&request).map(|_| ())
    }

    /// The list with this id and the flows that it starts; `None` if there is none (`get_list`).
    pub fn list(&self, id: &str) -> Result<Option<List>, KlaviyoError> {
        let request = Request::new(Operation::GetList, "/api/lists/{}", id)
            .with("fields[list]", "name")
            .with("include", "flow-triggers")
            .with("fields[flow]", "name");
        let one: ResourceDocument<Resource<ListAttributes>> = match self.read(&request) {
            Ok(one) => one,
            Err(KlaviyoError::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(error),
        };
        let flows = one
            .included
            .iter()
            .filter(|resource| resource.kind == "flow");
        let names = flows.map(|flow| {
            flow.attributes["name"]
                .as_str()
                .unwrap_or(&flow.id)
                .to_owned()
        });
        let flows = names.collect();
        Ok(Some(List {
            flows,
            ..one.data.into()
        }))
    }

    /// How many profiles are on the list (`get_list` with `profile_count`, 15 calls a minute).
    pub fn profile_count(&self, list_id: &str) -> Result<Option<u64>, KlaviyoError> {
        let request = Request::new(Operation::GetListWithCount, "/api/lists/{}", list_id)
            .with("additional-fields[list]", "profile_count");
        let one: ResourceDocument<Resource<ListAttributes>> = self.read(&request)?;
        Ok(one.data.attributes.profile_count)
    }

    /// The one list of this name, made if there is none; also whether it was made. `Err(lists)` inside when several have it.
    ///
    /// A call that makes a list is never simply sent again: its answer may be lost, and the list there.
    pub fn list_or_create(
        &self,
        name: &str,
    ) -> Result<Result<(List, bool), Vec<List>>, KlaviyoError> {
        let mut backoff = Backoff::new(self.settings().retry);
        let mut created = false;
        loop {
            let mut found = self.lists_named(name)?;
            match found.len() {
                0 => {}
                1 => return Ok(Ok((found.swap_remove(0), created))),
                _ => return Ok(Err(found)),
            }
            let body = json!({"data": {"type": "list", "attributes": {"name": name}}});
            let request = Request::new(Operation::CreateList, "/api/lists", "")
                .with_body(body.to_string().into_bytes());
            match self.send_once(&request) {
                Ok(answer) => {
                    let one: ResourceDocument<Resource<ListAttributes>> =
                        understood(request.operation, &answer)?;
                    return Ok(Ok((one.data.into(), true)));
                }
                Err(error) if error.is_transient() => {
                    // If it is there next time, it was this call that made it.
                    created = true;
                    self.wait_after(error, &mut backoff)?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Everybody on the list, page by page (`get_profiles_for_list`).
    pub fn members(
        &self,
        list_id: &str,
        mut take: impl FnMut(Vec<Member>) -> bool,
    ) -> Result<(), KlaviyoError> {
        let request = Request::new(
            Operation::GetProfilesForList,
            "/api/lists/{}/profiles",
            list_id,
        )
        .with("fields[profile]", "email,phone_number,external_id")
        .with("page[size]", MEMBERS_PER_PAGE);
        self.pages(request, |page: Vec<Resource<MemberAttributes>>| {
            take(page.into_iter().map(Member::from).collect())
        })
    }

    /// Puts profiles on the list, at most [`MAX_CHANGES`] (`add_profiles_to_list`). Who is on it already stays.
    pub fn add(&self, list_id: &str, ids: &[String]) -> Result<(), KlaviyoError> {
        self.change(Operation::AddProfilesToList, list_id, ids)
    }

    /// Takes profiles off the list, at most [`MAX_CHANGES`] (`remove_profiles_from_list`). Consent stays as it is.
    pub fn remove(&self, list_id: &str, ids: &[String]) -> Result<(), KlaviyoError> {
        self.change(Operation::RemoveProfilesFromList, list_id, ids)
    }

    fn change(
        &self,
        operation: Operation,
        list_id: &str,
        ids: &[String],
    ) -> Result<(), KlaviyoError> {
        let request = Request::new(operation, MEMBERS, list_id).with_body(ids_body("profile", ids));
        self.send(&request).map(|_| ())
    }

    /// Whether the key may add to and remove from lists, told by a call that adds nobody: it is refused for its empty body,
    /// or does nothing, unless the key lacks a scope.
    pub fn may_change(&self, list_id: &str) -> Result<(), KlaviyoError> {
        match self.change(Operation::AddProfilesToList, list_id, &[]) {
            Err(KlaviyoError::Refused { .. }) => Ok(()),
            told => told,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::request::Page;
    use super::*;

    #[test]
    fn keys_that_are_not_known_are_passed_over_wherever_they_are() {
        let extra = json!({"agent_hints": ["a", {"b": 1}], "new": null});
        let profile = json!({"type": "profile", "id": "p", "meta": extra, "new": [1],
            "attributes": {"email": "ana@x.example", "phone_number": null, "new": {"a": 1}},
            "relationships": {"new": {}}});
        let page = json!({"data": [profile], "meta": extra, "new": true,
            "links": {"self": "s", "next": null, "new": 1}, "jsonapi": {"version": "1.0"}});
        let page: Page<Resource<MemberAttributes>> = serde_json::from_value(page).unwrap();
        assert_eq!(page.links.next, None);
        let members: Vec<Member> = page.data.into_iter().map(Member::from).collect();
        let ana = Member {
            id: "p".to_owned(),
            email: "ana@x.example".to_owned(),
            ..Member::default()
        };
        assert_eq!(members, [ana]);
        let list = json!({"type": "list", "id": "l", "new": 1,
            "attributes": {"name": "VIP", "profile_count": 3, "new": 1}});
        let one = json!({"data": list, "meta": extra, "new": 1,
            "included": [{"type": "flow", "id": "f", "attributes": {"name": "n"}, "new": 1}]});
        let one: ResourceDocument<Resource<ListAttributes>> = serde_json::from_value(one).unwrap();
        let list = List::from(one.data);
        assert_eq!((list.name.as_str(), list.profile_count), ("VIP", Some(3)));
        assert_eq!(one.included.len(), 1);
    }
}
