//! The known_hosts reader as the fuzz targets reach it; no part of the interface.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::known_hosts::{HostNames, KnownHosts, Verdict, pattern_has};

/// The key that [`verdict`] asks for, as a line of known_hosts has it.
pub const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLUrOrrMQuPDe8m5TzdBDU7jxRVDLML6xdC7RKmFkVV";

/// The verdict of a known_hosts file on [`ED25519`] as the key of `host`.
pub fn verdict(text: &[u8], host: &str, port: u16) -> &'static str {
    let mut known = KnownHosts::default();
    known.add_file(Path::new("known_hosts"), text, &HostNames::new(host, port));
    let key = ED25519.split(' ').nth(1).unwrap_or_default();
    match known.verdict(&STANDARD.decode(key).unwrap_or_default()) {
        Verdict::Known(_) => "known",
        Verdict::Unknown => "unknown",
        Verdict::Changed(_) => "changed",
        Verdict::Revoked(_) => "revoked",
    }
}

/// Whether a name of a known_hosts line matches.
pub fn pattern_matches(pattern: &[u8], text: &[u8]) -> bool {
    pattern_has(pattern, text)
}
