//! Statuses of the SFTP protocol.

use super::Retry;

/// A status of the SFTP protocol, version 3 and the later ones that servers send all the same
/// (draft-ietf-secsh-filexfer-13, section 9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SftpStatus(pub u32);

impl SftpStatus {
    /// It was done.
    pub const OK: Self = Self(0);
    /// No such file, or a directory of the path is missing.
    pub const NO_SUCH_FILE: Self = Self(2);
    /// Not allowed.
    pub const PERMISSION_DENIED: Self = Self(3);
    /// Any failure that version 3 has no code for, a full disk among them.
    pub const FAILURE: Self = Self(4);
    /// OpenSSH's answer to a name that is too long.
    pub const BAD_MESSAGE: Self = Self(5);
    /// The server has no way to what holds the files.
    pub const NO_CONNECTION: Self = Self(6);
    /// It had one, and lost it.
    pub const CONNECTION_LOST: Self = Self(7);
    /// A directory of the path is missing, where the server tells it apart.
    pub const NO_SUCH_PATH: Self = Self(10);
    /// The disk is full.
    pub const NO_SPACE_ON_FILESYSTEM: Self = Self(14);
    /// The user has no room left.
    pub const QUOTA_EXCEEDED: Self = Self(15);

    fn text(self) -> &'static str {
        match self.0 {
            0 => "ok",
            1 => "end of file",
            2 => "no such file",
            3 => "permission denied",
            4 => "failure",
            5 => "bad message",
            6 => "no connection",
            7 => "connection lost",
            8 => "operation unsupported",
            9 => "invalid handle",
            10 => "no such path",
            11 => "file already exists",
            12 => "file is write protected",
            13 => "no media available",
            14 => "no space on filesystem",
            15 => "quota exceeded",
            16 => "unknown principal",
            17 => "lock conflict",
            18 => "directory not empty",
            19 => "not a directory",
            20 => "invalid filename",
            21 => "link loop",
            _ => "unknown error",
        }
    }

    /// True for what a server without room may answer.
    pub(super) fn may_be_no_space(self) -> bool {
        matches!(
            self,
            Self::FAILURE | Self::NO_SPACE_ON_FILESYSTEM | Self::QUOTA_EXCEEDED
        )
    }

    pub(super) fn retry(self) -> Retry {
        match self {
            Self::NO_CONNECTION | Self::CONNECTION_LOST => Retry::UntilGivenUp,
            _ if self.may_be_no_space() => Retry::Once,
            _ => Retry::Never,
        }
    }
}

impl std::fmt::Display for SftpStatus {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{} (SFTP status {})", self.text(), self.0)
    }
}
