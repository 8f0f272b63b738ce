//! Columns of files without a job file: guessed from the header and the first rows, and changed by `--map`.

use std::collections::{HashMap, HashSet};

use indexmap::IndexMap;

use crate::cli::command_line::quoted;
use crate::cli::console::printable;
use crate::job::file::{Headers, Names, TypedHeaders};
use crate::pipeline::column_type::ColumnType;
use crate::pipeline::mapping::guess::{Guess, Sample, UnmappedReason, address_column, guess};
use crate::profile::column::ProfileColumn;
use crate::run::error::Error;
use crate::source::audience::{Audience, ColumnMatch};

/// The guesses for the columns of an audience's first source.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// How the columns are addressed: by their names, and numbers where names are not enough.
    pub(super) header: Vec<String>,
    /// The guess for each.
    pub(super) fates: Vec<Guess>,
    /// The names that are guessed by; the later ones of columns with the same name and the same values have none.
    names: Vec<String>,
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
        let header = source.addresses();
        let names =
            header
                .iter()
                .zip(&source.header)
                .map(|(address, name)| match source.addressed(name) {
                    ColumnMatch::FirstOf(..) if address != name => String::new(),
                    _ => name.clone(),
                });
        Self::new(header.clone(), names.collect(), sample.unwrap_or_default())
    }

    fn new(header: Vec<String>, names: Vec<String>, sample: Sample) -> Self {
        Self {
            fates: guess(&names, &sample),
            header,
            names,
            sample,
        }
    }

    /// The same without the names that several columns with different values have: a person must choose one of them, and
    /// another column may get the header.
    #[must_use]
    pub(super) fn without_doubles(self) -> Self {
        let doubles = self.doubles();
        let usable = |name: &String| {
            if doubles.contains(name.as_str()) {
                String::new()
            } else {
                name.clone()
            }
        };
        let names = self.names.iter().map(usable).collect();
        Self::new(self.header, names, self.sample)
    }

    /// The names that several columns with different values have.
    fn doubles(&self) -> HashSet<&str> {
        let mut seen = HashSet::new();
        let names = self.names.iter().map(String::as_str);
        names.filter(|name| !seen.insert(*name)).collect()
    }

    /// The column that holds e-mail addresses, where none is Email by its name, nor one of two.
    pub(super) fn address_column(&self) -> Option<&str> {
        let is_email = |guess: &Guess| {
            matches!(
                guess,
                Guess::Mapped(ProfileColumn::Email)
                    | Guess::Unmapped(UnmappedReason::Tied {
                        column: ProfileColumn::Email,
                        ..
                    })
            )
        };
        if self.fates.iter().any(is_email) {
            return None;
        }
        let position = address_column(&self.names, &self.sample)?;
        self.header.get(position).map(String::as_str)
    }

    /// The guessed columns, with what `--map` says in their stead.
    pub(super) fn columns(&self, maps: &[String]) -> Result<IndexMap<String, Headers>, Error> {
        let mut columns: IndexMap<String, Vec<String>> = IndexMap::new();
        // A name that several columns with different values have is refused by the mapping, which can say so.
        let doubles = self.doubles();
        let sources = self.header.iter().zip(&self.names);
        for ((address, name), guess) in sources.zip(&self.fates) {
            if let Guess::Mapped(target) = guess {
                let source = if doubles.contains(name.as_str()) {
                    name
                } else {
                    address
                };
                columns.insert(source.clone(), vec![target.header().to_owned()]);
            }
        }
        let mut kinds: IndexMap<&str, &str> = IndexMap::new();
        let mut named: Vec<&str> = Vec::new();
        for map in maps {
            let (source, target) = map
                .split_once('=')
                .ok_or_else(|| Error::Usage(format!("--map {map}: write it like SRC=HEADER")))?;
            let (target, kind) = typed(map, target)?;
            kinds.extend(kind.map(|kind| (source, kind)));
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
        let header = self.header.iter().rev();
        let positions: HashMap<&String, usize> = header.zip((0..self.header.len()).rev()).collect();
        columns
            .sort_by_cached_key(|source, _| positions.get(source).copied().unwrap_or(usize::MAX));
        let headers = columns.into_iter().map(|(source, headers)| {
            let headers = match kinds.get(&*source) {
                Some(kind) => Headers::Typed(TypedHeaders {
                    to: Names::Several(headers),
                    kind: (*kind).to_owned(),
                }),
                None => Headers::Several(headers),
            };
            (source, headers)
        });
        Ok(headers.collect())
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
                Guess::Unmapped(UnmappedReason::Tied { column, .. })
                    if tied.contains(&column) || is_given(column) => {}
                Guess::Unmapped(UnmappedReason::Tied { column, with }) => {
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

/// The header and the type of a flag's target. A type that is mistyped would become the name of a custom property.
fn typed<'a>(map: &str, target: &'a str) -> Result<(&'a str, Option<&'a str>), Error> {
    let (header, kind) = ColumnType::split(target);
    match ColumnType::mistyped(target).filter(|_| kind.is_none()) {
        Some((end, meant)) => Err(Error::Usage(format!(
            "--map {map}: unknown type `{end}`; did you mean `{meant}`?"
        ))),
        None => Ok((header, kind)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guesses(names: &[&str]) -> Guesses {
        let header: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        Guesses::new(header.clone(), header, Sample::default())
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
