//! `klaviyo-export`: an audience becomes Klaviyo CSV parts on an SFTP server.
//!
//! ```text
//! audience ──blocks──▶ normalize ──batches──▶ dedupe ──▶ spool ──parts──▶ upload ──▶ verify ──▶ report
//! files | stdin          trim, e-mail,         first       CSV, sha256,     sftp,      size,
//! .gz .zst               E.164, repairs        wins        rotate, fsync    N sessions remote
//! ```
//!
//! Data moves one way and each stage has a type of its own, so that a wrong order does not compile.

pub mod audience;
pub mod interrupt;
pub mod mapping;
pub mod normalize;
pub mod profile;
pub mod record;
pub mod rejection;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod secret;
pub mod sftp;
