//! The types that `[columns]` gives to the cells of columns.

use std::collections::HashMap;

use super::file::JobFile;
use super::{JobError, value};
use crate::pipeline::column_type::ColumnType;
use crate::pipeline::settings::PrimaryKey;

/// Source columns with the type of their cells.
pub(super) fn types(file: &JobFile) -> Result<HashMap<String, ColumnType>, JobError> {
    let typed = file.columns.iter().filter_map(|(source, headers)| {
        let kind = headers.kind()?;
        Some((source, headers.names(), kind))
    });
    let typed = typed.map(|(source, headers, kind)| {
        let refused = |problem: String| value("columns", format!("`{source}`: {problem}"));
        let is_identifier = |header: &&String| PrimaryKey::of_header(header).is_some();
        if let Some(header) = headers.iter().find(is_identifier) {
            return Err(refused(format!(
                "{header} has rules of its own; remove its type"
            )));
        }
        let kind =
            ColumnType::parse(kind).map_err(|problem| refused(format!("its type {problem}")))?;
        Ok((source.clone(), kind))
    });
    typed.collect()
}
