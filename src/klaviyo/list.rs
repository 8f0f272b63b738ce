//! The list stage: profiles that were delivered are put on a Klaviyo list, and the list is kept equal to the audience.
//!
//! ```text
//! delivered parts ──identifiers──▶ attach ──────────▶ mirror ──────────▶ list report
//! (or their rows, with               import jobs,        who is to go,
//!  deliver = "api")                  or by profile id    guard, removal
//! ```
//!
//! Everything that Klaviyo accepted is in the run's [`journal`], so that a killed run goes on where it was. What goes wrong
//! with a single profile goes to `attach-rejects.csv`; the others go on.

mod batch;
mod error;
mod find;
mod identity;
mod import;
pub mod journal;
mod ledger;
mod members;
mod mirror;
mod presence;
mod rejects;
mod removal;
mod resolve;
pub mod rows;
mod standing;
mod tracked;

pub use error::ListError;
pub use find::{check_account, find, find_or_create};
pub use identity::IdentifierForms;
pub use import::import;
pub use ledger::{AttachOutcome, Ledger};
pub use members::attach_members;
pub use mirror::{AudienceRows, MirrorRules, mirror};
pub use rejects::rejected_people;
pub use removal::{Guard, remove_planned, undo};
pub use standing::EmailSample;
pub use tracked::TrackedFile;

use crate::base::interrupt::Interrupt;
use crate::base::meter::Meter;
use crate::klaviyo::Klaviyo;

/// The things that the steps of the stage share.
#[derive(Clone, Copy)]
pub struct Desk<'a> {
    /// The API.
    pub klaviyo: &'a Klaviyo,
    /// Shows how far it is.
    pub meter: &'a Meter,
    /// Ends everything.
    pub interrupt: &'a Interrupt,
    /// The rules by which identifiers of Klaviyo and of the audience are compared.
    pub forms: &'a dyn IdentifierForms,
}
