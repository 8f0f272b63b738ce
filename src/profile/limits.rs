//! Limits of Klaviyo's profiles, with the page that each comes from.

/// The largest profile that Klaviyo takes by any way, in bytes (facts A4, profiles API overview, read 2026-11).
pub const MAX_PROFILE_BYTES: usize = 100_000;
