//! The fast lane: tests of the built binary and of the library that need nothing but the build tools.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of tests may panic as well, and say what they measured"
)]

#[path = "../support"]
mod support {
    pub(crate) mod api_client;
    pub(crate) mod cut_proxy;
    pub(crate) mod delivery;
    pub(crate) mod list_stage;
    pub(crate) mod listener;
    pub(crate) mod random;
    pub(crate) mod scene;
    pub(crate) mod schemas;
    pub(crate) mod transport;
    #[cfg(feature = "parquet")]
    pub(crate) mod typed_fixtures;
    pub(crate) mod value_fixtures;
    pub(crate) mod weather;
    pub(crate) mod workspace;
}

mod api_peers;
mod audience;
mod binary;
mod check;
mod columns;
mod crash;
mod dedupe;
mod delta;
mod demo;
mod dependencies;
mod dialects;
mod doctor;
mod drift;
mod email_corpora;
mod estimate;
mod exit_codes;
mod explain;
mod faults;
mod first_day;
mod foreign;
#[cfg(feature = "fuzzing")]
mod fuzz;
mod given_back;
mod guards;
mod guesses;
mod headers;
mod help;
mod https;
mod init;
mod jobs;
mod keygen;
mod layers;
mod licenses;
mod list;
mod lock;
mod messages;
mod metrics;
mod mutations;
mod names;
mod newcomer;
mod night;
mod notify;
mod offline;
mod otlp;
mod packaging;
mod pages;
mod parquet;
mod phone_cells;
mod preview;
mod privacy;
mod progress;
mod readme;
mod recipes;
mod rejects;
mod report;
mod report_page;
mod run;
mod runs;
mod sandbox;
mod sandbox_api;
mod schedulers;
mod schema;
mod send;
mod settings;
mod shards;
mod shared_identifiers;
mod status;
mod storage;
mod traps;
mod values;
mod variables;
mod weather;
