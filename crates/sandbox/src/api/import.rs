//! The import of what lands in `/profiles`: the CSV's rows become profiles, and members of the list in `List ID`.
//!
//! How Klaviyo does this is known in parts only (docs/delivery.md, "Klaviyo's import"); where it is not, a row that
//! is not quite right is skipped. A file that ends inside quotes was cut: its last row is not imported.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use serde_json::{Map, Value};

use super::account::Account;
use super::profile::{Nulls, check_identifiers};

/// Klaviyo Labs' s3-triggered-sftp-ingestion adds this column with the id of a list in every row.
const LIST_ID: &str = "List ID";

/// The outcome of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The object's name in `/profiles`.
    pub name: String,
    /// Rows that created or updated a profile.
    pub profiles: u64,
    /// Rows that did not: no identifier, one of a wrong form, or identifiers of several profiles.
    pub skipped: u64,
    /// Rows whose `List ID` is no list; their profiles are imported.
    pub unlisted: u64,
}

/// Imports the rows of a file.
pub(super) fn import(account: &mut Account, path: &Path, name: String) -> io::Result<Imported> {
    let mut done = Imported {
        name,
        profiles: 0,
        skipped: 0,
        unlisted: 0,
    };
    let mut quotes = Quotes {
        inner: BufReader::new(File::open(path)?),
        inside: false,
    };
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(&mut quotes);
    let headers: Vec<String> = reader.byte_headers()?.iter().map(text).collect();
    // One row behind: the last one counts only when the file ends well.
    let mut last: Option<csv::ByteRecord> = None;
    let mut record = csv::ByteRecord::new();
    while reader.read_byte_record(&mut record)? {
        if let Some(row) = last.replace(record.clone()) {
            import_row(account, &headers, &row, &mut done);
        }
    }
    drop(reader);
    match last {
        Some(row) if !quotes.inside => import_row(account, &headers, &row, &mut done),
        Some(_) => done.skipped += 1,
        None => {}
    }
    Ok(done)
}

fn import_row(
    account: &mut Account,
    headers: &[String],
    row: &csv::ByteRecord,
    done: &mut Imported,
) {
    let mut attributes = Map::new();
    let mut list = None;
    for (header, cell) in headers.iter().zip(row) {
        // A blank cell leaves what the profile has.
        let cell = text(cell);
        if cell.trim().is_empty() {
            continue;
        }
        if header == LIST_ID {
            list = Some(cell);
        } else if let Some((name, inner)) = attribute(header) {
            set(&mut attributes, name, inner, Value::String(cell));
        } else {
            set(&mut attributes, "properties", Some(header), inferred(cell));
        }
    }
    if check_identifiers(&attributes, "").is_err() {
        done.skipped += 1;
        return;
    }
    let Ok((profile, _)) = account.upsert(&attributes, Nulls::Skip) else {
        done.skipped += 1;
        return;
    };
    done.profiles += 1;
    if let Some(list) = list {
        match account.list_mut(list.trim()) {
            Some(list) => list.add(profile),
            None => done.unlisted += 1,
        }
    }
}

/// The attribute of a profile that each of Klaviyo's headers fills, with the name inside `location` where it is a part of it.
///
/// A table of its own: the sandbox judges the program, so it does not share the program's table of headers.
const HEADERS: [(&str, &str, Option<&str>); 18] = [
    ("Email", "email", None),
    ("PhoneNumber", "phone_number", None),
    ("ExternalID", "external_id", None),
    ("FirstName", "first_name", None),
    ("LastName", "last_name", None),
    ("Organization", "organization", None),
    ("Title", "title", None),
    ("Image", "image", None),
    ("Locale", "locale", None),
    ("Address1", "location", Some("address1")),
    ("Address2", "location", Some("address2")),
    ("City", "location", Some("city")),
    ("Region", "location", Some("region")),
    ("Country", "location", Some("country")),
    ("Zip", "location", Some("zip")),
    ("Latitude", "location", Some("latitude")),
    ("Longitude", "location", Some("longitude")),
    ("Timezone", "location", Some("timezone")),
];

/// The attribute that a header's cells fill. `None` for a header that is not spelled exactly so.
fn attribute(header: &str) -> Option<(&'static str, Option<&'static str>)> {
    let (_, name, inner) = HEADERS.iter().find(|(known, ..)| *known == header)?;
    Some((name, *inner))
}

fn set(attributes: &mut Map<String, Value>, name: &str, inner: Option<&str>, value: Value) {
    let Some(inner) = inner else {
        attributes.insert(name.to_owned(), value);
        return;
    };
    let outer = attributes
        .entry(name)
        .or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(outer) = outer {
        outer.insert(inner.to_owned(), value);
    }
}

/// A property's value as Klaviyo infers it: numbers, booleans and lists (Klaviyo help 115005237648). Leading zeros are lost.
fn inferred(cell: String) -> Value {
    if let Ok(number) = cell.parse::<i64>() {
        return number.into();
    }
    let begins_so = cell.starts_with(|c: char| c.is_ascii_digit() || c == '-');
    if let (true, Ok(number)) = (begins_so, cell.parse::<f64>()) {
        return number.into();
    }
    match cell.as_str() {
        "True" | "true" => return true.into(),
        "False" | "false" => return false.into(),
        _ => {}
    }
    match serde_json::from_str(&cell) {
        Ok(list @ Value::Array(_)) => list,
        _ => Value::String(cell),
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Knows whether what was read so far ends inside quotes.
struct Quotes<R> {
    inner: R,
    inside: bool,
}

impl<R: Read> Read for Quotes<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        let quotes = memchr::memchr_iter(b'"', buffer.get(..read).unwrap_or_default());
        self.inside ^= quotes.count() % 2 == 1;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn imported(account: &mut Account, text: &str) -> (u64, u64, u64) {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let done = import(account, file.path(), String::new()).unwrap();
        (done.profiles, done.skipped, done.unlisted)
    }

    #[test]
    fn cells_become_attributes_and_properties() {
        let mut account = Account::default();
        let at = account.create_list("a", "single_opt_in");
        let id = account.lists[at].id.clone();
        let rows = format!(
            "Email,FirstName,City,firstname,Zip,Code,VIP,Tags,Score,List ID\n\
             a@x.example,Ann,Oslo,x,0123,00123,True,\"[\"\"p\"\",\"\"q\"\"]\",1.5,{id}\n\
             A@x.example,,Bergen,,,,,,,\n\
             b@x.example,,,,,,,,,nolist\n\
             bad,,,,,,,,,\n"
        );
        assert_eq!(imported(&mut account, &rows), (3, 1, 1));
        assert_eq!(
            Value::Object(account.profiles[0].attributes.clone()),
            json!({
                "email": "A@x.example",
                "first_name": "Ann",
                "location": {"city": "Bergen", "zip": "0123"},
                "properties": {"firstname": "x", "Code": 123, "VIP": true, "Tags": ["p", "q"], "Score": 1.5},
            })
        );
        assert_eq!(account.lists[at].len(), 1);
    }

    #[test]
    fn the_row_that_was_cut_is_not_imported() {
        let mut account = Account::default();
        let whole = "Email\n\"a@x.example\"\n\"b@x.example";
        assert_eq!(imported(&mut account, whole), (1, 1, 0));
        assert_eq!(imported(&mut account, ""), (0, 0, 0));
    }
}
