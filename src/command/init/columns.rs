//! The fate of each column in the job file that `init` makes: sent under a header, or left out for a reason.

use std::collections::HashSet;

use indexmap::IndexMap;

use super::draft::{ColumnFate, DraftColumn, property_name};
use crate::cli::InitArgs;
use crate::command::guesses::Guesses;
use crate::job::PrimaryKey;
use crate::job::file::{Headers, JobFile};
use crate::pipeline::mapping::MappingError;
use crate::pipeline::mapping::guess::{Guess, UnmappedReason};
use crate::profile::column::ProfileColumn;
use crate::run::error::Error;
use crate::source::audience::{ColumnMatch, Source};

/// The column that becomes Email by its values, where none does by its name or a flag.
pub(super) fn address_column(guesses: &Guesses, maps: &[String]) -> Result<Option<String>, Error> {
    let mapped = guesses.columns(maps)?;
    let email = ProfileColumn::Email;
    let mut headers = mapped.values().flat_map(Headers::names);
    if headers.any(|header| header == email.header()) {
        return Ok(None);
    }
    // A flag has its say about it.
    let mut named = maps.iter().filter_map(|map| Some(map.split_once('=')?.0));
    let column = guesses.address_column();
    Ok(column
        .filter(|column| !named.any(|source| source == *column))
        .map(str::to_owned))
}

/// The fate of each column; those that are sent, and the country, are put into `file`.
pub(super) fn decide(
    source: &Source,
    guesses: &Guesses,
    args: &InitArgs,
    maps: &[String],
    file: &mut JobFile,
) -> Result<Vec<DraftColumn>, Error> {
    let header = &guesses.header;
    let mut mapped = guesses.columns(maps)?;
    let named: Vec<&str> = maps
        .iter()
        .filter_map(|map| Some(map.split_once('=')?.0))
        .collect();
    let mut columns: Vec<DraftColumn> = Vec::new();
    let mut seen: HashSet<&String> = HashSet::new();
    for ((name, own), guess) in header.iter().zip(&source.header).zip(&guesses.fates) {
        if !seen.insert(name) {
            continue;
        }
        let fate = match (
            mapped.get(name).map(|headers| headers.names().to_vec()),
            guess,
        ) {
            (Some(headers), _) => ColumnFate::Sent(headers),
            (None, _) if name.is_empty() => ColumnFate::Nameless,
            (None, _) if named.contains(&name.as_str()) => ColumnFate::LeftOut,
            (None, _) if name != own => match source.addressed(own) {
                ColumnMatch::FirstOf(..) => ColumnFate::SameAsFirst,
                _ => ColumnFate::Ambiguous,
            },
            (None, Guess::Unmapped(UnmappedReason::Consent))
                if !args.audience.allow_consent.contains(name) =>
            {
                ColumnFate::Unmapped(UnmappedReason::Consent)
            }
            (None, guess) => match property_name(name).filter(|_| args.audience.keep_unlisted) {
                Some(header) => ColumnFate::Sent(vec![header]),
                None => ColumnFate::Unmapped(match guess {
                    Guess::Unmapped(reason) => reason.clone(),
                    Guess::Mapped(_) => UnmappedReason::NoMatch,
                }),
            },
        };
        let kind = mapped.get(name).and_then(Headers::kind).map(str::to_owned);
        if let ColumnFate::Sent(headers) = &fate
            && !mapped.contains_key(name)
        {
            mapped.insert(name.clone(), Headers::Several(headers.clone()));
        }
        columns.push(DraftColumn {
            source: name.clone(),
            fate,
            kind,
            type_name: None,
        });
    }
    // What a flag names and the file has not is kept, so that it is refused with the right name.
    for (source, headers) in &mapped {
        if !seen.contains(source) {
            let fate = ColumnFate::Sent(headers.names().to_vec());
            columns.push(DraftColumn {
                source: source.clone(),
                fate,
                kind: headers.kind().map(str::to_owned),
                type_name: None,
            });
        }
    }
    if file.normalize.country_column.is_none() {
        file.normalize.country_column = country(&columns);
    }
    file.columns = mapped;
    Ok(columns)
}

/// The column that tells a row's country.
fn country(columns: &[DraftColumn]) -> Option<String> {
    let is_country = |column: &&DraftColumn| match &column.fate {
        ColumnFate::Sent(headers) => headers
            .iter()
            .any(|header| header == ProfileColumn::Country.header()),
        _ => false,
    };
    columns
        .iter()
        .find(is_country)
        .map(|column| column.source.clone())
}

/// The error of an identifier that one of several columns with its name may be.
pub(super) fn ambiguous_identifier(
    mapped: &IndexMap<String, Headers>,
    source: &Source,
) -> Option<MappingError> {
    mapped.iter().find_map(|(column, headers)| {
        let mut names = headers.names().iter();
        let header = names.find(|name| PrimaryKey::of_header(name).is_some())?;
        match source.addressed(column) {
            ColumnMatch::Several(count) => Some(MappingError::AmbiguousColumn {
                file: source.name.clone(),
                column: column.clone(),
                header: Some(header.clone()),
                count,
            }),
            _ => None,
        }
    })
}
