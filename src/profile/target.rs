//! The check of a header that a job names as a target.
//!
//! Klaviyo takes a misspelt header for a custom property without a word (facts A3), and a file without a well-spelt
//! identifier helps no one. So what looks like a misspelt identifier is an error, another near miss a warning.

use strsim::osa_distance;

use crate::profile::column::{ColumnKind, KNOWN, KnownHeader, ProfileColumn};
use crate::profile::consent::looks_like_consent;
use crate::profile::words::fold;

/// A target header longer than this is taken for a mistake. Klaviyo documents no limit; the bound is ours.
pub const MAX_HEADER_CHARACTERS: usize = 255;

/// The columns that `rejects.csv` adds, which an audience made from it still has.
pub const RESERVED_HEADERS: [&str; 5] = ["_reason", "_detail", "_source", "_record", "_digest"];

/// The reason for which a header is refused as a target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ColumnError {
    /// Nothing, or white space.
    #[error("a column has an empty header")]
    Empty,
    /// Line breaks, tabs and the like.
    #[error("header {0:?} holds a line break or a control character")]
    Control(String),
    /// A blank that nobody sees makes another property.
    #[error("header {0:?} begins or ends with a space")]
    Blank(String),
    /// The header itself is not shown, for it may be a whole file with a stray quote.
    #[error("a header of {0} characters is longer than {MAX_HEADER_CHARACTERS}")]
    TooLong(usize),
    /// One of [`RESERVED_HEADERS`].
    #[error("header {0:?} is a column of rejects.csv and cannot be a property")]
    Reserved(String),
    /// Klaviyo's own header for the list of a row.
    #[error("header {0:?} would add every row to a list: use [list] with attach = \"column\"")]
    ListId(String),
    /// Would become a custom property, and the file would lack the identifier.
    #[error("header {header:?} is not how Klaviyo spells it: write {expected:?}")]
    MisspeltIdentifier {
        /// As the job has it.
        header: String,
        /// As Klaviyo has it.
        expected: &'static str,
    },
    /// Might change who may be written to.
    #[error(
        "header {0:?} looks like consent: to send it anyway, name it in allow-consent or --allow-consent"
    )]
    Consent(String),
}

/// A header that is taken as it stands although another one may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnWarning {
    /// As the job has it.
    pub header: String,
    /// As Klaviyo has it.
    pub expected: &'static str,
}

impl std::fmt::Display for ColumnWarning {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { header, expected } = self;
        write!(
            out,
            "header {header:?} becomes a custom property; Klaviyo's own header is {expected:?}"
        )
    }
}

impl ProfileColumn {
    /// Reads a header that a job names as a target.
    ///
    /// `allow_consent` holds the headers that look like consent and are meant.
    pub fn parse(
        header: &str,
        allow_consent: &[String],
    ) -> Result<(Self, Option<ColumnWarning>), ColumnError> {
        if let Some(known) = KNOWN.iter().find(|known| known.header == header) {
            return Ok((known.column.clone(), None));
        }
        check_shape(header)?;
        let near = near_miss(header);
        if let Some((known, Nearness::Misspelt)) = near
            && known.kind == ColumnKind::Identifier
        {
            return Err(ColumnError::MisspeltIdentifier {
                header: header.to_owned(),
                expected: known.header,
            });
        }
        let is_allowed = allow_consent.iter().any(|allowed| allowed == header);
        if !is_allowed && looks_like_consent(header) {
            return Err(ColumnError::Consent(header.to_owned()));
        }
        let warning = near.map(|(known, _)| ColumnWarning {
            header: header.to_owned(),
            expected: known.header,
        });
        Ok((Self::Custom(header.to_owned()), warning))
    }
}

/// Refuses what can be no header, whatever it means.
fn check_shape(header: &str) -> Result<(), ColumnError> {
    let characters = header.chars().count();
    if header.trim().is_empty() {
        Err(ColumnError::Empty)
    } else if characters > MAX_HEADER_CHARACTERS {
        Err(ColumnError::TooLong(characters))
    } else if header
        .chars()
        .any(|c| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'))
    {
        Err(ColumnError::Control(header.to_owned()))
    } else if header.trim() != header {
        Err(ColumnError::Blank(header.to_owned()))
    } else if RESERVED_HEADERS.contains(&header) {
        Err(ColumnError::Reserved(header.to_owned()))
    } else if fold(header) == "listid" {
        Err(ColumnError::ListId(header.to_owned()))
    } else {
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Nearness {
    /// The same letters in another guise, or one slip of the keyboard.
    Misspelt,
    /// Another usual name of the same thing, which may also be meant as it stands.
    Synonym,
}

/// The known header that this one may have been meant for.
fn near_miss(header: &str) -> Option<(&'static KnownHeader, Nearness)> {
    let folded = fold(header);
    let misspelt = KNOWN
        .iter()
        .find(|known| is_misspelt(&folded, known))
        .map(|known| (known, Nearness::Misspelt));
    misspelt.or_else(|| {
        KNOWN
            .iter()
            .find(|known| known.also.contains(&folded.as_str()))
            .map(|known| (known, Nearness::Synonym))
    })
}

/// One slip is forgiven in identifiers and in words of eight letters, never in the first letter nor in a digit:
/// "Email 2" and "County" are other things.
fn is_misspelt(folded: &str, known: &KnownHeader) -> bool {
    let right = known.header.to_ascii_lowercase();
    let may_slip = known.kind == ColumnKind::Identifier || right.len() >= 8;
    let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
    folded == right
        || may_slip
            && folded.chars().next() == right.chars().next()
            && digits(folded) == digits(&right)
            && osa_distance(folded, &right) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(header: &str) -> Result<(ProfileColumn, Option<ColumnWarning>), ColumnError> {
        ProfileColumn::parse(header, &["Adult Consent".to_owned()])
    }

    #[test]
    fn klaviyo_s_headers_are_taken_as_they_are() {
        for column in ProfileColumn::known() {
            assert_eq!(parse(column.header()), Ok((column.clone(), None)));
        }
    }

    #[test]
    fn near_misses_of_identifiers_are_errors() {
        for (headers, right) in [
            (
                "email,EMAIL,E-mail,e_mail,$email,Emial,Emai,Emails,Émail",
                "Email",
            ),
            (
                "Phone Number,phone_number,phonenumber,Phone Numbers,PhoneNubmer",
                "PhoneNumber",
            ),
            (
                "external_id,External ID,Externalid,ExternalId,External IDs,Exteral ID",
                "ExternalID",
            ),
        ] {
            for header in headers.split(',') {
                let error = parse(header).unwrap_err();
                let expected = ColumnError::MisspeltIdentifier {
                    header: header.to_owned(),
                    expected: right,
                };
                assert_eq!(error, expected, "{header}");
                assert!(error.to_string().ends_with(&format!("write {right:?}")));
            }
        }
    }

    #[test]
    fn other_near_misses_are_warned_of() {
        for (header, right) in [
            ("first_name", "FirstName"),
            ("Firstname", "FirstName"),
            ("Fristname", "FirstName"),
            ("LAST NAME", "LastName"),
            ("Organisation", "Organization"),
            ("city", "City"),
            ("zip", "Zip"),
            ("zip code", "Zip"),
            ("PostalCode", "Zip"),
            ("Address 1", "Address1"),
            ("Address", "Address1"),
            ("time_zone", "Timezone"),
            ("Lattitude", "Latitude"),
            ("Phone", "PhoneNumber"),
            ("Email Address", "Email"),
        ] {
            let (column, warning) = parse(header).unwrap();
            let warning = warning.unwrap();
            assert_eq!(column, ProfileColumn::Custom(header.into()));
            assert_eq!(warning.expected, right, "{header}");
            assert!(warning.to_string().contains(&format!("{right:?}")));
        }
    }

    #[test]
    fn other_headers_are_custom_properties() {
        let headers = "Loyalty Tier,Email Domain,Phone Type,Email 2,Email2,Phone Number 2,PhoneNumber2,Gmail,Mail,\
             Female,Internal ID,External,Mobile,County,Local,Tile,Address3,Altitude,Reason,State,Company,Adoption,\
             Option,Top Tint,_private,$source,Größe,名前,ID";
        for header in headers.split(',') {
            let own = ProfileColumn::Custom(header.to_owned());
            assert_eq!(parse(header), Ok((own, None)), "{header}");
        }
    }

    #[test]
    fn what_can_be_no_target_is_refused() {
        let long = "x".repeat(256);
        for (header, text) in [
            ("", "a column has an empty header"),
            (" \u{a0}", "a column has an empty header"),
            (
                "Tier\n2",
                r#"header "Tier\n2" holds a line break or a control character"#,
            ),
            (" Email", r#"header " Email" begins or ends with a space"#),
            (&long, "a header of 256 characters is longer than 255"),
            (
                "_reason",
                r#"header "_reason" is a column of rejects.csv and cannot be a property"#,
            ),
            (
                "List ID",
                r#"header "List ID" would add every row to a list: use [list] with attach = "column""#,
            ),
            (
                "SMS Consent",
                r#"header "SMS Consent" looks like consent: to send it anyway, name it in allow-consent or --allow-consent"#,
            ),
        ] {
            assert_eq!(
                parse(header).map_err(|error| error.to_string()),
                Err(text.to_owned())
            );
        }
        assert!(parse(&"é".repeat(255)).is_ok());
        assert!(parse("Adult Consent").is_ok());
    }
}
