//! The preview as a person reads it: the mapping, the rows with one line a column, the counts, the warnings.
//!
//! A row has a column of the table and a header a line of it, so that a dozen headers fit a terminal of 80 columns; rows
//! that do not fit beside each other follow below.

use std::fmt::Write;

use super::findings::{Finding, HeaderOrigin, Preview, RepairLook, SourceLook, places};
use crate::cli::console::printable;
use crate::cli::table::{Side, aligned, cut, folded, width};
use crate::run::report::{count, grouped};

/// Names of columns are cut beyond this.
const NAME_COLUMNS: usize = 28;
/// Values are cut beyond this; JSON has them whole.
const VALUE_COLUMNS: usize = 24;
/// Blanks before each column of a table.
const GAP: usize = 2;
/// Beyond so many sources only the first ones are named.
const LISTED_SOURCES: usize = 5;

impl Preview {
    /// The preview as text for a terminal of `columns` columns.
    pub fn to_text(&self, columns: usize) -> String {
        let mut text = String::new();
        // Writing to a String cannot fail.
        let _ = self.write_text(&mut text, columns);
        text
    }

    fn write_text(&self, out: &mut String, columns: usize) -> std::fmt::Result {
        self.write_sources(out)?;
        self.write_mapping(out)?;
        self.write_rows(out, columns)?;
        self.write_counts(out)?;
        self.write_warnings(out, columns)?;
        if !self.notes.is_empty() {
            writeln!(out)?;
        }
        for note in &self.notes {
            out.push_str(&folded(&format!("note: {}", printable(note)), columns, 6));
        }
        if let Some(next) = &self.next {
            writeln!(out, "\nnext: {}", printable(next))?;
        }
        Ok(())
    }

    fn write_sources(&self, out: &mut String) -> std::fmt::Result {
        for source in self.sources.iter().take(LISTED_SOURCES) {
            writeln!(out, "{}", described(source))?;
        }
        if self.sources.len() > LISTED_SOURCES {
            let more = self.sources.len() - LISTED_SOURCES;
            writeln!(out, "and {}", count(more as u64, "more file"))?;
        }
        Ok(())
    }

    fn write_mapping(&self, out: &mut String) -> std::fmt::Result {
        let guessed = self
            .columns
            .iter()
            .any(|column| column.origin == HeaderOrigin::Guessed);
        let head = if guessed {
            "columns (change one with --map SRC=HEADER):"
        } else {
            "columns:"
        };
        writeln!(out, "\n{head}")?;
        let rows: Vec<Vec<String>> = self
            .columns
            .iter()
            .map(|column| {
                let origin = match column.origin {
                    HeaderOrigin::Guessed => ", guessed",
                    HeaderOrigin::Flag => ", by --map",
                    HeaderOrigin::Kept => ", kept",
                    HeaderOrigin::Job => "",
                };
                vec![
                    name(&column.source),
                    "->".to_owned(),
                    name(&column.header),
                    match &column.cell_type {
                        Some(cell_type) => format!("{}, {cell_type}{origin}", column.kind),
                        None => format!("{}{origin}", column.kind),
                    },
                ]
            })
            .collect();
        out.push_str(&aligned(&rows, &[]));
        if self.left_out.is_empty() {
            return Ok(());
        }
        writeln!(out, "not sent:")?;
        let rows: Vec<_> = self
            .left_out
            .iter()
            .map(|column| vec![name(&column.source), printable(&column.reason).into_owned()])
            .collect();
        out.push_str(&aligned(&rows, &[]));
        Ok(())
    }

    fn write_rows(&self, out: &mut String, columns: usize) -> std::fmt::Result {
        if self.rows.is_empty() {
            return Ok(());
        }
        let masked = if self.masked {
            ", masked (--show-values shows them)"
        } else {
            ""
        };
        writeln!(
            out,
            "\nfirst {} as sent{masked}:",
            count(self.rows.len() as u64, "row")
        )?;
        let headers: Vec<String> = self
            .columns
            .iter()
            .map(|column| name(&column.header))
            .collect();
        let table: Vec<Vec<String>> = self
            .rows
            .iter()
            .map(|row| {
                let values = row.cells.values().map(|value| cut(value, VALUE_COLUMNS));
                std::iter::once(format!("record {}", grouped(row.place.record)))
                    .chain(values)
                    .collect()
            })
            .collect();
        let first: Vec<String> = std::iter::once(String::new()).chain(headers).collect();
        for band in bands(&first, &table, columns) {
            let lines = (0..first.len()).map(|line| {
                let values = band
                    .iter()
                    .map(|row| row.get(line).cloned().unwrap_or_default());
                std::iter::once(first[line].clone()).chain(values).collect()
            });
            out.push_str(&aligned(&lines.collect::<Vec<Vec<String>>>(), &[]));
            out.push('\n');
        }
        out.pop();
        Ok(())
    }

    fn write_counts(&self, out: &mut String) -> std::fmt::Result {
        if self.whole {
            writeln!(out, "\nlooked at all {}:", count(self.rows_read, "row"))?;
        } else {
            writeln!(
                out,
                "\nlooked at the first {} (--limit all looks at every row):",
                count(self.rows_read, "row")
            )?;
        }
        let mut rows = vec![counted(
            "to send",
            self.rows_to_send,
            String::new(),
            String::new(),
        )];
        for rejection in &self.rejections {
            rows.push(found(
                "rejected",
                &rejection.finding,
                rejection.code.code().to_owned(),
                self,
            ));
        }
        if self.rows_blank.count > 0 {
            let what = "no rows: every cell is empty".to_owned();
            rows.push(found("blank", &self.rows_blank, what, self));
        }
        if self.duplicates.count > 0 {
            rows.push(found("duplicate", &self.duplicates, String::new(), self));
        }
        for repair in &self.repairs {
            let what = format!("{} in {}", repair.code.code(), name(&repair.column));
            let label = if repair.code.blanks() {
                "blanked"
            } else {
                "cleaned"
            };
            if repair.details.is_empty() {
                rows.push(found(label, &repair.finding, what, self));
                continue;
            }
            for detail in &repair.details {
                let form = cut(&printable(&detail.form), VALUE_COLUMNS);
                let what = if detail.detail == repair.code.code() {
                    format!("{what}, like {form}")
                } else {
                    format!("{what}: {}, like {form}", detail.detail)
                };
                rows.push(found(label, &detail.finding, what, self));
            }
        }
        // Those that are blanked are among the repairs.
        let is_repaired = |shared: &RepairLook| {
            let mut repairs = self.repairs.iter();
            repairs.any(|it| it.code == shared.code && it.column == shared.column)
        };
        for shared in self.shared_identifiers.iter().filter(|it| !is_repaired(it)) {
            let what = format!("{} in {}", shared.code.code(), name(&shared.column));
            rows.push(found("shared", &shared.finding, what, self));
        }
        out.push_str(&aligned(&rows, &[Side::Left, Side::Right]));
        Ok(())
    }

    fn write_warnings(&self, out: &mut String, columns: usize) -> std::fmt::Result {
        if self.warnings.is_empty() {
            return Ok(());
        }
        writeln!(out, "\nwhat Klaviyo may misread:")?;
        for warning in &self.warnings {
            writeln!(
                out,
                "  {}: {} in {} ({})",
                name(&warning.header),
                warning.code.code().replace('-', " "),
                count(warning.finding.count, "value"),
                self.places(&warning.finding)
            )?;
            out.push_str(&folded(&format!("    {}", warning.meaning), columns, 4));
        }
        Ok(())
    }

    fn places(&self, finding: &Finding) -> String {
        places(finding, self.sources.len() > 1)
    }
}

fn counted(label: &str, number: u64, what: String, places: String) -> Vec<String> {
    vec![label.to_owned(), grouped(number), what, places]
}

fn found(label: &str, finding: &Finding, what: String, preview: &Preview) -> Vec<String> {
    counted(label, finding.count, what, preview.places(finding))
}

/// The name of a column as a line shows it.
fn name(name: &str) -> String {
    cut(&printable(name), NAME_COLUMNS)
}

fn described(source: &SourceLook) -> String {
    let text = |format: &str| format!("{format}, {}, ", source.encoding);
    let format = match (source.format, source.delimiter.as_deref()) {
        ("query", _) => String::new(),
        ("parquet", _) => "Parquet, ".to_owned(),
        ("ndjson", _) => text("NDJSON"),
        ("tsv", Some("\t")) => text("TSV"),
        (_, Some(",") | None) => text("CSV"),
        (_, Some("\t")) => text("CSV with tabs"),
        (_, Some(delimiter)) => text(&format!("CSV with {delimiter}")),
    };
    let columns = count(source.columns as u64, "column");
    format!("{}: {format}{columns}", printable(&source.name))
}

/// As many rows beside each other as fit `columns`, and at least one.
fn bands<'a>(first: &[String], rows: &'a [Vec<String>], columns: usize) -> Vec<&'a [Vec<String>]> {
    let width_of = |texts: &[String]| GAP + texts.iter().map(|text| width(text)).max().unwrap_or(0);
    let head = width_of(first);
    let mut bands = Vec::new();
    let (mut start, mut taken) = (0, head);
    for (index, row) in rows.iter().enumerate() {
        let wanted = width_of(row);
        if taken + wanted > columns && index > start {
            bands.push(&rows[start..index]);
            (start, taken) = (index, head);
        }
        taken += wanted;
    }
    if start < rows.len() {
        bands.push(&rows[start..]);
    }
    bands
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_folded_at_blanks() {
        assert_eq!(folded("note: one two", 20, 6), "note: one two\n");
        assert_eq!(
            folded("note: one two three four", 12, 6),
            "note: one\n      two\n      three\n      four\n"
        );
        assert_eq!(folded("a verylongword b", 5, 1), "a\n verylongword\n b\n");
    }
}
