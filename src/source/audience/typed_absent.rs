//! The substitute for typed columns in a build that reads none.

use std::convert::Infallible;

use crate::source::day_time::DayTime;
use crate::source::record::RecordVisitor;

/// Rows of a source of columns, of which there are none.
#[derive(Debug, Clone)]
pub(super) struct Columns(Infallible);

impl Columns {
    pub(super) fn rows(&self) -> usize {
        match self.0 {}
    }

    pub(super) fn cells(&self) -> usize {
        match self.0 {}
    }

    pub(super) fn slice(&self, _: usize, _: usize) -> Self {
        match self.0 {}
    }
}

/// Visits nothing.
pub(super) fn visit(rows: &Columns, _: DayTime, _: &mut impl RecordVisitor) -> u64 {
    match rows.0 {}
}
