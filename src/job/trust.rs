//! Refuses a job file that starts other programs' code and that others than its owner can write.

use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use super::file::JobFile;
use super::{JobError, value};

/// Refuses a job file that loads a driver or runs a program, where another user could have it take theirs: one that others can
/// write, or that belongs to somebody who is neither this user nor root.
pub(super) fn trust(file: &JobFile, path: &Path) -> Result<(), JobError> {
    let Some((key, deed)) = foreign_code(file) else {
        return Ok(());
    };
    let about = std::fs::metadata(path).map_err(|source| JobError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    if about.mode() & 0o022 != 0 {
        let mode = about.mode() & 0o777;
        let problem = format!(
            "{deed}, and other users can write this file (mode {mode:03o}); run chmod go-w on it"
        );
        return Err(value(key, problem));
    }
    if about.uid() != 0 && about.uid() != rustix::process::geteuid().as_raw() {
        let problem = format!(
            "{deed}, and this file belongs to another user (uid {}); make it yours or root's: chown",
            about.uid()
        );
        return Err(value(key, problem));
    }
    Ok(())
}

/// The first key by which the job takes other programs' code, and what it does.
fn foreign_code(file: &JobFile) -> Option<(&'static str, &'static str)> {
    let sftp = &file.sftp;
    if file.audience.adbc.is_some() {
        return Some(("audience.adbc", "loads a driver"));
    }
    [
        ("sftp.proxy-command", &sftp.proxy_command),
        ("sftp.passphrase-command", &sftp.passphrase_command),
        ("sftp.password-command", &sftp.password_command),
        ("sftp.proxy-password-command", &sftp.proxy_password_command),
        ("klaviyo.api-key-command", &file.klaviyo.api_key_command),
        (
            "notify.heartbeat-url-command",
            &file.notify.heartbeat_url_command,
        ),
        (
            "notify.webhook-url-command",
            &file.notify.webhook_url_command,
        ),
        ("notify.command", &file.notify.command),
    ]
    .into_iter()
    .find_map(|(key, command)| (!command.is_empty()).then_some((key, "runs a program")))
}
