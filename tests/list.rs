//! Attach, mirror, undo and delivery by the API: the sandbox's account holds what the audience says, whatever goes wrong.
//!
//! Every call is held against Klaviyo's OpenAPI where `KLAVIYO_OPENAPI` names it, and against the limits in its prose.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of tests may panic as well, and say what they measured"
)]

#[path = "support/api_client.rs"]
mod api_client;
#[path = "list/api_only.rs"]
mod api_only;
#[path = "list/guards.rs"]
mod guards;
#[path = "list/kills.rs"]
mod kills;
#[path = "list/looks.rs"]
mod looks;
#[path = "list/members.rs"]
mod members;
#[path = "list/messages.rs"]
mod messages;
#[path = "list/pace.rs"]
mod pace;
#[path = "support/random.rs"]
mod random;
#[path = "list/rejects.rs"]
mod rejects;
#[path = "list/secrets.rs"]
mod secrets;
#[path = "support/list_stage.rs"]
mod stage;
#[path = "support/workspace.rs"]
mod workspace;
