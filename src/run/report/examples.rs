//! The first records of each reason, from the files of the run that name them all. No value of a row is taken from them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// How many records are named for each code.
const EXAMPLES: usize = 3;
/// How many bytes of a file are looked through: the first examples do.
const LOOK_BYTES: u64 = 8 << 20;

/// The first places of each code. A place is the name of a source, and the number of a record in it.
pub(crate) type Places = BTreeMap<String, Vec<(String, u64)>>;

/// The first records of the codes in each file of a run.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Examples {
    /// Of `rejects.csv`, by reason.
    pub(crate) rejects: Places,
    /// Of `repairs.csv`, by code.
    pub(crate) repairs: Places,
    /// Of `conflicts.csv`, by code.
    pub(crate) conflicts: Places,
}

impl Examples {
    /// Reads the files in the run's `folder`. One that is not there, or cannot be read, has no examples.
    pub(crate) fn read(folder: &Path) -> Self {
        let places = |file, code| places(&folder.join(file), code).unwrap_or_default();
        Self {
            rejects: places("rejects.csv", "_reason"),
            repairs: places("repairs.csv", "code"),
            conflicts: places("conflicts.csv", "code"),
        }
    }
}

/// The first places of each code in `path`, whose column `code` has the codes. These columns are the last ones of their names:
/// a source may have a column of the same name.
fn places(path: &Path, code: &str) -> Option<Places> {
    let file = File::open(path).ok()?.take(LOOK_BYTES);
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let header = reader.byte_headers().ok()?;
    let place = |name: &str| header.iter().rposition(|cell| cell == name.as_bytes());
    let (code, source, record) = (place(code)?, place("_source")?, place("_record")?);
    let mut places = Places::new();
    let mut row = csv::ByteRecord::new();
    let text = |row: &csv::ByteRecord, place: usize| {
        let cell = row.get(place)?;
        Some(String::from_utf8_lossy(cell).into_owned())
    };
    while reader.read_byte_record(&mut row).ok()? {
        // The last one may have been cut.
        let (Some(code), Some(source)) = (text(&row, code), text(&row, source)) else {
            continue;
        };
        let Some(record) = text(&row, record).and_then(|record| record.parse().ok()) else {
            continue;
        };
        let of_code = places.entry(code).or_default();
        if of_code.len() < EXAMPLES {
            of_code.push((source, record));
        }
    }
    Some(places)
}
