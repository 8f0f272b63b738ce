//! The reader of refusals as the fuzz targets reach it; no part of the interface.

use super::error::Problem;
use super::{KlaviyoError, Operation};

/// The errors that a refusal with this body is, by status, each with its advice.
pub fn refusals(body: &[u8]) -> Vec<String> {
    let operation = Operation::BulkImportProfiles;
    let statuses = [400, 401, 403, 404, 409, 410, 413, 429, 503];
    let told = statuses.map(|status| {
        let problem = Problem::read(status, operation, body);
        let error: KlaviyoError = problem.into_error(operation, None);
        format!("{error} {}", error.hint().unwrap_or_default())
    });
    told.into()
}
