//! Rows of CSV files that this program wrote: parts, their identifiers files, lists of members.

use std::path::{Path, PathBuf};

use crate::base::durable::sync_parent;
use crate::state::manifest::StateError;
use crate::state::part::PartNumber;
use crate::state::storage::{PartialFile, storage};

/// A file of rows, and which part it is of.
#[derive(Debug, Clone)]
pub struct RowFile {
    /// The part.
    pub part: PartNumber,
    /// A part file, or the identifiers file beside one.
    pub path: PathBuf,
    /// How many rows were written to it.
    pub rows: u64,
}

impl RowFile {
    /// An error if so many rows are not all of them, or too many: the file was cut or changed.
    pub(super) fn check(&self, rows: u64) -> Result<(), StateError> {
        if rows == self.rows {
            return Ok(());
        }
        // The header is the first line.
        let line = rows.min(self.rows) + 2;
        Err(StateError::Damaged {
            path: self.path.clone(),
            line: usize::try_from(line).unwrap_or(usize::MAX),
        })
    }
}

/// The identifiers of a row or of a member as Klaviyo tells them. Blank where it does not say; only files of members have the id.
pub use crate::klaviyo::Member as Person;

/// The columns of [`Person`] in a file; `id` is this program's own.
pub(super) const HEADER: [&str; 4] = ["id", "Email", "PhoneNumber", "ExternalID"];

/// The error of a file that cannot be read.
pub(super) fn unreadable(path: &Path, error: csv::Error) -> StateError {
    let line = error.position().map_or(0, csv::Position::line);
    match error.into_kind() {
        csv::ErrorKind::Io(error) => storage(path, "read it")(error),
        _ => StateError::Damaged {
            path: path.to_owned(),
            line: usize::try_from(line).unwrap_or(usize::MAX),
        },
    }
}

/// Opens a file and reads its header.
pub(super) fn open(
    path: &Path,
) -> Result<(csv::Reader<std::fs::File>, csv::StringRecord), StateError> {
    let mut reader = csv::ReaderBuilder::new()
        .buffer_capacity(1 << 18)
        .from_path(path)
        .map_err(|error| unreadable(path, error))?;
    let header = reader
        .headers()
        .map_err(|error| unreadable(path, error))?
        .clone();
    Ok((reader, header))
}

/// Calls `each` with every row of `paths`, numbered from 0 over all of them, until it says that it is enough.
pub fn each_person(
    paths: &[PathBuf],
    mut each: impl FnMut(u64, &Person) -> Result<bool, StateError>,
) -> Result<(), StateError> {
    let mut number = 0;
    let mut record = csv::StringRecord::new();
    let mut person = Person::default();
    for path in paths {
        let (mut reader, header) = open(path)?;
        let places = HEADER.map(|name| header.iter().position(|column| column == name));
        while reader
            .read_record(&mut record)
            .map_err(|error| unreadable(path, error))?
        {
            let fields = [
                &mut person.id,
                &mut person.email,
                &mut person.phone_number,
                &mut person.external_id,
            ];
            for (field, place) in fields.into_iter().zip(places) {
                field.clear();
                field.push_str(
                    place
                        .and_then(|place| record.get(place))
                        .unwrap_or_default(),
                );
            }
            if !each(number, &person)? {
                return Ok(());
            }
            number += 1;
        }
    }
    Ok(())
}

/// A new file of persons, which takes the place of an older one when it is finished.
pub(super) struct PersonFile {
    path: PathBuf,
    writer: csv::Writer<PartialFile>,
}

impl PersonFile {
    pub(super) fn create(path: &Path) -> Result<Self, StateError> {
        let file = PartialFile::create(path.to_owned(), "write it")?;
        let writer = csv::WriterBuilder::new()
            .buffer_capacity(1 << 18)
            .from_writer(file);
        let mut made = Self {
            path: path.to_owned(),
            writer,
        };
        made.write(HEADER)?;
        Ok(made)
    }

    pub(super) fn push(&mut self, person: &Person) -> Result<(), StateError> {
        let Person {
            id,
            email,
            phone_number,
            external_id,
        } = person;
        self.write([id, email, phone_number, external_id].map(String::as_str))
    }

    fn write(&mut self, cells: [&str; 4]) -> Result<(), StateError> {
        let written = self.writer.write_record(cells);
        written.map_err(|error| unreadable(&self.path, error))
    }

    /// Makes the file durable under its name.
    pub(super) fn finish(self) -> Result<(), StateError> {
        let failed = storage(&self.path, "write it");
        let file = self.writer.into_inner();
        let mut file = file.map_err(|error| failed(error.into_error()))?;
        file.file().sync_all().map_err(failed)?;
        file.rename().map_err(failed)?;
        sync_parent(&self.path).map_err(failed)
    }
}
