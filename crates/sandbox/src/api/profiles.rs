//! The operations on `/api/profiles` and `/api/profile-import`.

use serde_json::{Map, Value};

use super::account::{Account, Conflict, ProfileIndex};
use super::document::{Reply, Request, attributes_of, identifiers};
use super::filter::{self, Operator};
use super::lists::matching;
use super::profile::{IDENTIFIERS, Nulls, check_attributes, check_identifiers};
use super::query::Page;
use super::refusal::Refusal;

/// Profiles per page, and without a wish (OpenAPI, `get_profiles`).
const MAX_PROFILES_PER_PAGE: usize = 100;
const PROFILES_PER_PAGE: usize = 20;

/// Largest profile, in decimal kilobytes, which is the stricter reading of "100 KB" (Klaviyo, "Profiles API overview").
pub(super) const MAX_PROFILE_BYTES: usize = 100_000;

/// `get_profiles`
pub(super) fn all(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let times: &[Operator] = &[Operator::GreaterThan, Operator::LessThan];
    let allowed: &[(&str, &[Operator])] = &[
        ("id", Operator::SAME),
        ("email", Operator::SAME),
        ("phone_number", Operator::SAME),
        ("external_id", Operator::SAME),
        ("created", times),
        ("updated", times),
    ];
    let conditions = filter::parse(request.query.get("filter"), allowed)?;
    let page = Page::of(&request.query, PROFILES_PER_PAGE, MAX_PROFILES_PER_PAGE)?
        .sorted_by(&request.query, "created")?;
    let (times, identities): (Vec<_>, Vec<_>) = conditions
        .into_iter()
        .partition(|condition| matches!(condition.field.as_str(), "created" | "updated"));
    let in_time = |index: &ProfileIndex| {
        account.profiles.get(*index).is_some_and(|profile| {
            times.iter().all(|time| {
                time.holds_at(match time.field.as_str() {
                    "created" => profile.created,
                    _ => profile.updated,
                })
            })
        })
    };
    let numbered = |index: ProfileIndex| (u64::try_from(index).unwrap_or(u64::MAX), index);
    let (found, next) = if identities.is_empty() {
        let all = 0..account.profiles.len();
        page.take(all.filter(in_time).map(numbered))
    } else {
        let found = matching(account, &identities).into_iter();
        page.take(found.filter(in_time).map(numbered))
    };
    Ok(request.many(request.profiles(account, &found)?, next))
}

/// `create_profile`
pub(super) fn create(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let attributes = checked(request, &[])?;
    check_identifiers(attributes, "/data/attributes")?;
    for identifier in IDENTIFIERS {
        let value = attributes.get(identifier).and_then(Value::as_str);
        let found = value.and_then(|value| account.profile_by(identifier, value));
        if let Some(found) = found {
            return Err(duplicate(account, Conflict(found)));
        }
    }
    let index = account.create(attributes);
    reply(account, request, index, 201)
}

/// `get_profile`
pub(super) fn one(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let index = find(account, &request.id)?;
    let mut reply = reply(account, request, index, 200)?;
    if request.query.lists("include", "lists") {
        let lists: Vec<_> = account
            .lists
            .iter()
            .filter(|list| list.has(index))
            .collect();
        let ids = identifiers("list", lists.iter().map(|list| &list.id));
        let lists = lists.into_iter().map(|list| request.list(list));
        let lists = lists.collect::<Result<Vec<_>, _>>()?;
        if let Some(body) = reply.body.as_mut().and_then(Value::as_object_mut) {
            body.insert("included".to_owned(), Value::Array(lists));
            let data = body.get_mut("data");
            let relationship = data.and_then(|data| data.pointer_mut("/relationships/lists"));
            if let Some(relationship) = relationship.and_then(Value::as_object_mut) {
                relationship.insert("data".to_owned(), ids.into());
            }
        }
    }
    Ok(reply)
}

/// `update_profile`: null clears, what is absent stays.
pub(super) fn update(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let index = find(account, &request.id)?;
    let attributes = checked(request, &["id", "meta"])?;
    let id = request.body.pointer("/data/id").and_then(Value::as_str);
    if id != Some(&request.id) {
        return Err(Refusal::body("/data/id", "has to be the id of the path"));
    }
    // What the profile will be has to be found again.
    let mut after = account.profiles.get(index).cloned();
    if let Some(after) = &mut after {
        after.apply(attributes, Nulls::Clear);
        check_identifiers(&after.attributes, "/data/attributes")?;
    }
    account
        .update(index, attributes)
        .map_err(|conflict| duplicate(account, conflict))?;
    patch(account, request, index);
    reply(account, request, index, 200)
}

/// `create_or_update_profile`: 201 when it is new. Null clears.
pub(super) fn import(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let attributes = checked(request, &["id", "meta"])?;
    let id = request.body.pointer("/data/id").and_then(Value::as_str);
    let (index, is_new) = if let Some(id) = id {
        let index = find(account, id)
            .map_err(|_| Refusal::not_found_at("profile", "/data/id".to_owned()))?;
        account
            .update(index, attributes)
            .map_err(|conflict| duplicate(account, conflict))?;
        (index, false)
    } else {
        check_identifiers(attributes, "/data/attributes")?;
        account
            .upsert(attributes, Nulls::Clear)
            .map_err(|conflict| duplicate(account, conflict))?
    };
    patch(account, request, index);
    reply(account, request, index, if is_new { 201 } else { 200 })
}

fn patch(account: &mut Account, request: &Request, index: ProfileIndex) {
    if let Some(patch) = request.body.pointer("/data/meta/patch_properties") {
        account.change(index, |profile| profile.patch(patch));
    }
}

/// The attributes of the request's one profile, which fits and has only known fields.
fn checked<'a>(request: &'a Request, also: &[&str]) -> Result<&'a Map<String, Value>, Refusal> {
    if request.body_bytes > MAX_PROFILE_BYTES {
        return Err(Refusal::too_large(MAX_PROFILE_BYTES));
    }
    let data = request.body.get("data").unwrap_or(&Value::Null);
    let attributes = attributes_of(data, "profile", also, "/data")?;
    check_attributes(attributes, "/data/attributes")?;
    Ok(attributes)
}

fn find(account: &Account, id: &str) -> Result<ProfileIndex, Refusal> {
    let found = account.profile(id);
    found.ok_or_else(|| Refusal::not_found("profile"))
}

fn duplicate(account: &Account, conflict: Conflict) -> Refusal {
    let profile = account.profiles.get(conflict.0);
    Refusal::duplicate(profile.map_or("", |profile| &profile.id))
}

fn reply(
    account: &Account,
    request: &Request,
    index: ProfileIndex,
    status: u16,
) -> Result<Reply, Refusal> {
    let profile = account.profiles.get(index);
    let profile = profile.ok_or_else(|| Refusal::not_found("profile"))?;
    Ok(request.one(status, request.profile(profile)?, None))
}
