//! Guesses a mapping from a header alone, for `init`, for a preview, and for a one-off without a job file.
//!
//! Each of Klaviyo's columns is taken once, by the source column with the best spelling and, among equals, the first.
//! What looks like consent is never guessed, and nothing becomes a custom property by a guess.

use crate::pipeline::mapping::spellings::{PREFIXES, Spellings, TABLE};
use crate::profile::column::ProfileColumn;
use crate::profile::consent::looks_like_consent;
use crate::profile::words::fold;

/// What was guessed for one source column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guess {
    /// Its cells go under this header.
    Mapped(ProfileColumn),
    /// Its cells go nowhere unless the job says so.
    Unmapped(Unmapped),
}

/// Why nothing was guessed for a source column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unmapped {
    /// Its name says nothing that Klaviyo has a header for.
    NoMatch,
    /// Only the job may decide on it.
    Consent,
    /// Another source column suits the same header better.
    Taken {
        /// Klaviyo's column that both suit.
        column: ProfileColumn,
        /// Position of the source column that got it.
        by: usize,
    },
}

impl std::fmt::Display for Unmapped {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoMatch => out.write_str("no match"),
            Self::Consent => out.write_str("looks like consent"),
            Self::Taken { column, .. } => {
                write!(out, "a better column became {}", column.header())
            }
        }
    }
}

/// Guesses the target of every source column, in the order of the header.
pub fn guess(header: &[String]) -> Vec<Guess> {
    let suits: Vec<Option<Suit>> = header.iter().map(|name| best_suit(name)).collect();
    let winner = |entry: usize| {
        let rivals = suits.iter().enumerate();
        rivals
            .filter_map(|(position, suit)| Some((suit.as_ref()?, position)))
            .filter(|(suit, _)| suit.entry == entry)
            .min_by_key(|(suit, position)| (suit.rank, *position))
            .map(|(_, position)| position)
    };
    let one = |(position, name): (usize, &String)| match &suits[position] {
        None if looks_like_consent(name) => Guess::Unmapped(Unmapped::Consent),
        None => Guess::Unmapped(Unmapped::NoMatch),
        Some(suit) => {
            let column = TABLE[suit.entry].column.clone();
            match winner(suit.entry) {
                Some(by) if by != position => Guess::Unmapped(Unmapped::Taken { column, by }),
                _ => Guess::Mapped(column),
            }
        }
    };
    header.iter().enumerate().map(one).collect()
}

/// How well a source column suits an entry of the table.
struct Suit {
    entry: usize,
    rank: Rank,
}

/// The smaller the better: Klaviyo's own header, then a spelling by itself, then one after a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Exact,
    Plain { spelling: usize },
    Prefixed { prefix: usize, spelling: usize },
}

fn best_suit(name: &str) -> Option<Suit> {
    if looks_like_consent(name) {
        return None;
    }
    let folded = fold(name);
    let suits = TABLE.iter().enumerate().filter_map(|(entry, spellings)| {
        let rank = rank(name.trim(), &folded, spellings)?;
        Some(Suit { entry, rank })
    });
    suits.min_by_key(|suit| suit.rank)
}

fn rank(name: &str, folded: &str, entry: &Spellings) -> Option<Rank> {
    let find = |text: &str| entry.all().position(|spelling| spelling == text);
    if name == entry.column.header() {
        return Some(Rank::Exact);
    }
    if let Some(spelling) = find(folded) {
        return Some(Rank::Plain { spelling });
    }
    let prefixes = PREFIXES.iter().enumerate().filter(|_| entry.after_prefix);
    let behind = prefixes.filter_map(|(prefix, text)| {
        let spelling = find(folded.strip_prefix(text)?)?;
        Some(Rank::Prefixed { prefix, spelling })
    });
    behind.min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::mapping::exports::EXPORTS;
    use std::collections::HashSet;

    /// `source=Target` for every column that is mapped.
    fn mapped(header: &[&str]) -> String {
        let header: Vec<String> = header.iter().map(|&name| name.to_owned()).collect();
        let pairs = header.iter().zip(guess(&header));
        let mapped = pairs.filter_map(|(name, guess)| match guess {
            Guess::Mapped(column) => Some(format!("{name}={}", column.header())),
            Guess::Unmapped(_) => None,
        });
        mapped.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn common_exports_are_mapped() {
        for (header, expected) in EXPORTS {
            let header: Vec<&str> = header.split(',').collect();
            assert_eq!(mapped(&header), *expected);
        }
    }

    #[test]
    fn what_is_not_mapped_says_why() {
        let header = [
            "Mail",
            "Email",
            "email",
            "Opt-in",
            "Subscriber Email",
            "Fax",
            "Customer Email",
        ]
        .map(String::from);
        let taken = |by| {
            Guess::Unmapped(Unmapped::Taken {
                column: ProfileColumn::Email,
                by,
            })
        };
        let consent = || Guess::Unmapped(Unmapped::Consent);
        let expected = vec![
            taken(1),
            Guess::Mapped(ProfileColumn::Email),
            taken(1),
            consent(),
            consent(),
            Guess::Unmapped(Unmapped::NoMatch),
            taken(1),
        ];
        assert_eq!(guess(&header), expected);
    }

    #[test]
    fn klaviyo_s_own_headers_map_to_themselves_whatever_else_is_there() {
        let own: Vec<String> = ProfileColumn::known()
            .map(|column| column.header().to_owned())
            .collect();
        let rivals = TABLE.iter().flat_map(|entry| entry.all().map(String::from));
        let header: Vec<String> = rivals.chain(own.clone()).collect();
        let guesses = guess(&header);
        for (name, guess) in header.iter().zip(guesses).rev().take(own.len()) {
            assert!(
                matches!(&guess, Guess::Mapped(column) if column.header() == name),
                "{name}: {guess:?}"
            );
        }
    }

    #[test]
    fn the_table_is_folded_complete_and_without_doubles() {
        let mut seen = HashSet::new();
        for entry in &TABLE {
            for spelling in entry.all() {
                assert_eq!(fold(spelling), spelling);
                assert!(seen.insert(spelling), "{spelling} stands twice");
                assert!(!looks_like_consent(spelling), "{spelling}");
            }
            assert!(
                entry
                    .all()
                    .any(|spelling| spelling == fold(entry.column.header()))
            );
        }
        assert!(PREFIXES.iter().all(|prefix| fold(prefix) == *prefix));
        let columns: HashSet<_> = TABLE.iter().map(|entry| &entry.column).collect();
        assert_eq!(columns.len(), ProfileColumn::known().count());
    }

    #[test]
    fn look_alikes_are_not_mapped() {
        let header: Vec<&str> = "Email Domain,Email Status,Phone Type,Name,Username,Company Phone,IP Address,\
             Product Title,Order ID,Address ID,Zip Plus Four,Country Population,First Order Date,Last Seen,\
             _reason,_record,,  ,Фамилия"
            .split(',')
            .collect();
        assert_eq!(mapped(&header), "");
    }
}
