//! Notes of a batch: of records, of words for a missing value, and of cells that were mended.

use crate::pipeline::batch::{Batch, NotedRow, NullCell, Repair};
use crate::state::codes::RepairCode;
use crate::state::row_note::RowNote;

/// How a cell was mended.
#[derive(Clone, Copy)]
pub(super) struct Mend {
    pub(super) code: RepairCode,
    pub(super) detail: &'static str,
}

pub(super) fn note(batch: &mut Batch, note: RowNote) {
    let record = batch.records;
    batch.notes.push(NotedRow { record, note });
}

pub(super) fn note_null(batch: &mut Batch, column: usize) {
    batch.nulls.push(NullCell {
        record: batch.records,
        column: to_u32(column),
    });
}

pub(super) fn repair(batch: &mut Batch, column: usize, code: RepairCode, old: &[u8]) {
    repair_in_detail(batch, column, Mend { code, detail: "" }, old);
}

pub(super) fn repair_in_detail(batch: &mut Batch, column: usize, mend: Mend, old: &[u8]) {
    batch.repair_bytes.extend_from_slice(old);
    let end = batch.repair_bytes.len();
    batch.repairs.push(Repair {
        record: batch.records,
        column,
        code: mend.code,
        detail: mend.detail,
        end,
    });
}

/// Offsets in a batch fit 32 bits: a block is at most a few megabytes and a cell at most doubles in quotes.
pub(super) fn to_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
