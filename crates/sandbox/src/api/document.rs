//! Requests as the operations see them, and the JSON:API documents that they answer with.

use serde_json::{Map, Value, json};

use super::account::{Account, List, Membership, ProfileIndex};
use super::id::stamp;
use super::job::Job;
use super::profile::{Profile, TEXTS};
use super::query::Query;
use super::refusal::Refusal;
use super::standing::at_paths;

/// A call that was let through.
#[derive(Debug)]
pub(super) struct Request {
    /// `http://127.0.0.1:PORT`
    pub(super) origin: String,
    /// The path as it came.
    pub(super) path: String,
    /// The id in the path; empty where the path has none.
    pub(super) id: String,
    /// The parameters behind the question mark.
    pub(super) query: Query,
    /// The body; null where the operation has none.
    pub(super) body: Value,
    /// Its size.
    pub(super) body_bytes: usize,
}

/// A good answer.
#[derive(Debug)]
pub(super) struct Reply {
    /// The HTTP status.
    pub(super) status: u16,
    /// The document, except with 204.
    pub(super) body: Option<Value>,
}

impl Reply {
    /// 204.
    pub(super) fn empty() -> Self {
        Self {
            status: 204,
            body: None,
        }
    }
}

impl Request {
    /// One resource.
    pub(super) fn one(&self, status: u16, data: Value, included: Option<Vec<Value>>) -> Reply {
        let mut body = self.document(data, None);
        if let Some(included) = included {
            body.insert("included".to_owned(), Value::Array(included));
        }
        Reply {
            status,
            body: Some(Value::Object(body)),
        }
    }

    /// Several resources; `next` is the cursor of the next page. The last page has no `links.next`.
    pub(super) fn many(&self, data: Vec<Value>, next: Option<String>) -> Reply {
        let body = self.document(Value::Array(data), next);
        Reply {
            status: 200,
            body: Some(Value::Object(body)),
        }
    }

    fn document(&self, data: Value, next: Option<String>) -> Map<String, Value> {
        let mut links = Map::new();
        links.insert("self".to_owned(), Value::String(self.here()));
        if let Some(next) = next {
            let query = self.query.with_cursor(&next).encoded();
            let link = format!("{}{}{query}", self.origin, self.path);
            links.insert("next".to_owned(), Value::String(link));
        }
        let links = Value::Object(links);
        // Newer answers carry hints for programs that read along (models of revision 2026-10-15).
        let meta = json!({"agent_hints": ["this is a sandbox: nothing of it reaches anybody"]});
        [
            ("data".to_owned(), data),
            ("links".to_owned(), links),
            ("meta".to_owned(), meta),
        ]
        .into_iter()
        .collect()
    }

    fn here(&self) -> String {
        format!("{}{}{}", self.origin, self.path, self.query.encoded())
    }

    /// The `links` of a resource.
    pub(super) fn links(&self, kind: &str, id: &str) -> Value {
        json!({"self": format!("{}/api/{kind}/{id}", self.origin)})
    }

    fn relationship(&self, kind: &str, id: &str, name: &str) -> Value {
        let of = format!("{}/api/{kind}/{id}", self.origin);
        json!({"links": {
            "self": format!("{of}/relationships/{name}"),
            "related": format!("{of}/{name}"),
        }})
    }

    /// A list, without its profile count.
    pub(super) fn list(&self, list: &List) -> Result<Value, Refusal> {
        let attributes = json!({
            "name": list.name,
            "created": stamp(list.created),
            "updated": stamp(list.updated),
            "opt_in_process": list.opt_in,
        });
        let relationships: Map<String, Value> = ["profiles", "tags", "flow-triggers"]
            .into_iter()
            .map(|name| (name.to_owned(), self.relationship("lists", &list.id, name)))
            .collect();
        Ok(json!({
            "type": "list",
            "id": list.id,
            "attributes": self.sparse("list", attributes, &["profile_count"])?,
            "relationships": relationships,
            "links": self.links("lists", &list.id),
        }))
    }

    /// A profile with all its attributes.
    pub(super) fn profile(&self, profile: &Profile) -> Result<Value, Refusal> {
        let mut attributes = Map::new();
        for name in TEXTS.into_iter().chain(["location", "properties"]) {
            let value = profile.attributes.get(name).cloned();
            attributes.insert(name.to_owned(), value.unwrap_or_default());
        }
        for (name, time) in [("created", profile.created), ("updated", profile.updated)] {
            attributes.insert(name.to_owned(), stamp(time).into());
        }
        attributes.insert("last_event_date".to_owned(), Value::Null);
        if self
            .query
            .lists("additional-fields[profile]", "subscriptions")
        {
            let subscriptions = profile.email_standing.subscriptions(profile.created);
            attributes.insert("subscriptions".to_owned(), subscriptions);
        }
        let mut kept = self.sparse("profile", Value::Object(attributes), &["joined_group_at"])?;
        if let Some(subscriptions) = kept.get_mut("subscriptions") {
            self.narrow("subscriptions", subscriptions)?;
        }
        Ok(json!({
            "type": "profile",
            "id": profile.id,
            "attributes": kept,
            "relationships": {
                "lists": self.relationship("profiles", &profile.id, "lists"),
                "segments": self.relationship("profiles", &profile.id, "segments"),
            },
            "links": self.links("profiles", &profile.id),
        }))
    }

    /// Profiles by their indexes.
    pub(super) fn profiles(
        &self,
        account: &Account,
        indexes: &[ProfileIndex],
    ) -> Result<Vec<Value>, Refusal> {
        let profiles = indexes
            .iter()
            .filter_map(|index| account.profiles.get(*index))
            .filter(|profile| account.profile(&profile.id).is_some());
        profiles.map(|profile| self.profile(profile)).collect()
    }

    /// A member of a list: a profile with the date, which the contract requires whatever `fields` says.
    pub(super) fn member(&self, account: &Account, member: Membership) -> Result<Value, Refusal> {
        let Some(profile) = account.profiles.get(member.profile) else {
            return Err(Refusal::not_found("profile"));
        };
        let mut profile = self.profile(profile)?;
        if let Some(attributes) = profile.get_mut("attributes").and_then(Value::as_object_mut) {
            attributes.insert("joined_group_at".to_owned(), stamp(member.joined).into());
        }
        Ok(profile)
    }

    /// A bulk import job.
    pub(super) fn job(&self, job: &Job) -> Result<Value, Refusal> {
        const KIND: &str = "profile-bulk-import-jobs";
        let attributes = job.attributes();
        let mut lists = self.relationship(KIND, &job.id, "lists");
        if let Some(lists) = lists.as_object_mut() {
            lists.insert("data".to_owned(), identifiers("list", &job.lists).into());
        }
        Ok(json!({
            "type": "profile-bulk-import-job",
            "id": job.id,
            "attributes": self.sparse("profile-bulk-import-job", attributes, &[])?,
            "relationships": {
                "lists": lists,
                "profiles": self.relationship(KIND, &job.id, "profiles"),
            },
            "links": self.links(KIND, &job.id),
        }))
    }

    /// Keeps the attributes that `fields[kind]` names, if it names any. `also` are names that are good beside those.
    pub(super) fn sparse(
        &self,
        kind: &str,
        attributes: Value,
        also: &[&str],
    ) -> Result<Value, Refusal> {
        let parameter = format!("fields[{kind}]");
        let (Some(fields), Value::Object(mut attributes)) =
            (self.query.get(&parameter), attributes.clone())
        else {
            return Ok(attributes);
        };
        let names = || {
            fields
                .split(',')
                .map(|name| name.split('.').next().unwrap_or(name))
        };
        let known =
            |name: &str| name == "id" || also.contains(&name) || attributes.contains_key(name);
        if !names().all(known) {
            return Err(Refusal::parameter(
                &parameter,
                "a field that does not exist",
            ));
        }
        attributes.retain(|name, _| names().any(|it| it == name));
        Ok(Value::Object(attributes))
    }

    /// Keeps of a profile's attribute what `fields[profile]` names in it, such as `subscriptions.email`.
    fn narrow(&self, name: &str, attribute: &mut Value) -> Result<(), Refusal> {
        const PARAMETER: &str = "fields[profile]";
        let Some(fields) = self.query.get(PARAMETER) else {
            return Ok(());
        };
        let inside = fields.split(',').filter_map(|field| {
            let rest = field.strip_prefix(name)?;
            rest.strip_prefix('.').or(rest.is_empty().then_some(""))
        });
        let paths: Vec<&str> = inside.collect();
        *attribute = at_paths(attribute, &paths)
            .ok_or_else(|| Refusal::parameter(PARAMETER, "a field that does not exist"))?;
        Ok(())
    }
}

/// Resource identifiers: type and id alone.
pub(super) fn identifiers<I: AsRef<str>>(
    kind: &str,
    ids: impl IntoIterator<Item = I>,
) -> Vec<Value> {
    let ids = ids.into_iter();
    ids.map(|id| json!({"type": kind, "id": id.as_ref()}))
        .collect()
}

/// The attributes of `data`, which has to be an object of this type with no other keys than `type`, `attributes` and `also`.
pub(super) fn attributes_of<'a>(
    data: &'a Value,
    kind: &str,
    also: &[&str],
    pointer: &str,
) -> Result<&'a Map<String, Value>, Refusal> {
    let Some(data) = data.as_object() else {
        return Err(Refusal::body(pointer, "an object is required"));
    };
    let known = |key: &&String| {
        matches!(key.as_str(), "type" | "attributes") || also.contains(&key.as_str())
    };
    if let Some(key) = data.keys().find(|key| !known(key)) {
        return Err(Refusal::body(format!("{pointer}/{key}"), "not known here"));
    }
    if data.get("type").and_then(Value::as_str) != Some(kind) {
        let detail = format!("the type has to be {kind}");
        return Err(Refusal::body(format!("{pointer}/type"), detail));
    }
    let attributes = data.get("attributes").and_then(Value::as_object);
    attributes.ok_or_else(|| {
        let at = format!("{pointer}/attributes");
        Refusal::body(at, "an object is required")
    })
}

/// The ids of a list of resource identifiers, from 1 to `most` of them.
pub(super) fn ids_of<'a>(
    data: &'a Value,
    kind: &str,
    most: usize,
    pointer: &str,
) -> Result<Vec<&'a str>, Refusal> {
    let items = data.as_array().map(Vec::as_slice).unwrap_or_default();
    if items.is_empty() || items.len() > most {
        let detail = format!("a list of 1 to {most} is required");
        return Err(Refusal::body(pointer, detail));
    }
    let ids = items.iter().enumerate().map(|(at, item)| {
        let right = item.get("type").and_then(Value::as_str) == Some(kind);
        let id = item.get("id").and_then(Value::as_str);
        id.filter(|_| right).ok_or_else(|| {
            let detail = format!("a {kind} with an id is required");
            Refusal::body(format!("{pointer}/{at}"), detail)
        })
    });
    ids.collect()
}
