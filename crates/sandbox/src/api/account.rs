//! The one account behind the API: its profiles, found by three identifiers, and its lists with their members.
//!
//! Identity: a profile is found by e-mail (in any case), else phone number, else external id; when a weaker identifier
//! belongs to another profile, that is a conflict and nothing changes. What Klaviyo does then is not documented in one
//! voice (facts B5), so the sandbox takes the answer that does least. Nothing of this outlives the process.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::RangeBounds;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::billing::PlanUsage;
use super::id::Ids;
use super::job::Job;
use super::profile::{IDENTIFIERS, Nulls, Profile};

/// Lists and segments together (Klaviyo help 115005078967); the sandbox has no segments.
pub(super) const MAX_LISTS: usize = 1_000;

/// Where a profile stands among all of them. The place of one that was deleted is not used again.
pub(super) type ProfileIndex = usize;

/// A flow that starts when a profile is added to a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flow {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) created: Timestamp,
}

/// When a profile was added to a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Membership {
    pub(super) profile: ProfileIndex,
    pub(super) joined: Timestamp,
}

/// A list of the account.
#[derive(Debug)]
pub(super) struct List {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) opt_in: String,
    pub(super) created: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) flows: Vec<Flow>,
    /// By the order of joining, which is also what a page's cursor counts.
    members: BTreeMap<u64, Membership>,
    numbers: HashMap<ProfileIndex, u64>,
    next_number: u64,
}

impl List {
    /// How many members it has.
    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether a profile is on it.
    pub(super) fn has(&self, profile: ProfileIndex) -> bool {
        self.numbers.contains_key(&profile)
    }

    /// When a profile joined, with its number, if it is on the list.
    pub(super) fn member(&self, profile: ProfileIndex) -> Option<(u64, Membership)> {
        let number = *self.numbers.get(&profile)?;
        Some((number, *self.members.get(&number)?))
    }

    /// The members within `bounds`, in the order of joining.
    pub(super) fn members(
        &self,
        bounds: impl RangeBounds<u64>,
    ) -> impl DoubleEndedIterator<Item = (u64, Membership)> {
        self.members
            .range(bounds)
            .map(|(number, member)| (*number, *member))
    }

    /// Adds a profile; one that is on the list keeps its date.
    pub(super) fn add(&mut self, profile: ProfileIndex) {
        if self.has(profile) {
            return;
        }
        let joined = Timestamp::now();
        self.members
            .insert(self.next_number, Membership { profile, joined });
        self.numbers.insert(profile, self.next_number);
        self.next_number += 1;
        self.updated = joined;
    }

    /// Takes a profile off.
    pub(super) fn remove(&mut self, profile: ProfileIndex) {
        if let Some(number) = self.numbers.remove(&profile) {
            self.members.remove(&number);
            self.updated = Timestamp::now();
        }
    }
}

/// The profile that has an identifier which another one was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Conflict(pub(super) ProfileIndex);

/// Everything the API knows.
#[derive(Debug, Default)]
pub(super) struct Account {
    pub(super) ids: Ids,
    pub(super) profiles: Vec<Profile>,
    pub(super) lists: Vec<List>,
    pub(super) jobs: Vec<Job>,
    by_id: HashMap<String, ProfileIndex>,
    by_identifier: [HashMap<String, ProfileIndex>; IDENTIFIERS.len()],
    /// Further e-mail addresses of profiles, in lower case; they are in the index too.
    secondary: HashSet<String>,
    /// Addresses that are refused although their form is right, in lower case.
    pub(super) refused: HashSet<String>,
    /// The plan that somebody has given it.
    pub(super) plan: Option<Vec<PlanUsage>>,
}

impl Account {
    /// A profile's index by its id.
    pub(super) fn profile(&self, id: &str) -> Option<ProfileIndex> {
        self.by_id.get(id).copied()
    }

    /// The profile that has this identifier (`email`, `phone_number` or `external_id`).
    pub(super) fn profile_by(&self, identifier: &str, value: &str) -> Option<ProfileIndex> {
        let place = IDENTIFIERS.iter().position(|name| *name == identifier)?;
        self.by_identifier
            .get(place)?
            .get(&key(identifier, value))
            .copied()
    }

    /// The profile that `attributes` mean, if there is one.
    pub(super) fn find(
        &self,
        attributes: &Map<String, Value>,
    ) -> Result<Option<ProfileIndex>, Conflict> {
        let mut found = None;
        for identifier in IDENTIFIERS {
            let value = attributes.get(identifier).and_then(Value::as_str);
            let Some(index) = value.and_then(|value| self.profile_by(identifier, value)) else {
                continue;
            };
            if *found.get_or_insert(index) != index {
                return Err(Conflict(index));
            }
        }
        Ok(found)
    }

    /// Makes a profile of attributes that have been checked and mean no other one.
    pub(super) fn create(&mut self, attributes: &Map<String, Value>) -> ProfileIndex {
        let id = self.ids.long();
        let index = self.profiles.len();
        self.by_id.insert(id.clone(), index);
        self.profiles.push(Profile::new(id));
        self.change(index, |profile| profile.apply(attributes, Nulls::Clear));
        index
    }

    /// Creates or updates the profile that checked attributes mean; true when it is new.
    pub(super) fn upsert(
        &mut self,
        attributes: &Map<String, Value>,
        nulls: Nulls,
    ) -> Result<(ProfileIndex, bool), Conflict> {
        if let Some(index) = self.find(attributes)? {
            let attributes = self.without_secondary(attributes);
            self.change(index, |profile| profile.apply(&attributes, nulls));
            Ok((index, false))
        } else {
            Ok((self.create(attributes), true))
        }
    }

    /// Updates a profile, unless another one has an identifier that it is to get.
    pub(super) fn update(
        &mut self,
        index: ProfileIndex,
        attributes: &Map<String, Value>,
    ) -> Result<(), Conflict> {
        for identifier in IDENTIFIERS {
            let value = attributes.get(identifier).and_then(Value::as_str);
            let owner = value.and_then(|value| self.profile_by(identifier, value));
            if let Some(owner) = owner.filter(|owner| *owner != index) {
                return Err(Conflict(owner));
            }
        }
        let attributes = self.without_secondary(attributes);
        self.change(index, |profile| profile.apply(&attributes, Nulls::Clear));
        Ok(())
    }

    /// The attributes, but for an address that is not its profile's first: that one finds the profile and changes nothing.
    fn without_secondary(&self, attributes: &Map<String, Value>) -> Map<String, Value> {
        let mut kept = attributes.clone();
        let email = attributes.get("email").and_then(Value::as_str);
        if email.is_some_and(|email| self.secondary.contains(&key("email", email))) {
            kept.remove("email");
        }
        kept
    }

    /// Gives a profile one more e-mail address, by which it is found too.
    pub(super) fn add_secondary(&mut self, index: ProfileIndex, email: &str) {
        let email = key("email", email);
        let [emails, ..] = &mut self.by_identifier;
        emails.insert(email.clone(), index);
        self.secondary.insert(email);
    }

    /// Deletes a profile: nothing finds it, and it is on no list.
    pub(super) fn delete(&mut self, index: ProfileIndex) {
        for known in &mut self.by_identifier {
            known.retain(|_, owner| *owner != index);
        }
        self.by_id.retain(|_, owner| *owner != index);
        for list in &mut self.lists {
            list.remove(index);
        }
    }

    /// Changes a profile and keeps the indexes of identifiers right.
    pub(super) fn change(&mut self, index: ProfileIndex, change: impl FnOnce(&mut Profile)) {
        let Some(profile) = self.profiles.get_mut(index) else {
            return;
        };
        for (identifier, known) in IDENTIFIERS.iter().zip(&mut self.by_identifier) {
            if let Some(value) = profile.text(identifier) {
                known.remove(&key(identifier, value));
            }
        }
        change(profile);
        for (identifier, known) in IDENTIFIERS.iter().zip(&mut self.by_identifier) {
            if let Some(value) = profile.text(identifier).filter(|value| !value.is_empty()) {
                known.insert(key(identifier, value), index);
            }
        }
    }

    /// A list by its id.
    pub(super) fn list(&self, id: &str) -> Option<&List> {
        self.lists.iter().find(|list| list.id == id)
    }

    /// A list by its id, to change.
    pub(super) fn list_mut(&mut self, id: &str) -> Option<&mut List> {
        self.lists.iter_mut().find(|list| list.id == id)
    }

    /// Makes an empty list and gives its place; the caller looks after the quota.
    pub(super) fn create_list(&mut self, name: &str, opt_in: &str) -> usize {
        let mut id = self.ids.short();
        while self.list(&id).is_some() {
            id = self.ids.short();
        }
        let now = Timestamp::now();
        self.lists.push(List {
            id,
            name: name.to_owned(),
            opt_in: opt_in.to_owned(),
            created: now,
            updated: now,
            flows: Vec::new(),
            members: BTreeMap::new(),
            numbers: HashMap::new(),
            next_number: 0,
        });
        self.lists.len() - 1
    }
}

/// Identifiers as they are compared: e-mail addresses in lower case.
fn key(identifier: &str, value: &str) -> String {
    if identifier == "email" {
        value.to_lowercase()
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn map(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn profiles_are_found_by_the_strongest_identifier() {
        let mut account = Account::default();
        let ann = map(&json!({"email": "Ann@x.example", "phone_number": "+15005550006"}));
        assert_eq!(account.upsert(&ann, Nulls::Skip), Ok((0, true)));
        let moved = map(&json!({"email": "ann@X.example", "phone_number": "+15005550007"}));
        assert_eq!(account.upsert(&moved, Nulls::Skip), Ok((0, false)));
        // The old number is free again.
        let bob = map(&json!({"phone_number": "+15005550006", "external_id": "b"}));
        assert_eq!(account.upsert(&bob, Nulls::Skip), Ok((1, true)));
        let mixed = map(&json!({"email": "ann@x.example", "external_id": "b"}));
        assert_eq!(account.upsert(&mixed, Nulls::Skip), Err(Conflict(1)));
        assert_eq!(account.update(1, &moved), Err(Conflict(0)));
    }

    #[test]
    fn members_keep_their_order_and_date() {
        let mut account = Account::default();
        let at = account.create_list("a", "single_opt_in");
        let list = &mut account.lists[at];
        for profile in [5, 3, 5, 4] {
            list.add(profile);
        }
        list.remove(3);
        list.add(3);
        let order: Vec<_> = list.members(..).map(|(_, member)| member.profile).collect();
        assert_eq!((order, list.len()), (vec![5, 4, 3], 3));
    }
}
