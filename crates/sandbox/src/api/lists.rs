//! The operations on `/api/lists`: the lists themselves, and who is on them.

use serde_json::{Value, json};

use super::account::{Account, List, MAX_LISTS, Membership, ProfileIndex};
use super::document::{Reply, Request, attributes_of, identifiers, ids_of};
use super::filter::{self, Condition, Operator};
use super::id::stamp;
use super::query::Page;
use super::refusal::Refusal;

/// Lists per page, and how many there are when the request does not say (OpenAPI, `get_lists`).
const MAX_LISTS_PER_PAGE: usize = 10;

/// Profiles added or removed by one call (OpenAPI, `add_profiles_to_list`).
const MAX_PROFILES_PER_CALL: usize = 1_000;

/// Members per page, and without a wish (OpenAPI, `get_profiles_for_list`).
const MAX_MEMBERS_PER_PAGE: usize = 100;
const MEMBERS_PER_PAGE: usize = 20;

const TIMES: &[Operator] = &[
    Operator::GreaterThan,
    Operator::GreaterOrEqual,
    Operator::LessThan,
    Operator::LessOrEqual,
];

/// `get_lists`
pub(super) fn all(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let allowed: &[(&str, &[Operator])] = &[
        ("name", Operator::SAME),
        ("id", Operator::SAME),
        ("created", &[Operator::GreaterThan]),
        ("updated", &[Operator::GreaterThan]),
    ];
    let conditions = filter::parse(request.query.get("filter"), allowed)?;
    let page = Page::of(&request.query, MAX_LISTS_PER_PAGE, MAX_LISTS_PER_PAGE)?;
    let mut lists: Vec<&List> = account
        .lists
        .iter()
        .filter(|list| {
            conditions
                .iter()
                .all(|condition| match condition.field.as_str() {
                    "name" => condition.holds(&list.name),
                    "id" => condition.holds(&list.id),
                    "created" => condition.holds_at(list.created),
                    _ => condition.holds_at(list.updated),
                })
        })
        .collect();
    sort(&mut lists, request.query.get("sort"))?;
    let numbered = (0_u64..).zip(lists);
    let (lists, next) = page.take(numbered.collect::<Vec<_>>().into_iter());
    let lists = lists.into_iter().map(|list| request.list(list));
    Ok(request.many(lists.collect::<Result<_, _>>()?, next))
}

fn sort(lists: &mut [&List], order: Option<&str>) -> Result<(), Refusal> {
    let Some(order) = order else {
        return Ok(());
    };
    match order.trim_start_matches('-') {
        "created" => lists.sort_by_key(|list| list.created),
        "updated" => lists.sort_by_key(|list| list.updated),
        "id" => lists.sort_by(|a, b| a.id.cmp(&b.id)),
        "name" => lists.sort_by(|a, b| a.name.cmp(&b.name)),
        _ => return Err(Refusal::parameter("sort", "no such order")),
    }
    if order.starts_with('-') {
        lists.reverse();
    }
    Ok(())
}

/// `create_list`. Klaviyo does not say that names are unique, so two lists may have the same one.
pub(super) fn create(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let data = request.body.get("data").unwrap_or(&Value::Null);
    let attributes = attributes_of(data, "list", &[], "/data")?;
    let known = |key: &&String| matches!(key.as_str(), "name" | "opt_in_process");
    if let Some(key) = attributes.keys().find(|key| !known(key)) {
        let at = format!("/data/attributes/{key}");
        return Err(Refusal::body(at, "not a field of a list"));
    }
    let name = attributes.get("name").and_then(Value::as_str);
    let Some(name) = name.filter(|name| !name.trim().is_empty()) else {
        return Err(Refusal::body("/data/attributes/name", "a name is required"));
    };
    let opt_in = match attributes.get("opt_in_process") {
        None | Some(Value::Null) => "double_opt_in",
        Some(Value::String(text)) if text == "single_opt_in" || text == "double_opt_in" => text,
        Some(_) => {
            let at = "/data/attributes/opt_in_process";
            return Err(Refusal::body(at, "single_opt_in or double_opt_in"));
        }
    };
    if account.lists.len() >= MAX_LISTS {
        let detail = format!("the account has {MAX_LISTS} lists and segments, which is the most");
        return Err(Refusal::body("/data", detail));
    }
    let at = account.create_list(name, opt_in);
    let list = account
        .lists
        .get(at)
        .ok_or_else(|| Refusal::not_found("list"))?;
    Ok(request.one(201, request.list(list)?, None))
}

/// `get_list`
pub(super) fn one(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let list = find(account, request)?;
    let mut data = request.list(list)?;
    if request
        .query
        .lists("additional-fields[list]", "profile_count")
        && let Some(attributes) = data.get_mut("attributes").and_then(Value::as_object_mut)
    {
        attributes.insert("profile_count".to_owned(), list.len().into());
    }
    let mut included = None;
    if request.query.lists("include", "flow-triggers") {
        let flows = list.flows.iter().map(|flow| {
            json!({
                "type": "flow",
                "id": flow.id,
                "attributes": {
                    "name": flow.name,
                    "status": "live",
                    "archived": false,
                    "created": stamp(flow.created),
                    "updated": stamp(flow.created),
                    "trigger_type": "Added to List",
                },
                "links": request.links("flows", &flow.id),
            })
        });
        included = Some(flows.collect());
        let triggers = data.pointer_mut("/relationships/flow-triggers");
        if let Some(triggers) = triggers.and_then(Value::as_object_mut) {
            let flows = list.flows.iter().map(|flow| &flow.id);
            triggers.insert("data".to_owned(), identifiers("flow", flows).into());
        }
    }
    Ok(request.one(200, data, included))
}

/// `delete_list`: its members stay profiles of the account.
pub(super) fn delete(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    find(account, request)?;
    account.lists.retain(|list| list.id != request.id);
    Ok(Reply::empty())
}

/// `get_profiles_for_list`
pub(super) fn members(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let (page, next) = select(account, request)?;
    let data = page
        .into_iter()
        .map(|member| request.member(account, member));
    Ok(request.many(data.collect::<Result<_, _>>()?, next))
}

/// `get_profile_ids_for_list`
pub(super) fn member_ids(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let (page, next) = select(account, request)?;
    let ids = page
        .iter()
        .filter_map(|member| Some(account.profiles.get(member.profile)?.id.as_str()));
    Ok(request.many(identifiers("profile", ids), next))
}

/// The members that a request asks for, in the order of joining, and the next cursor.
fn select(
    account: &Account,
    request: &Request,
) -> Result<(Vec<Membership>, Option<String>), Refusal> {
    // There is no filter by external_id (OpenAPI), and the sandbox has neither push tokens nor _kx.
    let allowed: &[(&str, &[Operator])] = &[
        ("email", Operator::SAME),
        ("phone_number", Operator::SAME),
        ("joined_group_at", TIMES),
    ];
    let list = find(account, request)?;
    let conditions = filter::parse(request.query.get("filter"), allowed)?;
    let page = Page::of(&request.query, MEMBERS_PER_PAGE, MAX_MEMBERS_PER_PAGE)?
        .sorted_by(&request.query, "joined_group_at")?;
    let (times, identities): (Vec<_>, Vec<_>) = conditions
        .into_iter()
        .partition(|condition| condition.field == "joined_group_at");
    let in_time = |member: &Membership| times.iter().all(|time| time.holds_at(member.joined));
    if identities.is_empty() {
        let members = list.members(page.bounds());
        return Ok(page.take(members.filter(|(_, member)| in_time(member))));
    }
    let mut members: Vec<(u64, Membership)> = matching(account, &identities)
        .into_iter()
        .filter_map(|profile| list.member(profile))
        .filter(|(_, member)| in_time(member))
        .collect();
    members.sort_by_key(|(number, _)| *number);
    Ok(page.take(members.into_iter()))
}

/// The profiles for which all conditions hold, which ask for identifiers; in order and each once.
pub(super) fn matching(account: &Account, conditions: &[Condition]) -> Vec<ProfileIndex> {
    let find = |field: &str, value: &String| match field {
        "id" => account.profile(value),
        identifier => account.profile_by(identifier, value),
    };
    let mut sets = conditions.iter().map(|condition| {
        let values = condition.values.iter();
        let found = values.filter_map(|value| find(&condition.field, value));
        found.collect::<std::collections::BTreeSet<_>>()
    });
    let first = sets.next().unwrap_or_default();
    sets.fold(first, |all, set| &all & &set)
        .into_iter()
        .collect()
}

/// `add_profiles_to_list`
pub(super) fn add(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    change_members(account, request, List::add)
}

/// `remove_profiles_from_list`: one that is not on the list is no error.
pub(super) fn remove(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    change_members(account, request, List::remove)
}

/// All or nothing: an id that no profile has refuses the whole call. What Klaviyo does is not documented.
fn change_members(
    account: &mut Account,
    request: &Request,
    change: fn(&mut List, ProfileIndex),
) -> Result<Reply, Refusal> {
    find(account, request)?;
    let data = request.body.get("data").unwrap_or(&Value::Null);
    let ids = ids_of(data, "profile", MAX_PROFILES_PER_CALL, "/data")?;
    let profiles = ids.into_iter().enumerate().map(|(at, id)| {
        let found = account.profile(id);
        found.ok_or_else(|| Refusal::not_found_at("profile", format!("/data/{at}/id")))
    });
    let profiles = profiles.collect::<Result<Vec<_>, _>>()?;
    if let Some(list) = account.list_mut(&request.id) {
        for profile in profiles {
            change(list, profile);
        }
    }
    Ok(Reply::empty())
}

fn find<'a>(account: &'a Account, request: &Request) -> Result<&'a List, Refusal> {
    let list = account.list(&request.id);
    list.ok_or_else(|| Refusal::not_found("list"))
}
