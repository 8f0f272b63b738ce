//! The counts that the guard on drift compares, of a run and of a look at some of its rows.

use std::collections::BTreeMap;

use crate::pipeline::batch::Batch;
use crate::pipeline::mapping::Mapping;
use crate::state::counts::Counts;

/// The counts that are compared.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Measures {
    /// Rows read; `None` where they are not known.
    pub(crate) rows: Option<f64>,
    /// Rows rejected; `None` where they are not known.
    pub(crate) rejected: Option<f64>,
    /// The rows whose cells are counted.
    pub(crate) rows_with_cells: f64,
    /// The share of blank cells by header, in percent.
    pub(crate) blank: BTreeMap<String, f64>,
}

impl Measures {
    /// Those of a whole audience.
    pub(super) fn of(counts: &Counts) -> Self {
        Self {
            rows: Some(counts.rows_read as f64),
            rejected: Some(counts.rows_rejected as f64),
            ..Self::of_cells(counts.rows_with_cells(), &counts.blank_cells)
        }
    }

    /// The shares of blank cells, of which `rows` rows have so many.
    fn of_cells(rows: u64, blank_cells: &BTreeMap<String, u64>) -> Self {
        let share = |cells: &u64| *cells as f64 * 100.0 / rows.max(1) as f64;
        let shares = blank_cells.iter().filter(|_| rows > 0);
        Self {
            rows: None,
            rejected: None,
            rows_with_cells: rows as f64,
            blank: shares
                .map(|(header, cells)| (header.clone(), share(cells)))
                .collect(),
        }
    }
}

/// The rows that are not rejected by themselves, and the blank cells in each of their columns, as a look counts them.
pub(crate) struct LookTally {
    /// The rows.
    pub(crate) rows_with_cells: u64,
    blank_cells: Vec<u64>,
}

impl LookTally {
    /// Nothing counted yet.
    pub(crate) fn new(mapping: &Mapping) -> Self {
        Self {
            rows_with_cells: 0,
            blank_cells: vec![0; mapping.columns.len()],
        }
    }

    /// Counts the rows of `batch`.
    pub(crate) fn add(&mut self, batch: &Batch) {
        self.rows_with_cells += batch.rows.len() as u64;
        for (counted, cells) in self.blank_cells.iter_mut().zip(&batch.blank_cells) {
            *counted += u64::from(*cells);
        }
    }

    /// The shares of blank cells, whose columns are those of `mapping`; no counts of rows.
    pub(crate) fn measures(&self, mapping: &Mapping) -> Measures {
        let columns = mapping.columns.iter();
        let headers = columns.map(|column| column.target.header().to_owned());
        let blank_cells = headers.zip(self.blank_cells.iter().copied()).collect();
        Measures::of_cells(self.rows_with_cells, &blank_cells)
    }
}
