//! The password as the answer to a server's questions (RFC 4256).

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse};
use russh::{MethodKind, MethodSet};

use super::MOST_QUESTIONS;
use crate::base::secret::Secret;
use crate::delivery::sftp::heard::Transcript;

/// Answers each question that is not shown as it is typed with the password. A server that asks anything else, such as a code, is
/// not answered.
pub(super) async fn answer(
    handle: &mut Handle<Transcript>,
    username: &str,
    password: &Secret,
) -> Result<AuthResult, russh::Error> {
    let mut answer = handle
        .authenticate_keyboard_interactive_start(username, None)
        .await?;
    for _ in 0..MOST_QUESTIONS {
        let prompts = match answer {
            KeyboardInteractiveAuthResponse::Success => return Ok(AuthResult::Success),
            KeyboardInteractiveAuthResponse::Failure {
                remaining_methods,
                partial_success,
            } => {
                return Ok(AuthResult::Failure {
                    remaining_methods,
                    partial_success,
                });
            }
            KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } => prompts,
        };
        let responses = prompts.iter().map(|prompt| {
            if prompt.echo {
                String::new()
            } else {
                password.reveal().to_owned()
            }
        });
        answer = handle
            .authenticate_keyboard_interactive_respond(responses.collect())
            .await?;
    }
    Ok(AuthResult::Failure {
        remaining_methods: MethodSet::from(&[MethodKind::KeyboardInteractive][..]),
        partial_success: false,
    })
}
