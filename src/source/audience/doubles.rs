//! Columns that share a name: `Vorname#2` addresses the second of them.
//!
//! A column that is alone under its name is addressed by that name. Of several, the first is addressed by the name too, but
//! only where all of them hold the same cells in the first records: a table that two tables were joined to. Where they
//! differ, nobody but a person can choose.

use std::collections::HashMap;

use super::Source;

/// Records that are compared.
const RECORDS: usize = 1_000;

/// The columns that a name addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnMatch {
    /// None.
    Nothing,
    /// One, by its place in the header.
    One(usize),
    /// The first of several with the same cells; how many there are.
    FirstOf(usize, usize),
    /// Several with different cells; how many there are.
    Several(usize),
}

impl ColumnMatch {
    /// The place in the header of the column that is meant, if it is one.
    pub fn place(self) -> Option<usize> {
        match self {
            Self::One(place) | Self::FirstOf(place, _) => Some(place),
            Self::Nothing | Self::Several(_) => None,
        }
    }
}

/// The name and the number of `NAME#NUMBER`.
pub fn numbered(address: &str) -> Option<(&str, usize)> {
    let (name, number) = address.rsplit_once('#')?;
    let is_number = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    Some((name, number.parse().ok().filter(|_| is_number)?))
}

impl Source {
    /// The column that `address` means: a name, or a name and a number as in `Vorname#2`. A column that is named so wins.
    pub fn addressed(&self, address: &str) -> ColumnMatch {
        match *self.places(address) {
            [place] => ColumnMatch::One(place),
            [first, ..] if self.is_rejects || self.has_equal(address) => {
                ColumnMatch::FirstOf(first, self.places(address).len())
            }
            [_, ..] => ColumnMatch::Several(self.places(address).len()),
            [] => numbered(address)
                .and_then(|(name, number)| self.places(name).get(number - 1))
                .map_or(ColumnMatch::Nothing, |place| ColumnMatch::One(*place)),
        }
    }

    /// For each column the shortest text that addresses it and no other.
    pub fn addresses(&self) -> Vec<String> {
        let mut addresses = self.header.clone();
        for (name, places) in self.places.iter().filter(|(_, places)| places.len() > 1) {
            let is_first_named = self.is_rejects || self.has_equal(name);
            let numbered = (1..).zip(places).skip(usize::from(is_first_named));
            for (number, place) in numbered {
                addresses[*place] = format!("{name}#{number}");
            }
        }
        addresses
    }

    /// The places in the header of all columns of this name.
    pub fn places(&self, name: &str) -> &[usize] {
        self.places.get(name).map_or(&[], Vec::as_slice)
    }

    fn has_equal(&self, name: &str) -> bool {
        self.equal_doubles.iter().any(|equal| equal == name)
    }
}

/// The names that several columns of `header` have and under which these hold the same cells in `text`, the records below the
/// header. A last record that may be cut is not looked at.
pub(super) fn equal(header: &[String], text: &[u8], is_all: bool, delimiter: u8) -> Vec<String> {
    let mut doubles = places_by_name(header);
    doubles.retain(|name, places| places.len() > 1 && !name.is_empty());
    if doubles.is_empty() {
        return Vec::new();
    }
    let records = records(text, is_all, delimiter);
    let cell = |record: &csv::ByteRecord, place: usize| {
        record.get(place).unwrap_or_default().trim_ascii().to_vec()
    };
    let are_same = |places: &[usize]| {
        let are_equal = records.iter().all(|record| {
            let first = cell(record, places[0]);
            places.iter().all(|place| cell(record, *place) == first)
        });
        let is_filled = |record: &csv::ByteRecord| !cell(record, places[0]).is_empty();
        are_equal && (records.is_empty() || records.iter().any(is_filled))
    };
    let same = doubles.into_iter().filter(|(_, places)| are_same(places));
    same.map(|(name, _)| name).collect()
}

/// The columns that have each name, in the order of the header.
pub(super) fn places_by_name(header: &[String]) -> HashMap<String, Vec<usize>> {
    let mut places: HashMap<String, Vec<usize>> = HashMap::with_capacity(header.len());
    for (place, name) in header.iter().enumerate() {
        places.entry(name.clone()).or_default().push(place);
    }
    places
}

fn records(text: &[u8], is_all: bool, delimiter: u8) -> Vec<csv::ByteRecord> {
    let reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text);
    let records = reader.into_byte_records().map_while(Result::ok);
    let mut records: Vec<_> = records.take(RECORDS).collect();
    if !is_all && records.len() < RECORDS {
        records.pop();
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::audience::{Audience, AudienceFiles, Escape};

    fn source(csv: &str) -> Source {
        let files = AudienceFiles {
            files: Vec::new(),
            base: std::path::PathBuf::new(),
            format: None,
            delimiter: None,
            encoding: encoding_rs::UTF_8,
            escape: Escape::Unsaid,
            header_row: None,
        };
        let stream = Box::new(std::io::Cursor::new(csv.to_owned()));
        let audience = Audience::from_stream("a.csv".to_owned(), stream, &files).unwrap();
        audience.sources()[0].clone()
    }

    #[test]
    fn a_number_addresses_one_of_several_columns() {
        let source = source("a,b,a,c,c,b#2\n1,2,3,4, 4 ,5\n6,7,6,,,8\n");
        for (address, addressed) in [
            ("a", ColumnMatch::Several(2)),
            ("a#1", ColumnMatch::One(0)),
            ("a#2", ColumnMatch::One(2)),
            ("a#3", ColumnMatch::Nothing),
            ("a#0", ColumnMatch::Nothing),
            ("a#02", ColumnMatch::Nothing),
            ("a#", ColumnMatch::Nothing),
            ("b", ColumnMatch::One(1)),
            ("b#1", ColumnMatch::One(1)),
            ("b#2", ColumnMatch::One(5)),
            ("c", ColumnMatch::FirstOf(3, 2)),
            ("c#2", ColumnMatch::One(4)),
        ] {
            assert_eq!(source.addressed(address), addressed, "{address}");
        }
        assert_eq!(source.addresses(), ["a#1", "b", "a#2", "c", "c#2", "b#2"]);
    }

    #[test]
    fn columns_that_are_blank_are_not_the_same() {
        assert_eq!(source("a,a\n,\n").addressed("a"), ColumnMatch::Several(2));
        assert_eq!(source("a,a\n").addressed("a"), ColumnMatch::FirstOf(0, 2));
    }

    #[test]
    fn a_record_that_is_cut_is_not_compared() {
        let header = ["a".to_owned(), "a".to_owned()];
        assert_eq!(equal(&header, b"xy,xy\nxy,x", false, b','), ["a"]);
        assert!(equal(&header, b"xy,xy\nxy,x", true, b',').is_empty());
    }
}
