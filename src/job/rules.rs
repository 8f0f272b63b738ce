//! The rules for cells and rows, of `[normalize]` and the primary key.

use std::sync::Arc;

use indexmap::IndexMap;

use super::file::JobFile;
use super::{JobError, value};
use crate::pipeline::normalize::country::Region;
use crate::pipeline::normalize::nulls::NullWords;
use crate::pipeline::settings::{PrimaryKey, Rules};
use crate::source::day_time::{DayTime, NoDayTime};

/// The rules for cells and rows. `columns` are the headers of each column.
pub(super) fn rules(
    file: &JobFile,
    columns: &IndexMap<String, Vec<String>>,
) -> Result<Rules, JobError> {
    let default_region = match file.normalize.default_region.as_deref() {
        None => None,
        Some(code) => Some(Region::from_code(code).ok_or_else(|| {
            value(
                "normalize.default-region",
                "must be an ISO 3166 alpha-2 code, such as \"US\"",
            )
        })?),
    };
    let targets = |key: PrimaryKey| {
        columns
            .values()
            .any(|headers| headers.iter().any(|header| header == key.column().header()))
    };
    let primary_key = match file.audience.primary_key.as_deref() {
        None => PrimaryKey::BEST_FIRST
            .into_iter()
            .find(|key| targets(*key))
            .unwrap_or(PrimaryKey::Email),
        Some(name) => PrimaryKey::BEST_FIRST
            .into_iter()
            .find(|key| key.name() == name)
            .ok_or_else(|| {
                value(
                    "audience.primary-key",
                    "must be \"email\", \"phone_number\" or \"external_id\"",
                )
            })?,
    };
    if file.audience.primary_key.is_some() && !targets(primary_key) {
        let problem = format!(
            "needs a column that is mapped to {}",
            primary_key.column().header()
        );
        return Err(value("audience.primary-key", problem));
    }
    Ok(Rules {
        default_region,
        invalid_email: file.normalize.invalid_email,
        invalid_phone: file.normalize.invalid_phone,
        non_ascii_email: file.normalize.non_ascii_email,
        nulls: Arc::new(NullWords::new(&file.normalize.null_values)),
        day_time: day_time(file)?,
        primary_key,
    })
}

/// The time of day of dates in typed columns.
pub(super) fn day_time(file: &JobFile) -> Result<DayTime, JobError> {
    let written = file.normalize.date_time.parse();
    written.map_err(|fault: NoDayTime| value("normalize.date-time", fault.to_string()))
}
