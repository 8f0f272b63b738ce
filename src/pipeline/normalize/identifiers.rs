//! The identifiers of a row: e-mail address, phone number and external id, and the key among them.

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::cell_context::CellContext;
use super::notes::{Mend, note, repair, repair_in_detail, to_u32};
use super::{Buffers, RowRefusal, Visit, email, external_id, mended_email, phone};
use crate::base::csv::{push_between_quotes, push_quoted};
use crate::pipeline::batch::RowIdentifier;
use crate::pipeline::settings::{OnInvalid, PrimaryKey};
use crate::source::record::{Cell, Record};
use crate::state::codes::{RejectionReason, RepairCode};
use crate::state::row_note::RowNote;

impl Visit<'_> {
    /// The primary key, or the best identifier where that is blank.
    pub(super) fn key_kind(&self) -> PrimaryKey {
        let is_there = |key: &PrimaryKey| !self.buffers.identifiers[*key as usize].is_empty();
        let best = || PrimaryKey::BEST_FIRST.into_iter().find(is_there);
        Some(self.rules.primary_key)
            .filter(is_there)
            .or_else(best)
            .unwrap_or(PrimaryKey::Email)
    }

    /// The fingerprint of the identifier of this kind: values of different kinds never have the same.
    pub(super) fn fingerprint(&self, kind: PrimaryKey) -> u128 {
        xxh3_128_with_seed(&self.buffers.identifiers[kind as usize], kind as u64)
    }

    /// Adds the identifiers beside the key to the batch.
    pub(super) fn note_other_identifiers(&mut self, key: PrimaryKey) {
        let row = to_u32(self.batch.rows.len());
        for kind in PrimaryKey::BEST_FIRST {
            if kind != key && !self.buffers.identifiers[kind as usize].is_empty() {
                let fingerprint = self.fingerprint(kind);
                self.batch.other_identifiers.push(RowIdentifier {
                    row,
                    kind,
                    fingerprint,
                });
            }
        }
    }

    /// Settles what the row's identifiers decide together. How many bytes they have in the row that begins at `start`.
    pub(super) fn end_identifiers(
        &mut self,
        start: usize,
        faults_from: usize,
    ) -> Result<usize, RowRefusal> {
        if let Some((column, end)) = self.buffers.non_ascii_email {
            self.settle_non_ascii_email(column, end);
        }
        self.check_identified(faults_from)?;
        for (index, kind) in self.identifier_kinds.iter().enumerate() {
            if self.buffers.identifiers[*kind as usize].is_empty() {
                self.buffers.blank_columns.push(to_u32(index));
            }
        }
        Ok(self.batch.row_bytes.len() - start)
    }

    fn check_identified(&self, faults_from: usize) -> Result<(), RowRefusal> {
        if self
            .buffers
            .identifiers
            .iter()
            .any(|identifier| !identifier.is_empty())
        {
            return Ok(());
        }
        let invalid: Vec<&str> = self.batch.repairs[faults_from..]
            .iter()
            .filter(|repair| {
                matches!(
                    repair.code,
                    RepairCode::InvalidEmail
                        | RepairCode::NonAsciiEmail
                        | RepairCode::InvalidPhone
                        | RepairCode::ScientificNotation
                )
            })
            .map(|repair| repair.code.code())
            .collect();
        let detail = if invalid.is_empty() {
            "every identifier is blank".to_owned()
        } else {
            format!("no identifier is left: {}", invalid.join(", "))
        };
        Err(RowRefusal {
            reason: RejectionReason::NoIdentifier,
            detail,
        })
    }

    pub(super) fn email(&mut self, row: &impl Record, index: usize) -> Result<(), RowRefusal> {
        let place = self.place(index);
        let Buffers {
            unescaped,
            cleaned,
            identifiers: [email, ..],
            ..
        } = &mut *self.buffers;
        let text = place.clean(row, unescaped, cleaned, self.batch)?;
        let mut is_non_ascii = false;
        let unguarded = text.strip_prefix(b"'").unwrap_or(text);
        if unguarded.len() < text.len() && email::normalize(unguarded, email).is_ok() {
            repair(self.batch, index, RepairCode::Apostrophe, text);
        } else if !text.is_empty()
            && let Err(fault) = email::normalize(text, email)
        {
            email.clear();
            if let Some(mended) = email::mend(text, email) {
                mended_email::note_mended(self.batch, index, mended, text);
                is_non_ascii = mended.is_non_ascii;
            } else if self.rules.invalid_email == OnInvalid::Reject {
                return Err(RowRefusal {
                    reason: RejectionReason::InvalidEmail,
                    detail: fault.to_string(),
                });
            } else {
                let mend = Mend {
                    code: RepairCode::InvalidEmail,
                    detail: fault.code(),
                };
                repair_in_detail(self.batch, index, mend, text);
            }
        }
        push_between_quotes(&mut self.batch.row_bytes, email);
        if is_non_ascii {
            self.buffers.non_ascii_email = Some((index, self.batch.row_bytes.len()));
        }
        Ok(())
    }

    pub(super) fn phone(&mut self, row: &impl Record, index: usize) -> Result<(), RowRefusal> {
        let place = self.place(index);
        let Buffers {
            unescaped,
            cleaned,
            country,
            identifiers: [_, phone, _],
            ..
        } = &mut *self.buffers;
        let place = CellContext {
            keeps_breaks: true,
            ..place
        };
        let text = place.clean(row, unescaped, cleaned, self.batch)?;
        if !text.is_empty() {
            let cell = self
                .plan
                .country
                .map_or(Cell::Text(b""), |at| row.cell(at, country));
            let is_missing = |text: &[u8]| text.is_empty() || self.rules.nulls.holds(text);
            let region = match cell {
                Cell::Text(text) if is_missing(text.trim_ascii()) => self.rules.default_region,
                // A country that is not known is not the default region: only `+` can tell then.
                Cell::Text(text) => self.regions.region_of(text.trim_ascii()),
                Cell::Nested(_) | Cell::Unrepresentable { .. } => None,
            };
            let is_missing_country = |cell: Cell<'_>| is_missing(cell.text().trim_ascii());
            let normalized = match phone::normalize(text, region, phone) {
                Err(phone::PhoneFault::NeedsRegion) if !is_missing_country(cell) => {
                    Err(phone::PhoneFault::UnreadCountry)
                }
                normalized => normalized,
            };
            match normalized {
                Ok(number) => {
                    if number.is_one_of_several {
                        repair(self.batch, index, RepairCode::SeveralPhones, text);
                    }
                    if number.has_own_calling_code {
                        note(self.batch, RowNote::OwnCallingCode);
                    }
                }
                Err(fault) => {
                    phone.clear();
                    if let Some(about) = fault.row_note() {
                        note(self.batch, about);
                    }
                    if self.rules.invalid_phone == OnInvalid::Reject {
                        return Err(RowRefusal {
                            reason: RejectionReason::InvalidPhone,
                            detail: fault.to_string(),
                        });
                    }
                    let mend = Mend {
                        code: fault.repair_code(),
                        detail: fault.code(),
                    };
                    repair_in_detail(self.batch, index, mend, text);
                }
            }
        }
        push_between_quotes(&mut self.batch.row_bytes, phone);
        Ok(())
    }

    pub(super) fn external_id(
        &mut self,
        row: &impl Record,
        index: usize,
    ) -> Result<(), RowRefusal> {
        let place = self.place(index);
        let Buffers {
            unescaped,
            cleaned,
            identifiers: [.., external_id],
            ..
        } = &mut *self.buffers;
        let text = place.clean(row, unescaped, cleaned, self.batch)?;
        let seen = external_id::without_invisible(text);
        if seen.is_some() {
            repair(self.batch, index, RepairCode::InvisibleCharacter, text);
        }
        let text = seen.as_ref().map_or(text, String::as_bytes);
        if phone::scientific(text).is_some_and(|number| number.is_certain) {
            // Cut digits are shared by people whose ids begin alike.
            note(self.batch, RowNote::ScientificNotation);
            repair(self.batch, index, RepairCode::ScientificNotation, text);
        } else if let Some(whole) = external_id::without_decimal_zero(text) {
            repair(self.batch, index, RepairCode::DecimalZero, text);
            external_id.extend_from_slice(whole);
        } else {
            external_id.extend_from_slice(text);
        }
        push_quoted(&mut self.batch.row_bytes, external_id);
        Ok(())
    }
}
