//! Codes of rejections and repairs: the closed lists that reports carry.
//!
//! A bad row is no error: it is counted under a [`RejectionReason`] and written to `rejects.csv`. A cell that was
//! changed beyond trimming is counted under a [`RepairCode`] and written to `repairs.csv`.

use serde::{Deserialize, Serialize};

/// The reason for which a row is in no part. The codes are fixed: other programs read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectionReason {
    /// No valid e-mail, phone number or external id is left.
    NoIdentifier,
    /// The e-mail is invalid and the job says `invalid-email = "reject"`.
    InvalidEmail,
    /// The phone number is invalid and the job says `invalid-phone = "reject"`.
    InvalidPhone,
    /// Not as many cells as the header has.
    RaggedRow,
    /// Bytes that are not valid in the file's encoding, or a NUL.
    InvalidEncoding,
    /// Longer than one megabyte.
    RecordTooLong,
    /// More than 100 kB as a profile.
    ProfileTooLarge,
    /// A mapped column holds a nested object.
    NestedValue,
    /// An earlier row of another key has an identifier of it, and no other is left or the job says `reject`.
    SharedIdentifier,
}

impl RejectionReason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 9] = [
        Self::NoIdentifier,
        Self::InvalidEmail,
        Self::InvalidPhone,
        Self::RaggedRow,
        Self::InvalidEncoding,
        Self::RecordTooLong,
        Self::ProfileTooLarge,
        Self::NestedValue,
        Self::SharedIdentifier,
    ];

    /// The code as reports and `rejects.csv` write it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoIdentifier => "no-identifier",
            Self::InvalidEmail => "invalid-email",
            Self::InvalidPhone => "invalid-phone",
            Self::RaggedRow => "ragged-row",
            Self::InvalidEncoding => "invalid-encoding",
            Self::RecordTooLong => "record-too-long",
            Self::ProfileTooLarge => "profile-too-large",
            Self::NestedValue => "nested-value",
            Self::SharedIdentifier => "shared-identifier",
        }
    }
}

/// The change of a cell. The codes are fixed: other programs read them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RepairCode {
    /// An invalid e-mail was blanked.
    InvalidEmail,
    /// An invalid phone number was blanked.
    InvalidPhone,
    /// A line break inside a cell became a space.
    LineBreak,
    /// A control character inside a cell became a space.
    ControlCharacter,
    /// An identifier in scientific notation was blanked: its digits are cut, so that two people may share it.
    ScientificNotation,
    /// A spreadsheet's guard was taken off a value: the apostrophe of `'0012`, or the formula around it of `="0012"`.
    Apostrophe,
    /// Of several phone numbers in a cell the first valid one was taken.
    SeveralPhones,
    /// An e-mail that an earlier row of another key has was blanked.
    SharedEmail,
    /// A phone number that an earlier row of another key has was blanked.
    SharedPhone,
    /// An external id that an earlier row of another key has was blanked.
    SharedExternalId,
    /// A typed value that no text stands for was left out.
    Unrepresentable,
    /// A value that is not of the type which the job gives to its column was blanked.
    WrongType,
    /// A cell held a null word of the job, and is sent empty.
    NullValue,
    /// An e-mail address was taken out of its cell, or written in ASCII: `Ann <ann@example.com>`, `ann@müller.example`.
    RewrittenEmail,
    /// Of several e-mail addresses in a cell the first valid one was taken.
    SeveralEmails,
    /// An e-mail address with letters beyond ASCII before the @ was blanked.
    NonAsciiEmail,
    /// The `.0` behind the whole number of an external id was taken off: pandas writes it in columns with a missing value.
    DecimalZero,
    /// Characters that take no room, or non-breaking spaces, were removed from inside an external id.
    InvisibleCharacter,
}

impl RepairCode {
    /// Every code, in the order of the documentation.
    pub const ALL: [Self; 18] = [
        Self::InvalidEmail,
        Self::InvalidPhone,
        Self::LineBreak,
        Self::ControlCharacter,
        Self::ScientificNotation,
        Self::Apostrophe,
        Self::SeveralPhones,
        Self::SharedEmail,
        Self::SharedPhone,
        Self::SharedExternalId,
        Self::Unrepresentable,
        Self::WrongType,
        Self::NullValue,
        Self::RewrittenEmail,
        Self::SeveralEmails,
        Self::NonAsciiEmail,
        Self::DecimalZero,
        Self::InvisibleCharacter,
    ];

    /// Whether the value was removed: the cell is sent empty.
    pub const fn blanks(self) -> bool {
        match self {
            Self::InvalidEmail
            | Self::InvalidPhone
            | Self::ScientificNotation
            | Self::SharedEmail
            | Self::SharedPhone
            | Self::SharedExternalId
            | Self::Unrepresentable
            | Self::WrongType
            | Self::NullValue
            | Self::NonAsciiEmail => true,
            Self::LineBreak
            | Self::ControlCharacter
            | Self::Apostrophe
            | Self::SeveralPhones
            | Self::RewrittenEmail
            | Self::SeveralEmails
            | Self::DecimalZero
            | Self::InvisibleCharacter => false,
        }
    }

    /// Whether `repairs.csv` names each cell. Null words are counted alone: an export may be full of them.
    pub fn is_listed(self) -> bool {
        self != Self::NullValue
    }

    /// The code as reports and `repairs.csv` write it.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidEmail => "invalid-email",
            Self::InvalidPhone => "invalid-phone",
            Self::LineBreak => "line-break",
            Self::ControlCharacter => "control-character",
            Self::ScientificNotation => "scientific-notation",
            Self::Apostrophe => "apostrophe",
            Self::SeveralPhones => "several-phones",
            Self::SharedEmail => "shared-email",
            Self::SharedPhone => "shared-phone",
            Self::SharedExternalId => "shared-external-id",
            Self::Unrepresentable => "unrepresentable",
            Self::WrongType => "wrong-type",
            Self::NullValue => "null-value",
            Self::RewrittenEmail => "rewritten-email",
            Self::SeveralEmails => "several-emails",
            Self::NonAsciiEmail => "non-ascii-email",
            Self::DecimalZero => "decimal-zero",
            Self::InvisibleCharacter => "invisible-character",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_of_an_empty_cell_is_told_from_one_of_a_cleaned_cell() {
        let cleaned: Vec<_> = RepairCode::ALL
            .into_iter()
            .filter(|code| !code.blanks())
            .map(RepairCode::code)
            .collect();
        assert_eq!(
            cleaned,
            [
                "line-break",
                "control-character",
                "apostrophe",
                "several-phones",
                "rewritten-email",
                "several-emails",
                "decimal-zero",
                "invisible-character"
            ]
        );
    }
}
