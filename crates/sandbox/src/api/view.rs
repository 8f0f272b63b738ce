//! The API as whoever started the sandbox sees it: where it is, what it was asked, and what the account has.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::account::{Account, Flow};
use super::billing::PlanUsage;
use super::fault::{ApiFault, ApiFaults};
use super::import::Imported;
use super::profile::Profile;
use super::standing::EmailStanding;
use super::state::ApiState;

/// One call that came in. Neither the query nor a body is kept: both may have personal data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiCall {
    /// `GET` and so on.
    pub method: String,
    /// The path, without the query.
    pub path: String,
    /// The operation's id in Klaviyo's contract (`get_lists`); `None` for a path or method that the API does not have.
    pub operation: Option<&'static str>,
    /// The status of the answer; `None` when a fault took it away.
    pub status: Option<u16>,
    /// The fault that struck.
    pub fault: Option<ApiFault>,
}

/// A list of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListSummary {
    /// Six characters that mean nothing.
    pub id: String,
    /// Its name; several lists may have the same one.
    pub name: String,
    /// How many profiles are on it.
    pub profile_count: usize,
}

/// The API of a running sandbox.
#[derive(Debug)]
pub struct Api {
    state: Arc<ApiState>,
    key: String,
    key_file: PathBuf,
}

impl Api {
    /// The view of a state.
    pub(crate) fn new(state: Arc<ApiState>, key: String, key_file: PathBuf) -> Self {
        Self {
            state,
            key,
            key_file,
        }
    }

    /// `http://127.0.0.1:PORT`, to which paths like `/api/lists` are added.
    pub fn base_url(&self) -> &str {
        &self.state.origin
    }

    /// The private API key (`pk_…`).
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The file with the key: mode 0600, one line. It is made once and kept.
    pub fn key_file(&self) -> &Path {
        &self.key_file
    }

    /// The calls so far, in order; of a long life only the last 10,000. A call is there before its answer.
    pub fn journal(&self) -> Vec<ApiCall> {
        self.state.journal.events()
    }

    /// The calls from number `from` on, counted from 0 over the whole life, and the number of the next one.
    pub fn journal_since(&self, from: u64) -> (Vec<ApiCall>, u64) {
        self.state.journal.since(from)
    }

    /// Waits until `condition` holds for the calls, at most `limit`; true when it does.
    pub fn wait_for(&self, limit: Duration, condition: impl FnMut(&[ApiCall]) -> bool) -> bool {
        self.state.journal.wait_for(limit, condition)
    }

    /// Replaces all faults of the API. Counts start again.
    pub fn set_faults(&self, faults: ApiFaults) {
        self.state.faults.replace(faults);
    }

    /// Makes a list without a call, whatever the quota says, and gives its id.
    pub fn add_list(&self, name: &str) -> String {
        let mut account = self.state.account();
        let at = account.create_list(name, "single_opt_in");
        list_id(&account, at)
    }

    /// Makes a list with a flow that starts when a profile is added to it, and gives the list's id.
    pub fn add_list_with_flow(&self, name: &str, flow: &str) -> String {
        let mut account = self.state.account();
        let at = account.create_list(name, "single_opt_in");
        let flow = Flow {
            id: account.ids.short(),
            name: flow.to_owned(),
            created: Timestamp::now(),
        };
        if let Some(list) = account.lists.get_mut(at) {
            list.flows.push(flow);
        }
        list_id(&account, at)
    }

    /// Removes a list, as a person does in Klaviyo.
    pub fn remove_list(&self, list_id: &str) {
        self.state.account().lists.retain(|list| list.id != list_id);
    }

    /// Gives a list another name, as a person does in Klaviyo.
    pub fn rename_list(&self, list_id: &str, name: &str) {
        if let Some(list) = self.state.account().list_mut(list_id) {
            name.clone_into(&mut list.name);
        }
    }

    /// Makes a profile without a call, and gives its id. An attribute that is an identifier has to be nobody else's.
    ///
    /// Nothing is checked: old profiles hold what no call would take today, such as a phone number that is not E.164
    /// (klaviyo-api-python #48). Calls tell it, and find it, as it is stored.
    pub fn add_profile(&self, attributes: &[(&str, &str)]) -> String {
        let mut account = self.state.account();
        let attributes = attributes
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(*value)))
            .collect();
        let index = account.create(&attributes);
        let profile = account.profiles.get(index);
        profile
            .map(|profile| profile.id.clone())
            .unwrap_or_default()
    }

    /// Sets one attribute of a profile without a call and without a check; an identifier has to be nobody else's.
    pub fn set_attribute(&self, profile_id: &str, name: &str, value: &str) {
        let mut account = self.state.account();
        if let Some(index) = account.profile(profile_id) {
            account.change(index, |profile| {
                let value = Value::from(value);
                profile.attributes.insert(name.to_owned(), value);
            });
        }
    }

    /// Puts profiles on a list without a call.
    pub fn add_members(&self, list_id: &str, profile_ids: &[String]) {
        let mut account = self.state.account();
        let indexes = profile_ids.iter().filter_map(|id| account.profile(id));
        let indexes: Vec<_> = indexes.collect();
        if let Some(list) = account.list_mut(list_id) {
            for index in indexes {
                list.add(index);
            }
        }
    }

    /// Takes profiles off a list without a call, as a person does in Klaviyo.
    pub fn remove_members(&self, list_id: &str, profile_ids: &[String]) {
        let mut account = self.state.account();
        let indexes = profile_ids.iter().filter_map(|id| account.profile(id));
        let indexes: Vec<_> = indexes.collect();
        if let Some(list) = account.list_mut(list_id) {
            for index in indexes {
                list.remove(index);
            }
        }
    }

    /// Gives a profile one more e-mail address: filters and imports find it by that one too, and answers do not show it.
    pub fn add_secondary_email(&self, profile_id: &str, email: &str) {
        let mut account = self.state.account();
        if let Some(index) = account.profile(profile_id) {
            account.add_secondary(index, email);
        }
    }

    /// Deletes a profile, as a person does in Klaviyo: it is on no list any more, and nothing has its id.
    pub fn delete_profile(&self, profile_id: &str) {
        let mut account = self.state.account();
        if let Some(index) = account.profile(profile_id) {
            account.delete(index);
        }
    }

    /// Sets whether the profile with this address gets e-mail; one that is not there yet is made, as Klaviyo makes one for
    /// an address that is suppressed.
    pub fn set_email_standing(&self, email: &str, standing: EmailStanding) {
        let mut account = self.state.account();
        let index = account.profile_by("email", email);
        let index = index.unwrap_or_else(|| {
            let email = ("email".to_owned(), Value::from(email));
            account.create(&std::iter::once(email).collect())
        });
        if let Some(profile) = account.profiles.get_mut(index) {
            profile.email_standing = standing;
        }
    }

    /// Gives the account a plan with these usage types and no others.
    pub fn set_plan(&self, plan: Vec<PlanUsage>) {
        self.state.account().plan = Some(plan);
    }

    /// From now on a job with this address is refused for it, although its form is right: Klaviyo does not document all that
    /// it looks at.
    pub fn refuse_email(&self, email: &str) {
        self.state.account().refused.insert(email.to_lowercase());
    }

    /// All lists, in the order in which they were made.
    pub fn lists(&self) -> Vec<ListSummary> {
        let account = self.state.account();
        let summary = |list: &super::account::List| ListSummary {
            id: list.id.clone(),
            name: list.name.clone(),
            profile_count: list.len(),
        };
        account.lists.iter().map(summary).collect()
    }

    /// The profiles on a list in the order of joining; none when there is no such list.
    pub fn members(&self, list_id: &str) -> Vec<Profile> {
        let account = self.state.account();
        let Some(list) = account.list(list_id) else {
            return Vec::new();
        };
        let members = list.members(..);
        members
            .filter_map(|(_, member)| account.profiles.get(member.profile).cloned())
            .collect()
    }

    /// All profiles, in the order in which they came into being.
    pub fn profiles(&self) -> Vec<Profile> {
        let account = self.state.account();
        let is_there = |profile: &&Profile| account.profile(&profile.id).is_some();
        account.profiles.iter().filter(is_there).cloned().collect()
    }

    /// The files that were imported from `/profiles`, in order; of a long life only the last 10,000.
    pub fn imports(&self) -> Vec<Imported> {
        self.state.imports()
    }
}

fn list_id(account: &Account, at: usize) -> String {
    let list = account.lists.get(at);
    list.map(|list| list.id.clone()).unwrap_or_default()
}
