//! The codes of rejections and repairs in words.

use crate::state::codes::{RejectionReason, RepairCode};

/// The reason of a rejection in words.
pub(super) const fn rejection(reason: RejectionReason) -> &'static str {
    match reason {
        RejectionReason::NoIdentifier => "no valid e-mail address, phone number or external id",
        RejectionReason::InvalidEmail => "the e-mail address is not valid",
        RejectionReason::InvalidPhone => "the phone number is not valid",
        RejectionReason::RaggedRow => "more or fewer cells than the header",
        RejectionReason::InvalidEncoding => "bytes that are no text in the encoding of the file",
        RejectionReason::RecordTooLong => "longer than one megabyte",
        RejectionReason::ProfileTooLarge => "larger than a profile may be (100 kB)",
        RejectionReason::NestedValue => "an object where a single value belongs",
        RejectionReason::SharedIdentifier => "shares an identifier with an earlier row",
    }
}

/// A change of a cell in words.
pub(super) const fn repair(code: RepairCode) -> &'static str {
    match code {
        RepairCode::InvalidEmail => "an e-mail address that is not valid",
        RepairCode::InvalidPhone => "a phone number that is not valid",
        RepairCode::LineBreak => "a line break became a space",
        RepairCode::ControlCharacter => "a control character became a space",
        RepairCode::ScientificNotation => "a number such as 4.9E+11, whose digits are cut",
        RepairCode::Apostrophe => "the apostrophe or formula of a spreadsheet was taken off",
        RepairCode::SeveralPhones => "the first valid one of several phone numbers was taken",
        RepairCode::SharedEmail => "an e-mail address that an earlier row has",
        RepairCode::SharedPhone => "a phone number that an earlier row has",
        RepairCode::SharedExternalId => "an external id that an earlier row has",
        RepairCode::Unrepresentable => "a value that cannot be written as text",
        RepairCode::WrongType => "a value that is not of the type of its column",
        RepairCode::NullValue => "a word that stands for no value",
        RepairCode::RewrittenEmail => {
            "an e-mail address was taken out of its cell, or written in ASCII"
        }
        RepairCode::SeveralEmails => "the first valid one of several e-mail addresses was taken",
        RepairCode::NonAsciiEmail => "an e-mail address with letters beyond ASCII before the @",
        RepairCode::DecimalZero => "the .0 behind an external id was taken off",
        RepairCode::InvisibleCharacter => "invisible characters were taken out of an external id",
    }
}
