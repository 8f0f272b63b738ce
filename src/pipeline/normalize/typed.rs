//! Cells of columns whose type the job names.

use super::{Mend, Refusal, Visit, repair_in_detail};
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
    ) -> Result<(), Refusal> {
        let place = self.place(index);
        let buffers = &mut *self.buffers;
        let text = place.clean(
            row,
            &mut buffers.unescaped,
            &mut buffers.cleaned,
            self.batch,
        )?;
        if text.is_empty() {
            return Ok(());
        }
        let mut value = Vec::new();
        if kind.write(text, &mut value) {
            push_cell(&mut self.batch.row_bytes, &value);
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
