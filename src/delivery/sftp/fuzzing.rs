//! The readers of known_hosts, key files and SFTP packets as the fuzz targets reach them; no part of the interface.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::key_file::KeyFile;
use super::known_hosts::{HostNames, KeyVerdict, KnownHosts, pattern_has};
use super::packet;
use super::subsystem::Packets;

/// The key that [`verdict`] asks for, as a line of known_hosts has it.
pub const ED25519: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILLUrOrrMQuPDe8m5TzdBDU7jxRVDLML6xdC7RKmFkVV";

/// The verdict of a known_hosts file on [`ED25519`] as the key of `host`.
pub fn verdict(text: &[u8], host: &str, port: u16) -> &'static str {
    let mut known = KnownHosts::default();
    known.add_file(Path::new("known_hosts"), text, &HostNames::new(host, port));
    let key = ED25519.split(' ').nth(1).unwrap_or_default();
    match known.verdict(&STANDARD.decode(key).unwrap_or_default()) {
        KeyVerdict::Known(_) => "known",
        KeyVerdict::Unknown => "unknown",
        KeyVerdict::Changed(_) => "changed",
        KeyVerdict::Revoked(_) => "revoked",
    }
}

/// Whether a name of a known_hosts line matches.
pub fn pattern_matches(pattern: &[u8], text: &[u8]) -> bool {
    pattern_has(pattern, text)
}

/// Reads a key file of these bytes, and takes the key out unless it is encrypted. The error as text.
pub fn key(bytes: &[u8]) -> Result<(), String> {
    let text = |error: super::SftpError| error.to_string();
    let file = KeyFile::of_bytes(Path::new("key"), bytes, None).map_err(text)?;
    if file.encrypted {
        return Ok(());
    }
    file.open(None).map(drop).map_err(text)
}

/// The replies in the pieces of a stream from a server, each in words. The last is the error, if there is one.
pub fn replies<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<String> {
    let mut packets = Packets::default();
    let mut seen = Vec::new();
    for piece in pieces {
        packets.add(piece);
        loop {
            let reply = match packets.next() {
                Ok(None) => break,
                Ok(Some(bytes)) => packet::reply(bytes).ok_or_else(|| "no reply".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            match reply {
                Ok(reply) => seen.push(format!("{reply:?}")),
                Err(told) => {
                    seen.push(told);
                    return seen;
                }
            }
        }
    }
    seen
}
