//! Which source column goes under which Klaviyo header.
//!
//! [`Mapping::new`] takes the job's columns and the headers of all sources and settles everything that can be refused
//! before the first row is read. Identifiers come first, then the job's order, so the same job gives the same columns.

mod cells;
mod choice;
mod fit;
pub mod guess;
mod names;
mod others;
mod qualifiers;
mod sample;
mod spellings;

use std::collections::{HashMap, HashSet};

use crate::pipeline::column_type::ColumnType;
use crate::pipeline::settings::{ColumnSettings, PrimaryKey, Unlisted};
use crate::profile::column::{LIST_ID, ProfileColumn};
use crate::profile::target::{ColumnError, RESERVED_HEADERS};
use crate::source::audience::{
    ColumnMatch, RejectColumns, Source, SourceFormat, SourceId, numbered,
};

/// The reason for which a mapping cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum MappingError {
    /// A header that Klaviyo would misread.
    #[error("column `{column}`")]
    Header {
        /// The source column.
        column: String,
        /// The fault of its header.
        source: ColumnError,
    },
    /// Two source columns under one header.
    #[error(
        "columns `{first}` and `{second}` are both mapped to `{header}`; remove one of them or give it another header"
    )]
    DuplicateHeader {
        /// The header.
        header: String,
        /// A source column.
        first: String,
        /// Another.
        second: String,
    },
    /// No column is mapped to an identifier.
    #[error(
        "no column is mapped to Email, PhoneNumber or ExternalID; Klaviyo needs at least one of them"
    )]
    NoIdentifier,
    /// No column could be guessed to be an identifier.
    #[error(
        "{file}: no column looks like Email, PhoneNumber or ExternalID; name one with --map SRC=Email{}",
        likely.as_ref().map(|name| format!(" (`{name}` holds e-mail addresses)")).unwrap_or_default()
    )]
    NoneGuessed {
        /// The source's name.
        file: String,
        /// A column that holds e-mail addresses all the same.
        likely: Option<String>,
    },
    /// A column that a source has not.
    #[error("{file}: has no column `{column}`{}", suggestion.as_deref().unwrap_or_default())]
    MissingColumn {
        /// The source's name.
        file: String,
        /// The column that the job names.
        column: String,
        /// The columns that the source has.
        suggestion: Option<String>,
    },
    /// A column that a source has more than once.
    #[error(
        "{file}: {count} columns are named `{column}`; write `{column}#1` for the first of them, `{column}#2` for the second"
    )]
    AmbiguousColumn {
        /// The source's name.
        file: String,
        /// The column that the job names.
        column: String,
        /// The header that it is mapped to; none of a country column.
        header: Option<String>,
        /// How often it is there.
        count: usize,
    },
}

impl MappingError {
    /// True where the audience is at fault, not the settings.
    pub const fn is_of_the_audience(&self) -> bool {
        matches!(
            self,
            Self::MissingColumn { .. } | Self::AmbiguousColumn { .. }
        )
    }
}

/// One column of the parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappedColumn {
    /// The source column's name.
    pub source: String,
    /// Its meaning for Klaviyo.
    pub target: ProfileColumn,
    /// The type that the job gives to its cells.
    pub kind: Option<ColumnType>,
}

/// Where the cells of one source stand.
#[derive(Debug, Clone)]
pub struct SourcePlan {
    /// For each column of the mapping, the index in this source's header; `None` where an NDJSON source has no such key.
    pub cells: Vec<Option<usize>>,
    /// For each column of the mapping, how many from it on stand side by side in this source, in the same order, and are
    /// copied as they are: no identifiers, no typed columns, and not of a source without a text for each record.
    pub runs: Vec<usize>,
    /// The index of the country column.
    pub country: Option<usize>,
    /// For each column of the rejects file, the index in this source's header.
    pub reject_cells: Vec<Option<usize>>,
    /// The columns of a `rejects.csv` that is given back.
    pub given_back: Option<RejectColumns>,
}

/// The columns of the parts, and where each source has them.
#[derive(Debug, Clone)]
pub struct Mapping {
    /// Identifiers first, then the job's order.
    pub columns: Vec<MappedColumn>,
    /// The source columns of `rejects.csv`, in the order in which the sources first show them.
    pub rejects_header: Vec<String>,
    /// Warnings for a person before anything is sent.
    pub warnings: Vec<String>,
    /// Columns at the end of every row that have the same value in each, which needs no quotes: header and value.
    pub constants: Vec<Constant>,
    plans: Vec<SourcePlan>,
}

/// A column that has the same value in every row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    /// Its header.
    pub header: String,
    /// Its value, which needs no quotes.
    pub value: String,
}

fn constants(settings: &ColumnSettings) -> Vec<Constant> {
    let sent = settings.sent_property.as_ref().map(|header| Constant {
        header: header.clone(),
        value: "true".to_owned(),
    });
    let list = settings.list_id.as_ref().map(|id| Constant {
        header: LIST_ID.to_owned(),
        value: id.clone(),
    });
    sent.into_iter().chain(list).collect()
}

impl Mapping {
    /// Settles the columns of a job over `sources`.
    pub fn new(settings: &ColumnSettings, sources: &[Source]) -> Result<Self, MappingError> {
        let mut warnings = Vec::new();
        let mut columns = listed_columns(settings, &mut warnings)?;
        if settings.unlisted == Unlisted::Keep {
            add_unlisted(settings, sources, &mut columns, &mut warnings)?;
        }
        refuse_duplicates(&columns)?;
        if !settings.update_contacts {
            columns.retain(|column| column.target.is_identifier());
        }
        columns.sort_by_key(|column| identifier_rank(&column.target));
        if !columns.iter().any(|column| column.target.is_identifier()) {
            return Err(MappingError::NoIdentifier);
        }
        let rejects_header = rejects_header(sources);
        let plans = sources
            .iter()
            .map(|source| plan(source, &columns, settings, &rejects_header, &mut warnings))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            columns,
            rejects_header,
            warnings,
            constants: constants(settings),
            plans,
        })
    }

    /// Where the cells of `source` stand.
    pub fn plan(&self, source: SourceId) -> Option<&SourcePlan> {
        self.plans.get(source.0 as usize)
    }

    /// The identifiers that are mapped, in the order of a row's cells.
    pub fn identifier_kinds(&self) -> Vec<PrimaryKey> {
        let columns = self.columns.iter().take(self.identifiers());
        columns
            .filter_map(|column| PrimaryKey::of(&column.target))
            .collect()
    }

    /// How many of the columns, all at the beginning, are identifiers.
    pub fn identifiers(&self) -> usize {
        self.columns
            .iter()
            .take_while(|column| column.target.is_identifier())
            .count()
    }
}

fn identifier_rank(target: &ProfileColumn) -> u8 {
    match target {
        ProfileColumn::Email => 0,
        ProfileColumn::PhoneNumber => 1,
        ProfileColumn::ExternalID => 2,
        _ => 3,
    }
}

fn listed_columns(
    settings: &ColumnSettings,
    warnings: &mut Vec<String>,
) -> Result<Vec<MappedColumn>, MappingError> {
    let mut columns = Vec::new();
    for (source, headers) in &settings.listed {
        for header in headers {
            columns.push(mapped(source, header, settings, warnings)?);
        }
    }
    Ok(columns)
}

fn mapped(
    source: &str,
    header: &str,
    settings: &ColumnSettings,
    warnings: &mut Vec<String>,
) -> Result<MappedColumn, MappingError> {
    let (target, warning) =
        ProfileColumn::parse(header, &settings.allow_consent).map_err(|error| {
            MappingError::Header {
                column: source.to_owned(),
                source: error,
            }
        })?;
    if let Some(warning) = warning {
        warnings.push(format!("column `{source}`: {warning}"));
    }
    Ok(MappedColumn {
        source: source.to_owned(),
        target,
        kind: settings.kind(source).cloned(),
    })
}

fn add_unlisted(
    settings: &ColumnSettings,
    sources: &[Source],
    columns: &mut Vec<MappedColumn>,
    warnings: &mut Vec<String>,
) -> Result<(), MappingError> {
    let bases: HashSet<&str> = settings
        .listed
        .keys()
        .filter_map(|source| Some(numbered(source)?.0))
        .collect();
    let mut added: HashSet<String> = HashSet::new();
    for source in sources {
        for (name, address) in source.header.iter().zip(source.addresses()) {
            let is_known = |name: &String| settings.lists(name) || added.contains(name);
            if is_known(name) || is_known(&address) || name.starts_with('_') || name.is_empty() {
                continue;
            }
            // Of several columns with one name those that are left are addressed, once one of them is.
            let own = if bases.contains(name.as_str()) {
                &address
            } else {
                name
            };
            let mut column = mapped(name, name, settings, warnings)?;
            column.source.clone_from(own);
            added.insert(own.clone());
            columns.push(column);
        }
    }
    Ok(())
}

fn refuse_duplicates(columns: &[MappedColumn]) -> Result<(), MappingError> {
    let mut firsts: HashMap<&ProfileColumn, &MappedColumn> = HashMap::new();
    for column in columns {
        if let Some(first) = firsts.insert(&column.target, column) {
            return Err(MappingError::DuplicateHeader {
                header: column.target.header().to_owned(),
                first: first.source.clone(),
                second: column.source.clone(),
            });
        }
    }
    Ok(())
}

/// A header's own columns (not those of a rejects file), each with how many of its name stand before it.
fn own_columns(header: &[String]) -> impl Iterator<Item = (&String, usize)> {
    let mut seen: HashMap<&String, usize> = HashMap::new();
    let own = header.iter();
    own.filter(|name| !RESERVED_HEADERS.contains(&name.as_str()))
        .map(move |name| {
            let count = seen.entry(name).or_default();
            *count += 1;
            (name, *count - 1)
        })
}

/// Every column that some source has; a name as often as the source that has it most often.
fn rejects_header(sources: &[Source]) -> Vec<String> {
    let mut header: Vec<String> = Vec::new();
    let mut known: HashMap<&String, usize> = HashMap::new();
    for source in sources {
        for (name, before) in own_columns(&source.header) {
            let count = known.entry(name).or_default();
            if *count <= before {
                *count += 1;
                header.push(name.clone());
            }
        }
    }
    header
}

fn plan(
    source: &Source,
    columns: &[MappedColumn],
    settings: &ColumnSettings,
    rejects_header: &[String],
    warnings: &mut Vec<String>,
) -> Result<SourcePlan, MappingError> {
    let cells: Vec<_> = columns
        .iter()
        .map(|column| {
            let optional = source.is_empty()
                || may_lack_columns(source) && !column.target.is_identifier()
                || settings.unlisted == Unlisted::Keep && !settings.lists(&column.source);
            let header = Some(column.target.header());
            find(source, &column.source, header, optional, warnings)
        })
        .collect::<Result<_, _>>()?;
    let country = match &settings.country {
        None => None,
        Some(name) => find(
            source,
            name,
            None,
            source.is_empty() || may_lack_columns(source),
            warnings,
        )?,
    };
    let reject_cells = own_columns(rejects_header)
        .map(|(name, before)| source.places(name).get(before).copied())
        .collect();
    Ok(SourcePlan {
        runs: runs(source, columns, &cells),
        cells,
        country,
        reject_cells,
        given_back: RejectColumns::of(source),
    })
}

/// See [`SourcePlan::runs`].
fn runs(source: &Source, columns: &[MappedColumn], cells: &[Option<usize>]) -> Vec<usize> {
    let mut runs = vec![0; cells.len()];
    if source.format != SourceFormat::Csv || source.is_rejects {
        return runs;
    }
    for index in (0..cells.len()).rev() {
        if columns[index].target.is_identifier() || columns[index].kind.is_some() {
            continue;
        }
        let next = cells[index].map(|cell| cell + 1);
        let follows = next.is_some() && cells.get(index + 1) == Some(&next);
        runs[index] = 1 + if follows { runs[index + 1] } else { 0 };
    }
    runs
}

/// NDJSON has no header: its first rows may lack a key that later ones have, and then their rejects lack it too.
fn may_lack_columns(source: &Source) -> bool {
    source.format == SourceFormat::Ndjson || source.is_rejects
}

fn find(
    source: &Source,
    column: &str,
    header: Option<&str>,
    optional: bool,
    warnings: &mut Vec<String>,
) -> Result<Option<usize>, MappingError> {
    match source.addressed(column) {
        ColumnMatch::One(index) => {
            if index >= source.found_columns {
                warnings.push(absent(source, column));
            }
            Ok(Some(index))
        }
        ColumnMatch::FirstOf(index, count) => {
            warnings.push(format!(
                "{}: {count} columns are named `{column}` and have the same values in the first rows; the first is sent",
                source.name
            ));
            Ok(Some(index))
        }
        ColumnMatch::Several(count) => Err(MappingError::AmbiguousColumn {
            file: source.name.clone(),
            column: column.to_owned(),
            header: header.map(str::to_owned),
            count,
        }),
        ColumnMatch::Nothing if optional => {
            if may_lack_columns(source) {
                warnings.push(absent(source, column));
            }
            Ok(None)
        }
        ColumnMatch::Nothing => Err(MappingError::MissingColumn {
            file: source.name.clone(),
            column: column.to_owned(),
            suggestion: Some(suggestion(column, &source.header)),
        }),
    }
}

fn absent(source: &Source, column: &str) -> String {
    format!(
        "{}: none of its first rows has `{column}`; check the name",
        source.name
    )
}

/// The columns that the source has: the nearest name, or all of them where none is near.
fn suggestion(column: &str, header: &[String]) -> String {
    let key = |name: &str| name.to_lowercase();
    let near = header
        .iter()
        .map(|name| (strsim::jaro_winkler(&key(column), &key(name)), name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    match near {
        Some((likeness, name)) if likeness > 0.8 => format!("; did you mean `{name}`?"),
        _ => format!(
            "; it has {}",
            header
                .iter()
                .map(|name| format!("`{name}`"))
                .collect::<Vec<_>>()
                .join(", ")
        ),
    }
}
