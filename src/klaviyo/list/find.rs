//! Which list is meant, and whose account it is in.

use super::ListError;
use crate::klaviyo::settings::{ListChoice, ListCreation, ListSettings};
use crate::klaviyo::{Klaviyo, List};

/// Refuses a key of another account than the job names.
pub fn check_account(klaviyo: &Klaviyo) -> Result<(), ListError> {
    let Some(expected) = &klaviyo.settings().account_id else {
        return Ok(());
    };
    let found = klaviyo.account_id()?;
    if found == *expected {
        return Ok(());
    }
    Err(ListError::OtherAccount {
        expected: expected.clone(),
        found,
    })
}

/// The list, with the flows that it starts; `None` if there is none of the name and it is to be made.
///
/// `known_id` is the id that a list of this name had in an earlier run: where that list is gone, another one of its name
/// would be a list without its members, its flows and its place in campaigns.
pub fn find(
    klaviyo: &Klaviyo,
    wanted: &ListSettings,
    known_id: Option<&str>,
) -> Result<Option<List>, ListError> {
    let by_id = |id: &str| {
        klaviyo
            .list(id)?
            .ok_or_else(|| ListError::NoId { id: id.to_owned() })
    };
    match &wanted.choice {
        ListChoice::Id { id, name } => {
            let list = by_id(id)?;
            match name {
                Some(expected) if *expected != list.name => Err(ListError::OtherName {
                    id: id.clone(),
                    expected: expected.clone(),
                    found: list.name,
                }),
                _ => Ok(Some(list)),
            }
        }
        ListChoice::Name(name) | ListChoice::Either(name) => {
            let found = klaviyo.lists_named(name)?;
            match &found[..] {
                [list] => Ok(Some(by_id(&list.id)?)),
                [] => match (by_name_as_id(klaviyo, &wanted.choice)?, known_id) {
                    (Some(list), _) => Ok(Some(list)),
                    (None, _) if wanted.create == ListCreation::Always => Ok(None),
                    (None, Some(id)) => Err(lost(klaviyo, name, id)?),
                    (None, None) if wanted.create == ListCreation::First => Ok(None),
                    (None, None) => Err(ListError::NoName { name: name.clone() }),
                },
                _ => Err(several(name, &found)),
            }
        }
    }
}

/// As [`find`], and makes the list that is not there; also whether it was made.
pub fn find_or_create(
    klaviyo: &Klaviyo,
    wanted: &ListSettings,
    known_id: Option<&str>,
) -> Result<(List, bool), ListError> {
    if let Some(list) = find(klaviyo, wanted, known_id)? {
        return Ok((list, false));
    }
    let name = match &wanted.choice {
        ListChoice::Name(name) | ListChoice::Either(name) => name,
        ListChoice::Id { id, .. } => return Err(ListError::NoId { id: id.clone() }),
    };
    klaviyo
        .list_or_create(name)?
        .map_err(|found| several(name, &found))
}

/// The fate of the list that an earlier run found under `name`.
fn lost(klaviyo: &Klaviyo, name: &str, id: &str) -> Result<ListError, ListError> {
    let (name, id) = (name.to_owned(), id.to_owned());
    Ok(match klaviyo.list(&id)? {
        Some(List { name: found, .. }) => ListError::Renamed { name, id, found },
        None => ListError::Deleted { name, id },
    })
}

fn several(name: &str, found: &[List]) -> ListError {
    ListError::SeveralLists {
        name: name.to_owned(),
        ids: found.iter().map(|list| list.id.clone()).collect(),
    }
}

/// The list whose id was given where a name may stand too.
fn by_name_as_id(klaviyo: &Klaviyo, choice: &ListChoice) -> Result<Option<List>, ListError> {
    match choice {
        ListChoice::Either(text) if looks_like_id(text) => Ok(klaviyo.list(text)?),
        _ => Ok(None),
    }
}

/// Ids of lists are six letters and digits today (help 12902308138011).
fn looks_like_id(text: &str) -> bool {
    text.len() == 6 && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}
