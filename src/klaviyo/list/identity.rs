//! Forms of identifiers: how two texts are found to mean the same e-mail address, phone number or external id.
//!
//! Klaviyo tells an identifier as somebody once stored it: a phone as `(212) 555-0143`, an address in capitals. The rules
//! that the audience went through are above this module, so they come in as [`IdentifierForms`].

use std::borrow::Cow;

use super::rows::Person;
use crate::klaviyo::Identifier;

/// The rules that bring identifiers of both sides into one form.
pub trait IdentifierForms: Sync {
    /// The identifier in the form that the audience has; `None` where it cannot be read. A blank one is blank.
    fn read<'a>(&self, identifier: Identifier, text: &'a str) -> Option<Cow<'a, str>>;

    /// Every number that a national phone number could be, one for each country; none for an international one.
    fn phones_anywhere(&self, text: &str) -> Vec<String>;

    /// Another text that means the identifier `value`, under which Klaviyo may have stored it.
    fn stored_as(&self, identifier: Identifier, value: &str) -> Option<String>;
}

/// Identifiers as they are written, for files of which this program wrote both.
#[derive(Debug, Clone, Copy)]
pub(super) struct VerbatimForms;

impl IdentifierForms for VerbatimForms {
    fn read<'a>(&self, _: Identifier, text: &'a str) -> Option<Cow<'a, str>> {
        Some(Cow::Borrowed(text))
    }

    fn phones_anywhere(&self, _: &str) -> Vec<String> {
        Vec::new()
    }

    fn stored_as(&self, _: Identifier, _: &str) -> Option<String> {
        None
    }
}

/// The text of one identifier of a person; blank where there is none.
pub(super) fn text(identifier: Identifier, person: &Person) -> &str {
    match identifier {
        Identifier::Email => &person.email,
        Identifier::PhoneNumber => &person.phone_number,
        Identifier::ExternalId => &person.external_id,
    }
}

/// The identifier of a person in the form that is compared; `None` where it is blank or cannot be read.
pub(super) fn compared<'a>(
    forms: &dyn IdentifierForms,
    identifier: Identifier,
    person: &'a Person,
) -> Option<Cow<'a, str>> {
    forms
        .read(identifier, text(identifier, person))
        .filter(|value| !value.is_empty())
}

/// Whether the phone number of a person cannot be read: nobody knows then who in the audience has it.
pub(super) fn has_unreadable_phone(forms: &dyn IdentifierForms, person: &Person) -> bool {
    forms
        .read(Identifier::PhoneNumber, &person.phone_number)
        .is_none()
}
