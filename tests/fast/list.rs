//! Attach, mirror, undo and delivery by the API: the sandbox's account holds what the audience says, whatever goes wrong.
//!
//! Every call is held against Klaviyo's OpenAPI where `KLAVIYO_OPENAPI` names it, and against the limits in its prose.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of tests may panic as well, and say what they measured"
)]

use crate::support::list_stage as stage;
use crate::support::random;
use crate::support::workspace;
mod api_only;
mod guards;
mod kills;
mod looks;
mod members;
mod messages;
mod no_email;
mod pace;
mod rejects;
mod secrets;
mod stored;
mod vanished;
