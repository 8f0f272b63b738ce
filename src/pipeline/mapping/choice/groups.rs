//! One address and one name out of several in a header: the columns of one group stay together.

use super::Choice;
use crate::pipeline::mapping::fit::Fit;
use crate::pipeline::mapping::guess::UnmappedReason;
use crate::pipeline::mapping::qualifiers::Group;
use crate::profile::column::ProfileColumn as Column;

/// The columns of one address.
pub(super) const ADDRESS: [Column; 6] = [
    Column::Address1,
    Column::Address2,
    Column::City,
    Column::Region,
    Column::Country,
    Column::Zip,
];

/// The columns of one name.
pub(super) const HALVES: [Column; 2] = [Column::FirstName, Column::LastName];

/// The columns of one place.
const COORDINATES: [Column; 2] = [Column::Latitude, Column::Longitude];

/// Groups that are of the person, whatever the address is for.
const OWN_GROUPS: [Group; 3] = [Group::Plain, Group::Primary, Group::Person];

impl Choice<'_> {
    /// Keeps the best group that has most of these columns, and of the person's own groups those that complete it.
    pub(super) fn keep_one_group(
        &mut self,
        columns: &[Column],
        completing: &[Column],
    ) -> Option<Group> {
        let group = self.best_group(columns)?;
        self.leave(|choice, candidate| {
            let column = candidate.name.column();
            if !columns.contains(column) || candidate.name.group == group {
                return None;
            }
            let mut others = choice.candidates.iter();
            let is_missing = !others.any(|other| other.is(column) && other.name.group == group);
            let completes = completing.contains(column)
                && is_missing
                && OWN_GROUPS.contains(&candidate.name.group);
            (!completes).then_some(UnmappedReason::Apart)
        });
        Some(group)
    }

    /// Keeps coordinates of the address that is sent, or of no address in particular.
    pub(super) fn keep_coordinates(&mut self, address: Option<Group>) {
        let Some(group) = self.keep_one_group(&COORDINATES, &[]) else {
            return;
        };
        if Some(group) != address && !OWN_GROUPS.contains(&group) {
            self.leave(|_, candidate| {
                COORDINATES
                    .contains(candidate.name.column())
                    .then_some(UnmappedReason::Apart)
            });
        }
    }

    /// The first group that has more than half of the columns that the fullest group has: filled ones, if any is filled.
    fn best_group(&self, columns: &[Column]) -> Option<Group> {
        let count = |group: Group, is_filled: bool| {
            let has = |column: &&Column| {
                self.candidates.iter().any(|candidate| {
                    candidate.is(column)
                        && candidate.name.group == group
                        && (!is_filled || candidate.fit == Fit::Proof)
                })
            };
            columns.iter().filter(has).count()
        };
        let mut groups: Vec<Group> = self
            .candidates
            .iter()
            .filter(|candidate| columns.contains(candidate.name.column()))
            .map(|candidate| candidate.name.group)
            .collect();
        groups.sort_unstable();
        groups.dedup();
        let any_filled = groups.iter().any(|group| count(*group, true) > 0);
        let most = groups.iter().map(|group| count(*group, any_filled)).max()?;
        groups
            .into_iter()
            .find(|group| count(*group, any_filled) * 2 > most)
    }
}
