//! Repairs of a preview by column, code and cause.
//!
//! Nothing of a value is kept but the form of the first cell of each cause, which tells a date from a number.

use std::collections::BTreeMap;

use super::findings::{DetailLook, Finding, PreviewPlace, RepairLook};
use super::mask;
use crate::pipeline::batch::Repair;
use crate::pipeline::mapping::Mapping;
use crate::pipeline::normalize::phone::PhoneFault;
use crate::state::codes::RepairCode;

/// The repairs that were found so far.
#[derive(Default)]
pub(super) struct RepairTally {
    found: BTreeMap<(usize, RepairCode), RepairsOfColumn>,
    national_phones: u64,
}

#[derive(Default)]
struct RepairsOfColumn {
    finding: Finding,
    details: BTreeMap<&'static str, RepairsOfCause>,
}

#[derive(Default)]
struct RepairsOfCause {
    form: String,
    finding: Finding,
}

impl RepairTally {
    /// Counts a repair of the cell `old`.
    pub(super) fn add(&mut self, repair: &Repair, old: &[u8], place: impl Fn() -> PreviewPlace) {
        if is_national_phone(repair, old) {
            self.national_phones += 1;
        }
        let of_column = self.found.entry((repair.column, repair.code)).or_default();
        of_column.finding.note(&place);
        if !repair.detail.is_empty() {
            let of_cause = of_column.details.entry(repair.detail).or_default();
            if of_cause.finding.count == 0 {
                let old = String::from_utf8_lossy(old);
                of_cause.form = match repair.code {
                    RepairCode::InvalidEmail => mask::email_form(&old),
                    _ => mask::form(&old),
                };
            }
            of_cause.finding.note(place);
        }
    }

    /// Counts a repair with this code, which has no cause of its own.
    pub(super) fn add_plain(
        &mut self,
        column: usize,
        code: RepairCode,
        place: impl FnOnce() -> PreviewPlace,
    ) {
        let of_column = self.found.entry((column, code)).or_default();
        of_column.finding.note(place);
    }

    /// How many phone numbers without `+` are blanked.
    pub(super) fn national_phones(&self) -> u64 {
        self.national_phones
    }

    /// The repairs in the order of the columns.
    pub(super) fn into_looks(self, mapping: &Mapping) -> Vec<RepairLook> {
        let look = |((index, code), repairs): ((usize, RepairCode), RepairsOfColumn)| {
            let details = repairs.details.into_iter();
            let mut details: Vec<DetailLook> = details
                .map(|(detail, RepairsOfCause { form, finding })| DetailLook {
                    detail,
                    form,
                    finding,
                })
                .collect();
            details.sort_by_key(|look| std::cmp::Reverse(look.finding.count));
            RepairLook {
                code,
                column: column_name(mapping, index),
                finding: repairs.finding,
                details,
            }
        };
        self.found.into_iter().map(look).collect()
    }
}

/// Findings in cells without a cause of their own, in the order of the columns.
pub(super) fn looks(
    found: BTreeMap<(usize, RepairCode), Finding>,
    mapping: &Mapping,
) -> Vec<RepairLook> {
    let look = |((index, code), finding): ((usize, RepairCode), Finding)| RepairLook {
        code,
        column: column_name(mapping, index),
        finding,
        details: Vec::new(),
    };
    found.into_iter().map(look).collect()
}

/// The name in the source of a column of the mapping.
fn column_name(mapping: &Mapping, index: usize) -> String {
    let column = mapping.columns.get(index);
    column.map_or_else(String::new, |column| column.source.clone())
}

/// Whether the number may be one of another country than its row's. Cells that are no numbers, such as dates, have none.
fn is_national_phone(repair: &Repair, old: &[u8]) -> bool {
    let is_no_number = [
        PhoneFault::Date,
        PhoneFault::Decimal,
        PhoneFault::Words,
        PhoneFault::NoDigits,
        // It would be valid with its area code.
        PhoneFault::AreaCodeMissing,
    ];
    let is_no_number = is_no_number
        .iter()
        .any(|fault| fault.code() == repair.detail);
    repair.code == RepairCode::InvalidPhone && !is_no_number && !old.contains(&b'+')
}
