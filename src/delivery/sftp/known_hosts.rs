//! Reads known_hosts files: which keys stand there for one host, and which are revoked.
//!
//! A reader of our own, since those of the SSH libraries (libssh2, russh) ignore `@revoked` and patterns and stop at a bad
//! line. Lines that cannot be read are skipped and counted, as OpenSSH does. Only lines that name the host are kept.

mod append;
mod names;

use std::io;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::private_file::SmallFile;

pub(super) use append::append;
pub(super) use names::HostNames;
#[cfg(feature = "fuzzing")]
pub(super) use names::pattern_has;

/// A longer line is skipped: the longest real one, an RSA key of 16,384 bits with names, has 3 KB.
const MAX_LINE_BYTES: usize = 64 * 1024;
/// The most bytes that are read of one file, so that a path such as `/dev/zero` ends.
const MAX_FILE_BYTES: u64 = 64 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    None,
    Revoked,
}

/// A line of a known_hosts file that names the host.
#[derive(Debug, Clone)]
pub(super) struct KnownHost {
    marker: Marker,
    /// Named with the port that is dialled, not by the plain host name.
    exact: bool,
    /// `ssh-ed25519` and so on.
    pub(super) key_type: String,
    /// Public key in SSH wire format.
    pub(super) key: Vec<u8>,
    /// File and line number, for messages.
    pub(super) place: (PathBuf, usize),
}

/// The entries of the files for one host.
#[derive(Debug, Default)]
pub(super) struct KnownHosts {
    entries: Vec<KnownHost>,
    /// Lines that could not be read.
    pub(super) skipped_lines: usize,
    /// `@cert-authority` lines for this host; certificates are not supported.
    pub(super) certificate_authorities: usize,
}

/// The verdict of the files on one key of the host.
#[derive(Debug)]
pub(super) enum KeyVerdict<'a> {
    /// The key stands there.
    Known(&'a KnownHost),
    /// No line names the host.
    Unknown,
    /// The host has other keys; the first of them.
    Changed(&'a KnownHost),
    /// A `@revoked` line has the key.
    Revoked(&'a KnownHost),
}

/// A line of a known_hosts file.
enum KnownHostsLine<'a> {
    Blank,
    Bad,
    CertificateAuthority(&'a [u8]),
    Key(Marker, &'a [u8], String, Vec<u8>),
}

impl KnownHosts {
    /// Reads every file; one that does not exist counts as empty.
    pub(super) fn read(files: &[PathBuf], host: &HostNames) -> Result<Self, (PathBuf, io::Error)> {
        let mut known = Self::default();
        for path in files {
            match SmallFile::read(path, MAX_FILE_BYTES) {
                Ok(file) => known.add_file(path, &file.bytes, host),
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
                    ) => {}
                Err(error) => return Err((path.clone(), error)),
            }
        }
        Ok(known)
    }

    /// Adds what one file says.
    pub(super) fn add_file(&mut self, path: &Path, text: &[u8], host: &HostNames) {
        for (index, line) in text.split(|&byte| byte == b'\n').enumerate() {
            match read_line(line) {
                KnownHostsLine::Blank => {}
                KnownHostsLine::Bad => self.skipped_lines += 1,
                KnownHostsLine::CertificateAuthority(names) => {
                    self.certificate_authorities += usize::from(host.named_by(names).is_some());
                }
                KnownHostsLine::Key(marker, names, key_type, key) => {
                    if let Some(exact) = host.named_by(names) {
                        self.entries.push(KnownHost {
                            marker,
                            exact,
                            key_type,
                            key,
                            place: (path.to_path_buf(), index + 1),
                        });
                    }
                }
            }
        }
    }

    /// The entries that speak for the host: those with the port, or, when there is none, those without (as OpenSSH does).
    fn plain(&self) -> impl Iterator<Item = &KnownHost> {
        let exact = self.has_exact();
        self.entries
            .iter()
            .filter(move |entry| entry.marker == Marker::None && entry.exact == exact)
    }

    fn has_exact(&self) -> bool {
        self.entries
            .iter()
            .any(|entry| entry.marker == Marker::None && entry.exact)
    }

    /// True when a key of the host is known, of whatever type.
    pub(super) fn has_key(&self) -> bool {
        self.plain().next().is_some()
    }

    /// True when a key of this type is known, so that it should be asked for.
    pub(super) fn has_type(&self, key_type: &str) -> bool {
        self.plain().any(|entry| entry.key_type == key_type)
    }

    /// Judges the key that the server showed. A line without the port can say that a key is right, never that it changed.
    pub(super) fn verdict(&self, key: &[u8]) -> KeyVerdict<'_> {
        let revoked = |entry: &&KnownHost| entry.marker == Marker::Revoked && entry.key == key;
        if let Some(entry) = self.entries.iter().find(revoked) {
            return KeyVerdict::Revoked(entry);
        }
        if let Some(entry) = self.plain().find(|entry| entry.key == key) {
            return KeyVerdict::Known(entry);
        }
        match self.plain().find(|entry| entry.exact) {
            Some(entry) => KeyVerdict::Changed(entry),
            None => KeyVerdict::Unknown,
        }
    }
}

fn read_line(line: &[u8]) -> KnownHostsLine<'_> {
    let line = line.trim_ascii();
    if line.is_empty() || line[0] == b'#' {
        return KnownHostsLine::Blank;
    }
    if line.len() > MAX_LINE_BYTES {
        return KnownHostsLine::Bad;
    }
    let mut fields = line
        .split(|byte| matches!(byte, b' ' | b'\t'))
        .filter(|field| !field.is_empty());
    let mut names = fields.next().unwrap_or_default();
    let mut marker = Marker::None;
    let mut authority = false;
    if names.starts_with(b"@") {
        match names {
            b"@revoked" => marker = Marker::Revoked,
            b"@cert-authority" => authority = true,
            _ => return KnownHostsLine::Bad,
        }
        names = fields.next().unwrap_or_default();
    }
    let (Some(key_type), Some(key)) = (fields.next(), fields.next()) else {
        return KnownHostsLine::Bad;
    };
    let Ok(key) = STANDARD.decode(key) else {
        return KnownHostsLine::Bad;
    };
    match key_type_of(&key) {
        Some(inner) if inner.as_bytes() == key_type => {
            if authority {
                KnownHostsLine::CertificateAuthority(names)
            } else {
                let key_type = inner.to_owned();
                KnownHostsLine::Key(marker, names, key_type, key)
            }
        }
        _ => KnownHostsLine::Bad,
    }
}

/// The type that a public key in SSH wire format names in its first field.
pub(super) fn key_type_of(key: &[u8]) -> Option<&str> {
    let (length, rest) = key.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    std::str::from_utf8(rest.get(..length)?)
        .ok()
        .filter(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()))
}

/// The line that makes `key` known for the host.
pub(super) fn line_for(host: &HostNames, key: &[u8]) -> String {
    let key_type = key_type_of(key).unwrap_or("unknown");
    format!("{} {key_type} {}", host.primary(), STANDARD.encode(key))
}

#[cfg(test)]
mod tests;
