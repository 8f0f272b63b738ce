//! E-mail addresses that were taken out of their cells, and those with letters beyond ASCII before the @.
//!
//! Klaviyo does not say whether it takes such letters, so by default such an address is sent only where it is all that its row
//! has. That is known once the row's other identifiers are read: until then the address is in the row.

use super::Visit;
use super::email::AddressNotes;
use super::notes::{Mend, note, repair, repair_in_detail};
use crate::pipeline::batch::Batch;
use crate::pipeline::settings::NonAsciiEmail;
use crate::state::codes::RepairCode;
use crate::state::row_note::RowNote;

/// Notes how an address was found in the cell `text` of column `index`.
pub(super) fn note_mended(batch: &mut Batch, index: usize, mended: AddressNotes, text: &[u8]) {
    if let Some(change) = mended.change {
        let mend = Mend {
            code: RepairCode::RewrittenEmail,
            detail: change.code(),
        };
        repair_in_detail(batch, index, mend, text);
    }
    if mended.is_one_of_several {
        repair(batch, index, RepairCode::SeveralEmails, text);
    }
}

impl Visit<'_> {
    /// Decides about an address with letters beyond ASCII, whose cell ends at `end` in the text of the rows.
    pub(super) fn settle_non_ascii_email(&mut self, column: usize, end: usize) {
        let [email, others @ ..] = &mut self.buffers.identifiers;
        let is_only = others.iter().all(Vec::is_empty);
        let is_sent = match self.rules.non_ascii_email {
            NonAsciiEmail::Send => true,
            NonAsciiEmail::OnlyIdentifier => is_only,
            NonAsciiEmail::Blank => false,
        };
        if is_sent {
            note(self.batch, RowNote::NonAsciiEmail);
            return;
        }
        // Between the quotes.
        let value = end.saturating_sub(email.len() + 1)..end.saturating_sub(1);
        self.batch.row_bytes.drain(value);
        repair(self.batch, column, RepairCode::NonAsciiEmail, email);
        email.clear();
    }
}
