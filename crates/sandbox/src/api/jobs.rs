//! The operations on `/api/profile-bulk-import-jobs`.

use serde_json::Value;

use super::account::Account;
use super::document::{Reply, Request, attributes_of, identifiers, ids_of};
use super::filter::{self, Operator};
use super::job::{Job, PROFILES};
use super::profile::{check_attributes, check_identifiers, is_email, is_phone};
use super::profiles::MAX_PROFILE_BYTES;
use super::query::Page;
use super::refusal::Refusal;

/// Profiles of one job (OpenAPI, `bulk_import_profiles`).
const MAX_PROFILES: usize = 10_000;

/// Items per page, and without a wish (OpenAPI, `get_bulk_import_profiles_jobs` and what is below a job).
const MAX_PER_PAGE: usize = 100;
const PER_PAGE: usize = 20;

/// `bulk_import_profiles`. One profile that cannot be right refuses the whole job, and the pointer says which.
pub(super) fn create(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let data = request.body.get("data").unwrap_or(&Value::Null);
    let kind = "profile-bulk-import-job";
    let attributes = attributes_of(data, kind, &["relationships"], "/data")?;
    if let Some(key) = attributes.keys().find(|key| *key != "profiles") {
        let at = format!("/data/attributes/{key}");
        return Err(Refusal::body(at, "not a field of a job"));
    }
    let profiles = request.body.pointer(PROFILES).and_then(Value::as_array);
    let profiles = profiles.map(Vec::as_slice).unwrap_or_default();
    if profiles.is_empty() || profiles.len() > MAX_PROFILES {
        let detail = format!("1 to {MAX_PROFILES} profiles are required");
        return Err(Refusal::body(PROFILES, detail));
    }
    for (at, profile) in profiles.iter().enumerate() {
        check(profile, &format!("{PROFILES}/{at}"))?;
        let email = profile.pointer("/attributes/email").and_then(Value::as_str);
        if email.is_some_and(|email| account.refused.contains(&email.to_lowercase())) {
            let at = format!("{PROFILES}/{at}/attributes/email");
            return Err(Refusal::body(at, "an address that is not taken"));
        }
    }
    let lists = lists_of(account, data)?;
    let job = Job::new(account.ids.long(), profiles.to_vec(), lists);
    let reply = request.one(202, request.job(&job)?, None);
    account.jobs.push(job);
    Ok(reply)
}

/// Refuses what Klaviyo refuses at once: no identifier, a bad e-mail address, a bad phone number without another
/// identifier (Klaviyo, "Profiles API overview"). A bad number beside a good identifier becomes an import error.
fn check(profile: &Value, pointer: &str) -> Result<(), Refusal> {
    let attributes = attributes_of(profile, "profile", &["id", "meta"], pointer)?;
    let at = format!("{pointer}/attributes");
    check_attributes(attributes, &at)?;
    if profile.to_string().len() > MAX_PROFILE_BYTES {
        let detail = format!("larger than {MAX_PROFILE_BYTES} bytes");
        return Err(Refusal::body(pointer, detail));
    }
    let text = |name: &str| attributes.get(name).and_then(Value::as_str);
    let other = text("email").is_some_and(is_email) || text("external_id").is_some();
    if other && text("phone_number").is_some_and(|phone| !is_phone(phone)) {
        let mut rest = attributes.clone();
        rest.remove("phone_number");
        return check_identifiers(&rest, &at);
    }
    check_identifiers(attributes, &at)
}

/// The list that imported profiles go to. Klaviyo's text speaks of one list, though the schema has room for more.
fn lists_of(account: &Account, data: &Value) -> Result<Vec<String>, Refusal> {
    let Some(lists) = data.pointer("/relationships/lists/data") else {
        return Ok(Vec::new());
    };
    let pointer = "/data/relationships/lists/data";
    let ids = ids_of(lists, "list", 1, pointer)?;
    match ids.iter().position(|id| account.list(id).is_none()) {
        Some(at) => Err(Refusal::body(format!("{pointer}/{at}/id"), "no such list")),
        None => Ok(ids.into_iter().map(str::to_owned).collect()),
    }
}

/// `get_bulk_import_profiles_jobs`
pub(super) fn all(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let allowed: &[(&str, &[Operator])] = &[("status", Operator::SAME)];
    let conditions = filter::parse(request.query.get("filter"), allowed)?;
    let page = Page::of(&request.query, PER_PAGE, MAX_PER_PAGE)?
        .sorted_by(&request.query, "created_at")?;
    let fits = |job: &&Job| conditions.iter().all(|it| it.holds(job.status.word()));
    let jobs: Vec<_> = (0_u64..)
        .zip(&account.jobs)
        .filter(|(_, job)| fits(job))
        .collect();
    let (jobs, next) = page.take(jobs.into_iter());
    let jobs = jobs.into_iter().map(|job| request.job(job));
    Ok(request.many(jobs.collect::<Result<_, _>>()?, next))
}

/// `get_bulk_import_profiles_job`
pub(super) fn one(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let job = find(account, request)?;
    let mut included = None;
    if request.query.lists("include", "lists") {
        let lists = job.lists.iter().filter_map(|id| account.list(id));
        let lists = lists.map(|list| request.list(list));
        included = Some(lists.collect::<Result<_, _>>()?);
    }
    Ok(request.one(200, request.job(job)?, included))
}

/// `get_list_for_bulk_import_profiles_job`
pub(super) fn lists(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let job = find(account, request)?;
    let lists = job.lists.iter().filter_map(|id| account.list(id));
    let lists = lists.map(|list| request.list(list));
    Ok(request.many(lists.collect::<Result<_, _>>()?, None))
}

/// `get_list_ids_for_bulk_import_profiles_job`
pub(super) fn list_ids(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let job = find(account, request)?;
    Ok(request.many(identifiers("list", &job.lists), None))
}

/// `get_profiles_for_bulk_import_profiles_job`
pub(super) fn profiles(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let imported = &find(account, request)?.imported;
    let (found, next) = page_of(request, imported)?;
    Ok(request.many(request.profiles(account, &found)?, next))
}

/// `get_profile_ids_for_bulk_import_profiles_job`
pub(super) fn profile_ids(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let imported = &find(account, request)?.imported;
    let (found, next) = page_of(request, imported)?;
    let ids = found
        .iter()
        .filter_map(|index| Some(account.profiles.get(*index)?.id.as_str()));
    Ok(request.many(identifiers("profile", ids), next))
}

/// `get_errors_for_bulk_import_profiles_job`
pub(super) fn errors(account: &mut Account, request: &Request) -> Result<Reply, Refusal> {
    let (mut errors, next) = page_of(request, &find(account, request)?.errors)?;
    for error in &mut errors {
        if let Some(error) = error.as_object_mut() {
            let link = format!("{}{}", request.origin, request.path);
            error.insert("links".to_owned(), serde_json::json!({"self": link}));
        }
    }
    Ok(request.many(errors, next))
}

fn page_of<T: Clone>(request: &Request, items: &[T]) -> Result<(Vec<T>, Option<String>), Refusal> {
    let page = Page::of(&request.query, PER_PAGE, MAX_PER_PAGE)?;
    let items: Vec<_> = (0_u64..).zip(items.iter().cloned()).collect();
    Ok(page.take(items.into_iter()))
}

fn find<'a>(account: &'a Account, request: &Request) -> Result<&'a Job, Refusal> {
    let job = account.jobs.iter().find(|job| job.id == request.id);
    job.ok_or_else(|| Refusal::not_found("job"))
}
