//! A look at what the server has of an uploaded part.
//!
//! Best effort: Klaviyo's server may collect a file at once or deny the look (facts C); neither is a failure.

use crate::delivery::sftp::{RemoteSize, SftpError, SftpSession};
use crate::state::part::{UploadedPart, Verification};

/// Compares the size of the remote file with that of the part.
pub fn look(session: &mut SftpSession, uploaded: &UploadedPart) -> Result<Verification, SftpError> {
    Ok(match session.size_of(&uploaded.remote_path)? {
        RemoteSize::Bytes(bytes) if bytes == uploaded.part.bytes => Verification::Verified,
        RemoteSize::Bytes(_) => Verification::Failed,
        RemoteSize::Gone => Verification::Collected,
        RemoteSize::Unreadable(_) => Verification::Unverified,
    })
}
