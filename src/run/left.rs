//! People who left the audience: the property of the job is set to `false` for them, in parts of their own that have their
//! identifiers and this property alone.

use super::delta;
use crate::base::csv::push_quoted;
use crate::job::Job;
use crate::klaviyo::list::rows::each_person;
use crate::pipeline::commit::CommitError;
use crate::pipeline::delta::RowHasher;
use crate::pipeline::settings::PrimaryKey;
use crate::pipeline::spool::{Release, Spool, SpoolLayout};
use crate::state::directory::JobDirectory;
use crate::state::snapshot::HashKey;

/// Writes the parts for the people whose hashes of keys are `left`, sorted. `kinds` are the identifiers in the layout's header.
pub(super) fn write(
    job: &Job,
    state: &JobDirectory,
    kinds: &[PrimaryKey],
    layout: SpoolLayout,
    release: Release,
    left: &[u128],
) -> Result<(), CommitError> {
    let Some(key) = HashKey::read(&state.snapshot_key()) else {
        return Ok(());
    };
    let hasher = RowHasher::of_people(key, job.rules.primary_key);
    let mut spool = Spool::start(layout, release);
    let mut row = Vec::new();
    let mut failure = None;
    each_person(&delta::people(state), |_, person| {
        let identifiers = [&*person.email, &*person.phone_number, &*person.external_id];
        if left
            .binary_search(&hasher.key_of_values(identifiers))
            .is_err()
        {
            return Ok(true);
        }
        row.clear();
        for kind in kinds {
            push_quoted(&mut row, identifiers[*kind as usize].as_bytes());
            row.push(b',');
        }
        let identifier_bytes = row.len() - 1;
        row.extend_from_slice(b"false\n");
        let closed = if spool.fits(row.len()) {
            Ok(())
        } else {
            spool.close_part()
        };
        failure = closed
            .and_then(|()| spool.push(&row, identifier_bytes))
            .err();
        Ok(failure.is_none())
    })?;
    if let Some(failure) = failure {
        return Err(failure.into());
    }
    if !spool.is_empty() {
        spool.close_part()?;
    }
    Ok(spool.finish()?)
}
