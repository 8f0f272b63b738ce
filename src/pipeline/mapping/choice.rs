//! The choice among the columns of one header: which candidate gets which of Klaviyo's headers, and why others get none.

mod groups;

use self::groups::{ADDRESS, HALVES};
use super::fit::{Fit, fit};
use super::guess::{Guess, Sample, UnmappedReason};
use super::names::{HeaderName, Meaning, meaning};
use super::others::is_of_records;
use super::qualifiers::Group;
use super::sample::Values;
use super::spellings::{FIRST_NAMES_BESIDE_NAME, GENERIC_ID_TIER, LAST_NAMES_BESIDE, TABLE};
use crate::profile::column::ProfileColumn as Column;
use crate::profile::words::fold;

/// One id of so many may be shared, or one person of so many may have two: an audience is rarely without a mistake.
const TOLERANCE: u64 = 10;

/// A source column that may be one of Klaviyo's.
struct Candidate {
    position: usize,
    name: HeaderName,
    fit: Fit,
}

impl Candidate {
    fn is(&self, column: &Column) -> bool {
        self.name.column() == column
    }

    /// The smaller the better; an office's number comes after every other.
    fn rank(&self) -> (bool, Fit, HeaderName, usize) {
        let is_office = self.is(&Column::PhoneNumber) && self.name.needs_proof();
        (is_office, self.fit, self.name, self.position)
    }

    /// Whether neither is better. Two spellings of a city are, two spellings of an identifier are not.
    fn is_as_good_as(&self, other: &Self) -> bool {
        let key = |one: &Self| {
            let spelling = (!one.name.column().is_identifier()).then_some(one.name.spelling);
            (
                one.fit,
                one.name.tier,
                one.name.is_other,
                one.name.group,
                spelling,
            )
        };
        key(self) == key(other)
    }
}

/// The choices so far for the columns of a header.
pub(super) struct Choice<'a> {
    header: &'a [String],
    sample: &'a Sample,
    candidates: Vec<Candidate>,
    fates: Vec<Option<Guess>>,
}

impl<'a> Choice<'a> {
    /// Reads every name.
    pub(super) fn new(header: &'a [String], sample: &'a Sample) -> Self {
        let mut choice = Self {
            header,
            sample,
            candidates: Vec::new(),
            fates: vec![None; header.len()],
        };
        let mut meanings: Vec<Meaning> = header.iter().map(|name| meaning(name)).collect();
        choice.read_last_name(&mut meanings);
        let is_klaviyos = header
            .iter()
            .any(|name| name == Column::ExternalID.header());
        for (position, meaning) in meanings.into_iter().enumerate() {
            let reason = match meaning {
                Meaning::Column(mut name) => {
                    // In a file made for Klaviyo its header says more than the word for a mobile.
                    if is_klaviyos && !name.is_other {
                        name.tier = 0;
                    }
                    let fit = fit(&name, sample.column(position));
                    choice.candidates.push(Candidate {
                        position,
                        name,
                        fit,
                    });
                    continue;
                }
                Meaning::Consent => UnmappedReason::Consent,
                Meaning::OtherPerson => UnmappedReason::OtherPerson,
                Meaning::WholeName => UnmappedReason::WholeName,
                Meaning::Nothing => UnmappedReason::NoMatch,
            };
            choice.fates[position] = Some(Guess::Unmapped(reason));
        }
        if choice.has(&HALVES[0]) || choice.has(&HALVES[1]) {
            let is_whole_name = |fate: &Option<Guess>| {
                matches!(fate, Some(Guess::Unmapped(UnmappedReason::WholeName)))
            };
            // The halves are there: the whole need not be told.
            let wholes = choice.fates.iter_mut().filter(|fate| is_whole_name(fate));
            wholes.for_each(|fate| *fate = Some(Guess::Unmapped(UnmappedReason::NoMatch)));
        }
        choice
    }

    /// Settles every column: weak names go, one address and one name stay, the best column gets each header. Ids come last,
    /// for whose they are is told by the address that was chosen.
    pub(super) fn settle(mut self) -> Vec<Guess> {
        self.leave_weak_names();
        let address = self.keep_one_group(&ADDRESS, &[Column::Country]);
        self.keep_coordinates(address);
        self.keep_one_group(&HALVES, &[]);
        for entry in TABLE
            .iter()
            .filter(|entry| entry.column != Column::ExternalID)
        {
            self.choose(&entry.column);
        }
        self.leave_ids_of_others();
        self.choose(&Column::ExternalID);
        let fates = self.fates.into_iter();
        fates
            .map(|fate| fate.unwrap_or(Guess::Unmapped(UnmappedReason::NoMatch)))
            .collect()
    }

    /// Beside a `Vorname`, a `Name` of one word is the last name.
    fn read_last_name(&self, meanings: &mut [Meaning]) {
        let is_one_of = |name: &String, list: &[&str]| list.contains(&fold(name).as_str());
        let is_half = |meaning: &Meaning| matches!(meaning, Meaning::Column(name) if *name.column() == Column::LastName);
        let mut header = self.header.iter();
        if !header.any(|name| is_one_of(name, &FIRST_NAMES_BESIDE_NAME))
            || meanings.iter().any(is_half)
        {
            return;
        }
        let position = self
            .header
            .iter()
            .position(|name| is_one_of(name, &LAST_NAMES_BESIDE));
        let entry = TABLE
            .iter()
            .position(|entry| entry.column == Column::LastName);
        let (Some(position), Some(entry)) = (position, entry) else {
            return;
        };
        let values = self.sample.column(position);
        if values.is_none_or(|values| !values.is_most(values.spaced)) {
            meanings[position] = Meaning::Column(HeaderName {
                tier: 0,
                is_other: true,
                group: Group::Plain,
                spelling: usize::MAX,
                entry,
            });
        }
    }

    fn has(&self, column: &Column) -> bool {
        self.candidates
            .iter()
            .any(|candidate| candidate.is(column) && !candidate.name.needs_other_half())
    }

    fn values(&self, position: usize) -> Option<&'a Values> {
        self.sample.column(position)
    }

    /// Removes the candidates for which there is a reason, and notes it.
    fn leave(&mut self, reason: impl Fn(&Self, &Candidate) -> Option<UnmappedReason>) {
        let reasons: Vec<_> = self
            .candidates
            .iter()
            .map(|one| reason(self, one))
            .collect();
        let mut left = reasons.into_iter();
        let fates = &mut self.fates;
        self.candidates
            .retain(|candidate| match left.next().flatten() {
                None => true,
                Some(reason) => {
                    fates[candidate.position] = Some(Guess::Unmapped(reason));
                    false
                }
            });
    }

    /// Leaves what cells refute, and names that say too little where nothing near them says more.
    fn leave_weak_names(&mut self) {
        self.leave(|_, candidate| {
            let column = candidate.name.column().clone();
            match candidate.fit {
                Fit::Unlike => Some(UnmappedReason::Unlike(column)),
                Fit::Repeated => Some(UnmappedReason::Shared(column)),
                Fit::Silent | Fit::Doubt if candidate.name.needs_proof() => {
                    Some(UnmappedReason::Vague(column))
                }
                _ => None,
            }
        });
        let is_of_records = is_of_records(self.header, |position| self.values(position));
        self.leave(|choice, candidate| {
            let (name, column) = (&candidate.name, candidate.name.column());
            let near = |columns: &[Column]| {
                choice.candidates.iter().any(|other| {
                    columns.iter().any(|column| other.is(column))
                        && other.name.entry != name.entry
                        && other.name.group == name.group
                        && !other.name.needs_address()
                })
            };
            let is_persons_own = matches!(
                column,
                Column::Email | Column::PhoneNumber | Column::FirstName | Column::LastName
            );
            if name.group == Group::Shipping && is_persons_own {
                Some(UnmappedReason::OtherPerson)
            } else if name.needs_other_half() && !near(&HALVES) {
                Some(UnmappedReason::WholeName)
            } else if name.needs_address() && !near(&ADDRESS) {
                Some(UnmappedReason::Vague(column.clone()))
            } else if is_of_records && name.is_plain_title() {
                Some(UnmappedReason::Vague(Column::Title))
            } else if is_of_records && *column == Column::ExternalID && name.tier >= GENERIC_ID_TIER
            {
                Some(UnmappedReason::OfRecords)
            } else {
                None
            }
        });
    }

    /// Maps the best candidate of a column; of two that are as good, none.
    fn choose(&mut self, column: &Column) {
        let mut rivals: Vec<&Candidate> = self
            .candidates
            .iter()
            .filter(|candidate| candidate.is(column))
            .collect();
        rivals.sort_by_key(|candidate| candidate.rank());
        let Some((best, others)) = rivals.split_first() else {
            return;
        };
        let is_same = |other: &Candidate| {
            let cells = self.values(best.position).zip(self.values(other.position));
            cells.is_some_and(|(one, another)| one.filled > 0 && one.equals(another))
        };
        // Two columns of one name are refused by the mapping, which can say so.
        let is_double =
            |other: &Candidate| self.header[other.position] == self.header[best.position];
        let is_tied =
            |other: &&&Candidate| best.is_as_good_as(other) && !is_same(other) && !is_double(other);
        let rival = others.iter().find(is_tied).map(|other| other.position);
        let mut fates = Vec::new();
        for other in others {
            let column = column.clone();
            fates.push((
                other.position,
                match rival {
                    Some(_) => UnmappedReason::Tied {
                        column,
                        with: best.position,
                    },
                    None => UnmappedReason::Taken {
                        column,
                        by: best.position,
                    },
                },
            ));
        }
        let own = match rival {
            Some(with) => Guess::Unmapped(UnmappedReason::Tied {
                column: column.clone(),
                with,
            }),
            None => Guess::Mapped(column.clone()),
        };
        self.fates[best.position] = Some(own);
        for (position, reason) in fates {
            self.fates[position] = Some(Guess::Unmapped(reason));
        }
    }

    /// The source column that is mapped to one of Klaviyo's.
    fn mapped(&self, column: &Column) -> Option<usize> {
        let mut fates = self.fates.iter();
        fates.position(|fate| matches!(fate, Some(Guess::Mapped(mapped)) if mapped == column))
    }

    /// Leaves ids that several people have, and generic ids of which a person has several.
    fn leave_ids_of_others(&mut self) {
        let person = self
            .mapped(&Column::Email)
            .or_else(|| self.mapped(&Column::PhoneNumber));
        let people = person.and_then(|position| self.values(position));
        self.leave(|choice, candidate| {
            if !candidate.is(&Column::ExternalID) {
                return None;
            }
            let ids = choice
                .values(candidate.position)
                .filter(|ids| ids.filled > 0)?;
            let is_generic = candidate.name.tier >= GENERIC_ID_TIER;
            let many = |(some, all): (u64, u64)| some * TOLERANCE > all;
            let Some(people) = people else {
                let twice = ids.filled - ids.distinct();
                return (is_generic && many((twice, ids.filled)))
                    .then_some(UnmappedReason::Shared(Column::ExternalID));
            };
            if many(ids.shared_among(people)) {
                return Some(UnmappedReason::Shared(Column::ExternalID));
            }
            (is_generic && many(people.shared_among(ids))).then_some(UnmappedReason::OfRecords)
        });
    }
}
