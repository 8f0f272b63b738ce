//! Which operations the API has: method, path, rate, scopes, parameters and what answers. The vendor's contract has the
//! same facts under the operation's id; none of its tables is read here, so that the sandbox needs no file.

use hyper::Method;

use super::account::Account;
use super::document::{Reply, Request};
use super::limit::Rate;
use super::query::Query;
use super::refusal::Refusal;
use super::{accounts, billing, jobs, lists, profiles};

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    /// Its id in the contract.
    pub(super) id: &'static str,
    method: &'static str,
    /// With `{id}` where the id stands.
    path: &'static str,
    rate: Rate,
    /// The rate of calls that have this parameter with this item, which is lower.
    strict: Option<(&'static str, &'static [&'static str])>,
    /// The scope that the key needs.
    pub(super) scopes: &'static [&'static str],
    /// The revision that has it first; none: all that are answered.
    pub(super) since: Option<&'static str>,
    /// The query parameters.
    pub(super) parameters: &'static [&'static str],
    /// The function that carries it out.
    pub(super) answer: fn(&mut Account, &Request) -> Result<Reply, Refusal>,
}

impl Operation {
    /// How often such a call may come.
    pub(super) fn rate(&self, query: &Query) -> Rate {
        match self.strict {
            Some((name, items)) if items.iter().any(|item| query.lists(name, item)) => SLOW,
            _ => self.rate,
        }
    }

    /// True when its requests have a body.
    pub(super) fn has_body(&self) -> bool {
        self.method != "GET" && self.id != "delete_list"
    }
}

const SLOW: Rate = Rate::of(1, 15);
const FAST: Rate = Rate::of(75, 750);
const BULK: Rate = Rate::of(10, 150);
const CREATE_LIST: Rate = Rate {
    daily: Some(150),
    ..BULK
};

const JOBS: &[&str] = &["lists:read", "profiles:read"];
const MEMBERS: &[&str] = &["lists:read", "profiles:read"];
const CHANGE: &[&str] = &["lists:write", "profiles:write"];
const PROFILE_FIELDS: &[&str] = &["fields[profile]"];
const PAGE: &[&str] = &["page[cursor]", "page[size]"];

/// An operation without a lower rate.
const fn plain(
    id: &'static str,
    method: &'static str,
    path: &'static str,
    rate: Rate,
    scopes: &'static [&'static str],
    parameters: &'static [&'static str],
    answer: fn(&mut Account, &Request) -> Result<Reply, Refusal>,
) -> Operation {
    Operation {
        id,
        method,
        path,
        rate,
        strict: None,
        since: None,
        scopes,
        parameters,
        answer,
    }
}

#[rustfmt::skip] // a table
static OPERATIONS: [Operation; 24] = [
    plain("get_accounts", "GET", "/api/accounts", SLOW, &["accounts:read"], &["fields[account]"], accounts::all),
    plain("get_account", "GET", "/api/accounts/{id}", SLOW, &["accounts:read"], &["fields[account]"], accounts::one),
    Operation {
        since: Some("2026-10-15"),
        ..plain("list_billing_usage", "GET", "/api/billing-usage", BULK, &["usage:read"],
            &["fields[billing-usage]", "filter"], billing::all)
    },
    plain("get_lists", "GET", "/api/lists", FAST, &["lists:read"],
        &["fields[list]", "filter", "page[cursor]", "page[size]", "sort"], lists::all),
    plain("create_list", "POST", "/api/lists", CREATE_LIST, &["lists:write"], &["fields[list]"], lists::create),
    Operation {
        strict: Some(("additional-fields[list]", &["profile_count"])),
        ..plain("get_list", "GET", "/api/lists/{id}", FAST, &["lists:read"],
            &["additional-fields[list]", "fields[flow]", "fields[list]", "fields[tag]", "include"], lists::one)
    },
    plain("delete_list", "DELETE", "/api/lists/{id}", BULK, &["lists:write"], &[], lists::delete),
    plain("get_profiles_for_list", "GET", "/api/lists/{id}/profiles", FAST, MEMBERS,
        &["fields[profile]", "filter", "page[cursor]", "page[size]", "sort"], lists::members),
    plain("get_profile_ids_for_list", "GET", "/api/lists/{id}/relationships/profiles", FAST, MEMBERS,
        &["filter", "page[cursor]", "page[size]", "sort"], lists::member_ids),
    plain("add_profiles_to_list", "POST", "/api/lists/{id}/relationships/profiles", BULK, CHANGE, &[], lists::add),
    plain("remove_profiles_from_list", "DELETE", "/api/lists/{id}/relationships/profiles", BULK, CHANGE, &[],
        lists::remove),
    plain("get_profiles", "GET", "/api/profiles", FAST, &["profiles:read"],
        &["additional-fields[profile]", "fields[profile]", "filter", "page[cursor]", "page[size]", "sort"], profiles::all),
    plain("create_profile", "POST", "/api/profiles", FAST, &["profiles:write"], PROFILE_FIELDS, profiles::create),
    Operation {
        strict: Some(("include", &["lists", "segments"])),
        ..plain("get_profile", "GET", "/api/profiles/{id}", FAST, &["profiles:read"],
            &["additional-fields[profile]", "fields[list]", "fields[profile]", "include"], profiles::one)
    },
    plain("update_profile", "PATCH", "/api/profiles/{id}", FAST, &["profiles:write"], PROFILE_FIELDS, profiles::update),
    plain("create_or_update_profile", "POST", "/api/profile-import", FAST, &["profiles:write"], PROFILE_FIELDS,
        profiles::import),
    plain("get_bulk_import_profiles_jobs", "GET", "/api/profile-bulk-import-jobs", BULK, JOBS,
        &["fields[profile-bulk-import-job]", "filter", "page[cursor]", "page[size]", "sort"], jobs::all),
    plain("bulk_import_profiles", "POST", "/api/profile-bulk-import-jobs", BULK, CHANGE,
        &["fields[profile-bulk-import-job]"], jobs::create),
    plain("get_bulk_import_profiles_job", "GET", "/api/profile-bulk-import-jobs/{id}", BULK, JOBS,
        &["fields[list]", "fields[profile-bulk-import-job]", "include"], jobs::one),
    plain("get_list_for_bulk_import_profiles_job", "GET", "/api/profile-bulk-import-jobs/{id}/lists", BULK,
        &["lists:read"], &["fields[list]"], jobs::lists),
    plain("get_list_ids_for_bulk_import_profiles_job", "GET",
        "/api/profile-bulk-import-jobs/{id}/relationships/lists", BULK, &["lists:read"], &[], jobs::list_ids),
    plain("get_profiles_for_bulk_import_profiles_job", "GET", "/api/profile-bulk-import-jobs/{id}/profiles", BULK,
        &["profiles:read"], &["fields[profile]", "page[cursor]", "page[size]"], jobs::profiles),
    plain("get_profile_ids_for_bulk_import_profiles_job", "GET",
        "/api/profile-bulk-import-jobs/{id}/relationships/profiles", BULK, &["profiles:read"], PAGE, jobs::profile_ids),
    plain("get_errors_for_bulk_import_profiles_job", "GET", "/api/profile-bulk-import-jobs/{id}/import-errors", BULK,
        &["profiles:read"], PAGE, jobs::errors),
];

/// Finds the operation for a path, with the id in it. A slash at the end does no harm: older texts of Klaviyo's have it.
pub(super) fn route(method: &Method, path: &str) -> Result<(&'static Operation, String), Refusal> {
    let mut refusal = Refusal::not_found("path");
    for operation in &OPERATIONS {
        if let Some(id) = matched(operation.path, path) {
            if operation.method == method.as_str() {
                return Ok((operation, id.to_owned()));
            }
            refusal = Refusal::method();
        }
    }
    Err(refusal)
}

/// The id in `path` when it has the form of `pattern`.
fn matched<'a>(pattern: &str, path: &'a str) -> Option<&'a str> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let Some((before, after)) = pattern.split_once("{id}") else {
        return (pattern == path).then_some("");
    };
    let id = path.strip_prefix(before)?.strip_suffix(after)?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_operation() {
        for (method, path, id, argument) in [
            (Method::GET, "/api/lists/", "get_lists", ""),
            (Method::GET, "/api/lists/a", "get_list", "a"),
            (Method::DELETE, "/api/lists/a", "delete_list", "a"),
            (
                Method::DELETE,
                "/api/lists/a/relationships/profiles",
                "remove_profiles_from_list",
                "a",
            ),
            (
                Method::GET,
                "/api/profile-bulk-import-jobs/j/import-errors/",
                "get_errors_for_bulk_import_profiles_job",
                "j",
            ),
        ] {
            let (operation, found) = route(&method, path).unwrap();
            assert_eq!((operation.id, found.as_str()), (id, argument));
        }
        assert_eq!(
            route(&Method::GET, "/api/segments").unwrap_err().status,
            404
        );
        assert_eq!(
            route(&Method::GET, "/api/lists/a/b").unwrap_err().status,
            404
        );
        assert_eq!(route(&Method::PUT, "/api/lists").unwrap_err().status, 405);
    }
}
