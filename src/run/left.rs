//! People who left the audience: the property of the job is set to `false` for them, in parts of their own that have their
//! identifiers and this property alone.

use std::path::PathBuf;

use fixedbitset::FixedBitSet;

use super::delta;
use super::error::Error;
use super::report::{count, grouped};
use crate::base::csv::push_quoted;
use crate::klaviyo::list::rows::{Person, each_person};
use crate::pipeline::commit::CommitError;
use crate::pipeline::delta::RowHasher;
use crate::pipeline::settings::PrimaryKey;
use crate::pipeline::spool::{Release, Spool, SpoolError, SpoolLayout};
use crate::state::directory::JobDirectory;
use crate::state::manifest::StateError;

/// Writes the parts for the people whose hashes of keys are `left`, sorted. `kinds` are the identifiers in the layout's header.
/// The result is a note, where the identifiers of some of them are not known any more.
pub(super) fn write(
    state: &JobDirectory,
    hasher: &RowHasher,
    kinds: &[PrimaryKey],
    layout: SpoolLayout,
    release: Release,
    left: &[u128],
) -> Result<Option<String>, CommitError> {
    let mut leavers = Leavers {
        hasher,
        kinds,
        left,
        told: FixedBitSet::with_capacity(left.len()),
        spool: Spool::start(layout, release),
        row: Vec::new(),
    };
    let mut fault = None;
    match delta::people(state) {
        Ok(files) => {
            for file in files {
                // What the other files tell is true all the same.
                fault = leavers.write_those_of(file)?.or(fault);
            }
        }
        Err(unreadable) => fault = Some(unreadable),
    }
    let note = leavers.note(fault);
    let mut spool = leavers.spool;
    if !spool.is_empty() {
        spool.close_part()?;
    }
    spool.finish()?;
    Ok(note)
}

/// The people who left, and those of them of whom a row was written.
struct Leavers<'a> {
    hasher: &'a RowHasher,
    kinds: &'a [PrimaryKey],
    left: &'a [u128],
    /// By the places of their keys.
    told: FixedBitSet,
    spool: Spool,
    row: Vec<u8>,
}

impl Leavers<'_> {
    /// Writes the rows of those in a file of identifiers. The result is what is wrong with the file.
    fn write_those_of(&mut self, file: PathBuf) -> Result<Option<StateError>, SpoolError> {
        let mut failure = None;
        let read = each_person(&[file], |_, person| {
            failure = self.write_if_left(person).err();
            Ok(failure.is_none())
        });
        failure.map_or(Ok(read.err()), Err)
    }

    fn write_if_left(&mut self, person: &Person) -> Result<(), SpoolError> {
        let identifiers = [&*person.email, &*person.phone_number, &*person.external_id];
        let key = self.hasher.key_of_values(identifiers);
        let Ok(place) = self.left.binary_search(&key) else {
            return Ok(());
        };
        self.told.insert(place);
        self.row.clear();
        for kind in self.kinds {
            push_quoted(&mut self.row, identifiers[*kind as usize].as_bytes());
            self.row.push(b',');
        }
        let identifier_bytes = self.row.len() - 1;
        self.row.extend_from_slice(b"false\n");
        if !self.spool.fits(self.row.len()) {
            self.spool.close_part()?;
        }
        self.spool.push(&self.row, identifier_bytes)
    }

    /// The note on those of whom no row was written.
    fn note(&self, fault: Option<StateError>) -> Option<String> {
        let all = self.left.chunk_by(|one, next| one == next).count() as u64;
        let untold = all - self.told.count_ones(..) as u64;
        let because = fault.map_or_else(
            || "the identifiers of the last run are not complete".to_owned(),
            |fault| Error::from(fault).chain(),
        );
        (untold > 0).then(|| {
            format!(
                "left-property is not sent for {} of {} that left the audience: {because}",
                grouped(untold),
                count(all, "row")
            )
        })
    }
}
