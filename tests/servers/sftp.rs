//! The SFTP client against a real OpenSSH server on loopback: what arrives, what breaks, who is let in, whose key it is.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may end by a panic"
)]

mod faults;
mod host_keys;
mod keys;
mod logins;
mod transfer;

use crate::support::sshd;
use klaviyo_export::base::interrupt::Interrupt;
use klaviyo_export::delivery::sftp::{SftpError, SftpSession, SftpSettings};

/// Bytes without a pattern, repeated at a distance that no packet size divides, so that a lost or doubled packet shows.
fn bytes(size: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_u32;
    let block: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    })
    .take(100_003)
    .collect();
    let mut bytes = block.repeat(size / block.len() + 1);
    bytes.truncate(size);
    bytes
}

fn connect(settings: &SftpSettings) -> Result<SftpSession, SftpError> {
    SftpSession::connect(settings, &Interrupt::new())
}

fn connect_error(settings: &SftpSettings) -> SftpError {
    connect(settings).err().expect("the connection to fail")
}

fn put(session: &mut SftpSession, remote: &str, bytes: &[u8]) -> Result<(), SftpError> {
    session.put(remote, &mut &bytes[..], bytes.len() as u64, &mut |_| {})
}

/// The error and its causes on one line, as the program prints it.
fn chain(error: &SftpError) -> String {
    let first: &dyn std::error::Error = error;
    std::iter::successors(Some(first), |error| error.source())
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
