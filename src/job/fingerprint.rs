//! The fingerprint of a job: all in its file that decides what is sent where.

use sha2::{Digest, Sha256};

use super::delta;
use super::file::{JobFile, NormalizeSection, SftpSection};
use crate::klaviyo::settings::{Attach, Deliver};

/// A digest of the settings that decide which bytes a run makes and where they go; not how it logs in, how often it tries, or when it gives up.
pub(super) fn fingerprint(file: &JobFile) -> String {
    let NormalizeSection {
        default_region,
        country_column,
        invalid_email,
        invalid_phone,
        non_ascii_email,
        null_values,
        date_time,
        duplicates,
        shared_identifiers,
        ..
    } = &file.normalize;
    let mut audience = serde_json::json!(file.audience);
    // Unfinished runs of versions without this key continue.
    if let Some(keys) = audience.as_object_mut()
        && file.audience.header_row.is_none()
    {
        keys.remove("header-row");
    }
    let mut decisive = serde_json::json!([
        file.name,
        audience,
        file.columns.iter().collect::<Vec<_>>(),
        [default_region, country_column],
        [invalid_email, invalid_phone],
        non_ascii_email,
        null_values,
        date_time,
        duplicates,
        shared_identifiers,
        [file.parts.max_bytes.0, file.parts.max_rows],
        [&file.sftp.host, &file.sftp.directory],
        file.sftp.port.unwrap_or(SftpSection::PORT),
        file.sftp.username,
        file.klaviyo.deliver,
        file.klaviyo.update_contacts,
        decisive_of_list(file),
    ]);
    // Unfinished runs of versions without this key continue.
    if file.delta.send == delta::Send::Changed
        && let Some(decisive) = decisive.as_array_mut()
    {
        decisive.push(serde_json::json!("changed rows only"));
    }
    crate::state::part::hex(&Sha256::digest(decisive.to_string()))
}

/// The settings of the list that decide which bytes a run makes, and the content of an import job.
pub(super) fn decisive_of_list(file: &JobFile) -> serde_json::Value {
    match &file.list {
        None => serde_json::Value::Null,
        Some(list) if list.attach == Attach::Column => serde_json::json!(["column", list.id]),
        Some(list) if file.klaviyo.deliver == Deliver::Api => {
            serde_json::json!(["api", list.name, list.id, list.attach])
        }
        Some(_) => serde_json::json!(["identifiers"]),
    }
}
