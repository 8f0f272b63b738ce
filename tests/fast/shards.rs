//! Many processes, one audience: each file is sent by one of them, and the list is done once for all.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of tests may panic as well, and say what they saw"
)]

use crate::support::list_stage as stage;
use crate::support::workspace;
mod begins;
mod examples;
mod gathers;
mod night;
