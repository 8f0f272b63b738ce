//! Remarks on rows that neither a rejection nor a repair explains: the cause of blanked cells, and rows of totals.
//!
//! A run and a preview collect the same remarks and word them alike. A remark has a count and the first records; it never
//! holds a value.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

/// How many records a message names.
const EXAMPLES: usize = 3;

/// How many records at the end of a source may be rows of totals: tools write a line or two below them.
pub const TRAILING_RECORDS: u64 = 3;

/// Subject of a remark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RowNote {
    /// An identifier in scientific notation.
    ScientificNotation,
    /// A phone cell that is a number with decimals.
    Decimal,
    /// A phone cell that is a date.
    Date,
    /// A phone cell with words that do not belong to a phone number.
    Words,
    /// A number without `+` that was read as an international one.
    OwnCallingCode,
    /// A row of totals at the end of a source.
    TotalRow,
    /// A cell that may hold rows which a stray quote swallowed.
    Swallowed,
    /// A row of a `rejects.csv` that is given back as it was.
    AsItWas,
    /// An e-mail address with letters beyond ASCII before the @, which is sent.
    NonAsciiEmail,
    /// A country cell that is not read, of a row whose phone number has no `+`.
    UnreadCountry,
    /// A phone number without `+`, of which neither a country nor a region is known.
    NoCountry,
}

/// One record that a remark is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedRecord {
    /// The name of its source.
    pub source: String,
    /// Its number, from 1.
    pub record: u64,
}

/// The records that one remark is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotedRecords {
    /// How many cells or rows.
    pub count: u64,
    /// The first of them; all of them for rows of totals.
    pub examples: Vec<NotedRecord>,
}

/// All remarks on an audience.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RowNotes {
    found: BTreeMap<RowNote, NotedRecords>,
}

impl RowNotes {
    /// Whether there are no remarks.
    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Adds a remark on one record.
    pub fn add(&mut self, note: RowNote, source: &str, record: u64) {
        let noted = self.found.entry(note).or_default();
        noted.count += 1;
        // Rows of totals may turn out to be in the middle of their source, and must be found again then.
        if noted.examples.len() < EXAMPLES || note == RowNote::TotalRow {
            noted.examples.push(NotedRecord {
                source: source.to_owned(),
                record,
            });
        }
    }

    /// Drops the rows of totals of `source` that are not at its end, now that it is known to reach up to record `last`.
    pub fn extend_source(&mut self, source: &str, last: u64) {
        let Some(totals) = self.found.get_mut(&RowNote::TotalRow) else {
            return;
        };
        totals
            .examples
            .retain(|row| row.source != source || row.record + TRAILING_RECORDS > last);
        totals.count = totals.examples.len() as u64;
        if totals.count == 0 {
            self.found.remove(&RowNote::TotalRow);
        }
    }

    /// Adds the remarks on other rows.
    pub fn merge(&mut self, other: &Self) {
        for (note, noted) in &other.found {
            let own = self.found.entry(*note).or_default();
            own.count += noted.count;
            own.examples.extend(noted.examples.iter().cloned());
            if *note != RowNote::TotalRow {
                own.examples.truncate(EXAMPLES);
            }
        }
    }

    /// How many cells or rows a remark is about.
    pub fn count(&self, note: RowNote) -> u64 {
        self.found.get(&note).map_or(0, |noted| noted.count)
    }

    /// The remarks as messages.
    pub fn messages(&self) -> impl Iterator<Item = String> {
        self.found.iter().map(|(note, noted)| note.message(noted))
    }
}

impl RowNote {
    fn message(self, noted: &NotedRecords) -> String {
        let places = noted.places();
        let count = noted.count;
        let (cells, look, hold, them) = if count == 1 {
            ("cell", "looks", "holds", "its")
        } else {
            ("cells", "look", "hold", "their")
        };
        match self {
            Self::Swallowed => format!(
                "{count} {cells} {hold} a line break, the delimiter and an e-mail address; if a quote is missing there, the next rows are inside the cell ({places})"
            ),
            Self::AsItWas => format!(
                "{count} {} rejected again, because you did not change {}; change what is wrong in a row of rejects.csv, or empty its `_reason` ({places})",
                if count == 1 { "row was" } else { "rows were" },
                it_or_them(count)
            ),
            Self::ScientificNotation => format!(
                "{count} {cells} {look} like 4.9E+11: Excel has cut {them} digits; format the column as text and export again ({places})"
            ),
            Self::Decimal => format!(
                "{count} phone {cells} {hold} a number with a decimal point, like 4915.5, and {} not sent; check that the right column is mapped ({places})",
                is_or_are(count)
            ),
            Self::Date => format!(
                "{count} phone {cells} {look} like a date, and {} not sent; check that the right column is mapped, and that all rows have the same number of cells ({places})",
                is_or_are(count)
            ),
            Self::Words => format!(
                "{count} phone {cells} {hold} words that are not a label of a phone, and {} not sent; repairs.csv or rejects.csv shows {} ({places})",
                is_or_are(count),
                it_or_them(count)
            ),
            Self::OwnCallingCode => format!(
                "{count} phone {} without + {} with the calling code of {} own country, as 49151… in Germany, and {} read as +49151…; write the + ({places})",
                if count == 1 { "number" } else { "numbers" },
                if count == 1 { "begins" } else { "begin" },
                them,
                if count == 1 { "is" } else { "are" },
            ),
            Self::NonAsciiEmail => format!(
                "{count} e-mail {} letters beyond ASCII before the @ and {} sent; nobody knows whether Klaviyo takes {}, and non-ascii-email = \"blank\" under [normalize] leaves {} out ({places})",
                if count == 1 {
                    "address has"
                } else {
                    "addresses have"
                },
                if count == 1 { "is" } else { "are" },
                it_or_them(count),
                it_or_them(count)
            ),
            Self::UnreadCountry => format!(
                "{count} phone {} without + {} of a country whose name is not read; write a code such as DE into the country column ({places})",
                if count == 1 { "number" } else { "numbers" },
                if count == 1 { "is" } else { "are" },
            ),
            Self::NoCountry => format!(
                "{count} phone {} without + {} not sent, because nothing tells {} country; give default-region (such as --default-region US) or country-column ({places})",
                if count == 1 { "number" } else { "numbers" },
                is_or_are(count),
                them,
            ),
            Self::TotalRow => {
                let (rows, are) = if count == 1 {
                    ("row at the end looks", "a row of totals")
                } else {
                    ("rows at the end look", "rows of totals")
                };
                format!(
                    "{count} {rows} like {are} (Summe, Total), not like a person; delete {} from the source ({places})",
                    it_or_them(count)
                )
            }
        }
    }
}

fn is_or_are(count: u64) -> &'static str {
    if count == 1 { "is" } else { "are" }
}

fn it_or_them(count: u64) -> &'static str {
    if count == 1 { "it" } else { "them" }
}

impl NotedRecords {
    /// `a.csv record 2, 5, 9, ...`
    fn places(&self) -> String {
        let mut text = String::new();
        let mut source = None;
        for example in self.examples.iter().take(EXAMPLES) {
            if source == Some(&example.source) {
                // Writing to a String cannot fail.
                let _ = write!(text, ", {}", example.record);
                continue;
            }
            let separator = if text.is_empty() { "" } else { "; " };
            let _ = write!(
                text,
                "{separator}{} record {}",
                example.source, example.record
            );
            source = Some(&example.source);
        }
        if self.count > EXAMPLES as u64 {
            text.push_str(", ...");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(notes: &RowNotes) -> Vec<String> {
        notes.messages().collect()
    }

    #[test]
    fn a_message_has_count_cause_remedy_and_records() {
        let mut notes = RowNotes::default();
        for record in [2, 5, 9, 11] {
            notes.add(RowNote::ScientificNotation, "a.csv", record);
        }
        notes.add(RowNote::Date, "b.csv", 7);
        assert_eq!(
            messages(&notes),
            [
                "4 cells look like 4.9E+11: Excel has cut their digits; format the column as text and export again (a.csv record 2, 5, 9, ...)",
                "1 phone cell looks like a date, and is not sent; check that the right column is mapped, and that all rows have the same number of cells (b.csv record 7)",
            ]
        );
    }

    #[test]
    fn a_row_of_totals_counts_at_the_end_of_its_source_only() {
        let mut notes = RowNotes::default();
        notes.add(RowNote::TotalRow, "a.csv", 10);
        notes.extend_source("a.csv", 12);
        notes.extend_source("b.csv", 100);
        assert_eq!(
            messages(&notes),
            [
                "1 row at the end looks like a row of totals (Summe, Total), not like a person; delete it from the source (a.csv record 10)"
            ]
        );
        notes.extend_source("a.csv", 13);
        assert!(notes.is_empty());
    }

    #[test]
    fn remarks_of_several_processes_are_added() {
        let mut notes = RowNotes::default();
        notes.add(RowNote::Words, "a.csv", 1);
        let mut other = RowNotes::default();
        for record in 1..=5 {
            other.add(RowNote::Words, "b.csv", record);
        }
        notes.merge(&other);
        let [message] = &messages(&notes)[..] else {
            panic!("one message: {:?}", messages(&notes));
        };
        assert!(message.starts_with("6 phone cells hold words"), "{message}");
        assert!(
            message.ends_with("(a.csv record 1; b.csv record 1, 2, ...)"),
            "{message}"
        );
    }
}
