//! Whether the cells of a column are what its name says.

use super::names::HeaderName;
use super::sample::Values;
use crate::profile::column::ProfileColumn as Column;

/// From so many filled cells on, a column without one `@` holds no addresses at all.
const SOME_CELLS: u64 = 3;

/// How well cells fit a column; the smaller the better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    /// They look like it.
    Proof,
    /// There are none, or nothing was read.
    Silent,
    /// They do not look like it, and do not rule it out: they may be badly written.
    Doubt,
    /// The same few cells stand in many rows.
    Repeated,
    /// They are something else.
    Unlike,
}

/// Compares the cells of a column with its name.
pub(super) fn fit(name: &HeaderName, values: Option<&Values>) -> Fit {
    let Some(values) = values.filter(|values| values.filled > 0) else {
        return Fit::Silent;
    };
    if is_something_else(name, values) {
        return Fit::Unlike;
    }
    let is_identifier = matches!(name.column(), Column::Email | Column::PhoneNumber);
    if is_identifier && values.repeats() {
        return Fit::Repeated;
    }
    let proves = match name.column() {
        Column::Email => values.is_half(values.addresses),
        // A name that says too little is proved by numbers of its own for each row.
        Column::PhoneNumber => {
            values.is_half(values.phones) && (!name.needs_proof() || values.is_unique())
        }
        Column::Zip => values.is_half(values.digits),
        Column::Image => values.is_half(values.links),
        _ => true,
    };
    if proves { Fit::Proof } else { Fit::Doubt }
}

fn is_something_else(name: &HeaderName, values: &Values) -> bool {
    let most = |cells: u64| values.is_most(cells);
    let is_flags = most(values.flags);
    let is_numbers = most(values.numbers);
    match name.column() {
        Column::Email => is_flags || values.filled >= SOME_CELLS && values.ats == 0,
        Column::PhoneNumber => is_flags || most(values.addresses) || most(values.statuses),
        // Ids may be 0 and 1: a flag among them is a word.
        Column::ExternalID => {
            is_flags && !is_numbers
                || most(values.addresses)
                || most(values.statuses)
                || most(values.spaced)
        }
        Column::FirstName | Column::LastName | Column::Organization => {
            is_flags || is_numbers || most(values.addresses) || most(values.links)
        }
        Column::Title => {
            is_flags || is_numbers || most(values.salutations) || most(values.addresses)
        }
        Column::Image => is_flags || most(values.addresses),
        Column::Address1 | Column::Address2 => {
            is_flags || most(values.addresses) || most(values.statuses) || most(values.links)
        }
        Column::City => is_flags || is_numbers || most(values.addresses) || most(values.statuses),
        // NO is Norway, SI Slovenia: a word for no is no flag here.
        Column::Region | Column::Country | Column::Locale | Column::Timezone => {
            is_numbers || most(values.statuses) || most(values.addresses)
        }
        Column::Zip => is_flags && !is_numbers || most(values.statuses) || most(values.addresses),
        Column::Latitude | Column::Longitude => !most(values.degrees),
        Column::Custom(_) => true,
    }
}
