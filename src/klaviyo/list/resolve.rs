//! The search for profiles: identifiers become profile ids, 100 for each call.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::identity::{IdentifierForms, compared};
use super::rows::Person;
use super::{Desk, ListError};
use crate::klaviyo::{Identifier, KlaviyoError, Member, in_calls};

/// Calls at once: the limit of 750 a minute is reached with answers of 300 ms.
const AT_ONCE: usize = 4;

/// The outcome of a look-up.
#[derive(Debug, Default)]
pub(super) struct Resolution {
    /// Every profile that was found, each once.
    pub(super) members: Vec<Member>,
    /// The places of those who have none.
    pub(super) missing: Vec<usize>,
}

/// Looks `people` up by their e-mail addresses, who has none by the phone number, and else by the external id; who is not
/// found by one identifier is looked up by the next.
pub(super) fn resolve(desk: Desk<'_>, people: &[Person]) -> Result<Resolution, ListError> {
    let mut members: HashMap<String, Member> = HashMap::new();
    let mut missing: BTreeSet<usize> = (0..people.len()).collect();
    for identifier in Identifier::BEST_FIRST {
        let asked = asked_for(desk.forms, identifier, people, &missing);
        let mut values: Vec<&str> = asked.keys().map(String::as_str).collect();
        values.sort_unstable();
        // Whether a profile has one of the values, and shows another one.
        let mut strangers = false;
        for found in look_up(desk, identifier, &values)? {
            match places_of(desk.forms, identifier, &asked, &found) {
                Some(places) => missing.retain(|place| !places.contains(place)),
                None => strangers = true,
            }
            members.insert(found.id.clone(), found);
        }
        let is_missing = |value: &&str| {
            let mut places = asked.get(*value).into_iter().flatten();
            places.any(|place| missing.contains(place))
        };
        let unseen: Vec<&str> = values.into_iter().filter(is_missing).collect();
        for found in stored_otherwise(desk, identifier, &unseen)? {
            // Somebody who is not meant may have the other form: only who reads as the same is.
            if let Some(places) = places_of(desk.forms, identifier, &asked, &found) {
                missing.retain(|place| !places.contains(place));
                members.insert(found.id.clone(), found);
            }
        }
        if strangers {
            for seen in those_of_somebody(desk, identifier, &unseen)? {
                for place in asked.get(seen).into_iter().flatten() {
                    missing.remove(place);
                }
            }
        }
    }
    let mut members: Vec<_> = members.into_values().collect();
    members.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Resolution {
        members,
        missing: missing.into_iter().collect(),
    })
}

/// By value, the places of the `missing` people who have it.
fn asked_for(
    forms: &dyn IdentifierForms,
    identifier: Identifier,
    people: &[Person],
    missing: &BTreeSet<usize>,
) -> HashMap<String, Vec<usize>> {
    let mut asked: HashMap<String, Vec<usize>> = HashMap::new();
    for place in missing {
        if let Some(value) = compared(forms, identifier, &people[*place]) {
            asked.entry(value.into_owned()).or_default().push(*place);
        }
    }
    asked
}

/// The places of the people whose identifier `found` has.
fn places_of<'a>(
    forms: &dyn IdentifierForms,
    identifier: Identifier,
    asked: &'a HashMap<String, Vec<usize>>,
    found: &Member,
) -> Option<&'a Vec<usize>> {
    asked.get(&*compared(forms, identifier, found)?)
}

/// The profiles that have one of the values in another form: a phone number as people write it, a domain in its script.
///
/// Klaviyo does not say whether it takes such a text; one that it refuses is of no profile.
fn stored_otherwise(
    desk: Desk<'_>,
    identifier: Identifier,
    values: &[&str],
) -> Result<Vec<Member>, KlaviyoError> {
    let others = values.iter();
    let others: Vec<String> = others
        .filter_map(|value| desk.forms.stored_as(identifier, value))
        .collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    match look_up(desk, identifier, &others) {
        Err(KlaviyoError::Refused { problem, .. }) => {
            tracing::debug!(
                "another form of {} is refused: {problem}",
                identifier.name()
            );
            Ok(Vec::new())
        }
        found => found,
    }
}

/// Which of the values, that no profile shows, a profile has all the same: as a second address. Halves tell.
fn those_of_somebody<'a>(
    desk: Desk<'_>,
    identifier: Identifier,
    values: &[&'a str],
) -> Result<Vec<&'a str>, KlaviyoError> {
    let mut found = Vec::new();
    let mut rest = in_calls(values);
    while let Some(values) = rest.pop() {
        if desk.klaviyo.profiles_by(identifier, values)?.is_empty() {
            continue;
        }
        match values {
            [one] => found.push(*one),
            _ => rest.extend(<[_; 2]>::from(values.split_at(values.len() / 2))),
        }
    }
    Ok(found)
}

fn look_up(
    desk: Desk<'_>,
    identifier: Identifier,
    values: &[&str],
) -> Result<Vec<Member>, KlaviyoError> {
    let chunks = in_calls(values);
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Ok(Vec::new()));
    let set = || found.lock().unwrap_or_else(PoisonError::into_inner);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(chunks.len()) {
            scope.spawn(|| {
                while let Some(chunk) = chunks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if set().is_err() {
                        return;
                    }
                    let told = desk.klaviyo.profiles_by(identifier, chunk);
                    let mut found = set();
                    match (told, &mut *found) {
                        (Ok(members), Ok(all)) => all.extend(members),
                        (Err(error), Ok(_)) => *found = Err(error),
                        (_, Err(_)) => {}
                    }
                }
            });
        }
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// The profile ids of `people`, of which there may be many, and how many of them have none.
pub(super) fn ids_of(
    desk: Desk<'_>,
    people: &[Person],
) -> Result<(HashSet<String>, u64), ListError> {
    let (mut ids, mut missing) = (HashSet::new(), 0);
    for people in people.chunks(4_000) {
        let resolved = resolve(desk, people)?;
        ids.extend(resolved.members.into_iter().map(|member| member.id));
        missing += resolved.missing.len() as u64;
        desk.meter.list.done.add(people.len() as u64);
    }
    Ok((ids, missing))
}
