//! Guesses a mapping from a header and the first rows, for `init`, for a preview, and for a one-off without a job file.
//!
//! Names propose: each header is one of Klaviyo's columns, or nothing. Cells decide between names, and neighbours say whose
//! row it is. A wrong identifier gives one person's data to another, so that a doubt maps nothing and says so. What looks
//! like consent is never guessed, and nothing becomes a custom property by a guess.

use super::choice::Choice;
use super::names::{Meaning, meaning};
use super::qualifiers::Group;
pub use super::sample::Sample;

use crate::profile::column::ProfileColumn as Column;

/// The guess for one source column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guess {
    /// Its cells go under this header.
    Mapped(Column),
    /// Its cells go nowhere unless the job says so.
    Unmapped(UnmappedReason),
}

/// The reason for which nothing was guessed for a source column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnmappedReason {
    /// Its name says nothing that Klaviyo has a header for.
    NoMatch,
    /// Only the job may decide on it.
    Consent,
    /// Another source column suits the same header better.
    Taken {
        /// Klaviyo's column that both suit.
        column: Column,
        /// Position of the source column that got it.
        by: usize,
    },
    /// Another source column suits the same header as well.
    Tied {
        /// Klaviyo's column that both suit.
        column: Column,
        /// Position of the other one.
        with: usize,
    },
    /// It is a field of an owner, an agent, a buyer.
    OtherPerson,
    /// It belongs to another address, or another name, than the one that is sent.
    Apart,
    /// First and last name in one, for which Klaviyo has no header.
    WholeName,
    /// Its name may mean this column, and nothing proves it.
    Vague(Column),
    /// It is named like this column, and its cells are something else.
    Unlike(Column),
    /// It is named like this column, and several people have the same cell.
    Shared(Column),
    /// It is an id of orders, tickets or the like.
    OfRecords,
}

impl UnmappedReason {
    /// Whether a person should be told of it: a name of its own does not explain it.
    pub const fn is_told(&self) -> bool {
        matches!(
            self,
            Self::Tied { .. }
                | Self::WholeName
                | Self::Unlike(_)
                | Self::Shared(_)
                | Self::OfRecords
        )
    }
}

impl std::fmt::Display for UnmappedReason {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoMatch => out.write_str("no match"),
            Self::Consent => out.write_str("looks like consent"),
            Self::Taken { column, .. } => {
                write!(out, "a better column became {}", column.header())
            }
            Self::Tied { column, .. } => {
                write!(out, "another column may be {} as well", column.header())
            }
            Self::OtherPerson => out.write_str("may be another person's"),
            Self::Apart => out.write_str("belongs to another address or name"),
            Self::WholeName => out.write_str("a whole name; Klaviyo has FirstName and LastName"),
            Self::Vague(column) => write!(out, "may be {}, or not", column.header()),
            Self::Unlike(column) => {
                write!(out, "its values are not like {}", column.header())
            }
            Self::Shared(column) => {
                write!(out, "several people have the same {}", column.header())
            }
            Self::OfRecords => {
                out.write_str("some people have several: it may be an id of orders or tickets")
            }
        }
    }
}

/// Guesses the target of every source column, in the order of the header.
pub fn guess(header: &[String], sample: &Sample) -> Vec<Guess> {
    Choice::new(header, sample).settle()
}

/// The column in whose cells e-mail addresses stand, where none is named so: one that nobody shares, and not one of two.
pub fn address_column(header: &[String], sample: &Sample) -> Option<usize> {
    let mut columns: Vec<(u64, usize)> = Vec::new();
    for (position, name) in header.iter().enumerate() {
        let Some(values) = sample.column(position) else {
            continue;
        };
        let is_named_otherwise = match meaning(name) {
            Meaning::Consent | Meaning::OtherPerson => true,
            Meaning::Column(name) => name.group == Group::Shipping,
            Meaning::WholeName | Meaning::Nothing => name.is_empty(),
        };
        let few = values.filled >= FEW_CELLS && values.distinct() * 2 <= values.filled;
        if !is_named_otherwise && !few && values.addresses > 0 && values.is_half(values.addresses) {
            columns.push((values.addresses, position));
        }
    }
    columns
        .sort_unstable_by_key(|(addresses, position)| (std::cmp::Reverse(*addresses), *position));
    match columns.as_slice() {
        [(_, first)] => Some(*first),
        [(most, first), (next, second), ..] => {
            let equal = sample.column(*first)?.equals(sample.column(*second)?);
            (equal || *next * 2 <= *most).then_some(*first)
        }
        [] => None,
    }
}

/// From so many filled cells on, addresses that stand in two rows each are not the people's own.
const FEW_CELLS: u64 = 3;

#[cfg(test)]
mod tests;
