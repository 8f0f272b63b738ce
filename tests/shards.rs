//! Many processes, one audience: each file is sent by one of them, and the list is done once for all.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of tests may panic as well, and say what they saw"
)]

#[path = "support/api_client.rs"]
mod api_client;
#[path = "shards/begins.rs"]
mod begins;
#[path = "shards/examples.rs"]
mod examples;
#[path = "shards/gathers.rs"]
mod gathers;
#[path = "shards/night.rs"]
mod night;
#[path = "support/list_stage.rs"]
mod stage;
#[path = "support/workspace.rs"]
mod workspace;
