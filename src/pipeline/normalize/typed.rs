//! Cells of columns whose type the job names.

use super::notes::{Mend, repair_in_detail};
use super::{Buffers, RowRefusal, Visit};
use crate::base::csv::push_cell;
use crate::pipeline::column_type::ColumnType;
use crate::source::record::Record;
use crate::state::codes::RepairCode;

impl Visit<'_> {
    /// Writes the value of a cell. One that has no value of the type is sent empty, and is counted.
    pub(super) fn typed(
        &mut self,
        row: &impl Record,
        index: usize,
        kind: &ColumnType,
    ) -> Result<(), RowRefusal> {
        let place = self.place(index);
        let Buffers {
            unescaped,
            cleaned,
            escaped,
            ..
        } = &mut *self.buffers;
        let text = place.clean(row, unescaped, cleaned, self.batch)?;
        if text.is_empty() {
            return Ok(());
        }
        escaped.clear();
        if kind.write(text, escaped) {
            push_cell(&mut self.batch.row_bytes, escaped);
        } else {
            let mend = Mend {
                code: RepairCode::WrongType,
                detail: kind.detail(),
            };
            repair_in_detail(self.batch, index, mend, text);
        }
        Ok(())
    }
}
