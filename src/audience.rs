//! The first stage: audience files become blocks of whole records.
