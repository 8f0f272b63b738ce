//! Bulk import jobs.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use super::request::{Request, Resource, ResourceDocument};
use super::{Klaviyo, KlaviyoError, Operation};

/// Profiles of one job (OpenAPI, `bulk_import_profiles`).
pub const MAX_JOB_PROFILES: usize = 10_000;
/// Bytes of one job's body (the same; decimal, the stricter reading).
pub const MAX_BODY_BYTES: usize = 5_000_000;
/// Where profiles stand in a job's body; a pointer of an error goes on with the place and what is wrong.
pub const PROFILES_POINTER: &str = "/data/attributes/profiles/data";

const JOBS: &str = "/api/profile-bulk-import-jobs";

/// How far a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobStatus {
    /// Queued or processing.
    UnderWay,
    /// Everything is imported, or among its errors.
    Complete,
    /// It will not be done.
    Cancelled,
}

/// A job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportJob {
    /// Opaque.
    pub id: String,
    /// How far it is.
    pub status: JobStatus,
    /// How many profiles could not be imported.
    pub failed: u64,
}

/// The reason for which a profile of a job was not imported.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImportError {
    /// The server's word; `invalid` and the like.
    pub code: String,
    /// Where in the job's body.
    pub pointer: String,
    /// The value that was sent: personal data.
    pub email: String,
    /// The value that was sent: personal data.
    pub phone_number: String,
    /// The value that was sent: personal data.
    pub external_id: String,
}

#[derive(Debug, Deserialize)]
struct JobAttributes {
    #[serde(default)]
    status: String,
    #[serde(default)]
    failed_count: Option<u64>,
}

#[derive(Debug, Deserialize)]
struct ErrorAttributes {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    source: Value,
    #[serde(default)]
    original_payload: Value,
}

impl From<Resource<JobAttributes>> for ImportJob {
    fn from(job: Resource<JobAttributes>) -> Self {
        Self {
            id: job.id,
            status: match job.attributes.status.as_str() {
                "complete" => JobStatus::Complete,
                "cancelled" => JobStatus::Cancelled,
                _ => JobStatus::UnderWay,
            },
            failed: job.attributes.failed_count.unwrap_or(0),
        }
    }
}

impl From<Resource<ErrorAttributes>> for ImportError {
    fn from(error: Resource<ErrorAttributes>) -> Self {
        let attributes = error.attributes;
        // A payload is the profile's attributes, or the whole profile around them.
        let payload = attributes
            .original_payload
            .get("attributes")
            .unwrap_or(&attributes.original_payload);
        let text = |name: &str| {
            payload
                .get(name)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        Self {
            pointer: attributes
                .source
                .get("pointer")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned(),
            email: text("email"),
            phone_number: text("phone_number"),
            external_id: text("external_id"),
            code: attributes.code.unwrap_or_default(),
        }
    }
}

impl Klaviyo {
    /// Hands over a job (`bulk_import_profiles`); its id. It may be sent twice when an answer was lost, which does no harm:
    /// a profile is updated by what it was updated by.
    pub fn import(&self, body: Arc<[u8]>) -> Result<String, KlaviyoError> {
        let request = Request::new(Operation::BulkImportProfiles, JOBS, "").with_body(body);
        let one: ResourceDocument<Resource<JobAttributes>> = self.read(&request)?;
        Ok(one.data.id)
    }

    /// The account's jobs, the newest first, until `take` says that it is enough (`get_bulk_import_profiles_jobs`).
    pub fn newest_jobs(
        &self,
        mut take: impl FnMut(Vec<ImportJob>) -> bool,
    ) -> Result<(), KlaviyoError> {
        let request = Request::new(Operation::GetBulkImportProfilesJobs, JOBS, "")
            .with("sort", "-created_at")
            .with("page[size]", "100");
        self.pages(request, |page: Vec<Resource<JobAttributes>>| {
            take(page.into_iter().map(ImportJob::from).collect())
        })
    }

    /// One job (`get_bulk_import_profiles_job`).
    pub fn job(&self, id: &str) -> Result<ImportJob, KlaviyoError> {
        let path = format!("{JOBS}/{{}}");
        let request = Request::new(Operation::GetBulkImportProfilesJob, &path, id);
        let one: ResourceDocument<Resource<JobAttributes>> = self.read(&request)?;
        Ok(one.data.into())
    }

    /// Errors of a job's profiles (`get_errors_for_bulk_import_profiles_job`).
    pub fn import_errors(&self, job_id: &str) -> Result<Vec<ImportError>, KlaviyoError> {
        let path = format!("{JOBS}/{{}}/import-errors");
        let request = Request::new(Operation::GetErrorsForBulkImportProfilesJob, &path, job_id)
            .with("page[size]", "100");
        let mut errors = Vec::new();
        self.pages(request, |page: Vec<Resource<ErrorAttributes>>| {
            errors.extend(page.into_iter().map(ImportError::from));
            true
        })?;
        Ok(errors)
    }

    /// Whether the key may import profiles, told by a job without any, which is refused for that unless the key lacks a scope.
    pub fn may_import(&self) -> Result<(), KlaviyoError> {
        let body =
            br#"{"data":{"type":"profile-bulk-import-job","attributes":{"profiles":{"data":[]}}}}"#;
        match self.import(body.as_slice().into()) {
            Err(
                KlaviyoError::Refused { .. }
                | KlaviyoError::Unclear { .. }
                | KlaviyoError::WebPage { .. },
            ) => Ok(()),
            told => told.map(|_| ()),
        }
    }
}
