//! The cause of an invalid e-mail address in one word, as `repairs.csv` and a preview have it.

use super::email::EmailFault;

impl EmailFault {
    /// The cause in one word.
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoAt => "no-at-sign",
            Self::SecondAt => "several-at-signs",
            Self::TooLong => "too-long",
            Self::WhiteSpace => "white-space",
            Self::NotAscii => "not-ascii",
            Self::NoLocalPart => "nothing-before-at-sign",
            Self::LocalPartTooLong => "name-too-long",
            Self::LocalPartEdgeDot => "dot-at-end-of-name",
            Self::LocalPartTwoDots => "two-dots",
            Self::LocalPartCharacter => "character-in-name",
            Self::NoDomain => "nothing-after-at-sign",
            Self::NoTopLevelDomain => "no-dot-in-domain",
            Self::EmptyLabel => "empty-part-of-domain",
            Self::LabelTooLong => "part-of-domain-too-long",
            Self::LabelEdgeHyphen => "hyphen-in-domain",
            Self::DomainCharacter => "character-in-domain",
            Self::TopLevelDomain => "no-top-level-domain",
        }
    }
}
