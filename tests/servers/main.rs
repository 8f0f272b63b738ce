//! Tests against real servers and engines: sshd, PostgreSQL, ADBC drivers, Spark, an S3 stand-in, Google's phone library.
//!
//! `tests/run` installs what they need; plain `cargo test` leaves this binary out.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "the helpers of tests may panic as well, and say what they measured"
)]

#[path = "../support"]
mod support {
    pub(crate) mod cut_proxy;
    pub(crate) mod delivery;
    pub(crate) mod engines;
    pub(crate) mod foreign;
    pub(crate) mod listener;
    pub(crate) mod postgres;
    pub(crate) mod proxy;
    pub(crate) mod scene;
    pub(crate) mod spark;
    pub(crate) mod sshd;
    pub(crate) mod transport;
    pub(crate) mod typed_fixtures;
    pub(crate) mod value_fixtures;
    pub(crate) mod workspace;
}

#[cfg(all(feature = "adbc", feature = "parquet", feature = "sandbox"))]
mod adbc;
mod book;
#[cfg(feature = "sandbox")]
mod browser;
#[cfg(feature = "sandbox")]
mod check_sshd;
#[cfg(all(feature = "cloud", feature = "parquet", feature = "sandbox"))]
mod cloud;
#[cfg(all(feature = "adbc", feature = "sandbox"))]
mod container;
#[cfg(feature = "sandbox")]
mod durability;
#[cfg(feature = "sandbox")]
mod editors;
mod export;
#[cfg(feature = "sandbox")]
mod hostile;
#[cfg(feature = "sandbox")]
mod matrix;
mod metrics;
#[cfg(all(feature = "parquet", feature = "sandbox"))]
mod parquet_bombs;
mod phones;
#[cfg(feature = "sandbox")]
mod postgres;
#[cfg(feature = "sandbox")]
mod prompt;
#[cfg(all(feature = "adbc", feature = "parquet", feature = "sandbox"))]
mod queries;
mod sbom;
#[cfg(feature = "sandbox")]
mod schedulers;
mod sftp;
#[cfg(all(feature = "adbc", feature = "parquet", feature = "sandbox"))]
mod spark;
#[cfg(all(feature = "adbc", feature = "sandbox"))]
mod values;
#[cfg(feature = "sandbox")]
mod ways;
