//! Bad weather: for each fault of the server, what the program must do, and what must be on the server afterwards.
//!
//! The server is the sandbox; the program is the built binary. Whatever happens, a part is delivered whole or not at all,
//! and what is left of a broken attempt is removed or told.
#![cfg(feature = "sandbox")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may end by a panic"
)]

mod random;
mod server;
mod signals;

use crate::support::cut_proxy;
use crate::support::delivery;
use crate::support::scene;
use klaviyo_export::run::report::RunReport;
use scene::{ROW, Scene};

/// The attempts of every part, in order.
fn attempts(report: &RunReport) -> Vec<u32> {
    report.parts.iter().map(|part| part.attempts).collect()
}

/// The messages about each part, in order.
fn words(report: &RunReport) -> Vec<&'static str> {
    report
        .parts
        .iter()
        .map(|part| part.verification.map_or("not sent", |it| it.word()))
        .collect()
}
