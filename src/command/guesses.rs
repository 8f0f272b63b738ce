//! Columns of files without a job file: guessed from the header and the first rows, and changed by `--map`.

use indexmap::IndexMap;

use crate::cli::command_line::quoted;
use crate::cli::console::printable;
use crate::job::file::Headers;
use crate::pipeline::mapping::guess::{Guess, Sample, Unmapped, address_column, guess};
use crate::profile::column::ProfileColumn;
use crate::run::error::Error;
use crate::source::audience::Audience;

/// The guesses for the columns of an audience's first source.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// The names of the columns.
    pub(super) header: Vec<String>,
    /// The guess for each.
    pub(super) fates: Vec<Guess>,
    sample: Sample,
}

impl Guesses {
    /// Guesses the columns of the first source, whose first records are read once more later.
    pub(super) fn of(audience: &mut Audience) -> Self {
        let block = audience.first_block();
        let Some(source) = audience.sources().first() else {
            return Self::default();
        };
        let sample = block.map(|block| Sample::of(source, &block));
        Self::new(source.header.clone(), sample.unwrap_or_default())
    }

    fn new(header: Vec<String>, sample: Sample) -> Self {
        Self {
            fates: guess(&header, &sample),
            header,
            sample,
        }
    }

    /// The same without the names that several columns have: these cannot be mapped, and another column may get the header.
    #[must_use]
    pub(super) fn without_doubles(self) -> Self {
        let usable = |name: &String| {
            if self.header.iter().filter(|other| *other == name).count() > 1 {
                String::new()
            } else {
                name.clone()
            }
        };
        let header = self.header.iter().map(usable).collect();
        Self::new(header, self.sample)
    }

    /// The column that holds e-mail addresses, where none is Email by its name, nor one of two.
    pub(super) fn address_column(&self) -> Option<&str> {
        let is_email = |guess: &Guess| {
            matches!(
                guess,
                Guess::Mapped(ProfileColumn::Email)
                    | Guess::Unmapped(Unmapped::Tied {
                        column: ProfileColumn::Email,
                        ..
                    })
            )
        };
        if self.fates.iter().any(is_email) {
            return None;
        }
        let position = address_column(&self.header, &self.sample)?;
        self.header.get(position).map(String::as_str)
    }

    /// The guessed columns, with what `--map` says in their stead.
    pub(super) fn columns(&self, maps: &[String]) -> Result<IndexMap<String, Headers>, Error> {
        let mut columns: IndexMap<String, Vec<String>> = IndexMap::new();
        for (source, guess) in self.header.iter().zip(&self.fates) {
            if let Guess::Mapped(target) = guess {
                columns.insert(source.clone(), vec![target.header().to_owned()]);
            }
        }
        let mut named: Vec<&str> = Vec::new();
        for map in maps {
            let (source, target) = map
                .split_once('=')
                .ok_or_else(|| Error::Usage(format!("--map {map}: write it like SRC=HEADER")))?;
            columns.retain(|_, headers| {
                headers.len() > 1 || headers.iter().all(|header| header != target)
            });
            if !named.contains(&source) {
                columns.shift_remove(source);
                named.push(source);
            }
            if !target.is_empty() {
                columns
                    .entry(source.to_owned())
                    .or_default()
                    .push(target.to_owned());
            }
        }
        let position = |source: &String| {
            let mut header = self.header.iter();
            header.position(|name| name == source).unwrap_or(usize::MAX)
        };
        columns.sort_by(|a, _, b, _| position(a).cmp(&position(b)));
        Ok(columns
            .into_iter()
            .map(|(source, headers)| (source, Headers::Several(headers)))
            .collect())
    }

    /// Notes on columns that are not sent for a reason that their names do not show.
    pub(super) fn notes(
        &self,
        columns: &IndexMap<String, Headers>,
        maps: &[String],
    ) -> Vec<String> {
        let is_settled = |name: &String| {
            let mut named = maps.iter().filter_map(|map| Some(map.split_once('=')?.0));
            columns.contains_key(name) || named.any(|source| source == name)
        };
        let is_given = |column: &ProfileColumn| {
            let mut headers = columns.values().flat_map(Headers::names);
            headers.any(|header| header == column.header())
        };
        let mut tied: Vec<&ProfileColumn> = Vec::new();
        let mut notes = Vec::new();
        for (name, guess) in self.header.iter().zip(&self.fates) {
            let shown = printable(name);
            match guess {
                _ if is_settled(name) => {}
                Guess::Unmapped(Unmapped::Tied { column, .. })
                    if tied.contains(&column) || is_given(column) => {}
                Guess::Unmapped(Unmapped::Tied { column, with }) => {
                    tied.push(column);
                    let other = self.header.get(*with).map_or("", String::as_str);
                    let header = column.header();
                    notes.push(format!(
                        "note: `{shown}` and `{}` may each be {header}, so neither is sent: choose one with --map {}",
                        printable(other),
                        printable(&quoted(&format!("{name}={header}"))),
                    ));
                }
                Guess::Unmapped(reason) if reason.is_told() => {
                    notes.push(format!("note: `{shown}` is not sent: {reason}"));
                }
                _ => {}
            }
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guesses(names: &[&str]) -> Guesses {
        let header = names.iter().map(|name| (*name).to_owned()).collect();
        Guesses::new(header, Sample::default())
    }

    fn maps(maps: &[&str]) -> Vec<String> {
        maps.iter().map(|map| (*map).to_owned()).collect()
    }

    #[test]
    fn map_flags_win_over_guesses() {
        let columns = guesses(&["mail", "phone", "tier", "alt"])
            .columns(&maps(&["alt=Email", "tier=Loyalty Tier", "phone="]))
            .unwrap();
        let pairs: Vec<_> = columns
            .iter()
            .map(|(source, headers)| format!("{source}={headers:?}"))
            .collect();
        assert_eq!(
            pairs,
            [
                "tier=Several([\"Loyalty Tier\"])",
                "alt=Several([\"Email\"])"
            ]
        );
        let error = guesses(&[]).columns(&maps(&["x"])).unwrap_err().to_string();
        assert!(error.contains("SRC=HEADER"), "{error}");
    }

    #[test]
    fn two_columns_for_one_header_are_told_once_and_until_a_flag_chooses() {
        let guesses = guesses(&["E-Mail", "Email Address", "Name"]);
        for (flags, expected) in [
            (
                &[][..],
                &[
                    "note: `E-Mail` and `Email Address` may each be Email, so neither is sent: choose one with --map 'E-Mail=Email'",
                    "note: `Name` is not sent: a whole name; Klaviyo has FirstName and LastName",
                ][..],
            ),
            (&["Email Address=Email", "Name="], &[]),
        ] {
            let flags = maps(flags);
            let columns = guesses.columns(&flags).unwrap();
            assert_eq!(guesses.notes(&columns, &flags), expected);
        }
    }
}
