//! Settings of the pipeline: how values are checked, which of several rows is kept, and where a part ends.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::column_type::ColumnType;
use super::normalize::country::Region;
use super::normalize::nulls::NullWords;
use crate::profile::column::ProfileColumn;
use crate::source::audience::numbered;
use crate::source::day_time::DayTime;
use crate::state::codes::RepairCode;

/// Which of several rows with one key is kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Duplicates {
    /// The first.
    #[default]
    First,
    /// The last.
    Last,
    /// None: a second row with a key stops the run.
    Fail,
}

/// Rule for an identifier that an earlier row of another key has. Klaviyo allows each on one profile only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SharedIdentifiers {
    /// It is blanked in the later row, and counted as a repair.
    #[default]
    Blank,
    /// It is sent as it is, and counted.
    Report,
    /// The later row is rejected.
    Reject,
    /// The run stops, and nothing is sent.
    Fail,
}

/// The effect of an invalid identifier on its row.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum OnInvalid {
    /// The cell is blanked, and counted as a repair.
    #[default]
    Blank,
    /// The row is rejected.
    Reject,
}

/// Rule for an e-mail address with letters beyond ASCII before the @. Klaviyo does not say whether it takes one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum NonAsciiEmail {
    /// It is sent where it is the only identifier of its row, and blanked elsewhere.
    #[default]
    OnlyIdentifier,
    /// It is sent.
    Send,
    /// It is blanked.
    Blank,
}

/// How many rejected rows are too many: either limit reached stops the run.
#[derive(Debug, Clone, Copy, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct MaxRejected {
    /// In percent of the rows read.
    pub percent: f64,
    /// In rows.
    pub rows: u64,
}

impl Default for MaxRejected {
    fn default() -> Self {
        Self {
            percent: 5.0,
            rows: 100_000,
        }
    }
}

/// The rule for columns that `[columns]` does not name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unlisted {
    /// They are not sent.
    #[default]
    Drop,
    /// They are sent under their own names, except those that begin with `_`.
    Keep,
}

/// The identifier that makes two rows the same person's.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum PrimaryKey {
    /// `Email`.
    Email,
    /// `PhoneNumber`.
    PhoneNumber,
    /// `ExternalID`.
    ExternalId,
}

impl PrimaryKey {
    /// The keys in the order in which a row's best identifier is chosen.
    pub const BEST_FIRST: [Self; 3] = [Self::Email, Self::PhoneNumber, Self::ExternalId];

    /// The Klaviyo column that holds it.
    pub const fn column(self) -> ProfileColumn {
        match self {
            Self::Email => ProfileColumn::Email,
            Self::PhoneNumber => ProfileColumn::PhoneNumber,
            Self::ExternalId => ProfileColumn::ExternalID,
        }
    }

    /// The key of this column, if it is an identifier.
    pub fn of(column: &ProfileColumn) -> Option<Self> {
        Self::of_header(column.header()).filter(|_| column.is_identifier())
    }

    /// The key of the column with this header, if it is an identifier.
    pub fn of_header(header: &str) -> Option<Self> {
        let mut keys = Self::BEST_FIRST.into_iter();
        keys.find(|key| key.column().header() == header)
    }

    /// The code of such an identifier that an earlier row of another key has.
    pub const fn shared_code(self) -> RepairCode {
        match self {
            Self::Email => RepairCode::SharedEmail,
            Self::PhoneNumber => RepairCode::SharedPhone,
            Self::ExternalId => RepairCode::SharedExternalId,
        }
    }

    /// The name as a job file writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::PhoneNumber => "phone_number",
            Self::ExternalId => "external_id",
        }
    }
}

/// How values are checked and mended.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Region of phone numbers that do not begin with `+`.
    pub default_region: Option<Region>,
    /// The effect of an invalid e-mail address.
    pub invalid_email: OnInvalid,
    /// The effect of an invalid phone number.
    pub invalid_phone: OnInvalid,
    /// The effect of an e-mail address with letters beyond ASCII before the @.
    pub non_ascii_email: NonAsciiEmail,
    /// Texts that stand for a missing value.
    pub nulls: Arc<NullWords>,
    /// The time of day of dates in typed columns.
    pub day_time: DayTime,
    /// The identifier by which duplicates are found.
    pub primary_key: PrimaryKey,
}

/// Where a part ends.
#[derive(Debug, Clone, Copy)]
pub struct PartLimits {
    /// Header included.
    pub max_bytes: u64,
    /// Without the header.
    pub max_rows: u64,
}

/// The columns of a job: which are sent, under which headers, and what becomes of the others.
#[derive(Debug, Clone)]
pub struct ColumnSettings {
    /// Source column and Klaviyo headers, in the job's order.
    pub listed: IndexMap<String, Vec<String>>,
    /// Source column and the type of its cells, for columns that have one.
    pub types: HashMap<String, ColumnType>,
    /// The rule for columns that are not named.
    pub unlisted: Unlisted,
    /// Source column with each row's country.
    pub country: Option<String>,
    /// Headers that look like consent and are meant.
    pub allow_consent: Vec<String>,
    /// False: identifiers only, whatever else is mapped.
    pub update_contacts: bool,
    /// The list that a `List ID` column at the end of every row names; `None`: no such column.
    pub list_id: Option<String>,
    /// A custom property that is `true` of every row that is sent.
    pub sent_property: Option<String>,
}

impl ColumnSettings {
    /// Whether the source column `name` has a part in what is sent.
    pub fn reads(&self, name: &str) -> bool {
        let is_meant =
            |address: &str| address == name || numbered(address).is_some_and(|it| it.0 == name);
        self.unlisted == Unlisted::Keep
            || self.country.as_deref().is_some_and(is_meant)
            || self.listed.keys().any(|source| is_meant(source))
    }

    /// The source columns that the job names and that hold no identifier: records may lack them.
    pub fn attributes(&self) -> impl Iterator<Item = &str> + Clone {
        let is_identifier = |header: &String| PrimaryKey::of_header(header).is_some();
        let listed = self.listed.iter();
        let attributes = listed.filter(move |(_, headers)| !headers.iter().any(is_identifier));
        let names = attributes.map(|(source, _)| source);
        names.chain(&self.country).map(String::as_str)
    }

    /// The type of the cells of a listed column.
    pub fn kind(&self, source: &str) -> Option<&ColumnType> {
        self.types.get(source)
    }

    /// Whether the job names the source column `name`.
    pub fn lists(&self, name: &str) -> bool {
        self.listed.contains_key(name)
    }
}
