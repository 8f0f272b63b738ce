//! The headers of Klaviyo's profile CSV: the one place that knows their spelling.
//!
//! Only the identifiers are seen in texts of others; the rest is inferred, and reports say so.

/// The header that a cell goes under.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the name says it all
pub enum ProfileColumn {
    Email,
    PhoneNumber,
    ExternalID,
    FirstName,
    LastName,
    Organization,
    Title,
    Image,
    Address1,
    Address2,
    City,
    Region,
    Country,
    Zip,
    Latitude,
    Longitude,
    Timezone,
    Locale,
    /// A custom property under this name.
    Custom(String),
}

/// The meaning of a header to Klaviyo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnKind {
    /// Tells which profile the row is: a row needs at least one.
    Identifier,
    /// A field of the profile itself.
    Attribute,
    /// A field of the profile's location.
    Location,
    /// A custom property.
    Property,
}

/// How sure it is that Klaviyo spells the header so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Spelling {
    /// Seen in texts of Klaviyo Labs and of another vendor (facts A3).
    Verified,
    /// Inferred from the verified ones and the API's attribute names; seen nowhere (facts A3).
    Inferred,
    /// Any name will do.
    Own,
}

/// One of Klaviyo's own headers.
pub(super) struct KnownHeader {
    pub(super) column: ProfileColumn,
    pub(super) header: &'static str,
    spelling: Spelling,
    pub(super) kind: ColumnKind,
    /// Folded spellings, beside the header itself, of which a job's author is told the right one.
    pub(super) also: &'static [&'static str],
}

const fn known(
    column: ProfileColumn,
    header: &'static str,
    kind: ColumnKind,
    also: &'static [&'static str],
) -> KnownHeader {
    let spelling = match kind {
        ColumnKind::Identifier => Spelling::Verified,
        _ => Spelling::Inferred,
    };
    KnownHeader {
        column,
        header,
        spelling,
        kind,
        also,
    }
}

/// Klaviyo's own headers (facts A3). No other place spells them.
pub(super) static KNOWN: [KnownHeader; 18] = {
    use ColumnKind::{Attribute, Identifier, Location};
    use ProfileColumn as Column;
    [
        known(Column::Email, "Email", Identifier, &["emailaddress"]),
        known(Column::PhoneNumber, "PhoneNumber", Identifier, &["phone"]),
        known(Column::ExternalID, "ExternalID", Identifier, &[]),
        known(Column::FirstName, "FirstName", Attribute, &[]),
        known(Column::LastName, "LastName", Attribute, &[]),
        known(
            Column::Organization,
            "Organization",
            Attribute,
            &["organisation"],
        ),
        known(Column::Title, "Title", Attribute, &[]),
        known(Column::Image, "Image", Attribute, &[]),
        known(
            Column::Address1,
            "Address1",
            Location,
            &["address", "addressline1"],
        ),
        known(Column::Address2, "Address2", Location, &["addressline2"]),
        known(Column::City, "City", Location, &[]),
        known(Column::Region, "Region", Location, &["stateregion"]),
        known(Column::Country, "Country", Location, &[]),
        known(
            Column::Zip,
            "Zip",
            Location,
            &["zipcode", "postalcode", "postcode"],
        ),
        known(Column::Latitude, "Latitude", Location, &[]),
        known(Column::Longitude, "Longitude", Location, &[]),
        known(Column::Timezone, "Timezone", Location, &[]),
        known(Column::Locale, "Locale", Attribute, &[]),
    ]
};

/// The header of the column that names each row's list, as a sample of Klaviyo Labs writes it (facts A3).
pub const LIST_ID: &str = "List ID";

impl ProfileColumn {
    /// Klaviyo's own columns, identifiers first, in the order of the documentation.
    pub fn known() -> impl Iterator<Item = Self> {
        KNOWN.iter().map(|known| known.column.clone())
    }

    /// The text of the header in the CSV.
    pub fn header(&self) -> &str {
        match self {
            Self::Custom(name) => name,
            _ => self.entry().map_or("", |known| known.header),
        }
    }

    /// The meaning of the column to Klaviyo.
    pub fn kind(&self) -> ColumnKind {
        self.entry()
            .map_or(ColumnKind::Property, |known| known.kind)
    }

    /// How sure the header's spelling is.
    pub fn spelling(&self) -> Spelling {
        self.entry().map_or(Spelling::Own, |known| known.spelling)
    }

    /// Whether a row is found by it.
    pub fn is_identifier(&self) -> bool {
        self.kind() == ColumnKind::Identifier
    }

    fn entry(&self) -> Option<&'static KnownHeader> {
        KNOWN.iter().find(|known| known.column == *self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn klaviyo_s_headers_read_back() {
        for column in ProfileColumn::known() {
            let is_verified = column.spelling() == Spelling::Verified;
            assert_eq!(is_verified, column.is_identifier(), "{column:?}");
            assert_eq!(format!("{column:?}"), column.header());
        }
        assert_eq!(ProfileColumn::known().count(), 18);
        let own = ProfileColumn::Custom("Tier".into());
        assert_eq!(
            (own.header(), own.kind(), own.spelling()),
            ("Tier", ColumnKind::Property, Spelling::Own)
        );
    }
}
