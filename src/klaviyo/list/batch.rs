//! Rows become the bodies of import jobs: at most 10,000 profiles, 5 MB, and 100 kB each.
//!
//! The same files give the same batches, so that a run that goes on leaves out what Klaviyo has accepted.

use std::collections::{BTreeMap, HashMap};

use super::rows::{Person, RowFile, open, unreadable};
use crate::klaviyo::{MAX_BODY_BYTES, MAX_JOB_PROFILES};
use crate::profile::attributes::attributes;
use crate::profile::column::ProfileColumn;
use crate::profile::limits::MAX_PROFILE_BYTES;
use crate::state::manifest::StateError;

/// The beginning of a body, before its profiles.
const BEFORE: &str =
    r#"{"data":{"type":"profile-bulk-import-job","attributes":{"profiles":{"data":["#;
/// Room for what stands behind them: the list's relationship is a sibling of `attributes` (facts B3).
const AROUND: usize = 300;

/// Profiles for one job.
#[derive(Debug, Clone)]
pub(super) struct ProfileBatch {
    pub(super) part: u32,
    /// The first row, from 1.
    pub(super) first: u64,
    pub(super) rows: u64,
    /// The row of each profile, and its JSON.
    pub(super) profiles: Vec<(u64, String)>,
    /// Rows that are too large as JSON.
    pub(super) too_large: Vec<(u64, Person)>,
    bytes: usize,
}

impl ProfileBatch {
    fn new(part: u32, first: u64) -> Self {
        Self {
            part,
            first,
            rows: 0,
            profiles: Vec::new(),
            too_large: Vec::new(),
            bytes: BEFORE.len() + AROUND,
        }
    }

    fn has_room(&self, bytes: usize) -> bool {
        self.profiles.len() < MAX_JOB_PROFILES && self.bytes + bytes < MAX_BODY_BYTES
    }

    /// The job's body, which puts the profiles on the list.
    pub(super) fn body(&self, list_id: Option<&str>) -> Vec<u8> {
        let mut body = Vec::with_capacity(self.bytes);
        body.extend_from_slice(BEFORE.as_bytes());
        for (index, (_, profile)) in self.profiles.iter().enumerate() {
            if index > 0 {
                body.push(b',');
            }
            body.extend_from_slice(profile.as_bytes());
        }
        body.extend_from_slice(b"]}}");
        if let Some(id) = list_id {
            let list = serde_json::json!({"lists": {"data": [{"type": "list", "id": id}]}});
            body.extend_from_slice(format!(",\"relationships\":{list}").as_bytes());
        }
        body.extend_from_slice(b"}}");
        body
    }

    /// Takes out the profile at `index` of the body: its row, and who it is.
    pub(super) fn take_out(&mut self, index: usize) -> Option<(u64, Person)> {
        if index >= self.profiles.len() {
            return None;
        }
        let (row, json) = self.profiles.remove(index);
        Some((row, person_of(&json)))
    }
}

fn person_of(json: &str) -> Person {
    let profile: serde_json::Value = serde_json::from_str(json).unwrap_or_default();
    let text = |name: &str| {
        profile["attributes"][name]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    Person {
        id: String::new(),
        email: text("email"),
        phone_number: text("phone_number"),
        external_id: text("external_id"),
    }
}

/// Rows that Klaviyo has: by part and first row, how many.
pub(super) type AcceptedRows = HashMap<u32, BTreeMap<u64, u64>>;

/// Calls `give` with every batch of `files` that is not accepted yet, until it says that it is enough.
pub(super) fn each_batch(
    files: &[RowFile],
    accepted: &AcceptedRows,
    mut give: impl FnMut(ProfileBatch) -> bool,
) -> Result<(), StateError> {
    let none = BTreeMap::new();
    for file in files {
        let part = file.part.0;
        let accepted = accepted.get(&part).unwrap_or(&none);
        let (mut reader, header) = open(&file.path)?;
        let columns: Vec<_> = header.iter().map(ProfileColumn::of_header).collect();
        let mut record = csv::StringRecord::new();
        let (mut row, mut skip_to) = (0, 0);
        let mut batch = ProfileBatch::new(part, 1);
        while reader
            .read_record(&mut record)
            .map_err(|error| unreadable(&file.path, error))?
        {
            row += 1;
            if row < skip_to {
                continue;
            }
            if let Some(rows) = accepted.get(&row) {
                skip_to = row + rows;
                if batch.rows > 0
                    && !give(std::mem::replace(
                        &mut batch,
                        ProfileBatch::new(part, skip_to),
                    ))
                {
                    return Ok(());
                }
                batch.first = skip_to;
                continue;
            }
            let attributes = attributes(columns.iter().zip(&record));
            let profile =
                serde_json::json!({"type": "profile", "attributes": attributes}).to_string();
            if profile.len() > MAX_PROFILE_BYTES {
                batch.too_large.push((row, person_of(&profile)));
                batch.rows += 1;
                continue;
            }
            let bytes = profile.len() + 1;
            if !batch.has_room(bytes)
                && !give(std::mem::replace(&mut batch, ProfileBatch::new(part, row)))
            {
                return Ok(());
            }
            batch.rows += 1;
            batch.bytes += bytes;
            batch.profiles.push((row, profile));
        }
        file.check(row)?;
        if batch.rows > 0 && !give(batch) {
            return Ok(());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::part::PartNumber;
    use serde_json::json;
    use std::fmt::Write;

    fn batches(csv: &str, accepted: &[(u64, u64)]) -> Vec<ProfileBatch> {
        let rows = csv::Reader::from_reader(csv.as_bytes()).records().count();
        let (found, read) = batches_of(csv, rows as u64, accepted);
        read.unwrap();
        found
    }

    /// The batches of a file that should have so many rows.
    fn batches_of(
        csv: &str,
        rows: u64,
        accepted: &[(u64, u64)],
    ) -> (Vec<ProfileBatch>, Result<(), StateError>) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.csv");
        std::fs::write(&path, csv).unwrap();
        let files = [RowFile {
            part: PartNumber(1),
            path,
            rows,
        }];
        let accepted = AcceptedRows::from([(1, accepted.iter().copied().collect())]);
        let mut found = Vec::new();
        let read = each_batch(&files, &accepted, |batch| {
            found.push(batch);
            true
        });
        (found, read)
    }

    #[test]
    fn a_file_that_was_cut_is_not_taken_for_a_whole_one() {
        let csv = numbered(3, "x");
        for (csv, rows, line) in [
            ("Email,Note\n", 3, 2),
            ("", 3, 2),
            (csv.as_str(), 4, 5),
            (csv.as_str(), 2, 4),
        ] {
            let (found, read) = batches_of(csv, rows, &[]);
            assert!(found.is_empty());
            assert!(
                matches!(&read, Err(StateError::Damaged { line: it, .. }) if *it == line),
                "{read:?}"
            );
        }
        // What was handed over before counts, however it was batched.
        let (found, read) = batches_of(&csv, 3, &[(1, 2)]);
        assert!(read.is_ok() && ranges(&found) == [(3, 1)]);
    }

    fn numbered(rows: usize, cell: &str) -> String {
        let mut csv = "Email,Note\n".to_owned();
        (0..rows).for_each(|row| writeln!(csv, "{row}@x.example,{cell}").unwrap());
        csv
    }

    fn ranges(batches: &[ProfileBatch]) -> Vec<(u64, u64)> {
        batches
            .iter()
            .map(|batch| (batch.first, batch.rows))
            .collect()
    }

    #[test]
    fn a_body_is_what_klaviyo_documents() {
        let made = batches("Email,City,Tier\nana@x.example,Wien,gold\n", &[]);
        let body: serde_json::Value =
            serde_json::from_slice(&made[0].body(Some("Y6nRLr"))).unwrap();
        assert_eq!(
            body,
            json!({"data": {"type": "profile-bulk-import-job",
                "attributes": {"profiles": {"data": [{"type": "profile", "attributes":
                    {"email": "ana@x.example", "location": {"city": "Wien"}, "properties": {"Tier": "gold"}}}]}},
                "relationships": {"lists": {"data": [{"type": "list", "id": "Y6nRLr"}]}}}})
        );
        assert!(
            !made[0]
                .body(None)
                .windows(13)
                .any(|window| window == b"relationships")
        );
    }

    #[test]
    fn a_batch_ends_at_ten_thousand_profiles_and_at_five_megabytes() {
        assert_eq!(
            ranges(&batches(&numbered(10_001, ""), &[])),
            [(1, 10_000), (10_001, 1)]
        );
        let wide = batches(&numbered(600, &"x".repeat(10_000)), &[]);
        assert_eq!(wide.len(), 2);
        for batch in &wide {
            assert!(batch.body(Some("Y6nRLr")).len() <= MAX_BODY_BYTES);
        }
        let rows = usize::try_from(wide[0].rows).unwrap();
        let one_more = wide[0].body(None).len() + wide[1].profiles[0].1.len() + AROUND + 1;
        assert!(
            one_more >= MAX_BODY_BYTES,
            "{rows} rows leave room for another"
        );
    }

    #[test]
    fn accepted_rows_are_left_out_wherever_they_are() {
        let csv = numbered(25, "");
        assert_eq!(ranges(&batches(&csv, &[(1, 10)])), [(11, 15)]);
        assert_eq!(ranges(&batches(&csv, &[(11, 10)])), [(1, 10), (21, 5)]);
        assert_eq!(ranges(&batches(&csv, &[(1, 25)])), []);
        assert_eq!(ranges(&batches(&csv, &[(1, 10), (11, 10)])), [(21, 5)]);
    }

    #[test]
    fn a_profile_that_is_too_large_as_json_is_told_and_the_others_go_on() {
        let quotes = "\"".to_owned() + &"\"\"".repeat(60_000) + "\"";
        let made = batches(
            &format!("Email,Note\na@x.example,b\nc@x.example,{quotes}\nd@x.example,e\n"),
            &[],
        );
        assert_eq!(ranges(&made), [(1, 3)]);
        assert_eq!(made[0].profiles.len(), 2);
        assert_eq!(
            (
                made[0].too_large[0].0,
                made[0].too_large[0].1.email.as_str()
            ),
            (2, "c@x.example")
        );
    }
}
